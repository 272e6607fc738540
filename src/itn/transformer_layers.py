"""The layers of the Invariant Transformer Net: control vectors steer what happens to pictures.

Each turns a control vector into a matrix by two dense layers, and says how far that matrix moves
things. What a control vector is joined to, if anything, are the features of the picture.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from itn.local_filter import local_filter
from itn.messages import UsageError, shown
from itn.motions import check_motion, motion_at_rest, motion_matrix
from itn.warp import Tensor, affine_warp, check_fill, in_pixels, recolor

NEAR_IDENTITY = 1e-6  # standard deviation of the last weights; at 0 the losses have no slope
HIDDEN_UNITS = 32  # of the first dense layer
KERNEL_SIZES = (3, 5)  # pixels


class _Transformer(layers.Layer):
    """What the transformers share: control vector -> matrix, and how far that moves things.

    ``reshape(W2 relu(W1 control + b1) + b2)``, where b2 starts as the identity. Where the picture
    has a say, its features stand behind the control values in what is called `control`.
    """

    rows: int
    columns: int

    def __init__(
        self, control_dim: int, *, feature_dim: int = 0, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**{"dtype": "float32"} | kwargs)  # whatever the global policy says
        if control_dim < 1:
            raise UsageError(f"{self.name} needs at least one control value, got {control_dim}")
        self.control_dim, self.seed = int(control_dim), int(seed)
        self.feature_dim = int(feature_dim)

    def build(self, images_shape: Any, control_shape: Any) -> None:
        """Make the weights."""
        inputs = self.control_dim + self.feature_dim
        if control_shape[-1] != inputs:
            features = f" and {self.feature_dim} features" if self.feature_dim else ""
            raise UsageError(
                f"{self.name} has {self.control_dim} control values{features}, "
                f"got {control_shape[-1]}"
            )
        seeds = map(int, np.random.SeedSequence(self.seed).generate_state(3))
        self.hidden = layers.Dense(
            HIDDEN_UNITS,
            "relu",
            kernel_initializer=keras.initializers.HeNormal(next(seeds)),
            dtype=self.dtype_policy,
            name="hidden",
        )
        at_rest = self.at_rest()
        self.entries = layers.Dense(
            at_rest.size,
            kernel_initializer=keras.initializers.RandomNormal(0, NEAR_IDENTITY, next(seeds)),
            bias_initializer=lambda shape, dtype: ops.cast(at_rest, dtype),
            dtype=self.dtype_policy,
            name="entries",
        )
        self.hidden.build((None, inputs))
        self.entries.build((None, HIDDEN_UNITS))
        shape = (self.control_dim, self.columns)
        vectors = np.random.default_rng(next(seeds)).standard_normal(shape)
        lengths = ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True))
        self.vectors = self.add_weight(
            shape=shape,
            initializer=lambda shape, dtype: ops.cast(vectors / lengths, dtype),
            trainable=False,
            name="vectors",
        )
        self.built = True

    def identity(self) -> np.ndarray:
        """Return the matrix that moves nothing."""
        return np.eye(self.rows, self.columns)

    def at_rest(self) -> np.ndarray:
        """Return what the last dense layer has to say for the identity."""
        return self.identity().reshape(-1)

    def matrix(self, control: Tensor) -> Tensor:
        """Return the matrices of control vectors."""
        return self.arranged(self.entries(self.hidden(control)))

    def arranged(self, entries: Tensor) -> Tensor:
        """Return the matrices of what the last dense layer says."""
        return ops.reshape(entries, (-1, self.rows, self.columns))

    def displacement_loss(self, control: Tensor) -> Tensor:
        """Return the loss that rewards moving things far: ``-1/p Σ_i α_i ‖Â(α) v_i - v_i‖``.

        Â is the matrix with the row (0, …, 0, 1), which moves nothing; each of the p control
        values has a random unit vector v_i, in homogeneous coordinates. The mean over pictures.
        """
        identity = self.identity().astype("float32")
        moved = ops.einsum("nrc,pc->npr", self.matrix(control) - identity, self.vectors)
        squares = ops.sum(ops.square(moved), axis=-1)
        # The root has no slope at 0, where a transformer that was set to the identity starts.
        distance = ops.sqrt(ops.maximum(squares, 1e-24))
        return -ops.mean(control[:, : self.control_dim] * distance)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        config: dict[str, Any] = super().get_config()
        own = {"control_dim": self.control_dim, "feature_dim": self.feature_dim}
        return config | own | {"seed": self.seed}


@keras.saving.register_keras_serializable("itn")
class SpatialTransformer(_Transformer):
    """Warp pictures by an affine matrix A(α), 2 x 3, that a control vector α steers.

    It maps where a pixel is written to where it is read, in coordinates that run from -1 to 1 over
    the picture, x right and y down. What lies outside is told by `fill`, see `itn.affine_warp`.
    What the dense layers say are the entries of A, or, with another `motion` than "free", turn,
    scale, shear and shift, see `itn.motions`.
    """

    rows, columns = 2, 3

    def __init__(
        self, control_dim: int, *, fill: str = "zeros", motion: str = "free", **kwargs: Any
    ) -> None:
        check_fill(fill)
        check_motion(motion)
        super().__init__(control_dim, **kwargs)
        self.fill, self.motion = fill, motion

    def at_rest(self) -> np.ndarray:
        """Return what the last dense layer has to say for the identity."""
        return motion_at_rest(self.motion)

    def arranged(self, entries: Tensor) -> Tensor:
        """Return the matrices of what the last dense layer says."""
        return motion_matrix(entries, self.motion)

    def call(self, images: Tensor, control: Tensor) -> Tensor:
        """Warp each picture by the matrix of its control vector."""
        return self.warped(images, self.matrix(control))

    def warped(self, images: Tensor, matrix: Tensor) -> Tensor:
        """Warp each picture by its matrix."""
        return affine_warp(images, in_pixels(matrix, images.shape), self.fill)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        return super().get_config() | {"fill": self.fill, "motion": self.motion}


@keras.saving.register_keras_serializable("itn")
class ColorTransformer(_Transformer):
    """Multiply colors by a matrix C(β), 3 x 4, that a control vector β steers.

    It acts on the homogeneous color ``(R, G, B, 1)``, so that shifts of brightness are included.
    """

    rows, columns = 3, 4

    def call(self, images: Tensor, control: Tensor) -> Tensor:
        """Recolor each picture by the matrix of its control vector."""
        return recolor(images, self.matrix(control))


@keras.saving.register_keras_serializable("itn")
class KernelTransformer(_Transformer):
    """Filter each color channel by a k x k kernel, K(γ), that a control vector γ steers.

    As a matrix, K is 3 x k²: a row for each channel, with the kernel's rows one after the other,
    as `itn.local_filter.local_filter` takes them. The identity has a 1 at the center. Displacement
    is measured as for the other matrices, ``‖K(γ) v_i - I v_i‖``, where the v_i are unit vectors in
    the space of patches of k x k pixels: how far the filter carries the middle of a patch.

    With `keep_sum` the mean of ``K - I`` is taken from each kernel, so that its sum is 1: the
    color of an even surface stays. Otherwise the kernel may change contrast as well.
    """

    rows = 3

    def __init__(
        self,
        control_dim: int,
        *,
        size: int = 3,
        keep_sum: bool = True,
        fill: str = "zeros",
        **kwargs: Any,
    ) -> None:
        check_fill(fill)
        if size not in KERNEL_SIZES:
            raise UsageError(f"a kernel's size must be one of {KERNEL_SIZES}, got {shown(size)}")
        super().__init__(control_dim, **kwargs)
        self.size, self.keep_sum, self.fill = int(size), bool(keep_sum), fill
        self.columns = self.size**2

    def identity(self) -> np.ndarray:
        """Return the matrix that moves nothing."""
        return np.tile(np.arange(self.columns) == self.columns // 2, (self.rows, 1)).astype(float)

    def arranged(self, entries: Tensor) -> Tensor:
        """Return the matrices of what the last dense layer says."""
        matrix = super().arranged(entries)
        if not self.keep_sum:
            return matrix
        identity = self.identity().astype("float32")
        change = matrix - identity
        return identity + change - ops.mean(change, axis=-1, keepdims=True)

    def kernels(self, control: Tensor) -> Tensor:
        """Return the kernels [N, 3, k, k] of control vectors."""
        return ops.reshape(self.matrix(control), (-1, self.rows, self.size, self.size))

    def call(self, images: Tensor, control: Tensor) -> Tensor:
        """Filter each picture by the kernels of its control vector."""
        return self.filtered(images, self.kernels(control))

    def filtered(self, images: Tensor, kernels: Tensor) -> Tensor:
        """Filter each picture by its kernels."""
        return local_filter(images, kernels, self.fill)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        own = {"size": self.size, "keep_sum": self.keep_sum, "fill": self.fill}
        return super().get_config() | own
