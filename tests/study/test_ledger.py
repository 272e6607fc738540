"""Every number of the ledger, from the archives, by code that shares nothing with the study's.

Read with h5py, computed with numpy and scipy: thresholds by a loop over pictures, intervals by a
bootstrap with draws of its own, so that they agree to within what both vary by chance.
"""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import stats

from itn.study.claims import measure_claims
from itn.study.profiles import FigureParameters

RESULTS = Path(__file__).parents[2] / "results"
NETWORKS = {
    "AlexNet": "photos/alexnet_photos",
    "ResNet": "photos/resnet_photos",
    "SqueezeNet v1.0": "imagenet/squeezenet",
}
FACTORS = ("scale_x", "scale_y", "zoom", "contrast")
SWEPT = (
    *("translation_x", "translation_y", "rotation", "scale_x", "scale_y", "zoom"),
    *("brightness", "contrast", "grayscale", "blur", "noise"),
)
AXISYMMETRIC = ("lamp", "minaret", "menorah")
DRAWS = 400


@pytest.fixture(scope="module")
def ledger():
    """What the book shows."""
    return measure_claims(FigureParameters(profile="photos"))


class Stored:
    """One archived screening; magnitudes of a turn run from -180 to 180, factors are octaves."""

    def __init__(self, network, transformation):
        with h5py.File(RESULTS / f"{NETWORKS[network]}_{transformation}.nc") as file:
            self.names = [name.decode() for name in file["category"][:]]
            self.paths = [name.decode() for name in file["image"][:]]
            self.label, target = file["label"][:], file["target"][:]
            self.said = file["predicted"][:]
            scale = file["softmax"].attrs["scale_factor"]
            self.true = file["softmax"][:] * scale
            self.rivals = file["rival_softmax"][:] * scale
            means = file["mean_softmax"][:] * scale
            for index, rivals in enumerate(file["rival"][:]):
                means[index][:, [target[index], *rivals]] = 0
            self.others = means.max(axis=2)
            at = file["magnitude"][:].astype(float)
        self.right = self.said == target[self.label][:, None]
        start = 1.0 if transformation in FACTORS else 0.0
        self.start = int(np.flatnonzero(at == start)[0])
        if transformation == "rotation":
            up = [int(np.flatnonzero(at == angle)[0]) for angle in at if angle <= 180]
            down = [self.start, *(int(np.flatnonzero(at == 360 - at[column])[0]) for column in up[1:])]
            self.sides, distances = {"down": down, "up": up}, {"down": at[up], "up": at[up]}
        else:
            place = np.log2(at) if transformation in FACTORS else at
            away = place - place[self.start]
            self.sides = {
                "down": [c for c in np.argsort(-away) if away[c] <= 0],
                "up": [c for c in np.argsort(away) if away[c] >= 0],
            }
            distances = {side: np.abs(away[own]) for side, own in self.sides.items()}
        self.sides = {side: own for side, own in self.sides.items() if len(own) > 1}
        self.distances = distances
        self.at = at

    def of(self, name):
        return np.flatnonzero(self.label == self.names.index(name))

    def left(self, rows, side):
        """Accuracy of some pictures, which may be there several times, on the way out."""
        return self.right[rows][:, self.sides[side]].mean(axis=0)

    def lost_at(self, rows, side):
        """How far out accuracy falls below half of that at the start; infinity if nowhere."""
        kept = self.left(rows, side)
        margin, distance = kept - kept[0] / 2, self.distances[side]
        for step in range(1, len(margin)):
            if margin[step] < 0:
                share = margin[step - 1] / (margin[step - 1] - margin[step])
                return distance[step - 1] + share * (distance[step] - distance[step - 1])
        return np.inf

    def lead(self, rows):
        """By how much mean softmax is ahead, under noise."""
        category = self.label[rows[0]]
        rivals = self.rivals[rows].mean(axis=0).max(axis=0)
        return self.true[rows].mean(axis=0) - np.maximum(rivals, self.others[category])


@pytest.fixture(scope="module")
def stored():
    return {name: {each: Stored(name, each) for each in SWEPT} for name in NETWORKS}


def draws(stored, seed, classes=None):
    """Draw pictures of each class again, many times: rows of all, in the order of the classes."""
    rng = np.random.default_rng(seed)
    for _ in range(DRAWS):
        yield [
            rng.choice(stored.of(name), len(stored.of(name))) for name in classes or stored.names
        ]


def as_they_are(stored):
    return [stored.of(name) for name in stored.names]


def agrees(row, estimate, drawn=(), digits=1e-9, tolerance=None):
    """The estimate to all digits, the interval to within some of its width."""
    assert row.estimate == pytest.approx(estimate, abs=digits)
    if len(drawn) == 0:
        assert np.isnan([row.low, row.high]).all()
        return
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    near = 0.2 * (row.high - row.low) + 0.002 if tolerance is None else tolerance
    assert row.low == pytest.approx(low, abs=near)
    assert row.high == pytest.approx(high, abs=near)


each_network = pytest.mark.parametrize("network", NETWORKS)


def halved(own, rows, names=SWEPT):
    """Share of classes and directions whose accuracy is halved."""
    return np.mean(
        [
            (kept < kept[0] / 2).any()
            for name in names
            for side in own[name].sides
            for kept in (own[name].left(each, side) for each in rows)
        ]
    )


@each_network
def test_thresholds_that_there_are(ledger, stored, network):
    own = stored[network]
    first = own["noise"]
    drawn = [halved(own, rows) for rows, _ in zip(draws(first, 1), range(60), strict=False)]
    row = ledger.loc["extract-thresholds", network].iloc[0]
    agrees(row, halved(own, as_they_are(first)), drawn, tolerance=0.015)
    row = ledger.loc["sensitive-to-color", network].iloc[0]
    drawn = [halved(own, rows, ["grayscale"]) for rows in draws(first, 2)]
    agrees(row, halved(own, as_they_are(first), ["grayscale"]), drawn, tolerance=0.05)
