"""What matrices do to pictures: the one warp, of places, and the product with colors.

Rotation, translation, scale, zoom and the spatial transformer of the Invariant Transformer Net
all go through `affine_warp`: batched, differentiable bilinear sampling.

Convention
----------
Pictures are ``[N, H, W, C]``; x runs right, y runs down, pixel centers are at integer
coordinates and the origin of the matrix is the picture's center ``((W - 1)/2, (H - 1)/2)``.
The matrix is in pixels and maps where a pixel *is written* to where it *is read*.
"""

from typing import Any

import numpy as np

from itn import ops
from itn.messages import UsageError, shown, unknown

Tensor = Any  # a tensor of the Keras backend in use

LARGEST_ENTRY = 1e9  # of a matrix: beyond, sums of products leave the range of float32

FILLS = ("zeros", "edge", "reflect", "mean")


def affine_warp(images: Tensor, matrix: Tensor, fill: str = "zeros") -> Tensor:
    """Resample pictures at affinely transformed coordinates.

    With the center c, ``output(p) = input(c + A [p - c, 1])``: the matrix maps output to
    input coordinates, so ``diag(2, 2)`` shows a larger part of the scene, half as large.

    Parameters
    ----------
    images : tensor [N, H, W, C], float32 or float64
        Pictures, channels last.
    matrix : tensor [N, 2, 3] or [1, 2, 3] or [2, 3], of the dtype of `images`
        Rows give x and y (in this order) of the point to read, in pixels from the center.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside the picture: 0, the nearest pixel, the mirror image including
        the border pixel (``d c b a | a b c d | d c b a``), or each picture's mean color.
        The pixels outside take part in the interpolation (`scipy.ndimage` calls the four
        ``grid-constant``, ``nearest``, ``reflect``, and ``grid-constant`` with ``cval``).

    Returns
    -------
    tensor [N, H, W, C], dtype of `images`
        Differentiable in `images` and in `matrix`.

    Raises
    ------
    UsageError
        If `fill` is not one of the four, pictures are not [N, H, W, C] in float32 or float64, or
        matrices are not [2, 3], one or one for each picture, of finite numbers up to 1e9. What is
        not known before it is computed, as within a compiled function, is not looked at.

    Notes
    -----
    Bilinear sampling follows the spatial transformer (Jaderberg et al. 2015, eq. 5).
    There is no low-pass filter: strong shrinking aliases.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.arange(4.0, dtype="float32").reshape(1, 1, 4, 1)
    >>> one_pixel_to_the_left = np.array([[1, 0, 1], [0, 1, 0]], "float32")
    >>> np.asarray(affine_warp(images, one_pixel_to_the_left))[0, 0, :, 0]
    array([1., 2., 3., 0.], dtype=float32)
    """
    check_fill(fill)
    images = _checked_pictures(images)
    _, height, width, channels = images.shape
    count = ops.shape(images)[0]
    dtype = images.dtype
    matrix = _checked_matrix(matrix, images.shape[0], dtype)
    if 0 in images.shape:
        return images
    matrix = ops.reshape(matrix, (-1, 2, 3, 1, 1))

    x_out = ops.convert_to_tensor(np.arange(width) - (width - 1) / 2, dtype)[None, None, :]
    y_out = ops.convert_to_tensor(np.arange(height) - (height - 1) / 2, dtype)[None, :, None]
    x, y = (
        matrix[:, row, 0] * x_out + matrix[:, row, 1] * y_out + matrix[:, row, 2] + (size - 1) / 2
        for row, size in ((0, width), (1, height))
    )  # each [N or 1, H, W]
    x, y = _into_frame(x, width, fill), _into_frame(y, height, fill)
    left, top = ops.floor(x), ops.floor(y)
    right_share, bottom_share = (x - left)[..., None], (y - top)[..., None]

    # A frame of one pixel before and two behind holds what lies outside, so that all four
    # neighbors of any coordinate in [-1, size] exist and need no mask.
    framed = _framed(images, fill)  # [N, H + 3, W + 3, C]
    pixels = ops.reshape(framed, (-1, channels))
    row_length, picture_length = width + 3, (width + 3) * (height + 3)
    index = (ops.cast(top, "int32") + 1) * row_length + ops.cast(left, "int32") + 1
    index = index + ops.reshape(ops.arange(count, dtype="int32") * picture_length, (-1, 1, 1))

    above = _mix(pixels, index, index + 1, right_share)
    below = _mix(pixels, index + row_length, index + row_length + 1, right_share)
    return above * (1 - bottom_share) + below * bottom_share


def recolor(images: Tensor, matrix: Tensor) -> Tensor:
    """Multiply the homogeneous colors ``(R, G, B, 1)`` of pictures by matrices [N, 3, 4]."""
    columns = ops.convert_to_tensor(matrix)[:, None, None]  # [N, 1, 1, 3, 4]
    # One product for each channel that is read is faster than a product of 3 x 3 a pixel.
    recolored = sum(images[..., i : i + 1] * columns[..., i] for i in range(3))
    return recolored + columns[..., 3]


def in_pixels(matrix: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Convert affine matrices to pixels, from coordinates that run from -1 to 1 over a picture."""
    height, width = shape[1:3]
    factors = [[1, width / height, width / 2], [height / width, 1, height / 2]]
    return matrix * np.array(factors, "float32")


def check_fill(fill: str) -> None:
    """Raise a UsageError unless the fill is one of `FILLS`."""
    if not isinstance(fill, str) or fill not in FILLS:
        raise unknown("fill", fill, FILLS)


def known_values(tensor: Tensor) -> np.ndarray | None:
    """Return the numbers of a tensor; None where it is symbolic and has none yet."""
    try:
        return np.asarray(tensor)
    except (TypeError, ValueError, NotImplementedError, RuntimeError):  # each library has its own
        return None


def _checked_pictures(given: Tensor) -> Tensor:
    """Return pictures as a tensor, or refuse what are none."""
    images = _as_tensor(given, "pictures")
    dtype = getattr(images.dtype, "name", str(images.dtype))
    if len(images.shape) != 4 or None in images.shape[1:] or dtype not in ("float32", "float64"):
        raise UsageError(
            f"pictures must have the shape [N, H, W, C], in float32 or float64, got "
            f"{list(images.shape)} in {dtype}"
        )
    return images


def _checked_matrix(given: Tensor, count: int | None, dtype: Any) -> Tensor:
    """Return matrices as a tensor, or refuse what are none, or not as many as pictures."""
    matrix = _as_tensor(given, "matrices")
    shape, known = tuple(matrix.shape), getattr(matrix.dtype, "name", str(matrix.dtype))
    many = (1,) if len(shape) == 2 else shape[:1]
    fits = len(shape) in (2, 3) and shape[-2:] == (2, 3)
    if not fits or not any(one in (1, None, count) or count is None for one in many):
        raise UsageError(
            f"matrices must have the shape [2, 3], [1, 2, 3] or [N, 2, 3] for N pictures, got "
            f"{list(shape)} for {count}"
        )
    if not known.startswith(("float", "bfloat", "int", "uint")):
        raise UsageError(f"matrices must be of real numbers, got {known}")
    values = known_values(matrix)
    if values is not None and not (np.abs(values) <= LARGEST_ENTRY).all():
        raise UsageError(
            f"matrices must be of finite numbers up to {LARGEST_ENTRY:g}, got {shown(values)}"
        )
    return ops.cast(matrix, dtype)


def _as_tensor(given: Tensor, what: str) -> Tensor:
    try:
        return ops.convert_to_tensor(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{what} must be an array of numbers, got {shown(given)}") from error


def _mix(pixels: Tensor, first: Tensor, second: Tensor, second_share: Tensor) -> Tensor:
    first_part = ops.take(pixels, first, axis=0) * (1 - second_share)
    return first_part + ops.take(pixels, second, axis=0) * second_share


def _into_frame(coordinate: Tensor, size: int, fill: str) -> Tensor:
    """Bring coordinates into [-1, size], where the framed picture is defined."""
    if fill == "edge":
        return ops.clip(coordinate, 0, size - 1)
    if fill == "reflect":  # triangle wave of period 2 * size about the outer pixel edges
        return size - ops.abs(ops.mod(coordinate + 0.5, 2 * size) - size) - 0.5
    return ops.clip(coordinate, -1, size)


def _framed(images: Tensor, fill: str) -> Tensor:
    frame = ((0, 0), (1, 2), (1, 2), (0, 0))
    if fill == "reflect" or fill == "edge":
        return ops.take(
            ops.take(images, _frame_index(images.shape[1]), axis=1),
            _frame_index(images.shape[2]),
            axis=2,
        )
    framed = ops.pad(images, frame)
    if fill == "mean":
        outside = np.pad(np.zeros((1, *images.shape[1:3], 1)), frame, constant_values=1)
        mean = ops.mean(images, axis=(1, 2), keepdims=True)
        framed = framed + ops.convert_to_tensor(outside, images.dtype) * mean
    return framed


def _frame_index(size: int) -> np.ndarray:
    return np.pad(np.arange(size, dtype="int32"), (1, 2), mode="edge")
