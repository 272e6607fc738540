"""The phantom against what is known on paper, through the package's own transformations."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from scipy import integrate, stats

import itn
from itn.messages import UsageError
from itn.phantom.ideal_observer import bayes_softmax, known_threshold
from itn.phantom.objects import PHANTOM_CLASSES, PHANTOM_PAIRS, SEPARATION
from itn.phantom.pictures import render_phantom
from itn.phantom.rendering import draw_nuisances, render, render_exactly
from itn.transformations import GRAY_WEIGHTS, TRANSFORMATIONS

ON_A_LEVEL = {"brightness_dark", "brightness_bright", "noise_quiet", "noise_noisy"}
IDENTITY = {
    name: TRANSFORMATIONS[pair.transformation].identity for name, pair in PHANTOM_PAIRS.items()
}


def turned(pictures, name, magnitude):
    return np.asarray(itn.transform(pictures, name, magnitude))


def magnitude_between(pair):
    """The magnitude that moves the first class of a pair onto the second."""
    if pair.transformation in ("zoom", "contrast"):
        return 2**pair.separation
    if pair.transformation in ("blur", "noise"):
        return np.sqrt(pair.separation)
    return pair.separation


# Rendering


def test_a_picture_depends_on_class_index_and_seed_alone():
    pictures = render("mirror", range(40), seed=5)
    for chosen in ([33], [39, 0, 17], range(10, 30)):
        np.testing.assert_array_equal(render("mirror", chosen, seed=5), pictures[list(chosen)])
    assert not np.array_equal(render("mirror", [0], seed=6), pictures[:1])
    assert len({picture.tobytes() for picture in pictures}) == 40
    together = render_phantom(["mirror", "disc"], count=20, seed=5)
    np.testing.assert_array_equal(together.images[together.labels == 1], pictures[:20])
    assert together.paths[20] == "mirror/5_00000" and len(set(together.paths)) == 40


@pytest.mark.parametrize("name", ["noise_quiet", "blur_soft"])
def test_the_last_picture_of_a_chunk_is_like_the_others(name):
    pictures = render(name, range(19))
    np.testing.assert_array_equal(render(name, [18]), pictures[18:])


def test_another_process_renders_the_same_bytes():
    program = (
        "import hashlib; from itn.phantom.pictures import render_phantom;"
        "print(hashlib.sha256(render_phantom(count=3).images.tobytes()).hexdigest())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    expected = hashlib.sha256(render_phantom(count=3).images.tobytes()).hexdigest()
    assert printed.strip() == expected


@pytest.mark.parametrize("name", PHANTOM_CLASSES)
def test_range_and_fade(name):
    pictures = render(name, range(50))
    assert pictures.dtype == np.float32 and pictures.shape == (50, 64, 64, 3)
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert pictures.std(axis=(1, 2)).min() > 0.01  # none is empty
    y, x = np.mgrid[:64, :64] - 31.5
    outside = np.hypot(x, y) >= 31.5
    if name in ON_A_LEVEL:
        exact = render_exactly(name)[0]
        assert np.ptp(exact[outside]) == 0 and exact[0, 0, 0] > 0.1
    else:
        assert not pictures[:, outside].any()


@pytest.mark.parametrize("name", PHANTOM_CLASSES)
def test_hardly_anything_is_cut_off(name):
    """Neither by the range of values nor by the fade, so that pictures move as their law says."""
    pictures = render(name, range(200))
    above = np.mean(pictures == 1)
    assert above < (1e-3 if name.startswith("noise") else 1e-4)
    if name in ON_A_LEVEL:
        assert np.mean(pictures == 0) < 1e-3
    if name.startswith(("zoom", "translation")):  # an object on black
        y, x = (np.mgrid[:64, :64] - 31.5) / 64
        fading = pictures[:, np.hypot(x, y) > 0.42]
        assert fading.sum() < 2e-3 * pictures.sum()


def test_the_stated_nuisances_are_those_drawn():
    for name, about in PHANTOM_CLASSES.items():
        drawn = draw_nuisances(name, range(800), seed=3)
        assert list(drawn) == list(about.nuisances)
        for key, (mean, sigma, unit) in about.nuisances.items():
            assert unit
            standard = (drawn[key] - mean) / sigma
            # One of about 170 samples: p < 1e-5 does not happen by chance.
            assert stats.kstest(standard, "norm").pvalue > 1e-5, (name, key)
        correlation = np.corrcoef(list(drawn.values())) - np.eye(len(drawn))
        assert np.abs(correlation).max() < 0.2


def test_a_picture_without_noise_is_drawn_from_its_nuisances():
    drawn = draw_nuisances("two_fold", range(8))
    grain = render("two_fold", range(8)) / np.maximum(render_exactly("two_fold", drawn), 1e-6)
    lit = render_exactly("two_fold", drawn) > 0.1
    assert abs(grain[lit].mean() - 1) < 0.001
    assert abs(grain[lit].std() - PHANTOM_CLASSES["two_fold"].grain) < 0.001


def test_what_is_seen_follows_the_nuisances():
    """Pose, position and size measured in the pictures, not taken from the renderer."""
    y, x = -(np.mgrid[:64, :64] - 31.5) / 64 * np.array([1, -1])[:, None, None]

    def moments(name):
        weight = render(name, range(60))[..., 1].astype(float)
        weight = np.where(weight > 0.25, 1.0, 0.0)
        weight /= weight.sum(axis=(1, 2), keepdims=True)
        center = [(weight * axis).sum(axis=(1, 2)) for axis in (x, y)]
        dx, dy = (axis - c[:, None, None] for axis, c in zip((x, y), center, strict=True))
        xx, yy, xy = ((weight * m).sum(axis=(1, 2)) for m in (dx * dx, dy * dy, dx * dy))
        return *center, xx + yy, np.rad2deg(np.arctan2(2 * xy, xx - yy) / 2)

    right, up, _, angle = moments("two_fold")
    drawn = draw_nuisances("two_fold", range(60))
    assert np.abs(angle - drawn["pose"]).max() < 4
    assert np.abs(right - drawn["position_x"]).max() < 0.01
    assert np.abs(-up - drawn["position_y"]).max() < 0.01
    small, large = moments("zoom_small")[2], moments("zoom_large")[2]
    assert np.log2(large.mean() / small.mean()) / 2 == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("size", [32, 96, 127])
def test_other_sizes_show_the_same(size):
    for name in PHANTOM_CLASSES:
        picture, usual = render_exactly(name, size=size), render_exactly(name)
        assert picture.shape == (1, size, size, 3)
        np.testing.assert_allclose(picture.mean((1, 2)), usual.mean((1, 2)), rtol=0.05, atol=0.003)


def test_errors_say_what_is_possible():
    with pytest.raises(UsageError, match="closest: 'disc'"):
        render("disk", [0])
    with pytest.raises(UsageError, match="unknown nuisance of disc 'pose'"):
        render_exactly("disc", {"pose": 3})
    with pytest.raises(UsageError, match="negative"):
        render("disc", [-1])
    with pytest.raises(UsageError, match="closest: 'zoom'"):
        bayes_softmax("zooms", [1])
    with pytest.raises(UsageError, match="magnitude of zoom"):
        bayes_softmax("zoom", [0])
    assert render("disc", []).shape == (0, 64, 64, 3)


# Symmetries


@pytest.mark.parametrize("angle", [10, 37, 90, 145, 300])
def test_disc_looks_the_same_from_every_side(angle):
    picture = render_exactly("disc")
    difference = np.abs(turned(picture, "rotation", angle) - picture)
    assert difference.max() < 0.03 and difference.mean() < 0.002


@pytest.mark.parametrize(
    ("name", "angle"), [("four_fold", 90), ("four_fold_turned", 90), ("two_fold", 180)]
)
def test_n_fold_classes_return_at_their_symmetry_and_not_before(name, angle):
    picture = render_exactly(name)
    np.testing.assert_allclose(turned(picture, "rotation", angle), picture, atol=5e-6)
    for between in (angle / 4, angle / 2, 3 * angle / 4):
        assert np.abs(turned(picture, "rotation", between) - picture).max() > 0.2


def test_mirror_has_a_left_and_right_but_no_up_and_down():
    picture = render_exactly("mirror")
    np.testing.assert_allclose(picture[:, :, ::-1], picture, atol=1e-6)
    for angle in range(30, 360, 30):
        assert np.abs(turned(picture, "rotation", angle) - picture).max() > 0.2


def test_no_symmetric_class_is_lit_from_a_side():
    for about in PHANTOM_CLASSES.values():
        assert ("light_direction" in about.nuisances) == (about.symmetry == "none")


# Critical pairs


def test_pairs_differ_in_the_mean_of_one_parameter():
    assert {pair.transformation for pair in PHANTOM_PAIRS.values()} == {
        "rotation", "zoom", "translation_x", "brightness", "contrast", "grayscale", "blur", "noise"
    }  # fmt: skip
    for name, pair in PHANTOM_PAIRS.items():
        one, other = (PHANTOM_CLASSES[class_name] for class_name in pair.classes)
        assert (one.partner, other.partner) == (other.name, one.name)
        assert one.pair == other.pair == name
        assert (one.shape, one.symmetry, one.grain) == (other.shape, other.symmetry, other.grain)
        assert {key for key in one.nuisances if one.nuisances[key] != other.nuisances[key]} == {
            pair.parameter
        }
        assert one.nuisances[pair.parameter].sigma == other.nuisances[pair.parameter].sigma
        assert pair.separation == pytest.approx(SEPARATION * pair.sigma)
    alone = [about.name for about in PHANTOM_CLASSES.values() if about.pair is None]
    assert alone == ["disc"]


@pytest.mark.parametrize(
    ("name", "largest", "mean"),
    [
        ("rotation", 1e-6, 1e-7),
        ("rotation_mirror", 2e-6, 1e-7),
        ("rotation_four_fold", 0.2, 0.005),  # bilinear interpolation of fine texture
        ("translation_x", 0.15, 0.001),  # by a fraction of a pixel
        ("zoom", 0.1, 0.005),
        ("brightness", 1e-6, 1e-6),
        ("contrast", 1e-6, 1e-7),
        ("blur", 1e-5, 1e-6),
    ],
)
def test_the_transformation_turns_one_class_into_the_other(name, largest, mean):
    pair = PHANTOM_PAIRS[name]
    first, second = (render_exactly(class_name) for class_name in pair.classes)
    difference = np.abs(turned(first, pair.transformation, magnitude_between(pair)) - second)
    assert difference.max() < largest and difference.mean() < mean
    assert np.abs(first - second).mean() > 5 * mean


def test_translation_by_whole_pixels_is_exact():
    here, there = render_exactly("translation_left", {"position_x": [-0.16, -0.16 + 18 / 64]})
    moved = turned(here[None], "translation_x", 18 / 64)[0]
    np.testing.assert_allclose(moved, there, atol=2e-6)


def test_zoom_enlarges_edges_and_texture_alike():
    small, large = render_exactly("zoom_small", size=256), render_exactly("zoom_large", size=256)
    difference = np.abs(turned(small, "zoom", 2) - large)
    assert difference.max() < 0.04  # what is left at 64 px is interpolation


def test_hues_have_the_same_luminance_and_meet_in_gray():
    blue, orange = (render_exactly(name) for name in PHANTOM_PAIRS["grayscale"].classes)
    weights = np.array(GRAY_WEIGHTS)
    np.testing.assert_allclose(blue @ weights, orange @ weights, atol=1e-6)
    np.testing.assert_allclose(
        turned(blue, "grayscale", 1), turned(orange, "grayscale", 1), atol=1e-6
    )
    assert np.abs(blue - orange).max() > 0.2
    half = render_exactly("grayscale_orange", {"chroma": 0.5})
    np.testing.assert_allclose(
        turned(orange, "grayscale", 0.5), half, atol=1e-4
    )  # weights sum to 0.9999


def test_noise_adds_variance():
    pair = PHANTOM_PAIRS["noise"]
    border = np.s_[:, :6]  # rows without object
    for class_name, mean in zip(pair.classes, pair.means, strict=True):
        pictures = render(class_name, range(300))
        assert pictures[border].var(axis=(1, 2, 3)).mean() == pytest.approx(mean, rel=0.03)
    quiet = turned(render("noise_quiet", range(100)), "noise", magnitude_between(pair))
    assert quiet[border].var(axis=(1, 2, 3)).mean() == pytest.approx(pair.means[1], rel=0.03)
    # The same spread, too, which makes the Bayes curve; the rest is the variance of a variance.
    found = render("noise_noisy", range(600))[border].var(axis=(1, 2, 3))
    expected = np.hypot(pair.sigma, pair.means[1] * np.sqrt(2 / (6 * 64 * 3)))
    assert found.std() == pytest.approx(expected, rel=0.12)


def test_on_the_way_a_pair_is_not_taken_for_another():
    """By a plain observer: the nearest of the exact pictures of all groups and shares."""
    shares = np.linspace(0, 1, 9)
    along = {
        name: render_exactly(
            pair.classes[0], {pair.parameter: pair.means[0] + shares * pair.separation}
        )
        for name, pair in PHANTOM_PAIRS.items()
    } | {"disc": render_exactly("disc")}
    groups = [name for name, pictures in along.items() for _ in pictures]
    templates = np.concatenate(list(along.values())).reshape(len(groups), -1)
    for name, pair in PHANTOM_PAIRS.items():
        end = 1 if name == "grayscale" else magnitude_between(pair)
        factor = pair.transformation in ("zoom", "contrast")
        pictures = render(pair.classes[0], range(40))
        for share in shares[::2]:
            magnitude = end**share if factor else end * share
            moved = turned(pictures, pair.transformation, magnitude).reshape(40, -1)
            distance = (templates**2).sum(1) - 2 * moved @ templates.T
            nearest = [groups[index] for index in distance.argmin(axis=1)]
            assert nearest.count(name) >= 36, (name, share, nearest)


# Closed form


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
