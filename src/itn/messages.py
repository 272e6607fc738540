"""What is said to the user: errors in one line, and how far the work is."""

import difflib
import math
import operator
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from tqdm import tqdm

LISTED = 200  # characters of a list of names, behind which an error is cut off
PROGRESS = {"itn": "progress"}  # metadata of the output that is a bar in a notebook


class UsageError(ValueError):
    """A wrong argument, explained in one line, which is all that notebooks show of it."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))  # names of files may break lines, too

    def _render_traceback_(self) -> list[str]:  # IPython asks for this name
        return [f"{type(self).__name__}: {self}"]


def unknown(kind: str, given: object, possible: Iterable[object], where: str = "") -> UsageError:
    """Make the error for a name that is not among the possible ones."""
    names = [str(name) for name in possible]
    close = difflib.get_close_matches(shown(given), names, n=1, cutoff=0.4)
    closest = f"; closest: '{close[0]}'" if close else ""
    listed = ", ".join(names)
    if len(listed) > LISTED:
        listed = f"{listed[:LISTED].rpartition(', ')[0]}, … ({len(names)} in all)"
    return UsageError(f"{where}unknown {kind} '{shown(given)}'{closest}; possible: {listed}")


def whole_number(given: object, what: str) -> int:
    """Return a whole number, also one of numpy's, or refuse what is none."""
    try:
        return operator.index(given)  # type: ignore[arg-type]
    except TypeError as error:
        raise UsageError(f"{what} must be a whole number, got {shown(given)}") from error


def real_number(
    given: object, what: str, lowest: float = -math.inf, highest: float = math.inf
) -> float:
    """Return a finite number, also one of numpy's, or refuse what is none or out of its range."""
    plain = isinstance(given, int | float | np.integer | np.floating)
    try:
        number = float(given) if plain and not isinstance(given, bool) else math.nan  # type: ignore[arg-type]
    except OverflowError:
        number = math.nan
    if not (math.isfinite(number) and lowest <= number <= highest):
        possible = "a finite number"
        if math.isfinite(lowest):
            possible = f"a number ≥ {lowest:g}"
            if math.isfinite(highest):
                possible = f"a number from {lowest:g} to {highest:g}"
        raise UsageError(f"{what} must be {possible}, got {shown(given)}")
    return number


def shown(given: object) -> str:
    """Write what was given as part of a line."""
    text = " ".join(str(given).splitlines())
    return text if len(text) <= LISTED else f"{text[:LISTED]} …"


class Progress(tqdm):  # type: ignore[type-arg]  # it is generic for type checkers only
    """A bar of `tqdm`, with its arguments; in a notebook it is one output, which changes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        ipython = sys.modules.get("IPython")
        if ipython is not None and hasattr(ipython.get_ipython(), "kernel"):
            options.setdefault("file", _Output())
        super().__init__(*arguments, **options)


class _Output:
    """A file that is one output of a notebook and shows the last line written to it."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._shown: Any = None

    def write(self, text: str) -> None:
        line = text.replace("\x1b[A", "").strip()  # without moves to the line of another bar
        if not line:
            return
        from IPython.display import display

        data = {"text/plain": line}
        if self._shown is None:
            # IPython has no types.
            self._shown = display(data, metadata=PROGRESS, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._shown.update(data, metadata=PROGRESS, raw=True)

    def flush(self) -> None:
        pass
