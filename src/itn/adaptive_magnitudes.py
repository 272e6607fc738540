"""Where to look: coarsely at first, then around the thresholds of each category.

A threshold is known no better than its interval, which comes from the pictures. Magnitudes much
closer to each other than that interval is wide hardly add to it, and those far away add nothing.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import xarray as xr

from itn.messages import UsageError, shown
from itn.thresholds import thresholds
from itn.transformations import Transformation, even, find_transformation, unrolled

ADAPTIVE = "adaptive"  # given instead of magnitudes
# Of each side of the sweep, beside the identity. What has a period may come back: half-way, too.
COARSE, COARSE_OF_PERIOD = (1 / 4, 1), (1 / 4, 1 / 2, 1)
# Of a threshold's interval, that the magnitudes around it may lie apart. Chosen by
# benchmarks/adaptive_passes.py: half of it takes a quarter more passes, for the same intervals.
SHARE = 1.25
MOST_STEPS = 1024  # that one step of the default sweep is split into


def check_precision(
    precision: float | None, transformation: Transformation, sweep: np.ndarray
) -> float:
    """Return how far apart magnitudes may stay, by default the step of a sweep."""
    first, last = even(sweep[[0, -1]], transformation)
    step = float(last - first) / (len(sweep) - 1)
    if precision is None:
        return step
    number = isinstance(precision, int | float | np.number) and not isinstance(precision, bool)
    finest = float(precision) if number else np.nan
    if not step / MOST_STEPS <= finest < np.inf:
        unit = "octaves" if transformation.logarithmic else transformation.unit
        raise UsageError(
            f"precision of {transformation.name} must be a number from {step / MOST_STEPS:.2g}"
            f"{unit and f' {unit}'}, got {shown(precision)}"
        )
    return finest


def magnitude_grid(
    sweep: np.ndarray, transformation: Transformation, precision: float
) -> npt.NDArray[np.float64]:
    """Return all magnitudes that may be looked at: a sweep, its steps halved as often as need be.

    So they are the same for all categories, and those of the sweep are among them.
    """
    at = even(sweep, transformation)
    halvings = max(0, int(np.ceil(np.log2((at[1] - at[0]) / precision) - 1e-9)))
    parts = 2**halvings
    steps = np.arange((len(sweep) - 1) * parts + 1) / parts
    grid: npt.NDArray[np.float64] = np.interp(steps, np.arange(len(sweep)), at)
    grid = np.exp2(grid) if transformation.logarithmic else grid
    grid[::parts] = sweep  # to the bit
    return grid


def coarse_magnitudes(sweep: np.ndarray, transformation: Transformation) -> npt.NDArray[np.float64]:
    """Return where every category is looked at: the identity, and few magnitudes on each side."""
    axis, order = unrolled(sweep, transformation)
    at = even(axis, transformation)
    identity = at[axis == transformation.identity]
    shares = np.array([0, *(COARSE_OF_PERIOD if transformation.period else COARSE)])
    wanted = (identity + shares * (at[[0, -1], None] - identity)).ravel()
    nearest = np.abs(at - wanted[:, None]).argmin(axis=1)
    return np.union1d(sweep[order[nearest]], sweep[[0, -1]])


def next_magnitudes(
    screening: xr.Dataset, grid: np.ndarray, precision: float
) -> npt.NDArray[np.float64]:
    """Return where to look next at the one category of a screening; nowhere if it is known.

    For each criterion and direction, magnitudes of the grid between which the threshold or its
    interval lies get another one between them, unless they are no farther apart than `precision`
    or the interval's width times `SHARE`. The first failure is what counts: what is lost and
    comes back between two magnitudes that hold is not seen, nor looked for.
    """
    transformation = find_transformation(screening.attrs["transformation"])
    axis, order = unrolled(grid, transformation)
    at = even(axis, transformation)
    looked = np.flatnonzero(np.isin(grid, screening.magnitude.values)[order])
    found = thresholds(screening).isel(category=0)
    ends = (found[name].values.ravel() for name in ("threshold", "low", "high", "limit"))
    wanted: set[int] = set()
    for threshold, low, high, limit in zip(*ends, strict=True):
        known = [threshold, low, high]
        if np.isnan(low) != np.isnan(high):  # the interval is open
            known.append(limit)
        span = even(known, transformation)
        if not np.isnan(span).all():
            wanted.update(_between(at, looked, np.nanmin(span), np.nanmax(span), precision))
    return np.unique(grid[order[sorted(wanted)]])


def _between(
    at: np.ndarray, looked: np.ndarray, low: float, high: float, precision: float
) -> list[int]:
    """Return positions between those looked at that are too far apart, from `low` to `high`."""
    enough = max(precision, SHARE * (high - low)) + 1e-9
    positions = []
    for inner, outer in pairwise(looked.tolist()):
        apart = at[outer] > low and at[inner] < high and at[outer] - at[inner] > enough
        if not apart or outer - inner < 2:
            continue
        # The one nearest to the middle of what is asked for, but in the gap's middle third.
        third = -(-(outer - inner) // 3)
        middle = (max(low, at[inner]) + min(high, at[outer])) / 2
        candidates = range(inner + third, outer - third + 1)
        positions.append(min(candidates, key=lambda position: abs(at[position] - middle)))
    return positions
