"""Symmetric objects under rotation, and what the black corners have to do with it."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from scipy import stats

from itn.plots import PANEL_HEIGHT, PANEL_WIDTH, RIVAL_STYLES, STYLE, Figure, draw_axes
from itn.profiles import FigureParameters, load_profile
from itn.screening_study import obtain_screening
from itn.thresholds import accuracy, is_correct
from itn.transformations import find_transformation

REST = "other classes"


def turned_groups(parameters: FigureParameters) -> pd.DataFrame:
    """Measure how much accuracy each class keeps under rotation, in groups of symmetry.

    Parameters
    ----------
    parameters : FigureParameters
        From `itn.read_parameters`; the groups are the profile's.

    Returns
    -------
    pandas.DataFrame
        One row per network and class: ``network``, ``category``, ``group``, ``clean``
        accuracy, and the shares of it that are left: ``kept`` on average over all angles,
        ``kept_180`` after half a turn; ``curve`` is that share at each of the ``angles``.

    Examples
    --------
    >>> from itn.profiles import read_parameters
    >>> turned_groups(read_parameters({"profile": "photos"}))  # doctest: +SKIP
    """
    profile = load_profile(parameters.profile)
    group_of = {name: group for group, names in profile.groups.items() for name in names}
    rows: list[dict[str, Any]] = []
    for network in profile.networks:
        asked = parameters.model_copy(update={"network": network})
        screening = obtain_screening(asked, "rotation")
        angles = screening.magnitude.values
        curves = accuracy(screening)
        for category in screening.category.values.tolist():
            curve = curves.sel(category=category).values
            share = curve / curve[0]
            rows.append(
                {
                    "network": network,
                    "category": category,
                    "group": group_of.get(category, REST),
                    "clean": curve[0],
                    "kept": float(np.trapezoid(share, angles) / np.ptp(angles)),
                    "kept_180": float(np.interp(180, angles, share)),
                    "angles": angles,
                    "curve": share,
                }
            )
    order = [*profile.groups, REST]
    rows.sort(key=lambda row: order.index(row["group"]))
    return pd.DataFrame(rows)


def plot_turned_groups(turned: pd.DataFrame) -> Figure:
    """Draw the share of accuracy that each group of classes keeps against the angle.

    Parameters
    ----------
    turned : pandas.DataFrame
        From `turned_groups`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, not shown; one panel per network. Thick: mean over the classes of a
        group; thin: each class.

    Examples
    --------
    >>> plot_turned_groups(turned)  # doctest: +SKIP
    """
    networks = list(dict.fromkeys(turned.network))
    groups = [group for group in dict.fromkeys(turned.group) if group != REST]
    with mpl.rc_context(STYLE):
        size = (PANEL_WIDTH * len(networks), PANEL_HEIGHT)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, len(networks), squeeze=False, sharey=True)[0]
        for axes, network in zip(panels, networks, strict=True):
            for group, style in zip(groups, RIVAL_STYLES, strict=False):
                members = turned[(turned.network == network) & (turned.group == group)]
                curves, angles = np.stack(list(members.curve)), members.angles.iloc[0]
                axes.plot(angles, curves.T, **style | {"linewidth": 0.6, "alpha": 0.4})
                label = f"{group} ({len(members)} classes)"
                axes.plot(angles, curves.mean(axis=0), label=label, linewidth=2.2, **style)
            draw_axes(axes, find_transformation("rotation"), angles)
            axes.set_ylim(0, 1.25)
            axes.set_title(network)
        panels[0].set_ylabel("accuracy, share of that upright")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def group_table(turned: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what each class keeps under rotation, in groups.

    Parameters
    ----------
    turned : pandas.DataFrame
        From `turned_groups`.

    Returns
    -------
    pandas.DataFrame
        One row per group and class; per network the shares, in percent.

    Examples
    --------
    >>> group_table(turned)  # doctest: +SKIP
    """
    table = turned.pivot_table(
        index=["group", "category"], columns="network", values=["kept", "kept_180"], sort=False
    )
    shown: pd.DataFrame = table.map("{:.0%}".format)
    return shown


def group_numbers(turned: pd.DataFrame) -> dict[str, float | str]:
    """Collect what the book says of the groups.

    Parameters
    ----------
    turned : pandas.DataFrame
        From `turned_groups`.

    Returns
    -------
    dict
        Per network and group, ``<network>_<group>_…``: ``kept``, ``kept_180``, and how many
        ``classes``. Per network, ``<network>_p_<group>``: probability, by chance, that a group
        keeps at least that much more of its accuracy than the last group does (Mann-Whitney,
        exact, one-sided), and ``<network>_p_180_<group>`` after half a turn.

    Examples
    --------
    >>> group_numbers(turned)  # doctest: +SKIP
    """
    numbers: dict[str, float | str] = {}
    groups = [group for group in dict.fromkeys(turned.group) if group != REST]
    for network, of_network in turned.groupby("network"):
        members = {group: of_network[of_network.group == group] for group in groups}
        for group in groups:
            numbers[f"{network}_{group}_classes"] = len(members[group])
            for column in ("kept", "kept_180"):
                numbers[f"{network}_{group}_{column}"] = float(members[group][column].mean())
        for group in groups[:-1]:
            for column, key in (("kept", "p"), ("kept_180", "p_180")):
                test = stats.mannwhitneyu(
                    members[group][column], members[groups[-1]][column], alternative="greater"
                )
                numbers[f"{network}_{key}_{group}"] = float(test.pvalue)
    return numbers


def fill_control(
    parameters: FigureParameters,
    marked: Sequence[str],
    angle: float = 45.0,
    fills: Sequence[str] = ("zeros", "edge", "reflect"),
) -> pd.DataFrame:
    """Ask whether it is the black corners that make turned pictures into some classes.

    Parameters
    ----------
    parameters : FigureParameters
        From `itn.read_parameters`.
    marked : sequence of str
        Classes whose own pictures have black corners.
    angle : float, default 45
        By which pictures are turned, degrees.
    fills : sequence of str, default ("zeros", "edge", "reflect")
        What is put into the corners; only zeros are black.

    Returns
    -------
    pandas.DataFrame
        One row per network and fill: ``accuracy`` of all turned pictures, and the share of the
        pictures of other classes that are taken for one of the marked ones, ``taken`` turned
        and ``taken_upright``.

    Examples
    --------
    >>> fill_control(read_parameters({"profile": "photos"}), ["accordion"])  # doctest: +SKIP
    """
    rows = []
    for network in load_profile(parameters.profile).networks:
        for fill in fills:
            changes = {"network": network, "fill": fill, "magnitudes": (angle,)}
            found = obtain_screening(parameters.model_copy(update=changes), "rotation")
            said = found["class"].values[found.predicted.values]  # [N, magnitude]
            true = found.category.values[found.label.values]
            taken = np.isin(said, marked)[~np.isin(true, marked)].mean(axis=0)
            rows.append(
                {
                    "network": network,
                    "fill": fill,
                    "accuracy": is_correct(found)[:, -1].mean(),
                    "taken": taken[-1],
                    "taken_upright": taken[0],
                }
            )
    return pd.DataFrame(rows)


def fill_numbers(table: pd.DataFrame) -> dict[str, float | str]:
    """Collect what the book says of the fill control.

    Parameters
    ----------
    table : pandas.DataFrame
        From `fill_control`.

    Returns
    -------
    dict
        ``<network>_<fill>_<column>``.

    Examples
    --------
    >>> fill_numbers(pd.DataFrame({"network": ["a"], "fill": ["edge"], "taken": [0.5]}))
    {'a_edge_taken': 0.5}
    """
    long = table.melt(["network", "fill"]).to_dict("records")
    return {f"{one['network']}_{one['fill']}_{one['variable']}": one["value"] for one in long}
