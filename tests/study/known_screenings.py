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
        coords={
            "magnitude": MAGNITUDES,
            "category": list(limits),
            "image": [f"{name}/{index}.png" for name in limits for index in range(count)],
        },
        attrs={"transformation": name, "identity": 0.0},
    )


# Two networks that know the same six classes.
FIRST = {
    "a": (-0.8, 0.2),
    "b": (-0.6, 0.4),
    "c": (-0.4, 0.6),
    "d": (-2, 2),
    "e": (-0.2, 0.8),
    "f": (-0.1, 0.9),
}
SECOND = {
    "e": (-2, 0.7),
    "c": (-0.2, 0.5),
    "b": (-0.3, 0.6),
    "a": (-0.5, 0.1),
    "d": (-0.6, 2),
    "f": (-0.4, 0.8),
}


# What is half lost between the last magnitude that holds and the next; None is not reached.
UP = {
    "a": (0.25, 0.15), "b": (0.45, 0.65), "c": (0.65, 0.55), "d": (None, None),
    "e": (0.85, 0.75), "f": (0.95, 0.85),
}  # fmt: skip
DOWN = {
    "a": (-0.85, -0.55), "b": (-0.65, -0.35), "c": (-0.45, -0.25), "d": (None, -0.65),
    "e": (-0.25, None), "f": (-0.15, -0.45),
}  # fmt: skip
RHO_UP, RHO_DOWN = 33 / 35, 1 / 7  # ranks 123645 and 132645, outward 543621 and 421563


def known_pairs():
    """All pairs of the two: what is not reached stands at the end of the sweep."""
    for direction, end, limits in (("up", 1, UP), ("down", -1, DOWN)):
        for name, pair in limits.items():
            first, second = (end if one is None else one for one in pair)
            yield (direction, name), (first, second, pair[0] is None, pair[1] is None)
