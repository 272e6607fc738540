"""Families of transformations: what a classifier says of them, and how learned ones compare.

A *family* is a set of members, each an affine and a color matrix. The learned family of an
`itn.InvariantTransformerNet` has a member for each pair of control vectors. It is compared with
random matrices that displace as much, and with the package's own transformations. Pictures are
looked at in batches, so that streamed ones never are in memory all at once.
"""

from collections.abc import Iterator

import keras
import numpy as np
import numpy.typing as npt
import xarray as xr
from keras import ops

from itn.classifiers import Classifier, batches
from itn.images import Images, Pictures
from itn.invariant_transformer import InvariantTransformerNet, in_pixels, recolor
from itn.matrices import (
    Matrix,
    color_displacement,
    known_matrices,
    scaled_to,
    spatial_displacement,
)
from itn.messages import Progress, UsageError
from itn.thresholds import accuracy_interval
from itn.warp import Tensor, affine_warp, fused

FACTORS = 2.0 ** np.arange(-3, 2.51, 0.5)  # by which families are shrunk and stretched
FAMILIES = ("learned", "random")
BATCH_SIZE = 64


class MatrixLook(keras.Model):
    """What a classifier says of pictures, each under matrices of its own.

    Parameters
    ----------
    classifier : Classifier
        Who looks.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside a picture.

    Examples
    --------
    >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> look = MatrixLook(Classifier(network, lambda x: 5 * x, 8, ("red", "green", "blue")))
    >>> red_to_blue = np.roll(np.eye(3, 4), -1, axis=0)
    >>> red = np.zeros((1, 8, 8, 3), "float32") + np.array([1, 0, 0], "float32")
    >>> look.softmax(red, np.eye(2, 3)[None], red_to_blue[None]).round(2).tolist()
    [[0.009999999776482582, 0.009999999776482582, 0.9900000095367432]]
    """

    def __init__(self, classifier: Classifier, fill: str = "zeros") -> None:
        super().__init__(name="matrix_look", dtype="float32")
        self.classifier, self.network = classifier, classifier.network

        def prepare(images: Tensor, spatial: Tensor, color: Tensor) -> Tensor:
            warped = affine_warp(images, in_pixels(spatial, images.shape), fill)
            return classifier.preprocess(recolor(warped, color))

        self.prepare = fused(prepare)
        self.compile(jit_compile=keras.backend.backend() != "tensorflow")

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return the softmax of transformed pictures.

        Parameters
        ----------
        inputs : dict with the keys "images", "spatial" and "color"
            Pictures [N, H, W, 3] and matrices [N, 2, 3] and [N, 3, 4].

        Returns
        -------
        tensor [N, K]
            Softmax.
        """
        logits = self.network(self.prepare(**inputs), training=False)
        return ops.softmax(ops.cast(logits, "float32"))

    def softmax(
        self, images: Images, spatial: npt.ArrayLike, color: npt.ArrayLike
    ) -> npt.NDArray[np.float32]:
        """Return the softmax of many transformed pictures.

        Parameters
        ----------
        images : array [N, H, W, 3], float32, or PictureFiles
            Pictures.
        spatial : array [N or 1, 2, 3]
            Affine matrices, see `itn.matrices`.
        color : array [N or 1, 3, 4]
            Color matrices.

        Returns
        -------
        ndarray [N, K], float32
            Softmax.

        Raises
        ------
        UsageError
            If it is not a number.
        """
        return np.concatenate(list(self._batches(images, spatial, color)))

    def predicted(
        self, images: Images, spatial: npt.ArrayLike, color: npt.ArrayLike
    ) -> npt.NDArray[np.int64]:
        """Return the logits that win for many transformed pictures.

        Parameters
        ----------
        images, spatial, color : array
            As for `softmax`, of which only one batch is held at a time.

        Returns
        -------
        ndarray [N], int
            Indices of logits.

        Raises
        ------
        UsageError
            If a softmax is not a number.
        """
        parts = self._batches(images, spatial, color)
        return np.concatenate([softmax.argmax(axis=1) for softmax in parts])

    def _batches(
        self, images: Images, spatial: npt.ArrayLike, color: npt.ArrayLike
    ) -> Iterator[npt.NDArray[np.float32]]:
        count = len(images)
        matrices = {
            name: np.broadcast_to(np.asarray(given, np.float32), (count, *np.shape(given)[1:]))
            for name, given in (("spatial", spatial), ("color", color))
        }
        for rows, number in _full_batches(count):
            inputs = {"images": images[rows]} | {n: m[rows] for n, m in matrices.items()}
            softmax = self.predict_on_batch(inputs)[:number]
            if not np.isfinite(softmax).all():
                wrong = rows[np.flatnonzero(~np.isfinite(softmax).all(axis=1))[0]]
                raise UsageError(
                    f"{self.classifier.name} gives no number for picture {wrong} under "
                    f"{matrices['spatial'][wrong].tolist()} and {matrices['color'][wrong].tolist()}"
                )
            yield softmax


def _full_batches(count: int) -> Iterator[tuple[np.ndarray, int]]:
    """Split rows into batches of one size, so that nothing is compiled twice.

    With each comes how many of its rows count: the last batch is filled up with some twice.
    """
    size = min(BATCH_SIZE, count)
    for start, stop in batches(count, size):
        yield np.resize(np.arange(start, stop), size), stop - start


def sliders(net: InvariantTransformerNet, steps: int = 5) -> xr.Dataset:
    """Return control vectors that move one control value at a time, and all of a kind together.

    Parameters
    ----------
    net : InvariantTransformerNet
        Net.
    steps : int, default 5
        Number of values from 0 to 1.

    Returns
    -------
    xarray.Dataset
        ``alpha`` (member, p) and ``beta`` (member, q), the others at 1/2; coordinates
        ``slider`` ("alpha 1" …, "alpha", "beta 1" …, "beta") and ``value`` of each member.

    Examples
    --------
    >>> sliders(net).sizes["member"]  # doctest: +SKIP
    50
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

    Parameters
    ----------
    net : InvariantTransformerNet
        Trained net.
    members : xarray.Dataset
        Control vectors, ``alpha`` (member, p) and ``beta`` (member, q), e.g. from `sliders`.
    pictures : Pictures
        Pictures that nothing was trained on.
    progress : bool, default True
        Whether to show a progress bar when it takes more than two seconds.

    Returns
    -------
    xarray.Dataset
        `members` with ``spatial_matrix`` (member, 2, 3), ``color_matrix`` (member, 3, 4),
        ``right`` and ``consistent`` (member): how many of the ``pictures`` (an attribute) are
        classified correctly, and as without any transformation.

    Examples
    --------
    >>> survey(net, sliders(net), pictures)  # doctest: +SKIP
    """
    look = MatrixLook(net.classifier, net.options["fill"])
    labels = net.classifier.logits_of(pictures)[pictures.labels]
    spatial, color = family_matrices(net, members.alpha.values, members.beta.values)
    right, consistent = np.zeros((2, len(spatial)), int)
    whole = list(_full_batches(len(pictures)))
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

    Parameters
    ----------
    net : InvariantTransformerNet
        Trained net.
    pictures : Pictures
        Pictures to compare on.
    passes : int
        Number of forward passes for each of the two baselines, such as training took.
    seed : int, default 0
        Of the control vectors and random directions.

    Returns
    -------
    xarray.Dataset
        ``right`` (family, factor): how many of ``passes_each`` (an attribute) passes, over so
        many different ``pictures`` (an attribute), are classified correctly;
        ``spatial_displacement`` and ``color_displacement`` (family, factor), means. As
        attributes the largest member of the grid, a spatial and a color transformation of
        `itn.matrices.known_matrices`, whose accuracy on all pictures is the required one:
        ``grid_spatial``, ``grid_color``, ``grid_displacement`` (spatial plus color),
        ``grid_accuracy``, ``grid_passes``; the identity if these were used up before.

    Examples
    --------
    >>> compare_families(net, pictures, passes=10_000)  # doctest: +SKIP
    """
    look = MatrixLook(net.classifier, net.options["fill"])
    each = passes // len(FACTORS)
    if each < 1:
        raise UsageError(f"passes must be at least {len(FACTORS)}, got {passes}")
    rows = np.resize(np.arange(len(pictures)), each)
    labels = net.classifier.logits_of(pictures)[pictures.labels]
    controls = map(ops.convert_to_numpy, net.draw_controls(each, seed))
    learned = family_matrices(net, *controls)
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
    for places, number in _full_batches(each):  # outside, so that each picture is read once
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

    Parameters
    ----------
    comparison : xarray.Dataset
        From `compare_families`.
    family : {"learned", "random"}
        Which.
    pictures : int, optional
        How many different pictures there were, where an older comparison does not say.

    Returns
    -------
    accuracy, low, high : ndarray [factors]
        In [0, 1].

    Notes
    -----
    Passes over one picture are no independent witnesses. The interval is Clopper and Pearson's
    for as many trials as there are pictures (where some are looked at more often than others,
    for :math:`(\sum w)^2 / \sum w^2` for looks w), as if all passes over a picture agreed. That
    is the widest it can be: a mean of values in [0, 1] varies at most as one of zeros and ones.

    Examples
    --------
    >>> comparison = xr.Dataset(
    ...     {"right": (("family", "factor"), [[16]])},
    ...     coords={"family": ["random"], "factor": [1.0]},
    ...     attrs={"passes_each": 20, "pictures": 10},
    ... )
    >>> [limit.round(3).tolist() for limit in family_accuracy(comparison, "random")]
    [[0.8], [0.444], [0.975]]
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

    Parameters
    ----------
    comparison : xarray.Dataset
        From `compare_families`.
    family : {"learned", "random"}
        Which.

    Returns
    -------
    float
        The factor, interpolated over its logarithm; infinite if it is not lost as far as was
        looked, NaN if already the smallest factor loses it.

    Examples
    --------
    >>> comparison = xr.Dataset(
    ...     {"right": (("family", "factor"), [[10, 8, 0]])},
    ...     coords={"family": ["random"], "factor": [1.0, 2, 4]},
    ...     attrs={"passes_each": 10, "required_accuracy": 0.8},
    ... )
    >>> largest_factor(comparison, "random")
    2.0
    """
    margin = (
        comparison.right.sel(family=family).values / comparison.attrs["passes_each"]
        - comparison.attrs["required_accuracy"]
    )
    position = np.log(comparison.factor.values)
    failed = np.flatnonzero(margin < 0)
    if not len(failed):
        return float("inf")
    if failed[0] == 0:
        return float("nan")
    outside, inside = failed[0], failed[0] - 1
    share = margin[inside] / (margin[inside] - margin[outside])
    return float(np.exp(position[inside] + share * (position[outside] - position[inside])))


def displacement_at_required(comparison: xr.Dataset, family: str) -> float:
    """Return how far a family displaces where it holds just the required accuracy.

    Parameters
    ----------
    comparison : xarray.Dataset
        From `compare_families`.
    family : {"learned", "random"}
        Which.

    Returns
    -------
    float
        Spatial plus color displacement, which grow in proportion to the factor; infinite or
        NaN as `largest_factor`.

    Examples
    --------
    >>> displacement_at_required(comparison, "learned")  # doctest: +SKIP
    """
    own = comparison.sel(family=family, factor=1)
    as_learned = float(own.spatial_displacement + own.color_displacement)
    return largest_factor(comparison, family) * as_learned


def displacement_ratios(comparison: xr.Dataset) -> dict[str, float]:
    """Return how much farther the learned family goes than what it is compared with.

    Parameters
    ----------
    comparison : xarray.Dataset
        From `compare_families`.

    Returns
    -------
    dict of str to float
        Of the mean displacements, all at the required accuracy: ``to_random``, the learned
        family over the random one, ``to_grid``, over the grid's largest member that holds it.
        Above 1 the learned family goes farther. Infinite where the learned family does not lose
        the accuracy as far as was looked, NaN where there is nothing to compare it with.

    Examples
    --------
    >>> displacement_ratios(comparison)  # doctest: +SKIP
    """
    learned = displacement_at_required(comparison, "learned")
    random = displacement_at_required(comparison, "random")
    grid = comparison.attrs["grid_displacement"]
    return {
        "to_random": learned / random if np.isfinite(random) else float("nan"),
        "to_grid": learned / grid if grid else float("nan"),
    }


def family_matrices(
    net: InvariantTransformerNet, alpha: np.ndarray, beta: np.ndarray
) -> tuple[Matrix, Matrix]:
    """Return the matrices of a net's learned family.

    Parameters
    ----------
    net : InvariantTransformerNet
        Net.
    alpha, beta : ndarray [M, p] and [M, q]
        Control vectors of the members.

    Returns
    -------
    spatial, color : ndarray [M, 2, 3] and [M, 3, 4]
        See `itn.matrices`.

    Examples
    --------
    >>> spatial, color = family_matrices(net, alpha, beta)  # doctest: +SKIP
    """
    spatial, color = net.spatial.matrix(alpha), net.color.matrix(beta)
    return np.asarray(spatial, float), np.asarray(color, float)


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
