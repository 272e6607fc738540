"""What a change of the sources changes: statements, not docstrings; only what imports them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import itn
from itn.provenance import source_hash
from itn.study.sources import notebook_hash

PACKAGE = Path(itn.__file__).parent
MODULES = ("phantom.rendering", "warp", "screening", "study.learned", "plots", "thresholds")
NOTEBOOKS = {
    "a rotation": """
import itn
from itn import study
itn.plot_softmax(study.obtain_screening(parameters, "blur"))
""",
    "a calibration": """
from itn import study
study.plot_calibration(study.calibrate(parameters))
""",
}
CODE = f"""
import sys
from itn.provenance import source_hash
from itn.study.sources import code_hash, notebook_hash
print(source_hash(), *(code_hash(f"itn.{{name}}") for name in sys.argv[1:]))
print(*map(notebook_hash, {list(NOTEBOOKS.values())!r}))
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
    return dict(zip(("all", *MODULES, *NOTEBOOKS), found.stdout.split(), strict=True))


@pytest.fixture(scope="module")
def before(package):
    return hashes(package)


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("plots.py", '"color": "#000000"', '"color": "#000001"', {"all", "plots", *NOTEBOOKS}),
        ("study/calibration.py", 'color="#999999"', 'color="#999998"', {"all", "a calibration"}),
        ("warp.py", '"""What matrices do', '"""In other words: what matrices do', set()),
        ("warp.py", "def affine_warp(", "# a comment\ndef affine_warp(", set()),
        ("warp.py", 'FILLS = ("zeros"', 'FILLS = ( "zeros"', set()),
        ("warp.py", "width + 3, (width", "width + 4, (width", {"all", *MODULES, *NOTEBOOKS}),
        # Adaptive magnitudes lie around thresholds, so what is looked at depends on the criteria.
        (
            "thresholds.py",
            '"half")',
            '"third")',
            {"all", "plots", "thresholds", "screening", "study.learned", *NOTEBOOKS},
        ),
        # By name alone, see `itn.registry`; the pictures of the phantom know nothing of the zoo.
        (
            "zoo/networks.py",
            "RESNET_UNITS = {50",
            "RESNET_UNITS = {51",
            {"all", "screening", "study.learned", *NOTEBOOKS},
        ),
        ("zoo/tables/caltech_imagenet.tsv", "accordion", "accordio", {"all", *NOTEBOOKS}),
    ],
    ids=[
        "color",
        "a page's plot",
        "docstring",
        "comment",
        "layout",
        "formula",
        "criterion",
        "network",
        "table",
    ],
)
def test_what_changes(package, before, file, old, new, changed):
    path = package / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    try:
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        after = hashes(package)
    finally:
        path.write_text(text, encoding="utf-8")
    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize(
    ("code", "all_of_it"),
    [
        ("import itn\nitn.screen", False),
        ("from itn import screen", False),
        ("import itn.warp\nitn.warp.affine_warp", False),
        ("1 + 1", False),
        ("import itn\nname = itn", True),
        ("import itn\ngetattr(itn, 'screen')", True),
        ("import itn as tool\ntool.screen", False),
        ("from itn import study\nstudy.calibrate", False),
        ("from itn.plots import readable\nreadable", False),
        ("from itn import study\nname = study", True),
        ("from itn import *", True),
        ("import itn\nitn.of_tomorrow", True),
        ("%time\nimport itn", True),
    ],
)
def test_what_cannot_be_followed_depends_on_the_whole_package(code, all_of_it):
    assert (notebook_hash(code) == source_hash()) == all_of_it


def test_a_notebook_depends_on_what_its_names_import():
    assert notebook_hash("import itn\nitn.screen") == notebook_hash("from itn import screen")
    assert notebook_hash("import itn\nitn.screen") != notebook_hash("import itn\nitn.thresholds")
