"""Runs the notebooks of ``notebooks/`` and keeps what they show in ``book/results/<profile>/``.

A notebook is executed only if something it depends on has changed, which a hash of the
contents tells, not file times. The same contents give the same bytes.
"""

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from tqdm.auto import tqdm

from itn.data_sets import cache_directory
from itn.messages import UsageError, unknown
from itn.profiles import project_folder, read_profile
from itn.provenance import hash_of_files, source_hash

# What a kernel says about its language, less its version, which is not ours to store.
LANGUAGE = ("name", "file_extension", "mimetype", "pygments_lexer")
UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


class NotebookError(RuntimeError):
    """A notebook failed; the message says in one line which, where and why."""


def run_profile(profile: str, force: bool = False, only: str | None = None) -> None:
    """Run a profile's notebooks and print one line for each.

    Parameters
    ----------
    profile : str
        Name of a file in ``profiles/``.
    force : bool, default False
        Whether to run also what is up to date.
    only : str, optional
        Name of the one notebook to run, without its ending; by default all of them.

    Raises
    ------
    UsageError
        For an unknown profile or notebook, or a wrong parameter in a notebook.
    NotebookError
        If a notebook fails; the ones before it are kept.

    Examples
    --------
    >>> run_profile("imagenet", only="rotation")  # doctest: +SKIP
    rotation: up to date
    """
    settings = read_profile(profile)
    folder = project_folder()
    sources = {path.stem: path for path in sorted((folder / "notebooks").glob("*.ipynb"))}
    if only is not None and only not in sources:
        raise unknown("notebook", only, sources)
    names = list(settings.notebooks or sources) if only is None else [only]
    for name in names:
        if name not in sources:
            raise unknown("notebook", name, sources, f"profiles/{profile}.yaml: ")
    runs = [
        (Path(network, name), {"profile": profile} | ({"network": network} if network else {}))
        for name in names
        for network in (
            settings.networks if settings.each_network and _takes_network(sources[name]) else [""]
        )
    ]
    for path, parameters in tqdm(runs, desc=profile, unit="notebook", delay=2, disable=None):
        target = folder / "book" / "results" / profile / f"{path}.ipynb"
        executed = run_notebook(sources[path.name], target, parameters, force)
        tqdm.write(f"{path.as_posix()}: {'executed' if executed else 'up to date'}")


def _takes_network(source: Path) -> bool:
    cells = nbformat.read(source, as_version=4).cells
    tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", ())]
    return any(re.search(r"^network\b", text, re.MULTILINE) for text in tagged)


def run_notebook(
    source: Path, target: Path, parameters: Mapping[str, Any], force: bool = False
) -> bool:
    """Run a notebook unless its result is up to date.

    It runs in this interpreter, in the project's folder. Files that it writes to the folder
    named by the environment variable ``ITN_FIGURES`` end up beside the target. The target and
    these files are replaced only when the whole notebook has succeeded.

    Parameters
    ----------
    source : Path
        Notebook with a cell tagged ``parameters``.
    target : Path
        Where its executed copy belongs.
    parameters : mapping of str to object
        Values for that cell, such as JSON can hold.
    force : bool, default False
        Whether to run also if up to date.

    Returns
    -------
    bool
        Whether it was executed.

    Raises
    ------
    UsageError
        If the notebook raised one: the same, without the traceback.
    NotebookError
        If the notebook failed in another way.

    Examples
    --------
    >>> source = Path("notebooks/rotation.ipynb")
    >>> run_notebook(source, Path("rotation.ipynb"), {"profile": "imagenet"})  # doctest: +SKIP
    True
    """
    wanted = _content_hash(source, parameters)
    if not force and _is_up_to_date(target, wanted):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that moving is renaming, which cannot be interrupted halfway.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}-") as name:
        scratch = Path(name).resolve()
        figures = scratch / "figures"
        figures.mkdir()
        notebook = _execute(source, parameters, figures)
        written = sorted(path for path in figures.iterdir() if path.is_file())
        record = {"content_hash": wanted, "files": {path.name: _sha256(path) for path in written}}
        _make_reproducible(notebook, figures)
        notebook.metadata["itn"] = record
        result = scratch / "notebook.json"
        result.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        for path in written:
            path.replace(target.parent / path.name)
        result.replace(target)  # last: without it the target does not match its files
    return True


def _execute(source: Path, parameters: Mapping[str, Any], figures: Path) -> Any:
    # Imported here because this takes a second, which nobody needs who is up to date.
    import papermill
    from ipykernel.kernelspec import write_kernel_spec
    from nbclient.exceptions import DeadKernelError

    own = figures.parent / "jupyter"
    # Our kernel comes before any other of that name that may be installed. What libraries write
    # past Python, as TensorFlow does when imported, is of interest only if the kernel dies.
    log = own / "stderr.txt"
    start = 'exec "$0" -m ipykernel_launcher -f "$1" --log-level=ERROR 2>"$2"'
    argv = ["/bin/sh", "-c", start, sys.executable, "{connection_file}", str(log)]
    write_kernel_spec(own / "kernels" / "python3", overrides={"argv": argv})
    environment = {
        "ITN_FIGURES": str(figures),
        "JUPYTER_PATH": str(own),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "IPYTHONDIR": str(own / "ipython"),  # the user's start-up files do not belong to a paper
        "PYTHONHASHSEED": "0",  # sets are shown in the same order
    }
    try:
        with _environment(environment):
            return papermill.execute_notebook(
                source.resolve(),
                None,
                dict(parameters),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                cwd=project_folder(),
                coalesce_streams=True,  # when a kernel flushes must not show
            )
    except papermill.PapermillExecutionError as error:
        reason = (str(error.evalue).splitlines() or [""])[-1]
        if error.ename == UsageError.__name__:
            raise UsageError(reason) from error
        cell = f"cell [{error.exec_count}] {error.source.strip().splitlines()[0]!r}"
        raise NotebookError(f"{source.name}, {cell}: {error.ename}: {reason}") from error
    except DeadKernelError as error:
        sys.stderr.write(log.read_text(encoding="utf-8", errors="replace"))
        raise NotebookError(f"{source.name}: its kernel died, as when memory runs out") from error


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _make_reproducible(notebook: Any, figures: Path) -> None:
    """Remove what differs from run to run or from machine to machine."""
    language = notebook.metadata.get("language_info", {})
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {key: language[key] for key in LANGUAGE if key in language},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    tidy = _tidier(figures)
    for number, cell in enumerate(notebook.cells):
        injected = "injected-parameters" in cell.metadata.get("tags", ())
        cell.id = "injected-parameters" if injected else f"cell-{number}"
        for key in ("execution", "papermill"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = [tidy(output) for output in cell.outputs if _is_kept(output)]


def _is_kept(output: Any) -> bool:
    progress_bar = "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    return output.get("name") != "stderr" and not progress_bar


def _tidier(figures: Path) -> Callable[[Any], Any]:
    """Make a function that renames folders, memory addresses and random ids in an output."""
    folders = {
        figures: ".",
        project_folder(): ".",
        Path(sys.prefix): "<python>",
        cache_directory(): "$ITN_DATA",
        Path.home(): "~",
    }
    usable = [path for path in folders if path.is_absolute() and path != Path(path.anchor)]
    patterns = {
        re.compile(rf"(?<![\w.]){re.escape(str(path))}(?![\w.-])"): folders[path]
        for path in sorted(usable, key=lambda path: -len(str(path)))  # the innermost first
    }
    uuids: dict[str, str] = {}

    def tidy_text(text: str) -> str:
        for pattern, name in patterns.items():
            text = pattern.sub(name, text)
        text = UUID.sub(lambda found: uuids.setdefault(found[0], f"id-{len(uuids)}"), text)
        return ADDRESS.sub("at 0x…", text)

    def tidy(output: Any) -> Any:
        if "text" in output:
            output.text = tidy_text(output.text)
        data = output.get("data", {})
        for kind in data:
            if kind.startswith("text/"):
                data[kind] = tidy_text(data[kind])
        return output

    return tidy


def _content_hash(source: Path, parameters: Mapping[str, Any]) -> str:
    folder = project_folder()
    profile = str(parameters.get("profile", ""))
    files = [
        folder / "requirements.lock",
        folder / "profiles" / f"{profile}.yaml",
        *(folder / "results").glob("*/[!.]*"),  # of all profiles: one may be compared with another
    ]
    cells = [
        [cell["cell_type"], "".join(cell["source"]), cell["metadata"]]
        for cell in json.loads(source.read_text(encoding="utf-8"))["cells"]
    ]
    inputs = hash_of_files(filter(Path.is_file, files), folder)
    content = json.dumps([dict(parameters), cells, source_hash(), inputs], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _is_up_to_date(target: Path, wanted: str) -> bool:
    try:
        record = json.loads(target.read_text(encoding="utf-8"))["metadata"]["itn"]
        return record["content_hash"] == wanted and all(
            _sha256(target.parent / name) == value for name, value in record["files"].items()
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False  # missing, broken or written by something else


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
