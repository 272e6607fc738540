"""What does a training step of the Invariant Transformer Net cost?

For several classifiers: seconds per thousand pictures of a step of the net, the paper's and with
each option, against a training step (forward, backward, update) of the classifier alone on pictures
that are prepared already. All alternate, and the fastest of several rounds counts. Weights are
random; the time does not depend on them. Names of classifiers choose among them.
"""

import platform
import sys
import time
from collections.abc import Callable
from typing import Any

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
OPTIONS: dict[str, dict[str, Any]] = {
    "paper": {},
    "similarity": {"motion": "similarity"},
    "features": {"picture_features": 8},
    "kernels 3": {"kernel_dim": 4},
    "kernels 5": {"kernel_dim": 4, "kernel_size": 5},
}


def main() -> None:
    print(f"{keras.backend.backend()}, {platform.machine()}")
    print(f"{'classifier':12} {'net':12} {'alone s/1000':>13} {'net s/1000':>11} {'ratio':>6}")
    for name in sys.argv[1:] or NETWORKS:
        build, size, count = NETWORKS[name]
        alone = build()
        names = [str(index) for index in range(alone.output_shape[-1])]
        classifier = Classifier(build(), lambda x: 255 * x - 115, size, names, name=name)
        nets = []
        for options in OPTIONS.values():
            net = itn.InvariantTransformerNet(classifier, **options)
            net.required_accuracy.assign(0.0)
            net.compile()
            nets.append(net)
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
            rounds.append([_seconds(model, images, labels) for model in (alone, *nets)])
        first, *others = np.min(rounds[2:], axis=0) / count * 1000
        for label, own in zip(OPTIONS, others, strict=True):
            print(f"{name:12} {label:12} {first:13.2f} {own:11.2f} {own / first:6.3f}", flush=True)


def _seconds(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    start = time.perf_counter()
    model.train_on_batch(images, labels)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
