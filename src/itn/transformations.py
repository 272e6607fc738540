"""The eleven transformations of the paper, in nine families.

Every transformation takes pictures ``[N, H, W, 3]`` and one magnitude, or one per picture,
and returns its input unchanged at the identity magnitude. `transform` is the way in;
`TRANSFORMATIONS` says of each one what its magnitude means and where it is swept.

References
----------
Bunne, Rahmann, Wolf (2018), section 3.3.
"""

import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from itn import ops
from itn.messages import UsageError, shown, unknown
from itn.warp import Tensor, affine_warp, check_fill, known_values

Sweep = Callable[[int], np.ndarray]

GRAY_WEIGHTS = (0.2989, 0.587, 0.114)  # of red, green and blue
# The greatest contrast of the default sweep, twice; with noise before it twice as far, but then on
# both sides of 0. Pictures of 0 … 255 go beyond, unless all are nearly black.
LARGEST_VALUE = 16
# Farther out, 32 bits do not tell pixels apart; of factors it is the smallest, too.
LARGEST_MAGNITUDE = 1e4


@dataclass(frozen=True)
class Transformation:
    """What one transformation does, and what its magnitude means."""

    name: str
    effect: str  # what happens to the picture as the magnitude grows
    magnitude: str  # what it measures, for the axis of a figure
    sweep: Sweep  # width in pixels -> default magnitudes, increasing, the identity among them
    act: Callable[..., Any]  # (images, magnitude, fill, noise) -> images; of others see below
    unit: str = ""  # of the magnitude; plain numbers have none
    identity: float = 0.0  # the magnitude that leaves the picture as it is
    lower: float = -np.inf  # smallest possible magnitude
    upper: float = np.inf
    lower_included: bool = True
    logarithmic: bool = False  # whether it is a factor, swept and drawn on a logarithmic scale
    period: float | None = None  # after which it repeats itself

    def apply(self, images: Tensor, magnitude: Tensor, fill: str, noise: Tensor) -> Tensor:
        """Transform pictures [N, H, W, 3] by magnitudes [N or 1, 1, 1, 1]; checks nothing."""
        return self.act(images, magnitude, fill, noise)

    def matrix(self, magnitude: Tensor, height: int, width: int) -> Tensor:
        """Return None: not every transformation is a matrix."""
        return None

    def checked(self, magnitude: object) -> np.ndarray:
        """Return the magnitude as a float64 array after checking its range."""
        try:
            values = np.asarray(magnitude)
        except ValueError:  # rows of unlike lengths
            values = np.array(None)
        # Text is refused although it may look like a number.
        values = values.astype(np.float64) if values.dtype.kind in "iuf" else np.array(np.nan)
        above = values >= self.lower if self.lower_included else values > self.lower
        if not np.all(np.isfinite(values) & above & (values <= self.upper)):
            raise UsageError(
                f"magnitude of {self.name} must be {self._range()}, got {shown(magnitude)}"
            )
        smallest = 1 / LARGEST_MAGNITUDE if self.logarithmic else -LARGEST_MAGNITUDE
        if not np.all((values >= smallest) & (values <= LARGEST_MAGNITUDE)):
            raise UsageError(
                f"magnitude of {self.name} must be from {smallest:g} to {LARGEST_MAGNITUDE:g}, "
                f"as far as 32 bits tell pixels apart, got {shown(magnitude)}"
            )
        return values

    def _range(self) -> str:
        if np.isinf(self.lower):
            return "a finite number"
        if np.isinf(self.upper):
            return f"a finite number {'≥' if self.lower_included else '>'} {self.lower:g}"
        return f"a number from {self.lower:g} to {self.upper:g}"


class Motion(Transformation):
    """What moves pixels; `act` is (magnitude, height, width) -> the rows of its matrix.

    That of a picture two pixels wide and high is the one in coordinates that run from -1 to 1.
    """

    def matrix(self, magnitude: Tensor, height: int, width: int) -> Tensor:
        """Return the matrices [N, 2, 3] of magnitudes [N, 1, 1, 1], in pixels."""
        ones = ops.ones_like(magnitude)
        rows = self.act(magnitude, height, width)
        entries = ops.stack([ops.reshape(ones * entry, (-1,)) for row in rows for entry in row], -1)
        return ops.reshape(entries, (-1, 2, 3))

    def apply(self, images: Tensor, magnitude: Tensor, fill: str, noise: Tensor) -> Tensor:
        """Warp pictures by the matrix."""
        return affine_warp(images, self.matrix(magnitude, *images.shape[1:3]), fill)


class Recoloring(Transformation):
    """What changes each color by itself; `act` is (images, magnitude) -> images.

    It is affine, so what becomes of four colors tells its matrix.
    """

    def matrix(self, magnitude: Tensor, height: int, width: int) -> Tensor:
        """Return the matrices [N, 3, 4] of magnitudes [N, 1, 1, 1]."""
        magnitude = ops.convert_to_tensor(magnitude)
        colors = ops.convert_to_tensor(np.eye(4, 3)[None, None], magnitude.dtype)
        changed = self.act(colors, magnitude)[:, 0]  # [N, 4, 3]: red, green, blue and black
        black = changed[:, 3:]
        return ops.transpose(ops.concatenate([changed[:, :3] - black, black], 1), (0, 2, 1))

    def apply(self, images: Tensor, magnitude: Tensor, fill: str, noise: Tensor) -> Tensor:
        """Change colors."""
        return self.act(images, magnitude)


def transform(
    images: Tensor,
    name: str,
    magnitude: float | Sequence[float] | np.ndarray,
    fill: str = "zeros",
    seed: int | Sequence[int] | np.ndarray = 0,
    clip: bool = False,
) -> Tensor:
    """Transform pictures by one of the eleven transformations.

    Parameters
    ----------
    images : array or tensor [N, H, W, 3], float32 or float64
        RGB pictures in [0, 1], or transformed before, see `check_pictures`.
    name : str
        A key of `TRANSFORMATIONS`.
    magnitude : float or array [N]
        One magnitude for all pictures or one for each, in the transformation's own unit.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside the picture, for blur and what moves pixels; see `itn.affine_warp`.
    seed : int or array of int [N], default 0
        Of the noise: picture i gets the field of ``(seed, i)``, or of its own seed.
    clip : bool, default False
        Whether to clip the result to [0, 1]. The paper does not say.

    Returns
    -------
    tensor [N, H, W, 3] of the Keras backend, dtype of `images`
        The transformed pictures; `numpy.asarray` makes them an array.

    Raises
    ------
    UsageError
        For an unknown name or fill, a magnitude out of its range, or pictures that
        `check_pictures` refuses.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((1, 3, 3, 3), "float32")
    >>> images[0, 0, 0] = 1  # upper left corner
    >>> np.asarray(transform(images, "rotation", 90))[0, :, :, 0]  # counter-clockwise
    array([[0., 0., 0.],
           [0., 0., 0.],
           [1., 0., 0.]], dtype=float32)
    """
    transformation = find_transformation(name)
    check_fill(fill)
    if not hasattr(images, "dtype"):
        with suppress(TypeError, ValueError, OverflowError):  # no numbers, which is said below
            images = ops.convert_to_tensor(images)
    check_pictures(images)
    images = ops.convert_to_tensor(images)
    values = transformation.checked(magnitude)
    if values.ndim > 1 or values.size not in (1, len(images)):
        raise UsageError(
            f"magnitude must be one number or one for each of the {len(images)} pictures, "
            f"got shape {values.shape}"
        )
    if 0 in images.shape:
        return images
    noise = None
    if name == "noise":
        one = not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str)
        seeds = [(seed, i) for i in range(len(images))] if one else list(seed)  # type: ignore[arg-type]
        if len(seeds) != len(images):
            raise UsageError(
                f"seed must be one number or one for each of the {len(images)} pictures, "
                f"got {len(seeds)}"
            )
        noise = ops.convert_to_tensor(noise_fields(seeds, images.shape[1:]), images.dtype)
    values = ops.convert_to_tensor(values.reshape(-1, 1, 1, 1), images.dtype)
    transformed = transformation.apply(images, values, fill, noise)
    return ops.clip(transformed, 0, 1) if clip else transformed


def find_transformation(name: str) -> Transformation:
    """Return the transformation of a name.

    Parameters
    ----------
    name : str
        A key of `TRANSFORMATIONS`.

    Returns
    -------
    Transformation
        What it does and what its magnitude means.

    Raises
    ------
    UsageError
        If there is none of that name; the message names the closest.

    Examples
    --------
    >>> find_transformation("zoom").identity
    1.0
    """
    if not isinstance(name, str) or name not in TRANSFORMATIONS:
        raise unknown("transformation", name, TRANSFORMATIONS)
    return TRANSFORMATIONS[name]


def even(magnitudes: npt.ArrayLike, transformation: Transformation) -> npt.NDArray[np.float64]:
    """Lay magnitudes out so that the steps of a sweep are even: factors by octaves."""
    at = np.asarray(magnitudes, np.float64)
    return np.log2(at) if transformation.logarithmic else at


def unrolled(
    magnitudes: np.ndarray, transformation: Transformation
) -> tuple[np.ndarray, np.ndarray]:
    """Lay magnitudes out so that both directions lead away from the identity.

    A magnitude with a period is moved by whole periods into identity ± half a period, and that
    half stands at the end of each side that was looked at. Returned are the magnitudes, increasing
    and each once, and which of the given ones each is.
    """
    identity, period = transformation.identity, transformation.period
    order, moved = np.arange(len(magnitudes)), magnitudes
    if period is not None:
        half = period / 2
        moved = np.mod(magnitudes - identity + half, period) - half + identity
        far = moved == identity - half
        away = np.where(far, magnitudes, moved) - identity
        ends = [side * half for side in (-1, 1) if (side * away > 0).any()]
        moved = np.append(moved[~far], identity + np.repeat(ends, far.sum()))
        order = np.append(order[~far], np.tile(order[far], len(ends)))
    axis, first = np.unique(moved, return_index=True)
    return axis, order[first]


def sides(axis: np.ndarray, transformation: Transformation) -> dict[str, np.ndarray]:
    """Return the positions on an unrolled axis that lead down and up from the identity.

    Each side begins with the identity, and is empty where that is missing.
    """
    steps = np.arange(len(axis))
    screened = np.any(axis == transformation.identity)
    return {
        "down": steps[(axis <= transformation.identity) & screened][::-1],
        "up": steps[(axis >= transformation.identity) & screened],
    }


def check_pictures(images: Any, names: Sequence[str] = ()) -> None:
    """Refuse what is no pictures [N, H, W, 3] in [0, 1], float32 or float64 and finite.

    Transformed pictures may be looked at and transformed again, so values may be up to 16, or up
    to ±32 where some are negative: as far as any two of the default sweeps can lead. Those of a
    symbolic tensor, or of pictures that are not in memory, are not looked at.
    """
    shape = getattr(images, "shape", None)
    if shape is None or len(shape) != 4 or shape[-1] != 3:
        given = f"{type(images).__name__} {shown(images)}" if shape is None else tuple(shape)
        raise UsageError(f"pictures must have the shape [N, H, W, 3], got {given}")
    dtype = getattr(images.dtype, "name", str(images.dtype))
    if dtype not in ("float32", "float64"):
        raise UsageError(
            f"pictures must be float32 or float64 in [0, 1], got {dtype}: divide those of "
            "0 … 255 by 255"
        )
    if not (isinstance(images, np.ndarray) or ops.is_tensor(images)) or 0 in images.shape:
        return
    values = known_values(images)
    if values is None:
        return
    smallest, largest = values.min(), values.max()  # not a number if one is not
    if not np.isfinite([smallest, largest]).all():
        which = next(i for i, image in enumerate(values) if not np.isfinite(image).all())
        value = values[which][~np.isfinite(values[which])][0]
        name = names[which] if len(names) else f"picture {which} of 0 … {len(values) - 1}"
        raise UsageError(f"pictures must be finite numbers in [0, 1], got {value} in {name}")
    if max(-smallest, largest) > LARGEST_VALUE * (1 if smallest >= 0 else 2):
        raise UsageError(
            f"pictures must be in [0, 1], transformed ones not far beyond, got {dtype} "
            f"values from {smallest:.4g} to {largest:.4g}: divide those of 0 … 255 by 255"
        )


def noise_fields(seeds: Sequence[object], shape: tuple[int, ...]) -> np.ndarray:
    """Draw one field of standard normal noise per seed, by numpy: the same on every backend."""
    fields = np.empty((len(seeds), *shape), np.float32)
    for field, seed in zip(fields, seeds, strict=True):
        parts = seed if isinstance(seed, tuple) else (seed,)
        if not all(isinstance(part, int | np.integer) and part >= 0 for part in parts):
            raise UsageError(f"seed must be a whole number, not negative, got {shown(parts[0])}")
        np.random.default_rng(seed).standard_normal(out=field, dtype=np.float32)  # type: ignore[arg-type]
    return fields


def seed_of(seed: int, path: str) -> tuple[int, int]:
    """Return the noise seed of a picture: the same whatever else is looked at beside it."""
    return seed, zlib.crc32(path.encode())


def _rotated(degrees: Tensor, height: int, width: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    # Whole quarter turns are split off, so that multiples of 90° hit pixel centers exactly.
    quarters = ops.round(degrees / 90)
    radians = (degrees - 90 * quarters) * (np.pi / 180)
    quadrant = ops.cast(ops.mod(quarters, 4), "int32")
    quarter_cos = ops.take(ops.convert_to_tensor((1.0, 0.0, -1.0, 0.0), degrees.dtype), quadrant)
    quarter_sin = ops.take(ops.convert_to_tensor((0.0, 1.0, 0.0, -1.0), degrees.dtype), quadrant)
    cos = ops.cos(radians) * quarter_cos - ops.sin(radians) * quarter_sin
    sin = ops.sin(radians) * quarter_cos + ops.cos(radians) * quarter_sin
    # y runs down, so this reads clockwise and thereby turns the content counter-clockwise.
    return [(cos, -sin, 0), (sin, cos, 0)]


def _grayer(images: Tensor, share: Tensor) -> Tensor:
    weights = ops.convert_to_tensor(GRAY_WEIGHTS, images.dtype)
    gray = ops.sum(images * weights, axis=-1, keepdims=True)
    return (1 - share) * images + share * gray


def _blurred(images: Tensor, sigma: Tensor, fill: str, _: Tensor) -> Tensor:
    """Convolve with a Gaussian, along each axis as a product with a matrix.

    It takes any σ, also one per picture, at the same cost, and cuts the kernel off nowhere.
    """
    _, height, width, channels = images.shape
    sigma = ops.reshape(sigma, (-1, 1, 1))
    rows, columns = (_blur_matrix(sigma, size, fill) for size in (height, width))
    # [N, H, W, C] -> blurred along H -> [N, W, H, C] -> blurred along W -> [N, H, W, C]
    blurred = ops.matmul(rows, ops.reshape(images, (-1, height, width * channels)))
    blurred = ops.transpose(ops.reshape(blurred, (-1, height, width, channels)), (0, 2, 1, 3))
    blurred = ops.matmul(columns, ops.reshape(blurred, (-1, width, height * channels)))
    blurred = ops.transpose(ops.reshape(blurred, (-1, width, height, channels)), (0, 2, 1, 3))
    if fill == "mean":
        mean = ops.mean(images, axis=(1, 2), keepdims=True)
        inside = ops.sum(rows, -1)[:, :, None, None] * ops.sum(columns, -1)[:, None, :, None]
        blurred = blurred + (1 - inside) * mean
    return blurred


def _blur_matrix(sigma: Tensor, size: int, fill: str) -> Tensor:
    """Return the weights [N or 1, size, size] of every input pixel in every output pixel."""
    position = np.arange(size)
    if fill == "reflect":
        # The mirror images of all orders add their weights. From σ = 2 size on the sum is even.
        sigma = ops.minimum(sigma, 2 * size)
        images = np.arange(-16 * size, 17 * size)  # eight times the widest σ to either side
        weights = _gaussian(images - position[:, None], sigma)
        weights = ops.reshape(weights, (-1, size, 33, size))
        odd, even = weights[:, :, 1::2], weights[:, :, 0::2]
        return ops.sum(even, axis=2) + ops.flip(ops.sum(odd, axis=2), axis=-1)
    weights = _gaussian(position - position[:, None], sigma)
    if fill == "edge" and size == 1:  # one pixel stands for everything
        return ops.ones_like(weights)
    if fill == "edge":
        # The border pixels stand for all that lies behind them: the tails of the kernel.
        kernel = _gaussian(position[None, :], sigma)  # [N or 1, 1, size]: distances 0 ... size - 1
        tail = (1 + kernel[..., :1]) / 2 - (ops.cumsum(kernel, axis=-1) - kernel)
        tail = ops.transpose(tail, (0, 2, 1))  # tail[d]: all weights at distance ≥ d on one side
        inside = weights[..., 1:-1]
        weights = ops.concatenate([tail, inside, ops.flip(tail, axis=1)], axis=-1)
    return weights


def _gaussian(distance: np.ndarray, sigma: Tensor) -> Tensor:
    """Return normalized Gaussian weights at whole distances, [N or 1, *distance.shape]."""
    # A σ below a thousandth of a pixel has no weight but at its center, exactly.
    sigma = ops.maximum(sigma, 1e-3)
    near = ops.convert_to_tensor(np.arange(-8, 9) ** 2, sigma.dtype)
    # From σ = 1 on the sum over all integers is the integral, to 5e-9 (Poisson's formula).
    near_sum = ops.sum(ops.exp(-near / (2 * sigma**2)), axis=-1, keepdims=True)
    total = ops.where(sigma < 1, near_sum, sigma * np.sqrt(2 * np.pi))
    return ops.exp(-ops.convert_to_tensor(distance**2, sigma.dtype) / (2 * sigma**2)) / total


def _steps(first: int, last: int, per_unit: float) -> Sweep:
    return lambda width: np.arange(first, last + 1) / per_unit


def _octaves(first: int, last: int) -> Sweep:
    return lambda width: 2.0 ** (np.arange(8 * first, 8 * last + 1) / 8)


_FACTOR: dict[str, Any] = {
    "unit": "×", "identity": 1.0, "lower": 0.0, "lower_included": False, "logarithmic": True
}  # fmt: skip
_ALL = (
    Motion(
        "translation_x", "content moves right", "shift to the right, share of the width",
        _steps(-20, 20, 40), lambda share, _, width: [(1, 0, -share * width), (0, 1, 0)],
    ),
    Motion(
        "translation_y", "content moves down", "shift downwards, share of the height",
        _steps(-20, 20, 40), lambda share, height, _: [(1, 0, 0), (0, 1, -share * height)],
    ),
    Motion(
        "rotation", "content turns counter-clockwise", "rotation, degrees counter-clockwise",
        _steps(0, 72, 0.2), _rotated, unit="°", period=360.0,
    ),
    Motion(
        "scale_x", "content is stretched along x", "horizontal scale, factor",
        _octaves(-2, 2), lambda factor, *_: [(1 / factor, 0, 0), (0, 1, 0)], **_FACTOR,
    ),
    Motion(
        "scale_y", "content is stretched along y", "vertical scale, factor",
        _octaves(-2, 2), lambda factor, *_: [(1, 0, 0), (0, 1 / factor, 0)], **_FACTOR,
    ),
    Motion(
        "zoom", "content is stretched along both", "zoom, factor",
        _octaves(-2, 2), lambda factor, *_: [(1 / factor, 0, 0), (0, 1 / factor, 0)], **_FACTOR,
    ),
    Recoloring(
        "brightness", "a constant is added", "added brightness, full range = 1",
        _steps(-20, 20, 20), lambda images, shift: images + shift,
    ),
    Recoloring(
        "contrast", "every value is multiplied", "contrast, factor",
        _octaves(-4, 2), lambda images, factor: factor * images, **_FACTOR,
    ),
    Recoloring(
        "grayscale", "colors fade to gray", "share of gray",
        _steps(0, 20, 20), _grayer, lower=0.0, upper=1.0,
    ),
    Transformation(
        "blur", "convolution with a Gaussian", "standard deviation of the blur, pixels",
        lambda width: np.arange(41) / 400 * width, _blurred, unit="px", lower=0.0,
    ),
    Transformation(
        "noise", "Gaussian noise is added", "standard deviation of the noise, full range = 1",
        _steps(0, 40, 40), lambda images, sigma, _, noise: images + sigma * noise, lower=0.0,
    ),
)  # fmt: skip

TRANSFORMATIONS: dict[str, Transformation] = {each.name: each for each in _ALL}
