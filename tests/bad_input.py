"""What may come of any input: a right result, or one line that says what is wrong with it."""

import hypothesis.strategies as st
import numpy as np
from hypothesis.extra.numpy import arrays

from itn.messages import UsageError

LONGEST = 1000  # characters of a line that somebody still reads

# Text as people and damaged files have it: with line ends, NUL, what is not Unicode, no end.
ODD_TEXTS = (
    "",
    ".",
    "..",
    "a\nb",
    "a\0b",
    "\udcff",
    "\ud800",
    "\u2028",
    "a" * 300,
    "~nobody/x",
    "ä/ö",
)
TEXTS = st.text(max_size=8) | st.sampled_from(ODD_TEXTS)
NUMBERS = (
    st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.sampled_from([True, 10**400, -(10**400), 1e308, 1e-320, 3 + 4j])
)
ARRAYS = arrays(
    st.sampled_from(["f2", "f4", "f8", "i1", "u8", "?", "c8", "U2", "O"]),
    st.lists(st.integers(0, 3), max_size=3).map(tuple),
)
VALUES = st.recursive(
    st.none() | NUMBERS | TEXTS | st.binary(max_size=4) | ARRAYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)


def outcome(function, *arguments, **options):
    """Return what a function returns and None, or None and the one line of its refusal."""
    try:
        return function(*arguments, **options), None
    except UsageError as error:
        message = str(error)
        assert message.strip() and len(message.splitlines()) == 1 and len(message) < LONGEST
        return None, message


def refusal(function, *arguments, **options):
    """Return the one line in which a function refuses its input."""
    found, message = outcome(function, *arguments, **options)
    assert message is not None, f"not refused, but {found!r}"
    return message


def some_pictures(count, height=8, width=8):
    """Pictures that differ, in [0, 1]."""
    return np.random.default_rng(count).random((count, height, width, 3), np.float32)
