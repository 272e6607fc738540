"""Labeled sets of pictures, loaded from a folder or by the name of a data set."""

import functools
import hashlib
import operator
import os
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from itn.files import plain_name
from itn.messages import Progress, UsageError, unknown
from itn.picture_files import (
    CHUNK,
    Images,
    Outcome,
    PictureFiles,
    check_sizes,
    map_in_order,
    no_file,
    quiet_pool,
    try_decode,
    try_header,
)
from itn.provenance import code_hash
from itn.registry import room

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")  # usual ones
NOT_PICTURES = {  # what systems and network drives put into folders; and all hidden files
    "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "@recycle", "#recycle",
    "#snapshot", "@recently-snapshot", "@tmp", "$recycle.bin", "system volume information",
    "lost+found",
}  # fmt: skip
STREAM_BEYOND = 2 * 2**30  # bytes of pictures that are not kept in memory

_Index: TypeAlias = dict[str, dict[str, Path]]  # class -> name of file -> file, each sorted


class PicturesLeftOut(UserWarning):
    """Something was not read as a picture; it is in ``Pictures.left_out``."""


@dataclass(frozen=True, eq=False, repr=False)
class Pictures:
    """Labeled pictures of one size.

    Parameters
    ----------
    images : array of float32, shape [N, H, W, 3], or PictureFiles
        RGB in [0, 1].
    labels : array of int, shape [N]
        Position of each picture's class in ``class_names``.
    class_names : tuple of str
        Names of the classes.
    paths : tuple of str
        N paths relative to the data set, with forward slashes: ``class/file``.
    name : str
        Name of the data set or the folder.
    targets : dict of str to str, optional
        The WordNet id of each class that is an ImageNet class.
    left_out : tuple of (str, str), optional
        Path and reason of everything that was met and not read.

    Raises
    ------
    UsageError
        If there is not one path and one label, the position of a class, for each picture.

    Examples
    --------
    >>> grey = np.full((2, 8, 8, 3), 0.5, np.float32)
    >>> pictures = Pictures(grey, np.array([0, 1]), ("a", "b"), ("a/1.png", "b/1.png"), "mine")
    >>> pictures
    <Pictures 'mine': 2 of 8 × 8 pixels in 2 classes>
    >>> len(pictures.select("b"))
    1
    """

    images: Images
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    paths: tuple[str, ...]
    name: str
    targets: dict[str, str] = field(default_factory=dict)
    left_out: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        labels, count = np.asarray(self.labels), len(self.images)
        if labels.shape != (count,) or len(self.paths) != count or labels.dtype.kind not in "iu":
            raise UsageError(
                f"{count} pictures need a path and a label each, the position of their class as a "
                f"whole number, got {len(self.paths)} paths and {labels.dtype} labels of shape "
                f"{list(labels.shape)}"
            )
        if count and not 0 <= labels.min() <= labels.max() < len(self.class_names):
            raise UsageError(
                f"labels must be from 0 to {len(self.class_names) - 1}, positions of the classes, "
                f"got {labels.min()} to {labels.max()}"
            )

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.images)

    def __repr__(self) -> str:
        """Summarize in one line."""
        count, height, width, _ = self.images.shape
        classes = f"{len(self.class_names)} class{'es' if len(self.class_names) != 1 else ''}"
        return f"<Pictures '{self.name}': {count} of {width} × {height} pixels in {classes}>"

    def select(self, class_name: str | int) -> "Pictures":
        """Take the pictures of one class.

        Parameters
        ----------
        class_name : str or int
            The class; where classes are ImageNet's also its label, WordNet id or index.

        Returns
        -------
        Pictures
            What loading this class alone would have given; shares memory if it can.

        Raises
        ------
        UsageError
            If there is no such class.
        """
        chosen = self.class_named(class_name)
        rows = np.flatnonzero(self.labels == self.class_names.index(chosen))
        together = len(rows) and rows[-1] - rows[0] == len(rows) - 1
        return Pictures(
            images=self.images[rows[0] : rows[-1] + 1] if together else self.images[rows],
            labels=np.zeros(len(rows), np.int64),
            class_names=(chosen,),
            paths=tuple(self.paths[row] for row in rows),
            name=self.name,
            targets={name: wnid for name, wnid in self.targets.items() if name == chosen},
            left_out=tuple(one for one in self.left_out if one[0].startswith(f"{chosen}/")),
        )

    def subset(self, rows: npt.NDArray[np.int64]) -> "Pictures":
        """Take some of the pictures; the classes stay.

        Parameters
        ----------
        rows : ndarray of int
            Which, in the order wanted.

        Returns
        -------
        Pictures
            These alone.
        """
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            paths=tuple(self.paths[row] for row in rows),
        )

    def joined(self, other: "Pictures") -> "Pictures":
        """Put other pictures behind these, with their classes.

        Parameters
        ----------
        other : Pictures
            Pictures of the same size and of other classes.

        Returns
        -------
        Pictures
            All of both, named after both.
        """
        return Pictures(
            images=np.concatenate([self.images[:], other.images[:]]),
            labels=np.concatenate([self.labels, other.labels + len(self.class_names)]),
            class_names=(*self.class_names, *other.class_names),
            paths=(*self.paths, *other.paths),
            name=f"{self.name} and {other.name}",
            targets=self.targets | other.targets,
            left_out=(*self.left_out, *other.left_out),
        )

    def class_named(self, given: str | int) -> str:
        """Return the name that a class has here.

        Parameters
        ----------
        given : str or int
            The class, as for `select`.

        Returns
        -------
        str
            One of `class_names`.

        Raises
        ------
        UsageError
            If there is no such class.
        """
        return _choose_class(given, self.class_names, self.targets)

    @functools.cached_property
    def data_hash(self) -> str:
        """SHA-256 of the paths and pixels, 64 hexadecimal digits; computed once."""
        digest = hashlib.sha256(str(self.images.shape).encode())
        both = zip(self.paths, self.images, strict=True)
        for path, image in Progress(both, "data hash", len(self), unit="picture", delay=2):
            digest.update(plain_name(path).encode() + b"\0")
            digest.update(np.ascontiguousarray(image, "<f4").data)
        return digest.hexdigest()


def load_images(
    source: str | Path,
    classes: str | int | Iterable[str | int] | None = None,
    size: int | None = None,
    limit: int | None = None,
    progress: bool = True,
    *,
    shorter_side: int | None = None,
    labels: str | Path | None = None,
    stream: bool | None = None,
    only: Collection[str] | None = None,
) -> Pictures:
    """Load the pictures of a data set or a folder, sorted by class and file name.

    Hidden files and what systems and network drives put into folders are passed over. Files that
    cannot be read, links to nothing, pictures beside the folders of classes, and folders in these
    are left out, with one warning. Memory for the pictures is taken once, and they are decoded
    into it; or they are streamed: decoded batch by batch whenever they are looked at.
    Names of classes and files are what `itn.zoo.labels.plain_name` makes of those on disk.

    Parameters
    ----------
    source : str or Path
        ``"caltech-101"``, ``"imagenet-sample"``, ``"imagenette"`` (downloaded if they are
        missing), ``"imagenet-validation"`` (see `itn data list`), a folder with one sub-folder
        per class, a folder of ImageNet pictures with labels, or ``"phantom"``: pictures rendered
        by `itn.phantom`, 100 of each class unless `limit` says otherwise, others than those
        trained on.
    classes : str, int or iterable of them, optional
        Names of the classes to load, by default all. Where these are ImageNet's, label,
        WordNet id and index do.
    size : int, optional
        Height and width of the loaded pictures in pixels, see `read_picture`. By default they
        are left as they are, and then must be of one size.
    limit : int, optional
        Load at most that many pictures of each class, the first ones.
    progress : bool, default True
        Show the progress if it takes longer than two seconds.
    shorter_side : int, optional
        Length in pixels to which the shorter side is resized before the center is cut out, see
        `read_picture`.
    only : collection of str, optional
        Load no other pictures than these, ``class/file`` each.
    labels : str or Path, optional
        The labels of pictures that lie in the folder itself, see `itn.zoo.labels.read_labels`. By
        default the usual file is looked for in the folder, beside it and in the development
        kit. The classes are then WordNet ids, and paths are given as in sub-folders of these.
    stream : bool, optional
        Whether to stream the pictures, which needs `size`; by default if they would take more
        than 2 GiB. All headers are read at once; a file that is broken behind its header is an
        error when its turn comes, which is before the first pass of a screening.

    Returns
    -------
    Pictures
        ``images`` of shape [N, H, W, 3], ``labels`` of shape [N], and where they come from.

    Raises
    ------
    UsageError
        If there is no such data set, folder or class, a class has no readable picture, one of
        ``only`` is missing in its class, the pictures differ in size and ``size`` is not
        given, or a download fails.

    Warns
    -----
    PicturesLeftOut
        If anything was left out.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, color in [("cat", "white"), ("dog", "black")]:
    ...         (Path(folder) / name).mkdir()
    ...         Image.new("RGB", (40, 30), color).save(Path(folder) / name / "1.png")
    ...     pictures = load_images(folder, size=8)
    >>> pictures.images.shape, pictures.class_names, pictures.paths
    ((2, 8, 8, 3), ('cat', 'dog'), ('cat/1.png', 'dog/1.png'))
    >>> pictures.images.mean(axis=(1, 2, 3))
    array([1., 0.], dtype=float32)
    """
    if limit is not None and (limit := operator.index(limit)) < 1:
        raise UsageError(f"limit must be at least 1, got {limit}")
    classes = _listed(classes)
    if source == "phantom":
        rendered = room("itn.phantom.pictures").render_phantom(classes, limit or 100, 1, size or 64)
        assert isinstance(rendered, Pictures)
        return rendered
    size, shorter_side = check_sizes(size, shorter_side)
    folder, name = _find_source(source, classes, progress)
    index, targets, aside = _chosen(folder, name, _is_data_set(source), classes, labels, only)
    class_names = list(index)
    first_files = [path for of_class in index.values() for path in list(of_class.values())[:limit]]
    if stream is None:
        stream = size is not None and len(first_files) * size * size * 12 > STREAM_BEYOND
    if stream and size is None:
        raise UsageError("pictures can only be streamed at one size: give size=...")

    images = np.empty((0, 0, 0, 3), np.float32)
    rows: list[int] = []
    paths: list[str] = []
    files: list[Path] = []
    left_out: list[tuple[str, str]] = []
    read: Callable[[Path], Outcome | None] = functools.partial(
        try_header if stream else try_decode, size=size, shorter_side=shorter_side
    )
    with (
        quiet_pool() as pool,
        Progress(total=len(first_files), unit="picture", delay=2, disable=not progress) as bar,
    ):
        first_outcomes = map_in_order(pool, read, first_files, CHUNK if stream else 1)
        for label, (class_name, of_class) in enumerate(index.items()):
            before = len(paths)
            # Files beyond the limit are read only in place of unreadable ones.
            beyond = islice(of_class.values(), len(list(of_class)[:limit]), None)
            at_first = islice(first_outcomes, len(list(of_class)[:limit]))
            outcomes = chain(at_first, map(read, beyond))
            for (file_name, file), outcome in zip(of_class.items(), outcomes, strict=True):
                bar.update()
                relative = f"{class_name}/{file_name}"
                if isinstance(outcome, str):
                    left_out.append((relative, outcome))
                    continue
                if outcome is not None:
                    if not paths:
                        images = np.empty((len(first_files), *outcome.shape), np.float32)
                    elif outcome.shape != images.shape[1:]:
                        raise UsageError(
                            f"the pictures of {name} differ in size: {paths[0]} has "
                            f"{images.shape[2]} × {images.shape[1]} pixels, {relative} "
                            f"{outcome.shape[1]} × {outcome.shape[0]}; give size=..."
                        )
                    images[len(paths)] = outcome
                rows.append(label)
                paths.append(relative)
                files.append(file)
                if len(paths) - before == limit:
                    break
            if len(paths) == before:
                raise UsageError(_explain_empty(folder, class_name, left_out + aside))
    left_out += aside
    if left_out:
        shown = ", ".join(f"{path} ({reason})" for path, reason in left_out[:3])
        more = ", …" if len(left_out) > 3 else ""
        message = f"{len(left_out)} left out of {name}: {shown}{more}"
        warnings.warn(message, PicturesLeftOut, stacklevel=2)
    return Pictures(
        images=(
            PictureFiles(files, size, shorter_side)
            if stream and size is not None and shorter_side is not None
            else images[: len(paths)]
        ),
        labels=np.array(rows, np.int64),
        class_names=tuple(class_names),
        paths=tuple(paths),
        name=name,
        targets=targets,
        left_out=tuple(left_out),
    )


def file_hashes(
    source: str | Path,
    classes: str | int | Iterable[str | int] | None = None,
    limit: int | None = None,
    only: Collection[str] | None = None,
) -> dict[str, str] | None:
    """Hash what the files hold that `load_images` would read, without decoding any."""
    listed = _listed(classes)
    if source == "phantom":
        drawn = code_hash("itn.phantom.rendering")[:16]
        every = room("itn.phantom.objects").PHANTOM_CLASSES
        return dict.fromkeys(map(str, listed or sorted(every)), drawn)
    if _is_data_set(source):
        place = room("itn.zoo.catalog").folder_that_is_there(str(source), listed)
        if place is None:
            return None
        folder, name = place, str(source)
    else:
        folder, name = _find_source(source, listed, progress=False)
    index, targets, _ = _chosen(folder, name, _is_data_set(source), listed, None, only)
    names = {str(given): _choose_class(given, list(index), targets) for given in listed or index}
    return {given: _hash_of_class(index[one], limit) for given, one in names.items()}


def _hash_of_class(files: Mapping[str, Path], limit: int | None) -> str:
    """Hash names and contents of as many files as have to be looked at for the first pictures."""
    digest = hashlib.sha256()
    readable = 0
    for name, path in files.items():
        if readable == limit:
            break
        # Only where there is a limit it matters which are readable, and that takes time.
        readable += limit is None or try_header(path, None, None) is None
        content = b""
        with suppress(OSError):  # is left out
            content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _find_source(
    source: str | Path, classes: Sequence[str | int] | None, progress: bool
) -> tuple[Path, str]:
    if isinstance(source, str) and _is_data_set(source):
        return room("itn.zoo.catalog").data_set_folder(source, classes, progress), source
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder.absolute(), plain_name(folder.resolve().name)
    if isinstance(source, Path) or folder.name != source:
        raise UsageError(f"there is no folder {folder}")
    possible = (
        "phantom",
        *room("itn.zoo.catalog").DATA_SETS,
        "a folder with one sub-folder for each class",
    )
    raise unknown("data set", source, possible)


def _is_data_set(source: str | Path) -> bool:
    return source in room("itn.zoo.catalog").DATA_SETS


def _listed(classes: str | int | Iterable[str | int] | None) -> list[str | int] | None:
    if classes is None:
        return None
    listed = [classes] if isinstance(classes, str | int | np.integer) else list(classes)
    if not listed:
        raise UsageError("classes is empty: name at least one class, or leave it out for all")
    return listed


def _chosen(
    folder: Path,
    name: str,
    is_data_set: bool,
    classes: Sequence[str | int] | None,
    labels: str | Path | None,
    only: Iterable[str] | None,
) -> tuple[_Index, dict[str, str], list[tuple[str, str]]]:
    """Find the files that are asked for, the classes' WordNet ids, and what lies aside."""
    index, aside = _index(folder, labels)
    targets = _find_targets(name if is_data_set else "", index)
    class_names = sorted(index)
    if classes is not None:
        reasons = dict(aside)
        for given in classes:
            if (reason := reasons.get(plain_name(str(given)))) is not None:
                raise UsageError(f"class '{given}' of {name} cannot be read: {reason}")
        class_names = sorted({_choose_class(given, class_names, targets) for given in classes})
        aside = [one for one in aside if one[0].partition("/")[0] in class_names]
    index = {one: index[one] for one in class_names}
    if only is not None:
        index, aside = _choose_files(index, only, name), []
    return index, {one: targets[one] for one in class_names if one in targets}, aside


def _index(folder: Path, labels: str | Path | None) -> tuple[_Index, list[tuple[str, str]]]:
    """List the files of every class, and what lies between them."""
    folders, files = _entries(folder)
    known = room("itn.zoo.labels")
    folders.pop(known.DEVELOPMENT_KIT, None)
    if labels is None and folders:
        inside = {one: _entries(path) for one, path in folders.items()}
        deeper = [f"{one}/{inner}" for one, (inners, _) in inside.items() for inner in inners]
        if deeper and not any(of_class for _, of_class in inside.values()):
            raise UsageError(
                f"{folder} has no pictures in its sub-folders {_some(folders)}, but folders again, "
                f"{_some(deeper)}: one sub-folder for each class is expected, with pictures in "
                f"it; did you mean {folder / next(iter(folders))}?"
            )
        nowhere = {name: reason for name, path in files.items() if (reason := no_file(path))}
        loose = "a picture beside the folders of classes"
        aside = [
            (name, nowhere.get(name, loose))
            for name in files
            if name in nowhere or name.lower().endswith(ENDINGS)
        ]
        aside += [(one, "a folder in the folder of a class") for one in deeper]
        return {one: of_class for one, (_, of_class) in inside.items()}, aside
    label_file = known.find_label_file(folder) if labels is None else Path(labels)
    if label_file is None:
        reasons = {name: no_file(path) for name, path in files.items()}
        found = next((f" ({name} is {reasons[name]})" for name in files if reasons[name]), "")
        raise UsageError(
            f"{folder} has no sub-folders{found}: one for each class is expected, or "
            f"labels of the pictures in it, such as {known.LABEL_FILES[0]} (labels=...)"
        )
    names = [
        name for name in files if name not in (plain_name(label_file.name), *known.LABEL_FILES)
    ]
    if not names:
        raise UsageError(f"{folder} has neither sub-folders nor pictures")
    index: _Index = {}
    for name, wnid in zip(names, known.read_labels(label_file, names), strict=True):
        index.setdefault(wnid, {})[name] = files[name]
    return index, [(one, "a folder beside the pictures") for one in folders]


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (f", … ({len(listed)} in all)" if len(listed) > 3 else "")


def _entries(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """List the folders, and everything else, in a folder, each sorted by name."""
    folders: dict[str, Path] = {}
    files: dict[str, Path] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.casefold() in NOT_PICTURES:
                    continue
                name = plain_name(entry.name)
                if name in folders or name in files:
                    raise UsageError(
                        f"{folder} has '{name}' twice, its letters written in two ways: rename one"
                    )
                (folders if _is_folder(entry) else files)[name] = folder / entry.name
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}") from error
    return dict(sorted(folders.items())), dict(sorted(files.items()))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _choose_files(index: _Index, only: Iterable[str], name: str) -> _Index:
    """Take the files `only` of these classes."""
    wanted = {path for path in map(plain_name, only) if path.partition("/")[0] in index}
    chosen = {
        one: {file: path for file, path in of_class.items() if f"{one}/{file}" in wanted}
        for one, of_class in index.items()
    }
    missing = wanted - {f"{one}/{file}" for one, of_class in chosen.items() for file in of_class}
    if missing:
        raise UsageError(f"{len(missing)} pictures are not in {name}, e.g. {min(missing)}")
    return chosen


def _choose_class(
    given: str | int, available: Sequence[str], targets: Mapping[str, str] | None = None
) -> str:
    names = {plain_name(name): name for name in available}
    if (name := plain_name(str(given))) in names:
        return names[name]
    by_wnid = {wnid: name for name, wnid in (targets or {}).items()}
    catalog = room("itn.zoo.catalog")
    if by_wnid and (catalog.is_imagenet_name(given) or len(by_wnid) == len(available)):
        wnid = catalog.imagenet_class(given).wnid
        if wnid in by_wnid:
            return by_wnid[wnid]
    raise unknown("class", given, available)


def _find_targets(data_set: str, class_names: Iterable[str]) -> dict[str, str]:
    catalog = room("itn.zoo.catalog")
    if data_set == "caltech-101":
        table = {row["category"]: row["wnid"] for row in catalog.read_table("caltech_imagenet")}
    else:
        table = {entry.wnid: entry.wnid for entry in catalog.imagenet_classes()}
    return {name: table[name] for name in class_names if name in table}


def _explain_empty(folder: Path, name: str, left_out: Sequence[tuple[str, str]]) -> str:
    reasons = [one for one in left_out if one[0].startswith(f"{name}/")]
    found = f"{reasons[0][0]}: {reasons[0][1]}" if reasons else "it is empty"
    return f"class '{name}' in {folder} has no readable picture; {found}"


def shared_pictures(one: Pictures, other: Pictures) -> list[str]:
    """Return which pictures are in two sets: the same file of one data set, or the same pixels."""

    def pixels(pictures: Pictures) -> list[bytes]:
        return [
            hashlib.sha256(np.ascontiguousarray(image, "<f4").tobytes()).digest()
            for image in pictures.images
        ]

    files = set(one.paths) if one.name == other.name else set()
    alike = set(pixels(one)) if one.images.shape[1:] == other.images.shape[1:] else set()
    contents = pixels(other) if alike else [b""] * len(other)
    found = zip(other.paths, contents, strict=True)
    return sorted(path for path, content in found if path in files or content in alike)
