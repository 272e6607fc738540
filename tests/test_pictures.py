"""Reading pictures and loading folders of them; every file is made here."""

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from itn import picture_files
from itn.curves import load_screening, save_screening
from itn.messages import UsageError
from itn.picture_files import read_picture
from itn.pictures import Pictures, PicturesLeftOut, load_images
from itn.screening import screen

needs_data = pytest.mark.skipif(not os.environ.get("ITN_DATA"), reason="ITN_DATA is not set")
LOSSY = 0.04  # what JPEG and WebP may change in a smooth picture


def ramp(height=12, width=16, channels=3):
    """A smooth picture without symmetry, uint8."""
    y, x = np.mgrid[:height, :width]
    planes = [20 + 12 * x, 30 + 14 * y, 250 - 6 * x - 8 * y, 40 + 5 * x + 9 * y]
    return np.stack(planes[:channels], axis=-1).clip(0, 255).astype(np.uint8)


def save(folder, name, picture, **options):
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    picture.save(path, **options)
    return path


def encode(picture, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def png(width, height, bit_depth, color_type, rows=b""):
    """A PNG file byte by byte, for what Pillow cannot write."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, bit_depth, color_type, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def two_classes(tmp_path):
    for number, name in enumerate(["b/2.png", "b/1.png", "a/10.png", "a/9.png"]):
        save(tmp_path / "set", name, np.full((10, 12, 3), 40 * number, np.uint8))
    return tmp_path / "set"


# Formats


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "webp", "gif", "jpg"])
def test_formats(tmp_path, extension):
    options = {"jpg": {"quality": 95, "subsampling": 0}, "webp": {"lossless": True}}
    expected = ramp()
    if extension == "gif":  # at most 256 colors
        expected = expected[:, :, :1].repeat(3, axis=2)
    path = save(tmp_path, f"x.{extension}", expected, **options.get(extension, {}))
    picture = read_picture(path)
    assert picture.dtype == np.float32 and picture.shape == (12, 16, 3)
    tolerance = LOSSY if extension == "jpg" else 1e-7
    np.testing.assert_allclose(picture, expected / 255, atol=tolerance)


def test_8_bits_are_exact(tmp_path):
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = read_picture(save(tmp_path, "x.png", values))
    expected = (np.arange(256) / 255).astype(np.float32).reshape(16, 16)
    for channel in range(3):
        np.testing.assert_array_equal(picture[:, :, channel], expected)


def test_content_decides_not_the_name(tmp_path):
    (tmp_path / "x.jpg").write_bytes(encode(ramp(), "PNG"))
    np.testing.assert_allclose(read_picture(tmp_path / "x.jpg"), ramp() / 255, atol=1e-7)


def test_palette(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 51, 255])
    picture.putdata([1, 0])
    expected = [[[0, 0.2, 1], [1, 0, 0]]]
    np.testing.assert_allclose(read_picture(save(tmp_path, "x.png", picture)), expected, atol=1e-7)
    # The same with a transparent color: black.
    path = save(tmp_path, "y.png", picture, transparency=0)
    expected[0][1] = [0, 0, 0]
    np.testing.assert_allclose(read_picture(path), expected, atol=1e-7)


def test_one_bit(tmp_path):
    path = save(tmp_path, "x.png", Image.fromarray(np.array([[True, False]])))
    np.testing.assert_array_equal(read_picture(path), [[[1, 1, 1], [0, 0, 0]]])


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_over_black(tmp_path, channels):
    picture = ramp(channels=channels)
    if channels == 2:  # grey and alpha
        expected = (picture[:, :, :1] / 255 * picture[:, :, 1:] / 255).repeat(3, axis=2)
    else:
        expected = picture[:, :, :3] / 255 * picture[:, :, 3:] / 255
    for extension in ["png", "tif"]:
        path = save(tmp_path, f"x.{extension}", picture)
        np.testing.assert_allclose(read_picture(path), expected, atol=1 / 255)


def test_cmyk(tmp_path):
    cyan_magenta_yellow_black = [(0, 255, 255, 0), (255, 0, 0, 0), (0, 0, 0, 255), (0, 0, 0, 0)]
    for color, expected in zip(
        cyan_magenta_yellow_black, [(1, 0, 0), (0, 1, 1), (0, 0, 0), (1, 1, 1)], strict=True
    ):
        for extension in ["jpg", "tif"]:
            path = save(tmp_path, f"x.{extension}", Image.new("CMYK", (8, 8), color))
            if extension == "jpg":  # such files store the inks inverted
                assert b"Adobe" in path.read_bytes()
            np.testing.assert_allclose(read_picture(path)[4, 4], expected, atol=LOSSY)


SIXTEEN_BITS = np.array([[0, 1, 255, 256], [1000, 32768, 65534, 65535]], np.uint16)


@pytest.mark.parametrize("kind", ["png", "little", "big"])
def test_16_bit_grey(tmp_path, kind):
    if kind == "png":
        path = save(tmp_path, "x.png", SIXTEEN_BITS)
    else:
        path = tmp_path / "x.tif"
        tifffile.imwrite(path, SIXTEEN_BITS, byteorder={"little": "<", "big": ">"}[kind])
    picture = read_picture(path)
    assert picture.dtype == np.float32
    for channel in range(3):
        np.testing.assert_allclose(picture[:, :, channel], SIXTEEN_BITS / 65535, rtol=1e-6)
    assert read_picture(path, size=4).max() <= 1


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_16_bit_color(tmp_path, kind):
    picture = np.stack([SIXTEEN_BITS, SIXTEEN_BITS[::-1], SIXTEEN_BITS[:, ::-1]], axis=-1)
    path = tmp_path / f"x.{kind}"
    if kind == "png":
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in picture)
        path.write_bytes(png(4, 2, 16, 2, rows))
    else:
        tifffile.imwrite(path, picture, photometric="rgb")
    np.testing.assert_allclose(read_picture(path), picture / 65535, atol=1 / 255)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame(tmp_path, kind):
    first, second = (Image.new("RGB", (8, 8), color) for color in ("red", "blue"))
    path = tmp_path / "x"
    first.save(path, kind, save_all=True, append_images=[second], lossless=True)
    with Image.open(path) as image:
        assert image.n_frames == 2
    np.testing.assert_allclose(read_picture(path), np.tile([1, 0, 0], (8, 8, 1)), atol=1e-7)


# EXIF orientation: how the stored pixels are to be turned for display
ORIENTATIONS = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored.transpose(1, 0, 2), 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("extension", ["jpg", "png", "tif"])
def test_orientation(tmp_path, orientation, extension):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path, f"x.{extension}", ramp(), exif=exif, quality=95)
    expected = ORIENTATIONS[orientation](ramp()) / 255
    picture = read_picture(path)
    assert picture.shape == expected.shape
    np.testing.assert_allclose(picture, expected, atol=LOSSY if extension == "jpg" else 1e-7)


def test_damaged_exif_is_no_reason_to_lose_a_picture(tmp_path):
    path = save(tmp_path, "x.png", ramp(), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff broken")
    np.testing.assert_allclose(read_picture(path), ramp() / 255, atol=1e-7)


# Size


def triangle_filter(length, target):
    """Weights of the antialiased bilinear filter, [target, length]."""
    scale = length / target
    support = max(scale, 1)
    centers = (np.arange(target) + 0.5) * scale - 0.5
    weights = np.maximum(1 - np.abs(np.arange(length) - centers[:, None]) / support, 0)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("shape", [(57, 90), (90, 57), (20, 33), (64, 64)])
def test_shorter_side_is_resized_and_the_center_cut_out(tmp_path, shape):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    found = read_picture(save(tmp_path, "x.png", picture), size=30, shorter_side=37)
    height, width = (round(37 * length / min(shape)) for length in shape)
    rows = triangle_filter(shape[0], height)[(height - 30) // 2 :][:30]
    columns = triangle_filter(shape[1], width)[(width - 30) // 2 :][:30]
    expected = np.einsum("ij,kl,jlc->ikc", rows, columns, picture / 255)
    np.testing.assert_allclose(found, expected, atol=1.01 / 255)  # two roundings to 8 bits


def test_default_shorter_side(tmp_path):
    path = save(tmp_path, "x.png", ramp(60, 80))
    for size, shorter_side in [(227, 256), (64, 72), (1, 1)]:
        np.testing.assert_array_equal(
            read_picture(path, size), read_picture(path, size, shorter_side=shorter_side)
        )
    assert read_picture(path, 227).shape == (227, 227, 3)


def test_16_bits_survive_resizing(tmp_path):
    path = save(tmp_path, "x.png", np.full((9, 7), 12345, np.uint16))
    np.testing.assert_allclose(read_picture(path, 5), 12345 / 65535, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "at least 1 pixel, got 0"),
        ({"size": 8, "shorter_side": 7}, "at least size, 8 pixels, got 7"),
        ({"shorter_side": 7}, "size is not given"),
        ({"limit": 0}, "limit must be at least 1"),
        ({"classes": []}, "classes is empty"),
        ({"classes": ["a", "bb"]}, "unknown class 'bb'; closest: 'b'"),
        ({"classes": 3}, "unknown class '3'"),
    ],
)
def test_wrong_arguments(two_classes, arguments, message):
    with pytest.raises(UsageError, match=message):
        load_images(two_classes, **arguments)


# Folders


def test_folder(two_classes):
    pictures = load_images(two_classes)
    assert pictures.images.shape == (4, 10, 12, 3) and pictures.images.dtype == np.float32
    assert len(pictures) == 4
    assert pictures.paths == ("a/10.png", "a/9.png", "b/1.png", "b/2.png")
    assert pictures.class_names == ("a", "b")
    assert pictures.labels.tolist() == [0, 0, 1, 1]
    assert (pictures.name, pictures.targets, pictures.left_out) == ("set", {}, ())
    np.testing.assert_allclose(pictures.images[:, 0, 0, 0], np.array([80, 120, 40, 0]) / 255)


def test_order_does_not_depend_on_the_file_system(two_classes, monkeypatch):
    expected = load_images(two_classes)
    listing = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: sorted(listing(path), reverse=True))
    found = load_images(two_classes, classes=["b", "a", "b"])
    assert found.paths == expected.paths and found.data_hash == expected.data_hash
    np.testing.assert_array_equal(found.images, expected.images)


def test_many_pictures_keep_their_order(tmp_path):
    values = np.random.default_rng(0).permutation(200)
    for number, value in enumerate(values):  # of different size: they take differently long
        picture = np.full((10 + value, 12, 3), value, np.uint8)
        save(tmp_path, f"class{number % 3}/{number:03}.png", picture)
    pictures = load_images(tmp_path, size=8)
    order = [number for rest in range(3) for number in range(rest, 200, 3)]
    np.testing.assert_allclose(pictures.images[:, 0, 0, 0], values[order] / 255, atol=1e-7)
    assert pictures.labels.tolist() == [number % 3 for number in order]


def test_paths_are_relative(two_classes, monkeypatch):
    by_absolute_path = load_images(str(two_classes))
    monkeypatch.chdir(two_classes)
    streamed = load_images(".", size=8, stream=True)
    by_dot = load_images(".")
    assert by_dot.paths == by_absolute_path.paths
    assert by_dot.name == by_absolute_path.name == "set"
    assert by_dot.data_hash == by_absolute_path.data_hash
    monkeypatch.chdir("a")
    assert streamed.images[:].shape == (4, 8, 8, 3)


def test_names_beyond_ascii(tmp_path):
    save(tmp_path, "Fußbälle/写真 1.png", ramp())
    pictures = load_images(tmp_path, classes="Fußbälle")
    assert pictures.paths == ("Fußbälle/写真 1.png",)
    assert len(pictures.data_hash) == 64


def test_classes_that_are_numbers(tmp_path):
    save(tmp_path, "7/1.png", ramp())
    assert load_images(tmp_path, classes=7).class_names == ("7",)


def test_limit_and_classes(two_classes):
    assert load_images(two_classes, limit=1).paths == ("a/10.png", "b/1.png")
    assert load_images(two_classes, limit=9).paths == load_images(two_classes).paths
    assert load_images(two_classes, classes="b", limit=1).paths == ("b/1.png",)


def test_limit_counts_readable_pictures(two_classes):
    (two_classes / "a" / "1.png").write_bytes(b"")
    with pytest.warns(PicturesLeftOut):
        pictures = load_images(two_classes, limit=1)
    assert pictures.paths == ("a/10.png", "b/1.png")
    assert pictures.left_out == (("a/1.png", "empty file"),)


def test_select(two_classes):
    (two_classes / "a" / "x.png").write_bytes(b"")
    (two_classes / "b" / "x.png").write_bytes(b"")
    with pytest.warns(PicturesLeftOut):
        everything = load_images(two_classes)
    with pytest.warns(PicturesLeftOut):
        alone = load_images(two_classes, classes="b")
    selected = everything.select("b")
    np.testing.assert_array_equal(selected.images, alone.images)
    assert np.shares_memory(selected.images, everything.images)
    assert selected.data_hash == alone.data_hash != everything.data_hash
    for name in ["class_names", "paths", "name", "targets", "left_out"]:
        assert getattr(selected, name) == getattr(alone, name)
    assert selected.labels.tolist() == alone.labels.tolist() == [0, 0]
    with pytest.raises(UsageError, match="unknown class 'c'"):
        everything.select("c")


def test_select_from_mixed_order():
    stack = np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1).repeat(3, axis=3)
    pictures = Pictures(stack, np.array([0, 1, 0, 1]), ("a", "b"), ("1", "2", "3", "4"), "mine")
    assert pictures.select("b").images[:, 0, 0, 0].tolist() == [1, 3]
    assert pictures.select("a").paths == ("1", "3")


def test_data_hash_sees_pixels_and_paths(two_classes):
    before = load_images(two_classes).data_hash
    assert load_images(two_classes).data_hash == before
    assert load_images(two_classes, size=8).data_hash != before
    (two_classes / "a" / "9.png").rename(two_classes / "a" / "91.png")
    renamed = load_images(two_classes).data_hash
    assert renamed != before
    save(two_classes, "a/91.png", np.full((10, 12, 3), 121, np.uint8))
    assert load_images(two_classes).data_hash != renamed


def test_pictures_are_frozen_and_short_to_print(two_classes):
    pictures = load_images(two_classes)
    with pytest.raises(AttributeError):
        pictures.name = "other"
    assert repr(pictures) == "<Pictures 'set': 4 of 12 × 10 pixels in 2 classes>"


def test_hidden_files_are_passed_over(two_classes):
    for name in ["a/.DS_Store", "a/Thumbs.db", "a/desktop.ini", "a/._9.png", ".hidden/1.png"]:
        (two_classes / name).parent.mkdir(exist_ok=True)
        (two_classes / name).write_bytes(b"no picture")
    for name in ["__MACOSX", "@eaDir", "a/@eaDir", "#recycle", "System Volume Information"]:
        (two_classes / name).mkdir()
    (two_classes / "notes.txt").write_text("no class")
    assert load_images(two_classes).left_out == ()


def test_what_is_left_out_is_named(two_classes):
    links = {"a/0.png": "/not/mounted/0.png", "a/1.png": "1.png", "b/0.png": "../gone.png"}
    for name, target in (links | {"c": "/not/mounted/c"}).items():
        (two_classes / name).symlink_to(target)
    os.mkfifo(two_classes / "b" / "pipe.png")
    (two_classes / "b" / "more").mkdir()
    save(two_classes, "loose.PNG", ramp())
    (two_classes / "notes.txt").write_text("no picture")
    with pytest.warns(PicturesLeftOut, match=r"^7 left out of set: a/0\.png \(a link to noth.*, …"):
        pictures = load_images(two_classes, size=8)
    assert pictures.paths == ("a/10.png", "a/9.png", "b/1.png", "b/2.png")
    assert dict(pictures.left_out) == {
        "a/0.png": "a link to nothing",
        "a/1.png": "a link to itself",
        "b/0.png": "a link to nothing",
        "b/pipe.png": "not a file",
        "b/more": "a folder in the folder of a class",
        "loose.PNG": "a picture beside the folders of classes",
        "c": "a link to nothing",
    }
    with pytest.warns(PicturesLeftOut):
        alone = load_images(two_classes, classes="b", size=8)
    assert alone.left_out == pictures.select("b").left_out
    assert len(alone.left_out) == 3
    with pytest.warns(PicturesLeftOut):
        streamed = load_images(two_classes, size=8, stream=True)
    assert streamed.left_out == pictures.left_out and streamed.data_hash == pictures.data_hash
    chosen = load_images(two_classes, size=8, only=["a/9.png", "b/1.png"])
    assert chosen.left_out == () and len(chosen) == 2
    with pytest.raises(UsageError, match="class 'c' of set cannot be read: a link to nothing"):
        load_images(two_classes, classes=["a", "c"])


def test_a_class_that_leads_nowhere_is_explained(tmp_path, two_classes):
    for name in ("1.png", "2.png"):
        (two_classes / "a" / "x" / name).parent.mkdir(exist_ok=True)
        (two_classes / "a" / "x" / name).symlink_to(f"/not/mounted/{name}")
    (two_classes / "a" / "x").rename(two_classes / "x")
    with pytest.raises(
        UsageError, match=r"'x' in .* no readable picture; x/1\.png: a link to noth"
    ):
        load_images(two_classes)
    with pytest.raises(
        UsageError, match=r"'x' in .* no readable picture; x/1\.png: a link to noth"
    ):
        load_images(two_classes, size=8, stream=True)
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "cat").symlink_to("/not/mounted/cat")
    with pytest.raises(UsageError, match=r"no sub-folders \(cat is a link to nothing\): one for"):
        load_images(tmp_path / "all")


def test_folders_in_the_place_of_pictures_are_explained(tmp_path, two_classes):
    for name in ("train/n01443537/1.JPEG", "val/n01443537/1.JPEG"):
        save(tmp_path / "imagenet", name, ramp(), format="PNG")
    message = (
        r"imagenet has no pictures in its sub-folders train, val, but folders again, "
        r"train/n01443537, val/n01443537: .*; did you mean .*imagenet/train\?"
    )
    with pytest.raises(UsageError, match=message):
        load_images(tmp_path / "imagenet", size=8)
    assert len(load_images(tmp_path / "imagenet" / "train", size=8)) == 1
    save(two_classes, "deep/images/1.png", ramp())
    message = r"'deep' in .* no readable picture; deep/images: a folder in the folder of a class$"
    with pytest.raises(UsageError, match=message):
        load_images(two_classes, size=8)


DECOMPOSED, COMPOSED = "A\u0308pfel", "\u00c4pfel"


@pytest.mark.parametrize("on_disk", [DECOMPOSED, COMPOSED])
def test_letters_with_accents_are_the_same_however_they_are_written(tmp_path, on_disk):
    save(tmp_path / "fruit", f"{on_disk}/{on_disk}.png", ramp())
    save(tmp_path / "fruit", "Zitronen/1.png", ramp())
    everything = load_images(tmp_path / "fruit")
    assert everything.paths == ("Zitronen/1.png", f"{COMPOSED}/{COMPOSED}.png")
    for typed in (DECOMPOSED, COMPOSED):
        pictures = load_images(tmp_path / "fruit", classes=typed)
        assert pictures.paths == everything.select(typed).paths == everything.paths[1:]
        only = [f"{typed}/{typed}.png"]
        assert load_images(tmp_path / "fruit", classes=typed, only=only).paths == pictures.paths
    other = tmp_path / "other"
    save(other, f"{COMPOSED}/{COMPOSED}.png", ramp())
    assert load_images(other).data_hash == pictures.data_hash
    by_hand = Pictures(
        pictures.images, pictures.labels, (on_disk,), (f"{on_disk}/{on_disk}.png",), "fruit"
    )
    assert by_hand.class_named(COMPOSED) == by_hand.class_named(DECOMPOSED) == on_disk


@pytest.mark.skipif(sys.platform == "darwin", reason="there these are one file")
def test_a_name_that_is_there_in_both_ways_is_refused(tmp_path):
    for name in (DECOMPOSED, COMPOSED):
        save(tmp_path / "fruit", f"{name}/1.png", ramp())
    with pytest.raises(UsageError, match=f"fruit has '{COMPOSED}' twice"):
        load_images(tmp_path / "fruit")


@pytest.mark.skipif(sys.platform == "darwin", reason="there all names are UTF-8")
def test_names_that_are_no_text_are_loaded_hashed_and_stored(tmp_path, color_classifier):
    save(tmp_path / "set", os.fsdecode(b"caf\xe9/\xff\xfe.png"), ramp())
    for stream in (False, True):
        pictures = load_images(tmp_path / "set", size=8, stream=stream)
        assert pictures.class_names == (r"caf\xe9",) and pictures.paths == (
            r"caf\xe9/\xff\xfe.png",
        )
        assert len(pictures.data_hash) == 64
    for given in (r"caf\xe9", "caf\udce9"):
        assert load_images(tmp_path / "set", classes=[given], size=8).paths == pictures.paths
    pictures.targets[r"caf\xe9"] = "green"
    screening = screen(color_classifier, pictures, "zoom", [1, 2], progress=False)
    save_screening(screening, tmp_path / "zoom.nc")
    assert load_screening(tmp_path / "zoom.nc").image.values.tolist() == list(pictures.paths)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.eye(2)}, r"label each, .* got 2 paths and float64 labels of shape \[2, 2\]"),
        ({"labels": np.array([0, 1, 1])}, r"got 2 paths and int64 labels of shape \[3\]"),
        ({"labels": np.array([0.0, 1.0])}, r"float64 labels of shape \[2\]"),
        ({"labels": np.array([0, 2])}, r"labels must be from 0 to 1, .* got 0 to 2"),
        ({"labels": np.array([-1, 0])}, r"got -1 to 0"),
        ({"paths": ("a/1.png",)}, r"got 1 paths"),
    ],
)
def test_labels_and_paths_that_do_not_fit_are_refused(changes, message):
    right = {
        "images": np.zeros((2, 8, 8, 3), np.float32), "labels": np.array([0, 1]),
        "class_names": ("a", "b"), "paths": ("a/1.png", "b/1.png"), "name": "mine",
    }  # fmt: skip
    assert len(Pictures(**right)) == 2
    with pytest.raises(UsageError, match=message):
        Pictures(**(right | changes))


def test_different_sizes(two_classes):
    save(two_classes, "b/3.png", np.zeros((9, 12, 3), np.uint8))
    with pytest.raises(UsageError, match=r"a/10.png has 12 × 10 pixels, b/3.png 12 × 9; give size"):
        load_images(two_classes)
    assert len(load_images(two_classes, size=6)) == 5


def test_missing_folders(tmp_path, two_classes):
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere"):
        load_images(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="there is no folder"):
        load_images(str(two_classes / "a" / "9.png"))
    with pytest.raises(UsageError, match="unknown data set 'caltech'; closest: 'caltech-101'"):
        load_images("caltech")
    with pytest.raises(UsageError, match="a has no sub-folders"):
        load_images(two_classes / "a")
    (two_classes / "void").mkdir()
    with pytest.raises(UsageError, match=r"'void' in .* has no readable picture; it is empty"):
        load_images(two_classes)
    (two_classes / "void" / "1.png").write_bytes(b"text")
    with pytest.raises(UsageError, match=r"'void' .* void/1.png: not a JPEG, PNG"):
        load_images(two_classes)


# Damage


def damaged_files():
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    for kind in ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"]:
        whole = encode(noise, kind)
        yield f"half a {kind}", whole[: len(whole) // 2]
        yield f"start of a {kind}", whole[:20]
    broken = bytearray(encode(noise, "PNG"))
    broken[len(broken) // 2] ^= 255
    floats = io.BytesIO()
    tifffile.imwrite(floats, np.full((4, 4), 1000, np.float32))
    yield "checksum of PNG", bytes(broken)
    yield "zero bytes", b""
    yield "text", b"this is not a picture\n" * 50
    yield "html", b"<!doctype html><title>404</title>"
    yield "noise", noise.tobytes()
    yield "PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"
    yield "PNG without pixels", png(10, 10, 8, 2)
    yield "bomb, Pillow warns", png(10_000, 10_000, 8, 2)
    yield "bomb, Pillow raises", png(60_000, 60_000, 8, 2)
    yield "longish", png(1, 2_000_000, 8, 0, bytes(4_000_000))
    yield "floats without a white", floats.getvalue()


DAMAGED = dict(damaged_files())


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_file(two_classes, kind):
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    path = two_classes / "a" / "0.jpg"
    path.write_bytes(DAMAGED[kind])
    with pytest.warns(PicturesLeftOut, match="^1 left out of set: a/0.jpg") as seen:
        pictures = load_images(two_classes, size=12)
    assert len(seen) == 1
    assert pictures.paths == ("a/10.png", "a/9.png", "b/1.png", "b/2.png")
    ((name, reason),) = pictures.left_out
    assert name == "a/0.jpg" and reason and "\n" not in reason
    assert str(two_classes) not in reason
    with pytest.raises(UsageError, match=r"0\.jpg"):
        read_picture(path, size=12)
    assert (limit, filters) == (Image.MAX_IMAGE_PIXELS, list(warnings.filters))


def test_one_warning_for_all(two_classes):
    for number in range(5):
        (two_classes / "b" / f"0{number}.png").write_bytes(b"")
    with pytest.warns(
        PicturesLeftOut, match=r"5 left out of set: .*02.png \(empty file\), …"
    ) as seen:
        pictures = load_images(two_classes)
    assert len(seen) == 1 and seen[0].filename == __file__
    assert len(pictures.left_out) == 5 and len(pictures) == 4


def test_pixel_limit_is_that_of_pillow(tmp_path, monkeypatch):
    path = save(tmp_path, "x.png", ramp())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 150)
    with pytest.raises(
        UsageError, match=r"16 × 12 pixels are more than PIL.Image.MAX_IMAGE_PIXELS"
    ):
        read_picture(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert read_picture(path).shape == (12, 16, 3)


def test_unreadable_permission(two_classes, monkeypatch):
    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(picture_files.Image, "open", refuse)
    with pytest.raises(UsageError, match=r"a/10.png: Permission denied$"):
        load_images(two_classes)


# ImageNet names


def test_wordnet_folders(tmp_path):
    for wnid in ["n02012849", "n04254680"]:
        save(tmp_path, f"{wnid}/1.png", ramp())
    everything = load_images(tmp_path)
    assert everything.targets == {"n02012849": "n02012849", "n04254680": "n04254680"}
    for given in ["soccer_ball", "n04254680", 805, "805", np.int64(805)]:
        chosen = load_images(tmp_path, classes=[given])
        assert chosen.class_names == ("n04254680",)
        assert chosen.targets == {"n04254680": "n04254680"}
        assert everything.select(given).paths == chosen.paths == ("n04254680/1.png",)
    with pytest.raises(UsageError, match=r"n02012849 \(134\) or n03126707 \(517\)"):
        load_images(tmp_path, classes=["crane"])
    assert len(load_images(tmp_path, classes=[134])) == 1
    with pytest.raises(UsageError, match="unknown class 'tench'; possible: n02012849, n04254680"):
        load_images(tmp_path, classes=["tench"])
    with pytest.raises(UsageError, match="unknown class 'soccer_bal'; closest: 'soccer_ball'"):
        load_images(tmp_path, classes=["soccer_bal"])


def test_caltech_targets(tmp_path, monkeypatch):
    for name in ["soccer_ball", "lamp", "watch"]:
        save(tmp_path / "caltech-101" / "101_ObjectCategories", f"{name}/1.png", ramp())
    monkeypatch.setenv("ITN_DATA", str(tmp_path))
    pictures = load_images("caltech-101")
    assert pictures.name == "caltech-101"
    assert pictures.class_names == ("lamp", "soccer_ball", "watch")
    assert pictures.targets == {"lamp": "n04380533", "soccer_ball": "n04254680"}
    assert pictures.select("lamp").targets == {"lamp": "n04380533"}


# Costs


def test_memory(tmp_path):
    """In a process of its own, in which no other thread takes memory meanwhile."""
    for number in range(128):
        save(tmp_path, f"a/{number:03}.png", np.full((150, 150, 3), number, np.uint8))
    code = f"""
import tracemalloc
from itn.pictures import load_images
load_images({str(tmp_path)!r}, size=128, limit=1)
tracemalloc.start()
pictures = load_images({str(tmp_path)!r}, size=128)
print(tracemalloc.get_traced_memory()[1] - pictures.images.nbytes)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # Only a few pictures are under way to their place.
    assert int(done.stdout) < (4 * picture_files.WORKERS + 4) * 4 * 128**2 * 3


@pytest.mark.parametrize("module", ["pictures", "study.runner", "study.command_line"])
def test_no_backend_is_imported(module):
    code = f"import sys, itn.{module}; print({{'keras', 'tensorflow', 'jax'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_quick_loading_shows_nothing(two_classes, capfd):
    load_images(two_classes)
    load_images(two_classes, progress=False)
    assert capfd.readouterr() == ("", "")


# Real data


@pytest.mark.data
@needs_data
def test_caltech():
    pictures = load_images("caltech-101", classes=["soccer_ball", "tick"], size=227, limit=5)
    assert pictures.images.shape == (10, 227, 227, 3)
    assert pictures.paths[0] == "soccer_ball/image_0001.jpg"
    assert pictures.targets == {"soccer_ball": "n04254680", "tick": "n01776313"}
    assert 0 <= pictures.images.min() < 0.1 and 0.9 < pictures.images.max() <= 1
