"""Intervals of thresholds: a paired bootstrap over the pictures of each category.

The pictures are drawn again with replacement, the same ones at every magnitude. Of many such
resamples, the share that has lost the prediction grows on the way out from the identity. The
interval begins where that share first comes to 2.5 % and ends where it first comes to 97.5 %;
where it never does, the end is open.

Three things make that hold for few pictures, see ``benchmarks/threshold_coverage.py``:

- Resamples vary less than samples do, by n - 1 in n, and those of softmax have the tails of a
  normal distribution where Student's are due; how much counts vary is known from their mean. The
  levels are set so as to make up for it.
- Where all pictures are lost in one step, resamples do not vary at all. So to those of *half*,
  which counts, two imaginary pictures are added, each with the weight of half a picture: one
  that is never lost, and one that is lost at once. They pull both ways, and move no threshold.
- Of rivals that are equally strong, the highest in a sample is too high, and in a resample again.
  So each is looked at for itself: its share is that of the resamples in which it is ahead, and
  both ends are those of the rival that comes to them first.

References
----------
Hesterberg (2015), What teachers should know about the bootstrap (the levels);
Brown, Cai, DasGupta (2001), Interval estimation for a binomial proportion (half a picture, which
is Jeffreys' prior).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.special import ndtr, ndtri, stdtrit

from itn.curves import was_screened
from itn.transformations import even, find_transformation, sides, unrolled

Numbers = npt.NDArray[np.float64]

MISSED = 0.025  # on either side, of a 95 % interval
IMAGINARY = 0.5  # weight of each imaginary picture
MOST_COUNTS = 2**19  # that are held at once, so that memory does not grow with the pictures


def threshold_intervals(
    screening: xr.Dataset, resamples: int, seed: int
) -> tuple[Numbers, Numbers]:
    """Return low and high [category, criterion, direction]; NaN where open, or there is none.

    Criteria and directions are in the order of `itn.thresholds`.
    """
    transformation = find_transformation(screening.attrs["transformation"])
    identity = transformation.identity
    away = np.full((screening.sizes["category"], 2, 2, 2), np.inf)
    for category in range(len(away)) if resamples else ():
        members = np.flatnonzero(screening.label.values == category)
        own = np.flatnonzero(was_screened(screening)[category])
        axis, order = unrolled(screening.magnitude.values[own], transformation)
        order = own[order]
        if len(members) < 2 or identity not in axis:  # one does not tell how pictures differ
            continue
        position = np.log(axis) if transformation.logarithmic else axis
        switch = _switch(screening, category, members)
        half = _half(screening, category, members, order[axis == identity])
        wide = stdtrit(len(members) - 1, 1 - MISSED), ndtri(1 - MISSED)
        for criterion, (margins, quantile) in enumerate(zip((switch, half), wide, strict=True)):
            few = resamples * ndtr(-quantile * np.sqrt(len(members) / (len(members) - 1)))
            along_axis = [margin[:, order] for margin in margins]
            drawn = _resampled(along_axis, len(members), resamples, seed)
            least = np.min(drawn, axis=0, initial=np.inf)
            for sums in drawn:
                for direction, side in enumerate(sides(axis, transformation).values()):
                    outward = np.abs(position[side] - position[side[0]])
                    nearest = away[category, criterion, direction]
                    nearest[:] = np.minimum(
                        nearest, _ends(sums[:, side], least[:, side], outward, few)
                    )
    away[np.isinf(away)] = np.nan
    shift = np.stack([-away[:, :, 0, ::-1], away[:, :, 1]], axis=2)
    ends = identity * np.exp(shift) if transformation.logarithmic else identity + shift
    return ends[..., 0], ends[..., 1]


def draw_pictures(pictures: int, resamples: int, seed: int) -> Numbers:
    """Draw how often each picture is in each resample; last come the two imaginary ones."""
    return np.vstack([np.empty((0, pictures + 2)), *_draws(pictures, resamples, seed)])


def _draws(pictures: int, resamples: int, seed: int) -> Iterator[Numbers]:
    """Draw resamples, of many pictures only a few at a time."""
    weights = np.append(np.ones(pictures), [IMAGINARY, IMAGINARY])
    rng = np.random.default_rng(seed)
    at_once = max(1, MOST_COUNTS // pictures)
    for start in range(0, resamples, at_once):
        drawn = rng.multinomial(pictures, weights / weights.sum(), min(at_once, resamples - start))
        counts = drawn.astype(np.float64)
        # Of very few pictures a resample may hold none: it has lost nothing, and takes each once.
        counts[~counts[:, :pictures].any(axis=1), :pictures] = 1
        yield counts


def _resampled(
    margins: Sequence[Numbers], pictures: int, resamples: int, seed: int
) -> list[Numbers]:
    """Return the sums [R, M] of margins [N or N + 2, M] over the pictures of each resample."""
    sums: list[list[Numbers]] = [[] for _ in margins]
    for counts in _draws(pictures, resamples, seed):
        for parts, margin in zip(sums, margins, strict=True):
            parts.append(counts[:, : len(margin)] @ margin)
    return [np.vstack(parts) for parts in sums]


def _switch(screening: xr.Dataset, category: int, members: npt.NDArray[np.intp]) -> list[Numbers]:
    """Return the leads [N, M] over each rival, and over the highest mean of the other classes."""
    if "rival_softmax" not in screening:
        return []
    true = screening.softmax.values[members].astype(np.float64)
    leads = [true - each for each in screening.rival_softmax.values[members].swapaxes(0, 1)]
    known = [screening.target.values[category], *screening.rival.values[category]]
    others = np.delete(screening.mean_softmax.values[category], known, axis=1)
    return [*leads, true - others.max(axis=1)] if others.size else leads


def _half(
    screening: xr.Dataset,
    category: int,
    members: npt.NDArray[np.intp],
    identity: npt.NDArray[np.intp],
) -> list[Numbers]:
    """Return what each picture [N + 2, M] adds to accuracy less half of that at the identity."""
    right = screening.predicted.values[members] == screening.target.values[category]
    lost_at_once = np.isin(np.arange(right.shape[1]), identity)
    right = np.vstack([right, np.ones_like(lost_at_once), lost_at_once])
    return [right - right[:, identity] / 2]


def _ends(sums: Numbers, least: Numbers, outward: Numbers, few: float) -> tuple[float, float]:
    """Return how far out a rival is ahead in a few of the resamples, and in all but few.

    Of each resample, `sums` is negative where it is; `least` is the lowest of all rivals'. Where
    another one came closest at the magnitude before, the line from there crosses sooner than that
    of this rival alone: the nearer end has the one, the farther end the other.
    """
    lost = (sums < 0) | (sums[:, :1] <= 0)  # at the identity is for good
    inner = _first(few, lost, np.clip(least, 0, None), sums, outward)
    return inner, _first(len(sums) - few, lost, sums, sums, outward)


def _first(
    enough: float, lost: npt.NDArray[np.bool_], kept: Numbers, sums: Numbers, outward: Numbers
) -> float:
    """Return how far out so many resamples have first lost the prediction; infinity if nowhere.

    A straight line leads from what is `kept` at one magnitude to the sums at the next.
    """
    count = lost.sum(axis=0)
    reached = np.flatnonzero(count >= enough)
    if not len(reached) or reached[0] == 0:
        return 0.0 if len(reached) else np.inf
    step = reached[0]
    changed = lost[:, step - 1] != lost[:, step]
    change = np.where(lost[changed, step], 1, -1)
    before = np.where(change > 0, kept[changed, step - 1], sums[changed, step - 1])
    crossing = before / (before - sums[changed, step])
    order = np.lexsort((change, crossing))
    which = np.argmax(count[step - 1] + np.cumsum(change[order]) >= enough)
    return float(np.interp(crossing[order][which], [0, 1], outward[step - 1 : step + 1]))


def crossings(
    screening: xr.Dataset, category: int, criterion: str, resamples: int, seed: int
) -> Numbers:
    """Return how far from the identity each resample loses the prediction [direction, resample].

    As `crossings_of`; NaN where there is no interval, see `itn.thresholds`.
    """
    pictures = int((screening.label.values == category).sum())
    if pictures < 2:
        return np.full((2, resamples), np.nan)
    return crossings_of(screening, category, criterion, draw_pictures(pictures, resamples, seed))


def crossings_of(screening: xr.Dataset, category: int, criterion: str, counts: Numbers) -> Numbers:
    """Return how far from the identity samples lose the prediction [direction, sample].

    The samples [R, N + 2] count each picture of the category, and two imaginary ones. In octaves
    for factors. Infinity where it is not lost as far as was looked; NaN where nothing tells.
    """
    transformation = find_transformation(screening.attrs["transformation"])
    members = np.flatnonzero(screening.label.values == category)
    own = np.flatnonzero(was_screened(screening)[category])
    axis, order = unrolled(screening.magnitude.values[own], transformation)
    order = own[order]
    if criterion == "half":
        margins = _half(screening, category, members, order[axis == transformation.identity])
    else:
        margins = _switch(screening, category, members)
    if not margins or transformation.identity not in axis:
        return np.full((2, len(counts)), np.nan)
    sums = np.min([counts[:, : len(each)] @ each[:, order] for each in margins], axis=0)
    position = even(axis, transformation)
    return np.array(
        [
            _crossing(sums[:, side], np.abs(position[side] - position[side[0]]))
            for side in sides(axis, transformation).values()
        ]
    )


def _crossing(sums: Numbers, outward: Numbers) -> Numbers:
    """Return how far out each resample first loses the prediction; infinity if nowhere."""
    lost = (sums < 0) | (sums[:, :1] <= 0)
    step = lost.argmax(axis=1)
    rows, before = np.arange(len(sums)), np.maximum(step - 1, 0)
    inside, outside = sums[rows, before], sums[rows, step]
    share = np.divide(inside, inside - outside, out=np.zeros(len(sums)), where=step > 0)
    crossing = outward[before] + share * (outward[step] - outward[before])
    return np.where(lost.any(axis=1), crossing, np.inf)
