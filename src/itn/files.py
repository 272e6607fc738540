"""Files that appear whole or not at all, and work that one process does at a time."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from itn.messages import Progress, UsageError

_HELD = ".held"  # in a scratch folder: locked for as long as its process lives


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """Make a hidden folder beside a file that is to be written, for what is unfinished.

    It is removed in the end; where a process was killed, by the next that writes the same file.

    Parameters
    ----------
    target : Path
        The file; its folder is made if need be.

    Yields
    ------
    Path
        An empty folder on the same drive, so that moving out of it is renaming.

    Raises
    ------
    UsageError
        If nothing can be written there.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with scratch_folder(Path(folder, "a.nc")) as scratch:
    ...         inside = [path.name[:3] for path in Path(folder).iterdir()]
    ...     inside, list(Path(folder).iterdir())
    (['.a-'], [])
    """
    prefix = f".{target.stem}-"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=prefix))
    except OSError as error:
        raise UsageError(f"{target.parent} cannot be written to: {error.strerror}") from error
    try:
        with (scratch / f"{_HELD}-not-yet").open("w") as held:
            _lock(held, wait=False)
            Path(held.name).rename(scratch / _HELD)  # nobody else can lock it before us
            for left in target.parent.glob(f"{prefix}*"):
                if left != scratch:
                    _remove_unless_held(left)
            inner = scratch / "new"
            inner.mkdir()
            yield inner
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Write a file that appears under its name only when it is complete.

    Parameters
    ----------
    target : Path
        Where it belongs; its folder is made if need be. What is there is replaced.

    Yields
    ------
    Path
        Where to write it; in the end it is moved, unless there was an error.

    Raises
    ------
    UsageError
        If nothing can be written there.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder, "a.txt")) as unfinished:
    ...         _ = unfinished.write_text("all of it")
    ...     Path(folder, "a.txt").read_text()
    'all of it'
    """
    with scratch_folder(target) as scratch:
        unfinished = scratch / target.name
        yield unfinished
        unfinished.replace(target)


@contextmanager
def one_at_a_time(path: Path, what: str) -> Iterator[None]:
    """Hold a lock; whoever wants it at the same time says so in one line and waits.

    Parameters
    ----------
    path : Path
        The lock file, made if need be and left there.
    what : str
        What is done meanwhile, for the line.

    Raises
    ------
    UsageError
        If it cannot be written.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with one_at_a_time(Path(folder, "work.lock"), "the training"):
    ...         print("alone")
    alone
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise UsageError(f"{path} cannot be written to: {error.strerror}") from error
    with file:
        if not _lock(file, wait=False):
            Progress.write(f"itn: another process is at {what}; waiting for it")
            _lock(file, wait=True)
        yield


def _lock(file: IO[str], wait: bool) -> bool:
    """Lock a file until it is closed; tell whether that went well."""
    try:
        import fcntl
    except ImportError:  # Windows has none: there two runs at once do the same work twice
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # not every network drive can
        return True
    return True


def _remove_unless_held(folder: Path) -> None:
    with suppress(OSError):
        with (folder / _HELD).open("r+") as held:
            if not _lock(held, wait=False):
                return
        shutil.rmtree(folder)
