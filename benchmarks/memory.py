"""Does a screening of ten times as many pictures take more memory? Writes memory.csv.

SqueezeNet screens pictures of smooth noise, all of one class, which are decoded as they are looked
at. Each row is the peak of processes of their own: one that screens and keeps what it was told on
disk, one that goes on from there although nothing is left to do, and one that reads the screening;
the median of several, since the peak of two threads is not the same each time.

    python benchmarks/memory.py 500 5000
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from itn.messages import Progress

TABLE = Path(__file__).with_name("memory.csv")
TASKS = ("screens", "goes on", "reads")
ROUNDS = 5
MAGNITUDES = (0.0, 0.5)
SIDE, COARSE = 256, 8  # pixels of a picture, and of the noise that it is enlarged from


def do(task: str, pictures: str, kept: str) -> None:
    """Be one of the processes, and print its peak."""
    import itn

    if task == "reads":
        itn.thresholds(itn.load_screening(f"{kept}/screening.nc"))
    else:
        classifier = itn.load_classifier("squeezenet")
        given = itn.load_images(pictures, size=classifier.input_size, stream=True, progress=False)
        found = itn.screen(classifier, given, "brightness", MAGNITUDES, batch_size=16, state=kept)
        itn.save_screening(found, f"{kept}/screening.nc")
    print(peak())


def peak() -> int:
    """Return the largest memory of this process so far, in bytes, without that of its parent."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def write_pictures(folder: Path, count: int) -> None:
    """Write pictures of one class."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        noise = Image.fromarray(random.integers(0, 256, (COARSE, COARSE, 3), dtype=np.uint8))
        noise.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{number:05}.jpg")


def main(*counts: str) -> None:
    """Write the table: medians over rounds, in which few and many take turns."""
    peaks: dict[tuple[str, str], list[int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            write_pictures(Path(folder, count, "soccer_ball"), int(count))
        for _ in Progress(range(ROUNDS), desc="memory", unit="round"):
            for count in counts:
                with tempfile.TemporaryDirectory() as kept:
                    for task in TASKS:
                        command = [sys.executable, __file__, task, f"{folder}/{count}", kept]
                        done = subprocess.run(
                            command, check=True, stdout=subprocess.PIPE, text=True
                        )
                        peaks.setdefault((task, count), []).append(int(done.stdout.split()[-1]))
    print(pd.DataFrame(peaks) // 10**6)
    median = pd.DataFrame(peaks).median().unstack()[list(counts)] / 1e6
    table = median.loc[list(TASKS)].rename_axis("a process that")
    more = table[counts[-1]] / table[counts[0]] - 1
    table = table.round().astype(int).rename(columns="MB for {}".format)
    table.assign(more=[f"{100 * each:+.1f} %" for each in more]).to_csv(TABLE)
    print(TABLE.read_text())


if __name__ == "__main__":
    if sys.argv[1] in TASKS:
        do(*sys.argv[1:])
    else:
        main(*sys.argv[1:])
