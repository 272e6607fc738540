"""Training: accurate, the same for the same seed, resumable, never half-written."""

import dataclasses
import functools
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from itn.files import _lock
from itn.messages import UsageError
from itn.pictures import Pictures
from itn.zoo import training
from itn.zoo.training import build_network, center, load_trained, train

# Keras 3.15 itself calls numpy's older way to make an array of a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ("red", "green", "left", "right")
FILES = {"alexnet_64.json", "alexnet_64.weights.h5"}
BUILDERS = dict(training.BUILDERS)


def small_alexnet(class_count, seed=0, dropout=0.25):
    """One convolution and two dense layers, behind the same dropout; files hold all the names."""
    layers, seeded = keras.layers, keras.initializers.HeNormal
    inputs = keras.Input((64, 64, 3), name="pictures")
    x = layers.Conv2D(8, 7, 4, activation="relu", kernel_initializer=seeded(seed), name="1")(inputs)
    x = layers.Flatten(name="flat")(layers.MaxPooling2D(4, name="pool")(x))
    x = layers.Dropout(dropout, seed=seed, name="drop1")(x)
    x = layers.Dense(16, "relu", kernel_initializer=seeded(seed + 1), name="2")(x)
    x = layers.Dropout(dropout, seed=seed + 1, name="drop2")(x)
    logits = layers.Dense(class_count, kernel_initializer=seeded(seed + 2), name="3")(x)
    return keras.Model(inputs, logits, name="alexnet_64")


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    """How a training is stopped, resumed and written does not depend on the network's depth."""
    small_resnet = functools.partial(BUILDERS["resnet_64"], units=(1,), depths=(4,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(training.BUILDERS, "resnet_64", small_resnet)
        patch.setitem(training.BUILDERS, "alexnet_64", small_alexnet)
        yield


def blobs(count, seed):
    """Noisy pictures with a blob: two classes differ in its color, two in its place."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(NAMES)
    y, x = np.mgrid[:64, :64] - 31.5
    shift = np.choose(labels, [0, 0, -14, 14]) + random.normal(0, 2, count)
    spread = random.uniform(40, 120, count)[:, None, None]
    blob = np.exp(-((x - shift[:, None, None]) ** 2 + y**2) / spread)
    colors = np.array([[0.8, 0.2, 0.1], [0.2, 0.8, 0.1], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
    images = blob[..., None] * colors[labels][:, None, None]
    images += random.normal(0, 0.03, images.shape)
    paths = tuple(f"{NAMES[label]}/{seed}_{i}" for i, label in enumerate(labels))
    return Pictures(images.clip(0, 1).astype(np.float32), labels, NAMES, paths, "blobs")


class InterruptionError(Exception):
    pass


class StopAfter(keras.callbacks.Callback):
    """What a power cut does, after an epoch or in the middle of the next."""

    def __init__(self, epochs, batches=0):
        super().__init__()
        self.epochs, self.batches, self.done = epochs, batches, 0

    def on_epoch_end(self, epoch, logs=None):
        self.done = epoch + 1
        if self.done == self.epochs and not self.batches:
            raise InterruptionError

    def on_train_batch_end(self, batch, logs=None):
        if self.done == self.epochs and self.batches == batch + 1:
            raise InterruptionError


class Begun(keras.callbacks.Callback):
    """Ends a training that begins with the epoch of its first batch."""

    def on_epoch_begin(self, epoch, logs=None):
        raise InterruptionError(epoch)


def shown(folder):
    """Names of what a user sees in a folder."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def run(folder, architecture="alexnet_64", **options):
    """Train a little; each epoch is seven batches."""
    few = {"epochs": 3, "batch_size": 8, "seed": 4, "progress": False, "folder": folder}
    return train(architecture, blobs(54, 0), blobs(20, 1), **few | options)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The folder and the card of a short training, per architecture."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    return folder, {name: run(folder, name) for name in training.BUILDERS}


@pytest.mark.parametrize("architecture", training.BUILDERS)
def test_the_real_networks_learn(architecture, tmp_path, monkeypatch):
    monkeypatch.setitem(training.BUILDERS, architecture, BUILDERS[architecture])
    card = train(
        architecture,
        blobs(320, 0),
        blobs(80, 1),
        folder=tmp_path,
        epochs=5,
        batch_size=16,
        progress=False,
    )
    assert card["accuracy"] > 0.95
    assert min(card["accuracy_per_class"].values()) > 0.85
    assert card["history"]["loss"][-1] < 0.3 * card["history"]["loss"][0]
    written = (tmp_path / f"{architecture}.weights.h5").stat().st_size
    assert written < 1.3 * 4 * card["parameters"] < 5e6  # bytes; no optimizer's state


@pytest.mark.parametrize("architecture", training.BUILDERS)
def test_the_seed_alone_tells_the_result(architecture, uninterrupted, tmp_path):
    folder, cards = uninterrupted
    keras.utils.set_random_seed(77)  # global seeds play no part
    assert run(tmp_path, architecture) == cards[architecture]
    name = f"{architecture}.weights.h5"
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    other = run(tmp_path, architecture, seed=5)
    assert other["history"] != cards[architecture]["history"]
    assert other["weights_sha256"] != cards[architecture]["weights_sha256"]


@pytest.mark.parametrize(
    ("architecture", "stop", "batches"),
    [("alexnet_64", 1, 0), ("alexnet_64", 2, 4), ("alexnet_64", 3, 0), ("resnet_64", 2, 4)],
)
def test_a_resumed_training_ends_as_if_never_stopped(
    architecture, stop, batches, uninterrupted, tmp_path
):
    with pytest.raises(InterruptionError):
        run(tmp_path, architecture, callbacks=[StopAfter(stop, batches)])
    assert all(path.name.startswith(".") for path in tmp_path.iterdir())  # nothing half-written
    epochs = []
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    card = run(tmp_path, architecture, callbacks=[count])
    assert epochs == list(range(stop, 3))  # none twice
    assert card == uninterrupted[1][architecture]  # history and checksum of the weights, too
    assert shown(tmp_path) == {f"{architecture}.json", f"{architecture}.weights.h5"}
    assert not list(tmp_path.rglob("*.state"))


def test_a_stop_while_the_state_is_written_loses_one_epoch_at_most(
    uninterrupted, tmp_path, monkeypatch
):
    write, written = Path.write_bytes, []

    def half(path, content):
        written.append(path)
        write(path, content if len(written) < 2 else content[:1000])
        if len(written) == 2:  # the second epoch's
            raise InterruptionError

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(InterruptionError):
        run(tmp_path)
    monkeypatch.undo()
    assert run(tmp_path) == uninterrupted[1]["alexnet_64"]


def test_other_arguments_start_afresh(tmp_path):
    with pytest.raises(InterruptionError):
        run(tmp_path, callbacks=[StopAfter(1)])
    for change, epoch in [({}, 1), ({"learning_rate": 2e-3}, 0), ({"epochs": 2}, 0)]:
        with pytest.raises(InterruptionError) as caught:
            run(tmp_path, **change, callbacks=[Begun()])
        assert caught.value.args == (epoch,), change


def test_what_was_there_before_stays_until_the_new_is_complete(tmp_path, monkeypatch):
    for name in FILES:
        (tmp_path / name).write_text("old")

    def crash(*_):
        raise InterruptionError

    monkeypatch.setattr(training, "sha256_of", crash)
    with pytest.raises(InterruptionError):
        run(tmp_path, epochs=1)
    assert {(tmp_path / name).read_text() for name in FILES} == {"old"}
    monkeypatch.undo()
    run(tmp_path, epochs=1)
    assert shown(tmp_path) == FILES


def test_what_is_finished_is_not_trained_again_unless_it_is_forced(tmp_path):
    card = run(tmp_path, epochs=1, command="one")
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in FILES}
    stop = [Begun()]
    assert run(tmp_path, epochs=1, command="another", callbacks=stop) == card
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in FILES} == before
    for change in ({"force": True}, {"seed": 5}, {"epochs": 2}):
        with pytest.raises(InterruptionError):
            run(tmp_path, **{"epochs": 1} | change, callbacks=stop)
    assert run(tmp_path, epochs=1, command="one", force=True) == card
    for damaged in FILES:
        content = (tmp_path / damaged).read_bytes()
        (tmp_path / damaged).write_bytes(content[:-9])
        with pytest.raises(InterruptionError):
            run(tmp_path, epochs=1, callbacks=stop)
        (tmp_path / damaged).write_bytes(content)


def test_a_damaged_state_is_named_in_one_line(tmp_path):
    with pytest.raises(InterruptionError):
        run(tmp_path, callbacks=[StopAfter(1)])
    (state,) = tmp_path.rglob("*.state")
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 4
    state.write_bytes(content)
    with pytest.raises(UsageError, match=r"is damaged: delete .*state to start anew") as caught:
        run(tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    state.unlink()
    with pytest.raises(InterruptionError) as caught:
        run(tmp_path, callbacks=[Begun()])
    assert caught.value.args == (0,)


def test_only_one_trains_a_network_in_a_folder_at_a_time(tmp_path):
    found = []

    def look(epoch, logs):
        for name in ("alexnet_64", "resnet_64"):
            with (tmp_path / ".locks" / name).open("a") as lock:
                found.append(_lock(lock, wait=False))

    look = keras.callbacks.LambdaCallback(on_epoch_begin=look)
    with pytest.raises(InterruptionError):
        run(tmp_path, epochs=1, callbacks=[look, Begun()])
    assert found == [False, True]


def test_streamed_pictures_are_learned_from_alike(tmp_path):
    class Streamed:
        ndim = 4

        def __init__(self, images):
            self.images, self.shape = images, images.shape

        def __len__(self):
            return len(self.images)

        def __getitem__(self, rows):
            assert np.ndim(rows) == 1 or isinstance(rows, int)  # as files are asked for
            return self.images[rows]

    cards = [
        train(
            "alexnet_64",
            *(dataclasses.replace(each, images=kind(each.images)) for each in sets),
            folder=tmp_path / kind.__name__,
            epochs=1,
            progress=False,
        )
        for kind in (np.asarray, Streamed)
        for sets in [(large_blobs(20, 0), blobs(8, 1))]
    ]
    assert cards[0] == cards[1]


def numbered(count=12, side=72):
    """Pictures whose values tell which picture, row and column they are of."""
    place = np.arange(side * side).reshape(side, side) / (side * side)
    images = np.stack([np.full((side, side), i / count) for i in range(count)])
    images = np.stack([images, np.broadcast_to(place, images.shape), images], axis=3)
    labels = np.arange(count) % len(NAMES)
    paths = tuple(map(str, range(count)))
    return Pictures(images.astype("float32"), labels, NAMES, paths, "numbered")


def seen(mirror, jitter, epoch=0, seed=0, rotation=0.0, zoom=1.0):
    """What a network is shown in one epoch: pictures in [0, 1], and the softmax wanted."""
    recipe = {"seed": seed, "mirror": mirror, "jitter": jitter, "rotation": rotation, "zoom": zoom}
    batches = training._Varied(numbered(), 5, recipe)
    batches.shuffle(epoch)
    parts = [batches[index] for index in range(batches.num_batches)]
    return (np.concatenate([part[k] for part in parts]) for k in (0, 1))


def test_a_training_picture_is_cropped_and_mirrored_and_nothing_else():
    corners, mirrored = set(), 0
    for epoch in range(8):
        images, wanted = seen(mirror=True, jitter=0, epoch=epoch)
        images = (images + 1) / 2
        numbers = np.rint(images[:, 0, 0, 0] * 12).astype(int)
        assert sorted(numbers) == list(range(12))  # each once an epoch
        assert (wanted.argmax(axis=1) == numbers % len(NAMES)).all()
        for image, number in zip(images, numbers, strict=True):
            place = np.rint(image[..., 1] * 72 * 72).astype(int)
            turned = place[0, 1] < place[0, 0]
            mirrored += turned
            image = image[:, ::-1] if turned else image
            top, left = divmod(int(place.min()), 72)
            corners.add((top, left))
            original = numbered().images[number, top : top + 64, left : left + 64]
            np.testing.assert_allclose(image, original, atol=1e-6)
    assert 30 < mirrored < 66  # of 96
    assert {top for top, _ in corners} == {left for _, left in corners} == set(range(9))


def test_jitter_is_light_and_differs_from_picture_to_picture():
    plain, _ = seen(mirror=False, jitter=0)
    jittered, _ = seen(mirror=False, jitter=0.1)
    change = (jittered - plain) / 2
    assert 0.1 < np.abs(change).max() <= 0.1 + 0.1 + 1e-6
    assert len({round(float(each.mean()), 5) for each in change}) == 12
    assert jittered.min() >= -1 - 1e-6
    assert jittered.max() <= 1 + 1e-6


def slopes(**options):
    """The slope of brightness in the middle of every picture, to the right and downwards."""
    images, _ = seen(mirror=False, jitter=0, **options)
    place = (images[:, 30:34, 30:34, 1] + 1) / 2 * 72 * 72
    return np.stack([np.gradient(place, axis=axis).mean(axis=(1, 2)) for axis in (2, 1)])


def test_a_rotation_turns_every_picture_by_an_angle_of_its_own():
    right, down = slopes(rotation=180)
    np.testing.assert_allclose(np.hypot(right, down), np.hypot(1, 72), rtol=1e-2)
    # Counter-clockwise, from downwards towards the right.
    angles = np.degrees(np.arctan2(right, down) - np.arctan2(1, 72))
    assert len(set(np.rint(angles))) > 9
    assert np.abs(angles).max() > 90
    small = np.degrees(np.arctan2(*slopes(rotation=10)) - np.arctan2(1, 72))
    assert 3 < np.abs(small).max() <= 10.1


def test_a_zoom_enlarges_and_shrinks_by_up_to_its_factor():
    right, down = slopes(zoom=2)
    np.testing.assert_allclose(right / down, 1 / 72, atol=1e-3)
    factors = 72 / down
    assert 0.5 <= factors.min() < 0.8
    assert 1.25 < factors.max() <= 2 + 1e-3


def test_what_is_drawn_depends_on_seed_and_epoch_alone():
    first, _ = seen(True, 0.1, epoch=3)
    again, _ = seen(True, 0.1, epoch=3)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, next(iter(seen(True, 0.1, epoch=4))))
    assert not np.array_equal(first, next(iter(seen(True, 0.1, epoch=3, seed=1))))


def large_blobs(count, seed):
    """The same with a margin of four pixels all around."""
    blob = blobs(count, seed)
    images = np.pad(blob.images, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="edge")
    return Pictures(images, blob.labels, NAMES, blob.paths, "large blobs")


def test_a_varied_training_resumes_as_if_never_stopped(tmp_path):
    recipe = {"mirror": True, "jitter": 0.1, "weight_decay": 0.1, "dropout": 0.5, "epochs": 2}

    def varied(folder, **options):
        few = recipe | {"batch_size": 8, "progress": False, "folder": folder}
        return train("alexnet_64", large_blobs(30, 0), blobs(20, 1), **few | options)

    whole = varied(tmp_path / "whole")
    with pytest.raises(InterruptionError):
        varied(tmp_path / "stopped", callbacks=[StopAfter(1, batches=2)])
    assert varied(tmp_path / "stopped") == whole
    assert {name: whole[name] for name in recipe} == recipe


def test_decay_shrinks_kernels_and_nothing_else(tmp_path):
    """With hardly any step of Adam, the decay is all that is left."""
    rate, decay, steps = 1e-6, 1e5, 7
    run(tmp_path, epochs=1, learning_rate=rate, weight_decay=decay)
    trained, _ = load_trained("alexnet_64", tmp_path)
    start = build_network("alexnet_64", len(NAMES), seed=4)
    for before, after in zip(start.weights, trained.weights, strict=True):
        if before.name == "kernel":
            ratio = np.linalg.norm(np.asarray(after)) / np.linalg.norm(np.asarray(before))
            assert (1 - rate * decay) ** steps < ratio < 0.9
        else:
            np.testing.assert_allclose(np.asarray(after), np.asarray(before), atol=2e-5)


@pytest.mark.parametrize("architecture", training.BUILDERS)
def test_weights_reload_and_the_card_describes_them(architecture, uninterrupted):
    folder, cards = uninterrupted
    network, card = load_trained(architecture, folder)
    assert card == cards[architecture] == json.loads((folder / f"{architecture}.json").read_text())
    test = blobs(20, 1)
    right = np.asarray(network(center(test.images))).argmax(axis=1) == test.labels
    assert right.mean() == card["accuracy"] == card["history"]["val_accuracy"][-1]
    assert card["accuracy_per_class"] == {n: right[i::4].mean() for i, n in enumerate(NAMES)}
    content = (folder / f"{architecture}.weights.h5").read_bytes()
    assert card["weights_sha256"] == hashlib.sha256(content).hexdigest()
    assert content.startswith(b"\x89HDF")
    assert card["data"]["training"] == {
        "name": "blobs",
        "pictures": 54,
        "sha256": blobs(54, 0).data_hash,
    }
    assert (card["seed"], card["epochs"], card["batch_size"]) == (4, 3, 8)
    assert {"itn", "keras", "numpy"} < set(card["versions"])


def test_weights_of_another_card_are_refused(uninterrupted, tmp_path):
    for name in FILES:
        shutil.copy(uninterrupted[0] / name, tmp_path)
    path = tmp_path / "alexnet_64.weights.h5"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match=r"sha256 .* its card says .*: train again"):
        load_trained("alexnet_64", tmp_path)
    path.unlink()
    with pytest.raises(UsageError, match=r"alexnet_64\.weights\.h5 is missing"):
        load_trained("alexnet_64", tmp_path)


def test_the_caller_completes_the_card(tmp_path, capsys):
    origin = {"profile": "phantom", "seeds": [0, 1]}
    card = run(tmp_path, epochs=1, data=origin, command="itn train", progress=True)
    assert (card["data"]["profile"], card["data"]["seeds"]) == ("phantom", [0, 1])
    assert card["command"] == "itn train"
    assert "alexnet_64: 100%" in capsys.readouterr().err


def test_wrong_arguments_are_explained():
    few = blobs(8, 0)
    others = Pictures(few.images, few.labels, NAMES[::-1], few.paths, "others")
    small = Pictures(few.images[:, ::2, ::2], few.labels, NAMES, few.paths, "small")
    none = Pictures(few.images[:0], few.labels[:0], NAMES, (), "none")
    for given, complaint in [
        ((few, few), "8 pictures are in both sets"),
        ((few, others), "must have the same classes"),
        ((small, few), r"training pictures must be \[N, 64, 64, 3\] .* \[8, 32, 32, 3\]"),
        ((few, none), "validation pictures must be"),
        ((few, large_blobs(8, 1)), r"validation pictures must be .* \[8, 72, 72, 3\]"),
        ((few, blobs(3, 1)), "no validation picture of class 'right'"),
    ]:
        with pytest.raises(UsageError, match=complaint):
            train("alexnet_64", *given, folder="unused")
    with pytest.raises(UsageError, match="epochs and batch_size must be 1 or more, got 0, 32"):
        train("alexnet_64", few, blobs(8, 1), folder="unused", epochs=0)
    with pytest.raises(UsageError, match="unknown architecture 'resnet'; closest: 'resnet_64'"):
        build_network("resnet", 4)


def test_it_trains_on_jax_and_resumes_there(tmp_path, monkeypatch):
    monkeypatch.setitem(training.BUILDERS, "alexnet_64", BUILDERS["alexnet_64"])  # as there
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        env=os.environ
        | {
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            # The three trainings are compiled once, not three times.
            "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    cards = [json.loads((tmp_path / each / "alexnet_64.json").read_text()) for each in "ab"]
    assert cards[0] == cards[1]
    assert "jax" in cards[0]["versions"]
    network, card = load_trained("alexnet_64", tmp_path / "a")  # weights serve either backend
    test = blobs(20, 1)
    right = np.asarray(network(center(test.images))).argmax(axis=1) == test.labels
    assert abs(right.mean() - card["accuracy"]) <= 0.05


if __name__ == "__main__":
    folder = sys.argv[1]
    run(f"{folder}/a")
    try:
        run(f"{folder}/b", callbacks=[StopAfter(2)])
    except InterruptionError:
        run(f"{folder}/b")
