"""Profiles, and the parameters of a notebook."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from toy_project import write_profile

import itn
from itn.messages import UsageError
from itn.study.profiles import Training, archive_file, load_profile, project_folder, read_parameters


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
        "arithmetic": None,
    }
    parameters = read_parameters(namespace)
    assert parameters.model_dump() == {
        "profile": "toy",
        "network": "huge",
        "pictures": None,
        "classes": ("blue", "red"),
        "magnitudes": (0, 0.5),
        "precision": None,
        "fill": None,
        "seed": 3,
        "limit": None,
        "arithmetic": None,
        "example": None,
    }


def test_what_a_later_cell_defines_is_no_parameter():
    cells = ["", 'profile: str = "phantom"', "import itn", "first, second = 1, 2\nclases = ['x']"]
    namespace = {"In": cells, "profile": "phantom", "first": 1, "clases": ["x"], "DEBUG": True}
    assert read_parameters(namespace).profile == "phantom"
    for given in ("# Parameters\nclases = ['x']\n", "profile = 'phantom'\nclases: list = ['x']"):
        with pytest.raises(itn.UsageError, match="unknown parameter 'clases'; closest: 'classes'"):
            read_parameters(namespace | {"In": [*cells, given]})


def test_a_plain_string_is_one_class(project):
    assert read_parameters({"profile": "toy", "classes": "red"}).classes == ("red",)


@pytest.mark.parametrize(
    "value",
    ["1", 1, 1.0, [1.0], (1.0,), {1: 1}, {1.0}, Path("x"), np.ones(2), np.float32(1), None],
    ids=lambda value: type(value).__name__,
)
def test_an_unknown_parameter_is_refused_with_the_closest(project, value):
    message = refused(magnitude=value)
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


def test_numbers_of_numpy_are_taken(project):
    """A notebook whose user writes `magnitudes = np.linspace(...)` must not run another sweep."""
    given = {"magnitudes": np.linspace(0, 0.5, 3), "limit": np.int64(2)}
    parameters = read_parameters({"profile": "toy", **given})
    assert (parameters.magnitudes, parameters.limit) == ((0, 0.25, 0.5), 2)


@pytest.mark.parametrize(
    ("given", "name"),
    [({"pictures": Path("pictures")}, "pictures"), ({"classes": {"red"}}, "classes")],
)
def test_a_value_of_any_other_type_is_refused_not_ignored(project, given, name):
    assert refused(**given).startswith(name)


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


# Groups and trainings


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
