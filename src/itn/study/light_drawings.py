"""Makes what Matplotlib draws lighter for the book, and lets it say what it shows.

Most of a figure of many panels is letters, each placed by a transformation in a line of its own.
"""

import html
import re

LETTER = re.compile(r'<use xlink:href="#([^"]+)" transform="translate\(([-\d.]+) ([-\d.]+)\)"/>')
NAMES = re.compile(r'((?:id="|href="#))DejaVuSans-')
GROUP = re.compile(r'<g id="[^"]*">')
PATH = re.compile(r'\bd="[^"]*"')
DECIMALS = re.compile(r"(\.\d\d)\d+")  # of points, of which nobody sees the hundredth part
POINT = r"[-\d.]+ [-\d.]+"
LINES = re.compile(rf"([ML] {POINT})((?: L {POINT})+)")
BETWEEN = re.compile(r">\n\s*<")


def for_the_book(drawing: str, words: str) -> str:
    """Return the text of an SVG that is smaller, looks the same, and says what is seen."""
    lighter = NAMES.sub(r"\1g", LETTER.sub(_placed, drawing))
    lighter = GROUP.sub("<g>", PATH.sub(_written_short, lighter))
    lighter = BETWEEN.sub("><", lighter)
    return lighter.replace("<svg ", f'<svg role="img" aria-label="{html.escape(words)}" ', 1)


def _written_short(path: re.Match[str]) -> str:
    """Write the points of a path without what goes without saying."""
    short = DECIMALS.sub(r"\1", " ".join(path[0].split()))
    return LINES.sub(lambda lines: lines[1] + lines[2].replace(" L ", " "), short)


def _placed(letter: re.Match[str]) -> str:
    """Place a letter by attributes, to a tenth of a hundredth of its height."""
    name, *place = letter.groups()
    x, y = (f"{float(value):.1f}".removesuffix(".0") for value in place)
    return f'<use xlink:href="#{name}" x="{x}"' + (f' y="{y}"/>' if float(y) else "/>")
