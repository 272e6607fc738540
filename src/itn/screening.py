"""Strategy 1, screening: what a classifier says of pictures transformed more and more.

References
----------
Bunne, Rahmann, Wolf (2018), sections 3.3 and 4.1.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import xarray as xr
from keras import ops

from itn.adaptive_magnitudes import (
    ADAPTIVE,
    check_precision,
    coarse_magnitudes,
    magnitude_grid,
    next_magnitudes,
)
from itn.classifiers import Classifier, batches
from itn.curves import join_categories
from itn.engines import compiled, fastest_batch_size, on_device, overlapped, usual_batch_size
from itn.files import own_path, whole_file
from itn.keras_settings import devices
from itn.messages import Progress, UsageError, shown, whole_number
from itn.pictures import Pictures
from itn.provenance import environment
from itn.softmax_sheets import Sheet, Sheets
from itn.transformations import (
    Transformation,
    check_pictures,
    find_transformation,
    noise_fields,
    seed_of,
)
from itn.warp import Tensor, check_fill

# From so many passes on it pays to find the batch size that is fastest here.
WORTH_TIMING = 3000
LARGEST_SEED = 2**63 - 1  # that a file of results can hold
# The identity has to reproduce the clean softmax to this: what the compiler makes of the warp may
# differ in the last bits. Where these are coarse, float16 and TensorFloat-32 keep 10, bfloat16 7.
CLEAN_TOLERANCE = {"float32": 1e-5, "float16": 2**-8, "bfloat16": 2**-5}


def screen(
    classifier: Classifier,
    pictures: Pictures,
    name: str,
    magnitudes: Sequence[float] | np.ndarray | str | None = None,
    *,
    precision: float | None = None,
    fill: str = "zeros",
    seed: int = 0,
    clip: bool = False,
    rivals: int = 12,
    batch_size: int | None = None,
    untouched: np.ndarray | None = None,
    pooled: bool = False,
    state: str | Path | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Screen a classifier with one transformation over pictures of one or more classes.

    Magnitudes are paired: each sees every picture, with the picture's own noise field. Where they
    are adaptive that is so within each category.

    Parameters
    ----------
    classifier : Classifier
        The network to screen.
    pictures : Pictures
        Pictures of the classifier's input size; each of their classes is one category.
    name : str
        Transformation, a key of `itn.TRANSFORMATIONS`.
    magnitudes : array of float [M] or "adaptive", optional
        In the transformation's unit, by default its full sweep. They are sorted, and the
        identity is added where it is missing. "adaptive" looks coarsely over the same range, and
        then in between, for each category where its thresholds or their intervals lie; see Notes.
    precision : float, optional
        For adaptive magnitudes: how far apart they may stay around a threshold, however narrow
        its interval is. In the transformation's unit, but of factors in octaves, steps of 2;
        by default the step of the full sweep.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside a picture, see `itn.warp.affine_warp`.
    seed : int, default 0
        Seed of the noise, not negative.
    clip : bool, default False
        Whether to clip transformed pictures to [0, 1]. The paper does not say.
    rivals : int, default 12
        At most how many rivals are kept for each category: the classes, other than the true
        one, whose mean softmax rises highest anywhere in the sweep. Figures draw three of them;
        the intervals of `itn.thresholds` look at all.
    batch_size : int, optional
        Pictures per forward pass, by default what is fastest here for this network: timed once
        where the screening is long, else 8.
    untouched : array of float32 [N, K], optional
        Softmax of the pictures as they are, from `Classifier.predict`, where several
        transformations are screened: it is what the identity says, and is looked at only once.
    pooled : bool, default False
        Whether to keep only what is said of each picture, for accuracy over all classes together:
        pictures of different classes are looked at side by side, which pays where each has few,
        and no means or rivals are kept. Magnitudes cannot be adaptive then.
    state : str or Path, optional
        Folder, made if need be, in which each pass is kept: the same call goes on from there
        after a kill and returns the same bits. Whoever names it deletes it.
    progress : bool, default True
        Whether to show a progress bar when it takes more than two seconds.

    Returns
    -------
    xarray.Dataset
        Its attributes say how it was made; `itn.save_screening` saves it.

        - ``softmax`` (image, magnitude): softmax of the true class;
        - ``rival_softmax`` (image, rank, magnitude): of the rivals of the image's category;
        - ``predicted`` (image, magnitude): index of the class with the highest softmax;
        - ``mean_softmax`` (category, magnitude, class): mean over the category's pictures;
        - ``rival`` (category, rank), ``target`` (category): indices of classes;
        - ``label`` (image): index of the category;
        - ``screened`` (category, magnitude), only where magnitudes were adaptive for several
          categories: whether it was looked at. Where not, softmax is NaN and ``predicted`` -1;
        - ``place`` (image, magnitude), only where pooled, in place of ``rival_softmax``,
          ``mean_softmax`` and ``rival``: how many classes come before the true one. At 0 it is
          right, below 5 among the first five.

    Raises
    ------
    UsageError
        Before the first pass: for what is unknown or out of range, pictures that do not fit, a
        broken file, or too little space for temporary ones. After it, naming the picture: if an
        answer is no number, or the identity does not reproduce that to the untouched picture.

    Notes
    -----
    Adaptive magnitudes are the identity, both ends of the full sweep, a quarter of the way to
    them, and then, again and again, one between any two that are farther apart than ``precision``
    and than 1.25 times the width of a threshold's interval, where that interval or the threshold
    lies, for both criteria of `itn.thresholds`. They are those of the full sweep, whose steps are
    halved where ``precision`` is finer, and give the same bits there.

    The first failure is what counts, but only one that is seen. What is lost and comes back between
    two magnitudes that hold, as an object may that looks the same from several sides, is missed; so
    may be all that `itn.plot_softmax` shows far from the thresholds, where lines are straight.

    Examples
    --------
    >>> from itn.pictures import Pictures
    >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> classifier = Classifier(network, lambda x: 5 * x, 8, ("red", "green", "blue"))
    >>> images = np.zeros((2, 8, 8, 3), "float32")
    >>> images[..., 0] = 1
    >>> pictures = Pictures(images, np.zeros(2, int), ("red",), ("red/a.png", "red/b.png"), "demo")
    >>> screening = screen(classifier, pictures, "contrast", [1, 0.5])
    >>> screening.softmax.mean("image").values.round(3)
    array([0.859, 0.987], dtype=float32)
    """
    transformation = find_transformation(name)
    check_fill(fill)
    _check_options(classifier, pictures, rivals, batch_size, untouched, seed)
    targets = checked_targets(classifier, pictures)
    plan = _plan(transformation, classifier.input_size, magnitudes, precision)
    if pooled and plan.attributes:
        raise UsageError(f"pooled pictures have the same magnitudes: not '{ADAPTIVE}'")
    counts = [len(pictures)] if pooled else np.bincount(pictures.labels).tolist()
    attributes = {
        "transformation": name,
        "identity": transformation.identity,
        "fill": fill,
        "seed": seed,
        "clip": int(clip),
        **plan.attributes,
        **made_from(classifier, pictures),
        **({"pooled": 1} if pooled else {}),
    }

    def transformed(
        images: Tensor, magnitude: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        if magnitude is not None:
            images = transformation.apply(images, magnitude, fill, noise)
        return ops.clip(images, 0, 1) if clip else images

    folder = None
    if state is not None:
        recipe = [attributes, plan.first.tolist(), len(classifier.class_names)]
        digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
        folder = own_path(state) / digest[:16]
        folder.mkdir(parents=True, exist_ok=True)
    look = Look(classifier, transformed)
    sweep = _Sweep(
        look, classifier, pictures, targets, transformation, plan, seed,
        _batch_size(batch_size, look, pictures, counts, plan.most, folder), untouched,
    )  # fmt: skip
    if pooled:
        screening = sweep.look_at_pooled(folder, progress)
    else:
        most = min(rivals, len(classifier.class_names) - 1)
        screening = sweep.look_at_all(most, folder, progress)
    screening.magnitude.attrs["units"] = transformation.unit
    return screening.assign_attrs(attributes)


class Look:
    """What a classifier says of pictures that `change` makes of its inputs, in float32.

    What changes pictures is compiled for itself and the network once for all looks.
    """

    def __init__(self, classifier: Classifier, change: Callable[..., Tensor]) -> None:
        self.prepare = compiled(lambda inputs: classifier.preprocess(change(**inputs)))
        self.network = classifier.compiled

    def softmax(self, inputs: Mapping[str, Tensor]) -> npt.NDArray[np.float32]:
        """Return the softmax [N, K] of one batch."""
        softmax: npt.NDArray[np.float32] = self.network.predict_on_batch(self.prepare(inputs))
        return softmax


def batch_inputs(pictures: Pictures, rows: np.ndarray, name: str, seed: int) -> dict[str, Tensor]:
    """Bring some pictures to where they are transformed, with the noise that belongs to each."""
    paths = [pictures.paths[row] for row in rows]
    images = np.asarray(pictures.images[rows])
    check_pictures(images, paths)
    inputs = {"images": on_device(images)}
    if name == "noise":
        fields = noise_fields([seed_of(seed, path) for path in paths], images.shape[1:])
        inputs["noise"] = on_device(fields)
    return inputs


@dataclass(frozen=True)
class _Plan:
    """Under which magnitudes pictures are looked at."""

    first: np.ndarray  # for every category
    most: int  # that there would be without adapting, about
    then: Callable[[xr.Dataset], np.ndarray]  # what a category has shown so far -> further ones
    attributes: dict[str, Any]  # what the screening says of them


def _plan(
    transformation: Transformation,
    width: int,
    magnitudes: Sequence[float] | np.ndarray | str | None,
    precision: float | None,
) -> _Plan:
    """Decide under which magnitudes to look, or refuse what cannot be."""
    adaptive = isinstance(magnitudes, str)
    if adaptive and magnitudes != ADAPTIVE:
        raise UsageError(f"magnitudes must be numbers or '{ADAPTIVE}', got '{shown(magnitudes)}'")
    if precision is not None and not adaptive:
        raise UsageError(f"precision is that of magnitudes='{ADAPTIVE}'")
    sweep = transformation.sweep(width)
    if adaptive:
        finest = check_precision(precision, transformation, sweep)
        then = partial(
            next_magnitudes, grid=magnitude_grid(sweep, transformation, finest), precision=finest
        )
        first = coarse_magnitudes(sweep, transformation)
        return _Plan(first, len(sweep), then, {"magnitudes": ADAPTIVE, "precision": finest})
    if magnitudes is not None:
        checked = transformation.checked(magnitudes).reshape(-1)
        sweep = np.union1d(checked, [transformation.identity])
    return _Plan(sweep, len(sweep), lambda seen: sweep[:0], {})


@dataclass(frozen=True)
class _Sweep:
    """The pictures of a screening under every magnitude."""

    look: Look
    classifier: Classifier
    pictures: Pictures
    targets: np.ndarray  # logit of each category
    transformation: Transformation
    plan: _Plan
    seed: int
    batch_size: int
    untouched: np.ndarray | None  # softmax [N, K] of pictures as they are, where that is known

    def look_at_all(self, rivals: int, state: Path | None, progress: bool) -> xr.Dataset:
        """Return the screening, without its attributes."""
        counts = np.bincount(self.pictures.labels).tolist()
        with self._sheets(state, counts) as sheets, self._bar(progress) as bar:
            parts = [
                self.look_at_category(category, rivals, sheets, bar)
                for category in range(len(counts))
            ]
        return join_categories(parts, self._labels, self._names)

    def look_at_pooled(self, state: Path | None, progress: bool) -> xr.Dataset:
        """Return what is said of each picture, whatever its category; a batch has a sheet."""
        magnitudes, targets = self.plan.first, self.targets[self.pictures.labels]
        both = batches(len(targets), self.batch_size)
        shape = len(targets), len(magnitudes)
        softmax = np.empty(shape, np.float32)
        predicted, place = np.empty(shape, np.int32), np.empty(shape, np.int32)
        counts = [stop - start for start, stop in both]
        with self._sheets(state, counts) as sheets, self._bar(progress) as bar:
            for number, (start, stop) in enumerate(both):
                batch = np.arange(start, stop)
                said = sheets.open(number, magnitudes).rows(0, len(batch))
                self.look_at(batch, magnitudes, said, number == 0)
                bar.update(len(batch) * len(magnitudes))
                target = targets[batch, None, None]
                own = np.take_along_axis(said, target, axis=2)
                # Of classes with the same softmax the first is predicted.
                sooner = np.arange(said.shape[2]) < target
                softmax[batch], predicted[batch] = own[..., 0], said.argmax(axis=2)
                place[batch] = ((said > own) | (sooner & (said == own))).sum(axis=2)
        return xr.Dataset(
            {
                "softmax": (("image", "magnitude"), softmax),
                "predicted": (("image", "magnitude"), predicted),
                "place": (("image", "magnitude"), place),
                "target": ("category", self.targets),
                "label": ("image", self._labels),
            },
            coords={"magnitude": magnitudes, **self._names},
        )

    @property
    def _labels(self) -> npt.NDArray[np.int32]:
        return np.asarray(self.pictures.labels, np.int32)

    @property
    def _names(self) -> dict[str, list[str]]:
        return {
            "image": list(self.pictures.paths),
            "category": list(self.pictures.class_names),
            "class": list(self.classifier.class_names),
        }

    def _sheets(self, state: Path | None, counts: Sequence[int]) -> "closing[Sheets]":
        return closing(Sheets(state, counts, self.plan.first, len(self.classifier.class_names)))

    def _bar(self, progress: bool) -> Progress:
        return Progress(
            total=len(self.pictures) * len(self.plan.first),
            desc=f"{self.classifier.name}, {self.transformation.name}",
            unit="pass",
            delay=2,
            disable=not progress,
        )

    def look_at_category(
        self, category: int, rivals: int, sheets: Sheets, bar: Progress
    ) -> xr.Dataset:
        """Return the screening of one category, in rounds where magnitudes are adaptive."""
        members = np.flatnonzero(self.pictures.labels == category)
        wanted = self.plan.first
        looked: list[tuple[np.ndarray, Sheet]] = []
        while len(wanted):
            # The rivals are known only after the sweep. What they are chosen from lies on disk, so
            # that memory does not grow with the number of pictures.
            sheet = sheets.open(category, wanted)
            if looked:
                bar.total = (bar.total or 0) + len(members) * len(wanted)
            for start, stop in batches(len(members), self.batch_size):
                first = not looked and start == 0
                self.look_at(members[start:stop], wanted, sheet.rows(start, stop), first)
                bar.update((stop - start) * len(wanted))
            looked.append((wanted, sheet))
            found = self.summary(category, rivals, looked)
            wanted = self.plan.then(found)
        return found

    def summary(
        self, category: int, rivals: int, looked: Sequence[tuple[np.ndarray, Sheet]]
    ) -> xr.Dataset:
        """Return what was said of one category so far."""
        magnitudes = np.sort(np.concatenate([wanted for wanted, _ in looked]))
        images, classes = looked[0][1].shape[0], looked[0][1].shape[2]
        target = self.targets[category]

        def rows() -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
            for wanted, sheet in looked:
                columns = np.searchsorted(magnitudes, wanted)
                for start, stop in batches(images, self.batch_size):
                    yield slice(start, stop), columns, sheet.rows(start, stop)

        total = np.zeros((len(magnitudes), classes))
        softmax = np.empty((images, len(magnitudes)), np.float32)
        predicted = np.empty((images, len(magnitudes)), np.int32)
        rival_softmax = np.empty((images, rivals, len(magnitudes)), np.float32)
        for batch, columns, said in rows():
            for of_one in said:  # one by one: not another sum for another batch size
                total[columns] += of_one
            softmax[batch, columns] = said[:, :, target]
            predicted[batch, columns] = said.argmax(axis=2)
        mean = total / images
        peaks = mean.max(axis=0)
        peaks[target] = -1
        rival = np.argsort(-peaks, kind="stable")[:rivals].astype(np.int32)
        for batch, columns, said in rows():
            rival_softmax[batch, :, columns] = said[:, :, rival].transpose(0, 2, 1)
        return xr.Dataset(
            {
                "softmax": (("image", "magnitude"), softmax),
                "rival_softmax": (("image", "rank", "magnitude"), rival_softmax),
                "predicted": (("image", "magnitude"), predicted),
                "mean_softmax": (("category", "magnitude", "class"), mean[None].astype("f4")),
                "rival": (("category", "rank"), rival[None]),
                "target": ("category", self.targets[[category]]),
                "label": ("image", np.zeros(images, np.int32)),
            },
            coords={"magnitude": magnitudes, "category": [self.pictures.class_names[category]]},
            attrs={"transformation": self.transformation.name},
        )

    def look_at(
        self, batch: np.ndarray, magnitudes: np.ndarray, said: np.ndarray, first: bool
    ) -> None:
        """Write the softmax [B, M, K] of one batch of pictures where it is not yet in `said`."""
        missing = np.flatnonzero(np.isnan(said).any(axis=(0, 2))).tolist()
        if not missing and not first:
            return
        # A last batch that is not full is filled up, so that nothing is compiled twice.
        full = np.resize(batch, self.batch_size)
        paths = [self.pictures.paths[index] for index in full]
        # Once, not for every magnitude.
        inputs = batch_inputs(self.pictures, full, self.transformation.name, self.seed)
        identity = np.flatnonzero(magnitudes == self.transformation.identity)  # none, later
        if self.untouched is not None:
            untouched = self.untouched[batch]
        elif len(identity):
            as_they_are = {"images": inputs["images"]}
            untouched = self.look.softmax(as_they_are)[: len(batch)]
        if first and identity[0] not in missing:
            self._check_kept(said[:, identity[0]], untouched)

        def answer(index: int) -> None:
            if index in identity and not first:
                softmax = untouched
            else:
                magnitude = np.full((1, 1, 1, 1), magnitudes[index], np.float32)
                softmax = self.look.softmax(inputs | {"magnitude": magnitude})[: len(batch)]
            self._check(paths, softmax, magnitudes[index])
            if index in identity:
                self._check_identity(paths, softmax, untouched)
                softmax = untouched
            said[:, index] = softmax

        overlapped(answer, missing)

    def _check(self, paths: list[str], softmax: np.ndarray, magnitude: float) -> None:
        """Refuse what is no number."""
        wrong = np.flatnonzero(np.isnan(softmax).any(axis=1))
        if len(wrong):
            raise UsageError(
                f"{self.classifier.name} answers with nan to {paths[wrong[0]]}, "
                f"{self.transformation.name} by {magnitude:g}: its preprocessing or "
                "weights give no number there; a logarithm or a power may need clip=True, which "
                "keeps pictures in [0, 1]"
            )

    def _check_kept(self, kept: np.ndarray, untouched: np.ndarray) -> None:
        """Refuse to go on where another preprocessing or architecture, of these weights, began."""
        if np.abs(kept - untouched).max() > _clean_tolerance(self.classifier.network):
            raise UsageError(
                f"what is kept of a stopped screening is not what {self.classifier.name} says now: "
                "name another folder for the state"
            )

    def _check_identity(self, paths: list[str], softmax: np.ndarray, untouched: np.ndarray) -> None:
        """Refuse an identity that is none."""
        deviations = np.abs(softmax - untouched).max(axis=1)
        worst, tolerance = int(deviations.argmax()), _clean_tolerance(self.classifier.network)
        if not deviations[worst] <= tolerance:
            raise UsageError(
                f"{self.transformation.name} by {self.transformation.identity:g} should leave "
                f"{paths[worst]} as it is, but {self.classifier.name}'s softmax changed by "
                f"{deviations[worst]:.2g} (tolerance {tolerance:.2g})"
            )


def _batch_size(
    given: int | None,
    look: Look,
    pictures: Pictures,
    counts: list[int],
    magnitudes: int,
    state: Path | None,
) -> int:
    """Return the number of pictures that are looked at together, that of before if resumed."""
    kept = state / "batch_size" if state else None
    if kept and kept.exists():
        return int(kept.read_text("utf-8"))
    most = max(counts)
    if given is not None:
        size = min(given, most)
    else:
        if look.network.batch_size is None and len(pictures) * magnitudes >= WORTH_TIMING:
            image = np.asarray(pictures.images[:1])[0]
            look.network.batch_size = fastest_batch_size(
                lambda images: look.softmax({"images": images}), image, most
            )
        size = usual_batch_size(counts, look.network.batch_size)
    if kept:
        with whole_file(kept) as unfinished:
            unfinished.write_text(str(size), "utf-8")
    return size


def made_from(classifier: Classifier, pictures: Pictures) -> dict[str, Any]:
    """Say what looked at which pictures, and what computed that, for the attributes of a result."""
    return {
        "network": classifier.name,
        "weights_sha256": classifier.weights_hash(),
        "data": pictures.name,
        "data_sha256": pictures.data_hash,  # decodes every file: a broken one is found here
        "pictures": len(pictures),
        "pictures_left_out": json.dumps(pictures.left_out),
        **environment(),
    }


def _check_options(
    classifier: Classifier,
    pictures: Pictures,
    rivals: int,
    batch_size: int | None,
    untouched: np.ndarray | None,
    seed: int,
) -> None:
    """Refuse options that are out of range or do not fit."""
    if whole_number(seed, "seed") < 0 or seed > LARGEST_SEED:
        raise UsageError(f"seed must be from 0 to {LARGEST_SEED}, got {seed}")
    if whole_number(rivals, "rivals") < 1:
        raise UsageError(f"rivals must be at least 1, got {rivals}")
    if batch_size is not None and whole_number(batch_size, "batch_size") < 1:
        raise UsageError(f"batch_size must be at least 1, got {batch_size}")
    shape = len(pictures), len(classifier.class_names)
    if untouched is not None and np.shape(untouched) != shape:
        raise UsageError(
            f"untouched must be the softmax {list(shape)}, got {list(np.shape(untouched))}"
        )


def checked_targets(classifier: Classifier, pictures: Pictures) -> np.ndarray:
    """Return the logit of each category, or refuse what cannot be screened."""
    if not len(pictures):
        raise UsageError("there are no pictures to screen")
    classifier.check_size(pictures.images.shape)
    check_pictures(pictures.images, pictures.paths)
    targets = classifier.logits_of(pictures)
    if len(classifier.class_names) < 2:
        raise UsageError(f"{classifier.name} must have at least 2 classes")
    empty = set(range(len(targets))) - set(np.unique(pictures.labels).tolist())
    if empty:
        raise UsageError(f"class {pictures.class_names[min(empty)]} has no pictures")
    of_pictures = (*pictures.paths, *pictures.class_names, pictures.name)
    for name in (*of_pictures, *classifier.class_names, classifier.name):
        try:
            fits = b"\0" not in name.encode()
        except UnicodeEncodeError:
            fits = False
        if not fits:
            raise UsageError(
                f"{name!a} is a name that cannot be stored: it is not Unicode, or has a NUL"
            )
    return targets


def _clean_tolerance(network: keras.Model) -> float:
    """Return how far the softmax may stray, from the coarsest arithmetic in use."""
    used = set(_arithmetic(network))
    device = devices()[0]
    if "cpu" not in device.lower():  # there, float32 is multiplied in fewer bits by default
        used.add("bfloat16" if "tpu" in device.lower() else "float16")
    return max(CLEAN_TOLERANCE.get(dtype, CLEAN_TOLERANCE["float32"]) for dtype in used)


def _arithmetic(layer: keras.Layer) -> Iterator[str]:
    yield layer.compute_dtype
    for inner in getattr(layer, "layers", ()):
        yield from _arithmetic(inner)
