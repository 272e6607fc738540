"""The ledger: its rule, the paper's words, and what other pages say of its verdicts."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ledger_numbers import COUNTED, RECOMPUTED

import itn
from itn.study import claim_measures
from itn.study.claim_measures import Measurement
from itn.study.claims import (
    CLAIMS,
    DOES_NOT,
    HOLDS,
    LIMITS,
    MARKS,
    UNTESTABLE,
    label_of,
    ledger_table,
    measure_claims,
    overview_table,
    verdict,
    verdict_counts,
    verdict_of,
    verdicts,
)
from itn.study.profiles import FigureParameters

BOOK = Path(__file__).parents[2] / "book"
FOLLOWING = ("index", "summary", "discussion")  # pages that say what the ledger says
LINK = re.compile(r"{ref}`([^`<]+) <(claim-[a-z-]+)>`")
VERDICTS = re.compile(r"\b(holds?|does not hold|do not hold|not testable)\b", re.IGNORECASE)


def drawn_once(function):
    """Let a function of screenings remember what it gave for those that are equal."""
    known = {}

    def remembering(*screenings, **options):
        which = (
            tuple((each.attrs["network"], each.attrs["transformation"]) for each in screenings),
            *options.items(),
        )
        before, found = known.get(which, ((), None))
        if found is None or not all(map(xr.Dataset.equals, screenings, before)):
            found = function(*screenings, **options)
            known[which] = screenings, found
        return found

    return remembering


@pytest.fixture(scope="module", autouse=True)
def draws_are_shared():
    """What the study and the ledger's numbers both ask of the instrument is computed once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("compare", "thresholds"):
            function = drawn_once(getattr(itn, name))
            patch.setattr(claim_measures, name, function)
            patch.setattr(itn, name, function)
        yield


@pytest.fixture(scope="module")
def measured(draws_are_shared):
    return measure_claims(FigureParameters(profile="photos"))


@pytest.mark.parametrize(
    ("numbers", "expected"),  # estimate, low, high of a share: at all from 0.75, in full from 0.9
    [
        ((0.95, 0.9, 1), HOLDS),
        ((0.95, 0.89, 1), LIMITS),
        ((0.8, 0.6, 0.89), LIMITS),
        ((0.74, 0.6, 0.89), DOES_NOT),
        ((0.74, 0.6, 0.9), UNTESTABLE),
        ((0.95, 0.7, 1), UNTESTABLE),
        ((np.nan, 0.95, 1), UNTESTABLE),  # an interval of draws alone, and no number
        ((0.9, np.nan, np.nan), HOLDS),
        ((0.75, np.nan, np.nan), LIMITS),
        ((0.7, np.nan, np.nan), DOES_NOT),
    ],
)
def test_a_verdict_follows_from_where_the_interval_lies(numbers, expected):
    assert verdict_of(Measurement("network", "share", 10, *numbers)) == expected


@pytest.mark.parametrize(
    ("single", "expected"),
    [
        ((), UNTESTABLE),
        ((HOLDS, HOLDS), HOLDS),
        ((HOLDS, DOES_NOT), LIMITS),
        ((LIMITS, UNTESTABLE), LIMITS),
        ((DOES_NOT, UNTESTABLE), DOES_NOT),
        ((DOES_NOT,), DOES_NOT),
    ],
)
def test_networks_that_differ_leave_limits(single, expected):
    assert verdict(single) == expected


def written(decides):
    """Read the list of a claim: what is measured of, and each remark once."""
    of, remarks = [], []
    for line in decides.partition("\n- ")[2].split("\n"):
        text = line.strip().removeprefix("- ")
        if text.endswith(":"):
            remarks.append(text[:-1])
        elif text:
            of.append(text.partition(": ")[0])
            if not line.startswith("  "):
                remarks.append(re.sub(r"^.*?(?=\d+ pictures)", "", text))
    return of, remarks


def test_every_claim_has_a_row_and_stands_once_in_the_overview(measured):
    found, ledger = verdicts(measured), ledger_table(measured)
    assert len(ledger) == len(CLAIMS) == len({claim.key for claim in CLAIMS})
    for claim, (said, row) in zip(CLAIMS, ledger.iterrows(), strict=True):
        assert f"“{claim.quotation}”" in said
        assert row.verdict == f"**{MARKS[found[claim.key]]} {found[claim.key]}**"
        of, remarks = written(row["what decides"])
        own = measured[measured.index.get_level_values(0) == claim.key]
        assert sorted(of) == sorted(own.index.get_level_values(1))
        said_of_pictures = own.pictures.astype(str) + " pictures"
        said_of_pictures += own.remark.where(own.remark == "", "; " + own.remark)
        shared = said_of_pictures[own.remark != ""].unique()
        assert sorted(remarks) == sorted([*shared, *said_of_pictures[own.remark == ""]])
    overview = overview_table(measured)
    counts = verdict_counts(measured).claims
    assert [*overview.claims, len(CLAIMS)] == counts.tolist()
    listed = LINK.findall("\n".join(overview.which))
    assert sorted(label for _, label in listed) == sorted(label_of(claim.key) for claim in CLAIMS)


def test_figures_and_notebooks_of_claims_are_there():
    pages = "\n".join(page.read_text() for page in BOOK.glob("*.md"))
    for claim in CLAIMS:
        assert all(f":name: {label}\n" in pages for label in claim.figures), claim.key
        stem = claim.notebook.rpartition("/")[2]
        assert not stem or (BOOK.parent / "notebooks" / f"{stem}.py").is_file()


@pytest.mark.data
def test_quotations_are_the_papers_own_words():
    text = (Path(os.environ["ITN_DATA"]).parent / "paper.txt").read_text(encoding="utf-8")
    for claim in CLAIMS:
        assert claim.quotation in text, claim.key


@pytest.mark.parametrize("page", FOLLOWING)
def test_pages_say_of_claims_what_the_ledger_says(measured, page):
    text, found = (BOOK / f"{page}.md").read_text(), verdicts(measured)
    links = LINK.findall(text)
    assert links
    for said, label in links:
        assert said == found[label.removeprefix("claim-")], f"{page}: {label}"
    assert VERDICTS.findall(LINK.sub("", text)) == [], f"{page} says verdicts without the ledger"


@pytest.mark.parametrize("claim", [claim.key for claim in CLAIMS])
def test_numbers_are_those_of_the_archives(measured, claim):
    rows = measured.loc[[claim]] if claim in measured.index else measured[:0]
    recomputed = RECOMPUTED[claim]()
    assert len(rows) == len(recomputed)
    for (_, found), (estimate, low, high) in zip(rows.iterrows(), recomputed, strict=True):
        assert found.estimate == pytest.approx(estimate, abs=1e-6), found
        near = 0.15 * (found.high - found.low) + 0.01
        if claim in COUNTED:
            near = max(near, 1 / 11)
        expected = pytest.approx((low, high), abs=near, nan_ok=True)
        assert (found.low, found.high) == expected, found
