"""The phantom's classes: in pictures, and in a table of what varies in them."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from itn.line_names import POINTS
from itn.phantom.objects import (
    PHANTOM_CLASSES,
    PHANTOM_PAIRS,
    SIZE,
    USUAL_GRAIN,
    USUAL_NUISANCES,
    Nuisance,
)
from itn.phantom.rendering import render
from itn.plots import GRAY, PANEL_WIDTH, STYLE, readable


def phantom_table() -> pd.DataFrame:
    """Tabulate the phantom's classes: symmetry, pair, and the nuisances with their σ.

    The first row has the usual nuisances, mean ± σ; the others list what differs from it.
    """
    usual = USUAL_NUISANCES | {"grain": _grain(USUAL_GRAIN)}
    rows = {"usual": {"shows": "", "symmetry": "", "pair": "", "varies in": _listed(usual, {})}}
    for each in PHANTOM_CLASSES.values():
        own = each.nuisances | ({"grain": _grain(each.grain)} if each.grain else {})
        rows[each.name] = {
            "shows": each.description,
            "symmetry": each.symmetry,
            "pair": readable(each.pair or "–"),
            "varies in": _listed(own, usual),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("class")


def _grain(sigma: float) -> Nuisance:
    return Nuisance(1, sigma, "per pixel, a factor")


def _listed(nuisances: dict[str, Nuisance], usual: dict[str, Nuisance]) -> str:
    texts = [f"no {name}" for name in usual if name not in nuisances]
    for name, one in nuisances.items():
        if usual.get(name) == one:
            continue
        unit = "°" if one.unit == "°" else "" if name in usual else f" {one.unit}"
        texts.append(f"{readable(name)} {one.mean:.3g} ± {one.sigma:.3g}{unit}")
    return ", ".join(texts).replace("-", "−")


def plot_phantom(count: int = 3, columns: int = 2) -> Figure:
    """Show pictures of every class, the two classes of a critical pair side by side."""
    groups = {None: ("disc",)} | {pair: pair.classes for pair in PHANTOM_PAIRS.values()}
    with mpl.rc_context(STYLE):
        rows = -(-len(groups) // columns)
        figure = Figure(figsize=(columns * PANEL_WIDTH, rows), layout="constrained")
        parts = figure.subfigures(rows, columns, squeeze=False).flat
        for (pair, classes), part in zip(groups.items(), parts, strict=False):
            differs = f"{readable(pair.parameter)} differs" if pair else "no partner"
            strips = part.subplots(1, 2)
            for axes in strips:
                axes.set_axis_off()
            for name, axes in zip(classes, strips, strict=False):
                gap = [(0, 0), (0, 0), (0, SIZE // 16), (0, 0)]
                pictures = np.pad(render(name, range(count)), gap, constant_values=1)
                axes.imshow(np.concatenate(list(pictures), axis=1), interpolation="none")
                axes.set_title(readable(name))
            part.suptitle(differs, fontsize=POINTS, color=GRAY)
    return figure
