"""What a change of the sources changes: statements, not docstrings; only what imports them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import itn

PACKAGE = Path(itn.__file__).parent
MODULES = ("warp", "screening", "transformer_study", "plots", "thresholds")
CODE = """
import sys
from itn.provenance import code_hash, source_hash
print(source_hash(), *(code_hash(f"itn.{name}") for name in sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package that may be edited."""
    copy = tmp_path_factory.mktemp("src") / "itn"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    return copy


def hashes(package):
    found = subprocess.run(
        [sys.executable, "-c", CODE, *MODULES],
        env={"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(("all", *MODULES), found.stdout.split(), strict=True))


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("plots.py", '"color": "#000000"', '"color": "#000001"', {"all", "plots"}),
        ("warp.py", '"""The one warp', '"""Another word: the one warp', set()),
        ("warp.py", "def affine_warp(", "# a comment\ndef affine_warp(", set()),
        ("warp.py", 'FILLS = ("zeros"', 'FILLS = ( "zeros"', set()),
        ("warp.py", "width + 3, (width", "width + 4, (width", {"all", *MODULES}),
        ("thresholds.py", '"half")', '"third")', {"all", "plots", "thresholds"}),
        ("tables/caltech_imagenet.tsv", "accordion", "accordio", {"all"}),
    ],
    ids=["color", "docstring", "comment", "layout", "formula", "criterion", "table"],
)
def test_what_changes(package, file, old, new, changed):
    before, path = hashes(package), package / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    try:
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        after = hashes(package)
    finally:
        path.write_text(text, encoding="utf-8")
    assert {name for name in before if before[name] != after[name]} == changed
