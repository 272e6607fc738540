"""What explains a threshold that is off: on pairs whose thresholds are moved by known amounts."""

import numpy as np
import pytest

from itn.messages import UsageError
from itn.phantom.ideal_observer import bayes_softmax, known_threshold, posterior
from itn.phantom.objects import PHANTOM_PAIRS
from itn.phantom.rendering import draw_nuisances, render
from itn.study.calibration import MISSED, calibration_table, known_and_measured
from itn.study.calibration_bias import (
    IDEAL,
    as_screening,
    coverage_table,
    coverage_texts,
    ideal_coverage,
    ideal_screenings,
    magnitudes_near,
    plot_bias,
)
from itn.transformations import find_transformation

COUNT = 24
NAMES = ("translation_x", "brightness", "noise", "grayscale")


def empty(name):
    """A pair that was looked at, at the default magnitudes."""
    pair = PHANTOM_PAIRS[name]
    magnitude = find_transformation(pair.transformation).sweep(64)
    if name == "noise":
        magnitude = magnitude / 5
    said = np.full((2 * COUNT, len(magnitude), 2), 0.5)
    label, categories = np.repeat([0, 1], COUNT), [*pair.classes][::-1]  # in any order
    return as_screening(said, pair, magnitude, label, categories, list(pair.classes))


@pytest.fixture(scope="module")
def ideal():
    return ideal_screenings({f"net/{name}": empty(name) for name in NAMES})


def farther(screenings, factor, network="net"):
    """A network for which everything happens farther out."""
    return {
        f"{network}/{key.partition('/')[2]}": each.assign_coords(magnitude=factor * each.magnitude)
        for key, each in screenings.items()
    }


# What is rendered anew


def test_what_is_shifted_is_rendered_anew():
    dark = render("brightness_dark", range(2), seed=3)
    brighter = render("brightness_dark", range(2), seed=3, shifts={"level": 0.1})
    np.testing.assert_allclose(brighter[dark < 0.9], dark[dark < 0.9] + 0.1, atol=1e-6)
    quiet, noisy = (
        render("noise_quiet", range(4), seed=3, shifts={"noise_variance": more})
        for more in (0, 0.01)
    )
    added = noisy.var() - quiet.var()  # of the same pictures with the same fields
    assert added == pytest.approx(0.01, rel=0.05)
    with pytest.raises(UsageError, match="unknown nuisance of disc 'levle'"):
        render("disc", [0], shifts={"levle": 1})


@pytest.mark.parametrize("name", ["zoom", "rotation", "contrast", "noise"])
def test_pictures_are_rendered_anew_around_the_known_threshold(name):
    pair = PHANTOM_PAIRS[name]
    found = magnitudes_near(pair)
    transformation = find_transformation(pair.transformation)
    assert transformation.identity in found and (np.diff(found) > 0).all()
    for way in known_threshold(name).values():
        for known in way.values():
            if known is not None:
                assert np.abs(found - known).min() < 1e-9 * abs(known)  # in the middle
                assert found[0] < known < found[-1]
    assert transformation.checked(found).shape == found.shape


# The ideal observer


@pytest.mark.parametrize("name", ["rotation_mirror", "translation_x", "grayscale"])
def test_what_the_ideal_observer_says_of_pictures_is_its_curve_on_average(name):
    pair = PHANTOM_PAIRS[name]
    magnitudes = find_transformation(pair.transformation).sweep(64)[::6]
    curves = bayes_softmax(name, magnitudes)
    for own, class_name in enumerate(pair.classes):
        theta = draw_nuisances(class_name, range(3000))[pair.parameter][:, None]
        said = posterior(name, own, theta, magnitudes)
        np.testing.assert_allclose(said.mean(axis=0), curves[own], atol=0.03)


def test_the_ideal_observer_has_the_known_thresholds_and_no_false_alarm(ideal):
    table = known_and_measured(ideal)
    known = table[table.known.notna()]
    assert len(known) == 5 and known.held.sum() >= 4  # of 95 % intervals
    assert known.error.abs().max() < 0.05
    assert (known["error low"] < known.error).all() and (known.error < known["error high"]).all()
    without = table[table.known.isna()]
    assert len(without) == 7 and without.threshold.isna().all() and not without.held.any()


# Networks


def test_coverage_and_bias_are_those_that_were_planted(ideal):
    """A fifth farther out is a tenth of a separation; one of two networks does so anew, too."""
    measured = farther(ideal, 1.2, "own") | farther(ideal, 1.2, "moved")
    rendered = farther(ideal, 1.2, "own") | farther(ideal, 1.0, "moved")
    table = coverage_table(measured, rendered)
    assert table.index.tolist() == [IDEAL, "own", "moved"]
    assert (table.known == 5).all() and (table.away == 5).all() and (table.gray == 2).all()
    first, own, moved = table.to_dict("records")
    assert own["held"] == moved["held"] < first["held"]
    assert own["held low"] <= own["held"] / 5 <= own["held high"]
    assert own["error"] == moved["error"] == pytest.approx(0.1, abs=0.02)
    for one, other in ((own["border"], moved["border"]), (moved["transforming"], 0)):
        assert (one, other) == (pytest.approx(0.1, abs=0.02), pytest.approx(0, abs=0.02))
    assert own["transforming"] == 0
    assert own["ρ"] == pytest.approx(1)


def test_intervals_of_the_ideal_observer_hold_what_they_should(ideal):
    few = {f"net/{name}": ideal[f"{IDEAL}/{name}"] for name in ("translation_x", "noise")}
    row = ideal_coverage(few, draws=20).iloc[0]
    assert (row.draws, row.known) == (20, 60)
    assert row["held low"] < 0.95 < row["held high"]
    assert row["held low"] < row.share < row["held high"]


def test_false_alarms_are_counted(ideal):
    """A network that takes everything for orange as soon as color fades."""
    gray = ideal[f"{IDEAL}/grayscale"].copy(deep=True)
    mean = gray.mean_softmax
    index = gray["class"].values.tolist().index("grayscale_orange")
    mean.loc[{"magnitude": slice(0.5, 1)}] = 0.1
    mean[:, mean.magnitude.values >= 0.5, index] = 0.9
    made = farther(ideal, 1) | {"net/grayscale": gray}
    row = coverage_table(made, farther(ideal, 1)).loc["net"]
    assert (row["gray alarms"], row.gray, row["away alarms"]) == (1, 2, 0)


def test_coverage_is_written_with_its_interval(ideal):
    table = coverage_table(farther(ideal, 1.2), farther(ideal, 1.0))
    first, net = coverage_texts(table).to_dict("records")
    row = table.loc["net"]
    wanted = f"{row.held:.0f} of 5 ({row['held low']:.0%} to {row['held high']:.0%})"
    assert net["known threshold held"] == wanted
    assert (net["false alarms, color"], net["false alarms, away"]) == ("0 of 2", "0 of 5")
    assert net["border"] == f"{row.border:.3f}"
    assert first["border"] == first["transforming"] == first["ρ"] == "–"


def test_intervals_that_miss_are_marked(ideal):
    shown = calibration_table(ideal | farther(ideal, 1.5))
    row = shown.reset_index().query("`class` == 'translation_left'").iloc[0]
    low, high = row[f"{IDEAL} interval"].split(" to ")
    assert float(low) < 0.16 < float(high)
    low, high = row["net interval"].split(" to ")
    assert 0.16 < float(low) < float(high.removesuffix(MISSED)) and high.endswith(MISSED)
    assert row["net error"] == pytest.approx(0.25, abs=0.03)
    assert (shown.xs("grayscale")["net interval"] == "–").all()


def test_the_bias_is_drawn_against_that_of_rendered_pictures(ideal):
    measured, rendered = farther(ideal, 1.2), farther(ideal, 1.1)
    (axes,) = plot_bias(measured, rendered).axes
    assert axes.get_legend().get_texts()[0].get_text() == "net"
    points = axes.lines[0].get_xydata()
    np.testing.assert_allclose(np.median(points, axis=0), [0.05, 0.1], atol=0.02)
