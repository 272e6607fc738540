"""Figures of thresholds on one axis: class × transformation, and transformations in their order."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from itn.plots import PANEL_WIDTH, factor_ticks
from itn.study.common_axis import KEYS, OneAxis, order_classes
from itn.study.main_figures import NETWORK_STYLES
from itn.study.sheets import Sheet, name_rows, sheet
from itn.study.titles import title
from itn.transformations import GRAY_WEIGHTS, Motion, Recoloring, find_transformation

AXIS = "RMS distance from the original, full range = 1"
PERCENT = "RMS distance from the original, % of the full range"
ARROWS = {"up": "↑", "down": "↓"}
NEAREST, FARTHEST = 1 / 16, 1 / 2  # ends of the color scale; beyond, it is the same color
NAMES, UNDER = 1.35, 2.05  # inches for the names of classes, and for those of transformations
CELL, CELL_WITH_INTERVAL = (0.26, 0.2), (0.62, 0.36)  # inches
BAR = 0.12  # inches, of the color scale
LABEL, COUNTS = 2.1, 0.75  # inches beside a ranking: transformations, and how many are lost
ROW, ABOVE = 0.24, 0.2  # inches, of a ranked transformation for each network, and of its name
NOT_LOST, HATCH = "#FFFFFF", "#CCCCCC"
KINDS: dict[str, dict[str, Any]] = {
    "moves pixels": {"color": "#0072B2", "marker": "o"},
    "changes each color by itself": {"color": "#D55E00", "marker": "s"},
    "blur and noise": {"color": "#009E73", "marker": "D"},
}


def plot_distances(
    on_axis: Mapping[str, OneAxis], intervals: bool = False, across: int | None = None
) -> Figure:
    """Draw how far each class may be changed by each transformation, on one axis.

    For each network; numbers are per cent of the full range. Classes that are kept farthest come
    first, from above, and transformations that are lost nearest, from the left, in the order of
    the first network. Hatched: not lost within the sweep, in which the pictures get as far as
    that. With ``intervals``, the 95 % interval stands below each number. So many transformations
    stand side by side as ``across`` says, all by default.
    """
    first = next(iter(on_axis.values()))
    classes, columns = order_classes(first.table), first.ranking.index.tolist()
    across = across or len(columns)
    wide, high = CELL_WITH_INTERVAL if intervals else CELL
    norm, colors = LogNorm(NEAREST, FARTHEST), mpl.colormaps["cividis"]
    with sheet(NAMES + across * wide + 0.05) as made:
        for network, one in on_axis.items():
            made.heading(title(network))
            for start in range(0, len(columns), across):
                shown = columns[start : start + across]
                right = 0.05 + (across - len(shown)) * wide
                axes = made.panel(high * len(classes), NAMES, right, UNDER)
                for _, row in one.table.iterrows():
                    key = (row["transformation"], row["direction"])
                    if key not in shown or row["class"] not in classes:
                        continue
                    at = shown.index(key), classes.index(row["class"])
                    color = NOT_LOST if row["censored"] else colors(norm(row["distance"]))
                    _draw_cell(axes, row, at, color, intervals)
                _label_cells(axes, shown, classes)
        said = textwrap.fill(PERCENT, 28 if across < len(columns) else 60)
        bar = made.panel(BAR, right=0.3, below=0.35 + 0.17 * (1 + said.count("\n")))
        made.figure.colorbar(
            ScalarMappable(norm, colors), cax=bar, orientation="horizontal", extend="both"
        )
        bar.set_xlabel(said)
        bar.set_xticks([1 / 16, 1 / 8, 1 / 4, 1 / 2], ["6", "12", "25", "50"])
        bar.minorticks_off()
    return made.figure


def _label_cells(axes: Axes, columns: Sequence[tuple[str, str]], classes: Sequence[str]) -> None:
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(classes), 0)
    axes.set_xticks(np.arange(len(columns)) + 0.5, [_name(*each) for each in columns])
    axes.set_yticks(np.arange(len(classes)) + 0.5, [title(each) for each in classes])
    axes.tick_params(length=0)
    axes.tick_params(axis="x", labelrotation=90)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_cell(
    axes: Axes,
    row: pd.Series,
    at: tuple[int, int],
    color: Any,
    intervals: bool,
) -> None:
    light = np.dot(to_rgb(color), GRAY_WEIGHTS) > 0.5
    axes.add_patch(Rectangle(at, 1, 1, facecolor=color, edgecolor="white", linewidth=0.5))
    if row["censored"]:
        axes.add_patch(Rectangle(at, 1, 1, fill=False, hatch="////", edgecolor=HATCH, linewidth=0))
    number = percent_text(row["distance"]) if intervals or not row["censored"] else ""
    text = number + ("‡" if row["gains"] else "")
    if intervals:
        text = f"{text}\n{_interval(row['distance low'], row['distance high'])}".rstrip()
    axes.text(
        at[0] + 0.5, at[1] + 0.52, text, color="#000000" if light else "#FFFFFF",
        ha="center", va="center", linespacing=1.1,
    )  # fmt: skip


def plot_ranking(on_axis: Mapping[str, OneAxis], inside: bool = False) -> Figure:
    """Draw the distance at which transformations lose the median class, the nearest on top.

    In the order of the first network, with 95 % intervals; an arrow leads to what is not known to
    end. Hollow: most classes are not lost as far as was looked. The line is the median distance
    between two pictures. Names are written ``inside`` where there is no room beside.
    """
    first = next(iter(on_axis.values()))
    rows = first.ranking.index.tolist()
    left, width, high = (0.1, PANEL_WIDTH, ABOVE) if inside else (LABEL, 2 * PANEL_WIDTH, 0.0)
    high += ROW * len(on_axis)
    with sheet(width) as made:
        axes = made.panel(high * len(rows), left, COUNTS, 0.55)
        limits = _limits(on_axis)
        between = float(first.distances.apart.median())
        if np.isfinite(between):
            axes.axvline(between, color="#777777", linewidth=1, linestyle="--", zorder=0)
        offsets = [0.0] if len(on_axis) == 1 else [-0.5 * ROW / high, 0.5 * ROW / high]
        for (_, one), style, offset in zip(
            on_axis.items(), cycle(NETWORK_STYLES), offsets, strict=False
        ):
            own = one.ranking.reset_index().set_index(KEYS, drop=False)
            for place, key in enumerate(rows):
                color = None if len(on_axis) == 1 else style["color"]
                at = place + offset + (ABOVE / 2 / high if inside else 0)
                _draw_rank(axes, own.loc[key], at, limits, color)
        name_rows(axes, [_name(*each) for each in rows], inside, ABOVE / high)
        axes.set_xscale("log", base=2)
        axes.set_xlim(*limits)
        factor_ticks(axes.xaxis)
        axes.set_xlabel(textwrap.fill(AXIS, 28 if inside else 60))
        _explain(made, on_axis, between, inside)
    return made.figure


def _limits(on_axis: Mapping[str, OneAxis]) -> tuple[float, float]:
    """Return the ends of the axis, beyond all markers."""
    both = pd.concat([one.ranking[["median", "low", "high"]] for one in on_axis.values()])
    ends = both.replace(np.inf, np.nan).to_numpy()
    return float(np.nanmin(ends) / 1.3), float(np.nanmax(ends) * 1.5)


def _explain(made: Sheet, on_axis: Mapping[str, OneAxis], between: float, inside: bool) -> None:
    """Say below the axes what markers, colors and the dashed line mean."""
    names = [key[0] for key in next(iter(on_axis.values())).ranking.index]
    several = len(on_axis) > 1
    handles = [
        Line2D(
            [], [], linestyle="", label=kind, **style | ({"color": "#444444"} if several else {})
        )
        for kind, style in KINDS.items()
        if kind in map(kind_of, names)
    ]
    if several:
        handles += [
            Line2D([], [], color=style["color"], linewidth=1.4, label=title(network))
            for network, style in zip(on_axis, cycle(NETWORK_STYLES), strict=False)
        ]
    handles.append(
        Line2D([], [], linestyle="", marker="o", color="#444444", markerfacecolor="white",
               label="most classes not lost")
    )  # fmt: skip
    if np.isfinite(between):
        handles.append(
            Line2D([], [], color="#777777", linewidth=1, linestyle="--",
                   label=f"two different pictures: {between:.2f}")
        )  # fmt: skip
    made.legend(handles, 1 if inside else 2)


def _draw_rank(
    axes: Axes, row: pd.Series, place: float, limits: tuple[float, float], color: str | None
) -> None:
    style = KINDS[kind_of(row.transformation)] | ({"color": color} if color else {})
    near = row["median"] if row.censored else row.low
    far = row.high if np.isfinite(row.high) else limits[1] / 1.1
    axes.plot([near, far], [place, place], color=style["color"], linewidth=1.4)
    if np.isinf(row.high):
        axes.plot(far, place, linestyle="", marker=">", markersize=4, color=style["color"])
    face = "white" if row.censored else style["color"]
    axes.plot(row["median"], place, markersize=5, markerfacecolor=face, linestyle="", **style)
    axes.annotate(
        f"{row.lost:.0f} of {row.classes:.0f}", (1.01, place), va="center", color=color or "black",
        xycoords=("axes fraction", "data"),
    )  # fmt: skip


def kind_of(name: str) -> str:
    """Say what a transformation does to pictures, see `KINDS`."""
    transformation = find_transformation(name)
    kinds = (Motion, Recoloring)
    place = next((i for i, each in enumerate(kinds) if isinstance(transformation, each)), 2)
    return list(KINDS)[place]


def percent_text(distance: float) -> str:
    """Write a distance in per cent of the full range."""
    return f"{100 * distance:.0f}"


def _interval(low: float, high: float) -> str:
    if np.isnan(low):
        return ""
    return (
        f"≥{percent_text(low)}" if np.isnan(high) else f"{percent_text(low)}–{percent_text(high)}"
    )


def _name(name: str, direction: str) -> str:
    return f"{title(name)} {ARROWS[direction]}"
