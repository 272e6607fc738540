"""What transformers learn: obtained from `itn.study.archive`, or trained and judged.

Results are `xarray.DataTree`s, from which the plots and tables of the chapter start. That of a
profile is archived as ``results/<profile>/<network>_transformers.nc``.
"""

import functools
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from itn.messages import UsageError
from itn.phantom.pictures import render_phantom
from itn.pictures import Pictures, load_images
from itn.provenance import installed_version
from itn.study.archive import Recipe, Request, digest_of, obtain, part_of
from itn.study.inputs import all_of, pictures_recipe
from itn.study.profiles import (
    TransformerParameters,
    Transformers,
    chosen_network,
    load_profile,
    project_folder,
)
from itn.study.screenings import file_name
from itn.study.splits import read_split
from itn.zoo.recipes import network_recipe

PROTOCOL = 2  # raised when the numbers of a study change on purpose
PARTS = ("comparison", "survey", "samples")
OPTIONS = (  # of the net, that a profile or a user may choose
    *("spatial_dim", "color_dim", "color_weight", "gate_margin"),
    *("required_accuracy", "hold", "level", "fill"),
)
SHOWN = ("cat", "coffee")  # scikit-image's own pictures, which may be redistributed
# Of rendered pictures to learn from, to choose by and to report on. Those of seed 0 trained the
# networks, those of seed 1 tested them.
RENDERED_SEEDS = (2, 1, 3)


@dataclass(frozen=True)
class ChosenTraining:
    """What transformers learn, and from what: the profile's choice and the user's deviations."""

    network: str
    weights: str | None
    sources: tuple[dict[str, Any], ...]  # arguments for `load_images`, one for each data set
    options: dict[str, Any]  # of `InvariantTransformerNet`
    epochs: int
    batch_size: int
    seeds: tuple[int, ...]


def chosen_training(
    parameters: TransformerParameters, how: Transformers | None = None
) -> ChosenTraining:
    """Return what transformers learn; of a profile with a split, from its test pictures.

    Its networks have learned from the others, which they know too well.
    """
    profile, how = load_profile(parameters.profile), how or training_of(parameters)
    given = how.model_dump() | {"fill": profile.fill} | parameters.model_dump(exclude_none=True)
    network, weights = chosen_network(parameters)
    limit = given["limit"]
    sources: list[dict[str, Any]] = [
        {
            "source": profile.pictures,
            "classes": parameters.classes or how.learn_from or profile.classes,
            "limit": limit,
        }
        | ({"only": read_split(profile.split, "test")} if profile.split else {})
    ]
    for name, file in how.more_pictures.items() if parameters.classes is None else ():
        only = read_split(file, "training")
        classes = sorted({path.partition("/")[0] for path in only})
        sources.append({"source": name, "classes": classes, "limit": limit, "only": only})
    return ChosenTraining(
        network,
        weights,
        tuple(sources),
        {name: given[name] for name in OPTIONS if given.get(name) is not None},
        given["epochs"],
        given["batch_size"],
        tuple(given["seeds"]),
    )


def training_of(parameters: TransformerParameters) -> Transformers:
    """Return how a profile trains transformers."""
    how = load_profile(parameters.profile).transformers
    if how is None:
        raise UsageError(f"profile {parameters.profile} does not say how to train transformers")
    return how


def three_sets(chosen: ChosenTraining) -> tuple[Pictures, Pictures, Pictures]:
    """Return the pictures to learn from, to choose the state by, and to report on.

    Rendered ones of three seeds, half as many for each of the latter; of data sets every second
    picture, and two times a quarter.
    """
    first = chosen.sources[0]
    if first["source"] == "phantom":
        count = first["limit"] or 100
        counts = (count, -(-count // 2), -(-count // 2))
        learned_from, chosen_on, reported_on = (
            render_phantom(first["classes"], *each)
            for each in zip(counts, RENDERED_SEEDS, strict=True)
        )
        return learned_from, chosen_on, reported_on
    from itn.classifiers import load_classifier  # which loads a backend

    size = load_classifier(chosen.network, chosen.weights).input_size
    sets = [load_images(size=size, **source) for source in chosen.sources]
    pictures = functools.reduce(_joined, sets)
    place = np.arange(len(pictures)) % 4
    return (
        subset(pictures, place < 2),
        subset(pictures, place == 2),
        subset(pictures, place == 3),
    )


def _joined(one: Pictures, other: Pictures) -> Pictures:
    """Put pictures of other classes behind some of the same size, in memory."""
    return Pictures(
        images=np.concatenate([one.images[:], other.images[:]]),
        labels=np.concatenate([one.labels, other.labels + len(one.class_names)]),
        class_names=(*one.class_names, *other.class_names),
        paths=(*one.paths, *other.paths),
        name=f"{one.name} and {other.name}",
        targets=one.targets | other.targets,
        left_out=(*one.left_out, *other.left_out),
    )


def subset(pictures: Pictures, which: np.ndarray) -> Pictures:
    """Return those pictures that are marked."""
    return replace(
        pictures,
        images=pictures.images[which],
        labels=pictures.labels[which],
        paths=tuple(itertools.compress(pictures.paths, which)),
    )


def obtain_transformers(parameters: TransformerParameters) -> xr.DataTree:
    """Take a study of a profile's transformers from the archive where it is there, or make it.

    For each seed a node ``seed_<seed>`` with ``history``, ``weights``, ``comparison`` (as many
    passes for each baseline as the training took), ``survey`` and ``samples``; the latter three
    look at pictures that neither trained nor chose the state.
    """
    request = transformers_request(parameters)
    study = obtain(request)
    wanted = [f"seed_{seed}" for seed in request.recipe["seeds"]]
    return study.drop_nodes([name for name in study.children if name not in wanted])


def transformers_request(
    parameters: TransformerParameters, parts: Sequence[str] = PARTS, seeds: Sequence[int] = ()
) -> Request:
    """Say what decides the numbers of a study of transformers, and how it is made."""
    chosen = chosen_training(parameters)
    seeds = list(seeds or parameters.seeds or training_of(parameters).seeds)
    recipe: Recipe = {
        "kind": "transformers",
        "protocol": PROTOCOL,
        **network_recipe(chosen.network, chosen.weights),
        "learned from": [all_of(pictures_recipe(**source)) for source in chosen.sources],
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
            each = [obtain(transformers_request(parameters, parts, [seed])) for seed in seeds]
            return xr.DataTree.from_dict(
                {node: tree for one in each for node, tree in one.children.items()}
            )
        return _compute(parameters, parts, seeds[0], state)

    return Request(
        recipe,
        compute,
        "itn.study.learned",
        project_folder()
        / "results"
        / parameters.profile
        / f"{name}{'' if own else f'_{digest_of(recipe)[:8]}'}.nc",
        own,
        f"itn transformers --profile {parameters.profile} archives it",
    )


def _compute(
    parameters: TransformerParameters, parts: Sequence[str], seed: int, state: Path
) -> xr.DataTree:
    from itn.classifiers import load_classifier  # all of these load a backend
    from itn.invariant_transformer import InvariantTransformerNet
    from itn.study.families import (
        compare_families,
        sample_transformers,
        sliders,
        survey,
        weights_of,
    )
    from itn.transformer_training import train_transformers

    chosen = chosen_training(parameters)
    learned_from, chosen_on, reported_on = three_sets(chosen)
    classifier = load_classifier(chosen.network, chosen.weights)
    net = InvariantTransformerNet(classifier, seed=seed, **chosen.options)
    history = train_transformers(
        net,
        learned_from,
        chosen_on,
        reported_on,
        epochs=chosen.epochs,
        batch_size=chosen.batch_size,
        folder=state,
    )
    epochs = history.attrs["epochs"]
    passes = epochs * len(learned_from) + (epochs + 1) * len(chosen_on)
    share = history.attrs["required_accuracy"] / history.attrs["clean_accuracy"]
    computed = {
        "survey": lambda: survey(net, sliders(net), reported_on),
        "samples": lambda: sample_transformers(net, *shown_pictures(parameters)),
        "comparison": lambda: compare_families(net, chosen_on, reported_on, share, passes, seed),
    }
    found = {"history": history, "weights": weights_of(net)}
    for name in filter(parts.__contains__, computed):
        found[name] = part_of(state, name, computed[name])
    return xr.DataTree.from_dict({f"seed_{seed}/{name}": part for name, part in found.items()})


def obtain_samples(parameters: TransformerParameters) -> xr.Dataset:
    """Obtain the samples of a study's first seed, with the transformed ``pictures``.

    These are no part of the study, which is archived; they are kept in the cache.
    """
    samples = first_of(obtain_transformers(parameters), "samples")
    return samples.assign(pictures=obtain(samples_request(parameters)).to_dataset().pictures)


def samples_request(parameters: TransformerParameters) -> Request:
    """Say what the transformed pictures are made of."""
    samples = first_of(obtain_transformers(parameters), "samples")
    study = transformers_request(parameters)
    matrices = (samples.spatial_matrix.values, samples.color_matrix.values)
    recipe: Recipe = {
        "kind": "samples",
        "protocol": PROTOCOL,
        "study": study.recipe,
        "matrices": hashlib.sha256(b"".join(m.tobytes() for m in matrices)).hexdigest(),
        "scikit-image": installed_version("scikit-image"),  # its pictures
    }

    def compute(state: Path) -> xr.Dataset:
        from itn.study.families import transformed_samples  # which loads a backend

        pictures = transformed_samples(samples, shown_pictures(parameters)[0])
        dims = ("picture", "slider", "value", "y", "x", "channel")
        return xr.Dataset({"pictures": (dims, pictures)})

    name = study.archive.name.replace("transformers", "samples")
    return Request(recipe, compute, "itn.study.learned", study.archive.with_name(name))


def shown_pictures(
    parameters: TransformerParameters, photographs: Sequence[str] = SHOWN
) -> tuple[np.ndarray, list[str]]:
    """Return the pictures that samples are shown of; where none are rendered, photographs."""
    profile = load_profile(parameters.profile)
    if profile.pictures == "phantom":
        names = list(parameters.classes or profile.highlights or profile.classes)[:2]
        return np.concatenate([render_phantom([name], 1).images for name in names]), names
    from itn.classifiers import load_classifier  # which loads a backend, as the next does
    from itn.study.example_pictures import example_picture

    size = load_classifier(*chosen_network(parameters)).input_size
    return np.stack([example_picture(name, size) for name in photographs]), list(photographs)


def first_of(study: xr.DataTree, kind: str) -> xr.Dataset:
    """Return a part of a study's first seed."""
    return next(iter(study.children.values()))[kind].to_dataset()


def describe_transformers(study: xr.DataTree) -> str:
    """Say in one line which network learned on what, and whether this was computed just now."""
    attrs = first_of(study, "history").attrs
    return (
        f"{attrs['network']} (weights {attrs['weights_sha256'][:12]}) on {attrs['pictures']} "
        f"pictures of {attrs['data']} (data {attrs['data_sha256'][:12]}), chosen on "
        f"{attrs['held_out_pictures']} others, reported on {attrs['reported_pictures']} more, "
        f"{len(study.children)} seeds, "
        f"{attrs['epochs']} epochs, {study.attrs['origin']} with {attrs['versions']} on "
        f"{attrs['device']}"
    )
