"""What a page says of a screening in words and numbers."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from itn.plots import format_magnitude
from itn.sinks import GAINS, gained
from itn.study.pages import MISSING
from itn.study.profiles import FigureParameters
from itn.study.screenings import highlighted
from itn.study.titles import title
from itn.thresholds import (
    CRITERIA,
    LOST_AT_IDENTITY,
    NOT_SCREENED,
    REACHED,
    accuracy,
    is_consistent,
    is_correct,
    median_threshold,
    thresholds,
    true_softmax,
    value_at,
)
from itn.transformations import Transformation, find_transformation

Screened = TypeVar("Screened")
MARK = " ‡"  # of a threshold that gains from a sink
NAMED = 5  # of the pictures that were left out


def threshold_table(screening: xr.Dataset) -> pd.DataFrame:
    """Tabulate the thresholds of every category, each as a reader wants to see it.

    Marked is what gains from a sink, see `itn.sinks`.
    """
    transformation = find_transformation(screening.attrs["transformation"])
    clean = value_at(screening, accuracy(screening), screening.attrs["identity"])
    texts = [f"{share:.1%}" if np.isfinite(share) else MISSING for share in clean]
    table = pd.DataFrame({"clean accuracy": texts})
    for criterion, direction, column in _screened(screening):
        table[f"{criterion} {direction}"] = [
            text + (MARK if gains else "")
            for text, gains in zip(_texts(column, transformation), column.gains.values, strict=True)
        ]
    table.index = pd.Index(screening.category.values, name="category")
    return table


def of_each(
    tabulate: Callable[[Screened], pd.DataFrame], screenings: Mapping[str, Screened]
) -> pd.DataFrame:
    """Put the tables of several networks below each other; the first index level names them."""
    return pd.concat({name: tabulate(one) for name, one in screenings.items()}, names=["network"])


def threshold_summary(screening: xr.Dataset) -> pd.DataFrame:
    """Summarize the thresholds of all categories, one row for each criterion and direction.

    How many are reached, how many are lost untouched, the median, and of those that are reached the
    nearest to the identity and the farthest from it; what gains from a sink is not praised as the
    farthest.
    """
    transformation = find_transformation(screening.attrs["transformation"])
    rows = {}
    for criterion, direction, column in _screened(screening):
        reached = column.isel(category=column.status.values == REACHED)
        outward = reached.sortby("threshold", ascending=direction == "up")
        rows[f"{criterion}_{direction}"] = row = {
            "reached": outward.sizes["category"],
            "untouched": int((column.status == LOST_AT_IDENTITY).sum()),
            "median": _text(*median_threshold(column), transformation),
        }
        for name, end in (("nearest", 0), ("farthest", -1)):
            row[name], row[f"{name} category"] = MISSING, MISSING
            possible = outward.isel(category=~outward.gains) if name == "farthest" else outward
            if possible.sizes["category"]:
                one = possible.isel(category=end)
                row[name] = format_magnitude(one.threshold.item(), transformation)
                row[f"{name} category"] = title(one.category.item())
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("threshold")


def threshold_overview(
    screenings: Sequence[xr.Dataset], parameters: FigureParameters
) -> pd.DataFrame:
    """Tabulate the thresholds of growing magnitude, one row for each transformation.

    Those of the categories that main figures show, and the median of *half* over all.
    """
    rows = {}
    for screening in screenings:
        shown = threshold_table(highlighted(screening, parameters))
        row = {
            f"{category}, {criterion}": shown.loc[category, f"{criterion} up"]
            for category in shown.index
            for criterion in CRITERIA
        }
        row["median, half"] = threshold_summary(screening).loc["half_up", "median"]
        rows[screening.attrs["transformation"]] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("transformation")


def lost_table(screenings: Sequence[xr.Dataset]) -> pd.DataFrame:
    """Count for each transformation the classes that lose half of their accuracy either way."""
    found = [thresholds(one, resamples=0).status.sel(criterion="half") for one in screenings]
    lost = [int((status == REACHED).any("direction").sum()) for status in found]
    names = [screening.attrs["transformation"] for screening in screenings]
    return pd.DataFrame({"lost": lost}, index=pd.Index(names, name="transformation"))


def rotation_table(screening: xr.Dataset) -> pd.DataFrame:
    """Tabulate mean softmax upright and upside down, and the thresholds counter-clockwise."""
    rotation = find_transformation("rotation")
    true = true_softmax(screening)
    up = thresholds(screening, resamples=0).sel(direction="up")
    return pd.DataFrame(
        {
            "softmax upright": value_at(screening, true, rotation.identity),
            "softmax upside down": value_at(screening, true, 180.0),
        }
        | {criterion: _texts(up.sel(criterion=criterion), rotation) for criterion in CRITERIA},
        index=pd.Index(screening.category.values, name="category"),
    )


def category_table(screening: xr.Dataset) -> pd.DataFrame:
    """Tabulate the categories: how many pictures, and which class of the network is the right one.

    The index is that of the class among the network's.
    """
    target = screening.target.values
    count = np.bincount(screening.label.values, minlength=len(target))
    classes = map(title, screening["class"].values[target])
    return pd.DataFrame(
        {"pictures": count, "class": list(classes), "index": target},
        index=pd.Index(screening.category.values, name="category"),
    )


def screening_summary(screening: xr.Dataset) -> pd.DataFrame:
    """Tabulate in one row, the transformation's, how much was looked at, and what is recognized."""
    right = value_at(screening, is_correct(screening).mean(axis=0), screening.attrs["identity"])
    row = {
        "pictures": screening.sizes["image"],
        "categories": screening.sizes["category"],
        "clean accuracy": float(right),
    }
    index = pd.Index([screening.attrs["transformation"]], name="transformation")
    return pd.DataFrame([row], index=index)


def consistency_table(screenings: Sequence[xr.Dataset]) -> pd.DataFrame:
    """Tabulate how many pictures keep their prediction, one row for each transformation.

    ``untouched`` is the accuracy of pictures as they are. The rest is of transformed ones, all
    magnitudes together: their accuracy, the shares that ``go wrong`` and ``come right``, which
    make up the difference, and the ``consistency``.
    """
    rows = {}
    for screening in screenings:
        transformation = find_transformation(screening.attrs["transformation"])
        away = screening.magnitude.values - transformation.identity
        moved = np.mod(away, transformation.period or np.inf) != 0
        right, same = is_correct(screening), is_consistent(screening)[:, moved]
        before, after = right[:, ~moved][:, :1], right[:, moved]
        rows[screening.attrs["transformation"]] = {
            "untouched": before.mean(),
            "accuracy": after.mean(),
            "go wrong": (before & ~after).mean(),
            "come right": (~before & after).mean(),
            "consistency": same.mean(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("transformation")


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


def describe_all(screenings: Mapping[str, xr.Dataset]) -> list[str]:
    """Say of each screening in one line which network looked at what, see `describe`."""
    return [describe(screening) for screening in screenings.values()]


def _screened(screening: xr.Dataset) -> Iterator[tuple[str, str, xr.Dataset]]:
    """Pass through the criteria and directions that were screened, with their thresholds.

    And with whether each category ``gains`` from a sink.
    """
    found = thresholds(screening, resamples=0)
    found["gains"] = gained(screening, found) > GAINS
    for criterion in found.criterion.values:
        for direction in found.direction.values:
            column = found.sel(criterion=criterion, direction=direction)
            if (column.status != NOT_SCREENED).any():
                yield criterion, direction, column


def _texts(column: xr.Dataset, transformation: Transformation) -> list[str]:
    pairs = zip(column.status.values, column.threshold.values, strict=True)
    return [_text(status, threshold, transformation) for status, threshold in pairs]


def _text(status: str, threshold: float, transformation: Transformation) -> str:
    return format_magnitude(threshold, transformation) if status == REACHED else str(status)
