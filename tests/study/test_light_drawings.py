"""A drawing of the book is smaller than Matplotlib's, and looks the same."""

import subprocess
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from chromium import find_chromium
from matplotlib.figure import Figure
from PIL import Image

from itn.plots import as_drawing
from itn.study.light_drawings import for_the_book


@pytest.fixture(scope="module")
def drawing():
    figure = Figure(figsize=(5, 4))
    for axes in figure.subplots(2, 2).flat:
        axes.plot(np.cos(np.linspace(0, 9, 200)))
        axes.set_title("(Wavy) line, 0.125°, x² ≤ y")
        axes.set_ylabel("upright")
    return as_drawing(figure)


def test_it_is_smaller_and_says_what_is_seen(drawing):
    lighter = for_the_book(drawing, 'a "line" & more')
    assert len(lighter) < 0.5 * len(drawing)
    root = ElementTree.fromstring(lighter)
    assert root.get("aria-label") == 'a "line" & more' and root.get("role") == "img"
    assert letters(root) == letters(ElementTree.fromstring(drawing))


def letters(drawing):
    """Count the letters that are shown, also those of words that are defined once."""
    use, href = "{http://www.w3.org/2000/svg}use", "{http://www.w3.org/1999/xlink}href"
    words = {
        f"#{each.get('id')}": len(each)
        for defined in drawing.iter("{http://www.w3.org/2000/svg}defs")
        for each in defined
        if len(each) and each[0].tag == use
    }
    shown = sum(words.get(each.get(href), 1) for each in drawing.iter(use))
    return shown - sum(words.values())


def test_it_looks_the_same(drawing, tmp_path):
    seen = []
    for name, text in (("before", drawing), ("after", for_the_book(drawing, "lines"))):
        page, shown = tmp_path / f"{name}.svg", tmp_path / f"{name}.png"
        page.write_text(text)
        subprocess.run(
            [
                find_chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                f"--user-data-dir={tmp_path / 'profile'}", "--force-device-scale-factor=2",
                "--window-size=500,420", f"--screenshot={shown}", page.as_uri(),
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        seen.append(np.asarray(Image.open(shown).convert("L"), dtype=float))
    assert (seen[0] < 128).sum() > 5000  # something is drawn
    assert np.abs(seen[0] - seen[1]).max() < 128  # an edge of a letter in between two pixels
    assert np.abs(seen[0] - seen[1]).mean() < 0.05
