"""How fast is screening, beside the bare network and beside others? Prints and writes tables.

    python benchmarks/speed.py [--quick] [--minutes 12] [--only rotation …]

Every engine is a process of its own with the same SqueezeNet at 227 pixels, the same pictures and
the same batches, and computes when it is asked to, so that only one computes at a time: in each
round a slice, which is one batch under some magnitudes of one transformation. Before an engine is
timed, its softmax is compared with TensorFlow's. Sweeps are thinned: what `itn.screen` does once
for a batch weighs several times what it does in a full sweep. The last slice also holds what comes
after the last pass; medians leave that out, but not --quick with its one round. Passes per second
with compiling are those of full sweeps over so many pictures, put together from the first slices,
in which it happens, and the later ones.

What was expected stands beside what was found. It was read off a profile of the parts, each for
itself, on two cores of an EPYC without bfloat16: of a bare pass of 17 ms (TensorFlow), the
transformations take 0.15 (colors) to 1 ms (warp) and 2 ms (blur).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pandas as pd
from machine import machine
from skimage import data, transform
from timings import (
    BARE,
    Key,
    Slice,
    check_peer,
    shown,
    speed_table,
    thin,
    transformation_table,
    warp_table,
)
from torch_environment import REQUIREMENTS, torch_python

import itn
from itn.study.profiles import project_folder
from itn.study.titles import title

FOLDER = Path(__file__).parent
SIZE = 227  # pixels
BATCH = 8  # pictures
SCREEN = "itn.screen"
OURS = ("TensorFlow", SCREEN)
# How far a softmax may be from TensorFlow's in float32: other libraries end the kernel of a blur
# after four standard deviations; bfloat16 knows a logit beyond 16 to 1/8.
TOLERANCE = {"float32": 1e-3, "bfloat16": 2**-3}
KERAS = {
    "TensorFlow": ("tensorflow", "float32"),
    "JAX": ("jax", "float32"),
    "OpenVINO": ("openvino", "float32"),
    "TensorFlow bfloat16": ("tensorflow", "bfloat16"),
}  # backend and arithmetic
TORCH = {
    "PyTorch": ("first", ("kornia",)),
    "PyTorch, channels last": ("last", ("kornia", "scikit-image")),
}  # layout and what looks through it
MATRIX = [[0.8660254, -0.5, 0.0], [0.5, 0.8660254, 0.0]]  # the warp alone: 30°
# How far pixels may be from ours; OpenCV may read at 32nds of a pixel only.
WARP_TOLERANCE = {"OpenCV": 2**-5}

# Of our passes per second.
EXPECTED: dict[Key, float] = {
    ("TensorFlow", BARE): 1.05,  # transformations take 0.75 ms on average beside 17
    ("JAX", BARE): 0.44,  # XLA's convolutions on a CPU are slower than oneDNN's
    ("JAX", SCREEN): 0.43,  # 0.7 ms beside 40
    ("OpenVINO", BARE): 0.65,  # 28 ms here; on a CPU with AVX-512 it was 1.2
    ("OpenVINO", SCREEN): 0.55,  # and its warp, no fused kernel, 5 ms
    ("TensorFlow bfloat16", BARE): 0.6,  # emulated; on a CPU with bfloat16 it was 1.9
    ("TensorFlow bfloat16", SCREEN): 0.58,  # transformations stay in float32
    ("PyTorch", BARE): 0.48,  # 36 ms: the layout is changed within each convolution
    ("PyTorch", "kornia"): 0.47,  # 0.9 ms beside 36
    ("PyTorch, channels last", BARE): 0.83,  # 21 ms, of the same kernels as TensorFlow's
    ("PyTorch, channels last", "kornia"): 0.8,  # 1 ms beside 21
    ("PyTorch, channels last", "scikit-image"): 0.75,  # 2.5 ms beside 21
}
# Of the bare pass: 17 ms, to which the parts of the profile are added.
EXPECTED_OF_BARE = {
    "translation_x": 0.95, "translation_y": 0.95, "rotation": 0.92, "scale_x": 0.95,
    "scale_y": 0.96, "zoom": 0.96, "brightness": 0.99, "contrast": 0.99, "grayscale": 0.99,
    "blur": 0.90, "noise": 0.99,
}  # fmt: skip
# Of the pictures that TensorFlow's warp makes in a second: 0.8 ms each.
EXPECTED_WARPS = {
    "itn, JAX": 1.0,  # the same XLA
    "itn, OpenVINO": 0.15,  # gathers one by one
    "kornia": 1.1,  # grid_sample, and a grid that it makes anew
    "grid_sample": 1.5,  # the grid alone is made
    "scipy": 0.1,  # one core, channel by channel, in float64
    "scikit-image": 0.3,  # one core, channel by channel
    "OpenCV": 4.0,  # vectorized by hand
}


@dataclass
class Engine:
    """A process that computes when it is asked to."""

    key: Key
    command: list[str]
    arithmetic: str = "float32"
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, scratch: Path) -> None:
        """Start the process, which gets ready while others do."""
        self.log = scratch / f"{'_'.join(self.key)}.log"
        variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **self.environment}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command, stdin=PIPE, stdout=PIPE, stderr=log, text=True, env=variables
            )

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            said = self.log.read_text().strip().splitlines() or ["it said nothing"]
            raise RuntimeError(f"{self} stopped: {said[-1]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, do: str, **request: object) -> dict[str, Any]:
        """Let it compute."""
        assert self.process.stdin
        with suppress(BrokenPipeError):  # which its answer says
            print(json.dumps({"do": do, **request}), file=self.process.stdin, flush=True)
        return self.answer()

    def stop(self) -> None:
        """End the process."""
        self.process.communicate()

    def __str__(self) -> str:
        return ", ".join(self.key)


def photographs() -> np.ndarray:
    """Return pictures that scikit-image brings, and their mirror images."""
    four = [data.cat(), data.coffee(), data.rocket(), data.astronaut()]
    images = np.stack([transform.resize(each, (SIZE, SIZE)) for each in four])
    return np.concatenate([images, images[:, :, ::-1]]).astype(np.float32)


def keras_engines(pictures: Path) -> list[Engine]:
    """Return the engines of Keras, bare and below `itn.screen`."""
    script = str(FOLDER / "engines" / "keras_engine.py")
    return [
        Engine(
            (name, what), [sys.executable, script, how, arithmetic, str(pictures)],
            arithmetic, {"KERAS_BACKEND": backend},
        )
        for name, (backend, arithmetic) in KERAS.items()
        for what, how in ((BARE, "bare"), (SCREEN, "screen"))
    ]  # fmt: skip


def torch_engines(python: Path, pictures: Path, weights: Path) -> list[Engine]:
    """Return the engines of PyTorch, bare and below other libraries."""
    script = str(FOLDER / "engines" / "torch_engine.py")
    return [
        Engine((name, what), [str(python), script, what, channels, str(pictures), str(weights)])
        for name, (channels, through) in TORCH.items()
        for what in (BARE, *through)
    ]


def started(engines: list[Engine], scratch: Path) -> list[Engine]:
    """Start engines at once, and leave out in one line each those that cannot be."""
    for engine in engines:
        engine.start(scratch)
    ready = []
    for engine in engines:
        try:
            engine.answer()
            ready.append(engine)
        except RuntimeError as error:
            if engine.key[0] == OURS[0]:
                raise SystemExit(str(error)) from error
            print(error, flush=True)
    return [one for one in ready if one.key[1] == BARE or (one.key[0], BARE) in keys(ready)]


def keys(engines: list[Engine]) -> set[Key]:
    """Return what engines are called."""
    return {engine.key for engine in engines}


def slices_of(
    engines: list[Engine], name: str, magnitudes: list[float], rounds: int, scratch: Path
) -> tuple[list[Slice], dict[Key, float]]:
    """Time one transformation, and say how far each engine's first answers were from ours."""
    found, reference, deviation = [], dict[bool, np.ndarray](), dict[Key, float]()
    for number in range(rounds + 1):
        # Forth and back, so that no engine always follows the same one.
        for engine in engines if number % 2 == 0 else engines[::-1]:
            if number:
                answer = engine.ask("slice")
            else:
                target = scratch / "said.npy"
                answer = engine.ask(
                    "begin", transformation=name, magnitudes=magnitudes, rounds=rounds,
                    target=str(target),
                )  # fmt: skip
                # `itn.screen` looks at the untouched pictures first.
                said = np.load(target)[-len(magnitudes) :]
                deviation[engine.key] = check_peer(
                    f"{engine}, {name}",
                    said,
                    reference.setdefault(engine.key[1] == BARE, said),
                    TOLERANCE[engine.arithmetic],
                )
            passes = BATCH * len(magnitudes)
            found.append(Slice(*engine.key, name, number, passes, answer["seconds"]))
    return found, deviation


def time_all(
    engines: list[Engine], scratch: Path, names: list[str], count: int, most: int, until: float
) -> tuple[list[Slice], dict[Key, float]]:
    """Time transformations, in as many rounds as there is time for."""
    found: list[Slice] = []
    deviation = dict.fromkeys([engine.key for engine in engines], 0.0)
    rounds = 1
    # The first transformation comes twice: once to compile and to tell how many rounds there is
    # time for, once to be timed as the others are.
    for number, name in enumerate((names[0], *names)):
        one = itn.TRANSFORMATIONS[name]
        magnitudes = thin(one.sweep(SIZE), one.identity, count)
        slices, deviations = slices_of(engines, name, magnitudes, rounds, scratch)
        compiling = [each for each in slices if each.number == 0]
        later = [each for each in slices if each.number > 0]
        found += (compiling if number != 1 else []) + (later if number else [])
        deviation = {key: max(deviation[key], deviations[key]) for key in deviation}
        first, rest = (sum(each.seconds for each in part) for part in (compiling, later))
        print(f"{name}: {first + rest:.0f} s", flush=True)
        if left := len(names) - number:
            time_left = (until - time.monotonic()) / left
            rounds = max(1, min(most, int((time_left - first) / rest * rounds)))
    return found, deviation


def time_warps(engines: list[Engine], scratch: Path, rounds: int) -> pd.DataFrame:
    """Time the warp alone."""
    found = {engine.key: engine for engine in engines}
    warps: dict[str, tuple[Engine, dict[str, Any]]] = {
        f"itn, {name}": (found[name, SCREEN], {})
        for name, (_, arithmetic) in KERAS.items()
        if (name, SCREEN) in found and arithmetic == "float32"
    }
    ours = f"itn, {OURS[0]}"
    if peer := found.get(("PyTorch", BARE)):
        names = ("kornia", "grid_sample", "scipy", "scikit-image", "OpenCV")
        warps |= {name: (peer, {"name": name}) for name in names}
    target, deviation, repeats = scratch / "warped.npy", {}, {}
    reference = np.empty(0)
    for name, (engine, request) in warps.items():
        engine.ask("warp", matrix=MATRIX, repeats=1, target=str(target), **request)
        warped = np.load(target)
        reference = warped if name == ours else reference
        deviation[name] = float(np.abs(warped - reference).max())
        if deviation[name] > WARP_TOLERANCE.get(name, 1e-3):
            raise SystemExit(f"{name} warps otherwise: pixels are off by {deviation[name]:.2g}")
        once = engine.ask("warp", matrix=MATRIX, repeats=2, target="", **request)["seconds"] / 2
        repeats[name] = max(1, round(0.3 / once))
    seconds: dict[str, list[float]] = {name: [] for name in warps}
    for _ in range(rounds):
        for name, (engine, request) in warps.items():
            count = repeats[name]
            answer = engine.ask("warp", matrix=MATRIX, repeats=count, target="", **request)
            seconds[name].append(answer["seconds"] / (BATCH * count))
    return warp_table(seconds, ours, deviation, EXPECTED_WARPS)


def conditions(count: int, found: list[Slice]) -> pd.DataFrame:
    """Say where and how this was measured."""
    rounds = pd.DataFrame(map(asdict, found)).groupby("transformation").number.max()
    fewest_and_most = sorted({rounds.min(), rounds.max()})
    peers = [line for line in REQUIREMENTS.read_text().split() if "==" in line]
    rows = {
        "machine": machine("keras", "tensorflow", "jax", "openvino"),
        "peers": ", ".join(line.replace("==", " ") for line in peers),
        "pictures in a batch": BATCH,
        "magnitudes of each transformation": count,
        "rounds for each transformation": " to ".join(map(str, fewest_and_most)),
    }
    return pd.DataFrame({"what": list(rows), "value": list(map(str, rows.values()))})


def write(table: pd.DataFrame, target: Path, title: str) -> None:
    """Print a table, and write it for the page."""
    print(f"\n{title}\n\n{table.to_string(index=False)}", flush=True)
    table.to_csv(target, index=False)


def main() -> None:
    """Time everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="about 3 minutes, and rougher")
    parser.add_argument("--minutes", type=float, default=12.0, help="as long as it may take")
    names = list(itn.TRANSFORMATIONS)
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="transformations")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where tables are written")
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    count, most = (2, 1) if given.quick else (12, 9)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        pictures, weights = scratch / "pictures.npy", scratch / "weights.npz"
        np.save(pictures, photographs())
        engines = started(keras_engines(pictures), scratch)
        engines[0].ask("save_weights", target=str(weights))
        python = torch_python(project_folder() / "results" / ".cache")
        if isinstance(python, str):
            print(python, flush=True)
        else:
            engines += started(torch_engines(python, pictures, weights), scratch)
        try:
            found, deviation = time_all(engines, scratch, given.only, count, most, until)
            memory = {one.key: float(one.ask("memory")["bytes"]) for one in engines}
            warps = time_warps(engines, scratch, 2 if given.quick else 9)
        finally:
            for engine in engines:
                engine.stop()
    sweeps = {name: len(one.sweep(SIZE)) for name, one in itn.TRANSFORMATIONS.items()}
    speed = shown(speed_table(found, OURS, sweeps, memory, deviation, EXPECTED))
    split = [column for column in speed.columns if "pictures" in str(column)]
    peers = [(name, what) for name, (_, through) in TORCH.items() for what in through]
    by_name = shown(transformation_table(found, OURS, peers, EXPECTED_OF_BARE))
    by_name["transformation"] = by_name["transformation"].map(title)
    target = given.folder
    write(conditions(count, found), target / "speed_machine.csv", "Conditions")
    write(speed.drop(columns=split), target / "speed.csv", "Speed, without compiling")
    write(speed[["engine", "looking", *split]], target / "speed_compiling.csv", "With compiling")
    write(by_name, target / "speed_transformations.csv", "itn.screen on TensorFlow")
    write(shown(warps), target / "speed_warps.csv", "The warp alone, 30°")


if __name__ == "__main__":
    main()
