"""Every number of the ledger, from the archives, by code that shares nothing with the study.

Files are read with h5py, each class for itself, and directions are walked step by step. Estimates
agree to all digits; ends of intervals, of draws that are not the ledger's, to within what both
vary by chance.
"""

import statistics
from functools import cache
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np
from scipy import stats

import itn

RESULTS = Path(__file__).parents[2] / "results"
TRANSFORMERS = RESULTS / "imagenet" / "squeezenet_transformers.nc"
FACTORS = ("scale_x", "scale_y", "zoom", "contrast")
NAMES = (
    *("translation_x", "translation_y", "rotation", *FACTORS),
    *("brightness", "grayscale", "blur", "noise"),
)
OURS = ("photos/alexnet_photos", "photos/resnet_photos")
OTHERS = tuple(
    network
    for network in ("imagenet/squeezenet", "imagenet/efficientnet_lite0")
    if all((RESULTS / f"{network}_{name}.nc").is_file() for name in NAMES)
)
NETWORKS = (*OURS, *OTHERS)
GATED = (*OURS, "imagenet/squeezenet", "imagenet/efficientnet_lite0")
AXISYMMETRIC = ("lamp", "minaret", "menorah")
DRAWS = 1000
NONE = (np.nan, np.nan)  # no interval


@cache
def stored(network, name):
    """What each class [class name] gave: true softmax, right, kept, rivals' softmax, others'."""
    with h5py.File(RESULTS / f"{network}_{name}.nc") as file:
        label, target, at = file["label"][:], file["target"][:], file["magnitude"][:]
        said, rival = file["predicted"][:], file["rival"][:]
        true, rivals, mean = (
            file[key][:] * np.float64(file[key].attrs["scale_factor"])
            for key in ("softmax", "rival_softmax", "mean_softmax")
        )
        names = [each.decode() for each in file["category"][:]]
        paths = file["image"][:]
    identity = 1 if name in FACTORS else 0
    untouched = said[:, at == identity]
    found = {}
    for index, category in enumerate(names):
        rows = np.flatnonzero(label == index)
        rows = rows[np.argsort(paths[rows])]
        known = [target[index], *rival[index]]
        found[category] = {
            "true": true[rows],
            "right": (said[rows] == target[index]).astype(float),
            "kept": (said[rows] == untouched[rows, :1]).astype(float),
            "rivals": rivals[rows],
            "others": np.delete(mean[index], known, axis=1).max(axis=1),
        }
    return found, at


def ways(name, at):
    """Each direction: how far from the identity each step lies, and which magnitude it is."""
    if name == "rotation":
        quarter = [np.flatnonzero(at == angle)[0] for angle in range(0, 181, 5)]
        back = [np.flatnonzero(at == (-angle) % 360)[0] for angle in range(0, 181, 5)]
        return {"up": (np.arange(0, 181, 5.0), quarter), "down": (np.arange(0, 181, 5.0), back)}
    away = np.log2(at) if name in FACTORS else at
    found = {}
    for direction, sign in (("up", 1), ("down", -1)):
        columns = [index for index in np.argsort(sign * away) if sign * away[index] >= 0]
        if len(columns) > 1:
            found[direction] = (np.abs(away[columns]), columns)
    return found


def crossing(margin, distance):
    """How far out a margin is first below zero; infinity if nowhere, NaN if it is at once."""
    if not margin[0] > 0:
        return np.nan
    for step in range(1, len(margin)):
        if margin[step] < 0:
            share = margin[step - 1] / (margin[step - 1] - margin[step])
            return distance[step - 1] + share * (distance[step] - distance[step - 1])
    return np.inf


@cache
def draws(category, count):
    """How often each picture of a class is drawn."""
    rng = np.random.default_rng(len(category) + 1000 * count)
    rows = rng.integers(count, size=(DRAWS, count))
    return np.stack([np.bincount(each, minlength=count) for each in rows]) / count


def means(category, values):
    """The mean of a class's pictures, first of all, then of each draw."""
    return np.concatenate([values.mean(axis=0)[None], np.tensordot(draws(category, len(values)),
                                                                   values, axes=1)])  # fmt: skip


def ends(drawn):
    return tuple(np.nanquantile(drawn, [0.025, 0.975]))


def drawn_share(values):
    """A number of all pictures, and of each draw."""
    return values[0], *ends(values[1:])


def counts(network):
    return {name: len(own["true"]) for name, own in stored(network, "noise")[0].items()}


def halved(network, names):
    lost = []
    for name in names:
        classes, at = stored(network, name)
        for _, columns in ways(name, at).values():
            for category, own in classes.items():
                right = means(category, own["right"])[:, columns]
                lost.append((right < right[:, :1] / 2).any(axis=1))
    return drawn_share(np.mean(lost, axis=0))


def halved_together(network):
    lost = []
    for name in NAMES:
        classes, at = stored(network, name)
        right = np.average(
            [means(category, own["right"]) for category, own in classes.items()],
            axis=0,
            weights=list(counts(network).values()),
        )
        for _, columns in ways(name, at).values():
            lost.append((right[:, columns] < right[:, columns[:1]] / 2).any(axis=1))
    return drawn_share(np.mean(lost, axis=0))


def wrong_beyond(network):
    wrong = []
    for name in NAMES:
        classes, at = stored(network, name)
        for _, columns in ways(name, at).values():
            for category, own in classes.items():
                right = means(category, own["right"])[:, columns]
                failed = np.flatnonzero(right[0] < right[0, 0] / 2)
                if len(failed) and failed[0] + 1 < len(columns):
                    wrong.append(1 - right[:, failed[0] + 1 :].mean(axis=1))
    return drawn_share(np.mean(wrong, axis=0))


def kept_halfway(network):
    kept = {category: [] for category in counts(network)}
    for name in NAMES:
        classes, at = stored(network, name)
        for distance, columns in ways(name, at).values():
            for category, own in classes.items():
                right = own["right"].mean(axis=0)[columns]
                half = crossing(right - right[0] / 2, distance) / 2
                if np.isfinite(half):
                    kept[category].append(
                        [np.interp(half, distance, one) for one in own["kept"][:, columns]]
                    )
    each = {category: np.mean(own, axis=0) for category, own in kept.items() if own}
    return drawn_share(
        np.average(
            [means(category, own) for category, own in each.items()],
            axis=0,
            weights=[len(own) for own in each.values()],
        )
    )


def overtaken_by_noise(network):
    classes, at = stored(network, "noise")
    ((_, columns),) = ways("noise", at).values()
    lost = []
    for category, own in classes.items():
        rivals = np.maximum(means(category, own["rivals"]).max(axis=1), own["others"])
        lost.append((means(category, own["true"]) < rivals)[:, columns].any(axis=1))
    return drawn_share(np.mean(lost, axis=0))


def intervals(network, name, criterion, direction):
    found = itn.thresholds(itn.load_screening(RESULTS / f"{network}_{name}.nc"))
    found = found.sel(criterion=criterion, direction=direction)
    return list(zip(found.low.values, found.high.values, strict=True))


def touch(one, other, open_end):
    """Whether intervals touch, whose ends may be open."""
    (low, high), (least, most) = np.nan_to_num([one, other], nan=open_end)
    return low <= most and least <= high


def apart_under_noise(network):
    pairs = combinations(intervals(network, "noise", "switch", "up"), 2)
    return np.mean([not touch(*pair, np.inf) for pair in pairs]), *NONE


def zoom_and_contrast_apart(network):
    both = [intervals(network, name, "half", "down") for name in ("zoom", "contrast")]
    return np.mean([not touch(*pair, 0) for pair in zip(*both, strict=True)]), *NONE


def classes_differ(network):
    """Kruskal and Wallis of how far out each picture is lost, corrected as Holm did."""
    p = []
    for name in NAMES:
        classes, at = stored(network, name)
        for distance, columns in ways(name, at).values():
            samples = []
            for own in classes.values():
                right = own["right"][:, columns]
                lost = [np.flatnonzero(one == 0) for one in right if one[0]]
                samples.append(
                    [distance[one[0] - 1 : one[0] + 1].mean() if len(one) else np.inf
                     for one in lost]
                )  # fmt: skip
            samples = [each for each in samples if each]
            same = len(set(np.concatenate(samples))) == 1
            p.append(1.0 if same else stats.kruskal(*samples).pvalue)
    corrected = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1))
    return np.mean(corrected < 0.05), *NONE


def alike(first, second):
    near = []
    for name in NAMES:
        left = []
        for network in (first, second):
            classes, at = stored(network, name)
            right = np.average(
                [means(category, own["right"]) for category, own in classes.items()],
                axis=0,
                weights=list(counts(network).values()),
            )
            identity = 1 if name in FACTORS else 0
            left.append((right / right[:, at == identity])[:, at != identity])
        near.append(np.abs(left[0] - left[1]) <= 0.1)
    return drawn_share(np.concatenate(near, axis=1).mean(axis=1))


def confidence_and_noise(network):
    classes, at = stored(network, "noise")
    ((distance, columns),) = ways("noise", at).values()
    sure, limit = [], []
    for own in classes.values():
        true = own["true"].mean(axis=0)
        sure.append(true[columns[0]])
        rivals = np.maximum(own["rivals"].mean(axis=0).max(axis=0), own["others"])
        limit.append(crossing((true - rivals)[columns], distance))
    sure, limit = np.array(sure), np.array(limit)
    known = ~np.isnan(limit)
    rows = np.random.default_rng(5).choice(np.flatnonzero(known), (DRAWS, len(sure)))
    drawn = [stats.spearmanr(stats.rankdata(sure[one]), stats.rankdata(limit[one])).statistic
             for one in rows]  # fmt: skip
    ranks = stats.rankdata(sure[known]), stats.rankdata(limit[known])
    return stats.spearmanr(*ranks).statistic, *ends(drawn)


def softmax_halved_by_rotation(network):
    classes, at = stored(network, "rotation")
    lost = []
    for category, own in classes.items():
        true = means(category, own["true"])
        lost.append((true < true[:, at == 0] / 2).any(axis=1))
    return drawn_share(np.mean(lost, axis=0))


def least_softmax_turned(network):
    classes, at = stored(network, "rotation")
    true = means("soccer_ball", classes["soccer_ball"]["true"])
    return drawn_share(true.min(axis=1) / true[:, at == 0][:, 0])


def softmax_upside_down(network):
    classes, at = stored(network, "rotation")
    left = [
        (lambda true: true[:, at == 180][:, 0] / true[:, at == 0][:, 0])(
            means(category, classes[category]["true"])
        )
        for category in AXISYMMETRIC
        if category in classes
    ]
    return drawn_share(np.mean(left, axis=0))


def networks_correlate(first, second):
    """The median of Spearman's ρ; its interval from the draws of `itn.compare`."""
    rho, drawn = [], []
    for name in NAMES:
        (one, at), (other, _) = stored(first, name), stored(second, name)
        files = [itn.load_screening(RESULTS / f"{each}_{name}.nc") for each in (first, second)]
        compared = itn.compare(*files)
        for direction, (distance, columns) in ways(name, at).items():
            limits = []
            for category in one:
                if category in other:
                    right = [each[category]["right"].mean(axis=0)[columns] for each in (one, other)]
                    limits.append([crossing(each - each[0] / 2, distance) for each in right])
            # Equal ones may come out of logarithms with other last digits.
            pairs = np.array([pair for pair in np.round(limits, 9) if not np.isnan(pair).any()])
            if np.isfinite(pairs).all(axis=1).sum() < 4:
                continue
            ranks = [stats.rankdata(column) for column in pairs.T]
            if all(len(set(each)) > 1 for each in ranks):
                rho.append(stats.spearmanr(*ranks).statistic)
                drawn.append(compared.correlation_drawn.sel(direction=direction).values)
    median, again = np.median(rho), np.median(drawn, axis=0)
    again = again[~np.isnan(again)]
    normal = statistics.NormalDist()
    bias = normal.inv_cdf(((again < median).mean() + (again <= median).mean()) / 2)
    levels = [normal.cdf(2 * bias + normal.inv_cdf(level)) for level in (0.025, 0.975)]
    return median, *np.quantile(again, levels)


@cache
def learned(part):
    with h5py.File(TRANSFORMERS) as file:
        found = {name: values[()] for name, values in file[f"seed_0/{part}"].items()}
        return found | {key: value[0] for key, value in file[f"seed_0/{part}"].attrs.items()
                        if np.ndim(value) == 1 and key[0] != "_"}  # fmt: skip


def share_of_pictures(count):
    total = int(learned("history")["reported_pictures"])
    exact = stats.binomtest(int(count), total).proportion_ci(0.95, "exact")
    return count / total, exact.low, exact.high


def sliders():
    survey = learned("survey")
    return np.array([name.decode() for name in survey["slider"]])


def consistent_amid():
    survey = learned("survey")
    amid = (sliders() == "alpha") & (survey["value"] == 0.5)
    return share_of_pictures(survey["consistent"][amid].item())


def consistent_at_worst():
    together = np.isin(sliders(), ["alpha", "beta"])
    return share_of_pictures(learned("survey")["consistent"][together].min())


def held_at(curve, factor):
    """By which factor a family is stretched where its curve [factor], from 0 on, meets zero."""
    lost = np.flatnonzero(curve < 0)
    if not len(lost):
        return np.inf
    ends = [lost[0], lost[0] - 1]
    if ends[1] == 0:
        return np.interp(0, curve[ends], factor[ends])
    return np.exp(np.interp(0, curve[ends], np.log(factor[ends])))


def farther_than_random(network):
    """The median, the least and the most of seeds; of one the ends over pictures drawn again."""
    ratios = []
    with h5py.File(RESULTS / f"{network}_gates.nc") as file:
        right = file["known/right"][:].astype(float)
        rng = np.random.default_rng(99)
        drawn = [np.arange(len(right)), *rng.integers(len(right), size=(DRAWS, len(right)))]
        for own in (seed["measured"] for seed in file["accuracy"].values()):
            kinds, families, criteria = (
                [each.decode() for each in own[name][:]] for name in ("kind", "family", "criterion")
            )
            factor, looks = np.concatenate([[0], own["factor"][:]]), own.attrs["looks"].item()
            way = {}
            for family in ("learned", "random"):
                row = kinds.index("both"), families.index(family)
                hits = own["hits"][(*row, criteria.index("accuracy"))] / looks
                curves = np.concatenate([right[None], hits])
                way[family] = own["displacement"][row] * np.array([
                    held_at(curves[:, rows].mean(axis=1) - 0.95 * right[rows].mean(), factor)
                    for rows in (drawn if len(file["accuracy"]) == 1 else drawn[:1])
                ])  # fmt: skip
            with np.errstate(invalid="ignore"):
                ratios.append(way["learned"] / way["random"])
    if len(ratios) == 1:
        unknown = np.isnan(ratios[0])  # neither family loses anything
        both = (np.where(unknown, worst, ratios[0])[1:] for worst in (0, np.inf))
        return ratios[0][0], *(
            np.sort(each)[place] for each, place in zip(both, (24, 975), strict=True)
        )
    return median_and_ends([ratio[0] for ratio in ratios])


def median_and_ends(values):
    return statistics.median(values), min(values), max(values)


def constant_cross_entropy():
    entropy = learned("history")["cross_entropy"].astype(float)
    first, _, last = np.array_split(entropy, 3)
    rng = np.random.default_rng(99)
    ratio = rng.choice(first, (4000, len(first))).mean(axis=1)
    ratio = ratio / rng.choice(last, (4000, len(last))).mean(axis=1)
    estimate = first.mean() / last.mean()
    return min(estimate, 1 / estimate), *ends(np.minimum(ratio, 1 / ratio))


def falling_loss(name):
    loss = -learned("history")[name].astype(float)
    rng = np.random.default_rng(99)
    drawn = [np.sort(rng.integers(len(loss), size=len(loss))) for _ in range(DRAWS)]
    rho = [stats.spearmanr(rows, loss[rows]).statistic for rows in drawn]
    return stats.spearmanr(np.arange(len(loss)), loss).statistic, *ends(rho)


def steps(letter, moved):
    """The share of steps of a control, one value or all, of which something is true."""
    which = sliders()
    found = [
        moved(before, after)
        for name in dict.fromkeys(which[np.char.startswith(which, letter)])
        for before, after in zip(
            *[np.flatnonzero(which == name)[part] for part in (slice(-1), slice(1, None))],
            strict=True,
        )
    ]
    return np.mean(found), *NONE


def corners_moved(matrix):
    """The mean distance that the corners of the picture move, whose half width is 1."""
    square = np.array([[x, y, 1] for x in (-1, 1) for y in (-1, 1)])
    return np.linalg.norm(square @ matrix.T - square[:, :2], axis=1).mean()


def grows_with_alpha():
    matrix = learned("survey")["spatial_matrix"]
    return steps("alpha", lambda before, after: corners_moved(matrix[after])
                 > corners_moved(matrix[before]))  # fmt: skip


def colors_change_with_beta():
    matrix = learned("survey")["color_matrix"]
    return steps("beta", lambda before, after: (matrix[after] != matrix[before]).any())


@cache
def drawn_members():
    """Both matrices of the drawn members of each training: by gate, then by fill, of each net."""
    found = []
    for network in GATED:
        with h5py.File(RESULTS / f"{network}_gates.nc") as file:
            for hold in ("accuracy", "consistency", "divergence"):
                seeds = [own["measured"] for own in file[hold].values()] if hold in file else []
                found.append([(own["spatial_matrix"][:], own["color_matrix"][:]) for own in seeds])
    for network in GATED:
        for fill in ("edge", "reflect"):
            path = RESULTS / f"{network}_gates_{fill}.nc"
            if path.is_file():
                with h5py.File(path) as file:
                    own = file["accuracy/seed_0/measured"]
                    found.append([(own["spatial_matrix"][:], own["color_matrix"][:])])
    return [seeds for seeds in found if seeds]


def with_gates(true):
    """Of the survey a share; then of each gate and fill, over seeds or, of one, over members."""
    survey = learned("survey")
    found = [(true(survey["spatial_matrix"], survey["color_matrix"]).mean(), *NONE)]
    for seeds in drawn_members():
        each = [true(*matrices) for matrices in seeds]
        if len(each) == 1:
            exact = stats.binomtest(each[0].sum(), len(each[0])).proportion_ci(method="exact")
            found.append((each[0].mean(), exact.low, exact.high))
        else:
            found.append(median_and_ends([which.mean() for which in each]))
    return found


def content(spatial):
    """Width, height and turn of the content, of each member of the family."""
    forward = np.linalg.inv(spatial[:, :, :2].astype(float))
    right = forward[:, :, 0]  # where a step to the right of the content goes
    width = np.linalg.norm(right, axis=1)
    turned = np.degrees(np.arctan2(-right[:, 1], right[:, 0]))
    return width, np.abs(np.linalg.det(forward)) / width, turned


def gentle(spatial, _):
    width, height, turned = content(spatial)
    return (np.abs(turned) <= 10) & (np.maximum(width, height) <= 1.25)


def zoomed_out(spatial, _):
    width, height, _ = content(spatial)
    return np.maximum(width, height) < 1


def little_color(_, color):
    cube = np.array([[r, g, b, 1] for r in (0, 1) for g in (0, 1) for b in (0, 1)])
    moved = cube @ color.astype(float).transpose(0, 2, 1) - cube[:, :3]
    return np.sqrt((moved**2).mean(axis=2)).mean(axis=1) < 0.25


def each(measure, *arguments):
    return lambda: [measure(network, *arguments) for network in NETWORKS]


def dependent():
    return [one(network) for network in NETWORKS for one in
            (classes_differ, zoom_and_contrast_apart)]  # fmt: skip


def with_class(measure, *wanted):
    return lambda: [measure(network) for network in NETWORKS if {*wanted} & {*counts(network)}]


RECOMPUTED = {
    "invariant-below": each(kept_halfway),
    "class-dependent": dependent,
    "learn-parameters": lambda: [*map(farther_than_random, GATED)],
    "extract-space": lambda: [consistent_at_worst()],
    "similar-behavior": lambda: [alike(*OURS)],
    "noise-switch": each(overtaken_by_noise),
    "noise-class": each(apart_under_noise),
    "confidence-noise": each(confidence_and_noise),
    "rotation-reduction": each(softmax_halved_by_rotation),
    "point-symmetric": with_class(least_softmax_turned, "soccer_ball"),
    "axisymmetric": with_class(softmax_upside_down, *AXISYMMETRIC),
    "training-losses": lambda: [
        constant_cross_entropy(), falling_loss("spatial_loss"), falling_loss("color_loss")
    ],
    "labels-unchanged": lambda: [consistent_amid()],
    "parameters-control": lambda: [grows_with_alpha(), colors_change_with_beta()],
    "expected-behavior": list,  # nothing is measured
    "extract-thresholds": each(halved, NAMES),
    "networks-correlate": lambda: [networks_correlate(*pair) for pair in combinations(NETWORKS, 2)],
    "highly-sensitive": each(halved_together),
    "no-information-loss": lambda: with_gates(gentle),
    "only-zooms-out": lambda: with_gates(zoomed_out),
    "sensitive-to-color": each(halved, ("grayscale",)),
    "small-color-changes": lambda: with_gates(little_color),
    "wrong-beyond": each(wrong_beyond),
}  # fmt: skip
# A count may lie on either side of a quantile: of as many as there are, one more or less.
COUNTED = {
    "noise-switch": 1, "rotation-reduction": 1, "sensitive-to-color": 1, "highly-sensitive": 19,
    "extract-thresholds": 19,
}  # fmt: skip
