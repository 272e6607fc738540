"""Motions of a picture's content in closed form: turn, scale, shear and shift.

Models of motion, as in image registration, each a subset of the one before:

=============  =====================================================  ==================
name           what the content does                                  parameters
=============  =====================================================  ==================
"free"         anything affine: it may be mirrored, or collapse       the 6 entries of A
"affine"       it is turned, sheared, scaled by two factors, shifted  φ, c_x, c_y, a, b, s
"similarity"   it is turned, scaled by one factor, shifted            φ, c_x, c_y, a
"rigid"        it is turned and shifted                               φ, c_x, c_y
"turn"         it is turned about the middle of the picture           φ
=============  =====================================================  ==================

All but the first are groups: with two members, their composition and their inverses are motions
of the same kind. Coordinates run from -1 to 1 over the picture, x right and y down.
"""

import numpy as np

from itn import ops
from itn.messages import unknown
from itn.warp import Tensor

# How many parameters each has.
MOTIONS = {"free": 6, "affine": 6, "similarity": 4, "rigid": 3, "turn": 1}


def check_motion(motion: str) -> None:
    """Raise a UsageError unless the motion is one of `MOTIONS`."""
    if not isinstance(motion, str) or motion not in MOTIONS:
        raise unknown("motion", motion, MOTIONS)


def motion_at_rest(motion: str) -> np.ndarray:
    """Return the parameters with which the content stays where it is."""
    return np.eye(2, 3).reshape(-1) if motion == "free" else np.zeros(MOTIONS[motion])


def motion_matrix(parameters: Tensor, motion: str) -> Tensor:
    r"""Return the affine matrices [N, 2, 3] of motions [N, P].

    The content moves from q to :math:`R(\varphi)\, K(s)\, S(a, b)\, q + c`, with

    .. math:: R = \begin{pmatrix} \cos\varphi & \sin\varphi \\ -\sin\varphi & \cos\varphi
        \end{pmatrix}, \quad K = \begin{pmatrix} 1 & s \\ 0 & 1 \end{pmatrix}, \quad
        S = \begin{pmatrix} e^a & 0 \\ 0 & e^b \end{pmatrix}.

    What is returned maps, as everywhere, where a pixel is *written* to where it is *read*:
    :math:`A = [L, -L c]` with :math:`L = S^{-1} K^{-1} R^{-1}`. All parameters 0 are the identity,
    exactly.

    Parameters
    ----------
    parameters : tensor [N, P]
        In this order: φ, the turn counter-clockwise as displayed, in radians; c, the shift right
        and down, in half widths and half heights; a and b, logarithms of the scales (of one, both,
        for "similarity"; positive enlarges); s, the shear. For "free": the entries of A, row by
        row.
    motion : {"free", "affine", "similarity", "rigid", "turn"}
        Which of them there are.

    Returns
    -------
    tensor [N, 2, 3]
        Differentiable in the parameters.
    """
    if motion == "free":
        return ops.reshape(parameters, (-1, 2, 3))
    given = [parameters[:, index] for index in range(MOTIONS[motion])]
    if motion == "similarity":
        given.append(given[3])  # one scale for both
    given += [ops.zeros_like(given[0])] * (MOTIONS["affine"] - len(given))
    turn, right, down, log_x, log_y, shear = given
    cos, sin, narrower, flatter = ops.cos(turn), ops.sin(turn), ops.exp(-log_x), ops.exp(-log_y)
    rows = (
        (narrower * (cos - shear * sin), -narrower * (sin + shear * cos)),
        (flatter * sin, flatter * cos),
    )
    entries = [each for x, y in rows for each in (x, y, -(x * right + y * down))]
    return ops.reshape(ops.stack(entries, axis=1), (-1, 2, 3))
