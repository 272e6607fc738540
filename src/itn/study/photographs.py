"""Photographs: do two networks lose the same classes at the same magnitudes?"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from itn.comparison import FEWEST_REACHED
from itn.messages import UsageError
from itn.plots import (
    PANEL_HEIGHT,
    PANEL_WIDTH,
    factor_ticks,
    format_magnitude,
    panels,
    readable,
)
from itn.sinks import GAINS, gained, taken_for
from itn.study.profiles import FigureParameters, load_profile
from itn.study.screenings import archived_screening, obtain_screening
from itn.study.titles import title
from itn.thresholds import NOT_REACHED, REACHED, thresholds
from itn.transformations import TRANSFORMATIONS, find_transformation

CRITERION = "half"
ANOTHER, ITS_PROFILE = "squeezenet", "imagenet"  # what every profile's networks are compared with
KEYS = ["transformation", "direction"]
CORRELATIONS = {"pairs": int, "censored": int, "rank correlation": float, "p": float}
DIRECTION_STYLES: dict[str, dict[str, Any]] = {
    "up": {"color": "#D55E00", "marker": "^"},
    "down": {"color": "#0072B2", "marker": "v"},
}


def compare(parameters: FigureParameters) -> dict[tuple[str, str], pd.DataFrame]:
    """Pair the thresholds of a profile's networks with each other and with SqueezeNet's."""
    screenings = _screenings(parameters)
    limits = {
        name: pd.concat(map(half_thresholds, of), ignore_index=True)
        for name, of in screenings.items()
    }
    tables = {
        (first, second): _paired(limits[first], limits[second])
        for first, second in itertools.combinations(limits, 2)
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
    return _paired(half_thresholds(first), half_thresholds(second))


def _paired(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    named = [
        limits.rename(columns={"limit": name, "censored": f"{name}_censored"})
        for name, limits in (("first", first), ("second", second))
    ]
    return named[0].merge(named[1], on=[*KEYS, "category"])


def half_thresholds(screening: xr.Dataset) -> pd.DataFrame:
    """Tabulate the thresholds *half* of a screening, or the ends of its sweep.

    One row for each direction and category that is not lost at the identity; ``censored`` where
    the ``limit`` is the end of the sweep.
    """
    found = thresholds(screening, resamples=0).sel(criterion=CRITERION)[
        ["status", "threshold", "limit"]
    ]
    table = found.to_dataframe(dim_order=["direction", "category"]).reset_index()
    table = table[table.status.isin([REACHED, NOT_REACHED])]
    return pd.DataFrame(
        {
            "transformation": screening.attrs["transformation"],
            "direction": table.direction,
            "category": table.category,
            "limit": table.threshold.fillna(table.limit),
            "censored": table.status == NOT_REACHED,
        }
    ).reset_index(drop=True)


def _screenings(parameters: FigureParameters) -> dict[str, list[xr.Dataset]]:
    """Obtain all screenings of a profile's networks, and of SqueezeNet."""
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
    return screenings


def sink_table(parameters: FigureParameters) -> pd.DataFrame:
    """Tabulate how many thresholds *half* are not reached because everything is taken for a class.

    Of a profile's networks and of SqueezeNet. One row per network and transformation, and one for
    ``all`` of a network. ``gain`` counts
    those of ``not reached`` that gain from a sink, see `itn.sinks`; ``class`` takes the largest
    ``share`` of the pictures of other classes, ``at`` that magnitude.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for network, found in _screenings(parameters).items():
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
        "class": readable(worst.category.item()),
        "share": float(worst),
        "at": format_magnitude(worst.magnitude.item(), transformation),
    }


def rank_correlations(pairs: pd.DataFrame) -> pd.DataFrame:
    """Correlate the ranks of two networks' thresholds over the classes.

    A threshold that was not reached is farther out than every number: it shares the last
    rank with the others that were not. Spearman's coefficient of ranks with ties.

    NaN where fewer than `FEWEST_REACHED` pairs were reached by both, or one network has the same
    threshold for all; ``p`` is two-sided.
    """
    rows = []
    for row, group in pairs.groupby(KEYS, sort=False) if len(pairs) else ():
        first, second = outward(group, "first"), outward(group, "second")
        reached = np.isfinite(first) & np.isfinite(second)
        # Where all thresholds of a network are the same, they have no order.
        ordered = min(len(np.unique(first)), len(np.unique(second))) > 1
        enough = reached.sum() >= FEWEST_REACHED
        rho, p = stats.spearmanr(first, second) if ordered and enough else (np.nan, np.nan)
        rows.append((*row, len(group), (~reached).sum(), rho, p))
    table = pd.DataFrame(rows, columns=[*KEYS, *CORRELATIONS])
    return table.astype(CORRELATIONS).set_index(KEYS)


def plot_threshold_pairs(
    pairs: pd.DataFrame, correlations: pd.DataFrame, first: str, second: str
) -> Figure:
    """Draw the thresholds of one network against the other's, one panel per transformation.

    With their rank correlations. Hollow markers at the border: a threshold that was not reached
    within the sweep.
    """
    if pairs.empty:
        raise UsageError(
            f"nothing to draw: {first} and {second} share no class that both know untransformed"
        )
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


def summarize_correlations(found: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Summarize the rank correlations of pairs of networks, one row for each pair.

    ``pairs`` and ``censored`` count thresholds; ``defined`` the coefficients that there are, with
    their median, lowest and highest, NaN if there are none; ``significant`` are those that are
    positive with p < 0.05.
    """
    rows = {}
    for networks, table in found.items():
        rho = table["rank correlation"]
        outermost = rho.dropna().sort_values().index.map(", ".join)
        rows[networks] = {
            "pairs": table.pairs.sum(),
            "censored": table.censored.sum(),
            "defined": rho.count(),
            "positive": (rho > 0).sum(),
            "significant": ((rho > 0) & (table.p < 0.05)).sum(),
            "median": rho.median(),
            "lowest": rho.min(),
            "lowest name": "".join(outermost[:1]),
            "highest": rho.max(),
            "highest name": "".join(outermost[-1:]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["first", "second"])


def outward(pairs: pd.DataFrame, which: str) -> np.ndarray:
    """Return magnitudes that grow outward, those not reached beyond all others.

    That is the threshold, or less it where magnitudes fall; infinite where it is not reached.
    """
    sign = 1 if pairs.direction.iloc[0] == "up" else -1
    return np.where(pairs[f"{which}_censored"], np.inf, sign * pairs[which])


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
