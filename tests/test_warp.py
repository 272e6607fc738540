"""The warp against scipy, and its gradients against central differences."""

import numpy as np
import pytest
from scipy import ndimage

from itn.messages import UsageError
from itn.warp import FILLS, affine_warp

SIZES = [(8, 8), (9, 9), (7, 12), (12, 7), (6, 9), (1, 5)]  # height, width
SCIPY_MODES = {
    "zeros": "grid-constant",
    "edge": "nearest",
    "reflect": "reflect",
    "mean": "grid-constant",
}


def pictures(height, width, count=2, channels=3, dtype="float32", seed=0):
    return np.random.default_rng(seed).random((count, height, width, channels)).astype(dtype)


def matrices(count=2, seed=1, strength=1.0):
    """General affine matrices that look inside the picture, over its border and beyond."""
    rng = np.random.default_rng(seed)
    change = rng.normal(0, strength, (count, 2, 3)) * (0.6, 0.6, 2)
    return np.eye(2, 3) + change


def warp_of_scipy(images, matrix, fill):
    """Read every picture at x, y = center + A [p - center, 1], in float64."""
    count, height, width, channels = images.shape
    expected = np.empty(images.shape)
    for n in range(count):
        source = np.empty((2, height, width))  # y and x, as scipy wants them
        for row in range(height):
            for column in range(width):
                offset = column - (width - 1) / 2, row - (height - 1) / 2, 1
                x, y = matrix[n] @ offset
                source[:, row, column] = y + (height - 1) / 2, x + (width - 1) / 2
        for c in range(channels):
            channel = images[n, :, :, c].astype(np.float64)
            expected[n, :, :, c] = ndimage.map_coordinates(
                channel,
                source,
                order=1,
                mode=SCIPY_MODES[fill],
                cval=channel.mean() if fill == "mean" else 0.0,
            )
    return expected


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("size", SIZES)
def test_agrees_with_scipy_inside_at_and_beyond_the_border(size, fill):
    images, matrix = pictures(*size, count=4), matrices(4)
    warped = np.asarray(affine_warp(images, matrix.astype("float32"), fill))
    assert warped.dtype == np.float32
    np.testing.assert_allclose(warped, warp_of_scipy(images, matrix, fill), atol=1e-4)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("shift", [0.25, -0.5, 3.75, -6.5, 9.25, -40.5])
def test_shifts_far_out_of_the_picture_agree_with_scipy(shift, fill):
    images = pictures(5, 6, count=1)
    matrix = np.array([[[1, 0, shift], [0, 1, -shift]]])
    warped = np.asarray(affine_warp(images, matrix.astype("float32"), fill))
    np.testing.assert_allclose(warped, warp_of_scipy(images, matrix, fill), atol=1e-4)


def test_far_outside_is_what_the_fill_says():
    images = pictures(5, 6, count=2)
    far = np.array([[1, 0, 1e6], [0, 1, 1e6]], "float32")
    outside = {fill: np.asarray(affine_warp(images, far, fill)) for fill in FILLS}
    assert not outside["zeros"].any()
    mean = images.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(outside["mean"], np.broadcast_to(mean, images.shape), atol=1e-6)
    np.testing.assert_array_equal(
        outside["edge"], np.broadcast_to(images[:, -1:, -1:], images.shape)
    )


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_number_of_channels(channels):
    images, matrix = pictures(6, 7, channels=channels), matrices()
    warped = np.asarray(affine_warp(images, matrix.astype("float32"), "reflect"))
    np.testing.assert_allclose(warped, warp_of_scipy(images, matrix, "reflect"), atol=1e-4)


@pytest.mark.parametrize("fill", FILLS)
def test_one_matrix_serves_all_pictures(fill):
    images = pictures(6, 7, count=3)
    matrix = matrices(1).astype("float32")
    repeated = affine_warp(images, np.repeat(matrix, 3, axis=0), fill)
    np.testing.assert_array_equal(affine_warp(images, matrix, fill), repeated)
    np.testing.assert_array_equal(affine_warp(images, matrix[0], fill), repeated)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("size", SIZES)
def test_the_identity_matrix_returns_the_picture_bit_for_bit(size, fill):
    images = pictures(*size)
    np.testing.assert_array_equal(affine_warp(images, np.eye(2, 3, dtype="float32"), fill), images)


def test_the_matrix_maps_what_is_written_to_what_is_read():
    images = np.zeros((1, 5, 7, 1), "float32")
    images[0, 2, 5] = 1  # two pixels to the right of the center
    matrix = np.array([[2, 0, 0], [0, 2, 0]], "float32")  # reads twice as far out
    warped = np.asarray(affine_warp(images, matrix))[0, :, :, 0]
    assert np.argwhere(warped).tolist() == [[2, 4]]


def test_float64_is_computed_in_float64(tensorflow):
    images, matrix = pictures(7, 9, dtype="float64"), matrices()
    for fill in FILLS:
        warped = np.asarray(affine_warp(images, matrix, fill))
        assert warped.dtype == np.float64
        np.testing.assert_allclose(warped, warp_of_scipy(images, matrix, fill), atol=1e-12)


def test_an_unknown_fill_names_the_closest():
    with pytest.raises(UsageError, match=r"unknown fill 'zeroes'; closest: 'zeros'"):
        affine_warp(pictures(3, 3), np.eye(2, 3, dtype="float32"), "zeroes")


@pytest.mark.parametrize("shared", [False, True], ids=["one matrix each", "shared matrix"])
@pytest.mark.parametrize("fill", FILLS)
def test_gradients_agree_with_central_differences(tensorflow, fill, shared):
    images = pictures(5, 4, dtype="float64")
    matrix = matrices(1 if shared else 2, strength=0.3)
    weights = np.random.default_rng(2).normal(size=images.shape)  # of every value in one number

    def value(images, matrix, weights=weights):
        return tensorflow.reduce_sum(affine_warp(images, matrix, fill) * weights, axis=(1, 2, 3))

    with tensorflow.GradientTape() as tape:
        inputs = tensorflow.constant(images), tensorflow.constant(matrix)
        tape.watch(inputs)
        of_images, of_matrix = tape.gradient(value(*inputs), inputs)

    step = 1e-6
    expected = np.empty(matrix.shape)
    for index in np.ndindex(matrix.shape):
        forward, backward = matrix.copy(), matrix.copy()
        forward[index] += step
        backward[index] -= step
        difference = value(images, forward) - value(images, backward)
        expected[index] = difference.numpy().sum() / (2 * step)
    assert np.count_nonzero(expected) == expected.size  # every entry of the matrix matters
    np.testing.assert_allclose(of_matrix, expected, rtol=1e-5, atol=1e-7)

    step = 0.5  # any will do where the result is linear
    steps = step * np.eye(images[0].size).reshape(-1, *images.shape[1:])
    for n in range(2):
        own_matrix = matrix[0 if shared else n]
        forward = value(images[n] + steps, own_matrix, weights[n])
        backward = value(images[n] - steps, own_matrix, weights[n])
        expected = ((forward - backward) / (2 * step)).numpy().reshape(images[n].shape)
        assert np.count_nonzero(expected) > expected.size / 3
        np.testing.assert_allclose(of_images[n], expected, rtol=1e-8, atol=1e-10)
