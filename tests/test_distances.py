"""How far pictures are moved, against closed forms and what numpy and scipy make of them."""

import numpy as np
import pytest
from scipy import ndimage

from itn.distances import LINEAR, rms_distances
from itn.messages import UsageError
from itn.transformations import TRANSFORMATIONS, noise_fields, seed_of, transform

pytestmark = pytest.mark.usefixtures("compiled_elsewhere")


def rms(values):
    return np.sqrt((np.asarray(values, np.float64) ** 2).mean(axis=(-3, -2, -1)))


def measured(pictures, name, *magnitudes, **how):
    return rms_distances(pictures, name, magnitudes, progress=False, **how).values


def test_what_is_added_is_the_distance(two_kinds):
    found = measured(two_kinds, "brightness", -0.5, 0, 0.25, 1)
    np.testing.assert_allclose(found, [[0.5, 0, 0.25, 1]] * 7, atol=1e-6)


def test_contrast_moves_by_the_size_of_values(two_kinds):
    found = measured(two_kinds, "contrast", 0.25, 1, 3)
    own = rms(two_kinds.images)[:, None]
    np.testing.assert_allclose(found, own * [0.75, 0, 2], rtol=1e-5)


def test_noise_moves_by_the_field_that_a_screening_adds(two_kinds):
    found = measured(two_kinds, "noise", 0, 0.1, 2, seed=5)
    fields = noise_fields([seed_of(5, path) for path in two_kinds.paths], (8, 8, 3))
    np.testing.assert_allclose(found, rms(fields)[:, None] * [0, 0.1, 2], rtol=1e-5)
    assert (found != measured(two_kinds, "noise", 0, 0.1, 2)).any()


@pytest.mark.parametrize(
    ("name", "magnitude", "by_hand"),
    [
        ("rotation", 90, lambda image: np.rot90(image)),
        ("translation_x", 0.25, lambda image: np.pad(image, ((0, 0), (2, 0), (0, 0)))[:, :-2]),
        ("translation_y", -0.5, lambda image: np.pad(image, ((0, 4), (0, 0), (0, 0)))[4:]),
        (
            "blur",
            0.8,
            lambda image: ndimage.gaussian_filter(
                image, (0.8, 0.8, 0), mode="constant", truncate=8
            ),
        ),
        (
            "grayscale",
            0.5,
            lambda image: (image + (image @ [0.2989, 0.587, 0.114])[..., None]) / 2,
        ),
    ],
)
def test_distances_are_those_of_pictures_made_by_hand(two_kinds, name, magnitude, by_hand):
    wanted = [rms(by_hand(image.astype(float)) - image) for image in two_kinds.images]
    np.testing.assert_allclose(measured(two_kinds, name, magnitude)[:, 0], wanted, atol=1e-4)


@pytest.mark.parametrize("name", TRANSFORMATIONS)
@pytest.mark.parametrize("clip", [False, True])
def test_distances_are_those_of_what_transform_returns(two_kinds, name, clip):
    """Also where one magnitude tells all, which it does not if values are clipped."""
    transformation = TRANSFORMATIONS[name]
    given = [transformation.identity, *transformation.sweep(8)[[1, -1]]]
    found = measured(two_kinds, name, *given, fill="edge", clip=clip)
    assert (found[:, 0] == 0).all()
    seeds = [seed_of(0, path) for path in two_kinds.paths]
    for column, magnitude in enumerate(given):
        moved = transform(two_kinds.images, name, magnitude, fill="edge", seed=seeds, clip=clip)
        np.testing.assert_allclose(
            found[:, column], rms(np.asarray(moved) - two_kinds.images), atol=1e-5
        )
    assert name in LINEAR or found[:, 1:].any()


def test_distances_say_of_what_they_are(two_kinds):
    found = rms_distances(two_kinds, "zoom", fill="mean", seed=3, progress=False)
    assert found.dims == ("image", "magnitude") and found.dtype == np.float32
    assert found.image.values.tolist() == list(two_kinds.paths)
    np.testing.assert_array_equal(found.magnitude, TRANSFORMATIONS["zoom"].sweep(8))
    assert found.attrs == {"transformation": "zoom", "fill": "mean", "seed": 3, "clip": 0}


@pytest.mark.parametrize(
    ("name", "magnitude", "how", "message"),
    [
        ("blurr", 1, {}, "unknown transformation 'blurr'; closest: 'blur'"),
        ("blur", -1, {}, "magnitude of blur must be a finite number ≥ 0, got"),
        ("zoom", 2, {"fill": "edges"}, "unknown fill 'edges'; closest: 'edge'"),
    ],
)
def test_what_cannot_be_measured_is_said(two_kinds, name, magnitude, how, message):
    with pytest.raises(UsageError, match=message):
        measured(two_kinds, name, magnitude, **how)
