"""Calibration: does the screening find the thresholds that are known on paper?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from itn.curves import select_categories
from itn.line_names import POINTS
from itn.messages import Progress
from itn.phantom.ideal_observer import bayes_softmax, known_threshold, moved_parameter
from itn.phantom.objects import (
    PHANTOM_CLASSES,
    PHANTOM_PAIRS,
    PhantomPair,
)
from itn.plots import (
    PANEL_HEIGHT,
    PANEL_WIDTH,
    draw_axes,
    format_magnitude,
    panels,
    positions,
)
from itn.study.pages import MISSING
from itn.study.profiles import FigureParameters, load_profile
from itn.study.screenings import obtain_screening
from itn.study.sheets import explain
from itn.study.titles import title
from itn.thresholds import (
    NOT_REACHED,
    NOT_SCREENED,
    REACHED,
    is_correct,
    thresholds,
    true_softmax,
)
from itn.transformations import find_transformation

Screenings = Mapping[str, xr.Dataset]  # by network and pair, "alexnet_phantom/zoom"

MISSED = " *"  # of an interval that does not hold the known threshold
SYMMETRIC = ("disc", "four_fold", "two_fold", "mirror")  # the classes whose symmetry is shown
SYMMETRY_STEPS = {"continuous": 0, "4-fold": 90, "2-fold": 180, "mirror": 360}  # degrees
CLASS_COLORS = ("#0072B2", "#D55E00")
IDEAL_STYLE: dict[str, Any] = {"linewidth": 6, "alpha": 0.3}
NETWORK_STYLES: tuple[dict[str, Any], ...] = (
    {"linestyle": "-", "marker": "o", "markersize": 2.5},
    {"linestyle": "--", "marker": "x", "markersize": 3.5},
)


def calibrate(parameters: FigureParameters) -> dict[str, xr.Dataset]:
    """Screen networks of the phantom on its critical pairs and its symmetric classes."""
    profile = load_profile(parameters.profile)
    studies: dict[str, tuple[str, tuple[str, ...]]] = {
        pair.name: (pair.transformation, pair.classes) for pair in PHANTOM_PAIRS.values()
    } | {"symmetry": ("rotation", SYMMETRIC)}
    names = dict.fromkeys(name for name, _ in studies.values())
    screenings = {}
    with Progress(total=len(profile.networks) * len(names), desc="calibration", delay=2) as bar:
        for network in profile.networks:
            for name in names:
                wanted = {study: of for study, (its, of) in studies.items() if its == name}
                screening = obtain_screening(
                    parameters.model_copy(
                        update={
                            "network": network,
                            "classes": tuple(sorted(set().union(*wanted.values()))),
                            "magnitudes": _magnitudes(name),
                        }
                    ),
                    name,
                )
                for study, classes in wanted.items():
                    screenings[f"{network}/{study}"] = select_categories(screening, classes)
                bar.update()
    return screenings


def known_and_measured(screenings: Screenings) -> pd.DataFrame:
    """Set the measured *switch* beside the known threshold, for each network, class and direction.

    ``known`` is NaN where the ideal observer never changes its mind, ``threshold`` where the
    network does not; ``low`` and ``high`` are the ends of its 95 % interval. The rest is outward
    from the identity, in separations of the pair: how far the threshold is off, ``error``, and the
    ends of its interval; the farther is infinite where it is open. ``held`` tells whether the known
    threshold is in there.
    """
    rows: list[dict[str, Any]] = []
    for key, screening in screenings.items():
        network, _, study = key.partition("/")
        if study not in PHANTOM_PAIRS:
            continue
        pair, found = PHANTOM_PAIRS[study], thresholds(screening).sel(criterion="switch")
        for name, directions in known_threshold(study).items():
            for direction, known in directions.items():
                one = found.sel(category=name, direction=direction)
                status = one.status.item()
                if status == NOT_SCREENED:
                    continue
                ends = {each: one[each].item() for each in ("threshold", "low", "high")}
                near, far = ("low", "high") if direction == "up" else ("high", "low")
                off = {each: _off(pair, at, known) for each, at in ends.items()}
                open_end = status in (REACHED, NOT_REACHED) and np.isnan(ends[far])
                row = {
                    "network": network,
                    "pair": study,
                    "transformation": pair.transformation,
                    "class": name,
                    "direction": direction,
                    "known": np.nan if known is None else known,
                    "status": status,
                    **ends,
                    "error": off["threshold"],
                    "error low": off[near],
                    "error high": np.inf if open_end and known is not None else off[far],
                }
                rows.append(row | {"held": row["error low"] <= 0 <= row["error high"]})
    return pd.DataFrame(rows)


def _off(pair: PhantomPair, measured: float, known: float | None) -> float:
    """Return how much farther out one threshold is than another, in separations."""
    if known is None:
        return np.nan
    shifts = moved_parameter(pair.transformation, 0.0, np.array([measured, known]))
    first, second = np.abs(shifts)
    return float(first - second) / pair.separation


def calibration_table(screenings: Screenings) -> pd.DataFrame:
    """Compare measured thresholds with the known ones.

    One row for each direction in which the ideal observer changes its mind (for grayscale, where
    it never does, the one direction there is). An error is the distance to the known threshold in
    units of the separation of the pair; an interval that does not hold the known one is marked.
    """
    found = known_and_measured(screenings)
    shown = found[found.known.notna() | (found.transformation == "grayscale")]
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in shown.to_dict("records"):
        transformation = find_transformation(row["transformation"])
        network, known, measured = row["network"], row["known"], row["threshold"]
        low, high = (format_magnitude(row[end], transformation) for end in ("low", "high"))
        missed = "" if row["held"] or np.isnan(known) else MISSED
        line = rows.setdefault(
            (row["transformation"], row["class"], row["direction"]),
            {"known": NOT_REACHED if np.isnan(known) else format_magnitude(known, transformation)},
        )
        line[network] = row["status"]
        if row["status"] == REACHED:
            line[network] = format_magnitude(measured, transformation)
        line[f"{network} interval"] = (
            MISSING if low == high == MISSING else f"{low} to {high}{missed}"
        )
        line[f"{network} error"] = abs(row["error"])
    index = pd.MultiIndex.from_tuples(list(rows), names=["transformation", "class", "direction"])
    return pd.DataFrame(list(rows.values()), index)


def calibration_summary(screenings: Screenings, parameters: FigureParameters) -> pd.DataFrame:
    """Summarize in one row for each network how right it is, and how far off its thresholds are.

    ``worst`` is the largest error, and ``missed`` counts the known thresholds that are not reached.
    """
    table = calibration_table(screenings).reset_index()
    reachable = int((table["known"] != NOT_REACHED).sum())
    rows = {}
    for network in networks_of(screenings):
        error = table[f"{network} error"]
        rows[network] = {
            "accuracy": _clean_accuracy(parameters, network),
            "worst": float(error.max()),
            "worst class": title(table["class"].iloc[int(error.argmax())]),
            "missed": reachable - int(error.count()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def symmetry_table(screenings: Screenings) -> pd.DataFrame:
    """Tabulate the lowest mean softmax at the symmetry angles over that at 0°.

    One row for each symmetric class, one column for each network; of the disc over all angles, of
    the mirror class at 180°.
    """
    rows: dict[str, dict[str, float]] = {}
    for name in SYMMETRIC:
        step = SYMMETRY_STEPS[PHANTOM_CLASSES[name].symmetry]
        angles = [180.0] if name == "mirror" else np.arange(0.0, 361, step or 5)
        rows[name] = {}
        for network in networks_of(screenings):
            curve = true_softmax(screenings[f"{network}/symmetry"]).sel(category=name)
            kept = curve.sel(magnitude=angles).min() / curve.sel(magnitude=0)
            rows[name][network] = float(kept)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("class")


def plot_calibration(screenings: Screenings, columns: int = 2) -> Figure:
    """Draw every critical pair's measured curves over the ideal observer's.

    With the intervals of the thresholds that are known, each at a height of its own.
    """
    size = (PANEL_WIDTH, 0.85 * PANEL_HEIGHT)
    found = known_and_measured(screenings)
    with panels(len(PHANTOM_PAIRS), columns, size=size) as (figure, grid):
        for name, axes in zip(PHANTOM_PAIRS, grid.flat, strict=False):
            _draw_pair(axes, name, screenings)
            _draw_intervals(axes, found[found.pair == name])
        _network_legend(figure, networks_of(screenings), {"ideal observer": IDEAL_STYLE})
    return figure


def plot_symmetry(screenings: Screenings, columns: int = 2) -> Figure:
    """Draw the softmax of every symmetric class under rotation, its symmetry angles marked."""
    rotation = find_transformation("rotation")
    size = (PANEL_WIDTH, 0.8 * PANEL_HEIGHT)
    with panels(len(SYMMETRIC), columns, size=size) as (figure, grid):
        for axes, name in zip(grid.flat, SYMMETRIC, strict=True):
            symmetry = PHANTOM_CLASSES[name].symmetry
            for angle in range(0, 361, SYMMETRY_STEPS[symmetry] or 361):
                axes.axvline(angle, color="#BBBBBB", linewidth=4, zorder=0)
            for network, style in zip(networks_of(screenings), NETWORK_STYLES, strict=False):
                curve = true_softmax(screenings[f"{network}/symmetry"]).sel(category=name)
                axes.plot(
                    curve.magnitude, curve, color=CLASS_COLORS[0], linewidth=1.2,
                    label=title(network), **style,
                )  # fmt: skip
            draw_axes(axes, rotation, curve.magnitude.values)
            axes.set_title(f"{title(name)} ({symmetry} symmetry)")
            axes.set_ylabel("mean softmax")
        _network_legend(figure, networks_of(screenings))
    return figure


def _clean_accuracy(parameters: FigureParameters, network: str) -> float:
    """Return the accuracy on a hundred pictures of every class."""
    asked = {"network": network, "classes": None, "limit": 100, "magnitudes": (1.0,)}
    screening = obtain_screening(parameters.model_copy(update=asked), "contrast")
    return float(is_correct(screening).mean())


def networks_of(screenings: Screenings) -> list[str]:
    """List the networks that were screened."""
    return list(dict.fromkeys(key.partition("/")[0] for key in screenings))


def _magnitudes(transformation: str) -> tuple[float, ...] | None:
    """Return a finer sweep where the default one is coarse for what is to be found."""
    if transformation != "noise":
        return None
    reached = [up for way in known_threshold("noise").values() if (up := way["up"]) is not None]
    return tuple(np.linspace(0, 4 * max(reached), 41).tolist())


def _draw_pair(axes: Axes, name: str, screenings: Screenings) -> None:
    pair = PHANTOM_PAIRS[name]
    transformation = find_transformation(pair.transformation)
    networks = networks_of(screenings)
    magnitude = screenings[f"{networks[0]}/{name}"].magnitude.values
    ideal = bayes_softmax(name, magnitude)
    known = known_threshold(name)
    for index, (class_name, color) in enumerate(zip(pair.classes, CLASS_COLORS, strict=True)):
        axes.plot(
            magnitude, ideal[index], color=color, label=f"{title(class_name)}, known", **IDEAL_STYLE
        )
        axes.annotate(
            title(class_name), (0, 1), (0, 4 + 1.2 * POINTS * (1 - index)),
            "axes fraction", "offset points", va="bottom", color=color,
        )  # fmt: skip
        for network, style in zip(networks, NETWORK_STYLES, strict=False):
            curve = true_softmax(screenings[f"{network}/{name}"]).sel(category=class_name)
            label = f"{title(class_name)}, {title(network)}"
            axes.plot(magnitude, curve, color=color, linewidth=1, label=label, **style)
        for at in known[class_name].values():
            for position in () if at is None else positions(at, magnitude, transformation):
                axes.axvline(position, color="#999999", linewidth=1, zorder=0)
    draw_axes(axes, transformation, magnitude)
    axes.set_title(title(name), x=0, y=1, pad=5 + 2 * 1.2 * POINTS, ha="left")
    axes.set_ylabel("mean softmax")


def _draw_intervals(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the intervals of the thresholds of a pair, as bars across the middle of the panel."""
    pair = PHANTOM_PAIRS[rows.pair.iloc[0]]
    transformation, swept = find_transformation(pair.transformation), axes.get_xlim()
    networks = list(dict.fromkeys(rows.network))
    for row in rows[rows.known.notna() & rows.low.notna() & rows.high.notna()].to_dict("records"):
        number = networks.index(row["network"])
        ends = [positions(row[end], np.array(swept), transformation) for end in ("low", "high")]
        for low, high in zip(*ends, strict=False):
            axes.plot(
                [low, high], [0.5 + (number - 0.5) * 0.12] * 2, marker="|", markersize=6,
                color=CLASS_COLORS[pair.classes.index(row["class"])], linewidth=2.5,
            )  # fmt: skip


def _network_legend(
    figure: Figure, networks: list[str], more: dict[str, dict[str, Any]] | None = None
) -> None:
    """Say above all panels which line is whose; colors tell something else."""
    styles = dict(zip(map(title, networks), NETWORK_STYLES, strict=False)) | (more or {})
    drawn = {label: Line2D([], [], color="#444444", **one) for label, one in styles.items()}
    explain(figure, drawn, "upper")
