"""Controls: how much of a threshold is the doing of the procedure?

Each is a screening, of some of the pictures, with one thing changed: what fills the outside,
whether values are clipped, or, of what moves pixels, that each picture is moved there and back, so
that nothing but the interpolation is left.
"""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from itn import ops
from itn.messages import Progress, UsageError
from itn.netcdf import read_netcdf, write_netcdf
from itn.pictures import Pictures
from itn.study.archive import (
    UNKNOWN,
    Recipe,
    Request,
    digest_of,
    find_archived,
    is_whole,
    obtain,
)
from itn.study.inputs import (
    chosen_pictures,
    inputs_of,
    pictures_recipe,
    planned_classifier,
    planned_pictures,
)
from itn.study.profiles import FigureParameters, chosen_network, load_profile, project_folder
from itn.study.screenings import (
    DEVIATIONS,
    as_archived,
    file_name,
    obtain_screening,
    of_archived_classes,
    screening_request,
)
from itn.transformations import TRANSFORMATIONS, Motion, Transformation, find_transformation
from itn.warp import Tensor, affine_warp
from itn.zoo.recipes import network_recipe

PROTOCOL = 1  # raised when the numbers change on purpose
BATCH_SIZE = 8  # pictures at once; canvases are large
SCREENED, CLIPPED, THERE_AND_BACK = "as screened", "clipped", "there and back"
FILLS = ("zeros", "edge", "reflect")
LEAVE_RANGE = ("brightness", "contrast", "noise")  # what may lead out of [0, 1]
STEPS = {"rotation": 3}  # of the sweep, else every second magnitude
Change = Callable[..., Tensor]


def controls_request(parameters: FigureParameters) -> Request:
    """Say what decides the controls of a network, and how they are computed."""
    profile = load_profile(parameters.profile)
    network, weights = chosen_network(parameters)
    own = all(getattr(parameters, name) is None for name in DEVIATIONS)
    parameters = parameters.model_copy(update={"limit": _limit(parameters), "magnitudes": None})
    fill = parameters.fill or profile.fill
    recipe: Recipe = {
        "kind": "controls",
        "protocol": PROTOCOL,
        **network_recipe(network, weights),
        **pictures_recipe(**chosen_pictures(parameters, profile)),
        "transformations": {
            name: {"controls": controls, "magnitudes": _magnitudes(name).tolist()}
            for name, transformation in TRANSFORMATIONS.items()
            if (controls := _controls(transformation, fill))
        },
        "fill": fill,
        "seed": profile.seed if parameters.seed is None else parameters.seed,
    }
    if parameters.arithmetic is not None:
        recipe["arithmetic"] = parameters.arithmetic
    name = f"{file_name(network)}_controls{'' if own else f'_{digest_of(recipe)[:8]}'}.nc"

    def compute(state: Path) -> xr.DataTree:
        inputs = inputs_of(parameters, recipe)
        pictures = planned_pictures(inputs, progress=True)
        return _compute(planned_classifier(inputs), pictures, recipe, state)

    return Request(
        recipe,
        compute,
        "itn.study.controls",
        project_folder() / "results" / parameters.profile / name,
        own,
        f"itn controls --profile {parameters.profile} --network {network} archives it",
    )


def as_controlled(parameters: FigureParameters, anew: bool = False) -> FigureParameters:
    """Ask for the classes whose controls are archived; if none are, for those that are screened.

    That is so where the profile says that it is screened category by category.
    """
    found = parameters if anew else of_archived_classes(parameters, controls_request)
    if found.classes is not None or not load_profile(found.profile).by_category:
        return found
    shared = None
    for name in controls_request(found).recipe["transformations"]:
        screened = as_archived(found, name).classes
        if screened is None:
            network, _ = chosen_network(found)
            raise UsageError(
                f"controls stand beside screenings, and there is none of {network} by {name}: "
                f"{screening_request(found, name).command}"
            )
        shared = [each for each in screened if shared is None or each in shared]
    return found.model_copy(update={"classes": tuple(shared or ())})


def _limit(parameters: FigureParameters) -> int:
    profile = load_profile(parameters.profile)
    return parameters.limit or min(profile.controlled, profile.limit or profile.controlled)


def _magnitudes(name: str) -> npt.NDArray[np.float64]:
    sweep = find_transformation(name).sweep(1)  # the width matters for blur alone
    return sweep[:: STEPS.get(name, 2)]


def _controls(transformation: Transformation, fill: str) -> list[str]:
    """Name the controls of a transformation, which may have none."""
    if isinstance(transformation, Motion):
        return [*(other for other in FILLS if other != fill), THERE_AND_BACK]
    return [CLIPPED] if transformation.name in LEAVE_RANGE else []


def control_change(transformation: Transformation, control: str, fill: str, size: int) -> Change:
    """Return what is done to pictures in a control."""

    def moved(images: Tensor, magnitude: Tensor, noise: Tensor = None) -> Tensor:
        its = control if control in FILLS else fill
        images = transformation.apply(images, magnitude, its, noise)
        return ops.clip(images, 0, 1) if control == CLIPPED else images

    if control == THERE_AND_BACK and isinstance(transformation, Motion):
        return partial(there_and_back, transformation, canvas_of(transformation, size, size))
    return moved


def there_and_back(
    motion: Motion, margins: tuple[int, int], images: Tensor, magnitude: Tensor
) -> Tensor:
    """Move pictures and move them back, on a canvas that they do not leave, see `canvas_of`.

    Beyond the picture its edge goes on, so that what differs is the interpolation's doing.
    """
    height, width = images.shape[1:3]
    above, left = margins
    canvas = images
    for axis, (size, more) in enumerate(((height, above), (width, left)), start=1):
        index = np.clip(np.arange(-more, size + more), 0, size - 1).astype("int32")
        canvas = ops.take(canvas, index, axis=axis)
    matrix = motion.matrix(magnitude, height, width)
    back = affine_warp(affine_warp(canvas, matrix, "edge"), _inverse(matrix), "edge")
    return back[:, above : above + height, left : left + width]


def canvas_of(motion: Motion, height: int, width: int) -> tuple[int, int]:
    """Return how many pixels above and left of a picture it needs within the whole sweep."""
    half = np.array([width - 1, height - 1]) / 2
    corners = half * [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    sweep = ops.convert_to_tensor(motion.sweep(width).reshape(-1, 1, 1, 1).astype("float32"))
    matrix = ops.convert_to_numpy(motion.matrix(sweep, height, width)).astype(float)
    # A matrix says where a pixel is read, so the content goes the other way.
    moved = np.linalg.solve(matrix[:, None, :, :2], (corners - matrix[:, None, :, 2])[..., None])[
        ..., 0
    ]
    reach = np.abs(moved).max(axis=(0, 1))
    more = np.ceil(np.maximum(reach - half, 0)).astype(int) + 1  # one to interpolate with
    return int(more[1]), int(more[0])


def _inverse(matrix: Tensor) -> Tensor:
    """Return the matrices [N, 2, 3] that undo affine matrices [N, 2, 3]."""
    (a, b, x), (c, d, y) = ([matrix[:, row, column] for column in range(3)] for row in range(2))
    determinant = a * d - b * c
    rows = [(d, -b, b * y - d * x), (-c, a, c * x - a * y)]
    entries = ops.stack([entry / determinant for row in rows for entry in row], -1)
    return ops.reshape(entries, (-1, 2, 3))


def _compute(classifier: Any, pictures: Pictures, recipe: Recipe, state: Path) -> xr.DataTree:
    """Look at pictures in each control; what is finished of a transformation is kept."""
    nodes = {
        "/": xr.Dataset(
            {
                "label": ("image", np.asarray(pictures.labels, np.int32)),
                "target": ("category", classifier.logits_of(pictures)),
            },
            coords={
                "image": list(pictures.paths),
                "category": list(pictures.class_names),
                "class": list(classifier.class_names),
            },
        )
    }
    wanted = recipe["transformations"]
    passes = [len(each["controls"]) * len(each["magnitudes"]) for each in wanted.values()]
    total = len(pictures) * sum(passes)
    with Progress(total=total, desc=f"{classifier.name}, controls", unit="pass", delay=2) as bar:
        for (name, how), count in zip(wanted.items(), passes, strict=True):
            kept = state / f"{name}.nc"
            if is_whole(kept):
                bar.update(len(pictures) * count)
            else:
                magnitudes = np.array(how["magnitudes"])
                transformation, size = find_transformation(name), classifier.input_size
                predicted = []
                for control in how["controls"]:
                    change = control_change(transformation, control, recipe["fill"], size)
                    predicted.append(
                        predictions(
                            classifier, pictures, name, change, magnitudes, recipe["seed"],
                            bar.update,
                        )
                    )  # fmt: skip
                part = xr.Dataset(
                    {"predicted": (("control", "image", "magnitude"), np.array(predicted))},
                    coords={"control": how["controls"], "magnitude": magnitudes},
                    attrs={"transformation": name},
                )
                write_netcdf(part, kept)
            nodes[name] = read_netcdf(kept).to_dataset()
    return xr.DataTree.from_dict(nodes)


def predictions(
    classifier: Any,
    pictures: Pictures,
    name: str,
    change: Change,
    magnitudes: npt.NDArray[np.float64],
    seed: int,
    told: Callable[[int], object] = lambda passes: None,
) -> npt.NDArray[np.int16]:
    """Return what pictures are taken for [N, M] when they are changed, as by a transformation."""
    from itn.looks import full_batches  # which loads a backend
    from itn.screening import Look, batch_inputs

    look = Look(classifier, change)
    found = np.empty((len(pictures), len(magnitudes)), np.int16)
    for rows, number in full_batches(len(pictures), BATCH_SIZE):
        inputs = batch_inputs(pictures, rows, name, seed)
        for column, magnitude in enumerate(magnitudes):
            at = {"magnitude": np.full((1, 1, 1, 1), magnitude, np.float32)}
            softmax = look.softmax(inputs | at)[:number]
            if not np.isfinite(softmax).all():
                wrong = rows[np.flatnonzero(~np.isfinite(softmax).all(axis=1))[0]]
                raise UsageError(
                    f"{classifier.name} gives no number for {pictures.paths[wrong]}, {name} by "
                    f"{magnitude:g}"
                )
            found[rows[:number], column] = softmax.argmax(axis=1)
            told(number)
    return found


def obtain_controls(
    parameters: FigureParameters, transformations: Collection[str] = tuple(TRANSFORMATIONS)
) -> dict[str, xr.Dataset]:
    """Take the controls of a network where they are there, beside what was screened of the same.

    Of each transformation ``predicted`` over ``control``, of which the first is the screening
    itself, ``image`` and ``magnitude``; of each image the ``true`` class, as an index.
    """
    parameters = as_controlled(parameters)
    request = controls_request(parameters)
    tree = obtain(request)
    about, classes = tree.to_dataset(), request.recipe["classes"]
    names = about.category.values if classes == UNKNOWN else list(classes)
    category = about.category.values[about.label.values]
    found = {}
    for name in filter(transformations.__contains__, request.recipe["transformations"]):
        part = tree[name].dataset.copy().assign_coords(image=about.image)
        screened = _screened(parameters, name).predicted
        of_the_same = screened.sel(image=part.image, magnitude=part.magnitude)
        both = [of_the_same.astype(np.int16).assign_coords(control=SCREENED), part.predicted]
        found[name] = xr.Dataset(
            {"predicted": xr.concat(both, "control")},
            coords={
                "true": ("image", about.target.values[about.label.values]),
                "class": about["class"].values,
            },
            attrs=part.attrs | {key: request.recipe[key] for key in ("network", "fill")},
        ).isel(image=np.isin(category, names))
    return found


def _screened(parameters: FigureParameters, name: str) -> xr.Dataset:
    """Obtain a screening of at least the pictures and magnitudes that are controlled."""
    whole = parameters.model_copy(update={"limit": None, "magnitudes": None})
    if find_archived(screening_request(whole, name)) is None:
        few = {"limit": _limit(parameters), "magnitudes": tuple(_magnitudes(name))}
        whole = parameters.model_copy(update=few)
    return obtain_screening(whole, name)
