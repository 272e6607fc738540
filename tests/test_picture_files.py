"""Pictures that are read from their files when they are looked at, and not before."""

import io
import os
import resource
import time

import keras
import numpy as np
import pytest
from PIL import Image
from validation_pictures import write_sorted

from itn import picture_files
from itn import pictures as images_module
from itn.classifiers import Classifier
from itn.messages import UsageError
from itn.picture_files import PictureFiles
from itn.pictures import PicturesLeftOut, load_images
from itn.screening import screen
from itn.zoo.catalog import imagenet_classes


@pytest.fixture
def folders(tmp_path):
    write_sorted(tmp_path / "sorted")
    return load_images(tmp_path / "sorted", size=16)


@pytest.fixture
def streamed(folders, tmp_path):
    return load_images(tmp_path / "sorted", size=16, stream=True)


def test_what_is_streamed_is_what_would_be_loaded(folders, streamed):
    assert isinstance(streamed.images, PictureFiles) and repr(streamed) == repr(folders)
    assert streamed.images.shape == folders.images.shape
    assert streamed.paths == folders.paths and streamed.targets == folders.targets
    np.testing.assert_array_equal(streamed.labels, folders.labels)
    for rows in (0, -1, slice(1, 4), slice(None, None, -2), [4, 1, 4], np.array([True] * 6),
                 np.resize([0, 1], 5), slice(0, 0)):  # fmt: skip
        np.testing.assert_array_equal(streamed.images[rows], folders.images[rows])
    np.testing.assert_array_equal(list(streamed.images), folders.images)
    assert streamed.data_hash == folders.data_hash
    assert streamed.select(805).data_hash == folders.select(805).data_hash
    with pytest.raises(IndexError):
        streamed.images[6]


def test_a_streamed_picture_is_decoded_once_per_batch(streamed, monkeypatch):
    opened = []
    decode = picture_files._decode
    monkeypatch.setattr(
        picture_files, "_decode", lambda *given: opened.append(given[0]) or decode(*given)
    )
    assert streamed.images[[5, 0, 5, 5]].shape == (4, 16, 16, 3)
    assert sorted(opened) == sorted({streamed.images.paths[0], streamed.images.paths[5]})


def test_a_streamed_screening_is_the_same(folders, streamed):
    network = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D()])
    classifier = Classifier(network, lambda x: 5 * x, 16, ("r", "g", "b"))
    names = dict(zip(folders.class_names, "rgbr", strict=True))
    screenings = []
    for pictures in (folders, streamed):
        pictures.targets.update(names)
        one = screen(classifier, pictures, "rotation", [0, 30], batch_size=4, progress=False)
        screenings.append(one)
    assert screenings[0].identical(screenings[1])


def test_a_file_that_is_no_picture_is_left_out_of_what_is_streamed(folders, tmp_path):
    last = tmp_path / "sorted" / folders.paths[-1]
    last.with_name("zz.JPEG").write_bytes(b"text")
    with pytest.warns(PicturesLeftOut, match="1 left out of sorted: .*/zz.JPEG"):
        pictures = load_images(tmp_path / "sorted", size=16, stream=True)
    assert pictures.paths == folders.paths and pictures.data_hash == folders.data_hash
    first = tmp_path / "sorted" / folders.paths[0]
    first.with_name("00.JPEG").symlink_to("nowhere.JPEG")
    with pytest.warns(PicturesLeftOut):
        limited = load_images(tmp_path / "sorted", size=16, stream=True, limit=1)
    assert limited.paths[0] == folders.paths[0]
    assert limited.left_out == ((f"{first.parent.name}/00.JPEG", "a link to nothing"),)


def test_a_file_that_breaks_off_is_found_before_the_first_pass(folders, tmp_path):
    broken = tmp_path / "sorted" / folders.paths[-1]
    broken.write_bytes(broken.read_bytes()[:-400])
    streamed = load_images(tmp_path / "sorted", size=16, stream=True)  # its header is whole
    assert len(streamed) == len(folders)
    network = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D()])
    passes = []
    classifier = Classifier(network, lambda x: passes.append(x) or x, 16, ("r", "g", "b"))
    passes.clear()  # of the call that tells what the network takes
    streamed.targets.update(dict(zip(streamed.class_names, "rgbr", strict=True)))
    with pytest.raises(UsageError, match=rf"{folders.paths[-1]}: .*remove the file"):
        screen(classifier, streamed, "rotation", [0, 30], batch_size=2, progress=False)
    assert not passes


def test_a_streamed_file_that_is_no_picture_is_named(streamed):
    streamed.images.paths[2].write_bytes(b"text")
    assert streamed.images[:2].shape == (2, 16, 16, 3)
    with pytest.raises(UsageError, match=rf"{streamed.paths[2]}: not a JPEG.*stream=False"):
        streamed.images[1:3]


def test_streaming_needs_a_size(folders, tmp_path):
    with pytest.raises(UsageError, match="streamed at one size: give size="):
        load_images(tmp_path / "sorted", stream=True)
    (tmp_path / "sorted" / "n01440765").mkdir()
    with pytest.raises(UsageError, match=r"class 'n01440765' in .* it is empty"):
        load_images(tmp_path / "sorted", size=16, stream=True)


def test_a_full_validation_set_is_indexed_at_once_and_streamed(tmp_path):
    size, count = 60, 50_000
    assert count * size * size * 12 > images_module.STREAM_BEYOND
    contents = []
    for value in range(250):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (value, 255 - value, 0)).save(buffer, "BMP")
        contents.append(buffer.getvalue())
    folder = tmp_path / "ILSVRC2012_img_val"
    folder.mkdir()
    for number in range(count):
        path = f"{folder}/ILSVRC2012_val_{number + 1:08}.JPEG"
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.write(file, contents[number % 250])
        os.close(file)
    truth = np.random.default_rng(0).permutation(np.arange(count) % 1000)
    (folder / "imagenet_2012_validation_synset_labels.txt").write_text(
        "".join(f"{imagenet_classes()[index].wnid}\n" for index in truth)
    )

    start = time.perf_counter()
    pictures = load_images(folder, size=size)
    needed = time.perf_counter() - start
    assert needed < 40  # mostly to read the headers; seconds, where nothing else is going on
    assert len(pictures) == count and len(pictures.class_names) == 1000
    assert np.all(np.bincount(pictures.labels) == 50)
    order = np.argsort(truth, kind="stable")
    assert pictures.paths[77].endswith(f"/ILSVRC2012_val_{order[77] + 1:08}.JPEG")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(pictures.images) == count
    for number in range(0, count, 5):
        value = order[number] % 250
        assert abs(pictures.images[number][30, 30, 0] * 255 - value) < 0.5
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 100e6  # bytes; those looked at would be 430 MB at once
    print(f"indexed in {needed:.1f} s, streamed with {grown / 1024:.0f} MiB more")
