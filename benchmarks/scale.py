"""Time and memory of screening against pictures, classes and workers, and what follows from it.

    python benchmarks/scale.py [--quick]

SqueezeNet on TensorFlow, under two magnitudes of rotation; pictures are made of smooth noise and
streamed from a folder, as photographs would be. Each point is a process of its own; workers are
as many processes of one thread at once. Time includes compiling. Writes benchmarks/scale.csv, and
benchmarks/scale_whole.csv: the whole validation set under all sweeps, in passes per second times
passes. What that assumes is in `Assumptions`, and beside the result.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pandas as pd
from machine import machine
from PIL import Image
from timings import shown

import itn
from itn.zoo.catalog import imagenet_classes

FOLDER = Path(__file__).parent
SIDE = 256  # pixels of a picture on disk
GRAIN = 16  # pixels of the noise that is enlarged to it
MAGNITUDES = [0.0, 20.0]  # degrees
BATCH = 8
CLASSES = (1, 10, 100)
WORKERS = (1, 2, 4)


@dataclass(frozen=True)
class Assumptions:
    """What the extrapolation takes for granted, beside what was measured."""

    pictures: int = 50_000  # the validation set
    passes_of_a_picture: int = sum(len(one.sweep(227)) for one in itn.TRANSFORMATIONS.values())
    nodes: int = 64
    cores_of_a_node: int = 16
    share_of_nodes: float = 0.9  # of the throughput of processes that know nothing of each other
    gpu_teraflops: float = 19.5  # float32, as the maker of an A100 states it
    share_of_gpu: float = 0.25  # what a network of small convolutions gets of it: a guess
    multiplications: float = 0.86e9  # of a pass, each with an addition


def make_pictures(folder: Path, count: int, ids: tuple[str, ...]) -> None:
    """Write the same pictures as one class, ten and a hundred, each in a folder of its own."""
    random = np.random.default_rng(0)
    for number in range(count):
        noise = random.integers(0, 256, (GRAIN, GRAIN, 3), np.uint8)
        name = f"{number}.jpg"
        for classes in CLASSES:
            target = folder / str(classes) / ids[number % classes] / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if classes == 1:
                first = target
                picture = Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
                picture.save(target, quality=90)
            else:
                target.hardlink_to(first)


def screen_point(folder: str, count: str, threads: str) -> None:
    """Be one process: screen when a line comes, and say how long it took, and the memory."""
    if int(threads):
        from itn.study.workers import limit_threads

        limit_threads(int(threads))
    classifier = itn.load_classifier("squeezenet")
    size = classifier.input_size
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    limit = int(count) // len(list(Path(folder).iterdir()))
    pictures = itn.load_images(folder, size=size, limit=limit, stream=True, progress=False)
    itn.screen(classifier, pictures, "rotation", MAGNITUDES, batch_size=BATCH, progress=False)
    seconds = time.perf_counter() - start
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"pictures": len(pictures), "seconds": seconds, "peak": peak}), flush=True)


def measure(folder: Path, axis: str, pictures: int, classes: int, workers: int) -> dict[str, Any]:
    """Measure one point: a row of the table."""
    threads = 1 if axis == "workers" else 0
    arguments = [str(folder / str(classes)), str(pictures), str(threads)]
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--point", *arguments], stdin=PIPE, stdout=PIPE, text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        for _ in range(workers)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout
        process.stdout.readline()
    said = []
    for process in processes:
        assert process.stdin
        print("go", file=process.stdin, flush=True)
    for process in processes:
        said.append(json.loads(process.communicate()[0]))
    passes = sum(each["pictures"] for each in said) * len(MAGNITUDES)
    seconds = max(each["seconds"] for each in said)
    row = {
        "axis": axis,
        "pictures": passes // len(MAGNITUDES),
        "classes": classes,
        "workers": workers,
        "seconds": float(seconds),
        "passes/s": passes / seconds,
        "peak MB": sum(each["peak"] for each in said) / 1e6,
    }
    print(row, flush=True)
    return row


def extrapolate(bare: float, core: float, given: Assumptions) -> pd.DataFrame:
    """Return how long the whole validation set takes.

    From passes per second of this machine, and of one worker with one thread.
    """
    passes = given.pictures * given.passes_of_a_picture
    gpu = given.gpu_teraflops * 1e12 * given.share_of_gpu / (2 * given.multiplications)
    nodes = given.nodes * given.cores_of_a_node * core * given.share_of_nodes
    rows = [
        ("this machine", bare, "as with the most pictures above"),
        (
            "one GPU", gpu,
            f"{given.share_of_gpu:.0%} of {given.gpu_teraflops} TFLOP/s, "
            f"{given.multiplications / 1e9:.2f}·10⁹ multiplications with an addition each a pass",
        ),
        (
            f"{given.nodes} nodes", nodes,
            f"{given.cores_of_a_node} cores of a node, each as fast as one worker above, "
            f"{given.share_of_nodes:.0%} of their sum",
        ),
    ]  # fmt: skip
    return pd.DataFrame(
        {
            "machine": [name for name, *_ in rows],
            "10⁶ passes": passes / 1e6,
            "passes/s": [pace for _, pace, _ in rows],
            "hours": [passes / pace / 3600 for _, pace, _ in rows],
            "assumed": [text for *_, text in rows],
        }
    )


def main() -> None:
    """Measure all points."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the pictures")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where tables are written")
    given = parser.parse_args()
    most = 500 if given.quick else 5000
    middle = most // 10
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # Without a backend: a process inherits the peak memory of the one that starts it.
        ids = tuple(each.wnid for each in imagenet_classes()[: max(CLASSES)])
        make_pictures(folder, most, ids)
        counts = [max(50, most // 100), middle, most]
        rows += [measure(folder, "pictures", count, 1, 1) for count in sorted({*counts})]
        rows += [measure(folder, "classes", middle * 2, each, 1) for each in CLASSES]
        rows += [measure(folder, "workers", middle, 1, each) for each in WORKERS]
    table = pd.DataFrame(rows)
    paces = {(row["axis"], row["workers"]): row["passes/s"] for row in rows}  # the last of each
    whole = extrapolate(paces["pictures", 1], paces["workers", 1], Assumptions())
    where = pd.DataFrame({"machine": [machine("keras", "tensorflow")]})
    for name, each in {"scale": table, "scale_whole": whole, "scale_machine": where}.items():
        shown(each).to_csv(given.folder / f"{name}.csv", index=False)
        print(f"\n{shown(each).to_string(index=False)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--point"]:
        screen_point(*sys.argv[2:])
    else:
        main()
