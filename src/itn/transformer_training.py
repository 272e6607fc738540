"""Training of the Invariant Transformer Net: seeded, resumable, keeping the farthest that holds."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import xarray as xr
from scipy.special import rel_entr

from itn.displacement import color_displacement, kernel_displacement, spatial_displacement
from itn.files import one_at_a_time, own_path
from itn.invariant_transformer import InvariantTransformerNet
from itn.looks import MatrixLook
from itn.messages import Progress, UsageError, shown
from itn.pictures import Pictures, shared_pictures
from itn.provenance import environment
from itn.resumable import DIVERGED, Batches, Checkpoint, checked_numbers
from itn.transformations import check_pictures

JUDGE_SEED = 1  # of the control vectors at which held-out pictures are judged, always the same
TINY = 1e-30  # softmax of a class that cannot be told from 0
REPORT_SEED = 2  # of those at which the kept state is reported


def epoch_logs(hold: str, kernels: bool = False) -> tuple[str, ...]:
    """Return what is recorded of the pictures that the state is chosen by."""
    shares = ("accuracy", "consistency", *(("divergence",) if hold == "divergence" else ()))
    moved = ("spatial", "color", *(("kernel",) if kernels else ()))
    return (
        *(f"held_out_{each}" for each in shares),
        *(f"{each}_displacement" for each in moved),
    )


def train_transformers(
    net: InvariantTransformerNet,
    pictures: Pictures,
    held_out: Pictures,
    reported_on: Pictures | None = None,
    *,
    epochs: int = 10,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    folder: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: bool = True,
) -> xr.Dataset:
    """Train the transformers and keep the farthest state in which holds what the net holds.

    Choosing the loss batch by batch lets the accuracy hover below the required one. So before
    the first epoch and after each, held-out pictures are looked at under control vectors drawn
    uniformly from [0, 1]. Of the states whose accuracy there is at least the required one (whose
    consistency is at least the level, whose divergence is at most the level, see `itn.gates`),
    that with the largest displacement (spatial plus color, plus that of the kernels where there
    are some, see `itn.displacement`) is kept.

    What chose a state flatters it. Pictures of a third set, which neither trained nor chose it,
    tell what it is worth.

    The same arguments give the same history on one machine. In the same folder, a training that
    was stopped goes on after its last complete epoch, and one that was finished is not done
    again, as long as arguments, sources and versions are the same.

    Parameters
    ----------
    net : InvariantTransformerNet
        Net to train; it is compiled anew, with Adam.
    pictures, held_out : Pictures
        To learn from, and to choose the state by; classes by name, or ImageNet classes. Where
        the net holds no accuracy they may also be other classes, whose accuracy is then NaN.
    reported_on : Pictures, optional
        On which the kept state is looked at once, in the end.
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
        first: ``held_out_accuracy``, ``held_out_consistency`` (and ``held_out_divergence`` if
        that is held), ``spatial_displacement``, ``color_displacement`` (and
        ``kernel_displacement``). Its attributes say how it was made, ``kept_epoch`` which state
        was kept, and with `reported_on` ``reported_accuracy``, ``reported_consistency`` … what it
        is worth, beside ``reported_clean_accuracy`` on the same pictures untouched.

    Raises
    ------
    UsageError
        If the pictures do not fit, one is in two of the sets (the same file, or the same
        pixels), the required accuracy is above that of the classifier on the untouched pictures,
        or the state in the folder is damaged.

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
    sets = {"to learn from": pictures, "held out": held_out}
    if reported_on is not None:
        sets["reported on"] = reported_on
    for what, given in sets.items():
        if not isinstance(given, Pictures) or not len(given):
            raise UsageError(f"there are no pictures {what}, got {shown(repr(given))}")
    with _left_as_it_was_if_stopped(net):
        history = _trained(
            net, sets, epochs, batch_size, learning_rate, folder, callbacks, progress
        )
        if reported_on is None:
            return history
        judge = _Judge(net, reported_on, REPORT_SEED)
        named = {name.replace("held_out", "reported"): value for name, value in judge().items()}
        named["reported_clean_accuracy"] = judge.untouched_accuracy
        return history.assign_attrs(
            {name: value for name, value in named.items() if name.startswith("reported")}
        )


def check_apart(sets: Mapping[str, Pictures]) -> None:
    """Refuse sets of which two share a picture: by one of them the other would be flattered."""
    for (one, first), (other, second) in itertools.combinations(sets.items(), 2):
        if shared := shared_pictures(first, second):
            raise UsageError(
                f"{len(shared)} of the pictures {other} are among those {one} as well, e.g. "
                f"{shared[0]}: leave them out of one of the two"
            )


@contextmanager
def _left_as_it_was_if_stopped(net: InvariantTransformerNet) -> Iterator[None]:
    """Also by Ctrl-C: the same net is to go on from its state, or to learn from other pictures."""
    weights = net.transformers.get_weights()
    chosen = [net.required_accuracy, *([net.multiplier] if net.hold == "divergence" else ())]
    values = [float(each.value) for each in chosen]
    try:
        yield
    except BaseException:
        net.transformers.set_weights(weights)
        for variable, value in zip(chosen, values, strict=True):
            variable.assign(value)
        raise


def _trained(
    net: InvariantTransformerNet,
    sets: Mapping[str, Pictures],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    folder: Path | None,
    callbacks: Sequence[keras.callbacks.Callback],
    progress: bool,
) -> xr.Dataset:
    """Train, and return the history."""
    pictures, held_out, *_ = sets.values()
    batches = _ReferencedBatches(pictures, batch_size, net.seed)
    labels = _labels_if_known(net, pictures)
    judge = _Judge(net, held_out, JUDGE_SEED)
    check_apart(sets)
    if labels is not None and net.hold == "accuracy":
        batches.references = labels
        clean = net.check(batches[index] for index in range(batches.num_batches))
        if judge.untouched_accuracy < (required := float(net.required_accuracy.value)):
            raise UsageError(
                f"the required accuracy {required:.3g} is above that of {net.classifier.name} on "
                f"the untouched held-out pictures, {judge.untouched_accuracy:.3g}; set "
                "required_accuracy"
            )
        held = {"required_accuracy": required}
    else:  # one pass ahead, none within a step
        batches.references = net.classifier.predict(pictures.images)
        said = batches.references.argmax(axis=1)
        clean = float("nan") if labels is None else float((said == labels).mean())
        held = {"level": float(net.level)}
    start = net.transformers.get_weights()
    if net.hold == "divergence":
        start.append(np.asarray(net.multiplier.value))
    recipe = {
        "network": net.classifier.name,
        "weights_sha256": net.classifier.weights_hash(),
        "data": pictures.name,
        "data_sha256": pictures.data_hash,
        "pictures": len(pictures),
        "held_out_sha256": held_out.data_hash,
        "held_out_pictures": len(held_out),
        **_third(sets),
        "clean_accuracy": clean,
        "held_out_clean_accuracy": judge.untouched_accuracy,
        "hold": net.hold,
        **held,
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


def _third(sets: Mapping[str, Pictures]) -> dict[str, Any]:
    if "reported on" not in sets:
        return {}
    third = sets["reported on"]
    return {"reported_sha256": third.data_hash, "reported_pictures": len(third)}


def _labels_if_known(net: InvariantTransformerNet, pictures: Pictures) -> np.ndarray | None:
    """Return the logit of each picture; where no accuracy is held, they may be other classes."""
    try:
        return net.classifier.logits_of(pictures)[pictures.labels]
    except UsageError:
        if net.hold == "accuracy":
            raise
        return None


def _train(
    net: InvariantTransformerNet,
    batches: "_ReferencedBatches",
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


class _ReferencedBatches(Batches):
    """Pictures as they are, with what is held to: labels, or the classifier's softmax of them."""

    references: np.ndarray

    def split(self, order: np.ndarray) -> list[np.ndarray]:
        """Split into batches of one size, so that nothing is compiled twice.

        A few pictures are seen twice in an epoch instead.
        """
        return list(np.resize(order, (self.count, -(-len(order) // self.count))))

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.rows[index]
        return self.pictures.images[rows], self.references[rows]


class _Judge:
    """What a net's transformers hold, and how far they move, on pictures it does not learn from."""

    def __init__(self, net: InvariantTransformerNet, pictures: Pictures, seed: int) -> None:
        net.classifier.check_size(pictures.images.shape)
        check_pictures(pictures.images, pictures.paths)
        self.net, self.pictures = net, pictures
        self.look = MatrixLook(net.classifier, net.options["fill"])
        self.labels = _labels_if_known(net, pictures)
        controls = net.draw_controls(len(pictures), seed)
        self.alpha, self.beta, *self.gamma = map(keras.ops.convert_to_numpy, controls)
        identities = np.eye(2, 3)[None], np.eye(3, 4)[None]
        if net.hold == "divergence":
            self.softmax = self.look.softmax(pictures.images, *identities)
            self.untouched = self.softmax.argmax(axis=1)
        else:  # whose softmax of all pictures may not fit into memory
            self.untouched = self.look.predicted(pictures.images, *identities)
        self.untouched_accuracy = self._accuracy(self.untouched)
        self.logs = epoch_logs(net.hold, kernels=net.kernel is not None)

    def _accuracy(self, said: np.ndarray) -> float:
        return float("nan") if self.labels is None else float((said == self.labels).mean())

    def __call__(self) -> dict[str, float]:
        images = self.pictures.images
        spatial, color = self.net.matrices(self.alpha, self.beta, images=images)
        kernels = [self.net.kernels(gamma, images=images) for gamma in self.gamma]  # one, or none
        if not all(np.isfinite(each).all() for each in (spatial, color, *kernels)):
            raise UsageError(DIVERGED)
        said, divergence, start = [], 0.0, 0
        for softmax in self.look.in_batches(
            images, spatial, color, kernels=kernels[0] if kernels else None
        ):
            said.append(softmax.argmax(axis=1))
            if self.net.hold == "divergence":
                untouched = self.softmax[start : start + len(softmax)].astype(float)
                divergence += float(rel_entr(untouched, np.maximum(softmax, TINY)).sum())
            start += len(softmax)
        found = {
            "held_out_accuracy": self._accuracy(np.concatenate(said)),
            "held_out_consistency": float((np.concatenate(said) == self.untouched).mean()),
            "held_out_divergence": divergence / len(self.pictures),
            "spatial_displacement": float(spatial_displacement(spatial).mean()),
            "color_displacement": float(color_displacement(color).mean()),
        }
        if kernels:
            found["kernel_displacement"] = float(kernel_displacement(kernels[0]).mean())
        return {name: found[name] for name in self.logs}


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
        self.judge, self.steps, self.hold = judge, steps_per_epoch, net.hold
        self.level = recipe["required_accuracy" if net.hold == "accuracy" else "level"]
        for name in (*net.step_logs, *judge.logs):
            self.history.setdefault(name, [])

    def kept_epoch(self) -> int:
        """Return the state with the largest displacement in which it holds; 0 is the first."""
        history = {name: np.array(self.history[name]) for name in self.judge.logs}
        held = history[f"held_out_{self.hold}"]
        holds = held <= self.level if self.hold == "divergence" else held >= self.level
        displacement = sum(each for name, each in history.items() if name.endswith("_displacement"))
        return int(np.where(holds, displacement, -1).argmax())

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
        if epoch and self.hold == "divergence":  # as the last step logged it
            self.model.multiplier.assign(self.history["multiplier"][-1])

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
