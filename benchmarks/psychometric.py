"""Are thresholds what psychophysics would call them? Writes psychometric.csv.

Psychophysics asks an observer at several magnitudes and fits a psychometric function, here with
psignifit (Schütt, Harmeling, Macke, Wichmann 2016): a Gaussian that falls from one minus the lapses
to zero, with overdispersion; its threshold is where half of that is lost, as of ours, *half*. That
fits where a curve falls once, from high to low: those of noise and blur are taken that rise nowhere
by more than a twentieth of the pictures, begin at three quarters or more, and end at a tenth or
less. The file has a row for each, with both thresholds and both 95 % intervals. psignifit is not
among what this package needs: ``pip install psignifit`` (4.3, GPL 3).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psignifit
import xarray as xr

from itn.curves import load_screening
from itn.messages import Progress
from itn.thresholds import accuracy, pictures_of, thresholds

ROOT = Path(__file__).parents[1]
ARCHIVES = [
    f"{network}_{name}"
    for network in ("photos/alexnet_photos", "photos/resnet_photos", "imagenet/squeezenet")
    for name in ("noise", "blur")
]
RISES, BEGINS, ENDS = 0.05, 0.75, 0.1


def main() -> None:
    rows: list[dict[str, object]] = []
    with Progress(ARCHIVES, unit="archive") as bar:
        for name in bar:
            rows += tabulate(name, load_screening(ROOT / "results" / f"{name}.nc"))
    table = pd.DataFrame(rows)
    table.to_csv(Path(__file__).with_suffix(".csv"), index=False, float_format="%.4g")


def tabulate(archive: str, screening: xr.Dataset) -> Iterator[dict[str, object]]:
    """Fit the curve of each class that falls once."""
    own = thresholds(screening).sel(criterion="half", direction="up")
    shares = accuracy(screening)
    for category, members in zip(screening.category.values, pictures_of(screening), strict=True):
        share = shares.sel(category=category).values
        if not falls_once(share):
            continue
        one = own.sel(category=category)
        yield {
            "archive": archive,
            "class": category,
            "pictures": len(members),
            "threshold": one.threshold.item(),
            "low": one.low.item(),
            "high": one.high.item(),
            **fit(screening.magnitude.values, np.round(share * len(members)), len(members)),
        }


def falls_once(share: np.ndarray) -> bool:
    """Tell whether a curve falls from high to low and hardly ever rises."""
    rise = (share - np.minimum.accumulate(share)).max()
    return bool(rise <= RISES and share[0] >= BEGINS and share[-1] <= ENDS)


def fit(magnitudes: np.ndarray, right: np.ndarray, pictures: int) -> dict[str, float]:
    """Fit a psychometric function, which rises: over the magnitude with its sign turned."""
    found = psignifit.psignifit(
        np.column_stack([-magnitudes, right, np.full(len(right), pictures)]),
        experiment_type="yes/no",
        sigmoid="norm",
        stimulus_range=(-magnitudes.max(), -magnitudes.min()),
        fixed_parameters={"gamma": 0.0},  # in the end nothing is right
        pool_max_blocks=len(right),
    )
    high, low = found.confidence_intervals["threshold"]["0.95"]
    return {
        "fitted": -found.parameter_estimate["threshold"],
        "fitted low": -low,
        "fitted high": -high,
        "lapses": found.parameter_estimate["lambda"],
        "overdispersion": found.parameter_estimate["eta"],
    }


if __name__ == "__main__":
    main()
