"""What a notebook keeps for a page, against what is written by hand."""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from itn.plots import as_drawing
from itn.study.light_drawings import for_the_book
from itn.study.pages import glue_networks, glue_table, save_table, show_figure
from itn.study.titles import title


@pytest.fixture
def table():
    rows = {
        ("soccer_ball", "up"): {"clean accuracy": 0.25, "change": -0.5, "pictures": 12},
        ("lamp", "down"): {"clean accuracy": np.nan, "change": 0.0625, "pictures": 8},
    }
    found = pd.DataFrame.from_dict(rows, orient="index")
    return found.astype({"pictures": int}).rename_axis(["class", "direction"])


def test_a_table_is_written_as_its_formats_say(table, tmp_path, monkeypatch):
    monkeypatch.setenv("ITN_FIGURES", str(tmp_path))
    shown = save_table(table, "classes", {"clean accuracy": ".0%", "change": "+.1f"})
    assert (tmp_path / "classes.csv").read_text() == (
        "class,direction,clean accuracy,change,pictures\n"
        "soccer ball,up,25%,−0.5,12\n"
        "lamp,down,–,+0.1,8\n"
    )
    assert shown.loc[("soccer ball", "up"), "change"] == "−0.5"
    assert table.loc[("soccer_ball", "up"), "change"] == -0.5  # as it was


def test_a_format_without_its_column_is_named(table):
    with pytest.raises(KeyError, match="accuracy"):
        save_table(table, "classes", {"accuracy": ".0%"})


@pytest.fixture
def glued(monkeypatch):
    """What is glued, by its key."""
    found = {}
    module = SimpleNamespace(glue=lambda key, value, display: found.update({key: value}))
    monkeypatch.setitem(sys.modules, "myst_nb", module)
    return found


def test_what_is_glued_is_called_by_row_and_column(table, glued):
    glue_table(table, ["clean accuracy", "pictures"], prefix="photos_")
    assert glued["photos_soccer_ball_up_clean_accuracy"] == 0.25
    assert glued["photos_lamp_down_pictures"] == 8
    assert len(glued) == 4
    assert {type(value) for value in glued.values()} == {int, float}  # what pages can format


def test_only_what_is_there_and_named_is_glued(table, glued):
    """Another user's table has other rows, or not all of the columns."""
    glue_table(table, ["pictures", "median"], rows=["soccer_ball_up", "starfish_up"])
    assert glued == {"soccer_ball_up_pictures": 12}
    glue_table(table, [], "none_")
    glue_table(table, rows=[])
    glue_table(table.reset_index("direction", drop=True), ["pictures"], "all_", ["lamp"])
    assert glued == {"soccer_ball_up_pictures": 12, "all_lamp_pictures": 8}


def test_what_is_glued_of_several_networks_says_of_which_but_for_the_first(table, glued):
    both = pd.concat({"one": table, "two": table}, names=["network"])
    glue_networks(both, ["pictures"], "zoom_", rows=["lamp_down"])
    assert glued == {"zoom_lamp_down_pictures": 8, "two_zoom_lamp_down_pictures": 8}


def test_a_page_calls_things_by_their_names(monkeypatch):
    monkeypatch.delenv("ITN_FIGURES", raising=False)
    table = pd.DataFrame({"resnet_photos error": [0.5]}, index=["scale_x"])
    shown = save_table(table, "errors")
    assert (shown.index.tolist(), shown.columns.tolist()) == (
        ["horizontal scale"],
        ["ResNet error"],
    )


def test_a_notebook_writes_for_the_book_alone(table, tmp_path, monkeypatch):
    """Elsewhere it shows the same, and nothing is written."""
    monkeypatch.delenv("ITN_FIGURES", raising=False)
    monkeypatch.chdir(tmp_path)
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([0, 1])
    drawing, shown = show_figure(figure, "accuracy"), save_table(table, "classes")
    assert drawing == for_the_book(as_drawing(figure), "One panel.")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("ITN_FIGURES", str(tmp_path / "figures"))
    assert show_figure(figure, "accuracy") == drawing
    pd.testing.assert_frame_equal(save_table(table, "classes"), shown)
    assert (tmp_path / "figures" / "accuracy.svg").read_text() == drawing
    read = pd.read_csv(tmp_path / "figures" / "classes.csv", index_col=[0, 1], na_values="–")
    pd.testing.assert_frame_equal(read, shown.round(3))
    assert {each.name for each in (tmp_path / "figures").iterdir()} == {
        "accuracy.svg",
        "classes.csv",
    }


def test_the_numbers_of_a_figure_are_kept_beside(tmp_path, monkeypatch):
    """Those of its curves, or what is given."""
    figure = Figure()
    figure.subplots().plot([0, 1, 2], [0.12344, 1, 4], label="grown")
    monkeypatch.setenv("ITN_FIGURES", str(tmp_path))
    show_figure(figure, "growth")
    assert (tmp_path / "growth_data.csv").read_text() == "x,grown\n0,0.1234\n1,1\n2,4\n"
    table = pd.DataFrame({"rank": [2]}, pd.Index(["blur"], name="of"))
    show_figure(figure, "ranking", data=table)
    assert (tmp_path / "ranking_data.csv").read_text() == "of,rank\nblur,2\n"


def test_what_a_narrow_page_shows_is_kept_beside(tmp_path, monkeypatch):
    wide, narrow = Figure(figsize=(2, 1)), Figure(figsize=(1, 2))
    monkeypatch.setenv("ITN_FIGURES", str(tmp_path))
    wide.subplots(), narrow.subplots()
    shown = show_figure(wide, "accuracy", narrow)
    assert (tmp_path / "accuracy.svg").read_text() == shown
    monkeypatch.delenv("ITN_FIGURES")
    assert (tmp_path / "accuracy_narrow.svg").read_text() == show_figure(narrow, "narrow")
    monkeypatch.chdir(tmp_path)
    show_figure(wide, "again", narrow)
    assert {each.name for each in tmp_path.iterdir()} == {"accuracy.svg", "accuracy_narrow.svg"}


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("alexnet_photos", "AlexNet"),
        ("translation_x right", "horizontal translation right"),
        ("soccer_ball", "soccer ball"),
        ("my_net.keras", "my net.keras"),
    ],
)
def test_readers_are_told_human_names(name, called):
    assert title(name) == called
