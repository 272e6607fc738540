"""The rule by which a measurement makes a verdict on a claim.

A measurement is compared with two levels of its kind, see `LEVELS`:

- *holds*: its interval lies at the upper level or above;
- *does not hold*: it is below the lower level, and its interval below the upper one;
- *not testable here*: its interval leaves both open, from below the lower to above the upper level,
  or there is no number;
- *holds with limits*: otherwise.

What has no interval is compared as it is.
"""

import numpy as np

HOLDS, LIMITS = "holds", "holds with limits"
DOES_NOT, UNTESTABLE = "does not hold", "not testable here"
MARKS = {HOLDS: "●", LIMITS: "◐", DOES_NOT: "○", UNTESTABLE: "–"}

LEVELS = {  # from which a measurement speaks for a claim: at all, and in full
    "share": (0.75, 0.9),
    "correlation": (0.0, 0.0),
    "chance": (0.05, 0.05),  # of 95 % intervals do not touch by chance, at most
    "ratio": (1.0, 1.0),  # to what does as well without having learned
}


def judge(kind: str, estimate: float, low: float, high: float) -> str:
    """Compare a measurement with the levels of its kind, see above."""
    if np.isnan(estimate):
        return UNTESTABLE
    least, full = LEVELS[kind]
    low, high = (estimate if np.isnan(end) else end for end in (low, high))
    if low >= full:
        return HOLDS
    if estimate < least and high < full:
        return DOES_NOT
    return UNTESTABLE if low < least and high >= full else LIMITS
