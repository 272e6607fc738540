"""Profiles, notebook parameters, and when the archive serves."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from PIL import Image

from itn import classifiers
from itn.curves import save_screening
from itn.messages import UsageError
from itn.study import screenings as screening_study
from itn.study.profiles import Training, archive_file, load_profile, project_folder, read_parameters
from itn.study.screenings import compute_screening, highlighted, load_part, obtain_screening


def write_pictures(folder, classes, count=2):
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            picture = rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / name / f"{i}.png")


def write_profile(folder, name="toy", **changes):
    contents = {
        "description": "Colors of noise",
        "networks": ["tiny", "huge"],
        "pictures": str(folder / "pictures"),
        "classes": ["red", "green", "blue"],
        "highlights": ["blue"],
        **changes,
    }
    lines = [f"{key}: {value!r}" for key, value in contents.items() if value is not None]
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / f"{name}.yaml").write_text("\n".join(lines))


@pytest.fixture
def project(tmp_path, monkeypatch, color_classifier):
    """A project with a profile, pictures and a network of its own."""
    write_pictures(tmp_path / "pictures", ["red", "green", "blue"])
    write_profile(tmp_path)
    monkeypatch.chdir(tmp_path)
    networks = {name: dataclasses.replace(color_classifier, name=name) for name in ("tiny", "huge")}
    monkeypatch.setattr(classifiers, "load_classifier", lambda name, weights=None: networks[name])
    monkeypatch.setattr(classifiers, "list_classifiers", lambda: tuple(sorted(networks)))
    monkeypatch.setattr(
        screening_study, "network_recipe", lambda name, weights=None: {"network": name}
    )
    return tmp_path


def refused(**namespace):
    """Return the message with which parameters are refused: one line."""
    with pytest.raises(UsageError) as caught:
        read_parameters({"profile": "toy", **namespace})
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Parameters


def test_parameters_are_taken_and_the_rest_of_a_notebook_is_passed_over(project):
    def function():
        return None

    namespace = {
        "__name__": "__main__",
        "_": "profile",
        "_i1": "profile = 'toy'",
        "In": [""],
        "Out": {},
        "np": np,
        "function": function,
        "profile": "toy",
        "network": "huge",
        "classes": ["blue", "red"],
        "magnitudes": [0, 0.5],
        "fill": None,
        "seed": 3,
        "limit": None,
    }
    parameters = read_parameters(namespace)
    assert parameters.model_dump() == {
        "profile": "toy",
        "network": "huge",
        "pictures": None,
        "classes": ("blue", "red"),
        "magnitudes": (0, 0.5),
        "fill": None,
        "seed": 3,
        "limit": None,
    }


def test_a_plain_string_is_one_class(project):
    assert read_parameters({"profile": "toy", "classes": "red"}).classes == ("red",)


def test_an_unknown_parameter_is_refused_with_the_closest(project):
    message = refused(magnitude=[1.0])
    assert message.startswith("unknown parameter 'magnitude'; closest: 'magnitudes'; possible: ")
    assert "seed" in message


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"profile": "tov"}, "unknown profile 'tov'; closest: 'toy'; possible: toy"),
        ({"network": "tine"}, "unknown network 'tine'; closest: 'tiny'; possible: a .keras file"),
        ({"classes": ["blue", "gren"]}, "unknown class 'gren'; closest: 'green'; possible: red"),
        ({"classes": "read"}, "unknown class 'read'; closest: 'red'"),
        ({"fill": "zero"}, "unknown fill 'zero'; closest: 'zeros'; possible: zeros, edge"),
    ],
)
def test_unknown_names_are_refused_with_the_closest(project, given, expected):
    assert refused(**given).startswith(expected)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"seed": -1}, "seed"),
        ({"seed": [1]}, "seed"),
        ({"classes": []}, "classes"),
        ({"classes": [3.5]}, "classes"),
        ({"classes": {"red": 1}}, "classes"),
        ({"magnitudes": 30.0}, "magnitudes"),
        ({"magnitudes": "0.5"}, "magnitudes"),
        ({"magnitudes": ["strong"]}, "magnitudes"),
        ({"network": ["tiny"]}, "network"),
        ({"pictures": 5}, "pictures"),
        ({"fill": 0}, "fill"),
        ({"profile": 7}, "profile"),
    ],
)
def test_values_of_another_type_are_refused_with_name_and_value(project, given, name):
    message = refused(**given)
    value = given[name][0] if isinstance(given[name], list) and given[name] else given[name]
    assert message.startswith(name) and repr(value) in message


@pytest.mark.parametrize(
    "given",
    [
        {"magnitudes": np.array([0.0, 0.5])},
        {"limit": np.int64(2)},
        {"pictures": Path("pictures")},
        {"classes": {"red"}},
    ],
    ids=lambda given: next(iter(given)),
)
def test_a_value_of_any_other_type_is_taken_or_refused_but_not_ignored(project, given):
    """A notebook whose user writes `magnitudes = np.linspace(...)` must not run another sweep."""
    name = next(iter(given))
    try:
        parameters = read_parameters({"profile": "toy", **given})
    except UsageError as error:
        assert name in str(error)
    else:
        assert getattr(parameters, name) is not None


@pytest.fixture
def several(project):
    """The default profile, which knows other classes than the two that know red."""
    write_profile(project, "phantom", classes=["disc", "ring"], highlights=["ring"])
    write_profile(project, "another", classes=["red", "pink"], highlights=["pink"])


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, "phantom"),
        ({"profile": None, "classes": None}, "phantom"),
        ({"classes": ["ring"]}, "phantom"),
        ({"classes": "red"}, "another"),
        ({"classes": ["green", "red"]}, "toy"),
        ({"classes": ["red"], "profile": "toy"}, "toy"),
        ({"classes": ["cat"], "pictures": "mine"}, "phantom"),
    ],
)
def test_without_a_profile_it_is_the_default_or_the_first_with_the_classes(several, given, chosen):
    assert read_parameters(given).profile == chosen


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            ["red", "rign"],
            "profiles phantom, another, toy: unknown class 'rign'; closest: 'ring'; possible: disc",
        ),
        (["disc", "red"], "profiles phantom, another, toy: none has all of the classes disc, red"),
    ],
)
def test_classes_of_no_profile_are_refused_in_one_line(several, classes, message):
    assert refused(profile=None, classes=classes).startswith(message)


def test_own_pictures_may_have_classes_that_the_profile_does_not_know(project):
    parameters = read_parameters({"profile": "toy", "pictures": "mine", "classes": ["cat"]})
    assert parameters.classes == ("cat",)


# Profile files


def test_a_profile_is_read(project):
    profile = load_profile("toy")
    assert profile.networks == ("tiny", "huge") and profile.classes == ("red", "green", "blue")
    assert (profile.fill, profile.seed, profile.highlights) == ("zeros", 0, ("blue",))


def test_a_profile_is_parsed_once_and_again_when_it_has_changed(project, monkeypatch):
    calls = []
    parse = yaml.load
    monkeypatch.setattr(yaml, "load", lambda *given: calls.append(given) or parse(*given))
    path = Path("profiles/toy.yaml")
    before = path.stat()
    write_profile(project, fill="mean")
    assert [load_profile("toy").fill for _ in range(3)] == ["mean"] * 3
    write_profile(project, fill="edge")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert load_profile("toy").fill == "edge"
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"colour": "red"}, "unknown .*'colour'"),
        ({"networks": None}, r"profiles/toy\.yaml: networks: Field required"),
        ({"classes": []}, r"profiles/toy\.yaml: classes: "),
        ({"seed": -3}, r"profiles/toy\.yaml: seed: .*-3"),
    ],
)
def test_wrong_contents_of_a_profile_are_explained_in_one_line(project, changes, expected):
    write_profile(project, **changes)
    with pytest.raises(UsageError, match=expected) as caught:
        load_profile("toy")
    assert "\n" not in str(caught.value) and "toy.yaml" in str(caught.value)


@pytest.mark.parametrize("text", ["networks: [tiny", "just words", "", "- a\n- b"])
def test_what_is_no_profile_is_explained_in_one_line(project, text):
    Path("profiles/toy.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"profiles/toy\.yaml") as caught:
        load_profile("toy")
    assert "\n" not in str(caught.value)


def test_the_project_is_found_from_any_folder_inside(project, monkeypatch):
    inside = project / "book" / "results"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert project_folder() == project
    assert archive_file("toy", "tiny", "blur") == project / "results" / "toy" / "tiny_blur.nc"


def test_outside_of_a_project_is_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"no folder profiles/ in .* run inside the project"):
        load_profile("toy")


# Screenings


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
    monkeypatch.setattr(classifiers, "load_classifier", lambda name, weights=None: classifier)
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


# Splits and groups


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


def test_groups_hold_classes_of_the_profile(project):
    write_profile(project, groups={"warm": ["red"], "cold": ["blu"]})
    with pytest.raises(UsageError, match="unknown class 'blu'; closest: 'blue'"):
        load_profile("toy")


def test_taught_networks_differ_in_nothing_but_turned_and_zoomed_pictures():
    taught, untaught = load_profile("photos_taught"), load_profile("photos")
    assert taught.untaught == "photos"
    for name in ("pictures", "classes", "split", "fill", "seed", "limit", "weights"):
        assert getattr(taught, name) == getattr(untaught, name)
    changes = {"rotation": 0.0, "zoom": 1.0}
    assert taught.training.model_copy(update=changes) == untaught.training
    assert (taught.training.rotation, taught.training.zoom) != (0, 1)


def test_one_architecture_may_be_trained_otherwise():
    how = Training(epochs=3, jitter=0.1, networks={"resnet_64": {"jitter": 0.2, "epochs": 4}})
    assert how.options("alexnet_64") == how.options("resnet_64") | {"jitter": 0.1, "epochs": 3}
    assert {"networks", "pictures_per_class"}.isdisjoint(how.options("resnet_64"))
    wrong = Training(epochs=3, networks={"resnet_64": {"jiter": 0.2}})
    with pytest.raises(UsageError, match="training of resnet_64: unknown parameter 'jiter'"):
        wrong.options("resnet_64")
