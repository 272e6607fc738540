"""The ledger: every claim of the paper, what decides it here, and the verdict.

Measurements are judged by the rule of `itn.study.verdicts`. A claim has the verdict of its
measurements where they agree. Where they do not, it holds with limits if it does so for one of
them, else it does not hold.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from itn.messages import Progress
from itn.netcdf import read_netcdf
from itn.study import claim_measures as screened
from itn.study import claim_measures_learned as learned
from itn.study.archive import require_archived
from itn.study.claim_measures import Measurement, Screenings
from itn.study.gate_trainings import PAPERS, fill_requests, gates_request, paper_gate
from itn.study.learned import transformers_request
from itn.study.learned_gates import trainings
from itn.study.learned_sentences import FEW_DEGREES, LOW_MAGNITUDE, STRONG_ZOOM
from itn.study.pages import MISSING
from itn.study.profiles import (
    FigureParameters,
    GateParameters,
    TransformerParameters,
    load_profile,
)
from itn.study.screenings import archived_screening, screened_networks
from itn.study.verdicts import DOES_NOT, HOLDS, LEVELS, LIMITS, MARKS, UNTESTABLE, judge
from itn.transformations import TRANSFORMATIONS

TEXTS = {  # how a number of a kind is written, and what it is
    "share": (".0%", "share"),
    "correlation": (".2f", "rank correlation"),
    "chance": (".0%", "share of intervals that do not touch"),
    "ratio": (".1f", "ratio to random"),
}

ROUND = ("soccer_ball",)  # what we have that is nearest to an orange
AXISYMMETRIC = "axisymmetric"  # a group of the profile
COLOR = ("grayscale",)
GATED = ("alexnet", "resnet", "squeezenet", "efficientnet-lite0")  # as labels name them
SENTENCE_TABLES = tuple(f"tab-itn-sentences-{network}" for network in GATED)
IMAGENET = "imagenet"  # profile of networks that learned from ImageNet


@dataclass(frozen=True)
class Evidence:
    """What claims are tested on: archived screenings of networks, and archived transformers."""

    ours: Sequence[Screenings]  # the paper's architectures, trained by us on photographs
    others: Sequence[Screenings]  # other architectures, trained on ImageNet
    axisymmetric: Sequence[str]
    study: xr.DataTree
    gates: Sequence[xr.DataTree]  # of all: transformers that hold this or that
    fills: Sequence[tuple[str, xr.DataTree]]  # of all: such that learned with another fill

    @property
    def networks(self) -> list[Screenings]:
        """All networks."""
        return [*self.ours, *self.others]


Measure = Callable[[Evidence], Iterable[Measurement]]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, and what decides it."""

    key: str
    name: str  # for the reader
    quotation: str  # the paper's own words
    where: str  # in the paper
    reading: str  # what of it is measured, in a sentence or two
    measure: Measure | None  # None: there is nothing to measure
    figures: tuple[str, ...]  # labels of figures of the book
    notebook: str  # below book/results, without its ending


def _each(measure: Callable[..., Measurement], *arguments: Any) -> Measure:
    return lambda evidence: (measure(network, *arguments) for network in evidence.networks)


def _of_study(*measures: Callable[[xr.DataTree], Measurement]) -> Measure:
    return lambda evidence: (measure(evidence.study) for measure in measures)


def _of_families(claim: str, measure: Callable[[xr.DataTree], Measurement]) -> Measure:
    """Ask the study of a claim, and the trainings with each gate and fill."""

    def found(evidence: Evidence) -> Iterator[Measurement]:
        yield measure(evidence.study)
        for study in evidence.gates:
            for hold in trainings(study):
                yield learned.fitting(study.children[hold], f"{hold} held", claim)
        for fill, study in evidence.fills:
            yield learned.fitting(paper_gate(study), f"{PAPERS} held, fill {fill}", claim)

    return found


def _dependent(evidence: Evidence) -> Iterator[Measurement]:
    for network in evidence.networks:
        yield screened.classes_differ(network)
        yield screened.transformations_apart(network, "zoom", "contrast")


def _round(evidence: Evidence) -> Iterator[Measurement]:
    for network in evidence.networks:
        for name in ROUND:
            if name in network["rotation"].category:
                yield screened.least_softmax_turned(network, name)


def _axisymmetric(evidence: Evidence) -> Iterator[Measurement]:
    for network in evidence.networks:
        if np.isin(evidence.axisymmetric, network["rotation"].category).any():
            yield screened.softmax_upside_down(network, evidence.axisymmetric)


def _alike(evidence: Evidence) -> Iterator[Measurement]:
    for pair in combinations(evidence.ours, 2):
        yield screened.alike(*pair)


def _agree(evidence: Evidence) -> Iterator[Measurement]:
    for pair in combinations(evidence.networks, 2):
        yield screened.agreement(*pair)


def _training(evidence: Evidence) -> Iterator[Measurement]:
    yield learned.constant_cross_entropy(evidence.study)
    yield from learned.falling_loss(evidence.study)


CLAIMS = (
    Claim(
        "invariant-below",
        "invariant below a threshold",
        "If the magnitude of different transformations does not exceed a class and transformation "
        "dependent threshold, both architectures show invariant behavior.",
        "abstract",
        "Halfway to the threshold *half* of their class, how many pictures are still given the "
        "class that they are given untouched? All transformations and directions together.",
        _each(screened.kept_halfway),
        ("fig-photos-noise", "fig-noise"),
        "photos/appendix",
    ),
    Claim(
        "class-dependent",
        "thresholds depend on class and transformation",
        "class and transformation dependent threshold",
        "abstract",
        "Under how many transformations and directions do classes differ in how far their "
        "pictures may be changed? And of how many classes do the intervals of the threshold *half* "
        "not touch when pictures are shrunk and when they are dimmed, which are both factors? "
        "Other thresholds have units of their own and are not compared.",
        _dependent,
        ("fig-appendix-noise", "fig-appendix-rotation"),
        "imagenet/appendix",
    ),
    Claim(
        "learn-parameters",
        "parameters are learned",
        "enables us to learn differentiable parameters for a set of affine transformations",
        "abstract",
        "How many times as far as random matrices does the learned family move pictures and "
        "colors, where both hold just the required accuracy?",
        lambda evidence: map(learned.farther_than_random, evidence.gates),
        tuple(f"fig-itn-gates-{network}" for network in GATED),
        "photos/alexnet_photos/learned_gates",
    ),
    Claim(
        "extract-space",
        "the space of invariance is extracted",
        "This allows us to extract the space of transformations to which the CNN is invariant and "
        "its class prediction robust.",
        "abstract",
        "How many pictures that neither trained nor chose the net keep the class that they have "
        "untouched, at that end of the learned family where fewest do? That accuracy holds does "
        "not say so: as many wrong answers may have become right.",
        _of_study(learned.consistent_at_worst),
        ("fig-itn-training-photographs",),
        "imagenet/learned_samples",
    ),
    Claim(
        "similar-behavior",
        "both networks behave alike",
        "Both network architecture show similar behavior with respect to the given transformation.",
        "section 4.1",
        "At how many magnitudes of all sweeps do both networks keep the same share of their "
        "accuracy, to within a tenth of it?",
        _alike,
        ("fig-photos-noise", "fig-photos-rotation"),
        "photos/photographs",
    ),
    Claim(
        "noise-switch",
        "noise switches the prediction",
        "the increasing addition of Gaussian noise leads to a switch of the class prediction as "
        "indicated by the softmax output",
        "section 4.1",
        "Of how many classes does a rival's mean softmax come ahead, up to a full range of noise?",
        _each(screened.overtaken_by_noise),
        ("fig-photos-noise", "fig-noise"),
        "photos/noise",
    ),
    Claim(
        "noise-class",
        "at a level that depends on the class",
        "the critical level of Gaussian noise leading to a switch in the prediction is dependent "
        "on the class as well",
        "section 4.1",
        "Of how many pairs of classes do the intervals of the threshold *switch* not touch?",
        _each(screened.apart_under_noise),
        ("fig-photos-appendix-noise", "fig-appendix-noise"),
        "photos/noise",
    ),
    Claim(
        "confidence-noise",
        "and thus on the confidence",
        "Since the networks’ confidence is dependent on the class, the critical level of Gaussian "
        "noise leading to a switch in the prediction is dependent on the class as well",
        "section 4.1",
        "Does it follow? Rank correlation over the classes of the mean softmax untouched and the "
        "threshold *switch* under noise.",
        _each(screened.confidence_and_noise),
        ("fig-photos-appendix-noise", "fig-appendix-noise"),
        "photos/noise",
    ),
    Claim(
        "rotation-reduction",
        "rotation reduces the softmax",
        "Rotation results in a strong reduction of the softmax.",
        "section 4.1",
        "Of how many classes does the mean softmax fall below half of that upright, at some angle? "
        "What is strong the paper does not say, half is our reading; black corners are, too.",
        _each(screened.softmax_halved_by_rotation),
        ("fig-photos-rotation", "fig-rotation"),
        "photos/rotation",
    ),
    Claim(
        "point-symmetric",
        "but not of point symmetric objects",
        "For certain point symmetric items like an orange, the softmax output is constant and "
        "independent on the transformation",
        "section 4.1",
        "What is left of the mean softmax upright at the worst of all angles? Of soccer balls: "
        "there are no oranges among our pictures.",
        _round,
        ("fig-photos-rotation", "fig-rotation"),
        "imagenet/rotation",
    ),
    Claim(
        "axisymmetric",
        "axisymmetric ones come back at 180°",
        "for axisymmetric items, the softmax value returns to high values at a rotation of 180",
        "section 4.1",
        "What is left of the mean softmax upright after half a turn, as a mean over those of our "
        "classes that we called axisymmetric before we looked at a result?",
        _axisymmetric,
        ("fig-photos-symmetry", "fig-appendix-rotation"),
        "photos/photographs",
    ),
    Claim(
        "training-losses",
        "how the losses go in training",
        "The training shows a constant mean of the loss of the CNN but a reducing loss of the "
        "transformers of the Invariant Transformer Net",
        "section 4.2",
        "The mean cross-entropy of the first and of the last third of the steps, the smaller over "
        "the larger; and the rank correlation of the losses, their signs changed, with the step.",
        _training,
        ("fig-itn-training-photographs",),
        "imagenet/learned_training",
    ),
    Claim(
        "labels-unchanged",
        "learned transformations leave the class alone",
        "the classification of the transformed images does not change and thus, the network is "
        "expected to be invariant to the learned transformations",
        "section 4.2",
        "How many pictures that neither trained nor chose the net keep the class that they have "
        "untouched, in the middle of the learned family? Accuracy holds, see the figure; that is "
        "not the same.",
        _of_study(learned.consistent_amid),
        ("fig-itn-training-photographs",),
        "imagenet/learned_samples",
    ),
    Claim(
        "parameters-control",
        "the controls control",
        "changes of the parameter result in a changing spatial transformation (with increasing "
        "magnitude for increasing ) and changes in result in a change of color transformation",
        "section 4.2",
        "How many steps of α, one value or all, move the picture farther than the step before, and "
        "how many of β change its colors? The symbols are missing from the text we had.",
        _of_study(learned.grows_with_alpha, learned.colors_change_with_beta),
        ("fig-itn-samples",),
        "imagenet/learned_samples",
    ),
    Claim(
        "expected-behavior",
        "screening shows what one expects",
        "The results of the large scale screening, as described in the first strategy, are "
        "consistent with the behavior one expects from common CNN architectures.",
        "discussion",
        "Nothing is measured: the paper does not say what one expects.",
        None,
        (),
        "",
    ),
    Claim(
        "extract-thresholds",
        "there are thresholds to extract",
        "a general method to systematically access the invariances learned by CNNs and to extract "
        "thresholds at which the magnitude of different transformations lead to a "
        "misclassification of the input images",
        "discussion",
        "In how many classes and directions is there such a threshold, at which accuracy is "
        "halved, within the sweep?",
        _each(screened.halved),
        ("fig-thresholds",),
        "imagenet/appendix",
    ),
    Claim(
        "networks-correlate",
        "the invariances of ResNet and AlexNet correlate",
        "the learned invariances of ResNet correlate to the invariance learned by AlexNet",
        "discussion",
        "Rank correlation of the thresholds *half* over the classes: the median over all "
        "transformations and directions. Networks that learned from other pictures are the "
        "control.",
        _agree,
        ("fig-photos-correlations",),
        "photos/photographs",
    ),
    Claim(
        "highly-sensitive",
        "sensitive to strong transformations",
        "both networks are highly sensible to stronger affine and nonaffine transformations",
        "discussion",
        "In how many directions of all transformations is the accuracy over all pictures halved "
        "within the sweep? That values are not clipped, and that black comes in from outside, is "
        "our reading and moves thresholds, some by much: see the figures of controls.",
        _each(screened.halved_together),
        (
            *("fig-photos-rotation", "fig-rotation", "fig-zoom"),
            *("fig-photos-controls-alexnet", "fig-photos-controls-resnet"),
            *("fig-controls", "fig-controls-efficientnet-lite0"),
        ),
        "photos/appendix",
    ),
    Claim(
        "no-information-loss",
        "little turning, no strong zooming in",
        "it never chooses a transformation with high information loss, and thus, never strongly "
        "zooms into the image or rotates it more than a few degrees",
        "discussion",
        f"How many members of the learned family turn by at most {FEW_DEGREES}° and "
        f"enlarge neither axis more than {STRONG_ZOOM} times? Both limits are our reading.",
        _of_families("no-information-loss", learned.gentle),
        ("fig-itn-samples", *SENTENCE_TABLES),
        "imagenet/learned_samples",
    ),
    Claim(
        "only-zooms-out",
        "it only zooms out",
        "it only zooms out of the image",
        "discussion",
        "How many members of the learned family shrink the picture along both axes? What then "
        "surrounds it the paper does not say, black is our reading.",
        _of_families("only-zooms-out", learned.zoomed_out),
        ("fig-itn-samples", "fig-itn-fills", *SENTENCE_TABLES),
        "imagenet/learned_samples",
    ),
    Claim(
        "sensitive-to-color",
        "sensitive to color",
        "Convolutional Neural Networks are highly sensible to color changes",
        "discussion",
        "Of how many classes is the accuracy halved before all color is gone? Of changes of color "
        "that is the one we screen, hues are not turned.",
        _each(screened.halved, COLOR),
        ("fig-appendix-grayscale",),
        "imagenet/appendix",
    ),
    Claim(
        "small-color-changes",
        "little color is learned",
        "only color changes of rather low magnitude are learned",
        "discussion",
        "How many members of the learned family move the corners of the color cube by less than "
        f"{LOW_MAGNITUDE} of the full range, on average? That limit is our reading.",
        _of_families("small-color-changes", learned.little_color),
        ("fig-itn-training-photographs", *SENTENCE_TABLES),
        "imagenet/learned_training",
    ),
    Claim(
        "wrong-beyond",
        "wrong beyond a threshold",
        "If the magnitude of different transformations exceeds a class and transformation "
        "dependent threshold, the prediction result is instable and incorrect.",
        "summary",
        "How many predictions are wrong beyond the threshold *half* of their class, up to the end "
        "of the sweep? Where it is not reached there is no beyond.",
        _each(screened.wrong_beyond),
        ("fig-photos-noise", "fig-noise"),
        "photos/appendix",
    ),
)


def read_evidence(parameters: FigureParameters) -> Evidence:
    """Read the archived results that claims are tested on."""
    profile = load_profile(parameters.profile)
    ours = [_screenings(parameters.profile, network) for network in profile.networks]
    others = [_screenings(IMAGENET, network) for network in screened_networks(IMAGENET)]
    study = transformers_request(TransformerParameters(profile=IMAGENET))
    asked = [
        GateParameters(profile=name, network=network)
        for name in (parameters.profile, IMAGENET)
        for network in load_profile(name).networks
    ]
    fills = [each for one in asked for each in fill_requests(one).items()]
    return Evidence(
        ours,
        others,
        profile.groups[AXISYMMETRIC],
        read_netcdf(require_archived(study)),
        [read_netcdf(require_archived(gates_request(each))) for each in asked],
        [(fill, read_netcdf(require_archived(request))) for fill, request in fills],
    )


def _screenings(profile: str, network: str) -> dict[str, xr.Dataset]:
    asked = FigureParameters(profile=profile, network=network)
    return {name: archived_screening(asked, name) for name in TRANSFORMATIONS}


def measure_claims(parameters: FigureParameters) -> pd.DataFrame:
    """Tabulate all measurements, one row for each claim and network, or pair of networks."""
    evidence = read_evidence(parameters)
    rows = []
    for claim in Progress(CLAIMS, desc="claims", delay=2):
        for each in claim.measure(evidence) if claim.measure else ():
            rows.append({"claim": claim.key, **each._asdict(), "verdict": verdict_of(each)})
    return pd.DataFrame(rows).set_index(["claim", "of"])


def verdict_of(measurement: Measurement) -> str:
    """Judge one measurement."""
    return judge(measurement.kind, measurement.estimate, measurement.low, measurement.high)


def verdict(single: Iterable[str]) -> str:
    """Join the verdicts of a claim's measurements."""
    found = set(single)
    if len(found) < 2:
        return found.pop() if found else UNTESTABLE
    return LIMITS if found & {HOLDS, LIMITS} else DOES_NOT


def verdicts(measured: pd.DataFrame) -> dict[str, str]:
    """Return the verdict on each claim."""
    by_claim = measured.verdict.groupby(level="claim").agg(list)
    return {claim.key: verdict(by_claim.get(claim.key, ())) for claim in CLAIMS}


def verdict_counts(measured: pd.DataFrame) -> pd.DataFrame:
    """Count the claims of each verdict, and all."""
    found = list(verdicts(measured).values())
    counts = {each: found.count(each) for each in MARKS} | {"all": len(found)}
    return pd.DataFrame({"claims": counts}).rename_axis("verdict")


def overview_table(measured: pd.DataFrame) -> pd.DataFrame:
    """Tabulate which claims have each verdict, in the markup of the book."""
    found = verdicts(measured)
    rows = {}
    for each in MARKS:
        own = [claim for claim in CLAIMS if found[claim.key] == each]
        links = "; ".join(f"{{ref}}`{claim.name} <{label_of(claim.key)}>`" for claim in own)
        rows[f"**{_marked(each)}**"] = {"claims": len(own), "which": links or MISSING}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("verdict")


def _marked(each: str) -> str:
    return f"{MARKS[each]} {each}"


def ledger_table(measured: pd.DataFrame) -> pd.DataFrame:
    """Lay out the ledger for a page, one row for each claim, in the markup of the book."""
    found = verdicts(measured)
    rows = {
        f"({label_of(claim.key)})=\n“{claim.quotation}” ({claim.where})": {
            "verdict": f"**{_marked(found[claim.key])}**",
            "what decides": "\n\n".join([claim.reading, *_listed(measured, claim)]),
            "see": _links(claim),
        }
        for claim in CLAIMS
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("the paper says")


def label_of(key: str) -> str:
    """Return what a page refers to a claim by."""
    return f"claim-{key}"


def rule_table() -> pd.DataFrame:
    """Tabulate from which level on a measurement speaks for a claim."""
    rows = {
        TEXTS[kind][1]: {"at all": f"{least:{form}}", "in full": f"{full:{form}}"}
        for kind, (least, full) in LEVELS.items()
        for form in [TEXTS[kind][0]]
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("measured")


def _listed(measured: pd.DataFrame, claim: Claim) -> list[str]:
    """Write the measurements of a claim as a list; a remark that several share stands once."""
    if claim.key not in measured.index:
        return []
    alike: dict[str, list[str]] = {}
    for row in measured.loc[[claim.key]].reset_index().to_dict("records"):
        remark = f"; {row['remark']}" if row["remark"] else ""
        alike.setdefault(f"{row['pictures']} pictures{remark}", []).append(_text(row))
    lines = []
    for common, texts in alike.items():
        if len(texts) == 1 or ";" not in common:
            lines += [f"- {text}, {common}" for text in texts]
        else:
            lines += [f"- {common}:", *(f"  - {text}" for text in texts)]
    return ["\n".join(lines)]


def _text(row: Mapping[Any, Any]) -> str:
    form = TEXTS[row["kind"]][0]
    ends = "" if np.isnan(row["low"]) else f" ({row['low']:{form}} … {row['high']:{form}})"
    estimate = "unknown" if np.isnan(row["estimate"]) else f"{row['estimate']:{form}}"
    text = f"{row['of']}: {estimate}{ends.replace('inf', '∞')}"
    return re.sub(r"-(?=\d\.)", "−", text)


def _links(claim: Claim) -> str:
    if claim.measure is None:
        return MISSING
    figures = [f"{{numref}}`{label}`" for label in claim.figures]
    notebook = f"{{download}}`notebook <results/{claim.notebook}.ipynb>`"
    return ", ".join([*figures, notebook])
