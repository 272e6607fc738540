"""PyTorch's files of weights, read as data: nothing in them is executed.

The old format is a row of pickles (a magic number, a version, what wrote it, the dictionary of
tensors, the keys of the storages), behind which the storages follow. The newer one is a zip file
that holds one pickle, and each storage as a member. A pickle is a program. Python's own
interpreter for it is not used: of its instructions the few that a dictionary of tensors needs are
carried out here, and of the names that it may ask for only those are known that tensors have.
"""

import math
import pickle
import pickletools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from itn.messages import UsageError
from itn.probing import reason

Array: TypeAlias = npt.NDArray[Any]

OLD_START = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)  # magic and version
ZIP_START = b"PK\x03\x04"
PROGRAM = "/data.pkl"  # how the name of the zip file's pickle ends
MAX_INSTRUCTIONS = 1_000_000  # of a pickle: each may take some 60 bytes of memory
MAX_AXES = 32
NEW_DICTIONARY, NEW_TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
STORAGES: dict[str, np.dtype[Any]] = {
    "torch DoubleStorage": np.dtype("<f8"),
    "torch FloatStorage": np.dtype("<f4"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch LongStorage": np.dtype("<i8"),
    "torch IntStorage": np.dtype("<i4"),
    "torch ShortStorage": np.dtype("<i2"),
    "torch CharStorage": np.dtype("i1"),
    "torch ByteStorage": np.dtype("u1"),
}


@dataclass(frozen=True)
class _Name:
    """What a pickle may ask for by a name: a function, or a kind of storage."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """Numbers in a row, which lie elsewhere in the file."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage; offset and strides count numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_pytorch_file(path: str | Path) -> dict[str, Array]:
    """Read a dictionary of tensors that ``torch.save`` has written, in either of its formats.

    The arrays are views of what was read, and cannot be written to.
    """
    path = Path(path)
    content = path.read_bytes()
    try:
        if content.startswith(OLD_START):
            tensors, stored = _old_format(content)
        elif content.startswith(ZIP_START):
            tensors, stored = _zip_format(content)
        else:
            raise UsageError("it is no file of PyTorch")
        return {name: _array(tensor, stored) for name, tensor in tensors.items()}
    except UsageError as error:
        raise UsageError(f"{path} was not read: {reason(error)}") from error
    except Exception as error:  # damaged files raise nearly anything
        why = f"{type(error).__name__}: {reason(error)}"
        raise UsageError(f"{path} was not read: it is damaged ({why})") from error


def _old_format(content: bytes) -> tuple[dict[str, _Tensor], dict[str, memoryview]]:
    """Read the pickles, then the storages in the order of their keys, each after its length."""
    file = BytesIO(content)
    file.seek(len(OLD_START))
    storages: dict[str, _Storage] = {}
    system = _unpickled(file, {})
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise UsageError("its numbers are not little-endian")
    tensors = _tensors(file, storages)
    keys = _unpickled(file, {})
    if not isinstance(keys, list):
        raise UsageError("it has no list of storages")
    stored, position = {}, file.tell()
    for key in keys:
        if not isinstance(key, str) or key not in storages or key in stored:
            raise UsageError("its list of storages is not that of its tensors")
        storage = storages[key]
        start = position + 8
        count = int.from_bytes(content[position:start], "little")
        if count != storage.count:
            raise UsageError(f"storage {key!r} has {count:,} numbers instead of {storage.count:,}")
        position = start + count * storage.dtype.itemsize
        stored[key] = memoryview(content)[start:position]
    if position != len(content):
        raise UsageError(f"its storages end at byte {position:,}, it has {len(content):,}")
    return tensors, stored


def _zip_format(content: bytes) -> tuple[dict[str, _Tensor], dict[str, memoryview]]:
    """Read the pickle, then the members that are its storages; none of them is compressed."""
    storages: dict[str, _Storage] = {}
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = {member.filename: member for member in archive.infolist()}
        folders = [name.removesuffix(PROGRAM) for name in members if name.endswith(PROGRAM)]
        if len(folders) != 1:
            raise UsageError(f"it is no file of PyTorch: {len(folders)} × *{PROGRAM} in it")
        left = len(content)  # members that overlap would be larger than their file

        def read(name: str) -> bytes:
            nonlocal left
            member = members[f"{folders[0]}/{name}"]
            left -= member.file_size
            if member.compress_type != zipfile.ZIP_STORED or left < 0:
                raise UsageError(f"it is not to be trusted: {name!r} is larger than it looks")
            return archive.read(member)

        if f"{folders[0]}/byteorder" in members and read("byteorder") != b"little":
            raise UsageError("its numbers are not little-endian")
        tensors = _tensors(BytesIO(read(PROGRAM[1:])), storages)
        return tensors, {key: memoryview(read(f"data/{key}")) for key in storages}


def _tensors(file: BytesIO, storages: dict[str, _Storage]) -> dict[str, _Tensor]:
    found = _unpickled(file, storages)
    if not isinstance(found, dict) or not found:
        raise UsageError("it holds no dictionary of tensors")
    for name, tensor in found.items():
        if not isinstance(tensor, _Tensor):
            raise UsageError(f"it holds no dictionary of tensors: {name!r} is none")
    return found


def _unpickled(file: BytesIO, storages: dict[str, _Storage]) -> object:
    """Carry out a pickle up to its end; the storages that it refers to are noted."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def taken(start: int) -> list[Any]:
        if not 0 <= start <= len(stack):
            raise UsageError("its pickle takes what is not there")
        items = stack[start:]
        del stack[start:]
        return items

    for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if number == MAX_INSTRUCTIONS:
            raise UsageError(f"its pickle has more than {MAX_INSTRUCTIONS:,} instructions")
        match opcode.name:
            case "PROTO":
                pass
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode.name == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(taken(marks.pop())))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(taken(len(stack) - int(opcode.name[-1]))))
            case "BINPUT" | "LONG_BINPUT":
                memo[int(argument or 0)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[int(argument or 0)])
            case "APPEND" | "APPENDS":
                items = taken(marks.pop() if opcode.name == "APPENDS" else len(stack) - 1)
                _list(stack[-1]).extend(items)
            case "SETITEM" | "SETITEMS":
                items = taken(marks.pop() if opcode.name == "SETITEMS" else len(stack) - 2)
                _fill(stack[-1], items)
            case "GLOBAL":
                stack.append(_known(str(argument)))
            case "REDUCE":
                stack.append(_made(*taken(len(stack) - 2)))
            case "BINPERSID":
                stack.append(_storage(stack.pop(), storages))
            case "BUILD":  # attributes of a dictionary: versions of layers
                taken(len(stack) - 1)
                _fill(stack[-1], [])
            case "STOP":
                return stack.pop()
            case _:
                raise UsageError(f"it asks for {opcode.name}, which no dictionary of tensors needs")
    raise UsageError("its pickle has no end")


def _known(name: str) -> _Name:
    if name not in (NEW_DICTIONARY, NEW_TENSOR, *STORAGES):
        raise UsageError(
            f"it asks for {name.replace(' ', '.')}, but only tensors of numbers and dictionaries "
            "of them are admitted"
        )
    return _Name(name)


def _list(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise UsageError("its pickle appends to what is no list")
    return given


def _fill(given: Any, items: list[Any]) -> None:
    """Put keys and values into a dictionary. Keys are texts: what is nested takes ages to hash."""
    keys, values = items[::2], items[1::2]
    right = isinstance(given, dict) and len(keys) == len(values)
    if not right or not all(isinstance(key, str) for key in keys):
        raise UsageError("its pickle fills what is no dictionary with texts as keys")
    given.update(zip(keys, values, strict=True))


def _made(maker: Any, arguments: Any) -> object:
    """Carry out a call, of which there are two kinds."""
    if maker == _Name(NEW_DICTIONARY) and arguments == ():
        return {}
    if maker == _Name(NEW_TENSOR) and isinstance(arguments, tuple) and len(arguments) in (6, 7):
        if any(arguments[6:]):
            raise UsageError("it holds a tensor that is stored negated or conjugated")
        return _tensor(*arguments[:4])
    raise UsageError("its pickle calls what is no function, or not as PyTorch does")


def _storage(given: Any, storages: dict[str, _Storage]) -> _Storage:
    """Note a storage that a pickle refers to."""
    if not isinstance(given, tuple) or len(given) not in (5, 6):
        raise UsageError("it refers to what is no storage")
    what, kind, key, _, count, *view = given
    right = isinstance(kind, _Name) and kind.name in STORAGES and isinstance(key, str)
    if what != "storage" or not right or not _are_counts(count) or view not in ([], [None]):
        raise UsageError("it refers to what is no storage")
    storage = _Storage(key, STORAGES[kind.name], count)
    if storages.setdefault(key, storage) != storage:
        raise UsageError(f"storage {key!r} has two kinds or sizes")
    return storage


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> _Tensor:
    right = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides)
    if not isinstance(storage, _Storage) or not right or len(shape) > MAX_AXES:
        raise UsageError("its pickle makes a tensor of what is no storage, shape and strides")
    if not _are_counts(offset, *shape, *strides):
        raise UsageError("a tensor has an offset, a shape or strides that are no numbers from 0")
    reach = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    last = offset + (reach if 0 not in shape else -1)
    if last >= storage.count or math.prod(shape) > storage.count:
        raise UsageError(f"a tensor is larger than its storage {storage.key!r}")
    return _Tensor(storage, offset, shape, strides)


def _are_counts(*given: Any) -> bool:
    return all(type(each) is int and each >= 0 for each in given)


def _array(tensor: _Tensor, stored: Mapping[str, memoryview]) -> Array:
    """Make the array of a tensor; `numpy` checks once more that it lies within its storage."""
    storage, content = tensor.storage, stored.get(tensor.storage.key, memoryview(b""))
    size = storage.dtype.itemsize
    if len(content) != size * storage.count:
        raise UsageError(
            f"storage {storage.key!r} has {len(content):,} bytes instead of "
            f"{size * storage.count:,}"
        )
    return np.ndarray(
        tensor.shape,
        storage.dtype,
        content,
        size * tensor.offset,
        [size * stride for stride in tensor.strides],
    )
