"""Training of the Invariant Transformer Net: seeded, resumable, keeping the farthest that holds."""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import xarray as xr

from itn.displacement import color_displacement, kernel_displacement, spatial_displacement
from itn.files import one_at_a_time, own_path
from itn.invariant_transformer import InvariantTransformerNet
from itn.looks import MatrixLook
from itn.messages import Progress, UsageError, shown
from itn.pictures import Pictures, shared_pictures
from itn.provenance import environment
from itn.resumable import DIVERGED, Batches, Checkpoint, checked_numbers
from itn.transformations import check_pictures

EPOCH_LOGS = ("held_out_accuracy", "spatial_displacement", "color_displacement")
JUDGE_SEED = 1  # of the control vectors at which held-out pictures are judged, always the same


class SharedPictures(UserWarning):
    """Pictures were judged by that were learned from; ``shared_pictures`` of the result counts."""


def train_transformers(
    net: InvariantTransformerNet,
    pictures: Pictures,
    held_out: Pictures,
    *,
    epochs: int = 10,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    folder: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: bool = True,
) -> xr.Dataset:
    """Train the transformers and keep the farthest state whose accuracy holds.

    Choosing the loss batch by batch lets the accuracy hover below the required one. So before
    the first epoch and after each, held-out pictures are looked at under control vectors drawn
    uniformly from [0, 1]. Of the states whose accuracy there is at least the required one, that
    with the largest displacement (spatial plus color, plus that of the kernels where there are
    some, see `itn.displacement`) is kept.

    The same arguments give the same history on one machine. In the same folder, a training that
    was stopped goes on after its last complete epoch, and one that was finished is not done
    again, as long as arguments, sources and versions are the same.

    Parameters
    ----------
    net : InvariantTransformerNet
        Net to train; it is compiled anew, with Adam.
    pictures, held_out : Pictures
        To learn from, and to judge by; classes by name, or ImageNet classes.
    epochs, batch_size : int, default 10 and 32
        How often each picture is seen, and at most how many at a time.
    learning_rate : float, default 2e-3
        Of Adam.
    folder : str or Path, optional
        Where the state is kept for resuming; by default it is not.
    callbacks : sequence of keras.callbacks.Callback, optional
        More callbacks for `keras.Model.fit`.
    progress : bool, default True
        Whether to show a progress bar.

    Returns
    -------
    xarray.Dataset
        Over ``step``, what `InvariantTransformerNet` logs. Over ``epoch``, from 0, before the
        first: ``held_out_accuracy``, ``spatial_displacement``, ``color_displacement`` (and
        ``kernel_displacement``). Its
        attributes say how it was made, and ``kept_epoch`` which state was kept.

    Raises
    ------
    UsageError
        If the pictures do not fit, the required accuracy is above that of the classifier on
        the untouched pictures, or the state in the folder is damaged.

    Warns
    -----
    SharedPictures
        If held-out pictures are learned from as well: what is said of them is then no judgment.
        The attribute ``shared_pictures`` counts them.

    Examples
    --------
    >>> from itn.classifiers import Classifier
    >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> classifier = Classifier(network, lambda x: 5 * x, 8, ("red", "green", "blue"))
    >>> plain = np.eye(3, dtype="float32")[:, None, None].repeat(8, 1).repeat(8, 2)
    >>> darker, brighter = (
    ...     Pictures(images, np.arange(3), classifier.class_names, ("a", "b", "c"), name)
    ...     for name, images in (("darker", plain / 2), ("brighter", plain))
    ... )
    >>> net = InvariantTransformerNet(classifier)
    >>> train_transformers(net, darker, brighter, epochs=2).held_out_accuracy.values
    array([1., 1., 1.])
    """
    epochs, batch_size, learning_rate = checked_numbers(epochs, batch_size, learning_rate)
    folder = None if folder is None else own_path(folder)
    for what, given in (("to learn from", pictures), ("held out", held_out)):
        if not isinstance(given, Pictures) or not len(given):
            raise UsageError(f"there are no pictures {what}, got {shown(repr(given))}")
    with _left_as_it_was_if_stopped(net):
        return _trained(
            net, pictures, held_out, epochs, batch_size, learning_rate, folder, callbacks, progress
        )


@contextmanager
def _left_as_it_was_if_stopped(net: InvariantTransformerNet) -> Iterator[None]:
    """Also by Ctrl-C: the same net is to go on from its state, or to learn from other pictures."""
    weights, required = net.transformers.get_weights(), float(net.required_accuracy.value)
    try:
        yield
    except BaseException:
        net.transformers.set_weights(weights)
        net.required_accuracy.assign(required)
        raise


def _trained(
    net: InvariantTransformerNet,
    pictures: Pictures,
    held_out: Pictures,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    folder: Path | None,
    callbacks: Sequence[keras.callbacks.Callback],
    progress: bool,
) -> xr.Dataset:
    """Train, and return the history."""
    batches = _LabeledBatches(pictures, batch_size, net.seed)
    batches.labels = net.classifier.logits_of(pictures)[pictures.labels]
    judge = _Judge(net, held_out)
    clean = net.check(batches[index] for index in range(batches.num_batches))
    required = float(net.required_accuracy.value)
    untouched = judge.untouched_accuracy()
    if untouched < required:
        raise UsageError(
            f"the required accuracy {required:.3g} is above that of {net.classifier.name} on the "
            f"untouched held-out pictures, {untouched:.3g}; set required_accuracy"
        )
    shared = shared_pictures(pictures, held_out)
    if shared:
        message = f"{len(shared)} held-out pictures are learned from as well, e.g. {shared[0]}"
        warnings.warn(message, SharedPictures, stacklevel=3)
    start = net.transformers.get_weights()
    recipe = {
        "network": net.classifier.name,
        "weights_sha256": net.classifier.weights_hash(),
        "data": pictures.name,
        "data_sha256": pictures.data_hash,
        "pictures": len(pictures),
        "held_out_sha256": held_out.data_hash,
        "held_out_pictures": len(held_out),
        "shared_pictures": len(shared),
        "clean_accuracy": clean,
        "held_out_clean_accuracy": untouched,
        "required_accuracy": required,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "options": json.dumps(net.options),
        "start_sha256": hashlib.sha256(b"".join(w.tobytes() for w in start)).hexdigest(),
        **environment(),
    }
    with ExitStack() as stack:
        if folder is not None:
            stack.enter_context(one_at_a_time(folder / "lock", f"the training in {folder}"))
        net.compile(keras.optimizers.Adam(learning_rate))  # now that nothing else can be wrong
        recorder = _Recorder(net, folder, recipe, batches.num_batches, judge)
        _train(net, batches, recorder, epochs, callbacks, progress)
        net.transformers.set_weights(recorder.kept)
    return xr.Dataset(
        {name: ("step", np.array(recorder.history[name], "float32")) for name in net.step_logs}
        | {name: ("epoch", np.array(recorder.history[name])) for name in judge.logs},
        coords={"step": np.arange(1, epochs * batches.num_batches + 1)},
        attrs=recipe | {"kept_epoch": recorder.kept_epoch()},
    )


def _train(
    net: InvariantTransformerNet,
    batches: "_LabeledBatches",
    recorder: "_Recorder",
    epochs: int,
    callbacks: Sequence[keras.callbacks.Callback],
    progress: bool,
) -> None:
    """Do the epochs that are left."""
    if recorder.epochs_done >= epochs:
        return
    with Progress(
        total=epochs * batches.num_batches,
        initial=recorder.epochs_done * batches.num_batches,
        desc=f"transformers of {net.classifier.name}",
        unit="batch",
        delay=2,
        disable=not progress,
    ) as bar:
        conductor = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: batches.shuffle(epoch),
            on_train_batch_end=lambda batch, logs: bar.update(),
            on_epoch_end=lambda epoch, logs: bar.set_postfix(recorder.last()),
        )
        keras.Model.fit(
            net,
            batches,
            epochs=epochs,
            initial_epoch=recorder.epochs_done,
            callbacks=[recorder, conductor, *callbacks],
            shuffle=False,  # the batches do it
            verbose=0,
        )


class _LabeledBatches(Batches):
    """Pictures as they are, with the classifier's labels."""

    labels: np.ndarray

    def split(self, order: np.ndarray) -> list[np.ndarray]:
        """Split into batches of one size, so that nothing is compiled twice.

        A few pictures are seen twice in an epoch instead.
        """
        return list(np.resize(order, (self.count, -(-len(order) // self.count))))

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.rows[index]
        return self.pictures.images[rows], self.labels[rows]


class _Judge:
    """Accuracy and displacement of a net's transformers on held-out pictures."""

    def __init__(self, net: InvariantTransformerNet, held_out: Pictures) -> None:
        net.classifier.check_size(held_out.images.shape)
        check_pictures(held_out.images, held_out.paths)
        self.net, self.held_out = net, held_out
        self.look = MatrixLook(net.classifier, net.options["fill"])
        self.labels = net.classifier.logits_of(held_out)[held_out.labels]
        controls = net.draw_controls(len(held_out), JUDGE_SEED)
        self.alpha, self.beta, *self.gamma = map(keras.ops.convert_to_numpy, controls)
        self.logs = EPOCH_LOGS if net.kernel is None else (*EPOCH_LOGS, "kernel_displacement")

    def untouched_accuracy(self) -> float:
        said = self.look.predicted(self.held_out.images, np.eye(2, 3)[None], np.eye(3, 4)[None])
        return float((said == self.labels).mean())

    def __call__(self) -> dict[str, float]:
        images = self.held_out.images
        spatial, color = self.net.matrices(self.alpha, self.beta, images=images)
        kernels = [self.net.kernels(gamma, images=images) for gamma in self.gamma]  # one, or none
        if not all(np.isfinite(each).all() for each in (spatial, color, *kernels)):
            raise UsageError(DIVERGED)
        said = self.look.predicted(images, spatial, color, *kernels)
        found = [said == self.labels, spatial_displacement(spatial), color_displacement(color)]
        found += map(kernel_displacement, kernels)
        return {name: float(one.mean()) for name, one in zip(self.logs, found, strict=True)}


class _Recorder(Checkpoint):
    """Record every step, judge every epoch, keep the best state, and be able to go on."""

    def __init__(
        self,
        net: InvariantTransformerNet,
        folder: Path | None,
        recipe: Mapping[str, Any],
        steps_per_epoch: int,
        judge: _Judge,
    ) -> None:
        super().__init__(net, net.transformers, folder, recipe)
        self.judge, self.steps, self.required = judge, steps_per_epoch, recipe["required_accuracy"]
        for name in (*net.step_logs, *judge.logs):
            self.history.setdefault(name, [])

    def kept_epoch(self) -> int:
        """Return the state with the largest displacement whose accuracy holds; 0 is the first."""
        accuracy, *moved = (np.array(self.history[name]) for name in self.judge.logs)
        displacement = np.where(accuracy >= self.required, sum(moved), -1)
        return int(displacement.argmax())

    def last(self) -> dict[str, float]:
        """Return the last judgment, for a progress bar."""
        return {name: self.history[name][-1] for name in self.judge.logs}

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        if not self.epochs_done:
            self._judge(0)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        # Keras writes no count of its draws: it is the number of steps until here.
        draws = self.model.draws
        draws.state.assign([draws._initial_seed, epoch * self.steps])

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        for name in self.model.step_logs:
            self.history[name].append(float((logs or {})[name]))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._judge(epoch + 1)
        self.save(epoch + 1)

    def _judge(self, state: int) -> None:
        for name, value in self.judge().items():
            self.history[name].append(value)
        if self.kept_epoch() == state:
            self.kept = self.trained.get_weights()
