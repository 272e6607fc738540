"""Every transformation against an oracle of its own, from its definition alone."""

import keras
import numpy as np
import pytest
import skimage.transform
from keras import ops
from scipy import ndimage, stats

from itn.messages import UsageError
from itn.transformations import (
    TRANSFORMATIONS,
    check_pictures,
    find_transformation,
    noise_fields,
    seed_of,
    transform,
)
from itn.warp import FILLS

NAMES = (
    "translation_x",
    "translation_y",
    "rotation",
    "scale_x",
    "scale_y",
    "zoom",
    "brightness",
    "contrast",
    "grayscale",
    "blur",
    "noise",
)
SIZES = [(10, 10), (11, 11), (9, 14), (14, 9), (8, 13)]  # height, width
# For each transformation some magnitudes, weak and strong, on either side of the identity.
MAGNITUDES = {
    "translation_x": (-0.5, -0.13, 0.07, 0.5, 1.2),
    "translation_y": (-1.2, -0.5, -0.13, 0.07, 0.5),
    "rotation": (-33.0, 5.0, 45.0, 100.0, 222.2, 359.0, 725.0),
    "scale_x": (0.25, 0.7, 1.3, 4.0),
    "scale_y": (0.25, 0.7, 1.3, 4.0),
    "zoom": (0.25, 0.7, 1.3, 4.0),
    "brightness": (-1.0, -0.3, 0.4, 1.0),
    "contrast": (1 / 16, 0.5, 1.5, 4.0),
    "grayscale": (0.1, 0.5, 1.0),
    "blur": (0.1, 0.4, 0.9),
    "noise": (0.05, 0.4, 1.0),
}
ALL_MAGNITUDES = [(name, m) for name, values in MAGNITUDES.items() for m in values]
SPATIAL = NAMES[:6]


def pictures(height=9, width=14, count=2, dtype="float32", seed=0):
    return np.random.default_rng(seed).random((count, height, width, 3)).astype(dtype)


def smooth_pictures(height, width, count=2):
    y, x = np.mgrid[:height, :width][:, None, :, :, None]
    phase = np.random.default_rng(0).uniform(0, 6, (2, count, 1, 1, 3))
    waves = np.sin(7 * x / width + phase[0]) * np.sin(6 * y / height + phase[1])
    return (0.5 + 0.5 * waves).astype("float32")


def array(images, *arguments, **options):
    return np.asarray(transform(images, *arguments, **options))


def interior(images, margin):
    return images[:, margin:-margin, margin:-margin]


def read_from(name, magnitude, height, width):
    """Where every pixel's value comes from: rows and columns [2, H, W]."""
    rows, columns = np.mgrid[:height, :width].astype(float)
    up, right = (height - 1) / 2 - rows, columns - (width - 1) / 2  # as displayed
    if name == "translation_x":
        right = right - magnitude * width
    elif name == "translation_y":
        up = up + magnitude * height
    elif name == "rotation":  # the content was turned by +θ, so look back by -θ
        turned = (right + 1j * up) * np.exp(-1j * np.deg2rad(magnitude))
        right, up = turned.real, turned.imag
    if name in ("scale_x", "zoom"):
        right = right / magnitude
    if name in ("scale_y", "zoom"):
        up = up / magnitude
    return np.stack([(height - 1) / 2 - up, right + (width - 1) / 2])


def moved_by_scipy(images, name, magnitude, fill):
    """Move pictures by one magnitude or by one each."""
    mode = {"edge": "nearest", "reflect": "reflect"}.get(fill, "grid-constant")
    expected = np.empty(images.shape)
    for n, each in enumerate(np.broadcast_to(magnitude, len(images))):
        source = read_from(name, each, *images.shape[1:3])
        for c in range(3):
            channel = images[n, :, :, c].astype(float)
            outside = channel.mean() if fill == "mean" else 0.0
            expected[n, :, :, c] = ndimage.map_coordinates(
                channel, source, order=1, mode=mode, cval=outside
            )
    return expected


def blurred_by_scipy(images, sigma, fill):
    """Blur pictures by one standard deviation or by one each."""
    mode = {"edge": "nearest", "reflect": "reflect"}.get(fill, "constant")
    expected = np.empty(images.shape)
    for n, each in enumerate(np.broadcast_to(sigma, len(images))):
        for c in range(3):
            channel = images[n, :, :, c].astype(float)
            outside = channel.mean() if fill == "mean" else 0.0
            expected[n, :, :, c] = ndimage.gaussian_filter(
                channel, each, truncate=8, mode=mode, cval=outside
            )
    return expected


# What there is


def test_there_are_eleven_transformations_under_their_names():
    assert tuple(TRANSFORMATIONS) == NAMES
    assert all(each.name == name for name, each in TRANSFORMATIONS.items())


@pytest.mark.parametrize(
    ("name", "identity", "first", "last", "logarithmic"),
    [
        ("translation_x", 0, -0.5, 0.5, False),
        ("translation_y", 0, -0.5, 0.5, False),
        ("rotation", 0, 0, 360, False),
        ("scale_x", 1, 1 / 4, 4, True),
        ("scale_y", 1, 1 / 4, 4, True),
        ("zoom", 1, 1 / 4, 4, True),
        ("brightness", 0, -1, 1, False),
        ("contrast", 1, 1 / 16, 4, True),
        ("grayscale", 0, 0, 1, False),
        ("blur", 0, 0, 20, False),  # 10 % of a width of 200
        ("noise", 0, 0, 1, False),
    ],
)
def test_default_sweeps_run_as_documented(name, identity, first, last, logarithmic):
    each = find_transformation(name)
    sweep = each.sweep(200)
    assert each.identity == identity and each.logarithmic == logarithmic
    assert sweep.dtype == np.float64
    assert (sweep[0], sweep[-1]) == pytest.approx((first, last), rel=1e-12)
    assert identity in sweep  # exactly
    steps = np.diff(np.log(sweep) if logarithmic else sweep)
    assert steps[0] > 0 and np.allclose(steps, steps[0])
    np.testing.assert_array_equal(each.checked(sweep), sweep)


# Geometry


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", SPATIAL)
def test_moved_pixels_agree_with_scipy(name, fill):
    magnitudes = MAGNITUDES[name]
    for size in SIZES:
        images = pictures(*size, count=len(magnitudes))
        moved = array(images, name, magnitudes, fill=fill)
        expected = moved_by_scipy(images, name, magnitudes, fill)
        np.testing.assert_allclose(moved, expected, atol=1e-4, err_msg=str(size))


@pytest.mark.parametrize("size", SIZES)
def test_rotation_agrees_with_scikit_image_inside(size):
    angles = [-120.0, 10.0, 45.0, 90.0, 200.0]
    images = pictures(*size, count=len(angles))
    for image, rotated, degrees in zip(
        images, array(images, "rotation", angles), angles, strict=True
    ):
        # Only where the whole neighborhood lies inside: outside, conventions differ.
        rows, columns = read_from("rotation", degrees, *size)
        inside = (rows >= 0) & (rows <= size[0] - 1) & (columns >= 0) & (columns <= size[1] - 1)
        assert inside.mean() > 0.4
        expected = skimage.transform.rotate(image.astype(float), degrees, order=1)
        np.testing.assert_allclose(
            rotated[inside], expected[inside], atol=1e-4, err_msg=str(degrees)
        )


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_one_row_or_column_or_pixel(name, fill):
    magnitudes = MAGNITUDES[name]
    count = len(magnitudes)
    each = np.reshape(magnitudes, (-1, 1, 1, 1))
    for size in [(1, 1), (1, 4), (5, 1), (1, 2), (2, 1)]:
        images = pictures(*size, count=count)
        transformed = array(images, name, magnitudes, fill=fill)
        if name in SPATIAL:
            expected = moved_by_scipy(images, name, magnitudes, fill)
        elif name == "blur":
            expected = blurred_by_scipy(images, magnitudes, fill)
        elif name == "noise":
            fields = noise_fields([(0, i) for i in range(count)], (*size, 3))
            expected = images + each * fields
        else:
            expected = COLOR[name](images.astype(float), each)
        np.testing.assert_allclose(transformed, expected, atol=1e-4, err_msg=str(size))
        assert transformed.shape == images.shape


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("size", [1, 2, 9, 10])
def test_quarter_turns_of_squares_are_exact(size, fill):
    turns = np.array([-5, -2, -1, 1, 2, 3, 4, 5, 40])
    images = pictures(size, size, count=len(turns))
    turned = array(images, "rotation", 90 * turns, fill=fill)
    expected = [np.rot90(image, turn) for image, turn in zip(images, turns, strict=True)]
    np.testing.assert_array_equal(turned, expected)


@pytest.mark.parametrize("fill", FILLS)
def test_half_turns_are_exact_on_any_picture(fill):
    for size in SIZES:
        images = pictures(*size)
        np.testing.assert_array_equal(
            array(images, "rotation", 180, fill=fill), images[:, ::-1, ::-1], strict=True
        )


@pytest.mark.parametrize("size", [(9, 15), (15, 9), (8, 14)])
def test_a_quarter_turn_of_an_oblong_picture_is_a_rigid_motion(size):
    """Distances stay: what lies in the largest square about the center is turned as it is."""
    images = pictures(*size)
    side = min(size)  # sizes differ by an even number, so that centers coincide
    top, left = ((extent - side) // 2 for extent in size)
    square = np.s_[:, top : top + side, left : left + side]
    turned = array(images, "rotation", 90)
    np.testing.assert_array_equal(turned[square], np.rot90(images[square], axes=(1, 2)))
    outside = turned.copy()
    outside[square] = 0
    assert not outside.any()  # the picture's ends left the frame, nothing was squeezed in


@pytest.mark.parametrize(
    ("name", "magnitude", "before", "after"),
    [  # row, column of one bright pixel in a picture 9 high and 11 wide, center (4, 5)
        ("translation_x", 2 / 11, (3, 4), [(3, 6)]),
        ("translation_x", -2 / 11, (3, 4), [(3, 2)]),
        ("translation_y", 2 / 9, (3, 4), [(5, 4)]),
        ("translation_y", -2 / 9, (3, 4), [(1, 4)]),
        ("rotation", 90, (4, 8), [(1, 5)]),  # from the right to the top
        ("rotation", -90, (4, 8), [(7, 5)]),
        ("scale_x", 0.5, (4, 9), [(4, 7)]),
        ("scale_y", 0.5, (8, 5), [(6, 5)]),
        ("zoom", 0.5, (2, 7), [(3, 6)]),
        ("scale_x", 2, (3, 6), [(row, c) for row in (3,) for c in (6, 7, 8)]),
        ("scale_y", 2, (3, 6), [(r, 6) for r in (1, 2, 3)]),
        ("zoom", 2, (3, 6), [(r, c) for r in (1, 2, 3) for c in (6, 7, 8)]),
    ],
)
def test_directions_of_a_single_bright_pixel(name, magnitude, before, after):
    images = np.zeros((1, 9, 11, 3), "float32")
    images[(0, *before)] = 1
    moved = array(images, name, magnitude)[0].min(axis=-1)
    assert [tuple(index) for index in np.argwhere(moved > 1e-4).tolist()] == after


@pytest.mark.parametrize(
    ("name", "there", "back", "tolerance"),
    [
        ("rotation", 30, -30, 0.01),
        ("rotation", 117, -117, 0.01),
        ("zoom", 1.5, 1 / 1.5, 0.01),
        ("scale_x", 1.7, 1 / 1.7, 0.01),
        ("scale_y", 1.7, 1 / 1.7, 0.01),
        ("translation_x", 0.083, -0.083, 0.01),
        ("translation_y", -0.083, 0.083, 0.01),
        ("brightness", 0.4, -0.4, 1e-6),
        ("contrast", 3.0, 1 / 3, 1e-6),
    ],
)
@pytest.mark.parametrize("size", [(48, 48), (41, 60)])
def test_there_and_back_again_closes_inside(size, name, there, back, tolerance):
    images = smooth_pictures(*size)
    margin = min(size) // 3
    for fill in FILLS:
        away = array(images, name, there, fill=fill)
        again = array(away, name, back, fill=fill)
        assert np.abs(interior(away - images, margin)).max() > 10 * tolerance
        np.testing.assert_allclose(
            interior(again, margin), interior(images, margin), atol=tolerance, err_msg=fill
        )


# Color, blur and noise


def in_gray(images):
    red, green, blue = np.moveaxis(images, -1, 0)
    return (0.2989 * red + 0.587 * green + 0.114 * blue)[..., None]


COLOR = {
    "brightness": lambda images, m: images + m,
    "contrast": lambda images, m: m * images,
    "grayscale": lambda images, m: (1 - m) * images + m * in_gray(images),
}


@pytest.mark.parametrize("name", COLOR)
def test_color_transformations_agree_with_closed_forms(name):
    magnitudes = MAGNITUDES[name]
    for size in SIZES:
        images = pictures(*size, count=len(magnitudes))
        expected = COLOR[name](images.astype(float), np.reshape(magnitudes, (-1, 1, 1, 1)))
        for fill in FILLS:
            changed = array(images, name, magnitudes, fill=fill)
            np.testing.assert_allclose(changed, expected, atol=1e-6, err_msg=f"{size} {fill}")


@pytest.mark.parametrize("fill", FILLS)
def test_blur_agrees_with_scipy_up_to_a_tenth_of_the_width(fill):
    for size in [(24, 24), (25, 25), (20, 31), (31, 20)]:
        sigmas = size[1] * np.array([0.005, 0.02, 0.05, 0.1])
        images = pictures(*size, count=len(sigmas))
        np.testing.assert_allclose(
            array(images, "blur", sigmas, fill=fill),
            blurred_by_scipy(images, sigmas, fill),
            atol=1e-4,
            err_msg=str(size),
        )


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(
    ("size", "sigmas"), [((10, 10), [4.0, 10.0]), ((6, 30), [3.0]), ((30, 6), [3.0])]
)
def test_blur_agrees_with_scipy_where_the_kernel_is_wider_than_the_picture(size, sigmas, fill):
    images = pictures(*size, count=len(sigmas))
    np.testing.assert_allclose(
        array(images, "blur", sigmas, fill=fill), blurred_by_scipy(images, sigmas, fill), atol=1e-4
    )


@pytest.mark.parametrize("fill", ["edge", "reflect", "mean"])
@pytest.mark.parametrize("sigma", [0.5, 3.0, 12.0])
def test_blur_leaves_an_even_color_as_it_is(sigma, fill):
    images = np.broadcast_to(np.float32([0.2, 0.5, 0.9]), (1, 18, 23, 3))
    np.testing.assert_allclose(array(images, "blur", sigma, fill=fill), images, atol=1e-5)


def noise_of(count=4, size=(40, 50), magnitude=1.0, **options):
    return array(np.zeros((count, *size, 3), "float32"), "noise", magnitude, **options)


def test_noise_is_standard_normal_and_independent_for_each_value():
    field = noise_of()
    values = field.size
    assert abs(field.mean()) < 5 / np.sqrt(values)
    assert abs(field.std() - 1) < 5 / np.sqrt(2 * values)
    assert stats.kstest(field.ravel(), "norm").pvalue > 1e-4
    neighbors = {
        "pictures": (field[0], field[1]),
        "rows": (field[:, 1:], field[:, :-1]),
        "columns": (field[:, :, 1:], field[:, :, :-1]),
        "channels": (field[..., 0], field[..., 1]),
    }
    for what, (one, other) in neighbors.items():
        correlation = np.corrcoef(one.ravel(), other.ravel())[0, 1]
        assert abs(correlation) < 5 / np.sqrt(one.size), what


def test_noise_is_the_same_field_at_every_magnitude():
    images = pictures(count=3)
    field = array(np.zeros_like(images), "noise", 1.0, seed=4)
    assert field.std() > 0.9
    for magnitude in (0.01, 0.3, 2.0):
        expected = images.astype(float) + magnitude * field.astype(float)
        np.testing.assert_allclose(array(images, "noise", magnitude, seed=4), expected, atol=1e-6)


def test_noise_depends_on_the_seed_alone():
    np.testing.assert_array_equal(noise_of(seed=3), noise_of(seed=3))
    correlation = np.corrcoef(noise_of(seed=3).ravel(), noise_of(seed=4).ravel())[0, 1]
    assert abs(correlation) < 0.05
    keras.utils.set_random_seed(5)
    first = noise_of()
    keras.utils.set_random_seed(6)
    np.testing.assert_array_equal(first, noise_of())


def test_noise_does_not_touch_the_global_random_state():
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    noise_of()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_noise_takes_a_seed_for_each_picture():
    fields = noise_of(count=3, seed=[7, 8, 7])
    np.testing.assert_array_equal(fields[0], fields[2])
    assert np.abs(fields[0] - fields[1]).max() > 1
    np.testing.assert_array_equal(noise_of(count=1, seed=[8])[0], fields[1])
    np.testing.assert_array_equal(noise_of(count=3, seed=np.array([7, 8, 7])), fields)


def test_noise_of_a_picture_does_not_depend_on_how_many_follow():
    np.testing.assert_array_equal(noise_of(count=2, seed=9), noise_of(count=5, seed=9)[:2])


def test_noise_refuses_another_number_of_seeds():
    for seeds in ([1], [1, 2, 3]):
        with pytest.raises(UsageError, match="seed"):
            noise_of(count=2, seed=seeds)


def test_noise_refuses_a_negative_seed():
    with pytest.raises(ValueError, match="negative"):
        noise_of(seed=-1)


def test_noise_fields_come_from_seeds_of_names():
    one, other = seed_of(0, "tick/a.jpg"), seed_of(0, "tick/b.jpg")
    assert one == seed_of(0, "tick/a.jpg")
    assert len({one, other, seed_of(1, "tick/a.jpg")}) == 3
    fields = noise_fields([one, other, one], (4, 5, 3))
    assert fields.dtype == np.float32
    np.testing.assert_array_equal(fields[0], fields[2])
    assert np.abs(fields[0] - fields[1]).min() > 0


# What holds for all of them


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", NAMES)
def test_the_identity_magnitude_returns_the_picture_bit_for_bit(name, fill):
    identity = find_transformation(name).identity
    for size in SIZES:
        images = pictures(*size, count=3) * 3 - 1  # nothing is clipped, either
        for magnitude in (identity, [identity] * 3):
            same = array(images, name, magnitude, fill=fill)
            np.testing.assert_array_equal(same, images, strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_identity_magnitude_leaves_one_picture_of_a_batch_as_it_is(name):
    images = pictures(count=3)
    magnitude = [MAGNITUDES[name][1], find_transformation(name).identity, MAGNITUDES[name][-1]]
    transformed = array(images, name, magnitude)
    np.testing.assert_array_equal(transformed[1], images[1])
    assert np.abs(transformed[::2] - images[::2]).max(axis=(1, 2, 3)).min() > 0.01


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", NAMES)
def test_a_magnitude_for_each_picture_equals_a_loop(name, fill):
    magnitudes = MAGNITUDES[name]
    images = pictures(count=len(magnitudes))
    seeds = list(range(len(magnitudes)))
    together = array(images, name, magnitudes, fill=fill, seed=seeds)
    one_by_one = [
        array(images[i : i + 1], name, m, fill=fill, seed=seeds[i : i + 1])[0]
        for i, m in enumerate(magnitudes)
    ]
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", NAMES)
def test_a_scalar_equals_an_array_of_equal_values(name, fill):
    images, magnitude = pictures(count=3), MAGNITUDES[name][1]
    expected = array(images, name, magnitude, fill=fill)
    for same in (np.full(3, magnitude), [magnitude] * 3, [magnitude], np.float32(magnitude)):
        np.testing.assert_allclose(array(images, name, same, fill=fill), expected, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_no_picture_changes_another_one(name):
    images, magnitude = pictures(count=3), MAGNITUDES[name][0]
    before = array(images, name, magnitude, fill="mean")
    images[1] = 0
    after = array(images, name, magnitude, fill="mean")
    np.testing.assert_array_equal(after[::2], before[::2])


@pytest.mark.parametrize("name", NAMES)
def test_the_given_array_is_not_written_to(name):
    images = pictures()
    images.flags.writeable = False
    before = images.copy()
    transform(images, name, MAGNITUDES[name][0], clip=True)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(("name", "magnitude"), ALL_MAGNITUDES)
def test_clip_cuts_the_result_to_the_unit_range_and_is_off_by_default(name, magnitude):
    images = 2 * pictures() - 0.5
    free = array(images, name, magnitude, fill="reflect")
    assert free.min() < 0 or free.max() > 1 or name == "contrast"
    clipped = array(images, name, magnitude, fill="reflect", clip=True)
    np.testing.assert_array_equal(clipped, np.clip(free, 0, 1))


@pytest.mark.parametrize("name", NAMES)
def test_float64_stays_float64(tensorflow, name):
    images = pictures(dtype="float64")
    magnitude = MAGNITUDES[name][1]
    result = array(images, name, magnitude)
    assert result.dtype == np.float64
    if name in SPATIAL:
        expected = moved_by_scipy(images, name, magnitude, "zeros")
        np.testing.assert_allclose(result, expected, atol=1e-12)
    elif name == "blur":
        expected = blurred_by_scipy(images, magnitude, "zeros")
        np.testing.assert_allclose(result, expected, atol=1e-12)
    else:
        np.testing.assert_allclose(result, array(images.astype("float32"), name, magnitude), 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_no_pictures_give_no_pictures(name):
    assert array(pictures(count=0), name, MAGNITUDES[name][0]).shape == (0, 9, 14, 3)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_the_magnitude_agree_with_central_differences(tensorflow, name, fill):
    images = pictures(6, 7, count=2, dtype="float64")
    # Not where a pixel is read exactly: there the interpolation has a kink.
    angles, factors, others = (-33.0, 101.0), (0.713, 1.37), (0.137, 0.713)
    factor = find_transformation(name).logarithmic
    low, high = angles if name == "rotation" else factors if factor or name == "blur" else others
    magnitude = np.array([low, high]).reshape(2, 1, 1, 1)
    noise = noise_fields([1, 2], images.shape[1:]).astype("float64")
    apply = find_transformation(name).apply
    weights = np.random.default_rng(2).normal(size=images.shape)

    def values(magnitude):
        return tensorflow.reduce_sum(apply(images, magnitude, fill, noise) * weights, (1, 2, 3))

    with tensorflow.GradientTape() as tape:
        given = tensorflow.constant(magnitude)
        tape.watch(given)
        gradient = np.asarray(tape.gradient(values(given), given)).ravel()
    step = 1e-6
    forward, backward = (
        values(tensorflow.constant(magnitude + sign * step)).numpy() for sign in (1, -1)
    )
    expected = (forward - backward) / (2 * step)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(expected).min() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_gradients_at_the_identity_are_finite(tensorflow, name):
    images = tensorflow.constant(pictures(6, 7))
    noise = tensorflow.constant(noise_fields([1, 2], (6, 7, 3)))
    each = find_transformation(name)
    for fill in FILLS:
        with tensorflow.GradientTape() as tape:
            given = tensorflow.fill((2, 1, 1, 1), each.identity)
            tape.watch([images, given])
            result = each.apply(images, given, fill, noise)
            gradients = tape.gradient(result, [images, given])
        assert all(np.isfinite(gradient).all() for gradient in gradients)


# What is refused

RANGES = {
    "translation_x": "a finite number",
    "rotation": "a finite number",
    "brightness": "a finite number",
    "scale_x": "a finite number > 0",
    "scale_y": "a finite number > 0",
    "zoom": "a finite number > 0",
    "contrast": "a finite number > 0",
    "grayscale": "a number from 0 to 1",
    "blur": "a finite number ≥ 0",
    "noise": "a finite number ≥ 0",
}
OUT_OF_RANGE = [
    *((name, bad) for name in NAMES for bad in (np.nan, np.inf, -np.inf, "strong", None, 1j)),
    *((name, bad) for name in ("scale_x", "scale_y", "zoom", "contrast") for bad in (0, -0.0, -2)),
    *((name, bad) for name in ("blur", "noise") for bad in (-1e-9, -3)),
    *(("grayscale", bad) for bad in (-0.01, 1.01, 50)),
    ("zoom", [1.0, 0.0]),
    ("rotation", [np.nan, 0.0]),
    ("rotation", "30"),
]


@pytest.mark.parametrize(("name", "bad"), OUT_OF_RANGE)
def test_a_magnitude_out_of_range_is_refused_with_the_range(name, bad):
    possible = RANGES.get(name, "a finite number")
    with pytest.raises(UsageError) as caught:
        transform(pictures(), name, bad)
    assert f"magnitude of {name} must be {possible}, got " in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert str(bad) in str(caught.value)


def test_the_ends_of_a_range_are_possible():
    images = pictures()
    gray = array(images, "grayscale", 1.0)
    np.testing.assert_allclose(np.ptp(gray, axis=-1), 0, atol=1e-6)
    for name in ("grayscale", "blur", "noise"):
        np.testing.assert_array_equal(array(images, name, 0.0), images)


@pytest.mark.parametrize("bad", [[], [1.0, 2.0, 3.0], [[1.0, 2.0]], np.ones((2, 1))])
def test_another_number_of_magnitudes_than_pictures_is_refused(bad):
    with pytest.raises(UsageError, match=r"one number or one for each of the 2 pictures.*shape"):
        transform(pictures(), "zoom", bad)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool", "float16"])
def test_pictures_of_another_type_are_refused(dtype):
    with pytest.raises(UsageError, match=f"must be float32 or float64.*{dtype}.*divide .* by 255"):
        transform(np.ones((1, 4, 4, 3), dtype), "rotation", 10)


def random_pictures(smallest, largest, dtype="float32"):
    images = np.random.default_rng(0).uniform(smallest, largest, (3, 8, 8, 3)).astype(dtype)
    images[1, 2, 3], images[2, 3, 4] = smallest, largest
    return images


@pytest.mark.parametrize("form", ["array", "tensor", "list"])
@pytest.mark.parametrize(
    ("images", "found"),
    [
        (random_pictures(0, 255), "values from 0 to 255"),
        (random_pictures(0, 20), "values from 0 to 20"),  # taken in the dark
        (random_pictures(-127.5, 127.5), "values from -127.5 to 127.5"),
        (random_pictures(-123.7, 3), "values from -123.7 to 3"),
        (random_pictures(0, 65535), "values from 0 to 6.*e\\+04"),
    ],
)
def test_pictures_of_another_range_are_refused(images, found, form):
    given = {"array": images, "tensor": ops.convert_to_tensor(images), "list": images.tolist()}
    message = f"must be in .0, 1., transformed ones not far beyond, got float32 {found}: divide"
    with pytest.raises(UsageError, match=message):
        transform(given[form], "rotation", 10)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pictures_that_are_not_finite_are_refused_and_named(value):
    images = pictures(count=3)
    images[1, 2, 3, 0] = value
    with pytest.raises(UsageError, match=rf"finite .* got {value} in picture 1 of 0 … 2$"):
        transform(images, "brightness", 0.1)
    with pytest.raises(UsageError, match=rf"got {value} in b\.png$"):
        check_pictures(images, ["a.png", "b.png", "c.png"])


@pytest.mark.parametrize("name", NAMES)
def test_transformed_pictures_may_be_transformed_again(name):
    def ends(name):
        return find_transformation(name).sweep(40)[[0, -1]]

    images = pictures(40, 40)
    once = np.concatenate([array(images, first, ends(first)) for first in NAMES])
    for magnitude in ends(name):
        twice = array(once, name, magnitude)
        for each in (*once, *twice):  # one by one, since a batch is judged as a whole
            check_pictures(each[None])
    check_pictures(np.zeros((0, 8, 8, 3), "float32"))


def test_what_is_read_when_it_is_asked_for_is_looked_at_by_shape_and_type():
    class Lazy:
        shape, dtype = (5, 8, 8, 3), np.dtype("float32")

        def __array__(self, *_, **__):
            raise AssertionError("it was read")

    lazy = Lazy()
    check_pictures(lazy)
    lazy.dtype = np.dtype("uint8")
    with pytest.raises(UsageError, match="got uint8"):
        check_pictures(lazy)


def test_pictures_may_be_symbolic(tensorflow):
    images = pictures()
    graph = tensorflow.function(lambda images: transform(images, "rotation", 30))
    np.testing.assert_allclose(graph(images), array(images, "rotation", 30), atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4, 3), (4, 4), (1, 3, 4, 4), (1, 4, 4, 1), (1, 1, 4, 4, 3)])
def test_pictures_of_another_shape_are_refused(shape):
    with pytest.raises(UsageError) as caught:
        transform(np.zeros(shape, "float32"), "rotation", 10)
    assert "must have the shape [N, H, W, 3]" in str(caught.value)
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize(
    ("given", "closest"), [("rotate", "rotation"), ("Zoom", "zoom"), ("greyscale", "grayscale")]
)
def test_an_unknown_name_names_the_closest(given, closest):
    with pytest.raises(UsageError, match=f"'{given}'; closest: '{closest}'; possible: .*noise"):
        transform(pictures(), given, 1.0)


def test_an_unknown_fill_is_refused_also_where_it_does_nothing():
    for name in NAMES:
        with pytest.raises(UsageError, match=r"unknown fill 'mirror'; .*possible: zeros, edge"):
            transform(pictures(), name, 0.5, fill="mirror")
