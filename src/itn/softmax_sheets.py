"""What a screening has been told so far, on disk: memory does not grow, and a kill loses little.

A *sheet* holds the softmax [N, M, K] of the pictures of one category under several magnitudes. It
begins as NaN; what is a number was answered. A category may have several, one after the other.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import IO

import numpy as np

from itn.messages import UsageError


@dataclass(frozen=True)
class Sheet:
    """Where a sheet lies."""

    file: IO[bytes] | Path
    start: int  # in bytes
    shape: tuple[int, int, int]

    def rows(self, start: int, stop: int) -> np.memmap:
        """Map what is said of pictures from one to another, and no more of it.

        What was touched counts as memory of the process for as long as it is mapped.
        """
        offset = self.start + start * 4 * self.shape[1] * self.shape[2]
        return np.memmap(self.file, np.float32, "r+", offset, (stop - start, *self.shape[1:]))


class Sheets:
    """The sheets of all categories: kept in a folder, or those of one in a scratch file."""

    def __init__(
        self, folder: Path | None, counts: Sequence[int], magnitudes: np.ndarray, classes: int
    ) -> None:
        """Take the space for the first sheets of all categories, before the first pass."""
        self.folder, self.counts, self.classes = folder, counts, classes
        self.category, self.end, self.space = -1, 0, 0  # of what lies in the scratch file
        self.files: list[IO[bytes]] = []
        if folder is None:
            self.space = _size(self._shape(int(np.argmax(counts)), magnitudes))
            self.files = [_new_file(self.space, None)]
        else:
            for category in range(len(counts)):
                self.open(category, magnitudes)

    def open(self, category: int, magnitudes: np.ndarray) -> Sheet:
        """Return a sheet of a category, that of before if it is kept.

        A scratch file holds the sheets of one category, until another one comes.
        """
        shape = self._shape(category, magnitudes)
        if self.folder is not None:
            named = hashlib.sha256(magnitudes.tobytes()).hexdigest()[:8]
            path = self.folder / f"{category}_{named}.softmax"
            if not path.exists():
                unfinished = path.with_suffix(".begun")
                with _new_file(_size(shape), unfinished) as file:
                    _erase(file, 0, shape)
                unfinished.replace(path)
            return Sheet(path, 0, shape)
        start = self.end if category == self.category else 0
        self.category, self.end = category, start + _size(shape)
        if self.end > self.space:
            with _explained(self.end, None):
                _reserve(self.files[0], self.end, tempfile.gettempdir())
            self.space = self.end
        _erase(self.files[0], start, shape)
        return Sheet(self.files[0], start, shape)

    def close(self) -> None:
        """Give back what is not kept."""
        for file in self.files:
            file.close()

    def _shape(self, category: int, magnitudes: np.ndarray) -> tuple[int, int, int]:
        return self.counts[category], len(magnitudes), self.classes


def _size(shape: tuple[int, int, int]) -> int:
    return 4 * shape[0] * shape[1] * shape[2]


def _erase(file: IO[bytes], start: int, shape: tuple[int, int, int]) -> None:
    blank = np.full(shape[1:], np.nan, np.float32).tobytes()  # of one picture
    file.seek(start)
    file.writelines(repeat(blank, shape[0]))
    file.flush()


def _new_file(size: int, path: Path | None) -> IO[bytes]:
    """Open a file that has its space already: once mapped, it raises no error."""
    with _explained(size, path), ExitStack() as stack:
        folder = str(path.parent) if path else tempfile.gettempdir()
        opened = path.open("w+b") if path else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        file: IO[bytes] = stack.enter_context(opened)
        _reserve(file, size, folder)
        stack.pop_all()
        return file


@contextmanager
def _explained(size: int, path: Path | None) -> Iterator[None]:
    """Say in one line which space is missing."""
    try:
        yield
    except OSError as error:
        folder = "the folder for temporary files"
        with suppress(OSError):
            folder = str(path.parent) if path else tempfile.gettempdir()
        hint = "" if path else "; the environment variable TMPDIR names another folder"
        raise UsageError(
            f"screening needs {size / 1e9:.2g} GB in {folder}: {error.strerror or error}{hint}"
        ) from error


def _reserve(file: IO[bytes], size: int, folder: str) -> None:
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as error:  # not every system has it, nor every drive
        if isinstance(error, OSError) and error.errno != errno.EOPNOTSUPP:
            raise
        if shutil.disk_usage(folder).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
