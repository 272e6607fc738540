"""Hashes of files of pictures: they see every byte that would be read, and download nothing."""

import numpy as np
import pytest
from PIL import Image

from itn.messages import UsageError
from itn.study.picture_hashes import file_hashes
from itn.study.sources import code_hash
from itn.zoo.catalog import DATA_SETS, read_table

PICTURE = np.arange(12 * 16 * 3, dtype=np.uint8).reshape(12, 16, 3)


def save(folder, name, picture, **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **options)


@pytest.fixture
def two_classes(tmp_path):
    for number, name in enumerate(["b/2.png", "b/1.png", "a/10.png", "a/9.png"]):
        save(tmp_path / "set", name, np.full((10, 12, 3), 40 * number, np.uint8))
    return tmp_path / "set"


def test_the_hash_of_files_sees_every_byte_that_would_be_read(two_classes):
    before = file_hashes(two_classes)
    assert before == file_hashes(two_classes) == file_hashes(str(two_classes), ["b", "a"])
    assert list(before) == ["a", "b"] and before["a"] != before["b"]
    assert file_hashes(two_classes, ["a", "b"], limit=1) != before
    path = two_classes / "a" / "10.png"
    content = path.read_bytes()
    path.write_bytes(content + b"\0")  # behind the picture: it looks the same
    assert file_hashes(two_classes) != before == file_hashes_restored(path, content, two_classes)
    replaced = two_classes / "b" / "2.png"
    first_of_each = file_hashes(two_classes, limit=1)
    only = file_hashes(two_classes, only=["a/9.png", "b/1.png"])
    save(two_classes, "b/2.png", PICTURE)
    assert file_hashes(two_classes) != before
    assert file_hashes(two_classes, "a") == file_hashes(two_classes, ["a"])
    assert file_hashes(two_classes, limit=1) == first_of_each
    assert file_hashes(two_classes, only=["a/9.png", "b/1.png"]) == only
    replaced.rename(two_classes / "b" / "3.png")
    assert file_hashes(two_classes, "b") != before
    # A file that cannot be read is replaced by the next, which then counts, too.
    (two_classes / "b" / "0.png").write_bytes(b"text")
    (two_classes / "b" / "00.png").symlink_to("/not/mounted/00.png")
    with_replacement = file_hashes(two_classes, "b", limit=1)
    save(two_classes, "b/1.png", PICTURE)
    assert file_hashes(two_classes, "b", limit=1) != with_replacement
    with pytest.raises(UsageError, match="unknown class 'c'"):
        file_hashes(two_classes, "c")


def file_hashes_restored(path, content, folder):
    path.write_bytes(content)
    return file_hashes(folder)


def test_the_hash_of_files_downloads_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("ITN_DATA", str(tmp_path))
    for name in DATA_SETS:
        assert file_hashes(name) is None
        assert file_hashes(name, ["soccer_ball"]) is None
    assert list(tmp_path.iterdir()) == []
    save(tmp_path / "caltech-101" / "101_ObjectCategories", "lamp/1.png", PICTURE)
    pictures = tmp_path / "caltech-101" / "101_ObjectCategories"
    for given in ("lamp", "table_lamp", 846):  # each is called as it was asked for
        wanted = {str(given): file_hashes(pictures, "lamp")["lamp"]}
        assert file_hashes("caltech-101", given) == wanted
    sample = tmp_path / "imagenet-sample"
    for row in read_table("imagenet_sample")[:2]:
        save(sample, f"{row['file'].partition('_')[0]}/{row['file']}", PICTURE, format="PNG")
    assert len(file_hashes("imagenet-sample")) == 2  # filled by other means: all that is there
    assert list(file_hashes("imagenet-sample", [0])) == ["0"]
    assert file_hashes("imagenet-sample", [0, 5]) is None
    (sample / ".incomplete").touch()  # by our own downloads: all would be wanted
    assert file_hashes("imagenet-sample") is None


def test_the_hash_of_the_phantom_is_that_of_its_renderer():
    drawn = code_hash("itn.phantom.rendering")[:16]
    assert file_hashes("phantom", ["disc", "mirror"]) == {"disc": drawn, "mirror": drawn}
    assert len(file_hashes("phantom")) == 21
