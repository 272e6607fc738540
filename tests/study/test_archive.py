"""The store: a result is served for its own recipe, and whatever decides it makes another one."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr
from colors_project import NETWORK, enter_project, shown, write_picture, write_profile

from itn import screening
from itn.messages import UsageError
from itn.netcdf import write_netcdf
from itn.study import archive
from itn.study import screenings as screening_study
from itn.study.archive import cached_files, differences, digest_of, find_archived, find_kept, obtain
from itn.study.profiles import read_parameters
from itn.study.screenings import screening_request

pytestmark = pytest.mark.usefixtures("compiled_elsewhere")


@pytest.fixture
def project(tmp_path, monkeypatch):
    enter_project(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
def computed(monkeypatch):
    """What has been computed: the name of the transformation for each screening."""
    names = []
    screen = screening.screen

    def counted(classifier, pictures, name, *arguments, **options):
        names.append(name)
        return screen(classifier, pictures, name, *arguments, **options)

    monkeypatch.setattr(screening, "screen", counted)
    return names


def change_code(monkeypatch):
    found = archive.code_hash
    monkeypatch.setattr(archive, "code_hash", lambda module: found(module) + "!")


def change_version(monkeypatch):
    monkeypatch.setattr(archive, "computed_with", lambda: {"tensorflow": "0.1"})


CHANGES = {
    "fill": lambda _: write_profile(fill="edge"),
    "seed": lambda _: write_profile(seed=3),
    "limit": lambda _: write_profile(limit=1),
    "a class": lambda _: write_profile(classes=["red", "green", "blue"]),
    "the network": lambda _: Path("networks.py").write_text(NETWORK.replace("5 *", "6 *")),
    "one picture": lambda _: write_picture(Path("pictures/red/2.png"), 9),
    "a picture's name": lambda _: Path("pictures/red/2.png").rename("pictures/red/3.png"),
    "one picture more": lambda _: write_picture(Path("pictures/green/3.png"), 9),
    "the code": change_code,
    "a version": change_version,
    "a split": lambda _: (
        Path("profiles/toy.tsv").write_text("path\tpart\tof\nred/1.png\ttest\ngreen/2.png\ttest\n"),
        write_profile(split="toy.tsv"),
    ),
}
NO_CHANGES = {
    "a highlight": lambda _: write_profile(highlights=["green"]),
    "the description": lambda _: write_profile(description="other words"),
    "notebooks": lambda _: write_profile(notebooks=["zoom"]),
    "the time of a picture": lambda _: os.utime("pictures/red/1.png", (1, 1)),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("change", [*CHANGES, *NO_CHANGES])
def test_what_is_computed_anew(project, computed, monkeypatch, change):
    if change == "a class":
        write_picture(project / "pictures" / "blue" / "1.png", 7)
    shown(magnitudes=[1])
    shown(magnitudes=[1])
    assert computed == ["grayscale"]
    (CHANGES | NO_CHANGES)[change](monkeypatch)
    sys.modules.pop("networks", None)  # as in another process
    shown(magnitudes=[1])
    assert len(computed) == (2 if change in CHANGES else 1)


@pytest.mark.parametrize("change", [*CHANGES, *NO_CHANGES])
def test_what_an_archive_no_longer_serves_for(project, computed, monkeypatch, capsys, change):
    if change == "a class":
        write_picture(project / "pictures" / "blue" / "1.png", 7)
    parameters = read_parameters({"profile": "toy"})
    assert archive.archive(screening_request(parameters, "grayscale"))
    (CHANGES | NO_CHANGES)[change](monkeypatch)
    sys.modules.pop("networks", None)
    capsys.readouterr()
    # Archives outlive versions and sources; whether they come out again is verified by slices.
    serves = change in NO_CHANGES or change in ("the code", "a version")
    assert shown().attrs["origin"] == ("archived" if serves else "computed")
    said = capsys.readouterr().out
    if serves:
        assert said == ""
    else:
        assert said.startswith("results/toy/networks_colors_grayscale.nc was made otherwise: ")
        assert "itn screen --profile toy" in said and said.count("\n") == 1


def test_what_differs_is_said(project, capsys):
    archive.archive(screening_request(read_parameters({"profile": "toy"}), "grayscale"))
    write_profile(fill="edge", seed=3)
    shown()
    assert "fill (zeros there, edge now), seed (0 there, 3 now)" in capsys.readouterr().out


def test_more_classes_and_magnitudes_serve_for_fewer(project, computed):
    parameters = read_parameters({"profile": "toy", "magnitudes": [0, 0.5, 1]})
    archive.archive(screening_request(parameters, "grayscale"))
    found = shown(classes=["green"], magnitudes=[1])
    assert computed == ["grayscale"] and found.attrs["origin"] == "archived"
    assert found.magnitude.values.tolist() == [0, 1]
    assert found.image.values.tolist() == ["green/1.png", "green/2.png"]


def test_pictures_that_are_not_there_leave_open_what_is_in_them():
    stored = {"classes": {"a": {"listed": "all", "files": "1f"}}}
    assert differences(stored, {"classes": {"a": {"listed": "all", "files": "not known"}}}) == []
    assert differences(stored, {"classes": {"a": {"listed": "all", "files": "2f"}}}) == [
        "classes a files (1f there, 2f now)"
    ]
    assert differences(stored, {"classes": {"a": {"listed": "3, 4f", "files": "not known"}}})


def test_no_limit_is_not_any_limit():
    assert differences({"limit": None}, {"limit": 3}) == ["limit (None there, 3 now)"]


def test_what_is_learned_depends_on_all_classes():
    stored = {"learned from": [{"all classes": {"a": 1, "b": 2}}]}
    assert differences(stored, {"learned from": [{"all classes": {"a": 1}}]})


def test_a_digest_is_of_values_not_of_their_order():
    assert digest_of({"a": [1, 2], "b": None}) == digest_of({"b": None, "a": [1, 2]})
    assert digest_of({"a": [1, 2]}) != digest_of({"a": [2, 1]})


def test_first_and_second_time_show_the_same(project):
    xr.testing.assert_identical(shown(), shown())


def test_a_result_is_the_same_bytes_when_it_is_computed_again(project):
    shown()
    (path,) = cached_files()
    before = path.read_bytes()
    path.unlink()
    shown()
    assert path.read_bytes() == before


def test_a_damaged_result_of_the_cache_is_computed_again(project, computed):
    shown()
    (path,) = cached_files()
    path.write_bytes(path.read_bytes()[:-10])
    shown()
    assert len(computed) == 2


def test_what_is_kept_is_found_without_being_computed(project, computed):
    request = screening_request(read_parameters({"profile": "toy"}), "grayscale")
    assert find_kept(request) is None and computed == []
    shown()
    (path,) = cached_files()
    assert find_kept(request) == path
    archive.archive(request)
    assert find_kept(request) == request.archive and len(computed) == 1


def test_a_damaged_archive_is_said_and_not_served(project):
    request = screening_request(read_parameters({"profile": "toy"}), "grayscale")
    archive.archive(request)
    content = bytearray(request.archive.read_bytes())
    content[-1] ^= 1
    request.archive.write_bytes(content)
    with pytest.raises(UsageError, match="is damaged"):
        shown()


def test_an_archive_without_a_recipe_is_said_and_not_served(project):
    request = screening_request(read_parameters({"profile": "toy"}), "grayscale")
    write_netcdf(xr.Dataset(), request.archive)
    with pytest.raises(UsageError, match="does not say how it was made"):
        shown()


def test_where_nothing_can_be_written_is_known_before_anything_is_computed(project, computed):
    Path("results").mkdir()
    Path("results/toy").write_text("no folder")
    request = screening_request(read_parameters({"profile": "toy"}), "grayscale")
    with pytest.raises(UsageError, match="cannot be written to"):
        archive.archive(request)
    assert computed == []


def test_two_at_once_compute_once(project, computed):
    """This process and another, which begins as soon as this one is told that it is there."""
    code = (
        "import keras; from itn import screening; from itn.study.profiles import read_parameters;"
        "from itn.study.screenings import obtain_screening;"
        "screen = screening.screen;"
        "screening.screen = lambda *a, **more: print('computed') or screen(*a, **more);"
        "print('here', flush=True);"
        "print(obtain_screening(read_parameters({'profile': 'toy'}), 'grayscale').sizes['image'])"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        while other.stdout.readline() != "here\n":
            assert other.poll() is None
        assert shown().sizes["image"] == 4
        said = other.communicate()[0].splitlines()
    assert other.returncode == 0 and said[-1] == "4"
    assert said.count("computed") + len(computed) == 1
    assert len(list(cached_files())) == 1


def test_an_unfinished_state_survives_and_goes_when_it_is_done(project):
    request = screening_request(read_parameters({"profile": "toy"}), "grayscale")

    def stopped(state):
        (state / "half").write_text("of it")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        obtain(dataclasses.replace(request, compute=stopped))

    def resumed(state):
        assert (state / "half").read_text() == "of it"
        return request.compute(state)

    obtain(dataclasses.replace(request, compute=resumed))
    assert not list(archive.cache_folder().glob("*.state"))


def test_a_cache_of_the_user_s_serves_where_the_project_cannot_be_written(
    project, monkeypatch, tmp_path_factory
):
    elsewhere = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(archive.platformdirs, "user_cache_dir", lambda name: str(elsewhere / name))
    Path("results").write_text("no folder")
    assert archive.cache_folder() == elsewhere / "itn" / "results"


def test_the_width_of_a_sweep_does_not_hide_another_default(project, monkeypatch):
    request = screening_request(read_parameters({"profile": "toy"}), "blur")
    archive.archive(request)
    found = screening_study.find_transformation("blur")
    other = dataclasses.replace(found, sweep=lambda width: found.sweep(width)[:5])
    monkeypatch.setattr(screening_study, "find_transformation", lambda name: other)
    assert find_archived(screening_request(read_parameters({"profile": "toy"}), "blur")) is None
