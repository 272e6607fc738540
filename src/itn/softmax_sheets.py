"""What a screening has been told so far, on disk: memory does not grow, and a kill loses little.

A *sheet* holds the softmax [N, M, K] of the pictures of one category under every magnitude. It
begins as NaN; what is a number was answered.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from itn.messages import UsageError


class Sheets:
    """The sheets of all categories: kept in a folder, or one after the other in a scratch file."""

    def __init__(self, folder: Path | None, counts: Sequence[int], shape: tuple[int, int]) -> None:
        self.folder, self.counts, self.shape = folder, counts, shape
        self.files: list[IO[bytes]] = []
        if folder is None:
            self.files = [_new_file(self._size(max(counts)), None)]
        else:
            for category in range(len(counts)):  # the space for all, before the first pass
                if not self._path(category).exists():
                    self._begin(category)

    def open(self, category: int) -> np.memmap:
        """Return the sheet of a category."""
        shape = (self.counts[category], *self.shape)
        if self.folder is not None:
            return np.memmap(self._path(category), np.float32, "r+", shape=shape)
        sheet = np.memmap(self.files[0], np.float32, "r+", shape=shape)
        sheet[:] = np.nan
        return sheet

    def close(self) -> None:
        """Give back what is not kept."""
        for file in self.files:
            file.close()

    def _path(self, category: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{category}.softmax"

    def _begin(self, category: int) -> None:
        path = self._path(category)
        unfinished = path.with_suffix(".begun")
        with _new_file(self._size(self.counts[category]), unfinished):
            shape = (self.counts[category], *self.shape)
            sheet = np.memmap(unfinished, np.float32, "r+", shape=shape)
            sheet[:] = np.nan
            sheet.flush()
        unfinished.replace(path)

    def _size(self, count: int) -> int:
        return 4 * count * self.shape[0] * self.shape[1]


def _new_file(size: int, path: Path | None) -> IO[bytes]:
    """Open a file that has its space already: once mapped, it raises no error."""
    folder = "the folder for temporary files"
    try:
        folder = str(path.parent) if path else tempfile.gettempdir()
        with ExitStack() as stack:
            opened = path.open("w+b") if path else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
            file: IO[bytes] = stack.enter_context(opened)
            _reserve(file, size, folder)
            stack.pop_all()
            return file
    except OSError as error:
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
