"""Motions in closed form: against scikit-image and a decomposition, and as groups."""

import numpy as np
import pytest
import skimage.transform

from itn.messages import UsageError
from itn.motions import MOTIONS, check_motion, motion_at_rest, motion_matrix
from itn.study.matrices import decompose_spatial

CLOSED = [name for name in MOTIONS if name != "free"]


def drawn(motion, count=40, seed=0, deviation=0.8):
    size = (count, MOTIONS[motion])
    return np.random.default_rng(seed).normal(0, deviation, size).astype("float32")


def matrices(parameters, motion):
    return np.asarray(motion_matrix(parameters, motion), float)


def square(matrix):
    last = np.broadcast_to([[0.0, 0.0, 1.0]], (len(matrix), 1, 3))
    return np.concatenate([matrix, last], axis=1)


@pytest.mark.parametrize("motion", CLOSED)
def test_every_member_decomposes_into_its_parameters(motion):
    given = drawn(motion)
    found = decompose_spatial(matrices(given, motion))
    turn = np.degrees((given[:, 0] + np.pi) % (2 * np.pi) - np.pi)
    count = given.shape[1]
    scale_x = np.exp(given[:, 3]) if count > 3 else np.ones(len(given))
    scale_y = np.exp(given[:, 4]) if motion == "affine" else scale_x
    shear = given[:, 5] if motion == "affine" else np.zeros(len(given))
    for name, expected in (
        ("rotation", turn), ("scale_x", scale_x), ("scale_y", scale_y), ("shear", shear),
        ("translation_x", given[:, 1] / 2 if count > 1 else 0),
        ("translation_y", given[:, 2] / 2 if count > 1 else 0),
    ):  # fmt: skip
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("motion", CLOSED)
def test_the_content_moves_as_scikit_image_moves_points(motion):
    """Its y axis points up for us, so that turns go the other way."""
    for values, matrix in zip(drawn(motion, 5), matrices(drawn(motion, 5), motion), strict=True):
        values = values.astype(float)
        turn, right, down = values[:3] if len(values) > 1 else (values[0], 0.0, 0.0)
        logs = {"affine": values[3:5], "similarity": np.repeat(values[3:4], 2)}
        scale = np.exp(logs.get(motion, np.zeros(2)))
        turned = skimage.transform.AffineTransform(rotation=-turn)
        scaled = skimage.transform.AffineTransform(scale=scale)
        shear = [[1, values[5] if motion == "affine" else 0, 0], [0, 1, 0], [0, 0, 1]]
        sheared = skimage.transform.AffineTransform(matrix=np.array(shear))
        shifted = skimage.transform.AffineTransform(translation=(right, down))
        whole = scaled + sheared + turned + shifted
        points = np.random.default_rng(1).normal(size=(6, 2))
        read = np.c_[whole(points), np.ones(6)] @ matrix.T  # what is written there comes from here
        np.testing.assert_allclose(read, points, atol=1e-4)


@pytest.mark.parametrize("motion", MOTIONS)
def test_at_rest_nothing_moves_at_all(motion):
    still = motion_at_rest(motion)[None].astype("float32")
    assert still.shape == (1, MOTIONS[motion])
    np.testing.assert_array_equal(matrices(still, motion)[0], np.eye(2, 3))


@pytest.mark.parametrize("motion", CLOSED)
def test_compositions_and_inverses_are_motions_of_the_same_kind(motion):
    one, other = (square(matrices(drawn(motion, seed=seed), motion)) for seed in (1, 2))
    for members in (one @ other, np.linalg.inv(one)):
        parts = decompose_spatial(members[:, :2])
        logs = np.log(parts[["scale_x", "scale_y"]].to_numpy())  # nothing is mirrored
        shifts = 2 * parts[["translation_x", "translation_y"]]
        values = np.c_[np.radians(parts.rotation), shifts, logs, parts.shear]
        values = values[:, : MOTIONS[motion]]  # what is left out has to be at rest
        again = matrices(values.astype("float32"), motion)
        np.testing.assert_allclose(again, members[:, :2], rtol=2e-4, atol=2e-4)


def test_what_is_no_motion_is_refused():
    with pytest.raises(UsageError, match="unknown motion 'rigit'; closest: 'rigid'"):
        check_motion("rigit")
