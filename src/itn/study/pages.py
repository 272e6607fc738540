"""What a notebook shows, and keeps for a page of the book."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.figure
import numpy as np
import pandas as pd

from itn.files import whole_file
from itn.plots import Drawing, as_drawing
from itn.study.figure_data import curves_of
from itn.study.figure_texts import describe
from itn.study.light_drawings import for_the_book
from itn.study.titles import title

MISSING = "–"  # how a page shows that there is no number
DATA = "_data"  # ends the name of the file with a figure's numbers
NARROW = "_narrow"  # ends the name of a figure's variant for narrow pages


def show_figure(
    figure: matplotlib.figure.Figure,
    name: str,
    narrow: matplotlib.figure.Figure | None = None,
    data: pd.DataFrame | None = None,
) -> Drawing:
    """Show a figure in a notebook, and keep it for the book where `itn figures` runs that.

    It says in words what it shows, for readers who do not see it. With it are kept what a narrow
    page shows instead, such as a phone's: the same, panels below each other; and its numbers, those
    of its curves unless ``data`` has them.
    """
    drawing = _drawing_of(figure)
    _keep_drawing(drawing, name)
    if "ITN_FIGURES" in os.environ:
        _keep_data(curves_of(figure) if data is None else data.reset_index(), name)
        if narrow is not None:
            _keep_drawing(_drawing_of(narrow), f"{name}{NARROW}")
    return drawing


def _keep_data(table: pd.DataFrame, name: str) -> None:
    if not table.empty:
        with whole_file(Path(os.environ["ITN_FIGURES"], f"{name}{DATA}.csv")) as path:
            table.to_csv(path, index=False, float_format="%.4g", lineterminator="\n")


def _drawing_of(figure: matplotlib.figure.Figure) -> Drawing:
    return Drawing(for_the_book(as_drawing(figure), describe(figure)))


def _keep_drawing(drawing: Drawing, name: str) -> None:
    if "ITN_FIGURES" in os.environ:
        with whole_file(Path(os.environ["ITN_FIGURES"], f"{name}.svg")) as path:
            path.write_bytes(drawing.encode())


def save_table(
    table: pd.DataFrame, name: str, formats: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Show a table in a notebook, and keep it for the book where `itn figures` runs that.

    ``formats`` says how numbers of a column are written (``{"accuracy": ".0%"}``); without it
    whole numbers are written as they are, others with three decimals, NaN as a dash. Networks,
    transformations and classes are called what a page calls them. The book includes the CSV.
    """
    texts = {
        column: [MISSING if pd.isna(one) else f"{one:{form}}".replace("-", "−") for one in values]
        for column, form in (formats or {}).items()
        for values in [table[column]]
    }
    shown = table.assign(**texts).rename(index=title, columns=title)
    if "ITN_FIGURES" in os.environ:
        with whole_file(Path(os.environ["ITN_FIGURES"], f"{name}.csv")) as path:
            shown.to_csv(path, float_format="%.3f", na_rep=MISSING, lineterminator="\n")
    return shown


def keep_text(text: str, name: str) -> str:
    """Keep a text in the page's markup, which the book includes, where `itn figures` runs it."""
    if "ITN_FIGURES" in os.environ:
        with whole_file(Path(os.environ["ITN_FIGURES"], f"{name}.txt")) as path:
            path.write_text(text, encoding="utf-8")
    return text


def glue_table(
    table: pd.DataFrame,
    columns: Sequence[str] | None = None,
    prefix: str = "",
    rows: Sequence[str] | None = None,
) -> None:
    """Store ``<prefix><row>_<column>`` in the notebook that runs, where the book's prose finds it.

    Of all columns and rows, or of those named as far as the table has them: that of a user who
    asks for other classes, or for half a sweep, has fewer. A row of several index levels is called
    by all of them.
    """
    chosen = table if columns is None else table.filter(list(columns), axis="columns")
    for row, values in zip(chosen.index, chosen.to_dict("records"), strict=True):
        name = "_".join(map(str, row if isinstance(row, tuple) else (row,))).replace(" ", "_")
        if rows is None or name in rows:
            for column, value in values.items():
                _glue(f"{prefix}{name}_{column}".replace(" ", "_"), value)


def glue_networks(
    table: pd.DataFrame,
    columns: Sequence[str] | None = None,
    prefix: str = "",
    rows: Sequence[str] | None = None,
) -> None:
    """Store what `glue_table` does of several networks, of which the first index level is.

    What belongs to the first is called as if it were alone, what belongs to another after it.
    """
    for number, (network, own) in enumerate(table.groupby(level=0, sort=False)):
        name = f"{network}_" if number else ""
        glue_table(own.droplevel(0), columns, f"{name}{prefix}", rows)


def _glue(key: str, value: object) -> None:
    from myst_nb import glue

    # A number of numpy's would be stored as a text that no page can format.
    glue(key, value.item() if isinstance(value, np.generic) else value, display=False)
