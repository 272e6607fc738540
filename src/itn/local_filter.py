"""Small filters, each picture with kernels of its own, as sums of shifted pictures."""

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
        Kernels, k odd.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside the picture, see `itn.affine_warp`.

    Returns
    -------
    tensor [N, H, W, C]
        Differentiable in both.
    """
    check_fill(fill)
    size = kernels.shape[-1]
    height, width = images.shape[1:3]
    framed = _framed(images, size // 2, fill)
    kernels = ops.transpose(kernels, (2, 3, 0, 1))[:, :, :, None, None, :]  # [k, k, N, 1, 1, C]
    return sum(
        kernels[i, j] * framed[:, i : i + height, j : j + width]
        for i in range(size)
        for j in range(size)
    )


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
