"""The ImageNet validation set as people have it: labels in files of every kind."""

import numpy as np
import pytest
import scipy.io
from validation_pictures import CLASSES, LABELS, NAMES, WNIDS, picture, write_sorted

from itn.messages import UsageError
from itn.pictures import load_images
from itn.zoo.catalog import imagenet_classes, read_table
from itn.zoo.labels import find_label_file, read_labels


@pytest.fixture
def folders(tmp_path):
    write_sorted(tmp_path / "sorted")
    return load_images(tmp_path / "sorted", size=16)


@pytest.fixture
def flat(tmp_path):
    (tmp_path / "val").mkdir()
    for number, name in enumerate(NAMES):
        (tmp_path / "val" / name).write_bytes(picture(number))
    return tmp_path / "val"


def development_kit(folder):
    """The kit numbers the classes its own way; so do internal nodes, beyond 1000."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(0).permutation(1000)
    kind = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object)]
    synsets = np.empty((1005, 1), kind)
    for row, index in enumerate(order):
        synsets[row, 0] = (row + 1, imagenet_classes()[index].wnid, "a, b")
    for row in range(1000, 1005):
        synsets[row, 0] = (row + 1, f"n9{row:07}", "entity")
    scipy.io.savemat(folder / "meta.mat", {"synsets": synsets})
    numbers = np.argsort(order)[CLASSES] + 1
    path = folder / "ILSVRC2012_validation_ground_truth.txt"
    path.write_text("".join(f"{number}\n" for number in numbers))
    return path


def label_files(folder):
    lines = {
        "imagenet_2012_validation_synset_labels.txt": WNIDS,
        "val.txt": [f"{n} {i}" for n, i in zip(NAMES, CLASSES, strict=True)][::-1],
        "LOC_val_solution.csv": ["ImageId,PredictionString", *(
            f"{n.removesuffix('.JPEG')},{w} 111 108 441 193 {w} 1 2 3 4"
            for n, w in zip(NAMES, WNIDS, strict=True))],
        "mine.txt": [f"val/{n}\t{w}" for n, w in zip(NAMES, WNIDS, strict=True)],
        "indices.txt": map(str, CLASSES),
    }  # fmt: skip
    for name, content in lines.items():
        path = folder / name
        path.write_text("\n".join(content) + "\n")
        yield path


def test_a_flat_folder_is_the_same_as_a_thousand_folders(folders, flat, tmp_path):
    files = [*label_files(tmp_path), development_kit(tmp_path / "kit")]
    assert len(files) == 6
    for path in files:
        pictures = load_images(flat, size=16, labels=path)
        assert pictures.paths == folders.paths and pictures.class_names == folders.class_names
        np.testing.assert_array_equal(pictures.labels, folders.labels)
        np.testing.assert_array_equal(pictures.images, folders.images)
        assert pictures.data_hash == folders.data_hash
        assert pictures.targets == folders.targets == {wnid: wnid for wnid in WNIDS}


@pytest.mark.parametrize("place", ["inside", "beside", "kit inside", "kit beside"])
def test_the_usual_labels_are_found(folders, flat, tmp_path, place):
    around = flat if place.endswith("inside") else tmp_path
    if place.startswith("kit"):
        development_kit(around / "ILSVRC2012_devkit_t12" / "data")
    else:
        path = around / "imagenet_2012_validation_synset_labels.txt"
        path.write_text("\n".join(WNIDS))
        assert find_label_file(flat) == path
    assert load_images(flat, size=16).data_hash == folders.data_hash
    # Pictures that are sorted into folders need no labels, and are not disturbed by them.
    assert load_images(tmp_path / "sorted", size=16).data_hash == folders.data_hash


def test_classes_are_chosen_by_index_by_id_and_by_name(flat, tmp_path):
    (tmp_path / "val.txt").write_text("".join(f"{n} {i}\n" for n, i in zip(NAMES, CLASSES)))  # noqa: B905
    for given in (805, "805", "n04254680", "soccer_ball"):
        pictures = load_images(flat, classes=given, size=16)
        assert pictures.class_names == ("n04254680",) and len(pictures) == 2
        whole = load_images(flat, size=16)
        assert whole.select(given).data_hash == pictures.data_hash
    with pytest.raises(UsageError, match=r"'crane': say n02012849 \(134\) or n03126707 \(517\)"):
        load_images(flat, classes="crane", size=16)
    with pytest.raises(UsageError, match="closest: 'soccer_ball'"):
        load_images(flat, classes="soccerball", size=16)
    assert len(load_images(flat, size=16, limit=1)) == 4


def test_names_serve_as_labels_unless_they_are_ambiguous(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(LABELS))
    with pytest.raises(UsageError, match=r"labels\.txt: .*'crane': say n02012849 .* or n03126707"):
        read_labels(path, NAMES)
    path.write_text("\n".join("n03126707" if label == "crane" else label for label in LABELS))
    assert read_labels(path, NAMES) == WNIDS
    path.write_text("".join(f"{name} maillot\n" for name in NAMES))
    with pytest.raises(UsageError, match=r"'maillot': say n03710637 \(638\) or n03710721 \(639\)"):
        read_labels(path, NAMES)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.txt", "0\n" * 5, "has 5 labels for 6 pictures"),
        ("a.txt", "", "has 0 labels for 6 pictures"),
        ("a.txt", "1000\n" * 6, r"unknown class '1000', or the .* kit's .* meta\.mat beside"),
        ("a.txt", f"{NAMES[0]} 1000\n{NAMES[1]} 3\n", "unknown class '1000'"),
        ("a.txt", "490\n361\n171\n" * 2, r"indices, 0 … 999, or the development kit's, 1 … 1000"),
        ("a.txt", f"{NAMES[0]} 3\n{NAMES[0]} 805\n", rf"gives {NAMES[0]} two labels, n0\d+ and n"),
        ("a.txt", f"b/{NAMES[0]} 3\n{NAMES[0][:-5]},805\n", rf"gives {NAMES[0]} two labels"),
        ("a.txt", "soccerball\n" * 6, "closest: 'soccer_ball'"),
        ("a.txt", f"{NAMES[0]} 3\n", rf"has no label for {NAMES[1]} \(5 in all\)"),
        ("ILSVRC2012_validation_ground_truth.txt", "1\n" * 6, "of no use without .*meta.mat"),
    ],
)
def test_wrong_labels_are_explained(tmp_path, name, text, complaint):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=complaint) as caught:
        read_labels(tmp_path / name, NAMES)
    assert name in str(caught.value)


GOOD = [imagenet_classes()[index].wnid for index in (805, 207)]


@pytest.mark.parametrize(
    ("names", "content"),
    [
        (["a.jpg", "b.jpg"], b"\xef\xbb\xbfa.jpg 805\r\nb.jpg 207\r\n"),
        (["a.jpg", "b.jpg"], "\ufeffa.jpg\t805\r\nb.jpg\t207\r\n".encode("utf-16-le")),
        (["a.jpg", "b.jpg"], b'"b.jpg","207"\n"a.jpg","805"\n'),
        (["a.jpg", "b.jpg"], b'"b.jpg";"207"\n"a.jpg";"805"\n'),
        (["a.jpg", "b.jpg"], b"file,label\na.jpg , 805\nb.jpg , 207 , golden retriever\n"),
        (["a.jpg", "b.jpg"], b'"n04254680"\n"207"\n'),
        (["a.jpg", "b.jpg"], b"\xef\xbb\xbfsoccer_ball\r\ngolden_retriever\r\n\r\n"),
        (["a.jpg", "b.jpg"], b"a.jpg 805\nb.jpg 207\na.jpg n04254680\nc.jpg 3\n"),
        (["a.jpg", "b.jpg"], b"C:\\val\\a.jpg,805\nC:\\val\\b.jpg,207\n"),
        (["a.png", "b.png"], b"a.JPEG 805\nb.JPEG 207\n"),
        (["my dog.jpg", "my.jpg"], b"my.jpg,207\nmy dog.jpg,805\n"),
        (["my dog.jpg", "my.jpg"], b"my 207\nmy dog 805 1 2 3\n"),
        (["my  dog.jpg", "my, too.jpg"], b'"my, too.jpg" 207\nmy  dog.jpg 805\n'),
        (["my, own.jpg", "z.jpg"], b"z.jpg,207\nmy, own.jpg,805\n"),
        (["a.jpg", "a.png"], b"a.jpg 805\na.png 207\n"),
        (["\u00c4pfel.jpg", "b.jpg"], "A\u0308pfel.jpg 805\nb.jpg 207\n".encode()),
        (["A\u0308pfel.jpg", "b.jpg"], "\u00c4pfel.jpg 805\nb.jpg 207\n".encode()),
        (["caf\udce9.jpg", "z.jpg"], b"caf\xe9.jpg 805\nz.jpg 207\n"),
        (["a.jpg", "b.jpg"], b'"a.jpg" "805"\n"b.jpg" "207"\n'),
        (['say "a".jpg', "z.jpg"], b'"say ""a"".jpg",805\nz.jpg,207\n'),
    ],
)  # fmt: skip
def test_label_files_of_whatever_program_are_read(tmp_path, names, content):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    assert read_labels(path, names) == GOOD


def test_a_name_that_may_be_two_pictures_is_refused(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("a 805\nb 3\n")
    with pytest.raises(UsageError, match=r"labels\.txt: 'a' may be a\.jpg or a\.png"):
        read_labels(path, ["a.jpg", "a.png", "b.jpg"])
    path.write_text("a.jpg 805\nb 3\n")
    with pytest.raises(UsageError, match=r"no label for a\.png"):
        read_labels(path, ["a.jpg", "a.png", "b.jpg"])


def test_the_kit_s_numbers_are_known_by_its_table_under_any_name(tmp_path):
    truth = development_kit(tmp_path)
    renamed = tmp_path / "ground_truth (1).txt"
    numbers = [*truth.read_text().split()[:5], "1000"]
    renamed.write_text("\n".join(numbers))
    truth.write_text("\n".join(numbers))
    assert read_labels(renamed, NAMES) == read_labels(truth, NAMES)
    assert read_labels(truth, NAMES)[:5] == WNIDS[:5]


def test_a_damaged_development_kit_is_explained(tmp_path):
    path = development_kit(tmp_path)
    path.write_text("1005\n" * 6)
    assert set(read_labels(path, NAMES)) == {"n90001004"}
    path.write_text("1006\n" * 6)
    with pytest.raises(UsageError, match=r"1006 is not a class of meta\.mat"):
        read_labels(path, NAMES)
    for content in (b"", b"text" * 100, (tmp_path / "meta.mat").read_bytes()[:900]):
        (tmp_path / "meta.mat").write_bytes(content)
        with pytest.raises(UsageError, match=r"meta\.mat was not read"):
            read_labels(path, NAMES)


def test_a_flat_folder_without_labels_is_explained(flat):
    with pytest.raises(UsageError, match=r"has no sub-folders: .* imagenet_2012_validation_synset"):
        load_images(flat, size=16)
    with pytest.raises(UsageError, match=r"no file of labels .*missing\.txt"):
        load_images(flat, size=16, labels="missing.txt")


def test_categories_of_caltech_go_by_the_names_of_imagenet(tmp_path, monkeypatch):
    table = {row["category"]: row for row in read_table("caltech_imagenet")}
    by_id = {entry.wnid: entry for entry in imagenet_classes()}
    twice = {row["wnid"] for row in table.values() if row["imagenet_label"] == "cougar"}
    assert len(twice) == 1 and len({row["wnid"] for row in table.values()}) == len(table) - 1 > 30
    for row in table.values():
        assert by_id[row["wnid"]].label == row["imagenet_label"]
    monkeypatch.setenv("ITN_DATA", str(tmp_path))
    for name in ("lamp", "yin_yang", "panda", "cougar_body", "cougar_face"):
        folder = tmp_path / "caltech-101" / "101_ObjectCategories" / name
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(picture(1))
    for given in ("lamp", "table_lamp", 846, "n04380533"):
        assert load_images("caltech-101", classes=given).class_names == ("lamp",)
    assert load_images("caltech-101", classes="giant_panda").targets == {"panda": "n02510455"}
    assert load_images("caltech-101", classes="cougar_face").targets == {"cougar_face": "n02125311"}
    with pytest.raises(UsageError, match="'286' is cougar_body and cougar_face here: say which"):
        load_images("caltech-101", classes=286)
    with pytest.raises(UsageError, match=r"unknown class 'tench'; .*possible: .*lamp, panda, yin"):
        load_images("caltech-101", classes="tench")
    with pytest.raises(UsageError, match="'crane': say"):
        load_images("caltech-101", classes="crane")
