"""One picture under several transformations at once, and what a network says of it.

It is what the page "Try it yourself" shows; the line of Python that it offers calls `five_best`.
"""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from itn import ops
from itn.messages import UsageError
from itn.phantom.objects import PHANTOM_CLASSES
from itn.picture_files import read_picture
from itn.study.example_pictures import PHOTOGRAPHS, example_picture
from itn.study.titles import title
from itn.transformations import TRANSFORMATIONS, Motion, Recoloring, find_transformation, transform
from itn.warp import affine_warp, in_pixels, recolor

SHOWS = {  # names of the classes that are right, whatever network has them
    "motorcycle": ("Motorbikes", "moped", "motor_scooter"),
    "astronaut": ("Faces_easy",),
    "cat": ("Egyptian_cat", "tabby", "tiger_cat"),
    "coffee": ("espresso", "cup", "coffee_mug"),
    "rocket": ("missile", "projectile"),
}


def transform_all(
    images: npt.NDArray[np.float32],
    magnitudes: dict[str, float],
    fill: str = "zeros",
    seed: int = 0,
    clip: bool = False,
    learned: Sequence[npt.ArrayLike] = (),
) -> npt.NDArray[np.float32]:
    """Transform pictures by several transformations, in the order of `TRANSFORMATIONS`.

    What moves pixels is one product of matrices, so that pixels are read once; what changes colors
    is another. At last of each come the matrices of `learned`, a spatial one and one of colors.
    Then come blur and noise, whatever the order in which they are given.
    """
    for name in magnitudes:
        find_transformation(name)
    asked = [each for each in TRANSFORMATIONS.values() if each.name in magnitudes]

    def product(kind: type) -> npt.NDArray[np.float32] | None:
        size = images.shape[1:3]
        matrices = [
            np.asarray(each.matrix(_column(each.checked(magnitudes[each.name])), *size))[0]
            for each in asked
            if isinstance(each, kind)
        ]
        for spatial, color in [learned] if len(learned) else ():
            pixels = in_pixels(np.asarray(spatial, np.float32), images.shape)
            matrices.append(np.asarray(pixels if kind is Motion else color, np.float32))
        if not matrices:
            return None
        # The first to be done reads last; of colors it is the first that is multiplied.
        squares = [np.vstack([m, np.eye(m.shape[1])[-1:]]) for m in matrices]
        whole = reduce(np.matmul, squares if kind is Motion else squares[::-1])
        return np.asarray(whole[:-1], np.float32)

    result = ops.convert_to_tensor(images)
    if (places := product(Motion)) is not None:
        result = affine_warp(result, places, fill)
    if (colors := product(Recoloring)) is not None:
        result = recolor(result, colors[None].astype(images.dtype))
    for name in ("blur", "noise"):
        if name in magnitudes:
            result = transform(result, name, magnitudes[name], fill, seed)
    return np.asarray(ops.clip(result, 0, 1) if clip else result)


def five_best(
    network: str,
    picture: str | Path,
    fill: str = "zeros",
    clip: bool = False,
    alpha: Sequence[float] | None = None,
    beta: Sequence[float] | None = None,
    **magnitudes: float,
) -> pd.Series:
    """Tell the five classes that a network finds most likely, with their softmax.

    ``picture`` is the name of an example or a file; ``magnitudes`` as in ``rotation=30``;
    ``alpha`` and ``beta`` are the control vectors of the family that was learned for the network.
    """
    from itn.classifiers import load_classifier  # both of which load a backend
    from itn.study.explorer_archives import learned_family, learned_matrices

    learned: Sequence[npt.ArrayLike] = ()
    if alpha is not None and beta is not None:
        family = learned_family(network)
        if family is None:
            raise UsageError(f"no learned family of {network} is stored: itn transformers")
        learned = learned_matrices(family, alpha, beta)

    classifier = load_classifier(network)
    known = picture in PHOTOGRAPHS or picture in PHANTOM_CLASSES
    size = classifier.input_size
    image = example_picture(str(picture), size) if known else read_picture(picture, size)
    transformed = transform_all(image[None], magnitudes, fill, clip=clip, learned=learned)
    softmax = classifier.predict(transformed)[0]
    best = np.argsort(-softmax, kind="stable")[:5]
    names = [title(classifier.class_names[each]) for each in best]
    return pd.Series(softmax[best], index=names, name="softmax")


def _column(magnitude: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return np.asarray(magnitude, np.float32).reshape(1, 1, 1, 1)
