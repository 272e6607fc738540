"""Classifiers and places of which none can be saved: one line, and what was there stays."""

import dataclasses
from pathlib import Path

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from bad_input import TEXTS, VALUES, outcome, refusal, some_pictures
from hypothesis import assume, given, settings
from keras import ops

from itn.classifiers import Classifier, load_classifier, save_classifier

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
FEW = settings(max_examples=max(8, settings.default.max_examples // 4))  # a network each


@pytest.fixture
def saved(color_classifier, tmp_path):
    """A folder with a classifier that is saved."""
    save_classifier(color_classifier, tmp_path / "mine.keras")
    return tmp_path


def content_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@FEW
@given(name=TEXTS)
def test_a_name_of_any_characters_is_saved_under_or_refused(color_classifier, tmp_path, name):
    before = content_of(tmp_path)
    path, message = outcome(save_classifier, color_classifier, f"{tmp_path}/{name}.keras")
    if message is not None:
        assert content_of(tmp_path) == before
        return
    pictures = some_pictures(2)
    expected = color_classifier.predict(pictures)
    np.testing.assert_allclose(load_classifier(path).predict(pictures), expected, atol=1e-6)
    assert len(content_of(tmp_path)) - len(before) in (0, 2)


@given(VALUES)
def test_what_is_no_path_or_no_classifier_is_refused(color_classifier, saved, value):
    before = content_of(saved)
    assume(not isinstance(value, str) or not value.endswith(".keras"))
    refusal(save_classifier, color_classifier, value)
    refusal(save_classifier, value, saved / "mine.keras")
    assert content_of(saved) == before


@pytest.mark.parametrize("taken", ["other.keras", "other.itn.json"])
def test_a_folder_in_the_place_of_either_file_is_refused_before_the_other_is_written(
    color_classifier, saved, taken
):
    (saved / taken).mkdir()
    (saved / taken / "inside").write_text("kept")
    before = content_of(saved)
    assert f"{taken} cannot be written to" in refusal(
        save_classifier, color_classifier, saved / "other.keras"
    )
    assert content_of(saved) == before


def test_below_a_file_there_is_no_place(color_classifier, saved):
    before = content_of(saved)
    refusal(save_classifier, color_classifier, saved / "mine.keras" / "other.keras")
    assert content_of(saved) == before


def crooked(images):
    return images if ops.shape(images)[0] == 1 else images[:, ::-1]


@pytest.mark.parametrize(
    "change",
    [
        {"class_names": ("red", "green", "\ud800")},
        {"class_ids": ("n1", "n2", "\udcff")},
        {"preprocess": lambda x: x * np.float32(np.inf)},
        {"preprocess": lambda x: ops.log(x - 5)},
        {"preprocess": lambda x: x**2},
        {"preprocess": crooked},
    ],
    ids=["name", "id", "infinite", "no number", "square", "batch"],
)
def test_a_classifier_that_cannot_be_stored_replaces_none(color_classifier, saved, change):
    before = content_of(saved)
    wrong, message = outcome(dataclasses.replace, color_classifier, **change)
    if message is None:  # not refused already as a classifier
        refusal(save_classifier, wrong, saved / "mine.keras")
    assert content_of(saved) == before


def test_a_network_with_code_in_it_replaces_none(saved):
    before = content_of(saved)
    layers = [keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: 2 * x)]
    network = keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D()])
    wrong = Classifier(network, lambda x: x, 8, ("a", "b", "c"))
    assert "mine.keras was not loaded" in refusal(save_classifier, wrong, Path(saved, "mine.keras"))
    assert content_of(saved) == before


@FEW
@given(data=st.data())
def test_a_saved_classifier_that_is_cut_off_or_changed_is_refused(saved, data):
    files = sorted(saved.glob("mine.*"))
    path = data.draw(st.sampled_from(files))
    whole = path.read_bytes()
    kept = data.draw(st.integers(0, len(whole) - 2))  # the last is the end of a line
    path.write_bytes(whole[:kept])
    message = refusal(load_classifier, saved / "mine.keras")
    path.write_bytes(whole)
    assert "mine." in message
