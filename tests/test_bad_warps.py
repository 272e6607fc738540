"""Pictures and matrices for the warp as nobody should give them: refused in one line, or warped."""

import hypothesis.strategies as st
import numpy as np
import pytest
from bad_input import VALUES, outcome, refusal, some_pictures
from hypothesis import example, given
from hypothesis.extra.numpy import arrays

from itn.warp import FILLS, affine_warp

IDENTITY = np.eye(2, 3, dtype="float32")
NUMBERS = st.floats() | st.floats(-3, 3) | st.sampled_from([1e9, -1e9, 1e9 + 64, 3e38])
DTYPES = ("float32", "float64", "float16", "uint8", "int64", "bool", "complex64")


@example((0, 0, 0, 0), "float32", "edge")
@example((2, 0, 3, 3), "float32", "reflect")
@example((2, 3, 4, 1), "float64", "mean")
@given(
    st.lists(st.integers(0, 4), max_size=5).map(tuple) | st.tuples(*[st.integers(0, 4)] * 4),
    st.sampled_from(DTYPES),
    st.sampled_from(FILLS),
)
def test_pictures_are_warped_or_refused(shape, dtype, fill):
    pictures = np.random.default_rng(0).random(shape).astype(dtype)
    found, message = outcome(affine_warp, pictures, IDENTITY, fill)
    assert (message is None) == (len(shape) == 4 and dtype in DTYPES[:2]), message
    if message is None:
        np.testing.assert_allclose(found, pictures, atol=1e-6)


@given(
    arrays("f4", (2, 2, 3), elements=st.floats(width=32)) | arrays("f8", (2, 3), elements=NUMBERS),
    st.sampled_from(FILLS),
)
def test_matrices_of_any_numbers_are_used_or_refused(matrix, fill):
    pictures = some_pictures(2, 5, 4)
    found, message = outcome(affine_warp, pictures, matrix, fill)
    fit = np.isfinite(matrix).all() and np.abs(matrix).max() <= 1e9
    assert (message is None) == fit, message
    if fit:  # bilinear: between what is there, and what lies outside
        found = np.asarray(found)
        assert found.shape == pictures.shape
        assert (found >= min(0, pictures.min()) - 1e-5).all()
        assert (found <= pictures.max() + 1e-5).all()
    else:
        assert "matrices must be of finite numbers up to 1e+09" in message


@pytest.mark.parametrize(
    "shape",
    [(), (6,), (3, 2), (2, 2), (3, 3), (2, 6), (3, 2, 3), (0, 2, 3), (2, 3, 2), (1, 2, 2, 3)],
)
def test_matrices_of_another_shape_are_refused(shape):
    message = refusal(affine_warp, some_pictures(2), np.ones(shape, "float32"))
    assert "matrices must have the shape [2, 3]" in message


@example([[1, 2], [3]], [["a"]])
@example(None, None)
@example("abc", b"abc")
@given(VALUES, VALUES)
def test_what_is_no_picture_and_no_matrix_is_refused(images, matrix):
    refusal(affine_warp, images, IDENTITY)  # VALUES have no four dimensions
    found, message = outcome(affine_warp, some_pictures(2), matrix)
    if message is None:
        values = np.asarray(matrix)
        assert values.shape in ((2, 3), (1, 2, 3), (2, 2, 3)) and values.dtype.kind in "iuf"
        assert np.isfinite(np.asarray(found)).all()


@given(st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 7), st.integers(0, 7))
def test_a_pixel_that_is_no_number_spoils_its_neighbors_alone(value, row, column):
    pictures = some_pictures(2)
    pictures[1, row, column] = value
    shifted = np.array([[1, 0, 0.5], [0, 1, 0]], "float32")
    found = np.asarray(affine_warp(pictures, shifted))
    good = np.asarray(affine_warp(some_pictures(2), shifted))
    spoiled = np.zeros((2, 8, 8), bool)
    spoiled[1, max(row - 1, 0) : row + 1, max(column - 1, 0) : column + 1] = True
    np.testing.assert_array_equal(found[~spoiled], good[~spoiled])
    assert not np.isfinite(found[1, row, column]).any()
