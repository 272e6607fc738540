"""What a network takes and gives: handled rightly, or refused in a line that says what it is."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

from itn.classifiers import Classifier, load_classifier
from itn.messages import UsageError
from itn.screening import screen

# Keras 3.15 itself calls numpy's older way to make an array of a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ("red", "green", "blue")


def pictures(count=3, size=8):
    return np.random.default_rng(0).random((count, size, size, 3)).astype("float32")


def expected_logits(images):
    """What `network` says before it ends: far from uniform, and often beyond 0 to 1."""
    return 30 * images.mean(axis=(1, 2), dtype=float) - 15


def softmax_of(logits):
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def network(end=lambda x: x, shape=(8, 8, 3), dtype=None):
    inputs = keras.Input(shape, dtype=dtype)
    x = layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, end(layers.Rescaling(30.0, offset=-15.0)(x)))


def classifier_of(network, preprocess=lambda x: x, input_size=0, class_names=NAMES):
    return Classifier(network, preprocess, input_size, class_names, name="mine")


def refusal(network, *arguments, **options):
    with pytest.raises(UsageError) as caught:
        classifier_of(network, *arguments, **options)
    message = str(caught.value)
    assert "\n" not in message and "mine" in message and len(message) < 420
    return message


@keras.saving.register_keras_serializable("test_probing")
class OwnSoftmax(layers.Layer):
    def call(self, inputs):
        odds = ops.exp(inputs - ops.max(inputs, axis=-1, keepdims=True))
        return odds / ops.sum(odds, axis=-1, keepdims=True)


PROBABILITIES = {
    "ops.softmax": ops.softmax,
    "Softmax": lambda x: layers.Softmax()(x),
    "cast": lambda x: layers.Activation("linear", dtype="float64")(layers.Softmax()(x)),
    "Reshape": lambda x: layers.Reshape((3,))(layers.Softmax()(x)),
    "ensemble": lambda x: layers.Average()([layers.Softmax()(x), layers.Softmax()(x)]),
    "own layer": lambda x: OwnSoftmax()(x),
    "dropout": lambda x: layers.Dropout(0.5)(layers.Softmax()(x)),
    "nested": lambda x: keras.Sequential([keras.Input((3,)), layers.Softmax()])(x),
    "clipped": lambda x: ops.clip(ops.softmax(x), 1e-7, 1 - 1e-7),
}


@pytest.mark.parametrize("end", PROBABILITIES)
def test_probabilities_stay_as_they_are_however_they_are_made(end, tmp_path):
    given = network(PROBABILITIES[end])
    images = pictures()
    expected = softmax_of(expected_logits(images))
    given.save(tmp_path / "mine.keras")
    loaded = load_classifier(tmp_path / "mine.keras", class_names=NAMES)
    for classifier in (classifier_of(given), loaded):
        found = classifier.predict(images)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)
        # Screenings and transformers take the softmax of what the network itself says.
        said = ops.convert_to_numpy(classifier.network(images, training=False))
        np.testing.assert_allclose(softmax_of(said), expected, atol=1e-6)


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("end", ["logits", "Softmax"])
def test_other_precisions_give_a_float32_softmax(policy, end):
    dtype = keras.dtype_policies.get(policy)
    layer = layers.Dense(3, dtype=dtype, activation="softmax" if end == "Softmax" else None)
    inputs = keras.Input((8, 8, 3))
    given = keras.Model(inputs, layer(layers.GlobalAveragePooling2D(dtype=dtype)(inputs)))
    layer.set_weights([30 * np.eye(3), np.full(3, -15.0)])
    assert "float16" in given.output.dtype
    classifier = classifier_of(given)
    found = classifier.predict(pictures())
    assert found.dtype == np.float32 and classifier.network.output.dtype == "float32"
    expected = softmax_of(expected_logits(pictures()))
    np.testing.assert_allclose(found, expected, atol=0.03)  # bfloat16 has 8 bits


def test_probabilities_of_a_thousand_classes_in_float16_are_recognized():
    rng = np.random.default_rng(1)
    dense = layers.Dense(1000, dtype="float16", activation="softmax")
    given = keras.Sequential([keras.Input((8, 8, 3)), layers.GlobalAveragePooling2D(), dense])
    dense.set_weights([rng.normal(size=(3, 1000)), rng.normal(size=1000)])
    classifier = classifier_of(given, class_names=range(1000))
    expected = ops.convert_to_numpy(given(pictures())).astype(float)
    np.testing.assert_allclose(classifier.predict(pictures()), expected, atol=1e-4)


LOGITS = {
    "within 0 to 1 for every picture": lambda x: (x + 15) / 30,
    "that sum to 1": lambda x: ops.stack([x[:, 0] / 30 + 0.5, 0.5 - x[:, 0] / 30, 0 * x[:, 0]], 1),
    "not negative": ops.relu,
    "logarithms of probabilities": ops.log_softmax,
    "some of which are -inf": lambda x: ops.where(np.array([0, 0, 1]), -np.inf, x),
}


@pytest.mark.parametrize("end", LOGITS)
def test_logits_are_not_taken_for_probabilities(end):
    given = network(LOGITS[end])
    said = ops.convert_to_numpy(given(pictures())).astype(float)
    np.testing.assert_allclose(
        classifier_of(given).predict(pictures()), softmax_of(said), atol=1e-6
    )


def test_a_network_that_needs_nothing_is_left_as_it_is():
    given = network()
    assert classifier_of(given).network is given


@pytest.mark.parametrize(
    ("end", "found"),
    [
        (lambda x: layers.Activation("sigmoid")(x), r"0 to 1, that sum to .* as of a sigmoid"),
        (lambda x: ops.log(x - 1e9), "gives .*nan.* for a black picture and a gray picture"),
        (lambda x: x / ops.sum(ops.abs(x + 15), -1, keepdims=True), "inf.* for a black picture$"),
        (lambda x: x[:, :1], "gives 1 number a picture"),
        (lambda x: ops.argmax(x, axis=-1), r"gives \[N\], but logits \[N, K\]"),
        (lambda x: [x, 2 * x], "gives 2 outputs, but one is needed"),
        (lambda x: {"a": x, "b": x}, r"gives 2 outputs \(a, b\)"),
        (lambda x: ops.sum(x, axis=0), r"gives \[3\]"),
    ],
)
def test_what_is_neither_logits_nor_probabilities_is_named(end, found):
    assert re.search(found, refusal(network(end)))


def test_maps_are_refused():
    given = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(5, 3)])
    assert "gives [N, 6, 6, 5]" in refusal(given)
    assert "GlobalAveragePooling2D" in refusal(given)


def test_one_output_may_be_packed_and_so_may_one_input():
    inputs = keras.Input((8, 8, 3), name="picture")
    x = layers.Rescaling(30.0, offset=-15.0)(layers.GlobalAveragePooling2D()(inputs))
    expected = softmax_of(expected_logits(pictures()))
    for into in (inputs, [inputs], {"picture": inputs}):
        for out in (x, [x], {"logits": x}):
            found = classifier_of(keras.Model(into, out)).predict(pictures())
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_several_or_integer_inputs_are_refused():
    one, other = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    pooled = layers.GlobalAveragePooling2D()(layers.Add()([one, other]))
    assert "takes 2 inputs" in refusal(keras.Model([one, other], pooled))
    for dtype in ("uint8", "int32"):
        inputs = keras.Input((8, 8, 3), dtype=dtype)
        given = keras.Model(inputs, layers.GlobalAveragePooling2D()(ops.cast(inputs, "float32")))
        assert f"takes {dtype}, in which values out of range wrap" in refusal(given)
    wraps = lambda x: ops.cast(255 * x, "uint8")  # noqa: E731
    assert "preprocessing of mine returns uint8" in refusal(network(), wraps)


class Subclassed(keras.Model):
    """Not built before it is called, and in training mode unless it is told otherwise."""

    def __init__(self, activation=None):
        super().__init__()
        self.pool, self.drop = layers.GlobalAveragePooling2D(), layers.Dropout(0.9)
        self.dense = layers.Dense(3, activation)

    def call(self, inputs, training=True):
        return self.dense(self.drop(self.pool(inputs), training=training))


class WithoutTraining(Subclassed):
    def call(self, inputs):
        return self.dense(self.pool(inputs))


@pytest.mark.parametrize("kind", [Subclassed, WithoutTraining])
@pytest.mark.parametrize("activation", [None, "softmax"])
def test_subclassed_models_work_unbuilt(kind, activation, two_kinds):
    given = kind(activation)
    assert "does not say the size of its pictures: give input_size" in refusal(kind())
    classifier = Classifier(given, lambda x: x, 8, ("a", "b", "c"), name="mine")
    pooled = pictures().mean(axis=(1, 2), dtype=float)
    kernel, bias = given.dense.get_weights()
    expected = softmax_of(pooled @ kernel + bias)
    np.testing.assert_allclose(classifier.predict(pictures()), expected, atol=1e-6)
    screening = screen(classifier, two_kinds, "brightness", [0], progress=False)
    assert screening.softmax.shape == (7, 1)


def test_an_unbuilt_sequential_works():
    given = keras.Sequential([layers.GlobalAveragePooling2D(), layers.Dense(3, "softmax")])
    assert "give input_size" in refusal(given)
    classifier = classifier_of(given, input_size=8)
    expected = ops.convert_to_numpy(given(pictures()))
    np.testing.assert_allclose(classifier.predict(pictures()), expected, atol=1e-6)


def test_sizes_left_open_are_asked_for():
    given = network(shape=(None, None, 3))
    assert "takes [N, any, any, 3]: give input_size" in refusal(given)
    assert classifier_of(given, input_size=6).predict(pictures(size=6)).shape == (3, 3)
    assert "takes [N, 8, 8, 3], but after preprocessing pictures of input_size 6 are" in refusal(
        network(), input_size=6
    )
    assert "give input_size, and a preprocess that resizes" in refusal(network(shape=(8, 6, 3)))
    resized = classifier_of(network(shape=(8, 6, 3)), lambda x: ops.image.resize(x, (8, 6)), 16)
    assert resized.predict(pictures(size=16)).shape == (3, 3)
    for size in (-1, 2.5):
        assert "must be a number of pixels" in refusal(network(), input_size=size)


def test_channels_first_takes_a_preprocessing():
    inputs = keras.Input((3, 8, 8))
    x = layers.GlobalAveragePooling2D(data_format="channels_first")(inputs)
    given = keras.Model(inputs, layers.Rescaling(30.0, offset=-15.0)(x))
    message = refusal(given)
    assert "takes [N, 3, 8, 8]" in message and "are [N, 8, 8, 3]" in message
    assert "lambda x: keras.ops.transpose(x, (0, 3, 1, 2))" in message
    classifier = classifier_of(given, lambda x: ops.transpose(x, (0, 3, 1, 2)))
    assert classifier.input_size == 8
    expected = softmax_of(expected_logits(pictures()))
    np.testing.assert_allclose(classifier.predict(pictures()), expected, atol=1e-6)


def test_gray_networks_take_a_preprocessing_that_makes_gray():
    inputs = keras.Input((8, 8, 1))
    x = layers.GlobalAveragePooling2D()(inputs)
    given = keras.Model(inputs, layers.Concatenate()([x, 9 * x, -5 * x]))
    assert "not gray ones: give preprocess=keras.ops.image.rgb_to_grayscale" in refusal(given)
    classifier = classifier_of(given, lambda x: ops.mean(x, axis=-1, keepdims=True))
    mean = pictures().mean(axis=(1, 2, 3), dtype=float)[:, None]
    expected = softmax_of(mean * [1, 9, -5])
    np.testing.assert_allclose(classifier.predict(pictures()), expected, atol=1e-6)


def test_what_fails_is_explained():
    def broken(images):
        raise RuntimeError("out of\nluck")

    assert refusal(network(), broken).endswith(
        "preprocessing of mine fails with pictures [N, 8, 8, 3]: out of luck"
    )
    assert "must return one array, got builtins.list" in refusal(network(), lambda x: [x])
    given = keras.Sequential([layers.Flatten(), layers.Dense(3)])
    given(np.zeros((1, 12)))
    assert "takes [N, 12], but after preprocessing" in refusal(given, input_size=8)

    class Broken(keras.Model):
        def call(self, inputs):
            raise RuntimeError("out of luck")

    message = refusal(Broken(), input_size=8)
    assert "mine fails with pictures [N, 8, 8, 3]: " in message and "out of luck" in message
    assert "must be a keras.Model, got builtins.function" in refusal(lambda x: x, input_size=8)


def test_the_pictures_are_not_changed_by_a_preprocessing_in_place():
    def in_place(images):
        images -= 0.5
        return images

    images = pictures()
    before = images.copy()
    found = classifier_of(network(), in_place).predict(images)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_allclose(found, softmax_of(expected_logits(images - 0.5)), atol=1e-6)


def test_one_call_is_enough():
    calls = []

    class Counting(keras.Model):
        def call(self, inputs):
            calls.append(inputs.shape[0])
            return ops.mean(inputs, axis=(1, 2))

    classifier_of(Counting(), input_size=8)
    assert len(calls) == 1
