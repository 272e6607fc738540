"""A profile's own networks: how they are trained, and how far another seed leads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from itn.comparison import compare
from itn.messages import UsageError
from itn.netcdf import read_netcdf
from itn.phantom.pictures import render_phantom
from itn.picture_files import SHORTER_SIDE_PER_SIZE
from itn.pictures import Pictures
from itn.study.agreement import threshold_pairs
from itn.study.archive import Recipe, Request, require_archived
from itn.study.inputs import pictures_recipe
from itn.study.profiles import (
    FigureParameters,
    Profile,
    chosen_network,
    load_profile,
    project_folder,
)
from itn.study.screenings import load_part, obtain_screening, screening_request
from itn.study.splits import read_split
from itn.transformations import TRANSFORMATIONS
from itn.zoo.catalog import WEIGHTS_FOLDER

PROTOCOL = 1  # raised when the numbers change on purpose
SEEDS = (1, 2)  # beside that of the package's weights


def train_networks(
    profile: str,
    architectures: list[str] | None = None,
    folder: Path | None = None,
    seed: int | None = None,
    force: bool = False,
) -> Iterator[tuple[str, dict[str, Any], Pictures]]:
    """Train a profile's own networks, unless that is done."""
    from itn.zoo import training  # which loads a backend

    chosen = load_profile(profile)
    how = chosen.training
    if how is None:
        raise UsageError(f"profile {profile} has no networks of its own to train")
    if how.pictures_per_class is not None:
        pictures = render_phantom(chosen.classes, how.pictures_per_class, how.seed)
    else:
        # Whole squares, of which the test pictures are the centers.
        side = round(training.INPUT_SIZE * SHORTER_SIDE_PER_SIZE)
        pictures = load_part(chosen, "training", size=side, shorter_side=side)
    others = load_part(chosen, "test", size=training.INPUT_SIZE)
    for each in architectures or training.BUILDERS:
        card = training.train(
            each,
            pictures,
            others,
            folder=folder or WEIGHTS_FOLDER / profile,
            data={"profile": profile},
            command=f"itn train --profile {profile} --architecture {each}"
            + (f" --seed {seed}" if seed is not None else ""),
            force=force,
            **how.options(each) | ({"seed": seed} if seed is not None else {}),
        )
        yield each, card, others


def seeds_request(parameters: FigureParameters) -> Request:
    """Say what decides how far trainings of one network from other seeds lie apart."""
    profile = load_profile(parameters.profile)
    plain = FigureParameters(profile=parameters.profile)
    network, _ = chosen_network(plain)
    architecture = f"{network.removesuffix(parameters.profile)}64"
    if profile.training is None or profile.split is None:
        raise UsageError(f"profile {parameters.profile} has no networks of its own to train")
    screened = {name: screening_request(plain, name).recipe for name in TRANSFORMATIONS}
    common = screened["blur"]
    recipe: Recipe = {
        **common,
        "kind": "trainings from other seeds",
        "protocol": PROTOCOL,
        "transformation": {name: one["magnitudes"] for name, one in screened.items()},
        "learned from": pictures_recipe(
            profile.pictures, profile.classes, None, read_split(profile.split, "training")
        ),
        "options": profile.training.options(architecture) | {"seed": "each"},
        "seeds": list(SEEDS),
    }
    del recipe["magnitudes"]

    def compute(state: Path) -> xr.Dataset:
        tables, accuracy = [], []
        for seed in SEEDS:
            folder = state / str(seed)
            for _, card, _ in train_networks(parameters.profile, [architecture], folder, seed):
                accuracy.append(card["accuracy"])
            for name in TRANSFORMATIONS:
                again = _screened(profile, network, folder, name)
                both = compare(obtain_screening(plain, name), again, resamples=0)
                tables.append(threshold_pairs(both).assign(seed=seed))
        return as_dataset(pd.concat(tables, ignore_index=True), accuracy)

    return Request(
        recipe,
        compute,
        "itn.study.seeds",
        project_folder() / "results" / parameters.profile / "seeds.nc",
        True,
        "benchmarks/seeds.py archives it",
    )


def _screened(profile: Profile, network: str, folder: Path, name: str) -> xr.Dataset:
    """Screen a network trained anew as the package's was; what is done already is kept."""
    from itn.classifiers import load_classifier
    from itn.curves import load_screening, save_screening
    from itn.screening import screen

    path = folder / f"{name}.nc"
    if not path.is_file():
        classifier = load_classifier(network, folder)
        pictures = load_part(profile, "test", size=classifier.input_size)
        found = screen(classifier, pictures, name, fill=profile.fill, seed=profile.seed)
        save_screening(found, path)
    return load_screening(path)


def as_dataset(pairs: pd.DataFrame, accuracy: list[float]) -> xr.Dataset:
    """Put the pairs of thresholds of several trainings, and their accuracy, into one result."""
    columns = {name: ("pair", pairs[name].to_numpy()) for name in pairs}
    for name in ("transformation", "direction", "category"):
        columns[name] = ("pair", pairs[name].to_numpy(dtype=str))
    columns["seed_of_pair"] = columns.pop("seed")
    return xr.Dataset(
        columns | {"accuracy": ("seed", np.array(accuracy))}, coords={"seed": list(SEEDS)}
    )


def read_seeds(parameters: FigureParameters) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the archived thresholds and accuracies of further trainings, from other seeds."""
    stored = read_netcdf(require_archived(seeds_request(parameters))).to_dataset()
    pairs = stored.drop_vars(["accuracy", "seed"]).to_dataframe().reset_index(drop=True)
    return pairs.rename(columns={"seed_of_pair": "seed"}), stored[["accuracy"]].to_dataframe()
