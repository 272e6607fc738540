"""What does a training step of the Invariant Transformer Net cost? Writes tables.

For several classifiers: a step of the net, the paper's and with each option and gate, as a multiple
of a training step (forward, backward, update) of the classifier alone on pictures that are prepared
already. All alternate; a multiple is taken within a round, and the median over rounds is told.
Weights are random; the time does not depend on them. Beside SqueezeNet the same in PyTorch and
kornia, in an environment of their own.

    python benchmarks/transformers.py [classifier …]
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from machine import machine
from speed import Engine
from torch_environment import torch_python

import itn
from itn.classifiers import Classifier
from itn.messages import Progress
from itn.study.profiles import project_folder
from itn.study.titles import title
from itn.zoo.efficientnet_lite import build_efficientnet_lite
from itn.zoo.squeezenet import build_squeezenet
from itn.zoo.training import build_network

FOLDER = Path(__file__).parent
ROUNDS, WARM = 9, 2
PEER = "squeezenet"  # which PyTorch has, too
NETWORKS: dict[str, tuple[Callable[[], keras.Model], int, int]] = {
    "alexnet_64": (lambda: build_network("alexnet_64", 20), 64, 64),
    "resnet_64": (lambda: build_network("resnet_64", 20), 64, 64),
    PEER: (build_squeezenet, 227, 16),
    "efficientnet_lite0": (lambda: build_efficientnet_lite(0), 224, 16),
}  # builder, size of a picture in pixels, pictures in a batch
OPTIONS: dict[str, dict[str, Any]] = {
    "the paper's": {},
    "consistency held": {"hold": "consistency"},
    "divergence held": {"hold": "divergence"},
    "similarities": {"motion": "similarity"},
    "features of the picture": {"picture_features": 8},
    "kernels 3 × 3": {"kernel_dim": 4},
    "kernels 5 × 5": {"kernel_dim": 4, "kernel_size": 5},
}


def nets_of(classifier: Classifier) -> list[keras.Model]:
    """Return a net with each option, ready to be trained."""
    nets = []
    for options in OPTIONS.values():
        net = itn.InvariantTransformerNet(classifier, **options)
        if "hold" not in options:
            net.required_accuracy.assign(0.0)
        net.compile()
        nets.append(net)
    return nets


def steps_of(name: str) -> dict[str, Callable[[], float]]:
    """Return the steps of a classifier and of the nets in front of it; each tells its seconds."""
    build, size, count = NETWORKS[name]
    alone = build()
    names = [str(index) for index in range(alone.output_shape[-1])]
    classifier = Classifier(build(), lambda x: 255 * x - 115, size, names, name=name)
    alone.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=keras.backend.backend() != "tensorflow",
    )
    random = np.random.default_rng(0)
    images = random.uniform(size=(count, size, size, 3)).astype(np.float32)
    labels = random.integers(0, len(names), count)
    softmax = classifier.predict(images)
    steps: dict[str, Callable[[], float]] = {"alone": lambda: _seconds(alone, images, labels)}
    for (option, given), net in zip(OPTIONS.items(), nets_of(classifier), strict=True):
        target = softmax if "hold" in given else labels
        steps[option] = lambda net=net, target=target: _seconds(net, images, target)  # type: ignore[misc]
    return steps


def _seconds(model: keras.Model, images: np.ndarray, target: np.ndarray) -> float:
    start = time.perf_counter()
    model.train_on_batch(images, target)
    return time.perf_counter() - start


@contextmanager
def peer_steps() -> Iterator[dict[str, Callable[[], float]]]:
    """Start PyTorch and kornia, if they can be had."""
    python = torch_python(project_folder() / "results" / ".cache")
    if isinstance(python, str):
        print(python, flush=True)
        yield {}
        return
    script, (_, size, count) = str(FOLDER / "engines" / "torch_net_engine.py"), NETWORKS[PEER]
    engine = Engine(("PyTorch + kornia", "net"), [str(python), script, str(size), str(count)])
    with tempfile.TemporaryDirectory() as scratch:
        engine.start(Path(scratch))
        engine.answer()
        yield {
            "PyTorch alone": lambda: float(engine.ask("step", what="alone")["seconds"]),
            "PyTorch + kornia": lambda: float(engine.ask("step", what="net")["seconds"]),
        }
        engine.stop()


def multiples(rounds: pd.DataFrame) -> dict[str, float]:
    """Return what each step costs, of one of its classifier alone, the median over rounds."""
    found = {name: (rounds[name] / rounds["alone"]).median() for name in OPTIONS}
    if "PyTorch alone" in rounds:
        peer = rounds["PyTorch + kornia"]
        found["PyTorch + kornia, of PyTorch alone"] = (peer / rounds["PyTorch alone"]).median()
        found["PyTorch + kornia, of Keras alone"] = (peer / rounds["alone"]).median()
    return found


def main(*names: str) -> None:
    """Time everything."""
    rows: dict[str, dict[str, float]] = {}
    for name in names or NETWORKS:
        with ExitStack() as stack:
            peers = stack.enter_context(peer_steps()) if name == PEER else {}
            steps = steps_of(name) | peers
            bar = Progress(range(ROUNDS + WARM), desc=name, unit="round")
            rounds = pd.DataFrame([{key: step() for key, step in steps.items()} for _ in bar])
        rounds = rounds[WARM:]  # the first ones compile
        alone = 1000 * rounds["alone"].median() / NETWORKS[name][2]
        rows[name] = {"alone, ms per picture": round(alone, 2)} | multiples(rounds)
        print(pd.Series(rows[name]).to_string(), flush=True)
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("classifier")
    shown = table.map(lambda number: "–" if np.isnan(number) else f"{number:.2f}").T
    shown.rename(columns=title).rename_axis("step").to_csv(FOLDER / "transformers.csv")
    where = machine("keras", keras.backend.backend())
    pd.DataFrame({"machine": [where], "rounds": [ROUNDS]}).to_csv(
        FOLDER / "transformers_machine.csv", index=False
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
