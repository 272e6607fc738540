"""Sinks: classes into which pictures of all kinds fall when they are transformed strongly.

A class that everything is taken for keeps its own pictures, too, and is not robust for that. So
what is reported of a category is read beside the share of *other* categories' pictures that are
taken for it.
"""

import numpy as np
import xarray as xr

from itn.thresholds import NOT_REACHED, REACHED
from itn.transformations import find_transformation, unrolled

# Of the pictures of other categories: what takes more of them gains from being a sink.
GAINS = 0.1


def taken_for(screening: xr.Dataset) -> xr.DataArray:
    """Return the share of other categories' pictures that are taken for each category.

    Over ``category`` and ``magnitude``; NaN where there are no others. Categories of one class of
    the network are no others.
    """
    target = screening.target.values
    own = target[screening.label.values]
    shares = np.full((len(target), screening.sizes["magnitude"]), np.nan)
    for category, index in enumerate(target):
        others = screening.predicted.values[own != index]
        looked_at, taken = (others >= 0).sum(axis=0), (others == index).sum(axis=0)
        np.divide(taken, looked_at, out=shares[category], where=looked_at > 0)
    return xr.DataArray(
        shares,
        dims=("category", "magnitude"),
        coords={name: screening[name] for name in ("category", "magnitude")},
    )


def gained(screening: xr.Dataset, thresholds: xr.Dataset) -> xr.DataArray:
    """Return the largest share of others' pictures taken for a category before its threshold.

    Over ``category``, ``criterion`` and ``direction``, as the `itn.thresholds` of this screening:
    from the identity to the threshold, or to the limit where that is not reached. NaN where there
    is no threshold, or no other category. What is above `GAINS` is no robustness.
    """
    transformation = find_transformation(screening.attrs["transformation"])
    axis, order = unrolled(screening.magnitude.values, transformation)
    taken = taken_for(screening)[:, order].assign_coords(magnitude=axis)
    end = thresholds.threshold.where(thresholds.status == REACHED, thresholds.limit)
    low, high = (np.minimum(end, transformation.identity), np.maximum(end, transformation.identity))
    within = (taken.magnitude >= low) & (taken.magnitude <= high)
    possible = thresholds.status.isin([REACHED, NOT_REACHED])
    return taken.where(within).max("magnitude").where(possible).transpose(*end.dims)
