"""Families of transformations: what a classifier says of them, and how learned ones compare.

A *family* is a set of members, each an affine and a color matrix. The learned family of an
`itn.InvariantTransformerNet` has a member for each pair of control vectors. It is compared with
random matrices that displace as much, and with the package's own transformations. Pictures are
looked at in batches, so that streamed ones never are in memory all at once.
"""

import numpy as np
import xarray as xr
from keras import ops

from itn.displacement import color_displacement, spatial_displacement
from itn.invariant_transformer import InvariantTransformerNet
from itn.looks import BATCH_SIZE, MatrixLook, full_batches
from itn.messages import Progress, UsageError
from itn.pictures import Pictures
from itn.study.matrices import known_matrices, scaled_to
from itn.thresholds import accuracy_interval, crossing

FACTORS = 2.0 ** np.arange(-3, 2.51, 0.5)  # by which families are shrunk and stretched
FAMILIES = ("learned", "random")


def sliders(net: InvariantTransformerNet, steps: int = 5) -> xr.Dataset:
    """Return control vectors that move one control value at a time, and all of a kind together.

    ``alpha`` (member, p) and ``beta`` (member, q), the others at 1/2; coordinates ``slider``
    ("alpha 1" …, "alpha") and ``value`` of each member.
    """
    dims = {"alpha": net.spatial.control_dim, "beta": net.color.control_dim}
    rows: dict[str, list[np.ndarray]] = {"alpha": [], "beta": []}
    names, values = [], []
    for kind, dim in dims.items():
        for moved in (*range(dim), slice(None)):
            for value in np.linspace(0, 1, steps):
                controls = {each: np.full(dims[each], 0.5, "float32") for each in dims}
                controls[kind][moved] = value
                for each in dims:
                    rows[each].append(controls[each])
                names.append(kind if isinstance(moved, slice) else f"{kind} {moved + 1}")
                values.append(value)
    return xr.Dataset(
        {"alpha": (("member", "p"), rows["alpha"]), "beta": (("member", "q"), rows["beta"])},
        coords={"slider": ("member", names), "value": ("member", values)},
    )


def survey(
    net: InvariantTransformerNet, members: xr.Dataset, pictures: Pictures, progress: bool = True
) -> xr.Dataset:
    """Look at every picture under every member of a learned family.

    ``right`` and ``consistent`` (member) count the ``pictures`` (an attribute) that are classified
    correctly, and as without any transformation.
    """
    look = MatrixLook(net.classifier, net.options["fill"])
    labels = net.classifier.logits_of(pictures)[pictures.labels]
    spatial, color = net.matrices(members.alpha.values, members.beta.values)
    right, consistent = np.zeros((2, len(spatial)), int)
    whole = list(full_batches(len(pictures)))
    with Progress(total=len(whole) * len(spatial), delay=2, disable=not progress) as bar:
        for rows, number in whole:  # outside, so that each picture is read once
            images, true = pictures.images[rows], labels[rows[:number]]
            clean = net.classifier.predict(images, BATCH_SIZE)[:number].argmax(axis=1)
            for member, pair in enumerate(zip(spatial, color, strict=True)):
                said = look.predicted(images, *(matrix[None] for matrix in pair))[:number]
                right[member] += (said == true).sum()
                consistent[member] += (said == clean).sum()
                bar.update()
    return members.assign(
        spatial_matrix=(("member", "row", "column"), spatial),
        color_matrix=(("member", "channel", "channel_or_1"), color),
        right=("member", right),
        consistent=("member", consistent),
    ).assign_attrs(pictures=len(pictures))


def compare_families(
    net: InvariantTransformerNet, pictures: Pictures, passes: int, seed: int = 0
) -> xr.Dataset:
    """Compare the learned family with random matrices and with a grid of known ones.

    Members are drawn anew for every picture, the same at each factor. A random member has the
    spatial and color displacement of a learned one, but entries in random directions. Both
    families are shrunk and stretched about the identity by common factors.

    ``right`` (family, factor) counts passes, of ``passes_each`` over so many different
    ``pictures`` (attributes). The attributes ``grid_…`` tell the largest member of the grid whose
    accuracy on all pictures is the required one; it is the identity if the passes were used up
    before.
    """
    look = MatrixLook(net.classifier, net.options["fill"])
    each = passes // len(FACTORS)
    if each < 1:
        raise UsageError(f"passes must be at least {len(FACTORS)}, got {passes}")
    rows = np.resize(np.arange(len(pictures)), each)
    labels = net.classifier.logits_of(pictures)[pictures.labels]
    controls = map(ops.convert_to_numpy, net.draw_controls(each, seed))
    learned = net.matrices(*controls)
    rng = np.random.default_rng(seed)
    random = [
        scaled_to(rng.standard_normal(matrix.shape), measure(matrix))
        for matrix, measure in zip(learned, (spatial_displacement, color_displacement), strict=True)
    ]
    right = np.zeros((len(FAMILIES), len(FACTORS)), int)
    displacement = np.zeros((2, *right.shape))
    moved = {
        (family, position): [
            np.eye(*m.shape[1:]) + factor * (m - np.eye(*m.shape[1:])) for m in matrices
        ]
        for family, matrices in enumerate((learned, random))
        for position, factor in enumerate(FACTORS)
    }
    for member, (spatial, color) in moved.items():
        displacement[:, *member] = (
            spatial_displacement(spatial).mean(),
            color_displacement(color).mean(),
        )
    for places, number in full_batches(each):  # outside, so that each picture is read once
        images, true = pictures.images[rows[places]], labels[rows[places]]
        for member, matrices in moved.items():
            said = look.predicted(images, *(matrix[places] for matrix in matrices))
            right[member] += (said == true)[:number].sum()
    return xr.Dataset(
        {
            "right": (("family", "factor"), right),
            "spatial_displacement": (("family", "factor"), displacement[0]),
            "color_displacement": (("family", "factor"), displacement[1]),
        },
        coords={"family": list(FAMILIES), "factor": FACTORS},
        attrs={
            "passes_each": each,
            "pictures": min(each, len(pictures)),
            "required_accuracy": float(net.required_accuracy.value),
            **_best_of_grid(look, pictures, labels, passes, float(net.required_accuracy.value)),
        },
    )


def family_accuracy(
    comparison: xr.Dataset, family: str, pictures: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Return the accuracy of a family at each factor, with its 95 % interval over pictures.

    Passes over one picture are no independent witnesses. The interval is Clopper and Pearson's
    for as many trials as there are pictures (where some are looked at more often than others,
    for :math:`(\sum w)^2 / \sum w^2` for looks w), as if all passes over a picture agreed. That
    is the widest it can be: a mean of values in [0, 1] varies at most as one of zeros and ones.
    """
    passes = int(comparison.attrs["passes_each"])
    different = int(comparison.attrs.get("pictures", pictures or passes))
    often, more_often = divmod(passes, min(different, passes))
    squares = (min(different, passes) - more_often) * often**2 + more_often * (often + 1) ** 2
    accuracy = comparison.right.sel(family=family).values / passes
    trials = passes**2 // squares
    return accuracy, *accuracy_interval(accuracy * trials, trials)


def largest_factor(comparison: xr.Dataset, family: str) -> float:
    """Return how far a family can be stretched before the required accuracy is lost.

    It is interpolated over its logarithm; infinite if the accuracy is not lost as far as was
    looked, NaN if already the smallest factor loses it.
    """
    margin = (
        comparison.right.sel(family=family).values / comparison.attrs["passes_each"]
        - comparison.attrs["required_accuracy"]
    )
    failed = np.flatnonzero(margin < 0)
    if not len(failed):
        return float("inf")
    if failed[0] == 0:
        return float("nan")
    return crossing(comparison.factor.values, margin, failed[0] - 1, failed[0], logarithmic=True)


def displacement_at_required(comparison: xr.Dataset, family: str) -> float:
    """Return how far a family displaces where it holds just the required accuracy."""
    own = comparison.sel(family=family, factor=1)
    as_learned = float(own.spatial_displacement + own.color_displacement)
    return largest_factor(comparison, family) * as_learned


def displacement_ratios(comparison: xr.Dataset) -> dict[str, float]:
    """Return how much farther the learned family goes than what it is compared with.

    ``to_random`` is the learned family over the random one, ``to_grid`` over the largest member of
    the grid that holds; above 1 the learned family goes farther. Infinite where it does not lose
    the accuracy as far as was looked, NaN where there is nothing to compare with.
    """
    learned = displacement_at_required(comparison, "learned")
    random = displacement_at_required(comparison, "random")
    grid = comparison.attrs["grid_displacement"]
    return {
        "to_random": learned / random if np.isfinite(random) else float("nan"),
        "to_grid": learned / grid if grid else float("nan"),
    }


def _best_of_grid(
    look: MatrixLook, pictures: Pictures, labels: np.ndarray, passes: int, required: float
) -> dict[str, str | float]:
    """Find the pair of known transformations that displaces most and holds."""
    count, left = len(pictures), passes
    mixed = np.random.default_rng(0).permutation(count)
    spatial, color, spatial_names, color_names = known_matrices()
    sizes = spatial_displacement(spatial)[:, None] + color_displacement(color)
    few = pictures.images[mixed[:96]]  # in memory: they are looked at again and again
    # The largest first, each on more and more pictures for as long as it may still hold.
    for member in np.argsort(-sizes, axis=None, kind="stable").tolist():
        pair = np.unravel_index(member, sizes.shape)
        for number in (min(6, count), min(24, count), min(96, count), count):
            left -= number
            matrices = spatial[pair[0]][None], color[pair[1]][None]
            part = few[:number] if number < count else pictures.images
            true = labels[mixed[:number]] if number < count else labels
            accuracy = float((look.predicted(part, *matrices) == true).mean())
            spread = np.sqrt(required * (1 - required) / number) if number < count else 0.0
            if accuracy < required - 2 * spread:
                break
        else:
            break  # it holds
        if left <= 0:
            pair, accuracy = (0, 0), float("nan")  # the identity
            break
    return {
        "grid_spatial": spatial_names[pair[0]],
        "grid_color": color_names[pair[1]],
        "grid_displacement": float(sizes[pair]),
        "grid_accuracy": accuracy,
        "grid_passes": passes - left,
    }
