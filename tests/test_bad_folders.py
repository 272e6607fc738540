"""Folders of pictures as they are found: what is no picture is left out by name, or refused."""

import os
import tempfile
import warnings
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from bad_input import TEXTS, VALUES, outcome, refusal
from hypothesis import assume, example, given, settings
from PIL import Image

from itn.classifiers import load_classifier
from itn.pictures import PicturesLeftOut, load_images
from itn.zoo.catalog import DATA_SETS

FEW = settings(max_examples=max(20, settings.default.max_examples // 2))  # a folder each
COLORS = {"red": (255, 0, 0), "gray": (128, 128, 128), "black": (0, 0, 0)}
NAMES = (
    "1.png",
    "2.JPG",
    "a\nb.png",
    "ä.png",
    "no ending",
    b"\xff.png".decode(errors="surrogateescape"),
)
HIDDEN = (".hidden", "Thumbs.db", "desktop.ini")
SHOWN = {name: np.array(color) / 255 for name, color in COLORS.items()} | {"one pixel row": 1}
WRONG = ("empty", "text", "cut", "folder", "link to nothing", "link to itself", "pipe")


@st.composite
def folders(draw):
    """What lies in the folder of each class: a picture of a color, or something else."""
    contents = st.sampled_from((*COLORS, *COLORS, *WRONG, "one pixel row"))
    files = st.dictionaries(st.sampled_from((*NAMES, *HIDDEN)), contents, max_size=4)
    return draw(st.dictionaries(st.sampled_from(["cat", "dog\n", "ö"]), files, max_size=3))


def put(path, content):
    if content in COLORS:
        Image.new("RGB", (9, 7), COLORS[content]).save(path, "PNG")
    elif content == "one pixel row":
        Image.new("L", (40, 1), 255).save(path, "PNG")
    elif content == "cut":
        Image.effect_noise((20, 20), 50).save(path, "PNG")
        path.write_bytes(path.read_bytes()[:100])
    elif content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content.startswith("link"):
        path.symlink_to(path if content.endswith("itself") else path.with_name("gone"))
    else:
        path.write_text("" if content == "empty" else "no picture at all")


@FEW
@example({"dog\n": {"1.png": "red", "2.JPG": "empty"}}, False)
@given(folders(), st.booleans())
def test_of_every_file_is_a_picture_or_a_reason(content, stream):
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        folder = Path(place, "mine")
        folder.mkdir()
        for name, files in content.items():
            (folder / name).mkdir()
            for file, kind in files.items():
                put(folder / name / file, kind)
        before = sorted(folder.rglob("*"))
        pictures, message = outcome(load_images, folder, size=4, stream=stream)
        images, broken = outcome(lambda: pictures.images[:])[:2] if message is None else (None, "")
        assert sorted(folder.rglob("*")) == before
    seen = {
        (name, file): kind
        for name, files in content.items()
        for file, kind in files.items()
        if file not in HIDDEN
    }
    good = {where: SHOWN[kind] for where, kind in seen.items() if kind in SHOWN}
    hopeful = good | {where: None for where, kind in seen.items() if kind == "cut" and stream}
    if message is not None:
        assert set(content) - {name for name, _ in hopeful} or not content
        return
    assert set(content) == {name for name, _ in hopeful}
    path = {where: "/".join(where).replace("\udcff", "\\xff") for where in seen}
    assert pictures.paths == tuple(sorted(path[where] for where in hopeful))
    left_out = {path[where] for where in seen if where not in hopeful}
    assert {where for where, _ in pictures.left_out} == left_out
    assert [each.category for each in caught] == [PicturesLeftOut] * bool(left_out)
    assert all(len(str(each.message).splitlines()) == 1 for each in caught)
    if good.keys() != hopeful.keys():
        assert "stream=False" in broken
        return
    for image, (_, value) in zip(
        images, sorted((path[w], v) for w, v in good.items()), strict=True
    ):
        np.testing.assert_allclose(image, np.broadcast_to(value, (4, 4, 3)), atol=1e-6)


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        put(folder / name / "1.png", "red")
    return folder


@example(np.array(0.0), "classes")
@example(np.array(0.0), "only")
@example("~nobody/x", "only")
@example([], "size")
@example(10**400, "size")
@example(1.5, "limit")
@given(VALUES, st.sampled_from(["size", "limit", "shorter_side", "classes", "only"]))
def test_what_is_asked_for_is_loaded_or_refused(two_classes, value, name):
    options = {"size": 4, name: value}
    pictures, message = outcome(load_images, two_classes, **options)
    if message is None:
        assert pictures.images.dtype == np.float32 and len(pictures) >= 1
        assert name != "size" or value is None or pictures.images.shape[1] == value


@example("a" * 300)
@example("~nobody/x")
@example("\ud800")
@given(TEXTS)
def test_names_of_nothing_are_refused(name):
    refusal(load_classifier, name)
    assume(name not in ("", ".", "..", "phantom", *DATA_SETS))  # of which there are pictures
    refusal(load_images, name)
    refusal(load_classifier, f"{name}.keras")
    refusal(load_classifier, f"no_{name}:function")
    refusal(load_classifier, "alexnet", weights=f"{name}/none")
