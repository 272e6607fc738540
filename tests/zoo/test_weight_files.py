"""Weight files of other software, written by writers that share nothing with the readers."""

import io
import pickle

import numpy as np
import pytest
from weight_formats import caffemodel, npy_header, python2_npy

from itn.messages import UsageError
from itn.zoo.alexnet import build_alexnet, load_bvlc_weights
from itn.zoo.weight_files import read_caffemodel, read_npy_dictionary

SMALL = {"input_size": 64, "filters": (8, 16, 16, 16, 8), "units": (12, 10), "conv1_stride": 2}


def small_alexnet(seed=0):
    return build_alexnet(3, seed=seed, **SMALL)


def weights_of(network):
    random = np.random.default_rng(4)
    for layer in network.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, random.normal(size=bias.shape)])
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def in_caffe(weights, map_shape):
    """The same with Caffe's axes, where fc6 counts through its map channel by channel."""
    found = {}
    for name, (kernel, bias) in weights.items():
        if kernel.ndim == 4:
            kernel = np.einsum("hwio->oihw", kernel)
        elif name == "fc6":
            height, width, channels = map_shape
            rows = np.arange(height * width * channels).reshape(map_shape)
            order = [rows[h, w, c] for c in range(channels) for h in range(height)
                     for w in range(width)]  # fmt: skip
            kernel = kernel[order].T
        else:
            kernel = kernel.T
        found[name] = [np.ascontiguousarray(kernel), bias]
    return found


def file_of(kind, network, path):
    weights = weights_of(network)
    if kind == "python 2":
        path = path / "weights.npy"
        path.write_bytes(python2_npy(weights))
    elif kind == "python 3":
        path = path / "weights.npy"
        np.save(path, weights, allow_pickle=True)
    else:
        path = path / "weights.caffemodel"
        map_shape = network.get_layer("pool5").output.shape[1:]
        path.write_bytes(caffemodel(in_caffe(weights, map_shape), older=kind == "older Caffe"))
    return path


@pytest.mark.parametrize("kind", ["python 2", "python 3", "older Caffe", "newer Caffe"])
def test_a_network_comes_back_from_every_format(kind, tmp_path):
    network, restored = small_alexnet(1), small_alexnet(2)
    path = file_of(kind, network, tmp_path)
    load_bvlc_weights(restored, path)
    for wanted, found in zip(network.get_weights(), restored.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)
    images = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype("float32")
    np.testing.assert_array_equal(np.asarray(restored(images)), np.asarray(network(images)))


@pytest.mark.parametrize("protocol", range(5))  # NumPy itself has used 2 to 4
def test_arrays_of_every_protocol_and_kind_are_read(protocol, tmp_path):
    arrays = [
        np.arange(6, dtype=">f8").reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype="<f4").reshape(2, 3)),
        np.arange(3, dtype="i2"),
        np.array(7, "u1"),
    ]
    buffer = io.BytesIO()
    pickle.dump({"a": arrays, "b": []}, buffer, protocol)
    (tmp_path / "weights.npy").write_bytes(npy_header() + buffer.getvalue())
    found = read_npy_dictionary(tmp_path / "weights.npy")
    assert list(found) == ["a", "b"] and found["b"] == []
    for one, wanted in zip(found["a"], arrays, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, wanted)


@pytest.mark.parametrize("kind", ["python 2", "older Caffe", "newer Caffe"])
def test_half_a_file_is_refused_wherever_it_ends(kind, tmp_path):
    path = file_of(kind, small_alexnet(), tmp_path)
    content = path.read_bytes()
    network = small_alexnet(3)
    before = network.get_weights()
    for share in (0, 0.001, 0.3, 0.5, 0.999):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match=r"weights\.\w+ (was not read|does not fit)"):
            load_bvlc_weights(network, path)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("kind", ["python 2", "newer Caffe"])
def test_weights_of_another_network_are_refused(kind, tmp_path):
    wider = build_alexnet(3, **SMALL | {"units": (12, 11)})
    path = file_of(kind, wider, tmp_path)
    with pytest.raises(ValueError, match=r"does not fit alexnet: fc7 has the shapes .* instead of"):
        load_bvlc_weights(small_alexnet(), path)
    np.save(tmp_path / "weights.npy", {"conv1": []}, allow_pickle=True)
    with pytest.raises(ValueError, match=r"conv1 has the shapes \[\] instead of"):
        load_bvlc_weights(small_alexnet(), tmp_path / "weights.npy")


def test_other_contents_are_refused(tmp_path):
    path = tmp_path / "weights.npy"
    for content, complaint in [
        (np.zeros(3), "one array instead of a dictionary"),
        (np.array([None, None]), "no dictionary"),
        (np.array({"conv1": np.zeros(3)}), "not a dictionary of lists"),
        (np.array({"conv1": ["text"]}), "conv1 is not a list of arrays"),
        (np.array({1: [np.zeros(3)]}), "not a dictionary of lists"),
        (np.array({"conv1": [np.zeros(3, "c16")]}), "an array of '<c16'"),
    ]:
        np.save(path, content, allow_pickle=True)
        with pytest.raises(ValueError, match=complaint) as caught:
            read_npy_dictionary(path)
        assert str(path) in str(caught.value)
    (tmp_path / "text.caffemodel").write_text("no protocol buffer " * 50)
    (tmp_path / "empty.caffemodel").write_bytes(b"")
    for name in ("text", "empty"):
        with pytest.raises(ValueError, match=rf"{name}\.caffemodel was not read"):
            read_caffemodel(tmp_path / f"{name}.caffemodel")
    with pytest.raises(UsageError, match=r"AlexNet reads \.caffemodel and \.npy"):
        load_bvlc_weights(small_alexnet(), tmp_path / "weights.pkl")
