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

from itn.images import Pictures
from itn.messages import UsageError, unknown

PARTS = ("training", "test", "duplicate")
HASH_SIDE = 32  # pixels of the picture that is hashed
HASH_FREQUENCIES = 8  # along each axis
NEAR = 8  # bits of 63; pictures that differ in no more look the same
GRAY = np.array([0.2989, 0.587, 0.114], np.float32)


def perceptual_hash(images: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Hash pictures so that those that look alike differ in few bits.

    The bits say which of the lowest frequencies of the gray picture, a discrete cosine
    transform, are above their median; the mean is left out.

    Parameters
    ----------
    images : array of float32, shape [N, H, W, 3]
        RGB in [0, 1]; height and width are multiples of 32.

    Returns
    -------
    array of bool, shape [N, 63]
        The hashes.

    Examples
    --------
    >>> images = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    >>> int((perceptual_hash(images) != perceptual_hash(images * 0.5 + 0.2)).sum())
    0
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
    """Find the pictures that look like an earlier one, or like its mirror image.

    Parameters
    ----------
    images : array of float32, shape [N, H, W, 3]
        As for `perceptual_hash`.

    Returns
    -------
    array of int, shape [N]
        For each picture which earlier picture, itself no duplicate, it comes closest to,
        if that is within 8 bits; -1 if there is none.

    Examples
    --------
    >>> images = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    >>> near_duplicates(np.concatenate([images, images[:1, :, ::-1]])).tolist()
    [-1, -1, 0]
    """
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
    """Split pictures by chance, each class in the same proportion.

    Parameters
    ----------
    pictures : Pictures
        All that there are; height and width are multiples of 32.
    share : float, default 0.7
        Share of the pictures of a class to learn from.
    limit : int, default 200
        At most that many pictures of a class; which ones is left to chance.
    seed : int, default 0
        Seed of the chance.

    Returns
    -------
    dict of str to (str, str)
        Path to part, "training", "test" or "duplicate", and the path of the picture that a
        duplicate comes closest to, else "". Pictures beyond the limit are not in it.

    Examples
    --------
    >>> images = np.random.default_rng(0).random((5, 32, 32, 3), np.float32)
    >>> pictures = Pictures(images, np.zeros(5, int), ("a",), tuple("vwxyz"), "mine")
    >>> sorted(part for part, _ in split_pictures(pictures, share=0.6).values())
    ['test', 'test', 'training', 'training', 'training']
    """
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
    """Write a split as a tab-separated table.

    Parameters
    ----------
    split : mapping of str to (str, str)
        From `split_pictures`.
    path : str or Path
        The file.

    Examples
    --------
    >>> write_split(split, "profiles/photos.tsv")  # doctest: +SKIP
    """
    rows = [("path", "part", "of"), *((name, *rest) for name, rest in split.items())]
    text = "".join("\t".join(row).rstrip("\t") + "\n" for row in rows)
    Path(path).write_text(text, encoding="utf-8", newline="\n")


def read_split(path: str | Path, part: str) -> frozenset[str]:
    """Read the paths of one part of a split.

    Parameters
    ----------
    path : str or Path
        The file.
    part : {"training", "test", "duplicate"}
        Which part.

    Returns
    -------
    frozenset of str
        Paths as in `Pictures.paths`.

    Raises
    ------
    UsageError
        If there is no such file or no such part.

    Examples
    --------
    >>> read_split("missing.tsv", "test")
    Traceback (most recent call last):
    itn.messages.UsageError: no split missing.tsv
    """
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    if not Path(path).is_file():
        raise UsageError(f"no split {path}")
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return frozenset(row["path"] for row in rows if row["part"] == part)
