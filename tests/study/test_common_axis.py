"""Thresholds as distances, on screenings and distances that are known on paper."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from lost_pictures import of_limits

from itn.study.common_axis import (
    OneAxis,
    class_distances,
    distance_summary,
    distance_table,
    order_classes,
    rank_transformations,
    ranking_texts,
)
from itn.study.heat_maps import KINDS, kind_of, plot_distances, plot_ranking
from itn.thresholds import thresholds

LEVELS = np.linspace(0, 1, 41)
FACTORS = 2.0 ** np.arange(-4, 3)
ANGLES = np.arange(0.0, 361, 30)


def moved_by(screening, distance):
    """Distances that grow with the magnitude as told, for each picture by its own factor."""
    name = screening.attrs["transformation"]
    own = 1 + 0.1 * np.arange(screening.sizes["image"])[:, None]
    values = own * distance(screening.magnitude.values)
    dims = ("image", f"{name}_magnitude")
    coords = {"image": screening.image, f"{name}_magnitude": screening.magnitude.values}
    return xr.Dataset({name: (dims, values)}, coords=coords)


def rows(table):
    return table.set_index(["direction", "class"])


def test_a_threshold_is_as_far_as_the_pictures_of_its_class_are_there():
    label = np.repeat([0, 1], 20)
    screening = of_limits(np.where(label, 0.6, 0.31), LEVELS, label=label)
    table = rows(class_distances(screening, moved_by(screening, lambda level: 2 * level)))
    found = thresholds(screening).sel(criterion="half", direction="up")
    for index, name in enumerate(["class 0", "class 1"]):
        one, row = found.isel(category=index), table.loc[("up", name)]
        mean = 1 + 0.1 * np.flatnonzero(label == index).mean()  # of the factors
        for known, given in (("threshold", "distance"), ("low", "distance low")):
            assert row[known] == one[known].item()
            assert row[given] == pytest.approx(2 * mean * row[known])
        assert row["distance low"] < row.distance < row["distance high"]
        assert not (row.censored or row["returns"] or row.gains)


def test_what_is_not_lost_was_kept_as_far_as_the_farthest_of_the_sweep():
    screening = of_limits([2.0] * 4, LEVELS)
    farthest = moved_by(screening, lambda level: np.sin(np.pi * level))
    (row,) = class_distances(screening, farthest).to_dict("records")
    assert row["censored"] and np.isnan(row["threshold"]) and np.isnan(row["distance high"])
    assert row["distance"] == pytest.approx(1.15) and row["returns"]  # in the middle, not the end


def test_factors_are_told_between_octaves_and_on_both_sides():
    screening = of_limits([1.5] * 4, FACTORS, name="contrast")
    table = rows(class_distances(screening, moved_by(screening, lambda m: np.abs(m - 1))))
    up = table.loc[("up", "class 0")]
    # Between factors 1 and 2 accuracy is halved in the middle of the octave.
    assert up.threshold == pytest.approx(np.sqrt(2))
    assert up.distance == pytest.approx(1.15 * 0.5)
    down = table.loc[("down", "class 0")]
    assert down.censored and down.distance == pytest.approx(1.15 * 15 / 16)


def test_a_turned_picture_that_has_come_closer_is_as_far_as_it_is():
    screening = of_limits([140.0] * 4, ANGLES, name="rotation")
    near_again = moved_by(screening, lambda angle: np.abs(np.sin(np.radians(angle))))
    table = rows(class_distances(screening, near_again))
    up = table.loc[("up", "class 0")]
    assert up.threshold == pytest.approx(135)
    between = (np.sin(np.radians(120)) + np.sin(np.radians(150))) / 2
    assert up.distance == pytest.approx(1.15 * between) and up["returns"]


def test_classes_with_nothing_to_lose_have_no_distance():
    screening = of_limits([0.0, 0, 0.5, 0.5], LEVELS, label=[0, 0, 1, 1])
    table = class_distances(screening, moved_by(screening, lambda level: level))
    assert table["class"].tolist() == ["class 1"]


@pytest.fixture(scope="module")
def known():
    """Sixty pictures of twelve classes: noise, the same twice as far, and one that is kept."""
    label = np.repeat(np.arange(12), 5)
    limits = np.linspace(0.2, 0.8, 12)[label] + np.random.default_rng(1).normal(0, 0.03, 60)
    noise = of_limits(limits, LEVELS, label=label)
    screenings = {
        "noise": noise,
        "brightness": noise.assign_attrs(transformation="brightness"),
        "grayscale": of_limits(limits * 0 + 2, LEVELS, name="grayscale", label=label),
    }
    moved = {"noise": lambda m: m, "brightness": lambda m: 2 * m, "grayscale": lambda m: 0.1 * m}
    distances = xr.merge([moved_by(screenings[name], of) for name, of in moved.items()])
    distances["apart"] = "image", np.linspace(0.2, 0.4, 60)
    return screenings, distances, distance_table(screenings, distances)


def test_transformations_are_ranked_by_the_median_class(known):
    screenings, distances, table = known
    ranking = rank_transformations(table, screenings, distances, resamples=200)
    assert ranking.index.tolist() == [("noise", "up"), ("brightness", "up"), ("grayscale", "up")]
    noise, brighter, gray = (ranking.iloc[row] for row in range(3))
    own = table[table.transformation == "noise"]
    assert noise["median"] == own.distance.median()
    assert noise.threshold == own.threshold.median()
    assert noise.low < noise["median"] < noise.high
    # The same pictures and classes are drawn for both.
    for name in ("median", "low", "high"):
        assert brighter[name] == pytest.approx(2 * noise[name])
    assert (ranking["rank low"] == [1, 2, 3]).all() and (ranking["rank high"] == [1, 2, 3]).all()
    assert (noise.lost, gray.lost, gray.classes) == (12, 0, 12)
    assert gray.censored and np.isinf([gray.low, gray.high]).all() and np.isnan(gray.threshold)
    farthest = table[table.transformation == "grayscale"].distance
    assert gray["median"] == farthest.median()


def test_the_interval_is_that_of_a_median_of_so_many_classes():
    """As wide as one that only draws classes, where all pictures of a class are alike."""
    label = np.repeat(np.arange(30), 4)
    limits = np.linspace(0.1, 0.9, 30) + 1e-3
    screening = of_limits(limits[label], LEVELS, label=label)
    name = f"{screening.attrs['transformation']}_magnitude"
    exact = xr.DataArray(
        np.tile(LEVELS, (120, 1)),
        dims=("image", name),
        coords={"image": screening.image, name: LEVELS},
    ).to_dataset(name="noise")
    table = class_distances(screening, exact)
    row = rank_transformations(table, {"noise": screening}, exact).iloc[0]
    rng = np.random.default_rng(7)
    drawn = np.median(rng.choice(table.distance, (4000, 30)), axis=1)
    np.testing.assert_allclose([row.low, row.high], np.quantile(drawn, [0.025, 0.975]), atol=0.05)


def test_rankings_are_written_with_their_intervals(known):
    screenings, distances, table = known
    ranking = rank_transformations(table, screenings, distances, resamples=200)
    texts = ranking_texts(ranking)
    noise, _, gray = ranking.to_dict("records")
    first, _, last = texts.to_dict("records")
    wanted = "{median:.2f} ({low:.2f} to {high:.2f})".format(**noise)
    assert (first["rank"], first["RMS distance"]) == ("1 (1 to 1)", wanted)
    assert first["classes lost"] == "12 of 12"
    assert last["RMS distance"] == f"at least {gray['median']:.2f}"
    assert last["threshold"] == "not reached"
    ranking.loc[("noise", "up"), "high"] = np.inf
    assert ranking_texts(ranking).iloc[0, 1].endswith(" to open)")


def test_thresholds_are_counted(known):
    _, distances, table = known
    table = table.assign(gains=table["class"] == "class 3")
    assert distance_summary(table, distances).to_dict("records") == [
        {"thresholds": 36, "censored": 12, "gain": 3, "return": 0, "apart": pytest.approx(0.3)}
    ]


def few(*rows):
    columns = ["transformation", "direction", "class", "distance", "censored", "gains"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(**{"distance low": table.distance / 2, "distance high": np.nan})


TABLE = few(
    ("noise", "up", "a", 0.1, False, False),
    ("noise", "up", "b", 0.2, False, True),
    ("noise", "up", "c", 0.9, True, False),
    ("zoom", "down", "a", 0.3, False, False),
    ("zoom", "down", "b", 0.2, True, False),  # not lost, so farther than 0.3
)


def test_classes_are_ordered_by_their_ranks():
    assert order_classes(TABLE) == ["c", "b", "a"]


def cells(axes):
    """Return what is written in cells, by column and row."""
    return {(text.get_position()[0] // 1, text.get_position()[1] // 1): text.get_text()
            for text in axes.texts}  # fmt: skip


def test_each_threshold_is_a_cell():
    ranking = pd.DataFrame(index=pd.MultiIndex.from_tuples([("zoom", "down"), ("noise", "up")]))
    one = OneAxis(xr.Dataset(), TABLE, ranking)
    axes = plot_distances({"net": one}).axes[0]
    assert cells(axes) == {(1, 2): "10", (1, 1): "20‡", (1, 0): "", (0, 2): "30", (0, 1): ""}
    assert [each.get_text() for each in axes.get_xticklabels()] == ["zoom ↓", "noise ↑"]
    assert [each.get_text() for each in axes.get_yticklabels()] == ["c", "b", "a"]
    hatched = {patch.get_xy() for patch in axes.patches if patch.get_hatch()}
    assert hatched == {(1, 0), (0, 1)}
    with_intervals = plot_distances({"net": one}, intervals=True).axes[0].texts
    assert with_intervals[0].get_text() == "10\n≥5"


def test_columns_that_find_no_room_stand_below_and_networks_after_each_other():
    ranking = pd.DataFrame(index=pd.MultiIndex.from_tuples([("zoom", "down"), ("noise", "up")]))
    one = OneAxis(xr.Dataset(), TABLE, ranking)
    other = OneAxis(xr.Dataset(), TABLE.assign(distance=TABLE.distance / 2), ranking[::-1])
    zoomed, noisy, second_zoomed, second_noisy, _ = plot_distances(
        {"first": one, "second": other}, across=1
    ).axes
    assert cells(zoomed) == {(0, 2): "30", (0, 1): ""}
    assert cells(noisy) == {(0, 2): "10", (0, 1): "20‡", (0, 0): ""}
    assert cells(second_zoomed) == {(0, 2): "15", (0, 1): ""}
    assert cells(second_noisy) == {(0, 2): "5", (0, 1): "10‡", (0, 0): ""}


def test_ranks_are_drawn_with_arrows_where_they_are_open(known):
    screenings, distances, table = known
    ranking = rank_transformations(table, screenings, distances, resamples=100)
    one = OneAxis(distances, table, ranking)
    axes, legend = plot_ranking({"net": one}).axes
    assert [each.get_text() for each in axes.get_yticklabels()] == [
        "noise ↑", "brightness ↑", "gray ↑"
    ]  # fmt: skip
    arrows = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == ">"]
    assert arrows == [2]
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xdata()[0] for line in hollow] == [ranking["median"].iloc[2]]
    said = [text.get_text() for text in legend.get_legend().get_texts()]
    assert "two different pictures: 0.30" in said
    assert [text.get_text() for text in axes.texts][-1] == "0 of 12"


@pytest.mark.parametrize("inside", [False, True])
def test_two_networks_are_ranked_beside_each_other(known, inside):
    """In the order of the first, the second below it in each row."""
    screenings, distances, table = known
    ranking = rank_transformations(table, screenings, distances, resamples=100)
    farther = ranking.assign(median=2 * ranking["median"])[::-1]
    networks = {
        "one": OneAxis(distances, table, ranking),
        "two": OneAxis(distances, table, farther),
    }
    axes, _ = plot_ranking(networks, inside).axes
    drawn = {line.get_ydata()[0]: line.get_xdata()[0] for line in axes.lines
             if line.get_marker() in {style["marker"] for style in KINDS.values()}}  # fmt: skip
    places = sorted(drawn)
    assert [int(np.floor(place + 0.5)) for place in places] == [0, 0, 1, 1, 2, 2]
    for median, own, other in zip(ranking["median"], places[::2], places[1::2], strict=True):
        assert drawn[own] == median and drawn[other] == 2 * median


def test_kinds_are_what_transformations_do():
    wanted = dict(zip(KINDS, ("rotation", "contrast", "noise"), strict=True))
    assert {kind: kind_of(name) for kind, name in wanted.items()} == {k: k for k in wanted}
    assert kind_of("blur") == kind_of("noise")
