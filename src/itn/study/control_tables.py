"""Thresholds with and without a control, the curves that lead there, and what pictures become.

All pictures of a control are taken together, as one category, so that the instrument's thresholds,
intervals and comparisons hold for them, too: few of each class say little of that class.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from itn.comparison import compare
from itn.messages import unknown
from itn.plots import PANEL_WIDTH, RIVAL_STYLES, TRUE_STYLE, draw_axes, draw_share, panels
from itn.study.claim_measures import ENDS, outward, resampled
from itn.study.controls import CLIPPED, SCREENED, THERE_AND_BACK, obtain_controls
from itn.study.profiles import FigureParameters, load_profile
from itn.study.sheets import explain, lines_of
from itn.study.titles import title
from itn.study.together import ALL, as_one_category, threshold_text
from itn.thresholds import accuracy_interval, is_correct, thresholds, value_at
from itn.transformations import find_transformation

CRITERION = "half"
FARTHER, NEARER = "▲ ", "▼ "
LABELS = {
    SCREENED: "as screened",
    "zeros": "black outside",
    "edge": "edge repeated outside",
    "reflect": "reflected outside",
    CLIPPED: "clipped to 0 … 1",
    THERE_AND_BACK: "interpolation alone (there and back)",
}
STYLES: dict[str, dict[str, Any]] = {
    "zeros": {"color": "#E69F00", "linestyle": (0, (4, 1, 1, 1, 1, 1))},
    "edge": RIVAL_STYLES[0],
    "reflect": RIVAL_STYLES[1],
    CLIPPED: {"color": "#CC79A7", "linestyle": (0, (5, 1.5))},
    THERE_AND_BACK: RIVAL_STYLES[2],
}


def right_under(of: xr.Dataset, control: str) -> npt.NDArray[np.bool_]:
    """Tell of each picture at each magnitude whether it is right under a control."""
    one = (of.predicted == of.true).sel(control=control)
    return np.asarray(one.transpose("image", "magnitude").values)


def control_table(controls: dict[str, xr.Dataset]) -> pd.DataFrame:
    """Tabulate what is lost in each control, one row for each transformation, direction, control.

    - ``pictures``: how many were looked at;
    - ``half``: the magnitude at which half of the accuracy over all pictures is lost, with its 95 %
      interval, which is open where it is written *from*;
    - ``farther``, ``nearer``: whether the interval of the difference to the screening, of the same
      pictures, says that it is farther out or nearer, see `itn.compare`;
    - ``kept``, ``kept_low``, ``kept_high``: the accuracy that is left, as a share of that at the
      identity, on average over the other magnitudes, with its 95 % interval over pictures;
    - ``lowest``: the lowest on the way.
    """
    rows = {}
    for name, of in controls.items():
        screened = as_one_category(of, right_under(of, SCREENED))
        for control in of.control.values.tolist():
            one = as_one_category(of, right_under(of, control))
            found = thresholds(one).sel(category=ALL, criterion=CRITERION)
            apart = compare(screened, one, criterion=CRITERION).sel(category=ALL)
            right = resampled(one, is_correct(one))[:, 0]
            for direction, _, columns in outward(one):
                at, difference = (each.sel(direction=direction) for each in (found, apart))
                clean = right[:, columns[:1]]
                share = right[:, columns[1:]] / np.where(clean > 0, clean, np.nan)
                kept = share.mean(axis=1)
                low, high = np.quantile(kept[1:], ENDS)
                rows[name, direction, control] = {
                    "pictures": len(of.image),
                    "half": threshold_text(at),
                    "farther": bool(difference.difference_low > 0),
                    "nearer": bool(difference.difference_high < 0),
                    "kept": float(kept[0]),
                    "kept_low": float(low),
                    "kept_high": float(high),
                    "lowest": float(share[0].min()),
                }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["transformation", "direction", "control"])


def control_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Lay out a table of controls for a page, one row for each transformation and direction.

    A threshold that is farther out than that of the screening is marked ▲, a nearer one ▼. Of what
    is moved there and back the accuracy that is left is told instead, and the lowest of it.
    """
    rows: dict[tuple[str, str], dict[str, str]] = {}
    index = table.index.to_list()
    for (name, direction, control), of in zip(index, table.itertuples(), strict=True):
        row = rows.setdefault((name, direction), {})
        if control == THERE_AND_BACK:
            row[control] = f"{of.kept:.0%} ({of.kept_low:.0%} to {of.kept_high:.0%})"
            row["lowest"] = f"{of.lowest:.0%}"
        else:
            row[control] = f"{FARTHER if of.farther else NEARER if of.nearer else ''}{of.half}"
    there = {column for row in rows.values() for column in row}
    columns = [column for column in (*LABELS, "lowest") if column in there]
    texts = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return texts.rename_axis(["transformation", "direction"])


def control_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Count for each control how many thresholds there are, and how many are farther and nearer.

    With the least that is ``kept`` of the accuracy on average over a direction, and the ``lowest``.
    """
    grouped = table.drop(SCREENED, level="control").groupby("control", sort=False)
    counts = grouped[["farther", "nearer"]].sum().assign(thresholds=grouped.size())
    return counts.join(grouped[["pictures", "kept", "lowest"]].min())


def plot_controls(controls: dict[str, xr.Dataset], columns: int = 2) -> Figure:
    """Draw the accuracy of the screening, with its interval, and of each control as a thin line."""
    with panels(len(controls), columns, (PANEL_WIDTH, 2.3), sharey=True) as (figure, grid):
        for axes, (name, of) in zip(grid.flat, controls.items(), strict=False):
            magnitude = of.magnitude.values
            for control in of.control.values.tolist():
                right, label = right_under(of, control), LABELS[control]
                if control == SCREENED:
                    interval = accuracy_interval(right.sum(axis=0), len(right))
                    draw_share(
                        axes, magnitude, right.mean(axis=0), interval, 0.15,
                        label=label, **TRUE_STYLE,
                    )  # fmt: skip
                else:
                    style = STYLES[control] | {"linewidth": 1.1}
                    axes.plot(magnitude, right.mean(axis=0), label=label, **style)
            draw_axes(axes, find_transformation(name), magnitude)
            axes.set_title(title(name))
        for axes in grid[:, 0]:
            axes.set_ylabel("accuracy")
        explain(figure, lines_of(grid.flat))
    return figure


def taken_table(
    parameters: FigureParameters, marked: Sequence[str], angle: float = 45.0
) -> pd.DataFrame:
    """Ask whether it is the black corners that make turned pictures into some classes.

    One row per network and fill: ``accuracy`` of all turned pictures, and the share of the
    ``pictures`` of other classes that are taken for one of the marked ones, ``taken`` turned, with
    its 95 % Clopper-Pearson ``interval``, and ``taken_upright``.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    upright = find_transformation("rotation").identity
    for network in load_profile(parameters.profile).networks:
        asked = parameters.model_copy(update={"network": network})
        of = obtain_controls(asked, ["rotation"])["rotation"]
        names = of["class"].values
        for name in marked:
            if name not in names:
                raise unknown("class", name, names)
        others = ~np.isin(names[of.true.values], marked)
        for control in of.control.values.tolist():
            if control == THERE_AND_BACK:
                continue
            predicted = of.predicted.sel(control=control).transpose("image", "magnitude").values
            right = (predicted == of.true.values[:, None]).mean(axis=0)
            taken = np.isin(names[predicted[others]], marked).sum(axis=0)
            ends = (value_at(of, end, angle) for end in accuracy_interval(taken, others.sum()))
            rows[network, of.attrs["fill"] if control == SCREENED else control] = {
                "pictures": int(others.sum()),
                "accuracy": float(value_at(of, right, angle)),
                "taken": float(value_at(of, taken / others.sum(), angle)),
                "interval": " to ".join(f"{end:.0%}" for end in ends),
                "taken_upright": float(value_at(of, taken / others.sum(), upright)),
            }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["network", "fill"])
