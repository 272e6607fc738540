"""Screenings whose thresholds are known on paper."""

import numpy as np
import xarray as xr

MAGNITUDES = np.linspace(-1, 1, 21)


def screening(limits, name="brightness"):
    """All pictures are right as far as a limit on either side, and none beyond.

    `limits` maps classes to the limits below and above; of an accuracy half is lost halfway to the
    next magnitude.
    """
    count = 4
    ends = np.repeat(list(limits.values()), count, axis=0)
    right = (ends[:, :1] - 1e-9 <= MAGNITUDES) & (ends[:, 1:] + 1e-9 >= MAGNITUDES)
    label = np.repeat(np.arange(len(limits)), count)
    target = np.arange(len(limits), dtype="int32")
    mean = np.zeros((len(limits), len(MAGNITUDES), len(limits) + 1))
    for index in target:
        mean[index, :, index] = right[label == index].mean(axis=0)
        mean[index, :, -1] = 1 - mean[index, :, index]
    return xr.Dataset(
        {
            "predicted": (("image", "magnitude"), np.where(right, label[:, None], len(limits))),
            "mean_softmax": (("category", "magnitude", "class"), mean),
            "target": ("category", target),
            "label": ("image", label),
        },
        coords={"magnitude": MAGNITUDES, "category": list(limits)},
        attrs={"transformation": name, "identity": 0.0},
    )
