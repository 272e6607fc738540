"""Weight files of other software, read as data: nothing in them is executed.

A pickle can call any function of any module, so what a NumPy file of Python 2 holds is
rebuilt here by stand-ins for the few functions that arrays need. A Caffe model is a protocol
buffer, of which four messages matter: reading these takes fewer lines than describing them
to a library, and no dependency.
"""

import io
import pickle
import pickletools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from itn.messages import UsageError

Weights: TypeAlias = dict[str, list[npt.NDArray[np.float32]]]  # layer: arrays

MAX_MEMO = 1_000_000  # objects of a pickle, for which memory is taken when one is numbered
MEMO = ("PUT", "BINPUT", "LONG_BINPUT")
NUMBERS = re.compile(r"[<>|=]?[fiu][1248]")
ARRAY_MAKERS = {  # where NumPy 1 and 2 have it
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}
# Fields of Caffe's messages. A layer is written in an older or a newer form.
NET_LAYERS = {2: (4, 6), 100: (1, 7)}  # field of NetParameter: fields of name and blobs in it
BLOB_LEGACY_SHAPE, BLOB_DATA, BLOB_SHAPE, SHAPE_DIMENSIONS = (1, 2, 3, 4), 5, 7, 1
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5  # kinds of fields


def read_npy_dictionary(path: str | Path) -> Weights:
    """Read a dictionary of arrays that Python 2 or 3 has pickled into a NumPy file.

    Arrays of numbers, dictionaries, lists, tuples and strings are admitted.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            *_, dtype = read_header(file)
            if not dtype.hasobject:
                raise ValueError("it holds one array instead of a dictionary of arrays")
            content = file.read()
        for opcode, argument, _ in pickletools.genops(content):  # which executes nothing
            if opcode.name in MEMO and int(argument or 0) > MAX_MEMO:
                raise ValueError(f"it numbers an object {argument}")
        found = _plain(_Unpickler(io.BytesIO(content), encoding="latin1").load())
        while isinstance(found, list) and len(found) == 1:  # the dictionary is an array's item
            found = found[0]
        if not isinstance(found, dict):
            raise ValueError("it holds no dictionary")
        weights = {}
        for name, arrays in found.items():
            if not isinstance(name, str) or not isinstance(arrays, list | tuple):
                raise ValueError("it is not a dictionary of lists of arrays")
            if not all(isinstance(array, np.ndarray) for array in arrays):
                raise ValueError(f"{name} is not a list of arrays")
            weights[name] = [array.astype(np.float32) for array in arrays]
        return weights
    except OSError:
        raise
    except Exception as error:  # unpickling and numpy raise nearly anything on damaged files
        raise UsageError(f"{path} was not read: {error}") from error


def read_caffemodel(path: str | Path) -> Weights:
    """Read the arrays of a Caffe model."""
    weights: Weights = {}
    try:
        for field, layer in _fields(memoryview(Path(path).read_bytes())):
            if field not in NET_LAYERS:
                continue
            name_field, blob_field = NET_LAYERS[field]
            name, blobs = "", []
            for inner, value in _fields(_message(layer)):
                if inner == name_field:
                    name = bytes(_message(value)).decode()
                elif inner == blob_field:
                    blobs.append(_blob(_message(value)))
            if blobs:
                weights[name] = blobs
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{path} was not read: {error}") from error
    if not weights:
        raise UsageError(f"{path} was not read: it has no layer with weights")
    return weights


class _Unpickler(pickle.Unpickler):
    """An unpickler that finds stand-ins, made anew for each file, and nothing else."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) in ARRAY_MAKERS:
            return lambda kind, shape, typecode: _Array()
        if (module, name) == ("numpy", "ndarray"):  # only ever handed to the above
            return lambda: None
        if (module, name) == ("numpy", "dtype"):
            return lambda code, *_: _DataType(code)
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return lambda text, encoding: text.encode("latin1")
        raise ValueError(
            f"it asks for {module}.{name}, but only arrays, dictionaries, lists and strings "
            "are admitted"
        )


class _DataType:
    """Stands in for a `numpy.dtype` while it is unpickled."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.code = state[1] + self.code.lstrip("<>|=")


class _Array:
    """Stands in for a `numpy.ndarray` while it is unpickled; never larger than its data."""

    value: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        if isinstance(data, list):  # of objects; that they lie in a list is all that matters
            self.value = data
            return
        if not NUMBERS.fullmatch(dtype.code):
            raise ValueError(f"it holds an array of {dtype.code!r}")
        raw = data.encode("latin1") if isinstance(data, str) else data
        self.value = np.frombuffer(raw, dtype.code).reshape(shape, order="F" if fortran else "C")


def _plain(found: object) -> object:
    """Put the arrays in place of their stand-ins."""
    if isinstance(found, _Array):
        return _plain(found.value)
    if isinstance(found, dict):
        return {name: _plain(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(value) for value in found]
    return found


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Take a protocol buffer apart: the number and the value of every field."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == BYTES:
            size, position = _varint(message, position)
        elif kind in (FIXED_32, FIXED_64):
            size = 4 if kind == FIXED_32 else 8
        else:
            raise ValueError(f"it is no Caffe model: a field of kind {kind}")
        if size > len(message) - position:
            raise ValueError("it ends too early")
        yield number, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position == len(message):
            raise ValueError("it ends too early")
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("it is no Caffe model: a number of more than 64 bits")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("it is no Caffe model: a number where a message belongs")
    return value


def _blob(message: memoryview) -> npt.NDArray[np.float32]:
    shape: list[int] = []
    legacy = dict.fromkeys(BLOB_LEGACY_SHAPE, 1)
    parts = []
    for field, value in _fields(message):
        if field in legacy and isinstance(value, int):
            legacy[field] = value
        elif field == BLOB_DATA:
            parts.append(np.frombuffer(_message(value), "<f4"))
        elif field == BLOB_SHAPE:
            for inner, packed in _fields(_message(value)):
                if inner == SHAPE_DIMENSIONS:
                    shape += [packed] if isinstance(packed, int) else _varints(packed)
    data = np.concatenate([*parts, np.empty(0, "<f4")]).astype(np.float32)
    return data.reshape(shape or list(legacy.values()))


def _varints(packed: memoryview) -> list[int]:
    values, position = [], 0
    while position < len(packed):
        value, position = _varint(packed, position)
        values.append(value)
    return values
