"""Pictures as nobody should give them: each is refused in one line, or handled rightly."""

import hypothesis.strategies as st
import numpy as np
import pytest
from bad_input import ODD_TEXTS, VALUES, outcome, refusal, some_pictures
from hypothesis import example, given

from itn.pictures import Pictures
from itn.transformations import TRANSFORMATIONS, transform
from itn.warp import FILLS

SPOILED = (np.nan, np.inf, -np.inf, 255.0, -40.0, 1e30, 3e38)


@st.composite
def images(draw):
    """Arrays that are pictures or nearly so, and whether they are, by the documentation alone."""
    dtype = draw(
        st.sampled_from(["float32", "float32", "float64", "float16", "uint8", "int64", "bool"])
    )
    shape = draw(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 5), st.just(3))
        | st.lists(st.integers(0, 4), max_size=5).map(tuple)
    )
    values = np.random.default_rng(0).random(shape) * (1 if "float" in dtype else 255)
    spoiled = draw(st.sampled_from((None, None, *SPOILED)))
    if spoiled is not None and values.size and dtype in ("float32", "float64"):
        values.flat[draw(st.integers(0, values.size - 1))] = spoiled
    else:
        spoiled = None
    fit = len(shape) == 4 and shape[-1] == 3 and dtype in ("float32", "float64")
    return values.astype(dtype), fit and spoiled is None


@example((np.zeros((0, 0, 0, 3), "float32"), True), "blur", "edge")
@example((np.zeros((2, 0, 3, 3), "float32"), True), "rotation", "reflect")
@given(images(), st.sampled_from(sorted(TRANSFORMATIONS)), st.sampled_from(FILLS))
def test_pictures_are_transformed_one_like_many_or_refused(given, name, fill):
    pictures, fit = given
    before = pictures.copy()
    magnitude = 0.5
    found, message = outcome(transform, pictures, name, magnitude, fill)
    np.testing.assert_array_equal(pictures, before)
    assert (message is None) == fit
    if not fit:
        return
    found = np.asarray(found)
    assert found.shape == pictures.shape and found.dtype == pictures.dtype
    assert np.isfinite(found).all()
    for index in range(len(pictures)):
        seed = {"seed": [(0, index)]} if name == "noise" else {}
        alone = np.asarray(transform(pictures[[index]], name, [magnitude], fill, **seed))
        np.testing.assert_allclose(found[[index]], alone, atol=1e-5)


@given(st.sampled_from(SPOILED), st.integers(0, 2))
def test_the_network_is_not_asked_about_spoiled_pictures(color_classifier, value, which):
    pictures = some_pictures(3)
    pictures[which, 4, 4, 1] = value
    message = refusal(color_classifier.predict, pictures)
    assert np.isfinite(value) or f"picture {which} of 0 … 2" in message


@example([[1, 2], [3]])
@example([["a"]])
@example(None)
@given(VALUES)
def test_what_is_no_picture_is_refused(color_classifier, value):
    for function in (lambda: transform(value, "zoom", 2), lambda: color_classifier.predict(value)):
        found, message = outcome(function)
        # Nothing that VALUES makes has the shape of pictures.
        assert message is not None, repr(found)


@example(some_pictures(3), [0, 1, 1], ("a", "b"), ("1", "2", "3"))
@example(some_pictures(3), [[0], [0, 1]], ("a", "b"), ("1", "2", "3"))
@example(some_pictures(3), [0, 1, 1], ("a", "a"), ("1", "2", "3"))
@example(some_pictures(3)[0], [0] * 8, ("a",), ("1",) * 8)
@example(None, [], (), ())
@given(
    images=st.just(some_pictures(3)) | VALUES,
    labels=st.lists(st.integers(-1, 3), min_size=2, max_size=4) | VALUES,
    class_names=st.sampled_from(
        [("a", "b"), ("a", "a"), ("a",), (), ("a", "\ud800"), ("b\nb", "a")]
    ),
    paths=st.sampled_from([("1", "2", "3"), ("1", "1", "1"), ("1", "2")]),
)
def test_labels_are_positions_of_classes_or_refused(images, labels, class_names, paths):
    pictures, message = outcome(Pictures, images, labels, class_names, paths, "made up")
    wanted = (
        (
            isinstance(images, np.ndarray)
            and images.shape == (3, 8, 8, 3)
            and len(paths) == 3
            and len(set(class_names)) == len(class_names)
            and np.shape(labels) == (3,)
            and all(isinstance(x, int | np.integer) and 0 <= x < len(class_names) for x in labels)
            and not any(isinstance(x, bool) for x in labels)
        )
        if _regular(labels)
        else False
    )
    assert (message is None) == wanted
    if wanted:
        parts = [pictures.select(name) for name in class_names]
        assert sum(map(len, parts)) == len(pictures) == 3
        assert "3 of 8 × 8 pixels" in repr(pictures)


def _regular(labels):
    try:
        return np.asarray(labels).ndim == 1
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["rotation", "noise"])
@pytest.mark.parametrize("seed", [-1, 0.5, "0", None, [0, -1], [[0], 1], 2**70])
def test_a_seed_of_noise_is_a_whole_number(name, seed):
    _, message = outcome(transform, some_pictures(2), name, 0.5, seed=seed)
    assert (message is None) == (name != "noise" or seed == 2**70), message


@example([])
@example(np.zeros(2))
@given(VALUES)
def test_unknown_names_are_refused(value):
    for function in (
        lambda: transform(some_pictures(1), value, 2),
        lambda: transform(some_pictures(1), "zoom", 2, fill=value),
    ):
        assert "unknown" in refusal(function)


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_names_of_any_characters_are_named_in_one_line(name):
    refusal(transform, some_pictures(1), name, 2)
