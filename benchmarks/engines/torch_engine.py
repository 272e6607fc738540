"""PyTorch, bare or below transformations of kornia or scikit-image; see `benchmarks/speed.py`.

It runs in an environment of its own, which has no `itn`.

torch_engine.py bare|kornia|scikit-image first|last PICTURES.npy WEIGHTS.npz

Channels lie first in memory, as PyTorch has them by itself, or last, as those of Keras do.
"""

import math
import sys
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import kornia
import numpy as np
import scipy.ndimage
import skimage
import torch
from pipe import Pipe, seconds_of
from torch import nn

GRAY_WEIGHTS = (0.2989, 0.587, 0.114)
MEANS_BGR = (104.0, 117.0, 123.0)
EXPANDED = (64, 64, 128, 128, 192, 192, 256, 256)  # channels of each branch, fire2 ... fire9
TRUNCATE = 4  # standard deviations after which kernels of a blur end

Change = Callable[[Any, float, Any], Any]  # pictures, magnitude, noise -> pictures


class Fire(nn.Module):
    """A squeeze convolution, then two beside each other."""

    def __init__(self, channels: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, expanded // 4, 1)
        self.narrow = nn.Conv2d(expanded // 4, expanded, 1)
        self.wide = nn.Conv2d(expanded // 4, expanded, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return twice the expanded channels."""
        x = self.squeeze(x).relu_()
        return torch.cat([self.narrow(x), self.wide(x)], 1).relu_()


def build_network(weights: list[np.ndarray] | None) -> nn.Sequential:
    """Build SqueezeNet v1.0 with Keras' weights, kernels [h, w, in, out] and biases in turn.

    Without, it has PyTorch's random ones.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, 96, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    channels = 96
    for number, expanded in enumerate(EXPANDED, 2):
        layers.append(Fire(channels, expanded))
        channels = 2 * expanded
        if number in (4, 8):
            layers.append(nn.MaxPool2d(3, 2))
    layers += [nn.Conv2d(channels, 1000, 1, padding=1), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softmax(1)).eval()
    with torch.no_grad():
        for parameter, weight in zip(network.parameters(), weights or [], strict=bool(weights)):
            axes = (3, 2, 0, 1) if weight.ndim == 4 else (0,)
            parameter.copy_(torch.from_numpy(weight.transpose(axes)))
    return network


def preprocess(images: torch.Tensor) -> torch.Tensor:
    """Bring pictures [N, 3, H, W] in [0, 1] to blue, green, red around their means."""
    return 255 * images.flip(1) - torch.tensor(MEANS_BGR)[:, None, None]


def noise_fields(first: int, images: np.ndarray) -> np.ndarray:
    """Draw the fields that `itn.screen` gives these pictures, in the same way."""
    fields = np.empty_like(images)
    for number, field in enumerate(fields, first):
        seed = (0, zlib.crc32(f"{number}.png".encode()))
        np.random.default_rng(seed).standard_normal(out=field, dtype=np.float32)
    return fields


def kornia_changes(count: int, height: int, width: int) -> dict[str, Change]:
    """Return the eleven transformations of pictures [N, 3, H, W]."""
    transform, enhance = kornia.geometry.transform, kornia.enhance
    weights = torch.tensor(GRAY_WEIGHTS)

    def rows(*numbers: float) -> torch.Tensor:
        return torch.tensor([numbers]).expand(count, -1)

    def blur(x: torch.Tensor, sigma: float, _: object) -> torch.Tensor:
        if sigma == 0:
            return x
        side = 2 * math.ceil(TRUNCATE * sigma) + 1
        return kornia.filters.gaussian_blur2d(x, side, (sigma, sigma), "constant")

    return {
        "translation_x": lambda x, m, _: transform.translate(x, rows(m * width, 0)),
        "translation_y": lambda x, m, _: transform.translate(x, rows(0, m * height)),
        "rotation": lambda x, m, _: transform.rotate(x, torch.full((count,), float(m))),
        "scale_x": lambda x, m, _: transform.scale(x, rows(m, 1)),
        "scale_y": lambda x, m, _: transform.scale(x, rows(1, m)),
        "zoom": lambda x, m, _: transform.scale(x, rows(m, m)),
        "brightness": lambda x, m, _: enhance.adjust_brightness(x, m, clip_output=False),
        "contrast": lambda x, m, _: enhance.adjust_contrast(x, m, clip_output=False),
        "grayscale": lambda x, m, _: (
            (1 - m) * x + m * kornia.color.rgb_to_grayscale(x, rgb_weights=weights)
        ),
        "blur": blur,
        "noise": lambda x, m, noise: x + m * noise,
    }


def scikit_image_changes(height: int, width: int) -> dict[str, Change]:
    """Return the eleven transformations of one picture [H, W, 3]."""
    transform = skimage.transform
    options = {"order": 1, "mode": "constant", "clip": False, "preserve_range": True}
    weights = np.array(GRAY_WEIGHTS, np.float32)

    def affine(x: np.ndarray, sx: float, sy: float, dx: float, dy: float) -> np.ndarray:
        cx, cy = (width - 1) / 2, (height - 1) / 2
        read = np.array([[1 / sx, 0, cx - (cx + dx) / sx], [0, 1 / sy, cy - (cy + dy) / sy]])
        warped: np.ndarray = transform.warp(x, np.vstack([read, [0, 0, 1]]), **options)
        return warped

    def blur(x: np.ndarray, sigma: float, _: object) -> np.ndarray:
        blurred: np.ndarray = skimage.filters.gaussian(
            x, sigma, mode="constant", truncate=TRUNCATE, channel_axis=-1, preserve_range=True
        )
        return blurred

    return {
        "translation_x": lambda x, m, _: affine(x, 1, 1, m * width, 0),
        "translation_y": lambda x, m, _: affine(x, 1, 1, 0, m * height),
        "rotation": lambda x, m, _: transform.rotate(x, m, **options),
        "scale_x": lambda x, m, _: affine(x, m, 1, 0, 0),
        "scale_y": lambda x, m, _: affine(x, 1, m, 0, 0),
        "zoom": lambda x, m, _: affine(x, m, m, 0, 0),
        "brightness": lambda x, m, _: x + np.float32(m),
        "contrast": lambda x, m, _: np.float32(m) * x,
        "grayscale": lambda x, m, _: (
            np.float32(1 - m) * x + np.float32(m) * (x @ weights)[..., None]
        ),
        "blur": blur,
        "noise": lambda x, m, noise: x + np.float32(m) * noise,
    }


def warps(images: np.ndarray, matrix: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Return ways to warp pictures [N, H, W, 3] by a matrix from pixels written to pixels read."""
    count, height, width, _ = images.shape
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    turn, shift = matrix[:, :2], matrix[:, 2] + center - matrix[:, :2] @ center
    read = np.vstack([np.column_stack([turn, shift]), [0, 0, 1]])  # in pixels from the corner
    written = torch.from_numpy(np.linalg.inv(read)[:2].astype(np.float32)).expand(count, -1, -1)
    # In coordinates that run from -1 to 1, from the center of the first pixel to that of the last.
    stretch = np.diag(2 / np.array([width - 1, height - 1]))
    unit = np.column_stack([stretch @ turn @ np.linalg.inv(stretch), stretch @ matrix[:, 2]])
    theta = torch.from_numpy(unit.astype(np.float32)).expand(count, -1, -1)
    swapped = read[[1, 0, 2]][:, [1, 0, 2]]  # rows first
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

    def grid_sample() -> np.ndarray:
        grid = nn.functional.affine_grid(theta, list(x.shape), align_corners=True)
        sampled = nn.functional.grid_sample(x, grid, padding_mode="zeros", align_corners=True)
        return np.asarray(sampled.permute(0, 2, 3, 1))

    def kornia_affine() -> np.ndarray:
        warped = kornia.geometry.transform.warp_affine(x, written, (height, width))
        return np.asarray(warped.permute(0, 2, 3, 1))

    def scipy_channel(channel: np.ndarray) -> np.ndarray:
        warped: np.ndarray = scipy.ndimage.affine_transform(
            channel, swapped, order=1, mode="grid-constant"
        )
        return warped

    return {
        "kornia": kornia_affine,
        "grid_sample": grid_sample,
        "scipy": lambda: np.stack(
            [np.stack([scipy_channel(image[..., i]) for i in range(3)], -1) for image in images]
        ),
        "scikit-image": lambda: np.stack(
            [skimage.transform.warp(image, read, order=1, clip=False) for image in images]
        ),
        "OpenCV": lambda: np.stack(
            [cv2.warpAffine(image, read[:2], (width, height), flags=flags) for image in images]
        ),
    }


def main(what: str, channels: str, file: str, weights: str) -> None:
    pipe = Pipe()
    torch.set_grad_enabled(False)
    images = np.load(file)
    count, height, width, _ = images.shape
    stored = np.load(weights)
    layout = {"first": torch.contiguous_format, "last": torch.channels_last}[channels]
    network = build_network([stored[name] for name in stored.files]).to(memory_format=layout)
    by_kornia = kornia_changes(count, height, width)
    by_scikit_image = scikit_image_changes(height, width)

    def arranged(pictures: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(memory_format=layout)

    def look(x: torch.Tensor) -> None:
        pipe.keep(network(x.contiguous(memory_format=layout)).numpy())

    prepared = preprocess(arranged(images))

    def bare(transformation: str, magnitudes: list[float], number: int) -> None:
        for _ in magnitudes:
            look(prepared)

    def kornia_slice(transformation: str, magnitudes: list[float], number: int) -> None:
        x = arranged(images)
        noise = None
        if transformation == "noise":
            noise = arranged(noise_fields(number * count, images))
        for magnitude in magnitudes:
            look(preprocess(by_kornia[transformation](x, magnitude, noise)))

    def scikit_image_slice(transformation: str, magnitudes: list[float], number: int) -> None:
        change = by_scikit_image[transformation]
        noise = images
        if transformation == "noise":
            noise = noise_fields(number * count, images)
        for magnitude in magnitudes:
            pairs = zip(images, noise, strict=True)
            changed = np.stack([change(image, magnitude, field) for image, field in pairs])
            look(preprocess(arranged(changed)))

    do = {"bare": bare, "kornia": kornia_slice, "scikit-image": scikit_image_slice}

    def begin(transformation: str, magnitudes: list[float], rounds: int) -> None:
        for number in range(rounds + 1):
            if number:
                pipe.lap()
            do[what](transformation, magnitudes, number)

    def warp(name: str, matrix: list[list[float]], repeats: int, target: str) -> dict[str, Any]:
        action = warps(images, np.array(matrix))[name]
        seconds = seconds_of(action, repeats)
        if target:
            np.save(target, action())
        return {"seconds": seconds}

    pipe.serve({"begin": begin, "warp": warp})


if __name__ == "__main__":
    main(*sys.argv[1:])
