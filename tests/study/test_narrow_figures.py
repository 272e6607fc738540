"""Pages show the narrow variant of a figure where there is one, built by Sphinx itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="9"/>'
PAGE = """Page
====

.. figure:: wide.svg
   :alt: Two panels.
   :figclass: wide

   A caption.

.. figure:: alone.svg
   :alt: One panel.
   :figclass: wide

.. figure:: columns.svg
   :alt: Two columns.
   :figclass: wide halves
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    source, out = (tmp_path_factory.mktemp(name) for name in ("source", "out"))
    (source / "conf.py").write_text('extensions = ["itn.study.narrow_figures"]\n')
    (source / "index.rst").write_text("Start\n=====\n\n.. toctree::\n\n   there/page\n")
    (source / "there").mkdir()
    (source / "there" / "page.rst").write_text(PAGE)
    for name, width in {"wide": 60, "wide_narrow": 30, "alone": 50, "columns": 40}.items():
        (source / "there" / f"{name}.svg").write_text(SVG.format(width=width))
    # In a process of its own: what Sphinx registers, it registers once in each.
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", source, out]
    subprocess.run(command, check=True)
    return out / "there" / "page.html"


def figures(page: Path) -> list[str]:
    return re.findall(r"<figure.*?</figure>", page.read_text(), re.DOTALL)


def test_a_phone_gets_the_variant_that_is_drawn_for_it(built):
    wide, alone, _ = figures(built)
    variant = re.search(r'<source media="\(max-width: 600px\)" srcset="([^"]+)">', wide)
    assert 'width="30"' in (built.parent / variant[1]).read_text()
    image = re.search(r'<picture>.*<img[^>]*src="([^"]+)"[^>]*>\s*</picture>', wide, re.DOTALL)
    assert 'width="60"' in (built.parent / image[1]).read_text()
    assert "<picture" not in alone and 'alt="One panel."' in alone


def test_two_columns_are_one_file_that_is_shown_half_by_half(built):
    *_, columns = figures(built)
    sources = re.findall(r'<img[^>]*src="([^"]+)"', columns)
    assert len(sources) == 2 and len(set(sources)) == 1
    assert 'width="40"' in (built.parent / sources[0]).read_text()
    assert len(re.findall(r'alt="[^"]+"', columns)) == 2
