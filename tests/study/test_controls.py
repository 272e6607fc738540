"""Controls: what is done to pictures, against scipy; computed, stored, resumed, made once more."""

from pathlib import Path

import numpy as np
import pytest
from colors_project import enter_project, write_profile
from scipy import ndimage

from itn.classifiers import load_classifier
from itn.messages import UsageError
from itn.netcdf import read_netcdf, write_netcdf
from itn.pictures import load_images
from itn.study import controls
from itn.study.archive import archive, find_archived, recipe_of
from itn.study.command_line import main
from itn.study.controls import (
    CLIPPED,
    SCREENED,
    THERE_AND_BACK,
    as_controlled,
    canvas_of,
    control_change,
    controls_request,
    obtain_controls,
    there_and_back,
)
from itn.study.growing import archive_categories
from itn.study.profiles import read_parameters
from itn.study.results import list_results, request_of, verify_result
from itn.transformations import (
    TRANSFORMATIONS,
    find_transformation,
    noise_fields,
    seed_of,
    transform,
)

pytestmark = pytest.mark.usefixtures("compiled_elsewhere")

SIZE = 12


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((2, SIZE, SIZE, 3)).astype("float32")


def at(magnitude):
    return np.full((1, 1, 1, 1), magnitude, np.float32)


def back(name, images, magnitude):
    motion = find_transformation(name)
    found = there_and_back(motion, canvas_of(motion, SIZE, SIZE), images, at(magnitude))
    return np.asarray(found)


@pytest.mark.parametrize(
    ("name", "magnitude", "matrix"),
    [
        ("rotation", 30.0, lambda m: [[np.cos(m * np.pi / 180), -np.sin(m * np.pi / 180)],
                                      [np.sin(m * np.pi / 180), np.cos(m * np.pi / 180)]]),
        ("zoom", 0.7, lambda m: np.eye(2) / m),
        ("scale_x", 2.5, lambda m: np.diag([1 / m, 1])),
    ],
)  # fmt: skip
def test_there_and_back_interpolates_twice_on_a_large_canvas(images, name, magnitude, matrix):
    """The same by scipy, on a canvas far larger than it has to be."""
    more = 40
    canvas = np.pad(images, ((0, 0), (more, more), (more, more), (0, 0)), "edge")
    middle = (canvas.shape[1] - 1) / 2
    y, x = np.mgrid[: canvas.shape[1], : canvas.shape[2]] - middle
    there = np.array(matrix(magnitude))
    expected = canvas.astype(float)
    for step in (there, np.linalg.inv(there)):
        read_x, read_y = (step @ np.stack([x.ravel(), y.ravel()])).reshape(2, *x.shape)
        expected = np.stack(
            [
                np.stack(
                    [
                        ndimage.map_coordinates(
                            one[..., channel], [read_y + middle, read_x + middle],
                            order=1, mode="nearest",
                        )
                        for channel in range(3)
                    ],
                    -1,
                )
                for one in expected
            ]
        )  # fmt: skip
    expected = expected[:, more:-more, more:-more]
    np.testing.assert_allclose(back(name, images, magnitude), expected, atol=2e-4)


@pytest.mark.parametrize(
    ("name", "magnitude"),
    [("rotation", 0), ("rotation", 90), ("translation_x", 0.25), ("translation_y", -0.5),
     ("zoom", 1)],
)  # fmt: skip
def test_where_nothing_is_interpolated_pictures_come_back_whole(images, name, magnitude):
    np.testing.assert_allclose(back(name, images, magnitude), images, atol=1e-6)


def test_a_fill_and_clipping_are_those_of_the_transformation(images):
    for name, control, options in (
        ("rotation", "reflect", {"fill": "reflect"}),
        ("brightness", CLIPPED, {"clip": True}),
        ("contrast", CLIPPED, {"clip": True}),
    ):
        transformation = find_transformation(name)
        magnitude = 1.5 * transformation.identity + 0.5
        change = control_change(transformation, control, "zeros", SIZE)
        expected = transform(images, name, magnitude, **options)
        np.testing.assert_allclose(
            np.asarray(change(images=images, magnitude=at(magnitude))), expected, atol=1e-6
        )


# What is computed and stored


@pytest.fixture
def project(tmp_path, monkeypatch):
    enter_project(tmp_path, monkeypatch)
    # Two of the nine transformations, and of these few magnitudes.
    some = {name: TRANSFORMATIONS[name] for name in ("zoom", "noise")}
    monkeypatch.setattr(controls, "TRANSFORMATIONS", some)
    monkeypatch.setattr(controls, "STEPS", {"zoom": 16, "noise": 20})
    return tmp_path


def asked(**given):
    return read_parameters({"profile": "toy", **given})


def test_controls_are_those_of_pictures_that_are_transformed_by_other_means(project):
    found = obtain_controls(asked())
    assert list(found) == ["zoom", "noise"]
    classifier = load_classifier("networks:colors")
    pictures = load_images("pictures", classes=["red", "green"], size=8)
    for name, control, options in (
        ("zoom", SCREENED, {}),
        ("zoom", "edge", {"fill": "edge"}),
        ("zoom", "reflect", {"fill": "reflect"}),
        ("noise", CLIPPED, {}),
    ):
        of = found[name].sel(control=control)
        assert of.image.values.tolist() == list(pictures.paths)
        for magnitude in of.magnitude.values:
            if name == "noise":  # a field goes by the path of its picture
                fields = noise_fields([seed_of(0, path) for path in pictures.paths], (8, 8, 3))
                changed = np.clip(pictures.images[:] + magnitude * fields, 0, 1)
            else:
                changed = transform(pictures.images, name, magnitude, **options)
            said = classifier.predict(np.asarray(changed)).argmax(axis=1)
            assert of.predicted.sel(magnitude=magnitude).values.tolist() == said.tolist()
    assert found["zoom"].control.values.tolist() == [
        SCREENED,
        "edge",
        "reflect",
        THERE_AND_BACK,
    ]
    assert found["noise"].control.values.tolist() == [SCREENED, CLIPPED]
    # Of one class alone, from the same result.
    (of,) = obtain_controls(asked(classes=["green"]), ["noise"]).values()
    assert {path.partition("/")[0] for path in of.image.values} == {"green"}


def test_the_control_of_a_fill_is_every_other_fill(project):
    for fill, others in (("edge", ["zeros", "reflect"]), ("mean", ["zeros", "edge", "reflect"])):
        wanted = controls_request(asked(fill=fill)).recipe["transformations"]
        assert wanted["zoom"]["controls"] == [*others, THERE_AND_BACK]


def test_every_control_looks_at_the_identity_and_both_ends():
    request = controls_request(read_parameters({"profile": "photos"}))
    for name, how in request.recipe["transformations"].items():
        transformation, looked = find_transformation(name), how["magnitudes"]
        assert transformation.identity in looked
        assert {*transformation.sweep(64)[[0, -1]]} <= {*looked}, name


def test_a_stopped_computation_goes_on_where_it_was(project, monkeypatch):
    request, computed, compute = controls_request(asked()), [], controls.predictions

    def stopped(classifier, pictures, name, *arguments):
        if name == "noise" and "noise" not in computed:
            computed.append(name)
            raise KeyboardInterrupt
        computed.append(name)
        return compute(classifier, pictures, name, *arguments)

    monkeypatch.setattr(controls, "predictions", stopped)
    with pytest.raises(KeyboardInterrupt):
        archive(request)
    assert not request.archive.is_file()
    archive(request)
    # Three controls of a motion, and one of noise, which was begun twice.
    assert computed == [*["zoom"] * 3, *["noise"] * 2]
    assert verify_result(request.archive).startswith("comes out again: ")


def test_what_is_stored_is_compared_and_listed(project):
    request = controls_request(asked())
    archive(request)
    assert find_archived(controls_request(asked(classes=["red"]))) == request.archive
    assert verify_result(request.archive).startswith("comes out again: ")
    (listed,) = list_results("toy")
    assert listed.endswith("; as its profile asks for")
    tree = read_netcdf(request.archive)
    for name in tree.children:
        tree[name]["predicted"] = 1 - tree[name].predicted % 2
    write_netcdf(tree, request.archive)
    with pytest.raises(UsageError, match="does not come out again"):
        verify_result(request.archive)
    write_profile(controlled=1)
    with pytest.raises(UsageError, match="limit"):
        verify_result(request.archive)


def test_what_deviates_from_a_profile_is_known_again(project):
    request = controls_request(asked(fill="edge", limit=1))
    archive(request)
    assert request_of(request.archive).archive == request.archive
    assert verify_result(request.archive).startswith("comes out again: ")


def test_controls_are_of_the_classes_that_are_screened(project, capsys, monkeypatch):
    write_profile(by_category=True)
    monkeypatch.setattr(controls, "TRANSFORMATIONS", {"noise": TRANSFORMATIONS["noise"]})
    monkeypatch.setattr("sys.argv", ["itn", "controls", "--profile", "toy"])
    with pytest.raises(SystemExit, match="none of networks:colors by noise: itn screen"):
        main()
    archive_categories(asked(classes=["green"]), "noise")
    with pytest.raises(SystemExit) as ended:
        main()
    assert (
        ended.value.code == 0 and "networks_colors_controls.nc written" in capsys.readouterr().out
    )
    stored = Path("results/toy/networks_colors_controls.nc")
    assert list(recipe_of(stored)["classes"]) == ["green"]
    # More that are screened since then do not make it outdated, but can be asked for.
    archive_categories(asked(), "noise")
    assert as_controlled(asked()).classes == ("green",)
    assert as_controlled(asked(), anew=True).classes == ("red", "green")
    assert request_of(stored).recipe == recipe_of(stored)
