"""Worst cases of a profile: on searches known on paper, and in a small project of its own."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from colors_project import enter_project, write_profile
from scipy.stats import binomtest

from itn.messages import UsageError
from itn.netcdf import read_netcdf, write_netcdf
from itn.study import worst_case as of_study
from itn.study.archive import archive
from itn.study.profiles import read_parameters
from itn.study.results import list_results, verify_result
from itn.study.worst_case import (
    obtain_worst_cases,
    plot_worst_case,
    worst_case_table,
    worst_case_texts,
    worst_cases_request,
)

pytestmark = pytest.mark.usefixtures("compiled_elsewhere")

HOW = {
    "ranges": {"contrast": [0.5, 2], "grayscale": [0, 1]},
    "searches": [{"contrast": 3}, {"grayscale": 3, "contrast": 2}],
}


def search(name, right, share, accuracy):
    """A search over ten pictures, of which so many are right at each stage."""
    names = name.split("+")
    rows = np.arange(10)[:, None] < np.array(right)
    sizes = [np.linspace(-30, 30, size) for size in np.shape(accuracy)]
    return xr.Dataset(
        {
            "right": (("image", "stage"), rows),
            "share": ("image", np.array(share, float)),
            "accuracy": (names, np.array(accuracy, float)),
        },
        coords=dict(zip(names, sizes, strict=True))
        | {"stage": ["untouched", "grid", "local"], "image": [f"a/{i}" for i in range(10)]},
        attrs={"passes": 70},
    )


@pytest.fixture
def known():
    """Alone one more picture is lost than was found by searching in both ranges."""
    tree = {
        "rotation": search("rotation", (8, 5, 4), [1] * 4 + [0.5] * 4 + [0] * 2, [0.6, 0.8, 0.6]),
        "rotation+zoom": search("rotation+zoom", (8, 6, 5), [0.5] * 10, np.full((3, 2), 0.5)),
        "zoom": search("zoom", (8, 8, 8), [1] * 8 + [0] * 2, [0.8, 0.8]),
    }
    return {"net": xr.DataTree.from_dict(tree)}


def test_accuracies_are_shares_of_pictures_with_their_intervals(known):
    table = worst_case_table(known)
    assert table.index.get_level_values("within").tolist() == ["nothing", *known["net"].children]
    assert (table.pictures == 10).all()
    alone = table.loc["net", "rotation"]
    assert (alone["mean"], alone["worst"], alone["grid"], alone["passes"]) == (0.6, 0.4, 0.5, 7)
    assert alone["hidden"] == pytest.approx(0.2)
    expected = binomtest(4, 10).proportion_ci(method="exact")
    assert (alone["worst_low"], alone["worst_high"]) == pytest.approx(tuple(expected))
    assert alone["mean_low"] < 0.6 < alone["mean_high"]
    untouched = table.loc["net", "nothing"]
    assert untouched["mean"] == untouched["worst"] == 0.8
    # All that is hidden is hidden of every picture: its mean has no spread beyond theirs.
    assert table.loc["net", "zoom"][["hidden", "hidden_low", "hidden_high"]].tolist() == [0, 0, 0]


def test_a_search_in_more_ranges_knows_what_fewer_have_found(known):
    table = worst_case_table(known)
    assert table.loc["net", "rotation+zoom"]["worst"] == 0.4
    assert table.loc["net", "rotation+zoom"]["grid"] == 0.6
    assert table.loc["net", "zoom"]["worst"] == 0.8


def test_intervals_of_means_are_those_of_a_normal_one():
    """Of many pictures, by the central limit theorem."""
    values = np.random.default_rng(1).random(900)
    found = of_study._means("mean", values)
    half = 1.96 * values.std() / 30
    assert found["mean"] == pytest.approx(values.mean())
    assert found["mean_low"] == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found["mean_high"] == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_texts_say_what_was_searched_in_per_cent(known):
    texts = worst_case_texts(worst_case_table(known))
    assert texts.index.get_level_values("within").tolist() == [
        *("nothing", "rotation", "rotation, zoom", "zoom"),
    ]
    assert texts["worst case"].iloc[1] == "40 (12 to 74)"
    assert texts["hidden by the mean"].tolist()[0] == "–"


def test_figure_shows_the_mean_curve_and_the_worst_cases(known):
    (axes,) = plot_worst_case(known).axes
    curve, alone, joint = axes.get_lines()
    np.testing.assert_allclose(curve.get_ydata(), [0.6, 0.8, 0.6])
    np.testing.assert_allclose(curve.get_xdata(), [-30, 0, 30])
    assert list(alone.get_ydata()) == list(joint.get_ydata()) == [0.4, 0.4]
    assert [text.get_text() for text in axes.texts] == ["40%", "40%"]
    assert axes.get_title() == "net"


@pytest.fixture
def project(tmp_path, monkeypatch):
    enter_project(tmp_path, monkeypatch)
    write_profile(worst_case=HOW)
    return tmp_path


def test_worst_cases_are_archived_and_verified(project):
    parameters = read_parameters({"profile": "toy"})
    request = worst_cases_request(parameters)
    assert archive(request) and not archive(request)
    assert request.archive == Path(project, "results/toy/networks_colors_worst_case.nc").resolve()
    (line,) = list_results("toy")
    assert line.endswith("; as its profile asks for")
    stored = read_netcdf(request.archive)
    assert list(stored.children) == ["contrast", "grayscale+contrast"]
    # Gray has no color: whatever it was, nothing leads.
    joint = stored["grayscale+contrast"].to_dataset()
    positive = joint.margin.sel(stage="untouched") > 0
    np.testing.assert_allclose(joint.margin.sel(stage="local").where(positive, 0), 0, atol=1e-5)
    assert verify_result(request.archive).startswith("comes out again: 2 pictures under their")
    for node in stored.children.values():
        node["margin"] = node.margin + 0.5
    write_netcdf(stored, request.archive)
    with pytest.raises(UsageError, match=r"does not come out again: margins differ by 0\.5"):
        verify_result(request.archive)
    write_profile(worst_case=HOW | {"ranges": HOW["ranges"] | {"contrast": [0.25, 2]}})
    (line,) = list_results("toy")
    assert line.endswith("; ranges contrast 0 (0.5 there, 0.25 now)")


def test_what_was_searched_before_a_kill_is_not_searched_again(project, monkeypatch):
    module, searched = importlib.import_module("itn.worst_case"), []
    usual = module.worst_case

    def counted(classifier, pictures, ranges, *rest, **options):
        searched.append(tuple(ranges))
        if len(searched) == 2:
            raise KeyboardInterrupt
        return usual(classifier, pictures, ranges, *rest, **options)

    monkeypatch.setattr(module, "worst_case", counted)
    request = worst_cases_request(read_parameters({"profile": "toy"}))
    with pytest.raises(KeyboardInterrupt):
        archive(request)
    assert archive(request)
    assert searched == [("contrast",), *[("grayscale", "contrast")] * 2]


def test_a_profile_that_names_no_ranges_is_refused(project):
    write_profile()
    with pytest.raises(UsageError, match="profile toy does not say where to look for worst cases"):
        obtain_worst_cases(read_parameters({"profile": "toy"}))
