"""Comparisons of a profile's networks: accuracy, thresholds, and what symmetric objects keep."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from itn.classifiers import WEIGHTS_FOLDER
from itn.messages import UsageError
from itn.plots import PANEL_HEIGHT, PANEL_WIDTH, RIVAL_STYLES, STYLE, draw_axes, format_magnitude
from itn.profiles import FigureParameters, archive_file, load_profile, project_folder
from itn.screening import load_screening
from itn.screening_study import compute_screening, obtain_screening
from itn.splits import PARTS, read_split
from itn.thresholds import DIRECTIONS, NOT_REACHED, REACHED, accuracy, thresholds
from itn.transformations import TRANSFORMATIONS, find_transformation

CRITERION = "half"
# What the book says of a card.
TRAINED_WITH = ("accuracy", "parameters", "epochs", "weight_decay", "label_smoothing", "jitter")
FEWEST_REACHED = 4  # pairs of thresholds; with fewer, ranks say nothing
DIRECTION_STYLES: dict[str, dict[str, Any]] = {
    "up": {"color": "#D55E00", "marker": "^"},
    "down": {"color": "#0072B2", "marker": "v"},
}
REST = "other classes"


def training_table(parameters: FigureParameters) -> pd.DataFrame:
    """Tabulate what a profile's own networks learned from and how often they are right.

    Parameters
    ----------
    parameters : FigureParameters
        From `itn.read_parameters`; its profile splits its pictures.

    Returns
    -------
    pandas.DataFrame
        One row per class: number of pictures in each part of the split, and the accuracy of
        each network on the part for testing, from the card of its weights.

    Examples
    --------
    >>> from itn.profiles import read_parameters
    >>> table = training_table(read_parameters({"profile": "photos"}))  # doctest: +SKIP
    """
    profile = load_profile(parameters.profile)
    if profile.split is None:
        raise UsageError(f"profile {parameters.profile} does not split its pictures")
    columns: dict[str, Mapping[str, float]] = {}
    for part in PARTS:
        paths = read_split(project_folder() / "profiles" / profile.split, part)
        columns[part] = Counter(path.partition("/")[0] for path in paths)
    for name, card in _cards(parameters.profile, profile.networks).items():
        columns[name] = card["accuracy_per_class"]
    table = pd.DataFrame(columns).reindex(list(profile.classes))
    return table.fillna(0).astype(dict.fromkeys(PARTS, int))


def training_numbers(parameters: FigureParameters) -> dict[str, float | str]:
    """Collect what the book's prose says of a profile's own networks.

    Parameters
    ----------
    parameters : FigureParameters
        From `itn.read_parameters`.

    Returns
    -------
    dict
        The entries of `training_table` as ``<column>_<class>`` and the sums of the pictures
        as ``<part>_pictures``; per network ``<network>_<key>`` for each of `TRAINED_WITH`.
        From the cards ``results/<profile>/<architecture>_seed_<seed>.json`` of further
        trainings together with the network's own, ``<architecture>_seeds``, how many, and
        their ``_lowest``, ``_highest`` accuracy and ``_deviation`` (standard deviation).

    Examples
    --------
    >>> from itn.profiles import read_parameters
    >>> numbers = training_numbers(read_parameters({"profile": "photos"}))  # doctest: +SKIP
    """
    table = training_table(parameters)
    numbers: dict[str, float | str] = {
        f"{column}_{name}": value
        for column, values in table.to_dict().items()
        for name, value in values.items()
    }
    numbers |= {f"{part}_pictures": int(table[part].sum()) for part in PARTS}
    folder = project_folder() / "results" / parameters.profile
    for name, card in _cards(parameters.profile, load_profile(parameters.profile).networks).items():
        for key in TRAINED_WITH:
            numbers[f"{name}_{key}"] = card[key]
        seeds = sorted(folder.glob(f"{card['architecture']}_seed_*.json"))
        reached = [card["accuracy"], *(json.loads(p.read_text())["accuracy"] for p in seeds)]
        if seeds:
            start = f"{card['architecture']}_seeds"
            numbers[start] = len(reached)
            numbers[f"{start}_lowest"], numbers[f"{start}_highest"] = min(reached), max(reached)
            numbers[f"{start}_deviation"] = float(np.std(reached, ddof=1))
    return numbers


def read_seeds(parameters: FigureParameters) -> pd.DataFrame:
    """Read the thresholds of further trainings of the smaller network, from other seeds.

    Parameters
    ----------
    parameters : FigureParameters
        From `itn.read_parameters`; results/<profile>/seeds.tsv is read, which
        benchmarks/seeds.py writes.

    Returns
    -------
    pandas.DataFrame
        The table of `threshold_pairs` for the profile's own training and each other one, whose
        ``seed`` is another column.

    Raises
    ------
    UsageError
        If there is no such file.

    Examples
    --------
    >>> from itn.profiles import read_parameters
    >>> seeds = read_seeds(read_parameters({"profile": "photos"}))  # doctest: +SKIP
    """
    path = project_folder() / "results" / parameters.profile / "seeds.tsv"
    if not path.is_file():
        raise UsageError(f"no results/{parameters.profile}/seeds.tsv: run benchmarks/seeds.py")
    return pd.read_csv(path, sep="\t")


def seed_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """Tabulate how far apart trainings from different seeds are.

    Parameters
    ----------
    pairs : pandas.DataFrame
        From `read_seeds`.

    Returns
    -------
    pandas.DataFrame
        One row per transformation and direction: median threshold over the classes of the
        profile's own ``training`` and of each ``seed <n>``, infinite where the middle is not
        reached; mean ``rank correlation`` of the own with the others.

    Examples
    --------
    >>> from itn.screening import load_screening
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> pairs = threshold_pairs(screening, screening).assign(seed=1)
    >>> table = seed_table(pairs)
    >>> bool((table["training"] == table["seed 1"]).all())
    True
    """
    rows = []
    for (name, direction), group in pairs.groupby(["transformation", "direction"], sort=False):
        seeds: dict[Any, pd.DataFrame] = dict(list(group.groupby("seed")))
        found = [rank_correlations(one)["rank correlation"].iloc[0] for one in seeds.values()]
        row = {
            "transformation": name,
            "direction": direction,
            "training": _median(next(iter(seeds.values())), "first"),
            **{f"seed {seed}": _median(one, "second") for seed, one in seeds.items()},
            "rank correlation": float(np.mean(found)),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def seed_numbers(table: pd.DataFrame) -> dict[str, float | str]:
    """Collect what the book says of trainings from different seeds.

    Parameters
    ----------
    table : pandas.DataFrame
        From `seed_table`.

    Returns
    -------
    dict
        ``seeds_<transformation>_<direction>_<column>``, medians as texts with their units, and
        of the rank correlations ``seeds_median``, ``seeds_lowest`` and ``seeds_highest``.

    Examples
    --------
    >>> seed_numbers(seed_table(pairs))  # doctest: +SKIP
    """
    numbers: dict[str, float | str] = {}
    medians = [one for one in table.columns if one == "training" or one.startswith("seed ")]
    for row in table.to_dict("records"):
        transformation = find_transformation(row["transformation"])
        start = f"seeds_{transformation.name}_{row['direction']}"
        numbers[f"{start}_correlation"] = row["rank correlation"]
        for one in medians:
            text = format_magnitude(row[one], transformation) if np.isfinite(row[one]) else "–"
            numbers[f"{start}_{one}".replace(" ", "_")] = text
    found = table["rank correlation"]
    return numbers | {
        "seeds_median": float(found.median()),
        "seeds_lowest": float(found.min()),
        "seeds_highest": float(found.max()),
    }


def _median(pairs: pd.DataFrame, which: str) -> float:
    """Return the median magnitude, infinite if most thresholds are not reached."""
    sign = 1 if pairs.direction.iloc[0] == "up" else -1
    return sign * float(np.median(_outward(pairs, which)))


def _cards(profile: str, networks: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read the cards of a profile's own networks."""
    return {
        name: json.loads(
            (WEIGHTS_FOLDER / profile / f"{name.removesuffix(profile)}64.json").read_text()
        )
        for name in networks
    }


def compare(parameters: FigureParameters) -> dict[tuple[str, str], pd.DataFrame]:
    """Pair the thresholds of a profile's networks with each other and with SqueezeNet's.

    Parameters
    ----------
    parameters : FigureParameters
        From `itn.read_parameters`.

    Returns
    -------
    dict of (str, str) to pandas.DataFrame
        For the names of two networks, the table of `threshold_pairs`.

    Examples
    --------
    >>> from itn.profiles import read_parameters
    >>> tables = compare(read_parameters({"profile": "photos"}))  # doctest: +SKIP
    """
    names = load_profile(parameters.profile).networks
    screenings = {
        name: [
            obtain_screening(parameters.model_copy(update={"network": name}), transformation)
            for transformation in TRANSFORMATIONS
        ]
        for name in names
    }
    screenings["squeezenet"] = [
        load_screening(archive_file("imagenet", "squeezenet", transformation))
        for transformation in TRANSFORMATIONS
    ]
    every = list(screenings)
    return {
        (first, second): pd.concat(
            map(threshold_pairs, screenings[first], screenings[second]), ignore_index=True
        )
        for index, first in enumerate(every)
        for second in every[index + 1 :]
    }


def threshold_pairs(first: xr.Dataset, second: xr.Dataset) -> pd.DataFrame:
    """Pair the thresholds *half* of two networks, class by class.

    Parameters
    ----------
    first, second : xarray.Dataset
        Results of `itn.screen` for the same transformation; the classes of both are paired.

    Returns
    -------
    pandas.DataFrame
        One row per direction and class: ``transformation``, ``direction``, ``category``, and
        for each network the magnitude, ``first`` and ``second``, and whether it is only the
        end of the sweep because the threshold was not reached, ``first_censored`` and
        ``second_censored``. Classes that a network loses at the identity have no row.

    Examples
    --------
    >>> from itn.screening import load_screening
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> pairs = threshold_pairs(screening, screening)
    >>> bool((pairs["first"] == pairs["second"]).all()), set(pairs.direction)
    (True, {'up'})
    """
    columns = {name: _limits(one) for name, one in (("first", first), ("second", second))}
    shared = [c for c in first.category.values.tolist() if c in second.category.values]
    rows = []
    for direction in DIRECTIONS:
        for category in shared:
            found = {name: column.get((direction, category)) for name, column in columns.items()}
            row: dict[str, Any] = {
                "transformation": first.attrs["transformation"],
                "direction": direction,
                "category": category,
            }
            for name, pair in found.items():
                if pair is not None:
                    row[name], row[f"{name}_censored"] = pair
            if None not in found.values():
                rows.append(row)
    return pd.DataFrame(rows)


def rank_correlations(pairs: pd.DataFrame) -> pd.DataFrame:
    """Correlate the ranks of two networks' thresholds over the classes.

    A threshold that was not reached is farther out than every number: it shares the last
    rank with the others that were not. Spearman's coefficient of ranks with ties.

    Parameters
    ----------
    pairs : pandas.DataFrame
        From `threshold_pairs` or `compare`.

    Returns
    -------
    pandas.DataFrame
        One row per transformation and direction: ``pairs``, how many; ``censored``, in how
        many of these one threshold or both were not reached; ``rank correlation``, NaN
        where fewer than four pairs were reached by both; ``p``, two-sided.

    Examples
    --------
    >>> from itn.screening import load_screening
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> float(rank_correlations(threshold_pairs(screening, screening))["rank correlation"][0])
    1.0
    """
    rows = []
    for (transformation, direction), group in pairs.groupby(
        ["transformation", "direction"], sort=False
    ):
        censored = int((group.first_censored | group.second_censored).sum())
        coefficient, p = np.nan, np.nan
        if len(group) - censored >= FEWEST_REACHED:
            coefficient, p = stats.spearmanr(_outward(group, "first"), _outward(group, "second"))
        rows.append(
            {
                "transformation": transformation,
                "direction": direction,
                "pairs": len(group),
                "censored": censored,
                "rank correlation": float(coefficient),
                "p": float(p),
            }
        )
    return pd.DataFrame(rows)


def plot_threshold_pairs(pairs: pd.DataFrame, first: str, second: str) -> Figure:
    """Draw the thresholds of one network against the other's, one panel per transformation.

    Hollow markers at the border: a threshold that was not reached within the sweep.

    Parameters
    ----------
    pairs : pandas.DataFrame
        From `compare`.
    first, second : str
        Names of the networks, for the axes.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, not shown.

    Examples
    --------
    >>> from itn.screening import load_screening
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> figure = plot_threshold_pairs(threshold_pairs(screening, screening), "one", "other")
    >>> figure.axes[0].get_title()
    'blur'
    """
    names = list(dict.fromkeys(pairs.transformation))
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    found = rank_correlations(pairs).set_index(["transformation", "direction"])
    with mpl.rc_context(STYLE):
        size = (0.72 * PANEL_WIDTH * columns, 0.78 * PANEL_HEIGHT * rows + 0.3)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
        for axes in panels.flat[len(names) :]:
            axes.set_axis_off()
        for axes, name in zip(panels.flat, names, strict=False):
            _draw_pairs(axes, pairs[pairs.transformation == name], found.loc[name])
            axes.set_title(name, pad=24)
        for axes in panels[:, 0]:
            axes.set_ylabel(second)
        for axes in panels[-1]:
            axes.set_xlabel(first)
        handles = [
            Line2D([], [], linestyle="", label=f"{direction}, {what}", markersize=5,
                   markerfacecolor=fill or style["color"], **style)
            for direction, style in DIRECTION_STYLES.items()
            for what, fill in (("reached by both", ""), ("not reached by one or both", "none"))
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


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
            found = compute_screening(parameters.model_copy(update=changes), "rotation")
            said = found["class"].values[found.predicted.values]  # [N, magnitude]
            true = found.category.values[found.label.values]
            taken = np.isin(said, marked)[~np.isin(true, marked)].mean(axis=0)
            rows.append(
                {
                    "network": network,
                    "fill": fill,
                    "accuracy": (said == true[:, None])[:, -1].mean(),
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


def comparison_numbers(
    tables: Mapping[tuple[str, str], pd.DataFrame], turned: pd.DataFrame
) -> dict[str, float | str]:
    """Collect the numbers that the book's prose takes from the comparison.

    Parameters
    ----------
    tables : mapping of (str, str) to pandas.DataFrame
        From `compare`.
    turned : pandas.DataFrame
        From `turned_groups`.

    Returns
    -------
    dict
        Per pair of networks, ``<first>_<second>_…``: ``median``, ``lowest``, ``highest`` rank
        correlation and whose these are, ``positive`` of ``defined`` ones, ``significant``
        (positive, p < 0.05), ``pairs``, ``censored``, and ``<transformation>_<direction>``.
        Per network and group, ``<network>_<group>_…``: ``kept``, ``kept_180``. Per network,
        ``<network>_p_<group>``: probability, by chance, that a group keeps at least that
        much more of its accuracy than the last group does (Mann-Whitney, exact, one-sided),
        and ``<network>_p_180_<group>`` after half a turn.

    Examples
    --------
    >>> comparison_numbers(tables, turned)  # doctest: +SKIP
    """
    numbers: dict[str, float | str] = {}
    for (first, second), pairs in tables.items():
        found = rank_correlations(pairs)
        start = f"{first}_{second}"
        for row in found.to_dict("records"):
            key = f"{start}_{row['transformation']}_{row['direction']}"
            numbers[key] = row["rank correlation"]
            numbers[f"{key}_pairs"], numbers[f"{key}_censored"] = row["pairs"], row["censored"]
        defined = found.dropna().sort_values("rank correlation")
        rho = defined["rank correlation"]
        numbers[f"{start}_median"] = float(rho.median())
        for which, position in (("lowest", 0), ("highest", -1)):
            if len(defined):
                one = defined.iloc[position]
                numbers[f"{start}_{which}"] = float(one["rank correlation"])
                numbers[f"{start}_{which}_name"] = f"{one['transformation']}, {one['direction']}"
        numbers[f"{start}_defined"] = len(defined)
        numbers[f"{start}_positive"] = int((rho > 0).sum())
        numbers[f"{start}_significant"] = int(((rho > 0) & (defined.p < 0.05)).sum())
        numbers[f"{start}_pairs"] = len(pairs)
        numbers[f"{start}_censored"] = int(found.censored.sum())
    numbers |= _group_numbers(turned)
    return numbers


def _group_numbers(turned: pd.DataFrame) -> dict[str, float | str]:
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


def _limits(screening: xr.Dataset) -> dict[tuple[str, str], tuple[float, bool]]:
    """Return the threshold of each direction and category, or the end of its sweep."""
    found = thresholds(screening).sel(criterion=CRITERION)
    return {
        (direction, category): (
            float(one.threshold if one.status == REACHED else one.limit),
            bool(one.status == NOT_REACHED),
        )
        for direction in DIRECTIONS
        for category in found.category.values.tolist()
        for one in [found.sel(direction=direction, category=category)]
        if one.status in (REACHED, NOT_REACHED)
    }


def _outward(group: pd.DataFrame, which: str) -> np.ndarray:
    """Return magnitudes that grow outward, those not reached beyond all others."""
    sign = 1 if group.direction.iloc[0] == "up" else -1
    return np.where(group[f"{which}_censored"], np.inf, sign * group[which])


def _draw_pairs(axes: Axes, pairs: pd.DataFrame, found: pd.DataFrame) -> None:
    logarithmic = find_transformation(pairs.transformation.iloc[0]).logarithmic
    for row, (direction, style) in enumerate(DIRECTION_STYLES.items()):
        some = pairs[pairs.direction == direction]
        if some.empty:
            continue
        censored = some.first_censored | some.second_censored
        for shown, face in ((some[~censored], style["color"]), (some[censored], "none")):
            axes.plot(
                shown["first"], shown["second"], linestyle="", markersize=5, alpha=0.8,
                markerfacecolor=face, **style,
            )  # fmt: skip
        rho, count = found.loc[direction, ["rank correlation", "pairs"]]
        text = f"{direction}: ρ = {rho:.2f}".replace("-", "−") if rho == rho else f"{direction}: –"
        axes.text(
            0.5, 1.02 + 0.09 * row, f"{text}, n = {count:.0f}", transform=axes.transAxes,
            fontsize=7, ha="center", color=style["color"],
        )  # fmt: skip
    if logarithmic:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
