"""Numbers and figures of `itn.study.abilities`, what options beyond the paper let a net learn."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from itn.displacement import color_displacement, kernel_displacement, spatial_displacement
from itn.plots import PANEL_HEIGHT, PANEL_WIDTH, RIVAL_STYLES, panels, readable
from itn.study.abilities import fresh_pictures, questions_of
from itn.study.learned_gates import reach
from itn.study.matrices import decompose_spatial
from itn.study.profiles import FigureParameters, load_profile
from itn.study.screenings import obtain_screening
from itn.study.sheets import explain, lines_of
from itn.thresholds import accuracy, accuracy_interval, crossing

HELD = 0.95  # consistency at which families are compared
RESAMPLES = 1000  # of the pictures, for intervals
FREQUENCIES = {"gain at 1/4": 0.25, "gain at 1/2": 0.5}  # cycles per pixel; 1/2 is the highest
Array = npt.NDArray[np.float64]


def trainings(study: xr.DataTree, question: str) -> Iterator[tuple[str, int, xr.Dataset]]:
    """Go through the trainings of a question: variant, seed, what came out."""
    for variant, node in study[question].children.items():
        for seed, leaf in node.children.items():
            yield variant, int(seed.removeprefix("seed_")), leaf.to_dataset()


def turning_table(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate how far families that learned from discs alone turn them.

    The mean turn is that of its size, without its sign; members are those drawn for the pictures.
    """
    rows = {}
    for variant, seed, found in trainings(study, "turning"):
        parts = decompose_spatial(found.spatial_matrix.values)
        turn = parts.rotation.abs()
        rows[f"{variant} {seed}"] = {
            "mean turn": turn.mean(),
            "beyond 90°": (turn > 90).mean(),
            "corners": spatial_displacement(found.spatial_matrix.values).mean(),
            "area": (parts.scale_x * parts.scale_y).abs().median(),
            "accuracy": with_interval(found.right.values[0]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("family, seed")


def looking_table(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate how far families turn discs and hearts, with and without a look at the picture.

    With the 95 % interval of the difference over pictures, resampled within each class.
    """
    rows = {}
    for variant, seed, found in trainings(study, "looking"):
        turn = decompose_spatial(found.spatial_matrix.values).rotation.abs().to_numpy()
        disc = found.category.values == "disc"
        discs, hearts = turn[disc], turn[~disc]
        signed = np.where(disc, turn / len(discs), -turn / len(hearts))
        differences = resampled(found.category.values) @ signed
        low, high = np.quantile(differences, (0.025, 0.975))
        rows[f"{variant} {seed}"] = {
            "discs turned": discs.mean(),
            "hearts turned": hearts.mean(),
            "difference": discs.mean() - hearts.mean(),
            "from": low,
            "to": high,
            "accuracy on discs": with_interval(found.right.values[0][disc]),
            "accuracy on hearts": with_interval(found.right.values[0][~disc]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("net, seed")


def farther_table(study: xr.DataTree) -> pd.DataFrame:
    """Tabulate how far families go that hold the same consistency, without and with a look.

    Each is stretched about the identity until the consistency on fresh pictures is lost; what is
    compared are displacements of corners plus colors there. The interval is over pictures, the
    same for both, resampled within each class.
    """
    found = {(variant, seed): one for variant, seed, one in trainings(study, "farther")}
    rows = {}
    for seed in sorted({seed for _, seed in found}):
        blind, sighted = found["blind", seed], found["sighted", seed]
        weights = resampled(blind.category.values)
        whole = np.ones((1, weights.shape[1]))
        with np.errstate(invalid="ignore"):  # where neither loses its consistency
            ratios = displacement_held(sighted, weights) / displacement_held(blind, weights)
        known = ratios[np.isfinite(ratios)]
        low, high = np.quantile(known, (0.025, 0.975)) if len(known) else (np.nan, np.nan)
        both = [float(displacement_held(one, whole)[0]) for one in (blind, sighted)]
        rows[seed] = {
            "blind": both[0],
            "sighted": both[1],
            "sighted / blind": both[1] / both[0],
            "from": low,
            "to": high,
            "consistency of blind": with_interval(at_rest_of_stretch(blind)),
            "consistency of sighted": with_interval(at_rest_of_stretch(sighted)),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed")


def farther_counts(farther: pd.DataFrame) -> pd.DataFrame:
    """Count the seeds whose interval of the ratio lies above 1 and below 1, in one row.

    With the lowest and the highest ratio of all.
    """
    ratio = farther["sighted / blind"]
    counts = {
        "seeds": len(farther),
        "above": int((farther["from"] > 1).sum()),
        "below": int((farther["to"] < 1).sum()),
        "lowest": ratio.min(),
        "highest": ratio.max(),
    }
    return pd.DataFrame(counts, index=["all"])


def at_rest_of_stretch(found: xr.Dataset) -> Array:
    """Return which pictures are classified consistently by a family as learned."""
    return np.asarray(found.consistent.sel(stretch=1.0).values, float)


def displacement_held(found: xr.Dataset, weights: Array, held: float = HELD) -> Array:
    """Return how far a family goes where it just holds a consistency, for weights [B, pictures].

    Interpolated as `itn.study.learned_gates.reach` does; infinite where the consistency is not
    lost as far as was looked.
    """
    moved = spatial_displacement(found.spatial_matrix.values)
    moved = moved + color_displacement(found.color_matrix.values)
    weights = weights / weights.sum(axis=1, keepdims=True)
    shares, ones = weights @ found.consistent.values.T, np.ones(len(weights))
    return reach(found.stretch.values, shares, ones, held * ones) * (weights @ moved)


def filtering_table(study: xr.DataTree, parameters: FigureParameters) -> pd.DataFrame:
    """Tabulate the kernels that were learned, and the blur that loses as much.

    The last row is the Gaussian at which the accuracy on the same classes falls to the required
    one, when it is screened. ``patches`` is `itn.displacement.kernel_displacement`, ``pictures``
    the root mean square change of the pictures' values; the gains are those of waves with 1/4 and
    1/2 cycles per pixel along one axis, the mean over both axes, channels and members.
    """
    rows = {}
    for variant, seed, found in trainings(study, "filtering"):
        kernels = found.kernel.values
        rows[f"{variant} {seed}"] = {
            "patches": kernel_displacement(kernels).mean(),
            "pictures": float(found.change.mean()),
            **{name: gains(kernels, one).mean() for name, one in FREQUENCIES.items()},
            "sum": kernels.sum(axis=(2, 3)).mean(),
            "accuracy": with_interval(found.right.values[0]),
            "consistency": with_interval(found.consistent.values[0]),
        }
    required = float(found.attrs["required_accuracy"])
    sigma = blur_held(parameters, required)
    rows[f"blur, σ = {sigma:.2f} px"] = {
        "pictures": blur_change(parameters, sigma),
        **{
            name: np.exp(-2 * (np.pi * sigma * one) ** 2).mean()
            for name, one in FREQUENCIES.items()
        },
        "sum": 1.0,
        "accuracy": f"{required:.3f}",
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("kernels, seed")


def ranges(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the lowest and the highest of columns over the seeds, for each variant."""
    variants = table.index.str.rpartition().get_level_values(0)
    chosen = table[list(columns)].groupby(variants, sort=False).agg(["min", "max"])
    chosen.columns = ["_".join(names) for names in chosen.columns]
    return chosen


def gains(kernels: Array, frequency: float) -> Array:
    """Return by what kernels [..., k, k] multiply waves along each axis, [2, ...].

    The size of the frequency response, in cycles per pixel.
    """
    size = kernels.shape[-1]
    wave = np.exp(-2j * np.pi * frequency * (np.arange(size) - size // 2))
    return np.stack([np.abs(kernels.sum(axis=axis) @ wave) for axis in (-2, -1)])


def blur_held(parameters: FigureParameters, required: float) -> float:
    """Return the σ, pixels, at which blur lowers the accuracy on a question's classes so far."""
    screening = obtain_screening(FigureParameters(profile=parameters.profile), "blur")
    classes = list(questions_of(parameters)["filtering"].classes or screening.category.values)
    mean = accuracy(screening).sel(category=classes).mean("category").values
    margin, sigmas = mean - required, screening.magnitude.values
    failed = np.flatnonzero(margin < 0)
    if not len(failed):
        return float("inf")
    return crossing(sigmas, margin, failed[0] - 1, failed[0], logarithmic=False)


def blur_change(parameters: FigureParameters, sigma: float) -> float:
    """Return the root mean square by which a blur changes the values of the fresh pictures."""
    from itn.transformations import transform  # which loads a backend

    images = fresh_pictures(questions_of(parameters)["filtering"], parameters).images
    fill = load_profile(parameters.profile).fill
    change = np.asarray(transform(images, "blur", sigma, fill=fill)) - images
    return float(np.sqrt(np.square(change).mean(axis=(1, 2, 3))).mean())


def resampled(categories: npt.NDArray[np.str_], seed: int = 0) -> Array:
    """Draw how often each picture counts, [RESAMPLES, pictures], with replacement in its class."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((RESAMPLES, len(categories)))
    for name in dict.fromkeys(categories.tolist()):
        own = np.flatnonzero(categories == name)
        weights[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), RESAMPLES)
    return weights


def with_interval(hits: npt.ArrayLike) -> str:
    """Write a share of pictures with its 95 % Clopper-Pearson interval."""
    right, count = int(np.sum(hits)), np.size(hits)
    low, high = accuracy_interval(np.array(right), count)
    return f"{right / count:.3f} ({low:.3f} … {high:.3f})"


def plot_looking(study: xr.DataTree, columns: int = 2) -> Figure:
    """Draw how far each disc and each heart is turned by the member drawn for it."""
    found = list(trainings(study, "looking"))
    variants = list(dict.fromkeys(variant for variant, _, _ in found))
    size = (PANEL_WIDTH, 0.8 * PANEL_HEIGHT)
    with panels(len(variants), columns, size=size, sharey=True) as (figure, grid):
        for axes, variant in zip(grid.flat, variants, strict=True):
            own = [(seed, one) for name, seed, one in found if name == variant]
            for seed, one in own:
                turn = decompose_spatial(one.spatial_matrix.values).rotation.abs().to_numpy()
                for place, (name, label) in enumerate((("disc", "discs"), ("mirror", "hearts"))):
                    chosen = np.sort(turn[one.category.values == name])
                    x = seed + np.linspace(-0.15, 0.15, len(chosen)) + (place - 0.5) * 0.4
                    axes.plot(
                        x, chosen, "os"[place], markersize=2.5, markeredgewidth=0,
                        color=RIVAL_STYLES[place]["color"], label=f"_{label}" if seed else label,
                    )  # fmt: skip
            axes.set_xticks([seed for seed, _ in own])
            axes.set_xlabel("seed")
            axes.set_title(readable(variant))
            axes.set_ylim(0, 185)
            axes.set_yticks(np.arange(0, 181, 45))
        for axes in grid[:, 0]:
            axes.set_ylabel("turn, either way, °")
        explain(figure, lines_of(grid.flat))
    return figure


def plot_gains(study: xr.DataTree, parameters: FigureParameters, columns: int = 2) -> Figure:
    """Draw what learned kernels do to waves of each frequency, beside the blur that loses as much.

    Of all members and channels and both axes: the median, and the middle 90 %.
    """
    found = list(trainings(study, "filtering"))
    variants = list(dict.fromkeys(variant for variant, _, _ in found))
    frequency = np.linspace(0, 0.5, 51)
    sigma = blur_held(parameters, float(found[0][2].attrs["required_accuracy"]))
    size = (PANEL_WIDTH, 0.8 * PANEL_HEIGHT)
    with panels(len(variants), columns, size=size, sharey=True) as (figure, grid):
        for axes, variant in zip(grid.flat, variants, strict=True):
            own = [(seed, one) for name, seed, one in found if name == variant]
            for (seed, one), style in zip(own, RIVAL_STYLES, strict=False):
                gain = np.stack([gains(one.kernel.values, each).ravel() for each in frequency])
                low, middle, high = np.quantile(gain, (0.05, 0.5, 0.95), axis=1)
                axes.fill_between(
                    frequency, low, high, color=style["color"], alpha=0.15, linewidth=0
                )
                axes.plot(frequency, middle, **style, label=f"seed {seed}")
            axes.plot(
                frequency, np.exp(-2 * (np.pi * sigma * frequency) ** 2), color="#000000",
                linestyle=":", linewidth=1.6, label=f"blur, σ = {sigma:.1f} px",
            )  # fmt: skip
            axes.axhline(1, color="#BBBBBB", linewidth=2, zorder=0)
            axes.set_xlabel("cycles per pixel")
            axes.set_title({"kept": "sum 1", "free": "any sum"}.get(variant, variant))
            axes.set_xlim(0, 0.5)
            axes.set_xticks([0, 0.125, 0.25, 0.375], ["0", "1/8", "1/4", "3/8"])
        for axes in grid[:, 0]:
            axes.set_ylabel("gain")
        grid[0, 0].set_ylim(0, None)
        explain(figure, lines_of(grid[0, :1]))
    return figure


def plot_kernels(study: xr.DataTree, parameters: FigureParameters, count: int = 4) -> Figure:
    """Draw pictures that kernels with a kept sum change most, those kernels, and what they make.

    One picture of each of `count` classes, and the mean of its kernel over the channels.
    """
    from itn.local_filter import local_filter  # which loads a backend

    _, _, found = next(trainings(study, "filtering"))
    images = fresh_pictures(questions_of(parameters)["filtering"], parameters).images
    change, names = found.change.values, found.category.values
    strongest = [
        int(np.flatnonzero(names == name)[change[names == name].argmax()])
        for name in dict.fromkeys(names.tolist())
    ]
    chosen = sorted(strongest, key=lambda index: -change[index])[:count]
    kernels = found.kernel.values[chosen].astype("float32")
    filtered = np.asarray(
        local_filter(images[chosen], kernels, load_profile(parameters.profile).fill)
    )
    shown = kernels.mean(axis=1)
    limit = float(np.abs(shown).max())
    width = PANEL_WIDTH / 2
    with panels(3 * count, count, size=(width, width + 0.1)) as (figure, grid):
        for column, index in enumerate(chosen):
            grid[0, column].imshow(np.clip(images[index], 0, 1))
            grid[1, column].imshow(shown[column], cmap="PuOr_r", vmin=-limit, vmax=limit)
            for (y, x), value in np.ndenumerate(shown[column]):
                dark = "white" if abs(value) > 0.6 * limit else "black"
                grid[1, column].text(
                    x, y, f"{value:.2f}".replace("-", "−"), ha="center", va="center",
                    color=dark,
                )  # fmt: skip
            grid[2, column].imshow(np.clip(filtered[column], 0, 1))
            grid[0, column].set_title(readable(names[index]))
        for axes in grid.flat:
            axes.set_xticks([])
            axes.set_yticks([])
        for axes, label in zip(grid[:, 0], ("picture", "kernel", "filtered"), strict=True):
            axes.set_ylabel(label)
    return figure
