"""The phantom: rendered pictures whose invariances are known on paper.

An instrument is calibrated on an object whose true value is known. Here it is a set of classes
of rendered pictures, each a shaded, textured object that varies in a few Gaussian nuisances.
The *symmetric* classes say what a rotation must not change. The two classes of a *critical
pair* differ in one parameter alone, the one that a transformation moves, so that the softmax
of an ideal observer under that transformation follows in closed form: `itn.bayes`.

Convention
----------
Lengths are fractions of the width, positions are counted from the picture's center, x to the
right and y down, angles counter-clockwise as displayed: the units of `itn.transform`. Every
picture is exactly 0 outside the inscribed disc, so that a warp with ``fill="zeros"`` moves the
object and cuts nothing off. Only the brightness and noise pairs lie on a level that is added
to the whole picture, border included, after this fade.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from itn.messages import UsageError, unknown
from itn.transformations import GRAY_WEIGHTS

Plane: TypeAlias = npt.NDArray[
    np.floating
]  # float32 [B, H, W], or [B, 1, 1] for one value per picture
Symmetry: TypeAlias = Literal["continuous", "4-fold", "2-fold", "mirror", "none"]

SIZE = 64  # pixels; what a size in pixels refers to
SEPARATION = 7.0  # of the two classes of a pair, in σ: Bayes accuracy Φ(3.5) = 99.98 %
CHUNK = 16  # pictures drawn at once, so that a plane of them stays in the cache
FLAT, EDGE = 0.42, 0.15  # radius up to which nothing fades; width of an edge per object radius
LEAST_VARIANCE = 0.5  # px², below which a sampled Gaussian is not one; 4.2 σ from its mean
# Two directions of color without luminance: gray(1 + s · direction) is the same for every s.
ORANGE = (0.45, -(GRAY_WEIGHTS[0] * 0.45 - GRAY_WEIGHTS[2] * 0.48) / GRAY_WEIGHTS[1], -0.48)
MAGENTA = (1.0, -(GRAY_WEIGHTS[0] + GRAY_WEIGHTS[2]) / GRAY_WEIGHTS[1], 1.0)


class Nuisance(NamedTuple):
    """A Gaussian parameter of the pictures of a class: mean, standard deviation, unit."""

    mean: float
    sigma: float
    unit: str


@dataclass(frozen=True)
class PhantomClass:
    """What the pictures of one class show, and how they vary.

    Attributes
    ----------
    name : str
        Name of the class.
    description : str
        What one sees.
    shape : str
        The object, which both classes of a pair share.
    symmetry : {"continuous", "4-fold", "2-fold", "mirror", "none"}
        Of the object with its shading and texture: the rotations that leave it as it is, or
        the reflection about the vertical axis.
    nuisances : dict of str to Nuisance
        Mean, standard deviation and unit of everything that varies from picture to picture,
        all independent.
    grain : float
        Standard deviation of the factor 1 + N(0, grain²) on each pixel.
    pair : str or None
        The critical pair it belongs to, a key of `PHANTOM_PAIRS`.
    partner : str or None
        The other class of the pair.
    """

    name: str
    description: str
    shape: str
    symmetry: Symmetry
    nuisances: dict[str, Nuisance]
    grain: float
    pair: str | None = None
    partner: str | None = None


@dataclass(frozen=True)
class PhantomPair:
    """Two classes that differ in the mean of one parameter alone.

    Attributes
    ----------
    name : str
        Name of the pair, the transformation's own where it has but one pair.
    transformation : str
        The transformation that moves the parameter, a key of `itn.TRANSFORMATIONS`.
    parameter : str
        The nuisance that tells the classes apart.
    classes : tuple of (str, str)
        First the class with the smaller mean.
    means : tuple of (float, float)
        Mean of the parameter in each class.
    sigma : float
        Its standard deviation, the same in both.
    unit : str
        Its unit.
    """

    name: str
    transformation: str
    parameter: str
    classes: tuple[str, str]
    means: tuple[float, float]
    sigma: float
    unit: str

    @property
    def separation(self) -> float:
        """Difference of the means."""
        return self.means[1] - self.means[0]

    @property
    def period(self) -> float:
        """What the parameter is only known modulo: an orientation, because of the symmetry."""
        return 2 * self.separation if self.transformation == "rotation" else np.inf


def render(
    class_name: str, indices: Iterable[int], seed: int = 0, size: int = SIZE
) -> npt.NDArray[np.float32]:
    """Render pictures of one class.

    Parameters
    ----------
    class_name : str
        A key of `PHANTOM_CLASSES`.
    indices : iterable of int, length N
        Which pictures of the endless row of them, not negative.
    seed : int, default 0
        Another seed, another row. A picture depends on its class, index and seed alone, to the
        last bit on the same kind of machine.
    size : int, default 64
        Height and width in pixels.

    Returns
    -------
    ndarray [N, size, size, 3], float32 in [0, 1]
        The pictures.

    Examples
    --------
    >>> pictures = render("disc", range(3))
    >>> pictures.shape, bool(np.all(pictures[2] == render("disc", [2])[0]))
    ((3, 64, 64, 3), True)
    """
    indices = list(indices)
    pictures = np.empty((len(indices), size, size, 3), np.float32)
    _render_into(pictures, class_name, indices, seed)
    return pictures


def render_exactly(
    class_name: str,
    nuisances: Mapping[str, npt.ArrayLike] | None = None,
    size: int = SIZE,
) -> npt.NDArray[np.float32]:
    """Render pictures without noise, with every nuisance at its mean or as given.

    Parameters
    ----------
    class_name : str
        A key of `PHANTOM_CLASSES`.
    nuisances : dict of str to (float or array [N]), optional
        Values that replace the means, by name.
    size : int, default 64
        Height and width in pixels.

    Returns
    -------
    ndarray [N, size, size, 3], float32 in [0, 1]
        The pictures, one if all values are numbers.

    Raises
    ------
    UsageError
        If the class has no such nuisance.

    Examples
    --------
    >>> render_exactly("two_fold", {"pose": [0, 45, 90]}).shape
    (3, 64, 64, 3)
    """
    known = _class_of(class_name).nuisances
    nuisances = nuisances or {}
    for name in nuisances:
        if name not in known:
            raise unknown(f"nuisance of {class_name}", name, known)
    given = {name: nuisance.mean for name, nuisance in known.items()} | {**nuisances}
    values = np.broadcast_arrays(*(np.atleast_1d(value) for value in given.values()))
    pictures = np.empty((len(values[0]), size, size, 3), np.float32)
    _draw(pictures, class_name, dict(zip(given, values, strict=True)))
    return pictures


def phantom_images(
    classes: Iterable[str] | None = None,
    count: int = 100,
    seed: int = 0,
    size: int = SIZE,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], tuple[str, ...]]:
    """Render the same number of pictures of several classes.

    Parameters
    ----------
    classes : iterable of str, optional
        Keys of `PHANTOM_CLASSES`, by default all, in alphabetical order.
    count : int, default 100
        Pictures of each class.
    seed : int, default 0
        See `render`.
    size : int, default 64
        Height and width in pixels.

    Returns
    -------
    images : ndarray [N, size, size, 3], float32 in [0, 1]
        The pictures, class after class.
    labels : ndarray [N], int64
        Position of each picture's class in `classes`.
    paths : tuple of str
        ``class/seed_index`` of each picture, the same for no two different ones.

    Examples
    --------
    >>> images, labels, paths = phantom_images(["disc", "mirror"], count=2)
    >>> images.shape, labels, paths[3]
    ((4, 64, 64, 3), array([0, 0, 1, 1]), 'mirror/0_00001')
    """
    names = sorted(PHANTOM_CLASSES) if classes is None else list(classes)
    for name in names:  # before the memory is taken
        _class_of(name)
    images = np.empty((len(names) * count, size, size, 3), np.float32)
    for position, name in enumerate(names):
        _render_into(images[position * count :][:count], name, range(count), seed)
    paths = tuple(f"{name}/{seed}_{index:05d}" for name in names for index in range(count))
    return images, np.repeat(np.arange(len(names)), count), paths


def draw_nuisances(
    class_name: str, indices: Iterable[int], seed: int = 0
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the nuisances of the pictures that `render` makes.

    Parameters
    ----------
    class_name : str
        A key of `PHANTOM_CLASSES`.
    indices : iterable of int, length N
        Which pictures.
    seed : int, default 0
        See `render`.

    Returns
    -------
    dict of str to ndarray [N], float64
        Values by the name of the nuisance.

    Examples
    --------
    >>> sorted(draw_nuisances("disc", [0, 1]))
    ['light', 'position_x', 'position_y', 'size', 'texture', 'tint']
    """
    return _nuisances_from(class_name, _generators(class_name, list(indices), seed))


def _class_of(name: str) -> PhantomClass:
    if name not in PHANTOM_CLASSES:
        raise unknown("phantom class", name, PHANTOM_CLASSES)
    return PHANTOM_CLASSES[name]


# Shapes: (u, v, frequency) -> (depth below the outline, texture from -1 to 1). The object has
# the radius 1, u runs right, v runs up.

Shape: TypeAlias = Callable[[Plane, Plane, Plane], tuple[Plane, Plane]]


def _polar(u: Plane, v: Plane) -> tuple[Plane, Plane]:
    return np.sqrt(u * u + v * v), np.arctan2(v, u)


def _rings(u: Plane, v: Plane, frequency: Plane) -> tuple[Plane, Plane]:
    radius = np.sqrt(u * u + v * v)
    return 1 - radius, np.cos(16 * frequency * radius)


def _clover(u: Plane, v: Plane, frequency: Plane) -> tuple[Plane, Plane]:
    radius, angle = _polar(u, v)
    # The leaves fade towards the center, where all angles meet and nothing could resolve them.
    leaves = 0.28 * np.cos(4 * angle) * np.minimum(4 * radius * radius, 1)
    depth = 0.72 + leaves - radius
    return depth, np.cos(14 * frequency * depth)


def _capsule(u: Plane, v: Plane, frequency: Plane) -> tuple[Plane, Plane]:
    beyond = np.maximum(np.abs(u) - 0.62, 0)
    return 0.38 - np.sqrt(beyond * beyond + v * v), np.cos(10 * frequency * u)


def _heart(u: Plane, v: Plane, frequency: Plane) -> tuple[Plane, Plane]:
    aside = np.sqrt(u * u + 0.004)
    height = 1.1 * v + 0.14 - 0.62 * np.sqrt(aside)
    depth = 0.84 - np.sqrt(u * u + height * height)
    return depth, np.cos(10 * frequency * (v + 0.6 * aside))


def _pick(u: Plane, v: Plane, frequency: Plane) -> tuple[Plane, Plane]:
    radius, angle = _polar(u, v)
    depth = 0.84 - 0.16 * np.sin(3 * angle) - radius
    return depth, np.cos(7 * frequency * u) * np.cos(7 * frequency * v)


def _tile(u: Plane, v: Plane, frequency: Plane) -> tuple[Plane, Plane]:
    u2, v2 = u * u, v * v
    checks = 3 * np.sin(4 * frequency * u) * np.sin(4 * frequency * v)
    return 0.9 - np.sqrt(np.sqrt(u2 * u2 + v2 * v2)), np.clip(checks, -1, 1)


def _torus(u: Plane, v: Plane, frequency: Plane) -> tuple[Plane, Plane]:
    radius, angle = _polar(u, v)
    return 0.34 - np.abs(radius - 0.66), np.cos(7 * angle + 5 * frequency * radius)


def _starfish(u: Plane, v: Plane, frequency: Plane) -> tuple[Plane, Plane]:
    radius, angle = _polar(u, v)
    depth = 0.68 + 0.32 * np.sin(5 * angle) - radius
    return depth, np.cos(14 * frequency * radius)


def _shell(u: Plane, v: Plane, frequency: Plane) -> tuple[Plane, Plane]:
    radius, angle = _polar(u, v)
    return 0.94 + 0.06 * np.cos(6 * angle) - radius, np.cos(6 * angle + 5 * frequency * radius)


def _cross(u: Plane, v: Plane, frequency: Plane) -> tuple[Plane, Plane]:
    across, along = np.abs(u), np.abs(v)
    depth = np.minimum(0.36 - np.minimum(across, along), 1 - np.maximum(across, along))
    return depth, np.cos(13 * frequency * np.maximum(across, along))


def _moon(u: Plane, v: Plane, frequency: Plane) -> tuple[Plane, Plane]:
    radius, angle = _polar(u, v)
    hollow = np.sqrt((u - 0.5) ** 2 + v * v)
    return np.minimum(1 - radius, hollow - 0.74), np.cos(9 * frequency * angle)


class _Look(NamedTuple):
    shape: Shape
    light: tuple[float, float, float]  # color between the stripes
    dark: tuple[float, float, float]  # color of the stripes
    bevel: float  # depth at which the surface is level
    ground: float = 0.0  # gray behind the object, fading outwards


_LOOKS: dict[str, _Look] = {
    "rings": _Look(_rings, (0.98, 0.86, 0.36), (0.78, 0.48, 0.06), 1.0, 0.16),
    "clover": _Look(_clover, (0.80, 0.62, 0.98), (0.44, 0.22, 0.70), 0.55, 0.16),
    "capsule": _Look(_capsule, (0.46, 0.92, 0.62), (0.03, 0.45, 0.30), 0.38, 0.16),
    "heart": _Look(_heart, (1.00, 0.55, 0.50), (0.72, 0.08, 0.14), 0.80, 0.16),
    "pick": _Look(_pick, (0.55, 0.90, 1.00), (0.05, 0.42, 0.72), 0.80),
    "tile": _Look(_tile, (1.00, 0.80, 0.92), (0.72, 0.10, 0.52), 0.90),
    "torus": _Look(_torus, (0.95, 1.00, 0.90), (0.30, 0.55, 0.45), 0.34),
    "starfish": _Look(_starfish, (1.00, 0.62, 0.30), (0.72, 0.25, 0.05), 0.60, 0.20),
    "shell": _Look(_shell, (0.56, 0.56, 0.56), (0.30, 0.30, 0.30), 0.94, 0.16),
    "cross": _Look(_cross, (0.98, 0.96, 0.90), (0.36, 0.34, 0.42), 0.36),
    "moon": _Look(_moon, (1.00, 0.95, 0.55), (0.45, 0.45, 0.95), 0.50),
}


def _generators(class_name: str, indices: Sequence[int], seed: int) -> list[np.random.Generator]:
    key = zlib.crc32(class_name.encode())
    try:
        return [np.random.default_rng([seed, key, index]) for index in indices]
    except ValueError as error:
        raise UsageError("seed and indices of phantom pictures must not be negative") from error


def _nuisances_from(
    class_name: str, generators: Sequence[np.random.Generator]
) -> dict[str, npt.NDArray[np.float64]]:
    nuisances = _class_of(class_name).nuisances
    standard = np.array([one.standard_normal(len(nuisances)) for one in generators])
    standard = standard.reshape(-1, len(nuisances))
    return {
        name: mean + sigma * standard[:, column]
        for column, (name, (mean, sigma, _)) in enumerate(nuisances.items())
    }


def _render_into(
    pictures: npt.NDArray[np.float32], class_name: str, indices: Sequence[int], seed: int
) -> None:
    for start in range(0, len(indices), CHUNK):
        generators = _generators(class_name, indices[start : start + CHUNK], seed)
        values = _nuisances_from(class_name, generators)
        _draw(pictures[start : start + CHUNK], class_name, values, generators)


def _draw(
    pictures: npt.NDArray[np.float32],
    class_name: str,
    values: dict[str, npt.NDArray[np.float64]],
    generators: Sequence[np.random.Generator] = (),
) -> None:
    """Draw pictures [B, S, S, 3] in place, without noise if there are no generators."""
    look = _LOOKS[_class_of(class_name).shape]
    count, size = pictures.shape[:2]

    def nuisance(name: str, default: float = 0.0) -> Plane:
        given = values.get(name, np.full(count, default))
        return given.astype(np.float32)[:, None, None]

    # Object coordinates; the two products are rows and columns, added only once per pixel.
    line = (np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)) / np.float32(size)
    x = line[None, None, :] - nuisance("position_x")
    y = -line[None, :, None] + nuisance("position_y")  # up
    pose, scale = np.deg2rad(nuisance("pose")), 2 ** -nuisance("size")
    cos, sin = np.cos(pose) * scale, np.sin(pose) * scale
    u, v = cos * x + sin * y, cos * y - sin * x

    depth, texture = look.shape(u, v, nuisance("texture", 1.0))
    inside = np.clip(depth / np.float32(EDGE) + np.float32(0.5), 0, 1)
    inside *= inside * (3 - 2 * inside)
    slope = np.clip(depth / np.float32(look.bevel), 0, 1)
    shade = 0.3 + 0.7 * np.sqrt(slope * (2 - slope))
    shine: Plane | float = 0.0
    if "light_direction" in values:  # symmetric objects are lit from the front
        direction = np.deg2rad(nuisance("light_direction"))
        toward_x, toward_y = np.cos(direction), np.sin(direction)
        shade *= 0.82 + 0.18 * np.clip(u * toward_x + v * toward_y, -1, 1)
        distance = (u - 0.35 * toward_x) ** 2 + (v - 0.35 * toward_y) ** 2
        shine = 0.25 * inside * np.exp(-distance / np.float32(0.05))
    fade, behind = _fade(line)
    gain = 2 ** nuisance("light")
    grain = _class_of(class_name).grain
    if generators and grain:
        gain = gain * (1 + np.float32(grain) * _fields(generators, size))
    blurred = "blur_variance" in values
    if not blurred:
        gain = gain * fade
    surface = inside * shade * gain
    light_part = surface * (0.5 + 0.5 * texture)
    dark_part = surface - light_part
    rest = (look.ground * behind * (1 - inside) + shine) * gain
    for channel in range(3):
        color = 1 + ORANGE[channel] * nuisance("chroma") + MAGENTA[channel] * nuisance("tint")
        pictures[..., channel] = rest
        pictures[..., channel] += (look.light[channel] * color) * light_part
        pictures[..., channel] += (look.dark[channel] * color) * dark_part

    if blurred:
        variance = np.maximum(nuisance("blur_variance"), LEAST_VARIANCE)
        _convolve(pictures, variance * np.float32((size / SIZE) ** 2))
        pictures *= fade[..., None]
    pictures += nuisance("level")[..., None]
    if generators and "noise_variance" in values:
        deviation = np.sqrt(np.maximum(nuisance("noise_variance"), 0))[..., None]
        for picture, sigma, generator in zip(pictures, deviation, generators, strict=True):
            picture += sigma * generator.standard_normal(picture.shape, dtype=np.float32)
    np.clip(pictures, 0, 1, out=pictures)


def _fields(generators: Sequence[np.random.Generator], size: int) -> Plane:
    fields = np.empty((len(generators), size, size), np.float32)
    for field, generator in zip(fields, generators, strict=True):
        generator.standard_normal(out=field, dtype=np.float32)
    return fields


def _fade(line: npt.NDArray[np.float32]) -> tuple[Plane, Plane]:
    """Return what every picture is multiplied by, 1 up to `FLAT`, and the ground's own fade."""
    radius = np.sqrt(line[None, None, :] ** 2 + line[None, :, None] ** 2)
    border = line[-1]  # centers of the outermost pixels
    share = np.clip((border - radius) / (border - np.float32(FLAT)), 0, 1)
    return share * share * (3 - 2 * share), np.clip(1 - (radius / border) ** 2, 0, 1)


def _convolve(pictures: npt.NDArray[np.float32], variance: Plane) -> None:
    """Convolve with a Gaussian of a variance in px², in place."""
    count, size = pictures.shape[:2]
    offsets = np.arange(-size, size + 1, dtype=np.float32)
    kernel = np.exp(-(offsets**2) / (2 * variance[:, 0]))  # [B, 2 S + 1]
    kernel /= kernel.sum(axis=-1, keepdims=True)
    position = np.arange(size)
    matrix = kernel[:, position[:, None] - position + size]  # [B, S, S]
    for _ in range(2):  # one axis, then the other
        product = matrix @ pictures.reshape(count, size, -1)
        pictures[...] = product.reshape(pictures.shape).swapaxes(1, 2)


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
