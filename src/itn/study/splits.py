"""Splits: which pictures of a data set networks learn from, and which they are tested on.

Near-duplicates are told by a perceptual hash and kept only once, so that no test picture was
learned by heart. A split is written down as a table: path, part, and for a duplicate of which
picture it is one.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from itn.messages import UsageError, unknown
from itn.pictures import Pictures

PARTS = ("training", "test", "duplicate")
HASH_SIDE = 32  # pixels of the picture that is hashed
HASH_FREQUENCIES = 8  # along each axis
NEAR = 8  # bits of 63; pictures that differ in no more look the same
GRAY = np.array([0.2989, 0.587, 0.114], np.float32)


def perceptual_hash(images: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Hash pictures so that those that look alike differ in few bits.

    The bits say which of the lowest frequencies of the gray picture, a discrete cosine
    transform, are above their median; the mean is left out.
    """
    from scipy.fft import dctn  # a quarter of a second that few need to wait

    count, height, width, _ = images.shape
    gray = (images @ GRAY).reshape(
        count, HASH_SIDE, height // HASH_SIDE, HASH_SIDE, width // HASH_SIDE
    )
    frequencies = dctn(gray.mean(axis=(2, 4)), axes=(1, 2), norm="ortho")
    lowest = frequencies[:, :HASH_FREQUENCIES, :HASH_FREQUENCIES].reshape(count, -1)[:, 1:]
    bits: npt.NDArray[np.bool_] = lowest > np.median(lowest, axis=1, keepdims=True)
    return bits


def near_duplicates(images: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Find the pictures that look like an earlier one, or like its mirror image."""
    hashes, mirrored = perceptual_hash(images), perceptual_hash(images[:, :, ::-1])
    found = np.full(len(images), -1)
    kept: list[int] = []
    for index in range(len(images)):
        if kept:
            both = np.stack([hashes[kept], mirrored[kept]])
            distance = (both != hashes[index]).sum(axis=2).min(axis=0)
            if distance.min() <= NEAR:
                found[index] = kept[int(distance.argmin())]
                continue
        kept.append(index)
    return found


def split_pictures(
    pictures: Pictures, share: float = 0.7, limit: int = 200, seed: int = 0
) -> dict[str, tuple[str, str]]:
    """Split pictures by chance, each class in the same proportion."""
    duplicate_of = near_duplicates(pictures.images[:])
    split = {
        pictures.paths[index]: ("duplicate", pictures.paths[of])
        for index, of in enumerate(duplicate_of)
        if of >= 0
    }
    for label in range(len(pictures.class_names)):
        members = np.flatnonzero((pictures.labels == label) & (duplicate_of < 0))
        chosen = np.random.default_rng([seed, label]).permutation(members)[:limit]
        count = round(share * len(chosen))
        for rank, index in enumerate(chosen):
            split[pictures.paths[index]] = (PARTS[int(rank >= count)], "")
    return dict(sorted(split.items()))


def write_split(split: Mapping[str, tuple[str, str]], path: str | Path) -> None:
    """Write a split as a tab-separated table."""
    rows = [("path", "part", "of"), *((name, *rest) for name, rest in split.items())]
    text = "".join("\t".join(row).rstrip("\t") + "\n" for row in rows)
    Path(path).write_text(text, encoding="utf-8", newline="\n")


def read_split(path: str | Path, part: str) -> frozenset[str]:
    """Read the paths of one part of a split."""
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    if not Path(path).is_file():
        raise UsageError(f"no split {path}")
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return frozenset(row["path"] for row in rows if row["part"] == part)
