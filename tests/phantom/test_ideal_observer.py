"""The ideal observer of the phantom, against simulations, integrals and limits."""

import numpy as np
import pytest
from phantom_pairs import magnitude_between
from scipy import integrate, stats

from itn.messages import UsageError
from itn.phantom.ideal_observer import bayes_softmax, known_threshold
from itn.phantom.objects import PHANTOM_PAIRS, SEPARATION
from itn.transformations import TRANSFORMATIONS

IDENTITY = {
    name: TRANSFORMATIONS[pair.transformation].identity for name, pair in PHANTOM_PAIRS.items()
}


@pytest.mark.parametrize("name", PHANTOM_PAIRS)
def test_bayes_softmax_is_what_simulated_observers_give(name):
    """Monte Carlo with densities from scipy, written without the logistic function."""
    pair = PHANTOM_PAIRS[name]
    identity = IDENTITY[name]
    factor = pair.transformation in ("zoom", "contrast")
    end = 1 if name == "grayscale" else magnitude_between(pair)
    share = np.array([0, 0.25, 0.5, 0.6, 1])
    magnitudes = end**share if factor else identity + (end - identity) * share
    move = {
        "grayscale": lambda theta, m: (1 - m) * theta,
        "blur": lambda theta, m: theta + m**2,
        "noise": lambda theta, m: theta + m**2,
        "zoom": lambda theta, m: theta + np.log(m) / np.log(2),
        "contrast": lambda theta, m: theta + np.log(m) / np.log(2),
    }.get(pair.transformation, lambda theta, m: theta + m)
    turns = np.arange(-3, 4) * pair.period if np.isfinite(pair.period) else [0]

    def density(theta, mean):
        return sum(stats.norm.pdf(theta, mean + turn, pair.sigma) for turn in turns)

    rng = np.random.default_rng(8)
    exact = bayes_softmax(name, magnitudes)
    for own in (0, 1):
        theta = rng.normal(pair.means[own], pair.sigma, 20_000)
        for position, magnitude in enumerate(magnitudes):
            # Only the first class is carried to the other one by magnitudes above the identity.
            moved = move(theta, magnitude)
            densities = [density(moved, mean) for mean in pair.means]
            with np.errstate(invalid="ignore"):
                posterior = densities[own] / (densities[0] + densities[1])
            # Far off both densities underflow; there the nearer class is certain.
            posterior = np.where(np.isnan(posterior), float(own == 1), posterior)
            error = 5 * posterior.std() / np.sqrt(len(theta)) + 1e-4
            assert posterior.mean() == pytest.approx(exact[own, position], abs=error)


def test_bayes_softmax_is_the_integral():
    def integrand(z, shift):
        return stats.norm.pdf(z) / (1 + np.exp(-(SEPARATION * z + SEPARATION**2 / 2 + shift)))

    for share in (0, 0.3, 0.5, 0.8):
        shift = -(SEPARATION**2) * share
        expected, _ = integrate.quad(integrand, -12, 12, args=(shift,), epsabs=1e-12, limit=500)
        found = bayes_softmax("translation_x", PHANTOM_PAIRS["translation_x"].separation * share)
        assert found[0, 0] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("name", PHANTOM_PAIRS)
def test_clean_pictures_are_told_apart(name):
    """Bayes accuracy at least 99.9 %: the probability to lie on one's own side of the midpoint."""
    pair = PHANTOM_PAIRS[name]
    sides = 2 if pair.transformation == "rotation" else 1
    assert 1 - sides * stats.norm.sf(pair.separation / 2 / pair.sigma) > 0.999
    assert bayes_softmax(name, IDENTITY[name]).min() > 0.999


def test_limits():
    np.testing.assert_allclose(bayes_softmax("grayscale", 1), 0.5, atol=1e-12)
    assert (bayes_softmax("grayscale", np.linspace(0, 0.99, 50)) > 0.5).all()
    left, right = bayes_softmax("translation_x", [-0.5, 0.5])
    np.testing.assert_allclose([left, right], [[1, 0], [0, 1]], atol=1e-6)
    assert (bayes_softmax("blur", [6.4])[:, 0] < [1e-6, 2]).all()
    for name, period in (("rotation", 180), ("rotation_four_fold", 90), ("rotation_mirror", 360)):
        assert PHANTOM_PAIRS[name].period == period
        angles = np.arange(0, period, 5.0)
        once = bayes_softmax(name, angles)
        np.testing.assert_allclose(once, bayes_softmax(name, angles + period), atol=1e-12)
        np.testing.assert_allclose(once, bayes_softmax(name, -angles), atol=1e-12)
        assert (bayes_softmax(name, period / 2) < 1e-3).all()


@pytest.mark.parametrize("name", PHANTOM_PAIRS)
def test_known_thresholds_are_where_the_curve_crosses_one_half(name):
    pair = PHANTOM_PAIRS[name]
    sweep = TRANSFORMATIONS[pair.transformation].sweep(64)
    identity = IDENTITY[name]
    curves = bayes_softmax(name, sweep)
    for position, (class_name, found) in enumerate(known_threshold(name).items()):
        assert class_name == pair.classes[position]
        for direction, threshold in found.items():
            beyond = sweep < identity if direction == "down" else sweep > identity
            if threshold is None:
                assert (curves[position][beyond] > 0.499999).all()
                continue
            assert bayes_softmax(name, threshold)[position, 0] == pytest.approx(0.5, abs=1e-9)
            assert (threshold < identity) == (direction == "down")
            if pair.transformation != "rotation" or direction == "up":
                assert sweep[0] < threshold < sweep[-1]  # the sweep of rotation goes up alone
                assert curves[position][beyond].min() < 0.01


def test_blur_thresholds_are_in_pixels():
    assert known_threshold("blur", size=128)["blur_sharp"]["up"] == pytest.approx(
        2 * known_threshold("blur")["blur_sharp"]["up"]
    )
    np.testing.assert_allclose(bayes_softmax("blur", 3, size=128), bayes_softmax("blur", 1.5))


def test_errors_say_what_is_possible():
    with pytest.raises(UsageError, match="closest: 'zoom'"):
        bayes_softmax("zooms", [1])
    with pytest.raises(UsageError, match="magnitude of zoom"):
        bayes_softmax("zoom", [0])
