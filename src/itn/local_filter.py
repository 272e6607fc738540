"""Small filters, each picture with kernels of its own, as sums of shifted pictures.

Rows of pixels and channels lie in one axis: a processor then works on many values at once. The
gradient is written out, as sums of shifted pictures again; a library's own, of slices, would be
pictures with margins of zeros, and takes several times as long. Grouped convolutions, the usual
way to give each picture a kernel, are far slower where XLA compiles for a processor.
"""

from collections.abc import Callable, Iterator
from typing import Any

from itn import ops
from itn.warp import Tensor, check_fill


def local_filter(images: Tensor, kernels: Tensor, fill: str = "zeros") -> Tensor:
    """Filter each picture and channel by a kernel of its own.

    ``output[n, y, x, c] = Σ_ij kernels[n, c, i, j] · input[n, y + i - r, x + j - r, c]`` with
    r = (k - 1)/2: a kernel is laid over the picture as it is, not mirrored. (So do the
    convolutions of neural networks and `scipy.ndimage.correlate`; `scipy.ndimage.convolve`
    mirrors.)

    Parameters
    ----------
    images : tensor [N, H, W, C]
        Pictures, at least r pixels high and wide.
    kernels : tensor [N, C, k, k]
        As many kernels, k odd.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside the picture, see `itn.affine_warp`.

    Returns
    -------
    tensor [N, H, W, C]
        Differentiable in both.
    """
    check_fill(fill)
    framed = _framed(images, kernels.shape[-1] // 2, fill)
    return ops.custom_gradient(_summed_with_gradient)(framed, kernels)


def _summed_with_gradient(
    framed: Tensor, kernels: Tensor
) -> tuple[Tensor, Callable[..., tuple[Tensor, Tensor]]]:
    """Return what `_summed` does, and the function that makes gradients of its gradient."""

    def gradients(*given: Any, upstream: Tensor = None) -> tuple[Tensor, Tensor]:
        upstream = given[0] if upstream is None else upstream  # as Keras' backends call it
        size = kernels.shape[-1]
        margin = (size - 1, size - 1)
        around = ops.pad(upstream, ((0, 0), margin, margin, (0, 0)))
        width, channels = upstream.shape[2:]
        lines = ops.reshape(upstream, (-1, upstream.shape[1], width * channels))
        sums = [
            ops.sum(ops.reshape(ops.sum(shifted * lines, axis=1), (-1, width, channels)), axis=1)
            for _, shifted in _shifts(framed, size)
        ]
        of_kernels = ops.reshape(ops.stack(sums, axis=-1), (-1, channels, size, size))
        return _summed(around, ops.flip(kernels, axis=(2, 3))), of_kernels

    return _summed(framed, kernels), gradients


def _summed(framed: Tensor, kernels: Tensor) -> Tensor:
    """Filter pictures that have a margin, which is used up."""
    size = kernels.shape[-1]
    height, width = (length - size + 1 for length in framed.shape[1:3])
    total = sum(
        ops.tile(kernels[:, :, i, j], (1, width))[:, None] * shifted
        for (i, j), shifted in _shifts(framed, size)
    )
    return ops.reshape(total, (-1, height, width, framed.shape[3]))


def _shifts(framed: Tensor, size: int) -> Iterator[tuple[tuple[int, int], Tensor]]:
    """Return for each place in a kernel the part [N, H, W * C] of pictures that lies under it."""
    height, width = (length - size + 1 for length in framed.shape[1:3])
    channels = framed.shape[3]
    lines = ops.reshape(framed, (-1, framed.shape[1], framed.shape[2] * channels))
    for i in range(size):
        for j in range(size):
            yield (i, j), lines[:, i : i + height, j * channels : (j + width) * channels]


def _framed(images: Tensor, margin: int, fill: str) -> Tensor:
    """Put a margin around pictures."""
    if fill in ("edge", "reflect"):
        return _extended(_extended(images, margin, fill, 1), margin, fill, 2)
    mean = ops.mean(images, axis=(1, 2), keepdims=True) if fill == "mean" else 0.0
    frame = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    return ops.pad(images - mean, frame) + mean


def _extended(images: Tensor, margin: int, fill: str, axis: int) -> Tensor:
    """Repeat the border, or mirror about it, before and behind one axis.

    In pieces: the gradient of a list of indices would be a slow scattering.
    """
    size = images.shape[axis]
    wanted = [0] * margin if fill == "edge" else range(margin - 1, -1, -1)
    before = [_line(images, index, axis) for index in wanted]
    after = [_line(images, size - 1 - index, axis) for index in reversed(wanted)]
    return ops.concatenate([*before, images, *after], axis=axis)


def _line(images: Tensor, index: int, axis: int) -> Tensor:
    return images[:, index : index + 1] if axis == 1 else images[:, :, index : index + 1]
