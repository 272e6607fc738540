"""Comparisons of networks, on screenings whose thresholds are known."""

import numpy as np
import pandas as pd
import pytest
from known_screenings import screening
from scipy import stats

from itn.messages import UsageError
from itn.study import photographs
from itn.study.photographs import (
    compare,
    plot_threshold_pairs,
    rank_correlations,
    sink_table,
    summarize_correlations,
    threshold_pairs,
)
from itn.study.profiles import FigureParameters, load_profile

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


# What is half lost between the last magnitude that holds and the next; None is not reached.
UP = {
    "a": (0.25, 0.15), "b": (0.45, 0.65), "c": (0.65, 0.55), "d": (None, None),
    "e": (0.85, 0.75), "f": (0.95, 0.85),
}  # fmt: skip
DOWN = {
    "a": (-0.85, -0.55), "b": (-0.65, -0.35), "c": (-0.45, -0.25), "d": (None, -0.65),
    "e": (-0.25, None), "f": (-0.15, -0.45),
}  # fmt: skip
RHO_UP, RHO_DOWN = 33 / 35, 1 / 7  # ranks 123645 and 132645, outward 543621 and 421563


def known_pairs():
    """All pairs of the two: what is not reached stands at the end of the sweep."""
    for direction, end, limits in (("up", 1, UP), ("down", -1, DOWN)):
        for name, pair in limits.items():
            first, second = (end if one is None else one for one in pair)
            yield (direction, name), (first, second, pair[0] is None, pair[1] is None)


def assert_are_known(pairs):
    columns = ["first", "second", "first_censored", "second_censored"]
    found = pairs.set_index(["direction", "category"])[columns].T.to_dict("list")
    assert found == {row: pytest.approx(list(values)) for row, values in known_pairs()}
    assert set(pairs.transformation) == {"brightness"}


def test_thresholds_are_paired_by_class_and_direction():
    assert_are_known(threshold_pairs(screening(FIRST), screening(SECOND)))


def test_what_is_lost_at_the_identity_and_what_one_network_does_not_know_is_no_pair():
    lost = screening(FIRST | {"a": (0.5, 0.9)})
    pairs = threshold_pairs(lost, screening({n: SECOND[n] for n in "abc"}))
    assert set(pairs.category) == {"b", "c"}


def test_rank_correlation_is_spearmans_with_what_is_not_reached_farthest():
    pairs = threshold_pairs(screening(FIRST), screening(SECOND))
    found = rank_correlations(pairs).loc["brightness"]
    for direction, rho in (("up", RHO_UP), ("down", RHO_DOWN)):
        assert found.loc[direction, "rank correlation"] == pytest.approx(rho)
        t = rho * np.sqrt(4 / (1 - rho**2))  # of six pairs
        assert found.loc[direction, "p"] == pytest.approx(2 * stats.t.sf(t, 4))
    assert found.loc["up", "pairs"] == found.loc["down", "pairs"] == 6
    assert (found.loc["up", "censored"], found.loc["down", "censored"]) == (1, 2)


def test_what_is_not_reached_shares_the_last_rank():
    """Two of six: their coefficient is that of numbers whose ranks are halved between them."""
    first = screening(FIRST | {"e": (-0.2, 2)})
    found = rank_correlations(threshold_pairs(first, screening(SECOND))).loc[("brightness", "up")]
    expected = np.corrcoef([1, 2, 3, 5.5, 5.5, 4], [1, 3, 2, 6, 4, 5])[0, 1]
    assert found["rank correlation"] == pytest.approx(expected)
    assert found.censored == 2


def test_there_is_no_correlation_where_nothing_is_reached():
    far = screening(dict.fromkeys("abcd", (-2, 2)))
    found = rank_correlations(threshold_pairs(far, screening(SECOND)))
    assert found["rank correlation"].isna().all()
    assert (found.censored == 4).all()


def test_figure_shows_every_pair_and_its_correlation():
    pairs = threshold_pairs(screening(FIRST), screening(SECOND))
    (axes,) = plot_threshold_pairs(pairs, rank_correlations(pairs), "one", "other").axes
    drawn = {
        (line.get_marker(), line.get_markerfacecolor() == "none", *np.round(point, 9).tolist())
        for line in axes.lines
        for point in line.get_xydata()
    }
    markers = {"up": "^", "down": "v"}
    assert drawn == {
        (markers[direction], lost or other_lost, first, second)
        for (direction, _), (first, second, lost, other_lost) in known_pairs()
    }
    texts = {text.get_text() for text in axes.texts}
    assert texts == {"up: ρ = 0.94, n = 6", "down: ρ = 0.14, n = 6"}


def test_the_figure_writes_factors_and_names_as_they_are():
    factors = 2.0 ** np.arange(-4, 5)
    one = screening(FIRST).isel(magnitude=slice(0, 9)).assign_coords(magnitude=factors)
    one = one.assign_attrs(transformation="zoom")
    pairs = threshold_pairs(one, one)
    figure = plot_threshold_pairs(pairs, rank_correlations(pairs), "my$1$", "a_b^$")
    (axes,) = figure.axes
    figure.draw_without_rendering()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("my$1$", "a b^$")
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
        monkeypatch.setattr(photographs, "load_profile", lambda name: profile)
        monkeypatch.setattr(photographs, "TRANSFORMATIONS", ["brightness"])
        obtain = lambda parameters, name: screening(own[parameters.network], name)  # noqa: E731
        monkeypatch.setattr(photographs, "obtain_screening", obtain)
        monkeypatch.setattr(photographs, "archived_screening", lambda *_: screening(squeezenet))
        return FigureParameters(profile="mine")

    return given


def test_one_network_of_ones_own_is_compared_with_squeezenet(networks):
    tables = compare(networks({"mine": FIRST}))
    assert list(tables) == [("mine", "squeezenet")]
    assert_are_known(tables["mine", "squeezenet"])


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


def test_correlations_are_summarized():
    pairs = threshold_pairs(screening(FIRST), screening(SECOND))
    rows = pd.MultiIndex.from_product([["zoom", "blur"], ["down", "up"]])
    other = pd.DataFrame(
        {
            "pairs": [5, 6, 7, 8],
            "censored": [1, 2, 3, 4],
            "rank correlation": [0.8, -0.3, np.nan, 0.1],
            "p": [0.04, 0.01, np.nan, 0.06],
        },
        index=rows.set_names(["transformation", "direction"]),
    )
    found = {("one", "two"): rank_correlations(pairs), ("one", "other"): other}
    summary = summarize_correlations(found)
    # Of 12 thresholds 3 are not reached by one or both; with six pairs 33/35 has p = 0.005.
    assert summary.loc[("one", "two")].to_dict() == {
        "pairs": 12, "censored": 3, "defined": 2, "positive": 2, "significant": 1,
        "median": pytest.approx((RHO_UP + RHO_DOWN) / 2),
        "lowest": pytest.approx(RHO_DOWN), "lowest name": "brightness, down",
        "highest": pytest.approx(RHO_UP), "highest name": "brightness, up",
    }  # fmt: skip
    assert summary.loc[("one", "other")].to_dict() == {
        "pairs": 26, "censored": 10, "defined": 3, "positive": 2, "significant": 1,
        "median": 0.1, "lowest": -0.3, "lowest name": "zoom, up",
        "highest": 0.8, "highest name": "zoom, down",
    }  # fmt: skip


def test_sinks_are_counted_among_what_is_not_reached(monkeypatch):
    """Of a and b none is lost upward; in the end all of a is taken for b."""
    made = screening({"a": (-2, 0.5), "b": (-2, 2)})
    predicted = made.predicted.values
    predicted[:4, -2:] = 1
    monkeypatch.setattr(photographs, "TRANSFORMATIONS", ["brightness"])
    monkeypatch.setattr(photographs, "obtain_screening", lambda *_: made)
    monkeypatch.setattr(photographs, "archived_screening", lambda *_: made)
    table = sink_table(FigureParameters(profile="photos"))
    networks = [*load_profile("photos").networks, "squeezenet"]
    assert table.index.unique("network").tolist() == networks
    row = table.loc["resnet_photos", "brightness"]
    assert row.tolist() == [3, 1, "b", 1.0, "0.900"]
    assert table.loc["resnet_photos", "all"].tolist()[:2] == [3, 1]
