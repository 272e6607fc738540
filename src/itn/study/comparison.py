"""Comparisons of a profile's networks: do they lose the same classes at the same magnitudes?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from itn.messages import UsageError
from itn.plots import PANEL_HEIGHT, PANEL_WIDTH, factor_ticks, panels
from itn.study.profiles import FigureParameters, load_profile
from itn.study.screenings import archived_screening, obtain_screening
from itn.thresholds import DIRECTIONS, NOT_REACHED, REACHED, thresholds
from itn.transformations import TRANSFORMATIONS, find_transformation

CRITERION = "half"
FEWEST_REACHED = 4  # pairs of thresholds; with fewer, ranks say nothing
ANOTHER, ITS_PROFILE = "squeezenet", "imagenet"  # what every profile's networks are compared with
PAIRS = {
    "transformation": str,
    "direction": str,
    "category": str,
    "first": float,
    "first_censored": bool,
    "second": float,
    "second_censored": bool,
}
CORRELATIONS = {
    "transformation": str,
    "direction": str,
    "pairs": int,
    "censored": int,
    "rank correlation": float,
    "p": float,
}
DIRECTION_STYLES: dict[str, dict[str, Any]] = {
    "up": {"color": "#D55E00", "marker": "^"},
    "down": {"color": "#0072B2", "marker": "v"},
}


def compare(parameters: FigureParameters) -> dict[tuple[str, str], pd.DataFrame]:
    """Pair the thresholds of a profile's networks with each other and with SqueezeNet's."""
    names = load_profile(parameters.profile).networks
    screenings = {
        name: [
            obtain_screening(parameters.model_copy(update={"network": name}), transformation)
            for transformation in TRANSFORMATIONS
        ]
        for name in names
    }
    if ANOTHER not in screenings:
        its = FigureParameters(profile=ITS_PROFILE, network=ANOTHER)
        screenings[ANOTHER] = [archived_screening(its, name) for name in TRANSFORMATIONS]
    every = list(screenings)
    tables = {
        (first, second): pd.concat(
            map(threshold_pairs, screenings[first], screenings[second]), ignore_index=True
        )
        for index, first in enumerate(every)
        for second in every[index + 1 :]
    }
    if all(pairs.empty for pairs in tables.values()):
        classes = [
            f"{name} knows {_some(of[0].category.values)}" for name, of in screenings.items()
        ]
        raise UsageError(
            f"profile {parameters.profile} has no two networks with thresholds of the same class: "
            + "; ".join(classes)
        )
    return tables


def threshold_pairs(first: xr.Dataset, second: xr.Dataset) -> pd.DataFrame:
    """Pair the thresholds *half* of two networks, class by class.

    A threshold that was not reached stands as the end of the sweep and is marked as censored.
    Classes that a network loses at the identity have no row.
    """
    columns = {name: _limits(one) for name, one in (("first", first), ("second", second))}
    shared = [c for c in first.category.values.tolist() if c in second.category.values]
    rows = []
    for direction in DIRECTIONS:
        for category in shared:
            found = {name: column.get((direction, category)) for name, column in columns.items()}
            row: dict[str, Any] = {
                "transformation": first.attrs["transformation"],
                "direction": direction,
                "category": category,
            }
            for name, pair in found.items():
                if pair is not None:
                    row[name], row[f"{name}_censored"] = pair
            if None not in found.values():
                rows.append(row)
    return pd.DataFrame(rows, columns=list(PAIRS)).astype(PAIRS)


def rank_correlations(pairs: pd.DataFrame) -> pd.DataFrame:
    """Correlate the ranks of two networks' thresholds over the classes.

    A threshold that was not reached is farther out than every number: it shares the last
    rank with the others that were not. Spearman's coefficient of ranks with ties.

    NaN where fewer than `FEWEST_REACHED` pairs were reached by both, or one network has the same
    threshold for all; ``p`` is two-sided.
    """
    rows = []
    keys = ["transformation", "direction"]
    for (transformation, direction), group in pairs.groupby(keys, sort=False) if len(pairs) else ():
        censored = int((group.first_censored | group.second_censored).sum())
        coefficient, p = np.nan, np.nan
        first, second = outward(group, "first"), outward(group, "second")
        # Where all thresholds of a network are the same, they have no order.
        ordered = min(len(np.unique(first)), len(np.unique(second))) > 1
        if ordered and len(group) - censored >= FEWEST_REACHED:
            coefficient, p = stats.spearmanr(first, second)
        rows.append(
            {
                "transformation": transformation,
                "direction": direction,
                "pairs": len(group),
                "censored": censored,
                "rank correlation": float(coefficient),
                "p": float(p),
            }
        )
    return pd.DataFrame(rows, columns=list(CORRELATIONS)).astype(CORRELATIONS)


def plot_threshold_pairs(pairs: pd.DataFrame, first: str, second: str) -> Figure:
    """Draw the thresholds of one network against the other's, one panel per transformation.

    Hollow markers at the border: a threshold that was not reached within the sweep.
    """
    if pairs.empty:
        raise UsageError(
            f"nothing to draw: {first} and {second} share no class that both know untransformed"
        )
    names = list(dict.fromkeys(pairs.transformation))
    found = rank_correlations(pairs).set_index(["transformation", "direction"])
    size = (0.72 * PANEL_WIDTH, 0.81 * PANEL_HEIGHT)
    with panels(len(names), columns=4, size=size) as (figure, grid):
        for axes, name in zip(grid.flat, names, strict=False):
            _draw_pairs(axes, pairs[pairs.transformation == name], found.loc[name])
            axes.set_title(name, pad=24)
        for axes in grid[:, 0]:
            axes.set_ylabel(second)
        for axes in grid[-1]:
            axes.set_xlabel(first)
        handles = [
            Line2D([], [], linestyle="", label=f"{direction}, {what}", markersize=5,
                   markerfacecolor=fill or style["color"], **style)
            for direction, style in DIRECTION_STYLES.items()
            for what, fill in (("reached by both", ""), ("not reached by one or both", "none"))
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def comparison_numbers(tables: Mapping[tuple[str, str], pd.DataFrame]) -> dict[str, float | str]:
    """Collect the numbers that the book's prose takes from the comparison."""
    numbers: dict[str, float | str] = {}
    for (first, second), pairs in tables.items():
        found = rank_correlations(pairs)
        start = f"{first}_{second}"
        for row in found.to_dict("records"):
            key = f"{start}_{row['transformation']}_{row['direction']}"
            numbers[key] = row["rank correlation"]
            numbers[f"{key}_pairs"], numbers[f"{key}_censored"] = row["pairs"], row["censored"]
        defined = found.dropna().sort_values("rank correlation")
        rho = defined["rank correlation"]
        numbers[f"{start}_median"] = float(rho.median())
        for which, position in (("lowest", 0), ("highest", -1)):
            if len(defined):
                one = defined.iloc[position]
                numbers[f"{start}_{which}"] = float(one["rank correlation"])
                numbers[f"{start}_{which}_name"] = f"{one['transformation']}, {one['direction']}"
        numbers[f"{start}_defined"] = len(defined)
        numbers[f"{start}_positive"] = int((rho > 0).sum())
        numbers[f"{start}_significant"] = int(((rho > 0) & (defined.p < 0.05)).sum())
        numbers[f"{start}_pairs"] = len(pairs)
        numbers[f"{start}_censored"] = int(found.censored.sum())
    return numbers


def outward(pairs: pd.DataFrame, which: str) -> np.ndarray:
    """Return magnitudes that grow outward, those not reached beyond all others.

    That is the threshold, or less it where magnitudes fall; infinite where it is not reached.
    """
    sign = 1 if pairs.direction.iloc[0] == "up" else -1
    return np.where(pairs[f"{which}_censored"], np.inf, sign * pairs[which])


def _limits(screening: xr.Dataset) -> dict[tuple[str, str], tuple[float, bool]]:
    """Return the threshold of each direction and category, or the end of its sweep."""
    found = thresholds(screening).sel(criterion=CRITERION)
    return {
        (direction, category): (
            float(one.threshold if one.status == REACHED else one.limit),
            bool(one.status == NOT_REACHED),
        )
        for direction in DIRECTIONS
        for category in found.category.values.tolist()
        for one in [found.sel(direction=direction, category=category)]
        if one.status in (REACHED, NOT_REACHED)
    }


def _some(names: np.ndarray) -> str:
    """Name the first few."""
    return ", ".join(map(str, names[:3])) + (", …" if len(names) > 3 else "")


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
        rho, count = found.loc[direction, ["rank correlation", "pairs"]]
        text = f"{direction}: ρ = {rho:.2f}".replace("-", "−") if rho == rho else f"{direction}: –"
        axes.text(
            0.5, 1.02 + 0.09 * row, f"{text}, n = {count:.0f}", transform=axes.transAxes,
            fontsize=7, ha="center", color=style["color"],
        )  # fmt: skip
    if logarithmic:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        factor_ticks(axes.xaxis)
        factor_ticks(axes.yaxis)
