"""Screenings in which every category was looked at under magnitudes of its own."""

import numpy as np
import pytest
import xarray as xr

from itn.curves import load_screening, save_screening, select_categories
from itn.messages import UsageError
from itn.netcdf import write_netcdf
from itn.plots import plot_accuracy, plot_softmax
from itn.thresholds import accuracy, margins, mean_over_sweep, thresholds, true_softmax

NAMES = ["tick", "accordion", "soccer_ball"]
SOFTMAX = ("softmax", "rival_softmax", "mean_softmax")


def with_holes(screening, screened):
    """Forget what was said where a category was not looked at."""
    holed = screening.copy(deep=True)
    holed["screened"] = (("category", "magnitude"), screened)
    for name in (*SOFTMAX, "predicted"):
        for index, part in enumerate(holed[name].values):
            own = screened[index if name == "mean_softmax" else holed.label.values[index]]
            values = part.T if name == "rival_softmax" else part
            values[~own] = -1 if name == "predicted" else np.nan
    return holed


@pytest.fixture(scope="module", params=["rotation", "contrast"])
def whole(request):
    return select_categories(
        load_screening(f"results/imagenet/squeezenet_{request.param}.nc"), NAMES
    )


@pytest.fixture(scope="module")
def screened(whole):
    """Where three categories were looked at: at both ends, the identity, and by chance."""
    random = np.random.default_rng(1)
    screened = random.random((len(NAMES), whole.sizes["magnitude"])) < 0.4
    screened[:, [0, -1]] = True
    screened[:, whole.magnitude == whole.attrs["identity"]] = True
    screened[:, 5], screened[1:, 6], screened[0, 6] = False, False, True
    return screened


@pytest.fixture(scope="module")
def holed(whole, screened):
    return with_holes(whole, screened)


def alone(whole, screened, index):
    """One category with its own magnitudes, as if nothing else had been asked for."""
    return select_categories(whole, [NAMES[index]]).isel(magnitude=screened[index])


def test_each_category_is_read_as_if_it_were_alone(whole, screened, holed):
    found = thresholds(holed)
    for index, name in enumerate(NAMES):
        one = alone(whole, screened, index)
        by_itself = thresholds(one).isel(category=0)
        for variable in ("threshold", "low", "high", "status", "last_success", "limit"):
            np.testing.assert_array_equal(found[variable].sel(category=name), by_itself[variable])
        for curve in (accuracy, true_softmax, margins):
            seen = curve(holed).sel(category=name)
            np.testing.assert_array_equal(
                seen.isel(magnitude=screened[index]), curve(one).sel(category=name)
            )
            assert np.isnan(seen.isel(magnitude=~screened[index])).all()


def test_it_comes_back_from_a_file(holed, tmp_path):
    save_screening(holed, tmp_path / "a.nc")
    loaded = load_screening(tmp_path / "a.nc")
    xr.testing.assert_identical(loaded, holed)
    save_screening(loaded, tmp_path / "b.nc")
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


@pytest.mark.parametrize("name", [*SOFTMAX, "predicted"])
@pytest.mark.parametrize("there", [True, False])
def test_what_is_there_must_be_what_was_screened(holed, screened, tmp_path, name, there):
    where = {"category": 0, "magnitude": int(np.flatnonzero(screened[0] == there)[1])}
    where["class"] = where["rank"] = 0
    where["image"] = int(np.flatnonzero(holed.label == 0)[1])
    broken = holed.copy(deep=True)
    wrong = np.nan if there else 0.5
    if name == "predicted":
        wrong = -1 if there else 3
    broken[name][{axis: where[axis] for axis in broken[name].dims}] = wrong
    message = "softmax that is not a number" if name != "predicted" else "no predicted that counts"
    with pytest.raises(UsageError, match=message):
        save_screening(broken, tmp_path / "broken.nc")
    write_netcdf(broken, tmp_path / "broken.nc")
    with pytest.raises(UsageError, match=message):
        load_screening(tmp_path / "broken.nc")
    if there and name != "predicted":
        with pytest.raises(UsageError, match=rf"{name} is not a number at .*\(1 of"):
            thresholds(broken)


def test_what_says_where_it_was_screened_is_true_or_false(holed, tmp_path):
    numbers = holed.assign(screened=holed.screened.astype("int8"))
    turned = holed.assign(screened=holed.screened.T)
    for broken in (numbers, turned):
        with pytest.raises(UsageError, match="it has no screened that is true or false over cat"):
            save_screening(broken, tmp_path / "broken.nc")


def test_a_part_has_the_magnitudes_of_its_categories(whole, screened, holed):
    for index, name in enumerate(NAMES):
        xr.testing.assert_identical(select_categories(holed, [name]), alone(whole, screened, index))
    two = select_categories(holed, NAMES[:0:-1])
    either = screened[1] | screened[2]
    np.testing.assert_array_equal(two.magnitude, whole.magnitude[either])
    np.testing.assert_array_equal(two.screened, screened[:0:-1, either])
    assert not two.screened.all()


def test_curves_are_drawn_over_their_own_magnitudes(whole, screened, holed):
    panels = plot_softmax(holed).axes
    for index in range(len(NAMES)):
        (axes,) = plot_softmax(alone(whole, screened, index)).axes
        drawn, expected = (
            [line.get_xydata() for line in each.lines] for each in (panels[index], axes)
        )
        assert len(drawn) == len(expected)
        for one, other in zip(drawn, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("name", "start"), [("noise", 0), ("contrast", 1)])
def test_a_curve_is_straight_where_it_was_not_looked_at(name, start):
    """On the axis that is drawn: contrast is a factor, drawn over its logarithm."""
    share = np.array([[1, 0.5, 0, 0], [1, 0.75, 0.5, 0.25]])  # right, of two and of four
    screened = np.array([[True, True, True, True], [True, False, True, True]])
    right = np.arange(4)[None, :, None] < np.array([2, 4])[:, None, None] * share[:, None]
    at = np.arange(4.0) if start == 0 else 2.0 ** np.arange(4)
    screening = xr.Dataset(
        {
            "predicted": (
                ("image", "magnitude"),
                np.concatenate([right[0, :2], np.where(screened[1], right[1], False)]).astype(int),
            ),
            "target": ("category", [1, 1]),
            "label": ("image", [0, 0, 1, 1, 1, 1]),
            "screened": (("category", "magnitude"), screened),
        },
        coords={"magnitude": at, "category": ["few", "many"]},
        attrs={"transformation": name, "identity": start},
    )
    lines = plot_accuracy(screening).axes[0].lines
    np.testing.assert_allclose(lines[1].get_ydata(), share[1])
    together = next(line for line in lines if line.get_label() == "all 6 pictures")
    np.testing.assert_allclose(together.get_ydata(), [1, 4 / 6, 2 / 6, 1 / 6])
    curve = accuracy(screening).sel(category="many").values
    assert np.isnan(curve[1])
    straight = np.trapezoid([1, 0.5, 0.25], at[[0, 2, 3]]) / (at[3] - at[0])
    assert mean_over_sweep(screening, curve) == pytest.approx(straight)
