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
from itn.study.matrices import scaled_to
from itn.study.measured import Looks, best_of_grid, sizes_of
from itn.warp import affine_warp, in_pixels, recolor

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


def weights_of(net: InvariantTransformerNet) -> xr.Dataset:
    """Return all that decides a learned family: the weights of both transformers.

    ``spatial_hidden_kernel`` … ``color_entries_bias``: two dense layers of each. That is so of a
    net without the options beyond the paper.
    """
    weights: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for kind, transformer in (("spatial", net.spatial), ("color", net.color)):
        for layer, inputs, outputs in (("hidden", "control", "unit"), ("entries", "unit", "entry")):
            kernel, bias = getattr(transformer, layer).get_weights()
            over = (f"{kind}_{inputs}", f"{kind}_{outputs}")
            weights[f"{kind}_{layer}_kernel"] = (over, kernel)
            weights[f"{kind}_{layer}_bias"] = (over[1:], bias)
    return xr.Dataset(weights)


def set_weights(net: InvariantTransformerNet, weights: xr.Dataset) -> None:
    """Give a net the weights that `weights_of` told of another."""
    for kind, transformer in (("spatial", net.spatial), ("color", net.color)):
        for layer in ("hidden", "entries"):
            names = (f"{kind}_{layer}_{part}" for part in ("kernel", "bias"))
            getattr(transformer, layer).set_weights([weights[name].values for name in names])


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
    net: InvariantTransformerNet,
    chosen_on: Pictures,
    reported_on: Pictures,
    share: float,
    passes: int,
    seed: int = 0,
) -> xr.Dataset:
    """Compare the learned family with random matrices and with a grid of known ones.

    Members are drawn anew for every picture, the same at each factor. A random member has the
    spatial and color displacement of a learned one, but entries in random directions. Both
    families are shrunk and stretched about the identity by common factors.

    ``right`` (family, factor) counts passes over the pictures to report on, of ``passes_each`` over
    so many different ``pictures`` (attributes). The ``required_accuracy`` is the ``share`` of what
    it is on these pictures untouched. The attributes ``grid_…`` tell the largest member of the grid
    that keeps that share of the accuracy on the pictures to choose by, and its accuracy on the
    others; its name is "" if the passes were used up before.
    """
    judge = Looks(net, reported_on)
    chooser = Looks(net, chosen_on, judge.look)
    each = passes // len(FACTORS)
    if each < 1:
        raise UsageError(f"passes must be at least {len(FACTORS)}, got {passes}")
    rows = np.resize(np.arange(len(reported_on)), each)
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
        images, true = reported_on.images[rows[places]], judge.labels[rows[places]]
        for member, matrices in moved.items():
            said = judge.look.predicted(images, *(matrix[places] for matrix in matrices))
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
            "pictures": min(each, len(reported_on)),
            "required_accuracy": share * judge.clean_accuracy,
            **_best_of_grid(chooser, judge, share, passes),
        },
    )


def _best_of_grid(
    chooser: Looks, judge: Looks, share: float, passes: int
) -> dict[str, str | float]:
    levels = {"accuracy": share * chooser.clean_accuracy}
    (found,), used = best_of_grid(chooser, "both", passes, levels)
    if found is None:
        displacement, accuracy = 0.0, float("nan")
    else:
        matrices = found.spatial, found.color
        displacement = sizes_of("both", *matrices).item()
        accuracy = float(judge.hits(*matrices, np.arange(len(judge.labels)))[0].mean())
    return {
        "grid_member": "" if found is None else found.name,
        "grid_displacement": displacement,
        "grid_accuracy": accuracy,
        "grid_passes": used,
    }


def sample_transformers(
    net: InvariantTransformerNet, images: np.ndarray, names: list[str], steps: int = 5
) -> xr.Dataset:
    """Say what a classifier says of a few pictures when all control values of a kind move.

    The slider "alpha" or "beta" moves, with all values of the other kind at 1/2.
    """
    value = np.linspace(0, 1, steps, dtype="float32")
    moved, still = value[:, None], np.full((steps, 1), 0.5, "float32")
    spatial, color = (
        np.stack([np.asarray(layer.matrix(c.repeat(layer.control_dim, 1))) for c in controls])
        for layer, controls in ((net.spatial, (moved, still)), (net.color, (still, moved)))
    )
    look = MatrixLook(net.classifier, net.options["fill"])
    softmax = np.stack(
        [
            look.softmax(
                image[None].repeat(2 * steps, 0), spatial.reshape(-1, 2, 3), color.reshape(-1, 3, 4)
            )
            for image in images
        ]
    ).reshape(len(images), 2, steps, -1)
    said = np.array(net.classifier.class_names)[softmax.argmax(axis=-1)]
    return xr.Dataset(
        {
            "spatial_matrix": (("slider", "value", "row", "column"), spatial),
            "color_matrix": (("slider", "value", "channel", "channel_or_1"), color),
            "predicted": (("picture", "slider", "value"), said),
            "softmax": (("picture", "slider", "value"), softmax.max(axis=-1)),
        },
        coords={"picture": names, "slider": ["alpha", "beta"], "value": value},
        attrs={"fill": net.options["fill"]},
    )


def transformed_samples(samples: xr.Dataset, images: np.ndarray) -> np.ndarray:
    """Transform pictures as samples say; runs no network."""
    spatial = samples.spatial_matrix.values.reshape(-1, 2, 3)
    color = samples.color_matrix.values.reshape(-1, 3, 4)
    shape = (*samples.spatial_matrix.shape[:2], *images.shape[1:])

    def transformed(image: np.ndarray) -> np.ndarray:
        copies = image[None].repeat(len(spatial), 0)
        warped = affine_warp(copies, in_pixels(spatial, copies.shape), samples.attrs["fill"])
        return np.asarray(recolor(warped, color)).reshape(shape)

    return np.stack([transformed(image) for image in images])
