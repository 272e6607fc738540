"""What decides the claims of the paper's second strategy: measures of archived transformers.

Of the state that was kept of a training, the first of a study unless several seeds are asked for.
Shares of pictures have Clopper-Pearson intervals. Matrices are known exactly, so that shares of the
surveyed members of a family, control values moved one at a time and all together, have none.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from itn.comparison import spearman
from itn.displacement import spatial_displacement
from itn.study.claim_measures import ENDS, RESAMPLES, Measurement, Numbers
from itn.study.gate_trainings import KNOWN, paper_gate
from itn.study.learned import first_of
from itn.study.learned_gates import ends_of_draws, ratios_to_rivals
from itn.study.learned_sentences import (
    fitting_members,
    gentle_members,
    little_color_members,
    zoomed_out_members,
)
from itn.study.titles import title
from itn.thresholds import accuracy_interval

EXACT = "of the surveyed members of the family, whose matrices are known"


class Estimate(NamedTuple):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def consistent_amid(study: xr.DataTree) -> Measurement:
    """Return the share of pictures that keep their class with all controls at one half."""
    survey = first_of(study, "survey")
    amid = (survey.value == 0.5) & (survey.slider == "alpha")
    return _share_of_pictures(study, survey.consistent.values[amid], "all controls at one half")


def consistent_at_worst(study: xr.DataTree) -> Measurement:
    """Return the share that keep their class under the member that keeps fewest.

    Along the lines on which all of α, or all of β, are moved together.
    """
    survey = first_of(study, "survey")
    together = survey.consistent.where(survey.slider.isin(["alpha", "beta"]))
    worst = int(np.nanargmin(together.values))
    letter = {"alpha": "α", "beta": "β"}[survey.slider.values[worst]]
    where = f"all of {letter} at {survey.value.values[worst]:g}"
    return _share_of_pictures(study, survey.consistent.values[[worst]], where)


def constant_cross_entropy(study: xr.DataTree) -> Measurement:
    """Return the mean cross-entropy of the first and last third of the steps, smaller over larger.

    For the interval, steps are drawn again.
    """
    thirds = np.array_split(first_of(study, "history").cross_entropy.values.astype(float), 3)
    first, last = (_drawn_means(thirds[which], which) for which in (0, 2))
    ratio = np.minimum(first, last) / np.maximum(first, last)
    return _of_steps(study, "share", ratio, "cross-entropy")


def falling_loss(study: xr.DataTree) -> Iterator[Measurement]:
    """Correlate the losses of both transformers, their signs changed, with the step, by ranks.

    For the interval, steps are drawn again.
    """
    history = first_of(study, "history")
    for name in ("spatial_loss", "color_loss"):
        loss = history[name].values
        rows = np.random.default_rng(0).integers(len(loss), size=(RESAMPLES, len(loss)))
        rows = np.vstack([np.arange(len(loss)), rows])
        fallen = spearman(rows.astype(float), -loss[rows])
        yield _of_steps(study, "correlation", fallen, name.replace("_", " "))


def grows_with_alpha(study: xr.DataTree) -> Measurement:
    """Return the share of steps of α, one value or all, that make the displacement larger."""
    survey = first_of(study, "survey")
    displaced = pd.Series(spatial_displacement(survey.spatial_matrix.values))
    moved = survey.slider.to_series().str.startswith("alpha").to_numpy()
    steps = displaced[moved].groupby(survey.slider.values[moved]).diff().dropna()
    return _exact(study, (steps > 0).to_numpy(), "of the steps by which α is moved")


def colors_change_with_beta(study: xr.DataTree) -> Measurement:
    """Return the share of steps of β, one value or all, that change the colors."""
    survey = first_of(study, "survey")
    moved = survey.slider.to_series().str.startswith("beta").to_numpy()
    matrices = survey.color_matrix.values[moved].reshape(moved.sum(), -1)
    steps = pd.DataFrame(matrices).groupby(survey.slider.values[moved]).diff().dropna()
    return _exact(study, steps.abs().max(axis=1).to_numpy() > 0, "of the steps by which β is moved")


def gentle(study: xr.DataTree) -> Measurement:
    """Return the share of members that turn by few degrees and do not zoom in strongly."""
    return _exact(study, gentle_members(first_of(study, "survey").spatial_matrix.values))


def zoomed_out(study: xr.DataTree) -> Measurement:
    """Return the share of members that shrink the picture along both axes."""
    return _exact(study, zoomed_out_members(first_of(study, "survey").spatial_matrix.values))


def little_color(study: xr.DataTree) -> Measurement:
    """Return the share of members that change colors by a low magnitude."""
    return _exact(study, little_color_members(first_of(study, "survey").color_matrix.values))


def fitting(trained: xr.DataTree, how: str, claim: str) -> Measurement:
    """Return for which share of drawn members a sentence is true, see `_over_seeds`.

    Of one training, with the Clopper-Pearson interval over members.
    """
    which = [fitting_members(node, claim) for node in trained.children.values()]
    shares = [_share(each) for each in which]
    name, remark = f"{_name(trained)}, {how}", "of drawn members of the family"
    return _over_seeds(name, "share", _learned_from(trained), shares, remark)


def farther_than_random(study: xr.DataTree) -> Measurement:
    """Return how many times as far families with the paper's gate go as random matrices.

    At the same share of the untouched accuracy, on pictures that neither trained nor chose them,
    see `_over_seeds`. Of one training, with the interval from pictures drawn again, the same for
    both families.
    """
    known, trained = study[KNOWN].to_dataset(), paper_gate(study)
    at = {"kind": "both", "criterion": "accuracy"}
    nodes = [node["measured"].to_dataset() for node in trained.children.values()]
    ratios = [ratios_to_rivals(known, measured, at)["random"] for measured in nodes]
    found = [Estimate(float(each[0]), *_widest_ends(each[1:])) for each in ratios]
    pictures, remark = known.sizes["picture"], "random matrices = 1"
    return _over_seeds(_name(trained), "ratio", pictures, found, remark)


def _over_seeds(
    name: str, kind: str, pictures: int, found: Sequence[Estimate], remark: str
) -> Measurement:
    """Return the median over seeds, and in place of an interval the lowest and the highest.

    Between those of five seeds lies the median of all seeds with a probability of 1 - 2 / 2^5, or
    94 %, however they scatter. One training is told as it is, with its own interval. Where one is
    unknown, so is the median, and an end that it may be is open.
    """
    if len(found) == 1:
        return Measurement(name, kind, pictures, *found[0], f"one seed, {remark}")
    each = np.array([one.value for one in found])
    least, most = _unknown_as_any(each)
    seeds = f"median of {len(each)} seeds (lowest … highest)"
    ends = float(np.median(each)), float(least.min()), float(most.max())
    return Measurement(name, kind, pictures, *ends, f"{seeds}, {remark}")


def _widest_ends(ratios: Numbers) -> tuple[float, float]:
    """Return the ends of an interval of ratios."""
    least, most = _unknown_as_any(ratios)
    return ends_of_draws(least)[0], ends_of_draws(most)[1]


def _unknown_as_any(ratios: Numbers) -> tuple[Numbers, Numbers]:
    """Return the least and the most that ratios may be: any, where neither family loses a thing."""
    unknown = np.isnan(ratios)
    return np.where(unknown, 0, ratios), np.where(unknown, np.inf, ratios)


def _share(which: npt.NDArray[np.bool_]) -> Estimate:
    low, high = accuracy_interval(which.sum(), len(which))
    return Estimate(float(which.mean()), float(low), float(high))


def _drawn_means(values: Numbers, seed: int) -> Numbers:
    """Return the mean [resample], first of the values as they are."""
    rows = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    return np.append(values.mean(), values[rows].mean(axis=1))


def _share_of_pictures(
    study: xr.DataTree, count: npt.NDArray[np.int64], remark: str
) -> Measurement:
    pictures = _reported_on(study)
    (low,), (high,) = accuracy_interval(count, pictures)
    share = float(count[0] / pictures)
    return Measurement(_name(study), "share", pictures, share, float(low), float(high), remark)


def _of_steps(study: xr.DataTree, kind: str, statistic: Numbers, remark: str) -> Measurement:
    low, high = np.quantile(statistic[1:], ENDS)
    ends = float(statistic[0]), float(low), float(high)
    return Measurement(_name(study), kind, _learned_from(study), *ends, remark)


def _exact(study: xr.DataTree, which: npt.NDArray[np.bool_], remark: str = EXACT) -> Measurement:
    share, nan = float(which.mean()), float("nan")
    remark = f"{which.sum()} of {len(which)} {remark}"
    return Measurement(_name(study), "share", _learned_from(study), share, nan, nan, remark)


def _learned_from(study: xr.DataTree) -> int:
    return int(first_of(study, "history").attrs["pictures"])


def _reported_on(study: xr.DataTree) -> int:
    return int(first_of(study, "history").attrs["reported_pictures"])


def _name(study: xr.DataTree) -> str:
    return title(first_of(study, "history").attrs["network"])
