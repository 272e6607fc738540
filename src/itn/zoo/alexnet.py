"""AlexNet, for ImageNet at 227 pixels and for small pictures.

References
----------
Krizhevsky, Sutskever, Hinton (2012), ImageNet Classification with Deep CNNs, NIPS.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from itn.messages import UsageError
from itn.warp import Tensor
from itn.zoo.weight_files import read_caffemodel, read_npy_dictionary


def build_alexnet(
    class_count: int = 1000,
    *,
    input_size: int = 227,
    filters: Sequence[int] = (96, 256, 384, 384, 256),
    units: Sequence[int] = (4096, 4096),
    groups: int = 2,
    conv1_size: int = 11,
    conv1_stride: int = 4,
    conv1_padding: str = "valid",
    dropout: float = 0.5,
    seed: int = 0,
    name: str = "alexnet",
) -> keras.Model:
    """Build AlexNet with untrained weights.

    The defaults are the network of Caffe (BVLC), which normalizes before it pools.
    """
    seeds = map(int, np.random.SeedSequence(seed).generate_state(10))  # one a layer

    def convolution(x: Tensor, number: int, size: int, groups: int = 1, **options: Any) -> Tensor:
        return GroupedConv2D(
            filters[number - 1],
            size,
            groups=groups,
            activation="relu",
            kernel_initializer=keras.initializers.HeNormal(next(seeds)),
            name=f"conv{number}",
            **{"padding": "same"} | options,
        )(x)

    def dense(x: Tensor, width: int, name: str, activation: str | None = "relu") -> Tensor:
        initializer = keras.initializers.HeNormal(next(seeds))
        return layers.Dense(width, activation, kernel_initializer=initializer, name=name)(x)

    # The shapes are those of the defaults.
    inputs = layers.Input((input_size, input_size, 3), name="pictures")  # [N, 227, 227, 3]
    x = convolution(inputs, 1, conv1_size, strides=conv1_stride, padding=conv1_padding)  # 55 x 55
    x = LocalResponseNormalization(name="norm1")(x)  # [N, 55, 55, 96]
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)  # [N, 27, 27, 96]
    x = convolution(x, 2, 5, groups)  # [N, 27, 27, 256]
    x = LocalResponseNormalization(name="norm2")(x)  # [N, 27, 27, 256]
    x = layers.MaxPooling2D(3, strides=2, name="pool2")(x)  # [N, 13, 13, 256]
    x = convolution(x, 3, 3)  # [N, 13, 13, 384]
    x = convolution(x, 4, 3, groups)  # [N, 13, 13, 384]
    x = convolution(x, 5, 3, groups)  # [N, 13, 13, 256]
    x = layers.MaxPooling2D(3, strides=2, name="pool5")(x)  # [N, 6, 6, 256]
    x = layers.Flatten(name="flatten")(x)  # [N, 9216]
    x = dense(x, units[0], "fc6")  # [N, 4096]
    x = layers.Dropout(dropout, seed=next(seeds), name="drop6")(x)
    x = dense(x, units[1], "fc7")  # [N, 4096]
    x = layers.Dropout(dropout, seed=next(seeds), name="drop7")(x)
    logits = dense(x, class_count, "fc8", activation=None)  # [N, K]
    return keras.Model(inputs, logits, name=name)


def load_bvlc_weights(network: keras.Model, path: str | Path) -> None:
    """Fill a network from Caffe's file or from its port to NumPy."""
    readers = {".caffemodel": read_caffemodel, ".npy": read_npy_dictionary}
    suffix = Path(path).suffix
    if suffix not in readers:
        raise UsageError(f"{path}: AlexNet reads {' and '.join(readers)}")
    found = readers[suffix](path)
    map_shape = network.get_layer("flatten").input.shape[1:]
    weights = {}
    for layer in network.layers:
        if not layer.weights:
            continue
        arrays = found.get(layer.name, [])
        if suffix == ".caffemodel" and len(arrays) == 2:
            arrays = _from_caffe(arrays, layer.kernel.shape, map_shape)
        shapes = [tuple(variable.shape) for variable in layer.weights]
        if (given := [array.shape for array in arrays]) != shapes:
            raise UsageError(
                f"{path} does not fit {network.name}: {layer.name} has the shapes "
                f"{given} instead of {shapes}"
            )
        weights[layer] = arrays
    for layer, arrays in weights.items():
        layer.set_weights(arrays)


def _from_caffe(
    arrays: Sequence[npt.NDArray[np.float32]], kernel_shape: Sequence[int], map_shape: Sequence[int]
) -> list[npt.NDArray[np.float32]]:
    """Reorder a kernel's axes; the map before fc6 Caffe flattens as channel, height, width."""
    kernel, bias = arrays[0], arrays[1].reshape(-1)
    *inputs, outputs = kernel_shape
    height, width, channels = map_shape
    if len(inputs) == 1 and kernel.size == np.prod(kernel_shape):
        if inputs[0] != height * width * channels:
            height, width, channels = 1, 1, inputs[0]
        kernel = kernel.reshape(outputs, channels, height, width).transpose(2, 3, 1, 0)
        return [kernel.reshape(-1, outputs), bias]
    return [kernel.transpose(*range(2, kernel.ndim), 1, 0), bias]


@keras.saving.register_keras_serializable("itn")
class GroupedConv2D(layers.Conv2D):
    """A `keras.layers.Conv2D` whose groups also train on a CPU.

    TensorFlow has no gradient for grouped convolutions there, so each group is convolved by
    itself. The kernel is Caffe's, ``[height, width, inputs / groups, outputs]``.
    """

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Convolve each group of channels by itself."""
        if self.groups == 1:
            stride = self.strides[0]
            if stride == 1 or self.strides != (stride, stride) or self.dilation_rate != (1, 1):
                return super().convolution_op(inputs, kernel)
            outputs = super().convolution_op(ops.stop_gradient(inputs), kernel)
            return _with_input_gradient(outputs, inputs, kernel, stride, self.padding)
        pairs = zip(
            ops.split(inputs, self.groups, axis=-1),
            ops.split(kernel, self.groups, axis=-1),
            strict=True,
        )
        return ops.concatenate([super(GroupedConv2D, self).convolution_op(*p) for p in pairs], -1)


def _with_input_gradient(
    outputs: Tensor, inputs: Tensor, kernel: Tensor, stride: int, padding: str
) -> Tensor:
    """Return the outputs of a convolution, with their gradient in the inputs written out.

    Blocks of stride x stride pixels count as one pixel with more channels, which leaves a
    convolution without stride. From maps to 3 channels that takes a third of the time of
    TensorFlow's own gradient on a CPU, with which a training step of an Invariant Transformer
    Net would take 1.3 times as long as one of the small AlexNet alone, instead of 1.06.
    """
    sides, channels = inputs.shape[1:3], inputs.shape[3]
    size, blocks = kernel.shape[0], -(-kernel.shape[0] // stride)
    reach = [(side - 1) * stride + size for side in outputs.shape[1:3]]
    before = [
        max(r - n, 0) // 2 if padding == "same" else 0 for r, n in zip(reach, sides, strict=True)
    ]

    def input_gradient(upstream: Tensor, kernel: Tensor) -> Tensor:
        whole = ops.pad(kernel, (*[(0, blocks * stride - size)] * 2, (0, 0), (0, 0)))
        whole = ops.reshape(whole, (blocks, stride, blocks, stride, channels, -1))
        turned = ops.transpose(ops.flip(whole, (0, 2)), (0, 2, 5, 1, 3, 4))
        turned = ops.reshape(turned, (blocks, blocks, -1, stride * stride * channels))
        found = ops.conv(ops.pad(upstream, ((0, 0), *[(blocks - 1,) * 2] * 2, (0, 0))), turned)
        found = ops.reshape(found, (-1, *found.shape[1:3], stride, stride, channels))
        found = ops.transpose(found, (0, 1, 3, 2, 4, 5))  # [N, rows, stride, columns, stride, C]
        rows, columns = found.shape[1], found.shape[3]
        found = ops.reshape(found, (-1, rows * stride, columns * stride, channels))
        found = found[:, before[0] : before[0] + sides[0], before[1] : before[1] + sides[1]]
        # Pixels that no window reaches have no gradient.
        missing = [(0, n - m) for n, m in zip(sides, found.shape[1:3], strict=True)]
        return ops.pad(found, ((0, 0), *missing, (0, 0)))

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def passed_on(outputs: Tensor, inputs: Tensor, kernel: Tensor) -> Any:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return upstream, input_gradient(upstream, kernel), ops.zeros_like(kernel)

        return outputs, gradients

    return passed_on(outputs, inputs, kernel)


@keras.saving.register_keras_serializable("itn")
class LocalResponseNormalization(layers.Layer):
    """Divide each value by the energy of its neighbor channels, in Caffe's convention.

    ``x / (k + alpha / size * s) ** beta`` with s the sum of ``x ** 2`` over `size` channels
    around this one; missing channels count as 0. `tf.nn.local_response_normalization` calls
    ``alpha / size`` its alpha.
    """

    def __init__(
        self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def call(self, inputs: Tensor) -> Tensor:
        """Normalize."""
        # Neither slices nor a power: they would take two thirds of the time of a 64 px AlexNet.
        channel = np.arange(inputs.shape[-1])
        nearby = np.abs(channel[:, None] - channel) <= self.size // 2
        values = ops.cast(inputs, "float32")  # squares leave the range of float16
        energy = ops.matmul(ops.square(values), nearby.astype(np.float32))
        shares = ops.exp(-self.beta * ops.log(self.k + self.alpha / self.size * energy))
        return ops.cast(values * shares, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        config: dict[str, Any] = super().get_config()
        return config | {"size": self.size, "alpha": self.alpha, "beta": self.beta, "k": self.k}
