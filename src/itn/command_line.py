"""The command line: data and networks, screenings that are archived, notebooks that run."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from itn.messages import UsageError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

data_app = typer.Typer(no_args_is_help=True, help="Data sets and weights in the cache.")
app.add_typer(data_app, name="data")

results_app = typer.Typer(no_args_is_help=True, help="Results that are stored.")
app.add_typer(results_app, name="results")

Sources = Annotated[list[str] | None, typer.Argument(help="Names from `itn data list`.")]
ProfileOption = Annotated[str, typer.Option(help="Name of a file in profiles/.")]


@app.callback()
def _about() -> None:
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
    force: Annotated[bool, typer.Option(help="Also what is archived already.")] = False,
) -> None:
    """Screen a profile's networks and archive the results under results/<profile>/."""
    import itn
    from itn.archive import archive
    from itn.screening_study import screening_request

    for name in transformation or itn.TRANSFORMATIONS:
        for each in network or itn.load_profile(profile).networks:
            parameters = itn.read_parameters({"profile": profile, "network": each})
            request = screening_request(parameters, name)
            written = archive(request, force)
            typer.echo(f"{request.archive.name} {'written' if written else 'is there already'}")


@app.command("transformers")
def study_profile(
    profile: ProfileOption = "phantom",
    force: Annotated[bool, typer.Option(help="Also if it is archived already.")] = False,
) -> None:
    """Train a profile's Invariant Transformer Net and archive the study; resumes if stopped."""
    import itn
    from itn.archive import archive
    from itn.transformer_study import study_request

    parameters = itn.read_parameters({"profile": profile}, itn.TransformerParameters)
    request = study_request(parameters)
    written = archive(request, force)
    typer.echo(f"{request.archive.name} {'written' if written else 'is there already'}")


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
        int | None, typer.Option(help="Seed of the training. Default: the profile's.")
    ] = None,
) -> None:
    """Train a profile's own networks, each with a card that says how; resumes if stopped."""
    import itn
    from itn import training
    from itn.images import SHORTER_SIDE_PER_SIZE
    from itn.screening_study import load_part
    from itn.weight_recipes import WEIGHTS_FOLDER

    chosen = itn.load_profile(profile)
    how = chosen.training
    if how is None:
        raise UsageError(f"profile {profile} has no networks of its own to train")
    if how.pictures_per_class is not None:
        pictures = itn.render_phantom(count=how.pictures_per_class, seed=how.seed)
    else:
        # Whole squares, of which the test pictures are the centers.
        side = round(training.INPUT_SIZE * SHORTER_SIDE_PER_SIZE)
        pictures = load_part(chosen, "training", size=side, shorter_side=side)
    others = load_part(chosen, "test", size=training.INPUT_SIZE)
    for each in architecture or training.BUILDERS:
        card = training.train(
            each,
            pictures,
            others,
            folder=folder or WEIGHTS_FOLDER / profile,
            data={"profile": profile},
            command=f"itn train --profile {profile} --architecture {each}"
            + (f" --seed {seed}" if seed is not None else ""),
            **how.options(each) | ({"seed": seed} if seed is not None else {}),
        )
        typer.echo(f"{each}: {card['accuracy']:.1%} of {len(others)} right")


@app.command("figures")
def run_notebooks(
    profile: Annotated[
        list[str] | None,
        typer.Option(help="Name of a file in profiles/; may be repeated. Default: phantom."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Also what is up to date.")] = False,
    only: Annotated[
        str | None, typer.Option(help="Name of the one notebook to run. Default: all.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="How many at once. Default: one per core, at most 4.")
    ] = None,
) -> None:
    """Run the notebooks for profiles; their figures go to book/results/<profile>/."""
    from itn.runner import NotebookError, run_profile

    try:
        run_profile(*(profile or ["phantom"]), force=force, only=only, jobs=jobs)
    except NotebookError as error:
        sys.exit(f"itn: {error}")


@data_app.command("list")
def list_data() -> None:
    """Show what there is: its size, license and checksum, and what of it is in the cache."""
    from itn.data_sets import CATALOG, cache_directory, is_there

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
    from itn.data_sets import CATALOG, fetch

    if not names:
        raise UsageError(f"name what to fetch: {', '.join(CATALOG)}")
    for name in names:
        typer.echo(f"{name}: {fetch(name, directory)}")


@data_app.command("verify")
def verify_data(names: Sources = None) -> None:
    """Compare what is in the cache with its checksums. Default: all that can be."""
    from itn.data_sets import CATALOG, is_there, verify

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
    from itn.results import list_results

    for line in list_results(profile):
        typer.echo(line)


@results_app.command("verify")
def verify_stored(
    profile: Annotated[str | None, typer.Option(help="Whose. Default: of all.")] = None,
) -> None:
    """Compute a slice of every archived result once more and compare."""
    from itn.results import archived_results, verify_result

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
    from itn.results import keep_result

    for key in keys:
        typer.echo(f"{keep_result(key)} written")


@app.command("classifiers")
def show_classifiers() -> None:
    """Show the networks, and whether their weights are in the cache."""
    import itn
    from itn.data_sets import CATALOG, is_there
    from itn.weight_recipes import PACKAGED

    for name in itn.list_classifiers():
        if name not in CATALOG:
            source = "in the package" if name in PACKAGED else "Keras downloads them"
            typer.echo(f"{name:22} {source}")
        else:
            known = CATALOG[name]
            state = "here" if is_there(known) else f"itn data fetch {name}"
            typer.echo(f"{name:22} {known.files[0].name}: {state}")
    typer.echo("any .keras file         itn.load_classifier(path, class_names=..., preprocess=...)")


def main() -> None:
    """Run the command line; a wrong argument is explained in one line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # else TensorFlow talks when it is imported
    try:
        app()
    except UsageError as error:
        sys.exit(f"itn: {error}")
