"""What the learned transformations look like, what they are made of, and what they cost."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from itn.plots import PANEL_HEIGHT, PANEL_WIDTH, panels
from itn.study.learned import first_of
from itn.study.matrices import decompose_color, decompose_spatial
from itn.study.sheets import as_shown
from itn.study.titles import title
from itn.thresholds import accuracy_interval

SLIDER_STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#D55E00", "linestyle": "-"},
    {"color": "#0072B2", "linestyle": (0, (5, 1.5))},
    {"color": "#009E73", "linestyle": (0, (3, 1, 1, 1))},
    {"color": "#CC79A7", "linestyle": (0, (1, 1))},
)
ANSWER = 15  # letters of a line under a picture
COMPONENT_LABELS = {
    "rotation": "rotation, °",
    "scale_x": "scale x, factor",
    "scale_y": "scale y, factor",
    "shear": "shear",
    "translation_x": "shift right, widths",
    "translation_y": "shift down, widths",
    "brightness": "brightness",
    "contrast": "contrast, factor",
    "saturation": "saturation, factor",
    "hue": "hue, °",
}


def plot_samples(samples: xr.Dataset, narrow: bool = False) -> Figure:
    """Draw pictures under a learned family, with what the classifier says (figure 19).

    In a narrow figure under every second member.
    """
    width = PANEL_WIDTH / 3 if narrow else 2 * PANEL_WIDTH / 5
    samples = samples.isel(value=slice(None, None, 2)) if narrow else samples
    pictures = samples.pictures.values
    count, rows, columns = pictures.shape[:3]
    size = (width, width + 0.4)  # for what is said above and below
    with panels(rows * count * columns, columns, size=size) as (figure, grid):
        for row, axes_row in enumerate(grid):
            picture, slider = divmod(row, rows)
            for column, axes in enumerate(axes_row):
                axes.imshow(as_shown(pictures[picture, slider, column]), interpolation="none")
                axes.set_xticks([])
                axes.set_yticks([])
                said = samples.isel(picture=picture, slider=slider, value=column)
                name = textwrap.fill(title(said.predicted.item()), ANSWER, break_long_words=False)
                axes.set_xlabel(f"{name}\n{said.softmax.item():.2f}")
                if row == 0 or slider == 0:
                    axes.set_title(f"{samples.value.values[column]:g}")
            letter = {"alpha": "all α =", "beta": "all β ="}[samples.slider.values[slider]]
            axes_row[0].set_ylabel(letter, rotation=0, ha="right", va="center")
    return figure


def plot_decomposition(study: xr.DataTree, columns: int = 3) -> Figure:
    """Draw what each control value does to the content and its colors."""
    survey = first_of(study, "survey")
    size = ((2 if columns > 2 else 1) * PANEL_WIDTH / columns, 2.1 / 4 * PANEL_HEIGHT)
    with panels(12, columns, size=size) as (figure, grid):
        for kind, components, first in (
            ("alpha", tuple(COMPONENT_LABELS)[:6], 0),
            ("beta", tuple(COMPONENT_LABELS)[6:], 6),
        ):
            draw_components(grid.flat[first:], survey, kind, components)
            handles, labels = grid.flat[first].get_legend_handles_labels()
            last = grid.flat[-2 if kind == "alpha" else -1]
            last.set_axis_off()
            last.legend(handles, labels, loc="center", title="moved from 0 to 1")
    return figure


def draw_components(
    row: Iterable[Axes], survey: xr.Dataset, kind: str, components: Sequence[str]
) -> None:
    """Draw components of the matrices along the sliders of a kind, one panel for each."""
    table = (
        decompose_spatial(survey.spatial_matrix.values)
        if kind == "alpha"
        else decompose_color(survey.color_matrix.values)
    )
    names, letter = survey.slider.values, {"alpha": "α", "beta": "β"}[kind]
    moved = [name for name in dict.fromkeys(names) if name.startswith(kind)]
    for axes, component in zip(row, components, strict=False):
        neutral = 1.0 if COMPONENT_LABELS[component].endswith("factor") else 0.0
        axes.axhline(neutral, color="#BBBBBB", linewidth=3, zorder=0)
        for index, name in enumerate(moved):
            own, style = names == name, SLIDER_STYLES[index % len(SLIDER_STYLES)]
            label = name.replace(kind, letter)
            if name == kind:
                label, style = f"all {letter}", {"color": "#000000", "linewidth": 2.0}
            axes.plot(survey.value.values[own], table[component][own], label=label, **style)
        axes.set_title(COMPONENT_LABELS[component])
        axes.set_xticks([0, 0.5, 1])


def survey_table(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate accuracy and consistency along the control values, with 95 % intervals.

    The lowest accuracy and consistency along each slider, with their Clopper-Pearson intervals.
    """
    surveyed = first_of(study, "survey")
    count = surveyed.attrs["pictures"]
    rows = {}
    for slider in dict.fromkeys(surveyed.slider.values):
        own = surveyed.slider.values == slider
        label = slider.replace("alpha", "α").replace("beta", "β")
        rows[label if " " in label else f"all {label}"] = {
            f"lowest {what}": _with_interval(int(surveyed[name].values[own].min()), count)
            for what, name in (("accuracy", "right"), ("consistency", "consistent"))
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("moved")


def _with_interval(right: int, count: int) -> str:
    low, high = accuracy_interval(np.array(right), count)
    return f"{right / count:.3f} ({low:.3f} … {high:.3f})"
