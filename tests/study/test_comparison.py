"""Comparisons of networks, on screenings whose thresholds are known."""

import itertools
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from itn.classifiers import load_classifier
from itn.curves import load_screening
from itn.messages import UsageError
from itn.study import comparison, symmetry
from itn.study import networks as training_report
from itn.study.comparison import (
    compare,
    plot_threshold_pairs,
    rank_correlations,
    summarize_correlations,
    threshold_pairs,
)
from itn.study.networks import (
    seed_table,
    seed_texts,
    training_settings,
    training_table,
    training_texts,
)
from itn.study.profiles import (
    FigureParameters,
    archive_file,
    load_profile,
    read_parameters,
)
from itn.study.screenings import archived_screening, load_part
from itn.study.seeds import read_seeds
from itn.study.symmetry import (
    exact_rank_test,
    fill_control,
    group_table,
    plot_turned_groups,
    turned_groups,
)
from itn.transformations import transform

MAGNITUDES = np.linspace(-1, 1, 21)


def screening(limits, name="brightness", magnitudes=MAGNITUDES):
    """All pictures are right as far as a limit on either side; half of them lose it there.

    `limits` maps classes to the limits below and above; at the limit exactly half is right.
    """
    images, count = [], 4
    for low, high in limits.values():
        ends = np.array([low, high]) + np.array([[-0.051, 0.051], [-0.051, 0.051], [0, 0], [0, 0]])
        inside = (magnitudes >= ends[:, :1] - 1e-9) & (magnitudes <= ends[:, 1:] + 1e-9)
        images.append(inside)
    right = np.concatenate(images)
    label = np.repeat(np.arange(len(limits)), count)
    target = np.arange(len(limits), dtype="int32")
    mean = np.zeros((len(limits), len(magnitudes), len(limits) + 1))
    for index in target:
        mean[index, :, index] = right[label == index].mean(axis=0)
        mean[index, :, -1] = 1 - mean[index, :, index]
    return xr.Dataset(
        {
            "predicted": (("image", "magnitude"), np.where(right, label[:, None], len(limits))),
            "mean_softmax": (("category", "magnitude", "class"), mean),
            "target": ("category", target),
            "label": ("image", label),
        },
        coords={"magnitude": magnitudes, "category": list(limits)},
        attrs={"transformation": name, "identity": 0.0},
    )


FIRST = {
    "a": (-0.8, 0.2),
    "b": (-0.6, 0.4),
    "c": (-0.4, 0.6),
    "d": (-2, 2),
    "e": (-0.2, 0.8),
    "f": (-0.1, 0.9),
}
SECOND = {
    "e": (-2, 0.7),
    "c": (-0.2, 0.5),
    "b": (-0.3, 0.6),
    "a": (-0.5, 0.1),
    "d": (-0.6, 2),
    "f": (-0.4, 0.8),
}


def test_thresholds_are_paired_by_class_and_direction():
    pairs = threshold_pairs(screening(FIRST), screening(SECOND))
    assert len(pairs) == 12
    row = pairs[(pairs.category == "b") & (pairs.direction == "up")].iloc[0]
    assert row["first"] == pytest.approx(0.45, abs=0.051)
    assert row["second"] == pytest.approx(0.65, abs=0.051)
    assert not row.first_censored
    row = pairs[(pairs.category == "e") & (pairs.direction == "down")].iloc[0]
    assert row.second_censored
    assert row["second"] == -1  # the end of the sweep


def test_what_is_lost_at_the_identity_and_what_one_network_does_not_know_is_no_pair():
    lost = screening(FIRST | {"a": (0.5, 0.9)})
    pairs = threshold_pairs(lost, screening({n: SECOND[n] for n in "abc"}))
    assert set(pairs.category) == {"b", "c"}


def test_rank_correlation_is_spearmans_with_what_is_not_reached_farthest():
    pairs = threshold_pairs(screening(FIRST), screening(SECOND))
    found = rank_correlations(pairs).loc["brightness"]
    # By hand: ranks outward of a, b, c, d, e, f.
    up = stats.spearmanr([1, 2, 3, 6, 4, 5], [1, 3, 2, 6, 4, 5])
    down = stats.spearmanr([5, 4, 3, 6, 2, 1], [4, 2, 1, 5, 6, 3])
    assert found.loc["up", "rank correlation"] == pytest.approx(up.statistic)
    assert found.loc["up", "p"] == pytest.approx(up.pvalue)
    assert found.loc["down", "rank correlation"] == pytest.approx(down.statistic)
    assert found.loc["up", "pairs"] == found.loc["down", "pairs"] == 6
    assert (found.loc["up", "censored"], found.loc["down", "censored"]) == (1, 2)


def test_there_is_no_correlation_where_nothing_is_reached():
    far = screening(dict.fromkeys("abcd", (-2, 2)))
    found = rank_correlations(threshold_pairs(far, screening(SECOND)))
    assert found["rank correlation"].isna().all()
    assert (found.censored == 4).all()


def test_figure_shows_every_pair_and_its_correlation():
    pairs = threshold_pairs(screening(FIRST), screening(SECOND))
    found = rank_correlations(pairs)
    figure = plot_threshold_pairs(pairs, found, "one", "other")
    (axes,) = figure.axes
    assert sum(len(line.get_xdata()) for line in axes.lines) == len(pairs)
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert sum(len(line.get_xdata()) for line in hollow) == 3
    texts = {text.get_text() for text in axes.texts}
    rhos = found["rank correlation"].loc["brightness"]
    expected = {f"{d}: ρ = {rho:.2f}, n = 6".replace("-", "−") for d, rho in rhos.items()}
    assert texts == expected


def test_the_figure_writes_factors_and_names_as_they_are():
    factors = 2.0 ** np.arange(-4, 5)
    one = screening(FIRST).isel(magnitude=slice(0, 9)).assign_coords(magnitude=factors)
    one = one.assign_attrs(transformation="zoom")
    pairs = threshold_pairs(one, one)
    figure = plot_threshold_pairs(pairs, rank_correlations(pairs), "my$1$", "a_b^$")
    (axes,) = figure.axes
    figure.draw_without_rendering()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("my$1$", "a_b^$")
    for axis in (axes.xaxis, axes.yaxis):
        assert not axis.label.get_parse_math()
        assert not any("$" in label.get_text() for label in axis.get_ticklabels())


def test_equal_thresholds_have_no_order():
    same = threshold_pairs(screening(dict.fromkeys("abcdef", (-0.5, 0.5))), screening(SECOND))
    assert (same["first_censored"] == 0).all()
    assert rank_correlations(same)["rank correlation"].isna().all()


def test_networks_without_a_shared_class_make_an_empty_table():
    pairs = threshold_pairs(screening(FIRST), screening({"x": (-0.5, 0.5)}))
    full = threshold_pairs(screening(FIRST), screening(SECOND))
    assert pairs.empty and pairs.columns.tolist() == full.columns.tolist()
    assert pd.concat([pairs, full]).dtypes.to_dict() == full.dtypes.to_dict()
    found = rank_correlations(pairs)
    assert found.empty and (found.dtypes == rank_correlations(full).dtypes).all()
    assert rank_correlations(pd.DataFrame()).columns.tolist() == found.columns.tolist()
    summary = summarize_correlations({("one", "two"): found}).loc[("one", "two")]
    assert (summary.pairs, summary.defined, summary["lowest name"]) == (0, 0, "")
    assert np.isnan(summary["median"])
    with pytest.raises(UsageError, match=r"^nothing to draw: one and two share no class"):
        plot_threshold_pairs(pairs, found, "one", "two")


@pytest.fixture
def networks(monkeypatch):
    """A profile whose networks are given, and a screening of SqueezeNet that knows a to f."""

    def given(own, squeezenet=SECOND):
        profile = load_profile("photos").model_copy(update={"networks": tuple(own)})
        monkeypatch.setattr(comparison, "load_profile", lambda name: profile)
        monkeypatch.setattr(comparison, "TRANSFORMATIONS", ["brightness"])
        obtain = lambda parameters, name: screening(own[parameters.network], name)  # noqa: E731
        monkeypatch.setattr(comparison, "obtain_screening", obtain)
        monkeypatch.setattr(comparison, "archived_screening", lambda *_: screening(squeezenet))
        return FigureParameters(profile="mine")

    return given


def test_one_network_of_ones_own_is_compared_with_squeezenet(networks):
    tables = compare(networks({"mine": FIRST}))
    assert list(tables) == [("mine", "squeezenet")]
    wanted = threshold_pairs(screening(FIRST), screening(SECOND))
    pd.testing.assert_frame_equal(tables["mine", "squeezenet"], wanted)


def test_networks_are_compared_with_each_other_where_squeezenet_knows_none_of_their_classes(
    networks,
):
    tables = compare(networks({"one": FIRST, "two": SECOND}, {"x": (-0.5, 0.5)}))
    assert list(tables) == [("one", "two"), ("one", "squeezenet"), ("two", "squeezenet")]
    assert [len(pairs) for pairs in tables.values()] == [12, 0, 0]


def test_what_cannot_be_compared_is_said_in_one_line(networks):
    with pytest.raises(UsageError, match=r"mine knows a, b, c, …; squeezenet knows x$"):
        compare(networks({"mine": FIRST}, {"x": (-0.5, 0.5)}))
    with pytest.raises(UsageError, match="no two networks with thresholds of the same class"):
        compare(networks({"squeezenet": FIRST}))


def test_a_missing_archive_is_named(tmp_path, monkeypatch):
    profiles = Path("profiles").absolute()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").symlink_to(profiles)
    with pytest.raises(UsageError, match="no results/imagenet/squeezenet_rotation") as raised:
        archived_screening(FigureParameters(profile="imagenet"), "rotation")
    assert "itn screen --profile imagenet" in str(raised.value)
    assert "\n" not in str(raised.value)


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
    assert plot_turned_groups(known_turned(angles)).axes


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


def test_correlations_are_summarized():
    pairs = threshold_pairs(screening(FIRST), screening(SECOND))
    found = rank_correlations(pairs)
    opposite = found.assign(**{"rank correlation": [-0.3, np.nan], "p": [0.01, np.nan]})
    summary = summarize_correlations({("one", "two"): found, ("one", "other"): opposite})
    rho = found["rank correlation"]
    one, other = summary.loc[("one", "two")], summary.loc[("one", "other")]
    assert one["median"] == pytest.approx(rho.median())
    assert (one.lowest, one.highest) == pytest.approx((rho.min(), rho.max()))
    assert (one["lowest name"], one["highest name"]) == ("brightness, down", "brightness, up")
    assert (one.pairs, one.censored) == (12, 3)
    assert (one.defined, one.positive, one.significant) == (2, 2, (found.p < 0.05).sum())
    assert (other.defined, other.positive, other.significant) == (1, 0, 0)
    assert other["highest name"] == other["lowest name"] == "brightness, down"


def test_figure_of_the_groups_shows_their_means(turned):
    figure = plot_turned_groups(turned)
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["round (1 classes)", "upright (1 classes)", "none (1 classes)"]


def test_cards_and_split_are_tabulated():
    parameters = read_parameters({"profile": "photos"})
    table, settings = training_table(parameters), training_settings(parameters)
    classes, every = table.iloc[:-1], table.loc["all"]
    tested = classes["to test on"]
    assert (classes["to learn from"] + tested).max() == 200
    assert every["to test on"] == tested.sum()
    for network in load_profile("photos").networks:
        # The accuracy over all pictures is the mean over the classes, each with its weight.
        weighted = (classes[network] * tested).sum() / tested.sum()
        assert every[network] == pytest.approx(weighted)
        assert settings.loc[network, "epochs"] == load_profile("photos").training.epochs
    texts = training_texts(table)
    first = texts.loc["soccer_ball", "alexnet_photos"]
    assert first == f"{table.loc['soccer_ball', 'alexnet_photos']:.0%}"
    assert texts.loc["all", "resnet_photos"] == f"{every['resnet_photos']:.1%}"
    with pytest.raises(UsageError, match="profile imagenet does not split its pictures"):
        training_table(read_parameters({"profile": "imagenet"}))


def test_a_network_that_the_profile_did_not_train_has_no_card(monkeypatch):
    profile = load_profile("photos").model_copy(update={"networks": ("squeezenet",)})
    monkeypatch.setattr(training_report, "load_profile", lambda name: profile)
    with pytest.raises(UsageError, match="squeezenet is no network of profile photos's own"):
        training_table(FigureParameters(profile="photos"))


def test_seeds_are_told_apart_by_their_medians():
    first = screening({"a": (-0.8, 0.2), "b": (-0.5, 0.4), "c": (-0.3, 0.6), "d": (-0.2, 0.7)})
    same = threshold_pairs(first, first).assign(seed=1)
    # Upward in the opposite order; downward more than half are not reached.
    other = screening({"a": (-2, 0.6), "b": (-2, 0.5), "c": (-2, 0.3), "d": (-0.2, 0.1)})
    pairs = pd.concat([same, threshold_pairs(first, other).assign(seed=2)])
    found = seed_table(pairs)
    table = found.loc["brightness"]
    assert table.loc["up", "ours"] == table.loc["up", "seed 1"] == pytest.approx(0.55, abs=0.03)
    assert table.loc["down", "ours"] == pytest.approx(-0.45, abs=0.03)
    assert table.loc["up", "seed 2"] == pytest.approx(0.45, abs=0.03)
    assert table.loc["down", "seed 2"] == -np.inf
    assert table.loc["up", "ρ"] == pytest.approx(0)  # the mean of 1 and -1
    texts = seed_texts(found).loc[("brightness", "down")]
    assert (texts["seed 2"], texts["ours"]) == ("–", "−0.450")


def test_the_seeds_were_compared_with_the_archived_training():
    parameters = read_parameters({"profile": "photos"})
    seeds, _ = read_seeds(parameters)
    for name, group in seeds.groupby("transformation"):
        archived = load_screening(archive_file("photos", "alexnet_photos", name))
        own = threshold_pairs(archived, archived).set_index(["direction", "category"])
        for seed, one in group.groupby("seed"):
            found = one.set_index(["direction", "category"])
            wanted = own.loc[found.index]
            np.testing.assert_allclose(found["first"], wanted["first"], rtol=1e-5, err_msg=seed)
            assert (found.first_censored == wanted.first_censored).all()
            assert (found["first"] != found.second).any()


@pytest.mark.parametrize("angle", [45.0, -45.0, 315.0])
def test_the_fill_control_is_read_at_its_angle_whichever_way_it_turns(monkeypatch, angle):
    # Of three pictures of others one is taken for the marked class upright, two turned.
    at_angle, upright = [0, 0, 0, 2], [0, 0, 1, 2]
    order = np.argsort([angle, 0])
    known = xr.Dataset(
        {
            "predicted": (("image", "magnitude"), np.array([at_angle, upright]).T[:, order]),
            "target": ("category", [0, 1, 2]),
            "label": ("image", [0, 1, 1, 2]),
        },
        coords={
            "magnitude": np.array([angle, 0])[order],
            "category": ["marked", "b", "c"],
            "class": ["marked", "b", "c"],
        },
        attrs={"transformation": "rotation", "identity": 0.0},
    )
    profile = load_profile("photos").model_copy(update={"networks": ("net",)})
    monkeypatch.setattr(symmetry, "load_profile", lambda name: profile)
    monkeypatch.setattr(symmetry, "obtain_screening", lambda parameters, name: known)
    parameters = FigureParameters(profile="photos")
    (row,) = fill_control(parameters, ["marked"], angle, ["zeros"]).to_dict("records")
    assert row["accuracy"] == pytest.approx(2 / 4)
    assert row["taken"] == pytest.approx(2 / 3)
    assert row["taken_upright"] == pytest.approx(1 / 3)
    with pytest.raises(UsageError, match="unknown class 'marke'; closest: 'marked'"):
        fill_control(parameters, ["marke"], angle, ["zeros"])


@pytest.mark.data
def test_black_corners_are_what_turns_pictures_into_those_that_have_them():
    parameters = read_parameters({"profile": "photos", "limit": 4})
    marked = ["accordion", "trilobite"]
    table = fill_control(parameters, marked, fills=["zeros", "edge"])
    assert (table.taken_upright < 0.1).all()
    for network in load_profile("photos").networks:
        black, edge = table.loc[network, "zeros"], table.loc[network, "edge"]
        assert black.taken > 2 * edge.taken
        assert black.accuracy < edge.accuracy
    # Counted from the predictions for one of them.
    classifier = load_classifier("alexnet_photos")
    pictures = load_part(load_profile("photos"), "test", size=64, limit=4)
    turned = np.asarray(transform(pictures.images, "rotation", 45.0, fill="edge"))
    said = np.array(classifier.class_names)[classifier.predict(turned).argmax(axis=1)]
    true = np.array(pictures.class_names)[pictures.labels]
    edge = table.loc["alexnet_photos", "edge"]
    assert edge.accuracy == pytest.approx((said == true).mean())
    others = ~np.isin(true, marked)
    assert edge.taken == pytest.approx(np.isin(said[others], marked).mean())


def test_seeds_of_another_training_are_not_shown(monkeypatch):
    """Were the package's network retrained, its old neighbors would say nothing of it."""
    monkeypatch.setattr(
        "itn.study.screenings.network_recipe",
        lambda network, weights: {"network": network, "weight_file_sha256": "0" * 64},
    )
    with pytest.raises(UsageError, match=r"seeds.nc was made otherwise: weight_file_sha256 \("):
        read_seeds(read_parameters({"profile": "photos"}))


def test_further_seeds_are_read_with_their_accuracy():
    parameters = read_parameters({"profile": "photos"})
    _, accuracy = read_seeds(parameters)
    assert accuracy.index.tolist() == [1, 2]
    # As the notebook adds the network's own and summarizes the three.
    own = training_table(parameters).loc["all", "alexnet_photos"]
    three = [*accuracy.accuracy, own]
    accuracy.loc["ours"] = own
    summary = accuracy.agg(["min", "max", "std"]).accuracy
    assert (summary["min"], summary["max"]) == (min(three), max(three))
    assert summary["std"] == pytest.approx(statistics.stdev(three))
