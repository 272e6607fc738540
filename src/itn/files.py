"""Files that appear whole or not at all, and work that one process does at a time."""

import hashlib
import os
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from itn.messages import Progress, UsageError, shown

_HELD = ".held"  # in a scratch folder: locked for as long as its process lives


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """Make a hidden folder beside a file that is to be written, for what is unfinished.

    It is on the same drive, so that moving out of it is renaming. It is removed in the end; where
    a process was killed, by the next that writes the same file.
    """
    prefix = f".{target.stem}-"
    if not target.name or not _can_be_a_name(str(target)):
        raise UsageError(f"'{shown(target)}' is no name of a file")
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=prefix))
    try:
        with (scratch / f"{_HELD}-not-yet").open("w") as held:
            _lock(held, wait=False)
            Path(held.name).rename(scratch / _HELD)  # nobody else can lock it before us
            for left in set(target.parent.glob(f"{prefix}*")) - {scratch}:
                _remove_unless_held(left)
            inner = scratch / "new"
            inner.mkdir()
            yield inner
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a path to write to, which becomes `target` in the end unless there was an error."""
    with scratch_folder(target) as scratch:
        unfinished = scratch / target.name
        yield unfinished
        with writing(target):  # where a folder is, for example
            unfinished.replace(target)


@contextmanager
def one_at_a_time(path: Path, what: str) -> Iterator[None]:
    """Hold a lock; whoever wants it at the same time says so in one line and waits."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    with file:
        if not _lock(file, wait=False):
            # Not where results go: a notebook keeps that, and is to be the same without a wait.
            Progress.write(f"itn: another process is at {what}; waiting for it", sys.stderr)
            _lock(file, wait=True)
        yield


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line that a file or folder cannot be written to."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} cannot be written to: {error.strerror or error}") from error


def _can_be_a_name(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


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


def sha256_of(path: str | Path) -> str:
    """Compute the SHA-256 checksum of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def own_path(given: str | Path) -> Path:
    """Return a path as a user writes it, with ``~``; refuse what can be no path of a file."""
    try:
        path = Path(given).expanduser()
        if not _can_be_a_name(str(path)):
            raise TypeError("it is not Unicode, or has a NUL")
        path.exists()  # asks the system
    except (OSError, RuntimeError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"'{shown(given)}' is no path of a file: {reason}") from error
    return path


def plain_name(name: str) -> str:
    """Return a name in Unicode's composed form, which macOS takes apart; bytes are escaped."""
    try:
        content = name.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # halves of characters that are of no file
        content = name.encode(errors="surrogatepass")
    return unicodedata.normalize("NFC", content.decode(errors="backslashreplace"))
