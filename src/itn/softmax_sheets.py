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
from itertools import repeat
from pathlib import Path
from typing import IO

import numpy as np

from itn.messages import UsageError


class Sheets:
    """The sheets of all categories: kept in a folder, or one after the other in a scratch file."""

    def __init__(self, folder: Path | None, counts: Sequence[int], shape: tuple[int, int]) -> None:
        self.folder, self.counts, self.shape = folder, counts, shape
        self.blank = np.full(shape, np.nan, np.float32).tobytes()  # of one picture
        self.files: list[IO[bytes]] = []
        if folder is None:
            self.files = [_new_file(max(counts) * len(self.blank), None)]
        else:
            for category in range(len(counts)):  # the space for all, before the first pass
                if not self._path(category).exists():
                    self._begin(category)

    def begin(self, category: int) -> None:
        """Be ready for a category, whose sheet is blank where it is not kept."""
        if self.files:
            self._erase(self.files[0], category)

    def rows(self, category: int, start: int, stop: int) -> np.memmap:
        """Map the sheet of a category from one picture to another, and no more of it.

        What was touched counts as memory of the process for as long as it is mapped.
        """
        place = self.files[0] if self.files else self._path(category)
        shape = (stop - start, *self.shape)
        return np.memmap(place, np.float32, "r+", start * len(self.blank), shape)

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
        with _new_file(self.counts[category] * len(self.blank), unfinished) as file:
            self._erase(file, category)
        unfinished.replace(path)

    def _erase(self, file: IO[bytes], category: int) -> None:
        file.seek(0)
        file.writelines(repeat(self.blank, self.counts[category]))
        file.flush()


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
