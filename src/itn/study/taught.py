"""How much of an invariance is taught? Networks that saw turned and zoomed pictures, and not."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from itn.messages import UsageError
from itn.plots import PANEL_WIDTH, draw_axes, draw_share, panels
from itn.study.profiles import FigureParameters, load_profile
from itn.study.screenings import obtain_screening
from itn.study.sheets import explain, lines_of
from itn.study.titles import title
from itn.thresholds import accuracy_interval, is_correct, mean_over_sweep, value_at
from itn.transformations import find_transformation

TAUGHT = ("rotation", "zoom")  # what training may change pictures by, see `itn.zoo.training.train`
SHOWN: dict[str, dict[str, float]] = {  # magnitudes that a page tells of
    "rotation": {"turned by 45°": 45, "turned by 90°": 90},
    "zoom": {"as taken": 1, "at half size": 0.5, "at double size": 2},
}
COLUMNS = (
    *("as taken", "turned by 45°", "turned by 90°", "mean over all angles"),
    *("at half size", "at double size"),
)
STYLES: dict[str, dict[str, Any]] = {
    "untaught": {"color": "#D55E00", "linestyle": "--"},
    "taught": {"color": "#0072B2", "linestyle": "-"},
}
Screenings = dict[tuple[str, str, str], xr.Dataset]


def taught_screenings(parameters: FigureParameters) -> Screenings:
    """Obtain the screenings of a profile's networks and of those that it names as untaught."""
    profile = load_profile(parameters.profile)
    if profile.untaught is None:
        raise UsageError(f"profile {parameters.profile} does not say which networks are untaught")
    untaught = load_profile(profile.untaught)
    if len(profile.networks) != len(untaught.networks):
        raise UsageError(
            f"each network of profile {parameters.profile} needs its untaught one: got "
            f"{', '.join(profile.networks)} and, from {profile.untaught}, "
            f"{', '.join(untaught.networks)}"
        )
    found = {}
    for transformation in TAUGHT:
        for own, other in zip(profile.networks, untaught.networks, strict=True):
            for which, network, name in (
                ("untaught", other, profile.untaught),
                ("taught", own, parameters.profile),
            ):
                asked = parameters.model_copy(update={"profile": name, "network": network})
                found[transformation, other, which] = obtain_screening(asked, transformation)
    return found


def plot_taught(screenings: Screenings, columns: int = 2) -> Figure:
    """Draw the accuracy of taught and untaught networks against the magnitude."""
    networks = list(dict.fromkeys(network for _, network, _ in screenings))
    shown = list(itertools.product(networks, TAUGHT))
    with panels(len(shown), columns, (PANEL_WIDTH, 2.6), sharey=True) as (figure, grid):
        for axes, (network, name) in zip(grid.flat, shown, strict=False):
            for which, style in STYLES.items():
                screening = screenings[name, network, which]
                magnitude, right = screening.magnitude.values, is_correct(screening)
                interval = accuracy_interval(right.sum(axis=0), len(right))
                draw_share(
                    axes, magnitude, right.mean(axis=0), interval,
                    label=which, linewidth=2, **style,
                )  # fmt: skip
            draw_axes(axes, find_transformation(name), magnitude)
            axes.set_title(title(network))
        for row in grid:
            row[0].set_ylabel("accuracy")
        explain(figure, lines_of(grid[0, :1]))
    return figure


def taught_table(screenings: Screenings) -> pd.DataFrame:
    """Tabulate the share of pictures that taught and untaught networks get right.

    One row per network, called as the untaught one, and training. NaN where a magnitude was not
    screened.
    """
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for (name, network, which), screening in screenings.items():
        share = is_correct(screening).mean(axis=0)
        row = rows.setdefault((network, which), dict.fromkeys(COLUMNS, np.nan))
        for column, magnitude in SHOWN[name].items():
            row[column] = float(value_at(screening, share, magnitude))
        if name == "rotation":
            row["mean over all angles"] = mean_over_sweep(screening, share)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["network", "training"])
