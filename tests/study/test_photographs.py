"""Figures and tables of the chapter on photographs, on screenings whose thresholds are known."""

import pytest
from known_screenings import FIRST, RHO_DOWN, RHO_UP, SECOND, screening

from itn.comparison import compare
from itn.messages import UsageError
from itn.study.photographs import plot_correlations, sink_table


@pytest.mark.parametrize("columns", [1, 2])
def test_figure_shows_every_correlation_with_its_interval_and_the_median(columns):
    found = compare(screening(FIRST), screening(SECOND))
    itself = compare(screening(FIRST), screening(FIRST))
    both = {("one", "other"): [found], ("one", "one"): [itself]}
    panels = plot_correlations(both, columns).axes
    assert [axes.get_title() for axes in panels] == ["one –\nother", "one –\none"]
    axes, alike = panels
    drawn = [line.get_xdata() for line in axes.lines]
    for direction in ("down", "up"):
        one = found.sel(direction=direction)
        low, high = one.correlation_low.item(), one.correlation_high.item()
        assert any(len(xs) == 2 and list(xs) == [low, high] for xs in drawn)
        assert any(list(xs) == [one.correlation.item()] for xs in drawn)
    of_one = [list(line.get_xdata()) for line in alike.lines]
    assert of_one.count([pytest.approx(1)]) == 3  # with itself, and the median
    middle = (RHO_UP + RHO_DOWN) / 2
    assert sum(list(xs) == [pytest.approx(middle)] for xs in drawn) == 1
    names = [each.get_text() for each in axes.get_yticklabels()]
    assert names == ["median", "brightness ↓", "brightness ↑"]
    places = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert places == [0, 1, 2] and axes.get_ylim()[0] > axes.get_ylim()[1]


def test_what_is_surely_above_none_looks_otherwise():
    found, itself = (compare(screening(FIRST), screening(other)) for other in (SECOND, FIRST))
    both = {("one", "other"): [found], ("one", "one"): [itself]}
    hollow = []
    for axes, compared in zip(plot_correlations(both).axes, (found, itself), strict=True):
        for direction, place in (("down", 1), ("up", 2)):
            one = compared.sel(direction=direction)
            marks = {line.get_ydata()[0]: line for line in axes.lines if line.get_marker() == "o"}
            hollow.append(marks[place].get_markerfacecolor() == "white")
            assert list(marks[place].get_xdata()) == [one.correlation]
            assert hollow[-1] == (one.correlation_low.item() <= 0)
    assert set(hollow) == {True, False}


def test_networks_without_a_shared_class_draw_nothing():
    with pytest.raises(UsageError, match=r"^nothing to draw: no two networks"):
        plot_correlations({("one", "two"): []})


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
