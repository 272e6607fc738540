"""What options let a net learn: questions, members that were measured, and their tables."""

import inspect
import json

import keras
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import ndimage

from itn.classifiers import Classifier
from itn.invariant_transformer import InvariantTransformerNet
from itn.messages import UsageError
from itn.pictures import Pictures
from itn.study import abilities
from itn.study.abilities import QUESTIONS, abilities_request, measured, questions_of
from itn.study.ability_tables import (
    blur_held,
    displacement_held,
    farther_counts,
    farther_table,
    gains,
    looking_table,
    resampled,
    turning_table,
)
from itn.study.profiles import FigureParameters

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
PHANTOM = FigureParameters(profile="phantom")


def turned(degrees):
    angle = np.radians(degrees)
    rows = [[np.cos(angle), -np.sin(angle), 0 * angle], [np.sin(angle), np.cos(angle), 0 * angle]]
    return np.moveaxis(np.array(rows), -1, 0)


def training(degrees, categories, right=1, spatial=None):
    count = len(categories)
    spatial = (
        turned(np.broadcast_to(np.asarray(degrees, float), count)) if spatial is None else spatial
    )
    said = np.full((1, count), right, "int8")
    return xr.Dataset(
        {
            "spatial_matrix": (("picture", "row", "column"), spatial),
            "color_matrix": (("picture", "channel", "c1"), np.tile(np.eye(3, 4), (count, 1, 1))),
            "right": (("stretch", "picture"), said),
            "consistent": (("stretch", "picture"), said),
        },
        coords={"stretch": [1.0], "category": ("picture", np.array(categories))},
    )


# Questions


def test_questions_are_about_options_of_the_net_and_of_classes_of_the_profile():
    known = set(inspect.signature(InvariantTransformerNet.__init__).parameters)
    for profile, questions in QUESTIONS.items():
        possible = abilities.load_profile(profile).classes
        for question in questions.values():
            assert set(question.classes or ()) <= set(possible)
            assert set(question.trained) <= {"spatial", "color", "kernel"}
            for variant in question.variants:
                assert set(question.net_options(variant)) <= known


def test_a_recipe_is_what_a_file_gives_back():
    request = abilities_request(PHANTOM)
    assert json.loads(json.dumps(request.recipe)) == request.recipe
    one = abilities_request(PHANTOM, ("looking", "blind", 1))
    assert list(one.recipe["parts"]) == ["looking"] and one.recipe["seeds"] == [1]
    assert request.own and not one.own and one.archive != request.archive


def test_a_profile_without_questions_is_refused():
    with pytest.raises(UsageError, match="unknown profile with questions 'imagenet'"):
        questions_of(FigureParameters(profile="imagenet"))


# What is measured


def test_members_are_measured_on_each_picture(conv_classifier, without_xla):
    network = keras.models.clone_model(conv_classifier.network)
    network.set_weights(conv_classifier.network.get_weights())
    classifier = Classifier(network, conv_classifier.preprocess, 8, tuple("abcdefg"), name="conv")
    images = np.random.default_rng(0).random((10, 8, 8, 3)).astype("float32")
    pictures = Pictures(images, np.arange(10) % 2, ("a", "b"), tuple("0123456789"), "x")
    with without_xla():
        net = InvariantTransformerNet(classifier, kernel_dim=2, picture_features=2, fill="edge")
        for layer in (net.spatial, net.kernel):
            shape = layer.entries.kernel.shape
            layer.entries.kernel.assign(np.random.default_rng(1).normal(0, 0.2, shape))
        found = measured(net, pictures, (0.0, 1.0))
        controls = map(np.asarray, net.draw_controls(10, abilities.CONTROL_SEED))
        inputs = dict(zip(("alpha", "beta", "gamma"), controls, strict=True))
        moved = np.asarray(net({"images": images} | inputs)).argmax(axis=1)
    clean = classifier.predict(images).argmax(axis=1)
    assert found.category.values.tolist() == ["a", "b"] * 5
    np.testing.assert_array_equal(found.right.values[0], clean == pictures.labels)
    assert found.consistent.values[0].all()  # shrunk to the identity
    np.testing.assert_array_equal(found.right.values[1], moved == pictures.labels)
    np.testing.assert_array_equal(found.consistent.values[1], moved == clean)
    kernel = found.kernel.values[3]
    filtered = np.stack(
        [ndimage.correlate(images[3, ..., c], kernel[c], mode="nearest") for c in range(3)], -1
    )
    expected = np.sqrt(np.square(filtered - images[3]).mean())
    assert float(found.change[3]) == pytest.approx(expected, rel=1e-4)


# Tables


def test_how_far_discs_are_turned_is_told_whichever_way():
    study = xr.DataTree.from_dict(
        {"turning/rigid/seed_0": training([-100, 100, 80, -80], ["disc"] * 4)}
    )
    row = turning_table(study).loc["rigid 0"]
    assert row["mean turn"] == pytest.approx(90) and row["beyond 90°"] == 0.5
    assert row["area"] == pytest.approx(1) and row["accuracy"].startswith("1.000 (0.398")


def test_the_difference_between_discs_and_hearts_has_its_interval():
    rng = np.random.default_rng(0)
    categories = ["disc"] * 60 + ["mirror"] * 40
    degrees = np.r_[rng.normal(150, 6, 60), rng.normal(30, 4, 40)]
    study = xr.DataTree.from_dict({"looking/sighted/seed_2": training(degrees, categories)})
    row = looking_table(study).loc["sighted 2"]
    assert row["discs turned"] == pytest.approx(degrees[:60].mean())
    assert row["difference"] == pytest.approx(degrees[:60].mean() - degrees[60:].mean())
    expected = np.sqrt(degrees[:60].var() / 60 + degrees[60:].var() / 40)
    assert row["to"] - row["from"] == pytest.approx(2 * 1.96 * expected, rel=0.1)


def shifted(limits, by=0.2):
    """A training whose picture i is lost where the stretch is above its limit."""
    factors = 2.0 ** np.arange(-1, 3)
    count = len(limits)
    matrices = np.tile(np.eye(2, 3), (count, 1, 1))
    matrices[:, 0, 2] = by
    said = (factors[:, None] <= np.asarray(limits)).astype("int8")
    found = training(0, ["disc"] * count, spatial=matrices).drop_vars(["right", "consistent"])
    found = found.drop_vars("stretch").assign_coords(stretch=factors)
    return found.assign(consistent=(("stretch", "picture"), said))


def test_where_consistency_is_lost_is_interpolated():
    limits = np.r_[np.full(18, 9), 1.5, 1.5]  # at a stretch of 2 it is 0.9, at 1 it is 1
    found = displacement_held(shifted(limits), np.ones((1, 20)))
    assert found[0] == pytest.approx(np.sqrt(2) * 0.1)  # half of it is lost halfway, in octaves
    assert displacement_held(shifted(np.full(9, 9)), np.ones((1, 9)))[0] == np.inf
    # None is consistent from the smallest stretch on, 1/2: a twentieth of the way there.
    lost = displacement_held(shifted(np.zeros(9)), np.ones((1, 9)))
    assert lost[0] == pytest.approx(0.05 * 0.5 * 0.1)


def test_a_family_that_goes_twice_as_far_has_a_ratio_of_two():
    limits = np.r_[np.full(90, 9), np.full(10, 1.5)]
    study = xr.DataTree.from_dict(
        {
            "farther/blind/seed_0": shifted(limits),
            "farther/sighted/seed_0": shifted(limits, by=0.4),
        }
    )
    row = farther_table(study).loc[0]
    assert row["sighted / blind"] == pytest.approx(2)
    assert row["from"] == pytest.approx(2) and row["to"] == pytest.approx(2)  # same pictures


def test_seeds_are_counted_by_where_the_interval_of_the_ratio_lies():
    table = pd.DataFrame(
        {"sighted / blind": [1.2, 0.7, 1.1, 1.5], "from": [1.1, 0.5, 0.9, 1.3]}
        | {"to": [1.4, 0.9, 1.3, np.nan]}
    )
    counts = farther_counts(table).loc["all"].to_dict()
    assert counts == {"seeds": 4, "above": 2, "below": 1, "lowest": 0.7, "highest": 1.5}


def test_each_class_keeps_its_pictures_when_they_are_resampled():
    weights = resampled(np.array(["a", "b", "a", "b", "b"]))
    np.testing.assert_array_equal(weights[:, [0, 2]].sum(axis=1), 2)
    np.testing.assert_array_equal(weights[:, [1, 3, 4]].sum(axis=1), 3)
    assert weights.std() > 0.5


def test_gains_are_those_of_waves_that_are_filtered():
    kernel = np.random.default_rng(0).normal(size=(5, 5))
    for frequency in (0, 0.125, 0.25, 0.5):
        for axis, gain in zip((1, 0), gains(kernel, frequency), strict=True):
            wave = np.exp(2j * np.pi * frequency * np.arange(64))
            picture = np.broadcast_to(wave if axis else wave[:, None], (64, 64))
            filtered = ndimage.correlate(picture, kernel, mode="wrap")
            assert np.abs(filtered).mean() == pytest.approx(gain, abs=1e-9)


def test_the_blur_that_loses_as_much_is_interpolated(monkeypatch):
    classes = list(QUESTIONS["phantom"]["filtering"].classes)
    labels = np.repeat(np.arange(len(classes)), 4)
    screening = xr.Dataset(
        {"label": ("image", labels)},
        coords={"category": classes, "magnitude": [0.0, 1.0, 2.0, 3.0]},
    )
    curves = xr.DataArray(
        np.tile([1.0, 0.98, 0.9, 0.2], (len(classes), 1)),
        dims=("category", "magnitude"),
        coords={"category": classes, "magnitude": screening.magnitude},
    )
    monkeypatch.setattr("itn.study.ability_tables.obtain_screening", lambda *given: screening)
    monkeypatch.setattr("itn.study.ability_tables.accuracy", lambda screening: curves)
    assert blur_held(PHANTOM, 0.94) == pytest.approx(1.5)
