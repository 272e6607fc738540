"""What affine and color matrices are made of, and those of the package's own transformations."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from itn.displacement import Matrix, color_displacement, spatial_displacement
from itn.transformations import GRAY_WEIGHTS, find_transformation

_WEIGHTS = np.array(GRAY_WEIGHTS) / np.sum(GRAY_WEIGHTS)
# An orthonormal basis [3, 2] of the colors without luminance, in which red turns to green.
CHROMA = np.linalg.svd(_WEIGHTS[None])[2][1:].T
CHROMA[:, 1] *= np.sign(np.linalg.det(CHROMA[:2]))

# The transformations that are a matrix; their order decides between members of the same size.
MATRICES = (
    *("rotation", "zoom", "scale_x", "scale_y", "translation_x", "translation_y"),
    *("brightness", "contrast", "grayscale"),
)


def scaled_to(direction: Matrix, displacement: npt.ArrayLike) -> Matrix:
    """Return matrices in given directions from the identity, at given displacements."""
    identity = np.eye(*direction.shape[-2:])
    measure = spatial_displacement if direction.shape[-1] == 3 else color_displacement
    factor = np.asarray(displacement) / measure(identity + direction)
    return np.asarray(identity + direction * factor[..., None, None])


def decompose_spatial(matrix: npt.ArrayLike) -> pd.DataFrame:
    r"""Say what an affine matrix does to the content of a square picture.

    Content moves by the inverse: from q to :math:`L^{-1}(q - t)` for :math:`A = [L, t]`. With
    y downwards,

    .. math:: L^{-1} = \begin{pmatrix} \cos\varphi & \sin\varphi \\ -\sin\varphi & \cos\varphi
        \end{pmatrix} \begin{pmatrix} 1 & s \\ 0 & 1 \end{pmatrix}
        \begin{pmatrix} s_x & 0 \\ 0 & s_y \end{pmatrix}.
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

    Colors are split into luminance :math:`w \cdot c` (gray weights w, sum 1) and the plane
    of colors without luminance with its orthonormal basis E. For :math:`C = [L, b]`: brightness
    :math:`w \cdot b`, contrast :math:`w \cdot L 1`. Chroma is acted on by
    :math:`K = E^+ (1 - 1 w^T) L E`, whose closest similarity has the gain and angle of
    :math:`(K_{11} + K_{22}) + i (K_{21} - K_{12})`, halved.
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
    """
    found: dict[int, tuple[list[Matrix], list[str]]] = {
        3: ([np.eye(2, 3)], ["identity"]),
        4: ([np.eye(3, 4)], ["identity"]),
    }
    for name in MATRICES:
        transformation = find_transformation(name)
        sweep = transformation.sweep(1)  # the width matters for blur alone
        steps = np.arange(len(sweep)) - np.searchsorted(sweep, transformation.identity)
        if transformation.period is not None:  # the sweep ends where it began
            steps = np.minimum(steps, len(sweep) - 1 - steps)
        chosen = sweep[np.isin(np.abs(steps), (1, 4, 16))]
        made = np.asarray(transformation.matrix(chosen.reshape(-1, 1, 1, 1), 2, 2), float)
        matrices, names = found[made.shape[-1]]
        matrices.extend(made)
        names.extend(f"{name} {magnitude:.3g}" for magnitude in chosen)
    (spatial, spatial_names), (color, color_names) = found.values()
    return np.array(spatial), np.array(color), spatial_names, color_names
