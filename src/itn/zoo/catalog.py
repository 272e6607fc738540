"""Data sets and weights: what there is, where it lies, and how it gets there.

Everything is kept in one folder, the cache: the environment variable ``ITN_DATA`` names it,
otherwise it is the user's cache folder. What is there is used; what is missing is downloaded
and checked, where somebody has published a checksum.
"""

import csv
import functools
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import platformdirs

from itn.files import sha256_of
from itn.messages import Progress, UsageError, unknown
from itn.zoo.downloads import check_file, download, unpack_tar

PARALLEL_DOWNLOADS = 8
CHECKSUMS = ".checksums"  # what was unpacked, as sha256sum writes it
INCOMPLETE = ".incomplete"  # in a data set that is downloaded class by class
UNFINISHED = ".unfinished"  # folder of the cache for downloads that are under way
_TABLES = Path(__file__).with_name("tables")


@dataclass(frozen=True)
class File:
    """A file that is to be had: name, checksum (``kind:digits``) and tar file in it, if any."""

    name: str
    checksum: str | None = None
    member: str | None = None


@dataclass(frozen=True)
class Source:
    """Weights or a data set that can be had from elsewhere.

    Attributes
    ----------
    name : str
        What users call it.
    license : str
        Under what terms.
    megabytes : float
        About how large the download is; twice as much is refused.
    files : tuple of File
        What it consists of; archives, where it is a data set.
    url : str or None
        What comes before the files' names; None where one has to register first.
    page : str
        Where to read about it, and to get what cannot be downloaded.
    pictures : str or None
        For a data set, the folder in it that holds the pictures.
    """

    name: str
    license: str
    megabytes: float
    files: tuple[File, ...]
    url: str | None
    page: str
    pictures: str | None = None

    @property
    def folder(self) -> Path:
        """Where it lies in the cache."""
        return cache_directory() / ("weights" if self.pictures is None else self.name)


def _slim_resnet(depth: int, megabytes: float) -> Source:
    return Source(
        f"resnet_v1_{depth}",
        "Apache 2.0",
        megabytes,
        (File(f"resnet_v1_{depth}_2016_08_28.tar.gz"),),
        "http://download.tensorflow.org/models/",
        "https://github.com/tensorflow/models/tree/master/research/slim",
    )


CATALOG = {
    source.name: source
    for source in (
        Source(
            "alexnet",
            "unrestricted",
            244,
            (File("bvlc_alexnet.caffemodel", "sha1:9116a64c0fbe4459d18f4bb6b56d647b63920377"),),
            "http://dl.caffe.berkeleyvision.org/",
            "https://github.com/BVLC/caffe/tree/master/models/bvlc_alexnet",
        ),
        _slim_resnet(50, 102),  # 4 bytes a parameter: they hardly compress
        _slim_resnet(101, 178),
        _slim_resnet(152, 241),
        Source(
            "caltech-101",
            "CC BY 4.0",
            137,
            (
                File(
                    "caltech-101.zip",
                    "md5:3138e1922a9193bfa496528edbbc45d0",
                    "caltech-101/101_ObjectCategories.tar.gz",
                ),
            ),
            "https://data.caltech.edu/records/mzrjq-6wc02/files/",
            "https://data.caltech.edu/records/mzrjq-6wc02",
            "101_ObjectCategories",
        ),
        Source(
            "imagenet-sample",
            "ImageNet's terms",
            115,
            (),  # the table `imagenet_sample`
            "https://raw.githubusercontent.com/EliSchwartz/imagenet-sample-images/"
            "bc69043e2862758a1906c6a24a792bb28c6bb2ff/",
            "https://github.com/EliSchwartz/imagenet-sample-images",
            ".",
        ),
        Source(
            "imagenette",
            "ImageNet's terms",
            342,
            (File("imagenette2-320.tgz", "md5:3df6f0d01a2c9592104656642f5e78a3"),),
            "https://s3.amazonaws.com/fast-ai-imageclas/",
            "https://github.com/fastai/imagenette",
            "imagenette2-320/val",
        ),
        Source(
            "imagenet-validation",
            "ImageNet's terms",
            6750,
            (
                File("ILSVRC2012_img_val.tar", "md5:29b22e2961454d5413ddabcf34fc5622"),
                File("ILSVRC2012_devkit_t12.tar.gz", "md5:fa75699e90414af021442c21a62c3abf"),
            ),
            None,
            "https://image-net.org/challenges/LSVRC/2012/2012-downloads.php",
            ".",
        ),
    )
}
DATA_SETS = tuple(source.name for source in CATALOG.values() if source.pictures)


@dataclass(frozen=True)
class ImagenetClass:
    """One of the 1000 classes of ILSVRC 2012: its index (0 ... 999), WordNet id and label."""

    index: int
    wnid: str
    label: str


@functools.cache
def read_table(name: str) -> tuple[dict[str, str], ...]:
    """Read one of the package's tab-separated tables."""
    with (_TABLES / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file, delimiter="\t"))


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
    return Path(given).expanduser().absolute()


def is_there(source: Source) -> bool:
    """Tell whether the cache holds weights or a data set, or part of it."""
    return (source.folder / (source.pictures or source.files[0].name)).exists()


def weight_file(name: str) -> Path:
    """Find a file of trained weights, downloading it if it is missing."""
    names = [source.name for source in CATALOG.values() if source.pictures is None]
    if name not in names:
        raise unknown("weights", name, names)
    return fetch(name)


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
    place = source.folder / (source.pictures or "")
    if not place.is_dir() or (not source.files and _missing(source, _wnids(source, classes))):
        return None
    return place


def _wnids(source: Source, classes: Iterable[str | int] | None) -> set[str] | None:
    """Say which classes must be there, where classes come one by one."""
    if classes is None or source.files:
        return None
    return {imagenet_class(given).wnid for given in classes}


def fetch(
    name: str,
    directory: str | Path | None = None,
    *,
    wnids: Iterable[str] | None = None,
    progress: bool = True,
) -> Path:
    """Bring weights or a data set into the cache, unless they are there."""
    if name not in CATALOG:
        raise unknown("data set or weights", name, CATALOG)
    source = CATALOG[name]
    place = source.folder / (source.pictures or source.files[0].name)
    folder = None if directory is None else Path(directory).expanduser()
    if folder is not None and not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    if place.is_file():
        try:
            check_file(place, source.files[0].checksum)
        except UsageError as error:
            raise UsageError(f"{error}; delete it to have it downloaded again") from error
    elif not source.files:
        _complete_sample(source, folder, wnids, progress)
    elif source.pictures is None:
        _obtain(source, [(place.name, source.files[0].checksum, place)], folder, progress)
    elif not place.is_dir():
        archives = [_archive(source, file) for file in source.files]
        wanted = zip(source.files, archives, strict=True)
        _obtain(source, [(file.name, file.checksum, to) for file, to in wanted], folder, progress)
        try:
            _unpack(source, archives, progress)
        except FileNotFoundError:
            if not place.is_dir():  # otherwise another process was faster, and that is fine
                raise
    return place


def verify(name: str) -> Iterator[str]:
    """Compare what is in the cache with its checksums."""
    if name not in CATALOG:
        raise unknown("data set or weights", name, CATALOG)
    source = CATALOG[name]
    expected: dict[Path, str | None] = {}
    if source.pictures is None:
        expected = {source.folder / file.name: file.checksum for file in source.files}
    elif not source.files:
        every = {source.folder / name: checksum for name, checksum in _sample().items()}
        expected = {path: checksum for path, checksum in every.items() if path.is_file()}
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


def _archive(source: Source, file: File) -> Path:
    """Return where an archive is kept until it is unpacked."""
    return cache_directory() / UNFINISHED / source.name / file.name


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _obtain(
    source: Source,
    files: Iterable[tuple[str, str | None, Path]],
    directory: Path | None,
    progress: bool,
) -> None:
    """Download or copy (name, checksum, target); each appears when it is complete and right."""
    files = list(files)
    cache = cache_directory()
    max_bytes = int(2e6 * source.megabytes)

    def copy(name: str, checksum: str | None, target: Path) -> None:
        assert directory is not None
        wnid = name.partition("_")[0]
        found = [path for path in (directory / name, directory / wnid / name) if path.is_file()]
        if not found:
            raise UsageError(f"there is no {name} in {directory}")
        unfinished = _made(cache / UNFINISHED / f"{name}.copy")
        try:
            shutil.copyfile(found[0], unfinished)
            check_file(unfinished, checksum)
            unfinished.replace(_made(target))
        finally:
            unfinished.unlink(missing_ok=True)

    def get(name: str, checksum: str | None, target: Path) -> None:
        if directory is not None:
            return copy(name, checksum, target)
        if source.url is None or checksum is None:
            reason = "one has to register" if source.url is None else "no public checksum is known"
            raise UsageError(
                f"{name} is not downloaded by itn, because {reason}: get it yourself "
                f"({source.page if source.url is None else source.url + name}), then: "
                f"itn data fetch {source.name} --from FOLDER"
            )
        unfinished = cache / UNFINISHED / f"{name}.part"
        bar = progress and len(files) == 1
        return download(
            source.url + name, checksum, target, unfinished, max_bytes=max_bytes, progress=bar
        )

    pool = ThreadPoolExecutor(PARALLEL_DOWNLOADS)
    try:
        jobs = [pool.submit(get, *file) for file in files if not file[2].is_file()]
        disable = not progress or len(files) < 2
        for job in Progress(
            as_completed(jobs), source.name, len(jobs), unit="file", disable=disable
        ):
            job.result()
    except (OSError, ValueError) as error:
        where = source.url or source.page
        raise UsageError(
            f"could not get '{source.name}' from {directory or where}: {error}. It belongs in "
            f"{source.folder}; to use a copy elsewhere, set the environment variable ITN_DATA"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
        for folder in (cache / UNFINISHED, cache):
            with suppress(OSError):  # only where nothing is left to go on with
                folder.rmdir()


def _sample() -> dict[str, str]:
    """List the paths of the ImageNet sample and their checksums."""
    return {
        f"{row['file'].partition('_')[0]}/{row['file']}": f"sha256:{row['sha256']}"
        for row in read_table("imagenet_sample")
    }


def _complete_sample(
    source: Source, directory: Path | None, wnids: Iterable[str] | None, progress: bool
) -> None:
    missing = _missing(source, wnids, directory is not None)
    if missing:
        if _is_ours(source):
            _made(source.folder / INCOMPLETE).touch()
        _obtain(source, missing, directory, progress)
    if wnids is None:
        (source.folder / INCOMPLETE).unlink(missing_ok=True)


def _is_ours(source: Source) -> bool:
    # Tells a sample that we download, maybe class by class, from a part that somebody put
    # there on purpose and that must not grow to 1000 files.
    return (source.folder / INCOMPLETE).exists() or not any(source.folder.glob("n*"))


def _missing(
    source: Source, wnids: Iterable[str] | None, complete: bool = False
) -> list[tuple[str, str | None, Path]]:
    """List what has to be obtained: name, checksum and where it belongs."""
    if wnids is None and not complete and not _is_ours(source):
        return []
    wanted = None if wnids is None else set(wnids)
    return [
        (Path(path).name, checksum, source.folder / path)
        for path, checksum in _sample().items()
        if wanted is None or path.partition("/")[0] in wanted
        if not (source.folder / path).is_file()
    ]


def _unpack(source: Source, archives: Sequence[Path], progress: bool) -> None:
    """Unpack a data set's archives, and note the checksums of what was in them."""
    with tempfile.TemporaryDirectory(prefix=f".{source.name}-", dir=cache_directory()) as temporary:
        unpacked = _made(Path(temporary) / source.name / CHECKSUMS).parent
        try:
            for part, archive in zip(source.files, archives, strict=True):
                unpack_tar(archive, unpacked, member=part.member, progress=progress)
            if not (unpacked / (source.pictures or "")).is_dir():
                raise UsageError(f"{archives[0].name} holds no folder {source.pictures}")
        except UsageError as error:
            _discard(archives)
            raise UsageError(f"could not unpack '{source.name}': {error}") from error
        paths = sorted(path for path in unpacked.rglob("*") if path.is_file())
        with (unpacked / CHECKSUMS).open("w", encoding="utf-8", newline="\n") as file:
            for path in Progress(paths, "checksums", unit="file", delay=2, disable=not progress):
                file.write(f"{sha256_of(path)}  {path.relative_to(unpacked).as_posix()}\n")
        try:
            unpacked.replace(source.folder)
        except OSError:
            if not (source.folder / (source.pictures or "")).is_dir():
                raise  # otherwise another process was faster, and that is fine
    _discard(archives)


def _discard(archives: Sequence[Path]) -> None:
    for path in archives:
        path.unlink(missing_ok=True)
    with suppress(OSError):  # where something else is left, or another process was faster
        for folder in archives[0].parents[:2]:
            folder.rmdir()


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
