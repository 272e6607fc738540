"""Splits: hashes that tell look-alikes, and parts that share none."""

import io
from pathlib import Path

import numpy as np
import pytest
import split_photos
from PIL import Image
from skimage import data, transform

from itn.messages import UsageError
from itn.pictures import Pictures, load_images
from itn.study.profiles import load_profile
from itn.study.splits import read_split

ROOT = Path(__file__).parents[2]
SPLIT = ROOT / "profiles" / "photos.tsv"
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


def photograph(name):
    """A square of one of scikit-image's own photographs, 64 pixels wide."""
    image = getattr(data, name)()[:300, :300] / 255
    return transform.resize(image, (64, 64), anti_aliasing=True).astype("float32")


def changed(image, how):
    """The same picture as another copy of it may look."""
    if how == "smaller":
        return transform.resize(transform.resize(image, (40, 40), anti_aliasing=True), (64, 64))
    if how == "darker":
        return 0.6 * image + 0.1
    if how == "one shade":
        return np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    if how == "shifted":
        return np.roll(image, 1, axis=1)
    file = io.BytesIO()  # compressed
    Image.fromarray((image * 255).astype("uint8")).save(file, "JPEG", quality=20)
    return np.asarray(Image.open(file)) / 255


def bits_apart(one, other):
    hashes = split_photos.perceptual_hash(np.stack([one, other]).astype("float32"))
    return int((hashes[0] != hashes[1]).sum())


@pytest.mark.parametrize("how", ["smaller", "darker", "one shade", "shifted", "compressed"])
@pytest.mark.parametrize("name", PHOTOGRAPHS[:3])  # the last is mostly sky: little to tell
def test_copies_are_near_and_other_pictures_are_not(name, how):
    image = photograph(name)
    assert bits_apart(image, changed(image, how)) <= split_photos.NEAR
    for other in PHOTOGRAPHS:
        if other != name:
            assert bits_apart(image, photograph(other)) > 2 * split_photos.NEAR


def test_the_bits_are_those_of_the_cosines_written_out():
    image = np.random.default_rng(0).random((split_photos.HASH_SIDE, split_photos.HASH_SIDE))
    place = (np.arange(split_photos.HASH_SIDE) + 0.5) * np.pi / split_photos.HASH_SIDE
    waves = np.cos(place * np.arange(8)[:, None])
    waves[0] /= np.sqrt(2)
    lowest = (waves @ image @ waves.T).ravel()[1:]
    gray = np.repeat(image[None, :, :, None], 3, axis=3).astype("float32")
    np.testing.assert_array_equal(split_photos.perceptual_hash(gray)[0], lowest > np.median(lowest))


def test_a_mirror_image_is_a_duplicate_of_the_first():
    images = np.stack([photograph(name) for name in ("coffee", "chelsea")])
    images = np.concatenate([images, images[::-1, :, ::-1], images[:1]])
    assert split_photos.near_duplicates(images).tolist() == [-1, -1, 1, 0, 0]


def many(count=40):
    images = np.random.default_rng(1).random((count + 1, 32, 32, 3)).astype("float32")
    images[-1] = images[0] * 0.9
    labels = np.append(np.arange(count) % 2, 0)
    paths = tuple(f"{'ab'[label]}/{index:02d}.png" for index, label in enumerate(labels))
    return Pictures(images, labels, ("a", "b"), paths, "noise")


def test_each_class_is_split_alike_and_duplicates_are_named():
    pictures = many()
    split = split_photos.split_pictures(pictures, share=0.7, limit=10)
    parts = [(path[0], part) for path, (part, _) in split.items()]
    for name in "ab":
        assert parts.count((name, "training")) == 7
        assert parts.count((name, "test")) == 3
    assert split["a/40.png"] == ("duplicate", "a/00.png")
    assert split == split_photos.split_pictures(pictures, share=0.7, limit=10)
    assert split != split_photos.split_pictures(pictures, share=0.7, limit=10, seed=1)


def test_a_split_comes_back_from_its_file(tmp_path):
    split = split_photos.split_pictures(many())
    split_photos.write_split(split, tmp_path / "split.tsv")
    for part in ("training", "test", "duplicate"):
        expected = {path for path, (found, _) in split.items() if found == part}
        assert read_split(tmp_path / "split.tsv", part) == expected
    with pytest.raises(UsageError, match="unknown part 'testing'; closest: 'test'"):
        read_split(tmp_path / "split.tsv", "testing")


def test_the_photographs_are_split_as_the_chapter_says():
    parts = {part: read_split(SPLIT, part) for part in ("training", "test", "duplicate")}
    classes = load_profile("photos").classes
    for name in classes:
        count = {k: sum(p.startswith(f"{name}/") for p in v) for k, v in parts.items()}
        assert count["training"] + count["test"] <= 200
        assert abs(count["training"] / (count["training"] + count["test"]) - 0.7) < 0.02
    every = [path for part in parts.values() for path in part]
    assert len(every) == len(set(every))
    assert {path.split("/")[0] for path in every} == set(classes)


@pytest.mark.data
def test_the_file_is_what_the_pictures_give(tmp_path, monkeypatch):
    monkeypatch.setattr(split_photos, "TARGET", tmp_path / "photos.tsv")
    split_photos.main()
    assert (tmp_path / "photos.tsv").read_bytes() == SPLIT.read_bytes()
    # Half of the leopards are mirror images of the other half.
    duplicates = read_split(SPLIT, "duplicate")
    assert sum(path.startswith("Leopards/") for path in duplicates) == 100


@pytest.mark.data
def test_no_test_picture_looks_like_a_training_picture():
    """By another measure than the hash: the correlation of gray pictures of 16 x 16 pixels."""
    rows = []
    for part in ("training", "test"):
        only = read_split(SPLIT, part)
        classes = load_profile("photos").classes
        found = load_images("caltech-101", classes, 64, only=only, shorter_side=64, progress=False)
        small = found.images.reshape(len(found), 16, 4, 16, 4, 3).mean(axis=(2, 4, 5))
        small -= small.mean(axis=(1, 2), keepdims=True)
        small /= np.linalg.norm(small, axis=(1, 2), keepdims=True)
        rows.append(small)
    training, test = rows
    for seen in (test, test[:, :, ::-1]):
        correlation = np.einsum("iab,jab->ij", seen, training)
        assert (correlation.max(axis=1) > 0.99).mean() < 0.01
