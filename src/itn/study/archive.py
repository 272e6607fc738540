"""The one door to what costs more than seconds: results are found by their recipe.

A *recipe* is everything that decides the numbers of a result, as values that JSON can hold. A
result is served only for its own recipe:

- *archived* results, ``results/<profile>/*.nc``, are committed and carry their recipe;
- what is computed on the spot is kept in ``results/.cache`` (or, where nothing can be written
  there, in the user's cache folder), under a key that also holds the sources that computed it,
  the versions of what they build on, and the backend.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
import xarray as xr

from itn.files import one_at_a_time, whole_file
from itn.messages import Progress, UsageError
from itn.netcdf import read_attributes, read_netcdf, write_netcdf
from itn.study.profiles import project_folder
from itn.study.sources import code_hash, computed_with

Recipe = dict[str, Any]
UNKNOWN = "not known"  # e.g. what is in pictures that are not there; fits everything
# Parts of a recipe that are mappings or lists whose entries are independent of each other: a
# result with more of them serves for fewer.
INDEPENDENT = ("classes", "magnitudes", "parts", "seeds")


@dataclass(frozen=True)
class Request:
    """A result that is wanted."""

    recipe: Recipe  # everything that decides its numbers; its "kind" says of what it is
    # Makes it. Is given a folder, in which what is unfinished may survive a kill.
    compute: Callable[[Path], xr.Dataset | xr.DataTree]
    module: str  # whose sources, with all that they import, compute it
    archive: Path  # what it would be archived as, results/<profile>/<name>.nc
    own: bool = False  # whether the profile asks for it, without deviations of a user
    command: str = ""  # what archives it


def digest_of(recipe: Mapping[str, Any]) -> str:
    """Return the sha256 of a recipe, in hexadecimal."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def differences(stored: Any, wanted: Any, name: str = "") -> list[str]:
    """Say in which parts a stored recipe does not serve for the one that is wanted."""
    if stored == wanted or UNKNOWN in (stored, wanted):
        return []
    if name in INDEPENDENT and isinstance(stored, Mapping | list) and type(stored) is type(wanted):
        missing = [str(key) for key in wanted if key not in stored]
        if missing:
            return [f"{name} ({', '.join(missing[:3])} not there)"]
        if isinstance(stored, list):
            return []
        stored = {key: stored[key] for key in wanted}
    if isinstance(stored, list) and isinstance(wanted, list) and len(stored) == len(wanted):
        stored, wanted = dict(enumerate(stored)), dict(enumerate(wanted))
    if isinstance(stored, Mapping) and isinstance(wanted, Mapping):
        keys = dict.fromkeys([*wanted, *stored])
        found = [
            differences(stored.get(key, "none"), wanted.get(key, "none"), f"{name} {key}".strip())
            for key in keys
        ]
        return [text for texts in found for text in texts]
    return [f"{name} ({_short(stored)} there, {_short(wanted)} now)"]


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} of them"
    text = str(value)
    return text[:8] if re.fullmatch("[0-9a-f]{16,}", text) else text


def obtain(request: Request) -> xr.DataTree:
    """Take a result from the archive or the cache where it is there, else compute and keep it."""
    archived = find_archived(request)
    if archived is not None:
        return _with_origin(read_netcdf(archived), "archived")
    where = tell_differences(request) if request.own else ""
    if where:
        Progress.write(f"{where}: computed anew; {request.command}")
    try:
        return _with_origin(read_netcdf(keep(request)), "computed")
    except UsageError as error:
        raise UsageError(f"{where}; {error}" if where else str(error)) from error


def find_archived(request: Request) -> Path | None:
    """Find the archived result that serves for a request."""
    own = request.archive
    if own.is_file() and not differences(recipe_of(own), request.recipe):
        return own
    for path in archived_files(own.parent):
        with suppress(UsageError):  # a damaged file is a matter of those who ask for it
            if not differences(recipe_of(path), request.recipe):
                return path
    return None


def find_kept(request: Request) -> Path | None:
    """Find a result that serves in the archive or the cache; computes nothing."""
    path = kept_path(request)
    return find_archived(request) or (path if is_whole(path) else None)


def kept_path(request: Request, within: str = "") -> Path:
    """Return where a result is kept in the cache, or in a folder within."""
    key = digest_of(request.recipe | {"code": code_hash(request.module)} | computed_with())[:32]
    return cache_folder() / within / f"{key}.nc"


def require_archived(request: Request) -> Path:
    """Find the archived result that serves, where it would take too long to compute it."""
    found = find_archived(request)
    if found is None:
        missing = f"there is no results/{request.archive.parent.name}/{request.archive.name}"
        raise UsageError(f"{tell_differences(request) or missing}: {request.command}")
    return found


def tell_differences(request: Request) -> str:
    """Say what an archive of that name was made from otherwise."""
    if not request.archive.is_file():
        return ""
    found = differences(recipe_of(request.archive), request.recipe)
    name = f"results/{request.archive.parent.name}/{request.archive.name}"
    return f"{name} was made otherwise: {', '.join(found)}" if found else ""


def archive(request: Request, force: bool = False) -> bool:
    """Archive a result, unless it is there."""
    there = request.archive.is_file() and not tell_differences(request)
    if there and not force:
        return False
    check_writable(request.archive.parent)
    put_in_archive(keep(request, force), request.archive)
    return True


def put_in_archive(kept: Path, target: Path) -> None:
    """Copy a result from the cache to the archive."""
    with whole_file(target) as unfinished:
        shutil.copyfile(kept, unfinished)


def keep(request: Request, force: bool = False, within: str = "") -> Path:
    """Compute a result and keep it in the cache, or a folder within, unless it is there.

    What was computed before a kill is used where the computation can.
    """
    path = kept_path(request, within)
    path.parent.mkdir(exist_ok=True)
    lock = path.with_suffix(".lock")
    with one_at_a_time(lock, f"the same ({describe_recipe(request.recipe)})"):
        if not force and is_whole(path):
            return path
        state = path.with_suffix(".state")
        state.mkdir(exist_ok=True)
        write_netcdf(make(request, state), path)
        shutil.rmtree(state)
    with suppress(OSError):
        lock.unlink()  # who waits for it still holds it, and finds the result
    return path


def make(request: Request, state: Path) -> xr.Dataset | xr.DataTree:
    """Compute a result, which then says how it was made."""
    content = request.compute(state)
    content.attrs["recipe"] = json.dumps(request.recipe, sort_keys=True)
    content.attrs["archive"] = f"{request.archive.parent.name}/{request.archive.name}"
    return content


def part_of(state: Path, name: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
    """Return a part of a computation, which is not done again after a kill."""
    path = state / f"{name}.nc"
    if not is_whole(path):
        write_netcdf(compute(), path)
    return read_netcdf(path).to_dataset()


def is_whole(path: Path) -> bool:
    """Tell whether a result is there and undamaged."""
    try:
        read_attributes(path)
    except UsageError:
        return False
    return True


def cache_folder() -> Path:
    """Return the folder of what was computed on the spot; it is there and can be written to."""
    candidates = (
        project_folder() / "results" / ".cache",
        Path(platformdirs.user_cache_dir("itn")) / "results",
    )
    for folder in candidates:
        with suppress(UsageError):
            check_writable(folder)
            return folder
    raise UsageError(f"neither {candidates[0]} nor {candidates[1]} can be written to")


def check_writable(folder: Path) -> None:
    """Raise a UsageError unless files can be written to a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"{folder} cannot be written to: {error.strerror}") from error


def archived_files(folder: Path) -> list[Path]:
    """List the archived results of a profile."""
    return sorted(path for path in folder.glob("*.nc") if not path.name.startswith("."))


def recipe_of(path: Path) -> Recipe:
    """Read the recipe of a stored result."""
    about = path.stat()
    return _recipe_of(path, about.st_size, about.st_mtime_ns)


@cache
def _recipe_of(path: Path, size: int, time: int) -> Recipe:
    try:
        recipe: Recipe = json.loads(read_attributes(path)["recipe"])
    except (KeyError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} does not say how it was made: it has no recipe") from error
    return recipe


def cached_files() -> Iterator[Path]:
    """List the results that were computed on the spot, the latest last."""
    files = cache_folder().glob("*.nc")
    yield from sorted(files, key=lambda path: path.stat().st_mtime_ns)


def describe_recipe(recipe: Mapping[str, Any]) -> str:
    """Say in one line what a recipe is of."""
    texts = [str(recipe["kind"])]
    for name, value in recipe.items():
        if isinstance(value, Mapping):
            value = value.get("name", f"{len(value)} of them")
        if name not in ("kind", "protocol") and value is not None:
            texts.append(f"{name} {_short(value)}")
    return ", ".join(texts)


def _with_origin(result: xr.DataTree, origin: str) -> xr.DataTree:
    result.attrs["origin"] = origin
    return result
