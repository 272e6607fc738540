"""An extension of Sphinx: where a page is narrow, it shows the narrow variant of a figure.

A notebook keeps it beside the other, see `itn.study.pages.show_figure`. What does not show at once
is loaded only when it does.
"""

from pathlib import Path
from typing import Any

from itn.study.pages import NARROW
from itn.study.sources import code_hash

NARROWER_THAN = 600  # CSS pixels, where panels side by side would be illegible

HALVES = "halves"  # class of one that has two columns of panels, which it shows below each other


def narrow_variant(name: str) -> str:
    """Name the file of a figure's narrow variant."""
    path = Path(name)
    return path.with_name(f"{path.stem}{NARROW}{path.suffix}").as_posix()


def note_variants(app: Any, document: Any) -> None:
    """Tell Sphinx which files a page needs besides those that it names."""
    from docutils import nodes

    page = app.env.docname
    for image in document.findall(nodes.image):
        variant = narrow_variant(image["uri"])
        if "://" not in image["uri"] and Path(app.srcdir, variant).is_file():
            app.env.images.add_file(page, variant)
            app.env.note_dependency(variant)


def show_variants(app: Any, document: Any, page: str) -> None:
    """Put the choice between a figure and its narrow variant around the image."""
    from docutils import nodes
    from sphinx.util.osutil import relative_uri

    if app.builder.format != "html":
        return
    folder = relative_uri(app.builder.get_target_uri(page), app.builder.imagedir)
    for image in list(document.findall(nodes.image)):
        variant = narrow_variant(image["uri"])
        if variant in app.env.images:
            stored = app.env.images[variant][1]
            app.builder.images[variant] = stored  # which it copies
            media = f"(max-width: {NARROWER_THAN}px)"
            before = f'<picture><source media="{media}" srcset="{folder}/{stored}">'
            after = "</picture>"
        elif HALVES in image.parent.get("classes", []):
            source = f"{folder}/{app.env.images[image['uri']][1]}"
            before = '<div class="half">'
            after = (
                f'</div><div class="half other"><img src="{source}" loading="lazy" '
                'alt="The same, the other half of the panels."></div>'
            )
        else:
            continue
        place = image.parent.index(image)
        image.parent.insert(place + 1, nodes.raw("", after, format="html"))
        image.parent.insert(place, nodes.raw("", before, format="html"))


def setup(app: Any) -> dict[str, int]:
    """Connect the extension."""
    app.connect("doctree-read", note_variants)
    app.connect("doctree-resolved", show_variants)
    return {
        "env_version": int(code_hash(__name__)[:8], 16),  # another one reads all pages again
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
