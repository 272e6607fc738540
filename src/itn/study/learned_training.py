"""How transformers learned, and how far their families go beside random and known ones."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from itn.plots import PANEL_HEIGHT, PANEL_WIDTH, RIVAL_STYLES, draw_share, panels
from itn.study.learned import first_of
from itn.study.matrices import decompose_color, decompose_spatial
from itn.study.pages import MISSING
from itn.study.sheets import explain, lines_of
from itn.study.titles import title
from itn.thresholds import NOT_REACHED, accuracy_interval, crossing

BLUE, ORANGE = "#0072B2", "#D55E00"


def plot_transformer_training(study: xr.DataTree, narrow: bool = False) -> Figure:
    """Draw how the losses and the accuracy went, step by step (the paper's figure 14)."""
    history = first_of(study, "history")
    step = history.step.values
    epoch = np.arange(history.sizes["epoch"]) * len(step) / history.attrs["epochs"]
    size = (PANEL_WIDTH if narrow else 2 * PANEL_WIDTH, 1.9 / 3 * PANEL_HEIGHT)
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
        middle.legend()
        _draw_steps(bottom, step, history.batch_accuracy.values, "#777777", label="batch")
        held_out = history.held_out_accuracy.values
        bottom.plot(epoch, held_out, "o-", color=BLUE, markersize=4, label="pictures to choose by")
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
        explain(figure, lines_of([bottom]))
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
    each, mean = f"_{label or ''} at each step", label or "_running mean"  # not in the legend
    axes.plot(
        step, values, ".", color=color, alpha=0.45, markersize=4, markeredgewidth=0, label=each
    )
    axes.plot(middle, smooth, dash, color=color, linewidth=1.6, label=mean)


def plot_frontier(study: xr.DataTree, narrow: bool = False) -> Figure:
    """Draw accuracy against displacement for the learned, the random and the known families."""
    comparisons = [node["comparison"].to_dataset() for node in study.children.values()]
    styles = dict(zip(comparisons[0].family.values.tolist(), RIVAL_STYLES, strict=False))
    size = (PANEL_WIDTH if narrow else 2 * PANEL_WIDTH, 1.2 * PANEL_HEIGHT)
    with panels(1, size=size) as (figure, grid):
        axes = grid[0, 0]
        for index, comparison in enumerate(comparisons):
            for family, style in styles.items():
                own = comparison.sel(family=family)
                displacement = (own.spatial_displacement + own.color_displacement).values
                accuracy, low, high = family_accuracy(comparison, family)
                draw_share(
                    axes, displacement, accuracy, (low, high), opacity=0.12,
                    label=family if index == 0 else f"_{family}", linewidth=1.5, **style,
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
        axes.set_xlabel("mean displacement:\ncorners (widths) + colors (full range)")
        axes.set_ylabel("accuracy")
        axes.set_ylim(0, 1.02)
        explain(figure, lines_of([axes]))
    return figure


def family_accuracy(
    comparison: xr.Dataset, family: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Return the accuracy of a family at each factor, with its 95 % interval over pictures.

    Passes over one picture are no independent witnesses. The interval is Clopper and Pearson's
    for as many trials as there are pictures (where some are looked at more often than others,
    for :math:`(\sum w)^2 / \sum w^2` for looks w), as if all passes over a picture agreed. That
    is the widest it can be: a mean of values in [0, 1] varies at most as one of zeros and ones.
    """
    passes = int(comparison.attrs["passes_each"])
    different = int(comparison.attrs["pictures"])
    often, more_often = divmod(passes, different)
    squares = (different - more_often) * often**2 + more_often * (often + 1) ** 2
    accuracy = comparison.right.sel(family=family).values / passes
    trials = passes**2 // squares
    return accuracy, *accuracy_interval(accuracy * trials, trials)


def largest_factor(comparison: xr.Dataset, family: str) -> float:
    """Return how far a family can be stretched before the required accuracy is lost.

    It is interpolated over its logarithm; infinite if the accuracy is not lost as far as was
    looked, NaN if already the smallest factor loses it.
    """
    margin = (
        comparison.right.sel(family=family).values / comparison.attrs["passes_each"]
        - comparison.attrs["required_accuracy"]
    )
    failed = np.flatnonzero(margin < 0)
    if not len(failed):
        return float("inf")
    if failed[0] == 0:
        return float("nan")
    return crossing(comparison.factor.values, margin, failed[0] - 1, failed[0], logarithmic=True)


def displacement_at_required(comparison: xr.Dataset, family: str) -> float:
    """Return how far a family displaces where it holds just the required accuracy."""
    own = comparison.sel(family=family, factor=1)
    as_learned = float(own.spatial_displacement + own.color_displacement)
    return largest_factor(comparison, family) * as_learned


def displacement_ratios(comparison: xr.Dataset) -> dict[str, float]:
    """Return how much farther the learned family goes than what it is compared with.

    ``to_random`` is the learned family over the random one, ``to_grid`` over the largest member of
    the grid that holds; above 1 the learned family goes farther. Infinite where it does not lose
    the accuracy as far as was looked, NaN where there is nothing to compare with.
    """
    learned = displacement_at_required(comparison, "learned")
    random = displacement_at_required(comparison, "random")
    grid = comparison.attrs["grid_displacement"]
    return {
        "to_random": learned / random if np.isfinite(random) else float("nan"),
        "to_grid": learned / grid if grid else float("nan"),
    }


def comparison_table(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate how far the families go at the required accuracy, one row for each seed.

    Displacements at the required accuracy are of corners plus colors. *Not reached*: the accuracy
    is not lost as far as was looked; missing: there is nothing to compare with.
    """
    rows = {}
    for name, node in study.children.items():
        comparison = node["comparison"].to_dataset()
        learned = comparison.sel(family="learned", factor=1)
        ratios = displacement_ratios(comparison)
        rows[int(name.removeprefix("seed_"))] = {
            "accuracy as learned": int(learned.right) / comparison.attrs["passes_each"],
            "corners as learned": float(learned.spatial_displacement),
            "colors as learned": float(learned.color_displacement),
            "learned": displacement_at_required(comparison, "learned"),
            "random": displacement_at_required(comparison, "random"),
            "grid": comparison.attrs["grid_displacement"],
            "grid member": member_title(comparison),
            "learned / random": ratios["to_random"],
            "learned / grid": ratios["to_grid"],
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed")
    for name in table.columns[(table == np.inf).any()]:
        texts = table[name].map("{:.3f}".format).mask(table[name].isna())
        table[name] = texts.mask(table[name] == np.inf, NOT_REACHED)
    return table


def member_title(comparison: xr.Dataset) -> str:
    """Return what readers call the member of the grid that was found."""
    found = comparison.attrs["grid_member"]
    return ", ".join(map(title, found.split(", "))) if found else MISSING


def transformer_table(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate what each seed has learned: one row for each, called as the study calls it.

    ``outward`` is the share of steps that went outward, ``to_random`` and ``to_grid`` are
    `displacement_ratios`; components of the matrices are the ``lowest`` and
    ``highest`` along the sliders.
    """
    rows = {name: learned_row(node) for name, node in study.children.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("training")


def learned_row(training: xr.DataTree) -> dict[str, float | str]:
    """Say what one training has learned."""
    history = training["history"].to_dataset()
    kept = history.attrs["kept_epoch"]
    names = ("pictures", "reported_pictures", "epochs", "kept_epoch")
    row: dict[str, float | str] = {name: int(history.attrs[name]) for name in names}
    shares = ("clean_accuracy", "required_accuracy", "reported_accuracy", "reported_clean_accuracy")
    for name in shares:
        row[name] = float(history.attrs[name])
    for name in ("spatial_displacement", "color_displacement"):
        row[name] = float(history[name].values[kept])
    row["outward"] = float(history.outward.mean())
    if "comparison" in training:
        comparison = training["comparison"].to_dataset()
        row |= displacement_ratios(comparison)
        row["grid_member"] = member_title(comparison)
    if "survey" in training:
        surveyed = training["survey"].to_dataset()
        for matrices in (
            decompose_spatial(surveyed.spatial_matrix.values),
            decompose_color(surveyed.color_matrix.values),
        ):
            for component, values in matrices.items():
                row[f"{component}_lowest"] = float(values.min())
                row[f"{component}_highest"] = float(values.max())
    return row
