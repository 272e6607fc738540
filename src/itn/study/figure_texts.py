"""Says in words what a figure shows, for readers who do not see it."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

IN_DETAIL = 3  # panels whose lines are told one by one
MOST = 12  # names in a row


def describe(figure: Figure) -> str:
    """Say what the panels are of, what is drawn against what, and where each named line runs."""
    shown = [axes for axes in figure.axes if _is_panel(axes)]
    pictures = [axes for axes in shown if _is_picture(axes)]
    plots = [axes for axes in shown if axes not in pictures]
    said = []
    if pictures:
        said.append(_counted(len(pictures), "picture") + _listed(map(panel_name, pictures)))
    if plots:
        said.append(_counted(len(plots), "panel") + _listed(map(panel_name, plots)))
        said += _drawn(plots)
    if len(plots) <= IN_DETAIL:
        said += [text for axes in plots if (text := _lines(axes, len(plots) > 1))]
    return ". ".join(said) + "."


def _is_panel(axes: Axes) -> bool:
    return axes.get_visible() and axes.get_label() != "<colorbar>" and axes.has_data()


def _is_picture(axes: Axes) -> bool:
    return bool(axes.images) and not (axes.lines or (axes.axison and len(axes.get_xticks())))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}s" if count > 1 else f"One {what}"


def panel_name(axes: Axes) -> str:
    """Return the title of a panel, and what stands below a picture."""
    titles = (axes.get_title(loc) for loc in ("center", "left", "right"))
    above = next(filter(None, titles), "")
    below = axes.get_xlabel() if _is_picture(axes) else ""
    return one_line(f"{above} {below}")


def _listed(names: Iterable[str]) -> str:
    """Write names after a colon, each once, the last of very many as a number."""
    each = list(dict.fromkeys(filter(None, names)))
    if len(each) > MOST:
        each = [*each[:MOST], f"{len(each) - MOST} more"]
    return f": {', '.join(each)}" if each else ""


def _drawn(plots: Sequence[Axes]) -> Iterator[str]:
    """Say once what is drawn against what, even where only outer panels have labels."""
    upward, across = (
        " or ".join(dict.fromkeys(filter(None, map(one_line, labels))))
        for labels in (
            [axes.get_ylabel() for axes in plots],
            [axes.get_xlabel() for axes in plots],
        )
    )
    if upward or across:
        yield " against ".join(filter(None, (f"Drawn is {upward or 'what is listed'}", across)))


def _lines(axes: Axes, named: bool) -> str:
    """Say from where to where the lines of a panel run that have names, the last drawn first."""
    named_lines = zip(*axes.get_legend_handles_labels(), strict=True)
    told = [f"{one_line(label)}{_course(_heights(line))}" for line, label in named_lines][::-1]
    if not told:
        return ""
    where = f"In {panel_name(axes)}: " if named and panel_name(axes) else "Named: "
    return where + ", ".join(told[:MOST])


def _heights(handle: object) -> np.ndarray:
    """Return the heights of a line's points, none of anything else."""
    get = getattr(handle, "get_ydata", None)
    heights: np.ndarray = np.asarray(get(orig=False) if get else [], dtype=float)
    return np.asarray(heights[np.isfinite(heights)])


def _course(heights: np.ndarray) -> str:
    """Say where a line begins and ends, and where it is lowest and highest if not there."""
    if len(heights) < 2:
        return ""
    ends = [_number(heights[0]), _number(heights[-1])]
    lowest, highest = _number(heights.min()), _number(heights.max())
    between = [
        f"{word} {value}"
        for word, value in (("lowest", lowest), ("highest", highest))
        if value not in ends
    ]
    return f" from {ends[0]} to {ends[1]}" + (f" ({', '.join(between)})" if between else "")


def _number(value: float) -> str:
    rounded = round(float(value), 2) + 0.0  # no −0.00
    return f"{rounded:.2f}".replace("-", "−") if abs(value) < 10 else f"{value:.3g}"


def one_line(text: str) -> str:
    """Write a text of several lines in one."""
    return " ".join(text.split())
