"""Whether networks agree, on screenings whose thresholds are known and on simulated ones."""

import numpy as np
import pandas as pd
import pytest
from known_screenings import FIRST, RHO_DOWN, RHO_UP, SECOND, known_pairs, screening
from lost_pictures import of_limits
from scipy import stats

from itn.comparison import compare
from itn.curves import load_screening
from itn.messages import UsageError
from itn.study import agreement
from itn.study.agreement import (
    agreement_table,
    agreement_texts,
    compare_networks,
    correlation_table,
    correlation_texts,
    difference_table,
    margin_of,
    noise_ceilings,
    pairs_correlation,
    screenings_of,
    split_half,
    threshold_pairs,
    verdict,
)
from itn.study.profiles import FigureParameters, load_profile

ONE, OTHER = screening(FIRST), screening(SECOND)
MAGNITUDES = np.linspace(0, 1, 41)


@pytest.fixture(scope="module")
def three():
    """Two networks that order twenty classes alike, but for chance, and one that does not."""
    rng = np.random.default_rng(3)
    label = np.repeat(np.arange(20), 12)
    middle = rng.uniform(0.2, 0.8, 20)
    networks = {}
    for name, order in (("one", middle), ("two", middle + 0.05), ("three", 1 - middle)):
        limits = order[label] + rng.normal(0, 0.05, len(label))
        networks[name] = [of_limits(limits, MAGNITUDES, label=label)]
    return networks, compare_networks(networks, resamples=200)


# Pairs


def test_thresholds_are_paired_by_class_and_direction():
    pairs = threshold_pairs(compare(ONE, OTHER, resamples=0))
    columns = ["first", "second", "first_censored", "second_censored"]
    found = pairs.set_index(["direction", "category"])[columns].T.to_dict("list")
    assert found == {row: pytest.approx(list(values)) for row, values in known_pairs()}
    assert set(pairs.transformation) == {"brightness"}


def test_what_is_lost_at_the_identity_and_what_one_network_does_not_know_is_no_pair():
    lost = screening(FIRST | {"a": (0.5, 0.9)})
    few = screening({name: SECOND[name] for name in "abc"})
    pairs = threshold_pairs(compare(lost, few, resamples=0))
    assert set(pairs.category) == {"b", "c"}


def test_stored_pairs_correlate_as_the_screenings_did():
    pairs = threshold_pairs(compare(ONE, OTHER, resamples=0))
    for direction, rho in (("up", RHO_UP), ("down", RHO_DOWN)):
        assert pairs_correlation(pairs[pairs.direction == direction]) == pytest.approx(rho)


# Networks


@pytest.fixture
def networks(monkeypatch):
    """A profile whose networks are given, and a screening of SqueezeNet that knows a to f."""

    def given(own, squeezenet=SECOND):
        profile = load_profile("photos").model_copy(update={"networks": tuple(own)})
        monkeypatch.setattr(agreement, "load_profile", lambda name: profile)
        monkeypatch.setattr(agreement, "TRANSFORMATIONS", ["brightness"])
        obtain = lambda parameters, name: screening(own[parameters.network], name)  # noqa: E731
        monkeypatch.setattr(agreement, "obtain_screening", obtain)
        monkeypatch.setattr(agreement, "screened_networks", lambda _: ["squeezenet"])
        monkeypatch.setattr(agreement, "archived_screening", lambda *_: screening(squeezenet))
        return screenings_of(FigureParameters(profile="mine"))

    return given


def test_one_network_of_ones_own_is_compared_with_squeezenet(networks):
    ((names, (found,)),) = compare_networks(networks({"mine": FIRST})).items()
    assert names == ("mine", "squeezenet")
    assert found.pairs.values.tolist() == [6, 6]
    assert found.correlation.sel(direction="up").item() == pytest.approx(RHO_UP)
    assert found.attrs["margin"] == pytest.approx(0.1)


def test_networks_are_compared_with_each_other_where_squeezenet_knows_none_of_their_classes(
    networks,
):
    own = networks({"one": FIRST, "two": SECOND}, {"x": (-0.5, 0.5)})
    found = compare_networks(own)
    assert {names: len(each) for names, each in found.items()} == {
        ("one", "two"): 1, ("one", "squeezenet"): 0, ("two", "squeezenet"): 0
    }  # fmt: skip
    table = agreement_table(found, own)
    assert table.classes.tolist() == [6, 0, 0]
    assert agreement_texts(table).iloc[1].tolist()[1:5] == ["–", "0 of 0", "not testable here", "–"]


def test_what_cannot_be_compared_is_said_in_one_line(networks):
    with pytest.raises(UsageError, match=r"mine knows a, b, c, …; squeezenet knows x$"):
        compare_networks(networks({"mine": FIRST}, {"x": (-0.5, 0.5)}))
    with pytest.raises(UsageError, match="no two networks know the same class"):
        compare_networks(networks({"squeezenet": FIRST}))


def test_the_margin_is_a_tenth_of_the_way_to_the_nearer_end():
    assert margin_of(ONE) == pytest.approx(0.1)
    octaves = np.array([-4.0, -2, 0, 1, 2])
    contrast = of_limits([1, 2], 2**octaves, name="contrast")
    assert margin_of(contrast) == pytest.approx(0.2)
    assert margin_of(of_limits([5], [0, 90, 180, 270, 359], name="rotation")) == pytest.approx(18)


# Tables


def test_correlations_are_tabulated_where_there_are_pairs():
    table = correlation_table([compare(ONE, OTHER), compare(*map(of_up, (FIRST, SECOND)))])
    rows = [("brightness", "down"), ("brightness", "up"), ("noise", "up")]
    assert table.index.tolist() == rows
    assert table["ρ"].tolist() == pytest.approx([RHO_DOWN, RHO_UP, RHO_UP])
    assert (table.low < table["ρ"]).all() and (table.high > table["ρ"]).all()
    assert table.censored.tolist() == [2, 1, 1] and (table.pairs == 6).all()
    none = compare(screening(dict.fromkeys("abcd", (-2, 2))), OTHER)
    texts = correlation_texts(
        {("one", "alexnet_photos"): [compare(ONE, OTHER)], ("a", "b"): [none]}
    )
    assert texts.columns.tolist() == ["one – AlexNet", "a – b"]
    assert texts.loc[("brightness", "up"), "one – AlexNet"].startswith("0.94 (")
    assert (texts["a – b"] == "–").all()


def of_up(limits):
    """Screened by noise, which has one direction."""
    up = screening(limits).isel(magnitude=slice(10, None))
    return up.assign_attrs(transformation="noise")


def test_differences_are_counted_by_who_is_farther():
    label = np.repeat(np.arange(4), 30)
    chance = np.random.default_rng(5).normal(0, 0.03, 120)
    first = of_limits(np.array([0.3, 0.3, 0.3, 0.3])[label] + chance, MAGNITUDES, label=label)
    moved = np.array([0.6, 0.15, 0.3, 2])[label] + chance
    second = of_limits(moved, MAGNITUDES, label=label)
    ((_, (found,)),) = compare_networks({"one": [first], "two": [second]}).items()
    table = difference_table([found])
    assert table.loc[("noise", "up")].tolist() == [4, 1, 2, 1, 0, "0.1"]
    assert table.loc[("all", "both")].tolist() == [4, 1, 2, 1, 0, "–"]


def test_verdicts_follow_from_the_interval():
    intervals = ((0.1, 0.5), (-0.1, 0.5), (-0.5, -0.1), (np.nan, np.nan))
    assert [verdict(*each) for each in intervals] == [
        "holds", "not testable here", "does not hold", "not testable here"
    ]  # fmt: skip


def test_agreement_is_that_of_the_order_of_classes(three):
    networks, found = three
    table = agreement_table(found, networks)
    assert table.verdict.tolist() == ["holds", "does not hold", "does not hold"]
    row = table.loc[("one", "two")]
    assert row["median"] == pytest.approx(found["one", "two"][0].correlation.sel(direction="up"))
    # Of one transformation, the interval of the median is its own.
    own = found["one", "two"][0].sel(direction="up")
    assert (row.low, row.high) == (own.correlation_low.item(), own.correlation_high.item())
    assert (row.classes, row.pairs, row.defined, row.above, row.censored) == (20, 20, 1, 1, 0)
    assert (row["lowest name"], row["by chance"]) == ("noise, up", 1)
    assert row["differ"] == found["one", "two"][0].different.sum()
    texts = agreement_texts(table)
    assert agreement_texts(table.assign(median=-0.001)).iloc[0, 1].startswith("0.00 (")
    assert texts.index.tolist() == ["one – two", "one – three", "two – three"]
    assert texts.loc["one – two", "intervals above 0"] == "1 of 1"
    assert texts.loc["one – two", "differ"] == f"{row.differ:.0f} of 20"


def test_the_median_of_several_is_drawn_with_the_same_pictures_and_classes(three):
    networks, found = three
    blur = {"transformation": "blur"}
    twice = {name: [*own, own[0].assign_attrs(blur)] for name, own in networks.items()}
    again = compare_networks(twice, resamples=200)
    table = agreement_table(again, twice)
    same = ["median", "low", "high", "ceiling", "verdict"]
    pd.testing.assert_frame_equal(table[same], agreement_table(found, networks)[same])
    other = {("one", "two"): [*found["one", "two"], again["one", "three"][1]]}
    half = agreement_table(other, twice).iloc[0]
    assert half["median"] == pytest.approx(
        np.mean([each.correlation.sel(direction="up") for each in other["one", "two"]])
    )
    assert half.low < half["median"] < half.high


# The noise ceiling


def test_networks_without_noise_agree_wholly_with_themselves():
    limits = np.repeat([0.2, 0.3, 0.5, 0.6, 0.9], 6)
    label = np.repeat(np.arange(5), 6)
    down, up = split_half(of_limits(limits, MAGNITUDES, label=label), splits=10)
    assert np.isnan(down) and up == 1
    few = of_limits(np.repeat([0.2, 0.3, 0.5], 6), MAGNITUDES, label=label[:18])
    assert np.isnan(split_half(few, splits=10)).all()


def test_split_halves_are_screenings_of_half_of_the_pictures():
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(6), 10)
    whole = of_limits(rng.normal(0.5, 0.2, 60), MAGNITUDES, label=label)
    drawn = np.random.default_rng(7)
    orders = [drawn.permuted(np.arange(10)[None], axis=1)[0] for _ in range(6)]
    halves = [
        whole.isel(image=[10 * c + i for c in range(6) for i in range(10) if orders[c][i] % 2 == h])
        for h in (0, 1)
    ]
    rho = compare(*halves, resamples=0).correlation.sel(direction="up").item()
    kept = max(rho, 0)
    assert split_half(whole, splits=1, seed=7)[1] == pytest.approx(2 * kept / (1 + kept))


def test_the_ceiling_is_what_networks_alike_come_to():
    """Thresholds of one order, known up to the noise of few pictures, correlate as it says."""
    rng = np.random.default_rng(8)
    label = np.repeat(np.arange(60), 16)
    rho, ceilings = [], []
    for _ in range(6):
        middle = rng.normal(0.5, 0.08, 60)
        pair = [
            of_limits(middle[label] + rng.normal(0, 0.2, len(label)), MAGNITUDES, label=label)
            for _ in range(2)
        ]
        rho.append(compare(*pair, resamples=0).correlation.sel(direction="up").item())
        table = noise_ceilings(pair[:1], pair[1:])
        assert table.index.tolist() == [("noise", "down"), ("noise", "up")]
        ceilings.append(table.loc[("noise", "up"), "ceiling"])
    assert 0.4 < np.mean(rho) < 0.9
    assert np.mean(ceilings) == pytest.approx(np.mean(rho), abs=0.08)


def test_the_archived_networks_agree_as_scipy_says():
    names = ("alexnet_photos", "resnet_photos")
    both = [load_screening(f"results/photos/{name}_zoom.nc") for name in names]
    found = compare(*both, resamples=0)
    down = threshold_pairs(found).query("direction == 'down'")
    far = down[["first", "second"]].mask(down[["first_censored", "second_censored"]].values, 0)
    expected = stats.spearmanr(far["first"], far["second"]).statistic
    assert correlation_table([found]).loc[("zoom", "down"), "ρ"] == pytest.approx(expected)
