"""How far affine and color matrices move things.

Spatial matrices ``[..., 2, 3]`` map where a pixel is written to where it is read, in coordinates
that run from -1 to 1 over the picture, x right and y down. Color matrices ``[..., 3, 4]`` act on
homogeneous colors ``(R, G, B, 1)``. See `itn.invariant_transformer`.
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


def _displacement(matrix: npt.ArrayLike, corners: Matrix, unit: float) -> Matrix:
    matrix = np.asarray(matrix, float)
    moved = np.einsum("...rc,pc->...pr", matrix - np.eye(*matrix.shape[-2:]), corners)
    return np.asarray(np.linalg.norm(moved, axis=-1).mean(axis=-1) / unit)
