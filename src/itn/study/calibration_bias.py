"""Why measured thresholds are not the known ones: two other screenings of the critical pairs tell.

- The *ideal observer* looks at the same pictures. What its intervals miss is chance.
- Each network looks at pictures *rendered anew*, their parameter moved as the transformation would
  move it, so that nothing is transformed. What is off there is the network's own border between
  two classes, and what is off beyond that is due to transforming.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from itn.messages import Progress
from itn.phantom.ideal_observer import known_threshold, moved_parameter, posterior
from itn.phantom.objects import PHANTOM_PAIRS, PhantomPair
from itn.phantom.rendering import draw_nuisances, render
from itn.plots import PANEL_HEIGHT, PANEL_WIDTH, panels
from itn.study.archive import Recipe, Request, obtain
from itn.study.calibration import Screenings, known_and_measured, networks_of
from itn.study.inputs import RIVALS, chosen_pictures, pictures_recipe
from itn.study.pages import MISSING
from itn.study.profiles import FigureParameters, chosen_network, load_profile, project_folder
from itn.study.screenings import file_name
from itn.study.titles import title
from itn.thresholds import REACHED, accuracy_interval
from itn.transformations import even, find_transformation
from itn.zoo.recipes import network_recipe

Numbers = npt.NDArray[np.float64]

PROTOCOL = 1  # raised when the numbers change on purpose
IDEAL = "ideal_observer"
SEED = 1  # of the pictures that are screened
NEAR = (0.5, 1.5)  # times the known threshold: where pictures are rendered anew
NETWORK_STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "marker": "o"},
    {"color": "#D55E00", "marker": "s"},
)


def ideal_screenings(screenings: Screenings, seed: int = SEED) -> dict[str, xr.Dataset]:
    """Let the ideal observer look at the pictures of the critical pairs, as networks did.

    Or at as many others, of another seed.
    """
    network = networks_of(screenings)[0]
    found = {}
    for pair in PHANTOM_PAIRS.values():
        like = screenings.get(f"{network}/{pair.name}")
        if like is None:
            continue
        softmax = np.empty((like.sizes["image"], like.sizes["magnitude"], 2))
        for category, name in enumerate(like.category.values.tolist()):
            own, members = pair.classes.index(name), np.flatnonzero(like.label == category)
            theta = draw_nuisances(name, range(len(members)), seed)[pair.parameter][:, None]
            said = posterior(pair.name, own, theta, like.magnitude.values)
            softmax[members, :, own], softmax[members, :, 1 - own] = said, 1 - said
        found[f"{IDEAL}/{pair.name}"] = as_screening(
            softmax, pair, like.magnitude.values, like.label.values, like.category.values.tolist(),
            list(pair.classes),
        )  # fmt: skip
    return found


def rendered_screenings(parameters: FigureParameters) -> dict[str, xr.Dataset]:
    """Show the networks pictures of the critical pairs whose parameter is moved, not the picture.

    At magnitudes near the known threshold; without the hues, which have none.
    """
    found: dict[str, xr.Dataset] = {}
    for network in load_profile(parameters.profile).networks:
        tree = obtain(rendered_request(parameters.model_copy(update={"network": network})))
        found |= {f"{network}/{name}": part.to_dataset() for name, part in tree.children.items()}
    return found


def rendered_request(parameters: FigureParameters) -> Request:
    """Say what decides what a network says of pictures that are rendered anew."""
    profile = load_profile(parameters.profile)
    network, weights = chosen_network(parameters)
    pairs = [pair for pair in PHANTOM_PAIRS.values() if pair.transformation != "grayscale"]
    names = tuple(name for pair in pairs for name in pair.classes)
    chosen = chosen_pictures(parameters.model_copy(update={"classes": names}), profile)
    recipe: Recipe = {
        "kind": "rendered pairs",
        "protocol": PROTOCOL,
        **network_recipe(network, weights),
        **pictures_recipe(**chosen),
        "magnitudes": {pair.name: magnitudes_near(pair).tolist() for pair in pairs},
    }

    def compute(state: Path) -> xr.DataTree:
        from itn.classifiers import load_classifier  # which loads a backend

        classifier = load_classifier(network, weights)
        parts, count = {}, chosen["limit"]
        with Progress(
            total=sum(map(len, recipe["magnitudes"].values())), desc="rendered pairs", delay=2
        ) as bar:
            for pair in pairs:
                said = []
                for magnitude in recipe["magnitudes"][pair.name]:
                    images = [_moved(pair, name, count, magnitude) for name in pair.classes]
                    said.append(classifier.predict(np.concatenate(images)))
                    bar.update()
                parts[pair.name] = as_screening(
                    np.stack(said, axis=1),
                    pair,
                    np.array(recipe["magnitudes"][pair.name]),
                    np.repeat([0, 1], count),
                    list(pair.classes),
                    list(classifier.class_names),
                )
        return xr.DataTree.from_dict(parts)

    folder = project_folder() / "results" / parameters.profile
    return Request(
        recipe, compute, "itn.study.calibration_bias", folder / f"{file_name(network)}_rendered.nc"
    )


def magnitudes_near(pair: PhantomPair) -> Numbers:
    """Return the magnitudes of the sweep near the known thresholds of a pair, and the identity."""
    transformation = find_transformation(pair.transformation)
    ways = known_threshold(pair.name).values()
    known = [each for way in ways for each in way.values() if each is not None]
    identity = even(transformation.identity, transformation)
    away = np.abs(even(known, transformation) - identity).max()
    steps = away * np.linspace(*NEAR, 11)
    signs = np.unique(np.sign(even(known, transformation) - identity))
    places = np.sort([identity, *(identity + sign * step for sign in signs for step in steps)])
    return np.exp2(places) if transformation.logarithmic else np.asarray(places)


def _moved(pair: PhantomPair, name: str, count: int, magnitude: float) -> npt.NDArray[np.float32]:
    """Render pictures of a class with the parameter moved as the transformation would move it."""
    shift = float(moved_parameter(pair.transformation, 0.0, magnitude))
    return render(name, range(count), SEED, shifts={pair.parameter: shift})


def as_screening(
    softmax: npt.NDArray[np.floating[Any]],
    pair: PhantomPair,
    magnitude: Numbers,
    label: npt.NDArray[np.integer[Any]],
    categories: list[str],
    classes: list[str],
) -> xr.Dataset:
    """Make a screening of what was said of the pictures of a pair, softmax [N, M, K].

    The pictures are those of its ``categories``, each by its ``label``; K counts the ``classes``.
    """
    target = np.array([classes.index(name) for name in categories])
    mean = np.stack([softmax[label == each].mean(axis=0) for each in range(2)])  # [C, M, K]
    peaks = mean.max(axis=1)
    peaks[np.arange(2), target] = -1
    rival = np.argsort(-peaks, axis=1, kind="stable")[:, : min(RIVALS, len(classes) - 1)]
    rows = np.arange(len(label))
    transformation = find_transformation(pair.transformation)
    return xr.Dataset(
        {
            "softmax": (("image", "magnitude"), softmax[rows, :, target[label]]),
            "rival_softmax": (
                ("image", "rank", "magnitude"),
                np.stack([softmax[rows, :, each[label]] for each in rival.T], axis=1),
            ),
            "predicted": (("image", "magnitude"), softmax.argmax(axis=2)),
            "mean_softmax": (("category", "magnitude", "class"), mean),
            "rival": (("category", "rank"), rival),
            "target": ("category", target),
            "label": ("image", label),
        },
        coords={
            "magnitude": magnitude,
            "category": categories,
            "class": classes,
            "image": [
                f"{name}/{SEED}_{index:05d}"
                for number, name in enumerate(categories)
                for index in range(int((label == number).sum()))
            ],
        },
        attrs={"transformation": transformation.name, "identity": transformation.identity},
    )


def coverage_table(screenings: Screenings, rendered: Screenings) -> pd.DataFrame:
    """Count, for the ideal observer and each network, what intervals hold, and false alarms.

    ``held`` of the ``known`` thresholds lie in their 95 % interval; ``held low`` and ``held high``
    are the ends of the 95 % Clopper-Pearson interval of that share. False alarms are thresholds in
    directions in which the ideal observer never changes its mind: ``gray alarms`` of the ``gray``
    ones, of fading color, and ``away alarms`` of those that lead ``away`` from the other class.
    Medians in separations: the ``error``; the ``border``, how far off thresholds of pictures that
    are ``rendered`` anew are from those of the ideal observer; ``transforming``, how far those of
    transformed pictures are from there. ``ρ`` correlates the errors with those of rendered ones.
    """
    key = ["pair", "class", "direction"]
    table = known_and_measured({**ideal_screenings(screenings), **screenings})
    found = {str(name): own.set_index(key) for name, own in table.groupby("network", sort=False)}
    anew = {
        str(name): own.set_index(key).error
        for name, own in known_and_measured(rendered).groupby("network")
    }
    rows = {}
    for network, own in found.items():
        known, without = own[own.known.notna()], own[own.known.isna()]
        gray = without.transformation == "grayscale"
        alarm = without.status == REACHED
        rows[network] = _coverage(known) | {
            "gray": int(gray.sum()),
            "gray alarms": int((gray & alarm).sum()),
            "away": int((~gray).sum()),
            "away alarms": int((~gray & alarm).sum()),
            "error": float(known.error.abs().median()),
        }
        if network != IDEAL:
            moved = anew[network].reindex(known.index)
            chance = found[IDEAL].error.reindex(known.index)
            rows[network] |= {
                "border": float((moved - chance).abs().median()),
                "transforming": float((known.error - moved).abs().median()),
                "ρ": float(known.error.corr(moved)),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("observer")


def _coverage(known: pd.DataFrame) -> dict[str, float]:
    """Count how many known thresholds their intervals hold."""
    held, count = int(known.held.sum()), len(known)
    low, high = accuracy_interval(np.array(held), count)
    return {"known": count, "held": held, "held low": float(low), "held high": float(high)}


def ideal_coverage(screenings: Screenings, draws: int = 25) -> pd.DataFrame:
    """Count in one row what intervals of the ideal observer hold for other draws of the pictures.

    As many pictures of each class as were screened. Its two thresholds under rotation are off by
    the same, so that only one of them counts.
    """
    tables = [
        known_and_measured(ideal_screenings(screenings, seed))
        for seed in Progress(range(SEED + 1, SEED + 1 + draws), "ideal observer", delay=2)
    ]
    table = pd.concat(tables, ignore_index=True)
    twice = (table.transformation == "rotation") & (table.direction == "down")
    row = _coverage(table[table.known.notna() & ~twice])
    row["share"] = row["held"] / row["known"]
    return pd.DataFrame([row | {"draws": draws}], index=["draws"])


def coverage_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Write what `coverage_table` says as a page shows it."""
    rows = {
        observer: {
            "known threshold held": f"{row['held']:.0f} of {row['known']:.0f}"
            f" ({row['held low']:.0%} to {row['held high']:.0%})",
            "false alarms, color": f"{row['gray alarms']:.0f} of {row['gray']:.0f}",
            "false alarms, away": f"{row['away alarms']:.0f} of {row['away']:.0f}",
            "error": _decimals(row["error"]),
            "border": _decimals(row["border"]),
            "transforming": _decimals(row["transforming"]),
            "ρ": _decimals(row["ρ"], 2),
        }
        for observer, row in table.to_dict("index").items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("observer")


def _decimals(value: float, digits: int = 3) -> str:
    return MISSING if np.isnan(value) else f"{value:.{digits}f}"


def plot_bias(screenings: Screenings, rendered: Screenings, narrow: bool = False) -> Figure:
    """Draw how far measured thresholds are off, against how far off they are of rendered pictures.

    Both in separations of the pair, outward from the identity; vertical lines are 95 % intervals.
    """
    key = ["network", "pair", "class", "direction"]
    table = known_and_measured(screenings).set_index(key)
    table = table[table.known.notna()]
    table["anew"] = known_and_measured(rendered).set_index(key).error
    size = (PANEL_WIDTH if narrow else 2 * PANEL_WIDTH, 1.2 * PANEL_HEIGHT)
    with panels(1, size=size) as (figure, grid):
        axes = grid[0, 0]
        for network, style in zip(networks_of(screenings), NETWORK_STYLES, strict=False):
            own = table.loc[network]
            bars = np.array([own.error - own["error low"], own["error high"] - own.error])
            axes.errorbar(
                own.anew, own.error, yerr=np.nan_to_num(bars, posinf=0).clip(0), linestyle="",
                markersize=4, elinewidth=0.8, alpha=0.8, label=title(network), **style,
            )  # fmt: skip
        ends = np.array([axes.get_xlim(), axes.get_ylim()])
        both = np.array([ends.min(), ends.max()])
        axes.plot(both, both, color="#777777", linewidth=0.8, zorder=0)
        for line in (axes.axhline, axes.axvline):
            line(0, color="#BBBBBB", linewidth=0.8, linestyle="--", zorder=0)
        axes.set_xlabel("off where nothing is transformed,\nseparations")
        axes.set_ylabel("off as measured, separations")
        axes.legend()
    return figure
