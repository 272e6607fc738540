"""Files of pictures: how one is decoded, and many when they are asked for."""

import errno
import os
import stat
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from itn.messages import UsageError, shown, whole_number

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
# The published evaluation resizes the shorter side to 256 and cuts out 227 × 227.
SHORTER_SIDE_PER_SIZE = 256 / 227
WORKERS = min(4, os.cpu_count() or 1)  # each holds one decoded picture at full size
LARGEST_SIZE = 65_535  # pixels of a side, as in the largest JPEG
CHUNK = 64  # pictures that are decoded, or headers that are read, at a time
Sizes: TypeAlias = tuple[int, int]  # of the square that is cut out, and of the shorter side before
Outcome: TypeAlias = npt.NDArray[np.float32] | str  # a picture, or why there is none
_Read = TypeVar("_Read")


class PictureFiles:
    """Pictures, read as by `read_picture` when they are asked for, used like an array of all."""

    dtype = np.dtype(np.float32)
    ndim = 4

    def __init__(self, paths: Sequence[Path], size: int, shorter_side: int) -> None:
        self.paths = tuple(paths)
        self.shape = (len(self.paths), size, size, 3)
        self._decode = partial(try_decode, sizes=(size, shorter_side))

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.paths)

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        """Decode some pictures: one by its number, or several by a slice or an array."""
        chosen = np.arange(len(self))[rows]
        wanted, where = np.unique(chosen, return_inverse=True)  # each is decoded once
        paths = [self.paths[row] for row in wanted]
        images = np.empty((len(paths), *self.shape[1:]), np.float32)
        with quiet_pool() as pool:
            for row, outcome in enumerate(map_in_order(pool, self._decode, paths)):
                if isinstance(outcome, str):
                    raise UsageError(
                        f"{paths[row]}: {outcome}; only pictures that are loaded at once can be "
                        "left out: stream=False, or remove the file"
                    )
                images[row] = outcome
        return images[where.reshape(chosen.shape)]

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        """Decode all pictures in turn."""
        for start in range(0, len(self), CHUNK):
            yield from self[start : start + CHUNK]


Images: TypeAlias = npt.NDArray[np.float32] | PictureFiles


def read_picture(
    path: str | Path, size: int | None = None, *, shorter_side: int | None = None
) -> npt.NDArray[np.float32]:
    """Read a picture file as float32 RGB in [0, 1].

    The format is told from the content, not from the name: JPEG, PNG, GIF, WebP, BMP or TIFF.
    The EXIF orientation is applied. Transparent pixels are laid over black, which is what the
    transformations put outside the picture. Of an animation the first frame is taken. 16-bit
    grey keeps its precision, 16-bit color is cut to 8 bits. Color profiles are ignored.
    """
    sizes = check_sizes(size, shorter_side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = try_decode(Path(path), sizes)
    if isinstance(outcome, str):
        raise UsageError(f"{path}: {outcome}")
    return outcome


def check_sizes(size: int | None, shorter_side: int | None) -> Sizes | None:
    """Return the sizes with their defaults, or say which does not fit."""
    if size is None:
        if shorter_side is not None:
            raise UsageError(f"shorter_side is {shorter_side}, but size is not given")
        return None
    if (size := whole_number(size, "size")) < 1:
        raise UsageError(f"size must be at least 1 pixel, got {size}")
    if size > LARGEST_SIZE:
        raise UsageError(f"size must be at most {LARGEST_SIZE} pixels, got {shown(size)}")
    if shorter_side is None:
        return size, round(size * SHORTER_SIDE_PER_SIZE)
    if (shorter_side := whole_number(shorter_side, "shorter_side")) < size:
        raise UsageError(f"shorter_side must be at least size, {size} pixels, got {shorter_side}")
    return size, shorter_side


def no_file(path: Path) -> str | None:
    """Say why there is no file to read, in words that name no folder; None if there is."""
    try:
        return None if stat.S_ISREG(path.stat().st_mode) else "not a file"
    except OSError as error:
        if not path.is_symlink():
            return error.strerror or str(error)
        return "a link to itself" if error.errno == errno.ELOOP else "a link to nothing"


@contextmanager
def quiet_pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for decoding, without the warnings of Pillow about damage: what matters it raises."""
    with warnings.catch_warnings(), ThreadPoolExecutor(WORKERS) as pool:
        warnings.simplefilter("ignore")  # here and not in the threads, which share the filters
        yield pool


def map_in_order(
    pool: ThreadPoolExecutor,
    read: Callable[[Path], _Read],
    paths: Sequence[Path],
    together: int = 1,
) -> Iterator[_Read]:
    """Like ``pool.map``, but never more than a few results ahead of the consumer."""
    waiting: deque[Future[list[_Read]]] = deque()
    for start in range(0, len(paths), together):
        some = paths[start : start + together]
        waiting.append(pool.submit(lambda some: [read(path) for path in some], some))
        if len(waiting) > 2 * WORKERS:
            yield from waiting.popleft().result()
    for future in waiting:
        yield from future.result()


def try_decode(path: Path, sizes: Sizes | None) -> Outcome:
    """Return the picture, or why there is none."""
    return _or_reason(lambda: _decode(path, sizes), path)


def try_header(path: Path, sizes: Sizes | None) -> str | None:
    """Return why there is no picture, as far as its header says, or None."""

    def read() -> None:
        with Image.open(path, formats=FORMATS) as image:
            _check_header(image, sizes)

    return _or_reason(read, path)


def _or_reason(read: Callable[[], _Read], path: Path) -> _Read | str:
    """Return what is read, or why it cannot be, in words that name no folder."""
    if (reason := no_file(path)) is not None:
        return reason
    try:
        return read()
    except MemoryError:
        raise
    except UnidentifiedImageError:
        return f"not a {', '.join(FORMATS)} file" if path.stat().st_size else "empty file"
    except (OSError, UsageError) as error:
        return getattr(error, "strerror", None) or str(error)
    except Exception as error:  # decoders of damaged files raise nearly anything
        return f"{type(error).__name__}: {error}"


def _decode(path: Path, sizes: Sizes | None) -> npt.NDArray[np.float32]:
    with Image.open(path, formats=FORMATS) as image:
        _check_header(image, sizes)
        image.load()
        with suppress(Exception):  # damaged EXIF data does not make the pixels worse
            ImageOps.exif_transpose(image, in_place=True)
        plain = _to_plain(image)
    if sizes is not None:
        size, shorter_side = sizes
        width, height = _resized(plain.size, shorter_side)
        plain = plain.resize((width, height), Image.Resampling.BILINEAR)
        left, top = (width - size) // 2, (height - size) // 2
        plain = plain.crop((left, top, left + size, top + size))
    if plain.mode == "F":
        return np.repeat(np.asarray(plain).clip(0, 1)[:, :, np.newaxis], 3, axis=2)
    return np.divide(np.asarray(plain, np.uint8), np.float32(255), dtype=np.float32)


def _check_header(image: Image.Image, sizes: Sizes | None) -> None:
    if image.mode in ("I", "F"):
        raise UsageError(f"it is not known which value is white in pixels of mode {image.mode}")
    looked_at = [image.size, *([_resized(image.size, sizes[1])] if sizes else [])]
    for width, height in looked_at:
        if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
            raise UsageError(f"{width} × {height} pixels are more than PIL.Image.MAX_IMAGE_PIXELS")


def _resized(size: tuple[int, int], shorter_side: int) -> tuple[int, int]:
    """Return width and height once the shorter of them is as long as it should be."""
    width, height = size
    longer = round(shorter_side * max(size) / min(size))
    return (shorter_side, longer) if width <= height else (longer, shorter_side)


def _to_plain(image: Image.Image) -> Image.Image:
    """Convert to mode RGB, or to mode F in [0, 1] where 8 bits would not do."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(np.asarray(image, np.float32) / np.float32(65535))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return image.convert("RGB")
