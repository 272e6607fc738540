"""Training of the transformers: recorded, judged, resumable, the farthest that holds is kept."""

import dataclasses
import functools
import json

import keras
import numpy as np
import pytest
from streamed_pictures import Streamed

from itn.classifiers import Classifier
from itn.displacement import color_displacement, spatial_displacement
from itn.files import _lock
from itn.gates import STEP_LOGS
from itn.invariant_transformer import InvariantTransformerNet
from itn.messages import UsageError
from itn.pictures import Pictures
from itn.transformer_training import epoch_logs, train_transformers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def classifier(color_classifier):
    network = keras.models.clone_model(color_classifier.network)
    return Classifier(network, color_classifier.preprocess, 8, ("red", "green", "blue"), name="rgb")


def pictures(count, seed):
    """Pictures whose strongest channel is their class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.uniform(0, 0.6, (count, 8, 8, 3))
    images[np.arange(count), ..., labels] += 0.35
    names = ("blue", "green", "red")
    order = np.array([2, 1, 0])[labels]  # position of each label in the names
    paths = tuple(f"{names[o]}/{seed}_{i}" for i, o in enumerate(order))
    return Pictures(images.astype("float32"), order, names, paths, "rgb")


def train(classifier, epochs=6, folder=None, callbacks=(), **options):
    net = InvariantTransformerNet(classifier, seed=3, color_weight=1.0, **options)
    history = train_transformers(
        net,
        pictures(24, 0),
        pictures(30, 1),
        epochs=epochs,
        batch_size=6,
        learning_rate=0.02,
        folder=folder,
        callbacks=callbacks,
        progress=False,
    )
    return net, history


@pytest.fixture(scope="module")
def trained(classifier):
    """The net and the history of a training that XLA takes part in, as everywhere else."""
    return train(classifier, epochs=8)


@pytest.fixture(autouse=True)
def compiled_elsewhere(without_xla):
    """How a training is stopped, resumed and told does not depend on what compiles it."""
    with without_xla():
        yield


@pytest.fixture(scope="module")
def unstopped(classifier, without_xla):
    """The history of a training that nothing stopped, by its number of epochs."""

    @functools.cache
    def history(epochs):
        with without_xla():
            return train(classifier, epochs)[1]

    return history


def test_every_step_and_every_epoch_is_in_the_history(trained):
    _, history = trained
    assert history.sizes == {"step": 32, "epoch": 9}
    assert set(history.data_vars) == {*STEP_LOGS["accuracy"], *epoch_logs("accuracy")}
    assert history.spatial_displacement[0] < 1e-4 < history.spatial_displacement[-1]
    assert history.attrs["clean_accuracy"] == 1
    assert history.attrs["required_accuracy"] == pytest.approx(0.95)
    outward = history.batch_accuracy.values >= 0.95
    np.testing.assert_array_equal(history.outward.values, outward)


def test_what_is_kept_is_the_farthest_that_holds(classifier, trained):
    net, history = trained
    accuracy = history.held_out_accuracy.values
    displacement = (history.spatial_displacement + history.color_displacement).values
    holds = accuracy >= history.attrs["required_accuracy"]
    assert not holds.all()  # else there would be nothing to choose
    kept = history.attrs["kept_epoch"]
    assert holds[kept] and displacement[kept] == displacement[holds].max()
    # The net is in that state again: same accuracy and displacement, evaluated from outside.
    held_out = pictures(30, 1)
    alpha, beta = map(np.asarray, net.draw_controls(30, 1))
    inputs = {"images": held_out.images, "alpha": alpha, "beta": beta}
    labels = classifier.logits_of(held_out)[held_out.labels]
    assert (net.predict(inputs, verbose=0).argmax(axis=1) == labels).mean() == accuracy[kept]
    moved = spatial_displacement(net.spatial.matrix(alpha)).mean()
    moved += color_displacement(net.color.matrix(beta)).mean()
    assert moved == pytest.approx(displacement[kept], rel=1e-5)


def test_attributes_say_how_it_was_made(trained):
    net, history = trained
    assert history.attrs["network"] == "rgb"
    assert history.attrs["data_sha256"] == pictures(24, 0).data_hash
    assert history.attrs["held_out_sha256"] == pictures(30, 1).data_hash
    assert json.loads(history.attrs["options"]) == net.options


class InterruptionError(Exception):
    pass


class StopAfter(keras.callbacks.Callback):
    """What a power cut does in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.now = epoch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise InterruptionError


def test_a_stopped_training_ends_as_one_that_was_not(classifier, tmp_path):
    """Stopped in the first epoch and again in the third; the same seed gives the same history."""
    options = {"epochs": 4}
    whole_net, whole = train(classifier, **options)
    for stopped in (0, 2):
        with pytest.raises(InterruptionError):
            train(classifier, folder=tmp_path, callbacks=[StopAfter(stopped)], **options)
    net, history = train(classifier, folder=tmp_path, **options)
    assert history.equals(whole)
    assert history.attrs == whole.attrs
    for one, other in zip(net.get_weights()[:8], whole_net.get_weights()[:8], strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_net_goes_on_after_a_stop(classifier, unstopped, tmp_path):
    """As in a notebook: the cell that trains is run again, not the one that makes the net."""
    net = InvariantTransformerNet(classifier, seed=3, color_weight=1.0)
    how = {"epochs": 2, "batch_size": 6, "learning_rate": 0.02, "folder": tmp_path}
    sets = pictures(24, 0), pictures(30, 1)
    with pytest.raises(InterruptionError):
        train_transformers(net, *sets, **how, callbacks=[StopAfter(1)], progress=False)
    begun = []
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(epoch))
    history = train_transformers(net, *sets, **how, callbacks=[count], progress=False)
    assert begun == [1]
    assert history.equals(unstopped(2))
    # What is finished is not done again.
    assert train(classifier, 2, tmp_path, [StopAfter(0)])[1].equals(history)


def other_pixels(pictures):
    images = pictures.images.copy()
    images[0] *= 0.99
    return dataclasses.replace(pictures, images=images)


OTHER_RECIPES = {
    "seed": {"seed": 99},
    "color_weight": {"color_weight": 0.0},
    "fill": {"fill": "reflect"},
    "hold": {"hold": "consistency"},
    "reported on": {"reported_on": pictures(6, 2)},
    "epochs": {"epochs": 1},
    "more epochs": {"epochs": 3},
    "batch_size": {"batch_size": 8},
    "learning_rate": {"learning_rate": 0.01},
    "pictures": {"pictures": other_pixels(pictures(24, 0))},
    "held_out": {"held_out": other_pixels(pictures(30, 1))},
    "start": {"start": 0.01},
    "weights": {"weights": 1.01},
}


def test_another_recipe_starts_afresh(tmp_path, monkeypatch):
    kernel = keras.layers.Dense(3, use_bias=False)
    layers = [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), kernel]
    network = keras.Sequential(layers)
    classifier = Classifier(network, lambda x: 5 * x, 8, ("red", "green", "blue"), name="rgb")

    def trained(start=0.0, weights=1.0, **given):
        options = {"seed": 3, "color_weight": 1.0, "fill": "zeros", "hold": "accuracy"}
        options = {name: given.pop(name, value) for name, value in options.items()}
        net = InvariantTransformerNet(classifier, **options)
        net.spatial.entries.bias.assign(net.spatial.entries.bias + start)
        kernel.set_weights([weights * np.eye(3)])
        how = {"epochs": 2, "batch_size": 6, "learning_rate": 0.02, "progress": False} | given
        sets = {"pictures": pictures(24, 0), "held_out": pictures(30, 1)}
        return train_transformers(net, **sets | how, folder=tmp_path)

    first = trained()

    def begun(*_, initial_epoch, **__):
        raise InterruptionError(initial_epoch)

    monkeypatch.setattr(keras.Model, "fit", begun)
    for what, change in OTHER_RECIPES.items():
        with pytest.raises(InterruptionError) as caught:
            trained(**change)
        assert caught.value.args == (0,), what
    assert trained().identical(first)  # its state is still there


def test_fewer_epochs_than_before_are_trained_for_themselves(classifier, unstopped, tmp_path):
    train(classifier, 2, tmp_path)
    assert train(classifier, 1, tmp_path)[1].identical(unstopped(1))


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_damaged_state_is_named_in_one_line(classifier, unstopped, tmp_path):
    with pytest.raises(InterruptionError):
        train(classifier, 2, tmp_path, [StopAfter(1)])
    (state,) = tmp_path.glob("*.state")
    whole = state.read_bytes()
    bits = np.random.default_rng(0).integers(8 * len(whole), size=2)
    for damaged in (b"", whole[:20], whole[:-1], *(flipped(whole, bit) for bit in bits.tolist())):
        state.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"is damaged: delete .*state to start anew") as caught:
            train(classifier, 2, tmp_path)
        assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    state.write_bytes(whole)
    assert train(classifier, 2, tmp_path)[1].equals(unstopped(2))


def test_only_one_trains_in_a_folder_at_a_time(classifier, tmp_path):
    found = []

    def look(epoch, logs):
        with (tmp_path / "lock").open() as lock:
            found.append(_lock(lock, wait=False))

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=look)
    train(classifier, 1, tmp_path, [callback])
    assert found == [False]


def test_streamed_pictures_are_learned_from_and_judged_by_in_batches(classifier):
    sets = pictures(24, 0), pictures(150, 1)
    streamed = [dataclasses.replace(each, images=Streamed(each.images)) for each in sets]
    how = {"epochs": 2, "batch_size": 6, "learning_rate": 0.02, "progress": False}
    found = [
        train_transformers(InvariantTransformerNet(classifier, seed=3), *given, **how)
        for given in (sets, streamed)
    ]
    assert found[0].identical(found[1])
    assert max(streamed[0].images.asked) == 6
    assert max(streamed[1].images.asked) == 64


def test_sets_that_share_a_picture_are_refused(classifier):
    """Two of the same pixels under other names; nine under their own; in whichever two sets."""
    learned, judged = pictures(24, 0), pictures(30, 1)
    net = InvariantTransformerNet(classifier)
    pixels = dataclasses.replace(judged, images=judged.images.copy())
    pixels.images[:2] = learned.images[:2]
    names = dataclasses.replace(judged, paths=(*learned.paths[:9], *judged.paths[9:]))
    for sets, message in (
        ((learned, pixels), "2 of the pictures held out are among those to learn from as well"),
        ((learned, names), "9 of the pictures held out are among those to learn from as well"),
        ((learned, judged, judged), "30 of the pictures reported on are among those held out as"),
        ((learned, judged, pixels), "2 of the pictures reported on are among those to learn from"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            train_transformers(net, *sets, epochs=1, progress=False)
        assert "e.g. " in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs and batch_size must be 1 or more, got 0, 32"),
        ({"batch_size": 0}, "got 10, 0"),
    ],
)
def test_numbers_below_one_are_refused(classifier, options, message):
    net = InvariantTransformerNet(classifier)
    with pytest.raises(UsageError, match=message):
        train_transformers(net, pictures(6, 0), pictures(6, 1), **options)


def test_held_out_pictures_have_to_be_recognized_as_well(classifier):
    held_out = pictures(30, 1)
    held_out.images[:10] = held_out.images[:10, ..., ::-1]
    net = InvariantTransformerNet(classifier)
    with pytest.raises(UsageError, match="above that of rgb on the untouched held-out pictures"):
        train_transformers(net, pictures(24, 0), held_out, epochs=1, progress=False)


def test_pictures_of_another_class_are_refused(classifier):
    other = pictures(6, 0)
    renamed = Pictures(other.images, other.labels, ("blue", "green", "reb"), other.paths, "rgb")
    with pytest.raises(UsageError, match="unknown class of rgb 'reb'; closest: 'red'"):
        train_transformers(InvariantTransformerNet(classifier), renamed, other)
