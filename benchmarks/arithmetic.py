"""How far do other engines and other arithmetic move softmax and thresholds?

    ITN_DATA=… python benchmarks/arithmetic.py [--pictures 20] [--every 2]

SqueezeNet on photographs of some categories, screened on TensorFlow in float32 and on each of the
others, each in a process of its own. Writes benchmarks/arithmetic.csv, a row for each of the
others under each transformation. A deviation of the softmax is the largest of all classes; its
mean is over passes. A threshold is compared where both have one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from machine import machine
from timings import shown

import itn
from itn.thresholds import REACHED

CATEGORIES = ("soccer_ball", "grand_piano", "starfish")
TRANSFORMATIONS = ("rotation", "zoom", "contrast", "noise", "blur")
REFERENCE = "TensorFlow float32"
ENGINES = {
    REFERENCE: ("tensorflow", "float32"),
    "TensorFlow bfloat16": ("tensorflow", "bfloat16"),
    "OpenVINO float32": ("openvino", "float32"),
    "OpenVINO bfloat16": ("openvino", "bfloat16"),
}
FOLDER = Path(__file__).parent


def compare(one: xr.Dataset, other: xr.Dataset) -> dict[str, object]:
    """Say how far what another engine found is from what the reference found.

    Each is the thresholds of a screening, and its ``softmax`` (category, look, image, class).
    """
    deviation = np.abs(one.softmax - other.softmax).max("class").values
    differ = (one.softmax.argmax("class") != other.softmax.argmax("class")).values
    row: dict[str, object] = {
        "unit": one.attrs["units"] or "–",
        "passes": deviation.size,
        "softmax, largest deviation": float(deviation.max()),
        "softmax, mean deviation": float(deviation.mean()),
        "predictions that differ, %": 100 * float(differ.mean()),
        "other status": int((one.status != other.status).sum()),
    }
    both = (one.status == REACHED) & (other.status == REACHED)
    moved = np.abs(one.threshold - other.threshold)  # where both have one
    for criterion in one.criterion.values:
        farthest = float(moved.sel(criterion=criterion).max())
        row[f"{criterion}, largest shift"] = farthest
    row["thresholds"] = int(both.sum())
    if "low" in one:  # an end that is open is no bound
        inside = ~(other.threshold < one.low) & ~(other.threshold > one.high)
        row["within their intervals, %"] = 100 * float(inside.where(both).mean())
    return row


def screen_all(arithmetic: str, count: str, every: str, folder: str) -> None:
    """Be one of the engines: write what it finds for each transformation."""
    classifier = itn.load_classifier("squeezenet", arithmetic=arithmetic)
    pictures = itn.load_images(
        "caltech-101", CATEGORIES, size=classifier.input_size, limit=int(count)
    )
    network, said = classifier.compiled, list[np.ndarray]()
    usual = network.predict_on_batch

    def kept(prepared: object) -> np.ndarray:
        softmax: np.ndarray = usual(prepared)
        said.append(softmax)
        return softmax

    network.predict_on_batch = kept
    for name in TRANSFORMATIONS:
        said.clear()
        sweep = itn.TRANSFORMATIONS[name].sweep(classifier.input_size)[:: int(every)]
        # One batch for each category.
        screening = itn.screen(
            classifier, pictures, name, sweep, batch_size=int(count), progress=False
        )
        found = itn.thresholds(screening)
        looks = np.stack(said).reshape(len(CATEGORIES), -1, *said[0].shape)
        found["softmax"] = (("category", "look", "image", "class"), looks)
        found.to_netcdf(Path(folder, f"{name}.nc"), engine="h5netcdf")


def main() -> None:
    """Compare all engines with the first."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=20, help="of each category")
    parser.add_argument("--every", type=int, default=2, help="how many magnitudes of a sweep")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where tables are written")
    given = parser.parse_args()
    if "ITN_DATA" not in os.environ:
        raise SystemExit("needs the pictures of Caltech-101: ITN_DATA names their folder")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for engine, (backend, arithmetic) in ENGINES.items():
            folder = Path(scratch, engine)
            folder.mkdir()
            arguments = [arithmetic, str(given.pictures), str(given.every), str(folder)]
            done = subprocess.run(
                [sys.executable, __file__, "--engine", *arguments],
                env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
            if done.returncode:
                print(f"{engine} does not compute here", flush=True)
                continue
            for name in TRANSFORMATIONS if engine != REFERENCE else ():
                with (
                    xr.open_dataset(Path(scratch, REFERENCE, f"{name}.nc")) as one,
                    xr.open_dataset(folder / f"{name}.nc") as other,
                ):
                    rows.append({"engine": engine, "transformation": name, **compare(one, other)})
                print(rows[-1], flush=True)
    table = shown(pd.DataFrame(rows))
    table.to_csv(given.folder / "arithmetic.csv", index=False)
    where = pd.DataFrame({"machine": [machine("keras", "tensorflow", "openvino")]})
    where.to_csv(given.folder / "arithmetic_machine.csv", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--engine"]:
        screen_all(*sys.argv[2:])
    else:
        main()
