"""Preprocessing in numbers: what is told from a few pixels does the same on every picture."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from itn.messages import UsageError
from itn.preprocessing import Preprocessing, describe_preprocessing
from itn.zoo import networks
from itn.zoo.training import center

# Keras 3.15 itself calls numpy's older way to make an array of a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FORMS = {
    "nothing": (lambda x: x, np.eye(3), [0, 0, 0], "none"),
    "center": (center, 2 * np.eye(3), [-1, -1, -1], "none"),
    "Caffe": (
        networks._blue_green_red,
        255 * np.eye(3)[::-1],
        [-104, -117, -123],
        "none",
    ),
    "port of Caffe": (networks._less_own_mean, 255 * np.eye(3)[::-1], [0, 0, 0], "picture"),
    "mean of each channel": (
        lambda x: 3 * x - ops.mean(3 * x, axis=(1, 2), keepdims=True),
        3 * np.eye(3),
        [0, 0, 0],
        "channel",
    ),
    "gray": (
        lambda x: ops.mean(x, axis=-1, keepdims=True) - 0.5,
        np.full((1, 3), 0.3333333),
        [-0.5],
        "none",
    ),
    "one channel is empty": (
        lambda x: ops.concatenate([x[..., :2], 0 * x[..., :1] + 7], -1),
        np.diag([1, 1, 0]),
        [0, 0, 7],
        "none",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_numbers_are_found(form):
    function, matrix, offset, minus_mean = FORMS[form]
    found = describe_preprocessing(function, 8, "mine")
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-7)
    np.testing.assert_allclose(found.offset, offset, atol=1e-7)
    assert found.minus_mean == minus_mean
    images = np.random.default_rng(5).normal(0.5, 2, (2, 8, 8, 3)).astype("float32")
    expected = np.asarray(function(ops.convert_to_tensor(images)))
    np.testing.assert_allclose(np.asarray(found(images)), expected, rtol=1e-5, atol=1e-4)
    again = Preprocessing.from_config(found.get_config())
    assert again == found and describe_preprocessing(found, 8, "mine") is found


def test_all_of_keras_applications_is_told_by_numbers():
    for name in networks._applications():
        preprocess = networks._preprocessing_of(name)
        found = describe_preprocessing(lambda x, f=preprocess: f(255 * x), 8, name)
        images = np.random.default_rng(5).random((2, 8, 8, 3)).astype("float32")
        expected = np.asarray(inspect.unwrap(preprocess)(255.0 * images))
        np.testing.assert_allclose(np.asarray(found(images)), expected, rtol=1e-5, atol=1e-4)


OTHERS = {
    "clip": lambda x: ops.clip(x, 0, 1),
    "power": lambda x: ops.sign(x) * ops.abs(x) ** 2.2,
    "standard deviation": lambda x: x / (1e-3 + ops.std(x, axis=(1, 2, 3), keepdims=True)),
    "blur": lambda x: (x + ops.roll(x, 1, axis=1)) / 2,
    "mirrored": lambda x: x[:, :, ::-1],
    "resized": lambda x: ops.image.resize(x, (16, 16)),
    "channels first": lambda x: ops.transpose(x, (0, 3, 1, 2)),
    "mean of the batch": lambda x: x - ops.mean(x),
}


@pytest.mark.parametrize("form", OTHERS)
def test_anything_else_is_refused(form):
    with pytest.raises(UsageError, match=r"of mine is no scale, .* put it into the network as lay"):
        describe_preprocessing(OTHERS[form], 8, "mine")


def test_it_acts_on_compiled_tensors():
    function = Preprocessing(((0, 0, 2), (0, 2, 0), (2, 0, 0)), (-1, -1, -1), "picture")
    inputs = keras.Input((4, 4, 3))
    network = keras.Sequential([inputs, keras.layers.Lambda(function)])
    images = np.random.default_rng(5).random((2, 4, 4, 3)).astype("float32")
    turned = 2.0 * images[..., ::-1].astype(float)
    expected = turned - turned.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(network.predict(images, verbose=0), expected, atol=1e-6)
