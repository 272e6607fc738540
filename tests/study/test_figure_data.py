"""The numbers of a figure's curves, of a figure that is drawn from known ones."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from itn.plots import draw_share
from itn.study.figure_data import curves_of
from itn.study.sheets import sheet

X, OTHER = np.array([0.0, 0.5, 1.0]), np.array([1.0, 2.0, 3.0, 4.0])


def drawn():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    (left.set_title("(a)\nfirst"), right.set_title("second"))
    (left.set_xlabel("noise,\nfull range"), right.set_xlabel("noise, full range"))
    draw_share(left, X, X / 2, (X / 3, X), label="all", color="#0072B2")
    draw_share(left, X, X / 4, (X / 5, X / 3), label="all", color="#0072B2")
    left.fill_between([0, 1], 0, 1, color="#EEEEEE")  # ground, of no line
    left.plot(X, [[1, 4], [2, 5], [3, 6]], label=["_thin", "_thin"])
    left.axvline(0.25)
    left.axhline(0.5)
    left.plot([0.5], [0.5], "o", label="a mark")
    left.plot([0, 1], [0, 1], label="from corner to corner")
    right.plot(X, -X)
    right.plot(OTHER, OTHER**2, label="square")
    return figure


def test_curves_stand_beside_their_places_once():
    table = curves_of(drawn())
    expected = {
        "noise, full range": X,
        "(a) first: all": X / 2,
        "(a) first: all, low": X / 3,
        "(a) first: all, high": X,
        "(a) first: all #2": X / 4,
        "(a) first: all, low #2": X / 5,
        "(a) first: all, high #2": X / 3,
        "(a) first: thin": [1, 2, 3],
        "(a) first: thin #2": [4, 5, 6],
        "second: line 1": -X,
    }
    assert table.columns.tolist() == [*expected, "noise, full range", "second: square"]
    for number, values in enumerate(expected.values()):
        np.testing.assert_allclose(table.iloc[:, number].dropna(), values)
    np.testing.assert_array_equal(table.iloc[:, -2:], np.stack([OTHER, OTHER**2], axis=1))


def test_panels_of_a_sheet_are_named_after_the_part_they_stand_in():
    with sheet(6.0) as made:
        for heading in ("AlexNet", "ResNet"):
            made.heading(heading)
            (axes,) = made.panels(1, 1)
            axes.set_title("tick")
            axes.plot(X, X, label="true")
    table = curves_of(made.figure)
    assert table.columns.tolist() == ["x", "AlexNet, tick: true", "ResNet, tick: true"]


def test_without_curves_there_is_nothing():
    figure = Figure()
    figure.subplots().imshow(np.zeros((2, 2)))
    pd.testing.assert_frame_equal(curves_of(figure), pd.DataFrame())
