"""What decides a network's outputs, told by hashes of files: no backend is loaded for it."""

import functools
import glob
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from itn.data_sets import CATALOG
from itn.downloads import sha256_of
from itn.messages import UsageError
from itn.provenance import installed_version

WEIGHTS_FOLDER = Path(__file__).with_name("weights")
OWN_PROFILES = ("phantom", "photos", "photos_taught")  # for which we have trained networks
PACKAGED = {  # the networks whose weights travel in the package, and where they lie in it
    "squeezenet": "squeezenet/compressed_SqueezeNet.net",
    **{
        f"{architecture}_{profile}": f"{profile}/{architecture}_64.weights.h5"
        for architecture in ("alexnet", "resnet")
        for profile in OWN_PROFILES
    },
}
CARD_SUFFIX = ".itn.json"  # of the file beside a .keras file that says how to look at pictures
CHECKPOINT_PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")


def network_recipe(name: str | Path, weights: str | Path | None = None) -> dict[str, str]:
    """Say what decides the outputs of a network, without loading it.

    Parameters
    ----------
    name : str or Path
        As for `itn.load_classifier`.
    weights : str or Path, optional
        As for `itn.load_classifier`.

    Returns
    -------
    dict of str to str
        ``network``, its name, and what belongs to its kind:

        - ``weight_file_sha256``: of the file in the package, in the cache or given; of a
          checkpoint in several files, of these;
        - ``.keras`` file: ``network_file_sha256`` and, where it has one, ``card_sha256``;
        - ``module:function``: ``source_sha256`` of the module's file, not of what it imports;
        - else, for what Keras downloads and verifies: the version of ``keras``.

        Folders do not count, so that a network which is moved keeps its recipe.

    Raises
    ------
    UsageError
        If a file that decides is not there.

    Examples
    --------
    >>> network_recipe("squeezenet")["weight_file_sha256"][:8]
    'e4ab6960'
    >>> network_recipe("ResNet50")["network"]
    'ResNet50'
    """
    text = str(name)
    if text.endswith(".keras"):
        path = Path(name).expanduser()
        card = card_of(path)
        recipe = {"network": path.name, "network_file_sha256": _file_hash(path, "Keras file")}
        return recipe | ({"card_sha256": _file_hash(card)} if card.is_file() else {})
    if is_function(text):
        return {"network": text, "source_sha256": _file_hash(_source_of(text.partition(":")[0]))}
    if weights is not None:
        path = Path(weights).expanduser()
        if text in PACKAGED and path.is_dir():  # as `itn train` writes it
            path /= Path(PACKAGED[text]).name
    elif text in PACKAGED:
        path = WEIGHTS_FOLDER / PACKAGED[text]
    elif text in CATALOG:
        path = CATALOG[text].folder / CATALOG[text].files[0].name
        if not path.is_file():
            raise UsageError(f"the weights of {text} are not there: itn data fetch {text}")
    else:
        return {"network": text, "keras": installed_version("keras")}
    return {"network": text, "weight_file_sha256": _weights_hash(path)}


def card_of(path: Path) -> Path:
    """Name the file that stands beside a ``.keras`` file and says how to look at pictures.

    Parameters
    ----------
    path : Path
        The ``.keras`` file.

    Returns
    -------
    Path
        Its card, which need not exist.

    Examples
    --------
    >>> card_of(Path("mine.keras")).name
    'mine.itn.json'
    """
    return path.with_suffix(CARD_SUFFIX)


def is_function(name: str) -> bool:
    """Tell whether a network's name means a function of the user's.

    Parameters
    ----------
    name : str
        As for `itn.load_classifier`.

    Returns
    -------
    bool
        Whether it reads ``module:function``.

    Examples
    --------
    >>> is_function("networks:mine"), is_function("squeezenet"), is_function("C:/mine.h5")
    (True, False, False)
    """
    module, colon, function = name.partition(":")
    return (
        bool(colon)
        and function.isidentifier()
        and all(part.isidentifier() for part in module.split("."))
    )


@contextmanager
def working_directory_first() -> Iterator[None]:
    """Let modules be imported from the working directory, as ``python -m`` does.

    Examples
    --------
    >>> with working_directory_first():
    ...     sys.path[0] == str(Path.cwd())
    True
    """
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


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
