"""A small encoder that tells the transformers what is in a picture."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from itn.warp import Tensor

ENCODED_SIZE = 32  # pixels at least, to which pictures are averaged before
FILTERS = (16, 32)  # of the convolutions
SMALLEST_SPREAD = 1e-4  # of what is worth to be standardized


@keras.saving.register_keras_serializable("itn")
class PictureEncoder(layers.Layer):
    """Turn each picture into a few features in [-1, 1], by itself.

    The picture is averaged over blocks to 32 to 63 pixels. Two convolutions, 3 x 3 with stride 2
    and rectified linear units, follow, then the mean and the maximum over all places. `adapt`
    measures, once, before the training, how these are distributed over its pictures; from then on
    they are standardized. What is learned is the dense layer behind them, without a bias, before
    a tanh. Nothing depends on the other pictures of a batch.

    The filters of the convolutions are drawn, and stay. If they were learned, or if there were a
    bias, the loss that rewards displacement could make the features large and the same for all
    pictures: that moves things as far, and needs no look at them. As it is, the features of the
    pictures to learn from stay different, about 0, whatever the dense layer learns.
    """

    def __init__(self, features: int, *, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32"} | kwargs)  # whatever the global policy says
        self.features, self.seed = int(features), int(seed)

    def build(self, images_shape: Any) -> None:
        """Make the weights."""
        seeds = iter(np.random.SeedSequence(self.seed).generate_state(len(FILTERS) + 1).tolist())
        self.block = max(1, min(images_shape[1:3]) // ENCODED_SIZE)
        channels = images_shape[-1]
        self.convolutions = []
        for index, filters in enumerate(FILTERS, start=1):
            convolution = layers.Conv2D(
                filters, 3, 2, "same", activation="relu", name=f"convolution_{index}",
                kernel_initializer=keras.initializers.HeNormal(next(seeds)),
                dtype=self.dtype_policy, trainable=False,
            )  # fmt: skip
            convolution.build((None, None, None, channels))
            self.convolutions.append(convolution)
            channels = filters
        self.dense = layers.Dense(
            self.features,
            "tanh",
            use_bias=False,
            kernel_initializer=keras.initializers.GlorotNormal(next(seeds)),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.dense.build((None, 2 * channels))
        self.center, self.spread = (
            self.add_weight(
                shape=(2 * channels,), initializer=first, trainable=False, name=f"pooled_{name}"
            )
            for name, first in (("center", "zeros"), ("spread", "ones"))
        )
        self.built = True

    def call(self, images: Tensor) -> Tensor:
        """Return the features [N, F] of pictures."""
        return self.dense((self.pooled(images) - self.center) / self.spread)

    @property
    def is_adapted(self) -> bool:
        """Whether the encoder knows how pictures are distributed."""
        return bool(np.any(ops.convert_to_numpy(self.center)))

    def adapt(self, pooled: np.ndarray) -> None:
        """Standardize, from now on, what is `pooled` [N, 64] as it is distributed here."""
        deviation = pooled.std(axis=0)
        self.center.assign(pooled.mean(axis=0))
        self.spread.assign(np.where(deviation > SMALLEST_SPREAD, deviation, 1.0))

    def pooled(self, images: Tensor) -> Tensor:
        """Return mean and maximum [N, 64] of what the convolutions see, without a gradient."""
        maps = 2 * ops.cast(images, self.compute_dtype) - 1
        if self.block > 1:
            maps = ops.average_pool(maps, self.block, self.block)
        for convolution in self.convolutions:
            maps = convolution(maps)
        both = ops.mean(maps, axis=(1, 2)), ops.max(maps, axis=(1, 2))
        return ops.stop_gradient(ops.concatenate(both, axis=-1))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        config: dict[str, Any] = super().get_config()
        return config | {"features": self.features, "seed": self.seed}
