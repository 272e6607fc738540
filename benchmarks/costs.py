"""What does it cost to screen an ImageNet network? Writes results/imagenet/costs.json.

Some networks are measured: the processor time of `itn.screen` for each pass, summed over the
cores (so that it does not matter what else the machine does), and the peak memory of a process
that does nothing else. Compiling is left out: it is what two screenings of different size have
in common. Weights are random; neither depends on them. For all networks the same is extrapolated
from SqueezeNet: time in proportion to the multiplications, memory by the size of the weights.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from machine import processor

import itn
from itn.classifiers import Classifier
from itn.provenance import installed_version
from itn.zoo.alexnet import build_alexnet
from itn.zoo.networks import RESNET_UNITS
from itn.zoo.resnet import build_resnet_v1
from itn.zoo.squeezenet import build_squeezenet

REFERENCE = "squeezenet"
MEASURED = (REFERENCE, "alexnet", "resnet_v1_101", "MobileNetV2")
NETWORKS: dict[str, Callable[[], keras.Model]] = {
    REFERENCE: build_squeezenet,
    "alexnet": build_alexnet,
    **{
        f"resnet_v1_{depth}": partial(build_resnet_v1, units=units)
        for depth, units in RESNET_UNITS.items()
    },
    **{
        name: partial(getattr(keras.applications, name), weights=None, classifier_activation=None)
        for name in ("VGG16", "InceptionV3", "MobileNetV2", "EfficientNetB0", "ConvNeXtTiny")
    },
}
BATCH_SIZE = 16
FEW, MANY = BATCH_SIZE, 4 * BATCH_SIZE  # pictures
MAGNITUDES = (0.0, 10.0, 20.0)  # degrees
TARGET = Path(__file__).parents[1] / "results" / "imagenet" / "costs.json"


def main() -> None:
    # Before anything is built here: a process inherits the peak of the one that starts it.
    measured = {}
    for name in MEASURED:
        command = [sys.executable, __file__, name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        measured[name] = json.loads(done.stdout.splitlines()[-1])
    networks: dict[str, dict[str, Any]] = {}
    for name, build in NETWORKS.items():
        networks[name] = describe(build()) | measured.get(name, {})
        print(name, networks[name], flush=True)
        keras.utils.clear_session()
    costs = {
        "reference": REFERENCE,
        "batch_size": BATCH_SIZE,
        "machine": f"{processor()}, {keras.backend.backend()} "
        f"{installed_version(keras.backend.backend())}, keras {installed_version('keras')}",
        "passes": {name: len(one.sweep(227)) for name, one in itn.TRANSFORMATIONS.items()},
        "networks": networks,
    }
    TARGET.write_text(json.dumps(costs, indent=2) + "\n")


def describe(network: keras.Model) -> dict[str, int]:
    """Count multiplications (each with an addition) of one pass, and parameters."""
    multiplications = 0
    for layer in network.layers:
        kernels = [np.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1]
        if kernels:
            multiplications += int(sum(kernels) * np.prod(layer.output.shape[1:-1]))
    return {
        "input_size": network.input_shape[1] or 224,
        "multiplications": multiplications,
        "parameters": network.count_params(),
    }


def measure(name: str) -> dict[str, float]:
    network = NETWORKS[name]()
    size = network.input_shape[1]
    classifier = Classifier(network, lambda x: 255 * x - 115, size, [str(i) for i in range(1000)])
    images = np.random.default_rng(0).uniform(size=(MANY, size, size, 3)).astype(np.float32)
    times = []
    for count in (FEW, MANY):
        paths = tuple(f"{index}.png" for index in range(count))
        pictures = itn.Pictures(images[:count], np.zeros(count, int), ("0",), paths, "random")
        start = time.process_time()
        itn.screen(classifier, pictures, "rotation", MAGNITUDES, batch_size=BATCH_SIZE)
        times.append(time.process_time() - start)
    return {
        "seconds": (times[1] - times[0]) / ((MANY - FEW) * len(MAGNITUDES)),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
