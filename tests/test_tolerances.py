"""Tolerances of pictures that fail at known magnitudes; estimates against scipy and by hand."""

import numpy as np
import pytest
from lost_pictures import of_limits, screened
from matplotlib.figure import Figure
from scipy import stats

from itn.messages import UsageError
from itn.plots import plot_survival
from itn.thresholds import accuracy
from itn.tolerances import tolerances

NAN = float("nan")


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# By hand


FIVE = [
    [1, 1, 1, 0, 1],  # comes back, and is lost all the same
    [1, 0, 0, 0, 0],
    [0, 1, 1, 1, 1],  # wrong as it is
    [1, 1, 1, 1, 1],
    [1, 1, 1, 0, 0],
]


def test_five_pictures():
    found = tolerances(screened(FIVE, [0, 1, 2, 3, 4]))
    up = found.sel(direction="up")
    assert up.status.values.tolist() == [
        "reached", "reached", "lost at identity", "not reached", "reached"
    ]  # fmt: skip
    same(up.tolerance, [3, 1, 0, NAN, 3])
    same(up.held, [2, 0, NAN, 4, 2])
    # By Kaplan and Meier: 4/5 at 0, times 3/4 at 1, times 1/3 at 3.
    same(found.survival[0], [4 / 5, 3 / 5, 3 / 5, 1 / 5, 1 / 5])
    exact = [stats.binomtest(k, 5).proportion_ci(0.95, "exact") for k in (4, 3, 3, 1, 1)]
    same(found.survival_low[0], [each.low for each in exact])
    same(found.survival_high[0], [each.high for each in exact])
    # Half is lost at 3. 0.28 of 5 may be more than half of all, 0.72 as well: no end is known.
    assert up.median_tolerance.item() == 3
    assert up.median_tolerance_low.item() == 0 and np.isnan(up.median_tolerance_high.item())
    assert (found.status.sel(direction="down") == "not screened").all()
    assert np.isnan(found.sel(direction="down")[["tolerance", "median_tolerance"]].to_array()).all()
    assert np.isnan(found.held.sel(direction="down")).all()


def test_half_of_an_even_number_is_lost_where_half_is_left():
    found = tolerances(of_limits([1, 2, 3, 9], [0, 1, 2, 3]))
    assert found.median_tolerance.sel(direction="up").item() == 2


def test_the_interval_of_the_median_is_that_of_the_sign_test():
    """Of 12 pictures the third and the tenth, see any table of order statistics."""
    limits = np.random.default_rng(1).permutation(np.arange(1, 13))
    up = tolerances(of_limits(limits, np.arange(13))).sel(direction="up").isel(category=0)
    assert (up.median_tolerance_low, up.median_tolerance_high) == (3, 10)
    assert stats.binom.cdf(2, 12, 0.5) < 0.025 < stats.binom.cdf(3, 12, 0.5)


def test_ends_of_intervals_are_in_the_order_of_numbers():
    magnitudes = -np.arange(13.0)
    right = magnitudes > -np.arange(1, 13)[:, None]
    down = tolerances(screened(right, magnitudes, "brightness")).sel(direction="down")
    assert down.median_tolerance.item() == -6
    assert (down.median_tolerance_low.item(), down.median_tolerance_high.item()) == (-10, -3)
    open_end = tolerances(screened(right[6:], magnitudes, "brightness").isel(magnitude=slice(8)))
    down = open_end.sel(direction="down")
    assert np.isnan(down.median_tolerance_low.item()) and np.isnan(down.median_tolerance.item())
    assert down.median_tolerance_high.item() == -7


def test_rotations_lead_both_ways_to_half_a_turn():
    degrees = np.arange(0, 361, 45.0)
    right = [[1, 1, 0, 1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 1, 1, 1, 1], [1] * 9]
    found = tolerances(screened(right, degrees, "rotation"))
    same(found.magnitude, np.arange(-180, 181, 45.0))
    same(found.tolerance, [[NAN, 90], [-180, 45], [NAN, NAN]])
    same(found.held, [[-180, 45], [-135, 0], [-180, 180]])
    same(found.survival[0], np.array([2, 3, 3, 3, 3, 2, 1, 1, 1]) / 3)


def test_nothing_leads_away_from_an_identity_that_is_missing():
    found = tolerances(of_limits([2, 3], [1, 2]))
    assert (found.status == "not screened").all() and np.isnan(found.survival).all()
    (axes,) = plot_survival(of_limits([2, 3], [1, 2])).axes
    assert all(np.isnan(line.get_ydata()).all() for line in axes.lines[:2])


def test_a_class_without_pictures_is_named():
    with pytest.raises(UsageError, match="class class 0 has no pictures"):
        tolerances(screened([[1, 1]], [0, 1], label=[1]))


# By others


def product_limit(times, observed):
    """Kaplan's and Meier's estimate after each time of a failure, as they wrote it down."""
    survival, steps = 1.0, {}
    for time in np.unique(times[observed]):
        at_risk = (times >= time).sum()
        survival *= 1 - ((times == time) & observed).sum() / at_risk
        steps[time] = survival
    return steps


@pytest.mark.parametrize("seed", range(3))
def test_survival_is_that_of_kaplan_and_meier(seed):
    rng = np.random.default_rng(seed)
    magnitudes = np.arange(12.0)
    right = rng.random((40, 12)) < 0.93
    found = tolerances(screened(right, magnitudes)).sel(direction="up").isel(category=0)
    failed = (found.status != "not reached").values
    times = found.tolerance.fillna(magnitudes[-1]).values
    assert 0 < (~failed).sum() < 40 and (times[failed] == 0).any()
    for time, expected in product_limit(times, failed).items():
        assert found.survival.sel(magnitude=time).item() == pytest.approx(expected)
    data = stats.CensoredData(uncensored=times[failed], right=times[~failed])
    same(found.survival, stats.ecdf(data).sf.evaluate(magnitudes))


def test_the_median_and_its_interval_are_those_of_known_tolerances():
    """Of 250 classes of 25 pictures: the share of intervals that hold the median of them all."""
    rng = np.random.default_rng(5)
    magnitudes = np.linspace(0, 1, 81)
    limits = 0.4 * np.exp(rng.normal(0, 0.5, 250 * 25))
    screening = of_limits(limits, magnitudes, label=np.repeat(np.arange(250), 25))
    found = tolerances(screening).sel(direction="up")
    reached = (found.status == "reached").values
    assert (found.tolerance.values[reached] >= limits[reached]).all()
    assert (found.held.values < limits).all()
    assert found.median_tolerance.mean() == pytest.approx(0.4 + 0.0125 / 2, abs=0.01)
    true = magnitudes[magnitudes >= 0.4 - 1e-9][0]
    holds = (found.median_tolerance_low <= true) & (found.median_tolerance_high >= true)
    assert holds.mean() == pytest.approx(np.diff(stats.binom.cdf([7, 17], 25, 0.5))[0], abs=0.025)


def test_survival_falls_from_the_accuracy_and_is_nowhere_above_it():
    rng = np.random.default_rng(8)
    screening = screened(rng.random((60, 9)) < 0.8, np.linspace(-1, 1, 9), "brightness")
    survival, right = tolerances(screening).survival[0], accuracy(screening)[0]
    assert survival[4] == right[4] and (survival <= right).all()
    assert (np.diff(survival[4:]) <= 0).all() and (np.diff(survival[4::-1]) <= 0).all()


# Parts of magnitudes, and the figure


def test_each_category_has_the_magnitudes_at_which_it_was_looked_at():
    rng = np.random.default_rng(3)
    label = np.repeat([0, 1], 6)
    degrees = np.arange(0, 361, 30.0)
    whole = screened(rng.random((12, 13)) < 0.85, degrees, "rotation", label)
    looked = np.ones((2, 13), bool)
    looked[0, [0, 3, 4]] = looked[1, [5, 12]] = False  # 360° is the identity, too
    holed = whole.assign(screened=(("category", "magnitude"), looked))
    holed["predicted"] = whole.predicted.where(looked[label], -1)
    found = tolerances(holed)
    for category, own in enumerate(looked):
        one = whole.isel(magnitude=own, image=label == category, category=[category])
        alone = tolerances(one.assign(label=0 * one.label))
        for name in ("status", "tolerance", "held"):
            assert found[name][label == category].equals(alone[name])
        for name in ("median_tolerance", "median_tolerance_low", "median_tolerance_high"):
            same(found[name][category], alone[name][0])
        for name in ("survival", "survival_low", "survival_high"):
            same(found[name][category].dropna("magnitude"), alone[name][0])
    assert plot_survival(holed).axes[0].lines


def test_the_figure_shows_survival():
    label = np.repeat([0, 1], 4)
    screening = of_limits([1, 2, 3, 9, 2, 3, 4, 4], np.arange(5), label=label)
    figure = Figure()
    axes = figure.subplots()
    assert plot_survival(screening, ax=axes) is figure
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    same(lines["all 8 pictures"], np.array([8, 7, 5, 3, 1]) / 8)
    same(lines["class 0"], np.array([4, 3, 2, 1, 1]) / 4)
    same(lines["class 1"], np.array([4, 4, 3, 2, 0]) / 4)
