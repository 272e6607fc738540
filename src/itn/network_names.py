"""A network may be called by a name of the zoo, a ``.keras`` file, or a function of the user's."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CARD_SUFFIX = ".itn.json"  # of the file beside a .keras file that says how to look at pictures


def card_of(path: Path) -> Path:
    """Name the file that stands beside a ``.keras`` file and says how to look at pictures."""
    return path.with_suffix(CARD_SUFFIX)


def is_function(name: str) -> bool:
    """Tell whether a network's name means a function of the user's."""
    module, colon, function = name.partition(":")
    return (
        bool(colon)
        and function.isidentifier()
        and all(part.isidentifier() for part in module.split("."))
    )


@contextmanager
def working_directory_first() -> Iterator[None]:
    """Let modules be imported from the working directory, as ``python -m`` does."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
