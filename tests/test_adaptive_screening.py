"""Screenings whose magnitudes are adaptive, against those of full sweeps."""

import contextlib
import dataclasses
import errno
import itertools
import os

import keras
import numpy as np
import pytest
import xarray as xr

from itn import screening, softmax_sheets
from itn.classifiers import Classifier, load_classifier
from itn.curves import load_screening, save_screening, select_categories, was_screened
from itn.engines import Softmax
from itn.messages import Progress, UsageError
from itn.pictures import Pictures, load_images
from itn.plots import plot_accuracy, plot_softmax
from itn.screening import screen
from itn.thresholds import thresholds
from itn.transformations import find_transformation


class StopError(Exception):
    pass


@contextlib.contextmanager
def passes(stop=None):
    """Count passes, batches that is, and stop at one of them."""
    count = itertools.count()
    usual = Softmax.predict_on_batch

    def look(self, prepared):
        if next(count) == stop:
            raise StopError
        return usual(self, prepared)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Softmax, "predict_on_batch", look)
        yield count


def assert_same_bits(adaptive, full):
    """Compare with a full sweep wherever a category was looked at."""
    assert np.isin(adaptive.magnitude, full.magnitude).all()
    full = full.sel(magnitude=adaptive.magnitude)
    screened = was_screened(adaptive)
    own = screened[adaptive.label.values]
    for name, there in (("softmax", own), ("predicted", own), ("mean_softmax", screened)):
        found, expected = adaptive[name].values, full[name].values
        np.testing.assert_array_equal(found[there], expected[there])
        assert (np.isnan(found[~there]) if name != "predicted" else found[~there] == -1).all()
    for image, category in enumerate(adaptive.label.values):
        rivals = full.rival.values[category].tolist()
        for rank, rival in enumerate(adaptive.rival.values[category]):
            found = adaptive.rival_softmax.values[image, rank]
            assert np.isnan(found[~own[image]]).all()
            if rival in rivals:
                expected = full.rival_softmax.values[image, rivals.index(rival)]
                np.testing.assert_array_equal(found[own[image]], expected[own[image]])


# The phantom's network


@pytest.fixture(scope="module")
def phantom():
    """The AlexNet of the package and pictures of two of its classes."""
    classifier = load_classifier("alexnet_phantom")
    names = ["zoom_large", "zoom_small"]
    return classifier, load_images("phantom", names, classifier.input_size, limit=6)


@pytest.fixture(scope="module")
def both(phantom):
    """A full and an adaptive screening, and the passes that each took."""
    found = []
    for magnitudes in (None, "adaptive"):
        with passes() as count:
            found.append(screen(*phantom, "zoom", magnitudes, batch_size=3))
            found.append(next(count))
    return found


def test_what_was_looked_at_is_what_a_full_sweep_gives_to_the_bit(both):
    full, _, adaptive, _ = both
    assert_same_bits(adaptive, full)
    np.testing.assert_array_equal(adaptive.rival[:, 0], full.rival[:, 0])
    assert adaptive.attrs == full.attrs | {"magnitudes": "adaptive", "precision": 1 / 8}
    assert adaptive.magnitude.attrs == full.magnitude.attrs
    assert not was_screened(adaptive).all() and "screened" not in full


def test_thresholds_are_those_of_the_full_sweep(both):
    full, _, adaptive, _ = both
    expected, found = thresholds(full), thresholds(adaptive)
    np.testing.assert_array_equal(found.status, expected.status)
    assert (found.status == "reached").sum() >= 4
    low, high = expected.low.fillna(-np.inf), expected.high.fillna(np.inf)
    inside = (found.threshold >= low) & (found.threshold <= high)
    assert inside.where(found.status == "reached", True).all()


def test_passes_are_saved_and_none_is_done_twice(both):
    _, full, adaptive, few = both
    batches = 2  # of each category
    looked = was_screened(adaptive).sum()
    # Each magnitude is a pass a batch. Beside them, the first batch of each category is looked at
    # as it is and by the identity.
    assert full == 2 * (33 * batches + 1)
    assert few == batches * looked + 2
    assert few < full / 2


def test_it_is_saved_read_and_drawn(both, tmp_path):
    adaptive = both[2]
    save_screening(adaptive, tmp_path / "a.nc")
    loaded = load_screening(tmp_path / "a.nc")
    np.testing.assert_array_equal(loaded.screened, adaptive.screened)
    np.testing.assert_array_equal(loaded.predicted, adaptive.predicted)
    np.testing.assert_allclose(loaded.softmax, adaptive.softmax, atol=1e-5)
    assert loaded.attrs["magnitudes"] == "adaptive" and loaded.attrs["precision"] == 1 / 8
    assert len(plot_softmax(loaded).axes) == 2 and plot_accuracy(loaded).axes


def test_one_category_alone_has_no_holes_and_is_the_same(phantom, both):
    classifier, pictures = phantom
    name = pictures.class_names[1]
    alone = screen(classifier, pictures.select(name), "zoom", "adaptive", batch_size=3)
    assert "screened" not in alone
    part = select_categories(both[2], [name])
    for each in ("softmax", "rival_softmax", "predicted", "mean_softmax", "magnitude", "rival"):
        np.testing.assert_array_equal(alone[each], part[each])


# A tiny one


@pytest.fixture(scope="module")
def lightness():
    """Tells dark from bright pictures, at a mean of 0.6; some are each, none is gray."""
    network = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    )
    slopes, shifts = np.array([-1, 1, 0]), np.array([0.6, -0.6, -0.1])
    network.set_weights([30 * np.tile(slopes / 3, (3, 1)), 30 * shifts])
    classifier = Classifier(network, lambda x: x, 8, ("dark", "bright", "gray"), name="lightness")
    labels = np.array([0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1])
    means = np.where(labels, 0.9, 0.37) + np.linspace(0, 0.03, 13)
    images = np.broadcast_to(means[:, None, None, None], (13, 8, 8, 3)).astype("f4")
    paths = tuple(f"{index}.png" for index in range(13))
    return classifier, Pictures(images, labels, ("dark", "bright"), paths, "plain")


@pytest.fixture
def tiny(lightness, without_xla):
    """Screen thirteen pictures of two kinds that are lost on different sides."""

    def look(magnitudes="adaptive", name="brightness", **options):
        with without_xla():
            given = {"batch_size": 3, "progress": False} | options
            return screen(*lightness, name, magnitudes, **given)

    return look


def test_noise_is_paired_as_in_a_full_sweep(conv_classifier, two_kinds):
    pictures = dataclasses.replace(two_kinds, targets={"c": "c", "a": "c"})
    given = {"batch_size": 2, "seed": 1, "rivals": 6}
    found = screen(conv_classifier, pictures, "noise", "adaptive", **given)
    assert_same_bits(found, screen(conv_classifier, pictures, "noise", **given))


def test_what_is_known_of_untouched_pictures_is_not_asked_again(tiny, lightness):
    untouched = lightness[0].predict(lightness[1].images)
    with passes() as count:
        usual, few = tiny(), next(count)
    with passes() as count:
        xr.testing.assert_allclose(tiny(untouched=untouched), usual, atol=1e-6)
        assert next(count) == few - 5  # batches


def test_a_finer_precision_splits_the_steps_of_the_sweep(tiny):
    usual, finer = tiny(), tiny(precision=0.01)
    assert usual.attrs["precision"] == 0.05 and finer.attrs["precision"] == 0.01
    assert np.isin(usual.magnitude, find_transformation("brightness").sweep(8)).all()
    sixteenths = finer.magnitude.values * 20 * 8
    np.testing.assert_allclose(sixteenths, sixteenths.round(), atol=1e-9)
    assert np.diff(finer.magnitude).min() < 0.01 + 1e-9
    found = thresholds(finer).threshold.sel(criterion="half")
    np.testing.assert_allclose(found.values[0, 1], 0.6 - 0.385, atol=0.02)
    np.testing.assert_allclose(found.values[1, 0], 0.6 - 0.915, atol=0.02)
    everything = np.union1d(finer.magnitude, usual.magnitude)
    for each in (usual, finer):
        assert_same_bits(each, tiny(everything))


def test_a_stop_at_any_pass_goes_on_to_the_same_bytes(tiny, tmp_path):
    with passes() as count:
        save_screening(tiny(), tmp_path / "whole.nc")
        total = next(count)
    assert total > 20
    for stop in range(1, total, 9):
        state = tmp_path / str(stop)
        with passes(stop), pytest.raises(StopError):
            tiny(state=state)
        with passes() as count:
            save_screening(tiny(state=state), tmp_path / "resumed.nc")
            # Twice: as they are, the batch it was stopped in and the first of the kinds begun.
            assert next(count) <= total - stop + 3
        assert (tmp_path / "resumed.nc").read_bytes() == (tmp_path / "whole.nc").read_bytes()
    with passes() as count:
        tiny(state=tmp_path / "1")
        assert next(count) == 2  # all of it is there; the first batch of each kind is compared
    with passes() as count:
        tiny(state=tmp_path / "1", precision=1e-2)
        assert next(count) > 20  # another screening


@pytest.mark.parametrize("kept", [True, False])
def test_a_disk_that_fills_up_in_a_later_round_is_one_line(tiny, tmp_path, monkeypatch, kept):
    whole = tiny()
    state = tmp_path if kept else None
    reserved = []

    def reserve(file, size, folder):
        reserved.append(size)
        if len(reserved) > (3 if kept else 1):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, passes() as count:
        patch.setattr(softmax_sheets, "_reserve", reserve)
        hint = "" if kept else "; .*TMPDIR"
        with pytest.raises(UsageError, match=rf"needs .* GB in .*: No space left.*{hint}"):
            tiny(state=state)
        done = next(count)
    assert done
    with passes() as count:
        xr.testing.assert_identical(tiny(state=state), whole)
        if kept:
            again = next(count)
            with passes() as count:
                tiny()
                assert again <= next(count) - done + 1


def test_the_bar_ends_full(tiny, monkeypatch):
    bars = []

    class Bar(Progress):
        def close(self):
            bars.append((self.n, self.total))
            super().close()

    monkeypatch.setattr(screening, "Progress", Bar)
    found = tiny(progress=True)
    looked = was_screened(found)[found.label.values].sum()
    assert bars[-1] == (looked, looked)


def test_a_long_one_finds_its_batch_size_as_a_full_sweep_does(tiny, monkeypatch):
    timed = []
    monkeypatch.setattr(
        screening, "fastest_batch_size", lambda look, image, most: timed.append(most) or 3
    )
    length = len(find_transformation("brightness").sweep(8))
    monkeypatch.setattr(screening, "WORTH_TIMING", 13 * length + 1)
    tiny(batch_size=None)
    assert not timed
    monkeypatch.setattr(screening, "WORTH_TIMING", 13 * length)
    tiny(batch_size=None)
    assert timed == [7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"magnitudes": "adaptve"}, r"magnitudes must be numbers or 'adaptive', got 'adaptve'"),
        ({"magnitudes": None, "precision": 0.1}, r"precision is that of magnitudes='adaptive'"),
        ({"magnitudes": [0, 1], "precision": 1}, r"precision is that of magnitudes='adaptive'"),
        ({"precision": 0}, r"precision of brightness must be a number from 4\.9e-05, got 0"),
        ({"precision": "fine"}, r"precision of brightness must be .*, got fine"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_pass(tiny, options, message):
    with passes(0), pytest.raises(UsageError, match=message):
        tiny(**options)
