"""Weights and pictures that only their owners can bring: nothing downloads them by itself."""

from collections.abc import Sequence
from pathlib import Path

from itn.files import own_path
from itn.messages import UsageError
from itn.study.profiles import FigureParameters, chosen_network, load_profile
from itn.study.screenings import screening_request
from itn.zoo.catalog import CATALOG, DATA_SETS, Source, is_there
from itn.zoo.recipes import network_recipe

Owned = tuple[tuple[str, ...], Path, bool]  # files, the folder they belong in, are they there


def owned_files(parameters: FigureParameters) -> list[Owned]:
    """List the files that have to be brought before a network can look at a profile's pictures."""
    network, weights = chosen_network(parameters)
    found: list[Owned] = []
    if weights is not None:
        path = own_path(weights).absolute()
        found.append(((path.name,), path.parent, _has_weights(network, weights)))
    elif network in CATALOG and not _downloaded(CATALOG[network]):
        source = CATALOG[network]
        found.append(((source.files[0].name,), source.folder, is_there(source)))
    pictures = parameters.pictures or load_profile(parameters.profile).pictures
    if pictures in DATA_SETS and not _downloaded(CATALOG[pictures]):
        source = CATALOG[pictures]
        found.append((tuple(file.name for file in source.files), source.folder, is_there(source)))
    return found


def check_owned_files(wanted: Sequence[tuple[FigureParameters, str]], force: bool = False) -> None:
    """Raise a UsageError that names every file that is missing, and where it belongs.

    `wanted` are screenings, parameters and a transformation each. What is archived needs no files,
    unless it is forced.
    """
    missing = {
        f"{' and '.join(files)} in {folder}": None
        for parameters, _ in wanted
        for files, folder, there in owned_files(parameters)
        if not there
    }
    if not missing:
        return
    if not force and all(screening_request(*one).archive.is_file() for one in wanted):
        return
    names = dict.fromkeys(parameters.profile for parameters, _ in wanted)
    raise UsageError(
        f"profile {', '.join(names)} waits for files: {'; '.join(missing)}. Archives come there "
        "by itn data fetch NAME --from FOLDER, which unpacks pictures"
    )


def _downloaded(source: Source) -> bool:
    return source.url is not None and all(file.checksum for file in source.files)


def _has_weights(network: str, weights: str) -> bool:
    try:
        network_recipe(network, weights)
    except UsageError:
        return False
    return True
