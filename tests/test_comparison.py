"""Comparisons of screenings whose thresholds are known, and of simulated ones."""

import keras
import numpy as np
import pytest
import xarray as xr
from lost_pictures import of_limits, screened
from scipy import stats

from itn import threshold_intervals
from itn.classifiers import Classifier
from itn.comparison import _correlations, bias_corrected, compare, rank_correlations
from itn.curves import load_screening, select_categories
from itn.messages import UsageError
from itn.pictures import Pictures
from itn.screening import screen
from itn.thresholds import CRITERIA, thresholds

MAGNITUDES = np.linspace(0, 1, 41)


def all_lost_at(limits, name="noise", magnitudes=MAGNITUDES, pictures=5):
    """All pictures of a class are lost at once: half of them half-way from the magnitude before."""
    label = np.repeat(np.arange(len(limits)), pictures)
    return of_limits(np.repeat(limits, pictures), magnitudes, name=name, label=label)


def simulated(rng, shift=0.0, classes=80, pictures=30, own=0.6, names="ab"):
    """Two networks that lose pictures at limits of which one part is common to both."""
    label = np.repeat(np.arange(classes), pictures)
    common = rng.normal(size=len(label))
    pair = []
    for middle in (0.3, 0.3 + shift):
        wanted = np.sqrt(1 - own**2) * common + own * rng.normal(size=len(label))
        limits = np.where(rng.random(len(label)) < 0.8, middle + 0.08 * wanted, 0)
        pair.append(of_limits(limits, MAGNITUDES, label=label))
    return pair


# Differences


def test_differences_are_those_of_thresholds():
    first, second = all_lost_at([0.2, 0.5, 0.75, 0.4]), all_lost_at([0.4, 0.45, 0.75, 2])
    found = compare(first, second).sel(direction="up")
    np.testing.assert_allclose(found.difference, [0.2, -0.05, 0, np.nan], atol=1e-12)
    assert (found.difference_low[:3] <= found.difference[:3]).all()
    assert (found.difference_high[:3] >= found.difference[:3]).all()
    assert found.status.values.tolist() == [["reached"] * 4, ["reached"] * 3 + ["not reached"]]
    assert (found.pairs, found.censored) == (4, 1)
    down = compare(first, second).sel(direction="down")
    assert np.isnan(down.difference).all() and down.pairs == 0 and not down.different.any()


def test_differences_of_factors_are_octaves_outward():
    octaves = np.linspace(-2, 2, 17)
    ends = [(-1.0, 1.5), (-0.5, 0.75), (-1.25, 0.5), (-0.75, 1.0), (-1.5, 1.25)]
    both = []
    for which in (ends, ends[::-1]):
        right = [(octaves >= low) & (octaves <= high) for low, high in np.repeat(which, 12, axis=0)]
        both.append(screened(right, 2**octaves, "zoom", np.repeat(np.arange(5), 12)))
    found = compare(*both)
    low, high = np.transpose(ends)
    np.testing.assert_allclose(found.difference.sel(direction="down"), low - low[::-1], atol=1e-9)
    np.testing.assert_allclose(found.difference.sel(direction="up"), high[::-1] - high, atol=1e-9)
    assert (found.difference_low <= found.difference + 1e-9).all()
    assert (found.difference_high >= found.difference - 1e-9).all()
    assert (found.difference_high - found.difference_low < 0.4).all()  # of steps of 0.25
    assert found.attrs["difference_units"] == "octaves"
    assert found.attrs["units"] == "×"


def test_nothing_differs_from_itself():
    screening = load_screening("results/imagenet/squeezenet_noise.nc")
    found = compare(screening, screening, margin=1e-6).sel(direction="up")
    # Of forty-two ants four are right untouched: too few for an interval.
    few = found.category == "ant"
    ends = found[["difference_low", "difference_high"]].to_array()
    assert (found.difference == 0).all() and (ends.isel(category=~few) == 0).all()
    assert ends.isel(category=few).isnull().all()
    assert (found.equivalent == ~few).all() and not found.different.any()
    assert found.paired.all() and found.pairs == screening.sizes["category"]
    for name in ("correlation", "correlation_low", "correlation_high"):
        assert found[name].item() == 1
    own = thresholds(screening, resamples=0).sel(direction="up", criterion="half")
    for which in ("first", "second"):
        np.testing.assert_array_equal(found.threshold.sel(which=which), own.threshold)


def test_intervals_of_paired_pictures_hold_a_known_difference():
    """Of 80 classes; what both networks find hard makes no interval wider."""
    first, second = simulated(np.random.default_rng(4), shift=0.06)
    found = compare(first, second, resamples=200, margin=0.12).sel(direction="up")
    assert found.paired.all()
    holds = (found.difference_low <= 0.06) & (found.difference_high >= 0.06)
    assert 0.92 <= holds.mean() < 1  # 95 % and more, less by chance
    assert found.different.mean() > 0.5 and 0.5 < found.equivalent.mean() < 1
    other = second.assign_coords(image=[f"other/{name}" for name in second.image.values])
    unpaired = compare(first, other, resamples=200).sel(direction="up")
    assert not unpaired.paired.any()
    width, wider = (
        (each.difference_high - each.difference_low).mean() for each in (found, unpaired)
    )
    assert wider > 1.2 * width


def test_intervals_of_different_pictures_hold_a_known_difference():
    rng = np.random.default_rng(6)
    first, second = simulated(rng)[0], simulated(rng, shift=0.06)[1]
    second = second.assign_coords(image=[f"other/{name}" for name in second.image.values])
    found = compare(first, second, resamples=200).sel(direction="up")
    holds = (found.difference_low <= 0.06) & (found.difference_high >= 0.06)
    assert 0.92 <= holds.mean() < 1


def test_what_is_not_reached_may_be_anywhere_beyond_the_limit():
    limits = np.random.default_rng(2).normal(0.3, 0.05, 40)
    reached, never = of_limits(limits, MAGNITUDES), of_limits(np.full(40, 2.0), MAGNITUDES)
    found = compare(reached, never, margin=0.5).isel(category=0).sel(direction="up")
    own = thresholds(reached).isel(category=0).sel(direction="up", criterion="half")
    assert np.isnan(found.difference) and np.isnan(found.difference_high)
    assert found.difference_low.item() == pytest.approx(1 - own.high.item(), abs=0.01)
    assert found.different and not found.equivalent
    back = compare(never, reached).isel(category=0).sel(direction="up")
    assert back.difference_high.item() == pytest.approx(-found.difference_low.item(), abs=0.01)
    assert np.isnan(back.difference_low) and back.different
    both = compare(never, never, margin=0.5).isel(category=0).sel(direction="up")
    assert np.isnan(both[["difference", "difference_low", "difference_high"]].to_array()).all()
    assert (both.pairs, both.censored) == (1, 1) and not both.equivalent and not both.different


def test_what_is_lost_at_the_identity_is_no_pair():
    found = compare(all_lost_at([0.2, 0, 0.3]), all_lost_at([0.4, 2, 0.2])).sel(direction="up")
    assert np.isnan(found.difference).values.tolist() == [False, True, False]
    assert np.isnan(found.difference_low[1]) and np.isnan(found.difference_high[1])
    assert (found.pairs, found.censored) == (2, 0)


def own_network(cut):
    """A network that calls pictures light or dark by whether their mean is above a cut."""
    network = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    )
    network.layers[-1].set_weights(
        [20 * np.tile([-1.0, 1.0], (3, 1)), 60 * cut * np.array([1, -1])]
    )
    return Classifier(network, lambda pictures: pictures, 4, ("dark", "light"))


def test_networks_of_ones_own_are_compared_by_the_classes_they_share():
    gray = np.repeat([0.25, 0.75], 3).astype(np.float32)
    names = [f"{name}/{index}.png" for name in ("dark", "light") for index in range(3)]
    pictures = Pictures(
        np.tile(gray[:, None, None, None], (1, 4, 4, 3)),
        np.repeat([0, 1], 3), ("dark", "light"), tuple(names), "mine",
    )  # fmt: skip
    at = np.linspace(-0.5, 0.5, 11)
    both = [
        screen(own_network(cut), pictures, "brightness", at, progress=False) for cut in (0.5, 0.36)
    ]
    found = compare(*both, margin=0.2)
    assert found.paired.all() and found.pairs.values.tolist() == [2, 2]
    # At 0.5 both are 0.25 away, so lost at 0.3; at 0.36 the one at 0.4, the other at 0.2.
    np.testing.assert_allclose(found.difference.sel(category="light", direction="down"), 0.1)
    np.testing.assert_allclose(found.difference.sel(category="dark", direction="up"), -0.1)
    assert found.censored.values.tolist() == [1, 1]  # what grows darker stays dark
    alone = screen(own_network(0.5), pictures.select("light"), "brightness", at, progress=False)
    assert compare(alone, both[1]).category.values.tolist() == ["light"]


# What is drawn


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("name", ["noise", "brightness"])
def test_resamples_are_screenings_of_the_pictures_drawn(criterion, name, monkeypatch):
    """Without imaginary pictures; all rivals are known."""
    monkeypatch.setattr(threshold_intervals, "IMAGINARY", 0)
    rng = np.random.default_rng(3)
    at = np.linspace(-1 if name == "brightness" else 0, 1, 11)
    ability = rng.normal(1.2, 0.8, (12, 1)) - 3 * np.abs(at) + rng.normal(0, 0.2, (12, 11))
    logits = np.stack([ability, rng.normal(0, 0.6, (12, 11)), np.zeros((12, 11))])
    softmax = np.exp(logits) / np.exp(logits).sum(axis=0)  # [K, N, M]

    def screening(chosen):
        some = softmax[:, chosen]
        made = screened(some.argmax(axis=0) == 0, at, name)
        made["softmax"] = ("image", "magnitude"), some[0]
        made["rival_softmax"] = ("image", "rank", "magnitude"), some[1:].swapaxes(0, 1)
        made["mean_softmax"] = ("category", "magnitude", "class"), some.mean(axis=1).T[None]
        made["predicted"] = ("image", "magnitude"), some.argmax(axis=0)
        return made.assign(rival=(("category", "rank"), [[1, 2]]))

    whole = screening(np.arange(12))
    found = threshold_intervals.crossings(whole, 0, criterion, 20, seed=9)
    for counts, sides in zip(threshold_intervals.draw_pictures(12, 20, 9), found.T, strict=True):
        chosen = np.repeat(np.arange(12), counts[:12].astype(int))
        assert len(chosen) == 12
        own = thresholds(screening(chosen), resamples=0).sel(
            criterion=criterion, category="class 0"
        )
        expected = np.abs(own.threshold.values)
        expected[own.status == "not reached"] = np.inf
        expected[own.status == "lost at identity"] = 0
        expected[own.status == "not screened"] = np.inf
        np.testing.assert_allclose(sides, expected)


def test_a_resample_that_is_wrong_as_it_is_has_lost_at_the_identity(monkeypatch):
    """Of six pictures one is right at first, and all are farther out."""
    monkeypatch.setattr(threshold_intervals, "IMAGINARY", 0)
    right = np.arange(6)[:, None] < [1, 6, 6]
    up = threshold_intervals.crossings(screened(right, [0, 0.5, 1]), 0, "half", 200, 0)[1]
    assert set(up) == {0, np.inf}
    assert (up == 0).mean() == pytest.approx((5 / 6) ** 6, abs=0.1)


def test_a_class_does_not_depend_on_the_others_nor_on_the_order_of_pictures():
    first, second = simulated(np.random.default_rng(1), classes=3)
    names = ["class 2", "class 0"]
    whole = compare(first, second, resamples=100)
    shuffled = second.isel(image=np.random.default_rng(0).permutation(90))
    part = compare(select_categories(first, names), shuffled, resamples=100)
    assert part.category.values.tolist() == names and part.paired.all()
    for name in ("difference", "difference_low", "difference_high"):
        xr.testing.assert_equal(part[name], whole[name].sel(category=names))
    again = compare(first, second, resamples=100, seed=1)
    assert not again.difference_low.equals(whole.difference_low)


def test_magnitudes_at_which_a_class_was_not_looked_at_do_not_count():
    first, second = simulated(np.random.default_rng(7), classes=2)
    looked = np.ones((2, 41), bool)
    looked[0, [8, 12, 13]] = looked[1, 5:12] = False
    holed = first.assign(screened=(("category", "magnitude"), looked))
    holed["predicted"] = first.predicted.where(looked[first.label.values], -1)
    found = compare(holed, second, resamples=50)
    for index, own in enumerate(looked):
        alone = compare(first.isel(magnitude=own), second, resamples=50)
        for name in ("difference", "difference_low", "difference_high"):
            xr.testing.assert_equal(found[name][index], alone[name][index])


def test_without_resamples_or_with_one_picture_there_are_no_intervals():
    ends = ["difference_low", "difference_high"]
    pair = all_lost_at([0.2, 0.3]), all_lost_at([0.4, 0.4])
    found = compare(*pair, resamples=0).sel(direction="up")
    assert np.isnan(found[ends].to_array()).all() and found.difference.notnull().all()
    one = all_lost_at([0.2, 0.3], pictures=1), all_lost_at([0.4, 0.4], pictures=1)
    found = compare(*one).sel(direction="up")
    assert np.isnan(found[ends].to_array()).all() and found.difference.notnull().all()
    assert np.isnan(threshold_intervals.crossings(one[0], 0, "half", 9, 0)).all()
    found = compare(*pair, criterion="switch").sel(direction="up")  # no softmax of each picture
    assert np.isnan(found[ends].to_array()).all() and found.difference.notnull().all()


# Ranks


def test_thresholds_that_differ_by_rounding_share_a_rank():
    both = np.array([[1, 1.375, np.nextafter(1.375, 2), 3, np.inf], [2, 1, 4, 3, 5]])
    expected = stats.spearmanr([1, 2.5, 2.5, 4, 5], both[1]).statistic
    assert rank_correlations(both) == pytest.approx(expected, abs=1e-9)


def test_the_correlation_is_spearmans_with_what_is_not_reached_last():
    limits = [0.2, 0.3, 0.4, 0.5, 2, 2], [0.3, 0.2, 0.6, 2, 0.4, 2]
    found = compare(*map(all_lost_at, limits)).sel(direction="up")
    assert np.isnan(found.correlation) and found.censored == 3  # only three reached by both
    limits = [*limits[0], 0.7], [*limits[1], 0.1]
    found = compare(*map(all_lost_at, limits)).sel(direction="up")
    expected = np.corrcoef([1, 2, 3, 4, 6.5, 6.5, 5], [3, 2, 5, 6.5, 4, 6.5, 1])[0, 1]
    assert found.correlation.item() == pytest.approx(expected)
    assert found.correlation_low < expected < found.correlation_high
    none = compare(all_lost_at([0.2] * 6), all_lost_at(limits[0][:6])).sel(direction="up")
    assert np.isnan(none[["correlation", "correlation_low", "correlation_high"]].to_array()).all()


@pytest.mark.parametrize(("latent", "noise"), [(0.0, 0.3), (0.5, 0.3), (0.8, 0.2)])
def test_intervals_hold_the_correlation_of_what_few_pictures_blur(latent, noise):
    """Classes are drawn from many, and their thresholds are known up to noise."""
    rng = np.random.default_rng(11)
    true = 6 / np.pi * np.arcsin(latent / 2)  # Spearman's of a normal distribution
    held = []
    for _ in range(100):
        exact = rng.multivariate_normal([0, 0], [[1, latent], [latent, 1]], 14).T
        seen = exact + noise * rng.normal(size=exact.shape)
        drawn = seen[..., None] + noise * rng.normal(size=(2, 14, 200))
        rho = rank_correlations(seen[:, None])[0]
        low, high = bias_corrected(rho, _correlations(drawn, int(rng.integers(2**32))))
        assert rho == pytest.approx(stats.spearmanr(*seen).statistic)
        held.append(low <= true <= high)
    assert 0.9 <= np.mean(held) <= 0.99  # 95 %, less or more by chance


# Refusals


def test_what_cannot_be_compared_is_said_in_one_line():
    first = all_lost_at([0.2, 0.3])
    other = first.assign_coords(category=["lamp", "tick"])
    with pytest.raises(UsageError, match=r"has class 0, class 1; the second has lamp, tick$"):
        compare(first, other)
    with pytest.raises(UsageError, match=r"^thresholds of noise are not .* those of blur$"):
        compare(first, first.assign_attrs(transformation="blur"))
    with pytest.raises(UsageError, match="criterion 'halve'; closest: 'half'"):
        compare(first, first, criterion="halve")
    for margin in (0, -1, "1", float("nan")):
        with pytest.raises(UsageError, match="margin must be a number above 0, got"):
            compare(first, first, margin=margin)
    for wrong in ({"resamples": -1}, {"resamples": 1.5}, {"seed": -1}):
        with pytest.raises(UsageError, match=r"resamples|seed"):
            compare(first, first, **wrong)
    assert compare(first, first.isel(category=[1], image=first.label.values == 1).assign(
        label=("image", np.zeros(5, int))
    )).category.values.tolist() == ["class 1"]  # fmt: skip
