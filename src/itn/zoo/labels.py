"""Labels of ImageNet pictures that lie in one folder, as they are delivered."""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from itn.files import own_path, plain_name
from itn.messages import UsageError
from itn.picture_files import no_file
from itn.zoo.catalog import imagenet_class

DEVELOPMENT_KIT = "ILSVRC2012_devkit_t12"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"  # of the kit: its own numbers, 1 … 1000
LABEL_FILES = (
    "imagenet_2012_validation_synset_labels.txt",
    "LOC_val_solution.csv",
    "val.txt",
    GROUND_TRUTH,
)
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|([^\s,;]+)')  # quoted, as in CSV files, or not
_SEPARATOR = re.compile(r"[\s,;]+")


def sort_by_label(
    folder: Path, files: Mapping[str, Path], labels: str | Path | None
) -> dict[str, dict[str, Path]]:
    """Put the pictures of a folder into the classes that a file of labels says."""
    label_file = find_label_file(folder) if labels is None else Path(labels)
    if label_file is None:
        reasons = ((name, no_file(path)) for name, path in files.items())
        found = next((f" ({name} is {reason})" for name, reason in reasons if reason), "")
        raise UsageError(
            f"{folder} has no sub-folders{found}: one for each class is expected, or "
            f"labels of the pictures in it, such as {LABEL_FILES[0]} (labels=...)"
        )
    names = [name for name in files if name not in (plain_name(label_file.name), *LABEL_FILES)]
    if not names:
        raise UsageError(f"{folder} has neither sub-folders nor pictures")
    classes: dict[str, dict[str, Path]] = {}
    for name, wnid in zip(names, read_labels(label_file, names), strict=True):
        classes.setdefault(wnid, {})[name] = files[name]
    return classes


def find_label_file(folder: Path) -> Path | None:
    """Find the usual file of labels in a folder, beside it, or in the development kit there."""
    around = (folder, folder.resolve().parent)
    places = [place / part for place in around for part in ("", f"{DEVELOPMENT_KIT}/data")]
    found = (place / name for name in LABEL_FILES for place in places)
    return next(filter(Path.is_file, found), None)


def read_labels(path: str | Path, names: Sequence[str]) -> list[str]:
    r"""Read the label of every picture."""
    path = own_path(path)
    if not path.is_file():
        raise UsageError(f"there is no file of labels {path}")
    names = [plain_name(name) for name in names]
    lines = [line.strip() for line in _text(path).splitlines() if line.strip()]
    rows = [[quoted or plain for quoted, plain in _TOKEN.findall(line)] for line in lines]
    in_order = all(len(row) == 1 for row in rows)
    if in_order:
        if len(rows) != len(names):
            raise UsageError(f"{path} has {len(rows)} labels for {len(names)} pictures")
        pairs = [(name, row[0]) for name, row in zip(names, rows, strict=True)]
    else:
        pairs = list(_by_name(path, lines, names))
    ids = _ids_of(path, {label for _, label in pairs}, in_order)
    table: dict[str, str] = {}
    for name, label in pairs:
        if ids[label] != table.setdefault(name, ids[label]):
            raise UsageError(f"{path} gives {name} two labels, {table[name]} and {ids[label]}")
    missing = [name for name in names if name not in table]
    if missing:
        raise UsageError(f"{path} has no label for {missing[0]} ({len(missing)} in all)")
    return [table[name] for name in names]


def _text(path: Path) -> str:
    """Read a text of whatever editor; names in it are what `plain_name` makes of them."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return plain_name(content.decode("utf-16", "replace"))
    return plain_name(content.decode("utf-8-sig", "surrogateescape"))


def _by_name(path: Path, lines: Iterable[str], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Find which picture each line is about, and its label."""
    exact: dict[str, list[str]] = {}
    without_ending: dict[str, list[str]] = {}
    for name in names:
        exact.setdefault(name, []).append(name)
        stem = PurePosixPath(name).stem
        without_ending.setdefault(stem, []).append(name)
        if stem != name:
            exact.setdefault(stem, []).append(name)
    for line in lines:
        found = _longest(line, exact)
        if not found:  # the same picture with another ending
            first, end = _first_token(line)
            stem = PurePosixPath(first).stem
            found = (first, without_ending[stem], end) if stem in without_ending else None
        if not found:
            continue  # of another picture
        called, candidates, end = found
        if len(candidates) > 1:
            raise UsageError(f"{path}: '{called}' may be {' or '.join(candidates)}")
        label = _TOKEN.search(line, end)
        if label:
            yield candidates[0], label[1] or label[2]


def _longest(line: str, known: dict[str, list[str]]) -> tuple[str, list[str], int] | None:
    """Find the longest known name that a line begins with; names may have blanks and commas."""
    first, end = _first_token(line)
    ends = [(first, end)] if line.startswith('"') else []
    if not ends:
        ends = [(line[: gap.start()], gap.end()) for gap in _SEPARATOR.finditer(line)][::-1]
    for called, after in ends:
        for name in (called, re.split(r"[/\\]", called)[-1]):  # it may have a folder before it
            if name in known:
                return name, known[name], after
    return None


def _first_token(line: str) -> tuple[str, int]:
    match = _TOKEN.search(line)
    if match is None:
        return "", len(line)
    return (match[1] or "").replace('""', '"') or match[2] or "", match.end()


def _ids_of(path: Path, labels: set[str], in_order: bool) -> dict[str, str]:
    """Return the WordNet ids of labels."""
    by_kit = path.name == GROUND_TRUTH
    if not by_kit and all(map(str.isdecimal, labels)) and "0" not in labels:
        by_kit = "1000" in labels and path.with_name("meta.mat").is_file()
        if "1000" in labels and not by_kit:
            raise UsageError(
                f"{path} has an unknown class '1000', or the development kit's own numbers, "
                "1 … 1000: these need its meta.mat beside them"
            )
        if labels and in_order and not by_kit:
            raise UsageError(
                f"{path} has numbers that may be indices, 0 … 999, or the development kit's, "
                f"1 … 1000: write WordNet ids, or name and index, or call it {GROUND_TRUTH}, "
                "with meta.mat beside it"
            )
    ids = _ids_of_the_kit(path) if by_kit else {}
    for label in labels - set(ids):
        if by_kit:
            raise UsageError(f"{path}: {label} is not a class of meta.mat")
        try:
            ids[label] = imagenet_class(label).wnid
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
    return ids


def _ids_of_the_kit(path: Path) -> dict[str, str]:
    """Read which WordNet id the development kit's numbers stand for."""
    from scipy.io import loadmat  # half a second that few need to wait

    meta = path.with_name("meta.mat")
    if not meta.is_file():
        raise UsageError(
            f"{path.name} has the development kit's own numbers, 1 … 1000: it is of no use "
            f"without the kit's {meta}"
        )
    try:
        synsets = loadmat(meta, squeeze_me=True, variable_names=["synsets"])["synsets"]
        pairs = zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)
        return {str(int(number)): str(wnid) for number, wnid in pairs}
    except Exception as error:  # damaged files raise nearly anything
        raise UsageError(f"{meta} was not read: {error}") from error
