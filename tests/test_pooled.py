"""Screenings of pictures that are pooled, against plain loops and softmax known on paper."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import rankdata

from itn import screening
from itn.curves import load_screening, save_screening, select_categories
from itn.messages import UsageError
from itn.netcdf import write_netcdf
from itn.pictures import Pictures
from itn.plots import plot_softmax
from itn.screening import screen
from itn.thresholds import accuracy, is_correct, thresholds
from itn.transformations import noise_fields, seed_of

MAGNITUDES = [0, 0.3, 1.2]


def pooled(classifier, pictures, **options):
    options = {"seed": 4, "batch_size": 3, "pooled": True} | options
    return screen(classifier, pictures, "noise", MAGNITUDES, **options)


@pytest.fixture(scope="module")
def found(conv_classifier, two_kinds):
    return pooled(conv_classifier, two_kinds)


def test_every_picture_has_the_place_of_its_class(found, conv_classifier, two_kinds):
    """Batches of three hold pictures of both classes."""
    fields = noise_fields([seed_of(4, path) for path in two_kinds.paths], (8, 8, 3))
    for column, magnitude in enumerate(MAGNITUDES):
        softmax = conv_classifier.predict(two_kinds.images + np.float32(magnitude) * fields)
        own = np.array([2, 0])[two_kinds.labels]
        rank = rankdata(-softmax, axis=1)[np.arange(7), own]  # of real numbers none are equal
        np.testing.assert_array_equal(found.place[:, column], rank - 1)
        np.testing.assert_array_equal(found.predicted[:, column], softmax.argmax(axis=1))
        expected = softmax[np.arange(7), own]
        np.testing.assert_allclose(found.softmax[:, column], expected, atol=1e-5)
    assert len(np.unique(found.place)) > 2


def test_it_is_what_a_screening_class_by_class_says(found, conv_classifier, two_kinds):
    apart = screen(conv_classifier, two_kinds, "noise", MAGNITUDES, seed=4, batch_size=4)
    for name in ("predicted", "label", "target", "image", "category", "class", "magnitude"):
        assert found[name].identical(apart[name]), name
    np.testing.assert_allclose(found.softmax, apart.softmax, atol=1e-6)
    np.testing.assert_array_equal(found.place == 0, is_correct(apart))
    assert accuracy(found).equals(accuracy(apart))
    assert found.attrs == apart.attrs | {"pooled": 1}


def test_of_equals_the_first_is_right(color_classifier):
    """A gray picture is as red as green as blue."""
    gray = np.full((3, 8, 8, 3), 0.5, np.float32)
    names = ("red", "green", "blue")
    pictures = Pictures(gray, np.arange(3), names, ("1", "2", "3"), "gray")
    found = screen(color_classifier, pictures, "contrast", [1, 2], pooled=True)
    assert found.place.values.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert not found.predicted.values.any()


def test_it_goes_on_after_a_kill(found, conv_classifier, two_kinds, tmp_path, monkeypatch):
    looked, say = [], screening.Look.softmax

    def counted(look, inputs):
        looked.append(1)
        if len(looked) == 5:
            raise KeyboardInterrupt
        return say(look, inputs)

    monkeypatch.setattr(screening.Look, "softmax", counted)
    with pytest.raises(KeyboardInterrupt):
        pooled(conv_classifier, two_kinds, state=tmp_path)
    begun, looked[:] = len(looked), [1] * 5
    assert pooled(conv_classifier, two_kinds, state=tmp_path).identical(found)
    assert 0 < len(looked) - 5 < 3 * (len(MAGNITUDES) + 1) and begun == 5


def test_it_is_stored_and_classes_are_selected(found, tmp_path):
    save_screening(found, tmp_path / "a.nc")
    again = load_screening(tmp_path / "a.nc")
    xr.testing.assert_allclose(again, found, atol=1e-5)
    one = select_categories(again, ["a"])
    assert one.sizes["image"] == 4
    np.testing.assert_array_equal(one.place, found.place[found.label == 1])


def test_a_file_that_lacks_a_part_is_refused(found, tmp_path):
    write_netcdf(found.drop_vars("predicted"), tmp_path / "a.nc")
    with pytest.raises(UsageError, match="is not a screening: it has no predicted"):
        load_screening(tmp_path / "a.nc")
    write_netcdf(found.assign(place=found.place + 7), tmp_path / "a.nc")
    with pytest.raises(UsageError, match="it has no place that counts through its class"):
        load_screening(tmp_path / "a.nc")


def test_what_it_cannot_tell_is_said(found, conv_classifier, two_kinds):
    for read in (thresholds, plot_softmax):
        with pytest.raises(UsageError, match="tell of accuracy alone: screen without pooled"):
            read(found)
    with pytest.raises(UsageError, match="pooled pictures have the same magnitudes: not 'adapt"):
        screen(conv_classifier, two_kinds, "noise", "adaptive", pooled=True)
