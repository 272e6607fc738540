"""Figures of rows that are not alike, which grow downward: headings, panels, pictures."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from itn.plots import BOTTOM, GRAY, LEFT, NAMED_HEIGHT, PANEL_WIDTH, RIGHT, STYLE, TOP, Figure

TALL = 100.0  # inches, until all rows are there
HEADING = 12  # points
LETTERS_PER_INCH = 10  # of a heading
NO_TITLE = 0.12  # above a panel that has none
SHARPEST = 96  # pixels of a picture that a figure shows at most


class Sheet:
    """A figure that is filled from above; all lengths are in inches."""

    def __init__(self, width: float) -> None:
        """Begin a figure of that width."""
        self.figure = Figure(figsize=(width, TALL))
        self._width = width
        self._top = 0.0
        self._heading = ""
        self._placed: list[tuple[Artist, float, float, float, float]] = []

    def heading(self, text: str) -> None:
        """Write a line above what follows, which is labelled so, too."""
        self._heading = text
        lines = textwrap.fill(text, int(self._width * LETTERS_PER_INCH))
        said = self.figure.text(0, 0, lines, size=HEADING, va="top")
        self._place(said, 0.05, self._top + 0.04, 0, 0)
        self._top += (1 + lines.count("\n")) * 1.2 * HEADING / 72 + 0.08

    def panels(self, count: int, columns: int) -> list[Axes]:
        """Add panels of curves that are named at their ends, so many side by side."""
        made = []
        for number in range(count):
            row, column = divmod(number, columns)
            left, top = column * PANEL_WIDTH + LEFT, self._top + row * NAMED_HEIGHT + TOP
            width, height = PANEL_WIDTH - LEFT - RIGHT, NAMED_HEIGHT - TOP - BOTTOM
            made.append(self._axes(left, top, width, height))
        self._top += -(-count // columns) * NAMED_HEIGHT
        return made

    def panel(
        self, height: float, left: float = LEFT, right: float = RIGHT, below: float = BOTTOM
    ) -> Axes:
        """Add a panel as wide as what is left beside it, without a title."""
        made = self._axes(left, self._top + NO_TITLE, self._width - left - right, height)
        self._top += NO_TITLE + height + below
        return made

    def pictures(
        self, count: int, columns: int, picture: float, above: float, below: float
    ) -> list[Axes]:
        """Add squares with room for texts above and below."""
        made, cell = [], self._width / columns
        for number in range(count):
            row, column = divmod(number, columns)
            left = column * cell + (cell - picture) / 2
            top = self._top + row * (above + picture + below) + above
            made.append(self._axes(left, top, picture, picture))
        self._top += -(-count // columns) * (above + picture + below) + 0.05
        return made

    def legend(self, handles: Sequence[Artist], columns: int) -> None:
        """Say what markers and lines mean."""
        axes = self.panel(0.19 * -(-len(handles) // columns), 0.1, 0.1, 0.05)
        axes.set_axis_off()
        axes.legend(
            handles=list(handles), loc="upper left", ncols=columns, borderaxespad=0,
            labelspacing=0.2,
        )  # fmt: skip

    def finish(self) -> None:
        """Cut off what is left below."""
        self.figure.set_size_inches(self._width, self._top)
        for one in self._placed:
            self._put(*one, self._top)

    def _axes(self, left: float, top: float, width: float, height: float) -> Axes:
        axes = self.figure.add_axes((0, 0, 1, 1), label=self._heading)
        self._place(axes, left, top, width, height)
        return axes

    def _place(self, artist: Artist, left: float, top: float, width: float, height: float) -> None:
        self._placed.append((artist, left, top, width, height))
        self._put(artist, left, top, width, height, TALL)

    def _put(
        self, artist: Artist, left: float, top: float, width: float, height: float, tall: float
    ) -> None:
        x, y = left / self._width, 1 - (top + height) / tall
        if isinstance(artist, Axes):
            artist.set_position((x, y, width / self._width, height / tall))
        else:
            artist.set(position=(x, y))


def name_rows(axes: Axes, names: Sequence[str], inside: bool, above: float) -> None:
    """Name the rows of a panel, the first on top: beside it, or inside, in the part ``above``."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks([] if inside else range(len(names)), [] if inside else list(names))
    axes.tick_params(axis="y", length=0)
    for place, name in enumerate(names):
        if inside:
            axes.text(
                0, place - 0.5 + above / 2, name, va="center", color=GRAY,
                transform=axes.get_yaxis_transform(),
            )  # fmt: skip
        if place:
            axes.axhline(place - 0.5, color="#DDDDDD", linewidth=0.5, zorder=0)


def as_shown(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a picture [H, W, 3] in the range of values, in no more pixels than a page shows."""
    every = -(-max(image.shape[:2]) // SHARPEST)
    return np.clip(image[::every, ::every], 0, 1)


def lines_of(panels: Iterable[Axes]) -> dict[str, Any]:
    """Return what is drawn in panels by its label, each label once."""
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return found


def explain(figure: mpl.figure.Figure, drawn: Mapping[str, Any], where: str = "lower") -> None:
    """Say below or above all panels what is drawn, in as many columns as there is room for."""
    for columns in range(len(drawn), 0, -1):
        legend = figure.legend(
            drawn.values(), drawn.keys(), loc=f"outside {where} center", ncols=columns
        )
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


@contextmanager
def sheet(width: float) -> Iterator[Sheet]:
    """Fill a figure while the package's style is in force."""
    with mpl.rc_context(STYLE):
        made = Sheet(width)
        yield made
        made.finish()
