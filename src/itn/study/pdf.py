"""Prints the whole book to one PDF: all chapters as one page, which a browser prints.

Executed notebooks stay out: the book links them, and they are read on the screen.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from itn.files import whole_file
from itn.messages import UsageError
from itn.study.profiles import project_folder

BROWSERS = ("chromium", "chromium-browser")
NOTEBOOKS = "Executed notebooks"  # the part of the table of contents that is left out
SECONDS = 600  # after which the browser is given up
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def find_browser() -> str | None:
    """Return where the browser is that prints, None if there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def write_pdf(target: Path | None = None) -> Path:
    """Print the book, whose notebooks have been executed, and return where the PDF is."""
    browser = find_browser()
    if browser is None:
        raise UsageError(f"no PDF without a browser: install one of {', '.join(BROWSERS)}")
    folder = project_folder()
    target = target or folder / "_build" / "book.pdf"
    with tempfile.TemporaryDirectory() as scratch:
        page = _one_page(folder, Path(scratch))
        page.write_text(for_paper(page.read_text(encoding="utf-8")), encoding="utf-8")
        with whole_file(target) as path:
            _print(browser, page, path.absolute(), Path(scratch))
    return target


def _one_page(folder: Path, scratch: Path) -> Path:
    """Build all chapters as one page."""
    toc = yaml.safe_load((folder / "book" / "_toc.yml").read_text(encoding="utf-8"))
    chapters = yaml.safe_dump(chapters_only(toc), allow_unicode=True, sort_keys=False)
    (scratch / "_toc.yml").write_text(chapters, encoding="utf-8")
    # It warns of the notebooks that are left out; `make book` lets no warning pass.
    command: list[str | Path] = [
        sys.executable, "-c", JUPYTER_BOOK, "build", folder / "book",
        "--builder", "singlehtml", "--toc", scratch / "_toc.yml", "--path-output", scratch,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise UsageError(f"the book could not be built as one page: {said[-1] if said else ''}")
    return scratch / "_build" / "singlehtml" / "index.html"


def chapters_only(toc: dict[str, Any]) -> dict[str, Any]:
    """Return a table of contents without the executed notebooks."""
    return toc | {"parts": [part for part in toc["parts"] if part["caption"] != NOTEBOOKS]}


def for_paper(page: str) -> str:
    """Return a page of all chapters with its text alone, and the chapters' titles at its top.

    Side bars go, and all scripts but that of the formulas. A link stays one if it leads to a place
    in the page or on the web.
    """
    from bs4 import BeautifulSoup  # of the extra "book"

    soup: Any = BeautifulSoup(page, "html.parser")
    article = soup.find("article", class_="bd-article")
    if article is None:
        raise UsageError("the book's one page has no text")
    for script in [script for script in soup.find_all("script") if not _is_of_formulas(script)]:
        script.decompose()
    formulas = soup.body.find_all("script")
    for picture in article.find_all("img", loading=True):
        del picture["loading"]  # all are seen at once
    for part in article.find_all("details"):
        part["open"] = ""  # nobody opens it on paper
    _keep_links_that_lead_on(article)
    article.find("h1").insert_after(_contents(soup, article))
    soup.body.clear()
    soup.body.extend([article, *formulas])
    soup.html["data-theme"] = "light"
    return str(soup)


def _is_of_formulas(script: Any) -> bool:
    return "mathjax" in f"{script.get('src', '')} {script.text}".lower()


def _keep_links_that_lead_on(article: Any) -> None:
    places = {tag["id"] for tag in article.find_all(id=True)}
    for link in article.find_all("a", href=True):
        place = link["href"].rpartition("#")[2]
        if "headerlink" in link.get("class", []):
            link.decompose()
        elif link["href"].startswith("http"):
            continue
        elif place in places:
            link["href"] = f"#{place}"
        else:
            link.unwrap()


def _contents(soup: Any, article: Any) -> Any:
    """Make the list of chapters."""
    contents = soup.new_tag("nav", attrs={"class": "chapters", "aria-label": "Contents"})
    for start in article.select("span[id^=document-]"):
        heading = start.find_next(["h1", "h2"])
        line, link = soup.new_tag("p"), soup.new_tag("a", href=f"#{start['id']}")
        link.string = heading.get_text()
        line.append(link)
        contents.append(line)
    return contents


def _print(browser: str, page: Path, target: Path, scratch: Path) -> None:
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--allow-file-access-from-files", f"--user-data-dir={scratch / 'profile'}",
        "--virtual-time-budget=300000", "--no-pdf-header-footer",
        "--generate-pdf-document-outline", f"--print-to-pdf={target}", page.as_uri(),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"{browser} did not print within {SECONDS} seconds") from error
    if done.returncode or not target.is_file():
        said = done.stderr.strip().splitlines()
        raise UsageError(f"{browser} did not print: {said[-1] if said else 'it says nothing'}")
