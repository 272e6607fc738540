"""What the notebooks of the Invariant Transformer Net do: train, survey, compare, sample.

Results are `xarray.DataTree`s, which plots and tables start from. They are obtained through
`itn.study.archive`; that of a profile is archived as
``results/<profile>/<network>_transformers.nc``.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import xarray as xr

from itn.classifiers import load_classifier
from itn.invariant_transformer import InvariantTransformerNet
from itn.looks import MatrixLook
from itn.messages import UsageError
from itn.phantom.pictures import render_phantom
from itn.picture_files import read_picture
from itn.pictures import Pictures, load_images
from itn.study.archive import Recipe, Request, digest_of, obtain
from itn.study.families import compare_families, sliders, survey
from itn.study.profiles import (
    TransformerParameters,
    Transformers,
    chosen_network,
    load_profile,
    project_folder,
)
from itn.study.screenings import file_name, pictures_recipe
from itn.study.splits import read_split
from itn.transformer_training import train_transformers
from itn.warp import affine_warp, in_pixels, recolor
from itn.zoo.recipes import network_recipe

PROTOCOL = 1  # raised when the numbers of a study change on purpose
PARTS = ("comparison", "survey", "samples")
OPTIONS = (  # of the net, that a profile or a user may choose
    *("spatial_dim", "color_dim", "color_weight", "gate_margin"),
    *("required_accuracy", "fill"),
)
SHOWN = ("chelsea", "coffee")  # scikit-image's own pictures, which may be redistributed
HELD_OUT = 3  # every third picture of a data set is held out
TRAINING_SEED = 2  # of rendered pictures; those of seed 0 and 1 trained and tested the networks


@dataclass(frozen=True)
class _Chosen:
    """What transformers learn, and from what: the profile's choice and the user's deviations."""

    network: str
    weights: str | None
    sources: tuple[dict[str, Any], ...]  # arguments for `load_images`, one for each data set
    options: dict[str, Any]  # of `InvariantTransformerNet`
    epochs: int
    batch_size: int


def _chosen(parameters: TransformerParameters) -> _Chosen:
    profile, how = load_profile(parameters.profile), _how(parameters)
    given = how.model_dump() | {"fill": profile.fill} | parameters.model_dump(exclude_none=True)
    network, weights = chosen_network(parameters)
    limit = given["limit"]
    sources: list[dict[str, Any]] = [
        {
            "source": profile.pictures,
            "classes": parameters.classes or profile.classes,
            "limit": limit,
        }
    ]
    for name, file in how.more_pictures.items() if parameters.classes is None else ():
        only = read_split(project_folder() / "profiles" / file, "training")
        classes = sorted({path.partition("/")[0] for path in only})
        sources.append({"source": name, "classes": classes, "limit": limit, "only": only})
    return _Chosen(
        network,
        weights,
        tuple(sources),
        {name: given[name] for name in OPTIONS if given.get(name) is not None},
        given["epochs"],
        given["batch_size"],
    )


def _how(parameters: TransformerParameters) -> Transformers:
    how = load_profile(parameters.profile).transformers
    if how is None:
        raise UsageError(f"profile {parameters.profile} does not say how to train transformers")
    return how


def transformer_pictures(parameters: TransformerParameters) -> tuple[Pictures, Pictures]:
    """Return the pictures that transformers learn from, and those they are judged by.

    Rendered pictures of two seeds, or two thirds and one third of the data sets.
    """
    chosen = _chosen(parameters)
    first = chosen.sources[0]
    if first["source"] == "phantom":
        count = first["limit"] or 100
        return (
            render_phantom(first["classes"], count, TRAINING_SEED),
            render_phantom(first["classes"], -(-count // (HELD_OUT - 1))),
        )
    size = load_classifier(chosen.network, chosen.weights).input_size
    sets = [load_images(size=size, **source) for source in chosen.sources]
    pictures = functools.reduce(Pictures.joined, sets)
    rows = np.arange(len(pictures))
    held_out = rows % HELD_OUT == HELD_OUT - 1
    return pictures.subset(rows[~held_out]), pictures.subset(rows[held_out])


def study_transformers(parameters: TransformerParameters) -> xr.DataTree:
    """Take a study of a profile's transformers from the archive where it is there, or make it.

    For each seed a node ``seed_<seed>`` with ``history``, ``comparison`` (as many passes for each
    baseline as the training took), ``survey`` and ``samples``.
    """
    request = study_request(parameters)
    study = obtain(request)
    wanted = [f"seed_{seed}" for seed in request.recipe["seeds"]]
    return study.drop_nodes([name for name in study.children if name not in wanted])


def study_request(
    parameters: TransformerParameters, parts: Sequence[str] = PARTS, seeds: Sequence[int] = ()
) -> Request:
    """Say what decides the numbers of a study of transformers, and how it is made."""
    chosen = _chosen(parameters)
    seeds = list(seeds or parameters.seeds or _how(parameters).seeds)
    recipe: Recipe = {
        "kind": "transformers",
        "protocol": PROTOCOL,
        **network_recipe(chosen.network, chosen.weights),
        "learned from": [_all_of(pictures_recipe(**source)) for source in chosen.sources],
        "options": chosen.options,
        "epochs": chosen.epochs,
        "batch size": chosen.batch_size,
        "parts": list(parts),
        "seeds": seeds,
    }
    fields = set(TransformerParameters.model_fields) - {"profile", "network", "seeds"}
    own = all(getattr(parameters, name) is None for name in fields) and tuple(parts) == PARTS
    name = f"{file_name(chosen.network)}_transformers"

    def compute(state: Path) -> xr.DataTree:
        if len(seeds) > 1:  # each for itself, so that what is there of some is used
            each = [obtain(study_request(parameters, parts, [seed])) for seed in seeds]
            return xr.DataTree.from_dict(
                {node: tree for one in each for node, tree in one.children.items()}
            )
        return _study(parameters, parts, seeds[0], state)

    return Request(
        recipe,
        compute,
        "itn.study.transformers",
        project_folder()
        / "results"
        / parameters.profile
        / f"{name}{'' if own else f'_{digest_of(recipe)[:8]}'}.nc",
        own,
        f"itn transformers --profile {parameters.profile} archives it",
    )


def _all_of(pictures: Recipe) -> Recipe:
    """Say that these classes and no others are meant: what is learned depends on all of them."""
    classes = pictures.pop("classes")
    return pictures | {"all classes": classes}


def _study(
    parameters: TransformerParameters, parts: Sequence[str], seed: int, state: Path
) -> xr.DataTree:
    chosen = _chosen(parameters)
    pictures, held_out = transformer_pictures(parameters)
    classifier = load_classifier(chosen.network, chosen.weights)
    net = InvariantTransformerNet(classifier, seed=seed, **chosen.options)
    history = train_transformers(
        net,
        pictures,
        held_out,
        epochs=chosen.epochs,
        batch_size=chosen.batch_size,
        folder=state,
    )
    found = {"history": history}
    if "survey" in parts:
        found["survey"] = survey(net, sliders(net), held_out)
    if "samples" in parts:
        found["samples"] = sample_transformers(net, *shown_pictures(parameters))
    if "comparison" in parts:
        epochs = history.attrs["epochs"]
        passes = epochs * len(pictures) + (epochs + 1) * len(held_out)
        found["comparison"] = compare_families(net, held_out, passes, seed)
    return xr.DataTree.from_dict({f"seed_{seed}/{name}": part for name, part in found.items()})


def vary_transformers(
    parameters: TransformerParameters, option: str, values: Sequence[Any]
) -> dict[str, xr.DataTree]:
    """Train transformers with each of several values of one parameter."""
    profile, how = load_profile(parameters.profile), _how(parameters)
    names = set(TransformerParameters.model_fields)
    fields = how.model_dump(include=names) | {"fill": profile.fill}
    fields |= parameters.model_dump(include=names, exclude_none=True)
    fields["seeds"] = fields["seeds"][:1]
    if option == "classes" and fields["limit"]:  # as many pictures in all as otherwise
        fields["limit"] *= len(parameters.classes or profile.classes)
    return {
        str(value): obtain(
            study_request(TransformerParameters(**fields | {option: value}), ("survey",))
        )
        for value in values
    }


def shown_pictures(parameters: TransformerParameters) -> tuple[np.ndarray, list[str]]:
    """Return the pictures that samples are shown of."""
    profile = load_profile(parameters.profile)
    if profile.pictures == "phantom":
        names = list(parameters.classes or profile.highlights)[:2]
        return np.concatenate([render_phantom([name], 1).images for name in names]), names
    chosen = _chosen(parameters)
    size = load_classifier(chosen.network, chosen.weights).input_size
    folder = Path(skimage.data.__file__).parent
    return np.stack([read_picture(folder / f"{name}.png", size) for name in SHOWN]), list(SHOWN)


def sample_transformers(
    net: InvariantTransformerNet, images: np.ndarray, names: list[str], steps: int = 5
) -> xr.Dataset:
    """Say what a classifier says of a few pictures when all control values of a kind move.

    The slider "alpha" or "beta" moves, with all values of the other kind at 1/2.
    """
    value = np.linspace(0, 1, steps, dtype="float32")
    moved, still = value[:, None], np.full((steps, 1), 0.5, "float32")
    spatial, color = (
        np.stack([np.asarray(layer.matrix(c.repeat(layer.control_dim, 1))) for c in controls])
        for layer, controls in ((net.spatial, (moved, still)), (net.color, (still, moved)))
    )
    look = MatrixLook(net.classifier, net.options["fill"])
    softmax = np.stack(
        [
            look.softmax(
                image[None].repeat(2 * steps, 0), spatial.reshape(-1, 2, 3), color.reshape(-1, 3, 4)
            )
            for image in images
        ]
    ).reshape(len(images), 2, steps, -1)
    said = np.array(net.classifier.class_names)[softmax.argmax(axis=-1)]
    return xr.Dataset(
        {
            "spatial_matrix": (("slider", "value", "row", "column"), spatial),
            "color_matrix": (("slider", "value", "channel", "channel_or_1"), color),
            "predicted": (("picture", "slider", "value"), said),
            "softmax": (("picture", "slider", "value"), softmax.max(axis=-1)),
        },
        coords={"picture": names, "slider": ["alpha", "beta"], "value": value},
        attrs={"fill": net.options["fill"]},
    )


def transformed_samples(samples: xr.Dataset, images: np.ndarray) -> np.ndarray:
    """Transform pictures as samples say; runs no network."""
    spatial = samples.spatial_matrix.values.reshape(-1, 2, 3)
    color = samples.color_matrix.values.reshape(-1, 3, 4)
    shape = (*samples.spatial_matrix.shape[:2], *images.shape[1:])

    def transformed(image: np.ndarray) -> np.ndarray:
        copies = image[None].repeat(len(spatial), 0)
        warped = affine_warp(copies, in_pixels(spatial, copies.shape), samples.attrs["fill"])
        return np.asarray(recolor(warped, color)).reshape(shape)

    return np.stack([transformed(image) for image in images])
