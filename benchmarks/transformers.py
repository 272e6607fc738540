"""What does a training step of the Invariant Transformer Net cost?

For several classifiers: seconds per thousand pictures of a step of the net, against a training
step (forward, backward, update) of the classifier alone on pictures that are prepared already.
Both alternate, and the fastest of several rounds counts. Weights are random; the time does not
depend on them.
"""

import platform
import time
from collections.abc import Callable

import keras
import numpy as np

import itn
from itn.classifiers import Classifier
from itn.zoo.squeezenet import build_squeezenet
from itn.zoo.training import build_network

ROUNDS = 25
NETWORKS: dict[str, tuple[Callable[[], keras.Model], int, int]] = {
    "alexnet_64": (lambda: build_network("alexnet_64", 20), 64, 64),
    "resnet_64": (lambda: build_network("resnet_64", 20), 64, 64),
    "squeezenet": (build_squeezenet, 227, 16),
}  # builder, size of a picture in pixels, pictures in a batch


def main() -> None:
    print(f"{keras.backend.backend()}, {platform.machine()}")
    print(f"{'classifier':12} {'alone s/1000':>13} {'net s/1000':>11} {'ratio':>6}")
    for name, (build, size, count) in NETWORKS.items():
        alone = build()
        names = [str(index) for index in range(alone.output_shape[-1])]
        classifier = Classifier(build(), lambda x: 255 * x - 115, size, names, name=name)
        net = itn.InvariantTransformerNet(classifier)
        net.required_accuracy.assign(0.0)
        net.compile()
        alone.compile(
            "adam",
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=keras.backend.backend() != "tensorflow",
        )
        random = np.random.default_rng(0)
        images = random.uniform(size=(count, size, size, 3)).astype(np.float32)
        labels = random.integers(0, len(names), count)
        rounds = []
        for _ in range(ROUNDS + 2):  # the first ones compile
            rounds.append([_seconds(model, images, labels) for model in (alone, net)])
        fastest = np.min(rounds[2:], axis=0) / count * 1000
        print(f"{name:12} {fastest[0]:13.2f} {fastest[1]:11.2f} {fastest[1] / fastest[0]:6.3f}")


def _seconds(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    start = time.perf_counter()
    model.train_on_batch(images, labels)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
