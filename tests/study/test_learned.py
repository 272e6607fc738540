"""Studies of transformers: whole for every seed, and from what pictures."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from itn.netcdf import read_netcdf, write_netcdf
from itn.pictures import Pictures
from itn.study import explorer_archives, families, learned
from itn.study.explorer_archives import learned_family, learned_matrices
from itn.study.learned import (
    chosen_training,
    describe_transformers,
    obtain_samples,
    obtain_transformers,
    shown_pictures,
    three_sets,
    transformers_request,
)
from itn.study.profiles import TransformerParameters

# Keras 3.15 itself calls numpy's older way to make an array of a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FEW = {"profile": "phantom", "classes": ("disc", "mirror", "zoom_small"), "limit": 6, "epochs": 2}


@pytest.fixture(scope="module")
def study(without_xla):
    with without_xla():
        return obtain_transformers(TransformerParameters(**FEW, seeds=(3, 5)))


def test_a_study_has_its_parts_for_every_seed(study):
    assert list(study.children) == ["seed_3", "seed_5"]
    for seed in study.children.values():
        assert set(seed.children) == {"history", "weights", "comparison", "survey", "samples"}
        # Three classes of six pictures and three more of each, looked at twice and thrice.
        passes = 2 * 18 + 3 * 9
        assert seed["comparison"].attrs["passes_each"] == passes // seed["comparison"].factor.size
        assert seed["survey"].attrs["pictures"] == 9
        assert seed["samples"].picture.values.tolist() == ["disc", "mirror"]
    first, second = (node["history"].cross_entropy for node in study.children.values())
    assert not np.array_equal(first, second)
    assert study.attrs["origin"] == "computed"


def test_weights_that_are_kept_make_the_matrices_that_were_looked_at(study):
    for seed in study.children.values():
        survey, weights = seed["survey"].to_dataset(), seed["weights"].to_dataset()
        for member in range(survey.sizes["member"]):
            one = survey.isel(member=member)
            spatial, color = learned_matrices(weights, one.alpha, one.beta)
            np.testing.assert_allclose(spatial, one.spatial_matrix, rtol=0, atol=1e-6)
            np.testing.assert_allclose(color, one.color_matrix, rtol=0, atol=1e-6)


def test_what_a_page_shows_of_a_study_is_that_of_its_first_seed(study, monkeypatch, tmp_path):
    path = tmp_path / "results" / "phantom" / "alexnet_phantom_transformers.nc"
    write_netcdf(study, path)
    monkeypatch.setattr(explorer_archives, "_family_file", lambda network: path)
    family = learned_family("alexnet_phantom")
    xr.testing.assert_equal(family, study["seed_3/weights"].to_dataset())
    assert family.attrs["pictures"] == 18


def test_a_study_that_was_killed_computes_no_part_twice(study, without_xla, monkeypatch, tmp_path):
    request = transformers_request(TransformerParameters(**FEW), seeds=(3,))
    with without_xla(), monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(families, "compare_families", interrupted)
        request.compute(tmp_path)
    kept = {path.stem: path for path in tmp_path.rglob("*.nc")}
    before = {name: read_netcdf(kept[name]).to_dataset() for name in ("survey", "samples")}
    for name in ("survey", "sample_transformers"):
        monkeypatch.setattr(families, name, interrupted)
    with without_xla():
        resumed = request.compute(tmp_path)["seed_3"]
    for name, part in before.items():
        xr.testing.assert_identical(resumed[name].to_dataset(), part)
    assert set(resumed.children) == set(study["seed_3"].children)


def interrupted(*given):
    raise KeyboardInterrupt


def test_an_archive_serves_where_nothing_deviates(study, monkeypatch, tmp_path):
    """One of more seeds is taken from the file; nothing is computed."""
    write_netcdf(study, tmp_path / "results" / "phantom" / "alexnet_phantom_transformers.nc")
    monkeypatch.setattr(learned, "project_folder", lambda: tmp_path)
    monkeypatch.setattr("itn.classifiers.load_classifier", None)
    archived = obtain_transformers(TransformerParameters(**FEW, seeds=(5,)))
    assert archived.attrs["origin"] == "archived" and list(archived.children) == ["seed_5"]
    xr.testing.assert_equal(
        archived["seed_5/comparison"].to_dataset(), study["seed_5/comparison"].to_dataset()
    )


def test_a_study_is_described_in_one_line(known_study):
    said = describe_transformers(known_study)
    assert said == (
        "toy (weights 0123456789ab) on 12 pictures of shapes (data fedcba987654), chosen on "
        "6 others, reported on 6 more, 2 seeds, 2 epochs, computed with itn 1 on abacus"
    )


def test_rendered_pictures_are_judged_by_half_as_many_of_other_seeds():
    sets = three_sets(chosen_training(TransformerParameters(**FEW | {"limit": 5})))
    assert [len(each) for each in sets] == [15, 9, 9]
    for each, seed in zip(sets, "213", strict=True):
        assert {path.partition("/")[2][:2] for path in each.paths} == {f"{seed}_"}


def test_of_data_sets_half_is_learned_from_and_a_quarter_each_chooses_and_judges(monkeypatch):
    """Of two data sets, whose classes are not mixed."""
    images = np.arange(7, dtype="float32").reshape(7, 1, 1, 1).repeat(3, axis=3)
    sets = {
        "one": Pictures(images[:4], np.array([0, 0, 1, 1]), ("a", "b"), tuple("wxyz"), "one"),
        "two": Pictures(images[4:], np.array([0, 0, 0]), ("c",), tuple("123"), "two"),
    }
    chosen = learned.ChosenTraining(
        "alexnet_phantom", None, ({"source": "one"}, {"source": "two"}), {}, 1, 1, (0,)
    )
    monkeypatch.setattr(learned, "load_images", lambda source, size: sets[source])
    found = three_sets(chosen)
    assert [part.paths for part in found] == [("w", "x", "1", "2"), ("y", "3"), ("z",)]
    for part, places in zip(found, ([0, 1, 4, 5], [2, 6], [3]), strict=True):
        assert part.images[:, 0, 0, 0].tolist() == places
    for part, names in zip(found, ("aacc", "bc", "b"), strict=True):
        assert [part.class_names[label] for label in part.labels] == list(names)
        assert part.name == "one and two"


def test_samples_are_of_two_classes_that_are_learned_from():
    images, names = shown_pictures(TransformerParameters(**FEW))
    assert names == ["disc", "mirror"] and images.shape == (2, 64, 64, 3)
    y, x = np.mgrid[:64, :64] - 31.5
    disc = images[0].mean(axis=2)
    assert disc[np.hypot(x, y) < 8].min() > disc[np.hypot(x, y) > 31].max()


def test_samples_are_transformed_as_scipy_does_it(study):
    parameters = TransformerParameters(**FEW, seeds=(3, 5))
    samples, (images, _) = obtain_samples(parameters), shown_pictures(parameters)
    assert samples.pictures.shape == (2, 2, 5, 64, 64, 3)  # picture, slider, value
    center = np.full(2, 31.5)
    for picture, *member in np.ndindex(2, 2, 5):
        spatial = samples.spatial_matrix.values[*member]  # reads x and y, from -1 to 1
        color = samples.color_matrix.values[*member]
        linear, shift = spatial[::-1, 1::-1], spatial[::-1, 2] * 32  # rows and columns
        offset = center + shift - linear @ center
        warped = [
            ndimage.affine_transform(
                channel, linear, offset, order=1, mode="grid-constant", output=float
            )
            for channel in np.moveaxis(images[picture], -1, 0)
        ]
        expected = np.stack(warped, axis=-1) @ color[:, :3].T + color[:, 3]
        np.testing.assert_allclose(samples.pictures[picture, *member], expected, atol=1e-4)
