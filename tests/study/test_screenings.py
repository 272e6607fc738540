"""Screenings that a profile asks for: when the archive serves, and what is computed else."""

import dataclasses
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from toy_project import write_pictures, write_profile
from validation_pictures import NAMES, picture
from weight_formats import python2_npy

from itn import classifiers
from itn.curves import save_screening, select_categories
from itn.engines import Softmax
from itn.messages import UsageError
from itn.screening import screen
from itn.study.archive import archive
from itn.study.profiles import FigureParameters, archive_file, load_profile, read_parameters
from itn.study.screenings import (
    archived_screening,
    compute_screening,
    highlighted,
    load_part,
    obtain_screening,
    screening_request,
)
from itn.zoo import networks
from itn.zoo.alexnet import build_alexnet

CLASSES = ["red", "green", "blue"]


@pytest.fixture
def archived(project):
    """An archived screening of the profile."""
    screening = compute_screening(read_parameters({"profile": "toy"}), "brightness")
    save_screening(screening, archive_file("toy", "tiny", "brightness"))
    return screening


def obtain(transformation="brightness", **given):
    return obtain_screening(read_parameters({"profile": "toy", **given}), transformation)


def test_the_archive_serves_when_nothing_deviates(archived, monkeypatch):
    def never(*_):
        raise AssertionError("a network was loaded")

    monkeypatch.setattr(classifiers, "load_classifier", never)
    for given in (
        {},
        {"network": "tiny"},
        {"classes": ["red", "green", "blue"]},
        {"pictures": "pictures"},  # the profile's own, by another name
    ):
        screening = obtain(**given)
        assert screening.attrs["origin"] == "archived"
    assert screening.category.values.tolist() == ["red", "green", "blue"]


def test_fewer_classes_are_a_selection_from_the_archive(archived):
    screening = obtain(classes=["blue", "red"])
    assert screening.attrs["origin"] == "archived" and screening.attrs["pictures"] == 4
    assert screening.category.values.tolist() == ["blue", "red"]
    computed = compute_screening(
        read_parameters({"profile": "toy", "classes": ["blue", "red"]}), "brightness"
    )
    np.testing.assert_allclose(
        screening.mean_softmax.sel(category="red"),
        computed.mean_softmax.sel(category="red"),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "given",
    [
        {"network": "huge"},
        {"magnitudes": [0, 0.5]},
        {"fill": "edge"},
        {"seed": 1},
        {"limit": 1},
        {"pictures": "mine"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_whatever_deviates_is_computed(archived, project, given):
    write_pictures(project / "mine", ["red", "green", "blue"])
    screening = obtain(**given)
    assert screening.attrs["origin"] == "computed"
    assert (screening.sizes["magnitude"] == 2) == ("magnitudes" in given)
    assert screening.attrs["network"] == given.get("network", "tiny")
    assert screening.attrs["fill"] == given.get("fill", "zeros")
    assert screening.attrs["seed"] == given.get("seed", 0)
    assert screening.sizes["image"] == 3 * given.get("limit", 2)


def test_a_transformation_without_an_archive_is_computed(archived):
    screening = obtain("contrast", classes=["green", "blue"])
    assert screening.attrs["origin"] == "computed"
    assert screening.category.values.tolist() == ["green", "blue"]
    assert not archive_file("toy", "tiny", "contrast").exists()


def test_the_fill_and_seed_of_the_profile_are_used(project):
    write_profile(project, fill="mean", seed=8)
    screening = compute_screening(read_parameters({"profile": "toy", "limit": 1}), "noise")
    assert (screening.attrs["fill"], screening.attrs["seed"]) == ("mean", 8)
    own = {"profile": "toy", "limit": 1, "seed": 0, "fill": "zeros"}
    screening = compute_screening(read_parameters(own), "noise")
    assert (screening.attrs["fill"], screening.attrs["seed"]) == ("zeros", 0)


def test_an_unknown_transformation_is_refused(archived):
    with pytest.raises(UsageError, match="unknown transformation 'rotate'; closest: 'rotation'"):
        obtain("rotate")


def test_own_pictures_are_screened_with_all_their_classes(project):
    write_pictures(project / "mine", ["green", "red"], count=1)
    screening = obtain(pictures="mine", magnitudes=[0])
    assert screening.attrs["data"] == "mine"
    assert screening.category.values.tolist() == ["green", "red"]
    only = obtain(pictures="mine", classes="red", magnitudes=[0])
    assert only.category.values.tolist() == ["red"]


def test_own_pictures_in_folders_of_wordnet_ids_are_found_by_label(project, monkeypatch):
    """`itn.load_images` takes a label for such a folder, so a notebook's parameter does, too."""
    write_pictures(project / "mine", ["n04254680", "n01776313"], count=1)
    ids = ("n04254680", "n01776313", "n03452741")
    classifier = dataclasses.replace(classifiers.load_classifier("tiny"), class_ids=ids)
    monkeypatch.setattr(classifiers, "load_classifier", lambda name, weights=None, **_: classifier)
    screening = obtain(pictures="mine", classes=["soccer_ball"], magnitudes=[0])
    assert screening.target.values.tolist() == [0]
    assert screening.sizes["image"] == 1
    assert screening.category.values.tolist() == ["soccer_ball"]  # as it was asked for


def test_figures_show_the_highlights_or_what_was_asked_for(archived):
    def shown(**given):
        parameters = read_parameters({"profile": "toy", **given})
        screening = obtain_screening(parameters, "brightness")
        return highlighted(screening, parameters).category.values.tolist()

    assert shown() == ["blue"]
    assert shown(network="tiny") == ["blue"]
    assert shown(classes=["red", "green"]) == ["red", "green"]
    assert shown(pictures="pictures", magnitudes=[0]) == ["red", "green", "blue"]


def test_an_archived_screening_holds_what_was_computed(archived):
    screening = obtain()
    assert isinstance(screening, xr.Dataset)
    same = archived.sel(image=screening.image, category=screening.category)
    np.testing.assert_allclose(screening.softmax, same.softmax, atol=1e-5)
    np.testing.assert_allclose(screening.mean_softmax, same.mean_softmax, atol=1e-5)
    np.testing.assert_array_equal(screening.predicted, same.predicted)


def test_categories_stand_in_the_profile_s_order_wherever_they_come_from(archived):
    assert obtain().category.values.tolist() == ["red", "green", "blue"]
    assert obtain(limit=1).category.values.tolist() == ["red", "green", "blue"]


def test_only_the_test_part_is_screened(project):
    rows = ["path\tpart\tof", "red/0.png\ttest", "red/1.png\ttraining", "green/1.png\ttest"]
    (project / "profiles" / "toy.tsv").write_text("\n".join([*rows, "blue/0.png\ttest", ""]))
    write_profile(project, split="toy.tsv")
    screening = compute_screening(read_parameters({"profile": "toy"}), "contrast")
    assert screening.image.values.tolist() == ["red/0.png", "green/1.png", "blue/0.png"]
    training = load_part(load_profile("toy"), "training", classes=["red"], size=8)
    assert training.paths == ("red/1.png",)
    # The profile's own by another name are the same; other pictures are not split.
    same = {"profile": "toy", "pictures": str(project / "pictures"), "classes": ["red"]}
    assert compute_screening(read_parameters(same), "contrast").sizes["image"] == 1
    write_pictures(project / "mine", ["red"])
    own = {"profile": "toy", "pictures": "mine", "classes": ["red"]}
    assert compute_screening(read_parameters(own), "contrast").sizes["image"] == 2


def test_a_picture_of_the_split_that_is_missing_is_named(project):
    (project / "profiles" / "toy.tsv").write_text("path\tpart\tof\nred/7.png\ttest\n")
    write_profile(project, split="toy.tsv")
    with pytest.raises(UsageError, match=r"1 pictures are not in pictures, e\.g\. red/7\.png"):
        load_part(load_profile("toy"), "test", size=8)


def test_a_missing_archive_is_named(tmp_path, monkeypatch):
    profiles = Path("profiles").absolute()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").symlink_to(profiles)
    with pytest.raises(UsageError, match="no results/imagenet/squeezenet_rotation") as raised:
        archived_screening(FigureParameters(profile="imagenet"), "rotation")
    assert "itn screen --profile imagenet" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_profile_of_the_book_screens_the_paper_s_network(tmp_path, monkeypatch):
    chapter = (Path(__file__).parents[2] / "book" / "run_on_imagenet.md").read_text("utf-8")
    (profile,) = re.findall(r"^```yaml\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mine.yaml").write_text(profile)
    # As if there were a validation set of these pictures and an AlexNet of few channels.
    order = ["n03452741", "n04254680", "n07747607", "n07747607", "n01440764", "n04254680"]
    folder = tmp_path / "data" / "imagenet-validation"
    (folder / "ILSVRC2012_devkit_t12").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(picture(number))
    (folder / "imagenet_2012_validation_synset_labels.txt").write_text("\n".join(order))
    small = partial(build_alexnet, filters=(2,) * 5, units=(2, 2))
    monkeypatch.setattr(networks, "build_alexnet", small)
    network = small()
    weights = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    (tmp_path / "bvlc_alexnet.npy").write_bytes(python2_npy(weights))
    monkeypatch.setenv("ITN_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    parameters = read_parameters({"profile": "mine", "magnitudes": [0, 90]})
    screening = compute_screening(parameters, "rotation")
    assert screening.category.values.tolist() == ["soccer_ball", "orange", "grand_piano"]
    assert screening.target.values.tolist() == [805, 950, 579]
    assert np.bincount(screening.label.values).tolist() == [2, 2, 1]
    assert highlighted(screening, parameters).category.values.tolist() == ["soccer_ball", "orange"]
    assert screening.attrs["network"] == "alexnet"
    assert screening.sizes["rank"] == 3  # as in what is archived


def counted(monkeypatch, stop=-1):
    """Count what the network is asked, and end the process at one pass."""
    passes = []
    usual = Softmax.predict_on_batch

    def look(self, prepared):
        if len(passes) == stop:
            raise KeyboardInterrupt
        passes.append(len(prepared))
        return usual(self, prepared)

    monkeypatch.setattr(Softmax, "predict_on_batch", look)
    return passes


def test_untouched_pictures_are_looked_at_once_for_all_transformations(project, monkeypatch):
    passes = counted(monkeypatch)
    obtain("brightness", magnitudes=[0, 0.5])
    assert len(passes) == 1 + 3 * (1 + 1)  # all of them once; of each class at 0, checked, and 0.5
    passes.clear()
    obtain("contrast", magnitudes=[1, 2])
    assert len(passes) == 3 * (1 + 1)
    passes.clear()
    (project / "pictures" / "red" / "0.png").write_bytes(picture(77))
    obtain("zoom", magnitudes=[1, 2])
    assert len(passes) == 1 + 3 * (1 + 1)  # other pictures


def test_a_screening_that_was_stopped_goes_on(project, monkeypatch):
    whole = compute_screening(read_parameters({"profile": "toy"}), "zoom")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        before = counted(patch, stop=50)
        obtain("zoom")
    with monkeypatch.context() as patch:
        after = counted(patch)
        screening = obtain("zoom")
    assert len(before) + len(after) == 3 * whole.sizes["magnitude"]  # 3 of them check
    for name in whole.data_vars:
        np.testing.assert_allclose(screening[name], whole[name], atol=1e-5)


ADAPTIVE = {"magnitudes": "adaptive", "precision": 0.02}


def test_adaptive_magnitudes_are_those_of_a_screening_by_hand(project, color_classifier):
    found = obtain("brightness", **ADAPTIVE)
    pictures = load_part(load_profile("toy"), "test", size=color_classifier.input_size)
    by_hand = screen(color_classifier, pictures, "brightness", "adaptive", precision=0.02, rivals=3)
    np.testing.assert_array_equal(found.magnitude, by_hand.magnitude)
    np.testing.assert_allclose(
        found.softmax, select_categories(by_hand, CLASSES).softmax, atol=1e-5
    )
    assert found.attrs["precision"] == 0.02 and found.sizes["magnitude"] < 41
    with pytest.raises(UsageError, match="precision is that of adaptive magnitudes"):
        obtain("brightness", precision=0.02)
    with pytest.raises(UsageError, match=r"magnitudes\.adaptive: Input should be 'adaptive'"):
        obtain("brightness", magnitudes="adaptve")


def test_an_adaptive_archive_serves_for_its_precision_and_fewer_classes(project):
    archive(screening_request(read_parameters({"profile": "toy", **ADAPTIVE}), "zoom"))
    whole, part = obtain("zoom", **ADAPTIVE), obtain("zoom", **ADAPTIVE, classes=["blue"])
    assert whole.attrs["origin"] == part.attrs["origin"] == "archived"
    xr.testing.assert_identical(part.softmax, select_categories(whole, ["blue"]).softmax)
    for other in ({}, {"magnitudes": "adaptive"}, ADAPTIVE | {"precision": 0.1}):
        assert obtain("zoom", **other).attrs["origin"] == "computed"


def test_half_precision_is_another_screening(project):
    usual, half = (
        screening_request(read_parameters({"profile": "toy"} | given), "zoom")
        for given in ({}, {"arithmetic": "bfloat16"})
    )
    assert half.recipe == usual.recipe | {"arithmetic": "bfloat16"}
    assert half.archive != usual.archive
    with pytest.raises(UsageError, match="arithmetic: Input should be 'bfloat16' or 'float16'"):
        obtain("zoom", arithmetic="float8")
