"""What the notebooks of the Invariant Transformer Net do: train, survey, compare, sample.

Results are `xarray.DataTree`s, which plots and tables start from. Those of a profile that needs
downloads are archived as ``results/<profile>/<network>_transformers.nc``.
"""

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import xarray as xr

from itn.classifiers import load_classifier
from itn.families import MatrixLook, compare_families, sliders, survey
from itn.images import Pictures, load_images, read_picture, render_phantom
from itn.invariant_transformer import InvariantTransformerNet, in_pixels, recolor
from itn.messages import UsageError
from itn.profiles import TransformerParameters, Transformers, archive_file, load_profile
from itn.transformer_training import train_transformers
from itn.warp import affine_warp

PARTS = ("comparison", "survey", "samples")
SHOWN = ("chelsea", "coffee")  # scikit-image's own pictures, which may be redistributed
HELD_OUT = 3  # every third picture of a data set is held out
TRAINING_SEED = 2  # of rendered pictures; those of seed 0 and 1 trained and tested the networks


def transformer_pictures(parameters: TransformerParameters) -> tuple[Pictures, Pictures]:
    """Return the pictures that transformers learn from, and those they are judged by.

    Parameters
    ----------
    parameters : TransformerParameters
        From `itn.read_parameters`.

    Returns
    -------
    pictures, held_out : Pictures
        Rendered pictures of two seeds, or two thirds and one third of the profile's data sets.

    Examples
    --------
    >>> from itn.profiles import TransformerParameters
    >>> parameters = TransformerParameters(profile="phantom", classes=["disc"], limit=6)
    >>> transformer_pictures(parameters)
    (<Pictures 'phantom': 6 of 64 × 64 pixels in 1 class>, <Pictures 'phantom': 3 of 64 × 64 \
pixels in 1 class>)
    """
    profile, how = load_profile(parameters.profile), _how(parameters)
    classes = parameters.classes or profile.classes
    limit = parameters.limit or how.limit
    if profile.pictures == "phantom":
        count = limit or 100
        return (
            render_phantom(classes, count, TRAINING_SEED),
            render_phantom(classes, -(-count // (HELD_OUT - 1))),
        )
    size = load_classifier(parameters.network or profile.networks[0]).input_size
    sets = [load_images(profile.pictures, classes, size, limit)]
    if parameters.classes is None:
        sets += [load_images(name, None, size, limit) for name in how.more_pictures]
    pictures = functools.reduce(Pictures.joined, sets)
    rows = np.arange(len(pictures))
    held_out = rows % HELD_OUT == HELD_OUT - 1
    return pictures.subset(rows[~held_out]), pictures.subset(rows[held_out])


def _how(parameters: TransformerParameters) -> Transformers:
    how = load_profile(parameters.profile).transformers
    if how is None:
        raise UsageError(f"profile {parameters.profile} does not say how to train transformers")
    return how


def study_transformers(
    parameters: TransformerParameters, parts: Sequence[str] = PARTS
) -> xr.DataTree:
    """Take a study of a profile's transformers from the archive where it is there, or make it.

    Parameters
    ----------
    parameters : TransformerParameters
        From `itn.read_parameters`.
    parts : sequence of str
        Which parts to make beside the history, of "comparison", "survey" and "samples".

    Returns
    -------
    xarray.DataTree
        For each seed a node ``seed_<seed>`` with ``history`` (`itn.train_transformers`) and
        the parts: ``comparison`` (`itn.compare_families`, with as many forward passes for each
        baseline as the training took), and for the first seed ``survey`` (`itn.survey` of
        `itn.sliders`) and ``samples``, see `sample_transformers`.

    Examples
    --------
    >>> study_transformers(parameters)  # doctest: +SKIP
    """
    archive = _archive(parameters)
    chosen = parameters.model_dump(exclude={"profile", "network", "seeds"}, exclude_none=True)
    if archive.is_file() and not chosen:
        archived = xr.load_datatree(archive, engine="h5netcdf")
        wanted = [f"seed_{seed}" for seed in parameters.seeds or _how(parameters).seeds]
        if set(wanted) <= set(archived.children):
            rest = [name for name in archived.children if name not in wanted]
            return _with_origin(archived.drop_nodes(rest), "archived")
    return _with_origin(_study(parameters, parts), "computed")


def archive_transformers(parameters: TransformerParameters, force: bool = False) -> Path:
    """Make a study and archive it; what was trained before a stop is not trained again.

    Parameters
    ----------
    parameters : TransformerParameters
        Profile and network; the rest is the profile's.
    force : bool, default False
        Whether to make it also if it is archived already.

    Returns
    -------
    Path
        The file.

    Examples
    --------
    >>> archive_transformers(TransformerParameters(profile="imagenet"))  # doctest: +SKIP
    """
    archive = _archive(parameters)
    if force or not archive.is_file():
        state = archive.with_name(f".{archive.stem}")
        study = _study(parameters, PARTS, state)
        unfinished = state / archive.name
        study.to_netcdf(unfinished, engine="h5netcdf")
        unfinished.replace(archive)
        shutil.rmtree(state)
    return archive


def _archive(parameters: TransformerParameters) -> Path:
    network = parameters.network or load_profile(parameters.profile).networks[0]
    return archive_file(parameters.profile, network, "transformers")


def _study(
    parameters: TransformerParameters, parts: Sequence[str], state: Path | None = None
) -> xr.DataTree:
    pictures, held_out = transformer_pictures(parameters)
    found: dict[str, xr.Dataset] = {}
    seeds = parameters.seeds or _how(parameters).seeds
    for seed in seeds:
        name = f"seed_{seed}"
        folder = state / name if state else None
        net, history = _trained(parameters, pictures, held_out, seed, folder)
        if seed == seeds[0] and "survey" in parts:
            found[f"{name}/survey"] = survey(net, sliders(net), held_out)
        if seed == seeds[0] and "samples" in parts:
            found[f"{name}/samples"] = sample_transformers(net, *shown_pictures(parameters))
        found[f"{name}/history"] = history
        if "comparison" in parts:
            epochs = history.attrs["epochs"]
            passes = epochs * len(pictures) + (epochs + 1) * len(held_out)
            found[f"{name}/comparison"] = compare_families(net, held_out, passes, seed)
    return xr.DataTree.from_dict(found)


def vary_transformers(
    parameters: TransformerParameters, option: str, values: Sequence[Any]
) -> dict[str, xr.DataTree]:
    """Train transformers with each of several values of one parameter.

    Parameters
    ----------
    parameters : TransformerParameters
        From `itn.read_parameters`; its first seed counts.
    option : str
        Name of the parameter, e.g. ``"color_weight"``.
    values : sequence
        Its values.

    Returns
    -------
    dict of str to xarray.DataTree
        For each value, as a text, a study with ``history`` and ``survey``.

    Examples
    --------
    >>> vary_transformers(parameters, "fill", ["zeros", "reflect"])  # doctest: +SKIP
    """
    profile, how = load_profile(parameters.profile), _how(parameters)
    names = set(TransformerParameters.model_fields)
    fields = how.model_dump(include=names) | {"fill": profile.fill}
    fields |= parameters.model_dump(include=names, exclude_none=True)
    fields["seeds"] = fields["seeds"][:1]
    if option == "classes" and fields["limit"]:  # as many pictures in all as otherwise
        fields["limit"] *= len(parameters.classes or profile.classes)
    return {
        str(value): _variation(TransformerParameters(**fields | {option: value}))
        for value in values
    }


@functools.lru_cache  # the same training may stand among the values of several options
def _variation(parameters: TransformerParameters) -> xr.DataTree:
    return _study(parameters, ("survey",))


def _with_origin(study: xr.DataTree, origin: str) -> xr.DataTree:
    study.attrs["origin"] = origin
    return study


def _trained(
    parameters: TransformerParameters,
    pictures: Pictures,
    held_out: Pictures,
    seed: int,
    folder: Path | None = None,
) -> tuple[InvariantTransformerNet, xr.Dataset]:
    how = _how(parameters)
    given = how.model_dump() | {"fill": load_profile(parameters.profile).fill}
    given |= parameters.model_dump(exclude_none=True)
    names = (
        *("spatial_dim", "color_dim", "color_weight", "gate_margin"),
        *("required_accuracy", "fill"),
    )
    options = {name: given[name] for name in names if given.get(name) is not None}
    classifier = load_classifier(parameters.network or load_profile(parameters.profile).networks[0])
    net = InvariantTransformerNet(classifier, seed=seed, **options)
    history = train_transformers(
        net,
        pictures,
        held_out,
        epochs=given["epochs"],
        batch_size=given["batch_size"],
        folder=folder,
    )
    return net, history


def shown_pictures(parameters: TransformerParameters) -> tuple[np.ndarray, list[str]]:
    """Return the pictures that samples are shown of.

    Parameters
    ----------
    parameters : TransformerParameters
        From `itn.read_parameters`.

    Returns
    -------
    images : ndarray [P, H, W, 3], float32
        A rendered picture of each highlight of the phantom, else `SHOWN` of scikit-image.
    names : list of str
        What they show.

    Examples
    --------
    >>> from itn.profiles import TransformerParameters
    >>> images, names = shown_pictures(TransformerParameters(profile="phantom"))
    >>> images.shape[1:], len(names)
    ((64, 64, 3), 2)
    """
    profile = load_profile(parameters.profile)
    if profile.pictures == "phantom":
        names = list(parameters.classes or profile.highlights)[:2]
        return np.concatenate([render_phantom([name], 1).images for name in names]), names
    size = load_classifier(parameters.network or profile.networks[0]).input_size
    folder = Path(skimage.data.__file__).parent
    return np.stack([read_picture(folder / f"{name}.png", size) for name in SHOWN]), list(SHOWN)


def sample_transformers(
    net: InvariantTransformerNet, images: np.ndarray, names: list[str], steps: int = 5
) -> xr.Dataset:
    """Say what a classifier says of a few pictures when all control values of a kind move.

    Parameters
    ----------
    net : InvariantTransformerNet
        Trained net.
    images : ndarray [P, H, W, 3], float32
        Pictures.
    names : list of str
        What they show.
    steps : int, default 5
        Number of values from 0 to 1.

    Returns
    -------
    xarray.Dataset
        ``spatial_matrix`` and ``color_matrix`` (slider, value), with the slider "alpha" or
        "beta" and all of the other kind at 1/2; ``predicted`` (picture, slider, value), names
        of classes, and their ``softmax``.

    Examples
    --------
    >>> sample_transformers(net, images, ["cat"])  # doctest: +SKIP
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
    """Transform pictures as samples say; runs no network.

    Parameters
    ----------
    samples : xarray.Dataset
        From `sample_transformers`.
    images : ndarray [P, H, W, 3], float32
        The same pictures.

    Returns
    -------
    ndarray [P, 2, values, H, W, 3], float32
        For `itn.plot_samples`.

    Examples
    --------
    >>> transformed_samples(samples, images)  # doctest: +SKIP
    """
    spatial = samples.spatial_matrix.values.reshape(-1, 2, 3)
    color = samples.color_matrix.values.reshape(-1, 3, 4)
    shape = (*samples.spatial_matrix.shape[:2], *images.shape[1:])

    def transformed(image: np.ndarray) -> np.ndarray:
        copies = image[None].repeat(len(spatial), 0)
        warped = affine_warp(copies, in_pixels(spatial, copies.shape), samples.attrs["fill"])
        return np.asarray(recolor(warped, color)).reshape(shape)

    return np.stack([transformed(image) for image in images])
