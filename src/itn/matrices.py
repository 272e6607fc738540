"""What affine and color matrices do, in words: how far they move things, and what they are made of.

Spatial matrices ``[..., 2, 3]`` map where a pixel is written to where it is read, in coordinates
that run from -1 to 1 over the picture, x right and y down. Color matrices ``[..., 3, 4]`` act on
homogeneous colors ``(R, G, B, 1)``. See `itn.invariant_transformer`.
"""

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from itn.transformations import GRAY_WEIGHTS, find_transformation

Matrix = npt.NDArray[np.float64]

PICTURE_CORNERS = np.array([(x, y, 1) for x in (-1, 1) for y in (-1, 1)], float)  # [4, 3]
COLOR_CORNERS = np.array([(*color, 1) for color in itertools.product((0, 1), repeat=3)], float)
_WEIGHTS = np.array(GRAY_WEIGHTS) / np.sum(GRAY_WEIGHTS)
# An orthonormal basis [3, 2] of the colors without luminance, in which red turns to green.
CHROMA = np.linalg.svd(_WEIGHTS[None])[2][1:].T
CHROMA[:, 1] *= np.sign(np.linalg.det(CHROMA[:2]))


def spatial_displacement(matrix: npt.ArrayLike) -> Matrix:
    """Return how far an affine matrix moves the picture's corners, on average.

    Parameters
    ----------
    matrix : array [..., 2, 3]
        Spatial matrices.

    Returns
    -------
    ndarray [...]
        Mean distance between a corner and where it is read, in units of the width.

    Examples
    --------
    >>> float(spatial_displacement([[1, 0, 0.5], [0, 1, 0]]))  # a quarter of the width
    0.25
    """
    return _displacement(matrix, PICTURE_CORNERS, 2.0)


def color_displacement(matrix: npt.ArrayLike) -> Matrix:
    """Return how far a color matrix moves the corners of the color cube, on average.

    Parameters
    ----------
    matrix : array [..., 3, 4]
        Color matrices.

    Returns
    -------
    ndarray [...]
        Mean over the cube's corners of the root mean square over the channels, full range = 1.

    Examples
    --------
    >>> float(color_displacement(np.eye(3, 4) + [[0, 0, 0, 0.25]] * 3).round(6))
    0.25
    """
    return _displacement(matrix, COLOR_CORNERS, np.sqrt(3))


def _displacement(matrix: npt.ArrayLike, corners: Matrix, unit: float) -> Matrix:
    moved = np.einsum("...rc,pc->...pr", _from_identity(matrix), corners)
    return np.asarray(np.linalg.norm(moved, axis=-1).mean(axis=-1) / unit)


def _from_identity(matrix: npt.ArrayLike) -> Matrix:
    matrix = np.asarray(matrix, float)
    return np.asarray(matrix - np.eye(*matrix.shape[-2:]))


def scaled_to(direction: Matrix, displacement: npt.ArrayLike) -> Matrix:
    """Return matrices in given directions from the identity, at given displacements.

    Parameters
    ----------
    direction : ndarray [M, 2, 3] or [M, 3, 4]
        Differences from the identity, of any size.
    displacement : array [M] or float
        What `spatial_displacement` or `color_displacement` of the result is to be.

    Returns
    -------
    ndarray [M, 2, 3] or [M, 3, 4]
        Matrices.

    Examples
    --------
    >>> scaled_to(np.array([[[0, 0, 7.0], [0, 0, 0]]]), 0.25).tolist()
    [[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]
    """
    identity = np.eye(*direction.shape[-2:])
    measure = spatial_displacement if direction.shape[-1] == 3 else color_displacement
    factor = np.asarray(displacement) / measure(identity + direction)
    return np.asarray(identity + direction * factor[..., None, None])


def decompose_spatial(matrix: npt.ArrayLike) -> pd.DataFrame:
    r"""Say what an affine matrix does to the content of a square picture.

    Parameters
    ----------
    matrix : array [M, 2, 3]
        Spatial matrices, not singular.

    Returns
    -------
    pandas.DataFrame
        One row a matrix; its columns have the units of `itn.transform`: ``rotation`` (degrees,
        counter-clockwise), ``scale_x``, ``scale_y`` (factors, > 1 enlarges; a mirror image has
        a negative ``scale_y``), ``shear`` (shift to the right per unit downwards, before the
        rotation), ``translation_x``, ``translation_y`` (of the center to the right and
        downwards, shares of the width).

    Notes
    -----
    Content moves by the inverse: from q to :math:`L^{-1}(q - t)` for :math:`A = [L, t]`. With
    y downwards,

    .. math:: L^{-1} = \begin{pmatrix} \cos\varphi & \sin\varphi \\ -\sin\varphi & \cos\varphi
        \end{pmatrix} \begin{pmatrix} 1 & s \\ 0 & 1 \end{pmatrix}
        \begin{pmatrix} s_x & 0 \\ 0 & s_y \end{pmatrix}.

    Examples
    --------
    >>> decompose_spatial([[[0.5, 0, 0], [0, 0.5, 0]]]).round(3).iloc[0].to_dict()["scale_x"]
    2.0
    """
    matrix = np.asarray(matrix, float)
    content = np.linalg.inv(matrix[:, :, :2])
    shift = -np.einsum("mrc,mc->mr", content, matrix[:, :, 2]) / 2  # half widths -> widths
    (a, b), (c, d) = content.transpose(1, 2, 0)
    scale_x = np.hypot(a, c)
    cos, sin = a / scale_x, -c / scale_x
    scale_y = (a * d - b * c) / scale_x
    return pd.DataFrame(
        {
            "rotation": np.degrees(np.arctan2(sin, cos)),
            "scale_x": scale_x,
            "scale_y": scale_y,
            "shear": (cos * b - sin * d) / scale_y,
            "translation_x": shift[:, 0],
            "translation_y": shift[:, 1],
        }
    )


def decompose_color(matrix: npt.ArrayLike) -> pd.DataFrame:
    r"""Say what a color matrix does.

    Parameters
    ----------
    matrix : array [M, 3, 4]
        Color matrices.

    Returns
    -------
    pandas.DataFrame
        One row a matrix: ``brightness`` (luminance added to black), ``contrast`` (gain of the
        luminance from black to white), ``saturation`` (gain of the chroma relative to that of
        the luminance; 1 - m for a share m of gray), ``hue`` (degrees by which chroma turns).

    Notes
    -----
    Colors are split into luminance :math:`w \cdot c` (gray weights w, sum 1) and the plane
    of colors without luminance with its orthonormal basis E. For :math:`C = [L, b]`: brightness
    :math:`w \cdot b`, contrast :math:`w \cdot L 1`. Chroma is acted on by
    :math:`K = E^+ (1 - 1 w^T) L E`, whose closest similarity has the gain and angle of
    :math:`(K_{11} + K_{22}) + i (K_{21} - K_{12})`, halved.

    Examples
    --------
    >>> half_gray = 0.5 * np.eye(3) + 0.5 * np.outer(np.ones(3), GRAY_WEIGHTS)
    >>> found = decompose_color([np.c_[half_gray, [0.1, 0.1, 0.1]]])
    >>> found.iloc[0].abs().round(3).to_dict()
    {'brightness': 0.1, 'contrast': 1.0, 'saturation': 0.5, 'hue': 0.0}
    """
    matrix = np.asarray(matrix, float)
    linear, shift = matrix[:, :, :3], matrix[:, :, 3]
    contrast = linear.sum(axis=2) @ _WEIGHTS
    chroma_only = np.eye(3) - np.outer(np.ones(3), _WEIGHTS)
    inner = np.linalg.pinv(CHROMA) @ chroma_only @ linear @ CHROMA  # [M, 2, 2]
    turn = (inner[:, 0, 0] + inner[:, 1, 1] + 1j * (inner[:, 1, 0] - inner[:, 0, 1])) / 2
    return pd.DataFrame(
        {
            "brightness": shift @ _WEIGHTS,
            "contrast": contrast,
            "saturation": np.abs(turn) / contrast,
            "hue": np.degrees(np.angle(turn)),
        }
    )


def known_matrices() -> tuple[Matrix, Matrix, list[str], list[str]]:
    """Return matrices of the package's own transformations, denser near the identity.

    Of each sweep those magnitudes are taken that lie 1, 4 or 16 steps from the identity.

    Returns
    -------
    spatial : ndarray [S, 2, 3]
        Rotations, zooms, scalings and translations, the identity first.
    color : ndarray [T, 3, 4]
        Brightness, contrast and gray, the identity first.
    spatial_names, color_names : list of str
        What each one is, e.g. ``"rotation 10"``.

    Examples
    --------
    >>> spatial, color, spatial_names, _ = known_matrices()
    >>> spatial[spatial_names.index("zoom 4")].tolist()
    [[0.25, 0.0, 0.0], [0.0, 0.25, 0.0]]
    """
    gray = np.outer(np.ones(3), GRAY_WEIGHTS)

    def turn(degrees: float) -> Matrix:
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        return np.array([[cos, -sin, 0], [sin, cos, 0]])

    makers: dict[str, Callable[[float], Matrix]] = {
        "rotation": turn,
        "zoom": lambda m: np.array([[1 / m, 0, 0], [0, 1 / m, 0]]),
        "scale_x": lambda m: np.array([[1 / m, 0, 0], [0, 1.0, 0]]),
        "scale_y": lambda m: np.array([[1.0, 0, 0], [0, 1 / m, 0]]),
        "translation_x": lambda m: np.array([[1.0, 0, -2 * m], [0, 1, 0]]),
        "translation_y": lambda m: np.array([[1.0, 0, 0], [0, 1, -2 * m]]),
        "brightness": lambda m: np.c_[np.eye(3), [m, m, m]],
        "contrast": lambda m: np.c_[m * np.eye(3), np.zeros(3)],
        "grayscale": lambda m: np.c_[(1 - m) * np.eye(3) + m * gray, np.zeros(3)],
    }
    found: dict[int, tuple[list[Matrix], list[str]]] = {
        3: ([np.eye(2, 3)], ["identity"]),
        4: ([np.eye(3, 4)], ["identity"]),
    }
    for name, maker in makers.items():
        transformation = find_transformation(name)
        sweep = transformation.sweep(1)  # the width matters for blur alone
        steps = np.arange(len(sweep)) - np.searchsorted(sweep, transformation.identity)
        if transformation.period is not None:  # the sweep ends where it began
            steps = np.minimum(steps, len(sweep) - 1 - steps)
        for magnitude in sweep[np.isin(np.abs(steps), (1, 4, 16))]:
            matrix = maker(magnitude)
            matrices, names = found[matrix.shape[-1]]
            matrices.append(matrix)
            names.append(f"{name} {magnitude:.3g}")
    (spatial, spatial_names), (color, color_names) = found.values()
    return np.array(spatial), np.array(color), spatial_names, color_names
