"""What decides the claims of the paper's first strategy: measures of archived screenings.

Each is a share of something, or a rank correlation, with a 95 % interval. Pictures are drawn
again, those of each category for themselves, and the same ones under all transformations and, where
two networks were screened with the same pictures, for both. The interval lies between the 2.5 % and
97.5 % quantiles.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from itn.comparison import compare, spearman
from itn.curves import select_categories
from itn.messages import UsageError
from itn.study.agreement import median_correlation
from itn.study.class_differences import LEVEL, class_tests
from itn.study.titles import title
from itn.thresholds import (
    LOST_AT_IDENTITY,
    NOT_REACHED,
    is_consistent,
    is_correct,
    pictures_of,
    thresholds,
    value_at,
)
from itn.transformations import even, find_transformation, sides, unrolled

Numbers = npt.NDArray[np.float64]
Screenings = Mapping[str, xr.Dataset]  # of one network, by transformations

RESAMPLES = 1000
ENDS = (0.025, 0.975)
ALIKE = 0.1  # of the accuracy untouched: how far apart curves are that are much the same


class Measurement(NamedTuple):
    """One number of the ledger."""

    of: str  # which network, or networks
    kind: str  # a key of `itn.study.verdicts.LEVELS`
    pictures: int
    estimate: float
    low: float  # NaN where there is no interval, and `remark` says why
    high: float
    remark: str = ""


def halved(screenings: Screenings, names: Sequence[str] = ()) -> Measurement:
    """Return the share of classes and directions in which the accuracy of the class is halved.

    Within the sweeps of all transformations, or of those named.
    """
    lost = [
        (right[..., columns] < right[..., columns[:1]] / 2).any(axis=-1)
        for screening in _chosen(screenings, names)
        for right in [resampled(screening, is_correct(screening))]
        for _, _, columns in outward(screening)
    ]
    return _measured(screenings, np.concatenate(lost, axis=1).mean(axis=1))


def halved_together(screenings: Screenings) -> Measurement:
    """Return the share of directions in which the accuracy over all pictures is halved."""
    lost = []
    for screening in screenings.values():
        right = _together(screening, resampled(screening, is_correct(screening)))
        for _, _, columns in outward(screening):
            lost.append((right[:, columns] < right[:, columns[:1]] / 2).any(axis=-1))
    return _measured(screenings, np.mean(lost, axis=0))


def wrong_beyond(screenings: Screenings) -> Measurement:
    """Return the share of predictions beyond the threshold *half* that are wrong.

    The mean over classes and directions in which it is reached before the end of the sweep; where
    it lies is told by the pictures as they are.
    """
    wrong = []
    for screening in screenings.values():
        right = resampled(screening, is_correct(screening))
        for _, _, columns in outward(screening):
            failed = right[0][:, columns] < right[0][:, columns[:1]] / 2  # [C, M]
            beyond = np.logical_or.accumulate(failed, axis=-1)[:, :-1]
            for category in np.flatnonzero(beyond.any(axis=-1)):
                farther = columns[1:][beyond[category]]
                wrong.append(1 - right[:, category, farther].mean(axis=-1))
    return _measured(screenings, np.mean(wrong, axis=0))


def kept_halfway(screenings: Screenings) -> Measurement:
    """Return the share of pictures that keep their prediction halfway to the threshold *half*.

    That of their class, in each direction in which it is reached; straight between magnitudes, and
    in octaves for factors. Each picture counts as often as any other.
    """
    kept = []
    for screening in screenings.values():
        transformation = find_transformation(screening.attrs["transformation"])
        identity = even(transformation.identity, transformation)
        same = is_consistent(screening)
        limits = thresholds(screening, resamples=0).sel(criterion="half").threshold
        for direction, distance, columns in outward(screening):
            limit = limits.sel(direction=direction).values[screening.label.values]
            halfway = np.abs(even(limit, transformation) - identity) / 2  # [N], NaN if not reached
            after = np.clip(np.searchsorted(distance, halfway), 1, len(distance) - 1)
            step = (halfway - distance[after - 1]) / (distance[after] - distance[after - 1])
            rows = np.arange(len(same))
            before, behind = (same[rows, columns[at]] for at in (after - 1, after))
            kept.append((1 - step) * before + step * behind)
    some = ~np.isnan(kept).all(axis=0)  # of a class, all or none
    each = np.nanmean(np.array(kept)[:, some], axis=0)
    screening = next(iter(screenings.values())).isel(image=some)
    present, label = np.unique(screening.label.values, return_inverse=True)
    screening = screening.isel(category=present).assign(label=("image", label))
    return _measured(screenings, _together(screening, resampled(screening, each)))


def overtaken_by_noise(screenings: Screenings) -> Measurement:
    """Return the share of classes of which a rival's mean softmax comes ahead under noise."""
    screening = screenings["noise"]
    lead = resampled_lead(screening)
    ((_, _, columns),) = outward(screening)
    return _measured(screenings, (lead[..., columns] < 0).any(axis=-1).mean(axis=1))


def apart_under_noise(screenings: Screenings) -> Measurement:
    """Return the share of pairs of classes whose intervals of the threshold *switch* do not touch.

    An open interval may go on for ever.
    """
    found = thresholds(screenings["noise"]).sel(criterion="switch", direction="up")
    low, high = found.low.fillna(np.inf).values, found.high.fillna(np.inf).values
    first, second = np.triu_indices(len(low), 1)
    apart = (high[first] < low[second]) | (high[second] < low[first])
    remark = "counts intervals of 95 %, and has none itself"
    return _measured(screenings, np.array([apart.mean()]), kind="chance", remark=remark)


def transformations_apart(screenings: Screenings, first: str, second: str) -> Measurement:
    """Return the share of classes whose intervals of *half* under two transformations do not touch.

    Where magnitudes fall, and of transformations that are factors: else units do not compare.
    """
    low, high = [], []
    for name in (first, second):
        found = thresholds(screenings[name]).sel(criterion="half", direction="down")
        low.append(found.low.fillna(0).values)
        high.append(found.high.fillna(0).values)
    apart = (high[0] < low[1]) | (high[1] < low[0])
    remark = f"{title(first)} and {title(second)}, both down"
    return _measured(screenings, np.array([apart.mean()]), kind="chance", remark=remark)


def confidence_and_noise(screenings: Screenings) -> Measurement:
    """Correlate the mean softmax of classes with their threshold *switch* under noise, by ranks.

    Of classes that another one leads untouched there is no threshold. For the interval, classes are
    drawn again.
    """
    screening = screenings["noise"]
    true = resampled(screening, screening.softmax.values)[0]
    sure = value_at(screening, true, find_transformation("noise").identity)
    found = thresholds(screening, resamples=0).sel(criterion="switch", direction="up")
    limit = np.where(found.status == NOT_REACHED, np.inf, found.threshold)
    leads = found.status.values != LOST_AT_IDENTITY
    sure, limit = sure[leads], limit[leads]
    chosen = np.random.default_rng(0).integers(len(sure), size=(RESAMPLES, len(sure)))
    rows = np.vstack([np.arange(len(sure)), chosen])
    rho = spearman(sure[rows], limit[rows])
    of = "" if leads.all() else f" that lead untouched, of {len(leads)}"
    return _measured(screenings, rho, kind="correlation", remark=f"{len(sure)} classes{of}")


def classes_differ(screenings: Screenings) -> Measurement:
    """Return the share of transformations and directions under which the classes differ."""
    p = class_tests(screenings.values()).p
    remark = f"{len(p)} tests, corrected for their number, instead of an interval"
    return _measured(screenings, np.array([(p < LEVEL).mean()]), remark=remark)


def softmax_halved_by_rotation(screenings: Screenings) -> Measurement:
    """Return the share of classes whose mean softmax is at some angle below half that upright."""
    turned = _turned_softmax(screenings)
    return _measured(screenings, (turned.min(axis=-1) < 0.5).mean(axis=1))


def least_softmax_turned(screenings: Screenings, category: str) -> Measurement:
    """Return the least of a class's mean softmax over all angles, as a share of that upright."""
    names = screenings["rotation"].category.values.tolist()
    least = _turned_softmax(screenings)[:, names.index(category)].min(axis=-1)
    return _measured(screenings, least, categories=[category])


def softmax_upside_down(screenings: Screenings, categories: Iterable[str]) -> Measurement:
    """Return what is left of the mean softmax of classes after half a turn, on average."""
    names = screenings["rotation"].category.values.tolist()
    known = [name for name in categories if name in names]
    turned = value_at(screenings["rotation"], _turned_softmax(screenings), 180)
    left = turned[:, [names.index(name) for name in known]].mean(axis=1)
    listed = ", ".join(map(title, known))
    return _measured(screenings, left, categories=known, remark=listed)


def alike(first: Screenings, second: Screenings) -> Measurement:
    """Return the share of magnitudes at which two networks keep much the same of their accuracy.

    Over all pictures, which have to be the same for both.
    """
    near = []
    for name, screening in first.items():
        both = [screening, second[name]]
        if not np.array_equal(both[0].image.values, both[1].image.values):
            raise UsageError(f"{_name(first)} and {_name(second)} have other pictures")
        left = []
        for each in both:
            right = _together(each, resampled(each, is_correct(each)))
            left.append(right / value_at(each, right, each.attrs["identity"])[:, None])
        other = screening.magnitude.values != screening.attrs["identity"]
        near.append(np.abs(left[0] - left[1])[:, other] <= ALIKE)
    of = f"{_name(first)} and {_name(second)}"
    return _measured(first, np.concatenate(near, axis=1).mean(axis=1), of=of)


def agreement(first: Screenings, second: Screenings) -> Measurement:
    """Return the rank correlation of two networks' thresholds *half* over the classes they share.

    The median over all transformations and directions in which there is one, with its interval
    over pictures and classes, see `itn.compare` and `itn.study.agreement`.
    """
    found = [compare(screening, second[name]) for name, screening in first.items()]
    shared = found[0].category.values
    pictures = {
        path
        for each in (first["noise"], second["noise"])
        for path in select_categories(each, shared.tolist()).image.values.tolist()
    }
    of, remark = f"{_name(first)} and {_name(second)}", f"{len(shared)} classes"
    return Measurement(of, "correlation", len(pictures), *median_correlation(found), remark)


def outward(screening: xr.Dataset) -> Iterator[tuple[str, Numbers, npt.NDArray[np.intp]]]:
    """Pass through the directions, with distances from the identity and which magnitudes."""
    transformation = find_transformation(screening.attrs["transformation"])
    axis, order = unrolled(screening.magnitude.values, transformation)
    for direction, side in sides(axis, transformation).items():
        if len(side) > 1:
            position = even(axis[side], transformation)
            yield direction, np.abs(position - position[0]), order[side]


def resampled(screening: xr.Dataset, values: npt.NDArray[np.generic]) -> Numbers:
    """Return means [resample, category, ...] of what each picture [N, ...] gave.

    The first are those of the pictures as they are.
    """
    flat = values.reshape(len(values), -1).astype(np.float64)
    members = pictures_of(screening)
    means = [
        _draw(str(name), len(own)) @ flat[own] / len(own)
        for name, own in zip(screening.category.values, members, strict=True)
    ]
    return np.stack(means, axis=1).reshape(-1, len(members), *values.shape[1:])


def resampled_lead(screening: xr.Dataset) -> Numbers:
    """Return by how much the mean softmax [resample, category, M] is ahead of all others'.

    Of the rivals that the screening keeps, the pictures' own; the highest of the others as it is.
    """
    true, rivals = (
        resampled(screening, screening[name].values) for name in ("softmax", "rival_softmax")
    )
    others = screening.mean_softmax.values.copy()  # [C, M, K]
    known = np.column_stack([screening.target.values, screening.rival.values])
    np.put_along_axis(others, known[:, None, :], 0, axis=2)
    return np.asarray(true - np.maximum(rivals.max(axis=2), others.max(axis=2)))


@lru_cache(maxsize=64)  # of every category of two networks
def _draw(category: str, pictures: int) -> Numbers:
    """Draw how often each picture is in each resample; in the first, once."""
    rng = np.random.default_rng(zlib.crc32(category.encode()))
    drawn = rng.multinomial(pictures, np.full(pictures, 1 / pictures), RESAMPLES)
    return np.vstack([np.ones(pictures), drawn])


def _together(screening: xr.Dataset, means: Numbers) -> Numbers:
    """Return means [resample, ...] over all pictures from those of the categories."""
    counts = [len(own) for own in pictures_of(screening)]
    return np.asarray(np.average(means, axis=1, weights=counts))


def _turned_softmax(screenings: Screenings) -> Numbers:
    """Return the mean softmax [resample, category, angle] as a share of that upright."""
    screening = screenings["rotation"]
    true = resampled(screening, screening.softmax.values)
    return true / value_at(screening, true, find_transformation("rotation").identity)[..., None]


def _chosen(screenings: Screenings, names: Sequence[str]) -> list[xr.Dataset]:
    return [screenings[name] for name in names or screenings]


def _name(screenings: Screenings) -> str:
    return title(next(iter(screenings.values())).attrs["network"])


def _measured(
    screenings: Screenings,
    statistic: Numbers,
    kind: str = "share",
    of: str = "",
    categories: Sequence[str] | None = None,
    remark: str = "",
) -> Measurement:
    """Put a statistic [resample] into words: the first is of the pictures as they are."""
    screening = next(iter(screenings.values()))
    names = screening.category.values.tolist()
    counts = [len(own) for own in pictures_of(screening)]
    pictures = sum(counts[names.index(name)] for name in categories or names)
    drawn = statistic[1:]
    low, high = np.nanquantile(drawn, ENDS) if len(drawn) else (np.nan, np.nan)
    ends = float(statistic[0]), float(low), float(high)
    return Measurement(of or _name(screenings), kind, pictures, *ends, remark)
