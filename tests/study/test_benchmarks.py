"""What pages tell of benchmarks: their files are up to date, and tables say what is in them."""

import csv
from pathlib import Path

import correlation_coverage as benchmark
import numpy as np
import pytest
from scipy import stats

from itn.curves import load_screening
from itn.messages import UsageError
from itn.study import benchmarks
from itn.study.benchmarks import (
    correlation_coverage,
    coverage_summary,
    psychometric_table,
    read_benchmark,
)
from itn.thresholds import accuracy, thresholds

ROOT = Path(__file__).parents[2]


def rows_of(name):
    with (ROOT / "benchmarks" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_what_was_not_run_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(benchmarks, "project_folder", lambda: tmp_path)
    with pytest.raises(UsageError, match=r"^no benchmarks/x\.csv: run benchmarks/x\.py$"):
        read_benchmark("x")


# Rank correlations


def test_simulated_screenings_have_the_correlation_they_should():
    """With many classes and hardly any noise it is found."""
    drawn = benchmark.draw(np.random.default_rng(0), 0.8, 500, 0.02, False, ("noise", "blur"))
    for first, second in drawn:
        ours = [
            thresholds(each, resamples=0).threshold.sel(criterion="half", direction="up")
            for each in (first, second)
        ]
        rho = stats.spearmanr(*ours).statistic
        assert rho == pytest.approx(6 / np.pi * np.arcsin(0.4), abs=0.07)
    assert not set(first.image.values) & set(second.image.values)


def test_intervals_hold_the_correlation_as_often_as_the_file_says():
    """Where pictures blur little, and where they blur much: counts as far off are rare."""
    for noise in (0.3, 1.0):
        row = benchmark.coverage(0.8, 11, noise, True, 40, names=("noise",), resamples=200)
        (told,) = (
            each
            for each in rows_of("correlation_coverage")
            if float(each["noise"]) == noise and each["classes"] == "11"
            if each["pictures"] == "same" and float(each["ρ"]) > 0.7
        )
        share = np.clip(float(told["held"]) / 100, 0.01, 0.99)
        few, many = stats.binom.ppf([1e-4, 1 - 1e-4], 40, share)
        assert few <= round(row["held"] * 0.4) <= many
        assert row["reliability"] == pytest.approx(float(told["reliability"]), abs=0.1)


def test_the_summary_of_coverage_is_of_its_rows():
    rows = rows_of("correlation_coverage")
    assert len(rows) == len(correlation_coverage()) == 24
    summary = coverage_summary()
    for name, noise in (("little", 0.3), ("much", 1)):
        found, own = summary.loc[name], [row for row in rows if float(row["noise"]) == noise]
        held = [float(row["held"]) for row in own]
        assert (found.lowest, found.highest) == (min(held), max(held))
        none = [float(row["median above 0"]) for row in own if float(row["ρ"]) == 0]
        assert found["median false"] == max(none)
        some = [row for row in own if row["classes"] == "11" and row["ρ"] == "0.483"]
        assert found.power == min(float(row["median above 0"]) for row in some)


# Psychometric functions


def test_our_thresholds_of_falling_curves_are_up_to_date():
    told = {(row["archive"], row["class"]): row for row in rows_of("psychometric")}
    expected = set()
    for archive in {archive for archive, _ in told}:
        screening = load_screening(ROOT / "results" / f"{archive}.nc")
        shares = accuracy(screening)
        found = thresholds(screening).sel(criterion="half", direction="up")
        for name in screening.category.values.tolist():
            share = shares.sel(category=name).values
            rises = any((share[at:] > share[at] + 0.05).any() for at in range(len(share)))
            if share[0] < 0.75 or share[-1] > 0.1 or rises:
                continue
            expected.add((archive, name))
            for column in ("threshold", "low", "high"):
                value = found[column].sel(category=name).item()
                assert float(told[archive, name][column]) == pytest.approx(value, rel=1e-3)
    assert expected == set(told)


def test_psychometric_thresholds_are_compared_row_by_row():
    whole, rows = psychometric_table(), rows_of("psychometric")
    table = whole.loc[("all", "both")]
    values = [
        {key: float(row[key]) for key in row if key not in ("archive", "class")} for row in rows
    ]
    assert table.curves == len(rows)
    inside = sum(row["low"] <= row["fitted"] <= row["high"] for row in values)
    assert table["in ours"] == inside == whole["in ours"].iloc[:-1].sum()
    theirs = sum(row["fitted low"] <= row["threshold"] <= row["fitted high"] for row in values)
    assert table["in theirs"] == theirs
    ratios = [
        (row["fitted high"] - row["fitted low"]) / (row["high"] - row["low"]) for row in values
    ]
    assert table.width == pytest.approx(np.nanmedian(ratios))
    own = [row for row in rows if row["archive"] == "photos/resnet_photos_blur"]
    assert whole.loc[("resnet_photos", "blur"), "curves"] == len(own)
