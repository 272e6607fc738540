"""Numbers of the ledger on the first strategy, from the archives, by code that shares nothing.

Read with h5py, each class for itself, with draws of its own: estimates agree to all digits, ends of
intervals to within what both vary by chance.
"""

from pathlib import Path

import h5py
import numpy as np
import pytest

from itn.curves import load_screening
from itn.study import claim_measures as measures

RESULTS = Path(__file__).parents[2] / "results"
NETWORKS = ("photos/alexnet_photos", "photos/resnet_photos", "imagenet/squeezenet")
AXISYMMETRIC = ("lamp", "minaret", "menorah")
DRAWS = 1000

each_network = pytest.mark.parametrize("network", NETWORKS)


def stored(network, transformation):
    """Softmax of the true class, what is right, and the angles or magnitudes, of each class."""
    with h5py.File(RESULTS / f"{network}_{transformation}.nc") as file:
        label, target = file["label"][:], file["target"][:]
        true = file["softmax"][:] * file["softmax"].attrs["scale_factor"]
        right = file["predicted"][:] == target[label][:, None]
        names = [name.decode() for name in file["category"][:]]
        at = file["magnitude"][:]
    own = {name: label == index for index, name in enumerate(names)}
    return {name: (true[rows], right[rows]) for name, rows in own.items()}, at


def drawn_again(values, seed):
    """Means [draw, magnitude] of pictures drawn again."""
    rng = np.random.default_rng(seed)
    return np.array([values[rng.integers(len(values), size=len(values))].mean(axis=0)
                     for _ in range(DRAWS)])  # fmt: skip


def agrees(found, estimate, drawn):
    low, high = np.quantile(drawn, [0.025, 0.975])
    near = 0.15 * (found.high - found.low) + 0.01
    assert found.estimate == pytest.approx(estimate, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((low, high), abs=near)


def archived(network, *names):
    return {name: load_screening(RESULTS / f"{network}_{name}.nc") for name in names}


@each_network
def test_softmax_under_rotation(network):
    classes, angles = stored(network, "rotation")
    own = archived(network, "rotation")
    upright, half_turn = (int(np.flatnonzero(angles == angle)[0]) for angle in (0, 180))
    true = classes["soccer_ball"][0]
    drawn = drawn_again(true, 1)
    estimate = true.mean(axis=0).min() / true.mean(axis=0)[upright]
    found = measures.least_softmax_turned(own, "soccer_ball")
    agrees(found, estimate, drawn.min(axis=1) / drawn[:, upright])
    assert found.pictures == len(true)
    kept, again = [], []
    for seed, name in enumerate(name for name in AXISYMMETRIC if name in classes):
        mean, drawn = classes[name][0].mean(axis=0), drawn_again(classes[name][0], seed)
        kept.append(mean[half_turn] / mean[upright])
        again.append(drawn[:, half_turn] / drawn[:, upright])
    found = measures.softmax_upside_down(own, AXISYMMETRIC)
    agrees(found, np.mean(kept), np.mean(again, axis=0))


@each_network
def test_colors_that_halve_accuracy(network):
    classes, shares = stored(network, "grayscale")
    assert shares[0] == 0
    lost, again = [], []
    for seed, (_, right) in enumerate(classes.values()):
        mean, drawn = right.mean(axis=0), drawn_again(right, seed)
        lost.append((mean < mean[0] / 2).any())
        again.append((drawn < drawn[:, :1] / 2).any(axis=1))
    found = measures.halved(archived(network, "grayscale"), ["grayscale"])
    low, high = np.quantile(np.mean(again, axis=0), [0.025, 0.975])
    one_class = 1 / len(classes) + 1e-9  # a count may lie on either side of a quantile
    assert found.estimate == np.mean(lost)
    assert (found.low, found.high) == pytest.approx((low, high), abs=one_class)


@each_network
def test_predictions_beyond_the_threshold(network):
    classes, levels = stored(network, "noise")
    assert levels[0] == 0 and (np.diff(levels) > 0).all()
    wrong, again = [], []
    for seed, (_, right) in enumerate(classes.values()):
        mean = right.mean(axis=0)
        failed = np.flatnonzero(mean < mean[0] / 2)
        if len(failed) and failed[0] + 1 < len(mean):
            wrong.append(1 - mean[failed[0] + 1 :].mean())
            again.append(1 - drawn_again(right, seed)[:, failed[0] + 1 :].mean(axis=1))
    found = measures.wrong_beyond(archived(network, "noise"))
    agrees(found, np.mean(wrong), np.mean(again, axis=0))
