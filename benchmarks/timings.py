"""From the seconds of slices to tables: what `benchmarks/speed.py` shows.

A machine is never quiet, so what is compared are slices of the same round, which follow each
other, and the median over rounds counts. Slice 0 of a transformation is the first, in which an
engine compiles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

Key = tuple[str, str]  # engine, and what looks through it
BARE = "bare"
FEW, MANY = 8, 50  # pictures


@dataclass(frozen=True)
class Slice:
    """How long one engine took for its part of one round."""

    engine: str
    what: str
    transformation: str
    number: int
    passes: int
    seconds: float


def thin(sweep: np.ndarray, identity: float, count: int) -> list[float]:
    """Choose some magnitudes of a sweep, evenly, its ends and the identity among them."""
    chosen = sweep[np.linspace(0, len(sweep) - 1, count).round().astype(int)]
    chosen[np.abs(chosen - identity).argmin()] = identity
    return [float(magnitude) for magnitude in np.unique(chosen)]


def check_peer(name: str, said: np.ndarray, reference: np.ndarray, tolerance: float) -> float:
    """Return how far an engine's answers are from the reference's, or refuse to time it."""
    if said.shape != reference.shape:
        raise SystemExit(f"{name} answers {said.shape}, the reference {reference.shape}")
    deviation = float(np.abs(said - reference).max())
    if not deviation <= tolerance:
        raise SystemExit(
            f"{name} computes something else: its softmax is off by {deviation:.2g} "
            f"(tolerance {tolerance:.2g})"
        )
    return deviation


def frame(slices: Sequence[Slice]) -> pd.DataFrame:
    """Tabulate seconds per pass: a row for each slice after the first, a column for each engine."""
    table = pd.DataFrame(map(asdict, slices))
    table["each"] = table.seconds / table.passes
    later = table[table.number > 0]
    return later.pivot(
        index=["transformation", "number"], columns=["engine", "what"], values="each"
    ).reindex(table.transformation.unique(), level="transformation")


def ratios(each: pd.DataFrame, one: Key, other: Key) -> pd.Series:
    """Return how many times as fast one is as the other, under each transformation."""
    found: pd.Series = (each[other] / each[one]).groupby(level=0, sort=False).median()
    return found


def to_start(slices: Sequence[Slice], each: pd.DataFrame) -> pd.Series:
    """Return the seconds that the first slices of each engine took longer than later ones."""
    usual = each.groupby(level=0).median().to_dict()
    total: dict[Key, float] = {}
    for one in slices:
        if one.number == 0:
            key = one.engine, one.what
            passes = one.passes * usual[key][one.transformation]
            total[key] = total.get(key, 0.0) + one.seconds - passes
    return pd.Series(total).rename_axis(["engine", "what"])


def pace_with_start(
    start: pd.Series, each: pd.DataFrame, sweeps: Mapping[str, int], pictures: int
) -> pd.Series:
    """Return passes per second over all sweeps, with the time to compile.

    `sweeps` says how many magnitudes a sweep has. Compiling does not depend on the pictures.
    """
    usual = each.groupby(level=0).median()
    counts = pictures * pd.Series(sweeps)[usual.index]
    return counts.sum() / (usual.mul(counts, axis=0).sum() + start)


def speed_table(
    slices: Sequence[Slice],
    ours: Key,
    sweeps: Mapping[str, int],
    memory: Mapping[Key, float],
    deviation: Mapping[Key, float],
    expected: Mapping[Key, float],
) -> pd.DataFrame:
    """Tabulate every engine: a row for each, passes per second and how they compare."""
    each, rows = frame(slices), []
    start = to_start(slices, each)
    few, many = (pace_with_start(start, each, sweeps, count) for count in (FEW, MANY))
    usual = each.groupby(level=0).median()
    for key in memory:
        engine, what = key
        rows.append(
            {
                "engine": engine,
                "looking": what,
                "passes/s": len(usual) / usual[key].sum(),
                "of its bare pass": ratios(each, key, (engine, BARE)).mean(),
                "of ours": ratios(each, key, ours).mean(),
                "expected of ours": expected.get(key, np.nan),
                f"passes/s, {FEW} pictures": few[key],
                f"of ours, {FEW} pictures": few[key] / few[ours],
                f"passes/s, {MANY} pictures": many[key],
                f"of ours, {MANY} pictures": many[key] / many[ours],
                "peak MB": memory[key] / 1e6,
                "largest deviation": deviation[key],
            }
        )
    return pd.DataFrame(rows)


def transformation_table(
    slices: Sequence[Slice], ours: Key, peers: Sequence[Key], expected: Mapping[str, float]
) -> pd.DataFrame:
    """Tabulate ours under every transformation: of its bare pass, and of its peers."""
    each = frame(slices)
    table = pd.DataFrame({"of its bare pass": ratios(each, ours, (ours[0], BARE))})
    table["expected"] = pd.Series(expected)
    for peer in peers:
        if peer in each:
            table[f"of {' + '.join(peer)}"] = ratios(each, ours, peer)
    table["seconds to compile"] = [
        to_start([one for one in slices if one.transformation == name], each)[ours]
        for name in table.index
    ]
    return table.rename_axis("transformation").reset_index()


def warp_table(
    seconds: Mapping[str, Sequence[float]],
    ours: str,
    deviation: Mapping[str, float],
    expected: Mapping[str, float],
) -> pd.DataFrame:
    """Tabulate the warp alone, from the seconds per picture in each round."""
    each = pd.DataFrame(seconds)
    return pd.DataFrame(
        {
            "warp": list(seconds),
            "pictures/s": 1 / each.median().to_numpy(),
            "of ours": [(each[ours] / each[name]).median() for name in seconds],
            "expected of ours": [expected.get(name, np.nan) for name in seconds],
            "largest deviation": [deviation[name] for name in seconds],
        }
    )


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Write numbers as a page shows them: three digits, ratios with two places."""
    texts = {
        str(name): [_text(str(name), value) for value in column] for name, column in table.items()
    }
    return pd.DataFrame(texts)


def _text(column: str, value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if np.isnan(value):
        return "–"
    if "deviation" in column:
        return f"{value:.0e}" if value else "0"
    if "of " in column or column == "expected":
        return f"{value:.2f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
