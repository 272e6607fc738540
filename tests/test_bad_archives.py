"""Archives that are damaged, not ours or have no place, and screenings with hardly anything."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from bad_input import TEXTS, outcome, refusal
from hypothesis import assume, example, given, settings

from itn.curves import load_screening, save_screening, select_categories
from itn.netcdf import USER_BLOCK, check, write_netcdf
from itn.plots import as_drawing, plot_accuracy, plot_softmax, save_figure
from itn.thresholds import accuracy, margins, thresholds
from itn.transformations import TRANSFORMATIONS

FEW = settings(max_examples=max(6, settings.default.max_examples // 5))  # a file or figure each


@st.composite
def screenings(draw):
    """Screenings of few pictures, categories and magnitudes, as a network may well give them."""
    name = draw(st.sampled_from(sorted(TRANSFORMATIONS)))
    transformation = TRANSFORMATIONS[name]
    steps = draw(st.lists(st.sampled_from([0, 1, 90, 180, 270, 360]), min_size=1, unique=True))
    scale = 1 if name == "rotation" else 1 / 360
    magnitudes = np.sort(transformation.identity + scale * np.array(steps))
    categories, classes = draw(st.integers(1, 3)), draw(st.integers(3, 5))
    label = np.repeat(range(categories), draw(st.integers(1, 2)))
    rivals = draw(st.integers(1, classes - 1))
    random = np.random.default_rng(draw(st.integers(0, 9)))
    logits = random.normal(
        0, draw(st.sampled_from([0, 1, 1000])), (len(label), len(magnitudes), classes)
    )
    if {0, 360} <= set(steps) and name == "rotation":
        logits[:, -1] = logits[:, 0]  # all the way round
    softmax = np.exp(logits - logits.max(axis=2, keepdims=True))
    softmax /= softmax.sum(axis=2, keepdims=True)
    rival = np.array([np.delete(range(classes), c)[:rivals] for c in range(categories)], "int32")
    mean = np.array([softmax[label == c].mean(axis=0) for c in range(categories)])
    return xr.Dataset(
        {
            "softmax": (("image", "magnitude"), softmax[range(len(label)), :, label].astype("f4")),
            "rival_softmax": (
                ("image", "rank", "magnitude"),
                np.array(
                    [each[:, rival[c]].T for each, c in zip(softmax, label, strict=True)], "f4"
                ),
            ),
            "predicted": (("image", "magnitude"), softmax.argmax(axis=2).astype("int32")),
            "mean_softmax": (("category", "magnitude", "class"), mean.astype("f4")),
            "rival": (("category", "rank"), rival),
            "target": ("category", np.arange(categories, dtype="int32")),
            "label": ("image", label.astype("int32")),
        },
        coords={
            "magnitude": ("magnitude", magnitudes, {"units": transformation.unit}),
            "image": [f"{c}/{index}.png" for index, c in enumerate(label)],
            "category": [f"c_{c}" for c in range(categories)],
            "class": [f"c_{c}" for c in range(classes)],
        },
        attrs={"transformation": name, "identity": transformation.identity},
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """An archive of one picture."""
    path = tmp_path_factory.mktemp("whole") / "a.nc"
    save_screening(one_picture(), path)
    return path


def one_picture(**changes):
    """A screening of one picture under one magnitude."""
    variables = {
        "softmax": (("image", "magnitude"), [[0.75]]),
        "rival_softmax": (("image", "rank", "magnitude"), [[[0.25]]]),
        "predicted": (("image", "magnitude"), [[0]]),
        "mean_softmax": (("category", "magnitude", "class"), [[[0.75, 0.25]]]),
        "rival": (("category", "rank"), [[1]]),
        "target": ("category", [0]),
        "label": ("image", [0]),
    }
    names = {"image": ["red/1.png"], "category": ["red"], "class": ["red", "blue"]}
    attributes = {"transformation": "blur", "identity": 0.0}
    return xr.Dataset(variables | changes, {"magnitude": [0.0], **names}, attributes)


def loaded(content, folder):
    path = Path(folder, "a.nc")
    path.write_bytes(content)
    found, message = outcome(load_screening, path)
    assert path.read_bytes() == content
    assert message is None or str(path) in message
    return found, message


# Files


@given(data=st.data())
def test_an_archive_is_read_whole_or_refused(archive, tmp_path, data):
    whole = archive.read_bytes()
    length = data.draw(st.integers(0, len(whole)))
    found, message = loaded(whole[:length], tmp_path)
    assert (message is None) == (length == len(whole))
    assert message is not None or found.identical(load_screening(archive))


@given(data=st.data())
def test_an_archive_with_a_flipped_bit_is_refused(archive, tmp_path, data):
    changed = bytearray(archive.read_bytes())
    first, last = data.draw(st.sampled_from([(0, USER_BLOCK), (USER_BLOCK, len(changed))]))
    changed[data.draw(st.integers(first, last - 1))] ^= 1 << data.draw(st.integers(0, 7))
    _, message = loaded(bytes(changed), tmp_path)
    assert "is damaged" in message or "has no checksum" in message


@given(st.binary(max_size=2000), st.sampled_from([0, 11, 64, 76, USER_BLOCK, 700]))
def test_any_bytes_are_refused(archive, tmp_path, content, kept):
    whole = archive.read_bytes()
    assume(whole[:kept] + content != whole)
    assert loaded(whole[:kept] + content, tmp_path)[1] is not None


@FEW
@given(screening=screenings(), data=st.data())
def test_an_archive_without_all_its_parts_is_refused(tmp_path, screening, data):
    """As another version may write it; the checksum is right."""
    kind = data.draw(st.sampled_from(["variable", "coordinate", "attribute", "dimension"]))
    if kind == "attribute":
        gone = "transformation"
        del screening.attrs[gone]
    elif kind == "dimension":
        gone = data.draw(st.sampled_from(sorted(screening.sizes)))
        screening = screening.rename({gone: "other"})
    else:
        of_kind = screening.data_vars if kind == "variable" else screening.coords
        gone = data.draw(st.sampled_from(sorted(of_kind)))
        screening = screening.drop_vars(gone)
    write_netcdf(screening, tmp_path / "a.nc")
    message = refusal(load_screening, tmp_path / "a.nc")
    assert "a.nc is not a screening" in message and gone in message


@FEW
@example("softmax", 2)
@example("target", 2)
@example("label", -1)
@example("predicted", 0.5)
@example("mean_softmax", np.nan)
@given(
    variable=st.sampled_from(["target", "label", "rival", "predicted", "mean_softmax", "softmax"]),
    value=st.sampled_from([-1, 2, 100, 0.5, np.nan, "red"]),
)
def test_an_archive_of_impossible_values_is_refused(tmp_path, variable, value):
    whole = one_picture()
    dims = whole[variable].dims
    wrong = whole.assign({variable: (dims, np.full(whole[variable].shape, value))})
    path = tmp_path / "a.nc"
    path.unlink(missing_ok=True)
    _, message = outcome(save_screening, wrong, path)
    possible = "softmax" in variable and value == 0.5
    if message is None:
        _, message = outcome(load_screening, path)
    assert (message is None) == possible


@pytest.mark.parametrize("kind", ["folder", "below a file", "long", "nul", "no name", "half"])
def test_a_place_that_cannot_be_written_is_named_and_nothing_is_lost(tmp_path, kind):
    folder, file = tmp_path / "folder.svg", tmp_path / "file"
    folder.mkdir()
    (folder / "inside").write_text("kept")
    file.write_text("kept")
    path = {
        "folder": folder, "below a file": file / "a.nc", "long": folder / ("a" * 300),
        "nul": f"{folder}/a\0.nc", "no name": "", "half": f"{folder}/\ud800.nc",
    }[kind]  # fmt: skip
    refusal(save_screening, one_picture(), path)
    refusal(save_figure, plot_accuracy(one_picture()), path)
    refusal(load_screening, path)
    assert (folder / "inside").read_text() == file.read_text() == "kept"
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["file", "folder.svg", "inside"]


@pytest.mark.parametrize(
    "wrong",
    [
        one_picture(softmax=(("image", "magnitude"), [[1.5]])),
        one_picture(rival_softmax=(("image", "rank", "magnitude"), [[[-0.5]]])),
        one_picture(label=("image", [object()])),
        one_picture(label=("image", ["\ud800"])),
        one_picture().assign_attrs(identity=object()),
        one_picture().assign_attrs(identity={}),
        "no data set",
        None,
        {"a": 1},
    ],
    ids=lambda wrong: type(wrong).__name__,
)
def test_an_archive_survives_saving_what_cannot_be_saved(archive, tmp_path, wrong):
    path = tmp_path / "a.nc"
    path.write_bytes(archive.read_bytes())
    refusal(save_screening, wrong, path)
    assert path.read_bytes() == archive.read_bytes() and [path] == list(tmp_path.iterdir())


@given(TEXTS)
def test_files_of_any_name_are_missing(tmp_path, name):
    message = refusal(load_screening, f"{tmp_path}/none/{name}")
    assert "no file" in message or "cannot be read" in message


# Screenings


@given(screenings())
def test_thresholds_of_hardly_anything_are_consistent(screening):
    found, message = outcome(thresholds, screening)
    assert message is None
    reached = found.status.values == "reached"
    np.testing.assert_array_equal(np.isfinite(found.threshold), reached)
    assert set(np.unique(found.status)) <= {
        "reached", "not reached", "lost at identity", "not screened"
    }  # fmt: skip
    identity = screening.attrs["identity"]
    down, up = (found.sel(direction=each).threshold.values for each in ("down", "up"))
    assert not (down > identity).any() and not (up < identity).any()
    inner = found.threshold.values[reached]
    first, last = (found[name].values[reached] for name in ("first_failure", "limit"))
    assert (np.abs(inner - identity) <= np.abs(first - identity) + 1e-9).all()
    assert (np.abs(first - identity) <= np.abs(last - identity) + 1e-9).all()
    shares = accuracy(screening).values
    assert ((shares >= 0) & (shares <= 1)).all()


@given(screenings(), st.permutations(range(6)))
def test_thresholds_do_not_depend_on_the_order_of_magnitudes(screening, order):
    shuffled = screening.isel(magnitude=[i for i in order if i < screening.sizes["magnitude"]])
    for function in (thresholds, lambda each: margins(each).sortby("magnitude")):
        xr.testing.assert_identical(function(shuffled), function(screening))


@FEW
@given(screenings(), st.integers(1, 4))
def test_hardly_anything_is_plotted(screening, columns):
    figure, message = outcome(plot_softmax, screening, columns)
    assert message is None
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == screening.sizes["category"]
    assert all(len(axes.get_lines()) >= 1 + screening.sizes["rank"] for axes in shown)
    assert len(plot_accuracy(screening).axes) == 1


@FEW
@given(screenings())
def test_hardly_anything_is_drawn(screening):
    for plot in (plot_softmax, plot_accuracy):
        assert as_drawing(plot(screening)).startswith("<?xml")


@pytest.mark.parametrize("columns", [0, -1, 1.5, "2", None])
def test_columns_are_a_whole_number(columns):
    assert "columns must be" in refusal(plot_softmax, one_picture(), columns)


@given(screenings(), st.lists(st.integers(0, 3), max_size=4), TEXTS)
def test_categories_are_selected_or_refused(screening, chosen, unknown):
    names = [f"c_{index}" for index in chosen]
    found, message = outcome(select_categories, screening, names)
    known = bool(names) and max(chosen) < screening.sizes["category"]
    assert (message is None) == known
    if message is None:
        names = list(dict.fromkeys(names))
        assert found.category.values.tolist() == names
        np.testing.assert_array_equal(accuracy(found), accuracy(screening).sel(category=names))
    assert "unknown class" in refusal(select_categories, screening, [unknown])


@FEW
@given(screenings())
def test_what_is_saved_is_loaded(screening):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.nc")
        save_screening(screening, path)
        check(path)
        found = load_screening(path)
        xr.testing.assert_allclose(found, screening, atol=1e-5)
        assert found.attrs == screening.attrs
        save_screening(found, Path(folder, "b.nc"))
        assert path.read_bytes() == Path(folder, "b.nc").read_bytes()
