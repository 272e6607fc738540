"""PyTorch's files, written byte by byte: what is right comes back, all else is one line."""

import re
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weight_formats import (
    PYTORCH_START,
    PYTORCH_SYSTEM,
    pickled_number,
    pickled_text,
    pytorch_file,
    pytorch_old,
    pytorch_program,
    pytorch_storage,
    pytorch_tensor,
    pytorch_zip,
)

from itn.messages import UsageError
from itn.zoo.efficientnet_lite import build_efficientnet_lite, load_pytorch_weights
from itn.zoo.pytorch_files import MAX_INSTRUCTIONS, read_pytorch_file

FORMATS = {"old": pytorch_old, "zip": pytorch_zip}
NUMBERS = np.arange(24, dtype="<f4")
STORED = {"0": NUMBERS}
ALL = pytorch_storage("0", "Float", 24)


def read(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    return read_pytorch_file(path)


def refused(tmp_path, content):
    """Return the line with which a file is refused."""
    with pytest.raises(UsageError, match=r"weights\.pth was not read: ") as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)
    return str(caught.value).partition(" was not read: ")[2]


def test_every_byte_of_the_old_format(tmp_path):
    """One tensor [[1.5, -2.0]], instruction by instruction."""
    content = bytes.fromhex(
        "80 02 8a 0a 6c fc 9c 46 f9 20 6a a8 50 19 2e"  # the magic number, as LONG1
        "80 02 4d e9 03 2e"  # version 1001
        "80 02 7d 71 00 58 0d 00 00 00"  # a dictionary, noted as 0; a text of 13 bytes
    ) + b"little_endian" + bytes.fromhex("71 01 88 73 2e")  # noted as 1: True  # fmt: skip
    content += bytes.fromhex("80 02") + b"ccollections\nOrderedDict\n" + bytes.fromhex("71 00")
    content += bytes.fromhex("29 52 71 01")  # called with nothing, noted as 1
    content += b"X\x01\x00\x00\x00aq\x02" + b"ctorch._utils\n_rebuild_tensor_v2\nq\x03"
    content += b"((X\x07\x00\x00\x00storageq\x04ctorch\nFloatStorage\nq\x05"
    content += b"X\x02\x00\x00\x0017q\x06X\x03\x00\x00\x00cpuq\x07K\x02Ntq\x08Q"  # key 17, 2 long
    content += b"K\x00K\x01K\x02\x86q\x09K\x02K\x01\x86q\x0a"  # from 0; shape 1, 2; strides 2, 1
    content += b"\x89h\x00)Rq\x0btq\x0cRq\x0ds"  # no gradient, no hooks; into the dictionary
    content += b"}q\x0eX\x09\x00\x00\x00_metadatah\x00)Rsb."  # its attributes
    content += b"\x80\x02]q\x00X\x02\x00\x00\x0017q\x01a."  # the list of keys
    content += struct.pack("<qff", 2, 1.5, -2.0)
    found = read(tmp_path, content)
    assert list(found) == ["a"] and found["a"].dtype == np.float32
    np.testing.assert_array_equal(found["a"], [[1.5, -2.0]])
    with pytest.raises(ValueError, match="read-only"):
        found["a"][0, 0] = 3


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_arrays_of_all_kinds_come_back(tmp_path, write):
    rng = np.random.default_rng(0)
    arrays = {
        kind: (rng.normal(0, 50, shape)).astype(f"<{kind}")
        for kind, shape in (("f8", (2, 3)), ("f4", (4,)), ("f2", (2, 1, 2)), ("i8", ()))
    } | {"u1": np.arange(6, dtype="u1").reshape(3, 2), "none": np.empty((0, 3), "<f4")}
    found = read(tmp_path, pytorch_file(arrays, write))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_tensors_are_views_of_storages_that_they_share(tmp_path, write):
    whole = NUMBERS.reshape(2, 3, 4)
    views = {  # offset, shape and strides, and what that is for NumPy
        "whole": ((0, (2, 3, 4), (12, 4, 1)), whole),
        "transposed": ((0, (4, 2, 3), (1, 12, 4)), whole.transpose(2, 0, 1)),
        "every other": ((1, (2, 3, 2), (12, 4, 2)), whole[:, :, 1::2]),
        "a row": ((20, (4,), (1,)), whole[1, 2]),
        "the last": ((23, (), ()), whole[1, 2, 3]),
        "diagonal": ((0, (3,), (5,)), whole[0, :, :3].diagonal()),
        "three of one": ((7, (3,), (0,)), np.full(3, 7)),
    }
    made = {name: pytorch_tensor(ALL, *view) for name, (view, _) in views.items()}
    found = read(tmp_path, write(pytorch_program(made), STORED))
    for name, (_, expected) in views.items():
        np.testing.assert_array_equal(found[name], expected, err_msg=name)


def tensor(*arguments, **options):
    return pytorch_program({"a": pytorch_tensor(*arguments, **options)})


RIGHT = tensor(ALL, 0, (24,), (1,))
HUGE = 2**2000
LARGER = "a tensor is larger than its storage '0'"
NO_NUMBERS = "a tensor has an offset, a shape or strides that are no numbers from 0"
NO_STORAGE = "it refers to what is no storage"
NO_DICTIONARY = "its pickle fills what is no dictionary with texts as keys"
PROGRAMS = {  # what is refused in both formats, and how
    "past the end": (tensor(ALL, 1, (24,), (1,)), LARGER),
    "one stride too far": (tensor(ALL, 0, (2, 2), (23, 1)), LARGER),
    "an offset past the end": (tensor(ALL, 24, (), ()), LARGER),
    "an offset past the end, of nothing": (tensor(ALL, 26, (0,), (1,)), LARGER),
    "a stride that wraps in 64 bits": (tensor(ALL, 0, (2,), (2**62,)), LARGER),
    "numbers of 2000 bits": (tensor(ALL, HUGE, (HUGE,) * 32, (HUGE,) * 32), LARGER),
    "one number, a million times": (tensor(ALL, 0, (1000, 1000), (0, 0)), LARGER),
    "nothing, of a size that wraps": (
        tensor(ALL, 0, (0, 2**62, 8), (1, 1, 1)),
        "it is damaged (ValueError: array is",
    ),
    "a negative offset": (tensor(ALL, -4, (4,), (1,)), NO_NUMBERS),
    "a negative stride": (tensor(ALL, 23, (4,), (-1,)), NO_NUMBERS),
    "a negative shape": (tensor(ALL, 0, (-1, -24), (1, 1)), NO_NUMBERS),
    "truth as a number": (RIGHT.replace(pickled_number(24) + b"t(", b"\x88t("), NO_NUMBERS),
    "33 axes": (tensor(ALL, 0, (1,) * 33, (1,) * 33), "its pickle makes a tensor of what is no"),
    "more strides than axes": (tensor(ALL, 0, (1,), (1, 1)), "its pickle makes a tensor of what"),
    "a tensor of a text": (tensor(pickled_text("0"), 0, (), ()), "its pickle makes a tensor of"),
    "a tensor of another": (tensor(pytorch_tensor(ALL), 0, (), ()), "its pickle makes a tensor of"),
    "stored negated": (
        tensor(ALL, rest=b"\x89N}" + pickled_text("neg") + b"\x88s"),
        "it holds a tensor that is stored negated",
    ),
    "too few arguments": (tensor(ALL, rest=b""), "its pickle calls what is no function, or not"),
    "two sizes of a storage": (
        pytorch_program({"a": pytorch_tensor(ALL), "b": pytorch_tensor(pytorch_storage())}),
        "storage '0' has two kinds or sizes",
    ),
    "two kinds of a storage": (
        pytorch_program(
            {"a": pytorch_tensor(ALL), "b": pytorch_tensor(pytorch_storage("0", "Long", 24))}
        ),
        "storage '0' has two kinds or sizes",
    ),
    "a storage of 2 ** 62 numbers": (
        tensor(pytorch_storage("0", "Float", 2**62)),
        "storage '0' has",
    ),
    "a negative storage": (tensor(pytorch_storage("0", "Float", -24)), NO_STORAGE),
    "a kind of storage that is not known": (
        tensor(pytorch_storage("0", "BFloat16")),
        "it asks for torch.BFloat16Storage, but only tensors of numbers",
    ),
    "no storage": (b"\x80\x02" + pickled_text("storage") + b"Q.", NO_STORAGE),
    "a view of a storage": (
        RIGHT.replace(pickled_number(24) + b"tQ", pickled_number(24) + b"(K\x00tt" + b"Q", 1),
        NO_STORAGE,
    ),
    "a storage of another library": (
        RIGHT.replace(b"ctorch\nFloat", b"cevil\nFloat"),
        "it asks for evil.FloatStorage",
    ),
    "a function that is only named": (b"\x80\x02cos\nsystem\n.", "it asks for os.system, but"),
    "a module by a longer name": (
        RIGHT.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v2.x"),
        "it asks for torch._utils._rebuild_tensor_v2.x",
    ),
    "STACK_GLOBAL": (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "it asks for SHORT_BINUNICODE"),
    "STACK_GLOBAL of texts": (
        b"\x80\x04" + pickled_text("os") + pickled_text("system") + b"\x93.",
        "it asks for STACK_GLOBAL",
    ),
    "extension registry": (b"\x80\x02\x82\xf0.", "it asks for EXT1"),
    "extension of four bytes": (b"\x80\x02\x84\xf0\xf0\xf0\xf0.", "it asks for EXT4"),
    "INST": (b"(ios\nsystem\n.", "it asks for INST"),
    "NEWOBJ": (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "it asks for NEWOBJ"),
    "a buffer out of band": (b"\x80\x05\x97.", "it asks for NEXT_BUFFER"),
    "a call of a text": (
        b"\x80\x02" + pickled_text("eval") + b")R.",
        "its pickle calls what is no",
    ),
    "a call of a storage's kind": (
        b"\x80\x02ctorch\nFloatStorage\n)R.",
        "its pickle calls what is",
    ),
    "a dictionary with arguments": (
        b"\x80\x02ccollections\nOrderedDict\n]\x85R.",
        "its pickle calls",
    ),
    "attributes of a function": (b"\x80\x02ccollections\nOrderedDict\n}b.", NO_DICTIONARY),
    "attributes of a tensor": (
        b"\x80\x02" + pytorch_tensor(ALL) + b"}b.",
        NO_DICTIONARY,
    ),
    "a key that takes ages to hash": (
        b"\x80\x02})" + b"q\x00h\x00\x86" * 100 + b"K\x01s.",
        NO_DICTIONARY,
    ),
    "a key without a value": (b"\x80\x02}(" + pickled_text("a") + b"u.", NO_DICTIONARY),
    "items of a list that is none": (b"\x80\x02}K\x01a.", "its pickle appends to what is no list"),
    "a dictionary in itself": (
        b"\x80\x02}q\x00" + pickled_text("a") + b"h\x00s.",
        "it holds no dictionary of tensors: 'a' is none",
    ),
    "a list in itself": (b"\x80\x02]q\x00h\x00a.", "it holds no dictionary of tensors"),
    "tuples of tuples": (b"\x80\x02)" + b"q\x00h\x00\x86" * 100 + b".", "it holds no dictionary"),
    "a storage whose key is nested": (
        b"\x80\x02)" + b"q\x00h\x00\x86" * 100 + b"q\x01(h\x01h\x01h\x01h\x01h\x01tQ.",
        NO_STORAGE,
    ),
    "no tensors": (b"\x80\x02}.", "it holds no dictionary of tensors"),
    "a number instead": (b"\x80\x02K\x01.", "it holds no dictionary of tensors"),
    "a dictionary of dictionaries": (
        pytorch_program({"state": b"}"}),
        "it holds no dictionary of tensors: 'state' is",
    ),
    "an empty stack": (b"\x80\x02.", "it is damaged (IndexError"),
    "TUPLE3 of two": (b"\x80\x02K\x01K\x02\x87.", "its pickle takes what is not there"),
    "a mark that is not there": (b"\x80\x02K\x01t.", "it is damaged (IndexError"),
    "a mark above the stack": (
        b"\x80\x02K\x01(K\x01K\x02\x86\x85(t\x87t.",
        "it holds no dictionary",
    ),
    "an object that was not noted": (b"\x80\x02h\x07.", "it is damaged (KeyError: 7)"),
    "an object numbered 2 ** 32 - 1": (b"\x80\x02}r\xff\xff\xff\xff.", "it holds no dictionary"),
    "a text of 2 ** 62 bytes": (
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b".",
        "it is damaged (ValueError: expected",
    ),
    "a text that is none": (b"\x80\x02X\x01\x00\x00\x00\xff.", "it is damaged (UnicodeDecodeError"),
    "no instruction": (b"\x80\x02\xff.", "it is damaged (ValueError: at position"),
    "without end": (
        b"\x80\x02" + b"}" * MAX_INSTRUCTIONS + b".",
        "its pickle has more than 1,000,000 instructions",
    ),
}


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(("program", "message"), PROGRAMS.values(), ids=PROGRAMS)
def test_a_pickle_that_is_not_of_tensors_is_refused(tmp_path, program, message, write):
    assert refused(tmp_path, write(program, STORED)).startswith(message)


def test_the_file_that_they_are_made_from_is_right(tmp_path):
    for write in FORMATS.values():
        np.testing.assert_array_equal(read(tmp_path, write(RIGHT, STORED))["a"], NUMBERS)


def changed(content, position, new):
    return content[:position] + new + content[position + len(new) :]


def overlapping():
    """A zip file whose directory has the same member under a hundred names."""
    tensors = {f"t{i}": pytorch_tensor(pytorch_storage(str(i), "Float", 24)) for i in range(100)}
    content = pytorch_zip(pytorch_program(tensors), STORED)
    start = content.index(b"PK\x01\x02")
    directory, end = content[start : content.index(b"PK\x05\x06")], content[-22:]
    entry = directory[directory.index(b"weights/data/0") - 46 :][: 46 + len("weights/data/0")]
    more = b"".join(
        entry[:28] + struct.pack("<H", len(name)) + entry[30:46] + name.encode()
        for name in (f"weights/data/{i}" for i in range(1, 100))
    )
    # Their own headers are all the one of member 0, whose name differs: it is not even read.
    size = len(directory) + len(more)
    end = changed(end, 8, struct.pack("<HHII", 103, 103, size, start))
    return content[:start] + directory + more + end


OLD, ZIP = pytorch_old(RIGHT, STORED), pytorch_zip(RIGHT, STORED)
FILES = {
    "empty": (b"", "it is no file of PyTorch"),
    "a text": (b"weights", "it is no file of PyTorch"),
    "another magic number": (changed(OLD, 5, b"x"), "it is no file of PyTorch"),
    "another version": (changed(OLD, 18, b"x"), "it is no file of PyTorch"),
    "big-endian": (OLD.replace(b"little_endian\x88", b"little_endian\x89"), "its numbers are not"),
    "big-endian, zip": (pytorch_zip(RIGHT, STORED, byteorder=b"big"), "its numbers are not"),
    "no system": (PYTORCH_START + b"\x80\x02N." + RIGHT, "its numbers are not little-endian"),
    "another storage": (pytorch_old(RIGHT, {"1": NUMBERS}), "its list of storages is not that of"),
    "a storage twice": (pytorch_old(RIGHT, STORED, ["0", "0"]), "its list of storages is not that"),
    "no storages": (pytorch_old(RIGHT, {}), "storage '0' has 0 bytes instead of 96"),
    "no list of storages": (PYTORCH_START + PYTORCH_SYSTEM + RIGHT + b"\x80\x02}.", "it has no"),
    "a list of other things": (
        PYTORCH_START + PYTORCH_SYSTEM + RIGHT + b"\x80\x02]K\x00a.",
        "its list of storages is not that of its tensors",
    ),
    "a shorter storage": (
        pytorch_old(RIGHT, {"0": NUMBERS[:-1]}),
        "storage '0' has 23 numbers instead of 24",
    ),
    "a storage that announces 2 ** 63": (
        changed(OLD, len(OLD) - 104, struct.pack("<Q", 2**63)),
        f"storage '0' has {2**63:,} numbers instead of 24",
    ),
    "2 ** 60 numbers, announced twice": (
        PYTORCH_START + PYTORCH_SYSTEM + tensor(pytorch_storage("0", "Float", 2**60))
        + b"\x80\x02]" + pickled_text("0") + b"a." + struct.pack("<q", 2**60),
        "its storages end at byte 4,6",
    ),
    "truncated": (OLD[:-1], "its storages end at byte"),
    "longer": (OLD + b"\0", "its storages end at byte"),
    "a shorter storage, zip": (
        pytorch_zip(RIGHT, {"0": NUMBERS[:-1]}),
        "storage '0' has 92 bytes instead of 96",
    ),
    "no storages, zip": (pytorch_zip(RIGHT, {}), "it is damaged (KeyError: 'weights/data/0')"),
    "truncated, zip": (ZIP[:-1], "it is damaged (BadZipFile"),
    "another byte, zip": (
        ZIP.replace(NUMBERS[5:7].tobytes(), b"\x01" * 8),
        "it is damaged (BadZipFile: Bad CRC-32",
    ),
    "compressed": (
        pytorch_zip(RIGHT, STORED, zipfile.ZIP_DEFLATED),
        "it is not to be trusted: 'byteorder' is larger than it looks",
    ),
    "overlapping members": (overlapping(), "it is damaged (BadZipFile"),
    "a zip file of something else": (ZIP.replace(b"data.pkl", b"data.xml"), "it is no file of"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES)
def test_a_file_that_is_not_of_tensors_is_refused(tmp_path, content, message):
    assert refused(tmp_path, content).startswith(message)


def test_a_zip_bomb_is_refused_by_what_it_announces(tmp_path):
    size = 2**20
    content = pytorch_zip(tensor(pytorch_storage("0", "Float", size)), {"0": np.zeros(size, "<f4")})
    for member in (b"data.pkl", b"byteorder", b"data/0"):
        position = content.rindex(b"weights/" + member) - 26  # the sizes in the directory
        bomb = changed(content, position, struct.pack("<II", *[2**31] * 2))
        assert refused(tmp_path, bomb) == (
            f"it is not to be trusted: '{member.decode()}' is larger than it looks"
        )


@pytest.mark.parametrize("content", [OLD, ZIP], ids=FORMATS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_refused_or_does_no_harm(tmp_path_factory, content, data):
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(content) - 1))
        content = changed(content, position, bytes([data.draw(st.integers(0, 255))]))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    path.write_bytes(content)
    try:
        found = read_pytorch_file(path)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert sum(array.nbytes for array in found.values()) <= NUMBERS.nbytes


@pytest.fixture(scope="module")
def network():
    return build_efficientnet_lite(0, class_count=2)


@pytest.fixture(scope="module")
def arrays(network):
    """Random weights for a network, in PyTorch's names and axes."""
    rng, found = np.random.default_rng(2), {}
    kinds = {"gamma": "weight", "beta": "bias", "kernel": "weight", "bias": "bias",
             "moving_mean": "running_mean", "moving_variance": "running_var"}  # fmt: skip
    for layer in network.layers:
        name = re.sub(r"\.(?=[a-z])", "._", f"_{layer.name}")
        axes = "hwoi->oihw" if "depthwise" in name else "hwio->oihw"
        for variable in layer.variables:
            array = rng.normal(size=variable.shape).astype("<f4")
            variable.assign(array)
            array = np.einsum(axes, array) if array.ndim == 4 else array.T
            found[f"{name}.{kinds[variable.name]}"] = np.ascontiguousarray(array)
            if variable.name == "gamma":
                found[f"{name}.num_batches_tracked"] = np.array(3, "<i8")
    return found


def test_every_weight_of_a_network_comes_back(tmp_path, network, arrays):
    assert {"_conv_stem.weight", "_blocks.15._bn2.running_var", "_fc.bias"} <= set(arrays)
    wanted = network.get_weights()
    for variable in network.variables:
        variable.assign(np.zeros(variable.shape))
    (tmp_path / "weights.pth").write_bytes(pytorch_file(arrays))
    load_pytorch_weights(network, tmp_path / "weights.pth")
    for found, expected in zip(network.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("less", "more", "message"),
    [
        (["_fc.bias"], {}, "_fc.bias is missing"),
        ([], {"_fc.scale": np.zeros(2, "<f4")}, "'_fc.scale' is not in efficientnet_lite0"),
        ([], {"_fc.bias": np.zeros(3, "<f4")}, "_fc.bias has shape [3] instead of [2]"),
        ([], {"_fc.bias": np.zeros((2, 2), "<f4")}, "_fc.bias has shape [2, 2] instead of [2]"),
        ([f"_fc.{each}" for each in ("weight", "bias")], {"a": np.zeros(1), "b": np.zeros(1)},
         "_fc.weight is missing; _fc.bias is missing; "
         "'a' is not in efficientnet_lite0; and 1 more"),
    ],
)  # fmt: skip
def test_the_weights_of_another_network_are_refused(tmp_path, network, arrays, less, more, message):
    before = network.get_weights()
    content = {name: array for name, array in arrays.items() if name not in less} | more
    (tmp_path / "weights.pth").write_bytes(pytorch_file(content))
    with pytest.raises(UsageError) as caught:
        load_pytorch_weights(network, tmp_path / "weights.pth")
    assert str(caught.value).endswith(f"weights.pth does not fit efficientnet_lite0: {message}")
    for found, expected in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)
