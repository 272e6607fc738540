"""Every class under one transformation: small panels, in which networks are side by side."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from itn.line_names import name_lines
from itn.plots import (
    NAMED_SIZE,
    draw_axes,
    format_magnitude,
    head,
    label_axes,
    panels,
    plot_softmax,
    positions,
)
from itn.study.main_figures import NETWORK_STYLES, alike, with_titles
from itn.study.titles import title
from itn.thresholds import REACHED, thresholds
from itn.transformations import find_transformation

RIVAL_STYLE: dict[str, Any] = {"linewidth": 0.9, "linestyle": ":"}


def plot_classes(screenings: Mapping[str, xr.Dataset]) -> Figure:
    """Draw the mean softmax of every class, one panel each, for all networks that know the same.

    Of one network alone it is `itn.plot_softmax`. Of several, each has the true class and, dotted,
    the rival that comes highest; the vertical lines are the thresholds *half*.
    """
    shown = alike(screenings)
    first = next(iter(shown.values()))
    if len(shown) == 1:
        return plot_softmax(with_titles(first))
    count = first.sizes["category"]
    named = {network: with_titles(one) for network, one in shown.items()}
    found = {network: thresholds(one, resamples=0) for network, one in shown.items()}
    with panels(count, size=NAMED_SIZE, named=True) as (figure, grid):
        for category, axes in enumerate(grid.flat[:count]):
            lines: list[tuple[Line2D, str]] = []
            said = []
            for (network, one), style in zip(named.items(), cycle(NETWORK_STYLES)):
                lines += _draw_class(axes, one, category, title(network), style)
                half = found[network].isel(category=category).sel(criterion="half")
                said.append(_mark_half(axes, half, one, title(network), style))
            draw_axes(
                axes, find_transformation(first.attrs["transformation"]), first.magnitude.values
            )
            label_axes(axes, "mean softmax")
            pictures = int((first.label.values == category).sum())
            head(axes, f"{title(first.category.values[category])} ({pictures} pictures)", said)
            name_lines(axes, lines)
    return figure


def _draw_class(
    axes: Axes, screening: xr.Dataset, category: int, network: str, style: dict[str, Any]
) -> list[tuple[Line2D, str]]:
    """Draw the true class and its strongest rival."""
    mean = screening.mean_softmax.values[category]  # [M, K]
    rival = int(screening.rival.values[category, 0])
    magnitude = screening.magnitude.values
    name = str(screening["class"].values[rival])
    (true,) = axes.plot(
        magnitude, mean[:, int(screening.target.values[category])], label=network,
        **style | {"linewidth": 1.8},
    )  # fmt: skip
    (other,) = axes.plot(
        magnitude, mean[:, rival], label=f"{network}, {name}", **style | RIVAL_STYLE
    )
    return [(true, network), (other, name)]


def _mark_half(
    axes: Axes, half: xr.Dataset, screening: xr.Dataset, network: str, style: dict[str, Any]
) -> str:
    """Draw where half of the accuracy is lost, and say where that is."""
    transformation = find_transformation(screening.attrs["transformation"])
    reached = half.threshold.values[half.status.values == REACHED]
    for threshold in reached:
        for at in positions(threshold, screening.magnitude.values, transformation):
            axes.axvline(at, color=style["color"], linewidth=0.7, zorder=0.5)
    numbers = [format_magnitude(threshold, transformation) for threshold in reached]
    return f"{network} half {', '.join(numbers) or 'not reached'}"
