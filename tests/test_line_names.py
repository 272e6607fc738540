"""Names at the ends of lines: where they stand, against an exhaustive search."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from itn.line_names import GAP, name_lines, spread


def test_names_that_have_room_stand_where_their_lines_end():
    np.testing.assert_allclose(spread([0.9, 0.1, 0.5], [0.1, 0.1, 0.1]), [0.9, 0.1, 0.5])


def test_names_of_equal_ends_are_spread_about_it():
    np.testing.assert_allclose(spread([0.5] * 3, [0.1] * 3), [0.4, 0.5, 0.6])
    np.testing.assert_allclose(spread([0.0, 0.0], [0.2, 0.2]), [0.1, 0.3])
    np.testing.assert_allclose(spread([1.0, 1.0], [0.2, 0.1]), [0.8, 0.95])


def test_names_that_are_too_many_are_closer_and_none_is_left_out():
    places = spread([0.5] * 4, [0.5] * 4)
    np.testing.assert_allclose(places, [0.125, 0.375, 0.625, 0.875])


@pytest.mark.parametrize("seed", range(5))
def test_no_other_places_are_nearer(seed):
    rng = np.random.default_rng(seed)
    ends, heights = rng.uniform(size=3), np.array([0.2, 0.1, 0.2])
    steps = np.linspace(0, 1, 61)

    def possible(places):
        order = np.argsort(ends, kind="stable")
        low, high = (places - heights / 2)[order], (places + heights / 2)[order]
        return low[0] >= -1e-9 and high[-1] <= 1 + 1e-9 and (low[1:] >= high[:-1] - 1e-9).all()

    found = spread(ends, heights)
    assert possible(found)
    best = min(
        ((np.array(places) - ends) ** 2).sum()
        for places in itertools.product(steps, repeat=3)
        if possible(np.array(places))
    )
    assert ((found - ends) ** 2).sum() <= best + 1e-9


def test_a_name_has_its_lines_color_and_a_thread_from_its_end():
    figure = Figure(figsize=(4, 4))
    axes = figure.add_axes((0.25, 0.25, 0.5, 0.5))
    (line,) = axes.plot([0, 1, 2], [0.1, 0.4, np.nan], color="#0072B2")
    axes.set_ylim(0, 0.8)
    name_lines(axes, [(line, "upright piano")])
    (text,) = axes.texts
    assert text.get_text() == "upright\npiano"
    assert text.get_color() == "#0072B2"
    assert text.xy == (1, pytest.approx(0.5))  # where the line was last seen
    assert text.xyann == (pytest.approx(1 + GAP / 2), pytest.approx(0.5))
    name_lines(axes, [])
    assert len(axes.texts) == 1
