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
from dataclasses import dataclass
from typing import Any

import numpy as np

from itn import ops
from itn.messages import UsageError, unknown
from itn.warp import Tensor, affine_warp, check_fill

Sweep = Callable[[int], np.ndarray]
Apply = Callable[[Tensor, Tensor, str, Tensor], Tensor]

GRAY_WEIGHTS = (0.2989, 0.587, 0.114)  # of red, green and blue
# Nothing is clipped, so transformed pictures leave [0, 1]. The greatest contrast of the default
# sweep, twice, ends here; with noise before it, it goes twice as far, but then on both sides of 0.
LARGEST_VALUE = 16


@dataclass(frozen=True)
class Transformation:
    """What one transformation does, and what its magnitude means.

    Attributes
    ----------
    name : str
        The name `transform` knows it by.
    effect : str
        What happens to the picture as the magnitude grows.
    magnitude : str
        What the magnitude measures, for the axis of a figure.
    unit : str
        Unit of the magnitude, empty for plain numbers.
    identity : float
        The magnitude that leaves the picture as it is.
    lower, upper : float
        Smallest and largest possible magnitude.
    lower_included : bool
        Whether `lower` itself is possible.
    logarithmic : bool
        Whether the magnitude is a factor, swept and drawn on a logarithmic scale.
    period : float or None
        The magnitude after which the transformation repeats itself.
    sweep : callable
        Width of the pictures in pixels -> default magnitudes, float64, increasing, the
        identity among them.
    apply : callable
        (images [N, H, W, 3], magnitude [N, 1, 1, 1] or [1, 1, 1, 1], fill, noise) -> pictures.
        Differentiable; checks nothing.
    """

    name: str
    effect: str
    magnitude: str
    unit: str
    identity: float
    sweep: Sweep
    apply: Apply
    lower: float = -np.inf
    upper: float = np.inf
    lower_included: bool = True
    logarithmic: bool = False
    period: float | None = None

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
            raise UsageError(f"magnitude of {self.name} must be {self._range()}, got {magnitude}")
        return values

    def _range(self) -> str:
        if np.isinf(self.lower):
            return "a finite number"
        if np.isinf(self.upper):
            return f"a finite number {'≥' if self.lower_included else '>'} {self.lower:g}"
        return f"a number from {self.lower:g} to {self.upper:g}"


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
        What lies outside the picture, see `itn.warp.affine_warp`. Used by the transformations
        that move pixels, and by blur.
    seed : int or array of int [N], default 0
        Seed of the noise fields, used by noise only: picture i gets the field of
        ``(seed, i)``, or of its own seed where there is one for each.
    clip : bool, default False
        Whether to clip the result to [0, 1]. The paper clips nothing.

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
    images = images if hasattr(images, "dtype") else ops.convert_to_tensor(images)
    check_pictures(images)
    images = ops.convert_to_tensor(images)
    values = transformation.checked(magnitude)
    if values.ndim > 1 or values.size not in (1, len(images)):
        raise UsageError(
            f"magnitude must be one number or one for each of the {len(images)} pictures, "
            f"got shape {values.shape}"
        )
    noise = None
    if name == "noise":
        seeds = [(seed, i) for i in range(len(images))] if np.ndim(seed) == 0 else list(seed)  # type: ignore[arg-type]
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
        Its description.

    Raises
    ------
    UsageError
        If there is none of that name; the message names the closest.

    Examples
    --------
    >>> find_transformation("zoom").identity
    1.0
    """
    if name not in TRANSFORMATIONS:
        raise unknown("transformation", name, TRANSFORMATIONS)
    return TRANSFORMATIONS[name]


def check_pictures(images: Any, names: Sequence[str] = ()) -> None:
    """Refuse what is no pictures in [0, 1], before anything is computed from it.

    Shape and type are always looked at: ``[N, H, W, 3]``, float32 or float64. Values have to be
    finite. Since transformed pictures may be looked at and transformed again, and nothing is
    clipped, they may leave [0, 1]: up to 16, or up to ±32 where there are negative ones among
    them, which is where any two of the default sweeps can lead. Pictures of 0 … 255 go beyond,
    unless all are nearly black. The values of a symbolic tensor cannot be looked at, nor those of
    pictures that are not in memory: these are checked batch by batch when they are.
    """
    if len(images.shape) != 4 or images.shape[-1] != 3:
        raise UsageError(f"pictures must have the shape [N, H, W, 3], got {tuple(images.shape)}")
    dtype = getattr(images.dtype, "name", str(images.dtype))
    if dtype not in ("float32", "float64"):
        raise UsageError(
            f"pictures must be float32 or float64 in [0, 1], got {dtype}: divide those of "
            "0 … 255 by 255"
        )
    if not (isinstance(images, np.ndarray) or ops.is_tensor(images)) or 0 in images.shape:
        return
    try:
        values = np.asarray(images)
    except (TypeError, ValueError, NotImplementedError):  # symbolic; each library has its own
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
    """Draw one field of standard normal noise per seed.

    The fields come from numpy, so that they are the same on every backend.
    """
    fields = np.empty((len(seeds), *shape), np.float32)
    for field, seed in zip(fields, seeds, strict=True):
        np.random.default_rng(seed).standard_normal(out=field, dtype=np.float32)  # type: ignore[arg-type]
    return fields


def seed_of(seed: int, path: str) -> tuple[int, int]:
    """Return the noise seed of a picture, from the run's seed and the picture's own name.

    A picture keeps its noise field whatever else is looked at beside it.
    """
    return seed, zlib.crc32(path.encode())


def _affine(
    images: Tensor, magnitude: Tensor, rows: Sequence[Sequence[Tensor | float]], fill: str
) -> Tensor:
    """Warp with the matrix of these entries, each a number or shaped like the magnitude."""
    ones = ops.ones_like(magnitude)
    entries = ops.stack([ops.reshape(ones * entry, (-1,)) for row in rows for entry in row], -1)
    return affine_warp(images, ops.reshape(entries, (-1, 2, 3)), fill)


def _translation_x(images: Tensor, share: Tensor, fill: str, _: Tensor) -> Tensor:
    return _affine(images, share, [(1, 0, -share * images.shape[2]), (0, 1, 0)], fill)


def _translation_y(images: Tensor, share: Tensor, fill: str, _: Tensor) -> Tensor:
    return _affine(images, share, [(1, 0, 0), (0, 1, -share * images.shape[1])], fill)


def _rotation(images: Tensor, degrees: Tensor, fill: str, _: Tensor) -> Tensor:
    # Whole quarter turns are split off, so that multiples of 90° hit pixel centers exactly.
    quarters = ops.round(degrees / 90)
    radians = (degrees - 90 * quarters) * (np.pi / 180)
    quadrant = ops.cast(ops.mod(quarters, 4), "int32")
    quarter_cos = ops.take(ops.convert_to_tensor((1.0, 0.0, -1.0, 0.0), images.dtype), quadrant)
    quarter_sin = ops.take(ops.convert_to_tensor((0.0, 1.0, 0.0, -1.0), images.dtype), quadrant)
    cos = ops.cos(radians) * quarter_cos - ops.sin(radians) * quarter_sin
    sin = ops.sin(radians) * quarter_cos + ops.cos(radians) * quarter_sin
    # y runs down, so this reads clockwise and thereby turns the content counter-clockwise.
    return _affine(images, degrees, [(cos, -sin, 0), (sin, cos, 0)], fill)


def _scale_x(images: Tensor, factor: Tensor, fill: str, _: Tensor) -> Tensor:
    return _affine(images, factor, [(1 / factor, 0, 0), (0, 1, 0)], fill)


def _scale_y(images: Tensor, factor: Tensor, fill: str, _: Tensor) -> Tensor:
    return _affine(images, factor, [(1, 0, 0), (0, 1 / factor, 0)], fill)


def _zoom(images: Tensor, factor: Tensor, fill: str, _: Tensor) -> Tensor:
    return _affine(images, factor, [(1 / factor, 0, 0), (0, 1 / factor, 0)], fill)


def _brightness(images: Tensor, shift: Tensor, _fill: str, _: Tensor) -> Tensor:
    return images + shift


def _contrast(images: Tensor, factor: Tensor, _fill: str, _: Tensor) -> Tensor:
    return factor * images


def _grayscale(images: Tensor, share: Tensor, _fill: str, _: Tensor) -> Tensor:
    weights = ops.convert_to_tensor(GRAY_WEIGHTS, images.dtype)
    gray = ops.sum(images * weights, axis=-1, keepdims=True)
    return (1 - share) * images + share * gray


def _noise(images: Tensor, deviation: Tensor, _fill: str, noise: Tensor) -> Tensor:
    return images + deviation * noise


def _blur(images: Tensor, sigma: Tensor, fill: str, _: Tensor) -> Tensor:
    """Convolve with a Gaussian, one axis after the other, each as a product with a matrix.

    A product with a matrix ``[H, H]`` takes any σ, also one per picture, at the same cost,
    and cuts the kernel off nowhere.
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


def _factor(name: str, effect: str, magnitude: str, octaves: int, apply: Apply) -> Transformation:
    return Transformation(
        name, effect, magnitude, "×", 1.0, _octaves(-octaves, 2), apply,
        lower=0.0, lower_included=False, logarithmic=True,
    )  # fmt: skip


def _plain(
    name: str, effect: str, magnitude: str, sweep: Sweep, apply: Apply, **limits: Any
) -> Transformation:
    unit = limits.pop("unit", "")
    return Transformation(name, effect, magnitude, unit, 0.0, sweep, apply, **limits)


_ALL = (
    _plain(
        "translation_x", "content moves right", "shift to the right, share of the width",
        _steps(-20, 20, 40), _translation_x,
    ),
    _plain(
        "translation_y", "content moves down", "shift downwards, share of the height",
        _steps(-20, 20, 40), _translation_y,
    ),
    _plain(
        "rotation", "content turns counter-clockwise", "rotation, degrees counter-clockwise",
        _steps(0, 72, 0.2), _rotation, unit="°", period=360.0,
    ),
    _factor("scale_x", "content is stretched along x", "horizontal scale, factor", 2, _scale_x),
    _factor("scale_y", "content is stretched along y", "vertical scale, factor", 2, _scale_y),
    _factor("zoom", "content is stretched along both", "zoom, factor", 2, _zoom),
    _plain(
        "brightness", "a constant is added", "added brightness, full range = 1",
        _steps(-20, 20, 20), _brightness,
    ),
    _factor("contrast", "every value is multiplied", "contrast, factor", 4, _contrast),
    _plain(
        "grayscale", "colors fade to gray", "share of gray",
        _steps(0, 20, 20), _grayscale, lower=0.0, upper=1.0,
    ),
    _plain(
        "blur", "convolution with a Gaussian", "standard deviation of the blur, pixels",
        lambda width: np.arange(41) / 400 * width, _blur, unit="px", lower=0.0,
    ),
    _plain(
        "noise", "Gaussian noise is added", "standard deviation of the noise, full range = 1",
        _steps(0, 40, 40), _noise, lower=0.0,
    ),
)  # fmt: skip

TRANSFORMATIONS: dict[str, Transformation] = {each.name: each for each in _ALL}
