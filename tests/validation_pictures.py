"""Pictures that are called as those of ImageNet's validation set, which they are not."""

import io

import numpy as np
from PIL import Image

from itn.zoo.catalog import imagenet_classes

CLASSES = [805, 3, 805, 517, 0, 3]
NAMES = [f"ILSVRC2012_val_{number:08}.JPEG" for number in range(1, 7)]
WNIDS = [imagenet_classes()[index].wnid for index in CLASSES]
LABELS = [imagenet_classes()[index].label for index in CLASSES]


def picture(number):
    pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_sorted(folder):
    """Write the pictures into a folder for each class."""
    for number, wnid in enumerate(WNIDS):
        (folder / wnid).mkdir(parents=True, exist_ok=True)
        (folder / wnid / NAMES[number]).write_bytes(picture(number))
