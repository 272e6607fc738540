"""Notebooks run when their contents ask for it, whole or not at all, and always to the same bytes.

The notebooks are small ones, in a project of their own.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jupytext
import nbformat
import pytest

import itn
from itn.files import one_at_a_time
from itn.study.runner import NotebookError, run_notebook, run_profile

PROFILE = Path(__file__).parents[2] / "profiles" / "imagenet.yaml"

PARAMETERS = """profile: str = "demo"  # which
color: str = "blue"  # of the square"""

BODY = """import os, pathlib, sys, time, uuid
from IPython.display import HTML, display
figures = pathlib.Path(os.environ["ITN_FIGURES"])
(figures / "square.svg").write_text(f'<svg fill="{color}"/>')
print("first", figures / "square.svg")"""

# All that differs between runs, machines or moments.
NOISE = """from itn.messages import Progress
print("progress", file=sys.stderr)
print("one", end="\\n", flush=True)
time.sleep(0.5)  # a kernel sends what is printed in pieces
print("two", object(), pathlib.Path("profiles").resolve(), pathlib.Path.home() / "x", sys.prefix)
for _ in Progress(range(3), "bar"):
    pass
name = uuid.uuid4()
display(HTML(f'<a href="#{name}">{name}</a> <b id="{uuid.uuid4()}">'))
print({"a", "b", "c", "d"}, profile)
lambda: 0"""


def write_notebook(path: Path, *sources: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [nbformat.v4.new_code_cell(source) for source in (PARAMETERS, *sources)]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one profile and one notebook; the working directory is inside it."""
    (tmp_path / "profiles").mkdir()
    lines = PROFILE.read_text().splitlines(keepends=True)
    which = ("notebooks:", "each_network:")  # those of the demo are its tests' choice
    kept = "".join(line for line in lines if not line.startswith(which))
    kept = kept.replace("[squeezenet, efficientnet_lite0]", "[squeezenet]")
    (tmp_path / "profiles" / "demo.yaml").write_text(kept)
    (tmp_path / "results" / "demo").mkdir(parents=True)
    (tmp_path / "results" / "demo" / "squeezenet_blur.nc").write_bytes(b"archived")
    (tmp_path / "requirements.lock").write_text("numpy==2.0.0\n")
    write_notebook(tmp_path / "notebooks" / "square.ipynb", BODY)
    # The pictures of the profile, which are not looked at, would be hashed at every run.
    monkeypatch.setenv("ITN_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the notebooks that were asked to be executed; none really is."""
    names: list[str] = []

    def pretend(
        source: Path, parameters: dict[str, object], figures: Path
    ) -> nbformat.NotebookNode:
        names.append(source.stem)
        (figures / "square.svg").write_text("<svg/>")
        return nbformat.read(source, 4)

    monkeypatch.setattr("itn.study.runner._execute", pretend)
    return names


def test_same_contents_give_same_bytes(project: Path) -> None:
    source = write_notebook(project / "notebooks" / "noisy.ipynb", BODY, NOISE)
    target = project / "out" / "noisy.ipynb"
    environment = dict(os.environ)

    assert run_notebook(source, target, {"profile": "demo", "color": "red"})
    first = contents(target.parent)
    assert not run_notebook(source, target, {"profile": "demo", "color": "red"})
    assert run_notebook(source, target, {"profile": "demo", "color": "red"}, force=True)

    assert contents(target.parent) == first
    assert sorted(first) == ["noisy.ipynb", "square.svg"]  # nothing temporary is left
    assert first["square.svg"] == b'<svg fill="red"/>'
    assert dict(os.environ) == environment
    text = first["noisy.ipynb"].decode()
    for path in (project, Path.home(), sys.prefix):
        assert f"{path}" not in text
    for word in (
        "start_time",
        "duration",
        "papermill",
        "iopub",
        "progress\\n",
        sys.version.split()[0],
    ):
        assert word not in text
    notebook = nbformat.reads(text, 4)
    nbformat.validate(notebook)
    shown = [output.get("text") for output in notebook.cells[-1].outputs]
    assert shown[0].startswith("one\ntwo <object object at 0x…> ./profiles ~/x <python>\n")
    assert notebook.cells[-1].outputs[1].data["text/html"] == (
        '<a href="#id-0">id-0</a> <b id="id-1">'  # still one name in both places
    )
    assert notebook.cells[2].outputs[0].text == "first ./square.svg\n"
    assert notebook.cells[1].metadata.tags == ["injected-parameters"]


def test_runs_in_this_interpreter_whatever_kernels_are_installed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = project / "elsewhere" / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(
        json.dumps({"argv": ["/bin/false"], "display_name": "Other", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(project / "elsewhere"))
    source = write_notebook(
        project / "notebooks" / "where.ipynb",
        "import os, pathlib, sys\n"
        f"assert sys.executable == {sys.executable!r}\n"
        f"assert pathlib.Path.cwd() == pathlib.Path({str(project)!r})",
    )
    assert run_notebook(source, project / "out.ipynb", {"profile": "demo"})


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (
            "x = 1\nraise ValueError('it\\nwent wrong')",
            NotebookError,
            r"broken.ipynb, cell \[3\] 'x = 1': ValueError: it went wrong",
        ),
        (
            "from itn.messages import unknown\nraise unknown('class', 'starfich', ['starfish'])",
            itn.UsageError,
            "unknown class 'starfich'; closest: 'starfish'; possible: starfish",
        ),
        (
            "import os; os.write(2, b'Aborted\\n'); os._exit(9)",
            NotebookError,
            "broken.ipynb: its kernel died",
        ),
    ],
)
def test_failure_leaves_the_old_result(
    project: Path,
    body: str,
    error: type[Exception],
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = project / "out"
    folder.mkdir()
    (folder / "broken.ipynb").write_text("old")
    (folder / "square.svg").write_text("old")
    source = write_notebook(project / "notebooks" / "broken.ipynb", BODY, body)
    with pytest.raises(error, match=f"^{message}") as raised:
        run_notebook(source, folder / "broken.ipynb", {})
    assert "\n" not in str(raised.value)
    assert contents(folder) == {"broken.ipynb": b"old", "square.svg": b"old"}
    assert capfd.readouterr().err == ("Aborted\n" if "its kernel died" in message else "")


@pytest.mark.parametrize(
    "change",
    [
        lambda project, target: target.unlink(),
        lambda project, target: target.write_text(target.read_text()[:-20]),
        lambda project, target: target.write_text("[]"),
        lambda project, target: (target.parent / "square.svg").unlink(),
        lambda project, target: (target.parent / "square.svg").write_text("<svg>edited</svg>"),
        lambda project, target: write_notebook(project / "notebooks" / "square.ipynb", "1 + 1"),
        lambda project, target: (project / "profiles" / "demo.yaml").write_text(
            (project / "profiles" / "demo.yaml").read_text() + "seed: 1\n"
        ),
        lambda project, target: (project / "results/demo/squeezenet_blur.nc").write_bytes(b"new"),
        lambda project, target: (project / "results/demo/squeezenet_zoom.nc").write_bytes(b""),
        lambda project, target: (project / "requirements.lock").write_text("numpy==2.1.0\n"),
    ],
    ids=[
        "target missing",
        "target cut off",
        "target of another kind",
        "figure missing",
        "figure edited",
        "cells",
        "profile",
        "archive",
        "another archive",
        "lock file",
    ],
)
def test_what_makes_a_notebook_run_again(project: Path, executions: list[str], change) -> None:
    target = project / "book" / "results" / "demo" / "square.ipynb"
    run_profile("demo")
    run_profile("demo")
    assert executions == ["square"]
    change(project, target)
    run_profile("demo")
    run_profile("demo")
    assert executions == ["square", "square"]


def test_sources_and_parameters_make_a_notebook_run_again(
    project: Path, executions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = project / "notebooks" / "square.ipynb", project / "out.ipynb"
    assert run_notebook(source, target, {"profile": "demo"})
    assert run_notebook(source, target, {"profile": "demo", "color": "red"})
    assert not run_notebook(source, target, {"color": "red", "profile": "demo"})
    monkeypatch.setattr("itn.study.runner.notebook_hash", lambda code: "other sources")
    assert run_notebook(source, target, {"profile": "demo", "color": "red"})


def test_times_and_outputs_make_no_notebook_run_again(project: Path, executions: list[str]) -> None:
    run_profile("demo")
    source = project / "notebooks" / "square.ipynb"
    notebook = nbformat.read(source, 4)
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", name="stdout", text="seen")]
    notebook.cells[-1].execution_count = 7
    nbformat.write(notebook, source)
    for path in project.rglob("*"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    run_profile("demo")
    assert executions == ["square"]


def test_run_profile_says_what_it_did(
    project: Path, executions: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_notebook(project / "notebooks" / "circle.ipynb", BODY)
    run_profile("demo", only="square")
    assert capsys.readouterr().out == "demo/square: executed\n"
    run_profile("demo", jobs=1)
    assert capsys.readouterr().out == "demo/circle: executed\ndemo/square: up to date\n"
    run_profile("demo", jobs=1, force=True)
    assert capsys.readouterr().out == "demo/circle: executed\ndemo/square: executed\n"
    assert executions == ["square", "circle", "circle", "square"]
    (project / "profiles" / "other.yaml").write_text((project / "profiles/demo.yaml").read_text())
    run_profile("demo", "other", only="circle")
    said = sorted(capsys.readouterr().out.splitlines())
    assert said == ["demo/circle: up to date", "other/circle: executed"]


def test_a_profile_may_choose_its_notebooks(project: Path, executions: list[str]) -> None:
    write_notebook(project / "notebooks" / "circle.ipynb", BODY)
    profile = project / "profiles" / "demo.yaml"
    profile.write_text(profile.read_text() + "notebooks: [circle]\n")
    run_profile("demo")
    assert executions == ["circle"]
    chosen = profile.read_text()
    message = "profiles/demo.yaml: unknown notebook 'cirle'; closest: 'circle'"
    for wrong in (chosen.replace("[circle]", "[cirle]"), f"{chosen}each_network: [cirle]\n"):
        profile.write_text(wrong)
        with pytest.raises(itn.UsageError, match=message):
            run_profile("demo")


def writing(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let notebooks that are executed write these files, called after the notebook."""

    def pretend(
        source: Path, parameters: dict[str, object], figures: Path
    ) -> nbformat.NotebookNode:
        for name in names:
            (figures / f"{source.stem}{name}").write_text(source.stem)
        return nbformat.read(source, 4)

    monkeypatch.setattr("itn.study.runner._execute", pretend)


def test_what_no_run_makes_any_more_is_removed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its files; not what somebody else put there, or wrote over them."""
    writing(monkeypatch, ".svg", ".csv")
    write_notebook(project / "notebooks" / "circle.ipynb", BODY)
    run_profile("demo")
    results = project / "book" / "results" / "demo"
    made = {f"{name}.{end}" for name in ("circle", "square") for end in ("ipynb", "svg", "csv")}
    assert contents(results).keys() == made
    (results / "circle.csv").write_text("mine")
    write_notebook(results / "mine.ipynb", BODY)
    (project / "notebooks" / "circle.ipynb").unlink()
    run_profile("demo", only="square")  # asks for one, and says nothing of the others
    assert contents(results).keys() == made | {"mine.ipynb"}
    run_profile("demo")
    assert contents(results).keys() == made - {"circle.ipynb", "circle.svg"} | {"mine.ipynb"}
    assert "demo/circle.ipynb: removed, no run makes it" in capsys.readouterr().out


def test_what_a_notebook_writes_no_more_is_removed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing(monkeypatch, ".svg", "_narrow.svg")
    run_profile("demo")
    writing(monkeypatch, ".svg")
    run_profile("demo", force=True)
    assert contents(project / "book" / "results" / "demo").keys() == {"square.ipynb", "square.svg"}


def test_a_record_names_files_beside_its_notebook_alone(
    project: Path, executions: list[str]
) -> None:
    """What a notebook from elsewhere says reaches no file of another folder."""
    run_profile("demo")
    target = project / "book" / "results" / "demo" / "square.ipynb"
    other = project / "requirements.lock"
    path = target.with_name("strange.ipynb")
    notebook = nbformat.read(target, 4)
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    notebook.metadata["itn"]["files"] = {"../../../requirements.lock": digest}
    nbformat.write(notebook, path)
    run_profile("demo")
    assert other.is_file() and not path.exists()


def test_a_profile_may_run_notebooks_for_each_of_its_networks(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show = '(figures / "square.svg").write_text(str(network))'
    imports = "import os, pathlib\nfigures = pathlib.Path(os.environ['ITN_FIGURES'])"
    path = write_notebook(project / "notebooks" / "network.ipynb", f"{imports}\n{show}")
    notebook = nbformat.read(path, 4)
    notebook.cells[0].source += "\nnetwork: str = None  # which"
    nbformat.write(notebook, path)
    profile = project / "profiles" / "demo.yaml"
    text = profile.read_text().replace("[squeezenet]", "[squeezenet, alexnet_phantom]")
    profile.write_text(text)
    run_profile("demo", only="network")
    profile.write_text(f"{text}each_network: [network]\n")
    run_profile("demo")
    assert sorted(capsys.readouterr().out.splitlines()) == [
        "demo/alexnet_phantom/network: executed",
        "demo/network.ipynb: removed, no run makes it",
        "demo/network: executed",
        "demo/square: executed",
        "demo/squeezenet/network: executed",
    ]
    results = project / "book" / "results" / "demo"
    for folder, shown in (("", "None"), ("squeezenet", None), ("alexnet_phantom", None)):
        assert (results / folder / "square.svg").read_text() in (
            shown or folder,
            '<svg fill="blue"/>',
        )


@pytest.mark.parametrize(
    ("parameter", "tags", "archived", "heading"),
    [
        ("network: str = None", [], True, "SqueezeNet v1.0 on ImageNet classes"),
        (
            "network: str = None",
            ["together"],
            True,
            "SqueezeNet v1.0 and AlexNet on ImageNet classes",
        ),
        ("network: str = None", ["together"], False, "SqueezeNet v1.0 on ImageNet classes"),
        ("seed: int = None", [], True, "ImageNet classes"),
    ],
)
def test_an_executed_notebook_says_who_looks_at_what(
    project: Path,
    executions: list[str],
    parameter: str,
    tags: list[str],
    archived: bool,
    heading: str,
) -> None:
    """Of networks that are shown together, those whose screenings are there."""
    path = write_notebook(project / "notebooks" / "square.ipynb", BODY)
    notebook = nbformat.read(path, 4)
    notebook.cells[0].source += f"\n{parameter}"
    notebook.cells[0].metadata.tags += tags
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# Squares\n\n# Not a heading"))
    nbformat.write(notebook, path)
    text = (project / "profiles" / "demo.yaml").read_text()
    text = text.replace("[squeezenet]", "[squeezenet, alexnet_photos]")
    (project / "profiles" / "imagenet.yaml").write_text(text)
    (project / "results" / "imagenet").mkdir(parents=True)
    for name in itn.TRANSFORMATIONS if archived else ():
        (project / "results" / "imagenet" / f"alexnet_photos_{name}.nc").touch()
    run_profile("imagenet")
    executed = nbformat.read(project / "book" / "results" / "imagenet" / "square.ipynb", 4)
    assert executed.cells[0].source == f"# Squares · {heading}\n\n# Not a heading"
    assert nbformat.read(path, 4).cells[0].source.startswith("# Squares\n")


def test_run_profile_names_what_is_unknown(project: Path) -> None:
    with pytest.raises(itn.UsageError, match="unknown notebook 'sqare'; closest: 'square'"):
        run_profile("demo", only="sqare")
    with pytest.raises(itn.UsageError, match="unknown profile 'dmo'; closest: 'demo'"):
        run_profile("dmo")


def test_several_run_at_once(project: Path) -> None:
    """Each waits for a file that the other writes."""
    for own, other in (("square", "circle"), ("circle", "square")):
        write_notebook(
            project / "notebooks" / f"{own}.ipynb",
            f"import pathlib, time\npathlib.Path('{own}').touch()\nend = time.time() + 60\n"
            f"while time.time() < end and not pathlib.Path('{other}').exists(): time.sleep(0.05)\n"
            f"assert pathlib.Path('{other}').exists()",
        )
    run_profile("demo", jobs=2)
    assert sorted(path.stem for path in (project / "book/results/demo").iterdir()) == [
        "circle",
        "square",
    ]


def test_one_that_fails_lets_the_others_finish(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_notebook(project / "notebooks" / "broken.ipynb", "raise ValueError('no')")
    message = (
        r"^1 of 2 notebooks failed: demo/broken: broken.ipynb, cell \[3\] "
        r"\"raise ValueError\('no'\)\": ValueError: no$"
    )
    with pytest.raises(NotebookError, match=message):
        run_profile("demo", jobs=1)
    assert capsys.readouterr().out == "demo/broken: failed\ndemo/square: executed\n"
    assert [path.name for path in (project / "book/results/demo").glob("*.ipynb")] == [
        "square.ipynb"
    ]


def test_two_at_once_of_a_profile_take_turns(project: Path, executions: list[str]) -> None:
    lock = project / "book" / "results" / ".locks" / "demo"
    with ThreadPoolExecutor() as pool:
        with one_at_a_time(lock, "the test"):
            waiting = pool.submit(run_profile, "demo")
            time.sleep(1)
            assert (executions, waiting.running()) == ([], True)
        waiting.result(timeout=60)
    assert executions == ["square"]


def test_what_does_not_apply_is_passed_over(
    project: Path, executions: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for need in ("untaught", "pictures=phantom", "costs.json", "transformers"):
        path = write_notebook(project / "notebooks" / f"{need}.ipynb", BODY)
        notebook = nbformat.read(path, 4)
        notebook.cells[0].metadata["tags"] += [f"needs-{need}"]
        nbformat.write(notebook, path)
    run_profile("demo", jobs=1)
    assert capsys.readouterr().out.splitlines() == [
        "demo/costs.json: passed over, needs results/demo/costs.json",
        "demo/pictures=phantom: passed over, needs pictures: phantom",
        "demo/untaught: passed over, needs untaught",
        "demo/square: executed",
        "demo/transformers: executed",  # the profile has them
    ]
    (project / "results" / "demo" / "costs.json").write_text("{}")
    run_profile("demo", only="costs.json")
    assert capsys.readouterr().out == "demo/costs.json: executed\n"
    profile = project / "profiles" / "demo.yaml"
    profile.write_text(profile.read_text() + "notebooks: [untaught]\n")
    run_profile("demo")  # what is asked for by name is run
    assert capsys.readouterr().out.splitlines() == [
        "demo/untaught: executed",
        *(
            f"demo/{name}.ipynb: removed, no run makes it"
            for name in ("costs.json", "square", "transformers")
        ),
    ]


def test_a_pair_that_differs_is_not_run(project: Path, executions: list[str]) -> None:
    source = project / "notebooks" / "square.ipynb"
    notebook = nbformat.read(source, 4)
    notebook.metadata["jupytext"] = {"formats": "ipynb,py:percent"}
    jupytext.write(notebook, source)
    script = source.with_suffix(".py")
    jupytext.write(notebook, script, fmt="py:percent")
    run_profile("demo")
    script.write_text(script.read_text().replace("time, uuid", "time, uuid\n"))  # only a blank
    script.write_text(script.read_text().replace('"blue"', '"green"'))
    message = "demo/square: notebooks/square.py and square.ipynb differ; .*: jupytext --sync "
    with pytest.raises(NotebookError, match=message) as raised:
        run_profile("demo", force=True)
    assert executions == ["square"]
    command = str(raised.value).rpartition(": ")[2].split()
    later = source.stat().st_mtime + 10
    os.utime(script, (later, later))
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    run_profile("demo")
    assert executions == ["square", "square"]
    assert "green" in (project / "book/results/demo/square.ipynb").read_text()
    source.unlink()
    with pytest.raises(NotebookError, match=r"square.py and square.ipynb differ"):
        run_profile("demo")


def test_a_script_beside_the_notebooks_is_no_notebook(project: Path, executions: list[str]) -> None:
    (project / "notebooks" / "helper.py").write_text("x = 1\n")
    (project / "notebooks" / "square.py").write_text("# notes on the notebook of that name\n")
    run_profile("demo")
    assert executions == ["square"]


def test_settings_of_the_user_reach_no_notebook(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "mine").write_text("lines.linewidth: 5\n")
    start = project / "ipython" / "profile_default" / "startup"
    start.mkdir(parents=True)
    (start / "00.py").write_text("started = True\n")
    monkeypatch.setenv("IPYTHONDIR", str(project / "ipython"))
    monkeypatch.setenv("MATPLOTLIBRC", str(project / "mine"))
    (project / "notebooks" / "data").mkdir()
    monkeypatch.chdir(project / "notebooks")
    monkeypatch.setenv("ITN_DATA", "data")
    source = write_notebook(
        project / "notebooks" / "where.ipynb",
        "import matplotlib, os, pathlib\n"
        "assert 'started' not in globals()\n"
        "assert matplotlib.rcParams['lines.linewidth'] == 1.5\n"
        f"assert os.environ['ITN_DATA'] == {str(project / 'notebooks' / 'data')!r}",
    )
    assert run_notebook(source, project / "out.ipynb", {"profile": "demo"})


def test_what_was_killed_is_cleared_away(project: Path, executions: list[str]) -> None:
    results = project / "book" / "results" / "demo"
    left = results / ".square-killed"
    left.mkdir(parents=True)
    (left / ".held").touch()  # by nobody any more
    run_profile("demo")
    assert sorted(path.name for path in results.iterdir()) == ["square.ipynb", "square.svg"]
