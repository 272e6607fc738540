"""Joint transformations, against scikit-image and colors worked out by hand."""

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from bad_input import VALUES, outcome
from hypothesis import given
from skimage.transform import AffineTransform, EuclideanTransform, warp

from itn.joint_transformations import checked_ranges, joint_matrices
from itn.messages import UsageError
from itn.warp import affine_warp, in_pixels

SIZE = 16
MAGNITUDES = {"rotation": 25.0, "translation_x": 0.2, "scale_y": 1.3, "zoom": 0.8}


def content_moved(name, magnitude):
    """What scikit-image calls it: where content goes, x to the right and y down."""
    center = (SIZE - 1) / 2
    made = {
        "rotation": lambda: EuclideanTransform(rotation=-np.radians(magnitude)),
        "translation_x": lambda: EuclideanTransform(translation=(magnitude * SIZE, 0)),
        "scale_y": lambda: AffineTransform(scale=(1, magnitude)),
        "zoom": lambda: AffineTransform(scale=magnitude),
    }[name]()
    there, back = (EuclideanTransform(translation=(sign * center,) * 2) for sign in (-1, 1))
    return there + made + back


@pytest.mark.parametrize("names", list(itertools.permutations(MAGNITUDES, 3)), ids=", ".join)
def test_what_moves_pixels_is_what_scikit_image_warps_once(names):
    picture = np.random.default_rng(0).random((SIZE, SIZE, 3))
    product = content_moved(names[0], MAGNITUDES[names[0]])
    for name in names[1:]:
        product = product + content_moved(name, MAGNITUDES[name])  # the left one acts first
    expected = warp(picture, product.inverse, order=1, mode="constant")
    spatial, color = joint_matrices(names, [[MAGNITUDES[name] for name in names]])
    images = picture[None].astype("float32")
    found = affine_warp(images, in_pixels(spatial.astype("float32"), images.shape))
    np.testing.assert_allclose(np.asarray(found)[0], expected, atol=1e-4)
    np.testing.assert_array_equal(color, np.eye(3, 4)[None])


def test_colors_are_changed_one_after_the_other():
    color = np.array([0.2, 0.5, 0.9])
    gray = color @ [0.2989, 0.587, 0.114]
    for names, magnitudes, expected in (
        (("brightness", "contrast"), (0.1, 2), 2 * (color + 0.1)),
        (("contrast", "brightness"), (2, 0.1), 2 * color + 0.1),
        (("grayscale", "contrast"), (0.5, 3), 3 * (color + gray) / 2),
        (("contrast", "rotation", "brightness"), (2, 30, 0.1), 2 * color + 0.1),
    ):
        _, (matrix,) = joint_matrices(names, [magnitudes])
        np.testing.assert_allclose(matrix @ [*color, 1], expected, atol=1e-6)


def test_identities_multiply_to_the_identity():
    names = ("rotation", "zoom", "translation_y", "contrast", "grayscale")
    spatial, color = joint_matrices(names, [[0, 1, 0, 1, 0]] * 2)
    np.testing.assert_array_equal(spatial, np.tile(np.eye(2, 3), (2, 1, 1)))
    np.testing.assert_array_equal(color, np.tile(np.eye(3, 4), (2, 1, 1)))


def test_grids_are_even_and_hold_the_identity():
    ranges = {"rotation": (-30, 60), "contrast": (0.25, 4), "grayscale": (0, 1), "zoom": (1, 1)}
    turn, contrast, gray, zoom = checked_ranges(ranges, {"rotation": 3, "contrast": 5})
    np.testing.assert_allclose(turn.magnitudes, [-30, 0, 15, 60])
    np.testing.assert_allclose(contrast.magnitudes, [0.25, 0.5, 1, 2, 4])
    np.testing.assert_allclose(gray.magnitudes, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(turn.weights(), [1 / 6, 1 / 4, 1 / 3, 1 / 4])
    assert zoom.weights().tolist() == [1]
    assert zoom.magnitudes.tolist() == [1] and zoom.spacing == 0
    assert all(each.of.identity in each.magnitudes for each in (turn, contrast, gray))
    np.testing.assert_allclose(contrast.beside(np.array([0.5, 4]), [0.5, 1]), [2**-0.5, 4])


@pytest.mark.parametrize(
    ("ranges", "counts", "message"),
    [
        ({}, 5, r"ranges must say of transformations .* as in \{'rotation': \(-30, 30\)\}"),
        ([("rotation", (-30, 30))], 5, "ranges must say of transformations"),
        ({"rotate": (-30, 30)}, 5, "unknown transformation 'rotate'; closest: 'rotation'"),
        ({"blur": (0, 2)}, 5, "blur has no matrix .* possible: translation_x, .*, grayscale"),
        ({"noise": (0, 1)}, 5, "noise has no matrix"),
        ({"rotation": 30}, 5, "the range of rotation must be its lowest and highest magnitude"),
        ({"rotation": (30, -30)}, 5, r"with the identity, 0, between, got \(30, -30\)"),
        ({"zoom": (2, 4)}, 5, "with the identity, 1, between"),
        ({"grayscale": (-0.5, 0.5)}, 5, "magnitude of grayscale must be a number from 0 to 1"),
        ({"contrast": (0, 2)}, 5, "magnitude of contrast must be a finite number > 0"),
        ({"rotation": (-30, np.inf)}, 5, "magnitude of rotation must be a finite number"),
        ({"rotation": (-30, 30)}, 1, "the count of rotation must be at least 2, got 1"),
        ({"rotation": (-30, 30)}, 2.5, "the count of rotation must be a whole number"),
        ({"rotation": (-30, 30)}, {"zoom": 3}, "unknown range to count 'zoom'; .*rotation"),
    ],
)
def test_what_is_no_range_is_refused_in_one_line(ranges, counts, message):
    with pytest.raises(UsageError, match=message):
        checked_ranges(ranges, counts)


@given(st.dictionaries(st.sampled_from(["rotation", "zoom"]), VALUES), VALUES)
def test_whatever_is_given_makes_ranges_or_one_line(ranges, counts):
    found, message = outcome(checked_ranges, ranges, counts)
    assert message or all(each.of.identity in each.magnitudes for each in found)
