"""The worst case: for each picture, the joint transformation that comes closest to losing it.

A mean over pictures hides how many of them are lost *somewhere* in a range, and a sweep along one
transformation hides what two small ones do together.

References
----------
Engstrom, Tran, Tsipras, Schmidt, Madry (2019), Exploring the Landscape of Spatial Robustness.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.ndimage import minimum_filter

from itn.classifiers import Classifier
from itn.joint_transformations import Numbers, Range, checked_ranges, joint_matrices
from itn.looks import MatrixLook, full_batches
from itn.messages import Progress, UsageError, whole_number
from itn.pictures import Pictures
from itn.screening import checked_targets, made_from
from itn.transformations import check_pictures
from itn.warp import check_fill

STAGES = ("untouched", "grid", "local")
LARGEST_GRID = 100_000  # points for each picture
TINY = np.finfo(np.float32).tiny  # the least softmax that has a logarithm


def worst_case(
    classifier: Classifier,
    pictures: Pictures,
    ranges: Mapping[str, tuple[float, float]],
    counts: int | Mapping[str, int] = 5,
    *,
    starts: int = 3,
    rounds: int = 5,
    fill: str = "zeros",
    progress: bool = True,
) -> xr.Dataset:
    """Look for the joint transformation, within ranges, that each picture stands worst.

    First under all points of a grid, the same for every picture, then from the worst of these on,
    step by step to what is worse still. What is found is a bound: there may be worse.

    Parameters
    ----------
    classifier : Classifier
        The network to look with.
    pictures : Pictures
        Pictures of the classifier's input size.
    ranges : dict of str to (float, float)
        The lowest and highest magnitude of each transformation; the identity lies between. All
        but blur and noise may be named, which are no matrices. They act in this order, but what
        moves pixels before what changes colors.
    counts : int or dict of str to int, default 5
        How many magnitudes the grid has along each range, evenly spaced, factors on a logarithmic
        scale; the identity is added where it is missing.
    starts : int, default 3
        From how many points of the grid, for each picture, the local search sets out: those that
        are worse than their neighbors, the worst ones first.
    rounds : int, default 5
        How often the local search tries a step to either side along every range. It takes a step
        that makes things worse. Steps begin at half the spacing of the grid, and are halved
        whenever none was taken. 0: no local search.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside a picture, see `itn.warp.affine_warp`.
    progress : bool, default True
        Whether to show a progress bar when it takes more than two seconds.

    Returns
    -------
    xarray.Dataset
        Its attributes say how it was made; ``passes`` counts the pictures that were looked at.

        - ``margin`` (image, stage): logit of the true class less the highest other one, the
          smallest that was found; right is what is above 0. A stage is "untouched", "grid" or
          "local", each with what was found before;
        - ``right`` (image, stage), and ``lost`` (image): right untouched, but not in the end;
        - ``magnitude`` (image, stage, transformation): where that is;
        - ``share`` (image): of all that lies within the ranges under which it is right, by the
          trapezoidal rule over the grid;
        - ``accuracy`` (one dimension for each range): share of the pictures that are right under
          a point of the grid;
        - ``label`` (image), ``target`` (category): position of the category, index of its class.

    Raises
    ------
    UsageError
        For what is unknown or out of range, pictures that do not fit, a grid of more than
        100,000 points; or if an answer is no number, naming the picture.

    Examples
    --------
    >>> import keras
    >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> classifier = Classifier(network, lambda x: 5 * x, 8, ("red", "green", "blue"))
    >>> images = np.zeros((1, 8, 8, 3), "float32")
    >>> images[..., 0] = 0.8
    >>> pictures = Pictures(images, np.zeros(1, int), ("red",), ("red/a.png",), "demo")
    >>> found = worst_case(classifier, pictures, {"contrast": (0.5, 2), "grayscale": (0, 0.5)})
    >>> found.margin.values.round(3)
    array([[4., 1., 1.]], dtype=float32)
    >>> found.magnitude.sel(stage="local").values
    array([[0.5, 0.5]])
    """
    check_fill(fill)
    targets = checked_targets(classifier, pictures)
    axes = checked_ranges(ranges, counts)
    search = _Search(axes, starts, rounds)
    attributes = {
        "ranges": json.dumps({axis.of.name: [axis.low, axis.high] for axis in axes}),
        "starts": search.starts,
        "rounds": search.rounds,
        "fill": fill,
        "passes": len(pictures) * search.passes,
        **made_from(classifier, pictures),
    }
    look, true = MatrixLook(classifier, fill), targets[pictures.labels]
    margin = np.empty((len(pictures), len(STAGES)), np.float32)
    magnitude = np.empty((*margin.shape, len(axes)))
    share, right = np.empty(len(pictures)), np.zeros(len(search.grid), int)
    with Progress(
        total=attributes["passes"], desc=f"{classifier.name}, worst case", unit="pass", delay=2,
        disable=not progress,
    ) as bar:  # fmt: skip
        for rows, number in full_batches(len(pictures)):
            names = [pictures.paths[row] for row in rows]
            images = np.asarray(pictures.images[rows])
            check_pictures(images, names)

            def leads(spatial: Numbers, color: Numbers) -> Numbers:
                bar.update(number)  # noqa: B023  # it is called before the next batch comes
                return lead(look.softmax(images, spatial, color, names), true[rows])  # noqa: B023

            found, *worst = search.look(leads)
            batch, holds = rows[:number], found[:number] > 0
            margin[batch], magnitude[batch] = (each[:number] for each in worst)
            share[batch] = holds @ search.weights
            right += holds.sum(axis=0)
    return xr.Dataset(
        {
            "margin": (("image", "stage"), margin),
            "right": (("image", "stage"), margin > 0),
            "lost": ("image", (margin[:, 0] > 0) & ~(margin[:, -1] > 0)),
            "magnitude": (("image", "stage", "transformation"), magnitude),
            "share": ("image", share),
            "accuracy": (tuple(ranges), (right / len(pictures)).reshape(search.shape)),
            "label": ("image", np.asarray(pictures.labels, np.int32)),
            "target": ("category", targets),
        },
        {
            "image": list(pictures.paths),
            "category": list(pictures.class_names),
            "stage": list(STAGES),
            "transformation": list(ranges),
        }
        | {each.of.name: (each.of.name, each.magnitudes, {"units": each.of.unit}) for each in axes},
        attributes,
    )


class _Search:
    """Under which magnitudes is looked, and what is made of the answers."""

    def __init__(self, ranges: Sequence[Range], starts: int, rounds: int) -> None:
        self.ranges, self.names = ranges, [each.of.name for each in ranges]
        self.shape = tuple(len(each.magnitudes) for each in ranges)
        if (size := math.prod(self.shape)) > LARGEST_GRID:
            raise UsageError(
                f"the grid has {size:,} points for each picture, more than {LARGEST_GRID:,}: ask "
                "for smaller counts or fewer ranges"
            )
        if whole_number(starts, "starts") < 1 or whole_number(rounds, "rounds") < 0:
            raise UsageError(f"starts must be at least 1 and rounds 0, got {starts} and {rounds}")
        self.starts, self.rounds = min(starts, size), rounds
        mesh = np.meshgrid(*(each.magnitudes for each in ranges), indexing="ij")
        self.grid = np.stack([each.ravel() for each in mesh], axis=1)  # [G, D]
        self.weights = np.ones(1)
        for each in ranges:
            self.weights = np.outer(self.weights, each.weights()).ravel()
        self.identity = np.array([each.of.identity for each in ranges])
        self.steps = [  # of each round: along which range, and where to
            (index, side) for index, one in enumerate(ranges) if one.spacing for side in (-1, 1)
        ]
        self.passes = size + self.starts * self.rounds * len(self.steps)  # of each picture

    def look(self, leads: Callable[[Numbers, Numbers], Numbers]) -> tuple[Numbers, ...]:
        """Return the margins [B, G] on the grid, the smallest of each stage, and where these are.

        `leads` tells margins [B] under matrices [1 or B, 2, 3] and color matrices [1 or B, 3, 4].
        """
        matrices = zip(*joint_matrices(self.names, self.grid), strict=True)
        found = np.stack([leads(spatial[None], color[None]) for spatial, color in matrices], axis=1)
        # Of all points that are no better than their neighbors, the worst.
        table = found.reshape(-1, *self.shape)
        valley = table == minimum_filter(table, (1, *[3] * len(self.shape)), mode="nearest")
        order = np.lexsort((found, ~valley.reshape(found.shape)), axis=1)[:, : self.starts]
        at, lowest = self.grid[order], np.take_along_axis(found, order, axis=1)
        after, least = self._descend(at, lowest, leads)
        best = np.arange(len(least)), least.argmin(axis=1)
        untouched = found[:, (self.grid == self.identity).all(axis=1).argmax()]
        margin = np.stack([untouched, lowest[:, 0], least[best]], axis=1)
        where = [np.broadcast_to(self.identity, at[:, 0].shape), at[:, 0], after[best]]
        return found, margin, np.stack(where, axis=1)

    def _descend(
        self, at: Numbers, lowest: Numbers, leads: Callable[[Numbers, Numbers], Numbers]
    ) -> tuple[Numbers, Numbers]:
        """Go from magnitudes [B, S, D] to where the margins [B, S] are smaller."""
        at, lowest = at.copy(), lowest.copy()
        length = np.full(lowest.shape, 0.5)  # of a step, in spacings of the grid
        for _ in range(self.rounds):
            moved = np.zeros(lowest.shape, bool)
            for index, side in self.steps:
                there = at.copy()
                there[..., index] = self.ranges[index].beside(at[..., index], side * length)
                tried = [leads(*joint_matrices(self.names, each)) for each in there.swapaxes(0, 1)]
                worse = np.stack(tried, axis=1) < lowest
                at[worse], lowest[worse] = there[worse], np.stack(tried, axis=1)[worse]
                moved |= worse
            length = np.where(moved, length, length / 2)
        return at, lowest


def lead(softmax: np.ndarray, target: np.ndarray) -> Numbers:
    """Return by how much the logit of the true class [B] is above the highest other one."""
    logits = np.log(np.maximum(softmax, TINY))
    true = np.take_along_axis(logits, target[:, None], axis=1)[:, 0]
    np.put_along_axis(logits, target[:, None], -np.inf, axis=1)
    return np.asarray(true - logits.max(axis=1))
