"""What a profile's own networks have learned from, and how far trainings lie apart."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from itn.messages import UsageError
from itn.plots import format_magnitude
from itn.study.agreement import KEYS, outward, pairs_correlation
from itn.study.profiles import FigureParameters, load_profile
from itn.study.splits import PARTS, read_split
from itn.transformations import find_transformation
from itn.zoo.catalog import WEIGHTS_FOLDER

COUNTED = dict(zip(PARTS, ("to learn from", "to test on", "left out"), strict=True))
ALL = "all"  # the row of all categories together
SETTINGS = ("epochs", "weight_decay", "label_smoothing", "jitter", "rotation", "zoom")


def training_table(parameters: FigureParameters) -> pd.DataFrame:
    """Tabulate what a profile's own networks learned from and how often they are right.

    One row per category, the last of all: numbers of pictures in each part of the split; accuracy
    of each network on the part for testing, from the cards.
    """
    profile = load_profile(parameters.profile)
    if profile.split is None:
        raise UsageError(f"profile {parameters.profile} does not split its pictures")
    columns: dict[str, Mapping[str, int]] = {}
    for part, title in COUNTED.items():
        paths = read_split(profile.split, part)
        columns[title] = Counter(path.partition("/")[0] for path in paths)
    table = pd.DataFrame(columns).reindex(list(profile.classes)).fillna(0).astype(int)
    table.loc[ALL] = table.sum()
    for name, card in _cards(parameters.profile, profile.networks).items():
        table[name] = pd.Series(card["accuracy_per_class"] | {ALL: card["accuracy"]})
    return table.rename_axis("category")


def training_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Write accuracies as a page shows them: those of all categories to one digit more."""
    texts = {
        name: [f"{share:{'.1%' if row == ALL else '.0%'}}" for row, share in table[name].items()]
        for name in table.columns.difference(list(COUNTED.values()))
    }
    return table.assign(**texts)


def training_settings(parameters: FigureParameters) -> pd.DataFrame:
    """Tabulate how a profile's own networks were trained, one row for each, from the cards."""
    cards = _cards(parameters.profile, load_profile(parameters.profile).networks)
    rows = {
        name: {key: card[key] for key in SETTINGS if key in card} for name, card in cards.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def seed_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """Tabulate how far apart trainings from different seeds are.

    One row per transformation and direction: the median threshold *half* over the classes, infinite
    where the middle is not reached; the mean rank correlation of ours with the others, NaN where
    there is none with one of them.
    """
    rows = {}
    for row, group in pairs.groupby(KEYS):
        seeds: dict[Any, pd.DataFrame] = dict(list(group.groupby("seed")))
        found = [pairs_correlation(one) for one in seeds.values()]
        rows[row] = {
            "ours": _median(next(iter(seeds.values())), "first"),
            **{f"seed {seed}": _median(one, "second") for seed, one in seeds.items()},
            "ρ": float(np.mean(found)),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(KEYS)


def seed_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Write medians as a page shows them, with the unit of their transformation."""
    transformations = [find_transformation(name) for name, _ in table.index]
    texts = {
        name: list(map(format_magnitude, table[name], transformations))
        for name in table.columns.difference(["ρ"])
    }
    return table.assign(**texts)


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
