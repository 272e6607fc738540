"""Accuracy over many classes together, the paper's first measure, of profiles that are pooled."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from itn.messages import UsageError
from itn.plots import PANEL_WIDTH, draw_axes, draw_share, panels
from itn.study.main_figures import NETWORK_STYLES
from itn.study.pages import MISSING
from itn.study.profiles import FigureParameters, load_profile
from itn.study.screenings import archived_screening
from itn.study.sheets import explain, lines_of
from itn.study.titles import title
from itn.study.together import ALL, as_one_category, threshold_text
from itn.thresholds import NOT_SCREENED, accuracy_interval, thresholds, value_at
from itn.transformations import TRANSFORMATIONS, find_transformation

TOP = {"top-1": 1, "top-5": 5}  # among how many of a network's first guesses the true class is
Screenings = Mapping[str, Sequence[xr.Dataset]]  # of each network, by all transformations


def pooled_screenings(parameters: FigureParameters) -> dict[str, list[xr.Dataset]]:
    """Take the archived screenings of a profile whose pictures are pooled."""
    profile = load_profile(parameters.profile)
    if profile.pooled is None:
        raise UsageError(f"profile {parameters.profile} does not pool its pictures")
    return {
        network: [
            archived_screening(parameters.model_copy(update={"network": network}), name)
            for name in TRANSFORMATIONS
        ]
        for network in profile.networks
    }


def untouched_table(screenings: Screenings) -> pd.DataFrame:
    """Tabulate the accuracy of each network on pictures as they are, with its 95 % interval."""
    rows = {}
    for network, (first, *_) in screenings.items():
        rows[network] = row = {"pictures": float(first.sizes["image"])}
        for name, top in TOP.items():
            right = _right(first, top)
            share, *interval = (
                float(value_at(first, curve, first.attrs["identity"]))
                for curve in (right.mean(axis=0), *_interval(right))
            )
            row |= {name: share, f"{name} low": interval[0], f"{name} high": interval[1]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def half_table(screenings: Screenings) -> pd.DataFrame:
    """Tabulate where half of the accuracy over all pictures is lost, with its 95 % interval.

    One row for each network, top, transformation and direction that was screened.
    """
    rows: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for network, found in screenings.items():
        for (name, top), screening in itertools.product(TOP.items(), found):
            found_all = thresholds(as_one_category(screening, _right(screening, top)))
            half = found_all.sel(category=ALL, criterion="half")
            for direction in half.direction.values.tolist():
                one = half.sel(direction=direction)
                if one.status != NOT_SCREENED:
                    key = network, name, screening.attrs["transformation"], direction
                    columns = ("status", "threshold", "low", "high", "limit")
                    rows[key] = {column: one[column].item() for column in columns}
                    rows[key]["text"] = threshold_text(one)
    names = ["network", "top", "transformation", "direction"]
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(names)


def half_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Write what `half_table` says as a page shows it, networks side by side."""
    shown = table.text.unstack(["network", "top"])
    order = dict.fromkeys((name, direction) for _, _, name, direction in table.index)
    columns = dict.fromkeys((network, top) for network, top, _, _ in table.index)
    shown = shown.reindex(index=list(order), columns=list(columns)).fillna(MISSING)
    return shown.set_axis([f"{network} {top}" for network, top in columns], axis="columns")


def plot_many_classes(screenings: Screenings, columns: int = 2) -> Figure:
    """Draw accuracy over all pictures against the magnitude, one panel per transformation.

    Thick lines are the share whose class comes first, with its 95 % interval, thin ones the share
    whose class is among the first five.
    """
    count = len(next(iter(screenings.values())))
    with panels(count, columns, (PANEL_WIDTH, 2.3), sharey=True) as (figure, grid):
        for number, axes in enumerate(grid.flat[:count]):
            for style, (network, found) in zip(
                itertools.cycle(NETWORK_STYLES), screenings.items(), strict=False
            ):
                _draw(axes, found[number], title(network), style)
        for row in grid:
            row[0].set_ylabel("accuracy")
        explain(figure, lines_of(grid[0, :1]))
    return figure


def _draw(axes: Axes, screening: xr.Dataset, network: str, style: Mapping[str, Any]) -> None:
    magnitude = screening.magnitude.values
    for (name, top), width, opacity in zip(TOP.items(), (2.2, 0.9), (0.25, 0.12), strict=True):
        right = _right(screening, top)
        draw_share(
            axes, magnitude, right.mean(axis=0), _interval(right), opacity,
            label=f"{network}, {name}", linewidth=width, **style,
        )  # fmt: skip
    transformation = find_transformation(screening.attrs["transformation"])
    draw_axes(axes, transformation, magnitude)
    axes.set_title(title(transformation.name))


def _right(screening: xr.Dataset, top: int) -> npt.NDArray[np.bool_]:
    return np.asarray(screening.place.values < top)


def _interval(right: npt.NDArray[np.bool_]) -> tuple[np.ndarray, np.ndarray]:
    return accuracy_interval(right.sum(axis=0), len(right))
