"""Photographs: how thresholds of networks correlate, and what is kept as everything becomes it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from itn.messages import UsageError
from itn.plots import GRAY, PANEL_WIDTH, format_magnitude, panels
from itn.sinks import GAINS, gained, taken_for
from itn.study.agreement import CRITERION, Networks, correlation_table, median_correlation
from itn.study.heat_maps import ARROWS
from itn.study.sheets import explain
from itn.study.titles import title
from itn.thresholds import NOT_REACHED, thresholds
from itn.transformations import find_transformation

ROW, BESIDE = 0.19, 0.6  # inches: of a transformation, and above and below all of them
ABOVE, NOT_ABOVE = "interval above 0", "not"
VERDICT_STYLES: dict[str, dict[str, Any]] = {
    ABOVE: {"color": "#0072B2", "marker": "o", "markersize": 5},
    NOT_ABOVE: {"color": "#777777", "marker": "o", "markersize": 5, "markerfacecolor": "white"},
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


def plot_correlations(found: Mapping[Networks, Sequence[xr.Dataset]], columns: int = 3) -> Figure:
    """Draw how thresholds of every two networks correlate, with 95 % intervals, and the median.

    One panel for every two networks, one row for each transformation and direction of which two
    networks have a correlation.
    """
    tables = {networks: correlation_table(of).dropna(subset="ρ") for networks, of in found.items()}
    keys = list(dict.fromkeys(key for table in tables.values() for key in table.index))
    if not keys:
        raise UsageError("nothing to draw: no two networks lose four classes that both know")
    names = ["median", *(f"{title(name)} {ARROWS[direction]}" for name, direction in keys)]
    width = (2 if columns > 2 else 1) * PANEL_WIDTH / columns
    size = width, ROW * len(names) + BESIDE
    with panels(len(found), columns, size, sharex=True, sharey=True) as (figure, grid):
        for axes, networks in zip(grid.flat, found, strict=False):
            axes.axvline(0, color=GRAY, linewidth=0.9)
            axes.axhline(0.5, color=GRAY, linewidth=0.9)
            _draw_correlation(axes, median_correlation(found[networks]), 0)
            for key, *row in tables[networks][["ρ", "low", "high"]].itertuples():
                _draw_correlation(axes, row, 1 + keys.index(key))
            axes.set_title(" –\n".join(map(title, networks)))
            axes.tick_params(axis="y", length=0)
        axes.set_xlim(-1, 1)
        axes.set_xticks([-1, 0, 1], ["−1", "0", "1"])
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        for axes in grid[:, 0]:
            axes.get_yticklabels()[0].set_fontweight("bold")
        for axes in grid[-1]:
            axes.set_xlabel("rank correlation")
        drawn = {label: Line2D([], [], **style) for label, style in VERDICT_STYLES.items()}
        explain(figure, drawn)
    return figure


def _draw_correlation(axes: Axes, row: Sequence[float], place: float) -> None:
    value, low, high = row
    style = VERDICT_STYLES[ABOVE if low > 0 else NOT_ABOVE]
    axes.plot([low, high], [place, place], **style | {"marker": ""})
    axes.plot(value, place, **style)
