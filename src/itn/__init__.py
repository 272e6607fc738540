"""How far can you change a picture before a trained CNN changes its mind?"""

from itn.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__)
