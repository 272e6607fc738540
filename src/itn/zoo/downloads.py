"""Files from elsewhere: put in place whole and verified, archives kept within their folder."""

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
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO, Any

from itn.files import one_at_a_time, scratch_folder
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


def copy(path: Path, checksum: str | None, target: Path, unfinished: Path) -> None:
    """Copy a file that somebody has got by other means."""
    _put_in_place(
        str(path), checksum, target, unfinished, lambda path, whole, _: shutil.copyfile(path, whole)
    )


def download(
    url: str, checksum: str, target: Path, unfinished: Path, max_bytes: int, progress: bool = True
) -> None:
    """Download a file, going on with what an earlier attempt has left."""
    name = target.name if progress else None
    bring = partial(_resume, unfinished=unfinished, max_bytes=max_bytes, name=name)
    lock = unfinished.with_name(f"{unfinished.name}.lock")
    try:
        with one_at_a_time(lock, f"the download of {target.name}"):
            pieced = unfinished.is_file()
            while not target.is_file():  # otherwise another was faster
                try:
                    _put_in_place(url, checksum, target, unfinished, bring)
                except UsageError:
                    unfinished.unlink(missing_ok=True)
                    if not pieced:
                        raise
                    pieced = False  # the old part may be to blame: once more
    finally:
        with suppress(OSError):  # on Windows, where another waits for it
            lock.unlink()


def _put_in_place(
    origin: str,
    checksum: str | None,
    target: Path,
    unfinished: Path,
    bring: Callable[[str, str, object], object],
) -> None:
    """Let pooch have a file brought and verify it; then it appears under its name."""
    import pooch  # a sixth of a second that few need to wait

    pooch.get_logger().setLevel("WARNING")  # a bar shows what it does
    with scratch_folder(unfinished) as scratch:
        try:
            whole = pooch.retrieve(origin, checksum, target.name, scratch, downloader=bring)
        except UsageError:
            raise
        except ValueError as mismatch:
            what = str(mismatch).removesuffix(".")
            raise UsageError(f"what it sent is not the expected file: {what}") from mismatch
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(whole).replace(target)


def _resume(
    url: str, whole: str, _: object, *, unfinished: Path, max_bytes: int, name: str | None
) -> None:
    """Append to a file until the server says that it is all.

    Pooch's own downloader would start anew after each broken connection.
    """
    bar = Progress(desc=name, unit="B", unit_scale=True, unit_divisor=1000, disable=name is None)
    in_vain, complete = 0, False
    with unfinished.open("ab") as file, bar:
        while not complete:
            before = file.seek(0, os.SEEK_END)
            error = OSError("the connection ended too early")
            try:
                complete = _append(url, file, before, max_bytes, bar)
            except urllib.error.HTTPError as refusal:
                refusal.close()
                complete = refusal.code == OUT_OF_RANGE and before > 0
                error = OSError(f"HTTP {refusal.code} {refusal.reason}")
                if not complete and refusal.code not in RETRIED:
                    raise error from refusal
            except (OSError, http.client.HTTPException) as failure:
                error = OSError(str(getattr(failure, "reason", failure)) or repr(failure))
            if not complete:
                in_vain = 0 if file.seek(0, os.SEEK_END) > before else in_vain + 1
                if in_vain == ATTEMPTS:
                    raise error
                time.sleep(PAUSE * in_vain)
    unfinished.replace(whole)


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
    most, total = min(max_bytes, shutil.disk_usage(target.parent).free), 0
    try:
        with ExitStack() as stack:
            inner = None
            if member is not None:
                outer = stack.enter_context(zipfile.ZipFile(archive))
                inner = stack.enter_context(outer.open(member))
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
                if total > most:
                    raise UsageError(f"{archive.name} unpacks to more than {most:,} bytes")
                files.extract(entry, target, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, KeyError) as error:
        raise UsageError(f"{archive.name} is damaged or another archive: {error}") from error
