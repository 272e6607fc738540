"""Distances that are stored: by what, for whom, and made again."""

import numpy as np
import pytest
import xarray as xr
from colors_project import enter_project, write_profile

from itn.distances import rms_distances
from itn.messages import UsageError
from itn.netcdf import write_netcdf
from itn.pictures import load_images
from itn.study.archive import archive, find_archived
from itn.study.distances import (
    STEPS,
    distances_apart,
    distances_request,
    network_distances_request,
    obtain_distances,
)
from itn.study.profiles import project_folder, read_parameters
from itn.study.results import request_of, verify_result
from itn.study.screenings import obtain_screening
from itn.transformations import TRANSFORMATIONS

pytestmark = pytest.mark.usefixtures("compiled_elsewhere")


@pytest.fixture
def project(tmp_path, monkeypatch):
    enter_project(tmp_path, monkeypatch)


def test_distances_are_measured_archived_and_made_again(project):
    parameters = read_parameters({"profile": "toy"})
    found = obtain_distances(parameters)
    assert found.attrs["origin"] == "computed"
    pictures = load_images("pictures", classes=["red", "green"], size=8)
    for name, transformation in TRANSFORMATIONS.items():
        np.testing.assert_array_equal(found[f"{name}_magnitude"], transformation.sweep(8))
    for name in ("noise", "zoom"):
        wanted = rms_distances(pictures, name, progress=False)
        own = found[name].sel(image=list(pictures.paths))
        np.testing.assert_allclose(own, wanted, atol=0.51 / STEPS)
    screened = obtain_screening(parameters, "grayscale")
    assert set(screened.image.values) == set(found.image.values)

    request = network_distances_request(parameters)
    assert archive(request) and not archive(request)
    assert request.archive.name == "distances_8.nc"
    assert obtain_distances(parameters).attrs["origin"] == "archived"
    assert obtain_distances(read_parameters({"profile": "toy", "classes": ["red"]})).sizes == {
        **found.sizes
    }  # what serves may hold more
    assert request_of(request.archive).archive == request.archive
    assert verify_result(request.archive).startswith("comes out again: 2 pictures at 3 magnitudes")
    changed = xr.load_dataset(request.archive, engine="h5netcdf")
    write_netcdf(changed.assign({name: changed[name] + 0.01 for name in TRANSFORMATIONS}),
                 request.archive)  # fmt: skip
    with pytest.raises(UsageError, match=r"distances_8\.nc does not come out again: "):
        verify_result(request.archive)
    write_profile(fill="edge", seed=3)
    with pytest.raises(UsageError, match=r"fill \(zeros there, edge now\), seed \(0 there, 3 now"):
        verify_result(request.archive)


def test_what_deviates_from_the_profile_has_a_name_of_its_own(project):
    plain = distances_request(read_parameters({"profile": "toy"}), 8)
    other = distances_request(read_parameters({"profile": "toy", "fill": "edge"}), 8)
    assert plain.own and not other.own and plain.archive != other.archive


def test_networks_that_look_at_the_same_pictures_share_what_is_stored():
    first, second = (
        network_distances_request(read_parameters({"profile": "photos", "network": network}))
        for network in ("alexnet_photos", "resnet_photos")
    )
    assert first.recipe == second.recipe and first.archive == second.archive
    assert find_archived(first) == project_folder() / "results" / "photos" / "distances_64.nc"


def test_pictures_are_compared_with_others():
    levels = np.array([0, 0.25, 1, 0.5], np.float32)
    images = np.broadcast_to(levels[:, None, None, None], (4, 2, 2, 3))
    assert distances_apart(images).tolist() == [1, 0.25, 1, 0.25]
    assert np.isnan(distances_apart(images[:1])).all()
