"""A network may be called by a name of the zoo, a ``.keras`` file, or a function of the user's."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FUNCTION = re.compile(r"(?!\d)\w+(\.(?!\d)\w+)*:(?!\d)\w+")  # module:function


def card_of(path: Path) -> Path:
    """Name the file that stands beside a ``.keras`` file and says how to look at pictures."""
    return path.with_suffix(".itn.json")


def is_function(name: str) -> bool:
    """Tell whether a network's name means a function of the user's."""
    return _FUNCTION.fullmatch(name) is not None


@contextmanager
def working_directory_first() -> Iterator[None]:
    """Let modules be imported from the working directory, as ``python -m`` does."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
