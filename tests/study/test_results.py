"""Stored results: kept, listed, verified; of the photographs a slice of each is made again."""

import dataclasses
import functools
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from colors_project import enter_project, shown, write_profile

from itn.classifiers import load_classifier
from itn.curves import load_screening
from itn.messages import UsageError
from itn.netcdf import write_netcdf
from itn.screening import screen
from itn.study import archive
from itn.study.archive import cached_files, find_archived, recipe_of
from itn.study.profiles import archive_file, load_profile, read_parameters
from itn.study.results import (
    archived_results,
    keep_result,
    list_results,
    request_of,
    verify_result,
)
from itn.study.screenings import load_part, screening_request
from itn.study.splits import read_split
from itn.study.taught import TAUGHT
from itn.thresholds import is_correct
from itn.transformations import TRANSFORMATIONS
from itn.zoo.catalog import WEIGHTS_FOLDER

pytestmark = pytest.mark.usefixtures("compiled_elsewhere")

ROOT = Path(__file__).parents[2]
PROFILE = load_profile("photos")
SCREENED = {"photos": tuple(TRANSFORMATIONS), "photos_taught": TAUGHT}
PAIRS = [
    (network, name)
    for profile, names in SCREENED.items()
    for network in load_profile(profile).networks
    for name in names
]

each_archive = pytest.mark.parametrize(("network", "name"), PAIRS)
classifier = functools.cache(load_classifier)


@functools.cache
def stored(network, name):
    return load_screening(archive_file(network.partition("_")[2], network, name))


@functools.cache
def test_pictures():
    return load_part(PROFILE, "test", size=64, progress=False)


test_pictures.__test__ = False


# A project's own


@pytest.fixture
def project(tmp_path, monkeypatch):
    enter_project(tmp_path, monkeypatch)
    return tmp_path


def test_what_was_computed_can_be_kept(project):
    shown(fill="reflect")
    (path,) = cached_files()
    kept = keep_result(path.stem[:12])
    assert recipe_of(kept)["fill"] == "reflect"
    path.unlink()
    assert shown(fill="reflect").attrs["origin"] == "archived"
    with pytest.raises(UsageError, match="unknown result"):
        keep_result("0000")


def test_slices_are_verified(project, monkeypatch):
    request = screening_request(read_parameters({"profile": "toy"}), "noise")
    archive.archive(request)
    assert verify_result(request.archive) == "comes out again: 2 pictures at 3 magnitudes"
    changed = xr.load_dataset(request.archive, engine="h5netcdf")
    changed["softmax"] = changed.softmax * 0.9
    write_netcdf(changed, request.archive)
    with pytest.raises(UsageError, match="does not come out again"):
        verify_result(request.archive)
    write_profile(seed=1)
    with pytest.raises(UsageError, match="seed"):
        verify_result(request.archive)


def test_slices_of_adaptive_screenings_are_verified(project):
    given = {"profile": "toy", "magnitudes": "adaptive", "precision": 0.03}
    request = screening_request(read_parameters(given), "zoom")
    archive.archive(request)
    assert request_of(request.archive).archive == request.archive
    assert verify_result(request.archive) == "comes out again: 2 pictures at 3 magnitudes"
    # Where not all classes were looked at, none of those that were not is compared.
    stored = xr.load_dataset(request.archive, engine="h5netcdf")
    screened = np.ones((2, stored.sizes["magnitude"]), bool)
    screened[1, 1:-1] = stored.magnitude.values[1:-1] == 1
    holes = ~screened[stored.label.values]
    stored["screened"] = (("category", "magnitude"), screened)
    stored["softmax"] = stored.softmax.where(~holes)
    write_netcdf(stored, request.archive)
    assert verify_result(request.archive) == "comes out again: 2 pictures at 3 magnitudes"
    stored["softmax"] = stored.softmax * 0.9
    write_netcdf(stored, request.archive)
    with pytest.raises(UsageError, match="does not come out again"):
        verify_result(request.archive)


def test_results_are_listed_with_what_their_profile_no_longer_asks_for(project):
    shown(fill="edge")
    archive.archive(screening_request(read_parameters({"profile": "toy"}), "grayscale"))
    in_archive, *in_cache = list_results()
    name = "toy/networks_colors_grayscale.nc: "
    assert in_archive.startswith(name) and in_archive.endswith("; as its profile asks for")
    keys = {path.stem[:12] for path in cached_files()}
    assert {line.partition(": ")[0] for line in in_cache} == keys and len(keys) == 2
    assert all(line.endswith("; computed on the spot") for line in in_cache)
    assert list(list_results("toy")) == [in_archive]
    write_profile(fill="edge", seed=3)
    (line,) = list_results("toy")
    assert line.endswith("; fill (zeros there, edge now), seed (0 there, 3 now)")


# The package's


@pytest.mark.parametrize("name", [name for name, _ in archived_results()])
def test_every_archive_is_what_its_profile_asks_for(name):
    """With the pictures at hand their files are compared, too."""
    path = ROOT / "results" / name
    assert find_archived(request_of(path)) == path


@each_archive
def test_archive_says_what_made_it(network, name):
    screening = stored(network, name)
    attrs = screening.attrs
    assert (attrs["network"], attrs["transformation"]) == (network, name)
    assert attrs["weights_sha256"] == classifier(network).weights_hash()
    assert re.fullmatch("[0-9a-f]{64}", attrs["source_sha256"])
    assert {"itn", "keras", "tensorflow", "numpy"} <= {
        part.split()[0] for part in attrs["versions"].split(", ")
    }
    assert json.loads(attrs["pictures_left_out"]) == []
    assert attrs["data_sha256"] == stored(*PAIRS[0]).attrs["data_sha256"]
    assert set(screening.image.values) == read_split(ROOT / "profiles" / PROFILE.split, "test")
    np.testing.assert_allclose(
        screening.magnitude, TRANSFORMATIONS[name].sweep(classifier(network).input_size)
    )


@each_archive
def test_untouched_pictures_are_right_as_often_as_the_card_says(network, name):
    screening = stored(network, name)
    architecture, _, profile = network.partition("_")
    card = json.loads((WEIGHTS_FOLDER / profile / f"{architecture}_64.json").read_text())
    right = is_correct(screening.sel(magnitude=[screening.attrs["identity"]]))
    # A softmax that two classes share may go either way where sums are ordered differently.
    assert abs(right.mean() - card["accuracy"]) <= 1 / len(right)


@pytest.mark.data
def test_archives_are_of_the_test_pictures():
    assert stored(*PAIRS[0]).attrs["data_sha256"] == test_pictures().data_hash


@pytest.mark.data
@each_archive
def test_a_slice_comes_out_again(network, name):
    """Two pictures at three magnitudes, others for each archive."""
    known, pictures = stored(network, name), test_pictures()
    random = np.random.default_rng(zlib.crc32(f"{network} {name}".encode()))
    rows = np.sort(random.choice(len(pictures), 2, replace=False))
    names = sorted({pictures.class_names[pictures.labels[row]] for row in rows})
    some = dataclasses.replace(
        pictures,
        images=pictures.images[rows],
        labels=np.array([names.index(pictures.class_names[pictures.labels[r]]) for r in rows]),
        class_names=tuple(names),
        paths=tuple(pictures.paths[row] for row in rows),
    )
    magnitudes = random.choice(known.magnitude.values, 3, replace=False)
    again = screen(classifier(network), some, name, magnitudes, batch_size=2, progress=False)
    expected = known.sel(image=list(some.paths), magnitude=again.magnitude)
    np.testing.assert_allclose(again.softmax, expected.softmax, atol=5e-4)
