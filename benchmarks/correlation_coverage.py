"""How often do intervals of rank correlations hold the true one? Writes correlation_coverage.csv.

Two networks are screened by several transformations. How far out they lose a class is drawn from
populations whose rank correlation ``ρ`` is known; what the pictures of a class tolerate scatters
around that. The file has a row for each ρ, number of classes and ``noise``: how much the threshold
of a class varies with its pictures, as a part of how much it varies between classes; and for
whether both networks looked at the ``same`` pictures, half of whose variance they then share, or at
``other`` ones. ``reliability`` is the mean agreement of a network with itself that `split_half`
finds, ``found`` the mean correlation. Percentages are of the intervals: that hold the true ρ
(``held``), lie wholly above it (``too high``) or below (``too low``), and lie above 0; first of
single correlations, then of the median over the transformations. The same numbers every time; ten
minutes, if nothing else is going on.
"""

from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from itn.comparison import bias_corrected, compare
from itn.messages import Progress
from itn.study.agreement import split_half
from itn.transformations import find_transformation

Numbers = npt.NDArray[np.float64]

MAGNITUDES = np.linspace(0, 1, 41)
PICTURES = 20  # of each class
MIDDLE, BETWEEN = 0.5, 0.07  # of the thresholds of classes: mean and standard deviation
MEDIAN = 1.2533  # standard deviation of the median of normal numbers, times √n
SHARED = 0.5  # of the variance: between transformations, and between networks of the same pictures
NAMES = ("noise", "grayscale", "blur", "brightness")  # they are names alone


def main() -> None:
    cases = list(product((0.0, 0.5, 0.8), (11, 24), (0.3, 1.0), (True, False)))
    with Progress(cases, unit="case") as bar:
        rows = [
            coverage(latent, classes, noise, same, screenings=200)
            for latent, classes, noise, same in bar
        ]
    table = pd.DataFrame(rows)
    table.to_csv(Path(__file__).with_suffix(".csv"), index=False, float_format="%.3g")


def coverage(
    latent: float,
    classes: int,
    noise: float,
    same: bool,
    screenings: int,
    names: tuple[str, ...] = NAMES,
    resamples: int = 300,
) -> dict[str, object]:
    """Tabulate, in one row, what becomes of the intervals of many screenings."""
    true = 6 / np.pi * np.arcsin(latent / 2)  # Spearman's of a normal distribution
    rng = np.random.default_rng([round(10 * latent), classes, round(10 * noise), same])
    single, medians, reliability = [], [], []
    for seed in range(screenings):
        drawn = draw(rng, latent, classes, noise, same, names)
        found = [
            compare(*both, resamples=resamples, seed=seed).sel(direction="up") for both in drawn
        ]
        single += [
            (one.correlation.item(), one.correlation_low.item(), one.correlation_high.item())
            for one in found
        ]
        median = float(np.median([one.correlation for one in found]))
        again = np.median([one.correlation_drawn for one in found], axis=0)
        medians.append((median, *bias_corrected(median, again)))
        reliability.append(split_half(drawn[0][0], splits=20, seed=seed)[1])
    return {
        "ρ": true,
        "classes": classes,
        "noise": noise,
        "pictures": "same" if same else "other",
        "reliability": np.mean(reliability),
        "found": np.mean(single, axis=0)[0],
        **_held(single, true),
        **{f"median {name}": share for name, share in _held(medians, true).items()},
    }


def _held(found: list[tuple[float, float, float]], true: float) -> dict[str, float]:
    _, low, high = np.transpose(found)
    return {
        "held": 100 * float(((low <= true) & (true <= high)).mean()),
        "too low": 100 * float((high < true).mean()),
        "too high": 100 * float((low > true).mean()),
        "above 0": 100 * float((low > 0).mean()),
    }


def draw(
    rng: np.random.Generator,
    latent: float,
    classes: int,
    noise: float,
    same: bool,
    names: tuple[str, ...],
) -> list[tuple[xr.Dataset, xr.Dataset]]:
    """Draw the screenings of both networks by each transformation."""
    covariance = np.array([[1, latent], [latent, 1]])
    common = rng.multivariate_normal([0, 0], covariance, classes)
    spread = noise * BETWEEN * np.sqrt(PICTURES) / MEDIAN
    drawn = []
    for name in names:
        own = rng.multivariate_normal([0, 0], covariance, classes)
        middle = MIDDLE + BETWEEN * (np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own)  # [C, 2]
        alike = rng.standard_normal((classes, PICTURES, 1))
        alone = rng.standard_normal((classes, PICTURES, 2))
        pictures = np.sqrt(SHARED) * alike + np.sqrt(1 - SHARED) * alone if same else alone
        limits = middle[:, None] + spread * pictures  # [C, N, 2]
        of = ("same", "same") if same else ("first", "second")
        drawn.append((screened(limits[..., 0], name, of[0]), screened(limits[..., 1], name, of[1])))
    return drawn


def screened(limits: Numbers, name: str, of: str) -> xr.Dataset:
    """Return a screening in which each picture [C, N] is right below its limit."""
    classes, pictures = limits.shape
    label = np.repeat(np.arange(classes), pictures)
    right = limits.reshape(-1, 1) > MAGNITUDES
    mean = np.zeros((classes, len(MAGNITUDES), classes + 1))
    mean[:, :, -1] = 1 - right.reshape(classes, pictures, -1).mean(axis=1)
    mean[np.arange(classes), :, np.arange(classes)] = 1 - mean[:, :, -1]
    return xr.Dataset(
        {
            "predicted": (("image", "magnitude"), np.where(right, label[:, None], classes)),
            "mean_softmax": (("category", "magnitude", "class"), mean),
            "target": ("category", np.arange(classes)),
            "label": ("image", label),
        },
        coords={
            "magnitude": MAGNITUDES,
            "category": [f"class {index}" for index in range(classes)],
            "image": [f"{of}/{index:05d}" for index in range(len(label))],
        },
        attrs={"transformation": name, "identity": find_transformation(name).identity},
    )


if __name__ == "__main__":
    main()
