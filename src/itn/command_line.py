"""The command line: ``itn screen`` archives screenings, ``itn figures`` runs notebooks."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from itn.messages import UsageError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

ProfileOption = Annotated[str, typer.Option(help="Name of a file in profiles/.")]


@app.callback()
def _about() -> None:
    """How far can you change a picture before a trained CNN changes its mind?"""


@app.command("screen")
def screen_profile(
    profile: ProfileOption = "imagenet",
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

    networks = network or itn.load_profile(profile).networks
    names = transformation or list(itn.TRANSFORMATIONS)
    for name in names:
        itn.find_transformation(name)
    for each in networks:
        for name in names:
            path = itn.archive_file(profile, each, name)
            if path.is_file() and not force:
                typer.echo(f"{path.name} is there already")
                continue
            parameters = itn.read_parameters({"profile": profile, "network": each})
            itn.save_screening(itn.compute_screening(parameters, name), path)
            typer.echo(f"{path.name} written")


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
    from itn.classifiers import WEIGHTS_FOLDER
    from itn.images import SHORTER_SIDE_PER_SIZE
    from itn.profiles import load_part

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
    options = how.model_dump(exclude={"pictures_per_class"})
    if seed is not None:
        options["seed"] = seed
    for each in architecture or training.BUILDERS:
        card = training.train(
            each,
            pictures,
            others,
            folder=folder or WEIGHTS_FOLDER / profile,
            data={"profile": profile},
            command=f"itn train --profile {profile} --architecture {each}",
            **options,
        )
        typer.echo(f"{each}: {card['accuracy']:.1%} of {len(others)} right")


@app.command("figures")
def run_notebooks(
    profile: ProfileOption = "imagenet",
    force: Annotated[bool, typer.Option(help="Also what is up to date.")] = False,
    only: Annotated[
        str | None, typer.Option(help="Name of the one notebook to run. Default: all.")
    ] = None,
) -> None:
    """Run the notebooks for a profile; their figures go to book/results/<profile>/."""
    from itn.runner import NotebookError, run_profile

    try:
        run_profile(profile, force, only)
    except NotebookError as error:
        sys.exit(f"itn: {error}")


def main() -> None:
    """Run the command line; a wrong argument is explained in one line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # else TensorFlow talks when it is imported
    try:
        app()
    except UsageError as error:
        sys.exit(f"itn: {error}")
