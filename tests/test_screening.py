"""Screening against a plain loop, and its files."""

import dataclasses
import errno
import itertools
import json
import os
import shutil
import tempfile
import time
import tracemalloc
from pathlib import Path

import keras
import numpy as np
import pytest
import xarray as xr

from itn import screening
from itn.classifiers import Classifier
from itn.curves import load_screening, save_screening, select_categories
from itn.engines import Softmax
from itn.messages import UsageError
from itn.netcdf import write_netcdf
from itn.pictures import Pictures
from itn.screening import screen
from itn.thresholds import thresholds
from itn.transformations import (
    TRANSFORMATIONS,
    find_transformation,
    noise_fields,
    seed_of,
    transform,
)


def softmax_of(logits):
    odds = np.exp(np.asarray(logits, float) - np.max(logits, axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def plain_loop(classifier, pictures, name, magnitudes, fill="zeros", seed=0, clip=False):
    """Return the softmax [N, M, K], picture by picture."""
    softmax = np.empty((len(pictures), len(magnitudes), len(classifier.class_names)))
    for n, path in enumerate(pictures.paths):
        image = pictures.images[n : n + 1]
        own_seed = [seed_of(seed, path)]
        for m, magnitude in enumerate(magnitudes):
            seen = transform(image, name, magnitude, fill=fill, seed=own_seed, clip=clip)
            logits = classifier.network(classifier.preprocess(seen), training=False)
            softmax[n, m] = softmax_of(np.asarray(logits))[0]
    return softmax


def assert_agrees(screening, expected, pictures, targets, rivals=12):
    """Check every variable of a screening against the softmax [N, M, K] of the plain loop."""
    assert expected.std(axis=1).max() > 0.01  # the magnitude matters
    target = np.array(targets)[pictures.labels]
    tolerance = {"atol": 1e-5, "rtol": 0}
    for n in range(len(pictures)):
        np.testing.assert_allclose(screening.softmax[n], expected[n, :, target[n]], **tolerance)
        np.testing.assert_array_equal(screening.predicted[n], expected[n].argmax(axis=-1))
    np.testing.assert_array_equal(screening.label, pictures.labels)
    np.testing.assert_array_equal(screening.target, targets)
    for category, own in enumerate(targets):
        members = [n for n in range(len(pictures)) if pictures.labels[n] == category]
        mean = sum(expected[n] for n in members) / len(members)
        np.testing.assert_allclose(screening.mean_softmax[category], mean, **tolerance)
        peaks = {k: mean[:, k].max() for k in range(mean.shape[1]) if k != own}
        highest = sorted(peaks, key=peaks.get, reverse=True)[:rivals]
        assert screening.rival[category].values.tolist() == highest
        for n in members:
            np.testing.assert_allclose(
                screening.rival_softmax[n], expected[n][:, highest].T, **tolerance
            )


@pytest.fixture(scope="module")
def rotated(conv_classifier, two_kinds):
    magnitudes = [0, 25, 90, 180, 250]
    return screen(conv_classifier, two_kinds, "rotation", magnitudes, batch_size=3, fill="edge")


# Against a plain loop


def test_rotation_agrees_with_a_plain_loop(rotated, conv_classifier, two_kinds):
    expected = plain_loop(
        conv_classifier, two_kinds, "rotation", rotated.magnitude.values, fill="edge"
    )
    assert_agrees(rotated, expected, two_kinds, targets=[2, 0])


@pytest.mark.parametrize(
    ("name", "magnitudes", "options"),
    [
        ("translation_y", [-0.4, 0, 0.3], {"fill": "reflect", "batch_size": 4}),
        ("zoom", [0.4, 1, 2.1], {"fill": "mean", "batch_size": 16}),
        ("contrast", [0.3, 1, 3], {"clip": True, "rivals": 5, "batch_size": 2}),
        ("blur", [0, 0.4, 0.8], {"batch_size": 7}),
        ("noise", [0, 0.2, 0.7], {"seed": 5, "rivals": 1, "batch_size": 5}),
    ],
)
def test_other_transformations_agree_with_a_plain_loop(
    conv_classifier, two_kinds, name, magnitudes, options
):
    screening = screen(conv_classifier, two_kinds, name, magnitudes, progress=False, **options)
    options = dict(options)
    del options["batch_size"]
    rivals = options.pop("rivals", 12)
    expected = plain_loop(conv_classifier, two_kinds, name, magnitudes, **options)
    assert_agrees(screening, expected, two_kinds, targets=[2, 0], rivals=rivals)


def test_a_default_sweep_agrees_with_a_closed_form(color_classifier):
    images = np.random.default_rng(1).random((3, 8, 8, 3)).astype("float32")
    pictures = Pictures(images, np.zeros(3, int), ("green",), ("1", "2", "3"), "random")
    screening = screen(color_classifier, pictures, "contrast")
    sweep = find_transformation("contrast").sweep(8)
    np.testing.assert_array_equal(screening.magnitude, sweep)
    logits = 5 * sweep[:, None] * images.mean(axis=(1, 2), dtype=float)[:, None]
    assert_agrees(screening, softmax_of(logits), pictures, targets=[1], rivals=2)


def test_a_category_may_stand_for_a_class_of_another_name(color_classifier, two_kinds):
    classifier = dataclasses.replace(color_classifier, class_ids=("n1", "n2", "n3"))
    pictures = dataclasses.replace(two_kinds, targets={"c": "n3", "a": "n1"})
    screening = screen(classifier, pictures, "brightness", [0])
    assert screening.target.values.tolist() == [2, 0]
    assert screening.category.values.tolist() == ["c", "a"]


def test_the_identity_is_added_and_magnitudes_are_sorted(color_classifier, two_kinds):
    pictures = dataclasses.replace(two_kinds, targets={"c": "red", "a": "blue"})
    screening = screen(color_classifier, pictures, "contrast", [3, 0.5, 3])
    assert screening.magnitude.values.tolist() == [0.5, 1, 3]
    clean = color_classifier.predict(pictures.images)
    truth = np.array([0, 2])[pictures.labels]
    identity = screening.softmax.sel(magnitude=1)
    np.testing.assert_allclose(identity, clean[np.arange(7), truth], atol=1e-6)


# Batches


@pytest.mark.parametrize("batch_size", [1, 4, 50])
def test_the_answer_does_not_depend_on_the_batch_size(
    rotated, conv_classifier, two_kinds, batch_size
):
    magnitudes = rotated.magnitude.values
    other = screen(
        conv_classifier, two_kinds, "rotation", magnitudes, batch_size=batch_size, fill="edge"
    )
    xr.testing.assert_allclose(other, rotated, atol=1e-6)


def test_the_same_screening_twice_is_the_same(rotated, conv_classifier, two_kinds):
    again = screen(
        conv_classifier, two_kinds, "rotation", rotated.magnitude.values, batch_size=3, fill="edge"
    )
    xr.testing.assert_identical(again, rotated)


def test_memory_does_not_grow_with_the_number_of_pictures(monkeypatch):
    """The softmax of all classes, 80 KB a picture here, does not stay in memory, nor mapped."""
    classes = 4000
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(classes),
        ]
    )
    classifier = Classifier(network, lambda x: x, 8, [str(k) for k in range(classes)])
    mapped = []
    usual = np.memmap.__array_finalize__  # of whatever part of a file is looked at

    def noted(array, parent):
        mapped.append(mapped_bytes())
        usual(array, parent)

    monkeypatch.setattr(np.memmap, "__array_finalize__", noted)

    def peaks(count):
        images = np.random.default_rng(0).random((count, 8, 8, 3)).astype("float32")
        paths = tuple(f"{i}.png" for i in range(count))
        pictures = Pictures(images, np.zeros(count, int), ("7",), paths, "many")
        mapped.clear()
        tracemalloc.start()
        screen(classifier, pictures, "brightness", [-1, -0.5, 0, 0.5, 1], batch_size=4)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest, max(mapped)

    peaks(4)  # what is imported and made only once
    (few, few_mapped), (many, many_mapped) = peaks(8), peaks(136)
    assert few > 5 * classes * 4  # the tracer sees arrays
    assert many - few < 128 * 4096
    assert many_mapped - few_mapped < 128 * 5 * classes * 4 / 4


def mapped_bytes():
    """Return how much of files is in this process's memory, where the system tells it."""
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        return 0
    return 1024 * int(status.partition("RssFile:")[2].split()[0])


def test_the_mean_over_pictures_is_numpys_to_the_last_bit(color_classifier):
    """All classes are kept here, so that the mean can be computed anew."""
    images = np.random.default_rng(5).random((1009, 8, 8, 3)).astype("float32")
    paths = tuple(f"{i}.png" for i in range(len(images)))
    labels = np.arange(len(images)) % 2
    pictures = Pictures(images, labels, ("green", "blue"), paths, "many")
    for batch_size in (7, 64):
        screening = screen(
            color_classifier, pictures, "contrast", [0.25, 1, 4], rivals=2, batch_size=batch_size
        )
        for category, own in enumerate([labels == 0, labels == 1]):
            said = np.empty((own.sum(), 3, 3), np.float32)
            said[:, :, screening.target[category]] = screening.softmax[own]
            for rank in range(2):
                said[:, :, screening.rival[category, rank]] = screening.rival_softmax[own, rank]
            mean = said.mean(axis=0, dtype=np.float64).astype(np.float32)
            np.testing.assert_array_equal(screening.mean_softmax[category], mean)


# Noise


def test_noise_is_paired_over_all_magnitudes_and_belongs_to_the_picture(color_classifier):
    """Logits are linear in the picture, so with one field per picture they are in σ, too."""
    images = np.full((4, 8, 8, 3), 0.5, "float32")
    paths = tuple(f"red/{i}.png" for i in range(4))
    pictures = Pictures(images, np.zeros(4, int), ("red",), paths, "even")
    screening = screen(
        color_classifier, pictures, "noise", [0, 0.25, 0.5, 1], seed=3, batch_size=3, rivals=2
    )
    advantage = np.log(screening.softmax.values[:, None]) - np.log(screening.rival_softmax.values)
    fields = noise_fields([seed_of(3, path) for path in paths], (8, 8, 3))
    mean = 5 * fields.mean(axis=(1, 2), dtype=float)
    rivals = screening.rival.values[0]
    slope = mean[:, :1] - mean[:, rivals]
    assert np.abs(slope).min() > 1e-3
    expected = slope[:, :, None] * screening.magnitude.values
    np.testing.assert_allclose(advantage, expected, atol=1e-5)


def test_noise_does_not_depend_on_what_else_is_screened(conv_classifier, two_kinds):
    options = {"seed": 2, "batch_size": 2}
    both = screen(conv_classifier, two_kinds, "noise", [0, 0.5], **options)
    alone = screen(conv_classifier, two_kinds.select("a"), "noise", [0, 0.5], **options)
    part = select_categories(both, ["a"])
    assert alone.image.values.tolist() == part.image.values.tolist()
    for name in ("softmax", "rival_softmax", "mean_softmax"):
        np.testing.assert_allclose(alone[name], part[name], atol=1e-6)
    other_seed = screen(conv_classifier, two_kinds.select("a"), "noise", [0, 0.5], seed=3)
    assert np.abs(other_seed.softmax - alone.softmax).sel(magnitude=0.5).max() > 1e-3


# Identity is identity


class Chance(keras.layers.Layer):
    """Adds to its input what is drawn anew each time, also when nothing is learned."""

    def __init__(self):
        super().__init__()
        self.generator = keras.random.SeedGenerator(1)

    def call(self, inputs):
        return inputs + keras.random.normal(keras.ops.shape(inputs), seed=self.generator)


def test_a_network_that_answers_differently_every_time_is_refused(two_kinds):
    network = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), Chance()]
    )
    random = Classifier(network, lambda x: 5 * x, 8, ("a", "b", "c"))
    with pytest.raises(UsageError, match=r"rotation by 0 should leave c/\d\.png as it is"):
        screen(random, two_kinds, "rotation", [0, 90])


def test_a_network_that_answers_with_no_number_is_refused(color_classifier):
    with pytest.raises(UsageError, match=r"color gives \[nan nan nan\] for a black picture"):
        dataclasses.replace(color_classifier, preprocess=lambda x: x * float("nan"))


def test_no_number_for_one_picture_at_one_magnitude_is_named(color_classifier, two_kinds):
    """A square root of what is negative in one of seven pictures, from one darkness on."""
    images = np.full_like(two_kinds.images, 0.9)
    images[4, 3, 3, 1] = 0.35
    pictures = dataclasses.replace(two_kinds, images=images)
    root = dataclasses.replace(
        color_classifier, preprocess=lambda x: x**0.5, class_names=("a", "b", "c")
    )
    sweep = [-0.4, -0.3, 0, 0.4]
    with pytest.raises(UsageError, match=r"nan to a/4\.png, brightness by -0\.4: .*clip=True"):
        screen(root, pictures, "brightness", sweep, batch_size=3)
    clipped = screen(root, pictures, "brightness", sweep, batch_size=3, clip=True)
    assert not np.isnan(clipped.softmax).any()


def test_a_stored_screening_with_no_numbers_is_refused(rotated, tmp_path):
    broken = rotated.copy(deep=True)
    broken.mean_softmax[0, 1, 2] = np.nan
    write_netcdf(broken, tmp_path / "broken.nc")
    with pytest.raises(UsageError, match=r"broken\.nc holds softmax that is not a number"):
        load_screening(tmp_path / "broken.nc")


@pytest.fixture
def policy():
    """Set the dtype policy for the networks that a test builds."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16", "bfloat16", "float16"])
def test_networks_of_coarse_arithmetic_are_screened(
    conv_classifier, two_kinds, policy, name, batch_size, rotated
):
    policy(name)
    network = keras.models.clone_model(conv_classifier.network, clone_function=_clone_in(name))
    network.set_weights(conv_classifier.network.get_weights())
    coarse = dataclasses.replace(conv_classifier, network=network)
    assert {layer.compute_dtype for layer in network.layers} == {name.removeprefix("mixed_")}
    magnitudes = rotated.magnitude.values
    found = screen(
        coarse, two_kinds, "rotation", magnitudes, batch_size=batch_size, fill="edge",
    )  # fmt: skip
    tolerance = 0.05 if "bfloat16" in name else 0.01
    np.testing.assert_allclose(found.softmax, rotated.softmax, atol=tolerance)
    assert np.abs(found.softmax - rotated.softmax).max() > 1e-5
    np.testing.assert_allclose(found.mean_softmax.sum("class"), 1, atol=1e-6)


def _clone_in(name):
    def clone(layer):
        return type(layer).from_config(layer.get_config() | {"dtype": name})

    return clone


@pytest.mark.parametrize("name", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_an_identity_that_is_none_is_refused_in_every_arithmetic(
    conv_classifier, two_kinds, policy, name, monkeypatch
):
    policy(name)
    network = keras.models.clone_model(conv_classifier.network, clone_function=_clone_in(name))
    network.set_weights(conv_classifier.network.get_weights())
    coarse = dataclasses.replace(conv_classifier, network=network)
    wrong = dataclasses.replace(find_transformation("rotation"), identity=20.0)
    monkeypatch.setitem(TRANSFORMATIONS, "rotation", wrong)
    with pytest.raises(UsageError, match=r"rotation by 20 should leave .* as it is, but conv's"):
        screen(coarse, two_kinds, "rotation", [0, 20])


# What a screening says of itself


def test_attributes_say_how_it_was_made(rotated, conv_classifier, two_kinds):
    attributes = rotated.attrs
    expected = {
        "transformation": "rotation",
        "identity": 0,
        "fill": "edge",
        "seed": 0,
        "clip": 0,
        "network": "conv",
        "weights_sha256": conv_classifier.weights_hash(),
        "data": "noisy",
        "data_sha256": two_kinds.data_hash,
        "pictures": 7,
    }
    assert {name: attributes[name] for name in expected} == expected
    assert json.loads(attributes["pictures_left_out"]) == []
    backend = keras.backend.backend()
    assert f"keras {keras.__version__}" in attributes["versions"]
    assert f"{backend} " in attributes["versions"] and "unknown" not in attributes["versions"]
    assert len(attributes["source_sha256"]) == 64 and attributes["device"]
    assert rotated.magnitude.attrs["units"] == "°"
    assert rotated.image.values.tolist() == list(two_kinds.paths)
    assert rotated["class"].values.tolist() == list("abcdefg")


def test_other_pictures_weights_or_options_show_in_the_attributes(two_kinds, color_classifier):
    pictures = dataclasses.replace(
        two_kinds,
        images=two_kinds.images[::-1].copy(),
        left_out=(("a/x.png", "empty file"),),
        targets={"c": "red", "a": "blue"},
    )
    screening = screen(color_classifier, pictures, "brightness", [0], seed=4, clip=True)
    assert screening.attrs["data_sha256"] != two_kinds.data_hash
    assert (screening.attrs["seed"], screening.attrs["clip"]) == (4, 1)
    assert json.loads(screening.attrs["pictures_left_out"]) == [["a/x.png", "empty file"]]


# What is refused


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("rotate",), {}, "unknown transformation 'rotate'; closest: 'rotation'"),
        (("zoom",), {"fill": "edges"}, "unknown fill 'edges'; closest: 'edge'"),
        (("zoom", [0.5, 0]), {}, "magnitude of zoom must be a finite number > 0"),
        (("zoom",), {"rivals": 0}, "rivals must be at least 1"),
    ],
)
def test_wrong_arguments_are_explained(conv_classifier, two_kinds, arguments, options, message):
    with pytest.raises(UsageError, match=message):
        screen(conv_classifier, two_kinds, *arguments, **options)


def test_a_class_that_the_network_does_not_know_is_explained(color_classifier, two_kinds):
    with pytest.raises(UsageError, match=r"unknown class of color 'c'.*possible: red, green, blue"):
        screen(color_classifier, two_kinds, "zoom")


def test_pictures_of_another_size_are_explained(conv_classifier, two_kinds):
    small = dataclasses.replace(two_kinds, images=two_kinds.images[:, :7, :7])
    with pytest.raises(UsageError, match=r"\[N, 8, 8, 3\].*got \[7, 7, 7, 3\]"):
        screen(conv_classifier, small, "zoom")


@pytest.fixture
def count_passes(conv_classifier):
    """A classifier that notes whenever it is looked with."""
    passes = []

    def preprocess(images):
        passes.append(images)
        return conv_classifier.preprocess(images)

    classifier = dataclasses.replace(conv_classifier, preprocess=preprocess)
    passes.clear()  # of the call that tells what the network takes
    return classifier, passes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images: images * 255, "float32 values from 0 to 255: divide those of 0 … 255"),
        (lambda images: (images * 255).astype("uint8"), "got uint8: divide those of 0 … 255"),
        (lambda images: np.where(np.arange(7)[:, None, None, None] == 5, np.nan, images), "a/5"),
        (lambda images: images + np.float32(np.inf), "got inf in c/0.png"),
    ],
)
def test_pictures_of_another_range_are_refused_before_the_first_pass(
    count_passes, two_kinds, change, message
):
    classifier, passes = count_passes
    images = np.clip(two_kinds.images, 0, 1)
    images[0, 0, 0], images[0, 0, 1] = 0, 1
    paths = tuple(f"a/{i}.png" if i else "c/0.png" for i in range(7))
    pictures = dataclasses.replace(two_kinds, images=change(images), paths=paths)
    with pytest.raises(UsageError, match=message):
        screen(classifier, pictures, "zoom")
    assert not passes


@pytest.mark.parametrize("bad", ["caf\udce9.png", "a\0b.png"])
@pytest.mark.parametrize("where", ["paths", "class_names", "name"])
def test_names_that_cannot_be_stored_are_refused_before_the_first_pass(
    count_passes, two_kinds, where, bad
):
    classifier, passes = count_passes
    names = {"paths": (*two_kinds.paths[:6], bad), "class_names": (bad, "a"), "name": bad}
    pictures = dataclasses.replace(two_kinds, targets={bad: "c"}, **{where: names[where]})
    with pytest.raises(UsageError, match=r"(udce9|x00).* is a name that cannot be stored"):
        screen(classifier, pictures, "zoom")
    assert not passes


@pytest.mark.parametrize("how", ["a full disk", "no way to reserve", "another drive"])
def test_a_full_disk_is_known_before_the_first_pass(count_passes, two_kinds, monkeypatch, how):
    classifier, passes = count_passes

    def fail(file, start, size):
        assert (start, size) == (0, 4 * 4 * 3 * 7)  # float32, pictures, magnitudes, classes
        number = errno.ENOSPC if how == "a full disk" else errno.EOPNOTSUPP
        raise OSError(number, os.strerror(number))

    if how == "no way to reserve":
        monkeypatch.delattr(os, "posix_fallocate")
    else:
        monkeypatch.setattr(os, "posix_fallocate", fail)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 9, 99))
    message = rf"needs 3\.4e-07 GB in {tempfile.gettempdir()}: No space left on device; .*TMPDIR"
    with pytest.raises(UsageError, match=message):
        screen(classifier, two_kinds, "zoom", [0.5, 1, 2])
    assert not passes
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 9, 999))
    if how != "a full disk":
        assert screen(classifier, two_kinds, "zoom", [0.5, 1, 2]).sizes["image"] == 7


# Going on


class KilledError(Exception):
    pass


def killed_after(monkeypatch, passes):
    """Let the machine stop after some passes, or -1 for never, and count them."""
    count = itertools.count()
    usual = Softmax.predict_on_batch

    def look(self, prepared):
        number = next(count)
        if 0 <= passes <= number:  # whatever is under way then
            raise KilledError
        return usual(self, prepared)

    monkeypatch.setattr(Softmax, "predict_on_batch", look)
    return count


@pytest.mark.parametrize("name", ["rotation", "noise"])
def test_a_screening_that_was_stopped_goes_on_and_ends_the_same(
    conv_classifier, two_kinds, tmp_path, monkeypatch, name
):
    magnitudes = [0, 0.1, 0.3, 0.7]
    options = {"batch_size": 2, "seed": 1}
    whole = screen(conv_classifier, two_kinds, name, magnitudes, **options)
    for stop in (1, 4, 6, 3):
        with monkeypatch.context() as patch, pytest.raises(KilledError):
            killed_after(patch, stop)
            screen(conv_classifier, two_kinds, name, magnitudes, state=tmp_path, **options)
    with monkeypatch.context() as patch:
        passes = killed_after(patch, -1)
        again = screen(conv_classifier, two_kinds, name, magnitudes, state=tmp_path, **options)
        done = next(passes)
    xr.testing.assert_identical(again, whole)
    # Of 18: in each of four batches the untouched, three magnitudes, and twice the identity.
    # What was answered is not asked again, but for the first batch as it is, to compare.
    assert done <= 18 - 10 + 1
    with monkeypatch.context() as patch:
        passes = killed_after(patch, -1)
        again = screen(conv_classifier, two_kinds, name, magnitudes, state=tmp_path, **options)
        assert next(passes) == 2  # all of it is there; the first batch of each category is compared
    xr.testing.assert_identical(again, whole)


def test_no_finished_pass_is_done_twice(conv_classifier, two_kinds, tmp_path, monkeypatch):
    """Beside the untouched pictures of the batch that was stopped in."""
    pictures, sweep = two_kinds.select("a"), [0.5, 1, 2, 3]
    done = 0
    for stop in (2, 3):
        with monkeypatch.context() as patch, pytest.raises(KilledError):
            killed_after(patch, stop)
            screen(conv_classifier, pictures, "zoom", sweep, state=tmp_path, batch_size=4)
        done += stop
    with monkeypatch.context() as patch:
        passes = killed_after(patch, -1)
        screen(conv_classifier, pictures, "zoom", sweep, state=tmp_path, batch_size=4)
        done += next(passes)
    assert done == (4 + 1) + 2  # the untouched ones are looked at by each call


def test_only_the_same_screening_goes_on(conv_classifier, two_kinds, tmp_path):
    def screened(seed, magnitudes, state=None, **options):
        return screen(
            conv_classifier, two_kinds, "noise", magnitudes, seed=seed, state=state, **options
        )

    for seed, magnitudes, clip in ((0, [0, 1], False), (1, [0, 1], False), (1, [0, 2], True)):
        kept = screened(seed, magnitudes, tmp_path, clip=clip)
        xr.testing.assert_identical(kept, screened(seed, magnitudes, clip=clip))
    assert len(list(tmp_path.iterdir())) == 3


def test_what_another_preprocessing_of_the_same_weights_began_does_not_go_on(
    conv_classifier, two_kinds, tmp_path, monkeypatch
):
    other = dataclasses.replace(conv_classifier, preprocess=lambda x: 2 * (x - 0.4))
    assert other.weights_hash() == conv_classifier.weights_hash()
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        killed_after(patch, 4)
        screen(other, two_kinds, "zoom", [0.5, 1, 2], state=tmp_path)
    with pytest.raises(UsageError, match="is not what conv says now: name another folder"):
        screen(conv_classifier, two_kinds, "zoom", [0.5, 1, 2], state=tmp_path)


# What is looked at only once


def test_untouched_pictures_are_looked_at_once_for_all_transformations(
    conv_classifier, two_kinds, monkeypatch
):
    usual = screen(conv_classifier, two_kinds, "rotation", [0, 90], batch_size=2)
    untouched = conv_classifier.predict(two_kinds.images)
    passes = killed_after(monkeypatch, -1)
    found = screen(
        conv_classifier, two_kinds, "rotation", [0, 90], batch_size=2, untouched=untouched
    )
    assert next(passes) == 4 + 2  # of each batch at 90°, of the first of each category at 0°
    xr.testing.assert_allclose(found, usual, atol=1e-6)


def test_an_answer_to_untouched_pictures_that_is_none_is_refused(conv_classifier, two_kinds):
    untouched = conv_classifier.predict(two_kinds.images)[::-1]
    with pytest.raises(UsageError, match=r"rotation by 0 should leave .* as it is"):
        screen(conv_classifier, two_kinds, "rotation", [0, 90], untouched=untouched)
    with pytest.raises(UsageError, match=r"untouched must be the softmax \[7, 7\], got \[6, 7\]"):
        screen(conv_classifier, two_kinds, "rotation", [0, 90], untouched=untouched[1:])


def test_the_network_is_compiled_once_for_all_transformations(conv_classifier, two_kinds):
    """TensorFlow traces a network anew for another shape, and no more than that."""
    classifier = dataclasses.replace(conv_classifier)
    traced = []
    call = classifier.network.call
    classifier.network.call = lambda *given, **options: traced.append(1) or call(*given, **options)
    try:
        for name in ("rotation", "contrast", "noise"):
            screen(classifier, two_kinds, name, [0.5, 1], batch_size=2)
    finally:
        del classifier.network.call
    assert len(traced) == 1


def test_a_long_screening_finds_its_batch_size_once(conv_classifier, two_kinds, monkeypatch):
    classifier = dataclasses.replace(conv_classifier)
    timed = []
    monkeypatch.setattr(
        screening, "fastest_batch_size", lambda look, image, most: timed.append(image.shape) or 3
    )
    few = np.linspace(0.5, 2, 5)
    screen(classifier, two_kinds, "contrast", few)
    assert not timed
    monkeypatch.setattr(screening, "WORTH_TIMING", 7 * 6)
    for name in ("contrast", "zoom"):
        found = screen(classifier, two_kinds, name, few)
        usual = screen(classifier, two_kinds, name, few, batch_size=4)
        xr.testing.assert_allclose(found, usual, atol=1e-6)
    assert timed == [(8, 8, 3)]


# Files


def test_a_saved_screening_comes_back(rotated, tmp_path):
    path = tmp_path / "results" / "deep" / "rotation.nc"
    save_screening(rotated, path)
    loaded = load_screening(path)
    assert set(loaded.variables) == set(rotated.variables)
    assert dict(loaded.sizes) == dict(rotated.sizes)
    for name, variable in rotated.variables.items():
        assert loaded[name].dims == variable.dims
        if name.endswith("softmax"):
            np.testing.assert_allclose(loaded[name], variable, atol=1e-5)
        else:
            np.testing.assert_array_equal(loaded[name], variable)
    attributes = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in loaded.attrs.items()
    }
    assert attributes == rotated.attrs
    assert loaded.magnitude.attrs == rotated.magnitude.attrs
    assert [each.name for each in path.parent.iterdir()] == ["rotation.nc"]


def test_thresholds_of_a_saved_screening_are_the_same(rotated, tmp_path):
    save_screening(rotated, tmp_path / "rotation.nc")
    before, after = thresholds(rotated), thresholds(load_screening(tmp_path / "rotation.nc"))
    np.testing.assert_array_equal(after.status, before.status)
    np.testing.assert_allclose(after.threshold, before.threshold, atol=0.1)


def test_the_ends_of_the_softmax_survive_saving(rotated, tmp_path):
    extreme = rotated.copy(deep=True)
    extreme.softmax[:] = 0
    extreme.softmax[0] = 1
    extreme.mean_softmax[:] = 1 + 1e-7  # a sum of float32 may exceed 1
    save_screening(extreme, tmp_path / "extreme.nc")
    loaded = load_screening(str(tmp_path / "extreme.nc"))
    np.testing.assert_allclose(loaded.softmax[0], 1, atol=1e-6)
    assert not loaded.softmax[1:].any()
    np.testing.assert_allclose(loaded.mean_softmax, 1, atol=1e-6)


def test_the_same_screening_gives_the_same_bytes(rotated, tmp_path):
    save_screening(rotated, tmp_path / "one.nc")
    time.sleep(1.1)  # HDF5 can note the time in seconds
    save_screening(rotated.copy(deep=True), tmp_path / "other" / "two.nc")
    assert (tmp_path / "one.nc").read_bytes() == (tmp_path / "other" / "two.nc").read_bytes()
    save_screening(load_screening(tmp_path / "one.nc"), tmp_path / "three.nc")
    again = load_screening(tmp_path / "three.nc")
    xr.testing.assert_identical(again, load_screening(tmp_path / "one.nc"))


@pytest.mark.parametrize("existing", [False, True])
def test_a_failed_save_leaves_the_folder_as_it_was(rotated, tmp_path, monkeypatch, existing):
    path = tmp_path / "rotation.nc"
    if existing:
        path.write_bytes(b"an earlier result")

    def fail(self, store, **_):
        raise OSError("no space left on device")  # the file has been begun by then

    monkeypatch.setattr(xr.Dataset, "dump_to_store", fail)
    with pytest.raises(UsageError, match=r"rotation\.nc cannot be written to: no space left"):
        save_screening(rotated, path)
    left = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert left == ({"rotation.nc": b"an earlier result"} if existing else {})


def test_what_is_no_screening_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no file .*missing\.nc"):
        load_screening(tmp_path / "missing.nc")
    (tmp_path / "text.nc").write_text("not NetCDF")
    with pytest.raises(UsageError, match=r"text\.nc has no checksum"):
        load_screening(tmp_path / "text.nc")
    write_netcdf(xr.Dataset({"depth": ("x", [1.0])}), tmp_path / "sea.nc")
    with pytest.raises(UsageError, match=r"sea\.nc is not a screening"):
        load_screening(tmp_path / "sea.nc")


# Parts


def test_a_part_holds_the_chosen_categories_in_the_order_wanted(rotated, two_kinds):
    swapped = select_categories(rotated, ["a", "c"])
    assert swapped.category.values.tolist() == ["a", "c"]
    assert swapped.label.values.tolist() == [0, 0, 0, 0, 1, 1, 1]
    by_name = rotated.softmax.sel(image=swapped.image)
    xr.testing.assert_equal(swapped.softmax.drop_vars("image"), by_name.drop_vars("image"))
    one = select_categories(rotated, ["c"])
    assert one.image.values.tolist() == [path for path in two_kinds.paths if path[0] == "c"]
    assert one.attrs["pictures"] == 3 and rotated.attrs["pictures"] == 7
    whole, part = thresholds(rotated), thresholds(swapped)
    for name in ("status", "threshold", "limit"):
        xr.testing.assert_equal(part[name], whole[name].sel(category=["a", "c"]))


def test_a_part_that_was_not_screened_is_refused(rotated):
    with pytest.raises(UsageError, match=r"unknown class 'b'.*possible: c, a"):
        select_categories(rotated, ["c", "b"])
