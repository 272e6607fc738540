"""The trainings from other seeds that are archived."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from known_screenings import screening

from itn.comparison import compare
from itn.curves import load_screening
from itn.messages import UsageError
from itn.netcdf import write_netcdf
from itn.study import seeds
from itn.study.agreement import threshold_pairs
from itn.study.profiles import archive_file, project_folder, read_parameters
from itn.study.seeds import as_dataset, read_seeds


def test_the_seeds_were_compared_with_the_archived_training():
    parameters = read_parameters({"profile": "photos"})
    pairs, _ = read_seeds(parameters)
    for name, group in pairs.groupby("transformation"):
        archived = load_screening(archive_file("photos", "alexnet_photos", name))
        own = threshold_pairs(compare(archived, archived, resamples=0)).set_index(
            ["direction", "category"]
        )
        for seed, one in group.groupby("seed"):
            found = one.set_index(["direction", "category"])
            wanted = own.loc[found.index]
            np.testing.assert_allclose(found["first"], wanted["first"], rtol=1e-5, err_msg=seed)
            assert (found.first_censored == wanted.first_censored).all()
            assert (found["first"] != found.second).any()


def test_seeds_of_another_training_are_not_shown(monkeypatch):
    """Were the package's network retrained, its old neighbors would say nothing of it."""
    monkeypatch.setattr(
        "itn.study.screenings.network_recipe",
        lambda network, weights, **_: {"network": network, "weight_file_sha256": "0" * 64},
    )
    with pytest.raises(UsageError, match=r"seeds.nc was made otherwise: weight_file_sha256 \("):
        read_seeds(read_parameters({"profile": "photos"}))


def test_further_seeds_are_read_with_their_accuracy():
    _, accuracy = read_seeds(read_parameters({"profile": "photos"}))
    path = project_folder() / "results" / "photos" / "seeds.nc"
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        assert accuracy.accuracy.to_dict() == dict(
            zip(stored.seed.values.tolist(), stored.accuracy.values.tolist(), strict=True)
        )
    assert accuracy.index.tolist() == [1, 2]


def test_pairs_of_several_trainings_are_one_result_and_come_back(tmp_path, monkeypatch):
    first = screening({"a": (-0.8, 0.2), "b": (-0.5, 0.4)})
    tables = [
        threshold_pairs(compare(first, first, resamples=0)).assign(seed=seed) for seed in (1, 2)
    ]
    pairs = pd.concat(tables, ignore_index=True)
    write_netcdf(as_dataset(pairs, [0.25, 0.75]), tmp_path / "seeds.nc")
    monkeypatch.setattr(seeds, "seeds_request", lambda parameters: None)
    monkeypatch.setattr(seeds, "require_archived", lambda request: tmp_path / "seeds.nc")
    found, accuracy = read_seeds(None)
    pd.testing.assert_frame_equal(found[pairs.columns], pairs, check_dtype=False)
    assert accuracy.accuracy.tolist() == [0.25, 0.75]
