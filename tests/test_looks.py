"""What is said of pictures under matrices, against the transformations that these stand for."""

import numpy as np
import pytest

from itn.looks import MatrixLook, full_batches
from itn.messages import UsageError
from itn.transformations import transform

COUNT = 70  # more than one batch, and the last is not full
SHRUNK = np.diag([2**0.5, 2**0.5, 1])[None, :2]  # where content is read: outside, too
DARKER = np.c_[np.eye(3), np.full(3, -0.2)][None]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((COUNT, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize("each", [1, COUNT], ids=["one matrix for all", "one for each"])
def test_matrices_are_seen_as_the_transformations_that_they_stand_for(
    color_classifier, images, each
):
    look = MatrixLook(color_classifier, "edge")
    given = images, SHRUNK.repeat(each, 0), DARKER
    moved = transform(images, "zoom", 2**-0.5, fill="edge")
    expected = color_classifier.predict(np.asarray(transform(moved, "brightness", -0.2)))
    np.testing.assert_allclose(look.softmax(*given), expected, atol=1e-5)
    assert look.predicted(*given).tolist() == expected.argmax(axis=1).tolist()


def test_a_softmax_that_is_no_number_names_its_picture(color_classifier, images):
    color = np.eye(3, 4)[None].repeat(COUNT, 0)
    color[67, 0, 0] = np.inf
    with pytest.raises(UsageError, match=r"color gives no number for picture 67 under \[\[1"):
        MatrixLook(color_classifier).predicted(images, np.eye(2, 3)[None], color)


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (64, [64]), (70, [64, 6])])
def test_batches_are_of_one_size_and_say_how_many_of_their_rows_count(count, sizes):
    found = list(full_batches(count))
    assert [number for _, number in found] == sizes
    assert len({len(rows) for rows, _ in found}) == 1
    counted = [row for rows, number in found for row in rows[:number].tolist()]
    assert counted == list(range(count))
