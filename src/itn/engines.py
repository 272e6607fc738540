"""How the engines behind Keras compute fastest: what is compiled, and how many pictures at once."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from itn.warp import Tensor

CANDIDATES = (8, 16, 32, 64, 128, 256)  # pictures at once; small batches win on processors
GAIN = 1.05  # how much faster a larger batch has to be
SECONDS = 0.3  # that one size is timed for


def fused(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let XLA compile a function within a model, also where the rest of the model is not.

    On a CPU, XLA makes the warp several times as fast as TensorFlow's operations one by one, but
    convolutions slower. JAX compiles everything anyway.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf  # Keras has no name for this

    compiled: Callable[..., Tensor] = tf.function(function, jit_compile=True)
    return compiled


def compiled(function: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
    """Compile a function of one array, or a dictionary of them, that is called outside a model.

    Its result stays on the device where the engine has one of its own.
    """
    if keras.backend.backend() == "jax":
        import jax

        jitted: Callable[[Any], Tensor] = jax.jit(function)
        return jitted
    if keras.backend.backend() == "openvino":  # compiles nothing but whole models
        whole: Callable[[Any], Tensor] = _Whole(function).predict_on_batch
        return whole
    return fused(function)


def on_device(array: np.ndarray) -> Tensor:
    """Bring an array to where the engine computes, once for several calls.

    OpenVINO takes arrays as they are; a tensor would be a constant of its model.
    """
    return array if keras.backend.backend() == "openvino" else ops.convert_to_tensor(array)


class _Compiled(keras.Model):
    """A model that OpenVINO compiles for the arithmetic of its layers.

    Left to itself it multiplies in bfloat16 wherever a CPU can, which moves a softmax by up to 0.2.
    """

    def _get_compiled_model(self, data: Any) -> Any:  # only Keras' OpenVINO backend calls it
        import openvino

        halved = any(layer.compute_dtype == "bfloat16" for layer in self._flatten_layers())
        usual = openvino.compile_model  # which Keras gives no options
        hint = {"INFERENCE_PRECISION_HINT": "bf16" if halved else "f32"}
        openvino.compile_model = partial(usual, config=hint)
        try:
            return super()._get_compiled_model(data)
        finally:
            openvino.compile_model = usual


class Softmax(_Compiled):
    """A network with the softmax of its logits, in float32, compiled as its engine does best."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__(name="softmax", dtype="float32")
        self.network = network  # tracked, so that JAX passes the weights as arguments
        self.batch_size: int | None = None  # the fastest here, once it was found
        self.compile(jit_compile=keras.backend.backend() == "jax")
        self.make_predict_function()  # now, not by whichever of two threads comes first

    def call(self, prepared: Tensor) -> Tensor:
        """Return the softmax [N, K] of preprocessed pictures."""
        logits = self.network(prepared, training=False)
        return ops.softmax(ops.cast(logits, "float32"))


class _Whole(_Compiled):
    """A function as a model."""

    def __init__(self, function: Callable[[Any], Tensor]) -> None:
        super().__init__(name="function", dtype="float32")
        self.function = function

    def call(self, inputs: Any) -> Tensor:
        """Apply the function."""
        return self.function(inputs)


def overlapped(function: Callable[[int], None], given: Iterable[int]) -> None:
    """Call a function for each number; where the engine allows it, two calls are under way at once.

    What is compiled for a CPU does not keep all of its cores busy: another call fills the gaps.
    The error that is raised is that of the first call that failed; those after it are not begun.
    """
    at_once = 2 if keras.backend.backend() == "tensorflow" else 1  # the others take one caller
    pool = ThreadPoolExecutor(at_once)
    try:
        for call in [pool.submit(function, number) for number in given]:
            call.result()
    finally:  # also where Ctrl-C comes meanwhile
        pool.shutdown(cancel_futures=True)


def fastest_batch_size(look: Callable[[np.ndarray], object], image: np.ndarray, most: int) -> int:
    """Find the number of pictures, copies of one [H, W, 3], that are looked at fastest together.

    From one candidate to the next as long as it pays; `most` is as many as there are.
    """
    best, rate = CANDIDATES[0], 0.0
    for size in CANDIDATES:
        if size > max(most, CANDIDATES[0]):
            break
        batch = np.broadcast_to(image, (size, *image.shape)).copy()
        look(batch)  # compiles
        count, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < SECONDS:
            look(batch)
            count += size
        if count / elapsed < GAIN * rate:
            break
        best, rate = size, count / elapsed
    return best


def usual_batch_size(counts: Sequence[int], fastest: int | None = None) -> int:
    """Return a size, at least half of the fastest one, whose batches are filled up least.

    `counts` says how many pictures each category has, whose last batch is filled up.
    """
    batch_size = min(fastest or CANDIDATES[0], max(counts))
    sizes = range(batch_size, batch_size // 2, -1)
    return min(sizes, key=lambda size: sum(-count % size for count in counts))
