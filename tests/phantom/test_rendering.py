"""The phantom's pictures, through the package's own transformations."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from phantom_pairs import magnitude_between
from scipy import stats

import itn
from itn.messages import UsageError
from itn.phantom.objects import PHANTOM_CLASSES, PHANTOM_PAIRS
from itn.phantom.pictures import render_phantom
from itn.phantom.rendering import draw_nuisances, render, render_exactly
from itn.transformations import GRAY_WEIGHTS

ON_A_LEVEL = {"brightness_dark", "brightness_bright", "noise_quiet", "noise_noisy"}


def turned(pictures, name, magnitude):
    return np.asarray(itn.transform(pictures, name, magnitude))


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


# Critical pairs


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
