"""ResNet V1 with bottleneck units as in TF-Slim, and a reader of its checkpoints.

References
----------
He et al. (2015), Deep Residual Learning for Image Recognition, arXiv:1512.03385.
"""

import glob
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from keras import layers

from itn.messages import UsageError
from itn.probing import reason
from itn.warp import Tensor
from itn.zoo.recipes import CHECKPOINT_PART

EXPANSION = 4  # channels that leave a unit, per channel in its middle
BATCH_NORM_EPSILON = 1e-5
LOGITS = "/logits/weights"  # every ResNet of TF-Slim has it
SLIM_NAMES = {"kernel": "weights", "bias": "biases"}  # what TF-Slim calls Keras' variables


def build_resnet_v1(
    class_count: int = 1000,
    *,
    input_size: int = 224,
    units: Sequence[int] = (3, 4, 23, 3),
    depths: Sequence[int] = (64, 128, 256, 512),
    root_filters: int = 64,
    root_size: int = 7,
    root_stride: int = 2,
    root_pooling: bool = True,
    momentum: float = 0.997,
    seed: int = 0,
    name: str = "resnet_v1_101",
) -> keras.Model:
    """Build a ResNet V1 with untrained weights.

    The defaults are TF-Slim's ResNet V1 101. As there, the last unit of every block but the
    last block halves the picture, and convolutions with a stride pad alike on both sides.
    """
    layer_count = 2 + 4 * sum(units)  # at most
    seeds = map(int, np.random.SeedSequence(seed).generate_state(layer_count))

    def convolution(
        x: Tensor, filters: int, size: int, scope: str, stride: int = 1, relu: bool = True
    ) -> Tensor:
        if stride > 1 and size > 1:  # TF's own "same" would pad an even picture unevenly
            padding = ((size - 1) // 2, size // 2)
            x = layers.ZeroPadding2D((padding, padding), name=f"{scope}.pad")(x)
        x = layers.Conv2D(
            filters,
            size,
            stride,
            padding="same" if stride == 1 else "valid",
            use_bias=False,
            kernel_initializer=keras.initializers.HeNormal(next(seeds)),
            name=scope,
        )(x)
        x = layers.BatchNormalization(
            momentum=momentum, epsilon=BATCH_NORM_EPSILON, name=f"{scope}.BatchNorm"
        )(x)
        return layers.ReLU(name=f"{scope}.relu")(x) if relu else x

    def bottleneck(x: Tensor, depth: int, stride: int, scope: str) -> Tensor:  # [N, h, w, c]
        if x.shape[-1] != EXPANSION * depth:
            shortcut = convolution(
                x, EXPANSION * depth, 1, f"{scope}.shortcut", stride, relu=False
            )  # [N, h / stride, w / stride, 4 * depth]
        elif stride > 1:
            shortcut = layers.MaxPooling2D(1, stride, name=f"{scope}.subsample")(x)
        else:
            shortcut = x
        x = convolution(x, depth, 1, f"{scope}.conv1")  # [N, h, w, depth]
        x = convolution(x, depth, 3, f"{scope}.conv2", stride)  # [N, h / stride, w / stride, depth]
        x = convolution(x, EXPANSION * depth, 1, f"{scope}.conv3", relu=False)  # 4 * depth
        x = layers.Add(name=f"{scope}.add")([shortcut, x])
        return layers.ReLU(name=f"{scope}.relu")(x)  # [N, h / stride, w / stride, 4 * depth]

    # The shapes are those of the defaults.
    inputs = layers.Input((input_size, input_size, 3), name="pictures")  # [N, 224, 224, 3]
    x = convolution(inputs, root_filters, root_size, "conv1", root_stride)  # [N, 112, 112, 64]
    if root_pooling:
        x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)  # [N, 56, 56, 64]
    for block, (count, depth) in enumerate(zip(units, depths, strict=True), 1):
        for unit in range(1, count + 1):
            stride = 2 if unit == count and block < len(units) else 1
            x = bottleneck(x, depth, stride, f"block{block}.unit_{unit}.bottleneck_v1")
        # after block 1 to 4: [N, 28, 28, 256], [N, 14, 14, 512], [N, 7, 7, 1024], [N, 7, 7, 2048]
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool5")(x)  # [N, 1, 1, 2048]
    initializer = keras.initializers.GlorotUniform(next(seeds))
    x = layers.Conv2D(class_count, 1, kernel_initializer=initializer, name="logits")(x)
    logits = layers.Flatten(name="squeeze")(x)  # [N, K]
    return keras.Model(inputs, logits, name=name)


def load_slim_checkpoint(network: keras.Model, path: str | Path) -> None:
    """Fill a network from a TF-Slim checkpoint; needs TensorFlow, on every backend."""
    import tensorflow as tf  # nothing else in the package does

    path = Path(CHECKPOINT_PART.sub("", str(path)))
    index = path.with_name(f"{path.name}.index")
    data = sorted(path.parent.glob(f"{glob.escape(path.name)}.data-*-of-*"))
    if not path.exists() and index.is_file() != bool(data):
        there, missing = (index, "its .data file") if not data else (data[0], "its .index file")
        raise UsageError(f"{there} is there, but {missing} is missing")
    part = index if index.is_file() else path
    try:
        reader = tf.train.load_checkpoint(str(path))
        shapes = reader.get_variable_to_shape_map()
        roots = [name.removesuffix(LOGITS) for name in shapes if name.endswith(LOGITS)]
        if len(roots) != 1:
            raise UsageError(f"{path}: not one ResNet of TF-Slim: {len(roots)} × *{LOGITS}")
        variables = {
            "/".join([roots[0], *layer.name.split("."), SLIM_NAMES.get(each.name, each.name)]): each
            for layer in network.layers
            for each in layer.variables
        }
        kinds = {name.rpartition("/")[2] for name in variables}
        problems = [f"{name} is missing" for name in variables if name not in shapes]
        problems += [  # not counting what an optimizer or a moving average has left there
            f"{name} is not in {network.name}"
            for name in sorted(shapes)
            if name not in variables and name.rpartition("/")[2] in kinds
        ]
        problems += [
            f"{name} has shape {shapes[name]} instead of {list(variable.shape)}"
            for name, variable in variables.items()
            if name in shapes and tuple(shapes[name]) != tuple(variable.shape)
        ]
        if problems:
            more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
            raise UsageError(f"{path} does not fit {network.name}: {'; '.join(problems[:3])}{more}")
        part = data[0] if data else path
        values = {name: reader.get_tensor(name) for name in variables}
    except tf.errors.NotFoundError as error:
        raise UsageError(f"no TensorFlow checkpoint {path}") from error
    except (tf.errors.OpError, IndexError) as error:  # the latter where data ends too early
        raise UsageError(f"{part}: damaged checkpoint: {reason(error)}") from error
    for name, variable in variables.items():
        variable.assign(values[name])
