"""Archives that grow category by category: what is there stays, and figures show it."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import xarray as xr
from colors_project import enter_project, write_picture, write_profile

from itn import screening
from itn.curves import select_categories
from itn.messages import UsageError
from itn.netcdf import read_netcdf, write_netcdf
from itn.study import archive as store
from itn.study.archive import archive, find_archived, recipe_of
from itn.study.command_line import main
from itn.study.growing import archive_categories, put_together
from itn.study.profiles import read_parameters
from itn.study.results import list_results, request_of, verify_result
from itn.study.screenings import archived_screening, obtain_screening, screening_request
from itn.study.tables import describe

pytestmark = pytest.mark.usefixtures("compiled_elsewhere")

ALL = ["red", "green", "blue"]  # not by alphabet


@pytest.fixture
def project(tmp_path, monkeypatch):
    enter_project(tmp_path, monkeypatch)
    for number in range(3):
        write_picture(Path("pictures", "blue", f"{number}.png"), 7 + number)
    write_profile(classes=ALL, highlights=["red"], by_category=True)
    return tmp_path


@pytest.fixture
def screened(monkeypatch):
    """Which categories have been screened, for each time that it was done."""
    found = []
    screen = screening.screen

    def noted(classifier, pictures, *arguments, **options):
        found.append(sorted(pictures.class_names))
        return screen(classifier, pictures, *arguments, **options)

    monkeypatch.setattr(screening, "screen", noted)
    return found


def asked(*classes, **given):
    return read_parameters({"profile": "toy", "classes": list(classes) or None, **given})


def grow(*classes, name="noise", **options):
    return archive_categories(asked(*classes), name, **options)


def test_grown_by_and_by_it_is_what_screening_all_at_once_gives(project, screened):
    request = screening_request(asked(), "noise")
    archive(request)
    whole = read_netcdf(request.archive)
    request.archive.unlink()
    shutil.rmtree("results/.cache")
    screened.clear()
    steps = [(("blue",), ["blue"]), (("red",), ["blue", "red"]), ((), sorted(ALL))]
    for classes, there in steps:
        grown, written = grow(*classes)
        assert written and sorted(recipe_of(grown.archive)["classes"]) == there
    assert screened == [["blue"], ["red"], ["green"]]  # none of them twice
    assert grown.archive == request.archive and read_netcdf(grown.archive).identical(whole)
    assert grow()[1] is False and grow("blue")[1] is False
    assert len(screened) == 3


def test_figures_show_what_is_there(project, screened):
    grow("blue", "red")
    screened.clear()
    shown = obtain_screening(asked(), "noise")
    assert shown.category.values.tolist() == ["red", "blue"]  # in the order of the profile
    assert shown.attrs["origin"] == "archived" and "on 5 pictures" in describe(shown)
    assert archived_screening(asked(), "noise").identical(shown)
    assert obtain_screening(asked("blue"), "noise").category.values.tolist() == ["blue"]
    assert screened == []
    # What a user names is computed, and so is what is not archived at all.
    assert obtain_screening(asked("green"), "noise").attrs["origin"] == "computed"
    assert obtain_screening(asked(), "contrast").category.values.tolist() == ALL
    assert screened == [["green"], sorted(ALL)]


def test_a_profile_of_another_kind_has_all_or_nothing(project, screened, capsys):
    grow("blue", "red")
    write_profile(classes=ALL)
    assert obtain_screening(asked(), "noise").attrs["origin"] == "computed"
    assert "was made otherwise: classes (green not there)" in capsys.readouterr().out


def test_what_was_made_otherwise_does_not_grow(project, screened):
    grow("red")
    write_profile(classes=ALL, by_category=True, seed=5)
    grow("blue")
    assert screened == [["red"], ["blue"]]
    path = screening_request(asked(), "noise").archive
    assert list(recipe_of(path)["classes"]) == ["blue"] and recipe_of(path)["seed"] == 5


def test_forced_all_of_it_is_made_again(project, screened):
    grow("red")
    assert grow("blue", force=True)[1]
    assert screened == [["red"], ["blue", "red"]]


def test_a_partly_archived_screening_is_what_its_profile_asks_for(project):
    grown, _ = grow("blue", "red")
    assert find_archived(request_of(grown.archive)) == grown.archive
    (line,) = list_results("toy")
    assert line.endswith("; as its profile asks for")
    assert verify_result(grown.archive) == "comes out again: 2 pictures at 3 magnitudes"
    changed = xr.load_dataset(grown.archive, engine="h5netcdf")
    write_netcdf(changed.assign(softmax=changed.softmax * 0.9), grown.archive)
    with pytest.raises(UsageError, match="does not come out again"):
        verify_result(grown.archive)


def test_whoever_computed_a_part_is_noted(project, monkeypatch):
    grow("red")
    monkeypatch.setattr(screening, "environment", lambda: OTHER)
    monkeypatch.setattr(store, "code_hash", lambda module: "other sources")
    grown, _ = grow("blue", "green")
    attrs = read_netcdf(grown.archive).attrs
    assert attrs["device"].endswith("; abacus") and attrs["versions"].endswith("; itn 9")
    assert attrs["pictures"] == 7 and json.loads(attrs["pictures_left_out"]) == []
    assert attrs["transformation"] == "noise"


OTHER = {"source_sha256": "0" * 64, "versions": "itn 9", "device": "abacus"}


def test_categories_screened_in_different_ways_are_not_put_together(project):
    parts = [
        screening_request(asked(name, fill=fill), "zoom").compute(project)
        for name, fill in (("red", "zeros"), ("blue", "edge"))
    ]
    with pytest.raises(UsageError, match=r"in different ways: fill \(edge there, zeros now\)"):
        put_together(parts, ["red", "blue"])


def test_magnitudes_that_only_one_category_has_are_not_screened_for_the_other(project):
    red, blue = (
        screening_request(asked(name, magnitudes=[1, *more]), "contrast").compute(project)
        for name, more in (("red", [2, 4]), ("blue", [4]))
    )
    found = put_together([blue, red], ["red", "blue"])
    assert found.magnitude.values.tolist() == [1, 2, 4]
    assert found.screened.values.tolist() == [[True, True, True], [True, False, True]]
    for part, name in ((red, "red"), (blue, "blue")):
        own = select_categories(found, [name])
        xr.testing.assert_identical(own.drop_attrs(), part.drop_attrs())


def test_the_command_adds_categories(project, screened, capsys, monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["itn", "screen", "--profile", "toy", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    only = ("--transformation", "grayscale", "--category", "green")
    assert run(*only) == 0 and screened == [["green"]]
    assert capsys.readouterr().out == "networks_colors_grayscale.nc written\n"
    assert run(*only) == 0 and screened == [["green"]]
    assert capsys.readouterr().out == "networks_colors_grayscale.nc is there already\n"
    assert "no --category here: a scheduler's" in run(*only, "--scheduler", "tcp://localhost:1")
    write_profile(classes=ALL)
    assert "no --category here: profile toy is screened in" in run(*only)
