"""How far pictures are from what they were: obtained from `itn.study.archive`, or measured.

That depends on the pictures and on their size, and on no network: all that look at the same
pictures at the same size share ``results/<profile>/distances_<size>.nc``.
"""

import hashlib
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from itn.picture_files import Images
from itn.study.archive import Recipe, Request, digest_of, obtain, part_of
from itn.study.inputs import chosen_pictures, pictures_recipe
from itn.study.profiles import (
    FigureParameters,
    chosen_network,
    load_profile,
    project_folder,
)
from itn.study.screenings import DEVIATIONS, as_archived, pictures_of
from itn.transformations import TRANSFORMATIONS

Distances = TypeVar("Distances", xr.DataArray, npt.NDArray[np.float32])

PROTOCOL = 1  # raised when the numbers change on purpose
STEPS = 2**14  # to which a distance is rounded, of the full range
CHUNK = 64  # pictures that are compared with others at a time


def obtain_distances(parameters: FigureParameters) -> xr.Dataset:
    """Obtain how far the pictures of a network are moved, see `distances_request`."""
    return obtain(network_distances_request(parameters)).to_dataset()


def network_distances_request(parameters: FigureParameters) -> Request:
    """Say what decides the distances of the pictures that a network looks at, at its size."""
    from itn.classifiers import load_classifier  # which loads a backend

    size = load_classifier(*chosen_network(parameters)).input_size
    asked = [as_archived(parameters, name).classes for name in TRANSFORMATIONS]
    if None not in asked:  # where other classes are still to come
        classes = tuple(dict.fromkeys(name for names in asked for name in names or ()))
        parameters = parameters.model_copy(update={"classes": classes})
    return distances_request(parameters, size)


def distances_request(parameters: FigureParameters, size: int) -> Request:
    """Say what decides how far pictures of a size are moved.

    The result has one variable for each transformation, over ``image`` and the magnitudes of its
    sweep, and ``apart``: the distance of each picture from another one.
    """
    profile = load_profile(parameters.profile)
    recipe: Recipe = {
        "kind": "distances",
        "protocol": PROTOCOL,
        "size": size,
        **pictures_recipe(**chosen_pictures(parameters, profile)),
        "parts": {
            name: hashlib.sha256(each.sweep(size).tobytes()).hexdigest()[:16]
            for name, each in TRANSFORMATIONS.items()
        },
        "fill": parameters.fill or profile.fill,
        "seed": profile.seed if parameters.seed is None else parameters.seed,
    }

    def compute(state: Path) -> xr.Dataset:
        from itn.distances import rms_distances  # which loads a backend

        pictures = pictures_of(parameters, size)

        def measure(name: str) -> xr.Dataset:
            found = rms_distances(pictures, name, fill=recipe["fill"], seed=recipe["seed"])
            of_its_own = found.rename(magnitude=f"{name}_magnitude")
            return rounded(of_its_own).to_dataset(name=name)

        parts = [part_of(state, name, partial(measure, name)) for name in TRANSFORMATIONS]
        apart = ("image", rounded(distances_apart(pictures.images)))
        return xr.merge(parts, combine_attrs="drop").assign(apart=apart)

    own = all(getattr(parameters, name) is None for name in DEVIATIONS)
    name = f"distances_{size}" + ("" if own else f"_{digest_of(recipe)[:8]}")
    return Request(
        recipe,
        compute,
        "itn.study.distances",
        project_folder() / "results" / parameters.profile / f"{name}.nc",
        own,
        f"itn distances --profile {parameters.profile} archives it",
    )


def rounded(distances: Distances) -> Distances:
    """Round distances as they are stored: more digits would say nothing, and take space."""
    steps: Distances = (distances * np.float32(STEPS)).round()
    return steps / np.float32(STEPS)


def distances_apart(images: Images) -> npt.NDArray[np.float32]:
    """Measure how far each picture is from another, which mostly shows something else.

    From that half of all pictures further on, as they are in the order of their classes. NaN where
    there is no other.
    """
    count = len(images)
    others = np.roll(np.arange(count), -(count // 2))
    found = np.full(count, np.nan, np.float32)
    for start in range(0, count if count > 1 else 0, CHUNK):
        rows = slice(start, min(start + CHUNK, count))
        difference = images[rows] - images[others[rows]]
        found[rows] = np.sqrt((difference**2).mean(axis=(1, 2, 3)))
    return found
