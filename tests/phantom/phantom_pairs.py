"""How far apart the two classes of a critical pair are, in magnitudes."""

import numpy as np


def magnitude_between(pair):
    """The magnitude that moves the first class of a pair onto the second."""
    if pair.transformation in ("zoom", "contrast"):
        return 2**pair.separation
    if pair.transformation in ("blur", "noise"):
        return np.sqrt(pair.separation)
    return pair.separation
