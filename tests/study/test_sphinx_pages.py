"""What Sphinx does to pages, on a book of two pages and a picture."""

import re
import shutil

import pytest
from sphinx.application import Sphinx

DRAWING = '<svg role="img" aria-label="A &lt; line" xmlns="http://www.w3.org/2000/svg"/>'
CHAPTER = """# Chapter

```{figure} results/one/curve.svg
A curve.
```

Source: `notebooks/curve.py`, {download}`executed notebook <results/one/curve.ipynb>`.

Not a line of sources: `notebooks/curve.py`.

From {glue:text}`results/one/curve.ipynb::low:.1f` to {glue:text}`results/one/curve.ipynb::of:s`.

```{toctree}
results/one/curve
```
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    import nbformat

    folder = tmp_path_factory.mktemp("project")
    results = folder / "book" / "results" / "one"
    results.mkdir(parents=True)
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "curve.py").write_text("# drawn\n")
    (results / "curve.svg").write_text(f'<?xml version="1.0"?>\n{DRAWING}\n')
    (results / "curve_data.csv").write_text("x,y\n0,1\n")
    (folder / "book" / "index.md").write_text(CHAPTER)
    output = nbformat.v4.new_output("display_data", data={"image/svg+xml": DRAWING})
    stored = {
        key: nbformat.v4.new_output(
            "display_data",
            data={"application/papermill.record/text/plain": repr(value)},
            metadata={"scrapbook": {"name": key, "mime_prefix": "application/papermill.record/"}},
        )
        for key, value in {"low": -4.54, "of": "-8° of well-known 1-2, -0.0 or -0.01"}.items()
    }
    cells = [
        nbformat.v4.new_markdown_cell("# Curve · AlexNet"),
        nbformat.v4.new_code_cell("draw()", outputs=[output], execution_count=1),
        nbformat.v4.new_code_cell("glue()", outputs=list(stored.values()), execution_count=2),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), results / "curve.ipynb")
    target = folder / "html"
    settings = {"extensions": ["myst_nb", "itn.study.sphinx_pages"], "nb_execution_mode": "off"}
    Sphinx(folder / "book", None, target, folder / "trees", "html", settings, status=None).build()
    yield target
    shutil.rmtree(folder)


def test_a_source_leads_to_page_file_and_script(built):
    text = (built / "index.html").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("<p>Source")]
    assert 'href="results/one/curve.html"' in line and "executed notebook" in line
    assert line.count('class="reference download internal"') == 3
    assert re.sub("<[^>]*>", "", line).endswith(" Data (CSV).")
    names = sorted(path.name for path in (built / "_downloads").rglob("*") if path.is_file())
    assert names == ["curve.ipynb", "curve.py", "curve_data.csv"]
    assert text.count("_downloads") == 3  # the sentence that is no line of sources has none


def test_a_number_that_is_read_has_a_minus_sign(built):
    (said,) = re.findall(r"<p>From .*</p>", (built / "index.html").read_text())
    assert re.sub(r"<[^>]*>", "", said) == "From −4.5 to −8° of well-known 1-2, 0.0 or −0.01."


def test_an_executed_notebook_names_its_script_and_itself(built):
    text = (built / "results" / "one" / "curve.html").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("<p>Source")]
    assert line.count('class="reference download internal"') == 2
    assert "notebooks/curve.py" in line and ">this notebook<" in line


def test_a_figure_lies_there_once_and_says_what_is_seen(built):
    assert [path.name for path in (built / "_images").iterdir()] == ["curve.svg"]
    for page in ("index.html", "results/one/curve.html"):
        (picture,) = re.findall(r"<img [^>]*>", (built / page).read_text())
        assert 'alt="A &lt; line"' in picture and 'loading="lazy"' in picture
