"""Transformers that were trained with different options."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from itn.plots import PANEL_HEIGHT, PANEL_WIDTH, panels, readable
from itn.study.archive import obtain
from itn.study.learned import first_of, training_of, transformers_request
from itn.study.learned_samples import SLIDER_STYLES, draw_components
from itn.study.learned_training import learned_row
from itn.study.profiles import TransformerParameters, load_profile
from itn.study.sheets import explain, lines_of

COMPONENTS_SHOWN = ("rotation", "scale_x", "scale_y")
DISPLACEMENTS = {"corners": "spatial_displacement", "colors": "color_displacement"}


def vary_transformers(
    parameters: TransformerParameters, option: str, values: Sequence[Any]
) -> dict[str, xr.DataTree]:
    """Train transformers with each of several values of one parameter."""
    profile, how = load_profile(parameters.profile), training_of(parameters)
    names = set(TransformerParameters.model_fields)
    fields = how.model_dump(include=names) | {"fill": profile.fill}
    fields |= parameters.model_dump(include=names, exclude_none=True)
    fields["seeds"] = fields["seeds"][:1]
    if option == "classes" and fields["limit"]:  # as many pictures in all as otherwise
        fields["limit"] *= len(parameters.classes or profile.classes)
    return {
        str(value): obtain(
            transformers_request(TransformerParameters(**fields | {option: value}), ("survey",))
        )
        for value in values
    }


def plot_variations(varied: dict[str, xr.DataTree], columns: int = 4) -> Figure:
    """Draw what transformers do to the content that were trained with different options.

    Four panels for each, in a row of their own, or in two.
    """
    size = (PANEL_WIDTH / 2, (0.4 / len(varied) + 0.5) * PANEL_HEIGHT)
    with panels(4 * len(varied), columns, size=size) as (figure, grid):
        rows = grid.reshape(len(varied), 4)
        for row, (value, study) in zip(rows, varied.items(), strict=True):
            draw_components(row, first_of(study, "survey"), "alpha", COMPONENTS_SHOWN)
            row[0].set_ylabel(readable(value))
            history = first_of(study, "history")
            for (label, name), style in zip(DISPLACEMENTS.items(), SLIDER_STYLES, strict=False):
                row[3].plot(history[name], label=label, linewidth=2, **style)
            row[3].axvline(history.attrs["kept_epoch"], color="#BBBBBB", zorder=0)
            row[3].set_title("displacement")
        for shown in rows.T:
            ends = np.array([axes.get_ylim() for axes in shown])
            for axes in shown:
                axes.set_ylim(ends.min(), ends.max())
        if columns == rows.shape[1]:
            for axes in rows[1:].flat:
                axes.set_title("")
        for axes in rows[-1, :3]:
            axes.set_xlabel("control value")
        rows[-1, 3].set_xlabel("epoch")
        explain(figure, lines_of(rows[0, [0, 3]]))
    return figure


def variation_table(varied: Mapping[str, xr.DataTree]) -> pd.DataFrame:
    """Tabulate the same of trainings with several values of a parameter: one row for each value."""
    rows = {
        value: learned_row(next(iter(study.children.values()))) for value, study in varied.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("value")
