"""Does a command that is killed again and again end in the same bytes, and what is done twice?

A small job of the command is done without a stop; then by processes that are killed at random
moments, each fifth by Ctrl-C, until it ends; and so again from the beginning until there were as
many kills as asked for. Printed is one row of a table.

    python benchmarks/kills.py screen --kills 50 --seed 0
"""

import argparse
import hashlib
import itertools
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

PROJECT = Path(__file__).absolute().parents[1]
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
ARGUMENTS = {
    "screen": [f"--transformation={name}" for name in ("noise", "zoom")],
    "transformers": [],
    "train": ["--architecture=alexnet_64", "--folder=results/trained"],
    "figures": ["--jobs=2"],
}
UNIT = {"screen": "batches", "transformers": "epochs", "train": "epochs", "figures": "notebooks"}
INTERRUPTED_EACH = 5
PATIENCE = 900  # seconds in which whoever is not killed has to end


def run(log: str, *arguments: str) -> None:
    """Be the command line, and note each unit of work that begins."""
    from itn.study import command_line

    usual = command_line.app

    def noting(**options: Any) -> Any:
        if arguments[0] == "screen":
            from itn.engines import Softmax

            note_calls(Softmax, "predict_on_batch", log)
        elif arguments[0] == "figures":
            from itn.study import runner

            note_calls(runner, "_execute", log)
        else:
            from itn.resumable import Batches

            note_calls(Batches, "shuffle", log)
        return usual(**options)

    command_line.app = noting  # type: ignore[assignment]  # within what Ctrl-C is expected by
    sys.argv = ["itn", *arguments]
    command_line.main()


def note_calls(owner: Any, name: str, log: str) -> None:
    """Let a function add a character to a file whenever it is called."""
    usual = getattr(owner, name)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def noted(*given: Any, **named: Any) -> Any:
        os.write(file, b".")
        return usual(*given, **named)

    setattr(owner, name, noted)


class Job:
    """A job in a folder of its own."""

    def __init__(self, command: str, folder: Path) -> None:
        self.command, self.folder, self.log = command, folder, folder / "log"
        (folder / "profiles").mkdir(parents=True)
        (folder / "profiles" / "stopped.yaml").write_text(json.dumps(PROFILE))
        shutil.copytree(PROJECT / "notebooks", folder / "notebooks")
        shutil.copy(PROJECT / "requirements.lock", folder)

    def begin(self) -> subprocess.Popen[str]:
        """Start the command, or let it go on."""
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

    def begun(self) -> int:
        """Count the units of work."""
        return self.log.stat().st_size if self.log.exists() else 0

    def content(self) -> dict[str, str]:
        """Return the hashes of all that is kept in the end."""
        kept = (path for top in ("results", "book") for path in (self.folder / top).rglob("*"))
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in kept
            if path.is_file() and path.suffix != ".lock" and ".locks" not in path.parts
        }

    def corrupt(self) -> list[str]:
        """Find what is no whole file although it has the name of one."""
        from itn.messages import UsageError
        from itn.netcdf import check

        found = []
        for path in self.folder.glob("[rb]*/**/*"):
            if any(part.startswith(".") and part != ".cache" for part in path.parts):
                continue
            try:
                if path.suffix == ".nc":
                    check(path)
                elif path.suffix in (".json", ".ipynb"):
                    json.loads(path.read_text())
            except (UsageError, ValueError) as error:
                found.append(f"{path}: {error}")
        return found


def ended(process: subprocess.Popen[str]) -> None:
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
    last = said.splitlines()[-1:]
    if process.returncode == 130 and last[0].startswith("itn: stopped; "):
        return "Traceback" not in said
    print(f"after Ctrl-C {process.returncode}: {said[-2000:]}", file=sys.stderr)
    return False


def torture(command: str, kills: int, seed: int, top: Path) -> dict[str, Any]:
    """Kill a command so often; return what is to be told of it."""
    moments = random.Random(seed)
    whole = Job(command, top / "whole")
    ended(whole.begin())  # is slower than others: it reads what was not read before
    wanted, units = whole.content(), whole.begun()
    shutil.rmtree(whole.folder)
    whole = Job(command, top / "whole")
    start = time.perf_counter()
    ended(whole.begin())
    seconds = time.perf_counter() - start
    found = Counter(same=int(whole.content() == wanted), jobs=1)
    for number in itertools.count():
        if found["kills"] >= kills:
            break
        job = Job(command, top / "killed")
        while True:
            before = job.begun()
            process = job.begin()
            try:
                if found["kills"] < kills:
                    process.wait(moments.uniform(0, seconds))
                ended(process)
                break
            except subprocess.TimeoutExpired:
                by_hand = found["kills"] % INTERRUPTED_EACH == INTERRUPTED_EACH - 1
                told = kill(process, by_hand)
            found["kills"] += 1
            found["by hand"] += by_hand
            found["told"] += by_hand and told
            found["at work"] += job.begun() > before
            for line in job.corrupt():
                found["corrupt"] += 1
                print(line, file=sys.stderr)
        found["jobs"] += 1
        found["twice"] += job.begun() - units
        content = job.content()
        found["same"] += {name: content.get(name) for name in wanted} == wanted
        for name in sorted(set(content) ^ set(wanted)):
            print(f"only in one of both, job {number}: {name}", file=sys.stderr)
        found["left"] += len(set(content) - set(wanted))
        shutil.rmtree(job.folder)
    return {
        "command": f"itn {command}",
        "seconds": round(seconds, 1),
        "kills": found["kills"],
        "at work": found["at work"],
        "jobs with the same bytes": f"{found['same']} of {found['jobs']}",
        "corrupt files": found["corrupt"],
        "left over": found["left"],
        "done twice": f"{found['twice']} {UNIT[command]} (of {units} a job)",
        "Ctrl-C told in one line": f"{found['told']} of {found['by hand']}",
    }


def main() -> None:
    """Print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=list(ARGUMENTS))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        row = torture(given.command, given.kills, given.seed, Path(folder))
    print(" | ".join(row))
    print(" | ".join(map(str, row.values())))


if __name__ == "__main__":
    main()
