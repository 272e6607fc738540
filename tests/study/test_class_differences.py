"""Tests of classes whose pictures are lost at known magnitudes, and of simulated ones."""

import numpy as np
import pytest
from lost_pictures import of_limits, screened
from scipy import stats

from itn.study.class_differences import class_differences, class_pairs, class_tests, holm

MAGNITUDES = np.linspace(0, 1, 21)


def limits_of(rng, middles, pictures=25):
    """Tolerances of classes around middles; a fifth is wrong as it is."""
    limits = rng.normal(np.repeat(middles, pictures), 0.15)
    return np.where(rng.random(len(limits)) < 0.8, limits, 0), np.repeat(
        np.arange(len(middles)), pictures
    )


def test_p_values_are_corrected_step_by_step():
    """Four times the smallest, three times the next, twice the one after; never less again."""
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.5])), [1, 1])


def test_pairs_are_tested_by_the_ranks_of_their_pictures():
    limits, label = limits_of(np.random.default_rng(0), [0.3, 0.5, 0.55])
    limits[-5:] = 2
    table = class_pairs(of_limits(limits, MAGNITUDES, label=label))
    assert set(table.index.get_level_values("direction")) == {"up"}
    # The first magnitude that fails has the rank of the limit; what is not lost is beyond.
    failed = np.searchsorted(MAGNITUDES, limits)
    own = [failed[(label == index) & (limits > 0)] for index in range(3)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    p = [stats.mannwhitneyu(own[one], own[other]).pvalue for one, other in pairs]
    np.testing.assert_allclose(table.p, stats_holm(p))
    for (one, other), share in zip(pairs, table.farther, strict=True):
        sign = np.sign(own[one][:, None] - own[other])
        assert share == pytest.approx((sign.mean() + 1) / 2)
    assert table.different.tolist() == [True, True, False]


def stats_holm(p):
    """Each p times the number of those that are not smaller, at least that of the smaller ones."""
    order = sorted(p)
    steps = [each * (len(p) - rank) for rank, each in enumerate(order)]
    return [min(1, max(steps[: order.index(each) + 1])) for each in p]


def test_accuracy_as_they_are_makes_no_difference():
    """Half of the one class is wrong at once; of the rest all are lost alike."""
    limits = np.repeat([0, 0.5, 0.5], [20, 20, 40])
    screening = of_limits(limits, MAGNITUDES, label=np.repeat([0, 1], 40))
    row = class_differences([screening]).loc[("noise", "up")]
    assert (row.p, row.pairs, row.different, row.pictures) == (1, 1, 0, 60)


def test_what_no_class_loses_is_no_difference_and_what_has_no_pictures_left_out():
    limits = np.repeat([2, 2, 0], 10)
    screening = of_limits(limits, MAGNITUDES, label=np.repeat([0, 1, 2], 10))
    row = class_differences([screening]).loc[("noise", "up")]
    assert (row.classes, row.p, row.pairs, row.different) == (2, 1, 1, 0)
    assert class_differences([of_limits([0.5, 0.6], MAGNITUDES)]).empty  # one class


def test_classes_that_were_looked_at_less_far_are_compared_as_far_as_both_were():
    """Of the one all are lost far out, where the other was not looked at."""
    label = np.repeat([0, 1], 20)
    whole = of_limits(np.repeat([0.8, 2], 20), MAGNITUDES, label=label)
    assert class_pairs(whole).different.all()
    looked = np.array([[2], [0.7]]) > MAGNITUDES
    holed = whole.assign(screened=(("category", "magnitude"), looked))
    holed["predicted"] = whole.predicted.where(looked[label], -1)
    assert class_pairs(holed).p.tolist() == [1]


def test_one_in_twenty_families_of_equal_classes_has_a_false_alarm():
    rng = np.random.default_rng(2)
    alarms = []
    for _ in range(40):
        limits, label = limits_of(rng, [0.4] * 3)
        row = class_differences([of_limits(limits, MAGNITUDES, label=label)]).iloc[0]
        alarms.append((row.p < 0.05, row.different > 0))
    assert (np.mean(alarms, axis=0) <= 0.125).all()  # of 40, by chance at most five


def test_what_differs_is_found_in_every_direction():
    octaves = np.linspace(-2, 2, 17)
    rng = np.random.default_rng(3)
    far = np.repeat([0.5, 1.5, 1.0], 30) * rng.uniform(0.8, 1.2, 90)
    right = (octaves > -far[:, None]) & (octaves < 1 + 0 * far[:, None])
    zoom = screened(right, 2**octaves, "zoom", np.repeat([0, 1, 2], 30))
    limits, label = limits_of(rng, [0.3, 0.7])
    table = class_differences([zoom, of_limits(limits, MAGNITUDES, label=label)])
    assert table.index.tolist() == [("zoom", "down"), ("zoom", "up"), ("noise", "up")]
    assert table.different.tolist() == [3, 0, 1] and table.pairs.tolist() == [3, 3, 1]
    assert (table.p < 0.05).tolist() == [True, False, True]
    without_pairs = class_tests([zoom, of_limits(limits, MAGNITUDES, label=label)])
    assert without_pairs.equals(table[["classes", "pictures", "p"]])
    alone = class_differences([zoom]).p
    assert table.p.iloc[0] / alone.iloc[0] == pytest.approx(3 / 2)  # of three rows, not of two
    pairs = class_pairs(zoom).loc["down"]
    assert pairs.farther.loc["class 0"].max() < 0.1 and pairs.farther.loc["class 1"].min() > 0.9
