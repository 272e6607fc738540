"""What a page says of a screening in words and numbers."""

import json

import numpy as np
import pandas as pd
import xarray as xr

from itn.plots import format_magnitude, readable
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
