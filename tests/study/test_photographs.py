"""Figures and tables of the chapter on photographs, on screenings whose thresholds are known."""

import numpy as np
import pytest
from known_screenings import FIRST, SECOND, known_pairs, screening

from itn.comparison import compare
from itn.messages import UsageError
from itn.study.photographs import plot_threshold_pairs, sink_table


def test_figure_shows_every_pair_and_its_correlation():
    found = compare(screening(FIRST), screening(SECOND))
    (axes,) = plot_threshold_pairs([found], "one", "other").axes
    drawn = {
        (line.get_marker(), line.get_markerfacecolor() == "none", *np.round(point, 9).tolist())
        for line in axes.lines
        for point in line.get_xydata()
    }
    markers = {"up": "^", "down": "v"}
    assert drawn == {
        (markers[direction], lost or other_lost, first, second)
        for (direction, _), (first, second, lost, other_lost) in known_pairs()
    }
    low, high = (found[f"correlation_{end}"].sel(direction="up").item() for end in ("low", "high"))
    texts = {text.get_text() for text in axes.texts}
    assert f"up: ρ = 0.94 ({low:.2f} to {high:.2f}), n = 6".replace("-", "−") in texts
    assert any(text.startswith("down: ρ = 0.14 (") for text in texts) and len(texts) == 2


def test_the_figure_writes_factors_and_names_as_they_are():
    factors = 2.0 ** np.arange(-4, 5)
    one = screening(FIRST).isel(magnitude=slice(0, 9)).assign_coords(magnitude=factors)
    one = one.assign_attrs(transformation="zoom", identity=1.0)
    figure = plot_threshold_pairs([compare(one, one, resamples=0)], "my$1$", "a_b^$")
    (axes,) = figure.axes
    figure.draw_without_rendering()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("my$1$", "a b^$")
    for axis in (axes.xaxis, axes.yaxis):
        assert not axis.label.get_parse_math()
        assert not any("$" in label.get_text() for label in axis.get_ticklabels())


def test_networks_without_a_shared_class_draw_nothing():
    with pytest.raises(UsageError, match=r"^nothing to draw: one and two share no class"):
        plot_threshold_pairs([], "one", "two")


def test_sinks_are_counted_among_what_is_not_reached():
    """Of a and b none is lost upward; in the end all of a is taken for b."""
    made = screening({"a": (-2, 0.5), "b": (-2, 2)})
    predicted = made.predicted.values
    predicted[:4, -2:] = 1
    table = sink_table({"one": [made], "two": [made]})
    assert table.index.unique("network").tolist() == ["one", "two"]
    row = table.loc["two", "brightness"]
    assert row.tolist() == [3, 1, "b", 1.0, "0.900"]
    assert table.loc["two", "all"].tolist()[:2] == [3, 1]
