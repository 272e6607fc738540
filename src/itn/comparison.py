"""Comparisons of two screenings: do two networks lose the same classes at the same magnitudes?"""

import zlib

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import stats
from scipy.special import ndtr, ndtri, stdtrit

from itn.curves import select_categories
from itn.messages import UsageError, shown, unknown
from itn.threshold_intervals import MISSED, crossings
from itn.thresholds import CRITERIA, NOT_REACHED, check_draws, pictures_of, thresholds
from itn.transformations import even, find_transformation

Numbers = npt.NDArray[np.float64]

WHICH = ("first", "second")
PAIRS = ("category", "direction")
OF_EACH = ("threshold", "status", "limit")
FEWEST_REACHED = 4  # pairs of thresholds; with fewer, ranks say nothing


def compare(
    first: xr.Dataset,
    second: xr.Dataset,
    *,
    criterion: str = "half",
    margin: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Compare the thresholds of two screenings by one transformation, class by class.

    Of two networks, or of one under other conditions. Classes are matched by their names.

    Parameters
    ----------
    first, second : xarray.Dataset
        Results of `itn.screen`.
    criterion : {"half", "switch"}, default "half"
        What counts as lost, see `itn.thresholds`.
    margin : float, optional
        How far apart thresholds may lie that are as good as equal, in the unit of ``difference``.
    resamples : int, default 1000
        How often pictures and categories are drawn again for the intervals; 0 for none.
    seed : int, default 0
        Of these draws, not negative.

    Returns
    -------
    xarray.Dataset
        Over ``which`` ("first", "second"), ``category`` and ``direction`` ("down", "up"):
        ``threshold``, ``status`` and ``limit`` as of `itn.thresholds`.

        Over ``category`` and ``direction``:

        - ``difference``: how much farther from the identity the second threshold lies, in the
          transformation's unit, in octaves for factors; NaN where one of them is no number;
        - ``difference_low``, ``difference_high``: its 95 % interval; NaN where open, or unknown;
        - ``different``: whether the interval leaves out zero;
        - ``equivalent``, where there is a ``margin``: whether it lies within that on both sides.

        Over ``direction``: ``correlation``, Spearman's of the two networks' thresholds over the
        categories, and its 95 % interval, ``correlation_low`` and ``correlation_high``; ``pairs``
        counts the categories with two thresholds, ``censored`` those of them of which one was not
        reached. NaN where fewer than four were reached twice, or all thresholds of one are alike.

        Over ``direction`` and ``resample``: ``correlation_drawn``, the same of each draw. For
        several transformations the same pictures and categories are drawn, so that the draws of
        their mean or median are the means or medians of these, see `bias_corrected`.

        Over ``category``: ``paired``, whether both were screened with the same pictures.

    Raises
    ------
    UsageError
        If the transformations are not the same, no category is shared, or an argument is none
        of those above.

    Notes
    -----
    Where a category has the same pictures in both, told by their paths, each resample draws the
    same ones for both; else each draws its own, which makes intervals wider if some are shared.

    A threshold that is not reached is farther out than every number. In ranks such ones are
    equal, and last. In a difference it may be anything from the ``limit`` on: the interval allows
    for all of that. What is lost at the identity is no pair.

    For the correlation, categories are drawn again, too, and then the pictures of each. Few
    pictures make thresholds less alike than they are, in a resample once more, so that the levels
    of the interval are corrected for bias (Efron). They cannot be where categories differ less
    than the interval of each is wide: there the correlation stays too low, and so may its
    interval. That of a screening with itself is 1, whatever was drawn.

    Intervals are of one difference each: of many, one in twenty leaves out the true one. For
    *switch* it is a few more where two rivals are equally strong and curves are flat.

    Blur is in pixels of what a network sees: where input sizes differ, only ranks compare.

    References
    ----------
    Efron (1987), Better bootstrap confidence intervals;
    Schuirmann (1987), on two one-sided tests for equivalence, here at 2.5 % each.

    Examples
    --------
    >>> from itn.curves import load_screening
    >>> networks = ("alexnet_photos", "resnet_photos")
    >>> both = [load_screening(f"results/photos/{name}_rotation.nc") for name in networks]
    >>> found = compare(*both).sel(direction="up")
    >>> found.correlation.round(1).item(), (found.correlation_low > 0.5).item()
    (0.9, True)
    >>> found.difference.sel(category="tick").item() > 0  # ResNet holds farther
    True
    """
    check_draws(resamples, seed)
    names = _shared(first, second)
    if criterion not in CRITERIA:
        raise unknown("criterion", criterion, CRITERIA)
    if margin is not None and not (isinstance(margin, int | float | np.number) and margin > 0):
        raise UsageError(f"margin must be a number above 0, got {shown(margin)}")
    both = [select_categories(each, names).sortby("image") for each in (first, second)]
    found = xr.concat(
        [
            thresholds(each, resamples=0)[list(OF_EACH)].sel(criterion=criterion, drop=True)
            for each in both
        ],
        xr.DataArray(list(WHICH), dims="which", name="which"),
        combine_attrs="drop",
    )
    transformation = find_transformation(first.attrs["transformation"])
    identity = even(transformation.identity, transformation)
    outward, limit = (  # [2, C, D]
        np.abs(even(found[name], transformation) - identity) for name in ("threshold", "limit")
    )
    outward[found.status.values == NOT_REACHED] = np.inf
    pairs = ~np.isnan(outward.sum(axis=0))
    pictures = [[each.image.values[own] for own in pictures_of(each)] for each in both]
    paired = np.array([np.array_equal(*own) for own in zip(*pictures, strict=True)])
    drawn = _drawn(both, paired, criterion, resamples, seed)
    few = _few(np.min([list(map(len, of)) for of in pictures], axis=0), criterion)

    with np.errstate(invalid="ignore"):  # infinite less infinite
        difference = outward[1] - outward[0]
    for name, values in zip(
        ("", "_low", "_high"), (difference, *_difference_interval(drawn, limit, few)), strict=True
    ):
        found["difference" + name] = PAIRS, np.where(pairs & np.isfinite(values), values, np.nan)
    found["different"] = (found.difference_low > 0) | (found.difference_high < 0)
    if margin is not None:
        found["equivalent"] = (found.difference_low > -margin) & (found.difference_high < margin)
    found["paired"] = "category", paired
    found["pairs"] = "direction", pairs.sum(axis=0)
    found["censored"] = "direction", (pairs & np.isinf(outward).any(axis=0)).sum(axis=0)
    rho = [rank_correlations(outward[:, None, own, side])[0] for side, own in enumerate(pairs.T)]
    again = [
        np.full(resamples, np.nan)
        if np.isnan(rho[side])
        else _correlations(drawn[:, own, side], seed)
        for side, own in enumerate(pairs.T)
    ]
    ends = np.transpose([bias_corrected(*each) for each in zip(rho, again, strict=True)])
    for name, each in zip(("", "_low", "_high"), (rho, *ends), strict=True):
        found["correlation" + name] = "direction", np.asarray(each)
    found["correlation_drawn"] = ("direction", "resample"), np.array(again)
    return found.assign_attrs(
        {which: each.attrs.get("network", "") for which, each in zip(WHICH, both, strict=True)},
        transformation=transformation.name,
        criterion=criterion,
        units=transformation.unit,
        difference_units="octaves" if transformation.logarithmic else transformation.unit,
        **({} if margin is None else {"margin": float(margin)}),
    )


def _shared(first: xr.Dataset, second: xr.Dataset) -> list[str]:
    """Return the names of the categories of both, in the order of the first."""
    names = [each.attrs["transformation"] for each in (first, second)]
    if names[0] != names[1]:
        raise UsageError(
            f"thresholds of {names[0]} are not to be compared with those of {names[1]}"
        )
    own, other = (each.category.values.tolist() for each in (first, second))
    if shared := [name for name in own if name in other]:
        return shared
    raise UsageError(
        f"no class is in both: the first has {shown(', '.join(map(str, own)))}; "
        f"the second has {shown(', '.join(map(str, other)))}"
    )


def _drawn(
    both: list[xr.Dataset], paired: npt.NDArray[np.bool_], criterion: str, resamples: int, seed: int
) -> Numbers:
    """Draw pictures again: how far out each resample [2, C, D, R] loses the prediction.

    What is drawn depends on a category's name, and on which screening it is unless they are paired.
    """
    names = both[0].category.values.tolist()
    return np.array(
        [
            [
                crossings(
                    each, index, criterion, resamples,
                    zlib.crc32(f"{seed} {0 if paired[index] else which} {name}".encode()),
                )
                for index, name in enumerate(names)
            ]
            for which, each in enumerate(both)
        ]
    )  # fmt: skip


def _few(pictures: npt.NDArray[np.intp], criterion: str) -> Numbers:
    """Return which share of resamples is beyond either end, see `itn.threshold_intervals`."""
    least = np.maximum(pictures - 1, 1)
    quantile = ndtri(1 - MISSED) if criterion == "half" else stdtrit(least, 1 - MISSED)
    return np.asarray(ndtr(-quantile * np.sqrt((least + 1) / least)))


def _difference_interval(drawn: Numbers, limit: Numbers, few: Numbers) -> tuple[Numbers, Numbers]:
    """Return how much farther out the second is [C, D], at least and at most."""
    if not (count := drawn.shape[-1]):
        return np.full(limit.shape[1:], np.nan), np.full(limit.shape[1:], np.nan)
    # What is not reached is at least at the limit, and at most anywhere.
    nearest = np.where(np.isinf(drawn), limit[..., None], drawn)
    rank = np.ceil(np.maximum(few * count, 1)).astype(int)[:, None, None] - 1
    ends = (nearest[1] - drawn[0], -(drawn[1] - nearest[0]))
    low, high = (np.take_along_axis(np.sort(end), rank, axis=-1)[..., 0] for end in ends)
    return low, -high


def rank_correlations(outward: Numbers) -> Numbers:
    """Correlate the thresholds of two networks by their ranks [2, ..., C], infinite ones last.

    NaN where fewer than `FEWEST_REACHED` were reached by both, or those of one have no order.
    """
    enough = np.isfinite(outward).all(axis=0).sum(axis=-1) >= FEWEST_REACHED
    rho = np.full(enough.shape, np.nan)
    if enough.any():
        rho[enough] = spearman(*outward[:, enough])
    return rho


def _correlations(drawn: Numbers, seed: int) -> Numbers:
    """Draw the categories of [2, C, R] again, and correlate each resample by its ranks."""
    classes, resamples = drawn.shape[1:]
    chosen = np.random.default_rng(seed).integers(classes, size=(resamples, classes))
    return spearman(*np.take_along_axis(drawn.swapaxes(1, 2), chosen[None], axis=2))


def bias_corrected(value: float, drawn: Numbers) -> tuple[float, float]:
    """Return the 95 % interval of a value that draws give, its levels corrected for their bias.

    Draws that are NaN do not count; of no others there is no interval.
    """
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn) or np.isnan(value):
        return np.nan, np.nan
    below = ((drawn < value).sum() + (drawn <= value).sum()) / (2 * len(drawn))
    bias = ndtri(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn)))
    low, high = np.quantile(drawn, ndtr(2 * bias + ndtri([MISSED, 1 - MISSED])))
    return float(low), float(high)


def spearman(first: Numbers, second: Numbers) -> Numbers:
    """Return the rank correlation of each row; NaN where one has no order.

    What differs by its rounding alone, as the same crossing found in two steps does, is equal.
    """
    ranks = [stats.rankdata(np.round(each, 9), axis=-1) for each in (first, second)]
    one, other = (each - each.mean(axis=-1, keepdims=True) for each in ranks)
    with np.errstate(invalid="ignore"):
        rho = (one * other).sum(-1) / np.sqrt((one**2).sum(-1) * (other**2).sum(-1))
    return np.asarray(np.round(rho, 12))  # the same order is 1
