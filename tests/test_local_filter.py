"""Filters, each picture and channel with a kernel of its own: against scipy; how far they move."""

import itertools

import keras
import numpy as np
import pytest
from scipy import ndimage

from itn.displacement import kernel_displacement
from itn.local_filter import local_filter
from itn.messages import UsageError

MODES = {"zeros": "constant", "edge": "nearest", "reflect": "reflect"}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(2).random((3, 6, 9, 3)).astype("float32")


def kernels(size, count=3):
    return np.random.default_rng(size).normal(size=(count, 3, size, size)).astype("float32")


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("fill", [*MODES, "mean"])
def test_it_is_scipy_s_correlation(images, size, fill):
    own = kernels(size)
    found = np.asarray(local_filter(images, own, fill))
    for n, c in itertools.product(range(3), range(3)):
        picture, kernel = images[n, ..., c].astype(float), own[n, c].astype(float)
        mode = {"mode": MODES.get(fill, "constant"), "cval": picture.mean() * (fill == "mean")}
        expected = ndimage.correlate(picture, kernel, **mode)
        np.testing.assert_allclose(found[n, ..., c], expected, atol=1e-5)
        mirrored = ndimage.convolve(picture, kernel[::-1, ::-1], **mode)
        np.testing.assert_allclose(found[n, ..., c], mirrored, atol=1e-5)


def test_the_identity_changes_nothing(images):
    still = np.zeros((3, 3, 3, 3), "float32")
    still[..., 1, 1] = 1
    for fill in (*MODES, "mean"):
        np.testing.assert_allclose(local_filter(images, still, fill), images, atol=1e-7)


def test_its_gradients_are_those_of_differences(images):
    """The derivative of a function that is linear in both, so that any step will do."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=images.shape).astype("float32")

    def total(pictures, own):
        return keras.ops.sum(local_filter(pictures, own, "reflect") * weights)

    own = kernels(3)
    for which, found in enumerate(gradients(total, (images, own))):
        step = rng.normal(size=found.shape).astype("float32")
        moved = [images, own]
        moved[which] = moved[which] + step
        difference = float(total(*moved)) - float(total(images, own))
        assert difference == pytest.approx(float((found * step).sum()), rel=1e-3, abs=1e-2)


def gradients(function, given):
    if keras.backend.backend() == "jax":
        import jax

        return [np.asarray(each) for each in jax.grad(function, argnums=(0, 1))(*given)]
    tensorflow = pytest.importorskip("tensorflow")
    tensors = [tensorflow.constant(each) for each in given]
    with tensorflow.GradientTape() as tape:
        for each in tensors:
            tape.watch(each)
        value = function(*tensors)
    return [each.numpy() for each in tape.gradient(value, tensors)]


def test_an_unknown_fill_is_refused(images):
    with pytest.raises(UsageError, match="unknown fill"):
        local_filter(images, kernels(3), "wrap")


def test_the_displacement_of_kernels_is_that_of_all_black_and_white_patches():
    own = kernels(3, 2).astype(float)
    patches = np.array(list(itertools.product((0, 1), repeat=9)), float)  # [512, 9]
    middle = patches[:, 4]
    for kernel, found in zip(own, kernel_displacement(own), strict=True):
        moved = np.stack([patches @ channel.reshape(-1) - middle for channel in kernel])
        assert found == pytest.approx(np.sqrt(np.square(moved).mean()))
    still = np.zeros((3, 5, 5))
    still[:, 2, 2] = 1
    assert kernel_displacement(still) == 0
