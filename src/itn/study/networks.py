"""What a profile's own networks have learned from, and how far trainings lie apart."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from itn.messages import UsageError
from itn.plots import format_magnitude
from itn.study.comparison import outward, rank_correlations
from itn.study.profiles import FigureParameters, load_profile, project_folder
from itn.study.seeds import read_seeds
from itn.study.splits import PARTS, read_split
from itn.transformations import find_transformation
from itn.zoo.catalog import WEIGHTS_FOLDER

# What the book says of a card.
TRAINED_WITH = ("accuracy", "parameters", "epochs", "weight_decay", "label_smoothing", "jitter")


def training_table(parameters: FigureParameters) -> pd.DataFrame:
    """Tabulate what a profile's own networks learned from and how often they are right.

    Numbers of pictures in each part of the split; accuracy on the part for testing, from the
    cards.
    """
    profile = load_profile(parameters.profile)
    if profile.split is None:
        raise UsageError(f"profile {parameters.profile} does not split its pictures")
    columns: dict[str, Mapping[str, float]] = {}
    for part in PARTS:
        paths = read_split(project_folder() / "profiles" / profile.split, part)
        columns[part] = Counter(path.partition("/")[0] for path in paths)
    for name, card in _cards(parameters.profile, profile.networks).items():
        columns[name] = card["accuracy_per_class"]
    table = pd.DataFrame(columns).reindex(list(profile.classes))
    return table.fillna(0).astype(dict.fromkeys(PARTS, int))


def training_numbers(parameters: FigureParameters) -> dict[str, float | str]:
    """Collect what the book's prose says of a profile's own networks."""
    table = training_table(parameters)
    numbers: dict[str, float | str] = {
        f"{column}_{name}": value
        for column, values in table.to_dict().items()
        for name, value in values.items()
    }
    numbers |= {f"{part}_pictures": int(table[part].sum()) for part in PARTS}
    cards = _cards(parameters.profile, load_profile(parameters.profile).networks)
    for name, card in cards.items():
        for key in TRAINED_WITH:
            numbers[f"{name}_{key}"] = card[key]
    first = next(iter(cards.values()))
    reached = [first["accuracy"], *read_seeds(parameters)[1]]
    start = f"{first['architecture']}_seeds"
    numbers[start] = len(reached)
    numbers[f"{start}_lowest"], numbers[f"{start}_highest"] = min(reached), max(reached)
    numbers[f"{start}_deviation"] = float(np.std(reached, ddof=1))
    return numbers


def seed_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """Tabulate how far apart trainings from different seeds are.

    Medians over the classes are infinite where the middle is not reached.
    """
    rows = []
    for (name, direction), group in pairs.groupby(["transformation", "direction"], sort=False):
        seeds: dict[Any, pd.DataFrame] = dict(list(group.groupby("seed")))
        found = [rank_correlations(one)["rank correlation"].iloc[0] for one in seeds.values()]
        row = {
            "transformation": name,
            "direction": direction,
            "training": _median(next(iter(seeds.values())), "first"),
            **{f"seed {seed}": _median(one, "second") for seed, one in seeds.items()},
            "rank correlation": float(np.mean(found)),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def seed_numbers(table: pd.DataFrame) -> dict[str, float | str]:
    """Collect what the book says of trainings from different seeds."""
    numbers: dict[str, float | str] = {}
    medians = [one for one in table.columns if one == "training" or one.startswith("seed ")]
    for row in table.to_dict("records"):
        transformation = find_transformation(row["transformation"])
        start = f"seeds_{transformation.name}_{row['direction']}"
        found = row["rank correlation"]
        numbers[f"{start}_correlation"] = "–" if np.isnan(found) else f"{found:.2f}"
        for one in medians:
            key = f"{start}_{one}".replace(" ", "_")
            numbers[key] = format_magnitude(row[one], transformation)
    correlation = table["rank correlation"]
    for which in ("median", "min", "max"):
        numbers[f"seeds_{which}"] = float(correlation.agg(which))
    return numbers


def _median(pairs: pd.DataFrame, which: str) -> float:
    """Return the median magnitude, infinite if most thresholds are not reached."""
    sign = 1 if pairs.direction.iloc[0] == "up" else -1
    return sign * float(np.median(outward(pairs, which)))


def _cards(profile: str, networks: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read the cards of a profile's own networks."""
    cards = {
        name: WEIGHTS_FOLDER / profile / f"{name.removesuffix(profile)}64.json" for name in networks
    }
    for name, path in cards.items():
        if not path.is_file():
            raise UsageError(f"{name} is no network of profile {profile}'s own: no {path.name}")
    return {name: json.loads(path.read_text()) for name, path in cards.items()}
