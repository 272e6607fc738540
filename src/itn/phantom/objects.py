"""The phantom: rendered pictures whose invariances are known on paper.

An instrument is calibrated on an object whose true value is known. Here it is a set of classes
of rendered pictures, each a shaded, textured object that varies in a few Gaussian nuisances.
The *symmetric* classes say what a rotation must not change. The two classes of a *critical
pair* differ in one parameter alone, the one that a transformation moves, so that the softmax
of an ideal observer under that transformation follows in closed form: `itn.phantom.ideal_observer`.

Convention
----------
Lengths are fractions of the width, positions are counted from the picture's center, x to the
right and y down, angles counter-clockwise as displayed: the units of `itn.transform`. Every
picture is exactly 0 outside the inscribed disc, so that a warp with ``fill="zeros"`` moves the
object and cuts nothing off. Only the brightness and noise pairs lie on a level that is added
to the whole picture, border included, after this fade.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from itn.messages import unknown

Symmetry: TypeAlias = Literal["continuous", "4-fold", "2-fold", "mirror", "none"]
SIZE = 64  # pixels; what a size in pixels refers to
SEPARATION = 7.0  # of the two classes of a pair, in σ: Bayes accuracy Φ(3.5) = 99.98 %


class Nuisance(NamedTuple):
    """A Gaussian parameter of the pictures of a class: mean, standard deviation, unit."""

    mean: float
    sigma: float
    unit: str


@dataclass(frozen=True)
class PhantomClass:
    """What the pictures of one class show, and how they vary."""

    name: str
    description: str  # what one sees
    shape: str  # the object, which both classes of a pair share
    # Of the object with its shading and texture: the rotations that leave it as it is, or the
    # reflection about the vertical axis.
    symmetry: Symmetry
    nuisances: dict[str, Nuisance]  # what varies from picture to picture, all independent
    grain: float  # standard deviation of the factor 1 + N(0, grain²) on each pixel
    pair: str | None = None  # the critical pair it belongs to, a key of `PHANTOM_PAIRS`
    partner: str | None = None  # the other class of the pair


@dataclass(frozen=True)
class PhantomPair:
    """Two classes that differ in the mean of one parameter alone."""

    name: str  # the transformation's own where it has but one pair
    transformation: str  # what moves the parameter, a key of `itn.TRANSFORMATIONS`
    parameter: str  # the nuisance that tells the classes apart
    classes: tuple[str, str]  # first the class with the smaller mean
    means: tuple[float, float]  # of the parameter in each class
    sigma: float  # its standard deviation, the same in both
    unit: str

    @property
    def separation(self) -> float:
        """Difference of the means."""
        return self.means[1] - self.means[0]

    @property
    def period(self) -> float:
        """What the parameter is only known modulo: an orientation, because of the symmetry."""
        return 2 * self.separation if self.transformation == "rotation" else np.inf


def find_class(name: str) -> PhantomClass:
    """Return a class of the phantom."""
    if name not in PHANTOM_CLASSES:
        raise unknown("phantom class", name, PHANTOM_CLASSES)
    return PHANTOM_CLASSES[name]


_UNITS = {
    "pose": "°",
    "size": "octaves of the width",  # log2 of the object's radius as a fraction of the width
    "position_x": "of the width",
    "position_y": "of the width",
    "texture": "of the usual frequency",
    "tint": "of the luminance, green to magenta",
    "light": "octaves",  # log2 of the factor on the picture
    "light_direction": "°",
    "level": "of the full range",
    "chroma": "of the luminance, blue to orange",
    "blur_variance": "px² at 64 px",
    "noise_variance": "of the full range squared",
}
# What a class varies in unless it says otherwise.
USUAL_NUISANCES: dict[str, Nuisance] = {
    name: Nuisance(mean, sigma, _UNITS[name])
    for name, mean, sigma in (
        ("pose", 0.0, 8.0),
        ("size", -1.7, 0.08),
        ("position_x", 0.0, 0.012),
        ("position_y", 0.0, 0.012),
        ("texture", 1.0, 0.05),
        ("tint", 0.0, 0.05),
        ("light", -0.2, 0.08),
    )
}
USUAL_GRAIN = 0.02


def _class(
    name: str,
    description: str,
    shape: str,
    symmetry: Symmetry,
    changes: dict[str, tuple[float, float]],
    pair: str | None = None,
    partner: str | None = None,
) -> PhantomClass:
    if symmetry == "none":
        changes = {"light_direction": (120.0, 15.0)} | changes
    changed = {key: Nuisance(*value, _UNITS[key]) for key, value in changes.items()}
    nuisances = USUAL_NUISANCES | changed
    if symmetry == "continuous":
        del nuisances["pose"]
    # Blur would take the grain away and so tell a blurred picture from a soft one.
    grain = 0.0 if {"blur_variance", "noise_variance"} & set(changes) else USUAL_GRAIN
    return PhantomClass(name, description, shape, symmetry, nuisances, grain, pair, partner)


def _pair(
    name: str,
    parameter: str,
    first: tuple[str, str],
    second: tuple[str, str],
    shape: str,
    means: tuple[float, float],
    symmetry: Symmetry = "none",
    **changes: tuple[float, float],
) -> tuple[PhantomClass, PhantomClass]:
    """Make two classes, each given by name and description, that differ in one mean."""
    sigma = (means[1] - means[0]) / SEPARATION
    one, other = (
        _class(*own, shape, symmetry, changes | {parameter: (mean, sigma)}, name, partner[0])
        for own, partner, mean in ((first, second, means[0]), (second, first, means[1]))
    )
    return one, other


_ALL = (
    _class("disc", "gold disc with concentric rings", "rings", "continuous", {}),
    *_pair(
        "rotation_four_fold",
        "pose",
        ("four_fold", "purple clover, leaves up, down, left and right"),
        ("four_fold_turned", "purple clover, leaves along the diagonals"),
        "clover",
        (0.0, 45.0),
        "4-fold",
    ),
    *_pair(
        "rotation",
        "pose",
        ("two_fold", "green striped capsule, lying"),
        ("two_fold_turned", "green striped capsule, upright"),
        "capsule",
        (0.0, 90.0),
        "2-fold",
    ),
    *_pair(
        "rotation_mirror",
        "pose",
        ("mirror", "red heart, upright"),
        ("mirror_turned", "red heart, upside down"),
        "heart",
        (0.0, 180.0),
        "mirror",
    ),
    *_pair(
        "zoom",
        "size",
        ("zoom_small", "blue spotted pick, small"),
        ("zoom_large", "blue spotted pick, twice as large"),
        "pick",
        (-2.7, -1.7),
    ),
    *_pair(
        "translation_x",
        "position_x",
        ("translation_left", "pink checked tile, on the left"),
        ("translation_right", "pink checked tile, on the right"),
        "tile",
        (-0.16, 0.16),
        size=(-3.0, 0.06),
    ),
    *_pair(
        "brightness",
        "level",
        ("brightness_dark", "banded ring, a low level added to the whole picture"),
        ("brightness_bright", "banded ring, a high level added to the whole picture"),
        "torus",
        (0.165, 0.485),
        light=(-1.6, 0.08),
    ),
    *_pair(
        "contrast",
        "light",
        ("contrast_dim", "orange starfish, the whole picture dimmed"),
        ("contrast_bright", "orange starfish, bright"),
        "starfish",
        (-0.6 - math.log2(2.25), -0.6),
    ),
    *_pair(
        "grayscale",
        "chroma",
        ("grayscale_blue", "banded shell, blue"),
        ("grayscale_orange", "banded shell, orange of the same luminance"),
        "shell",
        (-1.0, 1.0),
        light=(-0.1, 0.05),
    ),
    *_pair(
        "blur",
        "blur_variance",
        ("blur_sharp", "white banded cross, sharp"),
        ("blur_soft", "white banded cross, out of focus"),
        "cross",
        (2.8, 7.0),
        size=(-1.9, 0.08),
        tint=(0.0, 0.02),
    ),
    *_pair(
        "noise",
        "noise_variance",
        ("noise_quiet", "moon on gray, little noise"),
        ("noise_noisy", "moon on gray, much noise"),
        "moon",
        (0.0045, 0.0115),
        level=(0.37, 0.01),
        light=(-2.0, 0.08),
    ),
)


def _critical_pair(first: PhantomClass, second: PhantomClass) -> PhantomPair:
    (parameter,) = (key for key in first.nuisances if first.nuisances[key] != second.nuisances[key])
    one, other = first.nuisances[parameter], second.nuisances[parameter]
    return PhantomPair(
        name=str(first.pair),
        transformation="rotation" if parameter == "pose" else str(first.pair),
        parameter=parameter,
        classes=(first.name, second.name),
        means=(one.mean, other.mean),
        sigma=one.sigma,
        unit=one.unit,
    )


PHANTOM_CLASSES: dict[str, PhantomClass] = {each.name: each for each in _ALL}
PHANTOM_PAIRS: dict[str, PhantomPair] = {
    pair.name: pair for pair in map(_critical_pair, _ALL[1::2], _ALL[2::2])
}
