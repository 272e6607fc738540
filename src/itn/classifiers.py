"""Classifiers: a Keras network together with what it needs to look at a picture."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from itn import training
from itn.data_sets import imagenet_classes, weight_file
from itn.messages import UsageError, unknown
from itn.squeezenet import CHANNEL_MEANS_BGR, INPUT_SIZE, build_squeezenet, load_deep_compression
from itn.warp import Tensor

WEIGHTS_FOLDER = Path(__file__).with_name("weights")


@dataclass(frozen=True)
class Classifier:
    """A trained network with its own preprocessing, input size and class names.

    Attributes
    ----------
    network : keras.Model
        Preprocessed pictures -> logits [N, K].
    preprocess : callable
        Pictures [N, H, W, 3] in [0, 1] -> what `network` expects, in `keras.ops`.
    input_size : int
        Height and width of the pictures, pixels.
    class_names : sequence of str, length K
        One name per logit.
    class_ids : sequence of str, length K, optional
        WordNet ids of the classes, for ImageNet networks.
    name : str
        What results call it.

    Examples
    --------
    >>> import keras
    >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> classifier = Classifier(network, lambda x: 5 * x, 8, ("red", "green", "blue"), name="color")
    >>> picture = np.zeros((1, 8, 8, 3), "float32")
    >>> picture[..., 2] = 1
    >>> classifier.class_names[classifier.predict(picture)[0].argmax()]
    'blue'
    """

    network: keras.Model
    preprocess: Callable[[Tensor], Tensor]
    input_size: int
    class_names: Sequence[str]
    class_ids: Sequence[str] = field(default=(), repr=False)
    name: str = "classifier"

    def __post_init__(self) -> None:
        outputs = self.network.output_shape[-1]
        for what in ("class_names", "class_ids"):
            given = tuple(str(name) for name in getattr(self, what))
            if len(given) != outputs and not (what == "class_ids" and not given):
                raise UsageError(f"{self.name} has {outputs} logits but {len(given)} {what}")
            object.__setattr__(self, what, given)

    def predict(self, images: np.ndarray, batch_size: int = 32) -> np.ndarray:
        """Return the softmax of every class.

        Parameters
        ----------
        images : ndarray [N, H, W, 3], float32 in [0, 1]
            Pictures of the classifier's input size.
        batch_size : int, default 32
            Pictures per forward pass.

        Returns
        -------
        ndarray [N, K], float32
            Softmax, rows summing to 1.

        Raises
        ------
        UsageError
            If the pictures have another size.
        """
        self.check_size(images.shape)
        parts = [
            ops.convert_to_numpy(ops.softmax(self.network(self.preprocess(images[i:j]))))
            for i, j in batches(len(images), batch_size)
        ]
        return np.concatenate([*parts, np.empty((0, len(self.class_names)), np.float32)])

    def check_size(self, shape: Sequence[int]) -> None:
        """Raise a UsageError unless pictures of this shape fit.

        Parameters
        ----------
        shape : sequence of int
            Shape of a batch of pictures, ``[N, H, W, 3]``.
        """
        size = self.input_size
        if tuple(shape[1:]) != (size, size, 3):
            raise UsageError(
                f"{self.name} looks at pictures of shape [N, {size}, {size}, 3], "
                f"got {list(shape)}; load them with size={size}"
            )

    def index_of(self, name: str | int) -> int:
        """Return the logit of a class.

        Parameters
        ----------
        name : str or int
            Class name, WordNet id, or the index itself.

        Returns
        -------
        int
            Index of the class.

        Raises
        ------
        UsageError
            If there is no such class, or several; the message names the candidates.
        """
        if isinstance(name, int | np.integer):
            if not 0 <= name < len(self.class_names):
                raise UsageError(
                    f"{self.name} has the classes 0 to {len(self.class_names) - 1}, got {name}"
                )
            return int(name)
        found = sorted(
            {
                index
                for names in (self.class_names, self.class_ids)
                for index, candidate in enumerate(names)
                if candidate == name
            }
        )
        if not found:
            raise unknown(f"class of {self.name}", name, self.class_names)
        if len(found) > 1:
            ids = [f" ({self.class_ids[index]})" if self.class_ids else "" for index in found]
            candidates = " or ".join(f"{i}{id_}" for i, id_ in zip(found, ids, strict=True))
            raise UsageError(f"class '{name}' of {self.name} is ambiguous: say {candidates}")
        return found[0]

    def weights_hash(self) -> str:
        """Return the sha256 of the network's weights, in hexadecimal.

        Returns
        -------
        str
            The same for the same weights in the same order, on every backend.
        """
        digest = hashlib.sha256()
        for weight in self.network.get_weights():
            digest.update(f"{weight.shape}{weight.dtype}".encode())
            digest.update(np.ascontiguousarray(weight).tobytes())
        return digest.hexdigest()


def load_classifier(name: str, weights: str | Path | None = None) -> Classifier:
    """Load one of the classifiers by name.

    Parameters
    ----------
    name : str
        One of `list_classifiers`.
    weights : str or Path, optional
        Weight file; by default the published one of the cache, downloaded when missing. For
        the networks trained by `itn train`, the folder of its result.

    Returns
    -------
    Classifier
        The trained network, ready for `itn.screen`.

    Raises
    ------
    UsageError
        If there is no classifier of that name, or no such weight file.
    ValueError
        If the weight file is truncated or corrupt; the message names it.

    Examples
    --------
    >>> load_classifier("squeezenet", weights="missing.net")
    Traceback (most recent call last):
    itn.messages.UsageError: no weight file missing.net
    """
    if name not in _BUILDERS:
        raise unknown("classifier", name, list_classifiers())
    if weights is not None and not Path(weights).exists():
        raise UsageError(f"no weight file {weights}")
    return _BUILDERS[name](weights)


def list_classifiers() -> tuple[str, ...]:
    """Return the names that `load_classifier` knows.

    Returns
    -------
    tuple of str
        Names, sorted.

    Examples
    --------
    >>> "squeezenet" in list_classifiers()
    True
    """
    return tuple(sorted(_BUILDERS))


def batches(count: int, batch_size: int) -> list[tuple[int, int]]:
    """Return the first and past-the-last index of every batch.

    Parameters
    ----------
    count, batch_size : int
        Number of items in all, and in one batch.

    Returns
    -------
    list of tuple of int
        Pairs that cover ``range(count)`` in order.

    Examples
    --------
    >>> batches(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(i, min(i + batch_size, count)) for i in range(0, count, batch_size)]


def _squeezenet(weights: str | Path | None) -> Classifier:
    classes = imagenet_classes()
    network = build_squeezenet(len(classes))
    load_deep_compression(network, weights or weight_file("squeezenet"))
    means = np.array(CHANNEL_MEANS_BGR, np.float32)
    return Classifier(
        network,
        lambda images: images[..., ::-1] * 255 - means,
        INPUT_SIZE,
        [each.label for each in classes],
        class_ids=[each.wnid for each in classes],
        name="squeezenet",
    )


def _own(architecture: str, profile: str, weights: str | Path | None) -> Classifier:
    """Load one of the networks that `itn train` has trained; `weights` is their folder."""
    network, card = training.load_trained(architecture, weights or WEIGHTS_FOLDER / profile)
    name = f"{architecture.removesuffix('_64')}_{profile}"
    return Classifier(network, training.center, training.INPUT_SIZE, card["class_names"], name=name)


_BUILDERS: dict[str, Callable[[str | Path | None], Classifier]] = {
    "squeezenet": _squeezenet,
    "alexnet_phantom": partial(_own, "alexnet_64", "phantom"),
    "alexnet_photos": partial(_own, "alexnet_64", "photos"),
    "resnet_phantom": partial(_own, "resnet_64", "phantom"),
    "resnet_photos": partial(_own, "resnet_64", "photos"),
}
