"""Does a command that is killed again and again end in the same bytes, and what is begun again?

A small job of each command is done without a stop; then by processes that are killed at random
moments, each fifth by Ctrl-C, the others by SIGKILL, until it ends; and so again from the beginning
until there were as many kills as asked for. Four of five moments are drawn among the units of work
that are left, since most of the time goes into loading libraries; the fifth from the whole time.
Written is one row for each command, to kills.csv beside this file; the exit status is 1 where
anything is not as it should be.

    python benchmarks/kills.py --kills 50 --seed 0
    python benchmarks/kills.py screen train
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from itn.messages import Progress, UsageError
from itn.netcdf import check

PROJECT = Path(__file__).absolute().parents[1]
TABLE = PROJECT / "benchmarks" / "kills.csv"
PROFILE = {
    "description": "A few objects, looked at by who is killed",
    "networks": ["alexnet_phantom"],
    "pictures": "phantom",
    "classes": ["disc", "mirror", "two_fold", "zoom_small"],
    "highlights": ["disc", "mirror"],
    "limit": 8,
    "notebooks": ["noise", "zoom"],
    "training": {"pictures_per_class": 48, "epochs": 6},
    "transformers": {"limit": 16, "epochs": 6, "seeds": [0, 1], "color_weight": 0.3},
}
# What is done; of what the beginnings are counted, and what that is called.
ARGUMENTS = {
    "screen": [f"--transformation={name}" for name in ("noise", "zoom")],
    "transformers": [],
    "train": ["--architecture=alexnet_64", "--folder=results/trained"],
    "figures": ["--jobs=2"],
}
UNIT = {"screen": "batches", "transformers": "epochs", "train": "epochs", "figures": "notebooks"}
AT_ONCE = {"figures": 2}  # units under way in one process; of the others one
INTERRUPTED_EACH = 5
ANY_TIME_EACH = 5
LISTENING = "listening"  # a file of a job, once the command line is loaded
PATIENCE = 900  # seconds in which whoever is not killed has to end


def run(log: str, *arguments: str) -> None:
    """Be the command line, and note each unit of work that begins.

    Of the two batches that a screening has under way, each that ends: it is done, whether or not
    it was kept.
    """
    from itn.study import command_line

    usual = command_line.app

    def noting(**options: Any) -> Any:
        if arguments[0] == "screen":
            from itn.engines import Softmax

            note_calls(Softmax, "predict_on_batch", log, ended=True)
        elif arguments[0] == "figures":
            from itn.study import runner

            note_calls(runner, "_execute", log)
        else:
            from itn.resumable import Batches

            note_calls(Batches, "shuffle", log)
        return usual(**options)

    Path(log).with_name(LISTENING).touch()
    command_line.app = noting  # type: ignore[assignment]  # so that Ctrl-C is expected meanwhile
    sys.argv = ["itn", *arguments]
    command_line.main()


def note_calls(owner: Any, name: str, log: str, ended: bool = False) -> None:
    """Let a function add a character to a file whenever it is called, or has ended."""
    usual = getattr(owner, name)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def noted(*given: Any, **named: Any) -> Any:
        if not ended:
            os.write(file, b".")
        found = usual(*given, **named)
        if ended:
            os.write(file, b".")
        return found

    setattr(owner, name, noted)


class Job:
    """A job in a folder of its own, which is made anew."""

    def __init__(self, command: str, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.command, self.folder, self.log = command, folder, folder / "log"
        (folder / "profiles").mkdir(parents=True)
        (folder / "profiles" / "stopped.yaml").write_text(json.dumps(PROFILE))
        shutil.copytree(PROJECT / "notebooks", folder / "notebooks")
        shutil.copy(PROJECT / "requirements.lock", folder)

    def begin(self) -> subprocess.Popen[str]:
        """Start the command, or let it go on."""
        (self.folder / LISTENING).unlink(missing_ok=True)
        # A shell makes what it runs in the background deaf to Ctrl-C.
        code = (
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"import sys; sys.path.insert(0, {str(PROJECT / 'benchmarks')!r})\n"
            "import kills; kills.run(*sys.argv[1:])"
        )
        arguments = [self.command, "--profile=stopped", *ARGUMENTS[self.command]]
        return subprocess.Popen(
            [sys.executable, "-c", code, str(self.log), *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def end(self) -> float:
        """Do what is left without a stop; return how many seconds it took."""
        started = time.perf_counter()
        wait_for(self.begin())
        return time.perf_counter() - started

    def begun(self) -> int:
        """Count the units of work that were begun."""
        return self.log.stat().st_size if self.log.exists() else 0

    def content(self) -> dict[str, str]:
        """Return the hashes of all files that are kept in the end."""
        kept = (path for top in ("results", "book") for path in (self.folder / top).rglob("*"))
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in kept
            if path.is_file() and path.suffix != ".lock" and ".locks" not in path.parts
        }

    def damaged(self) -> list[str]:
        """Find what is no whole file although it has the name of one."""
        found = []
        for path in (
            path for top in ("results", "book") for path in self.folder.glob(f"{top}/**/*")
        ):
            hidden = [part for part in path.relative_to(self.folder).parts if part.startswith(".")]
            if set(hidden) - {".cache"}:  # what is unfinished has such names
                continue
            try:
                if path.suffix == ".nc":
                    check(path)
                elif path.suffix in (".json", ".ipynb"):
                    json.loads(path.read_text())
            except (UsageError, ValueError) as error:
                found.append(f"{path}: {error}")
        return found


def wait_for(process: subprocess.Popen[str]) -> None:
    """Wait for a process that nobody kills."""
    said = process.communicate(timeout=PATIENCE)[1]
    if process.returncode:
        raise RuntimeError(f"it ended with {process.returncode}: {said[-2000:]}")


def kill(process: subprocess.Popen[str], by_hand: bool) -> bool:
    """Kill a process; tell whether it said what is to be said."""
    if not by_hand:
        process.kill()
        process.communicate()
        return True
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said = process.communicate(timeout=60)[1]
    last = said.splitlines()[-1:] or [""]
    if (
        process.returncode == 130
        and last[0].startswith("itn: stopped; ")
        and "Traceback" not in said
    ):
        return True
    if process.returncode == 0:
        return True  # all was done
    print(f"after Ctrl-C {process.returncode}: {said[-2000:]}", file=sys.stderr)
    return False


def stop_again_and_again(
    job: Job, kills: int, moments: random.Random, seconds: float, units: int, found: Counter[str]
) -> None:
    """Do a job by processes that are killed, until it ends or there were as many as asked for."""
    at_work = 0
    while found["kills"] < kills:
        before = job.begun()
        process = job.begin()
        if found["kills"] % ANY_TIME_EACH == 0:
            wait, until = moments.uniform(0, seconds), before
        else:
            wait = moments.uniform(0, seconds / units)
            until = before + moments.randint(1, max(1, units - before))
        try:
            while job.begun() < until and process.poll() is None:
                time.sleep(0.01)
            process.wait(wait)
        except subprocess.TimeoutExpired:
            by_hand = found["kills"] % INTERRUPTED_EACH == INTERRUPTED_EACH - 1
            while by_hand and not (job.folder / LISTENING).exists():
                time.sleep(0.01)  # before, Python answers, not the command line
            told = kill(process, by_hand)
        else:
            wait_for(process)
            break
        found["kills"] += 1
        found["by hand"] += by_hand
        found["told"] += by_hand and told
        at_work += job.begun() > before
        for line in job.damaged():
            found["damaged"] += 1
            print(line, file=sys.stderr)
    else:
        job.end()
    found["at work"] += at_work


def torture(command: str, kills: int, seed: int, top: Path) -> dict[str, Any]:
    """Kill a command so often; return what is to be told of it."""
    moments = random.Random(f"{command} {seed}")
    whole = Job(command, top / "whole")
    whole.end()  # is slower than others: it reads what was not read before
    wanted, units = whole.content(), whole.begun()
    whole = Job(command, top / "whole")
    seconds = whole.end()
    found = Counter(same=int(whole.content() == wanted), jobs=1)
    with Progress(total=kills, desc=f"itn {command}", unit="kill") as bar:
        while found["kills"] < kills:
            job, before = Job(command, top / "killed"), found.copy()
            stop_again_and_again(job, kills, moments, seconds, units, found)
            content, again = job.content(), job.begun() - units
            for name in sorted(set(content.items()) ^ set(wanted.items())):
                print(f"differs, job {found['jobs']}: {name}", file=sys.stderr)
            found.update(
                jobs=1,
                same=content == wanted,
                twice=again,
                more=max(
                    0, again - AT_ONCE.get(command, 1) * (found["at work"] - before["at work"])
                ),
            )
            bar.update(found["kills"] - before["kills"])
    return {
        "command": f"itn {command}",
        "seconds without a stop": round(seconds, 1),
        "killed by SIGKILL": found["kills"] - found["by hand"],
        "by Ctrl-C": found["by hand"],
        "of these told in one line": found["told"],
        "killed at work": found["at work"],
        "jobs": found["jobs"],
        "jobs with the same bytes": found["same"],
        "damaged files": found["damaged"],
        "unit": UNIT[command],
        "units of a job": units,
        "done or begun again": found["twice"],
        "more than was under way": found["more"],
    }


def main() -> None:
    """Write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", nargs="*", choices=[[], *ARGUMENTS], metavar="COMMAND")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    failed = False
    for command in given.command or ARGUMENTS:
        with tempfile.TemporaryDirectory() as folder:
            row = torture(command, given.kills, given.seed, Path(folder))
        table = pd.DataFrame([row]).set_index("command")
        if TABLE.exists():
            table = table.combine_first(pd.read_csv(TABLE, index_col="command"))[table.columns]
        table.loc[[name for name in map("itn {}".format, ARGUMENTS) if name in table.index]].to_csv(
            TABLE
        )
        print(row, flush=True)
        right = row["jobs"] == row["jobs with the same bytes"] and not row["damaged files"]
        told = row["of these told in one line"] == row["by Ctrl-C"]
        failed |= not (right and told and not row["more than was under way"])
    sys.exit(failed)


if __name__ == "__main__":
    main()
