"""Names that readers see."""

import pytest

from itn.phantom.objects import PHANTOM_CLASSES
from itn.study.profiles import load_profile
from itn.study.titles import title
from itn.transformations import TRANSFORMATIONS


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("soccer_ball", "soccer ball"),
        ("Faces_easy", "face"),
        ("Motorbikes", "motorbike"),
        ("scale_x 1.19", "horizontal scale 1.19"),
        ("resnet_photos", "ResNet"),
    ],
)
def test_titles(name, wanted):
    assert title(name) == wanted


@pytest.mark.parametrize(
    "names",
    [
        load_profile("photos").classes,
        load_profile("imagenet").classes,
        tuple(PHANTOM_CLASSES),
        tuple(TRANSFORMATIONS),
    ],
)
def test_titles_are_words_and_tell_names_apart(names):
    titles = [title(name) for name in names]
    assert len(set(titles)) == len(names)
    assert not any("_" in each for each in titles)
