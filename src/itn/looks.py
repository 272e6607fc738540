"""What a classifier says of pictures under affine and color matrices."""

from collections.abc import Iterator

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from itn.classifiers import Classifier, batches
from itn.displacement import Matrix
from itn.invariant_transformer import InvariantTransformerNet, in_pixels, recolor
from itn.messages import UsageError
from itn.picture_files import Images
from itn.warp import Tensor, affine_warp, fused

BATCH_SIZE = 64


class MatrixLook(keras.Model):
    """What a classifier says of pictures, each under matrices of its own.

    Parameters
    ----------
    classifier : Classifier
        Who looks.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside a picture.

    Examples
    --------
    >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> look = MatrixLook(Classifier(network, lambda x: 5 * x, 8, ("red", "green", "blue")))
    >>> red_to_blue = np.roll(np.eye(3, 4), -1, axis=0)
    >>> red = np.zeros((1, 8, 8, 3), "float32") + np.array([1, 0, 0], "float32")
    >>> look.softmax(red, np.eye(2, 3)[None], red_to_blue[None]).round(2).tolist()
    [[0.009999999776482582, 0.009999999776482582, 0.9900000095367432]]
    """

    def __init__(self, classifier: Classifier, fill: str = "zeros") -> None:
        super().__init__(name="matrix_look", dtype="float32")
        self.classifier, self.network = classifier, classifier.network

        def prepare(images: Tensor, spatial: Tensor, color: Tensor) -> Tensor:
            warped = affine_warp(images, in_pixels(spatial, images.shape), fill)
            return classifier.preprocess(recolor(warped, color))

        self.prepare = fused(prepare)
        self.compile(jit_compile=keras.backend.backend() != "tensorflow")

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return the softmax of transformed pictures."""
        logits = self.network(self.prepare(**inputs), training=False)
        return ops.softmax(ops.cast(logits, "float32"))

    def softmax(
        self, images: Images, spatial: npt.ArrayLike, color: npt.ArrayLike
    ) -> npt.NDArray[np.float32]:
        """Return the softmax of many transformed pictures.

        Pictures [N, H, W, 3] with a matrix [N or 1, 2, 3] and a color matrix [N or 1, 3, 4] give
        [N, K]. A softmax that is not a number is an error that names picture and matrices.
        """
        return np.concatenate(list(self._batches(images, spatial, color)))

    def predicted(
        self, images: Images, spatial: npt.ArrayLike, color: npt.ArrayLike
    ) -> npt.NDArray[np.int64]:
        """Return the logits that win for many transformed pictures.

        As `softmax`, of which only one batch is held at a time.
        """
        parts = self._batches(images, spatial, color)
        return np.concatenate([softmax.argmax(axis=1) for softmax in parts])

    def _batches(
        self, images: Images, spatial: npt.ArrayLike, color: npt.ArrayLike
    ) -> Iterator[npt.NDArray[np.float32]]:
        count = len(images)
        matrices = {
            name: np.broadcast_to(np.asarray(given, np.float32), (count, *np.shape(given)[1:]))
            for name, given in (("spatial", spatial), ("color", color))
        }
        for rows, number in full_batches(count):
            inputs = {"images": images[rows]} | {n: m[rows] for n, m in matrices.items()}
            softmax = self.predict_on_batch(inputs)[:number]
            if not np.isfinite(softmax).all():
                wrong = rows[np.flatnonzero(~np.isfinite(softmax).all(axis=1))[0]]
                raise UsageError(
                    f"{self.classifier.name} gives no number for picture {wrong} under "
                    f"{matrices['spatial'][wrong].tolist()} and {matrices['color'][wrong].tolist()}"
                )
            yield softmax


def full_batches(count: int) -> Iterator[tuple[np.ndarray, int]]:
    """Split rows into batches of one size, so that nothing is compiled twice.

    With each comes how many of its rows count: the last batch is filled up with some twice.
    """
    size = min(BATCH_SIZE, count)
    for start, stop in batches(count, size):
        yield np.resize(np.arange(start, stop), size), stop - start


def family_matrices(
    net: InvariantTransformerNet, alpha: np.ndarray, beta: np.ndarray
) -> tuple[Matrix, Matrix]:
    """Return the matrices of a net's learned family.

    Control vectors α [M, p] and β [M, q] give [M, 2, 3] and [M, 3, 4].
    """
    spatial, color = net.spatial.matrix(alpha), net.color.matrix(beta)
    return np.asarray(spatial, float), np.asarray(color, float)
