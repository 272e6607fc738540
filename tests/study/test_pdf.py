"""The book on paper: what of a page is printed, and what is said without a browser."""

import pytest

from itn.messages import UsageError
from itn.study import pdf

PAGE = """<!doctype html><html data-theme="dark"><head><script src="theme.js"></script>
<script defer src="_static/mathjax/tex-chtml.js"></script></head><body><nav>side</nav>
<article class="bd-article"><section><h1>Book<a class="headerlink" href="#book">#</a></h1>
<p>See <a href="#document-first">there</a>, <a href="index.html#place">here</a>,
<a class="download" href="_downloads/1/a.ipynb">a file</a>, <a href="#document-results/a">a
notebook</a> and <a href="https://arxiv.org">the web</a>.</p>
<span id="document-first"></span><section><h2>First &amp; last</h2><p id="place">Here.</p>
<details><summary>Curves</summary><p>Hidden.</p></details>
<script src="live/explorer.js"></script></section></section></article></body></html>"""


def test_the_text_alone_goes_to_paper():
    shown = pdf.for_paper(PAGE)
    for gone in ("side", "headerlink", "theme.js", "explorer.js", "_downloads", "results/a"):
        assert gone not in shown
    for kept in ('href="#place"', 'href="https://arxiv.org"', "a file", "tex-chtml.js"):
        assert kept in shown
    assert shown.count('href="#document-first"') == 2  # in the text, and in the contents
    assert '<a href="#document-first">First &amp; last</a>' in shown
    assert 'data-theme="light"' in shown
    assert '<details open="">' in shown


def test_executed_notebooks_stay_out():
    toc = {"root": "index", "parts": [{"caption": "What we see"}, {"caption": pdf.NOTEBOOKS}]}
    assert pdf.chapters_only(toc) == {"root": "index", "parts": [{"caption": "What we see"}]}


def test_without_a_browser_one_line_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    with pytest.raises(UsageError, match="no PDF without a browser: install one of no-such"):
        pdf.write_pdf()
