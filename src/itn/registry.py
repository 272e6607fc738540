"""What is imported where it is asked for: public names, and the rooms beside the instrument."""

import importlib
from collections.abc import Callable
from typing import Any

import lazy_loader

from itn.keras_settings import check_backend


def room(module: str) -> Any:
    """Import a module of the zoo or the phantom, which the instrument reaches by name alone.

    The name is written out in the call: what a result depends on is found in the sources.
    """
    return importlib.import_module(module)


def public_names(
    package: str, file: str
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Make the ``__getattr__``, ``__dir__`` and ``__all__`` of a package from its ``.pyi``.

    A name is imported when it is first used, where Keras has a backend with which it works.
    """
    attribute, names, every = lazy_loader.attach_stub(package, file)

    def find(name: str) -> object:
        if name != "UsageError" and not name.startswith("__"):
            check_backend()
        return attribute(name)

    return find, names, every
