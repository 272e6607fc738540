"""The paper's sentences on what is learned, asked of the drawn members of each family.

What counts as "a few degrees", "strongly" and "rather low" was set for the ledger, before any of
the nets that are compared by what they hold was trained. Verdicts follow `itn.study.verdicts`.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from itn.displacement import color_displacement
from itn.study.gate_trainings import paper_gate
from itn.study.learned_gates import seed_of, trainings
from itn.study.matrices import decompose_spatial
from itn.study.verdicts import MARKS, judge
from itn.thresholds import accuracy_interval

FEW_DEGREES = 10  # a turn by that moves the picture's corners by an eighth of its width
STRONG_ZOOM = 1.25  # along either axis; along both, more than a third of the picture is lost
LOW_MAGNITUDE = 0.25  # mean displacement of the color cube's corners; half the contrast does that
MIDDLE = (0.025, 0.975)  # of the members, between which a table gives a range
Which = npt.NDArray[np.bool_]


def gentle_members(spatial: npt.ArrayLike) -> Which:
    """Tell which affine matrices turn by few degrees and do not zoom in strongly."""
    parts = decompose_spatial(spatial)
    turned = parts.rotation.abs() > FEW_DEGREES
    enlarged = parts[["scale_x", "scale_y"]].max(axis=1) > STRONG_ZOOM
    return ~(turned | enlarged).to_numpy()


def zoomed_out_members(spatial: npt.ArrayLike) -> Which:
    """Tell which affine matrices shrink the picture along both axes."""
    return (decompose_spatial(spatial)[["scale_x", "scale_y"]].max(axis=1) < 1).to_numpy()


def little_color_members(color: npt.ArrayLike) -> Which:
    """Tell which color matrices change colors by a low magnitude."""
    return color_displacement(color) < LOW_MAGNITUDE


# Of which matrices a claim of the ledger speaks, what it says of them, and what a table calls it.
SENTENCES: Mapping[str, tuple[str, Callable[[npt.ArrayLike], Which], str]] = {
    "no-information-loss": ("spatial_matrix", gentle_members, "turns little, no strong zoom in"),
    "only-zooms-out": ("spatial_matrix", zoomed_out_members, "only zooms out"),
    "small-color-changes": ("color_matrix", little_color_members, "little color"),
}


def fitting_members(training: xr.DataTree, claim: str) -> Which:
    """Tell for which drawn members of a trained family a sentence is true."""
    matrix, which, _ = SENTENCES[claim]
    return which(training["measured"].to_dataset()[matrix].values)


def sentence_table(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate whether the paper's sentences are true, a row for each gate and seed.

    Of every sentence the share of members for which it is true (its name), the Clopper-Pearson
    interval over the members, which were drawn (``… low``, ``… high``), and the ``… verdict``.
    Beside it the range of the middle 95 % of the members: ``turn`` in degrees, ``scale`` along
    both axes, of which the lowest and the highest count, and ``color``, the displacement.
    """
    rows = {}
    for hold, nodes in trainings(study).items():
        for node in nodes:
            rows[hold, seed_of(node)] = _ranges(node) | _shares(node)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["held", "seed"])


def sentences_by_fill(studies: Mapping[str, xr.DataTree]) -> pd.DataFrame:
    """Tabulate the same of the first training with the paper's gate: a row for each fill."""
    nodes = {fill: next(iter(paper_gate(each).children.values())) for fill, each in studies.items()}
    rows = {fill: _ranges(node) | _shares(node) for fill, node in nodes.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("fill")


def _ranges(training: xr.DataTree) -> dict[str, float | str]:
    own = training["measured"].to_dataset()
    parts = decompose_spatial(own.spatial_matrix.values)
    values = {
        "turn": parts.rotation.to_numpy(),
        "scale": parts[["scale_x", "scale_y"]].to_numpy(),
        "color": color_displacement(own.color_matrix.values),
    }
    return {
        f"{name} {end}": float(quantile)
        for name, each in values.items()
        for end, quantile in zip(("low", "high"), np.quantile(each, MIDDLE), strict=True)
    }


def _shares(training: xr.DataTree) -> dict[str, float | str]:
    row: dict[str, float | str] = {}
    for claim, (_, _, name) in SENTENCES.items():
        which = fitting_members(training, claim)
        share = float(which.mean())
        low, high = (float(end) for end in accuracy_interval(which.sum(), len(which)))
        row |= {name: share, f"{name} low": low, f"{name} high": high}
        row[f"{name} verdict"] = judge("share", share, low, high)
    return row


def sentence_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Write `sentence_table`, or that by fill, as a page shows it; marks are the ledger's."""
    texts = {
        key: {
            "turn, °": f"{row['turn low']:.1f} … {row['turn high']:.1f}",
            "scale": f"{row['scale low']:.2f} … {row['scale high']:.2f}",
            "colors": f"{row['color low']:.2f} … {row['color high']:.2f}",
        }
        | {
            name: f"{MARKS[row[f'{name} verdict']]} {row[name]:.0%} "
            f"({row[f'{name} low']:.0%}–{row[f'{name} high']:.0%})"
            for _, _, name in SENTENCES.values()
        }
        for key, row in table.iterrows()
    }
    found = pd.DataFrame.from_dict(texts, orient="index").rename_axis(table.index.names)
    return found.replace(r"-(?=\d)", "−", regex=True)
