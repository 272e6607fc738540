"""What Sphinx does to every page of the book beyond its markup; `_config.yml` names this module.

A line that begins with "Source" leads to the executed notebook, as a page and as a file, to the
scripts it names, and to the numbers of the figure above it; an executed notebook has such a line
under its title. What a notebook shows is the file that chapters show, so that each figure lies in
the book once; it is loaded when a reader comes to it, and has a text for readers who do not see it.
A number that the text reads from a notebook has a minus sign, where Python writes a hyphen.
"""

import html
import re
import shutil
from itertools import takewhile
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import download_reference, pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

from itn.study.pages import DATA
from itn.study.sources import code_hash

SCRIPT = re.compile(r"(notebooks|benchmarks)/\w+\.(py|csv)")
SPOKEN = ("base", "en", "nemeth")  # what formulas are read aloud from, or written in Braille
UNUSED_INPUT = ("asciimath", "tex", "tex-base", "tex-full")  # TeX comes with the script itself
HYPHEN = re.compile(r"(?<![\w.])-(?=\.?\d)")  # before a number
NO_LESS = re.compile(r"(?<![\w.])-(?=0(?:\.0+)?(?![.\d]))")  # before a zero
LABEL = re.compile(r'<svg [^>]*\baria-label="([^"]*)"')


class LinkSources(SphinxTransform):
    """Makes links of what a line of sources names."""

    default_priority = 700  # after the markup is read, before Sphinx collects files and links

    def apply(self, **_: Any) -> None:
        """Go through the paragraphs of a page."""
        if self.env.doc2path(self.env.docname).endswith(".ipynb"):
            self._add_line()
        for line in list(self.document.findall(nodes.paragraph)):
            if line.astext().startswith("Source"):
                self._link(line)
                self._offer_data(line)

    def _add_line(self) -> None:
        """Say under the title of an executed notebook where it and its script are."""
        title = next(iter(self.document.findall(nodes.title)), None)
        script = f"notebooks/{Path(self.env.docname).name}.py"
        if title is not None and (Path(self.env.srcdir).parent / script).is_file():
            line = nodes.paragraph("", "Source: ")
            file = self._file(f"/{self.env.docname}.ipynb", nodes.inline("", "this notebook"))
            line.extend([nodes.literal("", script), nodes.Text(", "), file, nodes.Text(".")])
            title.parent.insert(title.parent.index(title) + 1, line)

    def _link(self, line: nodes.paragraph) -> None:
        for file in list(line.findall(download_reference)):
            name, kind = file["reftarget"].lstrip("/").rsplit(".", 1)
            if kind == "ipynb" and name != self.env.docname:
                page = pending_xref(
                    "", nodes.inline("", file.astext()), refdomain="std", reftype="doc",
                    reftarget=f"/{name}", refdoc=self.env.docname, refexplicit=True, refwarn=True,
                )  # fmt: skip
                short = self._file(f"/{name}.ipynb", nodes.literal("", ".ipynb"))
                file.replace_self([page, nodes.Text(" ("), short, nodes.Text(")")])
        for name in list(line.findall(nodes.literal)):
            if SCRIPT.fullmatch(name.astext()) and isinstance(name.parent, nodes.paragraph):
                name.replace_self(self._file(f"/../{name.astext()}", name.deepcopy()))

    def _offer_data(self, line: nodes.paragraph) -> None:
        """Lead to the numbers of the figures above a line."""
        before = line.parent[: line.parent.index(line)][::-1]
        for figure in takewhile(lambda each: isinstance(each, nodes.figure), before):
            for image in figure.findall(nodes.image):
                _, path = self.env.relfn2path(image["uri"], self.env.docname)
                data = Path(path).with_name(f"{Path(path).stem}{DATA}.csv")
                if data.is_file():
                    target = f"/{data.relative_to(self.env.srcdir).as_posix()}"
                    file = self._file(target, nodes.inline("", "Data"))
                    line += [nodes.Text(" "), file, nodes.Text(" (CSV).")]

    def _file(self, target: str, label: nodes.Node) -> download_reference:
        """Make a link by which a file is downloaded."""
        return download_reference("", "", label, reftarget=target, refdoc=self.env.docname)


class ShowOnce(SphinxTransform):
    """Shows what a notebook shows as the file that it kept for chapters, and says what is seen."""

    default_priority = 700

    def apply(self, **_: Any) -> None:
        """Go through the pictures of a page."""
        kept = self._kept()
        for picture in self.document.findall(nodes.image):
            picture["loading"] = "lazy"
            _, path = self.env.relfn2path(picture["uri"], self.env.docname)
            if not path.endswith(".svg") or not Path(path).is_file():
                continue
            drawn = _drawn(Path(path))
            if drawn in kept:
                picture["uri"] = f"/{kept[drawn].relative_to(self.env.srcdir).as_posix()}"
            found = LABEL.search(drawn)
            if found and not picture.get("alt"):
                picture["alt"] = html.unescape(found[1])

    def _kept(self) -> dict[str, Path]:
        """Return what lies beside an executed notebook, by its contents."""
        source = Path(self.env.doc2path(self.env.docname))
        if source.suffix != ".ipynb":
            return {}
        return {_drawn(path): path for path in sorted(source.parent.glob("*.svg"))}


def _drawn(path: Path) -> str:
    """Return the text of a drawing from its first element on."""
    text = path.read_text(encoding="utf-8")
    return text[max(text.find("<svg"), 0) :].strip()


class WriteMinus(SphinxPostTransform):
    """Writes the numbers that a page reads from notebooks as it writes all others."""

    default_priority = 900  # after they are there

    def run(self, **_: Any) -> None:
        """Go through them."""
        for read in self.document.findall(_is_read):
            for text in list(read.findall(nodes.Text)):
                read.replace(text, nodes.Text(HYPHEN.sub("−", NO_LESS.sub("", text))))


def _is_read(node: nodes.Node) -> bool:
    return isinstance(node, nodes.inline) and "pasted-text" in node["classes"]


def expect_outside(app: Sphinx, page: nodes.document) -> None:
    """Expect that one page of all chapters leaves out what the text only reads numbers from."""
    if app.builder.name == "singlehtml" and app.env.docname.startswith(("results/", "notebooks/")):
        app.env.metadata[app.env.docname]["orphan"] = True


def leave_out_unused(app: Sphinx, error: Exception | None) -> None:
    """Remove what no page loads: maps of scripts, other languages, other ways to set formulas."""
    static = Path(app.outdir, "_static")
    formulas = static / app.config.mathjax_path
    unused = [path for path in formulas.parent.glob("*.js") if path != formulas]
    unused += [
        *static.rglob("*.map"),
        *static.glob("locales"),
        *formulas.parent.glob("output/svg*"),
    ]
    unused += [formulas.parent / "input" / f"{name}.js" for name in UNUSED_INPUT]
    spoken = formulas.parent / "sre" / "mathmaps"
    unused += [path for path in spoken.glob("*.json") if path.stem not in SPOKEN]
    for path in unused if error is None and formulas.is_file() else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, int]:
    """Tell Sphinx what there is."""
    app.add_transform(LinkSources)
    app.add_transform(ShowOnce)
    app.add_post_transform(WriteMinus)
    app.connect("doctree-read", expect_outside)
    app.connect("build-finished", leave_out_unused, priority=900)  # after all is copied
    return {
        "env_version": int(code_hash(__name__)[:8], 16),  # another one reads all pages again
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
