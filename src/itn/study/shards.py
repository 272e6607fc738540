"""Shards: parts of a screening that are computed apart, possibly elsewhere, and put together.

A shard is a class, or a few, under one transformation. It travels as a plain dictionary that
names network and pictures, with the hashes that their files must have where it is computed.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from itn.curves import join_categories, select_categories
from itn.messages import UsageError
from itn.netcdf import read_netcdf, write_netcdf
from itn.study.archive import Recipe, differences, digest_of, is_whole
from itn.study.inputs import (
    RIVALS,
    Plan,
    check_inputs,
    pictures_recipe,
    planned_classifier,
    planned_pictures,
)
from itn.study.profiles import FigureParameters

SHARDS = "shards"  # folder of those that are finished, within that of what is unfinished
SETTINGS = ("transformation", "fill", "seed")
OF_THE_WHOLE = ("data_sha256", "pictures", "pictures_left_out")  # attributes that shards differ in


def screen_in_shards(
    parameters: FigureParameters,
    recipe: Recipe,
    inputs: Plan,
    whole: Plan,
    state: Path,
    keep_all: Callable[[Mapping[Path, Plan]], None],
) -> xr.Dataset:
    """Screen in shards, which `keep_all` writes to their files; those of before serve."""
    shards = {
        state / SHARDS / f"{digest_of(shard)[:16]}.nc": shard
        for shard in cut(parameters, recipe, inputs, whole)
    }
    keep_all(shards)
    merged = merge([read_netcdf(path).to_dataset() for path in shards], whole)
    return as_asked(merged, whole["asked"] if inputs["pictures"]["classes"] else None)


def screen_here(shards: Mapping[Path, Plan]) -> None:
    """Screen the shards that are missing, one after the other; each can go on after a kill."""
    for path, shard in shards.items():
        if not is_whole(path):
            write_netcdf(screen_shard(shard, path.parent, progress=True), path)


def as_asked(screening: xr.Dataset, names: Mapping[str, str] | None) -> xr.Dataset:
    """Bring the classes of a screening, which are sorted, into the order and names asked for."""
    if names is None:
        return screening
    return select_categories(screening, list(names)).assign_coords(category=list(names.values()))


def outline(inputs: Plan) -> Plan:
    """Say what the shards of a screening do not know of the whole."""
    from itn.engines import usual_batch_size
    from itn.provenance import environment

    loaded = planned_pictures(inputs)
    asked = inputs["pictures"]["classes"] or loaded.class_names
    counts = np.bincount(loaded.labels).tolist()
    return {
        "asked": {loaded.class_named(given): given for given in asked},
        "counts": dict(zip(loaded.class_names, counts, strict=True)),
        "batch_size": usual_batch_size(counts),
        "device": environment()["device"],
        "classes": pictures_recipe(**inputs["pictures"])["classes"],
        "attributes": {
            "data_sha256": loaded.data_hash,
            "pictures": len(loaded),
            "pictures_left_out": json.dumps(loaded.left_out),
        },
    }


def cut(parameters: FigureParameters, recipe: Recipe, inputs: Plan, whole: Plan) -> list[Plan]:
    """Cut a screening into shards, of which each has batches of the size of the whole."""
    settings = {name: recipe[name] for name in SETTINGS}
    given = parameters.magnitudes
    magnitudes = list(given) if isinstance(given, tuple) else given  # JSON knows no tuple
    shards = []
    for classes in group(whole["counts"], whole["batch_size"]):
        asked = [whole["asked"][name] for name in classes]
        hashes = {given: whole["classes"][given] for given in asked}
        shards.append(
            {
                **inputs,
                "pictures": inputs["pictures"] | {"classes": asked},
                "hashes": inputs["hashes"] | {"classes": hashes},
                **settings,
                "magnitudes": magnitudes,
                "precision": parameters.precision,
                "batch_size": whole["batch_size"],
                "device": whole["device"],
            }
        )
    return shards


def group(counts: Mapping[str, int], batch_size: int) -> list[list[str]]:
    """Group classes: one that fills no batch goes with one that does, which sets the size."""
    groups = [[name] for name, count in counts.items() if count >= batch_size]
    small = [name for name, count in counts.items() if count < batch_size]
    for position, name in enumerate(small):
        groups[position % len(groups)].append(name)
    return groups


def screen_shard(shard: Plan, state: Path | None = None, progress: bool = False) -> xr.Dataset:
    """Screen a shard where its network and its pictures are."""
    from itn.provenance import environment
    from itn.screening import screen

    check_inputs(shard)
    device = environment()["device"]
    if device != shard["device"]:
        raise UsageError(f"computes on {device}, others on {shard['device']}")
    return screen(
        planned_classifier(shard),
        planned_pictures(shard),
        shard["transformation"],
        shard["magnitudes"],
        precision=shard["precision"],
        fill=shard["fill"],
        seed=shard["seed"],
        rivals=RIVALS,
        batch_size=shard["batch_size"],
        state=state,
        progress=progress,
    )


def merge(parts: Sequence[xr.Dataset], whole: Plan) -> xr.Dataset:
    """Put the shards of a screening together: what screening all at once would have given."""
    return joined(parts, list(whole["counts"]), OF_THE_WHOLE).assign_attrs(whole["attributes"])


def joined(
    parts: Sequence[xr.Dataset], categories: Sequence[str], may_differ: Collection[str]
) -> xr.Dataset:
    """Put screenings of different categories together, in an order of categories.

    All else that they say of themselves has to be the same.
    """
    settings = [
        {key: value for key, value in part.attrs.items() if key not in may_differ} for part in parts
    ]
    for each in settings:
        if found := differences(each, settings[0]):
            raise UsageError(f"parts were screened in different ways: {', '.join(found)}")
    source = {name: part for part in parts for name in part.category.values.tolist()}
    own = [select_categories(source[name], [name]) for name in categories]
    label = np.repeat(np.arange(len(own), dtype=np.int32), [one.sizes["image"] for one in own])
    names = {
        "image": np.concatenate([one.image.values for one in own]).tolist(),
        "category": list(categories),
        "class": own[0]["class"].values.tolist(),
    }
    whole = join_categories(own, label, names)
    whole.magnitude.attrs = parts[0].magnitude.attrs
    return whole.assign_attrs(parts[0].attrs)
