"""SqueezeNet v1.0 for ImageNet, and a reader of its Deep-Compression weight file.

References
----------
Iandola et al. (2016), SqueezeNet, arXiv:1602.07360.
Han, Mao, Dally (2016), Deep Compression, arXiv:1510.00149.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from itn.messages import UsageError

INPUT_SIZE = 227
SQUEEZE_WIDTHS = (16, 16, 32, 32, 48, 48, 64, 64)  # fire2 ... fire9
EXPAND_WIDTHS = (64, 64, 128, 128, 192, 192, 256, 256)  # of each expand branch
CHANNEL_MEANS_BGR = (104.0, 117.0, 123.0)  # on the scale 0 ... 255
CODEBOOK_SIZE = 256
BITS_PER_GAP = 4


def build_squeezenet(class_count: int = 1000) -> keras.Model:
    """Build SqueezeNet v1.0 with untrained weights."""
    inputs = layers.Input((INPUT_SIZE, INPUT_SIZE, 3))  # [N, 227, 227, 3]
    x = layers.Conv2D(96, 7, strides=2, activation="relu", name="conv1")(inputs)  # 111 x 111
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)  # [N, 55, 55, 96]
    for number, (squeeze, expand) in enumerate(zip(SQUEEZE_WIDTHS, EXPAND_WIDTHS, strict=True), 2):
        x = _fire(x, squeeze, expand, f"fire{number}")  # [N, h, w, 2 * expand]
        if number in (4, 8):
            x = layers.MaxPooling2D(3, strides=2, name=f"pool{number}")(x)  # 55 -> 27 -> 13
    x = layers.ZeroPadding2D(1, name="pad10")(x)  # [N, 15, 15, 512]
    x = layers.Conv2D(class_count, 1, activation="relu", name="conv10")(x)  # [N, 15, 15, K]
    logits = layers.GlobalAveragePooling2D(name="logits")(x)  # [N, K]
    return keras.Model(inputs, logits, name="squeezenet")


def _fire(x: keras.KerasTensor, squeeze: int, expand: int, name: str) -> keras.KerasTensor:
    x = layers.Conv2D(squeeze, 1, activation="relu", name=f"{name}_squeeze1x1")(x)
    narrow = layers.Conv2D(expand, 1, activation="relu", name=f"{name}_expand1x1")(x)
    wide = layers.Conv2D(expand, 3, padding="same", activation="relu", name=f"{name}_expand3x3")(x)
    return layers.Concatenate(name=f"{name}_concat")([narrow, wide])


def load_deep_compression(network: keras.Model, path: str | Path) -> None:
    """Fill a network's convolutions from a Deep-Compression file.

    The file is little-endian: the number of stored entries of each layer (uint32, in
    network order); then per layer a codebook of 256 float32, the biases (float32), one
    uint8 code per stored entry, and the 4-bit gaps between stored entries, two a byte and
    the low half first. Entry k sits at position ``sum(gap_j + 1 for j <= k) - 1`` of the
    flattened Caffe weight ``[out, in, height, width]``; all other positions hold code 0.
    """
    convolutions = [layer for layer in network.layers if isinstance(layer, layers.Conv2D)]
    data = Path(path).read_bytes()
    position = 0

    def read(dtype: str, count: int, what: str) -> np.ndarray:
        nonlocal position
        start, position = position, position + count * np.dtype(dtype).itemsize
        if position > len(data):
            raise UsageError(
                f"{path}: truncated weight file: {what} ends at byte {position:,}, "
                f"the file has {len(data):,}"
            )
        return np.frombuffer(data[start:position], dtype)

    entry_counts = read("<u4", len(convolutions), "the table of layer sizes")
    weights = []
    for layer, entry_count in zip(convolutions, entry_counts.tolist(), strict=True):
        height, width, inputs, outputs = layer.kernel.shape
        codebook = read("<f4", CODEBOOK_SIZE, f"the codebook of {layer.name}")
        bias = read("<f4", outputs, f"the biases of {layer.name}")
        codes = read("u1", entry_count, f"the codes of {layer.name}")
        pairs = read("u1", (entry_count + 1) // 2, f"the gaps of {layer.name}")
        gaps = np.stack([pairs & 15, pairs >> BITS_PER_GAP], axis=1).reshape(-1)[:entry_count]
        positions = np.cumsum(gaps.astype(np.int64) + 1) - 1
        size = outputs * inputs * height * width
        if entry_count and positions[-1] >= size:
            raise UsageError(
                f"{path}: corrupt weight file: {layer.name} has {size:,} weights, "
                f"an entry is stored for weight {positions[-1]:,}"
            )
        dense = np.zeros(size, np.uint8)
        dense[positions] = codes
        kernel = codebook[dense].reshape(outputs, inputs, height, width)
        weights.append((kernel.transpose(2, 3, 1, 0), bias))
    if position != len(data):
        raise UsageError(
            f"{path}: its layers end at byte {position:,}, the file has {len(data):,}: "
            f"not a weight file of {network.name}"
        )
    for layer, layer_weights in zip(convolutions, weights, strict=True):
        layer.set_weights(layer_weights)
