"""What benchmarks have found, as pages tell it: how far intervals and thresholds can be trusted."""

import numpy as np
import pandas as pd

from itn.messages import UsageError
from itn.study.profiles import project_folder

CASE = ["ρ", "noise", "pictures", "classes"]
FOUND = ["reliability", "found", "held", "above 0", "median held", "median above 0"]


def read_benchmark(name: str) -> pd.DataFrame:
    """Read the table that a benchmark has written."""
    path = project_folder() / "benchmarks" / f"{name}.csv"
    if not path.is_file():
        raise UsageError(f"no benchmarks/{name}.csv: run benchmarks/{name}.py")
    return pd.read_csv(path)


def correlation_coverage() -> pd.DataFrame:
    """Tabulate how often intervals of rank correlations hold the true one, in per cent.

    One row for each true ``ρ``, ``noise``, pictures the same or other, and number of classes.
    """
    return read_benchmark("correlation_coverage").set_index(CASE)[FOUND].sort_index()


def coverage_summary() -> pd.DataFrame:
    """Say how often at least and at most intervals hold the true correlation, by noise.

    Of those of single correlations, and of their ``median``; ``false`` is the largest share that
    is above 0 where the true one is 0, ``power`` the lowest of the median where there are few
    classes and a moderate correlation. ``little`` noise is the least that was simulated, ``much``
    the most.
    """
    table = read_benchmark("correlation_coverage")
    none = table[table["ρ"] == 0].groupby("noise")[["above 0", "median above 0"]].max()
    few = table[(table["ρ"] > 0) & (table.classes == table.classes.min())]
    moderate = few[few["ρ"] == few["ρ"].min()].groupby("noise")
    grouped = table.groupby("noise")
    summary = pd.DataFrame(
        {
            "reliability": grouped.reliability.mean(),
            "lowest": grouped.held.min(),
            "highest": grouped.held.max(),
            "median lowest": grouped["median held"].min(),
            "median highest": grouped["median held"].max(),
            "false": none["above 0"],
            "median false": none["median above 0"],
            "power": moderate["median above 0"].min(),
        }
    )
    return summary.iloc[[0, -1]].set_axis(["little", "much"], axis="index")


def psychometric_table() -> pd.DataFrame:
    """Compare our thresholds with those of fitted psychometric functions.

    One row for each network and transformation, and one for ``all``: how many ``curves`` were
    fitted; how many of the fitted thresholds lie in our interval, and of ours in theirs; the
    ``median difference``, fitted less ours, in half-widths of our interval; and the median ratio of
    their ``width`` to ours.
    """
    table = read_benchmark("psychometric")
    half = (table.high - table.low) / 2
    whole = pd.DataFrame(
        {
            "archive": table.archive.str.rpartition("/")[2],
            "in ours": table.fitted.between(table.low, table.high),
            "in theirs": table.threshold.between(table["fitted low"], table["fitted high"]),
            "difference": (table.fitted - table.threshold) / half,
            "width": (table["fitted high"] - table["fitted low"]) / 2 / half,
        }
    )
    rows = {
        **{
            str(name).rpartition("_")[::2]: own
            for name, own in whole.groupby("archive", sort=False)
        },
        ("all", "both"): whole,
    }
    summaries = [
        {
            "curves": len(own),
            "in ours": int(own["in ours"].sum()),
            "in theirs": int(own["in theirs"].sum()),
            "median difference": float(np.median(own.difference)),
            "width": float(np.nanmedian(own.width)),
        }
        for own in rows.values()
    ]
    index = pd.MultiIndex.from_tuples(list(rows), names=["network", "transformation"])
    return pd.DataFrame(summaries, index)
