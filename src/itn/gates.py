"""What an Invariant Transformer Net holds while it moves pictures, and how that bounds a step.

A step that goes *outward* minimizes ``L_S + λ L_C``, which moves pictures farther. It is bounded
by what the classifier says of the moved pictures of the batch, q, beside a reference:

- *accuracy*: the share whose class is their label. Below a₀ the step repairs instead: it minimizes
  the cross-entropy of q against the labels. That is the paper's rule.
- *consistency*: the share whose class is that of the untouched picture. Below c₀ the step
  minimizes the cross-entropy of q against that class. It needs no labels.
- *divergence*: ``D = mean KL(p ‖ q) = mean Σ_k p_k (log p_k - log q_k)``, from p, the softmax of
  the untouched picture, to q, that of the moved one. Every step minimizes
  ``L_S + λ L_C + m (D - d₀)``: no switch. The multiplier is ``m = ν e^r``, where
  ``r = D / d₀ - 1``, at most 2, says by how much the bound is broken. ν > 0 is learned by ascent
  on its logarithm: after the step ``ν <- ν e^(r / 10)``, so that it grows while D is above d₀ and
  shrinks while it is below. The factor e^r answers the batch at hand, without which the ascent
  swings about d₀ more and more (a controller with a proportional and an integral term).

References
----------
Stooke, Achiam, Abbeel (2020), Responsive Safety in Reinforcement Learning by PID Lagrangian
Methods.
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from itn.classifiers import Classifier
from itn.labeled_batches import as_arrays, check_pictures_of
from itn.messages import UsageError, real_number, unknown
from itn.warp import Tensor

HOLDS = ("accuracy", "consistency", "divergence")
LEVELS = {"consistency": 0.95, "divergence": 0.1}  # c₀ and d₀ where none is given
ASCENT = 0.1  # of the logarithm of ν, for each time that a step breaks the bound
MOST_BROKEN = 2.0  # times the bound, that count
MULTIPLIER, SMALLEST, LARGEST = 1.0, 1e-3, 1e3  # where ν starts, and where it stays
AGREEMENT = 1e-3  # to which a reference that was given is the classifier's own softmax
STEP_LOGS = {
    "accuracy": ("cross_entropy", "spatial_loss", "color_loss", "batch_accuracy", "outward"),
    "consistency": ("cross_entropy", "spatial_loss", "color_loss", "batch_consistency", "outward"),
    "divergence": ("divergence", "spatial_loss", "color_loss", "batch_consistency", "multiplier"),
}

NO_REFERENCE = (
    "what is held is what the classifier says of untouched pictures, no label: give pictures "
    "alone, as arrays, or batches of (pictures, classifier.predict(pictures))"
)


def checked_level(
    hold: object, level: object, required_accuracy: object, gate_margin: object
) -> float | None:
    """Return the level that is held, c₀ or d₀, or refuse options that do not go together."""
    if hold not in HOLDS:
        raise unknown("hold", hold, HOLDS)
    if hold == "accuracy":
        if level is not None:
            raise UsageError("the level of an accuracy that is held is its required_accuracy")
        return None
    if required_accuracy is not None:
        raise UsageError(f"required_accuracy is not held, but the {hold}: give its level")
    if hold == "divergence" and gate_margin:
        raise UsageError("a divergence is held without a switch: there is no gate_margin")
    number = real_number(LEVELS[str(hold)] if level is None else level, "level", 0)
    if not 0 < number <= (1 if hold == "consistency" else np.inf):
        possible = "in (0, 1]" if hold == "consistency" else "above 0"
        raise UsageError(f"the level of a {hold} must be {possible}, got {level}")
    return number


def loss_by_share(
    hold: str, reference: Tensor, logits: Tensor, farther: Tensor, required: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss outward if enough pictures are of their class, else the cross-entropy.

    With what is logged. The reference holds indices of logits, [N] or [N, 1], or is one-hot or
    a softmax, [N, K].
    """
    # Of what a generator brings, neither rank nor size need be known.
    given = ops.reshape(reference, (ops.shape(logits)[0], -1))  # [N, 1] or [N, K]
    by_class = ops.shape(given)[1] > 1
    labels = ops.where(by_class, ops.argmax(given, axis=-1), ops.cast(given[:, 0], "int32"))
    cross_entropy = ops.mean(
        keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    )
    right = ops.cast(ops.argmax(logits, axis=-1), "int32") == labels
    share = ops.mean(ops.cast(right, "float32"))
    outward = share >= required
    logged = {
        "cross_entropy": cross_entropy,
        f"batch_{hold}": share,
        "outward": ops.cast(outward, "float32"),
    }
    return ops.where(outward, farther, cross_entropy), logged


def loss_by_divergence(
    reference: Tensor, logits: Tensor, farther: Tensor, multiplier: Tensor, allowed: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss outward with the divergence bounded by a multiplier, and what is logged.

    That is, among others, what ν is after the step. The reference is the softmax [N, K] of the
    untouched pictures.
    """
    untouched = ops.cast(ops.reshape(reference, ops.shape(logits)), "float32")
    # Where a class has the softmax 0 it adds nothing: 0 log 0 = 0.
    ratio = ops.log(ops.maximum(untouched, 1e-30)) - ops.log_softmax(logits)
    divergence = ops.mean(ops.sum(untouched * ratio, axis=-1))
    same = ops.argmax(untouched, axis=-1) == ops.argmax(logits, axis=-1)
    broken = ops.stop_gradient(ops.clip(divergence / allowed - 1, -1, MOST_BROKEN))
    logged = {
        "divergence": divergence,
        "batch_consistency": ops.mean(ops.cast(same, "float32")),
        "multiplier": ops.clip(multiplier * ops.exp(ASCENT * broken), SMALLEST, LARGEST),
    }
    return farther + multiplier * ops.exp(broken) * (divergence - allowed), logged


def referenced(classifier: Classifier, inputs: Any, given: Any = None) -> tuple[Any, np.ndarray]:
    """Return pictures, as arrays, with the classifier's softmax of them as they are.

    What was given as that, and is something else, is refused.
    """
    arrays = as_arrays(inputs)
    said = classifier.predict(check_pictures_of(classifier, arrays))
    if given is not None:
        given = as_arrays(given)
        if given.shape != said.shape or not np.allclose(given, said, atol=AGREEMENT):
            raise UsageError(NO_REFERENCE)
    return arrays, said


def check_references(classifier: Classifier, batches: Iterable[Any]) -> None:
    """Refuse batches that bring anything but the classifier's own softmax beside the pictures."""
    count = 0
    for batch in batches:
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise UsageError(NO_REFERENCE)
        count += len(referenced(classifier, *batch[:2])[1])
    if not count:
        raise UsageError("there are no pictures to learn from")
