"""What options beyond the paper let the Invariant Transformer Net learn, asked of the phantom.

Four questions, each a few short trainings in front of the same frozen network:

- *turning*: from discs alone, do families of turns, scales, shears and shifts find what a disc
  may be done to, which free matrices do not?
- *looking*: from discs, which may be turned, and hearts, which may not, does a net that sees the
  picture turn discs only?
- *farther*: does a family that sees the picture go farther, at equal consistency?
- *filtering*: which kernels does a network let pass?

Only the transformers that are asked about are trained; the others stay next to the identity. What
is reported are pictures that neither taught nor chose the state that was kept.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from itn.phantom.pictures import render_phantom
from itn.pictures import Pictures
from itn.study.archive import Recipe, Request, obtain
from itn.study.learned import TRAINING_SEED
from itn.study.profiles import FigureParameters, chosen_network, project_folder
from itn.zoo.recipes import network_recipe

if TYPE_CHECKING:  # which loads a backend
    from itn.invariant_transformer import InvariantTransformerNet

PROTOCOL = 1  # raised when the numbers change on purpose
HELD_OUT_SEED, FRESH_SEED = 1, 3  # of rendered pictures: that choose a state, that judge it
STRETCHES = 2.0 ** np.arange(-1.5, 1.6, 0.5)  # about the identity, where they are asked for
CONTROL_SEED = 5  # of the control vectors at which fresh pictures are looked at


@dataclass(frozen=True)
class Question:
    """A few trainings that differ in the options of the net alone."""

    classes: tuple[str, ...]
    trained: tuple[str, ...]  # transformers
    variants: dict[str, dict[str, Any]]  # options of the net
    count: int  # pictures per class to learn from, and as many fresh ones to judge by
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
QUESTIONS = {
    "turning": Question(
        ("disc",),
        ("spatial",),
        {motion: {"motion": motion} for motion in ("free", "affine", "similarity", "rigid")},
        count=64,
        epochs=15,
    ),
    "looking": Question(
        ("disc", "mirror"),
        ("spatial",),
        {"blind": {}, "sighted": {"picture_features": 8}},
        count=48,
        epochs=20,
        options={"motion": "rigid"},
    ),
    "farther": Question(
        MANY,
        ("spatial", "color"),
        {"blind": {}, "sighted": {"picture_features": 8}},
        count=16,
        epochs=12,
        stretched=True,
        options={"color_weight": 0.3},
    ),
    "filtering": Question(
        MANY,
        ("kernel",),
        {
            "sum_1_size_3": {"kernel_size": 3},
            "sum_1_size_5": {"kernel_size": 5},
            "free_size_3": {"kernel_size": 3, "kernel_keeps_sum": False},
        },
        count=16,
        epochs=10,
        options={"kernel_dim": 4},
    ),
}
SEEDS = (0, 1, 2)


def obtain_abilities(
    parameters: FigureParameters, questions: Iterable[str] = tuple(QUESTIONS)
) -> xr.DataTree:
    """Take the trainings of questions from the archive, or train.

    Nodes ``<question>/<variant>/seed_<seed>``, see `measured`.
    """
    return obtain(abilities_request(parameters, questions))


def abilities_request(
    parameters: FigureParameters,
    questions: Iterable[str] = tuple(QUESTIONS),
    only: tuple[str, int] | None = None,  # variant and seed of one question
) -> Request:
    """Say what decides the numbers of the trainings of questions, and how they are made."""
    names = list(questions)
    network, weights = chosen_network(parameters)
    recipe: Recipe = {
        "kind": "abilities",
        "protocol": PROTOCOL,
        **network_recipe(network, weights),
        "pictures": {"name": "phantom", "seeds": [TRAINING_SEED, HELD_OUT_SEED, FRESH_SEED]},
        "parts": {name: asdict(QUESTIONS[name]) for name in names},
        "seeds": list(SEEDS),
    }
    if only is not None:
        recipe |= {"variant": only[0], "seeds": [only[1]]}

    def compute(state: Path) -> xr.Dataset | xr.DataTree:
        if only is not None:
            return _trained(names[0], *only, parameters, state)
        found = {}
        for name in names:
            for variant in QUESTIONS[name].variants:
                for seed in SEEDS:  # each for itself, so that what is there of some is used
                    one = obtain(abilities_request(parameters, [name], (variant, seed)))
                    found[f"{name}/{variant}/seed_{seed}"] = one.to_dataset()
        return xr.DataTree.from_dict(found)

    folder = project_folder() / "results" / parameters.profile
    return Request(
        recipe,
        compute,
        "itn.study.abilities",
        folder / f"{network}_abilities{f'_{only[0]}_{only[1]}' if only else ''}.nc",
        only is None and names == list(QUESTIONS),
        f"itn abilities --profile {parameters.profile} archives it",
    )


def _trained(
    name: str, variant: str, seed: int, parameters: FigureParameters, state: Path
) -> xr.Dataset:
    """Train one variant, and judge it on fresh pictures."""
    from itn.classifiers import load_classifier  # all of these load a backend
    from itn.invariant_transformer import InvariantTransformerNet
    from itn.transformer_training import train_transformers

    question = QUESTIONS[name]
    classifier = load_classifier(*chosen_network(parameters))
    net = InvariantTransformerNet(classifier, seed=seed, **question.net_options(variant))
    for which in ("spatial", "color", "kernel"):
        layer = getattr(net, which)
        if layer is not None:
            layer.trainable = which in question.trained
    history = train_transformers(
        net,
        render_phantom(question.classes, question.count, TRAINING_SEED),
        render_phantom(question.classes, question.count, HELD_OUT_SEED),
        epochs=question.epochs,
        batch_size=question.batch_size,
        learning_rate=question.learning_rate,
        folder=state,
    )
    fresh = render_phantom(question.classes, question.count, FRESH_SEED)
    found = measured(net, fresh, STRETCHES if question.stretched else (1.0,))
    kept = history.attrs["kept_epoch"]
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
