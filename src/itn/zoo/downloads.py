"""Files from elsewhere: downloads resumed and verified, archives that stay in their folder."""

import hashlib
import http.client
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from contextlib import ExitStack, suppress
from pathlib import Path, PureWindowsPath
from typing import IO, Any

from itn.messages import Progress, UsageError

TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 4  # in a row that bring nothing
PAUSE = 1.0  # seconds, times the number of attempts in vain
CHUNK = 1 << 20
RETRIED = {408, 429, 500, 502, 503, 504}  # HTTP: the server may think better of it
OUT_OF_RANGE = 416  # HTTP: nothing comes after what is here already
MAX_UNPACKED = 32 * 2**30  # bytes


def check_file(path: Path, checksum: str | None) -> None:
    """Raise a UsageError unless a file has its checksum."""
    if checksum is None:
        return
    kind, _, expected = checksum.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if found != expected:
        raise UsageError(f"{path} is not the expected file: {kind} {found}, expected {expected}")


def download(
    url: str,
    checksum: str,
    target: Path,
    unfinished: Path,
    *,
    max_bytes: int,
    progress: bool = True,
) -> None:
    """Download a file, going on with what an earlier attempt has left."""
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    with unfinished.open("a+b") as file:
        with suppress(ImportError, OSError):  # Windows has none, and not every network drive has
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        if target.is_file():  # another was faster
            unfinished.unlink(missing_ok=True)
            return
        try:
            while True:
                pieced = file.seek(0, os.SEEK_END) > 0
                error = _complete(url, file, max_bytes, target.name if progress else None)
                file.flush()
                try:
                    check_file(unfinished, checksum)
                    break
                except UsageError as mismatch:
                    if error is not None:
                        raise error from mismatch
                    file.truncate(0)
                    if not pieced:  # otherwise the old part may be to blame: once more
                        raise UsageError(
                            f"what it sent is not the expected file: {mismatch}"
                        ) from mismatch
        except UsageError:
            unfinished.unlink(missing_ok=True)
            raise
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(PermissionError):  # Windows renames no open file
            unfinished.replace(target)
            return
    unfinished.replace(target)


def _complete(url: str, file: IO[bytes], max_bytes: int, name: str | None) -> OSError | None:
    """Append to a file until the server says that it is all; return what went wrong."""
    in_vain = 0
    with Progress(
        desc=name, unit="B", unit_scale=True, unit_divisor=1000, disable=name is None
    ) as bar:
        while True:
            before = file.seek(0, os.SEEK_END)
            try:
                if _append(url, file, before, max_bytes, bar):
                    return None
                error = OSError("the connection ended too early")
            except urllib.error.HTTPError as refusal:
                refusal.close()
                if refusal.code == OUT_OF_RANGE and before:
                    return None
                error = OSError(f"HTTP {refusal.code} {refusal.reason}")
                if refusal.code not in RETRIED:
                    return error
            except (OSError, http.client.HTTPException) as failure:
                error = OSError(str(getattr(failure, "reason", failure)) or repr(failure))
            in_vain = 0 if file.seek(0, os.SEEK_END) > before else in_vain + 1
            if in_vain == ATTEMPTS:
                return error
            time.sleep(PAUSE * in_vain)


def _append(url: str, file: IO[bytes], start: int, max_bytes: int, bar: Any) -> bool:
    """Append what follows the first bytes; return whether all came that was announced."""
    headers = {"User-Agent": "itn"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        follows = str(response.headers.get("Content-Range", "")).startswith(f"bytes {start}-")
        if start and not (response.status == http.HTTPStatus.PARTIAL_CONTENT and follows):
            file.truncate(0)  # it sends everything, or something else
            if response.status != http.HTTPStatus.OK:
                raise OSError("the server sent another part than it was asked for")
            start = 0
        announced = response.length  # None: until it closes the connection
        bar.total, bar.n = None if announced is None else start + announced, start
        received = 0
        while True:
            if start + max(received, announced or 0) > max_bytes:
                raise UsageError(f"the server sends more than {max_bytes:,} bytes")
            chunk = response.read1(CHUNK)
            if not chunk:
                return announced is None or received == announced
            file.write(chunk)
            file.flush()
            received += len(chunk)
            bar.update(len(chunk))


def unpack_tar(
    archive: Path,
    target: Path,
    *,
    member: str | None = None,
    max_bytes: int = MAX_UNPACKED,
    progress: bool = True,
) -> None:
    """Unpack a tar file, compressed or not.

    Only regular files and folders inside the target are accepted, by tarfile's ``data`` filter
    and before it: the first absolute path, ``..``, link or device ends it.
    """
    free = shutil.disk_usage(target.parent).free
    total = 0
    try:
        with ExitStack() as stack:
            inner = None
            if member is not None:
                inner = stack.enter_context(zipfile.ZipFile(archive)).open(member)
                stack.enter_context(inner)
            name = None if inner else archive
            files = stack.enter_context(tarfile.open(name, "r|*", fileobj=inner))
            for entry in Progress(
                files, desc="unpacking", unit="file", delay=2, disable=not progress
            ):
                path = PureWindowsPath(entry.name)  # knows both separators, and drives
                if path.anchor or ".." in path.parts or not (entry.isreg() or entry.isdir()):
                    raise UsageError(
                        f"{archive.name} is not to be trusted: it holds '{entry.name}', which is "
                        "not a plain file or folder inside it"
                    )
                total += entry.size
                if total > min(max_bytes, free):
                    raise UsageError(
                        f"{archive.name} unpacks to more than {min(max_bytes, free):,} bytes"
                    )
                files.extract(entry, target, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, KeyError) as error:
        raise UsageError(f"{archive.name} is damaged or another archive: {error}") from error
