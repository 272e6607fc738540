"""Accuracy over many classes, the paper's first measure, and which categories are archived."""

import hashlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from itn.messages import UsageError
from itn.netcdf import read_netcdf
from itn.plots import PANEL_HEIGHT, PANEL_WIDTH, draw_axes, draw_share, format_magnitude, panels
from itn.study.archive import Recipe, Request, recipe_of, require_archived
from itn.study.inputs import Plan, pictures_recipe, planned_classifier, planned_pictures, untouched
from itn.study.profiles import FigureParameters, chosen_network, load_profile, project_folder
from itn.study.screenings import file_name, screening_request
from itn.study.splits import read_split
from itn.study.titles import title
from itn.thresholds import NOT_SCREENED, REACHED, accuracy_interval, thresholds
from itn.transformations import TRANSFORMATIONS, Transformation
from itn.zoo.catalog import imagenet_class, read_table
from itn.zoo.recipes import network_recipe

PROTOCOL = 1  # raised when the numbers change on purpose
STYLES: tuple[dict[str, Any], ...] = (  # of networks
    {"color": "#D55E00", "linestyle": "--"},
    {"color": "#0072B2", "linestyle": "-"},
    {"color": "#009E73", "linestyle": "-."},
)
COLUMNS = 4  # panels side by side


def accuracy_request(parameters: FigureParameters) -> Request:
    """Say what decides the accuracy of a network over many classes, and how it is computed."""
    profile = load_profile(parameters.profile)
    many = profile.many_classes
    if many is None:
        raise UsageError(f"profile {parameters.profile} names no pictures of many classes")
    network, weights = chosen_network(parameters)
    only = read_split(many.split, "training")
    classes = sorted({path.partition("/")[0] for path in only})
    pictures = {"source": many.pictures, "classes": classes, "limit": None, "only": only}
    recipe: Recipe = {
        "kind": "accuracy over many classes",
        "protocol": PROTOCOL,
        **network_recipe(network, weights),
        **pictures_recipe(**pictures),
        "magnitudes": {
            name: hashlib.sha256(thinned(one, 1000, many.every).tobytes()).hexdigest()[:16]
            for name, one in TRANSFORMATIONS.items()
        },
        "fill": profile.fill,
        "seed": profile.seed,
    }

    def compute(state: Path) -> xr.DataTree:
        from itn.screening import screen  # which loads a backend

        inputs: Plan = {
            "network": network,
            "weights": weights,
            "arithmetic": None,
            "pictures": pictures,
            "hashes": network_recipe(network, weights) | {"classes": recipe["classes"]},
        }
        loaded, classifier = planned_pictures(inputs, progress=True), planned_classifier(inputs)
        as_they_are = untouched(inputs, loaded)
        found = {
            name: screen(
                classifier,
                loaded,
                name,
                thinned(one, classifier.input_size, many.every),
                fill=profile.fill,
                seed=profile.seed,
                rivals=1,
                untouched=as_they_are,
                state=state,
            )
            for name, one in TRANSFORMATIONS.items()
        }
        return xr.DataTree.from_dict({name: said_of_pictures(one) for name, one in found.items()})

    return Request(
        recipe,
        compute,
        "itn.study.many_classes",
        project_folder() / "results" / parameters.profile / f"{file_name(network)}_accuracy.nc",
        True,
        f"itn accuracy --profile {parameters.profile} --network {network} archives it",
    )


def thinned(transformation: Transformation, width: int, every: int) -> npt.NDArray[np.float64]:
    """Return the identity and every so many magnitudes of a sweep to both sides of it."""
    sweep = transformation.sweep(width)
    identity = int(np.argmin(np.abs(sweep - transformation.identity)))
    return sweep[identity % every :: every]


def said_of_pictures(screening: xr.Dataset) -> xr.Dataset:
    """Keep of a screening what was said of each picture, and not what of each category."""
    target = screening.target.values[screening.label.values]
    kept = screening[["predicted", "softmax"]].drop_vars(["category", "class"], errors="ignore")
    return kept.assign(target=("image", target)).assign_attrs(screening.attrs)


def read_accuracy(parameters: FigureParameters) -> dict[str, dict[str, xr.Dataset]]:
    """Read for each network of a profile what it said of pictures of many classes.

    As `as_one_category`, for each transformation.
    """
    found = {}
    for network in load_profile(parameters.profile).networks:
        request = accuracy_request(parameters.model_copy(update={"network": network}))
        stored = read_netcdf(require_archived(request))
        found[network] = {
            name: as_one_category(node.to_dataset()) for name, node in stored.children.items()
        }
    return found


def as_one_category(said: xr.Dataset) -> xr.Dataset:
    """Make a screening of one category of pictures of many classes, each taken right or wrong.

    So accuracy and the threshold *half* are those over all pictures; *switch* means nothing.
    """
    right = said.predicted.values == said.target.values[:, None]
    shares = np.stack([right.mean(axis=0), 1 - right.mean(axis=0)], axis=-1)
    return xr.Dataset(
        {
            "predicted": (("image", "magnitude"), (~right).astype(np.int32)),
            "mean_softmax": (("category", "magnitude", "class"), shares[None]),
            "target": ("category", [0]),
            "label": ("image", np.zeros(len(right), np.int32)),
        },
        coords={
            "image": said.image,
            "magnitude": said.magnitude,
            "category": ["all"],
            "class": ["right", "wrong"],
        },
        attrs=said.attrs,
    )


def plot_many_classes(found: dict[str, dict[str, xr.Dataset]]) -> Figure:
    """Draw the accuracy of networks over all pictures against the magnitude, with its interval."""
    size = (0.75 * PANEL_WIDTH, 0.75 * PANEL_HEIGHT)
    names = list(next(iter(found.values())))
    with panels(len(names), COLUMNS, size, sharey=True) as (figure, grid):
        for axes, name in zip(grid.flat, names, strict=False):
            for (network, of), style in zip(found.items(), itertools.cycle(STYLES), strict=False):
                share = of[name].mean_softmax.sel({"class": "right"}).values[0]
                count = of[name].sizes["image"]
                interval = accuracy_interval(np.round(share * count), count)
                magnitude = of[name].magnitude.values
                draw_share(
                    axes, magnitude, share, interval, label=title(network), linewidth=2, **style
                )
            draw_axes(axes, TRANSFORMATIONS[name], magnitude)
        for row in grid:
            row[0].set_ylabel("accuracy")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def halving_table(found: dict[str, dict[str, xr.Dataset]]) -> pd.DataFrame:
    """Tabulate where accuracy over all pictures is halved, with 95 % intervals.

    One row per transformation and direction that is screened, as texts.
    """
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for network, of in found.items():
        for name, screening in of.items():
            half = thresholds(screening).sel(category="all", criterion="half")
            for direction in half.direction.values.tolist():
                one = half.sel(direction=direction)
                if one.status != NOT_SCREENED:
                    rows.setdefault((name, direction), {})[network] = _text(one, name)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["transformation", "direction"])


def _text(one: xr.Dataset, name: str) -> str:
    """Write a threshold with its interval, of which an end that is open is a dash."""
    at, low, high = (
        format_magnitude(one[each].item(), TRANSFORMATIONS[name])
        for each in ("threshold", "low", "high")
    )
    text = at if one.status == REACHED else str(one.status.item())
    return text if np.isnan([one.low, one.high]).all() else f"{text} ({low} to {high})"


def untouched_table(found: dict[str, dict[str, xr.Dataset]]) -> pd.DataFrame:
    """Tabulate how many pictures there are, and the share that each network gets right untouched.

    With its 95 % interval, ``low`` and ``high``.
    """
    rows = {}
    for network, of in found.items():
        name, screening = next(iter(of.items()))
        at = screening.sel(magnitude=TRANSFORMATIONS[name].identity)
        right, count = int((at.predicted == 0).sum()), at.sizes["image"]
        low, high = accuracy_interval(np.array([right]), count)
        rows[network] = {"pictures": count, "right": right / count, "low": low[0], "high": high[0]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def coverage_table(parameters: FigureParameters) -> pd.DataFrame:
    """Tabulate which categories of a profile are archived, for which of its networks.

    One row per category: its ImageNet class, and under how many of the transformations each network
    has looked at it.
    """
    profile = load_profile(parameters.profile)
    known = {row["category"]: row["wnid"] for row in read_table("caltech_imagenet")}
    table = pd.DataFrame(index=pd.Index(profile.classes, name="category"))
    table["class"] = [imagenet_class(known.get(name, name)).label for name in profile.classes]
    for network in profile.networks:
        plain = parameters.model_copy(update={"network": network})
        files = [screening_request(plain, name).archive for name in TRANSFORMATIONS]
        there = [recipe_of(path)["classes"] for path in files if path.is_file()]
        table[network] = [sum(name in classes for classes in there) for name in profile.classes]
    return table
