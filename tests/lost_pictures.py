"""Screenings of pictures that are lost at magnitudes of their own."""

import numpy as np
import xarray as xr

from itn.transformations import find_transformation


def screened(right, magnitudes, name="noise", label=None):
    """A screening of pictures [N, M] that are right or not; each category is a class."""
    right = np.array(right, bool)
    label = np.zeros(len(right), int) if label is None else np.asarray(label)
    categories = label.max() + 1
    predicted = np.where(right, label[:, None], categories)
    mean = np.zeros((categories, len(magnitudes), categories + 1))
    for index in range(categories):
        mean[index, :, index] = right[label == index].sum(axis=0) / max((label == index).sum(), 1)
        mean[index, :, -1] = 1 - mean[index, :, index]
    return xr.Dataset(
        {
            "predicted": (("image", "magnitude"), predicted),
            "mean_softmax": (("category", "magnitude", "class"), mean),
            "target": ("category", np.arange(categories)),
            "label": ("image", label),
        },
        coords={
            "magnitude": np.asarray(magnitudes, float),
            "category": [f"class {index}" for index in range(categories)],
            "image": [f"{index:05d}.png" for index in range(len(right))],
        },
        attrs={"transformation": name, "identity": find_transformation(name).identity},
    )


def of_limits(limits, magnitudes, **how):
    """All pictures are right below a limit, and at it no more."""
    return screened(np.asarray(magnitudes) < np.asarray(limits)[:, None], magnitudes, **how)
