"""AlexNet against an independent implementation, and its layers against their formulas."""

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest
from weight_formats import python2_npy

from itn.classifiers import load_classifier
from itn.zoo.alexnet import GroupedConv2D, LocalResponseNormalization, build_alexnet

SHAPES = {
    "conv1": (11, 11, 3, 96),
    "conv2": (5, 5, 48, 256),
    "conv3": (3, 3, 256, 384),
    "conv4": (3, 3, 192, 384),
    "conv5": (3, 3, 192, 256),
    "fc6": (9216, 4096),
    "fc7": (4096, 4096),
    "fc8": (4096, 1000),
}
SMALL = {"input_size": 64, "filters": (8, 16, 16, 16, 8), "units": (12, 12), "conv1_stride": 2}


def references():
    """The folder of what other software computes for the same input."""
    beside = Path(os.environ.get("ITN_DATA", "."), "..", "references")
    return Path(os.environ.get("ITN_REFERENCES", beside))


@pytest.fixture(scope="module")
def weight_file(tmp_path_factory):
    """Weights drawn as the reference's were, in a file as BVLC's were published."""
    random = np.random.default_rng(5)
    weights = {}
    for name, shape in SHAPES.items():
        scale = np.float32(np.sqrt(2 / np.prod(shape[:-1])))
        kernel = random.standard_normal(shape, dtype=np.float32) * scale
        bias = random.standard_normal(shape[-1], dtype=np.float32) * np.float32(0.05)
        weights[name] = [kernel, bias]
    path = tmp_path_factory.mktemp("alexnet") / "bvlc_alexnet.npy"
    path.write_bytes(python2_npy(weights))
    return path


def undrawn():
    """Where it does not matter, or a file is read: to draw 60 million weights takes long."""
    return mock.patch.object(keras.initializers, "HeNormal", lambda seed: "zeros")


def logits_of_the_recipe(path):
    """Logits with the weights of a file and pictures drawn as the reference's were."""
    images = np.random.default_rng(6).uniform(-120, 135, (2, 227, 227, 3)).astype(np.float32)
    logits = {}
    for padding in ("valid", "same"):
        with undrawn():
            classifier = load_classifier("alexnet", path, conv1_padding=padding)
        logits[padding] = keras.ops.convert_to_numpy(classifier.network(images))
    return logits


@pytest.mark.data
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_logits_are_those_of_an_independent_implementation(backend, weight_file, tmp_path):
    path = references() / "alexnet_random.npz"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    pytest.importorskip(backend)
    if keras.backend.backend() == backend:
        logits = logits_of_the_recipe(weight_file)
    else:
        environment = os.environ | {
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[1])]),
        }
        done = subprocess.run(
            [sys.executable, __file__, str(tmp_path / "logits.npz"), str(weight_file)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        with np.load(tmp_path / "logits.npz") as file:
            logits = dict(file)
    with np.load(path) as expected:
        for padding, found in logits.items():
            wanted = expected[f"logits_conv1_{padding}"]
            assert found.shape == (2, 1000)
            assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
        difference = logits["valid"] - logits["same"]
        assert np.abs(difference).max() > 0.01 * np.abs(wanted).max()  # the padding matters


def test_layers_have_the_shapes_of_caffe():
    with undrawn():
        network = build_alexnet()
        same = build_alexnet(conv1_padding="same")
    for name, shape in SHAPES.items():
        assert tuple(network.get_layer(name).kernel.shape) == shape
    pooled = [network.get_layer(f"pool{number}").output.shape[1:] for number in (1, 2, 5)]
    assert pooled == [(27, 27, 96), (13, 13, 256), (6, 6, 256)]
    assert network.output_shape == (None, 1000)
    assert same.get_layer("conv1").output.shape == (None, 57, 57, 96)
    assert same.get_layer("pool5").output.shape == (None, 6, 6, 256)


def test_dropout_acts_in_training_only():
    network = build_alexnet(3, dropout=0.5, **SMALL)
    images = np.random.default_rng(0).random((2, 64, 64, 3)).astype("float32")
    calm = [np.asarray(network(images, training=False)) for _ in range(2)]
    wild = [np.asarray(network(images, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(*calm)
    assert np.abs(wild[0] - wild[1]).max() > 1e-3


def test_the_seed_alone_tells_the_weights():
    first, again, other = (build_alexnet(3, seed=seed, **SMALL).get_weights() for seed in (1, 1, 2))
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert one.ndim == 1 or np.abs(one - different).max() > 0.01
    kernels = [weight.reshape(-1)[:12] for weight in first if weight.ndim > 1]
    ratios = [kernels[2] / kernels[3], kernels[3] / kernels[4]]
    assert min(np.std(ratio) for ratio in ratios) > 0.1  # no two layers start alike


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups_do_not_see_each_other(groups):
    random = np.random.default_rng(groups)
    layer = GroupedConv2D(8, 3, groups=groups, padding="same")
    images = random.normal(size=(2, 6, 5, 4)).astype("float32")
    found = np.asarray(layer(images))
    assert tuple(layer.kernel.shape) == (3, 3, 4 // groups, 8)
    inputs, outputs = 4 // groups, 8 // groups
    for group in range(groups):
        ungrouped = keras.layers.Conv2D(outputs, 3, padding="same", use_bias=False)
        part = images[..., group * inputs : (group + 1) * inputs]
        ungrouped.build(part.shape)
        kernel = np.asarray(layer.kernel)[..., group * outputs : (group + 1) * outputs]
        ungrouped.set_weights([kernel])
        wanted = np.asarray(ungrouped(part))
        part_found = found[..., group * outputs : (group + 1) * outputs]
        np.testing.assert_allclose(part_found, wanted, atol=1e-5)


def test_groups_train(tensorflow):
    layer = GroupedConv2D(4, 3, groups=2)
    with tensorflow.GradientTape() as tape:
        total = keras.ops.sum(layer(np.ones((1, 5, 5, 4), "float32")))
    gradient = np.asarray(tape.gradient(total, layer.kernel))
    np.testing.assert_allclose(gradient, np.full((3, 3, 2, 4), 9.0))  # each weight at 9 places


@pytest.mark.parametrize(
    ("size", "stride", "padding", "shape"),
    [
        (7, 2, "same", (64, 64)),
        (11, 4, "valid", (227, 227)),
        (11, 4, "same", (224, 227)),
        (3, 2, "valid", (8, 9)),  # no window reaches the last row
        (2, 3, "valid", (11, 10)),
        (5, 3, "same", (13, 7)),
    ],
)
def test_a_stride_has_the_gradients_of_keras(tensorflow, size, stride, padding, shape):
    random = np.random.default_rng(size)
    images = tensorflow.constant(random.normal(size=(2, *shape, 3)).astype("float32"))
    ours = GroupedConv2D(6, size, strides=stride, padding=padding)
    theirs = keras.layers.Conv2D(6, size, strides=stride, padding=padding)
    upstream = random.normal(size=theirs(images).shape).astype("float32")
    ours.build(images.shape)
    ours.set_weights(theirs.get_weights())

    def gradients(layer):
        with tensorflow.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images)
        sources = [images, *layer.trainable_variables]
        return outputs, *tape.gradient(outputs, sources, upstream)

    for found, wanted in zip(gradients(ours), gradients(theirs), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("size", "alpha", "beta", "k", "scale"), [(5, 1e-4, 0.75, 1.0, 40), (3, 3.0, 1.0, 0.5, 1)]
)
def test_normalization_follows_the_formula(size, alpha, beta, k, scale):
    random = np.random.default_rng(1)
    x = random.normal(0, scale, (2, 3, 3, 7))
    layer = LocalResponseNormalization(size=size, alpha=alpha, beta=beta, k=k)
    wanted = np.empty_like(x)
    for channel in range(7):
        around = slice(max(0, channel - size // 2), channel + size // 2 + 1)
        energy = (x[..., around] ** 2).sum(axis=-1)
        wanted[..., channel] = x[..., channel] / (k + alpha / size * energy) ** beta
    np.testing.assert_allclose(np.asarray(layer(x.astype("float32"))), wanted, rtol=1e-5)


def test_normalization_is_that_of_the_port(tensorflow):
    x = np.random.default_rng(2).normal(0, 100, (2, 3, 3, 9)).astype("float32")
    wanted = tensorflow.nn.local_response_normalization(x, 2, bias=1.0, alpha=2e-05, beta=0.75)
    found = LocalResponseNormalization()(x)
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-5)


# Keras 3.15 itself calls numpy's older way to make an array of a variable.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_saved_network_comes_back(tmp_path):
    network = build_alexnet(3, **SMALL)
    network.save(tmp_path / "network.keras")
    restored = keras.saving.load_model(tmp_path / "network.keras")
    images = np.random.default_rng(0).random((2, 64, 64, 3)).astype("float32")
    np.testing.assert_array_equal(np.asarray(restored(images)), np.asarray(network(images)))
    assert restored.get_layer("norm1").get_config() == network.get_layer("norm1").get_config()


if __name__ == "__main__":
    np.savez(sys.argv[1], **logits_of_the_recipe(Path(sys.argv[2])))
