"""What a page says of an Invariant Transformer Net in words and numbers."""

import numpy as np
import pandas as pd
import xarray as xr

from itn.plots import readable
from itn.study.families import displacement_at_required, displacement_ratios
from itn.study.matrices import decompose_color, decompose_spatial
from itn.thresholds import NOT_REACHED, accuracy_interval


def first_of(study: xr.DataTree, kind: str) -> xr.Dataset:
    """Return a part of a study's first seed."""
    return next(iter(study.children.values()))[kind].to_dataset()


def describe_study(study: xr.DataTree) -> str:
    """Say in one line which network learned on what, and whether this was computed just now."""
    attrs = first_of(study, "history").attrs
    shared = attrs.get("shared_pictures", 0)
    seen = f", {shared} of them learned from as well" if shared else ""
    return (
        f"{attrs['network']} (weights {attrs['weights_sha256'][:12]}) on {attrs['pictures']} "
        f"pictures of {attrs['data']} (data {attrs['data_sha256'][:12]}), judged on "
        f"{attrs['held_out_pictures']} others{seen}, {len(study.children)} seeds, "
        f"{attrs['epochs']} epochs, {study.attrs['origin']} with {attrs['versions']} on "
        f"{attrs['device']}"
    )


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
            "grid member": ", ".join(
                readable(comparison.attrs[kind]) for kind in ("grid_spatial", "grid_color")
            ),
            "learned / random": ratios["to_random"],
            "learned / grid": ratios["to_grid"],
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed")
    for name in table.columns[(table == np.inf).any()]:
        texts = table[name].map("{:.3f}".format).mask(table[name].isna())
        table[name] = texts.mask(table[name] == np.inf, NOT_REACHED)
    return table


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
            f"lowest {title}": _with_interval(int(surveyed[name].values[own].min()), count)
            for title, name in (("accuracy", "right"), ("consistency", "consistent"))
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("moved")


def _with_interval(right: int, count: int) -> str:
    low, high = accuracy_interval(np.array(right), count)
    return f"{right / count:.3f} ({low:.3f} … {high:.3f})"


def transformer_numbers(study: xr.DataTree) -> dict[str, float | str]:
    """Collect the numbers that the book's prose takes from a study.

    Of the first seed unless they say otherwise; ``outward`` is the share of steps that went
    outward, ``first_`` and ``last_cross_entropy`` are means over a tenth of the steps.
    """
    history = first_of(study, "history")
    kept, tenth = history.attrs["kept_epoch"], max(1, history.sizes["step"] // 10)
    names = ("clean_accuracy", "held_out_clean_accuracy", "required_accuracy")
    numbers: dict[str, float | str] = {name: float(history.attrs[name]) for name in names}
    for name in ("held_out_accuracy", "spatial_displacement", "color_displacement"):
        numbers[name] = float(history[name].values[kept])
    for name in ("kept_epoch", "epochs", "pictures", "held_out_pictures"):
        numbers[name] = int(history.attrs[name])
    numbers["steps"] = history.sizes["step"]
    numbers["outward"] = float(history.outward.mean())
    numbers["batch_accuracy"] = float(history.batch_accuracy.values[-tenth:].mean())
    numbers["first_cross_entropy"] = float(history.cross_entropy.values[:tenth].mean())
    numbers["last_cross_entropy"] = float(history.cross_entropy.values[-tenth:].mean())
    first, *_ = study.children.values()
    if "survey" in first:
        numbers |= _component_numbers(first_of(study, "survey"))
    if "comparison" in first:
        nodes = [node["comparison"].to_dataset() for node in study.children.values()]
        ratios = [displacement_ratios(node) for node in nodes]
        for name in ("to_random", "to_grid"):
            values = [ratio[name] for ratio in ratios]
            numbers[f"{name}_mean"] = float(np.mean(values))
            numbers[f"{name}_lowest"], numbers[f"{name}_highest"] = min(values), max(values)
            numbers[f"{name}_not_reached"] = int(np.isinf(values).sum())
        for kind in ("grid_spatial", "grid_color"):
            numbers[kind] = readable(nodes[0].attrs[kind])
    return numbers


def variation_numbers(varied: dict[str, xr.DataTree]) -> dict[str, float | str]:
    """Collect what the prose says of transformers trained with several values of a parameter."""
    return {
        f"{value}_{key}": number
        for value, study in varied.items()
        for key, number in transformer_numbers(study).items()
    }


def _component_numbers(surveyed: xr.Dataset) -> dict[str, float | str]:
    table = pd.concat(
        [
            decompose_spatial(surveyed.spatial_matrix.values),
            decompose_color(surveyed.color_matrix.values),
        ],
        axis=1,
    )
    table["accuracy"] = surveyed.right.values / surveyed.attrs["pictures"]
    table["consistency"] = surveyed.consistent.values / surveyed.attrs["pictures"]
    ends = {"lowest": table.min(), "highest": table.max()}
    return {
        f"{component}_{end}": float(values[component])
        for component in table.columns
        for end, values in ends.items()
    }
