"""Figures of thresholds on one axis: class × transformation, and transformations in their order."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from itn.plots import factor_ticks, panels
from itn.study.common_axis import KEYS, order_classes
from itn.study.titles import title
from itn.transformations import GRAY_WEIGHTS, Motion, Recoloring, find_transformation

AXIS = "RMS distance from the original, full range = 1"
ARROWS = {"up": "↑", "down": "↓"}
NEAREST, FARTHEST = 1 / 16, 1 / 2  # ends of the color scale; beyond, it is the same color
CELL_WIDTH, CELL_HEIGHT = 0.43, 0.21  # inches
ROW_HEIGHT = 0.24  # inches, of a ranked transformation
NOT_LOST, HATCH = "#FFFFFF", "#CCCCCC"
KINDS: dict[str, dict[str, Any]] = {
    "moves pixels": {"color": "#0072B2", "marker": "o"},
    "changes each color by itself": {"color": "#D55E00", "marker": "s"},
    "blur and noise": {"color": "#009E73", "marker": "D"},
}


def plot_distances(table: pd.DataFrame, ranking: pd.DataFrame, intervals: bool = False) -> Figure:
    """Draw how far each class may be changed by each transformation, on one axis.

    Of a `distance_table` and its ranking. Classes that are kept farthest come first, from above,
    and transformations that are lost nearest, from the left. Hatched, with ≥: not lost within the
    sweep, in which the pictures get as far as that. With ``intervals``, the 95 % interval stands
    below each number.
    """
    classes, columns = order_classes(table), ranking.index.tolist()
    width = CELL_WIDTH * len(columns)
    height = CELL_HEIGHT * (2 if intervals else 1) * len(classes)
    norm, colors = LogNorm(NEAREST, FARTHEST), mpl.colormaps["cividis"]
    with panels(1, size=(width + 2.2, height + 1.5)) as (figure, grid):
        axes = grid[0, 0]
        for _, row in table.iterrows():
            place = columns.index((row["transformation"], row["direction"]))
            at = place, classes.index(row["class"])
            color = NOT_LOST if row["censored"] else colors(norm(row["distance"]))
            _draw_cell(axes, row, at, color, intervals)
        axes.set_xlim(0, len(columns))
        axes.set_ylim(len(classes), 0)
        axes.set_xticks(np.arange(len(columns)) + 0.5, [_name(*each) for each in columns])
        axes.set_yticks(np.arange(len(classes)) + 0.5, [title(each) for each in classes])
        axes.tick_params(length=0, labelsize=8)
        axes.tick_params(axis="x", labelrotation=90)
        for spine in axes.spines.values():
            spine.set_visible(False)
        bar = figure.colorbar(
            ScalarMappable(norm, colors), ax=axes, extend="both", fraction=0.02, pad=0.01
        )
        bar.set_label("RMS distance")
        bar.ax.yaxis.set_major_locator(mpl.ticker.LogLocator(base=2))
        factor_ticks(bar.ax.yaxis)
    return figure


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
    text = distance_text(row["distance"], row["censored"]) + ("‡" if row["gains"] else "")
    if intervals:
        text = f"{text}\n{_interval(row['distance low'], row['distance high'])}".rstrip()
    axes.text(
        at[0] + 0.5, at[1] + 0.52, text, color="#000000" if light else "#FFFFFF", fontsize=6,
        ha="center", va="center", linespacing=1.3,
    )  # fmt: skip


def plot_ranking(ranking: pd.DataFrame, apart: xr.DataArray) -> Figure:
    """Draw the distance at which transformations lose the median class, the nearest on top.

    With its 95 % interval; an arrow leads to what is not known to end. Hollow: most classes are
    not lost as far as was looked. The line is the median distance between two pictures.
    """
    with panels(1, size=(6.4, ROW_HEIGHT * len(ranking) + 1.2)) as (figure, grid):
        axes = grid[0, 0]
        ends = ranking[["median", "low", "high"]].replace(np.inf, np.nan).to_numpy()
        low, high = np.nanmin(ends) / 1.3, np.nanmax(ends) * 1.5
        between = float(apart.median())
        if np.isfinite(between):
            axes.axvline(between, color="#777777", linewidth=1, linestyle="--", zorder=0)
            axes.annotate(
                f"two different pictures: {between:.2f}", (between, 1.01), ha="center",
                xycoords=("data", "axes fraction"), fontsize=7, color="#555555",
            )  # fmt: skip
        axes.annotate("lost", (1.01, 1.01), xycoords="axes fraction", fontsize=7)
        for place, (_, row) in enumerate(ranking.reset_index().iterrows()):
            _draw_rank(axes, row, place, (low, high))
        axes.set_yticks(range(len(ranking)), [_name(*each) for each in ranking.index])
        axes.set_ylim(len(ranking) - 0.5, -0.5)
        axes.set_xscale("log", base=2)
        axes.set_xlim(low, high)
        factor_ticks(axes.xaxis)
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel(AXIS)
        shown = [kind for kind in KINDS if kind in map(kind_of, ranking.index.unique(KEYS[0]))]
        handles = [Line2D([], [], linestyle="", label=kind, **KINDS[kind]) for kind in shown]
        handles.append(
            Line2D([], [], linestyle="", marker="o", color="#444444", markerfacecolor="white",
                   label="most classes not lost")
        )  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _draw_rank(axes: Axes, row: pd.Series, place: int, limits: tuple[float, float]) -> None:
    style = KINDS[kind_of(row.transformation)]
    near = row["median"] if row.censored else row.low
    far = row.high if np.isfinite(row.high) else limits[1] / 1.1
    axes.plot([near, far], [place, place], color=style["color"], linewidth=1.4)
    if np.isinf(row.high):
        axes.plot(far, place, linestyle="", marker=">", markersize=4, color=style["color"])
    face = "white" if row.censored else style["color"]
    axes.plot(row["median"], place, markersize=5, markerfacecolor=face, linestyle="", **style)
    axes.annotate(
        f"{row.lost:.0f} of {row.classes:.0f}", (1.01, place), va="center", fontsize=7,
        xycoords=("axes fraction", "data"),
    )  # fmt: skip


def kind_of(name: str) -> str:
    """Say what a transformation does to pictures, see `KINDS`."""
    transformation = find_transformation(name)
    kinds = (Motion, Recoloring)
    place = next((i for i, each in enumerate(kinds) if isinstance(transformation, each)), 2)
    return list(KINDS)[place]


def distance_text(distance: float, censored: bool = False) -> str:
    """Write a distance; ≥ before one as far as which a class was kept."""
    return f"{'≥' if censored else ''}{distance:.2f}"


def _interval(low: float, high: float) -> str:
    if np.isnan(low):
        return ""
    return f"≥{low:.2f}" if np.isnan(high) else f"{low:.2f}–{high:.2f}"


def _name(name: str, direction: str) -> str:
    return f"{title(name)} {ARROWS[direction]}"
