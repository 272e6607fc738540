"""The command line, the Makefile and what README.md tells people to do."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.testing

import itn
from itn.command_line import app, main
from itn.data_sets import CATALOG, File

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the code blocks of README.md in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


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
    for name in ("alexnet_phantom", "MobileNetV2", r"\.keras"):
        assert re.search(rf"{name} ", classifiers)
    path.write_bytes(b"abd")
    monkeypatch.chdir(ROOT)
    assert run_main(monkeypatch, "data", "verify") == "itn: 1 files are not as published"


def test_help_names_the_commands() -> None:
    result = typer.testing.CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "screen" in result.output
    assert "figures" in result.output


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


def test_figures_runs_the_notebooks_of_a_profile(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr("itn.runner.run_profile", lambda *given: calls.append(given))
    assert run_main(monkeypatch, "figures") == 0
    arguments = ["figures", "--profile", "imagenet", "--force", "--only", "rotation"]
    assert run_main(monkeypatch, *arguments) == 0
    assert calls == [("phantom", False, None), ("imagenet", True, "rotation")]


def test_a_failing_notebook_is_explained_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from itn.runner import NotebookError

    def fail(*_: object) -> None:
        raise NotebookError("rotation.ipynb, cell [3]: ValueError: no")

    monkeypatch.setattr("itn.runner.run_profile", fail)
    code = run_main(monkeypatch, "figures")
    assert code == "itn: rotation.ipynb, cell [3]: ValueError: no"


def test_screen_archives_what_is_missing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    computed = []

    def compute(parameters: object, name: str) -> str:
        computed.append(name)
        return name

    def save(screening: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(screening)

    monkeypatch.setattr(itn, "compute_screening", compute)
    monkeypatch.setattr(itn, "save_screening", save)
    blur, zoom = ["--transformation", "blur"], ["--transformation", "zoom"]
    command = ["screen", "--profile", "imagenet"]
    assert run_main(monkeypatch, *command, *blur) == 0
    assert run_main(monkeypatch, *command, *blur, *zoom) == 0
    assert run_main(monkeypatch, *command, *blur, "--force") == 0
    assert computed == ["blur", "zoom", "blur"]
    archive = project / "results" / "imagenet"
    assert sorted(path.name for path in archive.iterdir()) == [
        "squeezenet_blur.nc",
        "squeezenet_zoom.nc",
    ]
    assert capsys.readouterr().out.splitlines() == [
        "squeezenet_blur.nc written",
        "squeezenet_blur.nc is there already",
        "squeezenet_zoom.nc written",
        "squeezenet_blur.nc written",
    ]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, marks=pytest.mark.data if "load_images" in block else ())
        for block in blocks("python")
    ],
)
def test_readme_examples_run(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ITN_FIGURES", str(tmp_path))
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    if "save_figure" in block:
        assert "<svg" in (tmp_path / "starfish.svg").read_text(encoding="utf-8")


def test_readme_commands_exist(tmp_path: Path) -> None:
    told = "\n".join(blocks("shell")) + "\n".join(re.findall(r"`((?:make|itn) [^`]+)`", README))
    targets = re.findall(r"^make (\w+)", told, re.MULTILINE)
    assert {"book", "test", "figures"} <= set(targets)
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)
    for command in re.findall(r"^itn (\w+)", told, re.MULTILINE):
        assert typer.testing.CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_readme_refers_to_what_is_there() -> None:
    named = re.findall(r"`([\w./]+/)`", README) + re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert len(named) > 5
    missing = [name for name in named if not (ROOT / name).exists()]
    assert [name for name in missing if name != "book/results/"] == []  # made by `make figures`


def test_makefile_refuses_another_python(tmp_path: Path) -> None:
    """A fresh checkout, and a Python that is too old."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    run = subprocess.run(
        ["make", "test", f"PYTHON={old}"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "Python 3.11, 3.12 or 3.13 is needed, but" in run.stderr
    assert "is Python 3.9.2. Name another: make PYTHON=python3.12" in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_lock_file_names_no_place() -> None:
    """Exact versions for every supported Python, from whichever index a user has."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==[\w.+!]+( ; [\w .'<>=!()*]+)?", line), line
    names = {line.split("==")[0] for line in lines}
    assert {"keras", "tensorflow-cpu", "tensorflow", "jax", "jupyter-book", "setuptools"} <= names
    assert "jupyter-book==1.0.4.post1" in lines
