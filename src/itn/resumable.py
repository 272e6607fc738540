"""What every training shares: batches in a seeded order, and a state from which it goes on."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from itn.files import whole_file
from itn.keras_settings import check_training
from itn.messages import UsageError, real_number, whole_number
from itn.pictures import Pictures

DIVERGED = "the training has left the range of numbers: choose a smaller learning_rate"


def checked_numbers(
    epochs: object, batch_size: object, learning_rate: object
) -> tuple[int, int, float]:
    """Return plain numbers, as JSON can hold them, or refuse what no training can be done with."""
    counts = whole_number(epochs, "epochs"), whole_number(batch_size, "batch_size")
    if min(counts) < 1:
        raise UsageError(f"epochs and batch_size must be 1 or more, got {epochs}, {batch_size}")
    rate = real_number(learning_rate, "learning_rate", 0)
    if not rate:
        raise UsageError("learning_rate must be above 0")
    return *counts, rate


class Batches(keras.utils.PyDataset):
    """Pictures in batches of about equal size, in an order of their own in each epoch."""

    def __init__(self, pictures: Pictures, batch_size: int, seed: int = 0) -> None:
        super().__init__()
        self.pictures, self.seed, self.epoch = pictures, seed, 0
        self.count = -(-len(pictures) // batch_size)
        self.rows = np.array_split(np.arange(len(pictures)), self.count)

    @property
    def num_batches(self) -> int:
        """Number of batches."""
        return self.count

    def shuffle(self, epoch: int) -> None:
        """Draw the order of an epoch, the same whether or not the training was resumed."""
        self.epoch = epoch
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.pictures))
        self.rows = self.split(order)

    def split(self, order: np.ndarray) -> list[np.ndarray]:
        """Split an order of the pictures into batches."""
        return list(np.array_split(order, self.count))


class Checkpoint(keras.callbacks.Callback):
    """Keep what is needed to go on after the last complete epoch of the same recipe.

    One file for each recipe holds all of it and is replaced at once. `BackupAndRestore` of Keras
    writes weights and epoch one after the other; stopped in between it would train one twice.
    """

    def __init__(
        self,
        network: keras.Model,
        trained: keras.Model,  # the network, or the part of it that has weights to train
        folder: Path | None,
        recipe: Mapping[str, Any],
    ) -> None:
        super().__init__()
        check_training()
        self.trained, self.optimizer = trained, network.optimizer
        self.optimizer.build(network.trainable_variables)
        self.recipe = json.dumps(recipe, sort_keys=True)
        digest = hashlib.sha256(self.recipe.encode()).hexdigest()
        self.path = folder / f"{digest[:16]}.state" if folder else None
        self.history: dict[str, list[float]] = {}
        self.epochs_done = 0
        self.kept: list[np.ndarray] = []  # weights to return to, if any are kept
        if self.path and self.path.exists():
            self._load(self.path)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note what was logged, and save."""
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(round(float(value), 6))
        self.save(epoch + 1)

    def save(self, epochs_done: int) -> None:
        """Write the state, if there is a folder for it."""
        self.epochs_done = epochs_done
        if self.path is None:
            return
        described = {
            "recipe": self.recipe,
            "history": self.history,
            "epochs_done": epochs_done,
            "kept": len(self.kept),
        }
        variables = list(map(keras.ops.convert_to_numpy, self.optimizer.variables))
        content = io.BytesIO()
        np.savez(
            content, np.array(json.dumps(described)),
            *self.kept, *variables, *self.trained.get_weights(),
        )  # fmt: skip
        with whole_file(self.path) as unfinished:
            unfinished.write_bytes(_checksum(content.getvalue()) + content.getvalue())

    def _load(self, path: Path) -> None:
        found = path.read_bytes() if path.is_file() else b""
        checksum, content = found[:32], found[32:]
        if checksum != _checksum(content):
            raise UsageError(
                f"the state of a stopped training in {path} is damaged: delete {path} to start anew"
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            first, *arrays = (stored[name] for name in stored.files)
        described = json.loads(first.item())
        self.history, self.epochs_done = described["history"], described["epochs_done"]
        kept = described["kept"]
        behind = kept + len(self.optimizer.variables)
        self.kept = arrays[:kept]
        for variable, value in zip(self.optimizer.variables, arrays[kept:behind], strict=True):
            variable.assign(value)
        self.trained.set_weights(arrays[behind:])


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
