"""Are workers of a scheduler as quick as processes that know nothing of each other?

Four of each, with one thread, screen the same shards, alternating. Printed is, for each round, the
throughput of the workers as a share of that of the processes; the last line is the median, which
benchmarks/workers.csv keeps.

    python benchmarks/workers.py imagenet contrast zoom
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
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
    """Be one of the processes: screen once to be warm, then as often as a line comes."""
    limit_threads(1)
    screen_shard(shards[first])
    print("ready", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for _ in sys.stdin:
            for number, shard in enumerate(shards[first::COUNT]):
                write_netcdf(screen_shard(shard), Path(folder, f"{number}.nc"))
            print("done", flush=True)


def shards_of(parameters: FigureParameters, transformations: list[str]) -> list[dict[str, Any]]:
    """Return the shards that workers would be given."""
    found = []
    for name in transformations:
        request = screening_request(parameters, name)
        inputs = inputs_of(parameters, request.recipe)
        found += cut(parameters, request, inputs, outline(inputs))
    return found


def main(profile: str, *transformations: str) -> None:
    """Print the shares."""
    parameters = FigureParameters(profile=profile)
    wanted = [(parameters, name) for name in transformations]
    shards = json.dumps(shards_of(parameters, list(transformations)))
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

    def have_computed(address: str) -> None:
        shutil.rmtree("results", ignore_errors=True)  # of the copy of the project
        list(archive_on_workers(address, wanted))

    tell(shards)
    with distributed.LocalCluster(
        n_workers=COUNT, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        have_computed(cluster.scheduler_address)  # to be warm
        shares = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            tell("go")
            between = time.perf_counter()
            have_computed(cluster.scheduler_address)
            shares.append((between - started) / (time.perf_counter() - between))
            print(f"{shares[-1]:.3f}", flush=True)
    for process in processes:
        process.communicate()
    median = statistics.median(shares)
    print(f"{median:.3f} of the throughput of {COUNT} processes")
    TARGET.write_text(f"workers,rounds,share of the throughput\n{COUNT},{ROUNDS},{median:.2f}\n")


if __name__ == "__main__":
    if sys.argv[1] == "--process":
        screen_every_fourth(json.loads(sys.stdin.readline()), int(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copytree(project_folder() / "profiles", Path(scratch, "profiles"))
            os.chdir(scratch)  # whose results may be removed
            main(*sys.argv[1:])
