"""The rooms beside the instrument. It reaches them by name alone, and stands without them."""

import importlib
from typing import Any


def room(module: str) -> Any:
    """Import a module of the zoo or the phantom where it is asked for."""
    return importlib.import_module(module)
