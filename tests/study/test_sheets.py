"""What figures say outside of their panels, measured as it is drawn."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D

from itn.plots import panels
from itn.study.sheets import SHARPEST, as_shown, explain, lines_of


@pytest.mark.parametrize(("letters", "columns"), [(3, 4), (12, 2), (60, 1)])
@pytest.mark.parametrize("where", ["lower", "upper"])
def test_a_legend_has_as_many_columns_as_there_is_room_for(letters, columns, where):
    with panels(1, size=(4, 2)) as (figure, _):
        explain(figure, {f"{n:0>{letters}}": Line2D([], []) for n in range(4)}, where)
    (legend,) = figure.legends
    FigureCanvasAgg(figure).draw()
    texts = [text.get_window_extent() for text in legend.get_texts()]
    assert len({round(text.x0) for text in texts}) == columns
    assert columns == 1 or max(text.x1 for text in texts) <= figure.bbox.x1
    inside = legend.get_window_extent()
    middle = (inside.y0 + inside.y1) / 2
    assert (middle > figure.bbox.height / 2) == (where == "upper")


def test_what_several_panels_have_is_named_once():
    with panels(2) as (_, grid):
        first, *_ = grid[0, 0].plot([0, 1], label="one")
        grid[0, 1].plot([1, 0], label="one")
        other, *_ = grid[0, 1].plot([1, 1], label="other")
    assert lines_of(grid.flat) == {"one": first, "other": other}


@pytest.mark.parametrize(("size", "every"), [(64, 1), (96, 1), (97, 2), (227, 3), (289, 4)])
def test_pictures_are_shown_in_no_more_pixels_than_a_page_has(size, every):
    image = np.linspace(-1, 2, size * size * 3, dtype=np.float32).reshape(size, size, 3)
    found = as_shown(image)
    assert found.shape == (-(-size // every), -(-size // every), 3) and len(found) <= SHARPEST
    assert (found.min(), found.max()) == (0, 1)
    np.testing.assert_array_equal(found[2, 1], np.clip(image[2 * every, every], 0, 1))
