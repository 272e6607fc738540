"""How far can you change a picture before a trained CNN changes its mind?"""

import lazy_loader

from itn.keras_settings import check_backend

# The public names stand in `__init__.pyi`. Each is imported when it is first used, so that
# what needs no network does not wait for a backend.
_attribute, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """Find a public name, unless Keras has a backend with which it would not work."""
    if name != "UsageError" and not name.startswith("__"):
        check_backend()
    return _attribute(name)
