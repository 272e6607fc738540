"""Figures of the Invariant Transformer Net: training, samples, what it learned, comparison."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from itn.plots import PANEL_HEIGHT, PANEL_WIDTH, RIVAL_STYLES, draw_share, panels, readable
from itn.study.families import FAMILIES, family_accuracy
from itn.study.learned import first_of
from itn.study.matrices import decompose_color, decompose_spatial
from itn.study.transformers import transformed_samples

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
SLIDER_STYLES: tuple[dict[str, Any], ...] = (
    {"color": ORANGE, "linestyle": "-"},
    {"color": BLUE, "linestyle": (0, (5, 1.5))},
    {"color": GREEN, "linestyle": (0, (3, 1, 1, 1))},
    {"color": "#CC79A7", "linestyle": (0, (1, 1))},
)
COMPONENTS_SHOWN = ("rotation", "scale_x", "scale_y")
DISPLACEMENTS = {"corners": "spatial_displacement", "colors": "color_displacement"}
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


def plot_transformer_training(study: xr.DataTree) -> Figure:
    """Draw how the losses and the accuracy went, step by step (the paper's figure 14)."""
    history = first_of(study, "history")
    step = history.step.values
    epoch = np.arange(history.sizes["epoch"]) * len(step) / history.attrs["epochs"]
    size = (2 * PANEL_WIDTH, 1.9 / 3 * PANEL_HEIGHT)
    with panels(3, columns=1, size=size, sharex=True) as (figure, grid):
        top, middle, bottom = grid[:, 0]
        _draw_steps(top, step, history.cross_entropy.values, "#000000")
        top.set_ylabel("cross-entropy")
        top.set_ylim(0, None)
        for name, color, dash, label in (
            ("spatial_loss", ORANGE, "-", "spatial"),
            ("color_loss", BLUE, "--", "color"),
        ):
            _draw_steps(middle, step, history[name].values, color, dash, label)
        middle.set_ylabel("transformer losses")
        middle.legend(loc="lower left")
        _draw_steps(bottom, step, history.batch_accuracy.values, "#777777", label="batch")
        held_out = history.held_out_accuracy.values
        bottom.plot(epoch, held_out, "o-", color=BLUE, markersize=4, label="held-out pictures")
        kept = history.attrs["kept_epoch"]
        bottom.plot(
            epoch[kept], held_out[kept], "o", markersize=11, markerfacecolor="none",
            color=ORANGE, markeredgewidth=1.8, label="kept", clip_on=False,
        )  # fmt: skip
        required = history.attrs["required_accuracy"]
        bottom.axhline(required, color="#444444", linestyle=":", label="required, a₀")
        bottom.set_ylabel("accuracy")
        bottom.set_xlabel("training step")
        bottom.set_ylim(min(0.5, float(history.batch_accuracy.min())) - 0.02, 1.02)
        bottom.set_xlim(0, step[-1])
        bottom.legend(loc="upper left", bbox_to_anchor=(0, -0.35), ncols=4)
    return figure


def _draw_steps(
    axes: Axes,
    step: np.ndarray,
    values: np.ndarray,
    color: str,
    dash: str = "-",
    label: str | None = None,
) -> None:
    window = max(1, len(values) // 15)
    smooth = np.convolve(values, np.ones(window), "valid") / window
    middle = step[window // 2 : window // 2 + len(smooth)]
    axes.plot(step, values, ".", color=color, alpha=0.45, markersize=4, markeredgewidth=0)
    axes.plot(middle, smooth, dash, color=color, linewidth=1.6, label=label)


def plot_samples(study: xr.DataTree, images: np.ndarray) -> Figure:
    """Draw pictures under a learned family, with what the classifier says (figure 19)."""
    samples = first_of(study, "samples")
    pictures = transformed_samples(samples, images)
    count, rows, columns = pictures.shape[:3]
    with panels(rows * count * columns, columns, size=(1.5, 1.85)) as (figure, grid):
        for row, axes_row in enumerate(grid):
            picture, slider = divmod(row, rows)
            for column, axes in enumerate(axes_row):
                axes.imshow(np.clip(pictures[picture, slider, column], 0, 1))
                axes.set_xticks([])
                axes.set_yticks([])
                said = samples.isel(picture=picture, slider=slider, value=column)
                axes.set_xlabel(
                    f"{readable(said.predicted.item())}\n{said.softmax.item():.2f}", fontsize=8
                )
                if row == 0 or slider == 0:
                    axes.set_title(f"{samples.value.values[column]:g}", fontsize=8)
            letter = {"alpha": "all α =", "beta": "all β ="}[samples.slider.values[slider]]
            axes_row[0].set_ylabel(letter, rotation=0, ha="right", va="center")
    return figure


def plot_decomposition(study: xr.DataTree) -> Figure:
    """Draw what each control value does to the content and its colors."""
    survey = first_of(study, "survey")
    size = (2 / 3 * PANEL_WIDTH, 2.1 / 4 * PANEL_HEIGHT)
    with panels(12, columns=3, size=size) as (figure, grid):
        for kind, components, first in (
            ("alpha", tuple(COMPONENT_LABELS)[:6], 0),
            ("beta", tuple(COMPONENT_LABELS)[6:], 6),
        ):
            _draw_components(grid.flat[first:], survey, kind, components)
            handles, labels = grid.flat[first].get_legend_handles_labels()
            last = grid.flat[-2 if kind == "alpha" else -1]
            last.set_axis_off()
            last.legend(handles, labels, loc="center", title="moved from 0 to 1")
    return figure


def _draw_components(
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
        axes.set_title(COMPONENT_LABELS[component], fontsize=9)
        axes.set_xticks([0, 0.5, 1])


def plot_frontier(study: xr.DataTree) -> Figure:
    """Draw accuracy against displacement for the learned, the random and the known families."""
    nodes = list(study.children.values())
    comparisons = [node["comparison"].to_dataset() for node in nodes]
    styles = dict(zip(FAMILIES, RIVAL_STYLES, strict=False))
    with panels(1, size=(2 * PANEL_WIDTH, PANEL_HEIGHT)) as (figure, grid):
        axes = grid[0, 0]
        for index, comparison in enumerate(comparisons):
            pictures = int(nodes[index]["history"].attrs["held_out_pictures"])
            for family, style in styles.items():
                own = comparison.sel(family=family)
                displacement = (own.spatial_displacement + own.color_displacement).values
                accuracy, low, high = family_accuracy(comparison, family, pictures)
                draw_share(
                    axes, displacement, accuracy, (low, high), opacity=0.12,
                    label=family if index == 0 else None, linewidth=1.5, **style,
                )  # fmt: skip
                if family == "learned":
                    one = int(np.argmin(np.abs(own.factor.values - 1)))
                    axes.plot(
                        displacement[one], accuracy[one], "o", markersize=9,
                        markerfacecolor="none", markeredgewidth=1.8, color=style["color"],
                        label="as learned" if index == 0 else None,
                    )  # fmt: skip
        found = [each.attrs for each in comparisons if each.attrs["grid_displacement"]]
        axes.plot(
            [each["grid_displacement"] for each in found],
            [each["grid_accuracy"] for each in found],
            "x", color="#000000", markersize=8, markeredgewidth=1.8,
            label="largest of the grid" if found else "none found in the grid",
        )  # fmt: skip
        axes.axhline(
            comparisons[0].attrs["required_accuracy"], color="#444444", linestyle=":",
            label="required, a₀",
        )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("mean displacement: corners (widths) + colors (full range)")
        axes.set_ylabel("accuracy")
        axes.set_ylim(0, 1.02)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def plot_variations(varied: dict[str, xr.DataTree]) -> Figure:
    """Draw what transformers do to the content that were trained with different options."""
    size = (PANEL_WIDTH / 2, (0.4 / len(varied) + 0.5) * PANEL_HEIGHT)
    with panels(4 * len(varied), columns=4, size=size, sharey="col") as (figure, grid):
        for row, (value, study) in zip(grid, varied.items(), strict=True):
            _draw_components(row, first_of(study, "survey"), "alpha", COMPONENTS_SHOWN)
            row[0].set_ylabel(readable(value))
            history = first_of(study, "history")
            for (label, name), style in zip(DISPLACEMENTS.items(), SLIDER_STYLES, strict=False):
                row[3].plot(history[name], label=label, linewidth=2, **style)
            row[3].axvline(history.attrs["kept_epoch"], color="#BBBBBB", zorder=0)
            if row[0] is not grid[0, 0]:
                for axes in row:
                    axes.set_title("")
        grid[0, 3].set_title("displacement", fontsize=9)
        grid[0, 3].legend(loc="upper left")
        for axes in grid[-1, :3]:
            axes.set_xlabel("control value")
        grid[-1, 3].set_xlabel("epoch")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
