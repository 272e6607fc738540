"""Several transformations at once, and the ranges in which they may be.

Convention
----------
Transformations act in the order in which they are named, the first one first; but what moves
pixels comes before what changes colors. Their matrices are multiplied beforehand, so that a
picture is interpolated once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from itn import ops
from itn.messages import UsageError, shown, unknown, whole_number
from itn.transformations import (
    TRANSFORMATIONS,
    Motion,
    Recoloring,
    Transformation,
    even,
    find_transformation,
)

Numbers = npt.NDArray[np.float64]

USUAL_COUNT = 5  # of magnitudes along a range


@dataclass(frozen=True)
class Range:
    """The magnitudes that one transformation may have; the identity is among them."""

    of: Transformation
    low: float
    high: float
    magnitudes: Numbers  # of a grid
    spacing: float  # of these, on the scale of `even`

    def weights(self) -> Numbers:
        """Return the share of the range that each magnitude stands for, by the trapezoidal rule."""
        if not self.spacing:
            return np.ones(1)
        gaps = np.diff(even(self.magnitudes, self.of))
        return np.asarray((np.append(gaps, 0) + np.append(0, gaps)) / (2 * gaps.sum()))

    def beside(self, magnitudes: Numbers, spacings: npt.ArrayLike) -> Numbers:
        """Return magnitudes so many spacings farther up or down, as far as the range goes."""
        moved = even(magnitudes, self.of) + self.spacing * np.asarray(spacings)
        return _magnitudes(moved, self.of).clip(self.low, self.high)


def joint_matrices(names: Sequence[str], magnitudes: npt.ArrayLike) -> tuple[Numbers, Numbers]:
    """Multiply the matrices of transformations by magnitudes [P, D], one column for each.

    Returned are affine matrices [P, 2, 3], in coordinates that run from -1 to 1 over a square
    picture, and color matrices [P, 3, 4].
    """
    columns = np.asarray(magnitudes, np.float32).T
    spatial, color = (np.tile(np.eye(size), (columns.shape[1], 1, 1)) for size in (3, 4))
    for name, column in zip(names, columns, strict=True):
        matrix = find_transformation(name).matrix(column.reshape(-1, 1, 1, 1), 2, 2)
        whole = np.tile(np.eye(matrix.shape[-1]), (len(column), 1, 1))
        whole[:, :-1] = ops.convert_to_numpy(matrix)
        if whole.shape[-1] == 3:
            spatial = spatial @ whole  # tells where is read, and so what acted last is undone first
        else:
            color = whole @ color
    return spatial[:, :2], color[:, :3]


def checked_ranges(
    ranges: Mapping[str, tuple[float, float]], counts: int | Mapping[str, int]
) -> list[Range]:
    """Lay a grid out along ranges, or refuse what are none."""
    if not isinstance(ranges, Mapping) or not ranges:
        raise UsageError(
            "ranges must say of transformations their lowest and highest magnitude, as in "
            f"{{'rotation': (-30, 30)}}, got {shown(ranges)}"
        )
    possible = [key for key, one in TRANSFORMATIONS.items() if isinstance(one, Motion | Recoloring)]
    for name in ranges:
        if find_transformation(name).name not in possible:
            raise UsageError(
                f"{name} has no matrix that could be multiplied by others'; possible: "
                f"{', '.join(possible)}"
            )
    each = counts if isinstance(counts, Mapping) else dict.fromkeys(ranges, counts)
    if strange := [name for name in each if name not in ranges]:
        raise unknown("range to count", strange[0], ranges)
    return [_range(name, given, each.get(name, USUAL_COUNT)) for name, given in ranges.items()]


def _range(name: str, given: object, counted: object) -> Range:
    of = find_transformation(name)
    ends = of.checked(given)
    if ends.shape != (2,) or not ends[0] <= of.identity <= ends[1]:
        raise UsageError(
            f"the range of {name} must be its lowest and highest magnitude, with the identity, "
            f"{of.identity:g}, between, got {shown(given)}"
        )
    if (count := whole_number(counted, f"the count of {name}")) < 2:
        raise UsageError(f"the count of {name} must be at least 2, got {count}")
    low, identity, high = even([ends[0], of.identity, ends[1]], of).tolist()
    points = np.linspace(low, high, count)
    points = points[np.abs(points - identity) > 1e-9 * (high - low)]  # it is there exactly, below
    magnitudes = _magnitudes(np.union1d(points, [identity]), of).clip(*ends)
    return Range(of, float(ends[0]), float(ends[1]), magnitudes, (high - low) / (count - 1))


def _magnitudes(positions: Numbers, of: Transformation) -> Numbers:
    """Return the magnitudes that `even` lays out there."""
    return np.exp2(positions) if of.logarithmic else positions
