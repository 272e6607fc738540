"""What is said of a figure, against figures drawn by hand."""

import html
import re

import numpy as np
from matplotlib.figure import Figure

from itn.study.figure_texts import describe
from itn.study.pages import show_figure


def curves(count):
    figure = Figure()
    for number, axes in enumerate(figure.subplots(1, count, squeeze=False)[0]):
        axes.set_title(f"class\n{number}")
        axes.set_xlabel("angle")
        axes.plot([0, 45, 90, 180], [0.98, 0.25, 0.5, np.nan], label="true class")
        axes.plot([0, 90, 180], [0, 0, 0.25])  # without a name
    figure.axes[0].set_ylabel("softmax")
    return figure


def test_lines_of_few_panels_are_told_one_by_one():
    assert describe(curves(2)) == (
        "2 panels: class 0, class 1. Drawn is softmax against angle. "
        "In class 0: true class from 0.98 to 0.50 (lowest 0.25). "
        "In class 1: true class from 0.98 to 0.50 (lowest 0.25)."
    )


def test_of_many_panels_the_names_are_told():
    said = describe(curves(15))
    assert said.startswith("15 panels: class 0, class 1, ")
    assert said.endswith("class 11, 3 more. Drawn is softmax against angle.")


def test_pictures_are_told_apart_from_panels():
    figure = Figure()
    left, right, empty = figure.subplots(1, 3)
    left.imshow(np.zeros((2, 2)))
    left.set_title("a cat")
    left.set_xlabel("0.9")
    left.set_xticks([])
    right.bar([0, 1], [0.25, 0.75])
    empty.set_axis_off()
    assert describe(figure) == "One picture: a cat 0.9. One panel."


def test_a_shown_figure_carries_its_text():
    figure = curves(1)
    figure.axes[0].set_title('"a" < b & c')
    text = show_figure(figure, "curves")._repr_svg_()
    (said,) = re.findall(r'^<svg role="img" aria-label="([^"]*)"', text)
    assert html.unescape(said) == describe(figure)
