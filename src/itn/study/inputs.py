"""What a screening looks with and at, as a plain dictionary that another process understands.

It names network and pictures, with the hashes that their files must have where it is computed.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from itn.files import own_path
from itn.messages import UsageError
from itn.netcdf import stored_array
from itn.pictures import Pictures, load_images
from itn.study.archive import UNKNOWN, Recipe, Request, differences, keep
from itn.study.picture_hashes import file_hashes
from itn.study.profiles import (
    FigureParameters,
    Profile,
    chosen_network,
    load_profile,
    project_folder,
)
from itn.study.splits import read_split
from itn.zoo.catalog import DATA_SETS
from itn.zoo.recipes import network_recipe

Plan = dict[str, Any]  # what JSON can hold
RIVALS = 3  # of each class, in archives: as many as figures draw


def inputs_of(parameters: FigureParameters, recipe: Recipe) -> Plan:
    """Say which network looks at which pictures, so that another machine finds the same."""
    network, weights = chosen_network(parameters)
    pictures = chosen_pictures(parameters, load_profile(parameters.profile))
    if pictures["source"] not in ("phantom", *DATA_SETS):
        pictures["source"] = _absolute(pictures["source"])
    return {
        "network": _absolute(network) if network.endswith(".keras") else network,
        "weights": weights and _absolute(weights),
        "arithmetic": parameters.arithmetic,
        "pictures": {
            **pictures,
            "classes": pictures["classes"] and list(pictures["classes"]),
            "only": None if pictures["only"] is None else sorted(pictures["only"]),
        },
        "hashes": network_recipe(network, weights) | {"classes": recipe["classes"]},
    }


def _absolute(path: str) -> str:
    return str(own_path(path).absolute())


def check_inputs(inputs: Plan) -> None:
    """Raise a UsageError unless network and pictures are here, and are those that are meant."""
    classes = pictures_recipe(**inputs["pictures"])["classes"]
    if classes == UNKNOWN or UNKNOWN in (each["files"] for each in classes.values()):
        raise UsageError(f"the pictures of {inputs['pictures']['source']} are not there")
    here = network_recipe(inputs["network"], inputs["weights"]) | {"classes": classes}
    if found := differences(here, inputs["hashes"]):
        raise UsageError(f"has other files: {', '.join(found)}")


def planned_pictures(inputs: Plan, progress: bool = False) -> Pictures:
    """Load the pictures of a plan, of the size that its network takes."""
    size = planned_classifier(inputs).input_size
    return load_images(**inputs["pictures"], size=size, progress=progress)


def planned_classifier(inputs: Plan) -> Any:
    """Load the network of a plan, once for several plans."""
    hashes = {key: value for key, value in inputs["hashes"].items() if key != "classes"}
    arithmetic = inputs["arithmetic"] or "float32"
    return _loaded(inputs["network"], inputs["weights"], arithmetic, json.dumps(hashes))


@functools.lru_cache(maxsize=4)  # `hashes` tell its versions apart
def _loaded(network: str, weights: str | None, arithmetic: str, hashes: str) -> Any:
    from itn.classifiers import load_classifier  # which loads a backend

    return load_classifier(network, weights, arithmetic=arithmetic)


def untouched(inputs: Plan, pictures: Pictures) -> Any:
    """Obtain the softmax [N, K] of pictures as they are, once for all their transformations."""
    from itn.looks import complete_untouched  # which loads a backend
    from itn.softmax_sheets import Sheets

    classifier = planned_classifier(inputs)

    def compute(state: Path) -> xr.Dataset:
        as_they_are, classes = np.zeros(1), len(classifier.class_names)
        with closing(Sheets(state, [len(pictures)], as_they_are, classes)) as sheets:
            softmax = sheets.open(0, as_they_are).rows(0, len(pictures))[:, 0]
            complete_untouched(softmax, classifier, pictures.images)
            return xr.Dataset({"softmax": (("image", "class"), softmax)})

    recipe = {
        "kind": "untouched pictures",
        **inputs["hashes"],
        "arithmetic": inputs["arithmetic"],
        "weights_sha256": classifier.weights_hash(),
        "data_sha256": pictures.data_hash,
    }
    nowhere = project_folder() / "results" / "none" / "untouched.nc"  # a part is not archived
    kept = keep(Request(recipe, compute, "itn.looks", nowhere), within="parts")
    return stored_array(kept, "softmax")


def chosen_pictures(parameters: FigureParameters, profile: Profile) -> dict[str, Any]:
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


def all_of(pictures: Recipe) -> Recipe:
    """Say that these classes and no others are meant: what is found depends on all of them."""
    return {key: value for key, value in pictures.items() if key != "classes"} | {
        "all classes": pictures["classes"]
    }


def _listed(name: str, only: frozenset[str] | None) -> str:
    if only is None:
        return "all"
    paths = sorted(path for path in only if path.partition("/")[0] == name)
    return f"{len(paths)}, {hashlib.sha256(chr(0).join(paths).encode()).hexdigest()[:16]}"
