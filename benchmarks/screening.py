"""What does screening cost beyond the forward passes it contains?

For every transformation: seconds per thousand passes of `itn.screen` over its full sweep,
against the same number of bare passes of the same network on pictures that are prepared
already. Both alternate, and the fastest of several rounds counts: whatever else a machine does
only ever adds time. Compiling happens once per screening and is listed apart: it is what is left
of the smaller of two screenings when the cost per pass is taken off. Weights are random; the
time does not depend on them.
"""

import platform
import time
from collections.abc import Callable
from functools import partial

import keras
import numpy as np

import itn
from itn.classifiers import Classifier
from itn.zoo.squeezenet import CHANNEL_MEANS_BGR, INPUT_SIZE, build_squeezenet

BATCH_SIZE = 16
FEW, MANY = BATCH_SIZE, 3 * BATCH_SIZE  # pictures
ROUNDS = 3


def main() -> None:
    keras.utils.set_random_seed(0)
    means = np.array(CHANNEL_MEANS_BGR, np.float32)
    names = [f"class {index}" for index in range(1000)]
    classifier = Classifier(
        build_squeezenet(), lambda x: x[..., ::-1] * 255 - means, INPUT_SIZE, names
    )
    images = np.random.default_rng(0).uniform(size=(MANY, INPUT_SIZE, INPUT_SIZE, 3))
    images = images.astype(np.float32)
    bare = keras.Sequential([keras.Input((INPUT_SIZE, INPUT_SIZE, 3)), classifier.network])
    # The faster way to compile convolutions on each backend, as in `itn.screen`.
    bare.compile(jit_compile=keras.backend.backend() != "tensorflow")
    prepared = np.asarray(classifier.preprocess(images[:BATCH_SIZE]))
    bare.predict_on_batch(prepared)

    print(f"{keras.backend.backend()}, {platform.machine()}, SqueezeNet at {INPUT_SIZE} pixels")
    print(f"{'transformation':15} {'passes':>7} {'bare s/1000':>12} {'screen s/1000':>14}"
          f" {'ratio':>6} {'compiling s':>12}")  # fmt: skip
    for name, transformation in itn.TRANSFORMATIONS.items():
        sweep = len(transformation.sweep(INPUT_SIZE))
        passes = (MANY - FEW) * sweep
        actions = (
            partial(_bare_passes, bare, prepared, passes),
            partial(_screen, classifier, images[:FEW], name),
            partial(_screen, classifier, images, name),
        )
        rounds = [[_seconds(action) for action in actions] for _ in range(ROUNDS)]
        fastest_bare, few, many = np.min(rounds, axis=0)
        each_bare = fastest_bare / passes
        each_screen = (many - few) / passes
        compiling = few - each_screen * FEW * sweep
        print(f"{name:15} {passes:7,} {1000 * each_bare:12.2f} {1000 * each_screen:14.2f}"
              f" {each_screen / each_bare:6.3f} {compiling:12.2f}", flush=True)  # fmt: skip


def _bare_passes(network: keras.Model, prepared: np.ndarray, passes: int) -> None:
    for _ in range(passes // BATCH_SIZE):  # a whole number: `passes` counts full batches
        network.predict_on_batch(prepared)


def _screen(classifier: Classifier, images: np.ndarray, name: str) -> None:
    count = len(images)
    paths = tuple(f"{index}.png" for index in range(count))
    pictures = itn.Pictures(images, np.zeros(count, int), ("class 0",), paths, "random")
    itn.screen(classifier, pictures, name, batch_size=BATCH_SIZE, progress=False)


def _seconds(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
