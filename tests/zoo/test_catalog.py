"""The cache and what is brought into it, also by archives that mean harm."""

import dataclasses
import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from PIL import Image

from itn.files import sha256_of
from itn.messages import UsageError
from itn.pictures import load_images
from itn.zoo import catalog as data_sets
from itn.zoo import downloads
from itn.zoo.catalog import (
    CATALOG,
    File,
    cache_directory,
    data_set_folder,
    fetch,
    imagenet_class,
    imagenet_classes,
    read_table,
    verify,
    weight_file,
)
from itn.zoo.downloads import unpack_tar

CALTECH_MEMBER = CATALOG["caltech-101"].files[0].member


def picture_bytes(value=100):
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 30, 3), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def zipped_tar(entries, member=CALTECH_MEMBER):
    """A zip of a tar.gz of (name or TarInfo, content)."""
    inner, outer = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as files:
        for entry, content in entries:
            if isinstance(entry, str):
                entry = tarfile.TarInfo(entry)
            entry.size = len(content)
            files.addfile(entry, io.BytesIO(content))
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr(member, inner.getvalue())
    return outer.getvalue()


def contents(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ITN_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch):
    """Serve ``server.files``; those in ``server.broken`` break off half-way."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            served.requests.append(self.path)
            content = served.files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if content is not None:
                half = self.path in served.broken
                self.wfile.write(content[: len(content) // 2] if half else content)

        def log_message(self, *_):
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.files, served.broken, served.requests = {}, set(), []
    served.url = f"http://127.0.0.1:{served.server_port}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    thread = threading.Thread(target=served.serve_forever, args=(0.01,))
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.fixture
def publish(server, monkeypatch):
    """Serve files in place of those of a source; their checksums are announced."""

    def publish(name, contents):
        files = []
        for file, (known, content) in zip(CATALOG[name].files, contents.items(), strict=True):
            server.files[f"/{name}/{known}"] = content
            digest = f"md5:{hashlib.md5(content).hexdigest()}"
            files.append(File(known, digest, file.member))
        source = dataclasses.replace(CATALOG[name], files=tuple(files), url=f"{server.url}/{name}/")
        monkeypatch.setitem(CATALOG, name, source)

    return publish


@pytest.fixture
def caltech(publish):
    return lambda archive: publish("caltech-101", {"caltech-101.zip": archive})


@pytest.fixture
def sample(server, monkeypatch):
    """Serve three small files in place of the ImageNet sample."""
    rows = []
    for value, entry in enumerate(imagenet_classes()[:3]):
        content, file = picture_bytes(value), f"{entry.wnid}_{entry.label}.JPEG"
        server.files[f"/sample/{file}"] = content
        rows.append({"file": file, "sha256": hashlib.sha256(content).hexdigest()})
    table = data_sets.read_table
    monkeypatch.setattr(
        data_sets, "read_table", lambda name: rows if name == "imagenet_sample" else table(name)
    )
    source = dataclasses.replace(CATALOG["imagenet-sample"], url=f"{server.url}/sample/")
    monkeypatch.setitem(CATALOG, "imagenet-sample", source)
    return [row["file"] for row in rows]


@pytest.fixture
def weights(publish):
    content = bytes(range(256)) * 50
    publish("alexnet", {"small.net": content})
    return content


# Tables and names


def test_tables():
    classes = imagenet_classes()
    assert [entry.index for entry in classes] == list(range(1000))
    assert len({entry.wnid for entry in classes}) == 1000
    sample = read_table("imagenet_sample")
    assert {row["file"].split("_")[0] for row in sample} == {entry.wnid for entry in classes}
    assert all(len(row["sha256"]) == 64 for row in sample)
    caltech = {row["category"]: row for row in read_table("caltech_imagenet")}
    categories = "accordion dalmatian grand_piano lamp nautilus revolver schooner soccer_ball "
    categories += "starfish tick trilobite"
    indices = [401, 251, 579, 846, 117, 763, 780, 805, 327, 78, 69]
    for category, index in zip(categories.split(), indices, strict=True):
        row = caltech[category]
        assert (classes[index].wnid, classes[index].label) == (row["wnid"], row["imagenet_label"])


def test_the_cache_is_the_same_folder_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ITN_DATA", "data")
    assert cache_directory() == tmp_path / "data"
    folder = tmp_path / "data" / "imagenette" / "imagenette2-320" / "val"
    (folder / "starfish").mkdir(parents=True)
    (folder / "starfish" / "1.png").write_bytes(picture_bytes())
    assert data_set_folder("imagenette").is_absolute()
    pictures = load_images("imagenette", size=8, stream=True)
    monkeypatch.chdir(folder)
    assert pictures.images[:].shape == (1, 8, 8, 3)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ITN_DATA", "~/data")
    assert cache_directory() == tmp_path / "data"


def test_imagenet_class():
    for given in ["maillot", "crane"]:
        same = [entry for entry in imagenet_classes() if entry.label == given]
        with pytest.raises(UsageError) as caught:
            imagenet_class(given)
        for entry in same:
            assert f"{entry.wnid} ({entry.index})" in str(caught.value)
            assert imagenet_class(entry.wnid) == imagenet_class(entry.index) == entry
    with pytest.raises(UsageError, match="unknown class '1000'"):
        imagenet_class(1000)
    with pytest.raises(UsageError, match="closest: 'grand_piano'"):
        imagenet_class("grand piano")


def test_cache_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("ITN_DATA", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.setenv("ITN_DATA", "~/pictures")
    assert cache_directory() == Path.home() / "pictures"
    for unset in [
        lambda: monkeypatch.setenv("ITN_DATA", ""),
        lambda: monkeypatch.delenv("ITN_DATA"),
    ]:
        unset()
        assert cache_directory() == Path(platformdirs.user_cache_dir("itn"))


def test_unknown_names(cache):
    with pytest.raises(UsageError, match="unknown data set 'caltech'; closest: 'caltech-101'"):
        data_set_folder("caltech")
    with pytest.raises(UsageError, match="unknown weights 'alex'; closest: 'alexnet'"):
        weight_file("alex")
    with pytest.raises(UsageError, match="unknown class 'n0'"):
        data_set_folder("imagenet-sample", classes=["n0"])
    assert not cache.exists()


# Weights


def test_weights_are_downloaded_once(cache, server, weights, capfd):
    path = weight_file("alexnet")
    assert path == cache / "weights" / "small.net" and path.read_bytes() == weights
    assert weight_file("alexnet") == path
    assert len(server.requests) == 1
    assert contents(cache) == ["weights", "weights/small.net"]
    shown = capfd.readouterr()
    assert "100%" in shown.err and str(cache) not in shown.err + shown.out
    assert list(verify("alexnet")) == []


def test_weights_are_verified_when_present(cache, weights):
    path = cache / "weights" / "small.net"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"other")
    with pytest.raises(UsageError, match="delete it to have it downloaded again") as caught:
        weight_file("alexnet")
    for part in [path, hashlib.md5(b"other").hexdigest(), hashlib.md5(weights).hexdigest()]:
        assert str(part) in str(caught.value)
    assert path.read_bytes() == b"other"
    (problem,) = verify("alexnet")
    assert str(path) in problem and "is not the expected file" in problem


@pytest.mark.parametrize("fault", ["wrong bytes", "broken off", "missing", "no server"])
def test_a_failed_download_leaves_nothing_in_place(cache, server, weights, monkeypatch, fault):
    if fault == "wrong bytes":
        server.files["/alexnet/small.net"] = weights[::-1]
    elif fault == "broken off":
        server.broken.add("/alexnet/small.net")
    elif fault == "missing":
        server.files.clear()
    else:
        closed = dataclasses.replace(CATALOG["alexnet"], url="http://127.0.0.1:9/")
        monkeypatch.setitem(CATALOG, "alexnet", closed)
    with pytest.raises(UsageError, match="could not get 'alexnet' from http") as caught:
        weight_file("alexnet")
    assert str(cache / "weights") in str(caught.value)
    assert ("not the expected file" in str(caught.value)) == (fault == "wrong bytes")
    left = [] if fault == "wrong bytes" else [".unfinished", ".unfinished/small.net.part"]
    assert contents(cache) == left
    server.broken.clear()


@pytest.mark.parametrize("name", ["resnet_v1_50", "resnet_v1_101", "resnet_v1_152"])
def test_what_has_no_public_checksum_is_only_taken_from_a_folder(cache, server, tmp_path, name):
    with pytest.raises(UsageError, match=r"no public checksum is known: get it yourself .*--from"):
        weight_file(name)
    assert server.requests == [] and contents(tmp_path) == []
    file = CATALOG[name].files[0].name
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / file).write_bytes(b"checkpoint")
    assert fetch(name, tmp_path / "stick").read_bytes() == b"checkpoint"
    assert weight_file(name) == cache / "weights" / file
    with pytest.raises(UsageError, match="cannot be verified: no public checksum is known"):
        list(verify(name))


# ImageNet sample


def test_sample_class_by_class(cache, server, sample):
    first, second, _ = imagenet_classes()[:3]
    folder = data_set_folder("imagenet-sample", classes=[second.wnid], progress=False)
    assert folder == cache / "imagenet-sample"
    assert [path.name for path in folder.glob("*/*")] == [sample[1]]
    pictures = load_images("imagenet-sample", classes=[first.label, 1, 1], progress=False)
    assert pictures.paths == (f"{first.wnid}/{sample[0]}", f"{second.wnid}/{sample[1]}")
    assert len(server.requests) == 2
    # What was downloaded for some classes does not pass for the whole sample.
    everything = load_images("imagenet-sample", size=8, progress=False)
    assert [path.split("/")[1] for path in everything.paths] == sample
    np.testing.assert_allclose(everything.images[:, 0, 0, 0], np.arange(3) / 255)
    assert load_images("imagenet-sample", size=8).data_hash == everything.data_hash
    assert len(server.requests) == 3
    assert contents(folder)[0] != ".incomplete"


def test_sample_filled_by_other_means_does_not_grow(cache, server, sample):
    wnid = imagenet_classes()[2].wnid
    path = cache / "imagenet-sample" / wnid / sample[2]
    path.parent.mkdir(parents=True)
    path.write_bytes(picture_bytes(7))
    assert load_images("imagenet-sample").class_names == (wnid,)
    assert load_images("imagenet-sample", classes=[2]).class_names == (wnid,)
    assert server.requests == []
    load_images("imagenet-sample", classes=[0, 2], progress=False)
    assert len(load_images("imagenet-sample")) == 2
    assert len(server.requests) == 1


def test_interrupted_sample_is_resumed(cache, server, sample):
    server.files[f"/sample/{sample[1]}"] += b"more"
    with pytest.raises(UsageError, match="could not get 'imagenet-sample' from http"):
        data_set_folder("imagenet-sample", progress=False)
    wnids = [entry.wnid for entry in imagenet_classes()[:3]]
    assert not (cache / "imagenet-sample" / wnids[1]).exists()
    server.files[f"/sample/{sample[1]}"] = picture_bytes(1)
    folder = data_set_folder("imagenet-sample", progress=False)
    assert contents(folder) == sorted(
        [*wnids, *(f"{wnid}/{file}" for wnid, file in zip(wnids, sample, strict=True))]
    )


def test_the_sample_from_a_folder(cache, server, sample, tmp_path):
    stick = tmp_path / "stick"
    (stick / imagenet_classes()[1].wnid).mkdir(parents=True)
    for value, file in enumerate(sample):
        folder = stick / imagenet_classes()[1].wnid if value == 1 else stick
        (folder / file).write_bytes(picture_bytes(value))
    folder = fetch("imagenet-sample", stick, progress=False)
    assert len(load_images(folder)) == 3 and server.requests == []
    assert list(verify("imagenet-sample")) == []
    (folder / imagenet_classes()[0].wnid / sample[0]).write_bytes(b"")
    assert len(list(verify("imagenet-sample"))) == 1
    (folder / imagenet_classes()[0].wnid / sample[0]).unlink()
    (stick / sample[0]).write_bytes(b"wrong")
    with pytest.raises(UsageError, match=f"could not get 'imagenet-sample' from {stick}: .*not th"):
        fetch("imagenet-sample", stick, progress=False)
    assert not (folder / imagenet_classes()[0].wnid / sample[0]).exists()


# Archives

GOOD = ("101_ObjectCategories/a/1.jpg", picture_bytes(9))


def test_caltech(cache, server, caltech):
    caltech(zipped_tar([("101_ObjectCategories/b/1.jpg", picture_bytes(5)), GOOD]))
    pictures = load_images("caltech-101", progress=False)
    assert pictures.paths == ("a/1.jpg", "b/1.jpg")
    assert contents(cache) == [
        "caltech-101",
        "caltech-101/.checksums",
        "caltech-101/101_ObjectCategories",
        "caltech-101/101_ObjectCategories/a",
        "caltech-101/101_ObjectCategories/a/1.jpg",
        "caltech-101/101_ObjectCategories/b",
        "caltech-101/101_ObjectCategories/b/1.jpg",
    ]
    assert server.requests == ["/caltech-101/caltech-101.zip"]
    assert data_set_folder("caltech-101") == cache / "caltech-101" / "101_ObjectCategories"
    assert len(server.requests) == 1
    assert list(verify("caltech-101")) == []
    folder = cache / "caltech-101" / "101_ObjectCategories"
    (folder / "a" / "1.jpg").write_bytes(b"")
    (folder / "b" / "1.jpg").unlink()
    problems = list(verify("caltech-101"))
    assert len(problems) == 2
    assert "is not the expected file" in problems[0] and "b/1.jpg is missing" in problems[1]


def test_part_of_caltech_is_used_as_it_is(cache, server, caltech):
    caltech(zipped_tar([]))
    (cache / "caltech-101" / "101_ObjectCategories" / "tick").mkdir(parents=True)
    assert contents(data_set_folder("caltech-101")) == ["tick"]
    assert server.requests == []
    with pytest.raises(UsageError, match="cannot be verified: it was not unpacked by itn"):
        list(verify("caltech-101"))


@pytest.mark.parametrize("fault", ["wrong bytes", "broken off", "missing"])
def test_failed_caltech_leaves_nothing_in_place(cache, server, caltech, fault):
    caltech(zipped_tar([GOOD]))
    path = "/caltech-101/caltech-101.zip"
    if fault == "wrong bytes":
        server.files[path] += b"more"
    elif fault == "broken off":
        server.broken.add(path)
    else:
        server.files.clear()
    with pytest.raises(UsageError, match="could not get 'caltech-101' from http"):
        load_images("caltech-101", progress=False)
    assert not (cache / "caltech-101").exists()
    assert [one for one in contents(cache) if not one.startswith(".unfinished")] == []


def test_another_process_was_faster(cache, caltech, monkeypatch):
    caltech(zipped_tar([GOOD]))
    existing = cache / "caltech-101" / "101_ObjectCategories" / "b" / "1.jpg"

    def unpack_slowly(*arguments, **options):
        unpack_tar(*arguments, **options)
        existing.parent.mkdir(parents=True)
        existing.write_bytes(b"there")

    monkeypatch.setattr(data_sets, "unpack_tar", unpack_slowly)
    assert contents(data_set_folder("caltech-101", progress=False)) == ["b", "b/1.jpg"]
    assert [path.name for path in cache.iterdir()] == ["caltech-101"]


def tar(entries, mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as files:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            files.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_imagenette_is_its_validation_part(cache, publish, capfd):
    wnids = [entry.wnid for entry in imagenet_classes()[:2]]
    files = {f"imagenette2-320/val/{wnid}/{wnid}_1.JPEG": picture_bytes(3) for wnid in wnids}
    files |= {f"imagenette2-320/train/{wnids[0]}/2.JPEG": picture_bytes(4)}
    publish("imagenette", {"imagenette2-320.tgz": tar(files, "w:gz")})
    pictures = load_images("imagenette", classes=["goldfish"])
    assert pictures.paths == (f"{wnids[1]}/{wnids[1]}_1.JPEG",)
    assert len(load_images("imagenette")) == 2
    assert list(verify("imagenette")) == []


def test_the_validation_set_comes_from_a_folder(cache, publish, server, tmp_path):
    names = [f"ILSVRC2012_val_{number:08}.JPEG" for number in (1, 2, 3)]
    archives = {
        "ILSVRC2012_img_val.tar": tar(
            {name: picture_bytes(number) for number, name in enumerate(names)}, "w"
        ),
        "ILSVRC2012_devkit_t12.tar.gz": tar({"ILSVRC2012_devkit_t12/readme.txt": b""}, "w:gz"),
    }
    publish("imagenet-validation", archives)
    source = dataclasses.replace(CATALOG["imagenet-validation"], url=None)
    CATALOG["imagenet-validation"] = source  # which the fixture puts right again
    with pytest.raises(UsageError, match=r"one has to register: get it yourself \(https://image-n"):
        load_images("imagenet-validation", size=8)
    stick = tmp_path / "stick"
    stick.mkdir()
    with pytest.raises(UsageError, match=r"there is no ILSVRC2012_\S+ in "):
        fetch("imagenet-validation", stick)
    for name, content in archives.items():
        (stick / name).write_bytes(content)
    folder = fetch("imagenet-validation", stick, progress=False)
    labels = stick / "val.txt"
    labels.write_text("".join(f"{name} {805 - i}\n" for i, name in enumerate(names)))
    pictures = load_images("imagenet-validation", size=8, labels=labels)
    assert [path.partition("/")[2] for path in pictures.paths] == names[::-1]
    assert server.requests == [] and list(verify("imagenet-validation")) == []
    assert [path.name for path in cache.iterdir()] == ["imagenet-validation"]
    assert contents(stick) == sorted([*archives, "val.txt"])  # copied, not moved
    assert folder == cache / "imagenet-validation"


def test_what_is_nowhere_is_explained(cache, tmp_path):
    with pytest.raises(
        UsageError, match="unknown data set or weights 'alexnt'; closest: 'alexnet'"
    ):
        fetch("alexnt")
    with pytest.raises(UsageError, match="there is no folder nowhere"):
        fetch("alexnet", "nowhere")
    with pytest.raises(UsageError, match="alexnet is not there: itn data fetch alexnet"):
        list(verify("alexnet"))
    assert not cache.exists()


# Archives that mean harm


def special(name, kind, target=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


HARMFUL = {
    "absolute path": "/itn-outside.txt",
    "path of another drive": "C:\\itn-outside.txt",
    "parent": "../itn-outside.txt",
    "parent within": "101_ObjectCategories/a/../../../itn-outside.txt",
    "backslashes": "101_ObjectCategories\\..\\..\\itn-outside.txt",
    "symbolic link": special("101_ObjectCategories/link", tarfile.SYMTYPE, "/"),
    "symbolic link inside": special("101_ObjectCategories/link", tarfile.SYMTYPE, "a/1.jpg"),
    "hard link": special("101_ObjectCategories/link", tarfile.LNKTYPE, "101_ObjectCategories/a"),
    "character device": special("101_ObjectCategories/null", tarfile.CHRTYPE),
    "block device": special("101_ObjectCategories/disk", tarfile.BLKTYPE),
    "pipe": special("101_ObjectCategories/pipe", tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_harmful_archive_leaves_nothing(tmp_path, cache, caltech, kind):
    caltech(zipped_tar([GOOD, (HARMFUL[kind], b""), GOOD]))
    with pytest.raises(UsageError, match=r"caltech-101\.zip is not to be trusted: it holds"):
        data_set_folder("caltech-101", progress=False)
    assert contents(tmp_path) == ["cache"]
    assert not Path("/itn-outside.txt").exists()


def damaged_archives():
    whole = zipped_tar([("101_ObjectCategories/a/1.jpg", b"0123456789" * 20_000)])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        inner = archive.read(CALTECH_MEMBER)
    for name, content in {
        "half a tar": inner[: len(inner) // 2],
        "broken compression": inner[:100] + bytes(100) + inner[200:],
        "no tar": b"text",
        "text in gzip": gzip.compress(b"text"),
    }.items():
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(CALTECH_MEMBER, content)
        yield name, buffer.getvalue()
    yield "half a zip", whole[: len(whole) // 2]
    yield "no zip", b"text"
    yield "another zip", zipped_tar([], member="something/else.tar.gz")
    yield "another folder", zipped_tar([("elsewhere/a/1.jpg", b"")])


DAMAGED = dict(damaged_archives())


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_archive_leaves_nothing(cache, caltech, kind):
    caltech(DAMAGED[kind])
    with pytest.raises(UsageError, match="could not unpack 'caltech-101'"):
        data_set_folder("caltech-101", progress=False)
    assert contents(cache) == []


def test_other_members_of_the_zip_are_not_touched(tmp_path):
    archive = tmp_path / "in" / "x.zip"
    archive.parent.mkdir()
    archive.write_bytes(zipped_tar([("a/b.txt", b"inside")], member="x/y.tar.gz"))
    with zipfile.ZipFile(archive, "a") as outer:
        outer.writestr("../outside.txt", b"outside")
        outer.writestr("/outside.txt", b"outside")
    unpack_tar(archive, tmp_path / "out", member="x/y.tar.gz")
    assert contents(tmp_path) == ["in", "in/x.zip", "out", "out/a", "out/a/b.txt"]


# Real data


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("ITN_DATA"), reason="ITN_DATA is not set")
def test_real_sample_has_its_checksums():
    folder = cache_directory() / "imagenet-sample"
    present = 0
    for row in read_table("imagenet_sample")[::20]:
        path = folder / row["file"].split("_")[0] / row["file"]
        if path.is_file():
            present += 1
            assert sha256_of(path) == row["sha256"]
    assert present
