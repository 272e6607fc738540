"""Are workers of a scheduler as quick as processes that know nothing of each other?

Four of each, with one thread, screen the same shards, alternating: those of the first
transformation, and those of all. What the others add to the first tells the throughput, to which
what is done once for a job does not belong: workers hash what they were sent to look at, and one
decodes all pictures to tell of the whole. That is told beside it, in seconds. Printed is a line
for each round; the medians are kept in benchmarks/workers.csv.

    python benchmarks/workers.py photos noise zoom contrast rotation
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any

import distributed

from itn.netcdf import write_netcdf
from itn.study.inputs import inputs_of
from itn.study.profiles import FigureParameters, project_folder
from itn.study.screenings import screening_request
from itn.study.shards import cut, outline, screen_shard
from itn.study.workers import archive_on_workers, limit_threads

COUNT = 4
ROUNDS = 5
SCRIPT = str(Path(__file__).absolute())
TARGET = Path(SCRIPT).with_name("workers.csv")


def screen_every_fourth(shards: list[dict[str, Any]], first: int) -> None:
    """Be one of the processes: screen once to be warm, then those before a number that comes."""
    limit_threads(1)
    screen_shard(shards[first])
    print("ready", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            for number, shard in enumerate(shards[first : int(line) : COUNT]):
                write_netcdf(screen_shard(shard), Path(folder, f"{number}.nc"))
            print("done", flush=True)


def shards_of(parameters: FigureParameters, transformations: list[str]) -> list[dict[str, Any]]:
    """Return the shards that workers would be given."""
    found = []
    for name in transformations:
        request = screening_request(parameters, name)
        inputs = inputs_of(parameters, request.recipe)
        found += cut(parameters, request.recipe, inputs, outline(inputs))
    return found


def main(profile: str, *transformations: str) -> None:
    """Print the shares."""
    parameters = FigureParameters(profile=profile)
    wanted = [(parameters, name) for name in transformations]
    names = list(transformations)
    shards = json.dumps(shards_of(parameters, names))
    command = [sys.executable, SCRIPT, "--process"]
    processes = [
        subprocess.Popen([*command, str(number)], stdin=PIPE, stdout=PIPE, text=True)
        for number in range(COUNT)
    ]

    def tell(line: str) -> None:
        for process in processes:
            assert process.stdin and process.stdout
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout and process.stdout.readline()

    def have_computed(address: str, how_many: int) -> None:
        shutil.rmtree("results", ignore_errors=True)  # of the copy of the project
        list(archive_on_workers(address, wanted[:how_many]))

    tell(shards)
    few, many = (len(shards_of(parameters, given)) for given in (names[:1], names))
    with distributed.LocalCluster(
        n_workers=COUNT, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        address = cluster.scheduler_address
        have_computed(address, len(names))  # to be warm
        shares, beginnings = [], []
        for _ in range(ROUNDS):
            first = seconds(tell, str(few)), seconds(have_computed, address, 1)
            whole = seconds(tell, str(many)), seconds(have_computed, address, len(names))
            apart, together = whole[0] - first[0], whole[1] - first[1]
            shares.append(apart / together)
            beginnings.append(first[1] - first[0] * together / apart)
            print(f"{shares[-1]:.3f}, {beginnings[-1]:.1f} s to begin", flush=True)
    for process in processes:
        process.communicate()
    share, beginning = statistics.median(shares), statistics.median(beginnings)
    print(f"{share:.3f} of the throughput of {COUNT} processes, {beginning:.1f} s to begin")
    TARGET.write_text(
        "workers,rounds,share of the throughput,seconds to begin\n"
        f"{COUNT},{ROUNDS},{share:.2f},{beginning:.1f}\n"
    )


def seconds(function: Callable[..., object], *arguments: object) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


if __name__ == "__main__":
    if sys.argv[1] == "--process":
        screen_every_fourth(json.loads(sys.stdin.readline()), int(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copytree(project_folder() / "profiles", Path(scratch, "profiles"))
            os.chdir(scratch)  # whose results may be removed
            main(*sys.argv[1:])
