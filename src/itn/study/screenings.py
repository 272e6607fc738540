"""Screenings and pictures that a profile asks for: from the archive where they are there."""

import hashlib
import re
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from itn.adaptive_magnitudes import ADAPTIVE
from itn.curves import select_categories
from itn.messages import UsageError
from itn.pictures import Pictures, load_images
from itn.study.archive import (
    UNKNOWN,
    Recipe,
    Request,
    differences,
    digest_of,
    find_archived,
    make,
    obtain,
    recipe_of,
    require_archived,
)
from itn.study.inputs import (
    RIVALS,
    chosen_pictures,
    inputs_of,
    pictures_recipe,
    planned_classifier,
    planned_pictures,
    untouched,
)
from itn.study.profiles import (
    FigureParameters,
    Profile,
    chosen_network,
    load_profile,
    project_folder,
)
from itn.study.shards import SHARDS, as_asked, outline, screen_here, screen_in_shards
from itn.study.splits import read_split
from itn.transformations import TRANSFORMATIONS, Transformation, find_transformation
from itn.zoo.recipes import network_recipe

PROTOCOL = 1  # raised when the numbers of a screening change on purpose
DEVIATIONS = ("pictures", "magnitudes", "precision", "fill", "seed", "limit", "arithmetic")


def load_part(profile: Profile, part: str, **options: Any) -> Pictures:
    """Load a profile's pictures."""
    if profile.split is not None:
        options["only"] = read_split(profile.split, part)
    return load_images(profile.pictures, **{"classes": profile.classes} | options)


def obtain_screening(parameters: FigureParameters, transformation: str) -> xr.Dataset:
    """Take a screening from the archive or the cache where it is there, else compute it.

    What serves has the same recipe, see `itn.study.archive`; fewer classes or magnitudes are a
    selection from more. Every class is looked at under all of its magnitudes: none are adaptive.
    """
    return _selected(screening_request(as_archived(parameters, transformation), transformation))


def archived_screening(parameters: FigureParameters, transformation: str) -> xr.Dataset:
    """Take a screening from the archive, where it would take too long to compute it."""
    request = screening_request(as_archived(parameters, transformation), transformation)
    require_archived(request)
    return _selected(request)


def screened_networks(profile: str) -> list[str]:
    """List the networks of a profile that are screened under every transformation."""
    return [
        network
        for network in load_profile(profile).networks
        for asked in [FigureParameters(profile=profile, network=network)]
        if all(screening_request(asked, name).archive.is_file() for name in TRANSFORMATIONS)
    ]


def as_archived(parameters: FigureParameters, transformation: str) -> FigureParameters:
    """Ask for those of a profile's classes whose screening is archived, see below."""
    return of_archived_classes(parameters, lambda asked: screening_request(asked, transformation))


def of_archived_classes(
    parameters: FigureParameters, request_of: Callable[[FigureParameters], Request]
) -> FigureParameters:
    """Ask for those of a profile's classes that are archived, where the others are still to come.

    That is so where the profile says that it is screened category by category.
    """
    profile = load_profile(parameters.profile)
    if not profile.by_category or parameters.classes is not None:
        return parameters
    classes = archived_classes(request_of(parameters))
    return parameters.model_copy(update={"classes": classes}) if classes else parameters


def archived_classes(request: Request) -> tuple[str, ...]:
    """Tell for which of the classes of a profile's screening its archive serves."""
    if not request.own or not request.archive.is_file():
        return ()
    there = recipe_of(request.archive)
    classes = {
        name: of for name, of in request.recipe["classes"].items() if name in there["classes"]
    }
    return () if differences(there, request.recipe | {"classes": classes}) else tuple(classes)


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


def screened_recipe(parameters: FigureParameters) -> Recipe:
    """Say which network looks at which pictures; what is in their files takes time to hash."""
    pictures = chosen_pictures(parameters, load_profile(parameters.profile))
    network, weights = chosen_network(parameters)
    return network_recipe(network, weights, missing=UNKNOWN) | pictures_recipe(**pictures)


def screening_request(
    parameters: FigureParameters, transformation: str, screened: Recipe | None = None
) -> Request:
    """Say what decides the numbers of a screening, and how it is computed.

    `screened` is what `screened_recipe` says, where it is known already.
    """
    found = find_transformation(transformation)
    profile = load_profile(parameters.profile)
    network, _ = chosen_network(parameters)
    pictures = chosen_pictures(parameters, profile)
    if parameters.precision is not None and parameters.magnitudes != ADAPTIVE:
        raise UsageError("precision is that of adaptive magnitudes: ask for these, too")
    magnitudes: list[float] | str
    if parameters.magnitudes in (None, ADAPTIVE):
        # Blur is swept up to a share of the width, which only the network itself knows.
        looked = default_magnitudes(parameters, found, 1000)
        sweep = hashlib.sha256(looked.tobytes()).hexdigest()[:16]
        magnitudes = f"{parameters.magnitudes or 'default'} {sweep}"
    else:
        magnitudes = np.union1d(found.checked(parameters.magnitudes), [found.identity]).tolist()
    recipe: Recipe = {
        "kind": "screening",
        "protocol": PROTOCOL,
        **(screened or screened_recipe(parameters)),
        "transformation": transformation,
        "magnitudes": magnitudes,
        "fill": parameters.fill or profile.fill,
        "seed": profile.seed if parameters.seed is None else parameters.seed,
    }
    if profile.pooled is not None:
        recipe["pooled"] = True
    for name in ("arithmetic", "precision"):
        if getattr(parameters, name) is not None:
            recipe[name] = getattr(parameters, name)
    own = all(getattr(parameters, name) is None for name in DEVIATIONS)
    name = f"{file_name(network)}_{transformation}" + ("" if own else f"_{digest_of(recipe)[:8]}")

    def compute(state: Path) -> xr.Dataset:
        from itn.screening import screen  # which loads a backend

        inputs = inputs_of(parameters, recipe)
        if any((state / SHARDS).glob("*.nc")):  # which workers have left
            whole = outline(inputs)
            return screen_in_shards(parameters, recipe, inputs, whole, state, screen_here)
        loaded, classifier = planned_pictures(inputs, progress=True), planned_classifier(inputs)
        thinned = profile.pooled is not None and parameters.magnitudes is None
        screening = screen(
            classifier,
            loaded,
            transformation,
            default_magnitudes(parameters, found, classifier.input_size)
            if thinned
            else parameters.magnitudes,
            precision=parameters.precision,
            fill=recipe["fill"],
            seed=recipe["seed"],
            rivals=RIVALS,
            untouched=untouched(inputs, loaded),
            pooled=profile.pooled is not None,
            state=state,
        )
        asked = pictures["classes"]
        return as_asked(screening, asked and {loaded.class_named(given): given for given in asked})

    return Request(
        recipe,
        compute,
        "itn.screening",
        project_folder() / "results" / parameters.profile / f"{name}.nc",
        own,
        f"itn screen --profile {parameters.profile} --network {network} "
        f"--transformation {transformation} archives it",
    )


def default_magnitudes(
    parameters: FigureParameters, transformation: Transformation, width: int
) -> npt.NDArray[np.float64]:
    """Return the sweep of a transformation, thinned out from the identity if a profile says so."""
    sweep = transformation.sweep(width)
    pooled = load_profile(parameters.profile).pooled
    if pooled is None or parameters.magnitudes is not None:
        return sweep
    identity = int(np.argmin(np.abs(sweep - transformation.identity)))
    return sweep[identity % pooled.every :: pooled.every]


def pictures_of(
    parameters: FigureParameters, size: int, paths: Collection[str] | None = None
) -> Pictures:
    """Load the pictures that are screened."""
    chosen = chosen_pictures(parameters, load_profile(parameters.profile))
    if paths is None or chosen["source"] == "phantom":
        return load_images(size=size, **chosen)
    chosen["only"] = paths
    present = {path.partition("/")[0] for path in paths}
    return load_images(size=size, **chosen | {"classes": sorted(present), "limit": None})


def file_name(network: str) -> str:
    """Return what files of a network's results are called after."""
    return re.sub(r"[^\w.-]+", "_", Path(network).name.removesuffix(".keras"))


def highlighted(screening: xr.Dataset, parameters: FigureParameters) -> xr.Dataset:
    """Return the part of a screening that a main figure shows."""
    if parameters.classes is not None or parameters.pictures is not None:
        return screening
    highlights = load_profile(parameters.profile).highlights
    return screening if highlights is None else select_categories(screening, highlights)


def obtain_screenings(parameters: FigureParameters, transformation: str) -> dict[str, xr.Dataset]:
    """Obtain the screening of a profile's first network, and of its others where it is archived.

    Of the network alone that parameters name.
    """
    names = load_profile(parameters.profile).networks
    first, *others = names if parameters.network is None else [parameters.network]
    found = {first: obtain_screening(_of(parameters, first), transformation)}
    for name in others:
        asked = as_archived(_of(parameters, name), transformation)
        if find_archived(screening_request(asked, transformation)) is not None:
            found[name] = obtain_screening(asked, transformation)
    return found


def _of(parameters: FigureParameters, network: str) -> FigureParameters:
    return parameters.model_copy(update={"network": network})


def by_network(*screenings: Mapping[str, xr.Dataset]) -> dict[str, list[xr.Dataset]]:
    """Sort screenings by several transformations by the networks of which there are all."""
    first, *others = screenings
    names = [name for name in first if all(name in each for each in others)]
    return {name: [each[name] for each in screenings] for name in names}
