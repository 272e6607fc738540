"""Figures of a screening, against the data they show."""

from pathlib import Path
from xml.dom import minidom
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.figure
import numpy as np
import pytest
import xarray as xr
from IPython.core.formatters import DisplayFormatter
from IPython.display import SVG
from matplotlib import colors
from PIL import Image
from scipy import stats

import itn
from itn.plots import LOST_COLOR, STYLE, as_drawing, format_magnitude, panels
from itn.transformations import find_transformation

RESULTS = Path(__file__).parents[1] / "results" / "imagenet"
SVG_NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def rotation():
    return itn.load_screening(RESULTS / "squeezenet_rotation.nc")


@pytest.fixture(scope="module")
def two(rotation):
    return itn.select_categories(rotation, ["soccer_ball", "grand_piano"])


def line(axes, label):
    return next(each for each in axes.lines if each.get_label() == label)


def test_softmax_figure_draws_the_data(two):
    ball, piano = itn.plot_softmax(two).axes
    assert ball.get_title().startswith("soccer ball (64")
    mean, rivals = two.mean_softmax.values[1], two.rival.values[1]
    target = int(two.target[1])
    true = line(piano, "grand piano (true)")
    np.testing.assert_array_equal(true.get_ydata(), mean[:, target])
    np.testing.assert_array_equal(true.get_xdata(), two.magnitude)
    for rival in rivals:
        name = str(two["class"].values[rival]).replace("_", " ")
        np.testing.assert_array_equal(line(piano, name).get_ydata(), mean[:, rival])
    rest = np.setdiff1d(np.arange(mean.shape[1]), [target, *rivals])
    np.testing.assert_array_equal(line(piano, "others (highest)").get_ydata(), mean[:, rest].max(1))


def test_three_rivals_are_drawn_however_many_are_kept(two):
    others = two.mean_softmax.max("magnitude").values
    np.put_along_axis(others, two.target.values[:, None], -1, axis=1)
    twelve = np.argsort(-others, axis=1, kind="stable")[:, :12]
    more = two.drop_dims("rank").assign(rival=(("category", "rank"), twelve))
    assert as_drawing(itn.plot_softmax(more)) == as_drawing(itn.plot_softmax(two))


def test_lines_are_named_at_their_ends_in_their_colors(two):
    """From the highest end to the lowest, none over another."""
    piano = itn.plot_softmax(two).axes[1]
    said = [text for text in piano.texts if text.get_text() in ("others", "grand piano")]
    rivals = [str(two["class"].values[each]).replace("_", " ") for each in two.rival.values[1]]
    said += [each for each in piano.texts if each.get_text().replace("\n", " ") in rivals]
    assert len(said) == 5
    labels = {"others": "others (highest)", "grand piano": "grand piano (true)"}
    ends = {}
    for text in said:
        name = text.get_text().replace("\n", " ")
        named = line(piano, labels.get(name, name))
        assert text.get_color() == named.get_color()
        ends[text.xyann[1]] = named.get_ydata()[-1]
    heights = sorted(ends)
    assert [ends[each] for each in heights] == sorted(ends.values())
    inches = (piano.get_position().height * piano.figure.get_size_inches()[1]) * np.diff(heights)
    assert inches.min() > STYLE["legend.fontsize"] / 72


def test_every_line_has_a_color_and_a_dash_pattern_of_its_own(two):
    axes = itn.plot_softmax(two).axes[0]
    shown = [each for each in axes.lines if not each.get_label().startswith("_")]
    assert len({each.get_color() for each in shown}) == len(shown) == 5
    patterns = {(str(each._unscaled_dash_pattern), each.get_linewidth()) for each in shown}
    assert len(patterns) == len(shown)


def test_ground_is_shaded_where_the_true_class_does_not_lead(two):
    piano = itn.plot_softmax(two).axes[1]
    patches = [(each.get_x(), each.get_x() + each.get_width(), each) for each in piano.patches]
    target = int(two.target[1])
    mean = two.mean_softmax.values[1]
    leads = mean.argmax(axis=1) == target
    for magnitude, ahead in zip(two.magnitude.values[1:-1], leads[1:-1], strict=True):
        top = max(
            (each for start, end, each in patches if start <= magnitude <= end),
            key=lambda each: each.get_zorder(),
        )
        lost = colors.same_color(top.get_facecolor(), LOST_COLOR)
        assert lost != ahead


def turned(degrees, names=("a", "b", "c")):
    """Four pictures of a class that is kept to 30° either way, then all taken for another."""
    degrees = np.asarray(degrees, float)
    kept = np.abs((degrees + 180) % 360 - 180) <= 30
    mean = np.zeros((1, len(degrees), 3))
    mean[0, :, 0], mean[0, :, 1] = np.where(kept, 0.9, 0.1), np.where(kept, 0.1, 0.9)
    return xr.Dataset(
        {
            "predicted": (("image", "magnitude"), np.tile(np.where(kept, 0, 1), (4, 1))),
            "mean_softmax": (("category", "magnitude", "class"), mean),
            "target": ("category", [0]),
            "rival": (("category", "rank"), [[1]]),
            "label": ("image", np.zeros(4, int)),
        },
        coords={"magnitude": degrees, "category": [names[0]], "class": list(names)},
        attrs={"transformation": "rotation", "identity": 0.0},
    )


@pytest.mark.parametrize(
    ("degrees", "lines"),
    [
        (np.arange(-90, 91, 10), [-35, 35]),
        (np.arange(-180, 181, 10), [-35, 35]),
        (np.arange(0, 361, 10), [35, 325]),
        (np.arange(-30, 401, 10), [35, 325, 395]),
        (np.arange(-720, 1, 10), [-685, -395, -325, -35]),
        (np.arange(0, 91, 10), [35]),
        ([0, 60, 50, 40, 30, 20, 10], [35]),
        ([0, 40, 320], [20]),  # -20° would stand at 340°
        ([0, 10, 20], []),
        ([10, 20, 40], []),
        ([40, 50], []),
        ([0], []),
        ([30], []),
    ],
    ids=str,
)
def test_rotations_are_marked_and_shaded_where_they_were_swept(degrees, lines):
    degrees = np.asarray(degrees, float)
    (axes,) = itn.plot_softmax(turned(degrees)).axes
    itn.plot_accuracy(turned(degrees)).draw_without_rendering()
    axes.figure.draw_without_rendering()
    drawn = [each.get_xdata()[0] for each in axes.lines if each.get_label().startswith("_")]
    assert sorted(set(np.round(drawn, 9))) == lines  # half and switch are lost at the same angle
    assert len(drawn) == 2 * len(lines)
    for magnitude in degrees:
        over = [p for p in axes.patches if p.get_x() <= magnitude <= p.get_x() + p.get_width()]
        top = max(over, key=lambda patch: patch.get_zorder())
        kept = abs((magnitude + 180) % 360 - 180) <= 30
        assert colors.same_color(top.get_facecolor(), LOST_COLOR) != kept


def test_thresholds_are_told_above_and_marked_where_they_stand():
    """The true class leads to 30°, and is recognized to 50°: both are lost halfway to the next."""
    degrees = np.arange(0.0, 361, 10)
    screening = turned(degrees)
    recognized = np.abs((degrees + 180) % 360 - 180) <= 50
    screening["predicted"] = ("image", "magnitude"), np.tile(np.where(recognized, 0, 1), (4, 1))
    (axes,) = itn.plot_softmax(screening).axes
    assert "switch −35.0°, 35.0°\nhalf −55.0°, 55.0°" in {text.get_text() for text in axes.texts}
    marks = {each.get_xdata()[0]: each.get_linestyle() for each in axes.lines[-4:]}
    assert marks == pytest.approx({35: "-", 325: "-", 55: ":", 305: ":"})


@pytest.mark.parametrize(
    "name", ["$x^2$", "a$b", r"\alpha{}", "100 % & #1 ~", "x^2 \\$", "中文 😀", "e\u0301", "<&>\"'"]
)
def test_names_are_drawn_as_they_are(name, tmp_path, monkeypatch):
    monkeypatch.setenv("ITN_FIGURES", str(tmp_path))
    monkeypatch.setitem(STYLE, "svg.fonttype", "none")  # text stays text
    screening = turned([0, 30, 60], (name, f"other {name}", "c"))
    both = screening.isel(category=[0, 0]).assign_coords(category=[name, f"second {name}"])
    both["label"] = "image", [0, 0, 1, 1]
    figures = {
        "softmax": (itn.plot_softmax(screening), {f"{name} (4 pictures)", f"other {name}"}),
        "accuracy": (itn.plot_accuracy(both), {name, f"second {name}"}),
    }
    for title, (figure, expected) in figures.items():
        texts = ElementTree.fromstring(itn.save_figure(figure, title)).iter(f"{SVG_NAMESPACE}text")
        drawn = " ".join("".join(text.itertext()) for text in texts)  # also lines of one name
        assert all(text in drawn for text in expected)


def test_a_name_that_is_no_text_is_drawn_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("ITN_FIGURES", str(tmp_path))
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    (axes,) = itn.plot_softmax(turned([0, 30, 60], (name, "b", "c"))).axes
    assert axes.get_title() == "caf? (4 pictures)"
    assert "<svg" in itn.save_figure(axes.figure, "broken")


def test_accuracy_figure_draws_all_pictures_with_their_interval(rotation):
    axes = itn.plot_accuracy(rotation).axes[0]
    label = rotation.label.values
    correct = rotation.predicted.values == rotation.target.values[label][:, None]
    drawn = line(axes, f"all {len(label)} pictures")
    np.testing.assert_allclose(drawn.get_ydata(), correct.mean(axis=0))
    interval = stats.binomtest(int(correct[:, 0].sum()), len(label)).proportion_ci(method="exact")
    edges = axes.collections[0].get_paths()[0].vertices
    at_zero = edges[edges[:, 0] == 0, 1]
    assert at_zero.min() == pytest.approx(interval.low)
    assert at_zero.max() == pytest.approx(interval.high)


def test_the_categories_that_keep_and_lose_most_are_named():
    """Of four pictures each, `late` keeps four, two and none, `early` one less, `never` none."""
    kept = {"early": [3, 1, 0], "late": [4, 2, 0], "never": [0, 0, 0]}
    predicted = [np.arange(4)[:, None] < np.array(counts) for counts in kept.values()]
    screening = xr.Dataset(
        {
            "predicted": (("image", "magnitude"), np.concatenate(predicted).astype(int)),
            "target": ("category", [1, 1, 1]),
            "label": ("image", np.repeat([0, 1, 2], 4)),
        },
        coords={"magnitude": [0.0, 1, 2], "category": list(kept)},
        attrs={"transformation": "blur"},
    )
    (axes,) = itn.plot_accuracy(screening).axes
    named = [each.get_label() for each in axes.lines if not each.get_label().startswith("_")]
    assert named == ["late", "never", "all 12 pictures"]
    assert line(axes, "late").get_ydata().tolist() == [1, 0.5, 0]
    assert line(axes, "all 12 pictures").get_ydata().tolist() == [7 / 12, 3 / 12, 0]


def test_same_figure_same_bytes(two, tmp_path, monkeypatch):
    monkeypatch.setenv("ITN_FIGURES", str(tmp_path))
    for name in ("one.svg", "other", "one.pdf", "other.pdf", "one.png", "other.png"):
        itn.save_figure(itn.plot_softmax(two), name)
    for ending in ("svg", "pdf", "png"):
        one, other = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "other"))
        assert one == other
    assert b"<dc:date>" not in (tmp_path / "one.svg").read_bytes()
    assert b"CreationDate" not in (tmp_path / "one.pdf").read_bytes()


def test_settings_of_the_user_change_no_figure(two):
    usual = as_drawing(itn.plot_softmax(two))
    mine = {
        "axes.grid": True, "lines.linewidth": 5, "font.size": 30, "text.usetex": True,
        "figure.facecolor": "red", "savefig.bbox": "tight", "savefig.facecolor": "blue",
        "savefig.transparent": True, "svg.fonttype": "none", "svg.hashsalt": None,
        "axes.prop_cycle": mpl.cycler(color=["red"]), "axes.unicode_minus": False,
    }  # fmt: skip
    with mpl.rc_context(mine):
        assert as_drawing(itn.plot_softmax(two)) == usual
        assert mpl.rcParams["lines.linewidth"] == 5  # they are still the user's
        made = itn.plot_softmax(two)
        assert itn.plot_softmax(two)._repr_svg_() == usual._repr_svg_()
    assert as_drawing(made) == usual


@pytest.mark.parametrize("name", [name for name in dir(itn) if name.startswith("plot_")])
def test_a_figure_is_a_picture_in_a_notebook(name, two):
    figure = getattr(itn, name)(two)
    formats, _ = DisplayFormatter().format(figure)
    assert formats["image/svg+xml"].startswith("<svg")
    assert minidom.parseString(formats["image/svg+xml"])
    drawn, _ = DisplayFormatter().format(as_drawing(figure))
    assert drawn == {"image/svg+xml": formats["image/svg+xml"], "text/plain": "<Drawing>"}


def assert_same_lines(drawn, wanted):
    for one, other in zip(drawn.lines, wanted.lines, strict=True):
        np.testing.assert_array_equal(one.get_xydata(), other.get_xydata())
        assert one.get_label() == other.get_label()


def test_plots_draw_where_they_are_told(two):
    figure = matplotlib.figure.Figure()
    left, middle, right = figure.subplots(1, 3)
    assert itn.plot_softmax(two, ax=[left, middle]) is figure
    assert itn.plot_accuracy(two, ax=right) is figure
    wanted = [*itn.plot_softmax(two).axes, *itn.plot_accuracy(two).axes]
    for drawn, same in zip(figure.axes, wanted, strict=True):
        assert_same_lines(drawn, same)
    one = itn.select_categories(two, ["grand_piano"])
    inner = figure.add_subfigure(figure.add_gridspec(1)[0]).subplots()
    assert itn.plot_softmax(one, ax=inner) is figure
    assert_same_lines(inner, wanted[1])
    with pytest.raises(itn.UsageError, match="each of 2 panels, got 1"):
        itn.plot_softmax(two, ax=left)


def test_panels_beyond_are_empty():
    with panels(5, columns=3, size=(1.5, 2)) as (figure, grid):
        assert grid.shape == (2, 3)
    assert figure.get_size_inches().tolist() == [4.5, 4]
    assert [axes.axison for axes in grid.flat] == [True] * 5 + [False]


def test_a_script_writes_where_it_says(two, tmp_path, monkeypatch):
    monkeypatch.delenv("ITN_FIGURES", raising=False)
    monkeypatch.chdir(tmp_path)
    drawing = itn.save_figure(itn.plot_accuracy(two), "accuracy")
    itn.save_figure(itn.plot_accuracy(two), tmp_path / "there" / "figure.1")
    itn.save_figure(itn.plot_accuracy(two), "accuracy.PNG")
    assert (tmp_path / "accuracy.svg").read_text() == drawing
    assert (tmp_path / "there" / "figure.1.svg").read_text() == drawing
    with Image.open(tmp_path / "accuracy.PNG") as picture:
        assert picture.format == "PNG"
    assert len(list(tmp_path.rglob("*"))) == 4


def test_what_is_shown_is_its_own_figure_whatever_the_file_holds(tmp_path, monkeypatch):
    """Two notebooks at once write the same file, as users' own do."""
    monkeypatch.chdir(tmp_path)
    drawings = []
    for title in ("starfish", "tick"):
        figure = matplotlib.figure.Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1], gid=f"belongs-to-{title}")
        drawings.append(itn.save_figure(figure, "rotation"))
    first, second = (SVG(drawing).data for drawing in drawings)
    assert "belongs-to-starfish" in first and "belongs-to-tick" not in first
    assert "belongs-to-tick" in second
    assert "belongs-to-tick" in (tmp_path / "rotation.svg").read_text()


@pytest.mark.parametrize(
    ("name", "magnitude", "text"),
    [
        ("rotation", -23.736, "−23.7°"),
        ("zoom", 0.4067, "0.407×"),
        ("noise", 0.13, "0.130"),
        ("blur", 5, "5.00 px"),
        ("rotation", 157.6, "158°"),
        ("rotation", np.inf, "–"),
        ("zoom", np.nan, "–"),
    ],
)
def test_magnitudes_are_written_with_their_unit(name, magnitude, text):
    assert format_magnitude(magnitude, find_transformation(name)) == text
