"""Renders pictures of the phantom's objects, see `itn.phantom.objects`."""

import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from itn.messages import UsageError, unknown
from itn.phantom.objects import SIZE, find_class
from itn.phantom.shapes import LOOKS, Plane
from itn.transformations import GRAY_WEIGHTS

CHUNK = 16  # pictures drawn at once, so that a plane of them stays in the cache
FLAT, EDGE = 0.42, 0.15  # radius up to which nothing fades; width of an edge per object radius
LEAST_VARIANCE = 0.5  # px², below which a sampled Gaussian is not one; 4.2 σ from its mean
# Two directions of color without luminance: gray(1 + s · direction) is the same for every s.
ORANGE = (0.45, -(GRAY_WEIGHTS[0] * 0.45 - GRAY_WEIGHTS[2] * 0.48) / GRAY_WEIGHTS[1], -0.48)
MAGENTA = (1.0, -(GRAY_WEIGHTS[0] + GRAY_WEIGHTS[2]) / GRAY_WEIGHTS[1], 1.0)


def render(
    class_name: str,
    indices: Iterable[int],
    seed: int = 0,
    size: int = SIZE,
    shifts: Mapping[str, float] | None = None,
) -> npt.NDArray[np.float32]:
    """Render pictures of one class, their nuisances shifted where that is given."""
    indices = list(indices)
    pictures = np.empty((len(indices), size, size, 3), np.float32)
    render_into(pictures, class_name, indices, seed, shifts)
    return pictures


def render_exactly(
    class_name: str,
    nuisances: Mapping[str, npt.ArrayLike] | None = None,
    size: int = SIZE,
) -> npt.NDArray[np.float32]:
    """Render pictures without noise, with every nuisance at its mean or as given."""
    known = find_class(class_name).nuisances
    nuisances = nuisances or {}
    for name in nuisances:
        if name not in known:
            raise unknown(f"nuisance of {class_name}", name, known)
    given = {name: nuisance.mean for name, nuisance in known.items()} | {**nuisances}
    values = np.broadcast_arrays(*(np.atleast_1d(value) for value in given.values()))
    pictures = np.empty((len(values[0]), size, size, 3), np.float32)
    _draw(pictures, class_name, dict(zip(given, values, strict=True)))
    return pictures


def draw_nuisances(
    class_name: str, indices: Iterable[int], seed: int = 0
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the nuisances of the pictures that `render` makes."""
    return _nuisances_from(class_name, _generators(class_name, list(indices), seed))


def _generators(class_name: str, indices: Sequence[int], seed: int) -> list[np.random.Generator]:
    key = zlib.crc32(class_name.encode())
    try:
        return [np.random.default_rng([seed, key, index]) for index in indices]
    except ValueError as error:
        raise UsageError("seed and indices of phantom pictures must not be negative") from error


def _nuisances_from(
    class_name: str, generators: Sequence[np.random.Generator]
) -> dict[str, npt.NDArray[np.float64]]:
    nuisances = find_class(class_name).nuisances
    standard = np.array([one.standard_normal(len(nuisances)) for one in generators])
    standard = standard.reshape(-1, len(nuisances))
    return {
        name: mean + sigma * standard[:, column]
        for column, (name, (mean, sigma, _)) in enumerate(nuisances.items())
    }


def render_into(
    pictures: npt.NDArray[np.float32],
    class_name: str,
    indices: Sequence[int],
    seed: int,
    shifts: Mapping[str, float] | None = None,
) -> None:
    """Render pictures of one class in place, their nuisances shifted where that is given."""
    shifts = shifts or {}
    for name in shifts:
        if name not in find_class(class_name).nuisances:
            raise unknown(f"nuisance of {class_name}", name, find_class(class_name).nuisances)
    for start in range(0, len(indices), CHUNK):
        generators = _generators(class_name, indices[start : start + CHUNK], seed)
        values = _nuisances_from(class_name, generators)
        for name, shift in shifts.items():
            values[name] = values[name] + shift
        _draw(pictures[start : start + CHUNK], class_name, values, generators)


def _draw(
    pictures: npt.NDArray[np.float32],
    class_name: str,
    values: dict[str, npt.NDArray[np.float64]],
    generators: Sequence[np.random.Generator] = (),
) -> None:
    """Draw pictures [B, S, S, 3] in place, without noise if there are no generators."""
    look = LOOKS[find_class(class_name).shape]
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
    grain = find_class(class_name).grain
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
