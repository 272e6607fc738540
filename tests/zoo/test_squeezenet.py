"""The network's shape, and the weight file read back from an encoder of our own."""

import struct

import keras
import numpy as np
import pytest
from keras import layers

from itn.zoo.squeezenet import build_squeezenet, load_deep_compression

# Weights of a small network as Caffe lays them out: outputs, inputs, height, width.
SHAPES = [(5, 3, 3, 2), (4, 5, 1, 1), (60, 9, 2, 3)]


def small_network():
    """Three convolutions, one beside a shortcut, among layers that have no place in the file."""
    inputs = layers.Input((12, 10, 3))
    x = layers.Conv2D(5, (3, 2), activation="relu", padding="same", name="first")(inputs)
    x = layers.BatchNormalization()(x)
    narrow = layers.Conv2D(4, 1, name="narrow")(x)
    x = layers.Concatenate()([narrow, x])
    x = layers.Conv2D(60, (2, 3), name="wide")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2)(x), name="small")


def small_weights(seed=0):
    """Codes, codebook and biases of each convolution; code 0 does not stand for the weight 0."""
    rng = np.random.default_rng(seed)
    weights = []
    for (outputs, *rest), density in zip(SHAPES, (0.6, 0.0, 0.1), strict=True):
        codes = rng.integers(1, 256, (outputs, *rest)) * (rng.random((outputs, *rest)) < density)
        codebook = rng.normal(size=256).astype("<f4")
        weights.append((codes, codebook, rng.normal(size=outputs).astype("<f4")))
    return weights


def entries_of(codes):
    """Return (code, gap) of every stored entry; code 0 fills gaps beyond 15."""
    entries, last = [], -1
    for position, code in enumerate(codes.ravel().tolist()):
        if code:
            while position - last > 16:
                entries.append((0, 15))
                last += 16
            entries.append((code, position - last - 1))
            last = position
    return entries


def encode(weights, extra_entries=()):
    """Return the sections of the file, in order."""
    all_entries = [entries_of(codes) for codes, _, _ in weights]
    all_entries[-1] += extra_entries
    sections = [struct.pack(f"<{len(weights)}I", *map(len, all_entries))]
    for (_, codebook, biases), entries in zip(weights, all_entries, strict=True):
        codes = bytes(code for code, _ in entries)
        gaps = [gap for _, gap in entries] + [0] * (len(entries) % 2)
        pairs = bytes(low + 16 * high for low, high in zip(gaps[::2], gaps[1::2], strict=True))
        sections += [codebook.tobytes(), biases.tobytes(), codes, pairs]
    return sections


def convolutions(network):
    return [layer for layer in network.layers if isinstance(layer, layers.Conv2D)]


def test_the_encoder_of_this_test_uses_all_that_the_format_has():
    layers_of_all = [entries_of(codes) for seed in range(4) for codes, _, _ in small_weights(seed)]
    assert {gap for entries in layers_of_all for _, gap in entries} == set(range(16))
    assert any((0, 15) in entries for entries in layers_of_all)  # a gap too long for one entry
    assert {len(entries) % 2 for entries in layers_of_all} == {0, 1}
    assert [] in layers_of_all


@pytest.mark.parametrize("seed", range(4))
def test_every_weight_comes_back(tmp_path, seed):
    network, weights = small_network(), small_weights(seed)
    path = tmp_path / "small.net"
    path.write_bytes(b"".join(encode(weights)))
    others = [
        layer.get_weights() for layer in network.layers if not isinstance(layer, layers.Conv2D)
    ]
    load_deep_compression(network, path)
    for layer, (codes, codebook, biases) in zip(convolutions(network), weights, strict=True):
        kernel, bias = layer.get_weights()
        for o, i, y, x in np.ndindex(codes.shape):
            assert kernel[y, x, i, o] == codebook[codes[o, i, y, x]]
        np.testing.assert_array_equal(bias, biases)
    untouched = [layer for layer in network.layers if not isinstance(layer, layers.Conv2D)]
    for layer, before in zip(untouched, others, strict=True):
        for weight, expected in zip(layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, expected)


def test_a_path_may_be_a_string(tmp_path):
    network = small_network()
    path = tmp_path / "small.net"
    path.write_bytes(b"".join(encode(small_weights())))
    load_deep_compression(network, str(path))
    np.testing.assert_array_equal(convolutions(network)[0].bias, small_weights()[0][2])


def refused(tmp_path, content, network=None):
    """Return the message with which a file is refused; the network must stay as it was."""
    network = network or small_network()
    before = network.get_weights()
    path = tmp_path / "broken.net"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.net") as caught:
        load_deep_compression(network, path)
    for weight, expected in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)
    return str(caught.value)


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path):
    sections = encode(small_weights())
    content = b"".join(sections)
    ends = np.cumsum([len(section) for section in sections])
    cuts = {0, 1, *(ends - 1), *ends[:-1], *(ends[:-1] + 1)} - {len(content)}
    assert len(cuts) > 20
    network = small_network()
    for cut in sorted(cuts):
        message = refused(tmp_path, content[:cut], network)
        assert "truncated" in message and f"the file has {cut:,}" in message


@pytest.mark.parametrize("excess", [1, 1000])
def test_bytes_after_the_last_layer_are_refused(tmp_path, excess):
    content = b"".join(encode(small_weights()))
    message = refused(tmp_path, content + bytes(excess))
    assert f"end at byte {len(content):,}, the file has {len(content) + excess:,}" in message


def test_an_entry_beyond_its_layer_is_refused(tmp_path):
    weights = small_weights()
    codes = weights[2][0]
    last = int(np.flatnonzero(codes)[-1])
    full, rest = divmod(codes.size - last, 16)  # steps to one weight beyond
    one_beyond = [(0, 15)] * full + ([(1, rest - 1)] if rest else [])
    message = refused(tmp_path, b"".join(encode(weights, one_beyond)))
    assert "corrupt" in message and "wide has 3,240 weights" in message
    assert message.endswith("stored for weight 3,240")


def test_an_entry_at_the_last_weight_is_accepted(tmp_path):
    weights = small_weights()
    weights[2][0].flat[-1] = 77
    path = tmp_path / "small.net"
    path.write_bytes(b"".join(encode(weights)))
    network = small_network()
    load_deep_compression(network, path)
    assert convolutions(network)[2].kernel[-1, -1, -1, -1] == weights[2][1][77]


def test_the_weights_of_another_network_are_refused(tmp_path):
    assert "broken.net" in refused(tmp_path, b"".join(encode(small_weights()[:2])))


def test_squeezenet_has_the_published_shape():
    network = build_squeezenet()
    assert network.count_params() == 1_248_424  # Iandola et al. (2016): 4.8 MB of float32
    assert len(convolutions(network)) == 26
    assert network.input_shape == (None, 227, 227, 3)
    assert network.output_shape == (None, 1000)
    sizes = {name: network.get_layer(name).output.shape[1] for name in ("pool1", "pool4", "pool8")}
    assert sizes == {"pool1": 55, "pool4": 27, "pool8": 13}
    assert network.get_layer("conv10").output.shape == (None, 15, 15, 1000)  # padded by one
    order = [layer.name for layer in convolutions(network)]
    assert order[:4] == ["conv1", "fire2_squeeze1x1", "fire2_expand1x1", "fire2_expand3x3"]
    assert order[-2:] == ["fire9_expand3x3", "conv10"]
