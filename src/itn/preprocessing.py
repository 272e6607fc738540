"""Preprocessing that is told by numbers, so that it can be stored beside a network without code."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, TypeAlias

import keras
import numpy as np
import pydantic
from keras import ops

from itn.messages import UsageError
from itn.warp import Tensor

TOLERANCE = 1e-5  # share of the largest value to which a description must reproduce a function
Row: TypeAlias = Annotated[tuple[float, ...], pydantic.Field(min_length=3, max_length=3)]


@keras.saving.register_keras_serializable("itn")
@dataclass(frozen=True)
class Preprocessing:
    """A linear map of each pixel's color, less a mean over the picture where it is wanted.

    Scaling, offsets, the order of the channels, a conversion to gray, and all that
    `keras.applications` do are such maps. `matrix` says what each channel of the result takes of
    red, green and blue in [0, 1], `offset` what is added. The mean that is subtracted in the end
    is over all values of the picture, or over each of its channels.
    """

    matrix: tuple[Row, ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    offset: tuple[float, ...] = (0, 0, 0)
    minus_mean: Literal["none", "picture", "channel"] = "none"

    def __call__(self, images: Tensor) -> Tensor:
        """Preprocess pictures."""
        # No matrix product, which rounds on some devices: mostly a row has one entry.
        channels = []
        for row, offset in zip(self.matrix, self.offset, strict=True):
            taken = [share * images[..., color] for color, share in enumerate(row) if share]
            taken = taken or [ops.zeros_like(images[..., 0])]
            channels.append(sum(taken[1:], taken[0]) + offset)
        mapped = ops.stack(channels, axis=-1)
        if self.minus_mean == "none":
            return mapped
        axes = (1, 2, 3) if self.minus_mean == "picture" else (1, 2)
        return mapped - ops.mean(mapped, axis=axes, keepdims=True)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild it."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Preprocessing":
        """Rebuild it."""
        matrix = tuple(map(tuple, config["matrix"]))
        return cls(matrix, tuple(config["offset"]), config["minus_mean"])


def describe_preprocessing(
    preprocess: Callable[[Tensor], Tensor], input_size: int, name: str
) -> Preprocessing:
    """Tell by a few pixels what a preprocessing does, and try it on pictures."""
    if isinstance(preprocess, Preprocessing):
        return preprocess

    def run(function: Callable[[Tensor], Tensor], images: np.ndarray) -> np.ndarray:
        return np.asarray(ops.convert_to_numpy(function(ops.convert_to_tensor(images))), float)

    random = np.random.default_rng(0)
    shape = (3, max(input_size, 2), max(input_size, 2), 3)
    trials = [random.random(shape), random.normal(0, 3, shape), random.random((3, 1, 1, 3))]
    images = [(trial + np.zeros(shape)).astype(np.float32) for trial in trials]
    pixels = random.random(shape).astype(np.float32)
    pixels.reshape(3, -1, 3)[0, :4] = np.vstack([np.zeros(3), np.eye(3)])
    found = run(preprocess, pixels)
    if found.ndim == 4 and found.shape[:3] == shape[:3]:
        black, *colors = found.reshape(3, -1, found.shape[-1])[0, :4]
        matrix = _rounded(np.stack(colors, axis=1) - black[:, None])
        wanted = [(each, run(preprocess, each)) for each in images]
        offsets = {"none": black, "picture": black - black.mean(), "channel": 0 * black}
        for minus_mean, offset in offsets.items():
            config = {"matrix": matrix, "offset": _rounded(offset), "minus_mean": minus_mean}
            candidate = Preprocessing.from_config(config)
            if all(
                np.abs(run(candidate, each) - values).max()
                <= TOLERANCE * max(1, np.abs(values).max())
                for each, values in wanted
            ):
                return candidate
    raise UsageError(
        f"the preprocessing of {name} is no scale, offset, order of channels or mean of a picture, "
        "which can be stored without code: put it into the network as layers, e.g. "
        "keras.layers.Rescaling or Normalization"
    )


def _rounded(values: np.ndarray) -> Any:
    """Return as lists what float32 was meant to be: 255 where it says 255.00002."""
    return np.vectorize(lambda value: float(f"{value:.7g}") + 0.0, otypes=[float])(values).tolist()
