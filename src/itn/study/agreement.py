"""Do networks agree? Thresholds of the same classes, paired, compared and correlated."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from itn.comparison import WHICH, bias_corrected, compare, rank_correlations
from itn.curves import select_categories
from itn.messages import UsageError
from itn.study.pages import MISSING
from itn.study.profiles import FigureParameters, load_profile
from itn.study.screenings import archived_screening, obtain_screening, screened_networks
from itn.study.titles import title
from itn.study.verdicts import judge
from itn.threshold_intervals import crossings_of
from itn.thresholds import DIRECTIONS, NOT_REACHED, REACHED, pictures_of
from itn.transformations import TRANSFORMATIONS, even, find_transformation, sides, unrolled

Numbers = npt.NDArray[np.float64]
Networks = tuple[str, str]

CRITERION = "half"
OTHERS = "imagenet"  # profile of the networks that those of every profile are compared with
KEYS = ["transformation", "direction"]
ALL = ("all", "both")  # the row of all transformations and directions together
# Thresholds are as good as equal that lie closer than this part of the way to the nearer end of
# the sweep.
EQUIVALENT = 0.1
SPLITS = 200  # of the pictures of each class into halves
LEVEL = 0.05  # of the intervals, one difference in twenty


def screenings_of(parameters: FigureParameters) -> dict[str, list[xr.Dataset]]:
    """Obtain all screenings of a profile's networks, and of those of ImageNet."""
    names = load_profile(parameters.profile).networks
    screenings = {
        name: [
            obtain_screening(parameters.model_copy(update={"network": name}), transformation)
            for transformation in TRANSFORMATIONS
        ]
        for name in names
    }
    for other in screened_networks(OTHERS):
        if other not in screenings:
            its = FigureParameters(profile=OTHERS, network=other)
            screenings[other] = [archived_screening(its, name) for name in TRANSFORMATIONS]
    return screenings


def compare_networks(
    screenings: Mapping[str, Sequence[xr.Dataset]], resamples: int = 1000
) -> dict[Networks, list[xr.Dataset]]:
    """Compare every two networks, transformation by transformation, see `itn.compare`.

    Two that share no class have no comparison.
    """
    found: dict[Networks, list[xr.Dataset]] = {}
    for first, second in itertools.combinations(screenings, 2):
        one, other = (set(screenings[name][0].category.values) for name in (first, second))
        pairs = zip(screenings[first], screenings[second], strict=True) if one & other else ()
        found[first, second] = [
            compare(*both, criterion=CRITERION, margin=margin_of(both[0]), resamples=resamples)
            for both in pairs
        ]
    if not any(found.values()):
        classes = [
            f"{name} knows {_some(of[0].category.values)}" for name, of in screenings.items()
        ]
        raise UsageError("no two networks know the same class: " + "; ".join(classes))
    return found


def margin_of(screening: xr.Dataset) -> float:
    """Return how close thresholds lie that are as good as equal, in the unit of differences."""
    transformation = find_transformation(screening.attrs["transformation"])
    axis, _ = unrolled(screening.magnitude.values, transformation)
    position = even(axis, transformation)
    away = [float(np.ptp(position[side])) for side in sides(axis, transformation).values()]
    return EQUIVALENT * min(each for each in away if each > 0)


def threshold_pairs(comparison: xr.Dataset) -> pd.DataFrame:
    """Tabulate the pairs of thresholds of a comparison, one row for each class and direction.

    A threshold that was not reached stands as the end of the sweep and is marked as censored.
    Classes that a network loses at the identity have no row.
    """
    whole = comparison[["threshold", "status", "limit"]]
    tables = [
        whole.sel(which=which, drop=True)
        .to_dataframe(dim_order=["direction", "category"])
        .assign(
            **{
                which: lambda table: table.threshold.fillna(table.limit),
                f"{which}_censored": lambda table: table.status == NOT_REACHED,
            }
        )
        for which in comparison.which.values
    ]
    known = [table.status.isin([REACHED, NOT_REACHED]) for table in tables]
    pairs = tables[0].join(tables[1].iloc[:, -2:])[known[0] & known[1]].reset_index()
    pairs.insert(0, "transformation", comparison.attrs["transformation"])
    return pairs.drop(columns=["threshold", "status", "limit"])


def outward(pairs: pd.DataFrame, which: str) -> npt.NDArray[np.float64]:
    """Return magnitudes that grow outward, those not reached beyond all others.

    That is the threshold, or less it where magnitudes fall; infinite where it is not reached.
    """
    sign = 1 if pairs.direction.iloc[0] == "up" else -1
    return np.where(pairs[f"{which}_censored"], np.inf, sign * pairs[which])


def pairs_correlation(pairs: pd.DataFrame) -> float:
    """Correlate the pairs of one transformation and direction by their ranks, as `itn.compare`."""
    return float(rank_correlations(np.array([[outward(pairs, which)] for which in WHICH]))[0])


def correlation_table(comparisons: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Tabulate rank correlations with their 95 % intervals.

    One row for each transformation and direction that has pairs.
    """
    rows = {
        (of.attrs["transformation"], direction): {
            "pairs": one.pairs.item(),
            "censored": one.censored.item(),
            "ρ": one.correlation.item(),
            "low": one.correlation_low.item(),
            "high": one.correlation_high.item(),
        }
        for of, direction, one in _with_pairs(comparisons)
    }
    index = pd.MultiIndex.from_tuples(list(rows), names=KEYS)
    return pd.DataFrame(list(rows.values()), index, ["pairs", "censored", "ρ", "low", "high"])


def all_correlations(found: Mapping[Networks, Sequence[xr.Dataset]]) -> pd.DataFrame:
    """Tabulate `correlation_table` of every two networks, one below the other."""
    tables = {_names(networks): correlation_table(of) for networks, of in found.items()}
    return pd.concat(tables, names=["networks"])


def difference_table(comparisons: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Count where thresholds differ, and where they are as good as equal.

    One row for each transformation and direction, and one of ``all``: of the ``pairs``, for how
    many the 95 % interval of the difference has the ``first`` or the ``second`` farther out; lies
    within the margin to both sides (``equal``, also of some that differ); does neither (``open``).
    ``within`` is the margin, see `EQUIVALENT`.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for of, direction, one in _with_pairs(comparisons):
        rows[of.attrs["transformation"], direction] = {
            "pairs": one.pairs.item(),
            "first": int((one.difference_high < 0).sum()),
            "second": int((one.difference_low > 0).sum()),
            "equal": int(one.equivalent.sum()),
            "open": int(one.pairs - (one.different | one.equivalent).sum()),
            "within": f"{of.attrs['margin']:.2g}{_unit(of.attrs['difference_units'])}",
        }
    counted = ["pairs", "first", "second", "equal", "open"]
    total = {name: sum(row[name] for row in rows.values()) for name in counted}
    rows[ALL] = total | {"within": MISSING}
    return pd.DataFrame(list(rows.values()), pd.MultiIndex.from_tuples(list(rows), names=KEYS))


def noise_ceilings(first: Sequence[xr.Dataset], second: Sequence[xr.Dataset]) -> pd.DataFrame:
    """Say how well two networks' thresholds could agree at most, as few pictures blur them.

    One row for each transformation and direction: the ``first`` and ``second`` network's agreement
    with itself, see `split_half`, over the classes of both; ``ceiling`` is their geometric mean
    (Spearman 1904), which networks that order the classes alike come to.
    """
    names = [name for name in first[0].category.values if name in second[0].category.values]
    rows = {
        (one.attrs["transformation"], direction): agreements
        for one, other in zip(first, second, strict=True)
        for direction, *agreements in zip(
            DIRECTIONS,
            split_half(select_categories(one, names)),
            split_half(select_categories(other, names)),
            strict=True,
        )
    }
    index = pd.MultiIndex.from_tuples(list(rows), names=KEYS)
    table = pd.DataFrame(list(rows.values()), index, list(WHICH))
    return table.assign(ceiling=np.sqrt(table["first"] * table["second"]))


def split_half(screening: xr.Dataset, splits: int = SPLITS, seed: int = 0) -> Numbers:
    """Correlate a network's thresholds *half* with its own, of other pictures [direction].

    The pictures of each class are split by chance into halves, whose thresholds are ranked over
    the classes and correlated; the mean over many splits is stepped up from half of the pictures
    to all of them (Spearman 1910, Brown 1910). NaN where ranks say nothing.
    """
    rng = np.random.default_rng(seed)
    away = np.empty((2, 2, splits, screening.sizes["category"]))  # [half, direction, split, class]
    for category, members in enumerate(pictures_of(screening)):
        order = rng.permuted(np.tile(np.arange(len(members)), (splits, 1)), axis=1)
        imaginary = np.zeros((splits, 2))
        for half, within in enumerate((order % 2 == 0, order % 2 == 1)):
            counts = np.hstack([within, imaginary])
            away[half, :, :, category] = crossings_of(screening, category, CRITERION, counts)
    kept = pd.DataFrame(rank_correlations(away)).mean(axis=1).clip(lower=0).to_numpy()
    return np.asarray(2 * kept / (1 + kept))


def agreement_table(
    found: Mapping[Networks, Sequence[xr.Dataset]],
    screenings: Mapping[str, Sequence[xr.Dataset]],
) -> pd.DataFrame:
    """Say of every two networks whether their thresholds order the classes alike; one row each.

    ``median`` is that of the rank correlations of all transformations and directions that have
    one, which ``defined`` counts; ``low`` and ``high`` are its 95 % interval over pictures and
    classes, and the ``verdict`` follows from that, see `verdict`. ``above`` counts those whose own
    interval is above 0; ``ceiling`` is the median that could be expected at most, see
    `noise_ceilings`. ``differ`` and ``equal`` are the totals of `difference_table`, where both
    looked at the same pictures, ``by chance`` how many would differ if none did.
    """
    rows: dict[Networks, dict[str, Any]] = {}
    for networks, comparisons in found.items():
        table = correlation_table(comparisons)
        defined = table.dropna(subset="ρ").sort_values("ρ")
        median, low, high = median_correlation(comparisons)
        outermost = [", ".join(map(title, row)) for row in defined.index]
        rows[networks] = {
            "classes": comparisons[0].sizes["category"] if comparisons else 0,
            "pairs": table.pairs.sum(),
            "censored": table.censored.sum(),
            "defined": len(defined),
            "above": (defined.low > 0).sum(),
            "median": median,
            "low": low,
            "high": high,
            "verdict": verdict(low, high),
            "ceiling": np.nan,
            "lowest": defined["ρ"].min(),
            "lowest name": "".join(outermost[:1]),
            "highest": defined["ρ"].max(),
            "highest name": "".join(outermost[-1:]),
        }
        if comparisons:
            ceilings = noise_ceilings(*(screenings[name] for name in networks))
            rows[networks]["ceiling"] = ceilings.ceiling[defined.index].median()
        if comparisons and all(one.paired.all() for one in comparisons):
            total = difference_table(comparisons).loc[[ALL]].iloc[0].to_dict()
            rows[networks] |= {
                "differ": total["first"] + total["second"],
                "equal": total["equal"],
                "by chance": round(LEVEL * total["pairs"]),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(list(WHICH))


def median_correlation(comparisons: Iterable[xr.Dataset]) -> tuple[float, float, float]:
    """Return the median rank correlation of those that there are, and its 95 % interval."""
    defined = [one for _, _, one in _with_pairs(comparisons) if not np.isnan(one.correlation)]
    if not defined:
        return np.nan, np.nan, np.nan
    median = float(np.median([one.correlation for one in defined]))
    drawn = np.median([one.correlation_drawn for one in defined], axis=0)
    return median, *bias_corrected(median, drawn)


def verdict(low: float, high: float) -> str:
    """Say whether thresholds correlate, by the 95 % interval of their median correlation."""
    return judge("correlation", low, low, high)


def agreement_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Write what `agreement_table` says as a page shows it."""
    counts = {
        name: [MISSING if pd.isna(count) else f"{count:.0f} of {pairs}" for count, pairs in both]
        for name in ("differ", "equal")
        for both in [zip(table.get(name, np.nan * table.pairs), table.pairs, strict=True)]
    }
    return pd.DataFrame(
        {
            "classes": table.classes.to_numpy(),
            "ρ": [interval_text(*row) for row in table[["median", "low", "high"]].to_numpy()],
            "intervals above 0": [
                f"{above} of {defined}"
                for above, defined in zip(table.above, table.defined, strict=True)
            ],
            "verdict": table.verdict.to_numpy(),
            "at most": [_number(each) for each in table.ceiling],
            "differ": counts["differ"],
            "as good as equal": counts["equal"],
        },
        index=pd.Index([_names(networks) for networks in table.index], name="networks"),
    )


def correlation_texts(found: Mapping[Networks, Sequence[xr.Dataset]]) -> pd.DataFrame:
    """Write the rank correlations of every two networks with their intervals, side by side."""
    columns = {
        _names(networks): pd.Series(
            [interval_text(*row) for row in table[["ρ", "low", "high"]].to_numpy()],
            index=table.index,
            dtype=object,
        )
        for networks, comparisons in found.items()
        for table in [correlation_table(comparisons)]
    }
    order = dict.fromkeys(row for column in columns.values() for row in column.index)
    index = pd.MultiIndex.from_tuples(list(order), names=KEYS)
    return pd.DataFrame(columns).reindex(index).fillna(MISSING)


def interval_text(value: float, low: float, high: float) -> str:
    """Write a value with the ends of its interval."""
    return MISSING if np.isnan(value) else f"{_number(value)} ({_number(low)} to {_number(high)})"


def _with_pairs(comparisons: Iterable[xr.Dataset]) -> Iterator[tuple[xr.Dataset, str, xr.Dataset]]:
    """Pass through the comparisons and their directions, as far as there are pairs."""
    for comparison in comparisons:
        for direction in DIRECTIONS:
            one = comparison.sel(direction=direction)
            if one.pairs:
                yield comparison, direction, one


def _unit(unit: str) -> str:
    return unit if unit in ("", "°") else f" {unit}"


def _names(networks: Networks) -> str:
    return " – ".join(map(title, networks))


def _number(value: float) -> str:
    return MISSING if np.isnan(value) else f"{value:z.2f}".replace("-", "−")


def _some(names: npt.NDArray[Any]) -> str:
    """Name the first few."""
    return ", ".join(map(str, names[:3])) + (", …" if len(names) > 3 else "")
