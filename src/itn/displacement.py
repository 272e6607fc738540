"""How far affine matrices, color matrices and kernels move things.

Spatial matrices ``[..., 2, 3]`` map where a pixel is written to where it is read, in coordinates
that run from -1 to 1 over the picture, x right and y down. Color matrices ``[..., 3, 4]`` act on
homogeneous colors ``(R, G, B, 1)``. Kernels ``[..., 3, k, k]`` are laid over the picture, one for
each channel. See `itn.transformer_layers`.
"""

import itertools

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

PICTURE_CORNERS = np.array([(x, y, 1) for x in (-1, 1) for y in (-1, 1)], float)  # [4, 3]
COLOR_CORNERS = np.array([(*color, 1) for color in itertools.product((0, 1), repeat=3)], float)


def spatial_displacement(matrix: npt.ArrayLike) -> Matrix:
    """Return how far an affine matrix moves the picture's corners, on average.

    The mean distance between a corner and where it is read, in units of the width.
    """
    return _displacement(matrix, PICTURE_CORNERS, 2.0)


def color_displacement(matrix: npt.ArrayLike) -> Matrix:
    """Return how far a color matrix moves the corners of the color cube, on average.

    Of each corner the root mean square over the channels, full range = 1.
    """
    return _displacement(matrix, COLOR_CORNERS, np.sqrt(3))


def kernel_displacement(kernels: npt.ArrayLike) -> Matrix:
    r"""Return how far kernels [..., 3, k, k] change the middle of a patch, on average.

    The root mean square over the channels and over all black-and-white patches of k x k pixels,
    the corners of their cube, full range = 1. For the change d of a kernel from the identity it is
    :math:`\sqrt{\sum d^2 + (\sum d)^2} / 2`, squared before the mean over the channels.
    """
    kernels = np.asarray(kernels, float)
    identity, middle = np.zeros(kernels.shape[-2:]), kernels.shape[-1] // 2
    identity[middle, middle] = 1
    change = kernels - identity
    squares = np.square(change).sum(axis=(-2, -1)) + np.square(change.sum(axis=(-2, -1)))
    return np.asarray(np.sqrt(squares.mean(axis=-1)) / 2)


def _displacement(matrix: npt.ArrayLike, corners: Matrix, unit: float) -> Matrix:
    matrix = np.asarray(matrix, float)
    moved = np.einsum("...rc,pc->...pr", matrix - np.eye(*matrix.shape[-2:]), corners)
    return np.asarray(np.linalg.norm(moved, axis=-1).mean(axis=-1) / unit)
