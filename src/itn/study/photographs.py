"""Photographs: pairs of thresholds drawn, and what is kept because everything becomes it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from itn.messages import UsageError
from itn.plots import (
    PANEL_HEIGHT,
    PANEL_WIDTH,
    factor_ticks,
    format_magnitude,
    panels,
)
from itn.sinks import GAINS, gained, taken_for
from itn.study.agreement import (
    CRITERION,
    correlation_table,
    interval_text,
    threshold_pairs,
)
from itn.study.titles import title
from itn.thresholds import NOT_REACHED, thresholds
from itn.transformations import find_transformation

DIRECTION_STYLES: dict[str, dict[str, Any]] = {
    "up": {"color": "#D55E00", "marker": "^"},
    "down": {"color": "#0072B2", "marker": "v"},
}


def sink_table(screenings: Mapping[str, Sequence[xr.Dataset]]) -> pd.DataFrame:
    """Tabulate how many thresholds *half* are not reached because everything is taken for a class.

    One row per network and transformation, and one for ``all`` of a network. ``gain`` counts those
    of ``not reached`` that gain from a sink, see `itn.sinks`; ``class`` takes the largest ``share``
    of the pictures of other classes, ``at`` that magnitude.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for network, found in screenings.items():
        own = {each.attrs["transformation"]: _sinks(each) for each in found}
        total = {
            column: sum(row[column] for row in own.values()) for column in ("not reached", "gain")
        }
        rows |= {(network, name): row for name, row in own.items()} | {(network, "all"): total}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["network", "transformation"])


def _sinks(screening: xr.Dataset) -> dict[str, Any]:
    limits = thresholds(screening, resamples=0)
    kept = (limits.status == NOT_REACHED).sel(criterion=CRITERION)
    gain = (gained(screening, limits).sel(criterion=CRITERION) > GAINS) & kept
    taken = taken_for(screening).stack(where=("category", "magnitude"))
    worst = taken[np.argmax(taken.values)]
    transformation = find_transformation(screening.attrs["transformation"])
    return {
        "not reached": int(kept.sum()),
        "gain": int(gain.sum()),
        "class": title(worst.category.item()),
        "share": float(worst),
        "at": format_magnitude(worst.magnitude.item(), transformation),
    }


def plot_threshold_pairs(comparisons: Sequence[xr.Dataset], first: str, second: str) -> Figure:
    """Draw the thresholds of one network against the other's, one panel per transformation.

    With their rank correlations. Hollow markers at the border: a threshold that was not reached
    within the sweep.
    """
    correlations = correlation_table(comparisons)
    if correlations.empty:
        raise UsageError(
            f"nothing to draw: {first} and {second} share no class that both know untransformed"
        )
    pairs = pd.concat(map(threshold_pairs, comparisons), ignore_index=True)
    names = list(dict.fromkeys(pairs.transformation))
    size = (0.72 * PANEL_WIDTH, 0.81 * PANEL_HEIGHT)
    with panels(len(names), columns=4, size=size) as (figure, grid):
        for axes, name in zip(grid.flat, names, strict=False):
            _draw_pairs(axes, pairs[pairs.transformation == name], correlations.loc[name])
            axes.set_title(title(name), pad=29)
        for axes in grid[:, 0]:
            axes.set_ylabel(title(second))
        for axes in grid[-1]:
            axes.set_xlabel(title(first))
        handles = [
            Line2D([], [], linestyle="", label=f"{direction}, {what}", markersize=5,
                   markerfacecolor=fill or style["color"], **style)
            for direction, style in DIRECTION_STYLES.items()
            for what, fill in (("reached by both", ""), ("not reached by one or both", "none"))
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _draw_pairs(axes: Axes, pairs: pd.DataFrame, found: pd.DataFrame) -> None:
    logarithmic = find_transformation(pairs.transformation.iloc[0]).logarithmic
    for row, (direction, style) in enumerate(DIRECTION_STYLES.items()):
        some = pairs[pairs.direction == direction]
        if some.empty:
            continue
        censored = some.first_censored | some.second_censored
        for shown, face in ((some[~censored], style["color"]), (some[censored], "none")):
            axes.plot(
                shown["first"], shown["second"], linestyle="", markersize=5, alpha=0.8,
                markerfacecolor=face, **style,
            )  # fmt: skip
        *interval, count = found.loc[direction, ["ρ", "low", "high", "pairs"]]
        axes.text(
            0.5, 1.02 + 0.09 * row, f"{direction}: ρ = {interval_text(*interval)}, n = {count:.0f}",
            transform=axes.transAxes, fontsize=7, ha="center", color=style["color"],
        )  # fmt: skip
    if logarithmic:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        factor_ticks(axes.xaxis)
        factor_ticks(axes.yaxis)
