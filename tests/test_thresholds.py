"""Thresholds of curves whose crossings are known on paper."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from itn.messages import UsageError
from itn.thresholds import (
    accuracy,
    accuracy_interval,
    consistency,
    is_correct,
    margins,
    mean_over_sweep,
    median_threshold,
    thresholds,
    true_softmax,
    unrolled,
    value_at,
)
from itn.transformations import find_transformation

TARGET = 2  # of four classes
NAN = float("nan")


def synthetic(name, magnitudes, margin, hits=None, pictures=10):
    """A screening of one category with the given margin and number of correct pictures."""
    magnitudes = np.asarray(magnitudes, float)
    margin = np.broadcast_to(margin, magnitudes.shape)
    hits = np.broadcast_to(pictures if hits is None else hits, magnitudes.shape)
    mean = np.zeros((1, len(magnitudes), 4))
    mean[0, :, TARGET] = 0.5 + margin / 2
    # Two rivals take turns at being the highest.
    for rival in (0, 3):
        mean[0, rival // 3 :: 2, rival] = 0.5 - margin[rival // 3 :: 2] / 2
    return xr.Dataset(
        {
            "mean_softmax": (("category", "magnitude", "class"), mean),
            "predicted": (
                ("image", "magnitude"),
                np.where(np.arange(pictures)[:, None] < hits, TARGET, 1),
            ),
            "target": ("category", [TARGET]),
            "label": ("image", np.zeros(pictures, int)),
        },
        coords={"magnitude": magnitudes, "category": ["lamp"]},
        attrs={"transformation": name, "identity": find_transformation(name).identity},
    )


def found(screening, criterion="switch", category=0):
    """Return status, threshold, first failure, last success and limit for each direction."""
    chosen = thresholds(screening).isel(category=category).sel(criterion=criterion)
    names = ("status", "threshold", "first_failure", "last_success", "limit")
    return {
        direction: tuple(chosen.sel(direction=direction)[name].item() for name in names)
        for direction in ("down", "up")
    }


def safe(screening, criterion="switch", category=0):
    chosen = thresholds(screening).isel(category=category).sel(criterion=criterion)
    pairs = np.stack([chosen.safe_start, chosen.safe_end], axis=1)
    return pairs[~np.isnan(pairs).all(axis=1)]


def approx(*values):
    return pytest.approx(values, nan_ok=True, rel=1e-9, abs=1e-12)


def assert_reached(side, *numbers):
    assert side[0] == "reached"
    assert side[1:] == approx(*numbers)


# Where a curve crosses


def test_a_linear_margin_is_crossed_exactly_in_both_directions():
    magnitudes = np.array([-1, -0.6, -0.5, 0, 0.1, 0.45, 1])
    margin = np.where(magnitudes < 0, 0.6 + 1.1 * magnitudes, 0.6 - 0.8 * magnitudes)
    sides = found(synthetic("brightness", magnitudes, margin))
    assert_reached(sides["down"], -0.6 / 1.1, -0.6, -0.5, -1)
    assert_reached(sides["up"], 0.75, 1, 0.45, 1)


def test_a_factor_is_interpolated_over_its_logarithm():
    magnitudes = 2.0 ** np.array([-2, -1, -0.5, 0, 0.5, 1, 1.75, 2])
    octaves = np.log2(magnitudes)
    margin = np.where(octaves < 0, 0.8 + octaves, 0.65 - 0.5 * octaves)
    sides = found(synthetic("zoom", magnitudes, margin))
    assert_reached(sides["down"], 2**-0.8, 1 / 2, 2**-0.5, 1 / 4)
    assert_reached(sides["up"], 2**1.3, 2**1.75, 2, 4)
    assert safe(synthetic("zoom", magnitudes, margin))[0] == approx(2**-0.8, 2**1.3)


def test_accuracy_falling_below_half_is_interpolated_too():
    # 9 of 10 at the identity: half is 4.5, between 6 and 4 of 10.
    screening = synthetic("noise", [0, 0.1, 0.2, 0.4], 1, hits=[9, 8, 6, 4])
    assert_reached(found(screening, "half")["up"], 0.35, 0.4, 0.2, 0.4)
    assert found(screening, "switch")["up"][0] == "not reached"


@pytest.mark.parametrize("pictures", [2, 6, 10, 14, 98])
def test_exactly_half_is_not_lost(pictures):
    half = pictures // 2
    screening = synthetic("noise", [0, 1, 2], 1, hits=[pictures, half, half], pictures=pictures + 1)
    status, threshold, first_failure, last_success, _ = found(screening, "half")["up"]
    assert (status, last_success) == ("not reached", 2)
    assert np.isnan([threshold, first_failure]).all()
    fewer = synthetic("noise", [0, 1, 2], 1, [pictures, half, half - 1], pictures=pictures + 1)
    assert_reached(found(fewer, "half")["up"], 1, 2, 1, 2)


def test_a_tie_with_a_rival_is_not_lost_away_from_the_identity():
    screening = synthetic("blur", [0, 1, 2, 3], [0.5, 0, 0.25, -0.25])
    assert found(screening)["up"] == ("reached", 2.5, 3, 2, 3)


def test_the_first_crossing_counts_and_the_last_success_tells_of_a_return():
    screening = synthetic("blur", [0, 1, 2, 3, 4], [0.5, -0.5, 0.5, 0.25, -0.25])
    assert found(screening)["up"] == ("reached", 0.5, 1, 3, 4)


# What is no number


def test_not_reached_is_an_answer_and_no_number():
    status, *numbers = found(synthetic("grayscale", [0, 0.5, 1], [0.5, 0.4, 0.3]))["up"]
    assert status == "not reached"
    assert numbers == approx(NAN, NAN, 1, 1)


def test_a_side_that_was_not_looked_at_is_not_screened():
    sides = found(synthetic("noise", [0, 0.5, 1], [0.5, 0, -0.5]))
    assert sides["down"][0] == "not screened"
    assert np.isnan(sides["down"][1]) and sides["down"][4] == 0
    assert sides["up"][0] == "reached"
    only_identity = found(synthetic("zoom", [1.0], 0.5))
    assert only_identity["down"][0] == only_identity["up"][0] == "not screened"


@pytest.mark.parametrize("margin", [-0.25, 0.0], ids=["lost", "tie"])
def test_what_is_lost_at_the_identity_has_no_switch(margin):
    sides = found(synthetic("brightness", [-1, 0, 1], [0.5, margin, -0.5]))
    for direction in ("down", "up"):
        assert sides[direction][0] == "lost at identity"
        assert np.isnan(sides[direction][1])


def test_no_accuracy_at_the_identity_cannot_be_halved():
    screening = synthetic("brightness", [-1, 0, 1], 0.5, hits=[3, 0, 0])
    for direction, numbers in found(screening, "half").items():
        assert numbers[0] == "lost at identity", direction
        assert np.isnan(numbers[1:4]).all()
    assert len(safe(screening, "half")) == 0
    assert found(screening, "switch")["up"][0] == "not reached"


# Safe intervals


def test_curves_that_come_back_have_several_safe_intervals():
    screening = synthetic("blur", np.arange(8.0), [0.5, -0.5, -0.25, 0.75, 0.5, -0.5, -0.5, 0.5])
    expected = [(0, 0.5), (2.25, 4.5), (6.5, 7)]
    np.testing.assert_allclose(safe(screening), expected)


def test_a_safe_interval_may_be_a_single_point_between_failures():
    screening = synthetic("blur", [0, 1, 2, 3, 4], [0.5, -0.5, 0, -0.5, -0.5])
    np.testing.assert_allclose(safe(screening), [(0, 0.5), (2, 2)])


def test_what_always_holds_is_safe_as_far_as_was_looked():
    np.testing.assert_allclose(safe(synthetic("zoom", [0.25, 1, 4], 0.5)), [(0.25, 4)])


def test_what_never_holds_is_nowhere_safe():
    screening = synthetic("zoom", [0.25, 1, 4], -0.5, hits=0)
    result = thresholds(screening)
    assert result.sizes["interval"] == 0 or np.isnan(result.safe_start).all()
    assert (result.status == "lost at identity").all()


# Rotation


def test_rotation_runs_both_ways_to_half_a_turn():
    degrees = np.arange(0, 361, 20.0)
    signed = (degrees + 180) % 360 - 180
    margin = np.where(signed < 0, 0.7 + signed / 100, 0.7 - signed / 50)
    sides = found(synthetic("rotation", degrees, margin))
    assert_reached(sides["up"], 35, 40, 20, 180)
    assert_reached(sides["down"], -70, -80, -60, -180)


def test_an_axisymmetric_object_comes_back_at_half_a_turn():
    degrees = np.arange(0, 361, 20.0)
    from_axis = np.minimum(degrees % 180, -degrees % 180)
    screening = synthetic("rotation", degrees, 0.5 - from_axis / 100)
    sides = found(screening)
    assert_reached(sides["up"], 50, 60, 180, 180)
    assert_reached(sides["down"], -50, -60, -180, -180)
    np.testing.assert_allclose(safe(screening), [(-180, -130), (-50, 50), (130, 180)])


def test_half_a_turn_stands_at_both_ends():
    axis, order = unrolled(np.arange(0, 361, 60.0), find_transformation("rotation"))
    assert axis.tolist() == [-180, -120, -60, 0, 60, 120, 180]
    assert order.tolist() == [3, 4, 5, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        ([0, 90, 270], [-90, 0, 90]),
        ([-30, 0, 30], [-30, 0, 30]),
        ([-180, 0], [-180, 0]),
        ([0, 180], [0, 180]),
        ([0, 90, 180], [0, 90, 180]),
        ([0, 90, 180, 350], [-180, -10, 0, 90, 180]),
        ([-180, 0, 180], [-180, 0, 180]),
        ([540, 0], [0, 180]),
        ([40, 0, -20], [-20, 0, 40]),
        ([10, 15, 20], [10, 15, 20]),
        ([], []),
        ([0, 350, 370, 725], [-10, 0, 5, 10]),
        ([0, 360, 720], [0]),
    ],
)
def test_angles_are_moved_by_whole_turns(degrees, expected):
    degrees = np.array(degrees, float)
    axis, order = unrolled(degrees, find_transformation("rotation"))
    assert axis.tolist() == expected
    np.testing.assert_allclose((degrees[order] - axis) % 360, 0)


def test_other_magnitudes_are_not_unrolled():
    magnitudes = np.array([0.0, -1, 200, -1])
    axis, order = unrolled(magnitudes, find_transformation("brightness"))
    assert axis.tolist() == [-1, 0, 200] and order.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("degrees", "down", "up"),
    [
        (np.arange(-90, 91, 15.0), -37.5, 37.5),
        (np.arange(-180, 181, 20.0), -30, 30),
        (np.arange(-30, 401, 10.0), -35, 35),
        (np.arange(0, 1081, 10.0), -35, 35),
        (np.arange(0, 181, 10.0), None, 35),
        (np.arange(-180, 1, 10.0), -35, None),
        (np.array([40.0, 0, 30, 20, 10]), None, 35),
        (np.array([350.0, 340, 360, 330, 320]), -35, None),
    ],
    ids=str,
)
def test_rotations_lead_away_from_the_identity_wherever_they_were_swept(degrees, down, up):
    # What is kept to 30° and lost beyond is lost halfway to the next angle.
    away = np.abs((degrees + 180) % 360 - 180)
    sides = found(synthetic("rotation", degrees, np.where(away <= 30, 0.25, -0.25)))
    for direction, expected in (("down", down), ("up", up)):
        status, threshold, *_ = sides[direction]
        if expected is None:
            assert status == "not screened" and np.isnan(threshold)
        else:
            assert status == "reached" and threshold == pytest.approx(expected)


def test_the_order_of_a_sweep_does_not_matter():
    magnitudes = np.array([0.5, -1, 0, 1, -0.5, 0.5])
    margin = np.where(magnitudes < 0, 0.75 + magnitudes, 0.6 - magnitudes)
    screening = synthetic("brightness", magnitudes, margin)
    sides = found(screening)
    assert_reached(sides["down"], -0.75, -1, -0.5, -1)
    assert_reached(sides["up"], 0.6, 1, 0.5, 1)
    np.testing.assert_allclose(safe(screening), [(-0.75, 0.6)])


@pytest.mark.parametrize(
    ("name", "magnitudes"),
    [("rotation", [10.0, 15, 20]), ("rotation", [30.0]), ("zoom", [0.5, 2.0]), ("blur", [])],
)
def test_without_the_identity_nothing_leads_away_from_it(name, magnitudes):
    screening = synthetic(name, magnitudes, 0.5, hits=3)
    for criterion in ("switch", "half"):
        for status, *numbers in found(screening, criterion).values():
            assert status == "not screened" and np.isnan(numbers).all()
    # Where the true class leads is known all the same, half of an unknown accuracy is not.
    ends = [(min(magnitudes), max(magnitudes))] if magnitudes else np.zeros((0, 2))
    np.testing.assert_allclose(safe(screening), ends)
    assert len(safe(screening, "half")) == 0


def test_a_side_that_was_not_looked_at_is_not_screened_whatever_is_lost_at_the_identity():
    sides = found(synthetic("noise", [0, 0.5], -0.5))
    assert (sides["down"][0], sides["up"][0]) == ("not screened", "lost at identity")


# Values at a magnitude, and over all


@pytest.mark.parametrize(
    ("name", "magnitudes", "at", "expected"),
    [
        ("rotation", [-90.0, 0, 90], 0, 1),
        ("rotation", [-90.0, 0, 90], 270, 0),
        ("rotation", [90.0, 360, 450], 0, 1),
        ("rotation", [0.0, 10, 20], 180, NAN),
        ("zoom", [0.5, 1, 2], 2, 2),
        ("zoom", [0.5, 1, 2], 1.5, NAN),
        ("zoom", np.geomspace(0.25, 4, 9)[:3], 0.5, 2),
        ("brightness", [1.0, 0, -1], -1, 2),
    ],
)
def test_a_value_is_found_by_its_magnitude(name, magnitudes, at, expected):
    screening = synthetic(name, magnitudes, 0.5)
    assert value_at(screening, [0, 1, 2], at) == pytest.approx(expected, nan_ok=True)
    both = value_at(screening, [[0, 1, 2], [0, 10, 20]], at)
    assert both.tolist() == pytest.approx([expected, 10 * expected], nan_ok=True)


def test_the_mean_over_a_sweep_counts_every_angle_once():
    once, more = np.arange(0, 361, 30.0), np.arange(-60, 601, 30.0)
    for degrees in (once, more, more[::-1]):
        screening = synthetic("rotation", degrees, 0.5)
        curve = np.abs((degrees + 180) % 360 - 180)  # from 0 to 180 and back
        assert mean_over_sweep(screening, curve) == pytest.approx(90)
    assert mean_over_sweep(synthetic("blur", [0, 1, 3], 0.5), [4, 2, 2]) == pytest.approx(7 / 3)
    assert np.isnan(mean_over_sweep(synthetic("blur", [0], 0.5), [1]))


# What is not a number


def test_softmax_that_is_not_a_number_is_never_right():
    screening = synthetic("noise", [0, 0.5, 1], 0.5).assign_coords(image=list("abcdefghij"))
    screening["softmax"] = ("image", "magnitude"), np.full((10, 3), 0.5)
    assert thresholds(screening).status.sel(direction="up").values.tolist() == [["not reached"] * 2]
    screening.softmax[3, 1:] = np.nan
    message = r"^softmax is not a number at image d, magnitude 0\.5 \(2 of 30 values are not\)"
    for function in (accuracy, is_correct, true_softmax, margins, thresholds):
        with pytest.raises(UsageError, match=message):
            function(screening)


def test_a_mean_softmax_that_is_not_a_number_is_named_by_its_class():
    screening = synthetic("noise", [0, 0.5], 0.5).assign_coords({"class": list("abcd")})
    screening.mean_softmax[0, 1, 3] = np.nan
    with pytest.raises(UsageError, match=r"at category lamp, magnitude 0.5, class d "):
        thresholds(screening)


def test_a_class_without_pictures_is_named():
    screening = synthetic("noise", [0, 0.5], 0.5)
    with pytest.raises(UsageError, match="class lamp has no pictures"):
        thresholds(screening.isel(image=[]))


# Curves


def test_accuracy_is_counted_for_each_category_whatever_the_order_of_its_pictures():
    screening = xr.Dataset(
        {
            "predicted": (("image", "magnitude"), [[5, 5], [9, 1], [9, 9], [5, 9], [1, 1]]),
            "target": ("category", [9, 5]),
            "label": ("image", [1, 0, 0, 1, 0]),
        },
        coords={"category": ["lamp", "tick"], "magnitude": [0.0, 1.0]},
    )
    result = accuracy(screening)
    assert result.dims == ("category", "magnitude")
    np.testing.assert_allclose(result.sel(category="lamp"), [2 / 3, 1 / 3])
    np.testing.assert_allclose(result.sel(category="tick"), [1, 0.5])


@pytest.mark.parametrize(("right", "count"), [(0, 12), (5, 12), (12, 12), (300, 336)])
def test_the_interval_is_clopper_and_pearson_s(right, count):
    exact = stats.binomtest(right, count).proportion_ci(0.95, method="exact")
    assert accuracy_interval(np.array(right), count) == pytest.approx((exact.low, exact.high))


def test_margins_are_to_the_highest_rival_and_to_half_the_clean_accuracy():
    screening = synthetic("blur", [0, 1, 2], [0.5, 0.25, -0.75], hits=[8, 5, 3])
    result = margins(screening)
    np.testing.assert_allclose(result.sel(criterion="switch")[0], [0.5, 0.25, -0.75])
    np.testing.assert_allclose(result.sel(criterion="half")[0], [0.4, 0.1, -0.1], atol=1e-12)
    assert (margins(synthetic("blur", [0, 1], 1, hits=[0, 5])).isnull()).sum() == 2


def test_categories_do_not_mix():
    one = synthetic("blur", [0, 1, 2], [0.5, -0.5, -0.5], hits=[10, 0, 0])
    other = synthetic("blur", [0, 1, 2], [0.5, 0.5, -0.5]).assign_coords(category=["tick"])
    other["label"] = other.label + 1
    both = xr.concat(
        [one[["mean_softmax", "target"]], other[["mean_softmax", "target"]]], "category"
    )
    both = both.merge(
        xr.concat([one[["predicted", "label"]], other[["predicted", "label"]]], "image")
    )
    both.attrs = one.attrs
    assert_reached(found(both, category=0)["up"], 0.5, 1, 0, 2)
    assert_reached(found(both, category=1)["up"], 1.5, 2, 1, 2)
    assert_reached(found(both, "half", 0)["up"], 0.5, 1, 0, 2)
    assert found(both, "half", 1)["up"][0] == "not reached"
    np.testing.assert_allclose(safe(both, category=1), [(0, 1.5)])
    assert thresholds(both).category.values.tolist() == ["lamp", "tick"]


def test_the_result_says_what_was_screened():
    screening = synthetic("rotation", [0, 90], [0.5, -0.5]).assign_attrs(network="toy")
    result = thresholds(screening)
    assert result.attrs["network"] == "toy" and result.attrs["units"] == "°"
    assert result.status.dims == ("category", "criterion", "direction")


# The median over categories


@pytest.mark.parametrize(
    ("direction", "column", "expected"),
    [
        ("up", [10, 30, 20], ("reached", 20)),
        ("up", [10, 30], ("reached", 20)),
        ("down", [-10, -40, -20], ("reached", -20)),
        ("down", [1 / 4, 1 / 2, "not reached"], ("reached", 1 / 4)),
        ("up", [10, 30, "not reached"], ("reached", 30)),
        ("up", [10, "not reached", "not reached"], ("not reached", NAN)),
        ("up", [10, "not reached"], ("not reached", NAN)),
        ("up", [10, 30, "lost at identity", "not screened"], ("reached", 20)),
        ("up", ["lost at identity", "not screened"], ("not screened", NAN)),
    ],
)
def test_the_median_counts_what_was_not_reached_as_farthest_out(direction, column, expected):
    numbers = [NAN if isinstance(each, str) else float(each) for each in column]
    statuses = [each if isinstance(each, str) else "reached" for each in column]
    dataset = xr.Dataset(
        {"status": ("category", statuses), "threshold": ("category", numbers)},
        coords={"direction": direction},
    )
    status, threshold = median_threshold(dataset)
    assert status == expected[0]
    assert threshold == pytest.approx(expected[1], nan_ok=True)


# What keeps its prediction


def test_consistency_is_counted_picture_by_picture_from_the_identity():
    """The same share right with other pictures is as accurate, and not consistent."""
    rng = np.random.default_rng(4)
    predicted = rng.integers(0, 3, (12, 5))
    label = np.repeat([0, 1], [8, 4])
    screening = xr.Dataset(
        {
            "predicted": (("image", "magnitude"), predicted),
            "target": ("category", [1, 2]),
            "label": ("image", label),
        },
        coords={"category": ["a", "b"], "magnitude": [-1.0, -0.5, 0, 0.5, 1]},
        attrs={"transformation": "brightness"},
    )
    same = np.zeros((2, 5))
    for one, category in zip(predicted, label, strict=True):
        for m in range(5):
            same[category, m] += (one[m] == one[2]) / (8, 4)[category]
    np.testing.assert_allclose(consistency(screening), same)
    assert consistency(screening.isel(magnitude=[0, 1, 3])).isnull().all()
    shuffled = screening.isel(magnitude=[4, 2, 0])
    np.testing.assert_allclose(consistency(shuffled), same[:, [4, 2, 0]])
    around = screening.assign_coords(magnitude=[0.0, 90, 360, 450, 720])
    around = around.assign_attrs(transformation="rotation")
    np.testing.assert_allclose(consistency(around)[:, 0], 1)  # the first of whole turns


def test_consistency_is_not_known_where_a_category_was_not_looked_at():
    screening = xr.Dataset(
        {
            "predicted": (
                ("image", "magnitude"),
                [[0, 1, 1], [0, 0, 0], [1, -1, 2], [2, -1, 2]],
            ),
            "target": ("category", [0, 1]),
            "label": ("image", [0, 0, 1, 1]),
            "screened": (("category", "magnitude"), [[True, True, True], [True, False, True]]),
        },
        coords={"category": ["a", "b"], "magnitude": [0, 1, 2]},
        attrs={"transformation": "blur"},
    )
    np.testing.assert_array_equal(consistency(screening), [[1, 0.5, 0.5], [1, NAN, 0.5]])
