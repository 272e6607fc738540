"""Do classes differ in how far their pictures may be changed?

Tests of ranks, over the tolerances of the pictures that are right as they are: else classes would
differ by their accuracy alone. All of a class were looked at as far, so that those that are not
lost are equal, and farther out than every number. A class into which everything falls differs,
too, see `itn.sinks`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from scipy import stats

from itn.plots import NAMED_SIZE, format_magnitude, head, panels, plot_survival
from itn.study.main_figures import with_titles
from itn.study.pages import MISSING
from itn.study.titles import title
from itn.thresholds import DIRECTIONS, NOT_REACHED
from itn.tolerances import tolerances
from itn.transformations import even, find_transformation, sides

Numbers = npt.NDArray[np.float64]

LEVEL = 0.05
ROW = ["transformation", "direction"]
PAIR = ["direction", "first", "second"]


def class_differences(screenings: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Test, for each transformation and direction, whether the classes of a network differ.

    ``p`` is that of Kruskal and Wallis, of no difference at all, corrected for all rows (Holm);
    ``different`` counts the ``pairs`` of classes that differ, see `class_pairs`.
    """
    by_screening = [(each, _distances(each)) for each in screenings]
    different = [
        pairs.loc[direction].different
        for _, by_direction in by_screening
        for pairs in [_test_pairs(by_direction)]
        for direction in by_direction
    ]
    return _test_classes(by_screening).assign(
        pairs=[len(own) for own in different], different=[int(own.sum()) for own in different]
    )


def class_tests(screenings: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Test as `class_differences`, without the pairs of classes, of which there are many."""
    return _test_classes((each, _distances(each)) for each in screenings)


def class_pairs(screening: xr.Dataset) -> pd.DataFrame:
    """Test of every two classes of a screening whether they differ.

    ``farther`` is in how many pairs of their pictures that of the first class may be changed
    farther, equal ones counted half; ``p`` is that of Mann, Whitney and Wilcoxon, corrected for
    all pairs and directions (Holm); ``different`` where that is below 5 %.
    """
    return _test_pairs(_distances(screening))


def network_differences(screenings: Mapping[str, Sequence[xr.Dataset]]) -> dict[str, pd.DataFrame]:
    """Test for each network, for itself, whether its classes differ, see `class_differences`."""
    return {network: class_differences(own) for network, own in screenings.items()}


def class_summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Count the transformations and directions in which the classes of each network differ.

    Of `class_differences`: ``rows``, and those that ``differ``; the ``pairs`` of classes, and those
    that are ``different``.
    """
    rows = {
        network: {
            "rows": len(table),
            "differ": int((table.p < LEVEL).sum()),
            "pairs": int(table.pairs.sum()),
            "different": int(table.different.sum()),
        }
        for network, table in tables.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def class_texts(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Write, one column per network, how many pairs of classes differ, see `class_differences`."""
    columns = {
        network: table.different.astype(str) + " of " + table.pairs.astype(str)
        for network, table in tables.items()
    }
    order = dict.fromkeys(row for table in tables.values() for row in table.index)
    index = pd.MultiIndex.from_tuples(list(order), names=ROW)
    return pd.DataFrame(columns).reindex(index).fillna(MISSING)


def tolerance_table(
    screenings: Mapping[str, Sequence[xr.Dataset]], name: str, direction: str = "up"
) -> pd.DataFrame:
    """Write the median tolerance of each class with its 95 % interval, one column per network."""
    transformation = find_transformation(name)
    columns = {}
    for network, screening in _under(screenings, name).items():
        found = tolerances(screening).sel(direction=direction)
        ends = [found[f"median_tolerance{end}"].values for end in ("", "_low", "_high")]
        texts = [
            [format_magnitude(each, transformation) for each in three]
            for three in zip(*ends, strict=True)
        ]
        columns[network] = pd.Series(
            [f"{median} ({low} to {high})" for median, low, high in texts], found.category.values
        )
    order = dict.fromkeys(name for column in columns.values() for name in column.index)
    return pd.DataFrame(columns).reindex(list(order)).fillna(MISSING).rename_axis("class")


def plot_survivals(
    screenings: Mapping[str, Sequence[xr.Dataset]], name: str, columns: int = 2
) -> Figure:
    """Draw, one panel for each network, how many pictures of each class survive how far."""
    with panels(len(screenings), columns, NAMED_SIZE, named=True) as (figure, grid):
        for axes, (network, screening) in zip(
            grid.flat, _under(screenings, name).items(), strict=False
        ):
            plot_survival(with_titles(screening), ax=axes)
            head(axes, title(network))
    return figure


def _under(screenings: Mapping[str, Sequence[xr.Dataset]], name: str) -> dict[str, xr.Dataset]:
    """Take each network's screening by one transformation."""
    return {
        network: next(each for each in own if each.attrs["transformation"] == name)
        for network, own in screenings.items()
    }


def _test_classes(
    by_screening: Iterable[tuple[xr.Dataset, dict[str, dict[str, Numbers]]]],
) -> pd.DataFrame:
    rows = [
        {
            "transformation": screening.attrs["transformation"],
            "direction": direction,
            "classes": len(distances),
            "pictures": sum(map(len, distances.values())),
            "p": _p(stats.kruskal, *distances.values()),
        }
        for screening, by_direction in by_screening
        for direction, distances in by_direction.items()
    ]
    table = pd.DataFrame(rows, columns=[*ROW, "classes", "pictures", "p"]).set_index(ROW)
    return table.assign(p=holm(table.p.to_numpy()))


def _test_pairs(by_direction: dict[str, dict[str, Numbers]]) -> pd.DataFrame:
    rows = [
        {
            "direction": direction,
            "first": first,
            "second": second,
            "farther": _share_farther(one, other),
            "p": _p(stats.mannwhitneyu, one, other),
        }
        for direction, distances in by_direction.items()
        for (first, one), (second, other) in combinations(distances.items(), 2)
    ]
    table = pd.DataFrame(rows, columns=[*PAIR, "farther", "p"]).set_index(PAIR)
    table["p"] = holm(table.p.to_numpy())
    return table.assign(different=table.p < LEVEL)


def holm(p: Numbers) -> Numbers:
    """Correct p values for their number, so that one in twenty families has a false alarm."""
    order = np.argsort(p)
    steps = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    return np.asarray(np.minimum(steps, 1)[np.argsort(order)])


def _distances(screening: xr.Dataset) -> dict[str, dict[str, Numbers]]:
    """Return how far from the identity pictures fail, by directions and classes.

    Half-way between the two magnitudes known of each; infinity where it does not, as far as all
    classes were looked at. Without directions and classes of which there is nothing to tell.
    """
    transformation = find_transformation(screening.attrs["transformation"])
    found = tolerances(screening)
    identity = even(transformation.identity, transformation)
    outward = np.abs(even(found.magnitude, transformation) - identity)
    looked = found.survival.notnull().values
    by_direction = {}
    for direction in DIRECTIONS:
        side = sides(found.magnitude.values, transformation)[direction]
        limit = np.where(looked, outward, 0)[:, side].max(axis=1, initial=0).min()
        if limit == 0:
            continue
        one = found.sel(direction=direction)
        ends = [np.abs(even(each, transformation) - identity) for each in (one.held, one.tolerance)]
        distance = np.where(one.status == NOT_REACHED, np.inf, np.mean(ends, axis=0))
        distance[distance > limit] = np.inf
        known = ~np.isnan(distance)  # not what is lost at the identity
        by_class = {
            str(name): distance[known & (found.label.values == index)]
            for index, name in enumerate(found.category.values)
        }
        by_direction[direction] = {name: own for name, own in by_class.items() if len(own)}
    return {direction: of for direction, of in by_direction.items() if len(of) > 1}


def _share_farther(one: Numbers, other: Numbers) -> float:
    return float(((one[:, None] > other) + 0.5 * (one[:, None] == other)).mean())


def _p(test: Callable[..., Any], *samples: Numbers) -> float:
    """Return the p value of a test; 1 where all is the same."""
    same = len(np.unique(np.concatenate(samples))) == 1
    return 1.0 if same else float(test(*samples).pvalue)
