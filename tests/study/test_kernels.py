"""A forked kernel shows what one that starts anew shows, and ends when it has to.

The notebooks are small ones, in a project of their own.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from itn.study.kernels import ForkedProvisioner, _Forked
from itn.study.runner import run_notebook

linux = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")

STATE = """import os, sys
import IPython, matplotlib, numpy, pandas, xarray
pandas.DataFrame(numpy.zeros((30, 30)))
print({"a", "b", "c", "d"}, sys.argv[3:], sys.flags.hash_randomization, os.getcwd())
print(matplotlib.rcParams, pandas.options.display.max_rows, pandas.options.display.width)
print(xarray.get_options(), numpy.get_printoptions(), sys.path)
print(os.path.basename(IPython.get_ipython().history_manager.hist_file))"""
FORKED = """import os, pathlib, sys
assert not {"keras", "tensorflow", "jax"} & set(sys.modules)
text = pathlib.Path("/proc", str(os.getppid()), "status").read_text()
threads = text.split("Threads:")[1].split()[0]
command = pathlib.Path("/proc", str(os.getppid()), "cmdline").read_text()
print(threads, "itn.study.kernels" in command, os.environ["KERNEL_OF"], os.getppid())"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "profiles").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_notebook(path: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def shown(path: Path) -> list[str]:
    return nbformat.read(path, 4).cells[0].outputs[0].text.split()


@linux
def test_a_forked_kernel_shows_what_a_new_one_shows(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_notebook(project / "state.ipynb", *STATE.split("\n"))
    run_notebook(source, project / "out.ipynb", {})
    forked = (project / "out.ipynb").read_text()
    monkeypatch.setattr("itn.study.kernels._fork", lambda request: 0)
    run_notebook(source, project / "out.ipynb", {}, force=True)
    assert (project / "out.ipynb").read_text() == forked
    assert "30 columns" in forked


@linux
def test_all_are_forked_from_one_process_without_threads(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for name in ("first", "second"):
        monkeypatch.setenv("KERNEL_OF", name)  # each has the environment of its moment
        source = write_notebook(project / "forked.ipynb", FORKED)
        run_notebook(source, project / "out.ipynb", {}, force=True)
        said.append(shown(project / "out.ipynb"))
    server = said[0][-1]
    assert said == [["1", "True", "first", server], ["1", "True", "second", server]]
    assert int(server) != os.getpid()


@linux
def test_without_that_process_kernels_start_anew(project: Path) -> None:
    source = write_notebook(project / "one.ipynb", "import os; print(os.getppid())")
    run_notebook(source, project / "out.ipynb", {})
    (server,) = map(int, shown(project / "out.ipynb"))
    os.kill(server, signal.SIGKILL)
    run_notebook(source, project / "out.ipynb", {}, force=True)
    assert shown(project / "out.ipynb") == [str(os.getpid())]


@linux
def test_one_that_was_paused_holds_up_no_other(project: Path) -> None:
    body = "import os, pathlib, subprocess, time\nme = os.getpid()"
    body += "\nsubprocess.run(['sh', '-c', f'kill -STOP {me}; sleep 0.5; kill -CONT {me}'])"
    body += "\npathlib.Path('paused').touch()\nend = time.time() + 30"
    body += "\nwhile not os.path.exists('other') and time.time() < end: time.sleep(0.1)"
    paused = write_notebook(project / "long.ipynb", f"{body}\nassert os.path.exists('other')")
    other = write_notebook(project / "other.ipynb", "open('other', 'x').close()")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(run_notebook, paused, project / "first.ipynb", {})
        while not (project / "paused").exists() and not first.done():
            time.sleep(0.1)
        run_notebook(other, project / "second.ipynb", {})
        assert first.result(timeout=60)


@linux
@pytest.mark.parametrize("how", ["terminate", "kill"])
@pytest.mark.parametrize("ended", [True, False])
def test_a_kernel_is_ended_also_when_it_has_just_ended_by_itself(how: str, ended: bool) -> None:
    """Jupyter does so with one that takes its time; it may be gone by then."""
    process = subprocess.Popen(["sleep", "0" if ended else "60"], start_new_session=True)
    provisioner = ForkedProvisioner()
    provisioner.process = _Forked(process.pid)
    provisioner.pid = provisioner.pgid = process.pid
    if ended:
        process.wait(timeout=10)
    asyncio.run(getattr(provisioner, how)())
    status = {"terminate": -signal.SIGTERM, "kill": -signal.SIGKILL}[how]
    assert process.wait(timeout=10) == (0 if ended else status)


@linux
def test_a_killed_runner_leaves_no_process(project: Path) -> None:
    body = "import os, pathlib, time\nmine = f'{os.getpid()} {os.getppid()}'"
    body += "\npathlib.Path('writing').write_text(mine)"
    body += "\npathlib.Path('writing').rename('processes')\ntime.sleep(600)"
    source = write_notebook(project / "long.ipynb", body)
    script = "import sys; from pathlib import Path; from itn.study.runner import run_notebook\n"
    script += f"run_notebook(Path({str(source)!r}), Path('out.ipynb').absolute(), {{}})"
    runner = subprocess.Popen([sys.executable, "-c", script])
    written = project / "processes"
    deadline = time.monotonic() + 60
    while not written.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    runner.kill()
    runner.wait()
    processes = [Path("/proc", number) for number in written.read_text().split()]
    while any(map(Path.exists, processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(Path.exists, processes))


def test_a_server_whose_runner_has_ended_ends_without_a_word():
    """As after Ctrl-C, between the wish for a kernel and its number."""
    code = (
        "import itn.study.kernels as own; own.PRELOADED = (); own._rehearse = lambda: None\n"
        "own._become_kernel = lambda **given: None; own.serve()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as server:
        server.stdout.close()
        server.stdin.write("{}\n")
        server.stdin.close()
        said = server.stderr.read()
    assert "Traceback" not in said and "BrokenPipe" not in said
    assert server.returncode == 0
