"""Numbers of the ledger on the second strategy, from the archive, by code that shares nothing."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import stats

from itn.netcdf import read_netcdf
from itn.study import claim_measures_learned as learned

PATH = Path(__file__).parents[2] / "results" / "imagenet" / "squeezenet_transformers.nc"


@pytest.fixture(scope="module")
def survey():
    with h5py.File(PATH) as file:
        stored = {name: values[:] for name, values in file["seed_0/survey"].items()}
    stored["slider"] = np.array([name.decode() for name in stored["slider"]])
    return stored


@pytest.fixture(scope="module")
def study():
    return read_netcdf(PATH)


def test_shares_of_pictures_have_exact_intervals(survey, study):
    amid = survey["consistent"][(survey["slider"] == "alpha") & (survey["value"] == 0.5)].item()
    worst = survey["consistent"][np.isin(survey["slider"], ["alpha", "beta"])].min()
    for found, count in (
        (learned.consistent_amid(study), amid),
        (learned.consistent_at_worst(study), worst),
    ):
        exact = stats.binomtest(int(count), 422).proportion_ci(0.95, "exact")
        assert found[3:6] == pytest.approx((count / 422, exact.low, exact.high), abs=1e-9)


def test_shares_of_members_are_those_of_their_matrices(survey, study):
    content = np.linalg.inv(survey["spatial_matrix"][:, :, :2])
    right = content[:, :, 0]  # where a step to the right of the content goes
    width = np.linalg.norm(right, axis=1)
    height = np.abs(np.linalg.det(content)) / width
    turned = np.degrees(np.arctan2(-right[:, 1], right[:, 0]))
    gentle = (np.abs(turned) <= 10) & (np.maximum(width, height) <= 1.25)
    assert learned.gentle(study).estimate == gentle.mean()
    assert learned.zoomed_out(study).estimate == ((width < 1) & (height < 1)).mean()
    corners = np.array([[r, g, b, 1] for r in (0, 1) for g in (0, 1) for b in (0, 1)])
    moved = corners @ survey["color_matrix"].transpose(0, 2, 1) - corners[:, :3]
    magnitude = np.sqrt((moved**2).mean(axis=2)).mean(axis=1)
    assert learned.little_color(study).estimate == (magnitude < 0.25).mean()


def test_losses_are_those_of_the_steps(study):
    with h5py.File(PATH) as file:
        steps = {name: values[:].astype(float) for name, values in file["seed_0/history"].items()}
    entropy, third = steps["cross_entropy"], len(steps["cross_entropy"]) // 3
    first, last = entropy[:third].mean(), entropy[-third:].mean()
    found = learned.constant_cross_entropy(study)
    assert found.estimate == pytest.approx(min(first / last, last / first))
    rng = np.random.default_rng(99)
    drawn = rng.choice(entropy[:third], (4000, third)).mean(axis=1)
    ratio = drawn / rng.choice(entropy[-third:], (4000, third)).mean(axis=1)
    ends = np.quantile(np.minimum(ratio, 1 / ratio), [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(ends, abs=0.01)
    for found, name in zip(
        learned.falling_loss(study), ("spatial_loss", "color_loss"), strict=True
    ):
        expected = stats.spearmanr(np.arange(len(entropy)), -steps[name]).statistic
        assert found.estimate == pytest.approx(expected, abs=1e-9)
        assert found.low < expected < found.high
