"""Controls: how much of a threshold is the doing of the procedure?

Each is a screening, of some of the pictures, with one thing changed: what fills the outside,
whether values are clipped, or, of what moves pixels, that each picture is moved there and back, so
that nothing but the interpolation is left.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from itn import ops
from itn.messages import Progress
from itn.netcdf import read_netcdf, write_netcdf
from itn.pictures import Pictures
from itn.plots import RIVAL_STYLES, TRUE_STYLE, draw_axes, draw_share, format_magnitude, panels
from itn.study.archive import UNKNOWN, Recipe, Request, digest_of, is_whole, obtain
from itn.study.inputs import (
    chosen_pictures,
    inputs_of,
    pictures_recipe,
    planned_classifier,
    planned_pictures,
)
from itn.study.profiles import FigureParameters, chosen_network, load_profile, project_folder
from itn.study.screenings import file_name, obtain_screening
from itn.study.titles import title
from itn.thresholds import NOT_REACHED, accuracy_interval
from itn.transformations import (
    TRANSFORMATIONS,
    Motion,
    Transformation,
    find_transformation,
    sides,
    unrolled,
)
from itn.warp import Tensor, affine_warp
from itn.zoo.recipes import network_recipe

PROTOCOL = 1  # raised when the numbers change on purpose
PICTURES = 10  # the first of each class
BATCH_SIZE = 8  # pictures at once; canvases are large
SCREENED, CLIPPED, THERE_AND_BACK = "as screened", "clipped", "there and back"
FILLS = ("zeros", "edge", "reflect")
LEAVE_RANGE = ("brightness", "contrast", "noise")  # what may lead out of [0, 1]
STEPS = {"rotation": 3}  # of the sweep, else every second magnitude
RESAMPLES, SEED = 2000, 0
MISSED = 0.025  # on either side, of a 95 % interval
FARTHER, NEARER = " ▲", " ▼"
STYLES: dict[str, dict[str, Any]] = {
    "zeros": {"color": "#E69F00", "linestyle": (0, (4, 1, 1, 1, 1, 1))},
    "edge": RIVAL_STYLES[0],
    "reflect": RIVAL_STYLES[1],
    THERE_AND_BACK: RIVAL_STYLES[2],
    CLIPPED: {"color": "#CC79A7", "linestyle": (0, (5, 1.5))},
}
Change = Callable[..., Tensor]


def controls_request(parameters: FigureParameters) -> Request:
    """Say what decides the controls of a network, and how they are computed."""
    profile = load_profile(parameters.profile)
    network, weights = chosen_network(parameters)
    own = all(
        getattr(parameters, name) is None
        for name in ("pictures", "classes", "fill", "seed", "limit", "arithmetic")
    )
    limited = {"limit": parameters.limit or profile.limit or PICTURES, "magnitudes": None}
    parameters = parameters.model_copy(update=limited)
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
                            classifier, pictures, name, change, magnitudes, recipe["seed"], bar
                        )
                    )
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
    bar: Any,
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
            found[rows[:number], column] = softmax.argmax(axis=1)
            bar.update(number)
    return found


def obtain_controls(parameters: FigureParameters) -> dict[str, xr.Dataset]:
    """Take the controls of a network where they are there, beside what was screened of the same.

    Of each transformation ``predicted`` over ``control``, of which the first is the screening
    itself, ``image`` and ``magnitude``; of each image the ``true`` class, as an index, and the
    ``category``.
    """
    request = controls_request(parameters)
    tree = obtain(request)
    about = tree.to_dataset()
    of_image = {
        "true": ("image", about.target.values[about.label.values]),
        "category": ("image", about.category.values[about.label.values]),
    }
    classes = request.recipe["classes"]
    names = about.category.values if classes == UNKNOWN else list(classes)
    wanted = np.isin(of_image["category"][1], names)
    found = {}
    for name in request.recipe["transformations"]:
        part = tree[name].dataset.copy().assign_coords(image=about.image)
        whole = obtain_screening(parameters.model_copy(update={"limit": None}), name)
        screened = whole.predicted.sel(image=part.image, magnitude=part.magnitude)
        both = xr.concat(
            [screened.astype(np.int16).assign_coords(control=SCREENED), part.predicted], "control"
        )
        found[name] = xr.Dataset(
            {"predicted": both},
            coords={**of_image, "class": about["class"].values},
            attrs=part.attrs | {"fill": request.recipe["fill"]},
        ).isel(image=wanted)
    return found


def control_table(controls: dict[str, xr.Dataset]) -> pd.DataFrame:
    """Tabulate the magnitude at which half of the accuracy is lost, with each control.

    Of all pictures together, one row for each transformation and direction. A control that is ▲
    farther out than the screening, or ▼ nearer, is so in 97.5 % of the resamples of the pictures,
    the same ones for both. Of what is moved ``there and back`` the lowest accuracy on the way is
    given, as a share of that at the identity.
    """
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for name, of in controls.items():
        transformation = find_transformation(name)
        right = (of.predicted == of.true).transpose("control", "image", "magnitude").values
        axis, order = unrolled(of.magnitude.values, transformation)
        for direction, side in sides(axis, transformation).items():
            if len(side) < 2:
                continue
            outward = right[:, :, order[side]]
            row = rows[name, direction] = {}
            drawn = {
                str(control): half_thresholds(one, axis[side], transformation)
                for control, one in zip(of.control.values, outward, strict=True)
            }
            for control, one in zip(drawn, outward, strict=True):
                if control == THERE_AND_BACK:
                    curve = one.mean(axis=0)
                    row[control] = f"{curve.min() / curve[0]:.0%}"
                else:
                    mark = _mark(drawn[control], drawn[SCREENED])
                    row[control] = _text(drawn[control][0], transformation, direction) + mark
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.rename_axis(["transformation", "direction"])


def half_thresholds(
    right: npt.NDArray[np.bool_], axis: npt.NDArray[np.float64], transformation: Transformation
) -> npt.NDArray[np.float64]:
    """Return how far out half of the accuracy is lost: of all pictures, then of each resample.

    `right` [N, M] goes outward from the identity. The distance is that of the logarithm where
    the magnitude is a factor; infinite where it is not reached.
    """
    counts = np.random.default_rng(SEED).multinomial(
        len(right), np.full(len(right), 1 / len(right)), RESAMPLES
    )
    sums = np.vstack([np.ones(len(right), int), counts]) @ right.astype(float)
    margin = sums - sums[:, :1] / 2
    lost = margin < 0
    first = lost.argmax(axis=1)
    rows = np.arange(len(sums))
    position = np.log(axis) if transformation.logarithmic else axis
    outward = np.abs(position - position[0])
    before, after = margin[rows, first - 1], margin[rows, first]
    share = before / np.where(before > after, before - after, 1)
    at = outward[first - 1] + share * (outward[first] - outward[first - 1])
    return np.where(lost.any(axis=1), at, np.inf)


def _mark(controlled: npt.NDArray[np.float64], screened: npt.NDArray[np.float64]) -> str:
    """Mark what is farther out, or nearer, in all but few of the resamples."""
    for mark, beyond in (
        (FARTHER, controlled[1:] > screened[1:]),
        (NEARER, controlled[1:] < screened[1:]),
    ):
        if beyond.mean() >= 1 - MISSED:
            return mark
    return ""


def _text(outward: float, transformation: Transformation, direction: str) -> str:
    if not np.isfinite(outward):
        return NOT_REACHED
    signed = outward if direction == "up" else -outward
    if transformation.logarithmic:
        return format_magnitude(transformation.identity * np.exp(signed), transformation)
    return format_magnitude(transformation.identity + signed, transformation)


def control_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Count for each control how many thresholds there are, and how many are ▲ and ▼."""
    rows = {
        control: {
            "thresholds": int(texts.count()),
            "farther": int(texts.str.endswith(FARTHER).sum()),
            "nearer": int(texts.str.endswith(NEARER).sum()),
        }
        for control, texts in table.drop(columns=[SCREENED, THERE_AND_BACK]).items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("control")


def plot_controls(controls: dict[str, xr.Dataset]) -> Figure:
    """Draw the accuracy of the screening, with its interval, and of each control as a thin line."""
    size = (2.9, 2.4)
    with panels(len(controls), 3, size, sharey=True) as (figure, grid):
        handles: dict[str, Any] = {}
        for axes, (name, of) in zip(grid.flat, controls.items(), strict=False):
            right = (of.predicted == of.true).transpose("control", "image", "magnitude")
            magnitude, count = of.magnitude.values, of.sizes["image"]
            for control, one in zip(right.control.values, right.values, strict=True):
                if control == SCREENED:
                    interval = accuracy_interval(one.sum(axis=0), count)
                    draw_share(
                        axes, magnitude, one.mean(axis=0), interval, 0.15,
                        label=control, **TRUE_STYLE,
                    )  # fmt: skip
                else:
                    axes.plot(
                        magnitude, one.mean(axis=0), label=control, linewidth=1.1, **STYLES[control]
                    )
            draw_axes(axes, find_transformation(name), magnitude)
            axes.set_title(title(name))
            drawn, labels = axes.get_legend_handles_labels()
            handles |= dict(zip(labels, drawn, strict=True))
        for axes in grid[:, 0]:
            axes.set_ylabel("accuracy")
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles)
        )
    return figure
