"""Data sets and weights: where they lie, and downloads that are checked.

Everything is kept in one folder, the cache: the environment variable ``ITN_DATA`` names it,
otherwise it is the user's cache folder. What is there is used; what is missing is downloaded.
"""

import csv
import functools
import hashlib
import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import pooch
from tqdm import tqdm

from itn.messages import UsageError, unknown

DATA_SETS = ("caltech-101", "imagenet-sample")
CALTECH_URL = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip"
CALTECH_HASH = "md5:3138e1922a9193bfa496528edbbc45d0"
CALTECH_FOLDER = "101_ObjectCategories"
CALTECH_MEMBER = f"caltech-101/{CALTECH_FOLDER}.tar.gz"  # of the zip
SAMPLE_URL = (
    "https://raw.githubusercontent.com/EliSchwartz/imagenet-sample-images/"
    "bc69043e2862758a1906c6a24a792bb28c6bb2ff/"
)
WEIGHTS = {  # name: (URL, sha256)
    "squeezenet": (
        "https://github.com/songhan/SqueezeNet-Deep-Compression/raw/"
        "fb13faa2cf121ced9999f8a9d538ec6c56084733/compressed_SqueezeNet.net",
        "e4ab6960ae8cd81505e1c2136921201507e930966c53deaf15862a395b3a3261",
    ),
}
PARALLEL_DOWNLOADS = 8
_TABLES = Path(__file__).with_name("tables")


@dataclass(frozen=True)
class ImagenetClass:
    """One of the 1000 classes of ILSVRC 2012: its index (0 ... 999), WordNet id and label."""

    index: int
    wnid: str
    label: str


@functools.cache
def read_table(name: str) -> tuple[dict[str, str], ...]:
    """Read one of the package's tab-separated tables.

    Parameters
    ----------
    name : str
        ``"imagenet_classes"``, ``"caltech_imagenet"`` or ``"imagenet_sample"``.

    Returns
    -------
    tuple of dict
        The rows, each from column name to text.

    Examples
    --------
    >>> read_table("caltech_imagenet")[1]
    {'category': 'accordion', 'wnid': 'n02672831', 'imagenet_label': 'accordion'}
    """
    with (_TABLES / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file, delimiter="\t"))


@functools.cache
def imagenet_classes() -> tuple[ImagenetClass, ...]:
    """List the 1000 classes of ILSVRC 2012 in the order of a network's outputs.

    Returns
    -------
    tuple of ImagenetClass
        Index, WordNet id and label of each class.

    Examples
    --------
    >>> imagenet_classes()[805]
    ImagenetClass(index=805, wnid='n04254680', label='soccer_ball')
    """
    rows = read_table("imagenet_classes")
    return tuple(ImagenetClass(int(row["index"]), row["wnid"], row["label"]) for row in rows)


def imagenet_class(given: str | int) -> ImagenetClass:
    """Find an ImageNet class by label, WordNet id or index.

    Parameters
    ----------
    given : str or int
        ``"soccer_ball"``, ``"n04254680"`` or ``805`` (also as text).

    Returns
    -------
    ImagenetClass
        The one class that is meant.

    Raises
    ------
    UsageError
        If there is no such class, or two classes share the label.

    Examples
    --------
    >>> imagenet_class("soccer_ball").index
    805
    >>> imagenet_class("crane")
    Traceback (most recent call last):
        ...
    itn.messages.UsageError: two ImageNet classes are called 'crane': say n02012849 (134) or \
n03126707 (517)
    """
    found = _imagenet_names().get(str(given), ())
    if not found:
        raise unknown("class", given, (entry.label for entry in imagenet_classes()))
    if len(found) > 1:
        candidates = " or ".join(f"{entry.wnid} ({entry.index})" for entry in found)
        raise UsageError(f"two ImageNet classes are called '{given}': say {candidates}")
    return found[0]


def is_imagenet_name(given: str | int) -> bool:
    """Tell whether a label, WordNet id or index belongs to one or more ImageNet classes.

    Parameters
    ----------
    given : str or int
        As for `imagenet_class`.

    Returns
    -------
    bool
        Whether it does.

    Examples
    --------
    >>> is_imagenet_name("crane"), is_imagenet_name(1000)
    (True, False)
    """
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
    """Name the folder that holds the downloads; it need not exist.

    Returns
    -------
    Path
        The value of the environment variable ``ITN_DATA`` if set, otherwise the folder
        ``itn`` in the user's cache.

    Examples
    --------
    >>> isinstance(cache_directory(), Path)
    True
    """
    return Path(os.environ.get("ITN_DATA") or pooch.os_cache("itn")).expanduser()


def sha256_of(path: str | Path) -> str:
    """Compute the SHA-256 checksum of a file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "empty").write_bytes(b"")
    ...     print(sha256_of(Path(folder) / "empty")[:16])
    e3b0c44298fc1c14
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weight_file(name: str, progress: bool = True) -> Path:
    """Find a file of trained weights, downloading it if it is missing.

    Parameters
    ----------
    name : str
        ``"squeezenet"``: SqueezeNet v1.0 for ImageNet in Deep-Compression format, 0.7 MB.
    progress : bool, default True
        Show the progress of a download.

    Returns
    -------
    Path
        The file, whose checksum has just been verified.

    Raises
    ------
    UsageError
        If the name is unknown, the file cannot be downloaded or is not the expected one.

    Examples
    --------
    >>> weight_file("squeezenet").name  # doctest: +SKIP
    'compressed_SqueezeNet.net'
    """
    if name not in WEIGHTS:
        raise unknown("weights", name, WEIGHTS)
    url, expected = WEIGHTS[name]
    path = cache_directory() / "weights" / PurePosixPath(url).name
    if not path.is_file():
        try:
            _download([(url, f"sha256:{expected}", path)], progress)
        except (OSError, ValueError) as error:
            raise _not_downloaded(f"the weights '{name}'", url, path, error) from error
    elif (found := sha256_of(path)) != expected:
        raise UsageError(
            f"{path} is not the expected file: sha256 {found}, expected {expected}; "
            "delete it to have it downloaded again"
        )
    return path


def data_set_folder(
    name: str, classes: Iterable[str | int] | None = None, progress: bool = True
) -> Path:
    """Find the folder of a data set, downloading what is missing.

    ``caltech-101`` is one archive of 137 MB: if its folder is there it is used as it is, even
    if it holds some of the categories only. ``imagenet-sample`` is fetched file by file.

    Parameters
    ----------
    name : str
        ``"caltech-101"`` or ``"imagenet-sample"``.
    classes : iterable of str or int, optional
        Labels, WordNet ids or indices of the classes of ``imagenet-sample`` that must be there.
        By default all 1000, unless the cache was filled by other means: then what it holds.
    progress : bool, default True
        Show the progress of a download.

    Returns
    -------
    Path
        A folder with one sub-folder per class.

    Raises
    ------
    UsageError
        If a name is unknown, or a download fails or differs from what was published.

    Examples
    --------
    >>> data_set_folder("caltech-101").name  # doctest: +SKIP
    '101_ObjectCategories'
    """
    if name not in DATA_SETS:
        raise unknown("data set", name, DATA_SETS)
    if name == "caltech-101":
        url, folder = CALTECH_URL, cache_directory() / name / CALTECH_FOLDER
        get = functools.partial(_get_caltech, folder, progress)
    else:
        url, folder = SAMPLE_URL, cache_directory() / name
        wnids = None if classes is None else {imagenet_class(given).wnid for given in classes}
        get = functools.partial(_complete_sample, folder, wnids, progress)
    try:
        get()
    except (OSError, ValueError) as error:
        raise _not_downloaded(f"the data set '{name}'", url, folder, error) from error
    return folder


def _not_downloaded(what: str, url: str, path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"could not get {what} from {url}: {error}. It belongs in {path}; "
        "to use a copy elsewhere, set the environment variable ITN_DATA"
    )


def _download(files: Sequence[tuple[str, str, Path]], progress: bool) -> None:
    """Download (URL, checksum, target) each to a temporary name that is moved once it is right."""

    def retrieve(url: str, known_hash: str, target: Path) -> None:
        try:
            bar = progress and len(files) == 1
            pooch.retrieve(url, known_hash, target.name, target.parent, progressbar=bar)
        finally:
            with suppress(OSError):  # an empty folder would pass for a class without pictures
                target.parent.rmdir()

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")  # its messages would put paths of this machine into notebooks
    pool = ThreadPoolExecutor(PARALLEL_DOWNLOADS)
    try:
        jobs = [pool.submit(retrieve, *file) for file in files]
        disable = not progress or len(files) == 1
        for job in tqdm(as_completed(jobs), total=len(jobs), unit="file", disable=disable):
            job.result()
    finally:
        pool.shutdown(cancel_futures=True)
        logger.setLevel(level)


def _complete_sample(folder: Path, wnids: Iterable[str] | None, progress: bool) -> None:
    rows = read_table("imagenet_sample")
    files = {row["file"].partition("_")[0]: (row["file"], row["sha256"]) for row in rows}
    # Tells a sample that we download, maybe class by class, from a part that somebody put
    # there on purpose and that must not grow to 1000 files.
    unfinished = folder / ".incomplete"
    ours = unfinished.exists() or not any(folder.glob("n*"))
    if wnids is None and not ours:
        return
    missing = []
    for wnid in files if wnids is None else wnids:
        file, checksum = files[wnid]
        if not (folder / wnid / file).is_file():
            missing.append((SAMPLE_URL + file, f"sha256:{checksum}", folder / wnid / file))
    if missing:
        if ours:
            folder.mkdir(parents=True, exist_ok=True)
            unfinished.touch()
        _download(missing, progress)
    if wnids is None:
        unfinished.unlink(missing_ok=True)


def _get_caltech(folder: Path, progress: bool) -> None:
    if folder.is_dir():
        return
    cache = folder.parent.parent
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".caltech-101-", dir=cache) as temporary:
        archive = Path(temporary) / "caltech-101.zip"
        _download([(CALTECH_URL, CALTECH_HASH, archive)], progress)
        unpacked = Path(temporary) / "unpacked"
        unpack_zipped_tar(archive, CALTECH_MEMBER, unpacked, progress)
        if not (unpacked / CALTECH_FOLDER).is_dir():
            raise UsageError(f"{archive.name} holds no folder {CALTECH_FOLDER}")
        folder.parent.mkdir(exist_ok=True)
        try:
            (unpacked / CALTECH_FOLDER).replace(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster, and that is fine
                raise


def unpack_zipped_tar(archive: Path, member: str, target: Path, progress: bool = True) -> None:
    """Unpack a compressed tar file that lies within a zip file.

    Only regular files and folders inside the target are accepted: the first absolute path,
    ``..``, link or device ends it. Nothing else of the zip file is looked at.

    Parameters
    ----------
    archive : Path
        The zip file.
    member : str
        Name of the tar file in it.
    target : Path
        Folder to unpack into; if unpacking fails, what is in it is to be thrown away.
    progress : bool, default True
        Show the progress.

    Raises
    ------
    UsageError
        If the archive is damaged or holds anything else.

    Examples
    --------
    >>> unpack_zipped_tar(Path("a.zip"), "a/b.tar.gz", Path("unpacked"))  # doctest: +SKIP
    """
    try:
        with (
            zipfile.ZipFile(archive) as outer,
            outer.open(member) as inner,
            tarfile.open(fileobj=inner, mode="r|*") as files,
        ):
            for entry in tqdm(files, desc="unpacking", unit="file", delay=2, disable=not progress):
                path = PureWindowsPath(entry.name)  # knows both separators, and drives
                if path.anchor or ".." in path.parts or not (entry.isreg() or entry.isdir()):
                    raise UsageError(
                        f"{archive.name} is not to be trusted: it holds '{entry.name}', which is "
                        "not a plain file or folder inside it"
                    )
                files.extract(entry, target, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, KeyError) as error:
        raise UsageError(f"{archive.name} is damaged or another archive: {error}") from error
