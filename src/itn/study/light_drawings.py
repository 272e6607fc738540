"""Makes what Matplotlib draws lighter for the book, and lets it say what it shows.

Most of a figure of many panels is letters, each placed by a transformation in a line of its own,
and the same words over and over.
"""

import html
import re
from collections import Counter
from hashlib import sha256
from itertools import pairwise

LETTER = re.compile(r'<use xlink:href="#([^"]+)" transform="translate\(([-\d.]+) ([-\d.]+)\)"/>')
NAMES = re.compile(r'((?:id="|href="#))DejaVuSans-')
GROUP = re.compile(r'<g id="[^"]*">')
ALONE = re.compile(r"<g>(<(?:path|use) [^>]*/>)</g>")
PLACE = re.compile(r'translate\([^)]*\)|\b[xy]="[^"]*"')
STYLE = re.compile(r' style="([^"]*)"')
PATH = re.compile(r'\bd="[^"]*"')
LONG = re.compile(r"-?\d*\.\d{4,}")
DECIMALS = re.compile(r"(\.\d\d)\d+")  # of points, of which nobody sees the hundredth part
POINT = r"[-\d.]+ [-\d.]+"
LINES = re.compile(rf"([ML]) ({POINT})((?: L {POINT})+)")
ZERO = re.compile(r"\b0\.")
BETWEEN = re.compile(r">\n\s*<")
WORD = re.compile(r"(?<=>)(?:<use [^>]*/>){2,}(?=</g>)")


def for_the_book(drawing: str, words: str) -> str:
    """Return the text of an SVG that is smaller, looks the same, and says what is seen."""
    lighter = NAMES.sub(r"\1g", LETTER.sub(_placed, drawing))
    lighter = PLACE.sub(lambda place: LONG.sub(_rounded, place[0]), lighter)
    lighter = GROUP.sub("<g>", PATH.sub(_written_short, lighter))
    lighter = _styles_once(_words_once(BETWEEN.sub("><", lighter)))
    while (unwrapped := ALONE.sub(r"\1", lighter)) != lighter:
        lighter = unwrapped
    return lighter.replace("<svg ", f'<svg role="img" aria-label="{html.escape(words)}" ', 1)


def _words_once(drawing: str) -> str:
    """Define a word that occurs again once, under a name that is the same in every drawing."""
    count = Counter(WORD.findall(drawing))
    often = [word for word in count if count[word] > 1]
    names = {word: f"w{sha256(word.encode()).hexdigest()[:10]}" for word in often}
    uses = {word: f'<use xlink:href="#{name}"/>' for word, name in names.items()}
    words = "".join(f'<g id="{name}">{word}</g>' for word, name in names.items())
    used = WORD.sub(lambda found: uses.get(found[0], found[0]), drawing)
    return used.replace("<defs>", f"<defs>{words}", 1)


def _styles_once(drawing: str) -> str:
    """Define a style that occurs again once, under a name that is the same in every drawing.

    A notebook that is read in a browser has the styles of all its drawings in one page.
    """
    count = Counter(STYLE.findall(drawing))
    names = {
        style: f"s{sha256(style.encode()).hexdigest()[:8]}" for style in count if count[style] > 1
    }
    rules = "".join(f".{name}{{{style}}}" for style, name in names.items())
    named = STYLE.sub(
        lambda found: f' class="{names[found[1]]}"' if found[1] in names else found[0], drawing
    )
    return named.replace("</style>", f"{rules}</style>", 1)


def _written_short(path: re.Match[str]) -> str:
    """Write the points of a path without what goes without saying."""
    return LINES.sub(_stepped, DECIMALS.sub(r"\1", " ".join(path[0].split())))


def _stepped(lines: re.Match[str]) -> str:
    """Write each point of a line as a step from the one before.

    Steps are between rounded points, so that they do not drift apart.
    """
    command, first, others = lines.groups()
    hundredths = [
        [round(100 * float(value)) for value in point.split()]
        for point in [first, *others.split(" L ")[1:]]
    ]
    steps = (
        f"{(after - before) / 100:g}"
        for here, there in pairwise(hundredths)
        for before, after in zip(here, there, strict=True)
    )
    x, y = (f"{value / 100:g}" for value in hundredths[0])
    return f"{command} {x} {y} l {ZERO.sub('.', ' '.join(steps)).replace(' -', '-')}"


def _rounded(number: re.Match[str]) -> str:
    """Write a place in points, of whose thousandth parts an edge shows nothing."""
    return f"{float(number[0]):.3f}".rstrip("0").removesuffix(".")


def _placed(letter: re.Match[str]) -> str:
    """Place a letter by attributes, to a tenth of a hundredth of its height."""
    name, *place = letter.groups()
    x, y = (f"{float(value):.1f}".removesuffix(".0") for value in place)
    return f'<use xlink:href="#{name}" x="{x}"' + (f' y="{y}"/>' if float(y) else "/>")
