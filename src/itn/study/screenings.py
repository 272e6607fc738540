"""Screenings and pictures that a profile asks for: from the archive where they are there."""

import hashlib
import re
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from itn.curves import select_categories
from itn.files import own_path
from itn.pictures import Pictures, load_images
from itn.study.archive import (
    UNKNOWN,
    Recipe,
    Request,
    digest_of,
    make,
    obtain,
    require_archived,
)
from itn.study.picture_hashes import file_hashes
from itn.study.profiles import (
    FigureParameters,
    Profile,
    chosen_network,
    load_profile,
    project_folder,
)
from itn.study.splits import read_split
from itn.transformations import find_transformation
from itn.zoo.recipes import network_recipe

PROTOCOL = 1  # raised when the numbers of a screening change on purpose


def load_part(profile: Profile, part: str, **options: Any) -> Pictures:
    """Load a profile's pictures."""
    if profile.split is not None:
        options["only"] = read_split(profile.split, part)
    return load_images(profile.pictures, **{"classes": profile.classes} | options)


def obtain_screening(parameters: FigureParameters, transformation: str) -> xr.Dataset:
    """Take a screening from the archive or the cache where it is there, else compute it.

    What serves has the same recipe, see `itn.study.archive`; fewer classes or magnitudes are a
    selection from more.
    """
    return _selected(screening_request(parameters, transformation))


def archived_screening(parameters: FigureParameters, transformation: str) -> xr.Dataset:
    """Take a screening from the archive, where it would take too long to compute it."""
    request = screening_request(parameters, transformation)
    require_archived(request)
    return _selected(request)


def _selected(request: Request) -> xr.Dataset:
    """Obtain a screening, and select what was asked for where it holds more."""
    screening = obtain(request).to_dataset()
    wanted = request.recipe["magnitudes"]
    if isinstance(wanted, list) and len(wanted) < screening.sizes["magnitude"]:
        screening = screening.sel(magnitude=wanted)
    if request.recipe["classes"] == UNKNOWN:  # all, of a data set that is downloaded only now
        return screening
    return select_categories(screening, list(request.recipe["classes"]))


def compute_screening(parameters: FigureParameters, transformation: str) -> xr.Dataset:
    """Screen what the parameters ask for, whether or not it is there already."""
    with tempfile.TemporaryDirectory() as state:
        made = make(screening_request(parameters, transformation), Path(state))
    assert isinstance(made, xr.Dataset)
    return made


def screening_request(parameters: FigureParameters, transformation: str) -> Request:
    """Say what decides the numbers of a screening, and how it is computed."""
    found = find_transformation(transformation)
    profile = load_profile(parameters.profile)
    network, weights = chosen_network(parameters)
    pictures = _chosen_pictures(parameters, profile)
    magnitudes: list[float] | str
    if parameters.magnitudes is None:
        # Blur is swept up to a share of the width, which only the network itself knows.
        magnitudes = f"default {hashlib.sha256(found.sweep(1000).tobytes()).hexdigest()[:16]}"
    else:
        magnitudes = np.union1d(found.checked(parameters.magnitudes), [found.identity]).tolist()
    recipe: Recipe = {
        "kind": "screening",
        "protocol": PROTOCOL,
        **network_recipe(network, weights),
        **pictures_recipe(**pictures),
        "transformation": transformation,
        "magnitudes": magnitudes,
        "fill": parameters.fill or profile.fill,
        "seed": profile.seed if parameters.seed is None else parameters.seed,
    }
    deviations = ("pictures", "magnitudes", "fill", "seed", "limit")
    own = all(getattr(parameters, name) is None for name in deviations)
    name = f"{file_name(network)}_{transformation}" + ("" if own else f"_{digest_of(recipe)[:8]}")

    def compute(_: Path) -> xr.Dataset:
        from itn.classifiers import load_classifier  # which loads a backend
        from itn.screening import screen

        classifier = load_classifier(network, weights)
        loaded = pictures_of(parameters, classifier.input_size)
        screening = screen(
            classifier,
            loaded,
            transformation,
            parameters.magnitudes,
            fill=recipe["fill"],
            seed=recipe["seed"],
        )
        if pictures["classes"] is None:
            return screening
        # Pictures are sorted; the reader wants the order and the names that were asked for.
        asked = {loaded.class_named(given): given for given in pictures["classes"]}
        return select_categories(screening, list(asked)).assign_coords(
            category=list(asked.values())
        )

    return Request(
        recipe,
        compute,
        "itn.screening",
        project_folder() / "results" / parameters.profile / f"{name}.nc",
        own,
        f"itn screen --profile {parameters.profile} --network {network} "
        f"--transformation {transformation} archives it",
    )


def _chosen_pictures(parameters: FigureParameters, profile: Profile) -> dict[str, Any]:
    """Return the arguments for `load_images` that say which pictures are screened."""
    given = parameters.pictures
    own = given is None or _place(given) == _place(profile.pictures)
    # Naming the profile's own pictures means the same ones, not those it has learned from.
    split = profile.split if own else None
    only = None if split is None else read_split(split, "test")
    return {
        "source": profile.pictures if own else given,
        "classes": parameters.classes or (profile.classes if own else None),
        "limit": parameters.limit or profile.limit,
        "only": only,
    }


def _place(source: str) -> object:
    folder = own_path(source)
    return folder.resolve() if folder.is_dir() else source


def pictures_of(
    parameters: FigureParameters, size: int, paths: Collection[str] | None = None
) -> Pictures:
    """Load the pictures that are screened."""
    chosen = _chosen_pictures(parameters, load_profile(parameters.profile))
    if paths is None or chosen["source"] == "phantom":
        return load_images(size=size, **chosen)
    chosen["only"] = paths
    present = {path.partition("/")[0] for path in paths}
    return load_images(size=size, **chosen | {"classes": sorted(present), "limit": None})


def file_name(network: str) -> str:
    """Return what files of a network's results are called after."""
    return re.sub(r"[^\w.-]+", "_", Path(network).name.removesuffix(".keras"))


def pictures_recipe(
    source: str,
    classes: Sequence[str] | None,
    limit: int | None,
    only: frozenset[str] | None = None,
) -> Recipe:
    """Say which pictures are used, and what is in them where they are there."""
    hashes = file_hashes(source, classes, limit, only)
    names = classes if classes is not None else list(hashes or ())
    folder = own_path(source)
    found: Recipe | str = {
        name: {"listed": _listed(name, only), "files": (hashes or {}).get(name, UNKNOWN)}
        for name in names
    }
    return {
        "pictures": folder.resolve().name if folder.is_dir() else source,
        "limit": limit,
        "classes": found or UNKNOWN,
    }


def _listed(name: str, only: frozenset[str] | None) -> str:
    if only is None:
        return "all"
    paths = sorted(path for path in only if path.partition("/")[0] == name)
    return f"{len(paths)}, {hashlib.sha256(chr(0).join(paths).encode()).hexdigest()[:16]}"


def highlighted(screening: xr.Dataset, parameters: FigureParameters) -> xr.Dataset:
    """Return the part of a screening that a main figure shows."""
    if parameters.classes is not None or parameters.pictures is not None:
        return screening
    return select_categories(screening, load_profile(parameters.profile).highlights)
