"""What the notebooks of the Invariant Transformer Net do: train, survey, compare, sample.

Results are `xarray.DataTree`s, which plots and tables start from. Those of a profile that needs
downloads are archived as ``results/<profile>/<network>_transformers.nc``.
"""

import functools
from pathlib import Path

import numpy as np
import skimage.data
import xarray as xr

from itn.classifiers import load_classifier
from itn.families import MatrixLook, compare_families, displacement_ratios, sliders, survey
from itn.images import Pictures, load_images, read_picture, render_phantom
from itn.invariant_transformer import InvariantTransformerNet, in_pixels, recolor
from itn.profiles import TransformerParameters, archive_file, load_profile
from itn.transformer_training import train_transformers
from itn.warp import affine_warp

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
    profile = load_profile(parameters.profile)
    how = profile.transformers_or_refuse(parameters.profile)
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


def study_transformers(parameters: TransformerParameters) -> xr.DataTree:
    """Train transformers for every seed and compare each family with its baselines.

    Parameters
    ----------
    parameters : TransformerParameters
        From `itn.read_parameters`.

    Returns
    -------
    xarray.DataTree
        For each seed a node ``seed_<seed>`` with ``history`` (`itn.train_transformers`) and
        ``comparison`` (`itn.compare_families`, with as many forward passes for each baseline as
        the training took). For the first seed also ``survey`` (`itn.survey` of `itn.sliders`)
        and ``samples``, see `sample_transformers`.

    Examples
    --------
    >>> study_transformers(parameters)  # doctest: +SKIP
    """
    profile = load_profile(parameters.profile)
    how = profile.transformers_or_refuse(parameters.profile)
    archive = archive_file(
        parameters.profile, parameters.network or profile.networks[0], "transformers"
    )
    chosen = parameters.model_dump(exclude={"profile", "network"}, exclude_none=True)
    if archive.is_file() and not chosen:
        return xr.load_datatree(archive, engine="h5netcdf").assign_attrs(origin="archived")
    pictures, held_out = transformer_pictures(parameters)
    found: dict[str, xr.Dataset] = {}
    for seed in parameters.seeds or how.seeds:
        net, history = _trained(parameters, pictures, held_out, seed)
        epochs = history.attrs["epochs"]
        passes = epochs * len(pictures) + (epochs + 1) * len(held_out)
        comparison = compare_families(net, held_out, passes, seed)
        found |= {f"seed_{seed}/history": history, f"seed_{seed}/comparison": comparison}
        if len(found) == 2:  # the first seed
            surveyed = survey(net, sliders(net), held_out)
            samples = sample_transformers(net, *shown_pictures(parameters))
            found |= {f"seed_{seed}/survey": surveyed, f"seed_{seed}/samples": samples}
    return xr.DataTree.from_dict(found).assign_attrs(origin="computed")


def _trained(
    parameters: TransformerParameters, pictures: Pictures, held_out: Pictures, seed: int
) -> tuple[InvariantTransformerNet, xr.Dataset]:
    profile = load_profile(parameters.profile)
    how = profile.transformers_or_refuse(parameters.profile)
    given = {**how.model_dump(), **parameters.model_dump(exclude_none=True)}
    options = ("spatial_dim", "color_dim", "color_weight", "required_accuracy", "fill")
    options = {name: given[name] for name in options if given.get(name) is not None}
    classifier = load_classifier(parameters.network or profile.networks[0])
    net = InvariantTransformerNet(classifier, seed=seed, **options)
    history = train_transformers(
        net, pictures, held_out, epochs=given["epochs"], batch_size=given["batch_size"]
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


def transformer_numbers(study: xr.DataTree) -> dict[str, float | str]:
    """Collect the numbers that the book's prose takes from a study.

    Parameters
    ----------
    study : xarray.DataTree
        From `study_transformers`.

    Returns
    -------
    dict of str to (float or str)
        For the first seed ``clean_accuracy``, ``required_accuracy``, ``kept_epoch``,
        ``held_out_accuracy``, ``spatial_displacement`` and ``color_displacement`` of the kept
        state, ``outward``, the share of steps that went outward; ``grid_spatial``,
        ``grid_color``. Over the seeds, mean, lowest and highest of ``to_random_…`` and
        ``to_grid_…``: the displacement of the learned family over that of the random one, and
        of the largest member of the grid, at the same accuracy.

    Examples
    --------
    >>> transformer_numbers(study)  # doctest: +SKIP
    """
    seeds = list(study.children.values())
    history, comparison = seeds[0]["history"].to_dataset(), seeds[0]["comparison"].to_dataset()
    kept = history.attrs["kept_epoch"]
    numbers: dict[str, float | str] = {
        name: float(history.attrs[name])
        for name in ("clean_accuracy", "required_accuracy", "held_out_clean_accuracy")
    }
    numbers |= {
        name: float(history[name].values[kept])
        for name in ("held_out_accuracy", "spatial_displacement", "color_displacement")
    }
    numbers |= {
        "kept_epoch": kept,
        "epochs": int(history.attrs["epochs"]),
        "steps": history.sizes["step"],
        "outward": float(history.outward.mean()),
        "grid_spatial": comparison.attrs["grid_spatial"],
        "grid_color": comparison.attrs["grid_color"],
        "pictures": int(history.attrs["pictures"]),
        "held_out_pictures": int(history.attrs["held_out_pictures"]),
    }
    ratios: dict[str, list[float]] = {"to_random": [], "to_grid": []}
    for seed in seeds:
        one = displacement_ratios(seed["comparison"].to_dataset())
        for name, values in ratios.items():
            values.append(one[name])
    for name, values in ratios.items():
        numbers |= {
            f"{name}_mean": float(np.mean(values)),
            f"{name}_lowest": min(values),
            f"{name}_highest": max(values),
        }
    return numbers
