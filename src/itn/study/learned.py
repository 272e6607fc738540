"""What the transformers learn, in words and tables."""

from collections.abc import Mapping

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


def transformer_table(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate what each seed has learned: one row for each, called as the study calls it.

    ``outward`` is the share of steps that went outward, ``to_random`` and ``to_grid`` are
    `itn.study.families.displacement_ratios`; components of the matrices are the ``lowest`` and
    ``highest`` along the sliders.
    """
    rows = {name: _learned(node) for name, node in study.children.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("training")


def variation_table(varied: Mapping[str, xr.DataTree]) -> pd.DataFrame:
    """Tabulate the same of trainings with several values of a parameter: one row for each value."""
    rows = {value: _learned(next(iter(study.children.values()))) for value, study in varied.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("value")


def _learned(training: xr.DataTree) -> dict[str, float | str]:
    history = training["history"].to_dataset()
    kept = history.attrs["kept_epoch"]
    names = ("pictures", "held_out_pictures", "epochs", "kept_epoch")
    row: dict[str, float | str] = {name: int(history.attrs[name]) for name in names}
    for name in ("clean_accuracy", "held_out_clean_accuracy", "required_accuracy"):
        row[name] = float(history.attrs[name])
    for name in ("held_out_accuracy", "spatial_displacement", "color_displacement"):
        row[name] = float(history[name].values[kept])
    row["outward"] = float(history.outward.mean())
    if "comparison" in training:
        comparison = training["comparison"].to_dataset()
        row |= displacement_ratios(comparison)
        row |= {kind: readable(comparison.attrs[kind]) for kind in ("grid_spatial", "grid_color")}
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
