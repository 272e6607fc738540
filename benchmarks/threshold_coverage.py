"""How often do the 95 % intervals of thresholds hold the true one? Writes threshold_coverage.csv.

Screenings are drawn from populations of pictures whose curves, and so whose thresholds at the
magnitudes of the sweep, are known; the file has a row for each population, number of pictures and
criterion. Percentages are of the screenings that have an interval: that hold the true threshold;
whose interval lies beyond it; ends before it; is open. A true threshold beyond the sweep is held by
an interval that is open, and can be missed on one side alone. The last column counts the screenings
that are lost at the identity, so that there is no interval. The same numbers every time; twenty
minutes, if nothing else is going on.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.special import expit, logit, ndtri

from itn.messages import Progress
from itn.thresholds import CRITERIA, crossing, thresholds
from itn.transformations import find_transformation

Numbers = npt.NDArray[np.float64]

MAGNITUDES = np.linspace(0, 1, 41)
CURVES: dict[str, Numbers] = {  # the share of pictures that are recognized
    "logistic": expit((0.4 - MAGNITUDES) / 0.08),
    "steep": expit((0.41 - MAGNITUDES) / 0.012),  # over three magnitudes
    "sudden": expit((0.41 - MAGNITUDES) / 0.004),  # from one magnitude to the next
    "shallow": 0.9 - 0.68 * MAGNITUDES,
    "lapsing": 0.04 + 0.84 * expit((0.4 - MAGNITUDES) / 0.08),
    "rarely right": 0.5 * expit((0.45 - MAGNITUDES) / 0.1),
    "returning": 0.95 - 0.8 * np.exp(-(((MAGNITUDES - 0.5) / 0.15) ** 2)),
    "nearly lost before": 0.95
    - 0.3 * np.exp(-(((MAGNITUDES - 0.3) / 0.12) ** 2))
    - 0.85 * expit((MAGNITUDES - 0.75) / 0.04),
    "late": expit((0.93 - MAGNITUDES) / 0.1),  # often not reached
    "beyond": expit((1.05 - MAGNITUDES) / 0.15),  # reached beyond the sweep, if at all
}
# How the softmax that the true class does not get is shared out, on average.
RIVALS = {"one strong": (0.6, 0.2, 0.1, 0.1), "two alike": (0.4, 0.4, 0.1, 0.1)}
# The share of what varies between pictures that a picture does not keep from one magnitude to the
# next; the rest changes slowly.
RESTLESS = {"one strong": 0.02, "two alike": 0.2}
SPREAD = 2.5  # of the logits of the softmax, over pictures
TOGETHER = 100  # screenings that are drawn at once


def main() -> None:
    cases = list(product(CURVES, RIVALS, (20, 60)))
    with Progress(cases, unit="case") as bar:
        rows = [row for curve, rivals, count in bar for row in coverage(curve, rivals, count, 2000)]
    table = pd.DataFrame(rows).sort_values("criterion", kind="stable")
    table.to_csv(Path(__file__).with_suffix(".csv"), index=False, float_format="%.4g")


def coverage(
    curve: str, rivals: str, pictures: int, screenings: int, resamples: int = 1000
) -> Iterator[dict[str, object]]:
    """Tabulate, in a row for each criterion, what becomes of the intervals of many screenings."""
    rng = np.random.default_rng([list(CURVES).index(curve), list(RIVALS).index(rivals), pictures])
    found = [
        thresholds(
            draw(rng, curve, rivals, pictures, min(TOGETHER, screenings - start)),
            resamples=resamples,
        )[["status", "low", "high"]].sel(direction="up", drop=True)
        for start in range(0, screenings, TOGETHER)
    ]
    for criterion in CRITERIA:
        true = true_threshold(curve, rivals, criterion)
        one = xr.concat([each.sel(criterion=criterion, drop=True) for each in found], "category")
        lost = one.status.values == "lost at identity"
        # What has no number is farther out than all that do.
        low, high = (one[end].fillna(np.inf).values[~lost] for end in ("low", "high"))
        beyond, before = low > true, high < true
        yield {
            "criterion": criterion,
            "curve": curve,
            "rivals": rivals,
            "restless": RESTLESS[rivals],
            "pictures": pictures,
            "threshold": true,
            "held": 100 * (1 - (beyond | before).mean()),
            "beyond": 100 * beyond.mean(),
            "before": 100 * before.mean(),
            "open": 100 * np.isinf(high).mean(),
            "lost at identity": 100 * lost.mean(),
        }


def true_threshold(curve: str, rivals: str, criterion: str) -> float:
    """Return where the curve of the population first loses the prediction; infinity if nowhere."""
    margin = CURVES[curve] - CURVES[curve][0] / 2
    if criterion == "switch":
        nodes, weights = np.polynomial.hermite_e.hermegauss(200)
        true = softmax(nodes[:, None], curve).T @ weights / weights.sum()
        margin = true - (1 - true) * max(RIVALS[rivals])
    lost = np.flatnonzero(margin < 0)
    return crossing(MAGNITUDES, margin, lost[0] - 1, lost[0], False) if len(lost) else np.inf


def softmax(ability: Numbers, curve: str) -> Numbers:
    """Return the softmax of the true class; abilities are normal, and hardly change the mean."""
    logits = logit(CURVES[curve]) * np.sqrt(1 + SPREAD**2 / 3) + SPREAD * ability
    return np.asarray(expit(logits))


def draw(
    rng: np.random.Generator, curve: str, rivals: str, pictures: int, screenings: int
) -> xr.Dataset:
    """Draw screenings; they are the categories of one."""
    away = np.subtract.outer(MAGNITUDES, MAGNITUDES)
    kept = 0.6 + 0.4 * np.exp(-((away / 0.35) ** 2))
    covariance = (1 - RESTLESS[rivals]) * kept + RESTLESS[rivals] * np.eye(len(MAGNITUDES))
    count = screenings * pictures
    ability = rng.standard_normal((count, len(MAGNITUDES))) @ np.linalg.cholesky(covariance).T
    true = softmax(ability, curve)
    shares = rng.dirichlet(2 * np.array(RIVALS[rivals]), count)  # [N, 4]
    others = shares[:, :, None] * (1 - true[:, None])
    everything = np.concatenate([true[:, None], others], axis=1)  # [N, 5, M]
    mean = everything.reshape(screenings, pictures, 5, -1).mean(axis=1).swapaxes(1, 2)
    return xr.Dataset(
        {
            "softmax": (("image", "magnitude"), true),
            "rival_softmax": (("image", "rank", "magnitude"), others[:, :3]),
            "predicted": (("image", "magnitude"), np.where(ability > -ndtri(CURVES[curve]), 0, 1)),
            "mean_softmax": (("category", "magnitude", "class"), mean),
            "rival": (("category", "rank"), np.tile([1, 2, 3], (screenings, 1))),
            "target": ("category", np.zeros(screenings, int)),
            "label": ("image", np.repeat(np.arange(screenings), pictures)),
        },
        coords={"magnitude": MAGNITUDES, "category": np.arange(screenings)},
        attrs={"transformation": "noise", "identity": find_transformation("noise").identity},
    )


if __name__ == "__main__":
    main()
