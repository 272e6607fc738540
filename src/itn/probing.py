"""Whether a network fits: one call with a few pictures tells what it takes and what it gives.

What a network gives, logits or probabilities, is told by its numbers and not by its last layer:
a softmax may be followed by a cast, a mean or a layer of somebody's own.
"""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops, tree

from itn.messages import UsageError
from itn.warp import Tensor

NEAR = ("a black picture", "a gray picture", "a white picture", "noise")
FAR = 100.0  # times as bright as white: there logits leave [0, 1], if they ever were in it
PICTURES = len(NEAR) + 2
SUM_TOLERANCE = 1e-2  # of probabilities that were once bfloat16
COLORS = (1, 3)  # channels of a gray or colored picture
Shape: TypeAlias = Sequence[int | None]  # of what a network takes; empty where it does not say


def logits_of_network(
    network: Any, preprocess: Callable[[Tensor], Tensor], input_size: int | None, name: str
) -> tuple[keras.Model, int, int]:
    """Make sure that a network gives float32 logits, or say in one line why it cannot.

    One that gives probabilities or another precision gets their logarithm or a cast behind it.
    Returned are the network, the height and width of its pictures, and the number of classes.
    """
    if not isinstance(network, keras.layers.Layer):
        raise UsageError(f"{name}: the network must be a keras.Model, got {_kind(network)}")
    inputs = getattr(network, "inputs", None) or []  # none where Keras does not know them yet
    if len(inputs) > 1:
        raise UsageError(f"{name} takes {len(inputs)} inputs, but a picture is one")
    takes: Shape = inputs[0].shape if inputs else ()
    if inputs and not keras.backend.is_float_dtype(inputs[0].dtype):
        raise UsageError(
            f"{name} takes {inputs[0].dtype}, in which values out of range wrap: build it for "
            "float32, e.g. keras.Input(shape, dtype='float32')"
        )
    size = _checked_size(input_size, takes, name)
    far = FAR * (noise := np.random.default_rng(0).random((size, size, 3)))
    plain = np.ones_like(noise)
    pictures = np.stack([0 * plain, plain / 2, plain, noise, far, -far]).astype(np.float32)
    fails = f"fails with pictures [N, {size}, {size}, 3]"
    with explained(f"the preprocessing of {name} {fails}"):
        prepared = preprocess(ops.convert_to_tensor(pictures))
    _check_prepared(prepared, takes, size, name)
    with explained(f"{name} {fails}"):
        # One array that is packed into a list or a dictionary.
        if inputs and isinstance(getattr(network, "input", None), list | tuple | dict):
            network = keras.Model(inputs[0], network.output, name=network.name)
        given = network(prepared, training=False)
    outputs = tree.flatten(given)
    if len(outputs) != 1:
        named = f" ({', '.join(map(str, given))})" if isinstance(given, dict) else ""
        raise UsageError(
            f"{name} gives {len(outputs)} outputs{named}, but one is needed: e.g. "
            "keras.Model(network.inputs, network.outputs[0])"
        )
    values = ops.convert_to_numpy(ops.cast(outputs[0], "float32"))
    probabilities = _are_probabilities(values, name)
    plain_tensor = given is outputs[0] and isinstance(network, keras.Model)
    exact = keras.backend.standardize_dtype(outputs[0].dtype) == "float32"
    if probabilities or not exact or not plain_tensor:
        with explained(f"{name} cannot be put before a logarithm"):
            network = _ending(network, (takes or prepared.shape)[1:], probabilities)
    return network, size, values.shape[1]


def reason(error: BaseException) -> str:
    r"""Return in one line what Keras says, without the configurations that it puts around it."""
    innermost = re.split("Exception encountered: ", str(error))[-1]
    innermost = re.split("Full object config|Arguments received by", innermost)[0]
    return textwrap.shorten(innermost, 300, placeholder=" …") or type(error).__name__


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Raise what fails as a UsageError: it is the user's own, or Keras has no error for it."""
    try:
        yield
    except Exception as error:
        raise UsageError(f"{what}: {reason(error)}") from error


def _kind(given: object) -> str:
    return f"{type(given).__module__}.{type(given).__qualname__}"


def _shown(shape: Shape) -> str:
    return f"[{', '.join(['N', *('any' if n is None else str(n) for n in shape[1:])])}]"


def _checked_size(given: int | None, takes: Shape, name: str) -> int:
    if given:
        if given != int(given) or given < 1:
            raise UsageError(f"the input_size of {name} must be a number of pixels, got {given}")
        return int(given)
    sides: Shape = (None, None)
    if len(takes) == 4:
        sides = takes[2:] if _has_channels_first(takes) else takes[1:3]
    height, width = sides
    if height is None or width is None:
        found = f"takes {_shown(takes)}" if takes else "does not say the size of its pictures"
        raise UsageError(f"{name} {found}: give input_size, in pixels")
    if height != width:
        raise UsageError(
            f"{name} takes {_shown(takes)}, but pictures are squares: give input_size, and "
            "a preprocess that resizes"
        )
    return height


def _has_channels_first(shape: Shape) -> bool:
    return len(shape) == 4 and shape[1] in COLORS and shape[3] not in COLORS


def _check_prepared(prepared: Any, takes: Shape, size: int, name: str) -> None:
    if not hasattr(prepared, "shape") or not hasattr(prepared, "dtype"):
        raise UsageError(
            f"the preprocessing of {name} must return one array, got {_kind(prepared)}"
        )
    shape, dtype = tuple(prepared.shape), keras.backend.standardize_dtype(prepared.dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise UsageError(
            f"the preprocessing of {name} returns {dtype}, in which values out of range wrap: "
            "return float32"
        )
    fits = len(takes) == len(shape) == 4 and all(
        wanted in (None, found) for wanted, found in zip(takes[1:], shape[1:], strict=True)
    )
    if fits or not takes:
        return
    hint = ""
    if _has_channels_first(takes) and shape[3] in COLORS:
        hint = ": give preprocess=lambda x: keras.ops.transpose(x, (0, 3, 1, 2))"
    elif len(takes) == 4 and takes[3] == 1 and shape[-1] == 3:
        hint = ", not gray ones: give preprocess=keras.ops.image.rgb_to_grayscale"
    raise UsageError(
        f"{name} takes {_shown(takes)}, but after preprocessing pictures of input_size {size} are "
        f"{_shown(shape)}{hint}"
    )


def _are_probabilities(values: np.ndarray, name: str) -> bool:
    """Tell probabilities from logits, and both from anything else."""
    if values.ndim != 2 or len(values) != PICTURES:
        shape = _shown(values.shape) if len(values) == PICTURES else str(list(values.shape))
        hint = ": end it in keras.layers.GlobalAveragePooling2D" if values.ndim == 4 else ""
        raise UsageError(f"{name} gives {shape}, but logits [N, K] are needed{hint}")
    if values.shape[1] < 2:
        raise UsageError(f"{name} gives 1 number a picture, but one for each class is needed")
    near = values[: len(NEAR)]
    broken = np.any(~(near < np.inf), axis=1) | np.all(np.isneginf(near), axis=1)
    if broken.any():
        found = " and ".join(what for what, bad in zip(NEAR, broken, strict=True) if bad)
        raise UsageError(f"{name} gives {near[broken][0][:3]} for {found}")
    in_range = np.isnan(values) | ((values >= 0) & (values <= 1 + SUM_TOLERANCE))
    if not in_range.all() or not near.any():
        return False
    sums = near.sum(axis=1)
    if np.abs(sums - 1).max() <= SUM_TOLERANCE:
        return True
    raise UsageError(
        f"{name} gives numbers from {near.min():.3g} to {near.max():.3g}, never beyond 0 to 1, "
        f"that sum to {sums.min():.3g} to {sums.max():.3g} a picture, as of a sigmoid: neither "
        "logits nor probabilities of classes of which one is right"
    )


def _ending(network: Any, shape: Sequence[int | None], probabilities: bool) -> keras.Model:
    """Put float32 logits behind a network: the logarithm of its probabilities, or a cast."""
    inputs = keras.Input(shape, dtype="float32")
    outputs = ops.cast(tree.flatten(network(inputs))[0], "float32")
    if probabilities:
        outputs = ops.log(ops.maximum(outputs, np.finfo(np.float32).tiny))
    return keras.Model(inputs, outputs, name=network.name)
