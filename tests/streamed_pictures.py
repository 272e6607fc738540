"""Pictures that are read while they are asked for."""

import numpy as np


class Streamed:
    """Pictures that are never there all at once, and how many were asked for at a time."""

    ndim, dtype = 4, np.dtype("float32")

    def __init__(self, images):
        self.images, self.shape, self.asked = images, images.shape, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        found = self.images[rows]
        self.asked.append(len(found) if found.ndim == 4 else 1)
        return found
