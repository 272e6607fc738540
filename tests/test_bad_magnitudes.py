"""Magnitudes as nobody should give them: each is refused in one line, or screened rightly."""

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from bad_input import VALUES, outcome, some_pictures
from hypothesis import example, given, settings

from itn.pictures import Pictures
from itn.screening import screen
from itn.transformations import TRANSFORMATIONS, find_transformation, transform
from itn.warp import FILLS

NAMES = st.sampled_from(sorted(TRANSFORMATIONS))
FACTORS = ("scale_x", "scale_y", "zoom", "contrast")
NOT_NEGATIVE = ("grayscale", "blur", "noise")
FARTHEST = 1e4
FEW = settings(max_examples=max(8, settings.default.max_examples // 5))  # a screening each


def possible(name, value):
    """Whether a number is a magnitude, by the documentation alone."""
    if name in FACTORS:
        return 1 / FARTHEST <= value <= FARTHEST
    if name == "grayscale":
        return 0 <= value <= 1
    return (0 if name in NOT_NEGATIVE else -FARTHEST) <= value <= FARTHEST


@pytest.fixture(scope="module")
def eagerly(without_xla, tensorflow):
    """Nothing is compiled, which would take longer than a small screening."""
    with without_xla():
        tensorflow.config.run_functions_eagerly(True)
        yield
        tensorflow.config.run_functions_eagerly(False)


MAGNITUDES = st.floats() | st.integers(-(10**6), 10**6) | st.floats(-4, 4) | st.floats(0, 1)


@example("zoom", "reflect", 1e-30, 1)
@example("rotation", "zeros", 1e9, 1e300)
@example("translation_x", "mean", 3e38, 0)
@example("contrast", "zeros", 1e38, 1)
@given(NAMES, st.sampled_from(FILLS), MAGNITUDES, MAGNITUDES)
def test_a_magnitude_is_applied_or_refused(name, fill, first, second):
    pictures = some_pictures(2, 5, 4)
    found, message = outcome(transform, pictures, name, [first, second], fill)
    fit = possible(name, first) and possible(name, second)
    assert (message is None) == fit, message
    if not fit:
        assert f"magnitude of {name}" in message
        return
    found = np.asarray(found)
    assert found.shape == pictures.shape and np.isfinite(found).all()
    exact = np.asarray(transform(pictures.astype("float64"), name, [first, second], fill))
    scale = 1 + np.abs(exact).max()
    np.testing.assert_allclose(found, exact, atol=0.02 * scale)
    if name not in (*FACTORS[3:], "brightness", "noise"):
        assert found.min() >= -1e-5 and found.max() <= pictures.max() + 1e-5
    if name != "noise":
        alone = [transform(pictures[[i]], name, m, fill) for i, m in enumerate((first, second))]
        np.testing.assert_allclose(found, np.concatenate(alone), atol=1e-5 * scale)


@example("zoom", -np.ones((3, 40)))
@example("zoom", [[1], [1, 2]])
@example("zoom", 10**400)
@given(NAMES, VALUES)
def test_what_is_no_magnitude_is_refused(name, value):
    pictures = some_pictures(2, 3, 3)
    found, message = outcome(transform, pictures, name, value)
    if message is None:
        numbers = np.asarray(value)
        assert numbers.dtype.kind in "iuf" and numbers.size in (1, 2) and numbers.ndim < 2
        assert all(possible(name, float(one)) for one in numbers.flat)
        assert np.shape(found) == pictures.shape
    else:
        assert "magnitude" in message


@FEW
@given(NAMES, st.data())
def test_doubled_unsorted_magnitudes_screen_as_the_clean_list_does(
    eagerly, color_classifier, name, data
):
    identity = find_transformation(name).identity
    within = st.sampled_from([0.1, 0.3, 0.9]) | st.sampled_from([0.25, 0.5, identity])
    clean = data.draw(st.lists(within, unique=True, max_size=3))
    messy = data.draw(st.permutations([*clean, *clean[:2]]))
    messy = np.asarray(messy, data.draw(st.sampled_from(["f4", "f8"])))
    pictures = colored([0, 1, 1])
    found = screen(color_classifier, pictures, name, messy)
    expected = np.union1d(np.asarray(clean, messy.dtype), [identity])
    np.testing.assert_array_equal(found.magnitude, expected)
    xr.testing.assert_identical(found, screen(color_classifier, pictures, name, expected))
    untouched = color_classifier.predict(pictures.images)
    at_identity = found.sel(magnitude=identity)
    np.testing.assert_allclose(at_identity.softmax, untouched[range(3), [0, 1, 1]], atol=1e-5)
    np.testing.assert_array_equal(at_identity.predicted, untouched.argmax(axis=1))


@FEW
@given(st.permutations(range(4)), st.sampled_from(["rotation", "noise"]), st.integers(1, 5))
def test_permuted_pictures_give_permuted_rows(eagerly, color_classifier, order, name, batch_size):
    pictures = colored([0, 1, 1, 0])
    permuted = Pictures(
        pictures.images[order], pictures.labels[order], pictures.class_names,
        tuple(pictures.paths[i] for i in order), pictures.name,
    )  # fmt: skip
    options = {"magnitudes": [0.2, 0.7], "batch_size": batch_size}
    found = screen(color_classifier, permuted, name, **options)
    expected = screen(color_classifier, pictures, name, **options).isel(image=order)
    xr.testing.assert_allclose(found.drop_attrs(), expected.drop_attrs(), atol=1e-6)


@FEW
@given(NAMES, st.lists(MAGNITUDES, max_size=3) | VALUES)
def test_magnitudes_are_screened_or_refused(eagerly, color_classifier, name, magnitudes):
    found, message = outcome(screen, color_classifier, colored([0, 1]), name, magnitudes)
    if message is not None:
        assert "magnitude" in message
        return
    if magnitudes is None:
        return
    expected = sorted({float(one) for one in np.asarray(magnitudes).flat})
    assert all(possible(name, one) for one in expected)
    assert set(found.magnitude.values.tolist()) == {*expected, find_transformation(name).identity}
    for variable in ("softmax", "rival_softmax", "mean_softmax"):
        assert np.isfinite(found[variable]).all()
    np.testing.assert_allclose(found.mean_softmax.sum("class"), 1, atol=1e-5)


@FEW
@given(
    labels=st.lists(st.integers(0, 2), max_size=3),
    class_names=st.sampled_from([("red", "green"), ("red",), ("red", "blue", "pink"), ()]),
    rivals=st.sampled_from([1, 3, 0, -1, 1.5, "1", None, 10**30]),
    batch_size=st.sampled_from([1, 2, 0, -4, 2.5, "2", None, 10**30]),
    seed=st.sampled_from([0, 7, -1, 0.5, "0", None, 2**70]),
    name=st.sampled_from(["contrast", "noise"]),
)
def test_classes_and_numbers_are_screened_or_refused(
    eagerly, color_classifier, labels, class_names, rivals, batch_size, seed, name
):
    pictures, message = outcome(colored, labels, class_names)
    if message is not None:
        return
    found, message = outcome(
        screen, color_classifier, pictures, name, [0.5],
        rivals=rivals, batch_size=batch_size, seed=seed,
    )  # fmt: skip
    fit = (
        set(class_names) <= {"red", "green", "blue"}
        and bool(labels)
        and set(labels) == set(range(len(class_names)))
        and all(isinstance(one, int) for one in (rivals, batch_size or 1, seed))
        and rivals >= 1 and (batch_size is None or batch_size >= 1)
        and 0 <= seed < 2**63  # what a file can hold
    )  # fmt: skip
    assert (message is None) == fit, message
    if fit:
        assert found.sizes["rank"] == min(rivals, 2) and found.sizes["image"] == len(labels)


def colored(labels, class_names=("red", "green")):
    """Pictures that differ, labeled."""
    paths = tuple(f"{label}/{index}.png" for index, label in enumerate(labels))
    images = some_pictures(len(labels))
    return Pictures(images, np.array(labels, int), class_names, paths, "colors")
