"""Tables of a screening, against numbers that are worked out by hand."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import itn
from itn.study.profiles import FigureParameters
from itn.study.tables import (
    category_table,
    consistency_table,
    describe,
    describe_all,
    lost_table,
    of_each,
    rotation_table,
    screening_summary,
    threshold_overview,
    threshold_summary,
    threshold_table,
)

CLASSES = ("cat", "ball", "piano", "lamp", "drum")
TARGETS = {"soccer_ball": 1, "grand_piano": 2, "desk_lamp": 3, "steel_drum": 4}
COUNTS = {"soccer_ball": 4, "grand_piano": 2, "desk_lamp": 2, "steel_drum": 1}
SIDES = ["switch down", "switch up", "half down", "half up"]


def screening(name, magnitudes, curves):
    """Of each category the mean softmax of its class, the cat's is the rest; and how many right."""
    mean = np.zeros((len(curves), len(magnitudes), len(CLASSES)))
    predicted, label = [], []
    for index, (category, (softmax, right)) in enumerate(curves.items()):
        mean[index, :, TARGETS[category]] = softmax
        mean[index, :, 0] = 1 - mean[index, :, TARGETS[category]]
        members = np.arange(COUNTS[category])[:, None] < np.broadcast_to(right, len(magnitudes))
        predicted.append(np.where(members, TARGETS[category], 0))
        label += [index] * COUNTS[category]
    return xr.Dataset(
        {
            "predicted": (("image", "magnitude"), np.concatenate(predicted)),
            "mean_softmax": (("category", "magnitude", "class"), mean),
            "target": ("category", [TARGETS[category] for category in curves]),
            "label": ("image", label),
        },
        coords={"magnitude": magnitudes, "category": list(curves), "class": list(CLASSES)},
        attrs={"transformation": name, "identity": {"rotation": 0.0, "zoom": 1.0}[name]},
    )


@pytest.fixture
def rotation():
    """The ball is never lost, the lamp never leads, the others are lost between two angles."""
    curves = {
        "soccer_ball": (1, 4),
        # Leads by 0.8, 0.4, -0.2, -0.8, -0.6 and 0.6.
        "grand_piano": ([0.9, 0.7, 0.4, 0.1, 0.2, 0.8], [2, 2, 2, 0, 0, 1]),
        "desk_lamp": ([0.4, 0.3, 0.3, 0.2, 0.3, 0.3], 1),
        "steel_drum": ([0.75, 0.25, 0.25, 0.6, 0.25, 0.25], [1, 0, 0, 1, 0, 0]),
    }
    return screening("rotation", [0.0, 60, 120, 180, 240, 300], curves)


@pytest.fixture
def zoom():
    """The ball is lost halfway from 1 to 2, on a logarithmic scale; the piano never is."""
    curves = {
        "soccer_ball": ([0.25, 0.75, 0.25, 0.25], [0, 4, 4, 1]),
        "grand_piano": (0.75, 2),
    }
    return screening("zoom", [0.5, 1, 2, 4], curves)


def test_thresholds_are_tabulated_or_why_there_is_none(rotation):
    table = threshold_table(rotation)
    assert table.index.name == "category"
    assert table.loc["soccer_ball"].tolist() == ["100.0%", *["not reached"] * 4]
    # Lost at 60 + 60 · 2/3 degrees and halfway from -60 to -120; half of its pictures at 150.
    assert table.loc["grand_piano", SIDES].tolist() == ["−90.0°", "100°", "−60.0°", "150°"]
    lost, kept = ["lost at identity"] * 2, ["not reached"] * 2
    assert table.loc["desk_lamp"].tolist() == ["50.0%", *lost, *kept]
    assert table.loc["steel_drum", SIDES].tolist() == ["−30.0°", "30.0°"] * 2


def test_thresholds_of_all_categories_are_summarized(rotation):
    drum, piano = "steel drum", "grand piano"
    summary = threshold_summary(rotation)
    assert summary.columns.tolist() == [
        *("reached", "untouched", "median"),
        *("nearest", "nearest category", "farthest", "farthest category"),
    ]
    assert summary.T.to_dict("list") == {
        "switch_down": [2, 1, "−90.0°", "−30.0°", drum, "−90.0°", piano],  # the ball is farther out
        "switch_up": [2, 1, "100°", "30.0°", drum, "100°", piano],
        "half_down": [2, 0, "not reached", "−30.0°", drum, "−60.0°", piano],
        "half_up": [2, 0, "not reached", "30.0°", drum, "150°", piano],
    }


def test_where_nothing_is_reached_nothing_is_named(rotation):
    summary = threshold_summary(itn.select_categories(rotation, ["soccer_ball"]))
    assert summary.loc["switch_up"].tolist() == [0, 0, "not reached", "–", "–", "–", "–"]


def test_the_overview_has_a_row_for_each_transformation(rotation, zoom):
    """Of the two categories that the profile shows, and the median over all."""
    table = threshold_overview([rotation, zoom], FigureParameters(profile="imagenet"))
    assert table.T.to_dict() == {
        "rotation": {
            "soccer_ball, switch": "not reached",
            "soccer_ball, half": "not reached",
            "grand_piano, switch": "100°",
            "grand_piano, half": "150°",
            "median, half": "not reached",
        },
        "zoom": {
            "soccer_ball, switch": "1.41×",
            "soccer_ball, half": "3.17×",  # 2 · 2 ** (2/3): of 4, half is between 4 and 1
            "grand_piano, switch": "not reached",
            "grand_piano, half": "not reached",
            "median, half": "not reached",
        },
    }
    alone = threshold_overview(
        [itn.select_categories(zoom, ["soccer_ball"])],
        FigureParameters(profile="imagenet", classes=("soccer_ball",)),
    )
    assert alone.loc["zoom", "median, half"] == "3.17×"


def test_who_keeps_the_prediction_is_counted_one_by_one(rotation, zoom):
    """Of zoom, twelve and six transformed pictures, of which seven balls are lost."""
    table = consistency_table([rotation, zoom])
    assert table.loc["zoom"].tolist() == pytest.approx([1, 11 / 18, 7 / 18, 0, 11 / 18])
    # Of rotation nine pictures, all but one lamp right upright, five times; lost are the piano
    # five times and the drum four times.
    turned = rotation.isel(magnitude=[*range(6), 0]).assign_coords(
        magnitude=[0.0, 60, 120, 180, 240, 300, 360]
    )
    assert consistency_table([turned]).equals(table.loc[["rotation"]])
    expected = [8 / 9, 31 / 45, 9 / 45, 0, 36 / 45]
    assert table.loc["rotation"].tolist() == pytest.approx(expected)
    swapped = rotation.assign(predicted=rotation.predicted.copy(deep=True))
    swapped.predicted[7, 1:] = 3  # the lamp that was wrong comes right when it is turned
    expected = [8 / 9, 36 / 45, 9 / 45, 5 / 45, 31 / 45]
    assert consistency_table([swapped]).loc["rotation"].tolist() == pytest.approx(expected)


def test_classes_that_lose_half_either_way_are_counted(rotation, zoom):
    """Turned, the piano and the drum; the ball when enlarged or shrunken, the piano never."""
    table = lost_table([rotation, zoom])
    assert table.to_dict() == {"lost": {"rotation": 2, "zoom": 1}}


def test_tables_of_networks_stand_below_each_other(zoom):
    few = itn.select_categories(zoom, ["grand_piano"])
    table = of_each(threshold_table, {"one": zoom, "two": few})
    assert table.index.tolist() == [
        ("one", "soccer_ball"), ("one", "grand_piano"), ("two", "grand_piano")
    ]  # fmt: skip
    assert table.loc["two"].equals(threshold_table(few))


def test_rotations_are_tabulated_upright_and_upside_down(rotation):
    table = rotation_table(rotation)
    assert table.T.to_dict("list") == {
        "soccer_ball": [1, 1, "not reached", "not reached"],
        "grand_piano": [0.9, 0.1, "100°", "150°"],
        "desk_lamp": [0.4, 0.2, "lost at identity", "not reached"],
        "steel_drum": [0.75, 0.6, "30.0°", "30.0°"],
    }
    assert table.columns.tolist()[:2] == ["softmax upright", "softmax upside down"]


def test_half_a_sweep_has_half_of_the_thresholds(rotation):
    half = rotation.sel(magnitude=rotation.magnitude <= 90)
    assert threshold_summary(half).index.tolist() == ["switch_up", "half_up"]
    assert threshold_table(half).columns.tolist() == ["clean accuracy", "switch up", "half up"]
    table = rotation_table(half)
    assert table["softmax upright"].tolist() == [1, 0.9, 0.4, 0.75]
    assert table["softmax upside down"].isna().all()


def test_without_the_identity_there_is_no_clean_accuracy(rotation):
    away = rotation.sel(magnitude=rotation.magnitude > 0)
    assert threshold_table(away)["clean accuracy"].tolist() == ["–"] * 4
    assert np.isnan(screening_summary(away).loc["rotation", "clean accuracy"])


def test_categories_are_counted_and_their_classes_named(rotation):
    some = itn.select_categories(rotation, ["steel_drum", "soccer_ball"])
    expected = pd.DataFrame(
        {"pictures": [1, 4], "class": ["drum", "ball"], "index": [4, 1]},
        index=pd.Index(["steel_drum", "soccer_ball"], name="category"),
    )
    pd.testing.assert_frame_equal(category_table(some), expected)


def test_what_was_looked_at_is_one_row(rotation):
    (row,) = screening_summary(rotation).to_dict("records")
    # Of 4 + 2 + 2 + 1 pictures one lamp is wrong.
    assert row == {"pictures": 9, "categories": 4, "clean accuracy": pytest.approx(8 / 9)}


def test_a_description_names_what_was_left_out():
    attrs = {
        "transformation": "rotation", "network": "toy", "weights_sha256": "0123456789abcdef",
        "data": "shapes", "data_sha256": "fedcba9876543210", "pictures": 9, "fill": "edge",
        "seed": 5, "versions": "itn 1", "device": "abacus",
    }  # fmt: skip
    plain = xr.Dataset(coords={"magnitude": [0, 1, 2]}, attrs=attrs)
    assert describe(plain) == (
        "rotation: toy (weights 0123456789ab) on 9 pictures of shapes (data fedcba987654), "
        "3 magnitudes, fill edge, seed 5, computed with itn 1 on abacus"
    )
    left_out = [[f"starfish/{number}.jpg", "empty file"] for number in range(7)]
    assert describe_all({"one": plain, "two": plain}) == [describe(plain)] * 2
    more = {"pictures_left_out": json.dumps(left_out), "origin": "archived"}
    said = describe(plain.assign_attrs(more))
    assert " without 7 left out: starfish/0.jpg (empty file), starfish/1.jpg (empty file), " in said
    assert "starfish/4.jpg (empty file), …, " in said and "starfish/5.jpg" not in said
    assert ", archived with itn 1 on abacus" in said
