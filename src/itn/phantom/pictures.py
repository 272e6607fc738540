"""Labeled sets of rendered pictures."""

from collections.abc import Iterable

import numpy as np

from itn.phantom.objects import PHANTOM_CLASSES, find_class
from itn.phantom.rendering import render_into
from itn.pictures import Pictures


def render_phantom(
    classes: Iterable[str | int] | None = None, count: int = 100, seed: int = 1, size: int = 64
) -> Pictures:
    """Render pictures of the phantom, see `itn.phantom.rendering`."""
    names = sorted(PHANTOM_CLASSES if classes is None else {str(one) for one in classes})
    for name in names:  # before the memory is taken
        find_class(name)
    images = np.empty((len(names) * count, size, size, 3), np.float32)
    for position, name in enumerate(names):
        render_into(images[position * count :][:count], name, range(count), seed)
    labels = np.repeat(np.arange(len(names)), count)
    paths = tuple(f"{name}/{seed}_{index:05d}" for name in names for index in range(count))
    return Pictures(images, labels, tuple(names), paths, "phantom")
