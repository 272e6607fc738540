"""Training of the 64-pixel networks: seeded, resumable, each weight file with a card."""

import functools
import json
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from itn.files import one_at_a_time, sha256_of, whole_file
from itn.keras_settings import devices
from itn.messages import Progress, UsageError, unknown
from itn.pictures import Pictures, shared_pictures
from itn.provenance import installed_version, source_hash
from itn.resumable import Batches, Checkpoint
from itn.transformations import transform
from itn.warp import Tensor
from itn.zoo.alexnet import build_alexnet
from itn.zoo.resnet import build_resnet_v1

INPUT_SIZE = 64  # pixels
WARM_UP = 0.05  # share of the training in which the learning rate rises to its height
BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "alexnet_64": functools.partial(
        build_alexnet,
        input_size=INPUT_SIZE,
        filters=(32, 64, 96, 96, 64),
        units=(256, 256),
        conv1_size=7,
        conv1_stride=2,
        conv1_padding="same",
        dropout=0.25,
        name="alexnet_64",
    ),
    "resnet_64": functools.partial(
        build_resnet_v1,
        input_size=INPUT_SIZE,
        units=(2, 2, 2, 2),
        depths=(8, 16, 32, 64),
        root_filters=16,
        root_size=3,
        root_pooling=False,
        momentum=0.95,  # a short training
        name="resnet_64",
    ),
}


@keras.saving.register_keras_serializable("itn")  # type: ignore[untyped-decorator]
def center(images: Tensor) -> Tensor:
    """Preprocess pictures for the 64-pixel networks."""
    return 2 * images - 1


def build_network(
    architecture: str, class_count: int, seed: int = 0, dropout: float | None = None
) -> keras.Model:
    """Build one of the 64-pixel networks with untrained weights."""
    if architecture not in BUILDERS:
        raise unknown("architecture", architecture, BUILDERS)
    options = {"dropout": dropout} if dropout is not None and architecture == "alexnet_64" else {}
    return BUILDERS[architecture](class_count, seed=seed, **options)


def train(
    architecture: str,
    training: Pictures,
    validation: Pictures,
    *,
    folder: str | Path,
    epochs: int = 8,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    label_smoothing: float = 0.0,
    mirror: bool = False,
    jitter: float = 0.0,
    rotation: float = 0.0,
    zoom: float = 1.0,
    dropout: float | None = None,
    seed: int = 0,
    data: Mapping[str, Any] | None = None,
    command: str | None = None,
    force: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: bool = True,
) -> dict[str, Any]:
    """Train a 64-pixel network and write its weights and their card.

    Adam minimizes the cross-entropy; the learning rate warms up and falls like a cosine. Of
    training pictures larger than the network's input a random part is seen each time. The
    same arguments give the same weights on one machine; no global seed is read or set. A
    training that was stopped goes on after its last complete epoch when it is called again
    with the same arguments, sources and versions, and ends with the same weights; one that was
    finished is not done again. Who trains the same network in the same folder meanwhile, waits.
    """
    network = build_network(architecture, len(training.class_names), seed, dropout)
    _check(training, validation, epochs, batch_size)
    recipe = {
        "architecture": architecture,
        "class_names": list(training.class_names),
        "data": dict(data or {})
        | {
            what: {"name": given.name, "pictures": len(given), "sha256": given.data_hash}
            for what, given in (("training", training), ("validation", validation))
        },
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "label_smoothing": label_smoothing,
        "mirror": mirror,
        "jitter": jitter,
        "rotation": rotation,
        "zoom": zoom,
        "dropout": dropout,
        "seed": seed,
        "versions": {
            package: installed_version(package)
            for package in ("itn", "keras", keras.backend.backend(), "numpy")
        },
        "source_sha256": source_hash(),
        "device": f"{devices()[0]} ({platform.machine()})",
    }
    folder = Path(folder)
    doing = f"the training of {architecture} in {folder}"
    with one_at_a_time(folder / ".locks" / architecture, doing):
        if not force and (finished := _finished(architecture, folder, recipe)):
            return finished
        state = folder / f".{architecture}"
        history = _fit(network, training, validation, recipe, state, callbacks, progress)
        card = recipe | {"command": command, "history": history}
        card = _write(network, architecture, validation, folder, card)
        shutil.rmtree(state)
    return card


def _finished(architecture: str, folder: Path, recipe: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the card of a network that was trained by this recipe, if it is there and whole."""
    try:
        card = load_trained(architecture, folder)[1]
    except (ValueError, KeyError):  # not there, not whole, or not of this card
        return None
    wanted = json.loads(json.dumps(recipe))
    return card if wanted == {name: card.get(name) for name in wanted} else None


def _write(
    network: keras.Model,
    architecture: str,
    validation: Pictures,
    folder: Path,
    card: dict[str, Any],
) -> dict[str, Any]:
    """Test a trained network and write its weights and its card, which is returned complete."""
    # The optimizer's state would be in the file, too, and triple it; a new network has none.
    trained = build_network(architecture, len(card["class_names"]))
    trained.set_weights(network.get_weights())
    logits = trained.predict(_Prepared(validation, card["batch_size"]), verbose=0)
    right = logits.argmax(axis=1) == validation.labels
    card = card | {
        "parameters": trained.count_params(),
        "accuracy": float(right.mean()),
        "accuracy_per_class": {
            name: float(right[validation.labels == label].mean())
            for label, name in enumerate(validation.class_names)
        },
    }
    with (
        whole_file(folder / f"{architecture}.json") as described,
        whole_file(folder / f"{architecture}.weights.h5") as weights,
    ):
        trained.save_weights(weights)
        card["weights_sha256"] = sha256_of(weights)
        described.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return card


def load_trained(architecture: str, folder: str | Path) -> tuple[keras.Model, dict[str, Any]]:
    """Load a network that `train` has written."""
    files = [Path(folder, f"{architecture}{ending}") for ending in (".json", ".weights.h5")]
    for path in files:
        if not path.is_file():
            raise UsageError(f"no trained {architecture} in {folder}: {path.name} is missing")
    card = json.loads(files[0].read_text())
    if (found := sha256_of(files[1])) != card["weights_sha256"]:
        raise ValueError(
            f"{files[1]} has sha256 {found}, its card says {card['weights_sha256']}: train again"
        )
    network = build_network(architecture, len(card["class_names"]))
    network.load_weights(files[1])
    return network, card


def _fit(
    network: keras.Model,
    training: Pictures,
    validation: Pictures,
    recipe: Mapping[str, Any],
    state: Path,
    callbacks: Sequence[keras.callbacks.Callback],
    progress: bool,
) -> dict[str, list[float]]:
    epochs, batch_size = recipe["epochs"], recipe["batch_size"]
    batches = _Varied(training, batch_size, recipe)
    steps = epochs * batches.num_batches
    warm_up = max(1, round(WARM_UP * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - warm_up),
        warmup_target=recipe["learning_rate"],
        warmup_steps=warm_up,
    )
    optimizer = keras.optimizers.Adam(schedule, weight_decay=recipe["weight_decay"] or None)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    network.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe["label_smoothing"]
        ),
        # An object: a name would make its variables within the step, which is then traced twice.
        metrics=[keras.metrics.CategoricalAccuracy("accuracy")],
        jit_compile=keras.backend.backend() == "jax",  # TensorFlow's takes long to compile
    )
    checkpoint = Checkpoint(network, network, state, recipe)
    with Progress(
        total=steps,
        initial=checkpoint.epochs_done * batches.num_batches,
        desc=recipe["architecture"],
        unit="batch",
        disable=not progress,
    ) as bar:
        conductor = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: _begin(network, batches, epoch),
            on_train_batch_end=lambda batch, logs: bar.update(),
            on_epoch_end=lambda epoch, logs: bar.set_postfix(logs),
        )
        network.fit(
            batches,
            validation_data=_Prepared(validation, batch_size),
            epochs=epochs,
            initial_epoch=checkpoint.epochs_done,
            callbacks=[conductor, checkpoint, *callbacks],
            shuffle=False,  # `Batches` does it
            verbose=0,
        )
    return checkpoint.history


def _begin(network: keras.Model, batches: Batches, epoch: int) -> None:
    """Draw the order of an epoch, and put the draws of dropout where they belong."""
    batches.shuffle(epoch)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
            # Keras writes no count of its draws: it is the number of steps until here.
            layer.seed_generator.state.assign([layer.seed, epoch * batches.num_batches])


class _Prepared(Batches):
    """Preprocessed pictures and the softmax wanted."""

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.rows[index]
        wanted = np.eye(len(self.pictures.class_names), dtype=np.float32)
        return center(self.look(rows, index)), wanted[self.pictures.labels[rows]]

    def look(self, rows: np.ndarray, index: int) -> np.ndarray:
        """Take these pictures, those of batch `index`."""
        images: np.ndarray = self.pictures.images[rows]
        return images


class _Varied(_Prepared):
    """Batches in another order each epoch, each picture cropped, recolored, turned and so on.

    What is drawn depends on seed, epoch and batch alone, so a resumed training draws the same.
    """

    def __init__(self, pictures: Pictures, batch_size: int, recipe: Mapping[str, Any]) -> None:
        super().__init__(pictures, batch_size, recipe["seed"])
        self.mirror, self.jitter = recipe["mirror"], recipe["jitter"]
        self.rotation, self.zoom = recipe["rotation"], recipe["zoom"]

    def look(self, rows: np.ndarray, index: int) -> np.ndarray:
        """Take these pictures and change them."""
        random = np.random.default_rng([self.seed, self.epoch, index])
        count, margin = len(rows), self.pictures.images.shape[1] - INPUT_SIZE
        corners = random.integers(0, margin + 1, (count, 2))
        whole = self.pictures.images[rows]
        images = np.stack(
            [
                image[top : top + INPUT_SIZE, left : left + INPUT_SIZE]
                for image, (top, left) in zip(whole, corners, strict=True)
            ]
        )
        if self.mirror:
            turned = random.random(count) < 0.5
            images[turned] = images[turned, :, ::-1]
        if self.jitter:
            images *= random.uniform(1 - self.jitter, 1 + self.jitter, (count, 1, 1, 3))
            images += random.uniform(-self.jitter, self.jitter, (count, 1, 1, 1))
            images = images.clip(0, 1)
        if self.rotation:
            angles = random.uniform(-self.rotation, self.rotation, count)
            images = np.asarray(transform(images, "rotation", angles))
        if self.zoom > 1:
            factors = self.zoom ** random.uniform(-1, 1, count)
            images = np.asarray(transform(images, "zoom", factors))
        return images


def _check(training: Pictures, validation: Pictures, epochs: int, batch_size: int) -> None:
    for what, given in (("training", training), ("validation", validation)):
        _, height, width, _ = given.images.shape
        larger = what == "training" and height == width >= INPUT_SIZE
        if not (larger or height == width == INPUT_SIZE) or not len(given):
            raise UsageError(
                f"{what} pictures must be [N, {INPUT_SIZE}, {INPUT_SIZE}, 3] and N > 0, "
                f"those to learn from may be larger squares, got {list(given.images.shape)}"
            )
    if training.class_names != validation.class_names:
        raise UsageError(
            f"training and validation pictures must have the same classes, "
            f"got {training.class_names} and {validation.class_names}"
        )
    for what, given in (("training", training), ("validation", validation)):
        for label, name in enumerate(given.class_names):
            if not np.any(given.labels == label):
                raise UsageError(f"there is no {what} picture of class '{name}'")
    if shared := shared_pictures(training, validation):
        raise UsageError(f"{len(shared)} pictures are in both sets, e.g. {shared[0]}")
    if epochs < 1 or batch_size < 1:
        raise UsageError(f"epochs and batch_size must be 1 or more, got {epochs}, {batch_size}")
