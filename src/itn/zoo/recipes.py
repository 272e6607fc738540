"""What decides a network's outputs, told by hashes of files: no backend is loaded for it."""

import functools
import glob
import hashlib
import importlib.util
import re
from pathlib import Path

from itn.files import own_path, sha256_of
from itn.messages import UsageError
from itn.network_names import card_of, is_function, working_directory_first
from itn.provenance import installed_version
from itn.zoo.catalog import BROUGHT, CATALOG, PACKAGED, WEIGHTS_FOLDER, brought_weights

CHECKPOINT_PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")


def network_recipe(
    name: str | Path, weights: str | Path | None = None, missing: str | None = None
) -> dict[str, str]:
    """Say what decides the outputs of a network, without loading it.

    Where the file of its weights is not there, `missing` stands for its hash, or that is refused.
    """
    text = str(name)
    if text.endswith(".keras"):
        path = own_path(name)
        card = card_of(path)
        recipe = {"network": path.name, "network_file_sha256": _file_hash(path, "Keras file")}
        return recipe | ({"card_sha256": _file_hash(card)} if card.is_file() else {})
    if is_function(text):
        return {"network": text, "source_sha256": _file_hash(_source_of(text.partition(":")[0]))}
    if weights is not None:
        path = own_path(weights)
        if text in PACKAGED and path.is_dir():  # as `itn train` writes it
            path /= Path(PACKAGED[text]).name
    elif text in PACKAGED:
        path = WEIGHTS_FOLDER / PACKAGED[text]
    elif text in BROUGHT:
        path = brought_weights(text)
    elif text in CATALOG:
        path = CATALOG[text].folder / CATALOG[text].files[0].name
        if not path.is_file() and missing is None:
            raise UsageError(f"the weights of {text} are not there: itn data fetch {text}")
    else:
        return {"network": text, "keras": installed_version("keras")}
    try:
        return {"network": text, "weight_file_sha256": _weights_hash(path)}
    except UsageError:
        if missing is None:
            raise
        return {"network": text, "weight_file_sha256": missing}


def _source_of(module: str) -> Path:
    """Find the file of a module; only the packages that it lies in are imported."""
    with working_directory_first():
        try:
            found = importlib.util.find_spec(module)
        except (ImportError, ValueError, AttributeError) as error:
            raise UsageError(f"no module '{module}': {error}") from error
    if found is None or found.origin is None or not Path(found.origin).is_file():
        raise UsageError(f"no module '{module}' in {Path.cwd()} or among what is installed")
    return Path(found.origin)


def _weights_hash(path: Path) -> str:
    """Hash a weight file, or the files of a checkpoint, whichever of them is named."""
    stem = CHECKPOINT_PART.sub("", path.name)
    parts = sorted(
        each
        for each in path.parent.glob(f"{glob.escape(stem)}.*")
        if CHECKPOINT_PART.sub("", each.name) == stem and not each.name.endswith(".meta")
    )
    if (path.is_file() and path.name == stem) or not parts:
        return _file_hash(path, "weight file")
    hashes = "".join(f"{_file_hash(part)}  {part.name[len(stem) :]}\n" for part in parts)
    return hashlib.sha256(hashes.encode()).hexdigest()


def _file_hash(path: Path, kind: str = "file") -> str:
    try:
        state = path.stat()
        return _remembered_hash(path.resolve(), state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise UsageError(f"no {kind} {path}: {error.strerror}") from error


@functools.lru_cache(maxsize=256)
def _remembered_hash(path: Path, size: int, changed: int) -> str:
    return sha256_of(path)
