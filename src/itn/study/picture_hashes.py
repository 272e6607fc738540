"""What files of pictures hold, told by hashes: nothing is decoded or downloaded for it."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from itn.phantom.objects import PHANTOM_CLASSES
from itn.picture_files import try_header
from itn.picture_folders import find_class, find_pictures, listed_classes
from itn.study.sources import code_hash
from itn.zoo.catalog import DATA_SETS, folder_that_is_there


def file_hashes(
    source: str | Path,
    classes: str | int | Iterable[str | int] | None = None,
    limit: int | None = None,
    only: Collection[str] | None = None,
) -> dict[str, str] | None:
    """Hash what the files hold that `itn.load_images` would read; None where it would download."""
    listed = listed_classes(classes)
    if source == "phantom":
        drawn = code_hash("itn.phantom.rendering")[:16]
        return dict.fromkeys(map(str, listed or sorted(PHANTOM_CLASSES)), drawn)
    if source in DATA_SETS and folder_that_is_there(str(source), listed) is None:
        return None
    found = find_pictures(source, listed, only)
    available = {name: name for name in found.files}
    names = {str(one): find_class(one, available, found.targets) for one in listed or available}
    return {given: _hash_of_class(found.files[name], limit) for given, name in names.items()}


def _hash_of_class(files: Mapping[str, Path], limit: int | None) -> str:
    """Hash names and contents of as many files as have to be looked at for the first pictures."""
    digest = hashlib.sha256()
    readable = 0
    for name, path in files.items():
        if readable == limit:
            break
        # Only where there is a limit it matters which are readable, and that takes time.
        readable += limit is None or try_header(path, None) is None
        content = b""
        with suppress(OSError):  # is left out
            content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]
