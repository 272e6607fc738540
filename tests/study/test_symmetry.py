"""Symmetric classes under rotation, on screenings that are known, and black corners."""

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from itn.study import symmetry
from itn.study.profiles import FigureParameters
from itn.study.symmetry import (
    exact_rank_test,
    group_table,
    plot_turned_groups,
    turned_groups,
)


def fully_enumerated(higher, lower):
    """How many of all choices have that sum of ranks, one by one."""
    ranks = stats.rankdata([*higher, *lower])
    choices = itertools.combinations(ranks, len(higher))
    return np.mean([sum(one) >= sum(ranks[: len(higher)]) for one in choices])


@pytest.mark.parametrize("sizes", [(1, 1), (1, 4), (5, 1), (3, 10), (5, 8), (7, 7)])
@pytest.mark.parametrize("values", [2, 4, 9])
def test_ranks_with_ties_are_tested_against_all_choices(sizes, values):
    rng = np.random.default_rng(values)
    for _ in range(5):
        higher, lower = (rng.integers(0, values, size) / 7 for size in sizes)
        expected = fully_enumerated(higher, lower)
        assert exact_rank_test(higher, lower) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sizes", [(5, 10), (12, 20), (40, 60)])
def test_ranks_without_ties_are_tested_as_scipy_does_it(sizes):
    rng = np.random.default_rng(3)
    higher, lower = rng.normal(0.3, 1, sizes[0]), rng.normal(0, 1, sizes[1])
    wanted = stats.mannwhitneyu(higher, lower, alternative="greater", method="exact").pvalue
    assert exact_rank_test(higher, lower) == pytest.approx(wanted, rel=1e-9)


def test_nothing_is_tested_against_nothing():
    assert np.isnan(exact_rank_test([], [1, 2])) and np.isnan(exact_rank_test([1], []))


@pytest.fixture
def turned(known_turned):
    return known_turned(np.arange(0.0, 361, 10))


@pytest.fixture
def known_turned(monkeypatch):
    return lambda angles: _turned(monkeypatch, angles)


def _turned(monkeypatch, angles):
    """Two networks; one class never fails, one fails at once, one comes back at half a turn."""
    away = np.abs((angles + 180) % 360 - 180)
    always = np.ones(len(angles))
    never = np.where(away == 0, 1.0, 0.0)
    back = np.where(np.isin(away, (0, 180)), 1.0, 0.0)
    right = np.stack([never, back, always, never])  # one picture per class
    labels = np.arange(4)
    known = xr.Dataset(
        {
            "predicted": (("image", "magnitude"), np.where(right, labels[:, None], 9)),
            "target": ("category", labels),
            "label": ("image", labels),
        },
        coords={"magnitude": angles, "category": ["piano", "lamp", "ball", "other"]},
        attrs={"transformation": "rotation", "identity": 0.0},
    )

    class Toy:
        networks = ("one", "two")
        groups = {"round": ("ball",), "upright": ("lamp",), "none": ("piano",)}  # noqa: RUF012

    monkeypatch.setattr(symmetry, "load_profile", lambda name: Toy)
    monkeypatch.setattr(symmetry, "obtain_screening", lambda parameters, name: known)
    return turned_groups(FigureParameters(profile="toy"))


def test_groups_keep_what_is_known(turned):
    kept = turned.loc["one"]
    assert kept.kept["ball"] == 1
    assert kept.kept["piano"] == pytest.approx(10 / 360)  # the flanks at both ends
    assert kept.kept["lamp"] == pytest.approx(20 / 360)
    assert kept.kept_180.to_dict() == {"ball": 1, "lamp": 1, "piano": 0, "other": 0}
    assert kept.group.to_dict() == {
        "ball": "round",
        "lamp": "upright",
        "piano": "none",
        "other": "other classes",
    }


@pytest.mark.parametrize(
    ("angles", "piano", "lamp", "half_turn"),
    [
        (np.arange(-180.0, 181, 10), 10 / 360, 20 / 360, {"ball": 1, "lamp": 1, "piano": 0}),
        (np.arange(-90.0, 91, 10), 10 / 180, 10 / 180, None),
        (np.arange(-30.0, 401, 10), 10 / 360, 20 / 360, {"ball": 1, "lamp": 1, "piano": 0}),
        (np.array([0.0]), None, None, None),
    ],
    ids=str,
)
def test_what_is_kept_does_not_depend_on_where_the_sweep_begins(
    known_turned, angles, piano, lamp, half_turn
):
    kept = known_turned(angles).loc["one"]
    assert (kept.clean == 1).all()
    for name, share in (("piano", piano), ("lamp", lamp)):
        expected = np.nan if share is None else share
        assert kept.kept[name] == pytest.approx(expected, nan_ok=True)
    for name, share in (half_turn or dict.fromkeys(("ball", "lamp", "piano"), np.nan)).items():
        assert kept.kept_180[name] == pytest.approx(share, nan_ok=True)
    for axes in plot_turned_groups(known_turned(angles)).axes:
        assert [line.get_xdata().tolist() for line in axes.lines] == [angles.tolist()] * 6


def test_a_class_that_is_never_right_keeps_nothing_that_could_be_counted(turned):
    turned = turned.copy()
    lost = turned.index.get_level_values("category") == "lamp"
    turned.loc[lost, "clean"] = 0
    turned.loc[lost, ["kept", "kept_180"]] = np.nan
    table = group_table(turned)
    assert table.loc[("upright", "one")].drop("classes").isna().all()
    assert table.loc[("round", "one"), "kept"] == 1
    labels = [text.get_text() for text in plot_turned_groups(turned).legends[0].get_texts()]
    assert labels == ["round (1 classes)", "none (1 classes)"]


def test_groups_are_tabulated_with_their_tests(turned):
    table = group_table(turned)
    groups = ("round", "upright", "none")
    assert table.index.tolist() == [(group, name) for group in groups for name in ("one", "two")]
    assert table.loc[("round", "one"), ["kept", "classes"]].tolist() == [1, 1]
    assert table.loc[("upright", "two"), "kept_180"] == 1
    # One class against one of the last group.
    assert table.loc[("round", "one"), "p kept"] == pytest.approx(0.5)
    assert table.loc["none", ["p kept", "p kept_180"]].isna().all(axis=None)
    assert group_table(turned.assign(group="other classes")).empty


def test_figure_of_the_groups_shows_their_means(turned):
    """Of two classes of a group one is never lost and one at once: half is kept on average."""
    turned.loc[turned.index.get_level_values("category") == "other", "group"] = "round"
    for axes, network in zip(plot_turned_groups(turned).axes, ("one", "two"), strict=True):
        assert axes.get_title() == network
        broad = {line.get_label(): line for line in axes.lines if line.get_linewidth() > 2}
        assert list(broad) == ["round (2 classes)", "upright (1 classes)", "none (1 classes)"]
        whole, upside_down = [0, 360], [0, 180, 360]
        for label, back, rest in (
            ("round (2 classes)", whole, 0.5),
            ("upright (1 classes)", upside_down, 0),
            ("none (1 classes)", whole, 0),
        ):
            for angle, share in broad[label].get_xydata():
                assert share == (1 if angle in back else rest)
