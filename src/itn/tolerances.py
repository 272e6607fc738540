"""Tolerances: how far each picture may be changed before it is first predicted wrongly.

The view of survival analysis: a picture fails where its prediction is first wrong on the way out
from the identity, and is censored where it is right as far as was looked.
"""

import numpy as np
import xarray as xr

from itn.curves import was_screened
from itn.thresholds import (
    DIRECTIONS,
    LOST_AT_IDENTITY,
    NOT_REACHED,
    NOT_SCREENED,
    REACHED,
    accuracy_interval,
    is_correct,
    pictures_of,
)
from itn.transformations import find_transformation, sides, unrolled


def tolerances(screening: xr.Dataset) -> xr.Dataset:
    """Find where each picture is first predicted wrongly, and how many of a category survive.

    Going outward from the identity; what comes back farther out stays lost. Rotations are
    unrolled: they run from -180° to 180°.

    Parameters
    ----------
    screening : xarray.Dataset
        Result of `itn.screen`.

    Returns
    -------
    xarray.Dataset
        Over ``image`` and ``direction`` ("down", "up"), NaN where there is none:

        - ``tolerance``: the first failure, the magnitude closest to the identity at which the
          prediction is not the true class; the identity itself for what is wrong there;
        - ``held``: the magnitude before it, up to which all are right, or the farthest one. What
          makes the picture fail lies between the two;
        - ``status``: "reached"; "not reached" (censored: right as far as was looked); "lost at
          identity"; "not screened" (no magnitude on this side, or the identity is missing).

        Over ``category`` and ``magnitude`` (increasing, each once), NaN where a category was not
        looked at: ``survival``, the share of its pictures that are right from the identity
        through there; ``survival_low``, ``survival_high``: its 95 % interval.

        Over ``category`` and ``direction``: ``median_tolerance`` and its 95 % interval,
        ``median_tolerance_low`` and ``median_tolerance_high`` in the order of numbers; NaN where
        open, as too many pictures are right as far as was looked, or where there is none.

        And ``label`` (image), the index of the category.

    Raises
    ------
    UsageError
        If a category has no pictures, or a softmax is not a number.

    Notes
    -----
    Of the two ends of where a picture fails, the first failure counts: so ``survival`` is exact
    where it was looked, and between magnitudes it lies between those at either side. Pictures
    that are wrong as they are fail at once: ``survival`` begins with the accuracy.

    All pictures of a category were looked at as far, so that none is censored before the last
    magnitude. There the estimate of Kaplan and Meier is a plain share, whose interval is exact
    (Clopper and Pearson); that of the median holds the magnitudes at which the interval of
    ``survival`` holds one half (Brookmeyer and Crowley).

    What is right because all is taken for one class survives, too, see `itn.sinks`.

    References
    ----------
    Kaplan, Meier (1958), Nonparametric estimation from incomplete observations;
    Brookmeyer, Crowley (1982), A confidence interval for the median survival time.

    Examples
    --------
    >>> from itn.curves import load_screening
    >>> found = tolerances(load_screening("results/imagenet/squeezenet_blur.nc"))
    >>> tick = found.sel(category="tick", direction="up")
    >>> bool(tick.median_tolerance_low < tick.median_tolerance < tick.median_tolerance_high)
    True
    >>> found.status.sel(image="tick/image_0002.jpg").values.tolist()
    ['not screened', 'reached']
    """
    transformation = find_transformation(screening.attrs["transformation"])
    right, screened = is_correct(screening), was_screened(screening)
    axis, _ = unrolled(screening.magnitude.values, transformation)
    by_image = np.full((2, len(right), 2), np.nan)  # held and tolerance
    status = np.full((len(right), 2), NOT_SCREENED, dtype=object)
    survival = np.full((3, len(screened), len(axis)), np.nan)
    medians = np.full((3, len(screened), 2), np.nan)
    for category, members in enumerate(pictures_of(screening)):
        own = np.flatnonzero(screened[category])
        near, order = unrolled(screening.magnitude.values[own], transformation)
        for direction, side in enumerate(sides(near, transformation).values()):
            holds = np.logical_and.accumulate(right[members][:, own[order[side]]], axis=1)
            count = holds.sum(axis=0)
            curves = np.array([count / len(members), *accuracy_interval(count, len(members))])
            survival[:, category, np.searchsorted(axis, near[side])] = curves
            if len(side) < 2:
                continue
            steps = holds.sum(axis=1)  # to the first failure
            ends = np.concatenate([[np.nan], near[side], [np.nan]])
            by_image[:, members, direction] = ends[steps], ends[steps + 1]
            status[members, direction] = np.select(
                [steps == 0, steps == len(side)], [LOST_AT_IDENTITY, NOT_REACHED], REACHED
            )
            kept = (curves[0] > 0.5, curves[1] > 0.5, curves[2] >= 0.5)
            halves = [ends[1:][np.argmin([*most, False])] for most in kept]
            medians[:, category, direction] = halves if direction else np.take(halves, [0, 2, 1])
    estimates = (
        ("survival", ("category", "magnitude"), survival),
        ("median_tolerance", ("category", "direction"), medians),
    )
    return xr.Dataset(
        {
            "held": (("image", "direction"), by_image[0]),
            "tolerance": (("image", "direction"), by_image[1]),
            "status": (("image", "direction"), status.astype(str)),
            **{
                f"{name}{end}": (dimensions, values)
                for name, dimensions, three in estimates
                for end, values in zip(("", "_low", "_high"), three, strict=True)
            },
            "label": ("image", screening.label.values),
        },
        coords={
            "category": screening.category.values,
            "direction": list(DIRECTIONS),
            "magnitude": axis,
        }
        | ({"image": screening.image.values} if "image" in screening.coords else {}),
        attrs={**screening.attrs, "units": transformation.unit},
    )
