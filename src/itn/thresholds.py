"""Thresholds: the magnitude at which a prediction is lost.

Two criteria, each a curve over the magnitudes that is negative where the prediction is lost:

- *switch*: mean softmax of the true class minus the highest mean softmax of any other class;
- *half*: accuracy minus half of the accuracy at the identity.

References
----------
Bunne, Rahmann, Wolf (2018), section 3.3 ("thresholds ... at which the network is not able to
output correct prediction results any more"); the criteria are ours.
"""

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.special import betaincinv

from itn.curves import SOFTMAX, screened_values, was_screened
from itn.messages import UsageError, whole_number
from itn.threshold_intervals import threshold_intervals
from itn.transformations import Transformation, find_transformation, sides, unrolled

CRITERIA = ("switch", "half")
DIRECTIONS = ("down", "up")

REACHED = "reached"
NOT_REACHED = "not reached"
LOST_AT_IDENTITY = "lost at identity"
NOT_SCREENED = "not screened"


def accuracy(screening: xr.Dataset) -> xr.DataArray:
    """Return the accuracy: the share of each category's pictures that are predicted correctly.

    Parameters
    ----------
    screening : xarray.Dataset
        Result of `itn.screen`.

    Returns
    -------
    xarray.DataArray (category, magnitude), float64
        In [0, 1]; NaN where a category was not looked at.

    Raises
    ------
    UsageError
        If a category has no pictures, or a softmax is not a number.

    Examples
    --------
    >>> screening = xr.Dataset(
    ...     {
    ...         "predicted": (("image", "magnitude"), [[4, 4], [4, 7]]),
    ...         "target": ("category", [4]),
    ...         "label": ("image", [0, 0]),
    ...     },
    ...     coords={"category": ["lamp"]},
    ... )
    >>> accuracy(screening).values
    array([[1. , 0.5]])
    """
    return _shares(screening, is_correct(screening))


def consistency(screening: xr.Dataset) -> xr.DataArray:
    """Return the consistency: the share of pictures that keep what they were taken for untouched.

    Right or wrong: where as many pictures come right as go wrong, accuracy stays the same, and
    consistency tells that it is not the same pictures.

    Parameters
    ----------
    screening : xarray.Dataset
        Result of `itn.screen`.

    Returns
    -------
    xarray.DataArray (category, magnitude), float64
        In [0, 1], and 1 at the identity; NaN where a category was not looked at, and everywhere
        if the identity was not.

    Raises
    ------
    UsageError
        If a category has no pictures, or a softmax is not a number.

    Examples
    --------
    >>> screening = xr.Dataset(
    ...     {
    ...         "predicted": (("image", "magnitude"), [[4, 7], [7, 4]]),
    ...         "target": ("category", [4]),
    ...         "label": ("image", [0, 0]),
    ...     },
    ...     coords={"category": ["lamp"], "magnitude": [0, 1]},
    ...     attrs={"transformation": "blur"},
    ... )
    >>> accuracy(screening).values, consistency(screening).values
    (array([[0.5, 0.5]]), array([[1., 0.]]))
    """
    shares = _shares(screening, is_consistent(screening))
    identity = find_transformation(screening.attrs["transformation"]).identity
    return shares.where(np.isfinite(value_at(screening, screening.magnitude.values, identity)))


def pictures_of(screening: xr.Dataset) -> list[npt.NDArray[np.intp]]:
    """Return which pictures each category has; none without."""
    label = screening.label.values
    members = [np.flatnonzero(label == index) for index in range(screening.sizes["category"])]
    for category, own in zip(screening["category"].values, members, strict=True):
        if not len(own):
            raise UsageError(f"class {category} has no pictures in this screening")
    return members


def is_correct(screening: xr.Dataset) -> npt.NDArray[np.bool_]:
    """Tell of each picture at each magnitude whether it is predicted correctly.

    Not where its category was not looked at.
    """
    _refuse_nan(screening)
    target = screening.target.values[screening.label.values]
    return np.asarray(screening.predicted.values == target[:, None])


def is_consistent(screening: xr.Dataset) -> npt.NDArray[np.bool_]:
    """Tell of each picture at each magnitude whether it is taken for what it was untouched.

    Nowhere if the identity was not looked at.
    """
    _refuse_nan(screening)
    identity = find_transformation(screening.attrs["transformation"]).identity
    untouched = value_at(screening, screening.predicted.values, identity)
    return np.asarray(screening.predicted.values == untouched[:, None])


def accuracy_interval(right: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % Clopper-Pearson interval, low and high, of `right` of `count` pictures."""
    low = np.nan_to_num(betaincinv(right, count - right + 1, 0.025), nan=0)
    high = np.nan_to_num(betaincinv(right + 1, count - right, 0.975), nan=1)
    return low, high


def true_softmax(screening: xr.Dataset) -> xr.DataArray:
    """Return the mean softmax of each category's true class; NaN where it was not looked at."""
    _refuse_nan(screening)
    true: xr.DataArray = screening.mean_softmax.isel({"class": screening.target.variable})
    return true


def margins(screening: xr.Dataset) -> xr.DataArray:
    """Return by how much the prediction is kept, by each criterion; negative where it is lost.

    Parameters
    ----------
    screening : xarray.Dataset
        Result of `itn.screen`.

    Returns
    -------
    xarray.DataArray (criterion, category, magnitude), float64
        *switch* in units of softmax; *half* in units of accuracy, NaN where that is 0 at the
        identity, or not known there. Both are NaN where a category was not looked at.

    Examples
    --------
    >>> from itn.curves import load_screening
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> margins(screening).sel(criterion="half", category="tick", magnitude=0).item() > 0
    True
    """
    if "mean_softmax" not in screening:
        raise UsageError("pictures that are pooled tell of accuracy alone: screen without pooled")
    others = screening.mean_softmax.values.astype(np.float64)  # [C, M, K]
    np.put_along_axis(others, screening.target.values[:, None, None], -np.inf, axis=2)
    lead = true_softmax(screening).values - others.max(axis=2)
    correct = accuracy(screening)
    identity = find_transformation(screening.attrs["transformation"]).identity
    clean = value_at(screening, correct.values, identity)[:, None]  # [C, 1]
    half = (correct - clean / 2).where(clean > 0)  # nothing to lose: no margin
    return xr.concat(
        [correct.copy(data=lead), half],
        xr.DataArray(list(CRITERIA), dims="criterion", name="criterion"),
    )


def thresholds(screening: xr.Dataset, *, resamples: int = 1000, seed: int = 0) -> xr.Dataset:
    """Find where each category's prediction is lost, going outward from the identity.

    Between the last magnitude that holds and the first that fails the margin is interpolated, see
    `crossing`. Rotations are unrolled: they run from -180° to 180°.

    Parameters
    ----------
    screening : xarray.Dataset
        Result of `itn.screen`.
    resamples : int, default 1000
        How often the pictures of a category are drawn again for its intervals; 0 for none.
    seed : int, default 0
        Of these draws, not negative: same one, same intervals, whatever other categories there are.

    Returns
    -------
    xarray.Dataset
        Over ``category``, ``criterion`` ("switch", "half") and ``direction`` ("down", "up"),
        NaN where there is none:

        - ``threshold``: the magnitude at which the margin crosses zero;
        - ``low``, ``high``: its 95 % interval, in the order of numbers, see below;
        - ``status``: "reached"; "not reached" (censored: the prediction holds as far as was
          looked, which is no number); "lost at identity" (there was nothing to lose); "not
          screened" (no magnitude on this side, or the identity is missing);
        - ``first_failure``: the magnitude closest to the identity that fails;
        - ``last_success``: the one farthest from the identity that holds;
        - ``limit``: the farthest magnitude looked at.

        Over ``category``, ``criterion`` and ``interval``, padded with NaN: ``safe_start`` and
        ``safe_end`` of the intervals in which the prediction holds; there may be several.

    Raises
    ------
    UsageError
        If a category has no pictures, a softmax is not a number, pictures are pooled, or
        ``resamples`` or ``seed`` is no number of that kind.

    Notes
    -----
    The interval is for the threshold that more and more pictures of this kind would give, at the
    same magnitudes. Pictures are drawn again, the same ones at every magnitude, and it runs from
    where the first 2.5 % of the draws have lost the prediction to where 97.5 % have, see
    `itn.threshold_intervals`; how often it holds the threshold was simulated for 20 and 60
    pictures. An end is NaN where

    - it is open: the farther one, where too many draws hold as far as was looked; then so may be
      the nearer one, and all of the interval lies beyond ``limit``. A threshold that is not
      reached has an interval, too;
    - the status is "lost at identity" or "not screened": there is no threshold;
    - there is one picture, which does not tell how others differ, or there are no ``resamples``;
    - for *switch*, the screening does not hold what each picture gave.

    For *switch*, the classes that `itn.screen` keeps as ``rival`` vary with the pictures, those of
    the others that come highest do not. With three rivals, as older files have, intervals may be
    too narrow where a fourth class is close; where it was tried, twelve gave what all classes do.

    Examples
    --------
    >>> from itn.curves import load_screening
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> found = thresholds(screening).sel(category="tick", criterion="switch")
    >>> found.status.values.tolist()
    ['not screened', 'reached']
    >>> bool(found.low[1] < found.threshold[1] < found.high[1])
    True
    """
    check_draws(resamples, seed)
    transformation = find_transformation(screening.attrs["transformation"])
    margin = margins(screening)

    found = []  # in the order of categories, criteria and directions
    safe = []  # in the order of categories and criteria
    for category, own in enumerate(was_screened(screening)):
        axis, order = unrolled(screening.magnitude.values[own], transformation)
        order = np.flatnonzero(own)[order]
        outward = sides(axis, transformation)
        for criterion in range(margin.sizes["criterion"]):
            values = margin.values[criterion, category, order]
            safe.append(safe_intervals(axis, values, transformation))
            for direction in DIRECTIONS:
                side = outward[direction]
                found.append(_loss(axis[side], values[side], transformation))

    shape = (margin.sizes["category"], len(CRITERIA), len(DIRECTIONS))
    names = ("status", "threshold", "first_failure", "last_success", "limit")
    columns = {
        name: (("category", "criterion", "direction"), np.array(column).reshape(shape))
        for name, column in zip(names, zip(*found, strict=True), strict=True)
    }
    possible = np.isin(columns["status"][1], (REACHED, NOT_REACHED))
    for name, ends in zip(
        ("low", "high"), threshold_intervals(screening, resamples, seed), strict=True
    ):
        columns[name] = (("category", "criterion", "direction"), np.where(possible, ends, np.nan))
    padded = np.full((len(safe), max(map(len, safe), default=0), 2), np.nan)
    for row, intervals in zip(padded, safe, strict=True):
        row[: len(intervals)] = intervals
    for end, name in enumerate(("safe_start", "safe_end")):
        values = padded[..., end].reshape(*shape[:2], -1)
        columns[name] = (("category", "criterion", "interval"), values)
    return xr.Dataset(
        columns,
        coords={
            "category": screening.category.values,
            "criterion": list(CRITERIA),
            "direction": list(DIRECTIONS),
        },
        attrs={**screening.attrs, "units": transformation.unit},
    )


def check_draws(resamples: object, seed: object) -> None:
    """Refuse what says neither how often pictures are drawn again, nor with which seed."""
    if whole_number(resamples, "resamples") < 0 or whole_number(seed, "seed") < 0:
        raise UsageError(f"resamples and seed must not be negative, got {resamples} and {seed}")


def median_threshold(column: xr.Dataset) -> tuple[str, float]:
    """Return the median threshold over categories, counting censored ones.

    *Not reached* is farther out than every number; what was lost at the identity or not screened
    does not count. With it comes its status: unless it is reached, it is NaN.
    """
    status = column.status.values
    count = int(np.isin(status, (REACHED, NOT_REACHED)).sum())
    if count == 0:
        return NOT_SCREENED, float("nan")
    outward = np.sort(column.threshold.values[status == REACHED])
    if column.direction.item() == "down":
        outward = outward[::-1]
    middle = outward[(count - 1) // 2 : count // 2 + 1]  # one, or two of an even number
    if count // 2 >= len(outward):
        return NOT_REACHED, float("nan")
    return REACHED, float(middle.mean())


def value_at(
    screening: xr.Dataset, curve: npt.ArrayLike, magnitude: float
) -> npt.NDArray[np.float64]:
    """Return what a curve over magnitudes is at one of them, or whole periods away; else NaN."""
    period = find_transformation(screening.attrs["transformation"]).period
    away = screening.magnitude.values - magnitude
    if period is not None:
        away = np.mod(away + period / 2, period) - period / 2
    found = np.flatnonzero(np.abs(away) < 1e-9)
    values = np.asarray(curve, np.float64)
    return values[..., found[0]] if len(found) else np.full(values.shape[:-1], np.nan)


def mean_over_sweep(screening: xr.Dataset, curve: npt.ArrayLike) -> float:
    """Return the mean of a curve that is straight between magnitudes; NaN if there is but one.

    Where the curve is NaN it was not looked at.
    """
    transformation = find_transformation(screening.attrs["transformation"])
    curve = np.asarray(curve, np.float64)
    known = ~np.isnan(curve)
    axis, order = unrolled(screening.magnitude.values[known], transformation)
    if len(axis) < 2:
        return float("nan")
    return float(np.trapezoid(curve[known][order], axis) / np.ptp(axis))


def filled_in(screening: xr.Dataset, curves: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Let curves [C, M] be straight where they are NaN, as their category was not looked at there.

    Over the logarithm of a magnitude that is a factor, as they are drawn.
    """
    transformation = find_transformation(screening.attrs["transformation"])
    at = screening.magnitude.values
    if transformation.logarithmic:
        at = np.log(at)
    filled = np.array(curves, np.float64)
    for curve in filled:
        known = ~np.isnan(curve)
        if known.any():
            curve[~known] = np.interp(at[~known], at[known], curve[known])
    return filled


def safe_intervals(
    axis: np.ndarray, margin: np.ndarray, transformation: Transformation
) -> npt.NDArray[np.float64]:
    """Find the intervals [I, 2] in which a margin, straight between magnitudes, is not negative."""
    holds = np.concatenate([[False], margin >= 0, [False]])
    starts = np.flatnonzero(~holds[:-1] & holds[1:])
    ends = np.flatnonzero(holds[:-1] & ~holds[1:]) - 1
    last = len(margin) - 1
    return np.array(
        [
            (
                crossing(axis, margin, start, max(start - 1, 0), transformation.logarithmic),
                crossing(axis, margin, end, min(end + 1, last), transformation.logarithmic),
            )
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
    ).reshape(-1, 2)


def _shares(screening: xr.Dataset, which: npt.NDArray[np.bool_]) -> xr.DataArray:
    """Return the share of each category's pictures [N, M] for which something holds."""
    shares = [which[own].mean(axis=0) for own in pictures_of(screening)]
    return xr.DataArray(
        np.where(was_screened(screening), shares, np.nan),
        dims=("category", "magnitude"),
        coords={name: screening[name] for name in ("category", "magnitude") if name in screening},
    )


def _refuse_nan(screening: xr.Dataset) -> None:
    for name in SOFTMAX:
        if name not in screening:
            continue
        nan = np.isnan(screening[name].values)
        missing = np.argwhere(nan & screened_values(screening, name))
        if len(missing):
            where = ", ".join(
                f"{dimension} {screening[dimension].values[index]}"
                for dimension, index in zip(screening[name].dims, missing[0], strict=True)
            )
            raise UsageError(
                f"{name} is not a number at {where} ({len(missing)} of {screening[name].size} "
                "values are not): nothing was predicted there"
            )


def _loss(
    axis: np.ndarray, margin: np.ndarray, transformation: Transformation
) -> tuple[str, float, float, float, float]:
    """Return status, threshold, first failure, last success and limit of one direction.

    `axis` and `margin` begin at the identity, or are empty where that is missing.
    """
    failures, successes = np.flatnonzero(margin < 0), np.flatnonzero(margin >= 0)
    first_failure = axis[failures[0]] if len(failures) else np.nan
    last_success = axis[successes[-1]] if len(successes) else np.nan
    limit = axis[-1] if len(axis) else np.nan
    threshold = np.nan
    if len(axis) < 2:
        status = NOT_SCREENED
    elif not margin[0] > 0:
        status = LOST_AT_IDENTITY
    elif not len(failures):
        status = NOT_REACHED
    else:
        first, status = failures[0], REACHED
        threshold = crossing(axis, margin, first - 1, first, transformation.logarithmic)
    return status, threshold, first_failure, last_success, limit


def crossing(
    axis: np.ndarray, margin: np.ndarray, inside: int, outside: int, logarithmic: bool
) -> float:
    """Interpolate where a margin is zero, between a position that holds and one that fails.

    Linearly, over the logarithm of the axis where that is a factor. Twice the same position is an
    end of what was looked at, and is returned.
    """
    start, end = axis[inside], axis[outside]
    if inside == outside:
        return float(start)
    share = margin[inside] / (margin[inside] - margin[outside])
    if logarithmic:
        return float(np.exp(np.log(start) + share * (np.log(end) - np.log(start))))
    return float(start + share * (end - start))
