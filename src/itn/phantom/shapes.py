"""The outlines and textures of the phantom's objects, and their colors."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

# float32 [B, H, W], or [B, 1, 1] for one value per picture
Plane: TypeAlias = npt.NDArray[np.floating]
# (u, v, frequency) -> (depth below the outline, texture from -1 to 1). The object has the radius 1,
# u runs right, v runs up.
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


class Look(NamedTuple):
    """How the objects of a class look."""

    shape: Shape
    light: tuple[float, float, float]  # color between the stripes
    dark: tuple[float, float, float]  # color of the stripes
    bevel: float  # depth at which the surface is level
    ground: float = 0.0  # gray behind the object, fading outwards


LOOKS: dict[str, Look] = {
    "rings": Look(_rings, (0.98, 0.86, 0.36), (0.78, 0.48, 0.06), 1.0, 0.16),
    "clover": Look(_clover, (0.80, 0.62, 0.98), (0.44, 0.22, 0.70), 0.55, 0.16),
    "capsule": Look(_capsule, (0.46, 0.92, 0.62), (0.03, 0.45, 0.30), 0.38, 0.16),
    "heart": Look(_heart, (1.00, 0.55, 0.50), (0.72, 0.08, 0.14), 0.80, 0.16),
    "pick": Look(_pick, (0.55, 0.90, 1.00), (0.05, 0.42, 0.72), 0.80),
    "tile": Look(_tile, (1.00, 0.80, 0.92), (0.72, 0.10, 0.52), 0.90),
    "torus": Look(_torus, (0.95, 1.00, 0.90), (0.30, 0.55, 0.45), 0.34),
    "starfish": Look(_starfish, (1.00, 0.62, 0.30), (0.72, 0.25, 0.05), 0.60, 0.20),
    "shell": Look(_shell, (0.56, 0.56, 0.56), (0.30, 0.30, 0.30), 0.94, 0.16),
    "cross": Look(_cross, (0.98, 0.96, 0.90), (0.36, 0.34, 0.42), 0.36),
    "moon": Look(_moon, (1.00, 0.95, 0.55), (0.45, 0.45, 0.95), 0.50),
}
