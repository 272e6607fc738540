"""Pictures with labels, in whatever form `fit` takes them: checked before anything is trained."""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

import keras
import numpy as np

from itn.classifiers import Classifier
from itn.messages import UsageError
from itn.transformations import check_pictures

PEEKED = 8  # batches of a generator, which cannot be run through twice, that are checked


def check_labels(classifier: Classifier, inputs: Any, given: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures and their labels as indices of a classifier's logits, or refuse them."""
    images = check_pictures_of(classifier, inputs)
    labels, classes = np.asarray(given), len(classifier.class_names)
    if labels.shape not in [(len(images), *rest) for rest in ((), (1,), (classes,))]:
        raise UsageError(
            f"{len(images)} pictures need labels of shape [{len(images)}], indices, or "
            f"[{len(images)}, {classes}], one-hot, got {list(labels.shape)}"
        )
    if labels.shape[1:] == (classes,) and classes > 1:
        if not (np.sort(labels, axis=1) == np.eye(1, classes, classes - 1)).all():
            raise UsageError("of one-hot labels each row has one 1, all else is 0")
        return images, labels.argmax(axis=1)
    wrong = np.unique(labels[~np.isin(labels, np.arange(classes))])
    if len(wrong):
        raise UsageError(
            f"labels must be from 0 to {classes - 1}, {classifier.name}'s classes, "
            f"got {', '.join(map(str, wrong[:3]))}"
        )
    return images, labels.reshape(-1).astype(int)


def check_pictures_of(classifier: Classifier, inputs: Any) -> np.ndarray:
    """Return the pictures that a net is given, alone or with control vectors, or refuse them."""
    images = np.asarray(inputs["images"] if isinstance(inputs, Mapping) else inputs)
    classifier.check_size(images.shape)
    check_pictures(images)
    return images


def as_arrays(given: Any) -> Any:
    """Make arrays of lists and tensors, also in a dictionary."""
    if isinstance(given, Mapping):
        return {name: as_arrays(value) for name, value in given.items()}
    try:
        return np.asarray(given)
    except ValueError as error:  # of several shapes
        raise UsageError(f"pictures and labels must be arrays of one shape: {error}") from error


def first(both: tuple[Any, Any], validation_split: float | None) -> tuple[Any, Any]:
    """Return the pictures and labels that are learned from: Keras holds the last ones out."""
    inputs, labels = both
    count = math.floor(len(labels) * (1 - (validation_split or 0)))
    if isinstance(inputs, Mapping):
        return {name: array[:count] for name, array in inputs.items()}, labels[:count]
    return inputs[:count], labels[:count]


def peeked(data: Any, steps: int | None) -> tuple[Any, Iterable[Any]]:
    """Return batches as Keras takes them, and those of them to look at before."""
    if isinstance(data, keras.utils.PyDataset):
        count = data.num_batches if steps is None else steps
        return data, (data[index] for index in range(count))
    if isinstance(data, Iterator):
        some = list(islice(data, PEEKED))
        return (batch for batch in chain(some, data)), some
    if hasattr(data, "shape") or not isinstance(data, Iterable):
        raise UsageError(
            "fit takes pictures and labels, or a tf.data.Dataset, keras.utils.PyDataset, "
            f"DataLoader or generator of both, got {type(data).__name__}"
        )
    return data, islice(data, steps)
