"""Pictures of all classes together, as a screening of one category, for the instrument's eyes."""

import numpy as np
import numpy.typing as npt
import xarray as xr

from itn.plots import format_magnitude
from itn.thresholds import REACHED
from itn.transformations import find_transformation

ALL = "all"  # the category of all pictures together


def as_one_category(screening: xr.Dataset, right: npt.NDArray[np.bool_]) -> xr.Dataset:
    """Make a screening of one category whose pictures are `right` [N, M] or wrong: class 0 or 1.

    So the threshold *half*, its interval and its comparison are those of the accuracy over all
    pictures; *switch* means nothing.
    """
    share = right.mean(axis=0)
    return xr.Dataset(
        {
            "predicted": (("image", "magnitude"), (~right).astype(np.int16)),
            "mean_softmax": (
                ("category", "magnitude", "class"),
                np.stack([share, 1 - share], axis=-1)[None],
            ),
            "target": ("category", [0]),
            "label": ("image", np.zeros(len(right), np.int32)),
        },
        coords={
            "image": screening.image.values,
            "magnitude": screening.magnitude.values,
            "category": [ALL],
            "class": ["right", "wrong"],
        },
        attrs=screening.attrs,
    )


def threshold_text(found: xr.Dataset) -> str:
    """Write a threshold with its 95 % interval, of which an end that is open is not named."""
    transformation = find_transformation(found.attrs["transformation"])
    reached = found.status.item() == REACHED
    text = (
        format_magnitude(found.threshold.item(), transformation) if reached else found.status.item()
    )
    ends = [
        format_magnitude(found[end].item(), transformation)
        for end in ("low", "high")
        if np.isfinite(found[end].item())
    ]
    if not ends:
        return str(text)
    return f"{text} (from {ends[0]})" if len(ends) == 1 else f"{text} ({' to '.join(ends)})"
