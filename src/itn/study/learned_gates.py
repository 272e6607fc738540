"""What a net holds, side by side: how far its family goes, at which accuracy and consistency.

Tables and a figure of `itn.study.gate_trainings`. Intervals are over pictures.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from itn.plots import PANEL_HEIGHT, PANEL_WIDTH, draw_share, panels
from itn.study.gate_trainings import KNOWN
from itn.study.pages import MISSING
from itn.study.profiles import HOLDS
from itn.study.sheets import explain, lines_of
from itn.thresholds import accuracy_interval

RESAMPLES = 1000
RAN_OUT = "ran out of passes"
GATE_STYLES: dict[str, dict[str, Any]] = {
    "accuracy": {"color": "#D55E00", "linestyle": "-", "marker": "o"},
    "consistency": {"color": "#0072B2", "linestyle": (0, (5, 1.5)), "marker": "s"},
    "divergence": {"color": "#009E73", "linestyle": (0, (3, 1, 1, 1)), "marker": "^"},
}
BASELINE_STYLES: dict[str, dict[str, Any]] = {
    "random": {"color": "#777777", "linestyle": (0, (1, 1)), "marker": ""},
    "grid": {"color": "#000000", "linestyle": "-", "marker": "x"},
}
UNITS = {"space": "corners, widths", "color": "colors, full range", "both": "corners + colors"}
TITLES = {"both": "both, added"}  # otherwise the kind
Numbers = npt.NDArray[np.float64]


def trainings(study: xr.DataTree) -> dict[str, list[xr.DataTree]]:
    """Return the nodes of the trainings, one for each seed, by what they hold."""
    return {
        hold: list(node.children.values()) for hold, node in study.children.items() if hold != KNOWN
    }


def seed_of(training: xr.DataTree) -> int:
    """Return the seed of a training, of which its node is named."""
    return int(str(training.name).removeprefix("seed_"))


# Shares and ratios, with intervals over pictures


def reach(factor: Numbers, share: Numbers, untouched: Numbers, level: Numbers) -> Numbers:
    """Return by which factor a family is stretched where its share [..., factor] meets a level.

    Interpolated over the logarithm of the factor; before the first one, linearly from the share
    of the untouched pictures, at 0. Infinite where it is not lost as far as was looked.
    """
    failed = share < level[..., None]
    first = failed.argmax(axis=-1)
    before = np.maximum(first - 1, 0)
    taken = np.take_along_axis
    at, at_before = (taken(share, i[..., None], -1)[..., 0] for i in (first, before))
    at_before = np.where(first == 0, untouched, at_before)
    lost = failed.any(axis=-1)
    way = np.divide(at_before - level, at_before - at, out=np.zeros_like(at), where=lost)
    logarithm = np.log(factor)
    between = np.exp(logarithm[before] + way * (logarithm[first] - logarithm[before]))
    return np.where(lost, np.where(first == 0, way * factor[0], between), np.inf)


def resampled(count: int) -> Numbers:
    """Return the weights [resample, picture] of pictures; the first row is the pictures as are."""
    rng = np.random.default_rng(0)
    weights = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES) / count
    return np.vstack([np.full(count, 1 / count), weights])


def displacement_reached(
    known: xr.Dataset, curves: xr.DataArray, displacement: float, criterion: str, looks: int
) -> Numbers:
    """Return the displacement [resample] at which a family holds just what is to be held.

    That is 0.95 of the accuracy of the same pictures untouched, or a consistency of 0.95.
    """
    from itn.study.measured import SHARE_HELD

    right = known.right.values.astype(float)
    weights = resampled(len(right))
    untouched = weights @ right if criterion == "accuracy" else np.ones(len(weights))
    share = weights @ (curves.transpose("picture", "factor").values / looks)
    level = SHARE_HELD[criterion] * untouched
    return displacement * reach(curves.factor.values, share, untouched, level)


def ratio_table(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate how much farther learned families go than random matrices and the best of a grid.

    One row for each gate, kind, criterion at which they are compared, and rival: ``ratio`` is the
    geometric mean over seeds, with its 95 % interval ``low`` to ``high`` from pictures drawn
    again, and the ``lowest`` and ``highest`` seed. A grid that ran out of passes has none.
    """
    known, rows = study[KNOWN].to_dataset(), []
    for hold, nodes in trainings(study).items():
        for kind in known.kind.values:
            for criterion in known.criterion.values:
                at = {"kind": kind, "criterion": criterion}
                each = [
                    ratios_to_rivals(known, node["measured"].to_dataset(), at) for node in nodes
                ]
                for rival in ("random", "grid"):
                    found = np.log(np.stack([one[rival] for one in each]))
                    rows.append({"hold": hold, **at, "rival": rival, **_summary(found)})
    return pd.DataFrame(rows)


def ratios_to_rivals(
    known: xr.Dataset, measured: xr.Dataset, at: dict[str, str]
) -> dict[str, Numbers]:
    """Return the ratios [resample] to each rival, at one criterion and kind."""
    own, looks = measured.sel(at), measured.attrs["looks"]
    reached = {
        str(family): displacement_reached(
            known, one.hits, float(one.displacement), at["criterion"], looks
        )
        for family in own.family.values
        for one in [own.sel(family=family)]
    }
    grid = known.sel(at)
    reached["grid"] = displacement_reached(
        known, grid.hits, float(grid.displacement), at["criterion"], 1
    )
    with np.errstate(invalid="ignore"):
        return {rival: reached["learned"] / reached[rival] for rival in ("random", "grid")}


def _summary(logarithms: Numbers) -> dict[str, float]:
    """Summarize [seed, resample], of which the first resample is the pictures as they are."""
    with np.errstate(invalid="ignore"):
        mean = logarithms.mean(axis=0)
    low, high = ends_of_draws(mean[1:])
    ends = logarithms[:, 0].min(), logarithms[:, 0].max()
    names = ("ratio", "low", "high", "lowest", "highest")
    return dict(zip(names, np.exp([mean[0], low, high, *ends]).tolist(), strict=True))


def ends_of_draws(values: Numbers) -> tuple[float, float]:
    """Return the ends of the 95 % interval; infinite draws are draws, NaN leaves none."""
    if np.isnan(values).any():
        return float("nan"), float("nan")
    low = np.quantile(values, 0.025, method="lower")
    return float(low), float(np.quantile(values, 0.975, method="higher"))


def held_by_seed(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate what each training holds on pictures that neither trained nor chose it.

    One row for each gate and seed. ``accuracy``, ``consistency`` and the ``worst corner``'s
    consistency with the Clopper-Pearson interval over pictures (``… low``, ``… high``), as if all
    looks at a picture agreed; ``chosen``, the consistency on the pictures by which the state was
    chosen; ``reaches``, whether the interval of a consistency that was held reaches its level.
    ``space`` and ``color`` are the displacements as learned; ``frame lost`` and ``range lost``
    which share of the picture leaves the frame, and of its values the range. ``repair`` is the
    share of the steps that repaired; ``swing`` the standard deviation of the consistency over the
    second half of the epochs, on the pictures to choose by.
    """
    rows = {
        (hold, seed_of(node)): _of_training(node)
        for hold, nodes in trainings(study).items()
        for node in nodes
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["held", "seed"])


def _of_training(training: xr.DataTree) -> dict[str, Any]:
    measured, history = training["measured"].to_dataset(), training["history"].to_dataset()
    as_learned = measured.hits.sel(kind="both", family="learned", factor=1.0) / measured.looks
    late = history.held_out_consistency.values
    row: dict[str, Any] = {"pictures": measured.sizes["picture"]}
    for name, hits in (
        ("accuracy", as_learned.sel(criterion="accuracy")),
        ("consistency", as_learned.sel(criterion="consistency")),
        ("worst corner", measured.corner_hits.sel(criterion="consistency")),
    ):
        row |= _with_ends(name, float(hits.mean()), row["pictures"])
    held = history.attrs.get("level") if history.attrs.get("hold") == "consistency" else None
    return row | {
        "chosen": float(late[history.attrs["kept_epoch"]]),
        "reaches": None if held is None else row["consistency high"] >= held,
        "space": float(measured.displacement.sel(kind="space", family="learned")),
        "color": float(measured.displacement.sel(kind="color", family="learned")),
        "frame lost": float(measured.frame_lost.mean()),
        "range lost": float(measured.range_lost.mean()),
        "repair": 1 - float(history.outward.mean()) if "outward" in history else float("nan"),
        "swing": float(late[len(late) // 2 :].std()),
        "kept epoch": int(history.attrs["kept_epoch"]),
    }


def _with_ends(name: str, share: float, pictures: int) -> dict[str, float]:
    low, high = accuracy_interval(np.array(share * pictures), pictures)
    return {name: share, f"{name} low": float(low), f"{name} high": float(high)}


def held_table(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate what each gate holds, a row for each: means over the seeds of `held_by_seed`.

    Intervals of shares are over pictures; ``… lowest`` and ``… highest`` are those of the seeds.
    ``reached`` counts the seeds whose interval reaches the consistency that was held.
    """
    rows = {}
    for hold, own in held_by_seed(study).groupby(level="held", sort=False):
        pictures = int(own.pictures.iloc[0])
        row: dict[str, float] = {"seeds": len(own), "pictures": pictures}
        for name in ("accuracy", "consistency", "worst corner"):
            row |= _with_ends(name, float(own[name].mean()), pictures)
        for name in ("accuracy", "consistency", "worst corner", "space", "color"):
            row |= {f"{name} lowest": own[name].min(), f"{name} highest": own[name].max()}
        for name in ("space", "color", "frame lost", "range lost", "repair", "swing", "kept epoch"):
            row[name] = float(own[name].mean())
        row["reached"] = sum(map(bool, own.reaches))
        rows[hold] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("held")


def held_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Write `held_table` as a page shows it, with a row of dashes for what was not trained."""

    def spread(row: Any, name: str, form: str) -> str:
        if row["seeds"] < 2:
            return ""
        return f" [{row[f'{name} lowest']:{form}}–{row[f'{name} highest']:{form}}]"

    texts = {
        held: {
            name: _share(row, name) + spread(row, name, ".3f")
            for name in ("accuracy", "consistency", "worst corner")
        }
        | {
            far: f"{row[name]:.3f}{spread(row, name, '.3f')}"
            for far, name in (("corners", "space"), ("colors", "color"))
        }
        | {name: _percent(row[name]) for name in ("frame lost", "range lost", "repair", "swing")}
        for held, row in table.iterrows()
    }
    shown = pd.DataFrame.from_dict(texts, orient="index").reindex(list(HOLDS))
    return shown.fillna(MISSING).rename_axis("held")


def held_by_seed_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Write `held_by_seed` as a page shows it."""
    texts = {
        key: {
            "accuracy": _share(row, "accuracy"),
            "consistency": _share(row, "consistency"),
            "reaches what was held": {True: "yes", False: "no", None: MISSING}[row["reaches"]],
            "when chosen": f"{row['chosen']:.3f}",
            "corners": f"{row['space']:.3f}",
            "colors": f"{row['color']:.3f}",
            "repair": _percent(row["repair"]),
            "kept epoch": row["kept epoch"],
        }
        for key, row in table.iterrows()
    }
    return pd.DataFrame.from_dict(texts, orient="index").rename_axis(["held", "seed"])


def _share(row: Any, name: str) -> str:
    return f"{row[name]:.3f} ({row[f'{name} low']:.3f}–{row[f'{name} high']:.3f})"


def _percent(value: float) -> str:
    return MISSING if np.isnan(value) else f"{value:.1%}"


def ratio_texts(table: pd.DataFrame, study: xr.DataTree) -> pd.DataFrame:
    """Write `ratio_table` as a page shows it: a row for each gate and kind."""
    known = study[KNOWN].to_dataset()
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in table.to_dict("records"):
        column = f"to {row['rival']}, equal {row['criterion']}"
        member = str(known.member.sel(kind=row["kind"], criterion=row["criterion"]).item())
        text = MISSING if np.isnan(row["ratio"]) else f"{row['ratio']:.2f}"
        if row["rival"] == "grid" and not member:
            text = RAN_OUT
        elif not np.isnan(row["low"]):
            text += f" ({row['low']:.2f}–{row['high']:.2f})"
            if row["lowest"] != row["highest"]:
                text += f" [{row['lowest']:.2f}–{row['highest']:.2f}]"
        rows.setdefault((row["hold"], row["kind"]), {})[column] = text.replace("inf", "∞")
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["held", "kind"])


def grid_table(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate the best of the grid: one row for each kind, with the passes that it took."""
    known, rows = study[KNOWN].to_dataset(), {}
    for kind in known.kind.values:
        own = known.sel(kind=kind)
        row: dict[str, Any] = {}
        for criterion in known.criterion.values:
            member = str(own.member.sel(criterion=criterion).item())
            row[f"equal {criterion}"] = member or RAN_OUT
        rows[str(kind)] = row | {"passes": int(own.passes_used), "of": known.attrs["passes"]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("kind")


def plot_gates(study: xr.DataTree, columns: int = 3) -> Figure:
    """Draw accuracy and consistency against displacement, for each gate and what it is beside.

    A row for each criterion; with two columns, a column for each. Lines are of the first seed,
    marks of all.
    """
    known = study[KNOWN].to_dataset()
    kinds, criteria = known.kind.values.tolist(), known.criterion.values.tolist()
    count, upright = len(kinds) * len(criteria), columns == len(criteria)
    size = ((1 if upright else 2) * PANEL_WIDTH / columns, 0.8 * PANEL_HEIGHT)
    with panels(count, columns, size=size, sharey=True) as (figure, grid):
        for axes_row, criterion in zip(grid.T if upright else grid, criteria, strict=True):
            for axes, kind in zip(axes_row, kinds, strict=True):
                _draw_gates(axes, study, {"kind": kind, "criterion": criterion})
                if upright or axes in grid[-1]:
                    axes.set_xlabel(UNITS[kind])
                axes.set_title(criterion if upright else TITLES.get(kind, kind))
                axes.set_ylabel(TITLES.get(kind, kind) if upright else criterion)
        for axes in grid[:, 1:].flat:
            axes.set_ylabel("")
        for axes in grid[1:].flat:
            axes.set_title("")
        explain(figure, lines_of(grid.flat))  # a grid may have run out of passes in some
    return figure


def _draw_gates(axes: Any, study: xr.DataTree, at: dict[str, str]) -> None:
    """Draw one panel."""
    from itn.study.measured import SHARE_HELD  # whose module loads a backend

    known = study[KNOWN].to_dataset()
    best = known.sel(at)
    for hold, nodes in trainings(study).items():
        first, *others = (node["measured"].to_dataset().sel(at) for node in nodes)
        families = {"learned": {"label": f"{hold} held"} | GATE_STYLES[hold]}
        if hold == "consistency":
            families["random"] = {"label": "random"} | BASELINE_STYLES["random"]
        for family, style in families.items():
            one = first.sel(family=family)
            _draw(axes, one.hits, float(one.displacement), first.looks, style)
        for own in others:
            _mark(axes, own.sel(family="learned"), own.looks, GATE_STYLES[hold])
    if best.member.item():
        style = {"label": "best of the grid"} | BASELINE_STYLES["grid"]
        _draw(axes, best.hits, float(best.displacement), 1, style)
    untouched = float(known.right.mean()) if at["criterion"] == "accuracy" else 1.0
    axes.axhline(SHARE_HELD[at["criterion"]] * untouched, color="#BBBBBB", linestyle=":", zorder=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0, 1.02)


def _draw(
    axes: Any, hits: xr.DataArray, displacement: float, looks: int, style: dict[str, Any]
) -> None:
    share, count = hits.mean("picture").values / looks, hits.sizes["picture"]
    interval = accuracy_interval(share * count, count)
    line = {name: value for name, value in style.items() if name != "marker"}
    far = hits.factor.values * displacement
    draw_share(axes, far, share, interval, opacity=0.1, linewidth=1.4, **line)
    _mark(axes, xr.Dataset({"hits": hits, "displacement": displacement}), looks, style)


def _mark(axes: Any, family: xr.Dataset, looks: int, style: dict[str, Any]) -> None:
    """Mark a family as it is, neither shrunk nor stretched."""
    share = float(family.hits.sel(factor=1.0).mean()) / looks
    far, marker = float(family.displacement), style.get("marker", "")
    axes.plot(far, share, marker, color=style["color"], markersize=6)


def describe_gates(study: xr.DataTree) -> str:
    """Say in one line which network learned on what, and on how many pictures it is reported."""
    first = next(iter(trainings(study).values()))
    attrs = first[0]["history"].attrs
    return (
        f"{attrs['network']} (weights {attrs['weights_sha256'][:12]}) on {attrs['pictures']} "
        f"pictures of {attrs['data']}, chosen on {attrs['held_out_pictures']} others, reported on "
        f"{attrs['reported_pictures']} of a third set, {len(first)} seeds, {attrs['epochs']} "
        f"epochs, {study.attrs['origin']} with {attrs['versions']} on {attrs['device']}"
    )
