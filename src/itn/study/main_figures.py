"""A chapter's figures: networks × classes under one transformation, and what they see there.

Above, mean softmax, one row of panels for each network; below, accuracy over all classes; then one
picture for each network, at the thresholds that the archive has.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from itn.curves import select_categories
from itn.line_names import name_lines
from itn.plots import (
    PANEL_WIDTH,
    draw_axes,
    draw_share,
    format_magnitude,
    label_axes,
    plot_accuracy,
    plot_softmax,
)
from itn.study.profiles import FigureParameters, chosen_network
from itn.study.screenings import highlighted
from itn.study.sheets import as_shown, sheet
from itn.study.titles import title
from itn.thresholds import NOT_REACHED, REACHED, accuracy_interval, is_correct, thresholds
from itn.transformations import find_transformation

Screenings = Mapping[str, xr.Dataset]  # of networks, by one transformation

NETWORK_STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#D55E00", "linestyle": "--"},
    {"color": "#0072B2", "linestyle": "-"},
    {"color": "#009E73", "linestyle": "-."},
)
ACCURACY_HEIGHT = 1.6  # inches
PICTURE, ABOVE, BELOW = 1.05, 0.22, 0.45  # inches: a picture and the texts above and below it
ANSWER = 17  # letters of a line under a picture
UNTOUCHED = "untouched"
EXAMPLE = "motorcycle"  # of scikit-image's photographs the one that most networks know


class Step(NamedTuple):
    """A picture at one magnitude."""

    name: str
    magnitude: str
    image: npt.NDArray[np.float32] | None  # [H, W, 3]; None where there is no such magnitude
    answer: str


class Strip(NamedTuple):
    """What a network says of one picture on the way out from the identity."""

    network: str
    of: str  # the class whose thresholds these are
    steps: list[Step]


def alike(screenings: Screenings) -> dict[str, xr.Dataset]:
    """Return the screenings that are of the same categories as the first."""
    first = next(iter(screenings.values())).category.values.tolist()
    return {
        network: one for network, one in screenings.items() if one.category.values.tolist() == first
    }


def look_at_thresholds(screenings: Screenings, parameters: FigureParameters) -> list[Strip]:
    """Show each network one picture, untouched, at the thresholds of a class, and at the end.

    The class is the last one that a main figure shows, the direction that of growing magnitude
    where it was looked at. Unless parameters name an example of `itn.study.example_pictures`, the
    picture is an object of the class where pictures are rendered, else a photograph of
    scikit-image's.
    """
    from itn.classifiers import load_classifier  # which loads a backend
    from itn.study.example_pictures import example_picture
    from itn.transformations import transform

    strips = []
    for network, screening in screenings.items():
        of = str(highlighted(screening, parameters).category.values[-1])
        rendered = screening.attrs["data"] == "phantom"
        magnitudes = dict(_steps(select_categories(screening, [of])))
        asked = parameters.model_copy(update={"network": network})
        classifier = load_classifier(*chosen_network(asked))
        image = example_picture(
            parameters.example or (of if rendered else EXAMPLE), classifier.input_size
        )
        there = [value for value in magnitudes.values() if np.isfinite(value)]
        name = screening.attrs["transformation"]
        fill, seed = str(screening.attrs["fill"]), int(screening.attrs["seed"])
        images = np.asarray(
            transform(
                np.repeat(image[None], len(there), axis=0), name, there, fill, [seed] * len(there)
            )  # one picture, which keeps its noise
        )
        seen = dict(zip(there, zip(images, classifier.predict(images), strict=True), strict=True))
        steps = [
            _step(step, value, name, seen.get(value), classifier.class_names)
            for step, value in magnitudes.items()
        ]
        strips.append(Strip(network, of, steps))
    return strips


def _steps(screening: xr.Dataset) -> Iterator[tuple[str, float]]:
    """Pass through the magnitudes at which a picture is shown; NaN where one is not reached."""
    found = thresholds(screening, resamples=0).isel(category=0)
    sides = [
        found.sel(direction=direction)
        for direction in ("up", "down")
        if set(found.status.sel(direction=direction).values) & {REACHED, NOT_REACHED}
    ]
    yield UNTOUCHED, float(screening.attrs["identity"])
    if not sides:
        return
    side = sides[0]
    identity = screening.attrs["identity"]
    criteria = sorted(
        ("half", "switch"),
        key=lambda one: np.nan_to_num(abs(side.threshold.sel(criterion=one) - identity), nan=1e9),
    )
    for criterion in criteria:
        one = side.sel(criterion=criterion)
        yield criterion, one.threshold.item() if one.status == REACHED else np.nan
    yield "end of sweep", side.limit.max().item()


def _step(
    name: str, magnitude: float, transformation: str, seen: Any, classes: Sequence[str]
) -> Step:
    if seen is None:
        return Step(name, NOT_REACHED, None, "")
    image, softmax = seen
    found = find_transformation(transformation)
    best = int(np.argmax(softmax))
    return Step(
        name,
        "" if name == UNTOUCHED else format_magnitude(magnitude, found),
        as_shown(image),
        f"{title(classes[best])} {softmax[best]:.2f}",
    )


def plot_main_figure(
    screenings: Screenings,
    parameters: FigureParameters,
    strips: Sequence[Strip] = (),
    columns: int = 2,
) -> Figure:
    """Draw what a chapter shows of networks under one transformation, so many panels wide."""
    shown = {name: highlighted(one, parameters) for name, one in screenings.items()}
    with sheet(columns * PANEL_WIDTH) as made:
        for network, screening in shown.items():
            made.heading(title(network))
            plot_softmax(
                with_titles(screening), ax=made.panels(screening.sizes["category"], columns)
            )
        together = alike(screenings)
        of = "" if len(together) == len(screenings) else f": {', '.join(map(title, together))}"
        made.heading(f"All classes together{of}")
        _draw_accuracies(made.panel(ACCURACY_HEIGHT), together)
        for strip in strips:
            made.heading(f"{title(strip.network)}, at the thresholds of {title(strip.of)}")
            cells = made.pictures(len(strip.steps), 2 * columns, PICTURE, ABOVE, BELOW)
            for axes, step in zip(cells, strip.steps, strict=True):
                _draw_step(axes, step)
    return made.figure


def with_titles(screening: xr.Dataset) -> xr.Dataset:
    """Call categories and classes what a page calls them."""
    return screening.assign_coords(
        {name: list(map(title, screening[name].values)) for name in ("category", "class")}
    )


def _draw_accuracies(axes: Axes, screenings: Screenings) -> None:
    """Draw the accuracy of networks over the same classes."""
    if len(screenings) == 1:
        (screening,) = screenings.values()
        plot_accuracy(with_titles(screening), ax=axes)
        return
    named = []
    for (network, screening), style in zip(screenings.items(), cycle(NETWORK_STYLES)):
        right, magnitude = is_correct(screening), screening.magnitude.values
        interval = accuracy_interval(right.sum(axis=0), len(right))
        named += draw_share(
            axes, magnitude, right.mean(axis=0), interval,
            label=title(network), linewidth=2.2, **style,
        )  # fmt: skip
        draw_axes(axes, find_transformation(screening.attrs["transformation"]), magnitude)
    label_axes(axes, "accuracy")
    name_lines(axes, [(line, str(line.get_label())) for line in named])


def _draw_step(axes: Axes, step: Step) -> None:
    axes.set_axis_off()
    axes.set_title(f"{step.name} {step.magnitude}".strip() if step.image is not None else step.name)
    if step.image is None:
        axes.text(0.5, 0.5, step.magnitude, ha="center", va="center", transform=axes.transAxes)
        return
    axes.imshow(step.image, interpolation="none")
    answer = textwrap.fill(step.answer, ANSWER, break_long_words=False)
    axes.text(0.5, -0.05, answer, ha="center", va="top", linespacing=1.1, transform=axes.transAxes)
