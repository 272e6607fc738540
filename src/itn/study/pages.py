"""What a notebook shows, and keeps for a page of the book."""

import os
from pathlib import Path

import matplotlib.figure
import numpy as np
import pandas as pd

from itn.files import whole_file
from itn.plots import Drawing, as_drawing, readable


def show_figure(figure: matplotlib.figure.Figure, name: str) -> Drawing:
    """Show a figure in a notebook, and keep it for the book where `itn figures` runs that."""
    drawing = as_drawing(figure)
    if "ITN_FIGURES" in os.environ:
        with whole_file(Path(os.environ["ITN_FIGURES"], f"{name}.svg")) as path:
            path.write_bytes(drawing.encode())
    return drawing


def glue_numbers(numbers: dict[str, float | str], prefix: str = "") -> None:
    """Store numbers in the notebook that runs, where the book's prose finds them."""
    from myst_nb import glue

    for key, value in numbers.items():
        # A number of numpy's would be stored as a text that no page can format.
        plain = value.item() if isinstance(value, np.generic) else value
        glue(f"{prefix}{key}", plain, display=False)


def show_table(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Show a table in a notebook, and keep it for the book where `itn figures` runs that."""
    return save_table(table, name) if "ITN_FIGURES" in os.environ else table


def save_table(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Write a table as CSV, where a page of the book finds it."""
    columns = table.reset_index().rename(columns=readable)
    with whole_file(Path(os.environ.get("ITN_FIGURES", ""), f"{name}.csv")) as path:
        columns.to_csv(path, index=False, float_format="%.3f", na_rep="–", lineterminator="\n")
    return table
