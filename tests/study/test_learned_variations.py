"""Transformers that were trained with different options, side by side."""

import numpy as np
import pytest
import xarray as xr

from itn.study import learned_variations
from itn.study.learned_variations import plot_variations, variation_table, vary_transformers
from itn.study.profiles import TransformerParameters


@pytest.fixture
def varied(known_study):
    """The first seed of each is shown: two looks at the first training, and the second."""
    second = xr.DataTree.from_dict({"seed_5": known_study["seed_5"]})
    return {"0.3": known_study, "a_name": second}


@pytest.mark.parametrize("columns", [2, 4])
def test_trainings_are_drawn_below_each_other(varied, columns):
    panels = np.reshape(plot_variations(varied, columns).axes, (2, 4))
    assert [axes.get_title() for axes in panels[0]] == [
        *("rotation, °", "scale x, factor", "scale y, factor", "displacement"),
    ]
    # Where the next training begins a row of its own, columns have a title once.
    again = [""] * 4 if columns == 4 else [axes.get_title() for axes in panels[0]]
    assert [axes.get_title() for axes in panels[1]] == again
    for above, below in panels.T:  # on one scale, which holds all lines
        assert above.get_ylim() == below.get_ylim()
        low, high = above.get_ylim()
        lines = [
            line for axes in (above, below) for line in axes.lines if len(line.get_ydata()) > 2
        ]
        assert all(
            low <= line.get_ydata().min() <= line.get_ydata().max() <= high for line in lines
        )
    assert [row[0].get_ylabel() for row in panels] == ["0.3", "a name"]
    for row, degrees, kept in zip(panels, (30, 60), (1, 2), strict=True):
        turned, larger = ({line.get_label(): line for line in axes.lines} for axes in row[:2])
        np.testing.assert_allclose(turned["α 1"].get_ydata(), [-degrees, 0, degrees], atol=1e-9)
        np.testing.assert_allclose(larger["all α"].get_ydata(), [0.5, 1, 2])
        corners, colors, at_kept = row[3].lines
        assert corners.get_ydata().tolist() == [0, 0.25, 0.5]
        assert colors.get_ydata().tolist() == [0, 0.125, 0.75]
        assert at_kept.get_xdata()[0] == kept


def test_trainings_are_tabulated_by_their_value(varied):
    table = variation_table(varied)
    assert table.index.tolist() == ["0.3", "a_name"] and table.index.name == "value"
    assert table["rotation_highest"].tolist() == pytest.approx([30, 60])
    assert table["outward"].tolist() == pytest.approx([0.8, 1])
    assert table["reported_accuracy"].tolist() == [0.9, 0.5]


def test_all_is_the_profile_s_but_what_is_varied(monkeypatch):
    """One seed, and as many pictures in all whether there are few classes or many."""
    asked = []
    monkeypatch.setattr(
        learned_variations,
        "transformers_request",
        lambda parameters, parts: asked.append((parameters, parts)),
    )
    monkeypatch.setattr(learned_variations, "obtain", lambda request: request)
    given = TransformerParameters(profile="phantom", classes=("disc", "mirror"), limit=6)
    assert list(vary_transformers(given, "spatial_dim", [2, 7])) == ["2", "7"]
    assert [parameters.spatial_dim for parameters, _ in asked] == [2, 7]
    for parameters, parts in asked:
        assert (parameters.limit, parameters.classes) == (6, ("disc", "mirror"))
        assert len(parameters.seeds) == 1 and parts == ("survey",)
    asked.clear()
    vary_transformers(given, "classes", [("disc",)])
    ((parameters, _),) = asked
    assert (parameters.classes, parameters.limit) == (("disc",), 12)
