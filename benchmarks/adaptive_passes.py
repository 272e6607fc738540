"""How many passes do adaptive magnitudes save? Writes benchmarks/adaptive_passes.csv.

Archived screenings hold every magnitude, so what an adaptive one would have looked at is taken
from them, category by category, and no network runs. Of each archive: passes, how many thresholds
lie in the interval of the full sweep, and how many times as wide their own are, on average.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from itn.adaptive_magnitudes import (
    check_precision,
    coarse_magnitudes,
    magnitude_grid,
    next_magnitudes,
)
from itn.curves import load_screening, select_categories
from itn.messages import Progress
from itn.thresholds import NOT_SCREENED, REACHED, thresholds
from itn.transformations import even, find_transformation

ROOT = Path(__file__).parents[1]
PROFILES = ("imagenet", "photos")
FEWEST = 10  # magnitudes of an archive that is a whole sweep
TARGET = ROOT / "benchmarks" / "adaptive_passes.csv"


def main() -> None:
    paths = list(archived_sweeps())
    rows = [
        summary(f"{path.parent.name}/{path.stem}", load_screening(path))
        for path in Progress(paths, unit="archive")
    ]
    table = pd.DataFrame(rows)
    table.to_csv(TARGET, index=False, float_format="%.4f", lineterminator="\n")
    print(table.to_string(index=False))
    for profile in PROFILES:
        own = table[table.archive.str.startswith(f"{profile}/")]
        counted = own.closed_intervals
        ratio = (own.mean_ratio_of_widths * counted).sum() / counted.sum()
        print(
            f"{profile}: {own.passes.sum() / own.passes_full.sum():.1%} of the passes, intervals "
            f"{ratio:.3f} times as wide, {own.within.sum()} of {own.thresholds.sum()} within"
        )


def archived_sweeps() -> Iterator[Path]:
    """List the archived screenings of default sweeps."""
    for profile in PROFILES:
        for path in sorted((ROOT / "results" / profile).glob("*.nc")):
            with xr.open_dataset(path, engine="h5netcdf") as found:
                if found.sizes.get("magnitude", 0) >= FEWEST and "softmax" in found:
                    yield path


def replay(screening: xr.Dataset, precision: float | None = None) -> xr.Dataset:
    """Take of a screening of one category what an adaptive one would have looked at."""
    transformation = find_transformation(screening.attrs["transformation"])
    sweep = screening.magnitude.values
    precision = check_precision(precision, transformation, sweep)
    grid = magnitude_grid(sweep, transformation, precision)
    looked = wanted = coarse_magnitudes(sweep, transformation)
    while len(wanted):
        looked = np.union1d(looked, wanted)
        seen = screening.sel(magnitude=looked)
        wanted = next_magnitudes(seen, grid, precision)
    return seen


def compare(whole: xr.Dataset, seen: xr.Dataset) -> dict[str, np.ndarray]:
    """Compare the thresholds of one category, of a full sweep and of a part of it.

    Of all that a direction was screened for: whether the part's lies in the interval of the whole,
    which may be open, and how many times as wide its own interval is, where neither is open.
    """
    full, part = thresholds(whole), thresholds(seen)
    asked = full.status.values != NOT_SCREENED
    threshold, _, _ = _outward(part, asked)
    _, near, far = _outward(full, asked)
    censored = (full.status == part.status).values[asked] & (full.status != REACHED).values[asked]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _width(part, asked) / _width(full, asked)
    return {
        "within": censored | (near <= threshold) & (threshold <= far),
        "ratio": ratio[np.isfinite(ratio)],
    }


def summary(name: str, screening: xr.Dataset) -> dict[str, object]:
    """Compare an archive with what adaptive magnitudes would have shown of it."""
    full = passes = 0
    found = []
    for category in screening.category.values:
        whole = select_categories(screening, [category])
        seen = replay(whole)
        full += whole.softmax.size
        passes += seen.softmax.size
        found.append(compare(whole, seen))
    within, ratio = (np.concatenate([one[name] for one in found]) for name in ("within", "ratio"))
    return {
        "archive": name,
        "passes_full": full,
        "passes": passes,
        "share": passes / full,
        "thresholds": len(within),
        "within": within.sum(),
        "closed_intervals": len(ratio),
        "mean_ratio_of_widths": ratio.mean() if len(ratio) else np.nan,
    }


def _outward(found: xr.Dataset, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how far out thresholds and both ends of their intervals lie; what is open, endless."""
    transformation = find_transformation(found.attrs["transformation"])
    identity = even(transformation.identity, transformation)
    out = [
        np.nan_to_num(abs(even(found[name], transformation) - identity), nan=np.inf)[asked]
        for name in ("threshold", "low", "high")
    ]
    return out[0], np.minimum(*out[1:]), np.maximum(*out[1:])


def _width(found: xr.Dataset, asked: np.ndarray) -> np.ndarray:
    _, near, far = _outward(found, asked)
    return np.where(np.isfinite(far), far, np.nan) - np.where(np.isfinite(near), near, np.nan)


if __name__ == "__main__":
    main()
