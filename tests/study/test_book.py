"""The built book, looked at in a browser.

These tests need ``make book`` to have run, and chromium. ``ITN_REQUIRE_BOOK=1`` makes their
absence a failure instead of a skip.
"""

import hashlib
import html.parser
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from chromium import find_chromium

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
PHONE_WIDTH = 390  # CSS pixels
MOST_OF_A_PAGE, MOST_OF_THE_SITE = 3e6, 60e6  # bytes
CHAPTERS = [
    *(
        "index",
        "ledger",
        "try_it_yourself",
        "introduction",
        "related_work",
        "transformations",
        "networks_and_data",
    ),
    *(
        "strategy_1",
        "strategy_2",
        "calibration",
        "results",
        "photographs",
        "learned",
        "discussion",
        "summary",
        "appendix",
        "appendix_photographs",
        "run_on_imagenet",
        "speed",
        "references",
        "cite",
    ),
]

# Looks at one page after the other in a frame as wide as a phone, waits for the formulas, and
# leaves what it saw in its own document.
HARNESS = r"""<!doctype html><meta charset="utf-8"><iframe id="f" style="width:%(width)dpx;
height:800px;border:0"></iframe><pre id="report"></pre><script>
const pages = %(pages)s, report = {}, frame = document.getElementById("f");
const numbers = text => text.match(/[\d.]+/g).map(Number);
const color = text => {
  const [red, green, blue, opacity = 1] = numbers(text);
  const scale = text.startsWith("color(") ? 255 : 1;
  return [red * scale, green * scale, blue * scale, opacity];
};
const over = (front, back) => back.map((value, i) => front[i] * front[3] + value * (1 - front[3]));
const luminance = rgb => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
  const value = rgb[i] / 255;
  return sum + weight * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
}, 0);
// What is written in a color too near to that of its ground: below 4.5, or 3 if it is large.
const faint = (inside, dom) => {
  const style = part => inside.getComputedStyle(part);
  const ground = part => part === null ? [255, 255, 255]
    : over(color(style(part).backgroundColor), ground(part.parentElement));
  const written = [...dom.querySelectorAll("article *")].filter(part =>
    part.getClientRects().length && style(part).visibility === "visible"
    && [...part.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  return written.filter(part => {
    const back = ground(part), front = over(color(style(part).color), back);
    const [low, high] = [luminance(back), luminance(front)].sort((one, other) => one - other);
    return (high + 0.05) / (low + 0.05) < (parseFloat(style(part).fontSize) >= 24 ? 3 : 4.5);
  }).map(part => `${part.tagName}.${part.className} ${part.textContent.trim().slice(0, 30)}`);
};
const load = page => new Promise(done => { frame.onload = done; frame.src = page; });
(async () => {
  for (const page of pages) {
    await load(page);
    const inside = frame.contentWindow, dom = frame.contentDocument;
    if (inside.MathJax && inside.MathJax.startup) await inside.MathJax.startup.promise;
    const images = [...dom.querySelectorAll("article img")];
    images.forEach(image => image.loading = "eager");
    await Promise.all(images.map(image => image.decode().catch(() => 0)));
    await new Promise(done => setTimeout(done, 1000));  // scripts of the page wait for each other
    const scrolls = part => part.scrollWidth > part.clientWidth + 1
      && ["auto", "scroll"].includes(inside.getComputedStyle(part).overflowX);
    const parts = [...dom.querySelectorAll("article *")].filter(scrolls);
    const themes = ["light", "dark"].map(theme => {
      dom.documentElement.dataset.theme = theme;
      return faint(inside, dom);
    });
    report[page.split("/").pop()] = {
      faint: themes.flat(),
      unreachable: parts.filter(part => part.tabIndex < 0 || !part.ariaLabel)
        .map(part => `${part.tagName}.${part.className}`),
      width: dom.documentElement.scrollWidth,
      formulas: dom.querySelectorAll("mjx-container").length,
      unrendered: dom.querySelectorAll(".math").length
        - dom.querySelectorAll(".math mjx-container").length,
      failedFormulas: dom.querySelectorAll("mjx-merror, [data-mjx-error]").length,
      brokenImages: images.filter(image => !image.naturalWidth).map(image => image.src),
      imagesWithoutText: images.filter(image => !image.alt.trim()).map(image => image.src),
    };
  }
  document.getElementById("report").textContent = JSON.stringify(report);
})();
</script>"""


@pytest.fixture(scope="module")
def built() -> Path:
    if not (HTML / "index.html").is_file():
        if os.environ.get("ITN_REQUIRE_BOOK"):
            pytest.fail("the book is not built: run `make book`")
        pytest.skip("the book is not built: run `make book`")
    return HTML


@pytest.fixture(scope="module")
def seen(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What chromium sees of every chapter, and under ``console`` what it complains about."""
    chromium = find_chromium()
    folder = tmp_path_factory.mktemp("browser")
    pages = json.dumps([(built / f"{chapter}.html").as_uri() for chapter in CHAPTERS])
    harness = folder / "harness.html"
    harness.write_text(HARNESS % {"width": PHONE_WIDTH, "pages": pages})
    run = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--allow-file-access-from-files", "--enable-logging=stderr", "--log-level=0",
            f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=300000",
            "--window-size=800,900", "--dump-dom", harness.as_uri(),
        ],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="report">(\{.*?\})</pre>', run.stdout, re.DOTALL)
    assert found, f"chromium did not get through the pages:\n{run.stderr[-2000:]}"
    # The theme and its toggle buttons say on every page that they are there.
    said = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    chatter = ('"[PST]: ', '"[togglebutton]: ')
    complaints = [line for line in said if not any(each in line for each in chatter)]
    return json.loads(found[1]) | {"console": {"complaints": complaints}}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_renders_on_a_phone(seen, chapter):
    page = seen[f"{chapter}.html"]
    assert page["failedFormulas"] == 0
    assert page["unrendered"] == 0
    assert page["brokenImages"] == []
    assert page["imagesWithoutText"] == []
    assert page["width"] <= PHONE_WIDTH, "the page scrolls sideways"
    assert page["unreachable"] == [], "parts that scroll cannot be reached by keyboard, or named"
    assert page["faint"] == [], "light or dark, text is hard to tell from its ground"


def test_formulas_are_rendered(seen):
    chapters = ("introduction", "transformations", "strategy_1", "strategy_2")
    assert all(seen[f"{chapter}.html"]["formulas"] > 5 for chapter in chapters)


def test_console_stays_silent(seen):
    assert seen["console"]["complaints"] == []


class _Loads(html.parser.HTMLParser):
    """Collects what a page makes a browser load by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        source = given.get("src")
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev", "author"):
            source = given.get("href")
        if source:
            self.loaded.append(source)


def test_nothing_is_loaded_from_elsewhere(built):
    remote = re.compile(r"^(https?:)?//")
    for page in built.rglob("*.html"):
        parser = _Loads()
        parser.feed(page.read_text())
        assert [source for source in parser.loaded if remote.match(source)] == [], page.name


class _Pictures(html.parser.HTMLParser):
    """Collects the pictures of a page: what they say, and those that are loaded when it opens."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.eager: list[str] = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "img":
            self.texts.append(given.get("alt") or "")
            if given.get("loading") != "lazy":
                self.eager.append(given["src"])


def pictures_of(page):
    parser = _Pictures()
    parser.feed(page.read_text("utf-8"))
    return parser


def test_every_picture_says_what_is_seen_and_notebooks_say_it_too(built):
    pages = [
        *(built / f"{chapter}.html" for chapter in CHAPTERS),
        *built.rglob("results/**/*.html"),
    ]
    texts = {page.name: pictures_of(page).texts for page in pages}
    assert sum(map(len, texts.values())) > 40
    silent = {name for name, said in texts.items() if any(len(text) < 10 for text in said)}
    assert silent == set()


def test_pages_and_the_site_are_small_enough(built):
    """What the page with the live network may weigh, `test_explorer.py` tells."""
    for page in built.rglob("*.html"):
        opened = {page, *((page.parent / name).resolve() for name in pictures_of(page).eager)}
        assert sum(path.stat().st_size for path in opened) < MOST_OF_A_PAGE, page.name
    files = [path for path in built.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_OF_THE_SITE


def test_no_figure_lies_there_twice(built):
    seen: dict[bytes, list[str]] = {}
    for path in built.rglob("*"):
        if path.suffix in (".svg", ".png", ".jpg", ".ipynb") and "_static" not in path.parts:
            content = path.read_bytes()
            start = max(content.find(b"<svg"), 0) if path.suffix == ".svg" else 0
            digest = hashlib.sha256(content[start:].strip()).digest()
            seen.setdefault(digest, []).append(path.relative_to(built).as_posix())
    assert len(seen) > 40
    assert [names for names in seen.values() if len(names) > 1] == []


def test_what_is_as_wide_as_a_page_is_drawn_for_a_phone_too(built):
    """Once more, or as two columns that it shows below each other."""
    wide = [
        (chapter, figure)
        for chapter in CHAPTERS
        for figure in re.findall(
            r"<figure class=[^>]*wide.*?</figure>", (built / f"{chapter}.html").read_text(), re.S
        )
    ]
    assert len(wide) > 40
    assert [
        (chapter, re.search('alt="([^"]*)"', figure)[1])
        for chapter, figure in wide
        if "<source media=" not in figure and 'class="half other"' not in figure
    ] == []


def test_letters_in_figures_are_as_large_as_a_caption_s(built):
    """They have 10 points, which are 16.9 pixels where 6.2 inches are as wide as the text.

    Half of that width on a phone of 390 pixels makes 15.7 of it. A caption's have 16.
    """
    for page in (ROOT / "book").glob("*.md"):
        for figure in re.findall(r"^```\{figure\} results/.*?^```", page.read_text(), re.M | re.S):
            assert re.search("^:figclass: wide", figure, re.M), (page.name, figure.splitlines()[0])
    small = {}
    for path in (ROOT / "book" / "results").rglob("*.svg"):
        text = path.read_text("utf-8")
        width = float(re.search(r'viewBox="0 0 ([\d.]+)', text)[1]) / 72
        points = min(100 * float(scale) for scale in re.findall(r"scale\(([\d.]+) -", text))
        wide = 3.2 if path.stem.endswith("_narrow") else 6.4
        if points * min(1, wide / width) < 9.9:
            small[path.relative_to(ROOT).as_posix()] = (points, width)
    assert small == {}


def test_the_numbers_of_every_drawn_figure_are_offered(built):
    """In the line of sources below it, or below several; of pictures there are none."""
    pictures = ("phantom", "samples", "kernels", "architecture", "thresholds", "conventions")
    counts = {}
    for chapter in CHAPTERS:
        text = (built / f"{chapter}.html").read_text()
        for figures, below in re.findall(
            r"((?:<figure.*?</figure>\s*)+)(<p[ >].*?</p>|)", text, re.S
        ):
            shown = re.findall(
                r'id="([^"]+)".*?src="[^"]*?([^/"]+?)\d*\.(?:svg|png)"', figures, re.S
            )
            drawn = [name for name, file in shown if not file.endswith(pictures)]
            counts[(chapter, *drawn)] = (len(drawn), below.count("_data.csv"))
    assert sum(count for _, count in counts.values()) > 60
    assert {of: both for of, both in counts.items() if both[0] != both[1]} == {}


def test_no_directive_is_shown_as_text(built):
    """As one is whose first line holds a backtick: Sphinx says nothing of it."""
    shown = [page.name for page in built.glob("*.html") if "```{" in page.read_text("utf-8")]
    assert shown == []


def test_figures_are_numbered_in_order(built):
    numbers: list[int] = []
    for chapter in CHAPTERS:
        text = (built / f"{chapter}.html").read_text()
        numbers += map(int, re.findall(r'class="caption-number">Fig\. (\d+) ', text))
    assert len(numbers) > 20
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_result_figure_names_its_source(built):
    for chapter in (
        *("index", "calibration", "results", "photographs"),
        *("appendix", "appendix_photographs"),
    ):
        text = (built / f"{chapter}.html").read_text()
        figures = re.findall(r"</figure>\s*<p>(.*?)</p>", text, re.DOTALL)
        assert figures
        assert all("Source" in line and "download" in line for line in figures)


def test_index_shows_soccer_ball_and_grand_piano_side_by_side(built):
    results = ROOT / "book" / "results" / "imagenet"
    archive = (results / "rotation.ipynb").read_text()
    (shown,) = re.findall(r'src="(_images/rotation\d*\.svg)"', (built / "index.html").read_text())
    assert (built / shown).read_bytes() == (results / "rotation.svg").read_bytes()
    assert "soccer ball" in archive
    assert "grand piano" in archive


def test_readme_shows_the_figure_of_the_book(built):
    shown = (ROOT / "book" / "figures" / "rotation.svg").read_bytes()
    assert shown == (ROOT / "book" / "results" / "imagenet" / "rotation.svg").read_bytes()


def glued_keys(notebook):
    """Return what an executed notebook stores for pages."""
    record = "application/papermill.record/"
    cells = json.loads(notebook.read_text())["cells"]
    stored = [
        output["metadata"]["scrapbook"]["name"].removeprefix(record)
        for cell in cells
        for output in cell.get("outputs", ())
        if "scrapbook" in output.get("metadata", {})
    ]
    assert len(stored) == len(set(stored)), f"{notebook.name} stores a number twice"
    return set(stored)


def test_pages_read_the_numbers_that_notebooks_store(built):
    """Every key that a page reads is stored, and every key that is stored is read by a page.

    A notebook that runs for several networks stores the same keys each time; pages read some of
    one run and some of another.
    """
    results = ROOT / "book" / "results"
    text = "".join(page.read_text() for page in sorted((ROOT / "book").glob("*.md")))
    asked: dict[str, set[str]] = {}
    for name, key in re.findall(r"`results/([^`:]+\.ipynb)::([^`:]+)", text):
        asked.setdefault(name, set()).add(key)
    read, stored = {}, {}
    for path in sorted(results.rglob("*.ipynb")):
        name = path.relative_to(results).as_posix()
        keys = glued_keys(path)
        assert asked.pop(name, set()) - keys == set(), f"{name} does not store what pages read"
        read.setdefault(path.stem, set()).update(re.findall(rf"{name}::([^`:]+)", text))
        stored.setdefault(path.stem, set()).update(keys)
    assert asked == {}, "pages read notebooks that are not there"
    unread = {name: sorted(stored[name] - read[name]) for name in stored}
    assert {name: keys for name, keys in unread.items() if keys} == {}


def test_no_table_of_results_is_laid_out_by_hand():
    for page in (ROOT / "book").glob("*.md"):
        rows = [line for line in page.read_text().splitlines() if line.lstrip().startswith("|")]
        assert [row for row in rows if "{glue:" in row] == [], page.name


def test_no_claim_waits_for_its_result():
    for page in (ROOT / "book").glob("*.md"):
        assert "INTERPRET" not in page.read_text(), page.name
