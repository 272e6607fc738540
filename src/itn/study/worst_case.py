"""Worst cases beside means: what averages over pictures hide, and what one range at a time does.

A profile names ranges, and which of them are searched together. What is found within some ranges
counts for every search of more: its worst cases are among those, too.
"""

import textwrap
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from itn.messages import UsageError
from itn.netcdf import read_netcdf
from itn.plots import PANEL_WIDTH, draw_axes, draw_share, panels
from itn.study.archive import Recipe, Request, find_archived, obtain, part_of
from itn.study.inputs import (
    all_of,
    chosen_pictures,
    inputs_of,
    pictures_recipe,
    planned_classifier,
    planned_pictures,
)
from itn.study.pages import MISSING
from itn.study.profiles import (
    FigureParameters,
    WorstCase,
    chosen_network,
    load_profile,
    project_folder,
)
from itn.study.screenings import file_name
from itn.study.titles import title
from itn.thresholds import accuracy_interval
from itn.transformations import find_transformation
from itn.zoo.recipes import network_recipe

PROTOCOL = 1  # raised when the numbers change on purpose
STARTS, ROUNDS = 2, 4  # of the local search
ANOTHER, ITS_PROFILE = "squeezenet", "imagenet"  # beside the networks of a profile
JOINT = "+"  # between the names of what is searched together
RESAMPLES = 2000
ENDS = (0.025, 0.975)
NOTHING = "nothing"  # is done to pictures as they are
WORST_STYLES: tuple[dict[str, Any], ...] = (  # of so many lines in a figure
    {"color": "#E69F00", "linestyle": (0, (5, 1.5))},
    {"color": "#D55E00", "linestyle": "-"},
)

Trees = Mapping[str, xr.DataTree]  # of each network; a node for each search


def worst_cases_request(parameters: FigureParameters) -> Request:
    """Say what decides the worst cases of a network, and how they are found."""
    profile = load_profile(parameters.profile)
    how = _searches(parameters)
    parameters = parameters.model_copy(update={"limit": parameters.limit or how.limit})
    network, weights = chosen_network(parameters)
    pictures = pictures_recipe(**chosen_pictures(parameters, profile))
    recipe: Recipe = {
        "kind": "worst cases",
        "protocol": PROTOCOL,
        **network_recipe(network, weights),
        **all_of(pictures),
        "ranges": {name: list(ends) for name, ends in how.ranges.items()},
        "searches": list(how.searches),
        "starts": STARTS,
        "rounds": ROUNDS,
        "fill": parameters.fill or profile.fill,
    }

    def compute(state: Path) -> xr.DataTree:
        from itn.worst_case import worst_case  # which loads a backend

        inputs = inputs_of(parameters, pictures)
        loaded = planned_pictures(inputs, progress=True)

        def search(counts: dict[str, int]) -> xr.Dataset:
            return worst_case(
                planned_classifier(inputs), loaded, {name: how.ranges[name] for name in counts},
                counts, starts=STARTS, rounds=ROUNDS, fill=recipe["fill"],
            )  # fmt: skip

        return xr.DataTree.from_dict(
            {
                name: part_of(state, name, partial(search, counts))
                for counts in how.searches
                for name in [JOINT.join(counts)]
            }
        )

    return Request(
        recipe,
        compute,
        "itn.study.worst_case",
        project_folder() / "results" / parameters.profile / f"{file_name(network)}_worst_case.nc",
        True,
        f"itn worst-case --profile {parameters.profile} --network {network} archives it",
    )


def _searches(parameters: FigureParameters) -> WorstCase:
    how = load_profile(parameters.profile).worst_case
    if how is None:
        raise UsageError(f"profile {parameters.profile} does not say where to look for worst cases")
    return how


def obtain_worst_cases(parameters: FigureParameters) -> dict[str, xr.DataTree]:
    """Obtain the worst cases of a profile's networks, and SqueezeNet's where those are archived.

    The latter beside networks that were not taught what they are tried with.
    """
    profile = load_profile(parameters.profile)
    found = {
        name: obtain(worst_cases_request(parameters.model_copy(update={"network": name})))
        for name in profile.networks
    }
    its = worst_cases_request(FigureParameters(profile=ITS_PROFILE, network=ANOTHER))
    archived = find_archived(its)  # it would take too long to compute them
    if ANOTHER not in found and archived is not None and profile.untaught is None:
        found[ANOTHER] = read_netcdf(archived)
    return found


def worst_case_table(found: Trees) -> pd.DataFrame:
    """Tabulate accuracies, one row for each network and what it was searched in.

    ``mean`` is that over the ranges, ``worst`` that where each picture stands worst, ``grid`` the
    same before the local search and of this search alone, ``hidden`` the difference of the first
    two. Each with its 95 % interval over pictures: Clopper–Pearson's where it is a share of
    pictures, else that of a bootstrap, in which pictures are drawn again. A first row, ``nothing``,
    is of the pictures as they are.
    """
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for network, tree in found.items():
        for name, search in _searches_of(tree):
            untouched = search.right.sel(stage="untouched").values
            row = {"pictures": len(untouched), "passes": 1}
            shares = _shares("mean", untouched) | _shares("worst", untouched)
            rows.setdefault((network, NOTHING), row | shares)
            held = _held(tree, name)
            rows[network, name] = {
                "pictures": len(held),
                "passes": search.attrs["passes"] / len(held),
                **_means("mean", search.share.values),
                **_shares("worst", held),
                **_means("hidden", search.share.values - held),
                "grid": float(search.right.sel(stage="grid").mean()),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["network", "within"])


def worst_case_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Write accuracies as a page shows them, in per cent with their intervals."""
    columns = {"mean": "mean", "worst": "worst case", "hidden": "hidden by the mean"}
    texts = {
        column: [
            _text(*row) for row in 100 * table[[name, f"{name}_low", f"{name}_high"]].to_numpy()
        ]
        for name, column in columns.items()
    }
    names = [(network, searched_text(name)) for network, name in table.index]
    index = pd.MultiIndex.from_tuples(names, names=table.index.names)
    return pd.DataFrame(texts, index=index)


def searched_text(name: str) -> str:
    """Say of a search, for the reader, what it was in."""
    return ", ".join(map(title, name.split(JOINT)))


def plot_worst_case(found: Trees, columns: int = 2) -> Figure:
    """Draw the accuracy when all pictures are changed alike, and where each stands worst.

    One panel for each network: the mean curve along the range that is searched first, and lines for
    the worst cases of the first searches in which that takes part.
    """
    with panels(len(found), columns, size=(PANEL_WIDTH, 2.6), sharey=True) as (figure, grid):
        for axes, (network, tree) in zip(grid.flat, found.items(), strict=False):
            _draw(axes, tree)
            axes.set_title(title(network))
        for axes in grid[:, 0]:
            axes.set_ylabel("accuracy")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        lines = [textwrap.fill(label, 36 * columns) for label in labels]
        figure.legend(handles, lines, loc="outside lower center")
    return figure


def _draw(axes: Axes, tree: xr.DataTree) -> None:
    along, first = next(_searches_of(tree))
    of = find_transformation(along)
    magnitude, mean = first[along].values, first.accuracy.values
    count = first.sizes["image"]
    draw_share(
        axes, magnitude, mean, accuracy_interval(np.round(mean * count), count),
        label=f"mean: all pictures under the same {title(along)}", linewidth=2.4, color="#0072B2",
    )  # fmt: skip
    joint = [name for name, _ in _searches_of(tree) if along in name.split(JOINT)]
    for place, (name, style) in enumerate(zip(joint, WORST_STYLES, strict=False), 1):
        row = _shares("worst", _held(tree, name))
        share, low, high = row.values()
        draw_share(
            axes, magnitude[[0, -1]], [share] * 2, ([low] * 2, [high] * 2), linewidth=2,
            label=f"worst case: each picture under its own {searched_text(name)}", **style,
        )  # fmt: skip
        axes.annotate(
            f"{share:.0%}", (magnitude[0] + place / 4 * np.ptp(magnitude), share), (0, 3),
            textcoords="offset points", color=style["color"], ha="center",
        )  # fmt: skip
    draw_axes(axes, of, magnitude)


def _searches_of(tree: xr.DataTree) -> Iterator[tuple[str, xr.Dataset]]:
    return ((name, node.to_dataset()) for name, node in tree.children.items())


def _held(tree: xr.DataTree, name: str) -> npt.NDArray[np.bool_]:
    """Tell of each picture whether no search within these ranges has found a way to lose it."""
    ranges = set(name.split(JOINT))
    inside = [each for other, each in _searches_of(tree) if ranges.issuperset(other.split(JOINT))]
    held: npt.NDArray[np.bool_] = np.logical_and.reduce(
        [each.right.sel(stage="local").values for each in inside]
    )
    return held


def _shares(name: str, which: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return the share of pictures for which something holds, with the ends of its interval."""
    low, high = accuracy_interval(np.array(which.sum()), len(which))
    return {name: float(which.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}


def _means(name: str, values: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return a mean over pictures, with the ends of its interval."""
    count = len(values)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    low, high = np.quantile(drawn @ values / count, ENDS)
    return {name: float(values.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}


def _text(value: float, low: float, high: float) -> str:
    return MISSING if np.isnan(value) else f"{value:.0f} ({low:.0f} to {high:.0f})"
