"""Worst cases, where they are known on paper or found by trying everything."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
from scipy.ndimage import affine_transform

from itn.classifiers import Classifier, load_classifier
from itn.messages import UsageError
from itn.phantom.pictures import render_phantom
from itn.pictures import Pictures
from itn.worst_case import worst_case

SIZE, RADIUS = 24, 5.0
GEOMETRY = {"rotation": (-40, 40), "translation_x": (-1 / 12, 1 / 12)}


def of_one_class(images, name="c"):
    paths = tuple(f"{name}/{index}.png" for index in range(len(images)))
    return Pictures(images.astype("float32"), np.zeros(len(images), int), (name,), paths, "made")


def blob(degrees):
    """A blob of mass 1 as far from the center as RADIUS, counter-clockwise from the right."""
    axis = np.arange(SIZE) - (SIZE - 1) / 2
    x, y = RADIUS * np.cos(np.radians(degrees)), -RADIUS * np.sin(np.radians(degrees))
    mass = np.exp(-((axis - x) ** 2 + (axis[:, None] - y) ** 2) / (2 * 1.2**2))
    return np.repeat((mass / mass.sum())[..., None], 3, axis=-1)


@pytest.fixture(scope="module")
def place_classifier():
    """A classifier known on paper: logit 0 is how far to the right a blob lies, the other 1."""
    axis = np.arange(SIZE) - (SIZE - 1) / 2
    kernel = np.zeros((SIZE, SIZE, 3, 2))
    kernel[..., 0] = axis[None, :, None] / 3
    dense = keras.layers.Dense(2)
    network = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Flatten(), dense])
    dense.set_weights([kernel.reshape(-1, 2), np.array([0.0, 1.0])])
    return Classifier(network, lambda x: x, SIZE, ("right", "left"), name="place")


def test_the_worst_place_of_a_blob_is_found_between_the_points_of_the_grid(place_classifier):
    """Shifted by two pixels to the left, and turned until it lies leftmost."""
    angles = np.array([170, 200, 100, 0, 20])
    found = worst_case(
        place_classifier, of_one_class(np.stack(list(map(blob, angles))), "right"), GEOMETRY,
        {"rotation": 5, "translation_x": 3}, starts=2, rounds=7, progress=False,
    )  # fmt: skip
    turned = np.array([10, -20, 40, 40, 40])  # or -40, for the blob on the right
    least = RADIUS * np.cos(np.radians(angles + turned)) - 2 - 1
    np.testing.assert_allclose(found.margin.sel(stage="local"), least, atol=0.03)  # bilinear
    turn, shift = found.magnitude.sel(stage="local").values.T
    np.testing.assert_allclose(np.abs(turn[[0, 1, 2, 4]]), np.abs(turned[[0, 1, 2, 4]]), atol=5)
    np.testing.assert_allclose(shift, -1 / 12)
    # The grid, 20° wide, has no point for the first; it has for the second.
    assert abs(found.margin.sel(stage="grid") - least)[0] > 0.05
    assert abs(found.margin.sel(stage="grid") - least)[1] < 0.03
    untouched = RADIUS * np.cos(np.radians(angles)) - 1
    np.testing.assert_allclose(found.margin.sel(stage="untouched"), untouched, atol=0.01)
    assert found.right.sel(stage="untouched").values.tolist() == (untouched > 0).tolist()
    assert found.lost.values.tolist() == ((untouched > 0) & (least <= 0)).tolist()


def scipy_warped(picture, degrees, share, gray):
    """The picture turned, then shifted, then grayer: one interpolation, by scipy."""
    angle, center = np.radians(degrees), (np.array(picture.shape[:2]) - 1) / 2
    # In rows and columns, from where is written to where is read.
    back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    offset = center - back @ (center + np.array([0, share * picture.shape[1]]))
    warped = np.stack(
        [
            affine_transform(picture[..., c], back, offset, order=1, mode="grid-constant")
            for c in range(3)
        ],
        axis=-1,
    )
    return (1 - gray) * warped + gray * (warped @ [0.2989, 0.587, 0.114])[..., None]


def test_the_grid_is_what_trying_everything_gives(conv_classifier, two_kinds):
    ranges = {"rotation": (-30, 60), "translation_x": (-0.25, 0.25), "grayscale": (0, 1)}
    found = worst_case(
        conv_classifier, two_kinds, ranges,
        {"rotation": 4, "translation_x": 3, "grayscale": 2}, progress=False,
    )  # fmt: skip
    grids = [-30, 0, 30, 60], [-0.25, 0, 0.25], [0, 1]
    points = list(itertools.product(*grids))
    tried = np.array(
        [[scipy_warped(picture, *point) for point in points] for picture in two_kinds.images]
    )
    flat = tried.reshape(-1, *two_kinds.images.shape[1:]).astype("float32")
    logits = np.log(conv_classifier.predict(flat)).reshape(len(two_kinds), len(points), -1)
    true = np.array([2, 0])[two_kinds.labels]  # of the classes a … g
    margins = np.array(  # [N, G]
        [
            own[:, t] - np.delete(own, t, axis=1).max(axis=1)
            for own, t in zip(logits, true, strict=True)
        ]
    )
    np.testing.assert_allclose(found.margin.sel(stage="grid"), margins.min(axis=1), atol=2e-3)
    np.testing.assert_allclose(found.margin.sel(stage="untouched"), margins[:, 8], atol=2e-3)
    worst = np.array(points)[margins.argmin(axis=1)]
    np.testing.assert_allclose(found.magnitude.sel(stage="grid"), worst, atol=1e-6)
    share = (margins > 0).astype(float).reshape(-1, *map(len, grids))
    for axis in reversed(grids):
        share = np.trapezoid(share, axis) / np.ptp(axis)
    np.testing.assert_allclose(found.share, share)
    np.testing.assert_allclose(found.accuracy.values.ravel(), (margins > 0).mean(axis=0))
    assert found.accuracy.dims == tuple(ranges)
    # The local search starts from there, and never ends above it.
    assert (found.margin.diff("stage") <= 0).all()
    assert (found.margin.sel(stage="local") < found.margin.sel(stage="grid")).any()


def test_what_may_not_change_is_as_it_was(conv_classifier, two_kinds):
    still = {"rotation": (0, 0), "zoom": (1, 1), "brightness": (0, 0)}
    found = worst_case(conv_classifier, two_kinds, still, progress=False)
    true = conv_classifier.logits_of(two_kinds)[two_kinds.labels]
    untouched = conv_classifier.predict(two_kinds.images).argmax(axis=1) == true
    assert (found.right.values == untouched[:, None]).all()
    assert not found.lost.any()
    assert found.attrs["passes"] == len(two_kinds)


def test_a_picture_is_judged_by_itself(color_classifier):
    """Whatever else is looked at, in one batch or two."""
    images = np.random.default_rng(1).random((70, 1, 1, 3)) * np.ones((1, 8, 8, 1))
    pictures = of_one_class(images, "red")
    ranges = {"grayscale": (0, 0.8), "contrast": (0.5, 2)}
    whole = worst_case(color_classifier, pictures, ranges, 3, starts=2, rounds=2, progress=False)
    some = dataclasses.replace(
        pictures, images=pictures.images[60:], labels=pictures.labels[60:],
        paths=pictures.paths[60:],
    )  # fmt: skip
    alone = worst_case(color_classifier, some, ranges, 3, starts=2, rounds=2, progress=False)
    for name in ("margin", "magnitude", "share"):
        np.testing.assert_allclose(whole[name][60:], alone[name], rtol=1e-5, atol=1e-5)
    # 5 (red − the higher other), least contrast and most gray where that is positive.
    lead = 5 * (images[:, 0, 0, 0] - images[:, 0, 0, 1:].max(axis=-1))
    expected = np.where(lead > 0, 0.2 * 0.5 * lead, 2 * lead)
    np.testing.assert_allclose(whole.margin.sel(stage="local"), expected, atol=1e-4)
    assert (whole.margin.sel(stage="untouched") > 0).values.tolist() == (lead > 0).tolist()


def test_a_disc_has_no_worst_rotation():
    """What is invariant loses nothing, however long one looks."""
    found = worst_case(
        load_classifier("alexnet_phantom"), render_phantom(["disc"], 8), {"rotation": (-180, 180)},
        13, starts=1, rounds=1, progress=False,
    )  # fmt: skip
    assert found.right.sel(stage="untouched").all()
    assert found.right.sel(stage="local").all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"counts": 400}, "the grid has 160,801 points for each picture, more than 100,000: ask"),
        ({"starts": 0}, "starts must be at least 1 and rounds 0, got 0 and 5"),
        ({"rounds": -1}, "starts must be at least 1 and rounds 0, got 3 and -1"),
        ({"rounds": 1.5}, "rounds must be a whole number"),
        ({"fill": "zeroes"}, "unknown fill 'zeroes'; closest: 'zeros'"),
        ({"ranges": {"blur": (0, 1)}}, "blur has no matrix"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(color_classifier, options, message):
    given = {"ranges": {"rotation": (-30, 30), "zoom": (0.5, 2)}} | options
    with pytest.raises(UsageError, match=message):
        worst_case(color_classifier, of_one_class(np.ones((1, 8, 8, 3)), "red"), **given)


def test_pictures_that_do_not_fit_are_refused(color_classifier):
    for pictures, message in (
        (of_one_class(np.ones((1, 9, 9, 3)), "red"), "looks at pictures of shape"),
        (of_one_class(np.ones((0, 8, 8, 3)), "red"), "there are no pictures"),
        (of_one_class(np.ones((1, 8, 8, 3)), "pink"), "unknown class of color 'pink'"),
    ):
        with pytest.raises(UsageError, match=message):
            worst_case(color_classifier, pictures, {"rotation": (-30, 30)})


def test_an_answer_that_is_no_number_names_its_picture():
    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    classifier = Classifier(
        network, lambda x: 9 * keras.ops.sqrt(x), 8, ("red", "green", "blue"), name="roots"
    )
    images = np.full((3, 8, 8, 3), 0.5)
    images[1] = 0.1
    with pytest.raises(UsageError, match=r"roots gives no number for red/1.png under "):
        worst_case(
            classifier, of_one_class(images, "red"), {"brightness": (-0.2, 0)}, progress=False
        )
