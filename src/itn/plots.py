"""Figures: the paper's softmax curves, and accuracy against magnitude.

Every figure starts from a screening and runs no network. Colors are those of Okabe and Ito,
told apart by the color-blind, and every line also has a dash pattern of its own.
"""

import io
import os
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.figure
import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MultipleLocator, NullLocator

from itn.curves import was_screened
from itn.files import whole_file, writing
from itn.line_names import POINTS, name_lines
from itn.messages import UsageError, whole_number
from itn.thresholds import (
    NOT_SCREENED,
    REACHED,
    accuracy,
    accuracy_interval,
    filled_in,
    margins,
    safe_intervals,
    thresholds,
)
from itn.tolerances import tolerances
from itn.transformations import Transformation, find_transformation

TRUE_STYLE: dict[str, Any] = {"color": "#000000", "linewidth": 2.2}
RIVAL_STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#D55E00", "linestyle": "-"},
    {"color": "#0072B2", "linestyle": (0, (5, 1.5))},
    {"color": "#009E73", "linestyle": (0, (3, 1, 1, 1))},
)
OTHERS_STYLE: dict[str, Any] = {"color": "#777777", "linestyle": (0, (1, 1.2)), "linewidth": 1.2}
LOST_COLOR = "#EFEBE4"
# All settings, so that none is left to a matplotlibrc of the user's; but the one that says where
# figures are shown, which is no matter of looks.
STYLE = {name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"} | {
    "font.size": POINTS,  # on a page as large as the text, where a figure is two panels wide
    "axes.titlesize": POINTS,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": POINTS,
    "legend.frameon": False,
    "svg.hashsalt": "itn",  # same figure, same bytes
    # Names are drawn as they are: marks of formulas mean nothing, and where the font lacks a
    # character there is a box.
    "text.usetex": False,
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "font.family": ["DejaVu Sans", "Last Resort High-Efficiency"],
}
DATES: dict[str, dict[str, None]] = {
    "svg": {"Date": None},
    "svgz": {"Date": None},
    "pdf": {"CreationDate": None},
}
PANEL_WIDTH, PANEL_HEIGHT = 3.1, 3.3  # inches
NAMED_HEIGHT = 2.8  # inches, of a panel whose lines are named at their ends
NAMED_SIZE = PANEL_WIDTH, NAMED_HEIGHT
# Inches around the axes of a panel: ticks and label, names of lines, title and thresholds.
LEFT, RIGHT, TOP, BOTTOM = 0.52, 1.1, 0.58, 0.6
GRAY = "#444444"  # of what is said beside the curves


class Drawing(str):
    """The text of an SVG, which a notebook shows as a picture."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def _repr_svg_(self) -> str:  # IPython asks for this name
        return self[self.index("<svg") :]


class Figure(matplotlib.figure.Figure):
    """A figure that a notebook shows as a picture when it is the last line of a cell."""

    def _repr_svg_(self) -> str:
        return as_drawing(self)._repr_svg_()


def plot_softmax(
    screening: xr.Dataset, columns: int = 2, ax: Axes | Sequence[Axes] | None = None
) -> matplotlib.figure.Figure:
    """Draw the paper's figure: mean softmax against magnitude, one panel per category.

    Lines are the true class, the three rivals that come highest, and *others*: the highest mean
    softmax among all remaining classes. They are named at their ends. Magnitudes at which a rival
    has the upper hand are shaded; vertical lines mark the thresholds *switch* (solid) and *half*
    (dotted), which stand above.

    Parameters
    ----------
    screening : xarray.Dataset
        Result of `itn.screen`.
    columns : int, default 2
        Panels side by side.
    ax : matplotlib.axes.Axes or sequence of them, optional
        Where to draw, one for each category. By default in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, not shown; that of ``ax`` where it is given.

    Raises
    ------
    UsageError
        If there are fewer ``ax`` than categories, or more.

    Examples
    --------
    >>> from itn.curves import load_screening
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> len(plot_softmax(screening, columns=3).axes)
    27
    """
    screening = screening.sortby("magnitude")
    found = thresholds(screening, resamples=0)
    lead = margins(screening).sel(criterion="switch").values  # [C, M]
    count = screening.sizes["category"]
    with panels(count, columns, NAMED_SIZE, ax, named=True) as (figure, grid):
        for category, axes in enumerate(grid.flat[:count]):
            _draw_softmax(axes, screening, found, lead[category], category)
    return figure


def plot_accuracy(screening: xr.Dataset, ax: Axes | None = None) -> matplotlib.figure.Figure:
    """Draw accuracy against magnitude: each category, and all pictures together.

    The band is the 95 % Clopper-Pearson interval of the accuracy over all pictures. The
    categories that keep and lose most accuracy over the sweep are named. Where a category was not
    looked at, as its magnitudes are its own, its curve is straight, also as a part of the whole;
    the band does not tell how far that may be wrong.

    Parameters
    ----------
    screening : xarray.Dataset
        Result of `itn.screen`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. By default in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, not shown; that of ``ax`` where it is given.

    Examples
    --------
    >>> from itn.curves import load_screening
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> len(plot_accuracy(screening).axes)
    1
    """
    screening = screening.sortby("magnitude")
    return _draw_categories(screening, accuracy(screening), "accuracy", ax)


def plot_survival(screening: xr.Dataset, ax: Axes | None = None) -> matplotlib.figure.Figure:
    """Draw the share of pictures that are right from the identity on, against the magnitude.

    It begins with the accuracy and only falls on the way out: what comes back stays lost. Lines
    and the band are those of `plot_accuracy`. Rotations run from -180° to 180°.

    Parameters
    ----------
    screening : xarray.Dataset
        Result of `itn.screen`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. By default in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, not shown; that of ``ax`` where it is given.

    Examples
    --------
    >>> from itn.curves import load_screening
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> len(plot_survival(screening).axes)
    1
    """
    found = tolerances(screening)
    return _draw_categories(found, found.survival, "still right", ax)


def _draw_categories(
    screening: xr.Dataset, shares: xr.DataArray, label: str, ax: Axes | None
) -> matplotlib.figure.Figure:
    """Draw the share of pictures [C, M] of each category, and that of all."""
    transformation = find_transformation(screening.attrs["transformation"])
    magnitude = screening.magnitude.values
    each = filled_in(screening, shares)
    pictures = np.bincount(screening.label.values)
    hits, count = np.round(pictures @ each, 9), pictures.sum()  # whole, where all were looked at
    with panels(1, size=(2 * PANEL_WIDTH, NAMED_HEIGHT), ax=ax, named=True) as (figure, grid):
        axes = grid[0, 0]
        names = [readable(name) for name in screening.category.values]
        hidden = [f"_{name}" for name in names]  # from legends
        axes.plot(magnitude, each.T, color="#777777", linewidth=0.6, alpha=0.6, label=hidden)
        order = np.argsort(each.mean(axis=1))
        named = []
        if len(order) > 1:
            for category, style in ((order[-1], RIVAL_STYLES[2]), (order[0], RIVAL_STYLES[0])):
                name = names[category]
                named += axes.plot(magnitude, each[category], label=name, linewidth=1.4, **style)
        named += draw_share(
            axes, magnitude, hits / count, accuracy_interval(hits, count),
            label=f"all {count} pictures", color="#0072B2", linewidth=2.4,
        )  # fmt: skip
        draw_axes(axes, transformation, magnitude)
        label_axes(axes, label)
        name_lines(axes, [(line, str(line.get_label())) for line in named])
    return figure


@contextmanager
def panels(
    count: int,
    columns: int = 2,
    size: tuple[float, float] = (PANEL_WIDTH, PANEL_HEIGHT),
    ax: Axes | Sequence[Axes] | None = None,
    named: bool = False,
    **options: Any,
) -> Iterator[tuple[matplotlib.figure.Figure, np.ndarray]]:
    """Make the panels of a figure, or take those given, while the package's style is in force.

    Yields the figure and its axes, an array ``[rows, columns]``; those beyond ``count`` are
    switched off. ``size`` is a panel's, in inches; ``options`` are those of ``subplots``. Where
    lines are ``named`` at their ends, all panels have the same room for that, and measuring each
    text would be for nothing: 45 % of the time to draw.
    """
    with mpl.rc_context(STYLE):
        if ax is not None:
            given = [ax] if isinstance(ax, Axes) else list(ax)
            if len(given) != count:
                raise UsageError(f"ax needs one axes for each of {count} panels, got {len(given)}")
            figure = given[0].get_figure(root=True)
            assert figure is not None  # only axes that were removed have none
            yield figure, np.array([given], dtype=object)
            return
        if (columns := whole_number(columns, "columns")) < 1:
            raise UsageError(f"columns must be at least 1, got {columns}")
        columns = min(columns, count)
        rows = -(-count // columns)
        if named:
            options["gridspec_kw"] = _frame(rows, columns, size)
        figure = Figure(
            figsize=(size[0] * columns, size[1] * rows), layout=None if named else "constrained"
        )
        grid = figure.subplots(rows, columns, squeeze=False, **options)
        for axes in grid.flat[count:]:
            axes.set_axis_off()
        yield figure, grid


def _frame(rows: int, columns: int, size: tuple[float, float]) -> dict[str, float]:
    """Place panels whose texts have a known size."""
    width, height = size
    return {
        "left": LEFT / (width * columns),
        "right": 1 - RIGHT / (width * columns),
        "top": 1 - TOP / (height * rows),
        "bottom": BOTTOM / (height * rows),
        "wspace": (LEFT + RIGHT) / (width - LEFT - RIGHT),
        "hspace": (TOP + BOTTOM) / (height - TOP - BOTTOM),
    }


def draw_share(
    axes: Axes,
    magnitude: npt.ArrayLike,
    share: npt.ArrayLike,
    interval: tuple[npt.ArrayLike, npt.ArrayLike],
    opacity: float = 0.25,
    **style: Any,
) -> list[Line2D]:
    """Draw a share of pictures against the magnitude, its interval as a band."""
    axes.fill_between(magnitude, *interval, color=style["color"], alpha=opacity, linewidth=0)
    return axes.plot(magnitude, share, **style)


def save_figure(figure: matplotlib.figure.Figure, name: str | Path) -> Drawing:
    """Write a figure to a file, whole or not at all; same figure, same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    name : str or Path
        File name; what it ends in says the format, as in ``rotation.png``. Without such an
        ending it is ``<name>.svg``. The file goes to the folder that the environment variable
        ``ITN_FIGURES`` names, else to the working directory.

    Returns
    -------
    Drawing
        The figure as SVG, which a notebook shows.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = save_figure(Figure(figsize=(1, 1)), Path(folder, "nothing.png"))
    ...     Path(folder, "nothing.png").read_bytes()[1:4]
    b'PNG'
    """
    path = Path(os.environ.get("ITN_FIGURES", ""), name)
    if not path.name:
        raise UsageError(f"'{path}' is no name of a file")
    kind = path.suffix.lower().removeprefix(".")
    if kind not in figure.canvas.get_supported_filetypes():
        path, kind = path.with_name(f"{path.name}.svg"), "svg"
    content = _saved(figure, kind)
    with whole_file(path) as unfinished, writing(path):
        unfinished.write_bytes(content)
    return Drawing(content.decode()) if kind == "svg" else as_drawing(figure)


def as_drawing(figure: matplotlib.figure.Figure) -> Drawing:
    """Return a figure as SVG."""
    return Drawing(_saved(figure, "svg").decode())


def _saved(figure: matplotlib.figure.Figure, kind: str) -> bytes:
    """Return a figure as a file of a kind, which does not say when it was written."""
    content = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(content, format=kind, metadata=DATES.get(kind))
    return content.getvalue()


def format_magnitude(magnitude: float, transformation: Transformation) -> str:
    """Write a magnitude with its unit, to three significant digits.

    A dash stands for what is no number, such as a threshold that is not reached.
    """
    if not np.isfinite(magnitude):
        return "–"
    digits = f"{magnitude:#.3g}".rstrip(".").replace("-", "−")
    unit = transformation.unit
    return f"{digits} {unit}" if unit == "px" else f"{digits}{unit}"


def readable(name: object) -> str:
    """Write the name of a class as a reader wants to see it.

    Spaces for underscores, and question marks for what is no text.
    """
    return str(name).encode("utf-8", "replace").decode().replace("_", " ")


def _draw_softmax(
    axes: Axes, screening: xr.Dataset, found: xr.Dataset, lead: np.ndarray, category: int
) -> None:
    transformation = find_transformation(screening.attrs["transformation"])
    names = screening["class"].values
    own = was_screened(screening)[category]
    screening, lead = screening.isel(magnitude=own), lead[own]
    magnitude = screening.magnitude.values
    mean = screening.mean_softmax.values[category]  # [M, K]
    target = screening.target.values[category]
    rivals = screening.rival.values[category, : len(RIVAL_STYLES)]
    others = np.delete(mean, [target, *rivals], axis=1)

    axes.axvspan(magnitude[0], magnitude[-1], color=LOST_COLOR, linewidth=0, zorder=0)
    for start, end in safe_intervals(magnitude, lead, transformation):
        axes.axvspan(start, end, color="white", linewidth=0, zorder=0.5)
    named: list[tuple[Line2D, str]] = []

    def draw(values: np.ndarray, name: str, label: str, **style: Any) -> None:
        (line,) = axes.plot(magnitude, values, label=label, **style)
        named.append((line, name))

    if others.size:
        draw(others.max(axis=1), "others", "others (highest)", **OTHERS_STYLE)
    for rival, style in zip(rivals, RIVAL_STYLES, strict=False):
        draw(mean[:, rival], *[readable(names[rival])] * 2, linewidth=1.5, **style)
    true = readable(names[target])
    draw(mean[:, target], true, f"{true} (true)", **TRUE_STYLE)
    draw_axes(axes, transformation, magnitude)
    label_axes(axes, "mean softmax")
    pictures = int((screening.label.values == category).sum())
    title = f"{readable(screening.category.values[category])} ({pictures} pictures)"
    said = _mark_thresholds(axes, found.isel(category=category), magnitude, transformation)
    head(axes, title, said)
    name_lines(axes, named)


def label_axes(axes: Axes, label: str) -> None:
    """Label the vertical axis, and tell both labels their place, which is not looked for then."""
    axes.set_ylabel(label)
    inch = 1 / np.array([axes.bbox.width, axes.bbox.height]) * axes.figure.dpi
    axes.yaxis.set_label_coords(-0.35 * inch[0], 0.5)
    axes.xaxis.set_label_coords(0.5, -0.27 * inch[1])


def head(axes: Axes, title: str, lines: Sequence[str] = ()) -> None:
    """Write a title above axes, and up to two lines between."""
    axes.set_title(title, x=0, y=1, pad=5 + 1.2 * POINTS * len(lines), ha="left")
    if lines:
        axes.annotate(
            "\n".join(lines), (0, 1), (0, 4), "axes fraction", "offset points",
            va="bottom", color=GRAY, linespacing=1.1,
        )  # fmt: skip


def _mark_thresholds(
    axes: Axes, found: xr.Dataset, magnitude: np.ndarray, transformation: Transformation
) -> list[str]:
    """Draw where thresholds stand, and say for each criterion what they are."""
    lines = []
    for criterion, style in (("switch", "-"), ("half", ":")):
        one = found.sel(criterion=criterion)
        status = one.status.values.tolist()
        reached = [
            value
            for value, is_reached in zip(one.threshold.values.tolist(), status, strict=True)
            if is_reached == REACHED
        ]
        for threshold in reached:
            for at in positions(threshold, magnitude, transformation):
                axes.axvline(at, color=GRAY, linewidth=0.9, linestyle=style)
        said = [format_magnitude(threshold, transformation) for threshold in reached]
        why = [each for each in status if each != NOT_SCREENED]
        lines.append(f"{criterion} {', '.join(said or why[:1] or [NOT_SCREENED])}")
    return lines


def positions(
    magnitude: float, swept: np.ndarray, transformation: Transformation
) -> npt.NDArray[np.float64]:
    """Find where a magnitude stands on the axis of a sweep.

    Nowhere if it is not within the sweep; more than once where the magnitude has a period and the
    sweep is longer.
    """
    if transformation.period is None:
        return np.array([magnitude] if swept[0] <= magnitude <= swept[-1] else [])
    first, last = (swept[[0, -1]] - magnitude) / transformation.period
    turns = np.arange(np.ceil(first), np.floor(last) + 1)
    return np.asarray(magnitude + transformation.period * turns)


def draw_axes(axes: Axes, transformation: Transformation, magnitude: np.ndarray) -> None:
    """Label and scale the axes of a curve over the magnitude."""
    width = axes.bbox.width / axes.figure.dpi  # inches
    letters = max(28, int(13 * width))
    unit = "full range = 1"  # stays in one line
    said = transformation.magnitude.replace(unit, unit.replace(" ", "\N{NO-BREAK SPACE}"))
    axes.set_xlabel(textwrap.fill(said, letters, break_on_hyphens=False))
    if transformation.logarithmic:
        axes.set_xscale("log", base=2)
        factor_ticks(axes.xaxis)
    elif transformation.unit == "°":
        step = 90 if np.ptp(magnitude) > 180 else 30
        if 2 * step <= np.ptp(magnitude) <= 12 * step:  # else matplotlib finds better ones
            axes.xaxis.set_major_locator(MultipleLocator(step))
    if len(magnitude) > 1:
        axes.set_xlim(magnitude[0], magnitude[-1])
    axes.set_ylim(-0.02, 1.04)  # a curve along an edge is still seen
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])


def factor_ticks(axis: Axis) -> None:
    """Write the octaves along an axis of factors, small ones as fractions."""
    axis.set_major_formatter(FuncFormatter(_factor))
    axis.set_minor_locator(NullLocator())


def _factor(value: float, _position: int | None) -> str:
    return f"{value:g}" if value >= 1 else f"1/{1 / value:g}"
