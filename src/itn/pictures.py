"""Labeled sets of pictures, loaded from a folder or by the name of a data set."""

import hashlib
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from itn.files import plain_name
from itn.messages import Progress, UsageError, whole_number
from itn.picture_files import (
    CHUNK,
    Images,
    Outcome,
    PictureFiles,
    Sizes,
    check_sizes,
    map_in_order,
    quiet_pool,
    try_decode,
    try_header,
)
from itn.picture_folders import Found, find_class, find_pictures, listed_classes
from itn.registry import room

_Reader: TypeAlias = Callable[[Path], Outcome | None]
STREAM_BEYOND = 2 * 2**30  # bytes of pictures that are not kept in memory


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
        Position of each picture's class in `class_names`.
    class_names : tuple of str
    paths : tuple of str, length N
        Relative to the data set, with forward slashes: ``class/file``.
    name : str
        What results call the data set or the folder.
    targets : dict of str to str, optional
        The WordNet id of each class that is ImageNet's.
    left_out : tuple of (str, str), optional
        Path and reason of everything that was met and not read.

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
        shape: tuple[int, ...] = getattr(self.images, "shape", ())
        if len(shape) != 4 or shape[3] != 3:
            raise UsageError(f"pictures must have the shape [N, H, W, 3], got {list(shape)}")
        try:
            labels = np.asarray(self.labels)
        except ValueError:  # rows of unlike lengths
            labels = np.array(None)
        object.__setattr__(self, "labels", labels)  # also where a list is given
        count = len(self.images)
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
        names = list(map(plain_name, self.class_names))
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UsageError(f"class names must differ, got '{twice}' twice")

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.images)

    def __repr__(self) -> str:
        """Summarize in one line."""
        count, height, width, _ = self.images.shape
        classes = f"{len(self.class_names)} class{'es' if len(self.class_names) != 1 else ''}"
        return f"<Pictures '{self.name}': {count} of {width} × {height} pixels in {classes}>"

    def select(self, class_name: str | int) -> "Pictures":
        """Take what loading one class alone would have given; it shares memory if it can."""
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

    def class_named(self, given: str | int) -> str:
        """Return the name of a class here; an ImageNet class goes by label, id and index, too."""
        return find_class(given, self._by_plain_name, self.targets)

    @cached_property
    def _by_plain_name(self) -> dict[str, str]:
        return {plain_name(name): name for name in self.class_names}

    @cached_property
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

    What cannot be read or lies beside pictures where it does not belong is left out, with one
    warning; hidden files and what systems put into folders without. Names are those on disk, in
    Unicode's composed form.

    Parameters
    ----------
    source : str or Path
        ``"caltech-101"``, ``"imagenet-sample"``, ``"imagenette"`` (downloaded if they are
        missing), ``"imagenet-validation"`` (see `itn data list`), a folder with one sub-folder
        per class, a folder of ImageNet pictures with labels, or ``"phantom"``: 100 pictures of
        each class, or `limit`, rendered by `itn.phantom`, others than those trained on.
    classes : str, int or iterable of them, optional
        By default all; ImageNet's go by label, WordNet id and index, too.
    size : int, optional
        Height and width in pixels. By default pictures stay as they are, all of one size.
    limit : int, optional
        Load only the first pictures of each class.
    progress : bool, default True
        Show the progress if it takes longer than two seconds.
    shorter_side : int, optional
        Pixels of the shorter side before the center is cut out, by default 256/227 of `size`.
    labels : str or Path, optional
        The labels of pictures that lie in the folder itself, see `itn.zoo.labels`; by default
        the usual file in it, beside it or in the development kit. Classes are then WordNet ids,
        and paths as if each had its sub-folder.
    stream : bool, optional
        Whether to decode pictures whenever they are looked at; by default beyond 2 GiB. Headers
        are read at once; what is broken behind them is an error when its turn comes, before the
        first pass of a screening.
    only : collection of str, optional
        Load no other pictures than these, ``class/file`` each.

    Returns
    -------
    Pictures
        Float32 RGB in [0, 1], with their labels and where they come from.

    Raises
    ------
    UsageError
        If there is no such data set, folder, class or picture, a class has no readable one,
        sizes differ and none is given, or a download fails.

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
    if limit is not None and (limit := whole_number(limit, "limit")) < 1:
        raise UsageError(f"limit must be at least 1, got {limit}")
    classes = listed_classes(classes)
    if source == "phantom":
        render = room("itn.phantom.pictures").render_phantom
        rendered: Pictures = render(classes, limit or 100, seed=1, size=size or 64)
        return rendered
    sizes = check_sizes(size, shorter_side)
    found = find_pictures(source, classes, only, labels, progress)
    pictures = _read(found, sizes, limit, stream, progress)
    if pictures.left_out:
        shown = ", ".join(f"{path} ({reason})" for path, reason in pictures.left_out[:3])
        more = ", …" if len(pictures.left_out) > 3 else ""
        message = f"{len(pictures.left_out)} left out of {found.name}: {shown}{more}"
        warnings.warn(" ".join(message.splitlines()), PicturesLeftOut, stacklevel=2)
    return pictures


def _read(
    found: Found, sizes: Sizes | None, limit: int | None, stream: bool | None, progress: bool
) -> Pictures:
    """Read pictures into memory that is taken once, or their headers alone."""
    first = [file for files in found.files.values() for file in list(files.values())[:limit]]
    if stream is None:
        stream = sizes is not None and len(first) * sizes[0] ** 2 * 12 > STREAM_BEYOND
    if stream and sizes is None:
        raise UsageError("pictures can only be streamed at one size: give size=...")
    read: _Reader = partial(try_header if stream else try_decode, sizes=sizes)
    images = np.empty((0, 0, 0, 3), np.float32)
    labels: list[int] = []
    files: dict[str, Path] = {}
    left_out: list[tuple[str, str]] = []
    with (
        quiet_pool() as pool,
        Progress(total=len(first), unit="picture", delay=2, disable=not progress) as bar,
    ):
        ahead = map_in_order(pool, read, first, CHUNK if stream else 1)
        for label, path, file, outcome in _outcomes(found, limit, ahead, read):
            bar.update()
            if isinstance(outcome, str):
                left_out.append((path, outcome))
                continue
            if outcome is not None:
                if not files:
                    images = np.empty((len(first), *outcome.shape), np.float32)
                elif outcome.shape != images.shape[1:]:
                    raise UsageError(
                        f"the pictures of {found.name} differ in size: {next(iter(files))} has "
                        f"{images.shape[2]} × {images.shape[1]} pixels, {path} "
                        f"{outcome.shape[1]} × {outcome.shape[0]}; give size=..."
                    )
                images[len(files)] = outcome
            labels.append(label)
            files[path] = file
    return Pictures(
        PictureFiles(list(files.values()), *sizes) if stream and sizes else images[: len(files)],
        np.array(labels, np.int64),
        tuple(found.files),
        tuple(files),
        found.name,
        found.targets,
        (*left_out, *found.aside),
    )


def _outcomes(
    found: Found, limit: int | None, ahead: Iterator[Outcome | None], read: _Reader
) -> Iterator[tuple[int, str, Path, Outcome | None]]:
    """Look at files until `limit` of each class are readable; the first ones are read ahead."""
    for label, (name, files) in enumerate(found.files.items()):
        reasons: list[tuple[str, str]] = []
        for number, (file_name, file) in enumerate(files.items()):
            if number - len(reasons) == limit:
                break
            outcome = next(ahead) if limit is None or number < limit else read(file)
            path = f"{name}/{file_name}"
            if isinstance(outcome, str):
                reasons.append((path, outcome))
            yield label, path, file, outcome
        if len(reasons) == len(files):
            reasons += [one for one in found.aside if one[0].startswith(f"{name}/")]
            why = ": ".join(reasons[0]) if reasons else "it is empty"
            raise UsageError(f"class '{name}' in {found.folder} has no readable picture; {why}")


def shared_pictures(one: Pictures, other: Pictures) -> list[str]:
    """Return which pictures are in two sets: the same file of one data set, or the same pixels."""

    def pixels(pictures: Pictures) -> list[bytes]:
        arrays = (np.ascontiguousarray(image, "<f4") for image in pictures.images)
        return [hashlib.sha256(array.tobytes()).digest() for array in arrays]

    files = set(one.paths) if one.name == other.name else set()
    alike = set(pixels(one)) if one.images.shape[1:] == other.images.shape[1:] else set()
    contents = pixels(other) if alike else [b""] * len(other)
    found = zip(other.paths, contents, strict=True)
    return sorted(path for path, content in found if path in files or content in alike)
