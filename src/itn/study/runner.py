"""Runs the notebooks of ``notebooks/`` and keeps what they show in ``book/results/<profile>/``.

A notebook is executed only if something it depends on has changed, which a hash of the
contents tells, not file times. The same contents give the same bytes.
"""

import asyncio
import hashlib
import json
import os
import re
import sys
import textwrap
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from itn.files import one_at_a_time, scratch_folder
from itn.messages import PROGRESS, Progress, UsageError, unknown
from itn.provenance import hash_of_files
from itn.study.picture_hashes import file_hashes
from itn.study.profiles import Profile, project_folder, read_profile
from itn.study.screenings import file_name
from itn.study.sources import computed_with, notebook_hash
from itn.study.titles import notebook_title
from itn.transformations import TRANSFORMATIONS
from itn.zoo.catalog import WEIGHTS_FOLDER, cache_directory
from itn.zoo.recipes import network_recipe

# What a kernel says about its language, less its version, which is not ours to store.
LANGUAGE = ("name", "file_extension", "mimetype", "pygments_lexer")
HEADING = re.compile(r"\A# (.+)$", re.MULTILINE)
UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
# Begun last, they would end alone.
LONG = ("learned_variations", "calibration", "learned_training", "appendix")
MOST_AT_ONCE = 4  # a kernel takes about 1 GB; one more than there are cores, since kernels wait
TOGETHER = "together"  # tags the parameters of a notebook that shows a profile's networks at once
NEED = "needs-"  # begins the tags, beside ``parameters``, that say what a profile has to have

NOTHING: Mapping[str, Any] = {"files": {}}  # what is known of a notebook that was not executed

_kernels: set[Any] = set()  # the managers of those that run


class NotebookError(RuntimeError):
    """A notebook failed; the message says in one line which, where and why."""


class Run(NamedTuple):
    """A notebook that is to be run for a profile."""

    name: str
    source: Path
    target: Path
    parameters: dict[str, str]
    inputs: list[Any]
    title: str


def run_profile(
    *profiles: str, force: bool = False, only: str | None = None, jobs: int | None = None
) -> None:
    """Run the notebooks of profiles, several at once, and print one line for each that is done."""
    folder = project_folder()
    runs = [run for profile in dict.fromkeys(profiles) for run in _runs(folder, profile, only)]
    runs.sort(key=lambda run: run.source.stem not in LONG)
    with ExitStack() as stack:
        for profile in sorted(set(profiles)):  # always in this order, so that no two wait for both
            lock = folder / "book" / "results" / ".locks" / profile
            stack.enter_context(one_at_a_time(lock, f"the notebooks of {profile}"))
        failed = _run_all(runs, force, jobs or min(_cores() + 1, MOST_AT_ONCE))
        if only is None:
            for profile in dict.fromkeys(profiles):
                _remove_others(folder / "book" / "results" / profile, runs)
    if failed:
        count = f"{len(failed)} of {len(runs)} notebooks failed: " if len(runs) > 1 else ""
        raise NotebookError(count + "; ".join(failed))


def _runs(folder: Path, profile: str, only: str | None) -> Iterator[Run]:
    """List what is to be run for a profile; say what does not apply to it."""
    settings = read_profile(profile)
    scripts = [path for path in (folder / "notebooks").glob("*.py") if _is_paired(path)]
    sources = {path.stem: path for path in sorted((folder / "notebooks").glob("*.ipynb"))}
    sources = {path.stem: path.with_suffix(".ipynb") for path in scripts} | sources
    if only is not None and only not in sources:
        raise unknown("notebook", only, sources)
    names = list(settings.notebooks or sorted(sources)) if only is None else [only]
    inputs = _inputs_of(profile)
    for name in (*names, *(settings.each_network or ())):
        if name not in sources:
            raise unknown("notebook", name, sources, f"profiles/{profile}.yaml: ")
    for name in names:
        cell = _parameters_cell(sources[name])
        lacking = _first_lacking(cell, folder / "results" / profile, settings)
        if lacking and settings.notebooks is None:
            Progress.write(f"{profile}/{name}: passed over, needs {lacking}")
            continue
        each = name in (settings.each_network or ())
        for network in settings.networks if each else [""]:  # "" leaves the choice to it
            path = Path(network, name)
            looking = _looking(settings, network, name, folder / "results" / profile, cell)
            yield Run(
                Path(profile, path).as_posix(),
                sources[name],
                folder / "book" / "results" / profile / f"{path}.ipynb",
                {"profile": profile} | ({"network": network} if network else {}),
                inputs,
                notebook_title(_heading(sources[name]), profile, looking),
            )


def _looking(settings: Profile, network: str, name: str, results: Path, cell: Any) -> Sequence[str]:
    """List the networks that look in a notebook, as far as parameters and archives tell."""
    if network or not re.search(r"^network\b", cell.source, re.MULTILINE):
        return [network] if network else []
    first, *others = settings.networks
    if TOGETHER not in cell.metadata.get("tags", ()):
        return [first]
    shown = [each for each in TRANSFORMATIONS if each.startswith(name)] or list(TRANSFORMATIONS)
    files = {each: [results / f"{file_name(each)}_{one}.nc" for one in shown] for each in others}
    return [first, *(each for each in others if all(path.is_file() for path in files[each]))]


def _heading(source: Path) -> str:
    """Return what a notebook is called at its top, else the name of its file."""
    cells = nbformat.read(source, as_version=4).cells if source.is_file() else []
    found = HEADING.search(cells[0].source) if cells else None
    return found[1] if found else source.stem


def _is_paired(script: Path) -> bool:
    return "formats: ipynb,py" in script.read_text(encoding="utf-8", errors="replace")


def _parameters_cell(source: Path) -> Any:
    """Return the cell of parameters, or an empty one if there is none."""
    cells = nbformat.read(source, as_version=4).cells if source.is_file() else []
    tagged = (cell for cell in cells if "parameters" in cell.metadata.get("tags", ()))
    return next(tagged, nbformat.v4.new_code_cell())


def _first_lacking(cell: Any, results: Path, settings: Profile) -> str:
    """Return what a notebook needs first that a profile does not have."""
    for tag in cell.metadata.get("tags", ()):
        need = tag.removeprefix(NEED)
        key, _, value = need.partition("=")
        if not tag.startswith(NEED) or (results / need).is_file():
            continue
        has = getattr(settings, key, None)
        if not has or (value and has != value):
            return f"results/{results.name}/{need}" if "." in need else need.replace("=", ": ")
    return ""


def _run_all(runs: Sequence[Run], force: bool, jobs: int) -> list[str]:
    """Run notebooks at the same time; return one line for each that failed."""
    failed = []
    pool = ThreadPoolExecutor(jobs)
    todo: dict[Future[bool], Run] = {
        pool.submit(run_notebook, *run[1:4], force, run.inputs, run.title): run for run in runs
    }
    try:
        done = as_completed(todo)
        for future in Progress(done, "notebooks", len(todo), unit="", delay=2, disable=None):
            name = todo[future].name
            try:
                outcome = "executed" if future.result() else "up to date"
            except (UsageError, NotebookError, OSError) as error:
                failed.append(f"{name}: {error}")
                outcome = "failed"
            Progress.write(f"{name}: {outcome}")
    finally:  # also after Ctrl-C: what has begun ends with its kernel
        pool.shutdown(wait=False, cancel_futures=True)
        while not all(future.done() for future in todo):
            for kernel in list(_kernels):
                _kill(kernel)
            time.sleep(0.1)
    return failed


def _remove_others(results: Path, runs: Sequence[Run]) -> None:
    """Remove what was executed for a profile by a run that it does not make any more."""
    wanted = {run.target for run in runs}
    kept = {one.parent / name for one in wanted for name in (_record(one) or NOTHING)["files"]}
    for target in sorted(results.rglob("*.ipynb")):
        record = _record(target)
        if target not in wanted and record is not None:
            _remove_files(target, record, kept)
            target.unlink()
            Progress.write(f"{target.relative_to(results.parent)}: removed, no run makes it")
            with suppress(OSError):  # others are there still
                target.parent.rmdir()


def _remove_files(target: Path, record: Mapping[str, Any], kept: Collection[Path]) -> None:
    """Remove the files that a notebook wrote, as long as they are what it wrote."""
    for name, value in record["files"].items():
        path = target.parent / Path(name).name
        if path not in kept and path.is_file() and _sha256(path) == value:
            path.unlink()


def _kill(kernel: Any) -> None:
    process = getattr(kernel.provisioner, "process", None)
    if process is not None and process.poll() is None:
        _kernels.discard(kernel)
        process.kill()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))  # those that this process may use
    except AttributeError:  # only Linux knows
        return os.cpu_count() or 1


def run_notebook(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    force: bool = False,
    inputs: Sequence[Any] = (),
    title: str | None = None,
) -> bool:
    """Run a notebook unless its result is up to date; a title takes the place of its heading.

    It runs in this interpreter, in the project's folder. Files that it writes to the folder
    named by the environment variable ``ITN_FIGURES`` end up beside the target. The target and
    these files are replaced only when the whole notebook has succeeded.
    """
    _check_pair(source)
    wanted = _content_hash(source, parameters, [*inputs, title])
    if not force and _is_up_to_date(target, wanted):
        return False
    with scratch_folder(target) as scratch:
        scratch = scratch.resolve()
        figures = scratch / "figures"
        figures.mkdir()
        notebook = _execute(source, parameters, figures)
        written = sorted(path for path in figures.iterdir() if path.is_file())
        record = {"content_hash": wanted, "files": {path.name: _sha256(path) for path in written}}
        _make_reproducible(notebook, figures)
        if title is not None:
            for cell in notebook.cells[:1]:
                cell.source = HEADING.sub(lambda _: f"# {title}", cell.source)
        notebook.metadata["itn"] = record
        result = scratch / "notebook.json"
        result.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        before = _record(target)
        for path in written:
            path.replace(target.parent / path.name)
        result.replace(target)  # last: without it the target does not match its files
        if before is not None:
            _remove_files(target, before, {target.parent / name for name in record["files"]})
    return True


def _check_pair(source: Path) -> None:
    """Refuse a notebook whose script says something else: one of them was edited."""
    script = source.with_suffix(".py")
    if not script.is_file() or not _is_paired(script):
        return
    import jupytext

    pair = [
        [
            (cell.cell_type, cell.source.strip(), cell.metadata.get("tags", []))
            for cell in each.cells
        ]
        for each in map(jupytext.read, filter(Path.is_file, (source, script)))
    ]
    if len(pair) < 2 or pair[0] != pair[1]:
        place = f"{script.parent.name}/{script.name}"
        raise UsageError(
            f"{place} and {source.name} differ; take the newer of both: jupytext --sync {place}"
        )


def _execute(source: Path, parameters: Mapping[str, Any], figures: Path) -> Any:
    # Imported here because this takes a second, which nobody needs who is up to date.
    from ipykernel.kernelspec import write_kernel_spec
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    from itn.study.kernels import provisioner

    own = figures.parent / "jupyter"
    # Our kernel comes before any other of that name that may be installed. What libraries write
    # past Python, as TensorFlow does when imported, is of interest only if the kernel dies.
    log = own / "stderr.txt"
    start = 'exec "$0" -m ipykernel_launcher -f "$1" --log-level=ERROR 2>"$2"'
    argv = ["/bin/sh", "-c", start, sys.executable, "{connection_file}", str(log)]
    overrides = {"argv": argv, "metadata": provisioner()}
    write_kernel_spec(own / "kernels" / "python3", overrides=overrides)
    settings = own / "matplotlibrc"
    settings.touch()
    environment = {
        "ITN_DATA": str(cache_directory().absolute()),  # the kernel starts in another folder
        "ITN_FIGURES": str(figures),
        "JUPYTER_PATH": str(own),
        "JUPYTER_RUNTIME_DIR": str(own),
        # The user's start-up files and settings do not belong to a paper.
        "IPYTHONDIR": str(own / "ipython"),
        "MATPLOTLIBRC": str(settings),
        "PYTHONHASHSEED": "0",  # sets are shown in the same order
    }
    notebook = load_notebook_node(str(source.resolve()))
    if parameters:
        options = {"kernel_name": "python3", "language": "python"}
        notebook = parameterize_notebook(notebook, dict(parameters), **options)
    kernel = AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(own / "kernels")]),
        connection_file=str(own / "connection.json"),
    )
    client = NotebookClient(
        notebook,
        km=kernel,
        startup_timeout=300,  # on a busy machine
        coalesce_streams=True,  # when a kernel flushes must not show
        resources={"metadata": {"path": str(project_folder())}},
    )
    _kernels.add(kernel)
    try:
        return asyncio.run(client.async_execute(env=os.environ | environment, cleanup_kc=True))
    except CellExecutionError as error:
        reason = _one_line(error.evalue)
        if error.ename == UsageError.__name__:
            raise UsageError(reason) from error
        cell = next(cell for cell in client.nb.cells if _has_failed(cell))
        first = cell.source.strip().splitlines()[0]
        place = f"{source.name}, cell [{cell.execution_count}] {first!r}"
        raise NotebookError(f"{place}: {error.ename}: {reason}") from error
    except RuntimeError as error:  # nbclient's, for a kernel that dies or does not start
        if kernel in _kernels:
            Progress.write(log.read_text(encoding="utf-8", errors="replace"), sys.stderr, end="")
        raise NotebookError(f"{source.name}: its kernel died, as when memory runs out") from error
    finally:
        _kernels.discard(kernel)


def _has_failed(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", ()))


def _one_line(text: object) -> str:
    return textwrap.shorten(str(text), 500, placeholder=" …")


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
    return bool(output.get("name") != "stderr" and output.get("metadata") != PROGRESS)


def _tidier(figures: Path) -> Callable[[Any], Any]:
    """Make a function that renames folders, memory addresses and random ids in an output."""
    folders = {
        figures: ".",
        project_folder(): ".",
        Path(sys.prefix): "<python>",
        cache_directory().absolute(): "$ITN_DATA",
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


def _content_hash(source: Path, parameters: Mapping[str, Any], inputs: Sequence[Any] = ()) -> str:
    """Hash all that decides what a notebook shows: it, what it uses of ours, results, `inputs`."""
    folder = project_folder()
    cells = [
        [cell["cell_type"], "".join(cell["source"]), cell["metadata"]]
        for cell in json.loads(source.read_text(encoding="utf-8"))["cells"]
    ]
    files = [
        folder / "requirements.lock",
        *(folder / "results").glob("[!.]*/[!.]*"),  # of all profiles: one is compared with another
        *(folder / "benchmarks").glob("*.csv"),
    ]
    stored = hash_of_files(filter(Path.is_file, files), folder)
    weights = hash_of_files(filter(Path.is_file, WEIGHTS_FOLDER.glob("*/[!.]*")), WEIGHTS_FOLDER)
    code = "\n".join(text for kind, text, _ in cells if kind == "code")
    made_by = [notebook_hash(code), weights, computed_with()]
    content = [dict(parameters), cells, made_by, stored, list(inputs)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _inputs_of(name: str) -> list[Any]:
    """Return what a profile says, and hashes of the networks, lists and pictures it names."""
    profile = read_profile(name)
    lists = [profile.split] if profile.split else []
    sources: dict[str, Sequence[str] | None] = {profile.pictures: profile.classes}
    if profile.transformers is not None:
        lists += profile.transformers.more_pictures.values()
        sources |= dict.fromkeys(profile.transformers.more_pictures)
    folder = project_folder() / "profiles"
    return [
        profile.model_dump_json(),
        [_sha256(folder / each) if (folder / each).is_file() else "" for each in lists],
        [_or_why_not(network_recipe, each, profile.weights.get(each)) for each in profile.networks],
        [_or_why_not(file_hashes, *each) for each in sources.items()],
        _inputs_of(profile.untaught) if profile.untaught else None,
    ]


def _or_why_not(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return a result or why there is none, which only a notebook that needs it has to know."""
    try:
        return function(*arguments)
    except UsageError as error:
        return str(error)


def _is_up_to_date(target: Path, wanted: str) -> bool:
    record = _record(target)
    try:
        return (
            record is not None
            and record["content_hash"] == wanted
            and all(
                _sha256(target.parent / name) == value for name, value in record["files"].items()
            )
        )
    except OSError:
        return False  # a file is missing


def _record(target: Path) -> dict[str, Any] | None:
    """Return what an executed notebook says of itself; None where it was not executed here."""
    try:
        record = json.loads(target.read_text(encoding="utf-8"))["metadata"]["itn"]
        return {"content_hash": str(record["content_hash"]), "files": dict(record["files"])}
    except (OSError, ValueError, LookupError, TypeError):
        return None  # missing, broken or written by something else


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
