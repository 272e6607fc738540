"""What a page says of a screening in words and numbers."""

import json

import numpy as np
import pandas as pd
import xarray as xr

from itn.messages import UsageError
from itn.plots import format_magnitude, readable
from itn.study.profiles import FigureParameters, project_folder
from itn.thresholds import (
    REACHED,
    accuracy,
    is_correct,
    median_threshold,
    thresholds,
    true_softmax,
    value_at,
)
from itn.transformations import Transformation, find_transformation

NAMED = 5  # of the pictures that were left out


def threshold_table(screening: xr.Dataset) -> pd.DataFrame:
    """Tabulate the thresholds of every category, each as a reader wants to see it."""
    transformation = find_transformation(screening.attrs["transformation"])
    found = thresholds(screening)
    clean = value_at(screening, accuracy(screening), screening.attrs["identity"])
    texts = [f"{share:.1%}" if np.isfinite(share) else "–" for share in clean]
    table = pd.DataFrame({"clean accuracy": texts})
    for criterion in found.criterion.values:
        for direction in found.direction.values:
            column = found.sel(criterion=criterion, direction=direction)
            if (column.status != "not screened").any():
                table[f"{criterion} {direction}"] = _texts(column, transformation)
    table.index = pd.Index(found.category.values, name="category")
    return table


def key_numbers(screening: xr.Dataset) -> dict[str, float | str]:
    """Collect the numbers that the book's prose takes from a screening."""
    transformation = find_transformation(screening.attrs["transformation"])
    found = thresholds(screening)
    true = true_softmax(screening)
    label = screening.label.values
    identity = screening.attrs["identity"]
    right = value_at(screening, is_correct(screening).mean(axis=0), identity)
    numbers: dict[str, float | str] = {
        "pictures": len(label),
        "categories": screening.sizes["category"],
        "top1": float(right),
    }
    shown = {"softmax_identity": identity}
    if transformation.name == "rotation" and 180 in screening.magnitude:
        shown["softmax_180"] = 180.0
    for index, category in enumerate(screening.category.values):
        numbers[f"{category}_pictures"] = int((label == index).sum())
        for key, magnitude in shown.items():
            curve = true.sel(category=category)
            numbers[f"{category}_{key}"] = float(value_at(screening, curve, magnitude))
    for criterion in found.criterion.values:
        for direction in found.direction.values:
            column = found.sel(criterion=criterion, direction=direction)
            for key, number in _outward_numbers(column, transformation).items():
                numbers[f"{key}_{criterion}_{direction}"] = number
    return numbers


def describe(screening: xr.Dataset) -> str:
    """Say in one line which network looked at what, and whether this was computed just now.

    Pictures that could not be read and were left out are counted, and the first of them named.
    """
    attrs = screening.attrs
    left_out = json.loads(attrs.get("pictures_left_out", "[]"))
    named = [f"{path} ({reason})" for path, reason in left_out[:NAMED]]
    named += ["…"] if len(left_out) > NAMED else []
    without = f" without {len(left_out)} left out: {', '.join(named)}" if left_out else ""
    return (
        f"{attrs['transformation']}: {attrs['network']} (weights {attrs['weights_sha256'][:12]}) "
        f"on {attrs['pictures']} pictures of {attrs['data']} (data {attrs['data_sha256'][:12]})"
        f"{without}, {screening.sizes['magnitude']} magnitudes, fill {attrs['fill']}, "
        f"seed {attrs['seed']}, {attrs.get('origin', 'computed')} with {attrs['versions']} "
        f"on {attrs['device']}"
    )


def cost_table(parameters: FigureParameters) -> pd.DataFrame:
    """Tabulate what screening costs, measured and extrapolated, as the benchmark has found it.

    Multiplications in 10⁹, parameters in 10⁶, processor seconds per thousand passes, memory in GB;
    hours of a core for the rotation of 50 pictures, days for all transformations of 50,000. Time
    is extrapolated by the multiplications, memory by the size of the weights.
    """
    path = project_folder() / "results" / parameters.profile / "costs.json"
    if not path.is_file():
        raise UsageError(f"no results/{parameters.profile}/costs.json: run benchmarks/costs.py")
    costs = json.loads(path.read_text())
    found = pd.DataFrame.from_dict(costs.pop("networks"), orient="index")
    reference = found.loc[costs["reference"]]
    seconds = reference.seconds * found.multiplications / reference.multiplications
    best = found.seconds.fillna(seconds)
    memory = reference.memory + 4 * (found.parameters - reference.parameters)  # float32
    passes = costs["passes"]
    table = pd.DataFrame(
        {
            "pixels": found.input_size,
            "multiplications": found.multiplications / 1e9,
            "parameters": found.parameters / 1e6,
            "seconds measured": 1000 * found.seconds,
            "seconds extrapolated": 1000 * seconds,
            "memory measured": found.memory / 1e9,
            "memory extrapolated": memory / 1e9,
            "rotation hours": best * passes["rotation"] * 50 / 3600,
            "all days": best * sum(passes.values()) * 50_000 / 86_400,
        }
    )
    table.attrs = costs | {"sum_of_passes": sum(passes.values())}
    return table


def cost_numbers(table: pd.DataFrame) -> dict[str, float | str]:
    """Collect the numbers of `cost_table` for the book."""
    numbers: dict[str, float | str] = {
        f"{network}_{column}".replace(" ", "_"): "–" if pd.isna(value) else _short(value)
        for column in table.columns
        for network, value in table[column].items()
    }
    passes = {"rotation": table.attrs["passes"]["rotation"], "all": table.attrs["sum_of_passes"]}
    numbers |= {f"{name}_passes": count for name, count in passes.items()}
    return numbers | {name: table.attrs[name] for name in ("machine", "batch_size")}


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"


def _outward_numbers(column: xr.Dataset, transformation: Transformation) -> dict[str, float | str]:
    """Summarize the thresholds of one criterion and direction."""
    texts = _texts(column, transformation)
    numbers: dict[str, float | str] = dict(zip(column.category.values, texts, strict=True))
    numbers["median"] = _text(*median_threshold(column), transformation)
    reached = column.isel(category=column.status.values == REACHED)
    numbers["reached"] = reached.sizes["category"]
    if reached.sizes["category"]:
        outward = reached.sortby("threshold", ascending=column.direction.item() == "up")
        for name, one in (
            ("nearest", outward.isel(category=0)),
            ("farthest", outward.isel(category=-1)),
        ):
            numbers[name] = format_magnitude(one.threshold.item(), transformation)
            numbers[f"{name}_category"] = readable(one.category.item())
    return numbers


def _texts(column: xr.Dataset, transformation: Transformation) -> list[str]:
    pairs = zip(column.status.values, column.threshold.values, strict=True)
    return [_text(status, threshold, transformation) for status, threshold in pairs]


def _text(status: str, threshold: float, transformation: Transformation) -> str:
    return format_magnitude(threshold, transformation) if status == REACHED else str(status)
