"""Shards: parts of a screening that are computed apart, possibly elsewhere, and put together.

A shard is a class, or a few, under one transformation. It travels as a plain dictionary that
names network and pictures, with the hashes that their files must have where it is computed.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from itn.messages import UsageError
from itn.study.archive import Request, differences
from itn.study.inputs import (
    RIVALS,
    Plan,
    check_inputs,
    pictures_recipe,
    planned_classifier,
    planned_pictures,
)
from itn.study.profiles import FigureParameters

SETTINGS = ("transformation", "magnitudes", "fill", "seed")
JOIN: dict[str, Any] = {
    "data_vars": "minimal", "coords": "minimal", "compat": "equals", "join": "exact",
}  # fmt: skip
OF_THE_WHOLE = ("data_sha256", "pictures", "pictures_left_out")  # attributes that shards differ in


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


def cut(parameters: FigureParameters, request: Request, inputs: Plan, whole: Plan) -> list[Plan]:
    """Cut a screening into shards, of which each has batches of the size of the whole."""
    settings = {name: request.recipe[name] for name in SETTINGS if name != "magnitudes"}
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
                "magnitudes": parameters.magnitudes and list(parameters.magnitudes),
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


def screen_shard(shard: Plan) -> xr.Dataset:
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
        fill=shard["fill"],
        seed=shard["seed"],
        rivals=RIVALS,
        batch_size=shard["batch_size"],
        progress=False,
    )


def merge(parts: Sequence[xr.Dataset], whole: Plan) -> xr.Dataset:
    """Put the shards of a screening together: what screening all at once would have given."""
    attributes = [
        {key: value for key, value in part.attrs.items() if key not in OF_THE_WHOLE}
        for part in parts
    ]
    for each in attributes:
        if found := differences(each, attributes[0]):
            raise UsageError(f"shards were computed in different ways: {', '.join(found)}")
    position = {name: index for index, name in enumerate(whole["counts"])}
    joined = xr.merge(
        [
            xr.concat([part.drop_dims("category") for part in parts], "image", **JOIN),
            xr.concat([part.drop_dims("image") for part in parts], "category", **JOIN),
        ],
        join="exact",
        compat="equals",
    )
    labels = [position[name] for part in parts for name in part.category.values[part.label.values]]
    joined["label"] = ("image", np.array(labels, np.int32))
    joined = joined[list(parts[0].data_vars)].isel(
        image=np.argsort(labels, kind="stable"),
        category=np.argsort([position[name] for name in joined.category.values]),
    )
    return joined.assign_attrs(parts[0].attrs | whole["attributes"])
