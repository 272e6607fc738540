"""Names at the ends of lines, where no legend has to be read, placed so that none lie together."""

import textwrap
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.optimize import isotonic_regression

POINTS = 10.0  # the size of letters
LETTERS = 12  # a name's line has about as many; longer names take several lines
GAP = 0.09  # inches between the axes and the names
LINE_SPACING = 1.1  # times the size of the letters


def name_lines(axes: Axes, named: Sequence[tuple[Line2D, str]], letters: int = LETTERS) -> None:
    """Write a name at the right end of each line, in its color, with a thread from the one's end.

    Axes must have their final place, a linear vertical scale and their limits.
    """
    named = [(line, name) for line, name in named if np.isfinite(_values(line)).any()]
    if not named:
        return
    low, high = axes.get_ylim()
    texts = [textwrap.fill(name, letters, break_long_words=False) or name for _, name in named]
    ends = [(_last(line) - low) / (high - low) for line, _ in named]
    root = axes.get_figure(root=True)
    assert root is not None  # only axes that were removed have none
    width, height = axes.bbox.width / root.dpi, axes.bbox.height / root.dpi  # inches

    heights = [LINE_SPACING * POINTS / 72 * (1 + text.count("\n")) / height for text in texts]
    for (line, _), text, end, place in zip(named, texts, ends, spread(ends, heights), strict=True):
        axes.annotate(
            text, (1, end), (1 + GAP / width, place), "axes fraction", "axes fraction",
            fontsize=POINTS, color=line.get_color(), va="center", linespacing=LINE_SPACING,
            arrowprops={
                "arrowstyle": "-", "linewidth": 0.6, "color": line.get_color(),
                "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5),
            },
        )  # fmt: skip


def spread(ends: Sequence[float], heights: Sequence[float]) -> npt.NDArray[np.float64]:
    """Move places between 0 and 1 apart until texts of these heights do not overlap.

    In their order, as little as possible in the sum of squares, and within 0 and 1 as far as all
    together are not higher.
    """
    order = np.argsort(ends, kind="stable")
    tall = np.asarray(heights, float)[order]
    tall *= min(1, 1 / tall.sum())
    offsets = np.cumsum(tall) - tall / 2  # of the middles, were all pushed together at the bottom
    free = isotonic_regression(np.asarray(ends, float)[order] - offsets).x
    places = np.empty(len(tall))
    places[order] = np.clip(free, 0, 1 - tall.sum()) + offsets
    return places


def _values(line: Line2D) -> npt.NDArray[np.float64]:
    return np.asarray(line.get_ydata(), float)


def _last(line: Line2D) -> float:
    """Return where a line ends."""
    values = _values(line)
    return float(values[np.isfinite(values)][-1])
