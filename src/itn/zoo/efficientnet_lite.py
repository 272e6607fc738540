"""EfficientNet-Lite0, -Lite1 and -Lite2 for ImageNet, filled from their PyTorch weights.

References
----------
Tan, Le (2019), EfficientNet: Rethinking Model Scaling for CNNs, arXiv:1905.11946.
Liu (2020), Higher Accuracy on Vision Models with EfficientNet-Lite, TensorFlow blog.
"""

import math
from pathlib import Path
from typing import NamedTuple

import keras
from keras import layers

from itn.messages import UsageError
from itn.warp import Tensor
from itn.zoo.pytorch_files import Array, read_pytorch_file

STEM_FILTERS, HEAD_FILTERS = 32, 1280  # which, in the Lite networks, are not scaled
BATCH_NORM_EPSILON = 1e-3
WIDTH_UNIT = 8  # scaled widths are multiples of it


class Stage(NamedTuple):
    """Blocks that follow each other, of EfficientNet-B0."""

    repeats: int
    size: int  # of the depthwise kernel
    stride: int  # of the first block; the others have 1
    expansion: int
    filters: int


class Scale(NamedTuple):
    """What makes a larger network of the smallest."""

    width: float
    depth: float
    input_size: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
SCALES = (Scale(1.0, 1.0, 224), Scale(1.0, 1.1, 240), Scale(1.1, 1.2, 260))
PYTORCH_NAMES = {  # what PyTorch calls Keras' variables
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
COUNTER = "num_batches_tracked"  # of training, which PyTorch keeps with each normalization


def build_efficientnet_lite(size: int, class_count: int = 1000) -> keras.Model:
    """Build EfficientNet-Lite0, -Lite1 or -Lite2 with kernels of zeros, to be filled.

    They are EfficientNets without squeeze and excitation, with ReLU6 in place of swish, whose
    stem and head, first and last stage stay as they are when the rest is made larger.
    """
    scale, number = SCALES[size], 0
    # The shapes are those of Lite0.
    inputs = layers.Input((scale.input_size, scale.input_size, 3), name="pictures")
    x = _convolution(inputs, STEM_FILTERS, 3, 2, name="conv_stem")  # [N, 112, 112, 32]
    x = _normalized(x, "bn0")
    for stage in STAGES:
        repeats = stage.repeats
        if stage not in (STAGES[0], STAGES[-1]):
            repeats = math.ceil(scale.depth * repeats)
        for repeat in range(repeats):
            stride = 1 if repeat else stage.stride
            x = _block(x, stage, stride, _scaled(stage.filters, scale.width), f"blocks.{number}")
            number += 1
        # after each: 112 x 112, 56 x 56, 28 x 28, 14 x 14, 14 x 14, 7 x 7, and [N, 7, 7, 320]
    x = _convolution(x, HEAD_FILTERS, 1, name="conv_head")  # [N, 7, 7, 1280]
    x = _normalized(x, "bn1")
    x = layers.GlobalAveragePooling2D(name="pooling")(x)  # [N, 1280]
    logits = layers.Dense(class_count, kernel_initializer="zeros", name="fc")(x)  # [N, K]
    return keras.Model(inputs, logits, name=f"efficientnet_lite{size}")


def _block(x: Tensor, stage: Stage, stride: int, filters: int, name: str) -> Tensor:
    """Widen, filter each channel by itself, narrow: the inverted bottleneck of MobileNet V2."""
    shortcut, channels = x, x.shape[-1]  # [N, h, w, channels]
    if stage.expansion > 1:
        x = _convolution(x, channels * stage.expansion, 1, name=f"{name}.expand_conv")
        x = _normalized(x, f"{name}.bn0")  # [N, h, w, expansion * channels]
    x = layers.DepthwiseConv2D(
        stage.size,
        stride,
        padding="same",
        use_bias=False,
        depthwise_initializer="zeros",
        name=f"{name}.depthwise_conv",
    )(x)
    x = _normalized(x, f"{name}.bn1")  # [N, h / stride, w / stride, expansion * channels]
    x = _convolution(x, filters, 1, name=f"{name}.project_conv")
    x = _normalized(x, f"{name}.bn2", relu=False)  # [N, h / stride, w / stride, filters]
    if stride == 1 and channels == filters:
        x = layers.Add(name=f"{name}.add")([shortcut, x])
    return x


def _convolution(x: Tensor, filters: int, size: int, stride: int = 1, *, name: str) -> Tensor:
    return layers.Conv2D(
        filters,
        size,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="zeros",  # JAX would take ten seconds to draw what is replaced
        name=name,
    )(x)


def _normalized(x: Tensor, name: str, relu: bool = True) -> Tensor:
    x = layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=name)(x)
    return layers.ReLU(6, name=f"{name}.relu")(x) if relu else x


def _scaled(filters: int, width: float) -> int:
    """Scale a number of channels to a multiple of 8, not below nine tenths of what it should be."""
    wanted = filters * width
    rounded = int(wanted / WIDTH_UNIT + 0.5) * WIDTH_UNIT
    return rounded if rounded >= 0.9 * wanted else rounded + WIDTH_UNIT


def load_pytorch_weights(network: keras.Model, path: str | Path) -> None:
    """Fill a network from a file of its PyTorch weights."""
    found = {
        name: _in_keras(name, array)
        for name, array in read_pytorch_file(path).items()
        if not name.endswith(COUNTER)
    }
    variables = {
        _in_pytorch(layer.name, variable.name): variable
        for layer in network.layers
        for variable in layer.variables
    }
    problems = [f"{name} is missing" for name in variables if name not in found]
    problems += [f"{name!r} is not in {network.name}" for name in found if name not in variables]
    problems += [
        f"{name} has shape {list(found[name].shape)} instead of {list(variable.shape)}"
        for name, variable in variables.items()
        if name in found and found[name].shape != tuple(variable.shape)
    ]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UsageError(f"{path} does not fit {network.name}: {'; '.join(problems[:3])}{more}")
    for name, variable in variables.items():
        variable.assign(found[name])


def _in_pytorch(layer: str, variable: str) -> str:
    """Return what PyTorch calls a variable: ``_blocks.0._bn1.running_var``, for instance."""
    parts = [part if part.isdecimal() else f"_{part}" for part in layer.split(".")]
    return ".".join([*parts, PYTORCH_NAMES[variable]])


def _in_keras(name: str, array: Array) -> Array:
    """Reorder the axes of a kernel, which are outputs, inputs, height, width."""
    if array.ndim == 4:
        return array.transpose(2, 3, 0, 1) if "depthwise" in name else array.transpose(2, 3, 1, 0)
    return array.T
