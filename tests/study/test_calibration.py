"""The phantom's networks, on pictures they have not seen, against what is known on paper."""

import numpy as np
import pytest
import xarray as xr

import itn
from itn.phantom.ideal_observer import bayes_softmax, known_threshold
from itn.phantom.objects import PHANTOM_PAIRS
from itn.phantom.pictures import render_phantom
from itn.study.calibration import (
    SYMMETRIC,
    calibration_summary,
    calibration_table,
    plot_calibration,
    plot_symmetry,
    symmetry_table,
)
from itn.study.profiles import FigureParameters
from itn.study.titles import title
from itn.thresholds import NOT_REACHED, REACHED, thresholds
from itn.transformations import find_transformation

NETWORKS = ("alexnet_phantom", "resnet_phantom")


@pytest.fixture(scope="module", params=NETWORKS)
def classifier(request):
    return itn.load_classifier(request.param)


@pytest.fixture(scope="module")
def screenings():
    """What `calibrate` returns for one ideal network: Bayes curves in place of softmax."""
    studies = {
        pair.name: (pair.transformation, pair.classes, pair.name) for pair in PHANTOM_PAIRS.values()
    } | {"symmetry": ("rotation", SYMMETRIC, None)}
    made = {}
    for study, (name, classes, pair) in studies.items():
        magnitude = find_transformation(name).sweep(64)
        if name == "noise":
            magnitude = magnitude / 4
        constant = np.full((len(classes), len(magnitude)), 0.9)
        true = bayes_softmax(pair, magnitude) if pair else constant
        mean = np.zeros((len(classes), len(magnitude), len(classes)))
        for index in range(len(classes)):
            mean[index, :, index] = true[index]
            mean[index, :, index - 1] = 1 - true[index]
        count = len(classes)
        made[f"ideal/{study}"] = itn_dataset(name, magnitude, classes, mean, np.arange(count))
    return made


def itn_dataset(name, magnitude, classes, mean, target):
    return xr.Dataset(
        {
            "mean_softmax": (("category", "magnitude", "class"), mean),
            "predicted": (("image", "magnitude"), mean.argmax(axis=2)),
            "target": ("category", target),
            "label": ("image", np.arange(len(classes))),
        },
        coords={"magnitude": magnitude, "category": list(classes), "class": list(classes)},
        attrs={"transformation": name, "identity": find_transformation(name).identity},
    )


def test_accuracy_on_fresh_pictures(classifier):
    pictures = render_phantom(count=25, seed=2)  # neither trained nor tested on before
    right = classifier.predict(pictures.images).argmax(axis=1) == pictures.labels
    assert classifier.class_names == pictures.class_names
    assert right.mean() >= 0.97


def test_symmetric_objects_return_at_their_symmetry_angles(classifier):
    names = ["disc", "four_fold", "two_fold", "mirror"]
    pictures = render_phantom(names, count=10, seed=3)
    angles = np.arange(0, 360, 15.0)
    screening = itn.screen(classifier, pictures, "rotation", angles, progress=False)
    target = dict(zip(screening.category.values, screening.target.values, strict=True))
    curve = {
        name: screening.mean_softmax.sel(category=name).isel({"class": int(target[name])})
        for name in names
    }
    assert (curve["disc"] >= 0.9 * curve["disc"].sel(magnitude=0)).all()
    for name, angle in (("four_fold", 90), ("four_fold", 180), ("two_fold", 180)):
        returned = curve[name].sel(magnitude=angle) - curve[name].sel(magnitude=0)
        assert abs(float(returned)) < 0.05
    assert float(curve["mirror"].sel(magnitude=180)) < 0.5


@pytest.mark.parametrize("pair", ["rotation", "translation_x", "zoom", "brightness"])
def test_switch_lies_close_to_the_known_threshold(classifier, pair):
    described = PHANTOM_PAIRS[pair]
    pictures = render_phantom(described.classes, count=10, seed=4)
    known = known_threshold(pair)
    reachable = [m for way in known.values() for m in way.values() if m is not None]
    nearby = np.concatenate([np.geomspace(0.6, 1.6, 9) * threshold for threshold in reachable])
    screening = itn.screen(classifier, pictures, described.transformation, nearby, progress=False)
    found = thresholds(screening).sel(criterion="switch")
    for name, ways in known.items():
        for direction, expected in ways.items():
            if expected is None:
                continue
            one = found.sel(category=name, direction=direction)
            assert one.status.item() == REACHED
            measured = one.threshold.item()
            if pair == "zoom":
                measured, expected = np.log2(measured), np.log2(expected)
            assert abs(measured - expected) < 0.15 * described.separation


def test_table_finds_the_ideal_observer_at_its_known_thresholds(screenings):
    table = calibration_table(screenings)
    errors = table["ideal error"]
    assert errors.dropna().max() < 0.02  # the sweep is a grid
    assert (table["known"] == NOT_REACHED).sum() == 2  # both hues
    assert len(errors.dropna()) == len(table) - 2


@pytest.fixture
def with_a_worse_one(screenings):
    """A second network that loses two classes too late by known amounts, and one never."""
    made = {
        name.replace("ideal", "worse"): each.copy(deep=True) for name, each in screenings.items()
    }
    for study, name, kept in (
        ("translation_x", "translation_left", lambda shift: shift < 0.21),
        ("zoom", "zoom_small", lambda factor: factor < 2.1),
        ("brightness", "brightness_bright", lambda shift: shift < 2),
    ):
        screening = made[f"worse/{study}"]
        share = np.where(kept(screening.magnitude), 0.9, 0.1)
        for category in screening["class"].values:
            own = share if category == name else 1 - share
            screening.mean_softmax.loc[{"category": name, "class": category}] = own
    return screenings | made


def test_errors_are_in_separations_along_the_parameter(with_a_worse_one):
    table = calibration_table(with_a_worse_one)
    # Lost between 0.2 and 0.225 of the width, known 0.16; the two classes are 0.32 apart.
    shifted = table.loc[("translation_x", "translation_left", "up")]
    assert (shifted.known, shifted.worse) == ("0.160", "0.213")
    assert shifted["worse error"] == pytest.approx((0.2125 - 0.16) / 0.32)
    # Lost between 8 and 9 eighths of an octave, known 4; the two classes are an octave apart.
    enlarged = table.loc[("zoom", "zoom_small", "up")]
    assert (enlarged.known, enlarged.worse) == ("1.41×", "2.09×")
    assert enlarged["worse error"] == pytest.approx(4.5 / 8)
    never = table.loc[("brightness", "brightness_bright", "down")]
    assert (never.known, never.worse) == ("−0.160", NOT_REACHED) and np.isnan(never["worse error"])


def test_the_summary_names_the_worst(with_a_worse_one, monkeypatch):
    accuracy = {"ideal": 1.0, "worse": 0.75}
    monkeypatch.setattr(
        "itn.study.calibration._clean_accuracy", lambda parameters, network: accuracy[network]
    )
    summary = calibration_summary(with_a_worse_one, FigureParameters(profile="phantom"))
    assert summary.columns.tolist() == ["accuracy", "worst", "worst class", "missed"]
    assert summary.loc["worse"].tolist() == [0.75, pytest.approx(4.5 / 8), "zoom small", 1]
    assert summary.loc["ideal", ["accuracy", "missed"]].tolist() == [1, 0]
    assert summary.loc["ideal", "worst"] < 0.02


def test_what_is_kept_is_that_at_the_symmetry_angles(screenings):
    """The heart keeps a third upside down, the two-fold class half, but not at its own angles."""
    made = screenings["ideal/symmetry"].copy(deep=True)
    mean = made.mean_softmax
    for name, angle, value in (("mirror", 180, 0.3), ("two_fold", 90, 0.45)):
        index = SYMMETRIC.index(name)
        mean.loc[{"category": name, "magnitude": angle, "class": made["class"][index]}] = value
    table = symmetry_table(screenings | {"ideal/symmetry": made})
    assert table.index.tolist() == list(SYMMETRIC)
    assert table["ideal"].tolist() == pytest.approx([1, 1, 1, 1 / 3])


def test_every_pair_is_drawn_over_what_the_ideal_observer_says(screenings):
    panels = {axes.get_title(): axes for axes in plot_calibration(screenings).axes if axes.axison}
    assert list(panels) == [title(name) for name in PHANTOM_PAIRS]
    for name, pair in PHANTOM_PAIRS.items():
        axes = panels[title(name)]
        broad = [line for line in axes.lines if line.get_linewidth() == 6]
        fine = [line for line in axes.lines if line.get_marker() == "o"]
        assert len(broad) == len(fine) == len(pair.classes)
        for ideal, measured, category in zip(broad, fine, pair.classes, strict=True):
            own = screenings[f"ideal/{name}"].mean_softmax.sel({"category": category})
            np.testing.assert_array_equal(measured.get_ydata(), own.sel({"class": category}))
            # These screenings are the ideal observer's own.
            np.testing.assert_allclose(ideal.get_ydata(), measured.get_ydata(), atol=1e-12)
        upright = [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]
        known = [m for ways in known_threshold(name).values() for m in ways.values()]
        if pair.transformation != "rotation":  # where each is drawn once a turn
            assert sorted(upright) == pytest.approx(sorted(m for m in known if m is not None))


@pytest.mark.parametrize(
    ("name", "angles"),
    [
        ("disc", [0]),
        ("four_fold", [0, 90, 180, 270, 360]),
        ("two_fold", [0, 180, 360]),
        ("mirror", [0, 360]),
    ],
)
def test_symmetry_angles_are_marked(screenings, name, angles):
    panels = plot_symmetry(screenings).axes
    axes = panels[SYMMETRIC.index(name)]
    *marks, curve = axes.lines
    assert [mark.get_xdata()[0] for mark in marks] == angles
    assert curve.get_ydata().tolist() == pytest.approx([0.9] * 73)
