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
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "empty").write_bytes(b"")
    ...     print(sha256_of(Path(folder) / "empty")[:16])
    e3b0c44298fc1c14
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, checksum: str | None) -> None:
    """Raise a UsageError unless a file has its checksum.

    Parameters
    ----------
    path : Path
        The file.
    checksum : str or None
        ``kind:digits``; None where nobody has published one, which every file has.

    Examples
    --------
    >>> check_file(Path("unknown"), None)
    """
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
    """Download a file, going on with what an earlier attempt has left.

    Parameters
    ----------
    url : str
        Where it comes from.
    checksum : str
        ``kind:digits``.
    target : Path
        Where it appears when it is complete and has this checksum, and not before.
    unfinished : Path
        Where it grows; kept if the connection fails, removed if the contents are wrong. On the
        same drive as the target. Who wants the same at the same time waits for the first.
    max_bytes : int
        More than that is refused.
    progress : bool, default True
        Show the progress.

    Raises
    ------
    UsageError
        If what the server sent is too long or has another checksum.
    OSError
        If the connection fails again and again.

    Examples
    --------
    >>> download(url, "md5:3138...", Path("a.zip"), Path("a.part"), max_bytes=10)  # doctest: +SKIP
    """
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

    Parameters
    ----------
    archive : Path
        The tar file, or a zip file that holds it; nothing else in that is looked at.
    target : Path
        Folder to unpack into; if unpacking fails, what is in it is to be thrown away.
    member : str, optional
        Name of the tar file in the zip file.
    max_bytes : int, default 32 GiB
        Largest sum of the files' sizes.
    progress : bool, default True
        Show the progress.

    Raises
    ------
    UsageError
        If the archive is damaged or holds anything else.

    Examples
    --------
    >>> unpack_tar(Path("a.zip"), Path("unpacked"), member="a/b.tar.gz")  # doctest: +SKIP
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
