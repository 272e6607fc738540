"""Where to look next, against curves that are known everywhere."""

from itertools import pairwise
from pathlib import Path

import adaptive_passes
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from itn.adaptive_magnitudes import (
    SHARE,
    check_precision,
    coarse_magnitudes,
    magnitude_grid,
    next_magnitudes,
)
from itn.curves import load_screening
from itn.messages import UsageError
from itn.thresholds import thresholds
from itn.transformations import TRANSFORMATIONS, find_transformation

ROOT = Path(__file__).parents[1]


def seen(name, lead, magnitudes):
    """A screening of one category; `lead` is that over one rival of each picture [N], anywhere."""
    margins = np.stack([lead(each) for each in magnitudes], axis=1)  # [N, M]
    softmax = np.stack([(1 + margins) / 2, (1 - margins) / 2])
    return xr.Dataset(
        {
            "softmax": (("image", "magnitude"), softmax[0]),
            "rival_softmax": (("image", "rank", "magnitude"), softmax[1][:, None]),
            "predicted": (("image", "magnitude"), (margins < 0).astype(int)),
            "mean_softmax": (("category", "magnitude", "class"), softmax.mean(axis=1).T[None]),
            "rival": (("category", "rank"), [[1]]),
            "target": ("category", [0]),
            "label": ("image", np.zeros(len(margins), int)),
        },
        coords={"magnitude": np.asarray(magnitudes, float), "category": ["lamp"]},
        attrs={"transformation": name, "identity": find_transformation(name).identity},
    )


def looked_at(name, lead, precision=None, width=64):
    """Look in rounds until nothing is wanted; return the screening and the number of rounds."""
    transformation = find_transformation(name)
    sweep = transformation.sweep(width)
    precision = check_precision(precision, transformation, sweep)
    grid = magnitude_grid(sweep, transformation, precision)
    looked = wanted = coarse_magnitudes(sweep, transformation)
    rounds = 0
    while len(wanted):
        looked = np.union1d(looked, wanted)
        screening = seen(name, lead, looked)
        wanted = next_magnitudes(screening, grid, precision)
        assert not np.isin(wanted, looked).any() and np.isin(wanted, grid).all()
        rounds += 1
    return screening, rounds


# All magnitudes there may be


@pytest.mark.parametrize("name", sorted(TRANSFORMATIONS))
def test_a_finer_grid_holds_the_coarser_ones_to_the_bit(name):
    transformation = TRANSFORMATIONS[name]
    sweep = transformation.sweep(227)
    step = check_precision(None, transformation, sweep)
    np.testing.assert_array_equal(magnitude_grid(sweep, transformation, step), sweep)
    np.testing.assert_array_equal(magnitude_grid(sweep, transformation, 3 * step), sweep)
    coarser = sweep
    for parts, precision in ((2, step / 2), (8, step / 4.1), (8, step / 8)):
        grid = magnitude_grid(sweep, transformation, precision)
        assert len(grid) == parts * (len(sweep) - 1) + 1
        assert np.isin(coarser, grid).all() and np.isin(sweep, grid).all()
        coarser = grid
    at = np.log2(grid) if transformation.logarithmic else grid
    np.testing.assert_allclose(np.diff(at), step / 8, rtol=1e-9)


def test_a_sweep_that_no_logarithm_gives_back_is_there_to_the_bit():
    sweep = 1.1 ** np.arange(-9, 10)
    assert (np.exp2(np.log2(sweep)) != sweep).any()
    zoom = TRANSFORMATIONS["zoom"]
    step = check_precision(None, zoom, sweep)
    for parts in (1, 4):
        np.testing.assert_array_equal(magnitude_grid(sweep, zoom, step / parts)[::parts], sweep)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rotation", [0, 45, 90, 180, 270, 315, 360]),
        ("zoom", [0.25, 2**-0.5, 1, 2**0.5, 4]),
        ("contrast", [1 / 16, 0.5, 1, 2**0.5, 4]),
        ("grayscale", [0, 0.25, 1]),
        ("blur", [0, 2.5, 10]),
        ("translation_x", [-0.5, -0.125, 0, 0.125, 0.5]),
    ],
)
def test_at_first_it_is_looked_at_few(name, expected):
    transformation = TRANSFORMATIONS[name]
    sweep = transformation.sweep(100)
    found = coarse_magnitudes(sweep, transformation)
    np.testing.assert_allclose(found, expected)
    assert np.isin(found, sweep).all()


@pytest.mark.parametrize("precision", [0, -1.0, np.nan, np.inf, 1e-9, "0.1", [0.1], True])
def test_a_precision_that_is_none_is_refused(precision):
    transformation = TRANSFORMATIONS["zoom"]
    with pytest.raises(UsageError, match=r"precision of zoom .* from 0\.00012 octaves, got"):
        check_precision(precision, transformation, transformation.sweep(64))


# Where it is looked next


@pytest.mark.parametrize("precision", [None, 0.3, 0.01, 0.001])
def test_a_threshold_of_one_picture_is_found_to_the_precision(precision):
    """One picture has no interval. It is lost at a blur of 2.345 pixels, all at once."""
    screening, rounds = looked_at("blur", lambda at: np.where(at < 2.345, [0.5], -0.5), precision)
    asked = precision or 0.16  # a fortieth of a tenth of 64 pixels
    inside, outside = (
        thresholds(screening)[name].values[0, :, 1] for name in ("last_success", "first_failure")
    )
    assert (inside < 2.345).all() and (outside >= 2.345).all()
    assert (outside - inside <= asked + 1e-9).all()
    assert rounds <= 3 + np.log2(4.8 / asked) / np.log2(1.5)


def test_a_coarser_precision_takes_fewer_passes():
    fewer, usual = (
        looked_at("blur", lambda at: np.where(at < 2.345, [0.5], -0.5), precision)[0]
        for precision in (1.0, None)
    )
    assert set(fewer.magnitude.values) < set(usual.magnitude.values)


def test_an_interval_that_is_open_ends_where_the_sweep_does():
    """Most pictures are lost beyond it, so the few magnitudes near its end may stay apart."""
    lives = np.linspace(0.3, 2.2, 20)
    screening, _ = looked_at("noise", lambda at: np.tanh(4 * (lives - at)))
    found = thresholds(screening).sel(direction="up").isel(category=0)
    assert (found.status == "not reached").all()
    assert (found.low > 0.75).all() and np.isnan(found.high).all()
    assert np.diff(screening.magnitude).min() > 3 * 0.025


@pytest.mark.parametrize(
    ("name", "lives"),
    [
        ("rotation", 40 + 60 * np.linspace(0, 1, 20) ** 2),
        ("translation_x", np.linspace(0.1, 0.3, 30)),
        ("zoom", 2 ** np.linspace(0.2, 1.4, 25)),
        ("noise", np.linspace(0.3, 1.4, 15)),  # of many pictures beyond the sweep
    ],
)
@pytest.mark.parametrize("precision", [None, 1e-2])
def test_it_is_looked_until_magnitudes_are_closer_than_intervals_are_wide(name, lives, precision):
    transformation = TRANSFORMATIONS[name]

    def even(magnitude):
        return np.log2(magnitude) if transformation.logarithmic else np.asarray(magnitude)

    def lead(magnitude):
        away = magnitude if transformation.period is None else min(magnitude, 360 - magnitude)
        return np.tanh(4 * (even(lives) - abs(even(away))) / np.ptp(even(lives)))

    screening, _ = looked_at(name, lead, precision)
    sweep = transformation.sweep(64)
    full = thresholds(seen(name, lead, sweep))
    found = thresholds(screening)
    step = np.diff(even(sweep))[0]
    assert screening.sizes["magnitude"] < (0.6 if precision is None else 0.8) * len(sweep)
    axis = even(screening.magnitude.values)
    if transformation.period is not None:
        axis = np.unique(np.concatenate([axis, axis - 360]))
        axis = axis[abs(axis) <= 180]
    checked = 0
    for criterion in found.criterion.values:
        for direction in found.direction.values:
            one, other = (
                each.isel(category=0).sel(criterion=criterion, direction=direction)
                for each in (found, full)
            )
            assert one.status.item() == other.status.item()
            if one.status.item() != "reached":
                continue
            ends = np.array([one.low.item(), one.high.item()])
            low, high = even(np.where(np.isnan(ends), one.limit.item(), ends))
            for inner, outer in pairwise(axis):
                if outer > low and inner < high:
                    enough = max(precision or step, SHARE * (high - low))
                    assert outer - inner <= enough + 1e-9
                    checked += 1
            low, high = (other.low.fillna(-np.inf).item(), other.high.fillna(np.inf).item())
            assert low - 1e-9 <= one.threshold.item() <= high + 1e-9
    assert checked


@pytest.mark.parametrize(("lead", "why"), [(0.5, "never lost"), (-0.5, "lost at the identity")])
@pytest.mark.parametrize("name", ["rotation", "contrast"])
def test_where_there_is_no_threshold_it_is_looked_at_few(name, lead, why):
    screening, rounds = looked_at(name, lambda at: np.full(9, lead))
    transformation = TRANSFORMATIONS[name]
    first = coarse_magnitudes(transformation.sweep(64), transformation)
    assert rounds == 1 and screening.magnitude.values.tolist() == first.tolist()


def test_what_is_lost_and_comes_back_between_two_that_hold_is_not_seen():
    """As the docstring of `itn.screen` says; at a magnitude that is looked at, it is."""

    def lead(dip):
        return lambda at: np.full(9, -0.5 if abs(at - dip) < 9 else 0.5)

    missed, _ = looked_at("rotation", lead(135))
    assert set(thresholds(missed).status.values.ravel()) == {"not reached"}
    found, _ = looked_at("rotation", lead(90))
    reached = thresholds(found).sel(direction="up", criterion="switch")
    assert reached.first_failure.item() == 85 and reached.last_success.item() == 180


# How much it saves


def test_a_quarter_of_the_passes_is_enough():
    table = pd.read_csv(adaptive_passes.TARGET)
    sizes = {}
    for path in adaptive_passes.archived_sweeps():
        with xr.open_dataset(path, engine="h5netcdf") as archive:
            sizes[f"{path.parent.name}/{path.stem}"] = archive.softmax.size
    assert table.set_index("archive").passes_full.to_dict() == sizes
    for _, own in table.groupby(table.archive.str.partition("/")[0]):
        assert own.passes.sum() <= 0.25 * own.passes_full.sum()
        ratios, counts = own.mean_ratio_of_widths.fillna(1), own.closed_intervals
        assert abs(np.average(ratios, weights=counts) - 1) <= 0.05
        assert own.within.sum() >= 0.98 * own.thresholds.sum()


@pytest.mark.parametrize("archive", ["imagenet/squeezenet_grayscale"])
def test_the_table_is_what_the_archives_say(archive):
    table = pd.read_csv(adaptive_passes.TARGET).set_index("archive")
    again = adaptive_passes.summary(archive, load_screening(ROOT / "results" / f"{archive}.nc"))
    stored = table.loc[archive]
    for name in ("passes_full", "passes", "thresholds", "within", "closed_intervals"):
        assert stored[name] == again[name]
    assert stored.share == pytest.approx(again["share"], abs=1e-4)
