"""Which photographs do networks learn from, and which test them? Writes profiles/photos.tsv.

Near-duplicates are told by a perceptual hash and kept only once, so that no test picture was
learned by heart. The others are split by chance, each class in the same proportion. The table
says path, part, and for a duplicate of which picture it is one.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.fft import dctn

from itn.pictures import Pictures, load_images
from itn.study.profiles import load_profile
from itn.study.splits import PARTS

HASH_SIDE = 32  # pixels of the picture that is hashed
HASH_FREQUENCIES = 8  # along each axis
NEAR = 8  # bits of 63; pictures that differ in no more look the same
GRAY = np.array([0.2989, 0.587, 0.114], np.float32)
TARGET = Path(__file__).parents[1] / "profiles" / "photos.tsv"


def main() -> None:
    pictures = load_images("caltech-101", load_profile("photos").classes, 64, shorter_side=64)
    write_split(split_pictures(pictures), TARGET)


def perceptual_hash(images: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Hash pictures so that those that look alike differ in few bits.

    The bits say which of the lowest frequencies of the gray picture, a discrete cosine
    transform, are above their median; the mean is left out.
    """
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


if __name__ == "__main__":
    main()
