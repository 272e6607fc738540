"""What a classifier says of many pictures: as they are, and under matrices and kernels."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from itn.classifiers import Classifier, batches
from itn.local_filter import local_filter
from itn.messages import UsageError
from itn.picture_files import Images
from itn.screening import Look
from itn.warp import Tensor, affine_warp, in_pixels, recolor

BATCH_SIZE = 64


def complete_untouched(softmax: np.ndarray, classifier: Classifier, images: Images) -> None:
    """Write the softmax [N, K] of pictures as they are where it is still NaN."""
    look = Look(classifier, lambda images: images)
    for rows, number in full_batches(len(images)):
        missing = rows[:number]
        if np.isnan(softmax[missing]).any():
            softmax[missing] = look.softmax({"images": images[rows]})[:number]


class MatrixLook:
    """What a classifier says of pictures, each under matrices of its own.

    Pictures [N, H, W, 3] with a matrix [N or 1, 2, 3] and a color matrix [N or 1, 3, 4], and
    between the two, if they are given, kernels [N or 1, 3, k, k].
    """

    def __init__(self, classifier: Classifier, fill: str = "zeros") -> None:
        def moved(
            images: Tensor, spatial: Tensor, color: Tensor, kernels: Tensor | None = None
        ) -> Tensor:
            images = affine_warp(images, in_pixels(spatial, images.shape), fill)
            if kernels is not None:
                images = local_filter(images, kernels, fill)
            return recolor(images, color)

        self.name, self.fill, self.look = classifier.name, fill, Look(classifier, moved)

    def softmax(
        self,
        images: Images,
        spatial: npt.ArrayLike,
        color: npt.ArrayLike,
        names: Sequence[str] = (),
        kernels: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return the softmax [N, K] of transformed pictures; an error calls them by their names."""
        return np.concatenate(list(self.in_batches(images, spatial, color, names, kernels)))

    def predicted(
        self,
        images: Images,
        spatial: npt.ArrayLike,
        color: npt.ArrayLike,
        kernels: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.int64]:
        """Return the logits [N] that win; the softmax of one batch is held at a time."""
        parts = self.in_batches(images, spatial, color, kernels=kernels)
        return np.concatenate([softmax.argmax(axis=1) for softmax in parts])

    def in_batches(
        self,
        images: Images,
        spatial: npt.ArrayLike,
        color: npt.ArrayLike,
        names: Sequence[str] = (),
        kernels: npt.ArrayLike | None = None,
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Pass through the softmax of transformed pictures, one batch after the other."""
        count = len(images)
        matrices = {
            name: np.broadcast_to(np.asarray(given, np.float32), (count, *np.shape(given)[1:]))
            for name, given in (("spatial", spatial), ("color", color), ("kernels", kernels))
            if given is not None
        }
        for rows, number in full_batches(count):
            inputs = {"images": images[rows]} | {n: m[rows] for n, m in matrices.items()}
            softmax = self.look.softmax(inputs)[:number]
            if not np.isfinite(softmax).all():
                wrong = rows[np.flatnonzero(~np.isfinite(softmax).all(axis=1))[0]]
                which = names[wrong] if len(names) else f"picture {wrong}"
                under = " and ".join(str(each[wrong].tolist()) for each in matrices.values())
                raise UsageError(f"{self.name} gives no number for {which} under {under}")
            yield softmax


def full_batches(count: int, size: int = BATCH_SIZE) -> Iterator[tuple[np.ndarray, int]]:
    """Split rows into batches of one size, so that nothing is compiled twice.

    With each comes how many of its rows count: the last batch is filled up with some twice.
    """
    size = min(size, count)
    for start, stop in batches(count, size):
        yield np.resize(np.arange(start, stop), size), stop - start
