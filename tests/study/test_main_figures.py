"""A chapter's figures: what stands where, and what a network says of a picture on its way out."""

import numpy as np
import pytest
from known_screenings import MAGNITUDES, screening

from itn import load_classifier, transform
from itn.curves import load_screening
from itn.messages import UsageError
from itn.plots import PANEL_WIDTH
from itn.study.class_figures import plot_classes
from itn.study.example_pictures import example_picture
from itn.study.main_figures import alike, look_at_thresholds, plot_main_figure
from itn.study.profiles import FigureParameters, project_folder
from itn.study.runner import _runs
from itn.study.screenings import by_network, obtain_screenings
from itn.study.titles import title
from itn.thresholds import thresholds

PHOTOS = FigureParameters(profile="photos")


@pytest.fixture(scope="module")
def turned():
    return obtain_screenings(PHOTOS, "rotation")


@pytest.fixture(scope="module")
def strips(turned):
    return look_at_thresholds(turned, PHOTOS)


def test_all_archived_networks_of_a_profile_are_shown_or_the_one_that_is_named(turned):
    assert list(turned) == ["alexnet_photos", "resnet_photos"]
    named = PHOTOS.model_copy(update={"network": "resnet_photos"})
    alone = obtain_screenings(named, "rotation")
    assert list(alone) == ["resnet_photos"]
    assert alone["resnet_photos"].identical(turned["resnet_photos"])
    both = obtain_screenings(FigureParameters(profile="imagenet"), "zoom")
    assert list(both) == ["squeezenet", "efficientnet_lite0"]


def test_networks_are_alike_that_have_looked_at_the_same_classes():
    one, few = screening({"a": (-1, 1), "b": (-1, 1)}), screening({"a": (-1, 1)})
    assert list(alike({"x": one, "y": few, "z": one})) == ["x", "z"]


def test_what_all_networks_have_is_sorted_by_network():
    one, two = screening({"a": (-1, 1)}), screening({"b": (-1, 1)})
    assert by_network({"x": one, "y": two}, {"x": two}) == {"x": [one, two]}


def test_a_picture_is_shown_where_a_class_is_lost_as_the_network_sees_it(turned, strips):
    """Once more, one at a time."""
    classifier = load_classifier("resnet_photos")
    image = example_picture("motorcycle", 64)
    found = thresholds(turned["resnet_photos"], resamples=0).sel(
        category="grand_piano", direction="up"
    )
    at = {name: found.threshold.sel(criterion=name).item() for name in ("half", "switch")}
    expected = {"untouched": 0.0} | dict(sorted(at.items(), key=lambda one: one[1]))
    expected["end of sweep"] = 180.0
    (strip,) = (strip for strip in strips if strip.network == "resnet_photos")
    assert strip.of == "grand_piano"
    assert [step.name for step in strip.steps] == list(expected)
    for step, angle in zip(strip.steps, expected.values(), strict=True):
        seen = np.asarray(transform(image[None], "rotation", angle))
        np.testing.assert_allclose(step.image, np.clip(seen[0], 0, 1), atol=1e-6)
        softmax = classifier.predict(seen)[0]
        name = title(classifier.class_names[softmax.argmax()])
        assert step.answer == f"{name} {softmax.max():.2f}"
        assert step.magnitude in ("", f"{angle:.3g}°", f"{angle:.1f}°")


def test_a_picture_keeps_its_noise():
    """What is added is the same field, times the magnitude."""
    alone = PHOTOS.model_copy(update={"network": "resnet_photos"})
    noisy = obtain_screenings(alone, "noise")
    found = thresholds(noisy["resnet_photos"], resamples=0).sel(category="grand_piano")
    at = found.threshold.sel(direction="up")
    (strip,) = look_at_thresholds(noisy, alone)
    untouched, half, switch, _ = (step.image for step in strip.steps)
    unclipped = ((half > 0) & (half < 1) & (switch > 0) & (switch < 1)).ravel()
    fields = [
        ((image - untouched) / at.sel(criterion=name).item()).ravel()[unclipped]
        for name, image in (("half", half), ("switch", switch))
    ]
    assert unclipped.mean() > 0.5 and fields[0].std() > 0.5
    np.testing.assert_allclose(*fields, atol=1e-5)


def test_what_is_not_reached_has_no_picture():
    ball = FigureParameters(profile="photos", network="resnet_photos", classes=("soccer_ball",))
    (strip,) = look_at_thresholds(obtain_screenings(ball, "rotation"), ball)
    half, switch = strip.steps[1:3]
    assert (half.image, half.magnitude) == (None, "not reached") == (switch.image, switch.magnitude)
    assert [step.image is None for step in strip.steps] == [False, True, True, False]


def test_an_example_is_called_by_its_name():
    asked = PHOTOS.model_copy(update={"network": "resnet_photos", "example": "coffee"})
    screenings = obtain_screenings(asked, "blur")
    (strip,) = look_at_thresholds(screenings, asked)
    np.testing.assert_allclose(strip.steps[0].image, example_picture("coffee", 64), atol=1e-6)
    with pytest.raises(UsageError, match="unknown picture 'coffe'; closest: 'coffee'"):
        look_at_thresholds(screenings, asked.model_copy(update={"example": "coffe"}))


@pytest.mark.parametrize("columns", [1, 2])
def test_everything_stands_in_its_place(turned, strips, columns):
    figure = plot_main_figure(turned, PHOTOS, strips, columns)
    assert figure.get_size_inches()[0] == columns * PANEL_WIDTH
    places = [axes.get_position() for axes in figure.axes]
    assert all(0 <= each.x0 < each.x1 <= 1 and 0 <= each.y0 < each.y1 <= 1 for each in places)
    for number, one in enumerate(places):
        assert not any(one.overlaps(other) for other in places[number + 1 :])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:4] == ["soccer ball (19 pictures)", "grand piano (26 pictures)"] * 2
    accuracy = figure.axes[4]
    for network, line in zip(turned, accuracy.lines, strict=True):
        one = turned[network]
        right = one.predicted.values == one.target.values[one.label.values][:, None]
        np.testing.assert_allclose(line.get_ydata(), right.mean(axis=0))
        assert line.get_label() == title(network)
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(shown) == 8
    np.testing.assert_array_equal(shown[0], strips[0].steps[0].image)
    headings = [text.get_text().replace("\n", " ") for text in figure.texts]
    assert headings == [
        "AlexNet", "ResNet", "All classes together",
        "AlexNet, at the thresholds of grand piano", "ResNet, at the thresholds of grand piano",
    ]  # fmt: skip


def test_where_one_network_looked_its_classes_are_shown():
    one = load_screening(project_folder() / "results/imagenet/squeezenet_blur.nc")
    imagenet = FigureParameters(profile="imagenet")
    *_, accuracy = plot_main_figure({"squeezenet": one}, imagenet).axes
    assert len(accuracy.lines) == one.sizes["category"] + 3  # two of them named, and all pictures


def test_small_panels_show_each_networks_class_and_its_rival():
    first = screening({"soccer_ball": (-0.3, 0.4), "lamp": (-2, 2)})
    first = first.assign_coords({"class": ["soccer_ball", "lamp", "tick"]})
    first["rival"] = ("category", "rank"), [[2], [2]]
    second = first.assign(mean_softmax=first.mean_softmax / 2)
    ball, lamp = plot_classes({"alexnet_photos": first, "resnet_photos": second}).axes
    assert ball.get_title() == "soccer ball (4 pictures)"
    curves = [each.get_ydata() for each in ball.lines if len(each.get_xdata()) == len(MAGNITUDES)]
    mean = first.mean_softmax.values[0]
    for drawn, expected in zip(
        curves, (mean[:, 0], mean[:, 2], mean[:, 0] / 2, mean[:, 2] / 2), strict=True
    ):
        np.testing.assert_array_equal(drawn, expected)
    said = {text.get_text() for text in ball.texts}
    assert said >= {"AlexNet", "ResNet", "tick"}
    assert "AlexNet half −0.350, 0.450\nResNet half −0.350, 0.450" in said
    assert "AlexNet half not reached\nResNet half not reached" in {
        text.get_text() for text in lamp.texts
    }


def test_notebooks_are_titled_by_the_networks_that_they_show():
    titles = {
        run.name: run.title
        for profile in ("photos", "imagenet", "phantom")
        for run in _runs(project_folder(), profile, None)
    }
    assert titles["photos/rotation"] == "Rotation · AlexNet and ResNet on photographs"
    assert "· AlexNet and ResNet on" in titles["photos/appendix"]
    assert "· SqueezeNet v1.0 and EfficientNet-Lite0 on" in titles["imagenet/translation"]
    assert "· SqueezeNet v1.0 and EfficientNet-Lite0 on" in titles["imagenet/distances"]
    assert "· SqueezeNet v1.0 on" in titles["imagenet/squeezenet/controls"]
    assert "· AlexNet on" in titles["phantom/noise"]
    assert "· ResNet on" in titles["photos/resnet_photos/controls"]
