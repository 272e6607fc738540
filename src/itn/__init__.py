"""How far can you change a picture before a trained CNN changes its mind?"""

import lazy_loader

# The public names stand in `__init__.pyi`. Each is imported when it is first used, so that
# what needs no network does not wait for a backend.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
