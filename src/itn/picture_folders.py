"""Folders of pictures: which files of which class are asked for, and what lies aside."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from itn.files import own_path, plain_name
from itn.messages import UsageError, shown, unknown
from itn.picture_files import no_file
from itn.registry import room

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")  # usual ones
NOT_PICTURES = {  # what systems and network drives put into folders; and all hidden files
    "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "@recycle", "#recycle",
    "#snapshot", "@recently-snapshot", "@tmp", "$recycle.bin", "system volume information",
    "lost+found",
}  # fmt: skip
Files: TypeAlias = dict[str, dict[str, Path]]  # class -> name of file -> file, each sorted
Aside: TypeAlias = list[tuple[str, str]]  # path and reason of what is not read


class Found(NamedTuple):
    """The files of a data set or a folder that are asked for; `targets` are WordNet ids."""

    folder: Path
    name: str
    files: Files
    targets: dict[str, str]
    aside: Aside


def listed_classes(classes: str | int | Iterable[str | int] | None) -> list[str | int] | None:
    """Return the classes that are asked for as a list, None for all."""
    if classes is None:
        return None
    if isinstance(classes, str | int | np.integer):
        return [classes]
    listed = list(classes) if np.iterable(classes) else [classes]
    if strange := [one for one in listed if not isinstance(one, str | int | np.integer)]:
        raise UsageError(f"classes must be names or whole numbers, got {shown(strange[0])}")
    if not listed:
        raise UsageError("classes is empty: name at least one class, or leave it out for all")
    return listed


def find_pictures(
    source: str | Path,
    classes: Sequence[str | int] | None,
    only: Iterable[str] | None,
    labels: str | Path | None = None,
    progress: bool = False,
) -> Found:
    """Find the files that are asked for."""
    catalog = room("itn.zoo.catalog")
    is_data_set = source in catalog.DATA_SETS
    if is_data_set:
        folder, name = catalog.data_set_folder(source, classes, progress), str(source)
    else:
        folder, name = _own_folder(source, catalog.DATA_SETS)
    index, aside = _index(folder, labels)
    targets = room("itn.zoo.imagenet").find_targets(name if is_data_set else "", index)
    chosen = set(index)
    if classes is not None:
        reasons = dict(aside)
        for given in classes:
            if (reason := reasons.get(plain_name(str(given)))) is not None:
                raise UsageError(f"class '{given}' of {name} cannot be read: {reason}")
        available = {one: one for one in sorted(index)}
        chosen = {find_class(given, available, targets) for given in classes}
        aside = [one for one in aside if one[0].partition("/")[0] in chosen]
    index = {one: index[one] for one in sorted(chosen)}
    if only is not None:
        index, aside = _choose_files(index, only, name), []
    return Found(folder, name, index, {k: v for k, v in targets.items() if k in chosen}, aside)


def find_class(given: str | int, available: Mapping[str, str], targets: Mapping[str, str]) -> str:
    """Return the name that a class has here, of those `available` by their plain names."""
    if (found := available.get(plain_name(str(given)))) is None:
        every = len(targets) == len(available)
        found = room("itn.zoo.imagenet").class_called(given, targets, every)
    if found is None:
        raise unknown("class", given, available.values())
    return found


def _own_folder(source: str | Path, data_sets: Sequence[str]) -> tuple[Path, str]:
    folder = own_path(source)
    if folder.is_dir():
        return folder.absolute(), plain_name(folder.resolve().name)
    if isinstance(source, Path) or folder.name != source:
        raise UsageError(f"there is no folder {folder}")
    own = "a folder with one sub-folder for each class"
    raise unknown("data set", source, ("phantom", *data_sets, own))


def _index(folder: Path, labels: str | Path | None) -> tuple[Files, Aside]:
    """List the files of every class, and what lies between them."""
    folders, files = _entries(folder)
    imagenet = room("itn.zoo.labels")
    folders.pop(imagenet.DEVELOPMENT_KIT, None)
    if labels is not None or not folders:
        beside = [(one, "a folder beside the pictures") for one in folders]
        return imagenet.sort_by_label(folder, files, labels), beside
    inside = {one: _entries(path) for one, path in folders.items()}
    deeper = [f"{one}/{inner}" for one, (inners, _) in inside.items() for inner in inners]
    if deeper and not any(of_class for _, of_class in inside.values()):
        raise UsageError(
            f"{folder} has no pictures in its sub-folders {_some(folders)}, but folders again, "
            f"{_some(deeper)}: one sub-folder for each class is expected, with pictures in "
            f"it; did you mean {folder / next(iter(folders))}?"
        )
    loose = "a picture beside the folders of classes"
    aside = [
        (name, reason)
        for name, path in files.items()
        if (reason := no_file(path) or (loose if name.lower().endswith(ENDINGS) else ""))
    ]
    aside += [(one, "a folder in the folder of a class") for one in deeper]
    return {one: of_class for one, (_, of_class) in inside.items()}, aside


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (f", … ({len(listed)} in all)" if len(listed) > 3 else "")


def _entries(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """List the folders, and everything else, in a folder, each sorted by name."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}") from error
    folders: dict[str, Path] = {}
    files: dict[str, Path] = {}
    for entry in entries:
        if entry.name.startswith(".") or entry.name.casefold() in NOT_PICTURES:
            continue
        name = plain_name(entry.name)
        if name in folders or name in files:
            raise UsageError(
                f"{folder} has '{name}' twice, its letters written in two ways: rename one"
            )
        is_folder = os.path.isdir(entry)  # noqa: PTH112  # which is false for a link to itself
        (folders if is_folder else files)[name] = folder / entry.name
    return dict(sorted(folders.items())), dict(sorted(files.items()))


def _choose_files(index: Files, only: Iterable[str], name: str) -> Files:
    """Take the files `only` of these classes."""
    if isinstance(only, str) or not np.iterable(only):
        only = (only,)
    only = list(only)
    if not all(isinstance(path, str) for path in only):
        raise UsageError(f"only must be paths of pictures as text, got {shown(only)}")
    wanted = {path for path in map(plain_name, only) if path.partition("/")[0] in index}
    chosen = {
        one: {file: path for file, path in of_class.items() if f"{one}/{file}" in wanted}
        for one, of_class in index.items()
    }
    missing = wanted - {f"{one}/{file}" for one, of_class in chosen.items() for file in of_class}
    if missing:
        raise UsageError(f"{len(missing)} pictures are not in {name}, e.g. {min(missing)}")
    return chosen
