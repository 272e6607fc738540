"""Displacements and decompositions of matrices, against closed forms and the transformations."""

import numpy as np
import pytest

from itn.displacement import color_displacement, spatial_displacement
from itn.study.matrices import (
    CHROMA,
    MATRICES,
    decompose_color,
    decompose_spatial,
    known_matrices,
    scaled_to,
)
from itn.transformations import GRAY_WEIGHTS, TRANSFORMATIONS, transform
from itn.warp import affine_warp, in_pixels, recolor

WEIGHTS = np.array(GRAY_WEIGHTS) / sum(GRAY_WEIGHTS)
SPATIAL = {
    "rotation": 0.0,
    "scale_x": 1.0,
    "scale_y": 1.0,
    "shear": 0.0,
    "translation_x": 0.0,
    "translation_y": 0.0,
}
COLOR = {"brightness": 0.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}


@pytest.mark.parametrize("matrix", [np.eye(2, 3), np.eye(3, 4)])
def test_the_identity_moves_nothing(matrix):
    measure = spatial_displacement if matrix.shape[1] == 3 else color_displacement
    assert measure(matrix) == 0


def test_spatial_displacement_of_a_half_turn_is_a_diagonal():
    assert spatial_displacement([[-1, 0, 0], [0, -1, 0]]) == pytest.approx(np.sqrt(2))


def test_spatial_displacement_is_a_shift_s_own_length():
    assert spatial_displacement([[1, 0, 2 * 0.3], [0, 1, 2 * 0.4]]) == pytest.approx(0.5)


def test_color_displacement_of_an_inversion_and_of_a_blackout():
    inverted = np.c_[-np.eye(3), np.ones(3)]
    assert color_displacement(inverted) == pytest.approx(1)
    black = np.zeros((3, 4))
    lengths = [np.sqrt(sum(c) / 3) for c in np.ndindex(2, 2, 2)]
    assert color_displacement(black) == pytest.approx(np.mean(lengths))


@pytest.mark.parametrize("shape", [(2, 3), (3, 4)])
def test_scaled_matrices_have_the_displacement_that_was_asked_for(shape):
    rng = np.random.default_rng(0)
    direction, wanted = rng.normal(size=(20, *shape)), rng.uniform(0.01, 3, 20)
    measure = spatial_displacement if shape == (2, 3) else color_displacement
    scaled = scaled_to(direction, wanted)
    np.testing.assert_allclose(measure(scaled), wanted)
    ratio = (scaled - np.eye(*shape)) / direction
    np.testing.assert_allclose(ratio, ratio[:, :1, :1] * np.ones(shape))


def content_matrix(rotation, scale_x, scale_y, shear, translation_x, translation_y):
    """Return where content is read, from what happens to it, by matrix products alone."""
    angle = np.radians(rotation)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear = turn @ np.array([[1, shear], [0, 1]]) @ np.diag([scale_x, scale_y])
    forward = np.eye(3)
    forward[:2, :2], forward[:2, 2] = linear, [2 * translation_x, 2 * translation_y]
    return np.linalg.inv(forward)[:2]


def test_decomposition_finds_what_a_matrix_was_composed_of():
    rng = np.random.default_rng(1)
    for _ in range(50):
        made = {
            "rotation": rng.uniform(-179, 179),
            "scale_x": rng.uniform(0.2, 3),
            "scale_y": rng.uniform(0.2, 3),
            "shear": rng.normal(),
            "translation_x": rng.normal(),
            "translation_y": rng.normal(),
        }
        found = decompose_spatial([content_matrix(**made)]).iloc[0].to_dict()
        assert found == pytest.approx(made)


def test_a_mirror_image_has_a_negative_scale():
    found = decompose_spatial([[[1, 0, 0], [0, -1, 0]]]).iloc[0].to_dict()
    assert found == pytest.approx(SPATIAL | {"scale_y": -1})


def named(name):
    kind, _, magnitude = name.partition(" ")
    return kind, float(magnitude or 0)


def test_every_transformation_that_is_a_matrix_is_known():
    one = np.ones((1, 1, 1, 1))
    matrices = {name: each.matrix(one, 2, 2) for name, each in TRANSFORMATIONS.items()}
    assert {name for name, matrix in matrices.items() if matrix is not None} == set(MATRICES)
    assert len(MATRICES) == len(TRANSFORMATIONS) - 2  # all but blur and noise


def test_known_matrices_do_what_their_transformation_does():
    """Against `itn.transform` itself, on pixels."""
    rng = np.random.default_rng(2)
    images = rng.random((1, 16, 16, 3)).astype("float32")
    spatial, color, spatial_names, color_names = known_matrices()
    assert spatial_names[0] == color_names[0] == "identity"
    for name, matrix in list(zip(spatial_names, spatial, strict=True))[1::7]:
        kind, magnitude = named(name)
        moved = affine_warp(images, in_pixels(matrix[None].astype("float32"), images.shape))
        # Names carry three digits, so the pictures agree to the slope times a thousandth.
        np.testing.assert_allclose(moved, transform(images, kind, magnitude), atol=0.05)
    for name, matrix in list(zip(color_names, color, strict=True))[1::5]:
        kind, magnitude = named(name)
        expected = transform(images, kind, magnitude)
        np.testing.assert_allclose(recolor(images, matrix[None]), expected, atol=0.02)


def test_decomposition_gives_the_magnitudes_of_known_transformations():
    spatial, color, spatial_names, color_names = known_matrices()
    for name, (_, row) in zip(spatial_names, decompose_spatial(spatial).iterrows(), strict=True):
        kind, magnitude = named(name)
        expected = {"scale_x": magnitude, "scale_y": magnitude} if kind == "zoom" else {}
        if kind in SPATIAL:
            expected = {kind: (magnitude + 180) % 360 - 180 if kind == "rotation" else magnitude}
        found = row.to_dict()
        if kind == "rotation":  # 180° is -180°, and a full turn is none
            assert np.cos(np.radians(found.pop("rotation") - expected.pop("rotation"))) > 1 - 1e-9
        assert found == pytest.approx(
            {k: (SPATIAL | expected)[k] for k in found}, abs=2e-3, rel=5e-3
        )
    for name, (_, row) in zip(color_names, decompose_color(color).iterrows(), strict=True):
        kind, magnitude = named(name)
        expected = {"saturation": 1 - magnitude} if kind == "grayscale" else {}
        if kind in COLOR:
            expected = {kind: magnitude}
        found = row.to_dict()
        if kind == "grayscale" and magnitude == 1:
            found["hue"] = 0.0  # of no color
        assert found == pytest.approx(COLOR | expected, abs=2e-3, rel=5e-3)


@pytest.mark.parametrize("degrees", [-120.0, -30.0, 10.0, 90.0])
def test_hue_is_the_angle_by_which_chroma_turns(degrees):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    chroma = np.eye(3) - np.outer(np.ones(3), WEIGHTS)
    linear = np.outer(np.ones(3), WEIGHTS) + 0.7 * CHROMA @ turn @ np.linalg.pinv(CHROMA) @ chroma
    found = decompose_color([np.c_[linear, np.zeros(3)]]).iloc[0].to_dict()
    assert found == pytest.approx(COLOR | {"hue": degrees, "saturation": 0.7}, abs=1e-9)


def test_a_positive_hue_turns_red_towards_yellow():
    angle = np.radians(20.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    chroma = np.eye(3) - np.outer(np.ones(3), WEIGHTS)
    linear = np.outer(np.ones(3), WEIGHTS) + CHROMA @ turn @ np.linalg.pinv(CHROMA) @ chroma
    red = linear @ [1, 0, 0]
    assert red[1] > 0.05 and red[2] < 0
