"""Tables and figures of controls, on some that are known."""

import numpy as np
import pytest
import xarray as xr

from itn.classifiers import load_classifier
from itn.messages import UsageError
from itn.study import control_tables
from itn.study.control_tables import (
    LABELS,
    control_summary,
    control_table,
    control_texts,
    plot_controls,
    right_under,
    taken_table,
)
from itn.study.controls import CLIPPED, SCREENED, THERE_AND_BACK
from itn.study.profiles import FigureParameters, load_profile
from itn.study.screenings import load_part
from itn.study.together import as_one_category
from itn.thresholds import accuracy, thresholds
from itn.transformations import transform

MARKED = ["accordion", "trilobite"]  # whose pictures have black corners


def right_up_to(limits, axis):
    return np.abs(axis) <= np.asarray(limits)[:, None] + 1e-9


def as_controls(name, axis, **right):
    """Controls of pictures that are of class 1 and, where they are wrong, taken for class 0."""
    return xr.Dataset(
        {"predicted": (("control", "image", "magnitude"), np.array([*right.values()]).astype(int))},
        {
            "control": [each.replace("_", " ") for each in right],
            "image": [f"a/{number}.jpg" for number in range(len(next(iter(right.values()))))],
            "true": ("image", np.ones(len(next(iter(right.values()))), int)),
            "magnitude": axis,
            "class": ["other", "own"],
        },
        {"transformation": name, "network": "net", "fill": "zeros"},
    )


@pytest.fixture(scope="module")
def known():
    """Clipped, all forty pictures hold a fifth of the range farther than as screened."""
    axis = np.linspace(-1, 1, 21)
    limits = np.random.default_rng(1).uniform(0.2, 0.5, 40)
    own = right_up_to(limits, axis)
    nearer = right_up_to(limits - 0.2, axis)[:, 10:]
    back = np.ones_like(own)
    back[:10, :10] = False  # a quarter is lost when moved there and back by less than 0
    return {
        "brightness": as_controls(
            "brightness", axis, as_screened=own, clipped=right_up_to(limits + 0.2, axis)
        ),
        "translation_x": as_controls(
            "translation_x", axis, as_screened=own, edge=own, there_and_back=back
        ),
        "noise": as_controls("noise", axis[10:], as_screened=own[:, 10:], clipped=nearer),
    }


@pytest.fixture(scope="module")
def table(known):
    return control_table(known)


def test_half_of_all_pictures_is_lost_where_that_is_known():
    axis = np.linspace(0, 1, 11)
    # From six right of eight, at 0.3, to two, at 0.4: half of eight is in the middle.
    limits = [0.1, 0.1, 0.3, 0.3, 0.3, 0.3, 2, 2]
    of = as_controls("noise", axis, as_screened=right_up_to(limits, axis))
    found = thresholds(as_one_category(of, right_under(of, SCREENED))).sel(
        category="all", criterion="half", direction="up"
    )
    assert found.threshold.item() == pytest.approx(0.35)
    assert accuracy(as_one_category(of, right_under(of, SCREENED))).values[0].tolist() == [
        1, 1, .75, .75, .25, .25, .25, .25, .25, .25, .25
    ]  # fmt: skip
    text = control_table({"noise": of}).half.item()
    ends = [f"{each.item():#.3g}" for each in (found.low, found.high) if np.isfinite(each)]
    assert text.startswith("0.350 (") and all(end in text for end in ends)


def test_what_is_not_reached_is_no_number_and_what_is_open_says_from_where():
    axis = np.linspace(0, 1, 11)
    for limits, text in (
        ([2] * 8, "not reached"),
        ([0.9] * 4 + [2] * 4, "not reached (from 0.9"),
    ):
        of = as_controls("noise", axis, as_screened=right_up_to(limits, axis))
        assert control_table({"noise": of}).half.item().startswith(text)


def test_what_is_farther_out_for_every_picture_is_marked_and_what_is_equal_is_not(table):
    texts = control_texts(table)
    assert texts.index.tolist() == [
        *(
            (name, direction)
            for name in ("brightness", "translation_x")
            for direction in ("down", "up")
        ),
        ("noise", "up"),
    ]
    assert texts.loc["brightness", CLIPPED].str.startswith("▲ ").all()
    assert texts.loc[("noise", "up"), CLIPPED].startswith("▼ ")
    assert not texts[SCREENED].str.contains("[▲▼]").any()
    assert (texts.loc["translation_x", "edge"] == texts.loc["translation_x", SCREENED]).all()
    summary = control_summary(table)
    assert summary.loc[CLIPPED, ["thresholds", "farther", "nearer"]].tolist() == [3, 2, 1]
    assert summary.loc["edge", ["thresholds", "farther", "nearer"]].tolist() == [2, 0, 0]


def test_what_is_left_there_and_back_is_a_mean_with_its_interval(table):
    there = table.loc[("translation_x", slice(None), THERE_AND_BACK), :]
    down, up = there.droplevel(["transformation", "control"]).loc[["down", "up"]].itertuples()
    assert (up.kept, up.kept_low, up.kept_high, up.lowest) == (1, 1, 1, 1)
    assert down.kept == down.lowest == 0.75
    # Of the binomial distribution of ten of forty.
    assert down.kept_low == pytest.approx(0.75 - 1.96 * np.sqrt(0.75 * 0.25 / 40), abs=0.03)
    assert down.kept_high == pytest.approx(0.75 + 1.96 * np.sqrt(0.75 * 0.25 / 40), abs=0.03)
    texts = control_texts(table)
    assert texts.loc[("translation_x", "down"), [THERE_AND_BACK, "lowest"]].str[:3].tolist() == [
        "75%", "75%"
    ]  # fmt: skip
    assert texts.loc["brightness", THERE_AND_BACK].isna().all()


def test_the_figure_shows_each_control_as_its_mean_and_only_the_screening_thick(known):
    axes = plot_controls(known).axes
    for one, (name, of) in zip(axes, known.items(), strict=False):
        drawn = {line.get_label(): line for line in one.lines}
        assert list(drawn) == [LABELS[control] for control in of.control.values], name
        for control in of.control.values:
            line = drawn[LABELS[control]]
            mean = of.predicted.sel(control=control).mean("image")
            np.testing.assert_allclose(line.get_ydata(), mean)
            assert (line.get_linewidth() > 2) == (control == SCREENED)


@pytest.mark.parametrize("angle", [45.0, -45.0, 315.0])
def test_what_pictures_are_taken_for_is_read_at_its_angle_whichever_way_it_turns(
    monkeypatch, angle
):
    # Of three pictures of others one is taken for the marked class upright, two turned.
    at_angle, upright = [0, 0, 0, 2], [0, 0, 1, 2]
    order = np.argsort([angle, 0])
    predicted = np.array([at_angle, upright]).T[None, :, order]
    of = xr.Dataset(
        {"predicted": (("control", "image", "magnitude"), predicted)},
        {
            "control": [SCREENED],
            "true": ("image", [0, 1, 1, 2]),
            "magnitude": np.array([angle, 0])[order],
            "class": ["marked", "b", "c"],
        },
        {"transformation": "rotation", "fill": "zeros"},
    )  # fmt: skip
    profile = load_profile("photos").model_copy(update={"networks": ("net",)})
    monkeypatch.setattr(control_tables, "load_profile", lambda name: profile)
    monkeypatch.setattr(control_tables, "obtain_controls", lambda *asked: {"rotation": of})
    parameters = FigureParameters(profile="photos")
    table = taken_table(parameters, ["marked"], angle)
    row = table.loc["net", "zeros"]
    assert row.accuracy == pytest.approx(2 / 4)
    assert row.taken == pytest.approx(2 / 3)
    assert row.interval == "9% to 99%"  # two of three, from a table
    assert row.taken_upright == pytest.approx(1 / 3)
    with pytest.raises(UsageError, match="unknown class 'marke'; closest: 'marked'"):
        taken_table(parameters, ["marke"], angle)


# What is archived


@pytest.fixture(scope="module")
def corners():
    return taken_table(FigureParameters(profile="photos"), MARKED)


def test_black_corners_are_what_turns_pictures_into_those_that_have_them(corners):
    assert (corners.taken_upright < 0.1).all()
    for network in load_profile("photos").networks:
        black, edge = corners.loc[network, "zeros"], corners.loc[network, "edge"]
        assert black.taken > 2 * edge.taken
        assert black.accuracy < edge.accuracy


@pytest.mark.data
def test_archived_controls_are_counted_again_from_predictions_for_pictures(corners):
    classifier = load_classifier("alexnet_photos")
    pictures = load_part(load_profile("photos"), "test", size=64, limit=10)
    turned = np.asarray(transform(pictures.images[:], "rotation", 45.0, fill="edge"))
    said = np.array(classifier.class_names)[classifier.predict(turned).argmax(axis=1)]
    true = np.array(pictures.class_names)[pictures.labels]
    edge = corners.loc["alexnet_photos", "edge"]
    assert edge.accuracy == pytest.approx((said == true).mean(), abs=1.5 / len(true))
    others = ~np.isin(true, MARKED)
    assert edge.taken == pytest.approx(np.isin(said[others], MARKED).mean(), abs=1.5 / others.sum())
