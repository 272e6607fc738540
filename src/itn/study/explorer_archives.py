"""What the page "Try it yourself" shows of stored results: curves of classes, learned families."""

import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.special import stdtrit

from itn.messages import UsageError
from itn.netcdf import read_arrays, read_netcdf
from itn.study.archive import archived_files, find_kept
from itn.study.learned import first_of, transformers_request
from itn.study.profiles import (
    FigureParameters,
    TransformerParameters,
    load_profile,
    project_folder,
)
from itn.study.screenings import archived_classes, screened_recipe, screening_request
from itn.transformations import TRANSFORMATIONS, find_transformation

PROFILES = {  # whose results of a network the page shows
    "resnet_photos": "photos",
    "alexnet_photos": "photos",
    "resnet_phantom": "phantom",
    "alexnet_phantom": "phantom",
    "squeezenet": "imagenet",
}


def class_curves(network: str, size: int) -> dict[str, xr.Dataset]:
    """Return the archived curves of a network's classes, by transformation.

    The ``mean`` softmax of the true class with its 95 % interval, ``low`` and ``high`` (category,
    magnitude), over the default sweep; of each category its ``target``, the class, and how many
    ``pictures`` it has.
    """
    parameters = FigureParameters(profile=PROFILES[network], network=network)
    screened = screened_recipe(parameters)
    found = {}
    for name in TRANSFORMATIONS:
        request = screening_request(parameters, name, screened)
        if archived_classes(request):
            parts = read_arrays(request.archive, ("softmax", "label", "target", "magnitude"))
            curves = _curves(**parts)
            if not np.array_equal(curves.magnitude, find_transformation(name).sweep(size)):
                raise UsageError(f"{request.archive.name} is not of the default sweep")
            found[name] = curves
    return found


def _curves(
    softmax: np.ndarray, label: np.ndarray, target: np.ndarray, magnitude: np.ndarray
) -> xr.Dataset:
    members = [softmax[label == index].astype(np.float64) for index in range(len(target))]
    counts = np.array([len(own) for own in members])
    mean = np.array([own.mean(axis=0) for own in members])
    # One picture does not tell how others differ.
    spread = np.array(
        [own.std(axis=0, ddof=1) if len(own) > 1 else np.ones_like(own[0]) for own in members]
    )
    reach = np.where(counts > 1, stdtrit(np.maximum(counts - 1, 1), 0.975), np.inf)[:, None]
    half = reach * spread / np.sqrt(counts)[:, None]
    over = ("category", "magnitude")
    return xr.Dataset(
        {
            "mean": (over, mean),
            "low": (over, np.clip(mean - half, 0, 1)),
            "high": (over, np.clip(mean + half, 0, 1)),
            "target": ("category", target),
            "pictures": ("category", counts),
        },
        coords={"magnitude": magnitude},
    )


def stored_files() -> list[Path]:
    """List the files that all this is read from."""
    families = [path for network in PROFILES if (path := _family_file(network)) is not None]
    screenings = [
        path
        for network, profile in PROFILES.items()
        for path in archived_files(project_folder() / "results" / profile)
        if path.name.startswith(f"{network}_")
    ]
    return sorted({*families, *screenings})


@functools.cache
def _family_file(network: str) -> Path | None:
    """Find the study of a network's transformers, in the archive or kept from a run."""
    profile = load_profile(PROFILES[network])
    # The one that is studied is the first.
    if profile.transformers is None or network != profile.networks[0]:
        return None
    parameters = TransformerParameters(profile=PROFILES[network])
    return find_kept(transformers_request(parameters, seeds=profile.transformers.seeds[:1]))


def learned_family(network: str) -> xr.Dataset | None:
    """Return the weights of the transformers that a profile's study of a network has kept.

    Those of the first seed; None where no study of the network is there.
    """
    path = _family_file(network)
    if path is None:
        return None
    study = read_netcdf(path)
    if "weights" not in next(iter(study.children.values())):  # made before they were kept
        return None
    weights = first_of(study, "weights")
    return weights.assign_attrs(pictures=int(first_of(study, "history").attrs["pictures"]))


def learned_matrices(
    family: xr.Dataset, alpha: npt.ArrayLike, beta: npt.ArrayLike
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the spatial and the color matrix of control vectors, [2, 3] and [3, 4]."""
    found = []
    for kind, control, shape in (("spatial", alpha, (2, 3)), ("color", beta, (3, 4))):
        dim = family.sizes[f"{kind}_control"]
        given = np.asarray(control, np.float32)
        if given.shape != (dim,) or not ((given >= 0) & (given <= 1)).all():
            raise UsageError(f"the {kind} transformer needs {dim} values from 0 to 1")

        def dense(layer: str, inputs: np.ndarray, kind: str = kind) -> npt.NDArray[np.float32]:
            kernel, bias = (family[f"{kind}_{layer}_{part}"].values for part in ("kernel", "bias"))
            return np.asarray(inputs @ kernel + bias, np.float32)

        found.append(dense("entries", np.maximum(dense("hidden", given), 0)).reshape(shape))
    return found[0], found[1]
