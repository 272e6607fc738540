"""Strategy 1, screening: what a classifier says of pictures transformed more and more.

References
----------
Bunne, Rahmann, Wolf (2018), sections 3.3 and 4.1.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import IO

import keras
import numpy as np
import xarray as xr
from keras import ops

from itn.classifiers import Classifier, batches
from itn.messages import Progress, UsageError
from itn.pictures import Pictures
from itn.provenance import environment
from itn.transformations import (
    Transformation,
    check_pictures,
    find_transformation,
    noise_fields,
    seed_of,
)
from itn.warp import Tensor, check_fill, fused

# The identity has to reproduce the clean softmax to this. Both are computed in batches of one size
# by one compiler; what it makes of the warp may still differ in the last bit. A few of the last
# bits decide where these are coarse: float16 and TensorFloat-32 keep 10, bfloat16 7.
CLEAN_TOLERANCE = {"float32": 1e-5, "float16": 2**-8, "bfloat16": 2**-5}

# (pictures [B, H, W, 3] and, where it is used, their noise; magnitude, None for pictures that
# are left untouched) -> softmax [B, K]
Step = Callable[[dict[str, Tensor], float | None], np.ndarray]


def screen(
    classifier: Classifier,
    pictures: Pictures,
    name: str,
    magnitudes: Sequence[float] | np.ndarray | None = None,
    *,
    fill: str = "zeros",
    seed: int = 0,
    clip: bool = False,
    rivals: int = 3,
    batch_size: int = 16,
    progress: bool = True,
) -> xr.Dataset:
    """Screen a classifier with one transformation over pictures of one or more classes.

    Every picture is looked at under every magnitude, so comparisons between magnitudes are
    paired; a picture keeps its noise field over all magnitudes.

    Parameters
    ----------
    classifier : Classifier
        The network to screen.
    pictures : Pictures
        Pictures of the classifier's input size; each of its classes is one category.
    name : str
        Transformation, a key of `itn.TRANSFORMATIONS`.
    magnitudes : array of float [M], optional
        Magnitudes in the transformation's unit; by default its full sweep. They are sorted,
        and the identity is added where it is missing.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside a picture, see `itn.warp.affine_warp`.
    seed : int, default 0
        Seed of the noise, not negative.
    clip : bool, default False
        Whether to clip transformed pictures to [0, 1]. The paper clips nothing.
    rivals : int, default 3
        Number R of rivals kept for each category: the classes, other than the true one, whose
        mean softmax over the category's pictures rises highest anywhere in the sweep. All of
        them where there are fewer.
    batch_size : int, default 16
        Pictures per forward pass.
    progress : bool, default True
        Whether to show a progress bar when it takes more than two seconds.

    Returns
    -------
    xarray.Dataset
        With the dimensions ``image`` (N, in the order given), ``magnitude`` (M),
        ``category`` (C), ``class`` (K) and ``rank`` (R):

        - ``softmax`` (image, magnitude): softmax of the true class;
        - ``rival_softmax`` (image, rank, magnitude): of the rivals of the image's category;
        - ``predicted`` (image, magnitude): index of the class with the highest softmax;
        - ``mean_softmax`` (category, magnitude, class): mean over the category's pictures;
        - ``rival`` (category, rank), ``target`` (category): indices of classes;
        - ``label`` (image): index of the category.

        Its attributes say how it was made. Save it with `itn.save_screening`.

    Raises
    ------
    UsageError
        For an unknown transformation, fill or class, a magnitude out of range, pictures of
        another size or range, names that cannot be stored, a file that is broken, or too little
        space for temporary files: all before the first pass. During the screening if the
        classifier answers with no number, or if the identity does not reproduce the softmax of
        the untouched pictures; it names the picture.

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
    classifier.check_size(pictures.images.shape)
    check_pictures(pictures.images, pictures.paths)
    targets = classifier.logits_of(pictures)
    if rivals < 1 or len(classifier.class_names) < 2:
        raise UsageError(
            f"rivals must be at least 1 and {classifier.name} have at least 2 classes, "
            f"got {rivals} and {len(classifier.class_names)}"
        )
    rivals = min(rivals, len(classifier.class_names) - 1)
    if batch_size < 1:
        raise UsageError(f"batch_size must be at least 1, got {batch_size}")
    empty = set(range(len(targets))) - set(np.unique(pictures.labels).tolist())
    if empty:
        raise UsageError(f"class {pictures.class_names[min(empty)]} has no pictures")
    _check_names(
        *pictures.paths, *pictures.class_names, pictures.name, *classifier.class_names,
        classifier.name,
    )  # fmt: skip
    largest = int(np.bincount(pictures.labels).max())
    batch_size = min(batch_size, largest)  # no more than there are
    sweep = _sweep(transformation, magnitudes, classifier.input_size)
    images, classes = len(pictures), len(classifier.class_names)
    attributes = {
        "transformation": name,
        "identity": transformation.identity,
        "fill": fill,
        "seed": seed,
        "clip": int(clip),
        "network": classifier.name,
        "weights_sha256": classifier.weights_hash(),
        "data": pictures.name,
        "data_sha256": pictures.data_hash,  # decodes every file: a broken one is found here
        "pictures": images,
        "pictures_left_out": json.dumps(pictures.left_out),
        **environment(),
    }
    step = _compiled_step(classifier, transformation, fill, clip)

    softmax = np.empty((images, len(sweep)), np.float32)
    rival_softmax = np.empty((images, rivals, len(sweep)), np.float32)
    predicted = np.empty((images, len(sweep)), np.int32)
    mean_softmax = np.empty((len(targets), len(sweep), classes), np.float32)
    rival = np.empty((len(targets), rivals), np.int32)
    with (
        _reserved(4 * largest * len(sweep) * classes) as file,
        Progress(
            total=images * len(sweep),
            desc=f"{classifier.name}, {name}",
            unit="pass",
            delay=2,
            disable=not progress,
        ) as bar,
    ):
        for category, target in enumerate(targets):
            members = np.flatnonzero(pictures.labels == category)
            # The rivals are known only after the sweep. What they are chosen from lies on
            # disk, so that memory does not grow with the number of pictures.
            everything = np.memmap(file, np.float32, shape=(len(members), len(sweep), classes))
            for start, stop in batches(len(members), batch_size):
                batch = members[start:stop]
                everything[start:stop] = _screen_batch(
                    step, classifier, transformation, pictures, batch, sweep, seed, batch_size
                )
                bar.update(len(batch) * len(sweep))
            mean = everything.mean(axis=0, dtype=np.float64)
            peaks = mean.max(axis=0)
            peaks[target] = -1
            rival[category] = np.argsort(-peaks, kind="stable")[:rivals]
            mean_softmax[category] = mean
            softmax[members] = everything[:, :, target]
            rival_softmax[members] = everything[:, :, rival[category]].transpose(0, 2, 1)
            predicted[members] = everything.argmax(axis=2)

    return xr.Dataset(
        {
            "softmax": (("image", "magnitude"), softmax),
            "rival_softmax": (("image", "rank", "magnitude"), rival_softmax),
            "predicted": (("image", "magnitude"), predicted),
            "mean_softmax": (("category", "magnitude", "class"), mean_softmax),
            "rival": (("category", "rank"), rival),
            "target": ("category", targets),
            "label": ("image", np.asarray(pictures.labels, np.int32)),
        },
        coords={
            "magnitude": ("magnitude", sweep, {"units": transformation.unit}),
            "image": list(pictures.paths),
            "category": list(pictures.class_names),
            "class": list(classifier.class_names),
        },
        attrs=attributes,
    )


def _check_names(*names: str) -> None:
    """Refuse names that NetCDF cannot hold."""
    for name in names:
        try:
            fits = b"\0" not in name.encode()
        except UnicodeEncodeError:
            fits = False
        if not fits:
            raise UsageError(
                f"{name!a} is a name that cannot be stored: it is not Unicode, or has a NUL"
            )


def _reserved(size: int) -> IO[bytes]:
    """Open a temporary file that has its space on disk already: mapped, it cannot say it is full.

    Unlike an error, the signal that comes then could not be caught.
    """
    folder = "the folder for temporary files"
    try:
        folder = tempfile.gettempdir()
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            _reserve(file, size, folder)
            stack.pop_all()
            return file
    except OSError as error:
        raise UsageError(
            f"screening needs {size / 1e9:.2g} GB in {folder}: {error.strerror or error}; the "
            "environment variable TMPDIR names another folder"
        ) from error


def _reserve(file: IO[bytes], size: int, folder: str) -> None:
    try:
        os.posix_fallocate(file.fileno(), 0, size)
        return
    except AttributeError:  # not every system has it
        pass
    except OSError as error:  # nor every drive
        if error.errno != errno.EOPNOTSUPP:
            raise
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sweep(
    transformation: Transformation, magnitudes: Sequence[float] | np.ndarray | None, width: int
) -> np.ndarray:
    if magnitudes is None:
        return transformation.sweep(width)
    checked = transformation.checked(magnitudes).reshape(-1)
    return np.union1d(checked, [transformation.identity])


def _screen_batch(
    step: Step,
    classifier: Classifier,
    transformation: Transformation,
    pictures: Pictures,
    batch: np.ndarray,
    sweep: np.ndarray,
    seed: int,
    batch_size: int,
) -> np.ndarray:
    """Return the softmax [B, M, K] of one batch under every magnitude."""
    # A last batch that is not full is filled up, so that nothing is compiled twice.
    full = np.resize(batch, batch_size)
    images = np.asarray(pictures.images[full])
    check_pictures(images, [pictures.paths[index] for index in full])
    inputs = {"images": ops.convert_to_tensor(images)}  # once, not for every magnitude
    untouched = step(inputs, None)[: len(batch)]
    if transformation.name == "noise":
        seeds = [seed_of(seed, pictures.paths[index]) for index in full]
        inputs["noise"] = ops.convert_to_tensor(noise_fields(seeds, images.shape[1:]))
    softmax = np.stack([step(inputs, magnitude)[: len(batch)] for magnitude in sweep], 1)

    if np.isnan(softmax).any():
        row, column, _ = np.argwhere(np.isnan(softmax))[0]
        raise UsageError(
            f"{classifier.name} answers with nan to {pictures.paths[batch[row]]}, "
            f"{transformation.name} by {sweep[column]:g}: its preprocessing or weights give no "
            "number there; a logarithm or a power may need clip=True, which keeps pictures in "
            "[0, 1]"
        )
    # Identity is identity.
    identity = softmax[:, np.searchsorted(sweep, transformation.identity)]
    deviations = np.abs(identity - untouched).max(axis=1)
    worst, tolerance = int(deviations.argmax()), _clean_tolerance(classifier.network)
    if not deviations[worst] <= tolerance:
        raise UsageError(
            f"{transformation.name} by {transformation.identity:g} should leave "
            f"{pictures.paths[batch[worst]]} as it is, but {classifier.name}'s softmax changed by "
            f"{deviations[worst]:.2g} (tolerance {tolerance:.2g})"
        )
    return softmax


def _clean_tolerance(network: keras.Model) -> float:
    """Return how far the softmax may stray, from the coarsest arithmetic in use."""
    used = set(_arithmetic(network))
    device = keras.distribution.list_devices()[0]
    if "cpu" not in device.lower():  # there, float32 is multiplied in fewer bits by default
        used.add("bfloat16" if "tpu" in device.lower() else "float16")
    return max(CLEAN_TOLERANCE.get(dtype, CLEAN_TOLERANCE["float32"]) for dtype in used)


def _arithmetic(layer: keras.Layer) -> Iterator[str]:
    yield layer.compute_dtype
    for inner in getattr(layer, "layers", ()):
        yield from _arithmetic(inner)


class _Look(keras.Model):
    """What a classifier says of transformed pictures, compiled as its backend does it best."""

    def __init__(
        self, classifier: Classifier, transformation: Transformation, fill: str, clip: bool
    ) -> None:
        # The network computes in what it was made for; pictures are moved in float32.
        super().__init__(name="look", dtype="float32")
        self.network = classifier.network  # tracked, so that JAX passes the weights as arguments

        def prepare(inputs: dict[str, Tensor]) -> Tensor:
            images, magnitude, noise = (inputs.get(n) for n in ("images", "magnitude", "noise"))
            if magnitude is not None:
                images = transformation.apply(images, magnitude, fill, noise)
            return classifier.preprocess(ops.clip(images, 0, 1) if clip else images)

        self.prepare = fused(prepare)
        self.compile(jit_compile=keras.backend.backend() != "tensorflow")

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        logits = self.network(self.prepare(inputs), training=False)
        return ops.softmax(ops.cast(logits, "float32"))


def _compiled_step(
    classifier: Classifier, transformation: Transformation, fill: str, clip: bool
) -> Step:
    look = _Look(classifier, transformation, fill, clip)

    def step(inputs: dict[str, Tensor], magnitude: float | None) -> np.ndarray:
        if magnitude is not None:
            inputs = inputs | {"magnitude": np.full((1, 1, 1, 1), magnitude, np.float32)}
        return np.asarray(look.predict_on_batch(inputs))

    return step
