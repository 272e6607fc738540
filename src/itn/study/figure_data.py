"""The numbers behind a figure, as a table that anyone can draw again."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from itn.study.figure_texts import one_line, panel_name

Numbers = npt.NDArray[np.float64]

FEWEST = 3  # points of a curve; with fewer a line marks something


def curves_of(figure: Figure) -> pd.DataFrame:
    """Return all curves of a figure, and the bands around them.

    A column for each, named after its panel and what it is called there, and before those of the
    same places a column of these, named after the axis. Shorter columns end in NaN.
    """
    places: list[tuple[str, Numbers]] = []
    curves: dict[int, dict[str, Numbers]] = {}
    for panel, axes in _panels(figure):
        for name, x, y in _curves(axes):
            label = one_line(axes.get_xlabel()) or "x"
            same = (n for n, one in enumerate(places) if _alike(one, (label, x)))
            number = next(same, len(places))
            if number == len(places):
                places.append((label, x))
            own = curves.setdefault(number, {})
            own[_new(f"{panel}: {name}" if panel else name, own)] = y
    columns = [
        pd.Series(values, name=name)
        for number, (label, x) in enumerate(places)
        for name, values in [(label, x), *curves[number].items()]
    ]
    return pd.concat(columns, axis="columns") if columns else pd.DataFrame()


def _panels(figure: Figure) -> Iterator[tuple[str, Axes]]:
    """Pass through the panels with the heading of the part and the title, or what is drawn."""
    for axes in figure.axes:
        above = filter(None, [str(axes.get_label()), panel_name(axes)])
        yield ", ".join(above) or one_line(axes.get_ylabel()), axes


def _curves(axes: Axes) -> Iterator[tuple[str, Numbers, Numbers]]:
    """Pass through the curves of a panel, each followed by the ends of its band."""
    lines = [line for line in axes.lines if _is_curve(line, axes)]
    bands = [each for each in axes.collections if isinstance(each, PolyCollection)]  # in order
    for number, line in enumerate(lines):
        label = one_line(str(line.get_label())).removeprefix("_").strip()  # hides from legends
        name = f"line {number + 1}" if label.startswith("child") else label
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        yield name, x, y
        found = ((band, ends) for band in bands if (ends := _ends(band, line, x)) is not None)
        for band, ends in islice(found, 1):
            bands.remove(band)
            yield from ((f"{name}, {end}", x, values) for end, values in ends.items())


def _is_curve(line: Line2D, axes: Axes) -> bool:
    """Tell curves from lines across a panel, and from marks."""
    return line.get_transform() == axes.transData and len(np.asarray(line.get_xdata())) >= FEWEST


def _ends(band: PolyCollection, line: Line2D, x: Numbers) -> dict[str, Numbers] | None:
    """Return the ends of a band if it is of the color, and at the places, of a line."""
    color, outline = band.get_facecolor(), band.get_paths()[0].vertices
    around = np.asarray(outline, float)
    count = (len(around) - 3) // 2  # there and back, with a corner at each end, and closed
    if len(color) != 1 or not np.allclose(color[0][:3], to_rgb(line.get_color()), atol=1e-3):
        return None
    there, back = around[1 : count + 1], around[count + 2 : 2 * count + 2][::-1]
    if count != len(x) or not np.array_equal(there[:, 0], x):
        return None
    ends = np.sort([there[:, 1], back[:, 1]], axis=0)
    return dict(zip(("low", "high"), ends, strict=True))


def _alike(one: tuple[str, Numbers], other: tuple[str, Numbers]) -> bool:
    return one[0] == other[0] and np.array_equal(one[1], other[1])


def _new(name: str, names: dict[str, Any]) -> str:
    """Return a name, numbered if it is there already."""
    count = sum(each == name or each.startswith(f"{name} #") for each in names)
    return f"{name} #{count + 1}" if count else name
