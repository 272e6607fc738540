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
from itn.plots import GRAY, PANEL_WIDTH, format_magnitude
from itn.sinks import GAINS, gained, taken_for
from itn.study.agreement import CRITERION, Networks, correlation_table, median_correlation
from itn.study.heat_maps import ARROWS
from itn.study.sheets import name_rows, sheet
from itn.study.titles import title
from itn.thresholds import NOT_REACHED, thresholds
from itn.transformations import find_transformation

LABEL, ROW, ABOVE = 2.1, 0.17, 0.2  # inches: names beside, a pair of networks, names inside
PAIR_STYLES: tuple[dict[str, Any], ...] = (  # of two networks each
    {"color": "#0072B2", "marker": "o"},
    {"color": "#D55E00", "marker": "s"},
    {"color": "#009E73", "marker": "D"},
    {"color": "#CC79A7", "marker": "v"},
    {"color": "#E69F00", "marker": "^"},
    {"color": "#444444", "marker": "X"},
)


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


def plot_correlations(
    found: Mapping[Networks, Sequence[xr.Dataset]], inside: bool = False
) -> Figure:
    """Draw how thresholds of every two networks correlate, with 95 % intervals, and the median.

    One row for each transformation and direction of which two networks have a correlation. Names
    are written ``inside`` where there is no room beside.
    """
    tables = {networks: correlation_table(of).dropna(subset="ρ") for networks, of in found.items()}
    keys = list(dict.fromkeys(key for table in tables.values() for key in table.index))
    if not keys:
        raise UsageError("nothing to draw: no two networks lose four classes that both know")
    names = [f"{title(name)} {ARROWS[direction]}" for name, direction in keys]
    above = ABOVE if inside else 0.0
    high = above + ROW * len(found)
    with sheet((1 if inside else 2) * PANEL_WIDTH) as made:
        axes = made.panel(high * (len(keys) + 1), 0.15 if inside else LABEL, 0.15, 0.55)
        axes.axvline(0, color=GRAY, linewidth=0.9)
        for number, (networks, style) in enumerate(zip(found, PAIR_STYLES, strict=False)):
            table, offset = tables[networks], (above + (number + 0.5) * ROW) / high - 0.5
            for key, *row in table[["ρ", "low", "high"]].itertuples():
                _draw_correlation(axes, row, keys.index(key) + offset, style)
            median = median_correlation(found[networks])
            _draw_correlation(axes, median, len(keys) + offset, style)
        axes.axhline(len(keys) - 0.5, color=GRAY, linewidth=0.9)
        name_rows(axes, [*names, "median"], inside, above / high)
        axes.set_xlim(-1, 1)
        axes.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])
        axes.set_xlabel("rank correlation of the thresholds half" if not inside else "ρ")
        handles = [
            Line2D([], [], label=" – ".join(map(title, networks)), markersize=5, **style)
            for networks, style in zip(found, PAIR_STYLES, strict=False)
        ]
        made.legend(handles, 1)
    return made.figure


def _draw_correlation(
    axes: Axes, row: Sequence[float], place: float, style: dict[str, Any]
) -> None:
    value, low, high = row
    axes.plot([low, high], [place, place], **style | {"marker": ""})
    axes.plot(value, place, markersize=5, **style)
