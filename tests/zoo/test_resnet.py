"""ResNet V1 against TF-Slim's own numbers, and the reader of its checkpoints."""

import os
import shutil
import subprocess
import sys
import tarfile
from functools import partial
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest

from itn import classifiers
from itn.messages import UsageError
from itn.zoo import networks
from itn.zoo.catalog import imagenet_classes
from itn.zoo.resnet import build_resnet_v1, load_slim_checkpoint

TINY = {"input_size": 64, "units": (2, 2, 2, 2), "depths": (8, 16, 16, 32)}
SMALL = {"input_size": 32, "units": (1, 2), "depths": (4, 8), "root_filters": 8, "name": "small"}


def references():
    """The folder of what other software computes for the same input."""
    beside = Path(os.environ.get("ITN_DATA", "."), "..", "references")
    return Path(os.environ.get("ITN_REFERENCES", beside)) / "slim_resnet_v1_tiny"


def logits_of_the_checkpoint(path):
    """Logits of the network that `load_classifier` makes of a checkpoint, for ten classes."""
    small = {name: value for name, value in TINY.items() if name != "units"}
    with (
        mock.patch.object(networks, "build_resnet_v1", partial(build_resnet_v1, 10, **small)),
        mock.patch.object(networks, "imagenet_classes", lambda: imagenet_classes()[:10]),
        mock.patch.dict(networks.RESNET_UNITS, {101: TINY["units"]}),
        # All weights are read; JAX would compile a draw of every shape before.
        mock.patch.object(keras.initializers, "HeNormal", lambda seed: "zeros"),
        np.load(references() / "expected.npz") as file,
    ):
        classifier = classifiers.load_classifier("resnet_v1_101", path)
        assert (classifier.name, classifier.input_size) == ("resnet_v1_101", 64)
        return keras.ops.convert_to_numpy(classifier.network(file["images"]))


@pytest.fixture
def checkpoint():
    pytest.importorskip("tensorflow")
    if not references().is_dir():
        pytest.skip(f"no {references().name}")
    return references() / "model.ckpt"


@pytest.mark.data
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_logits_are_those_of_slim(checkpoint, backend, tmp_path):
    pytest.importorskip(backend)
    packed = tmp_path / "resnet_v1_101_2016_08_28.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        for part in checkpoint.parent.glob("model.ckpt*"):
            archive.add(part, part.name)
    paths = [str(checkpoint), str(packed)]
    if keras.backend.backend() == backend:
        both = [logits_of_the_checkpoint(path) for path in paths]
    else:
        environment = os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(
            [sys.executable, __file__, str(tmp_path / "logits.npy"), *paths],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        both = np.load(tmp_path / "logits.npy")
    with np.load(checkpoint.with_name("expected.npz")) as expected:
        wanted = expected["logits"]
    for logits in both:
        assert logits.shape == wanted.shape
        assert np.abs(logits - wanted).max() < 1e-4 * np.abs(wanted).max()


@pytest.mark.data
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"units": (2, 2, 3, 2)}, "block3/unit_3/bottleneck_v1/conv1/weights is missing"),
        ({"units": (2, 2, 2, 1)}, r"block4/unit_2/bottleneck_v1/\S+ is not in tiny"),
        ({"depths": (8, 16, 16, 24)}, r"block4/unit_1/\S+ has shape .* instead of"),
        ({"class_count": 12}, r"logits/weights has shape \[1, 1, 128, 10\] instead of .* 12\]"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(checkpoint, change, complaint):
    network = build_resnet_v1(**{"class_count": 10, **TINY, "name": "tiny", **change})
    before = network.get_weights()
    with pytest.raises(ValueError, match="does not fit tiny") as error:
        load_slim_checkpoint(network, checkpoint)
    assert "resnet_v1_101/" in str(error.value)
    error.match(complaint)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.data
@pytest.mark.parametrize("kept", [slice(100_000), slice(None, None, -1)])
def test_a_damaged_checkpoint_is_refused(checkpoint, kept, tmp_path):
    for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001"):
        shutil.copyfile(checkpoint.with_name(name), tmp_path / name)
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[kept])
    network = build_resnet_v1(10, **TINY)
    with pytest.raises(ValueError, match="damaged checkpoint"):
        load_slim_checkpoint(network, tmp_path / "model.ckpt")


def test_what_is_no_checkpoint_is_refused(tmp_path):
    pytest.importorskip("tensorflow")
    network = build_resnet_v1(3, **SMALL)
    with pytest.raises(UsageError, match=r"no TensorFlow checkpoint .*missing\.ckpt"):
        load_slim_checkpoint(network, tmp_path / "missing.ckpt")
    (tmp_path / "text.ckpt").write_text("not a checkpoint")
    with pytest.raises(ValueError, match=r"text\.ckpt: damaged checkpoint"):
        load_slim_checkpoint(network, tmp_path / "text.ckpt")


@pytest.fixture
def small_checkpoint(tensorflow, tmp_path):
    """What TF-Slim writes of a small network, in two files."""
    network = build_resnet_v1(3, seed=5, **SMALL)
    slim = {"kernel": "weights", "bias": "biases"}
    values = {
        "/".join(["resnet", *layer.name.split("."), slim.get(each.name, each.name)]): each.numpy()
        for layer in network.layers
        for each in layer.variables
    }
    tensorflow.raw_ops.SaveV2(
        prefix=str(tmp_path / "model.ckpt"),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=list(values.values()),
    )
    return tmp_path / "model.ckpt", network


@pytest.mark.parametrize("ending", ["", ".index", ".data-00000-of-00001"])
def test_a_checkpoint_may_be_named_by_any_of_its_files(small_checkpoint, ending):
    path, network = small_checkpoint
    filled = build_resnet_v1(3, **SMALL)
    load_slim_checkpoint(filled, f"{path}{ending}")
    for found, wanted in zip(filled.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("ending", [".index", ".data-00000-of-00001"])
def test_the_part_of_a_checkpoint_that_is_damaged_or_missing_is_named(small_checkpoint, ending):
    path, network = small_checkpoint
    part = path.with_name(f"{path.name}{ending}")
    part.write_bytes(part.read_bytes()[:20])
    with pytest.raises(UsageError, match=rf"model\.ckpt{ending}: damaged checkpoint"):
        load_slim_checkpoint(network, path)
    part.unlink()
    missing = ending.partition("-")[0]
    with pytest.raises(UsageError, match=rf"is there, but its {missing} file is missing"):
        load_slim_checkpoint(network, path)


def test_the_defaults_are_resnet_101():
    network = build_resnet_v1()
    widths = [network.get_layer(f"block{b}.unit_1.bottleneck_v1.conv3") for b in (1, 2, 3, 4)]
    assert [layer.output.shape[1:] for layer in widths] == [
        (56, 56, 256),
        (28, 28, 512),
        (14, 14, 1024),
        (7, 7, 2048),
    ]
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 101 + 4  # one dense layer; four shortcuts are not counted
    # As published: 44,549,160 that are trained, and two statistics of each normalized channel.
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == 44_549_160


def test_strides_lie_in_the_last_unit_of_a_block():
    network = build_resnet_v1(3, **SMALL | {"units": (3, 1), "root_pooling": False})
    sizes = {
        unit: network.get_layer(f"block1.unit_{unit}.bottleneck_v1.add").output.shape[1]
        for unit in (1, 2, 3)
    }
    assert sizes == {1: 16, 2: 16, 3: 8}
    assert network.get_layer("block2.unit_1.bottleneck_v1.add").output.shape[1] == 8
    assert "block1.unit_3.bottleneck_v1.shortcut" not in [layer.name for layer in network.layers]


def test_strided_convolutions_pad_alike_on_both_sides():
    """A picture turned by 180 degrees gives what turned kernels give, only then."""
    network = build_resnet_v1(3, **SMALL | {"input_size": 31})
    first = keras.Model(network.input, network.get_layer("conv1").output)
    images = np.random.default_rng(0).random((1, 31, 31, 3)).astype("float32")
    upright = np.asarray(first(images))
    layer = network.get_layer("conv1")
    layer.set_weights([layer.get_weights()[0][::-1, ::-1]])
    turned = np.asarray(first(np.ascontiguousarray(images[:, ::-1, ::-1])))
    np.testing.assert_allclose(turned[:, ::-1, ::-1], upright, atol=1e-5)


def test_the_seed_alone_tells_the_weights():
    first, again, other = (
        build_resnet_v1(3, seed=seed, **SMALL).get_weights() for seed in (1, 1, 2)
    )
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert one.ndim == 1 or np.abs(one - different).max() > 0.01


if __name__ == "__main__":
    np.save(sys.argv[1], [logits_of_the_checkpoint(path) for path in sys.argv[2:]])
