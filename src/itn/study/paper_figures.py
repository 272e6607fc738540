"""The paper's own main figures, of its own networks, where somebody has screened them."""

from collections.abc import Sequence

import xarray as xr
from matplotlib.figure import Figure

from itn.plots import NAMED_SIZE, Drawing, panels, plot_softmax
from itn.study.own_files import owned_files
from itn.study.pages import keep_text, show_figure
from itn.study.profiles import FigureParameters, chosen_network
from itn.study.screenings import archived_screening, highlighted, screening_request
from itn.study.titles import title

SHOWN = ("noise", "rotation", "zoom", "translation_x")
NUMBERS = {"alexnet": "6", "resnet_v1_101": "11"}  # of the figures in the paper
NAME = "paper_figure"  # of what is kept for a page


def show_paper_figure(parameters: FigureParameters) -> Drawing | str:
    """Show the figure of a network where its screenings are archived, else what it waits for.

    Either is kept for the page, which includes it as text.
    """
    network, _ = chosen_network(parameters)
    requests = [screening_request(parameters, name) for name in SHOWN]
    if not all(request.archive.is_file() for request in requests):
        return keep_text(_waits(parameters, network), NAME)
    screenings = [archived_screening(parameters, name) for name in SHOWN]
    shown = [highlighted(screening, parameters) for screening in screenings]
    keep_text(_in_the_page(parameters, network, shown[0]), NAME)
    return show_figure(plot_paper_figure(shown), NAME, plot_paper_figure(shown, columns=1))


def plot_paper_figure(screenings: Sequence[xr.Dataset], columns: int | None = None) -> Figure:
    """Draw the mean softmax of a few categories, one row of panels for each transformation."""
    categories = screenings[0].sizes["category"]
    count = len(screenings) * categories
    with panels(count, columns or categories, NAMED_SIZE, named=True) as (figure, grid):
        for screening, row in zip(screenings, grid.reshape(-1, categories), strict=True):
            plot_softmax(screening, ax=list(row))
    return figure


def _waits(parameters: FigureParameters, network: str) -> str:
    """Say in one line which files and which command a figure waits for."""
    files = [f"`{name}`" for names, _, _ in owned_files(parameters) for name in names]
    listed = ", ".join(files[:-1]) + (" and " if files[:-1] else "") + "".join(files[-1:])
    waits = f"{listed}, and then for " if files else ""
    return (
        f"Figure {NUMBERS.get(network, 'of the kind')} of the paper, {title(network)}, waits for "
        f"{waits}`itn screen --profile {parameters.profile}`."
    )


def _in_the_page(parameters: FigureParameters, network: str, screening: xr.Dataset) -> str:
    """Write the figure with its caption in the page's markup."""
    names = [title(name) for name in screening.category.values]
    listed = ", ".join(names)
    where = f"results/{parameters.profile}/{network}"
    number = NUMBERS.get(network, "")
    return f"""```{{figure}} {where}/{NAME}.svg
:name: fig-paper-{network.replace("_", "-")}
:alt: Panels of {listed}, each showing the mean softmax of {title(network)} against the magnitude \
of Gaussian noise, rotation, zoom or horizontal translation, with thresholds marked.
:figclass: wide

The paper's figure {number}: {title(network)} under Gaussian noise, rotation, zoom and horizontal \
translation, from top to bottom.
Horizontal axes: magnitude; vertical axes: softmax, averaged over all pictures of {listed}.
Lines: the true class, the three rivals that come highest, and the maximum over all other classes \
(“others”). Vertical lines mark the thresholds *switch* (solid) and *half* (dotted); the ground is \
shaded where another class has the highest mean softmax.
Profile `{parameters.profile}`; {screening.attrs["data"]}; pixels from outside are black, values \
are not clipped.
```

Source: `notebooks/paper_figures.py`, {{download}}`executed notebook <{where}/paper_figures.ipynb>`.
"""
