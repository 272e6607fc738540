"""A profile's own networks: their cards and splits, and what other seeds lead to."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from known_screenings import screening

from itn.comparison import compare
from itn.messages import UsageError
from itn.study import networks
from itn.study.agreement import threshold_pairs
from itn.study.networks import (
    seed_table,
    seed_texts,
    training_settings,
    training_table,
    training_texts,
)
from itn.study.profiles import FigureParameters, load_profile, read_parameters
from itn.zoo.catalog import WEIGHTS_FOLDER

ROOT = Path(__file__).parents[2]


def test_cards_and_split_are_tabulated():
    parameters, profile = read_parameters({"profile": "photos"}), load_profile("photos")
    table, settings = training_table(parameters), training_settings(parameters)
    assert table.index.tolist() == [*profile.classes, "all"]
    split = pd.read_csv(ROOT / "profiles" / "photos.tsv", sep="\t")
    counts = pd.crosstab(split.path.str.partition("/")[0], split.part).loc[list(profile.classes)]
    parts = {"to learn from": "training", "to test on": "test", "left out": "duplicate"}
    for title, part in parts.items():
        assert table[title].tolist() == [*counts[part], counts[part].sum()]
    classes, every = table.iloc[:-1], table.loc["all"]
    for network in profile.networks:
        architecture = network.partition("_")[0]
        card = json.loads((WEIGHTS_FOLDER / "photos" / f"{architecture}_64.json").read_text())
        for name in profile.classes:
            assert table.loc[name, network] == card["accuracy_per_class"][name]
        # The accuracy over all pictures is the mean over the classes, each with its weight.
        weighted = np.average(classes[network], weights=classes["to test on"])
        assert every[network] == pytest.approx(weighted)
        assert settings.loc[network, "epochs"] == profile.training.epochs
    with pytest.raises(UsageError, match="profile imagenet does not split its pictures"):
        training_table(read_parameters({"profile": "imagenet"}))


def test_accuracies_are_written_with_a_digit_more_for_all():
    table = pd.DataFrame({"to test on": [8, 20], "net": [0.123, 0.4567]}, index=["ball", "all"])
    assert training_texts(table).to_dict() == {
        "to test on": {"ball": 8, "all": 20},
        "net": {"ball": "12%", "all": "45.7%"},
    }


def test_a_network_that_the_profile_did_not_train_has_no_card(monkeypatch):
    profile = load_profile("photos").model_copy(update={"networks": ("squeezenet",)})
    monkeypatch.setattr(networks, "load_profile", lambda name: profile)
    with pytest.raises(UsageError, match="squeezenet is no network of profile photos's own"):
        training_table(FigureParameters(profile="photos"))


def test_seeds_are_told_apart_by_their_medians():
    first = screening({"a": (-0.8, 0.2), "b": (-0.5, 0.4), "c": (-0.3, 0.6), "d": (-0.2, 0.7)})
    same = threshold_pairs(compare(first, first, resamples=0)).assign(seed=1)
    # Upward in the opposite order; downward more than half are not reached.
    other = screening({"a": (-2, 0.6), "b": (-2, 0.5), "c": (-2, 0.3), "d": (-0.2, 0.1)})
    pairs = pd.concat([same, threshold_pairs(compare(first, other, resamples=0)).assign(seed=2)])
    found = seed_table(pairs)
    # Thresholds upward are 0.25, 0.45, 0.65 and 0.75, and 0.65, 0.55, 0.35 and 0.15.
    up, down = found.loc[("brightness", "up")], found.loc[("brightness", "down")]
    columns = ["ours", "seed 1", "seed 2"]
    assert up[columns].tolist() == pytest.approx([0.55, 0.55, 0.45])
    assert down[columns].tolist() == pytest.approx([-0.45, -0.45, -np.inf])
    assert up["ρ"] == pytest.approx(0)  # the mean of 1 and -1
    texts = seed_texts(found).loc[("brightness", "down")]
    assert (texts["seed 2"], texts["ours"]) == ("–", "−0.450")
