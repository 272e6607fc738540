"""Thresholds of all transformations on one axis: how far the pictures are from the originals.

The axis is the root mean square distance of `itn.distances`, the mean over the pictures of a class
at the magnitude at which that class is lost. Where the distance does not grow all the way to
there, as that of a rotation towards 180°, it is still that at the threshold. What is not lost
within the sweep was kept at least as far as the farthest distance in it.
"""

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from itn.comparison import bias_corrected
from itn.plots import format_magnitude
from itn.sinks import GAINS, gained
from itn.study.distances import obtain_distances
from itn.study.profiles import DistanceParameters
from itn.study.screenings import by_network, obtain_screenings
from itn.threshold_intervals import MISSED, crossings_of, draw_pictures
from itn.thresholds import DIRECTIONS, NOT_REACHED, REACHED, pictures_of, thresholds
from itn.transformations import TRANSFORMATIONS, even, find_transformation, sides, unrolled

Numbers = npt.NDArray[np.float64]

KEYS = ["transformation", "direction"]
BEYOND = 1e6  # stands for what is farther than every number, where quantiles are taken
SHRINKS = 0.01  # of a distance: by less it does not count as coming back


class OneAxis(NamedTuple):
    """The thresholds of a network by all transformations, put on one axis."""

    distances: xr.Dataset  # of the pictures that it looked at, see `itn.study.distances`
    table: pd.DataFrame  # see `distance_table`
    ranking: pd.DataFrame  # see `rank_transformations`

    def each(self) -> pd.DataFrame:
        """Tabulate each threshold."""
        return self.table.set_index(["class", *KEYS])

    def ranks(self) -> pd.DataFrame:
        """Tabulate transformations in their order."""
        return self.ranking

    def texts(self) -> pd.DataFrame:
        """Write that order as a page shows it."""
        return ranking_texts(self.ranking)

    def summary(self) -> pd.DataFrame:
        """Count the thresholds."""
        return distance_summary(self.table, self.distances)


def put_on_one_axis(parameters: DistanceParameters) -> dict[str, OneAxis]:
    """Obtain screenings and distances, and rank transformations, for each network."""
    found = by_network(*(obtain_screenings(parameters, name) for name in TRANSFORMATIONS))
    criterion, on_axis = parameters.criterion, {}
    for network, screenings in found.items():
        distances = obtain_distances(parameters.model_copy(update={"network": network}))
        named = dict(zip(TRANSFORMATIONS, screenings, strict=True))
        table = distance_table(named, distances, criterion)
        ranking = rank_transformations(table, named, distances, criterion)
        on_axis[network] = OneAxis(distances, table, ranking)
    return on_axis


class Side(NamedTuple):
    """The distances of one class's pictures on the way out from the identity."""

    outward: Numbers  # [M] of magnitudes, growing; octaves for factors
    distances: Numbers  # [N, M]

    def way(self, near: float, far: float) -> Numbers:
        """Return the mean distances from one place to another, at both ends and between."""
        within = self.outward[(self.outward > near) & (self.outward < far)]
        at = [min(near, far), *within, far]
        return np.asarray(np.interp(at, self.outward, self.distances.mean(axis=0)))

    def drawn_at(self, outward: Numbers, counts: Numbers) -> Numbers:
        """Return the mean distance of each resample of the pictures at a place of its own.

        The places [R] are infinite where a resample is not lost, and so is the distance.
        """
        means = counts @ self.distances / counts.sum(axis=1, keepdims=True)  # [R, M]
        inside = np.where(np.isfinite(outward), outward, 0)
        after = np.clip(np.searchsorted(self.outward, inside), 1, len(self.outward) - 1)
        rows, before = np.arange(len(means)), after - 1
        share = (inside - self.outward[before]) / (self.outward[after] - self.outward[before])
        found = means[rows, before] + share * (means[rows, after] - means[rows, before])
        return np.where(np.isfinite(outward), found, np.inf)


def class_side(screening: xr.Dataset, distances: xr.Dataset, category: int, direction: str) -> Side:
    """Take the distances of one class's pictures in one direction."""
    name = screening.attrs["transformation"]
    transformation = find_transformation(name)
    own = distances[name].sel(image=screening.image.values[pictures_of(screening)[category]])
    axis, order = unrolled(own[f"{name}_magnitude"].values, transformation)
    side = sides(axis, transformation)[direction]
    position = even(axis[side], transformation)
    outward = np.abs(position - even(transformation.identity, transformation))
    return Side(outward, own.values[:, order][:, side].astype(np.float64))


def class_distances(
    screening: xr.Dataset, distances: xr.Dataset, criterion: str = "half"
) -> pd.DataFrame:
    """Put the thresholds of one screening on the axis of distances, one row each.

    Where a class has something to lose in a direction. ``threshold``, ``low`` and ``high`` are
    those of `itn.thresholds`; ``distance`` is that at the threshold, ``distance low`` and
    ``distance high`` are the least and the greatest in its interval. What is not reached is
    ``censored``, and its distance the farthest of the sweep. ``returns`` where the distance on the
    way there has been greater; ``gains`` from a sink, see `itn.sinks`.
    """
    name = screening.attrs["transformation"]
    transformation = find_transformation(name)
    identity = even(transformation.identity, transformation)
    found = thresholds(screening)
    found["gains"] = gained(screening, found) > GAINS
    rows = []
    for direction in DIRECTIONS:
        column = found.sel(criterion=criterion, direction=direction)
        for category, class_name in enumerate(screening.category.values.tolist()):
            one = column.isel(category=category)
            if one.status.item() not in (REACHED, NOT_REACHED):
                continue
            side = class_side(screening, distances, category, direction)
            at, low, high, limit = (
                float(np.abs(even(one[each].item(), transformation) - identity))
                for each in ("threshold", "low", "high", "limit")
            )
            near, far = (low, high) if direction == "up" else (high, low)
            censored = one.status.item() == NOT_REACHED
            before = side.way(0, limit if censored else at)
            distance = before.max() if censored else before[-1]
            within = side.way(near, limit if np.isnan(far) else far)
            rows.append(
                {
                    "transformation": name,
                    "direction": direction,
                    "class": class_name,
                    "threshold": one.threshold.item(),
                    "low": one.low.item(),
                    "high": one.high.item(),
                    "distance": distance,
                    "distance low": np.nan if np.isnan(near) else within.min(),
                    "distance high": np.nan if np.isnan(far) else within.max(),
                    "censored": censored,
                    "returns": bool(before[-1] < (1 - SHRINKS) * before.max()),
                    "gains": bool(one.gains),
                }
            )
    columns = [*KEYS, "class", "threshold", "low", "high", "distance"]
    columns += ["distance low", "distance high", "censored", "returns", "gains"]
    return pd.DataFrame(rows, columns=columns)


def distance_table(
    screenings: Mapping[str, xr.Dataset], distances: xr.Dataset, criterion: str = "half"
) -> pd.DataFrame:
    """Put the thresholds of a network by all transformations on one axis, see `class_distances`."""
    tables = [class_distances(each, distances, criterion) for each in screenings.values()]
    return pd.concat([each for each in tables if len(each)] or tables[:1], ignore_index=True)


def rank_transformations(
    table: pd.DataFrame,
    screenings: Mapping[str, xr.Dataset],
    distances: xr.Dataset,
    criterion: str = "half",
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Rank transformations by the distance at which the median class is lost, the nearest first.

    Of a `distance_table`. One row for each transformation and direction: how many ``classes`` there
    are, and how many are ``lost``; the median ``threshold``; the ``median`` of their distances,
    with its 95 % interval, ``low`` and ``high``, over classes and their pictures; the ``rank`` with
    its interval. A class that is not lost is farther than every number. Where most are not, the
    median is ``censored``, and what is given is how far the median class was kept at least. An
    open end is infinite.

    Classes and pictures are drawn again, the same ones for every transformation.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    medians = []
    for row, own in table.groupby(KEYS, sort=False):
        name, direction = map(str, row)
        kept = own.distance.where(~own.censored, np.inf)
        median = float(kept.median())
        drawn = _drawn(screenings[name], distances, criterion, own, direction, resamples, seed)
        low, high = bias_corrected(min(median, BEYOND), np.minimum(drawn, BEYOND))
        medians.append(drawn)
        rows[name, direction] = {
            "classes": len(own),
            "lost": int((~own.censored).sum()),
            "gain": int(own.gains.sum()),
            "return": int(own.returns.sum()),
            "median": float(own.distance.median()) if np.isinf(median) else median,
            "censored": bool(np.isinf(median)),
            "threshold": _median_threshold(own, direction),
            "low": _or_infinite(low),
            "high": _or_infinite(high),
        }
    index = pd.MultiIndex.from_tuples(list(rows), names=KEYS)
    ranking = pd.DataFrame(list(rows.values()), index)
    ranks = rankdata(np.array(medians), "min", axis=0)  # [rows, R]; those not reached share theirs
    ranking["rank low"] = np.quantile(ranks, MISSED, axis=1, method="lower")
    ranking["rank high"] = np.quantile(ranks, 1 - MISSED, axis=1, method="higher")
    kept = 1 - ranking.lost / ranking.classes
    order = np.lexsort((np.where(ranking.censored, kept, ranking["median"]), ranking.censored))
    ranking = ranking.iloc[order]
    reached = int((~ranking.censored).sum())
    ranking.insert(0, "rank", np.minimum(np.arange(len(ranking)), reached) + 1)
    return ranking


def _drawn(
    screening: xr.Dataset,
    distances: xr.Dataset,
    criterion: str,
    rows: pd.DataFrame,
    direction: str,
    resamples: int,
    seed: int,
) -> Numbers:
    """Draw classes and their pictures again: the median distance of each resample [R]."""
    names = screening.category.values.tolist()
    away = []
    for class_name in rows["class"]:
        category = names.index(class_name)
        pictures = int((screening.label.values == category).sum())
        counts = draw_pictures(pictures, resamples, zlib.crc32(f"{seed} {class_name}".encode()))
        crossings = crossings_of(screening, category, criterion, counts)
        side = class_side(screening, distances, category, direction)
        outward = crossings[DIRECTIONS.index(direction)]
        away.append(side.drawn_at(outward, counts[:, :pictures]))
    chosen = np.random.default_rng(seed).integers(len(away), size=(resamples, len(away)))
    return np.asarray(np.median(np.take_along_axis(np.transpose(away), chosen, axis=1), axis=1))


def _median_threshold(rows: pd.DataFrame, direction: str) -> float:
    """Return the median threshold in its own unit; NaN where it is not reached."""
    end = np.inf if direction == "up" else -np.inf
    median = float(rows.threshold.where(~rows.censored, end).median())
    return median if np.isfinite(median) else np.nan


def _or_infinite(end: float) -> float:
    return np.inf if end > BEYOND / 1e3 else end


def order_classes(table: pd.DataFrame) -> list[str]:
    """Order the classes of a `distance_table`, those first that are kept farthest.

    By their mean rank over transformations and directions; what is not lost shares the last rank.
    """
    kept = table.distance.where(~table.censored, np.inf)
    ranks = kept.groupby([table[key] for key in KEYS]).rank(pct=True)
    return [str(name) for name in ranks.groupby(table["class"]).mean().sort_values()[::-1].index]


def ranking_texts(ranking: pd.DataFrame) -> pd.DataFrame:
    """Write what `rank_transformations` says as a page shows it."""
    rows = {}
    for row in ranking.reset_index().to_dict("records"):
        transformation = find_transformation(row["transformation"])
        high = "open" if np.isinf(row["high"]) else f"{row['high']:.2f}"
        interval = f"{row['median']:.2f} ({row['low']:.2f} to {high})"
        reached = format_magnitude(row["threshold"], transformation)
        rows[row["transformation"], row["direction"]] = {
            "rank": f"{row['rank']} ({row['rank low']:.0f} to {row['rank high']:.0f})",
            "RMS distance": f"at least {row['median']:.2f}" if row["censored"] else interval,
            "threshold": NOT_REACHED if row["censored"] else reached,
            "classes lost": f"{row['lost']} of {row['classes']}",
            "gain from a sink": row["gain"],
            "came back": row["return"],
        }
    return pd.DataFrame(list(rows.values()), pd.MultiIndex.from_tuples(list(rows), names=KEYS))


def distance_summary(table: pd.DataFrame, distances: xr.Dataset) -> pd.DataFrame:
    """Count in one row the thresholds of a `distance_table`, and those of some kind.

    Those that are ``censored``, ``gain`` from a sink, and ``return``; ``apart`` is the median
    distance between two pictures.
    """
    row = {
        "thresholds": len(table),
        "censored": int(table.censored.sum()),
        "gain": int(table.gains.sum()),
        "return": int(table.returns.sum()),
        "apart": float(distances.apart.median()),
    }
    return pd.DataFrame([row], index=["all"])
