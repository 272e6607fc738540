"""What options beyond the paper let the Invariant Transformer Net learn.

Four questions, each a few short trainings in front of the same frozen network, the first, second
and fourth of the phantom alone:

- *turning*: from discs alone, do families of turns, scales, shears and shifts find what a disc
  may be done to, which free matrices do not?
- *looking*: from discs, which may be turned, and hearts, which may not, does a net that sees the
  picture turn discs only?
- *farther*: does a family that sees the picture go farther, at equal consistency?
- *filtering*: which kernels does a network let pass?

Only the transformers that are asked about are trained; the others stay next to the identity. What
is reported are pictures that neither taught nor chose the state that was kept.
"""

import itertools
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from itn.messages import unknown
from itn.phantom.pictures import render_phantom
from itn.pictures import Pictures
from itn.study.archive import Recipe, Request, obtain
from itn.study.inputs import pictures_recipe
from itn.study.learned import RENDERED_SEEDS, subset
from itn.study.profiles import FigureParameters, chosen_network, load_profile, project_folder
from itn.study.screenings import load_part
from itn.study.splits import read_split
from itn.zoo.recipes import network_recipe

if TYPE_CHECKING:  # which loads a backend
    from itn.invariant_transformer import InvariantTransformerNet

PROTOCOL = 1  # raised when the numbers change on purpose
STRETCHES = 2.0 ** np.arange(-1.5, 1.6, 0.5)  # about the identity, where they are asked for
CONTROL_SEED = 5  # of the control vectors at which fresh pictures are looked at


@dataclass(frozen=True)
class Question:
    """A few trainings that differ in the options of the net alone."""

    classes: tuple[str, ...] | None  # None: all of the profile
    trained: tuple[str, ...]  # transformers
    variants: dict[str, dict[str, Any]]  # options of the net
    count: int  # rendered pictures per class to learn from, and as many fresh ones to judge by
    epochs: int
    batch_size: int = 16
    learning_rate: float = 5e-3
    stretched: bool = False  # whether families are stretched, to compare them at equal consistency
    options: dict[str, Any] = field(default_factory=dict)  # common to all variants

    def net_options(self, variant: str) -> dict[str, Any]:
        """Return the options of the net of one variant."""
        return self.options | self.variants[variant]


MANY = (
    *("disc", "four_fold", "two_fold", "mirror", "zoom_large", "translation_left"),
    *("brightness_dark", "contrast_dim", "grayscale_blue", "blur_sharp", "blur_soft"),
)
SIGHT = {"picture_features": 8}
FARTHER = Question(
    None,
    ("spatial", "color"),
    {"blind": {}, "sighted": SIGHT},
    count=16,
    epochs=12,
    stretched=True,
    options={"color_weight": 0.3},
)
QUESTIONS = {  # of each profile
    "phantom": {
        "turning": Question(
            ("disc",),
            ("spatial",),
            {motion: {"motion": motion} for motion in ("free", "similarity", "rigid")},
            count=64,
            epochs=15,
        ),
        "looking": Question(
            ("disc", "mirror"),
            ("spatial",),
            FARTHER.variants,
            count=48,
            epochs=20,
            options={"motion": "turn"},
        ),
        "farther": replace(FARTHER, classes=MANY),
        "filtering": Question(
            MANY,
            ("kernel",),
            {
                "kept": {},
                "free": {"kernel_keeps_sum": False},
            },
            count=16,
            epochs=12,
            options={"kernel_dim": 4},
        ),
    },
    "photos": {  # trained as the profile trains the nets whose gates it compares
        "farther": replace(
            FARTHER,
            epochs=40,
            batch_size=32,
            learning_rate=2e-4,
            options={"color_weight": 0.3, "gate_margin": 0.02},
        )
    },
}
SEEDS = (0, 1, 2)


def questions_of(parameters: FigureParameters) -> dict[str, Question]:
    """Return what is asked of a profile."""
    if parameters.profile not in QUESTIONS:
        raise unknown("profile with questions", parameters.profile, QUESTIONS)
    return QUESTIONS[parameters.profile]


def obtain_abilities(parameters: FigureParameters) -> xr.DataTree:
    """Take the trainings of a profile's questions from the archive, or train.

    Nodes ``<question>/<variant>/seed_<seed>``, see `measured`.
    """
    return obtain(abilities_request(parameters))


def abilities_request(
    parameters: FigureParameters,
    only: tuple[str, str, int] | None = None,  # question, variant and seed
) -> Request:
    """Say what decides the numbers of the trainings of questions, and how they are made."""
    questions = questions_of(parameters)
    network, weights = chosen_network(parameters)
    asked = questions if only is None else {only[0]: questions[only[0]]}
    recipe: Recipe = {
        "kind": "abilities",
        "protocol": PROTOCOL,
        **network_recipe(network, weights),
        "learned from": _pictures_recipe(parameters),
        "parts": {name: json.loads(json.dumps(asdict(one))) for name, one in asked.items()},
        "seeds": list(SEEDS) if only is None else [only[2]],
    }
    if only is not None:
        recipe["variant"] = only[1]

    def compute(state: Path) -> xr.Dataset | xr.DataTree:
        if only is not None:
            return _trained(only, parameters, state)
        found = {}
        for name, question in questions.items():
            for variant, seed in itertools.product(question.variants, SEEDS):
                # Each for itself, so that what is there of some is used.
                one = obtain(abilities_request(parameters, (name, variant, seed)))
                found[f"{name}/{variant}/seed_{seed}"] = one.to_dataset()
        return xr.DataTree.from_dict(found)

    beside = "" if only is None else "_" + "_".join(map(str, only))
    return Request(
        recipe,
        compute,
        "itn.study.abilities",
        project_folder() / "results" / parameters.profile / f"{network}_abilities{beside}.nc",
        only is None,
        f"itn abilities --profile {parameters.profile} archives it",
    )


def _pictures_recipe(parameters: FigureParameters) -> Recipe:
    profile = load_profile(parameters.profile)
    if profile.pictures == "phantom":
        return {"pictures": "phantom", "seeds": list(RENDERED_SEEDS)}
    only = None if profile.split is None else read_split(profile.split, "test")
    found = pictures_recipe(profile.pictures, profile.classes, None, only)
    return found | {"thirds": True}


def question_pictures(
    question: Question, parameters: FigureParameters, size: int
) -> tuple[Pictures, Pictures, Pictures]:
    """Return pictures to learn from, to choose a state by, and fresh ones to judge that by.

    Rendered ones of three seeds, or every third picture that no network learned from.
    """
    profile = load_profile(parameters.profile)
    if profile.pictures == "phantom":
        one, two, three = (
            render_phantom(question.classes, question.count, seed, size) for seed in RENDERED_SEEDS
        )
        return one, two, three
    pictures = load_part(profile, "test", size=size)
    third = np.arange(len(pictures)) % 3
    one, two, three = (subset(pictures, third == which) for which in range(3))
    return one, two, three


def fresh_pictures(question: Question, parameters: FigureParameters) -> Pictures:
    """Return the pictures that a question is judged by."""
    from itn.classifiers import load_classifier  # which loads a backend

    size = load_classifier(*chosen_network(parameters)).input_size
    return question_pictures(question, parameters, size)[2]


def _trained(which: tuple[str, str, int], parameters: FigureParameters, state: Path) -> xr.Dataset:
    """Train one variant, and judge it on fresh pictures."""
    from itn.classifiers import load_classifier  # all of these load a backend
    from itn.invariant_transformer import InvariantTransformerNet
    from itn.transformer_training import train_transformers

    name, variant, seed = which
    question = questions_of(parameters)[name]
    classifier = load_classifier(*chosen_network(parameters))
    fill = load_profile(parameters.profile).fill
    net = InvariantTransformerNet(classifier, seed=seed, fill=fill, **question.net_options(variant))
    for layer_name in ("spatial", "color", "kernel"):
        layer = getattr(net, layer_name)
        if layer is not None:
            layer.trainable = layer_name in question.trained
    learned_from, held_out, fresh = question_pictures(question, parameters, classifier.input_size)
    history = train_transformers(
        net,
        learned_from,
        held_out,
        epochs=question.epochs,
        batch_size=question.batch_size,
        learning_rate=question.learning_rate,
        folder=state,
    )
    kept = history.attrs["kept_epoch"]
    found = measured(net, fresh, STRETCHES if question.stretched else (1.0,))
    for how in ("held_out_accuracy", "spatial_displacement"):
        found[f"epoch_{how}"] = ("epoch", history[how].values)
    return found.assign_attrs(
        kept_epoch=kept,
        epochs=question.epochs,
        required_accuracy=float(history.attrs["required_accuracy"]),
        held_out_accuracy=float(history.held_out_accuracy[kept]),
        outward=float(history.outward.mean()),
    )


def measured(
    net: "InvariantTransformerNet", pictures: Pictures, stretches: Iterable[float] = (1.0,)
) -> xr.Dataset:
    """Look at pictures, each under a member of the learned family drawn for it.

    ``spatial_matrix``, ``color_matrix`` and, where there are some, ``kernel`` of each ``picture``,
    whose ``category`` is a coordinate; ``right`` and ``consistent`` (stretch, picture) with the
    family stretched about the identity; ``change`` (picture), by what the kernel alone changes a
    picture, the root mean square over its values.
    """
    from itn.local_filter import local_filter
    from itn.looks import MatrixLook

    factors = np.array(list(stretches), float)
    look = MatrixLook(net.classifier, net.options["fill"])
    labels = net.classifier.logits_of(pictures)[pictures.labels]
    images = pictures.images
    alpha, beta, *gamma = map(np.asarray, net.draw_controls(len(pictures), CONTROL_SEED))
    members = [*net.matrices(alpha, beta, images=images)]
    members += [net.kernels(each, images=images) for each in gamma]
    still = [_identity(each) for each in members]
    clean = look.predicted(images, *(one[None] for one in still))
    said = np.stack(
        [
            look.predicted(images, *(i + f * (m - i) for m, i in zip(members, still, strict=True)))
            for f in factors
        ]
    )
    found: dict[str, Any] = {
        "spatial_matrix": (("picture", "row", "column"), members[0]),
        "color_matrix": (("picture", "channel", "channel_or_1"), members[1]),
        "right": (("stretch", "picture"), (said == labels).astype("int8")),
        "consistent": (("stretch", "picture"), (said == clean).astype("int8")),
    }
    for kernels in members[2:]:
        filtered = np.asarray(local_filter(images, kernels.astype("float32"), look.fill))
        change = np.sqrt(np.square(filtered - images).mean(axis=(1, 2, 3)))
        found["kernel"] = (("picture", "channel", "y", "x"), kernels)
        found["change"] = ("picture", change)
    names = np.array(pictures.class_names)[pictures.labels]
    return xr.Dataset(
        found, coords={"stretch": factors, "category": ("picture", names.astype(str))}
    )


def _identity(members: np.ndarray) -> np.ndarray:
    """Return the matrix, or the kernels, that do nothing."""
    if members.ndim == 3:
        return np.eye(*members.shape[1:])
    kernels = np.zeros(members.shape[1:])
    kernels[:, members.shape[2] // 2, members.shape[3] // 2] = 1
    return kernels
