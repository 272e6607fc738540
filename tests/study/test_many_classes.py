"""Accuracy over many classes: pooled profiles, their archives, figures and tables."""

import numpy as np
import pytest
import xarray as xr
from colors_project import enter_project, write_profile
from scipy.stats import binomtest

from itn.messages import UsageError
from itn.study.archive import archive, require_archived
from itn.study.command_line import screen_profile
from itn.study.many_classes import (
    half_table,
    half_texts,
    plot_many_classes,
    pooled_screenings,
    untouched_table,
)
from itn.study.profiles import archive_file, load_profile, read_parameters
from itn.study.results import verify_result
from itn.study.screenings import screening_request
from itn.study.together import as_one_category
from itn.thresholds import thresholds
from itn.transformations import TRANSFORMATIONS
from itn.zoo.catalog import imagenet_classes

SAMPLE = "imagenet_sample"


def known(shares, name="brightness"):
    """Of twenty pictures, each of its own class, `shares` of each magnitude come first.

    One more of them is among the first five, all others come sixth.
    """
    magnitudes, shares = np.array(list(shares)), np.array(list(shares.values()))
    order = np.arange(20)[:, None]
    right = np.round(20 * shares)
    place = np.where(order < right, 0, np.where(order < right + 1, 4, 5))
    return xr.Dataset(
        {
            "place": (("image", "magnitude"), place),
            "label": ("image", np.arange(20)),
            "target": ("category", np.arange(20)),
        },
        coords={"image": [f"{i}.png" for i in range(20)], "magnitude": magnitudes},
        attrs={"transformation": name, "identity": TRANSFORMATIONS[name].identity},
    )


@pytest.fixture
def two():
    return {
        "mine": [known({-1: 0.8, 0: 0.8, 0.5: 0.6, 1: 0.2})],
        "squeezenet": [known({-1: 0.0, 0: 0.4, 0.5: 0.4, 1: 0.4})],
    }


def test_accuracy_untouched_has_clopper_pearson_intervals(two):
    table = untouched_table(two)
    for network, first, five in (("mine", 16, 17), ("squeezenet", 8, 9)):
        for name, right in (("top-1", first), ("top-5", five)):
            expected = binomtest(right, 20).proportion_ci(0.95, "exact")
            columns = [name, f"{name} low", f"{name} high"]
            np.testing.assert_allclose(table.loc[network, columns], [right / 20, *expected])
    assert table.pictures.tolist() == [20, 20]


def test_half_of_the_accuracy_is_lost_where_it_is_on_paper(two):
    """From 0.6 at 0.5 to 0.2 at 1 it passes 0.4 in the middle; from 0.4 to 0 it passes 0.2."""
    table = half_table(two)
    up = table.loc["mine", "top-1", "brightness", "up"]
    assert up.threshold == pytest.approx(0.75) and up.low < 0.75
    assert table.loc["mine", "top-1", "brightness", "down"].status == "not reached"
    down = table.loc["squeezenet", "top-1", "brightness", "down"]
    assert down.threshold == pytest.approx(-0.5) and down.low < -0.5 <= down.high
    # Of 17 among the first five 8.5 are half: from 13 at 0.5 to 5 at 1.
    assert table.loc["mine", "top-5", "brightness", "up"].threshold == pytest.approx(
        0.5 + 0.5 * (13 - 8.5) / 8
    )


def test_the_interval_is_that_of_pictures_of_one_class(two):
    screening = two["mine"][0]
    one = as_one_category(screening, screening.place.values == 0)
    plain = xr.Dataset(
        {
            "predicted": (("image", "magnitude"), np.where(screening.place == 0, 3, 1)),
            "mean_softmax": (("category", "magnitude", "class"), np.full((1, 4, 4), 0.25)),
            "target": ("category", [3]),
            "label": ("image", np.zeros(20, int)),
        },
        coords={"magnitude": screening.magnitude, "category": ["one"]},
        attrs=screening.attrs,
    )
    found, expected = (thresholds(each).sel(criterion="half") for each in (one, plain))
    for name in ("threshold", "low", "high"):
        np.testing.assert_array_equal(found[name], expected[name])


def test_a_page_shows_networks_side_by_side(two):
    texts = half_texts(half_table(two))
    assert texts.columns.tolist() == [
        *("mine top-1", "mine top-5", "squeezenet top-1", "squeezenet top-5")
    ]
    assert texts.index.tolist() == [("brightness", "down"), ("brightness", "up")]
    assert texts.loc[("brightness", "up"), "mine top-1"].startswith("0.750 (from 0.")
    assert texts.loc[("brightness", "up"), "squeezenet top-1"] == "not reached"


def test_every_line_is_a_share_and_every_band_its_interval(two):
    (axes,) = (axes for axes in plot_many_classes(two).axes if axes.get_title())
    lines = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    np.testing.assert_allclose(lines["mine, top-1"], [0.8, 0.8, 0.6, 0.2])
    np.testing.assert_allclose(lines["SqueezeNet v1.0, top-5"], [0.05, 0.45, 0.45, 0.45])
    expected = binomtest(4, 20).proportion_ci(0.95, "exact")
    band = axes.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(np.unique(band[band[:, 0] == 1, 1]), expected)


# Profiles


@pytest.fixture
def project(tmp_path, monkeypatch, without_xla):
    enter_project(tmp_path, monkeypatch)
    write_profile(pooled={"every": 10})
    with without_xla():
        yield tmp_path


def test_a_pooled_profile_is_archived_thinned_out(project):
    request = screening_request(read_parameters({"profile": "toy"}), "contrast")
    assert archive(request)
    stored = xr.load_dataset(request.archive, engine="h5netcdf")
    sweep = TRANSFORMATIONS["contrast"].sweep(8)
    assert set(stored.magnitude.values) < set(sweep) and 1 in stored.magnitude
    steps = np.diff(np.flatnonzero(np.isin(sweep, stored.magnitude)))
    assert set(steps) == {10}
    assert "place" in stored and "mean_softmax" not in stored
    assert verify_result(request.archive).startswith("comes out again: 2 pictures at 3")


def test_it_serves_no_profile_that_is_not_pooled(project):
    archive(screening_request(read_parameters({"profile": "toy"}), "contrast"))
    write_profile()
    request = screening_request(read_parameters({"profile": "toy"}), "contrast")
    with pytest.raises(UsageError, match=r"was made otherwise: .*pooled \(True there, none now\)"):
        require_archived(request)


def test_what_is_missing_is_said(project):
    with pytest.raises(UsageError, match=r"no results/toy/.*translation_x\.nc: itn screen"):
        pooled_screenings(read_parameters({"profile": "toy"}))
    with pytest.raises(UsageError, match="no --scheduler here: the pictures of profile toy are"):
        screen_profile("toy", scheduler="tcp://localhost:1")
    write_profile()
    with pytest.raises(UsageError, match="profile toy does not pool its pictures"):
        pooled_screenings(read_parameters({"profile": "toy"}))


def test_a_class_that_is_named_is_not_looked_for_among_pooled_ones():
    assert "n03642806" in load_profile(SAMPLE).classes
    for given in ("laptop", "n03642806"):
        assert read_parameters({"classes": [given]}).profile == "photos"


def test_the_profile_looks_at_every_second_class():
    profile = load_profile(SAMPLE)
    assert list(profile.classes) == [one.wnid for one in imagenet_classes()[::2]]


# Counted apart: the first guess, and the first five, of the untouched pictures.
@pytest.mark.parametrize(("name", "expected"), [("top-1", 0.882), ("top-5", 0.974)])
def test_the_stored_accuracy_is_that_of_pictures_as_they_are(stored, name, expected):
    assert untouched_table(stored).loc["efficientnet_lite0", name] == pytest.approx(
        expected, abs=0.006
    )


@pytest.fixture(scope="module")
def stored():
    return pooled_screenings(read_parameters({"profile": SAMPLE}))


def test_stored_screenings_agree_on_pictures_as_they_are(stored):
    """Each transformation begins with the same pictures."""
    for found in stored.values():
        untouched = [each.place.sel(magnitude=each.attrs["identity"]).values for each in found]
        assert all((each == untouched[0]).all() for each in untouched)
        assert {each.attrs["pictures"] for each in found} == {500}


@pytest.mark.data
def test_a_slice_of_what_is_stored_comes_out_again():
    found = verify_result(archive_file(SAMPLE, "squeezenet", "grayscale"))
    assert found == "comes out again: 2 pictures at 3 magnitudes"
