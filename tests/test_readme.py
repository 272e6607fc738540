"""What README.md, the Makefile and the lock file tell people to do."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer.testing
import yaml

from itn.study.command_line import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the code blocks of README.md in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, marks=pytest.mark.data if "caltech" in block else ())
        for block in blocks("python")
    ],
)
def test_readme_examples_run_and_tell_something(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ITN_FIGURES", raising=False)
    for name in ("profiles", "results"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns(".cache"))
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    told = capsys.readouterr().out
    assert told.strip()
    assert "nan" not in told.lower()
    if "save_figure" in block:
        assert "<svg" in (tmp_path / "starfish.svg").read_text(encoding="utf-8")
    if "data.cat()" in block:
        assert told.startswith("['Egyptian_cat', 'espresso', ")
    if '"contrast"' in block:
        assert re.search(r"starfish +\S+ +0\.\d+× +not reached ", told)


def test_readme_commands_exist() -> None:
    told = "\n".join(blocks("shell")) + "\n".join(re.findall(r"`((?:make|itn) [^`]+)`", README))
    targets = re.findall(r"^make (\w+)", told, re.MULTILINE)
    assert {"book", "test", "figures"} <= set(targets)
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)
    for command in re.findall(r"^itn ([\w-]+)", told, re.MULTILINE):
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


def test_what_to_cite_is_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert cited["version"] == project["version"]
    assert " AND ".join(cited["license"]) == project["license"]
    page = (ROOT / "book" / "cite.md").read_text(encoding="utf-8")
    for name, value in (
        ("title", cited["title"]),
        ("version", cited["version"]),
        ("date", cited["date-released"].isoformat()),
        ("license", project["license"]),
    ):
        assert re.search(rf"{name} += {{{re.escape(value)}}}", page), name
    papers = [re.search(r"@misc.*?^}", text, re.DOTALL | re.MULTILINE) for text in (page, README)]
    assert papers[0] and papers[1] and papers[0].group() == papers[1].group()
