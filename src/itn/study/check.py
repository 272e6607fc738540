"""What is installed and found on this machine: what to paste into a report of a fault."""

import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from itn.keras_settings import devices
from itn.messages import UsageError
from itn.provenance import PACKAGE, installed_version, source_hash
from itn.study.profiles import project_folder
from itn.zoo.catalog import (
    BROUGHT,
    CATALOG,
    WEIGHTS_FOLDER,
    brought_file,
    cache_directory,
    is_there,
)

PACKAGES = ("numpy", "xarray", "matplotlib", "pillow", "papermill", "nbclient", "ipykernel")


def check() -> Iterator[str]:
    """Say in one line each what is installed, what was found, and what can be written.

    Something that does not work is said in its line, and does not keep the others from coming.
    """
    cores = f"{os.cpu_count()} cores"
    yield f"itn {installed_version('itn')}: {PACKAGE}, sources {_tried(_sources)}"
    yield f"Python {platform.python_version()}: {sys.executable}, {platform.platform()}, {cores}"
    yield ", ".join(f"{name} {installed_version(name)}" for name in PACKAGES)
    backend = _tried(_backend)
    yield f"backend: {backend}"
    yield f"project: {_tried(lambda: str(project_folder()))}"
    yield f"cache: {cache_directory()} ({_whence('ITN_DATA')})"
    yield f"data sets in it: {_tried(lambda: _found(data=True))}"
    yield f"weights in it: {_tried(lambda: _found(data=False))}"
    yield f"weights in the package: {_tried(_packaged)}"
    yield f"weights in other packages: {_tried(_brought)}"
    for name, folder in (
        ("the cache", cache_directory),
        ("results", lambda: project_folder() / "results"),
        ("book/results", lambda: project_folder() / "book" / "results"),
    ):
        yield f"writing to {name}: {_tried(lambda folder=folder: _writable(folder()))}"  # type: ignore[misc]
    if backend.startswith(BROKEN):
        raise UsageError("no network can run: the backend does not work")


BROKEN = "does not work: "


def _tried(probe: Callable[[], str]) -> str:
    """Return what a probe says, or in one line why it says nothing."""
    try:
        return probe()
    except Exception as error:  # whatever is broken has to be told
        return f"{BROKEN}{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _sources() -> str:
    return source_hash()[:12]


def _whence(variable: str) -> str:
    return f"from {variable}" if os.environ.get(variable) else f"{variable} is not set"


def _backend() -> str:
    import keras

    name = keras.backend.backend()
    total = float(keras.ops.sum(keras.ops.ones(3)))  # it computes
    if total != 3:
        raise ArithmeticError(f"1 + 1 + 1 = {total}")
    settings = f"{keras.config.floatx()}, {keras.config.image_data_format()}"
    version = f"{name} {installed_version(name)}, keras {installed_version('keras')}"
    return (
        f"{version}, {settings}, {keras.config.dtype_policy().name}, devices {', '.join(devices())}"
    )


def _found(data: bool) -> str:
    sources = [one for one in CATALOG.values() if (one.pictures is not None) == data]
    return ", ".join(one.name for one in sources if is_there(one)) or "none"


def _packaged() -> str:
    files = sorted(path for path in WEIGHTS_FOLDER.rglob("*") if path.is_file())
    names = (
        path.relative_to(WEIGHTS_FOLDER) for path in files if path.suffix not in (".json", ".txt")
    )
    return ", ".join(name.as_posix() for name in names) or "none"


def _brought() -> str:
    found = ((name, brought_file(name)) for name in BROUGHT)
    return ", ".join(f"{name} ({path.name})" for name, path in found if path) or "none"


def _writable(folder: Path) -> str:
    """Say whether files can be made in a folder, or it in the closest that there is."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    possible = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return f"{'possible' if possible else 'not possible'}, {folder}"
