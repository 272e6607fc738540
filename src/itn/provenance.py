"""Where a result comes from: hashes of sources and the versions of packages."""

import hashlib
import platform
from collections.abc import Iterable
from functools import cache
from importlib import metadata, resources
from pathlib import Path


@cache
def source_hash() -> str:
    """Return the sha256 of the package's own sources, in hexadecimal.

    Returns
    -------
    str
        Changes when any module or table of the package changes.

    Examples
    --------
    >>> len(source_hash())
    64
    """
    with resources.as_file(resources.files("itn")) as folder:
        files = [path for path in folder.rglob("*") if path.suffix in (".py", ".tsv")]
        return hash_of_files(files, folder)


def hash_of_files(paths: Iterable[Path], root: Path) -> str:
    """Return the sha256 of files' names and contents, in hexadecimal.

    Parameters
    ----------
    paths : iterable of Path
        Files below `root`, in any order.
    root : Path
        Folder their names are relative to.

    Returns
    -------
    str
        The same for the same names and contents.

    Examples
    --------
    >>> hash_of_files([], Path())[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in paths):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def installed_version(package: str) -> str:
    """Return the version of an installed package.

    Parameters
    ----------
    package : str
        Name of a distribution; ``tensorflow`` also stands for ``tensorflow-cpu``.

    Returns
    -------
    str
        Version, or "unknown" where the package runs from sources that are not installed.

    Examples
    --------
    >>> installed_version("numpy").count(".")
    2
    """
    for name in (package, f"{package}-cpu"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def environment() -> dict[str, str]:
    """Say what computes: the package's sources, versions, backend and device.

    Returns
    -------
    dict of str to str
        Attributes for a result.

    Examples
    --------
    >>> sorted(environment())
    ['device', 'source_sha256', 'versions']
    """
    import keras

    packages = ("itn", "keras", keras.backend.backend(), "numpy")
    return {
        "source_sha256": source_hash(),
        "versions": ", ".join(f"{name} {installed_version(name)}" for name in packages),
        "device": f"{keras.distribution.list_devices()[0]} ({platform.machine()})",
    }
