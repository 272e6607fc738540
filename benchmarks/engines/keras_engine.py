"""A backend of Keras, bare or below `itn.screen`; see `benchmarks/speed.py`.

keras_engine.py bare|screen float32|bfloat16 PICTURES.npy
"""

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from pipe import Pipe, seconds_of

import itn
from itn import screening
from itn.engines import compiled, on_device
from itn.screening import Look
from itn.warp import Tensor


class Gate:
    """Pictures, over and over the same ones, that are given out one batch for each slice."""

    dtype = np.dtype(np.float32)

    def __init__(self, pipe: Pipe, images: np.ndarray, batches: int) -> None:
        self.shape = (batches * len(images), *images.shape[1:])
        self._pipe, self._images, self._asked = pipe, images, False

    def __len__(self) -> int:
        return int(self.shape[0])

    def __iter__(self) -> Iterator[np.ndarray]:  # for their hash
        return (self._images[index % len(self._images)] for index in range(len(self)))

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        if self._asked:
            self._pipe.lap()
        self._asked = True
        batch: np.ndarray = self._images[rows % len(self._images)]
        return batch


def main(what: str, arithmetic: str, file: str) -> None:
    pipe = Pipe()
    images = np.load(file)
    classifier = itn.load_classifier("squeezenet", arithmetic=arithmetic)
    network = classifier.compiled  # with its softmax, as the engine computes it fastest
    prepared = np.asarray(classifier.preprocess(images))

    def bare(transformation: str, magnitudes: list[float], rounds: int) -> None:
        for number in range(rounds + 1):
            if number:
                pipe.lap()
            for _ in magnitudes:
                pipe.keep(network.predict_on_batch(prepared))

    class PlacedLook(Look):
        """A look of which two are under way at once, so that they may end in any order."""

        def softmax(self, inputs: Mapping[str, Tensor]) -> npt.NDArray[np.float32]:
            magnitude = inputs.get("magnitude", np.float32(-np.inf))  # untouched ones come first
            return pipe.keep(super().softmax(inputs), float(np.ravel(magnitude)[0]))

    screening.Look = PlacedLook  # type: ignore[misc]

    def screen(transformation: str, magnitudes: list[float], rounds: int) -> None:
        gate = Gate(pipe, images, rounds + 1)
        paths = tuple(f"{number}.png" for number in range(len(gate)))
        name = classifier.class_names[0]
        labels = np.zeros(len(gate), np.int64)
        pictures = itn.Pictures(gate, labels, (name,), paths, "photographs")  # type: ignore[arg-type]
        itn.screen(
            classifier, pictures, transformation, magnitudes, batch_size=len(images), progress=False
        )

    warps: dict[str, partial[Tensor]] = {}

    def warp(matrix: list[list[float]], repeats: int, target: str) -> dict[str, Any]:
        if not warps:  # compiled once
            warps["itn"] = partial(
                compiled(lambda inputs: itn.affine_warp(inputs["images"], inputs["matrix"])),
                {"images": on_device(images), "matrix": on_device(np.array([matrix], np.float32))},
            )
        seconds = seconds_of(lambda: np.asarray(warps["itn"]()), repeats)
        if target:
            np.save(target, np.asarray(warps["itn"]()))
        return {"seconds": seconds}

    def save_weights(target: str) -> None:
        np.savez(target, *classifier.network.get_weights())

    pipe.serve(
        {
            "begin": {"bare": bare, "screen": screen}[what],
            "warp": warp,
            "save_weights": save_weights,
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
