"""Symmetric objects under rotation: do they keep more of their accuracy than others?"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from itn.plots import RIVAL_STYLES, draw_axes, panels
from itn.study.profiles import FigureParameters, load_profile
from itn.study.screenings import obtain_screening
from itn.study.sheets import explain, lines_of
from itn.study.titles import title
from itn.thresholds import accuracy, mean_over_sweep, value_at
from itn.transformations import find_transformation

REST = "other classes"


def turned_groups(parameters: FigureParameters) -> pd.DataFrame:
    """Measure how much accuracy each class keeps under rotation, in groups of symmetry.

    One row per network and class, ordered by group: the shares of the clean accuracy that are
    left, ``kept`` on average over all angles and ``kept_180`` after half a turn, and the ``curve``
    of that share over the ``angles``. NaN where there is no clean accuracy to keep, or nothing was
    screened.
    """
    profile = load_profile(parameters.profile)
    group_of = {name: group for group, names in profile.groups.items() for name in names}
    rows: list[dict[str, Any]] = []
    for network in profile.networks:
        asked = parameters.model_copy(update={"network": network})
        screening = obtain_screening(asked, "rotation")
        angles = screening.magnitude.values
        curves = accuracy(screening)
        upright = find_transformation("rotation").identity
        for category in screening.category.values.tolist():
            curve = curves.sel(category=category).values
            clean = float(value_at(screening, curve, upright))
            share = curve / (clean or np.nan)
            rows.append(
                {
                    "network": network,
                    "category": category,
                    "group": group_of.get(category, REST),
                    "clean": clean,
                    "kept": mean_over_sweep(screening, share),
                    "kept_180": float(value_at(screening, share, 180)),
                    "angles": angles,
                    "curve": share,
                }
            )
    order = [*profile.groups, REST]
    rows.sort(key=lambda row: order.index(row["group"]))
    return pd.DataFrame(rows).set_index(["network", "category"])


def plot_turned_groups(turned: pd.DataFrame, columns: int = 2) -> Figure:
    """Draw the share of accuracy that each group of classes keeps against the angle."""
    networks = turned.index.unique("network")
    groups = [group for group in dict.fromkeys(turned.group) if group != REST]
    with panels(len(networks), columns, sharey=True) as (figure, grid):
        for axes, network in zip(grid.flat, networks, strict=False):
            own = turned.loc[network]
            for group, style in zip(groups, RIVAL_STYLES, strict=False):
                members = own[(own.group == group) & (own.clean > 0)]
                if members.empty:
                    continue
                curves, angles = np.stack(list(members.curve)), members.angles.iloc[0]
                hidden = [f"_{title(name)}" for name in members.index]
                thin = style | {"linewidth": 0.6, "alpha": 0.4}
                axes.plot(angles, curves.T, label=hidden, **thin)
                label = f"{group} ({len(members)} classes)"
                axes.plot(angles, curves.mean(axis=0), label=label, linewidth=2.2, **style)
            draw_axes(axes, find_transformation("rotation"), own.angles.iloc[0])
            axes.set_ylim(0, 1.25)
            axes.set_title(title(network))
        for axes in grid[:, 0]:
            axes.set_ylabel("accuracy, share of that upright")
        explain(figure, lines_of(grid.flat))
    return figure


def group_table(turned: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what groups of classes keep on average, one row per group and network.

    ``p`` is the probability that by chance a group keeps at least that much more of its accuracy
    than the last group does, see `exact_rank_test`; NaN for the last itself.
    """
    chosen = turned[turned.group != REST]
    *_, last = (REST, *chosen.group)
    grouped = chosen.groupby(["group", "network"], sort=False)
    table = grouped[["kept", "kept_180"]].mean().assign(classes=grouped.size())
    for column in ("kept", "kept_180"):
        kept = {row: of.dropna() for row, of in grouped[column]}
        table[f"p {column}"] = np.nan
        for group, network in table.index[table.index.get_level_values("group") != last]:
            p = exact_rank_test(kept[group, network], kept[last, network])
            table.loc[(group, network), f"p {column}"] = p
    return table


def exact_rank_test(higher: npt.ArrayLike, lower: npt.ArrayLike) -> float:
    """Return how probable it is, by chance, that a sample ranks at least that high.

    The one-sided test of Wilcoxon, Mann and Whitney. Values that are equal share their mean
    rank. The probability is exact, with ties and at every size: of all ways to choose which
    values are the sample's, those are counted whose sum of ranks is at least as large [1]_.

    .. [1] Streitberg, Röhmel (1986), Exact distributions for permutation and rank tests,
       Statistical Software Newsletter 12, 10-17.

    NaN if one of the samples is empty.
    """
    count, others = np.size(higher), np.size(lower)
    if not count or not others:
        return float("nan")
    # Twice the ranks are whole numbers, also where they are shared.
    ranks = np.rint(2 * stats.rankdata(np.concatenate([higher, lower]))).astype(int)
    chosen = np.zeros((count + 1, ranks.sum() + 1))  # ways to choose so many with that sum
    chosen[0, 0] = 1
    for rank in ranks:
        chosen[1:, rank:] += chosen[:-1, :-rank].copy()
    return float(chosen[count, ranks[:count].sum() :].sum() / chosen[count].sum())
