"""Pictures that anyone may be shown: photographs of scikit-image's, and rendered objects."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import skimage.data

from itn.messages import unknown
from itn.phantom.objects import PHANTOM_CLASSES
from itn.phantom.pictures import render_phantom
from itn.picture_files import read_picture

PHOTOGRAPHS = {  # scikit-image's own that show one thing, and what that is
    "motorcycle": "motorcycle_left.png",  # first, as every network knows what it is
    "astronaut": "astronaut.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
}


def example_picture(name: str, size: int) -> npt.NDArray[np.float32]:
    """Return one of scikit-image's photographs or of the rendered objects, in 8 bits a value."""
    if name in PHOTOGRAPHS:
        return read_picture(Path(skimage.data.__file__).with_name(PHOTOGRAPHS[name]), size)
    if name not in PHANTOM_CLASSES:
        raise unknown("picture", name, [*PHOTOGRAPHS, *PHANTOM_CLASSES])
    image = render_phantom([name], 1, size=size).images[0]
    return (np.round(255 * image) / 255).astype(np.float32)
