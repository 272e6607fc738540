"""The paper: profiles, the archive of results, and a module for each chapter's question.

Notebooks say ``from itn import study``; the command line and the benchmarks import its modules.
"""

from itn.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__)
