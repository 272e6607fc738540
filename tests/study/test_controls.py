"""Controls: what is done to pictures, against scipy; thresholds that are known on paper."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from itn.study.controls import (
    CLIPPED,
    SCREENED,
    THERE_AND_BACK,
    canvas_of,
    control_change,
    control_summary,
    control_table,
    half_thresholds,
    plot_controls,
    there_and_back,
)
from itn.transformations import find_transformation, transform

SIZE = 12


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((2, SIZE, SIZE, 3)).astype("float32")


def at(magnitude):
    return np.full((1, 1, 1, 1), magnitude, np.float32)


def back(name, images, magnitude):
    motion = find_transformation(name)
    found = there_and_back(motion, canvas_of(motion, SIZE, SIZE), images, at(magnitude))
    return np.asarray(found)


@pytest.mark.parametrize(
    ("name", "magnitude", "matrix"),
    [
        ("rotation", 30.0, lambda m: [[np.cos(m * np.pi / 180), -np.sin(m * np.pi / 180)],
                                      [np.sin(m * np.pi / 180), np.cos(m * np.pi / 180)]]),
        ("zoom", 0.7, lambda m: np.eye(2) / m),
        ("scale_x", 2.5, lambda m: np.diag([1 / m, 1])),
    ],
)  # fmt: skip
def test_there_and_back_interpolates_twice_on_a_large_canvas(images, name, magnitude, matrix):
    """The same by scipy, on a canvas far larger than it has to be."""
    more = 40
    canvas = np.pad(images, ((0, 0), (more, more), (more, more), (0, 0)), "edge")
    middle = (canvas.shape[1] - 1) / 2
    y, x = np.mgrid[: canvas.shape[1], : canvas.shape[2]] - middle
    there = np.array(matrix(magnitude))
    expected = canvas.astype(float)
    for step in (there, np.linalg.inv(there)):
        read_x, read_y = (step @ np.stack([x.ravel(), y.ravel()])).reshape(2, *x.shape)
        expected = np.stack(
            [
                np.stack(
                    [
                        ndimage.map_coordinates(
                            one[..., channel], [read_y + middle, read_x + middle],
                            order=1, mode="nearest",
                        )
                        for channel in range(3)
                    ],
                    -1,
                )
                for one in expected
            ]
        )  # fmt: skip
    expected = expected[:, more:-more, more:-more]
    np.testing.assert_allclose(back(name, images, magnitude), expected, atol=2e-4)


@pytest.mark.parametrize(
    ("name", "magnitude"),
    [("rotation", 0), ("rotation", 90), ("translation_x", 0.25), ("translation_y", -0.5),
     ("zoom", 1)],
)  # fmt: skip
def test_where_nothing_is_interpolated_pictures_come_back_whole(images, name, magnitude):
    np.testing.assert_allclose(back(name, images, magnitude), images, atol=1e-6)


def test_a_fill_and_clipping_are_those_of_the_transformation(images):
    for name, control, options in (
        ("rotation", "reflect", {"fill": "reflect"}),
        ("brightness", CLIPPED, {"clip": True}),
        ("contrast", CLIPPED, {"clip": True}),
    ):
        transformation = find_transformation(name)
        magnitude = 1.5 * transformation.identity + 0.5
        change = control_change(transformation, control, "zeros", SIZE)
        expected = transform(images, name, magnitude, **options)
        np.testing.assert_allclose(
            np.asarray(change(images=images, magnitude=at(magnitude))), expected, atol=1e-6
        )


def right_up_to(limits, axis):
    return np.abs(axis) <= np.asarray(limits)[:, None] + 1e-9


def test_half_of_all_pictures_is_lost_where_that_is_known():
    axis = np.linspace(0, 1, 11)
    brightness = find_transformation("brightness")
    # From six right of eight, at 0.3, to two, at 0.4: half of eight is in the middle.
    limits = [0.1, 0.1, 0.3, 0.3, 0.3, 0.3, 2, 2]
    found = half_thresholds(right_up_to(limits, axis), axis, brightness)
    assert found[0] == pytest.approx(0.35)
    never = half_thresholds(right_up_to([2] * 8, axis), axis, brightness)
    assert np.isinf(never).all()
    factors = 2.0 ** -np.arange(3)
    halved = half_thresholds(
        np.array([[1, 1, 0], [1, 1, 0]], bool), factors, find_transformation("zoom")
    )
    assert halved[0] == pytest.approx(1.5 * np.log(2))


@pytest.fixture
def known():
    """Clipped, all twenty pictures hold a fifth of the range farther than as screened."""
    axis = np.linspace(-1, 1, 21)
    rng = np.random.default_rng(1)
    limits = rng.uniform(0.2, 0.5, 20)
    up = np.stack([right_up_to(limits + more, axis) for more in (0, 0.2)])
    moved = np.stack([right_up_to(limits, axis)] * 2 + [right_up_to([2] * 20, axis)])
    coords = {"true": ("image", np.ones(20, int)), "magnitude": axis}
    dims = ("control", "image", "magnitude")
    return {
        "brightness": xr.Dataset(
            {"predicted": (dims, up.astype(int))}, {"control": [SCREENED, CLIPPED], **coords}
        ),
        "translation_x": xr.Dataset(
            {"predicted": (dims, moved.astype(int))},
            {"control": [SCREENED, "edge", THERE_AND_BACK], **coords},
        ),
    }


def test_what_is_farther_out_for_every_picture_is_marked_and_what_is_equal_is_not(known):
    table = control_table(known)
    assert table.index.tolist() == [
        (name, direction) for name in known for direction in ("down", "up")
    ]
    assert table.loc["brightness", CLIPPED].str.endswith(" ▲").all()
    assert not table.loc["brightness", SCREENED].str.contains("[▲▼]").any()
    assert (table.loc["translation_x", "edge"] == table.loc["translation_x", SCREENED]).all()
    assert table.loc["translation_x", THERE_AND_BACK].tolist() == ["100%"] * 2
    assert control_summary(table).T.to_dict("list") == {CLIPPED: [2, 2, 0], "edge": [2, 0, 0]}


def test_the_figure_shows_each_control_as_its_mean(known):
    axes = plot_controls(known).axes
    for one, (name, of) in zip(axes, known.items(), strict=False):
        drawn = {line.get_label(): line.get_ydata() for line in one.lines}
        assert list(drawn) == of.control.values.tolist(), name
        for control, curve in drawn.items():
            np.testing.assert_allclose(curve, of.predicted.sel(control=control).mean("image"))
