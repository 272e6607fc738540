"""Notebooks hold parameters and calls, no logic, and refuse parameters they do not have."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import papermill
import pytest

from itn.messages import UsageError
from itn.study.profiles import (
    DistanceParameters,
    GateParameters,
    TransformerParameters,
    VariationParameters,
    read_parameters,
)

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PARAMETER = re.compile(r"\w+: [^=#]+ = [^#]+  # \w.*")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook: nbformat.NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_there_are_notebooks() -> None:
    assert {"rotation", "appendix"} <= {path.stem for path in NOTEBOOKS}


@each_notebook
def test_has_no_output(path: Path) -> None:
    for cell in read(path).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@each_notebook
def test_every_parameter_has_a_type_and_a_comment(path: Path) -> None:
    tagged = [cell for cell in read(path).cells if "parameters" in cell.metadata.get("tags", ())]
    assert len(tagged) == 1
    for line in tagged[0].source.splitlines():
        assert PARAMETER.fullmatch(line), line


@each_notebook
def test_papermill_finds_every_parameter(path: Path) -> None:
    """It calls one that it cannot parse unknown, such as ``int | None``."""
    (cell,) = (cell for cell in read(path).cells if "parameters" in cell.metadata.get("tags", ()))
    names = [line.split(":")[0] for line in cell.source.splitlines()]
    assert list(papermill.inspect_notebook(path)) == names


@each_notebook
def test_looks_at_the_phantom_unless_told_otherwise(path: Path) -> None:
    (cell,) = (cell for cell in read(path).cells if "parameters" in cell.metadata.get("tags", ()))
    namespace: dict[str, object] = {}
    exec(cell.source, namespace)
    if "alone" in namespace:
        found = read_parameters(namespace, VariationParameters)
    elif "criterion" in namespace:
        found = read_parameters(namespace, DistanceParameters)
    elif "holds" in namespace:
        found = read_parameters(namespace, GateParameters)
    elif "seeds" in namespace:
        found = read_parameters(namespace, TransformerParameters)
    else:
        found = read_parameters(namespace)
    elsewhere = {
        "claims": "photos",
        "controls": "photos",
        "costs": "imagenet",
        "many_classes": "imagenet_sample",
        "paper_figures": "paper",
        "photographs": "photos",
        "taught": "photos_taught",
        "worst_case": "photos",
    }
    assert found.profile == elsewhere.get(path.stem, "phantom")


@each_notebook
def test_pair_is_in_step(path: Path) -> None:
    # That of photographs leaves out the version of jupytext that wrote the file.
    version = re.compile(r"jupytext_version: .*")
    expected = jupytext.writes(read(path), fmt="py:percent")
    written = path.with_suffix(".py").read_text(encoding="utf-8")
    assert version.sub("", written) == version.sub("", expected)


def test_every_script_has_its_notebook() -> None:
    scripts = (ROOT / "notebooks").glob("*.py")
    assert {path.stem for path in scripts} == {path.stem for path in NOTEBOOKS}


@each_notebook
def test_holds_no_logic(path: Path) -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
    logic = (ast.Lambda, ast.IfExp, ast.comprehension, ast.NamedExpr)
    tree = ast.parse(code(read(path)))
    assert [ast.unparse(node) for node in tree.body if not isinstance(node, allowed)] == []
    assert [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, logic)] == []


def run_papermill(folder: Path, values: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the rotation notebook as the README does, where nothing keeps its figures."""
    command = ["papermill", "notebooks/rotation.ipynb", str(folder / "out.ipynb"), "-y", values]
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={name: os.environ[name] for name in os.environ if name != "ITN_FIGURES"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_misspelt_parameter_is_explained_in_one_line(tmp_path: Path) -> None:
    run = run_papermill(tmp_path, "clases: [starfish]")
    assert run.returncode != 0
    message = "UsageError: unknown parameter 'clases'; closest: 'classes'; possible: "
    assert run.stderr.strip().splitlines()[-1].startswith(message), run.stderr
    assert "site-packages/itn" not in run.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"classes": ["starfich"]},
            "profiles phantom, imagenet, paper, photos, photos_taught: unknown class 'starfich'; "
            "closest: 'starfish'; ",
        ),
        (
            {"network": "squeezent"},
            "unknown network 'squeezent'; closest: 'squeezenet'; possible: ",
        ),
        ({"fill": "zeroes"}, "unknown fill 'zeroes'; closest: 'zeros'; possible: "),
    ],
)
def test_misspelt_value_is_explained_in_one_line(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, object], message: str
) -> None:
    """The notebook as papermill runs it, with what it was given behind its own parameters."""
    monkeypatch.chdir(ROOT)
    cells = read(ROOT / "notebooks" / "rotation.ipynb").cells
    namespace: dict[str, object] = {}
    with pytest.raises(UsageError, match=f"^{re.escape(message)}") as raised:
        for cell in cells:
            if cell.cell_type == "code":
                exec(cell.source, namespace)
            if "parameters" in cell.metadata.get("tags", ()):
                namespace |= given
    assert raised.value._render_traceback_() == [f"UsageError: {raised.value}"]
    assert "\n" not in str(raised.value)


def test_readme_command_makes_the_figure_and_nothing_else(tmp_path: Path) -> None:
    """A variable of the user's start-up file is no parameter."""
    start = tmp_path / "ipython" / "profile_default" / "startup"
    start.mkdir(parents=True)
    (start / "00.py").write_text("DEBUG = True\nclasse = 'mine'\n")
    before = set(ROOT.iterdir()) | set((ROOT / "notebooks").iterdir())
    run = run_papermill(tmp_path, "classes: [starfish]", IPYTHONDIR=str(tmp_path / "ipython"))
    assert run.returncode == 0, run.stderr
    assert "unknown parameter" not in run.stderr
    assert set(ROOT.iterdir()) | set((ROOT / "notebooks").iterdir()) == before
    assert list(tmp_path.glob("*.svg")) == []
    executed = read(tmp_path / "out.ipynb")
    assert "Starfish" in code(executed).title()
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    pictures = [
        each.data["image/svg+xml"] for each in outputs if "image/svg+xml" in each.get("data", ())
    ]
    assert len(pictures) == 2  # the main figure, and the first network alone
    assert all(picture.startswith("<svg") for picture in pictures)
    assert [each.text for each in outputs if each.get("name") == "stderr"] == []
