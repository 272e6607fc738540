"""Errors that say what was given, what is possible and what is closest."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """A wrong argument, explained in one line.

    Notebooks and the command line show the line alone, without a traceback.
    """

    def _render_traceback_(self) -> list[str]:  # IPython asks for this name
        return [f"{type(self).__name__}: {self}"]


def unknown(kind: str, given: object, possible: Iterable[object], where: str = "") -> UsageError:
    """Make the error for a name that is not among the possible ones.

    Parameters
    ----------
    kind : str
        What the name stands for, e.g. ``"transformation"``.
    given : object
        What was given.
    possible : iterable of object
        What would have been accepted.
    where : str, default ""
        Put before the message.

    Returns
    -------
    UsageError
        To be raised by the caller.

    Examples
    --------
    >>> print(unknown("transformation", "rotate", ["blur", "rotation"]))
    unknown transformation 'rotate'; closest: 'rotation'; possible: blur, rotation
    """
    names = [str(name) for name in possible]
    close = difflib.get_close_matches(str(given), names, n=1, cutoff=0.4)
    closest = f"; closest: '{close[0]}'" if close else ""
    listed = ", ".join(names[:40]) + (f", … ({len(names)} in all)" if len(names) > 40 else "")
    return UsageError(f"{where}unknown {kind} '{given}'{closest}; possible: {listed}")
