"""Trainings as nobody should ask for them: refused in one line, and all is left as it was."""

import dataclasses
import functools
import operator

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from bad_input import VALUES, refusal
from hypothesis import example, given, settings

from itn.classifiers import Classifier
from itn.invariant_transformer import InvariantTransformerNet
from itn.messages import UsageError
from itn.pictures import Pictures
from itn.transformer_training import train_transformers
from itn.zoo import training

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
NAMES = ("red", "green", "blue")
FEW = settings(max_examples=max(10, settings.default.max_examples // 2))


def is_number(value):
    plain = isinstance(value, int | float | np.integer | np.floating)
    return plain and not isinstance(value, bool) and -1e308 < value < 1e308


def is_whole(value, lowest=0):
    try:
        return operator.index(value) >= lowest
    except TypeError:
        return False


COUNTS = VALUES.filter(lambda value: not is_whole(value, 1))
POSITIVE = VALUES.filter(lambda value: not (is_number(value) and value > 0))
NOT_NEGATIVE = VALUES.filter(lambda value: not (is_number(value) and value >= 0))
SHARES = VALUES.filter(lambda value: not (is_number(value) and 0 <= value < 1))
SEEDS = VALUES.filter(lambda value: not is_whole(value))
PLACES = st.sampled_from(["file", "file/below", "nul\0", "half\ud800", "a" * 300])


def pictures(seed, count=6, size=8, value=None, names=NAMES):
    """Pictures whose strongest channel is their class."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(names)
    images = random.uniform(0, 0.6, (count, size, size, 3)).astype("float32")
    images[range(count), ..., labels] += 0.35
    if value is not None:
        images[-1, 2, 3, 1] = value
    paths = tuple(f"{names[label]}/{seed}_{i}" for i, label in enumerate(labels))
    return Pictures(images, labels, names, paths, "colors")


def spoiled(size):
    """What is no set of pictures of this size to learn from."""
    return VALUES | st.one_of(
        st.just(pictures(7, count=0, size=size)),
        st.just(pictures(7, size=size // 2)),
        st.sampled_from([np.nan, np.inf, 255.0]).map(lambda x: pictures(7, size=size, value=x)),
        st.just(pictures(7, size=size, names=("red", "green", "pink"))),
    )


# Transformers


@pytest.fixture(scope="module")
def net(color_classifier, without_xla):
    network = keras.models.clone_model(color_classifier.network)
    classifier = Classifier(network, color_classifier.preprocess, 8, NAMES, name="rgb")
    with without_xla():
        yield InvariantTransformerNet(classifier)


def state_of(net):
    weights = [each.tobytes() for each in net.transformers.get_weights()]
    return weights, str(float(net.required_accuracy.value))


def refused_training(net, folder, name, value):
    """Ask for a training with one thing wrong; return what it said."""
    given = {"pictures": pictures(0), "held_out": pictures(1), "epochs": 1, "progress": False}
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text("kept")
    before, optimizer = state_of(net), getattr(net, "optimizer", None)
    message = refusal(train_transformers, net, **given | {"folder": folder, name: value})
    assert state_of(net) == before and getattr(net, "optimizer", None) is optimizer
    assert (folder / "file").read_text() == "kept"
    assert {path.name for path in folder.iterdir()} <= {"file", "lock"}
    return message


@FEW
@example(("epochs", 2.5))
@example(("batch_size", "8"))
@example(("learning_rate", np.nan))
@example(("learning_rate", 0))
@given(
    COUNTS.map(lambda value: ("epochs", value))
    | COUNTS.map(lambda value: ("batch_size", value))
    | POSITIVE.map(lambda value: ("learning_rate", value))
)
def test_numbers_of_a_training_of_transformers(net, tmp_path, wrong):
    assert wrong[0] in refused_training(net, tmp_path / "state", *wrong)


@FEW
@given(st.sampled_from(["pictures", "held_out"]), spoiled(8))
def test_pictures_of_a_training_of_transformers(net, tmp_path, which, value):
    refused_training(net, tmp_path / "state", which, value)


@given(PLACES)
def test_places_of_a_training_of_transformers(net, tmp_path, name):
    refused_training(net, tmp_path / "state", "folder", f"{tmp_path}/state/{name}")


def test_transformers_that_leave_the_range_of_numbers_are_left_as_they_were(net, tmp_path):
    before = net.transformers.get_weights()
    options = {"epochs": 2, "learning_rate": 1e38, "progress": False, "folder": tmp_path}
    assert "smaller learning_rate" in refusal(
        train_transformers, net, pictures(0), pictures(1), **options
    )
    for now, then in zip(net.transformers.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_refused_training_chooses_no_required_accuracy(color_classifier, without_xla):
    """Else the net, which is right about other pictures, could not be trained with them."""
    network = keras.models.clone_model(color_classifier.network)
    classifier = Classifier(network, color_classifier.preprocess, 8, NAMES, name="rgb")
    with without_xla():
        net = InvariantTransformerNet(classifier)
        mistaken = [
            dataclasses.replace(each, labels=(each.labels + 1) % 3)
            for each in (pictures(0), pictures(1))
        ]
        for learned, held_out in ((mistaken[0], pictures(1)), (pictures(0), mistaken[1])):
            assert "required accuracy" in refusal(train_transformers, net, learned, held_out)
            assert np.isnan(float(net.required_accuracy.value))
        train_transformers(net, pictures(0), pictures(1), epochs=1, progress=False)


@FEW
@given(
    COUNTS.map(lambda value: ("spatial_dim", value))
    | COUNTS.map(lambda value: ("color_dim", value))
    | NOT_NEGATIVE.map(lambda value: ("color_weight", value))
    | NOT_NEGATIVE.map(lambda value: ("gate_margin", value))
    | SEEDS.map(lambda value: ("seed", value))
    | VALUES.filter(lambda x: x is not None and not (is_number(x) and 0 < x <= 1)).map(
        lambda value: ("required_accuracy", value)
    )
    | VALUES.map(lambda value: ("fill", value))
)
def test_options_of_a_net(net, wrong):
    message = refusal(InvariantTransformerNet, net.classifier, **dict([wrong]))
    assert wrong[0].partition("_dim")[0] in message


# Networks of 64 pixels


@pytest.fixture(scope="module", autouse=True)
def small_network():
    """What is refused does not depend on the network's depth."""

    def build(classes, seed, dropout=0.0):
        layers = keras.layers
        pooled = layers.AveragePooling2D(16)
        dense = layers.Dense(classes, kernel_initializer=keras.initializers.HeNormal(seed))
        return keras.Sequential([keras.Input((64, 64, 3)), pooled, layers.Flatten(), dense])

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(training.BUILDERS, "alexnet_64", functools.partial(build))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a network that is trained already."""
    folder = tmp_path_factory.mktemp("trained")
    learned, judged = pictures(0, size=64), pictures(1, size=64)
    training.train("alexnet_64", learned, judged, folder=folder, epochs=1, progress=False)
    (folder / "file").write_text("kept")
    return folder


def content_of(folder):
    return {path: path.read_bytes() for path in folder.glob("[!.]*") if path.is_file()}


def refused_network(folder, **wrong):
    """Ask for a training anew with one thing wrong; return what it said."""
    given = {"architecture": "alexnet_64", "training": pictures(0, size=64), "force": True}
    given |= {"validation": pictures(1, size=64), "epochs": 1, "progress": False, "folder": folder}
    before = content_of(folder)
    message = refusal(training.train, **given | wrong)
    assert content_of(folder) == before and len(before) == 3
    return message


@settings(max_examples=2 * settings.default.max_examples)
@example(("zoom", 0.5))
@example(("rotation", 181))
@example(("dropout", 1.0))
@example(("seed", -1))
@given(
    st.sampled_from(["epochs", "batch_size"]).flatmap(lambda n: COUNTS.map(lambda v: (n, v)))
    | POSITIVE.map(lambda value: ("learning_rate", value))
    | NOT_NEGATIVE.map(lambda value: ("weight_decay", value))
    | st.sampled_from(["label_smoothing", "jitter"]).flatmap(lambda n: SHARES.map(lambda v: (n, v)))
    | SHARES.filter(lambda value: value is not None).map(lambda value: ("dropout", value))
    | VALUES.filter(lambda x: not (is_number(x) and 0 <= x <= 180)).map(lambda v: ("rotation", v))
    | VALUES.filter(lambda x: not (is_number(x) and 1 <= x <= 1e4)).map(lambda v: ("zoom", v))
    | SEEDS.map(lambda value: ("seed", value))
    | VALUES.map(lambda value: ("architecture", value))
)
def test_numbers_of_a_training_of_a_network(finished, wrong):
    assert wrong[0] in refused_network(finished, **dict([wrong]))


@FEW
@given(st.sampled_from(["training", "validation"]), spoiled(64))
def test_pictures_of_a_training_of_a_network(finished, which, value):
    refused_network(finished, **{which: value})


@given(PLACES)
def test_places_of_a_training_of_a_network(finished, name):
    with pytest.raises(UsageError):
        training.train(
            "alexnet_64", pictures(0, size=64), pictures(1, size=64),
            folder=f"{finished}/{name}", epochs=1, progress=False,
        )  # fmt: skip
    assert (finished / "file").read_text() == "kept"


def test_a_network_that_leaves_the_range_of_numbers_replaces_none(finished):
    assert "smaller learning_rate; nothing was written" in refused_network(
        finished, learning_rate=1e38, epochs=3
    )
