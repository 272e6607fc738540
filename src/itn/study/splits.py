"""Splits: which pictures of a data set networks learn from, and which they are tested on.

Each is a table in ``profiles/``: path, part, and for a duplicate of which picture it is one.
"""

import csv
from pathlib import Path

from itn.messages import UsageError, unknown
from itn.study.profiles import project_folder

PARTS = ("training", "test", "duplicate")


def read_split(name: str | Path, part: str) -> frozenset[str]:
    """Read the paths of one part of a split, a file in ``profiles/``."""
    path = project_folder() / "profiles" / name
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    if not path.is_file():
        raise UsageError(f"no split {path}")
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return frozenset(row["path"] for row in rows if row["part"] == part)
