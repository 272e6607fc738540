"""Files that mean harm: each is refused, and nothing but that happens.

What would show an effect: a file that the attack makes, changes beside the file, a module that
is imported, the memory that is taken, and what Python's audit events tell of processes, network
connections and files written outside the temporary folder.
"""

import copyreg
import functools
import io
import json
import os
import pickle
import re
import resource
import shutil
import struct
import sys
import tarfile
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from weight_formats import npy_header, python2_npy, pytorch_old, pytorch_zip

from itn.classifiers import load_classifier
from itn.zoo import networks
from itn.zoo.alexnet import build_alexnet
from itn.zoo.efficientnet_lite import build_efficientnet_lite
from itn.zoo.resnet import build_resnet_v1

# Keras 3.15 itself calls numpy's older way to make an array of a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
MARK = "itn-attack-mark"
FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen",
             "socket.connect", "urllib.Request", "ctypes.dlopen", "os.chmod", "os.link",
             "os.symlink", "os.putenv", "webbrowser.open")  # fmt: skip
MAX_GROWTH = 1 << 30  # bytes

watched = None


def watch(event, arguments):
    if watched is None:
        return
    if event in FORBIDDEN:
        unpacked = event == "os.chmod" and arguments[0].startswith(tempfile.gettempdir())
        if not unpacked:  # by tarfile, of what it has unpacked
            watched.append((event, arguments))
    elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path, mode, flags = arguments
        writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (
            isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
        if writes and not os.fsdecode(path).startswith((tempfile.gettempdir(), "/dev/")):
            watched.append((event, arguments))
    elif event == "import" and "evil" in arguments[0]:
        watched.append((event, arguments))


sys.addaudithook(watch)


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class Method:
    """Pickles as a call of a method, which newer protocols find by a dotted name."""

    def __reduce__(self):
        return np.ndarray.tofile, (np.zeros(3), MARK)


def with_opcodes(opcodes):
    """A .npy whose pickle is written by hand."""
    return npy_header() + opcodes


TOUCH = f"__import__('pathlib').Path('{MARK}').touch()"


def command():
    return f"touch {MARK}"


def reduce_to(module, name, argument=None):
    text = (argument or command()).encode()
    return (b"\x80\x02c" + f"{module}\n{name}\n".encode()
            + b"U" + bytes([len(text)]) + text + b"\x85R.")  # fmt: skip


def npy_of(content, protocol=2):
    buffer = io.BytesIO()
    item = np.empty((), object)
    item[()] = content
    pickle.dump(item, buffer, protocol)
    return npy_header() + buffer.getvalue()


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
NPY = {
    "os.system": lambda: with_opcodes(reduce_to("os", "system")),
    "posix.system": lambda: with_opcodes(reduce_to("posix", "system")),
    "eval of Python 2": lambda: with_opcodes(reduce_to("__builtin__", "eval", TOUCH)),
    "exec": lambda: with_opcodes(reduce_to("builtins", "exec", TOUCH)),
    "execfile of Python 2": lambda: with_opcodes(reduce_to("__builtin__", "execfile", "evil.py")),
    "a module that acts when imported": lambda: with_opcodes(reduce_to("evil_module", "anything")),
    "subprocess": lambda: npy_of(Call(__import__("subprocess").Popen, ["touch", MARK])),
    "inside the dictionary": lambda: npy_of({"conv1": [np.zeros(3), Call(os.system, command())]}),
    "as a name of a layer": lambda: python2_npy({Call(os.system, command()): []}),
    "in an array of objects": lambda: npy_of({"conv1": np.array([Call(os.system, command())])}),
    "protocol 0, INST": lambda: with_opcodes(f"(S'{command()}'\nios\nsystem\n.".encode()),
    "protocol 1, OBJ": lambda: with_opcodes(
        b"(cos\nsystem\nU" + bytes([len(command())]) + command().encode() + b"o."
    ),
    "protocol 4, a method": lambda: npy_of(Method(), 4),
    "NEWOBJ": lambda: with_opcodes(b"\x80\x02csubprocess\nPopen\nU\x02id\x85\x81."),
    "a global that is only named": lambda: with_opcodes(b"\x80\x02cos\nsystem\n."),
    "NumPy's own loader": lambda: with_opcodes(reduce_to("numpy", "load", "evil.npy")),
    "NumPy runs a string": lambda: with_opcodes(
        reduce_to("numpy.testing._private.utils", "runstring")
    ),
    "attribute of an admitted module": lambda: with_opcodes(
        reduce_to("numpy.core.multiarray", "fromfile", "/etc/passwd")
    ),
    "a codec": lambda: with_opcodes(reduce_to("_codecs", "lookup", "evil_module")),
    "extension registry": lambda: with_opcodes(b"\x80\x02\x82\xf0" + b"U\x02id\x85R."),
    "persistent id": lambda: with_opcodes(b"\x80\x02U\x02idQ."),
    "attributes of a stand-in": lambda: with_opcodes(
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nN}U\x0e__kwdefaults__}s\x86b."
    ),
    "attributes of an array": lambda: with_opcodes(b"\x80\x02" + ARRAY + b"N}U\x05valueNs\x86b."),
    "an object numbered 2 ** 32 - 1": lambda: with_opcodes(b"\x80\x02}r\xff\xff\xff\xff."),
    "a text of 2 ** 62 bytes": lambda: with_opcodes(
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"."
    ),
    "an array larger than its data": lambda: with_opcodes(
        b"\x80\x02" + ARRAY + b"(K\x01J\x00\x00\x00\x40J\x00\x00\x00\x40\x86"
        b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x04aaaatb."
    ),
    "a header that is a program": lambda: (
        npy_header(descr=f"__import__('os').system('{command()}')") + b"\x80\x02}."
    ),
    "a header without end": lambda: b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{",
    "an npz by another name": lambda: npz(),
}


def npz(compress=False):
    buffer = io.BytesIO()
    content = np.array([Call(os.system, command())])
    (np.savez_compressed if compress else np.savez)(
        buffer, **{"conv1": content, "layers/dense": content}
    )
    return buffer.getvalue()


def special(name, kind, target="", size=0):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, target, size
    return entry


TAR = {
    "absolute path": ["/tmp/" + MARK],
    "parent": ["../" + MARK],
    "parent within": ["a/../../../" + MARK],
    "drive": ["C:\\" + MARK],
    "backslashes": ["a\\..\\..\\" + MARK],
    "symbolic link": [special("link", tarfile.SYMTYPE, "/")],
    "writing through a link": [special("link", tarfile.SYMTYPE, ".."), "link/" + MARK],
    "hard link": [special("link", tarfile.LNKTYPE, "/etc/passwd")],
    "character device": [special("null", tarfile.CHRTYPE)],
    "block device": [special("disk", tarfile.BLKTYPE)],
    "pipe": [special("resnet_v1_101.ckpt", tarfile.FIFOTYPE)],
    "contiguous file": [special("file", b"7"), "../" + MARK],
    "no checkpoint": ["readme.txt"],
    "two checkpoints": ["a.ckpt", "b.ckpt"],
}


def tar_gz(entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as files:
        for entry in entries:
            if isinstance(entry, str):
                entry = tarfile.TarInfo(entry)
                entry.size = 4
            files.addfile(entry, io.BytesIO(b"evil"))
    return buffer.getvalue()


def tar_bomb():
    """100 GB of nothing, announced only."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as files:
        files.addfile(special("resnet_v1_101.ckpt", tarfile.REGTYPE, size=100 * 10**9))
        files.offset = 0  # nothing follows
    return buffer.getvalue()


def network():
    return keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    )


def keras_file(change=None, weights=None, weights_name="model.weights.h5", extra=None):
    """A .keras file, changed."""
    with tempfile.TemporaryDirectory() as folder:
        network().save(Path(folder) / "good.keras")
        with zipfile.ZipFile(Path(folder) / "good.keras") as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    if change is not None:
        change(config["config"]["layers"])
    members["config.json"] = json.dumps(config).encode()
    if weights is not None:
        content = weights(members["model.weights.h5"])
        del members["model.weights.h5"]
        members[weights_name] = content
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (members | (extra or {})).items():
            archive.writestr(name, content)
    return buffer.getvalue()


def layer(class_name, module="keras.layers", registered_name=None, **config):
    entry = {"module": module, "class_name": class_name, "config": {"name": "evil"} | config,
             "registered_name": registered_name}  # fmt: skip
    return lambda layers: layers.insert(1, entry)


def function(name, module):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def marshaled():
    import base64
    import marshal

    code = compile(TOUCH, "evil", "eval")
    return {"class_name": "__lambda__", "config": {"value": [
        base64.b64encode(marshal.dumps(code)).decode(), None, None]}}  # fmt: skip


def with_activation(value):
    return lambda layers: layers[-1]["config"].update(activation=value)


def h5_link(kind, content):
    """Weights of which one array lies in another file: would its contents become weights?"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.h5")
        path.write_bytes(content)
        with h5py.File(path, "a") as file:
            arrays = []
            file.visititems(
                lambda name, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None
            )
            name, shape, size = arrays[0].name, arrays[0].shape, arrays[0].nbytes
            del file[name]
            if kind == "external link":
                file[name] = h5py.ExternalLink(str(SECRET), "/secret")
            else:
                file.create_dataset(name, shape, "f4", external=[(str(SECRET), 0, size)])
        return path.read_bytes()


def weights_of_mobilenet():
    network = keras.applications.MobileNetV3Small(weights=None, classifier_activation=None)
    with tempfile.TemporaryDirectory() as folder:
        network.save_weights(Path(folder, "x.weights.h5"))
        return Path(folder, "x.weights.h5").read_bytes()


SECRET = Path(tempfile.gettempdir(), "itn-secret.h5")
ELSEWHERE = (Path("/"), Path.home())
KERAS = {
    "Lambda with code": lambda: keras_file(layer("Lambda", function=marshaled())),
    "lambda as an activation": lambda: keras_file(with_activation(marshaled())),
    "os.system": lambda: keras_file(with_activation(function("system", "os"))),
    "eval": lambda: keras_file(with_activation(function("eval", "builtins"))),
    "a class of another module": lambda: keras_file(
        layer("Popen", "subprocess", args=["touch", MARK])
    ),
    "a module that acts when imported": lambda: keras_file(layer("Anything", "evil_module")),
    "get_file of Keras": lambda: keras_file(with_activation(function("get_file", "keras.utils"))),
    "get_file as a class": lambda: keras_file(
        layer("get_file", "keras.utils", fname=MARK, origin="http://127.0.0.1:9/evil")
    ),
    "load_model of Keras": lambda: keras_file(
        with_activation(function("load_model", "keras.saving"))
    ),
    "a layer that runs a SavedModel": lambda: keras_file(
        layer("TFSMLayer", filepath="evil_module", call_endpoint="serve")
    ),
    "a layer that unpickles": lambda: keras_file(layer("TorchModuleWrapper", module="gASVAAAA")),
    "a vocabulary in a file": lambda: keras_file(
        layer("StringLookup", vocabulary="/etc/passwd", num_oov_indices=0)
    ),
    "weights linked from another file": lambda: keras_file(
        weights=partial(h5_link, "external link")
    ),
    "weights stored in another file": lambda: keras_file(
        weights=partial(h5_link, "external storage")
    ),
    "pickled weights": lambda: keras_file(
        weights=lambda _: npz(), weights_name="model.weights.npz"
    ),
    "a deep configuration": lambda: zipped({"config.json": b"[" * 200_000}),
    "no configuration": lambda: zipped({"../" + MARK: b"evil"}),
    "no zip": lambda: b"evil",
    "an npz": lambda: npz(),
}


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def pickle_of(npy):
    """What a .npy file holds behind its header, or all of a file that has none."""
    return npy[npy.index(b"\n", 10) + 1 :] if npy.startswith(b"\x93NUMPY\x01") else npy


def cases():
    for name, make in NPY.items():
        yield pytest.param("weights.npy", make, "alexnet", id=f"npy: {name}")
    for name, entries in TAR.items():
        make = lambda entries=entries: tar_gz(entries)  # noqa: E731
        yield pytest.param("weights.tar.gz", make, "resnet_v1_101", id=f"tar.gz: {name}")
    yield pytest.param("weights.tar.gz", tar_bomb, "resnet_v1_101", id="tar.gz: bomb")
    for name, make in KERAS.items():
        yield pytest.param("network.keras", make, None, id=f"keras: {name}")
    for name, make in NPY.items():
        for kind, write in (("old", pytorch_old), ("zip", pytorch_zip)):
            wrapped = lambda make=make, write=write: write(pickle_of(make()), {})  # noqa: E731
            yield pytest.param("w.pth", wrapped, "efficientnet_lite0", id=f"pth, {kind}: {name}")
    for kind, make in (("tar.gz", tar_bomb), ("keras", keras_file), ("npy", NPY["os.system"])):
        yield pytest.param("w.pth", make, "efficientnet_lite0", id=f"pth: a {kind}")
    network = "efficientnet_lite0"
    for classifier in ("alexnet", "resnet_v1_50", "MobileNetV3Small", "squeezenet", network):
        yield pytest.param("weights.npz", npz, classifier, id=f"npz: {classifier}")
    yield pytest.param("weights.npz", lambda: npz(True), "alexnet", id="npz: compressed")
    for name in ("external link", "external storage"):
        make = lambda name=name: h5_link(name, weights_of_mobilenet())  # noqa: E731
        yield pytest.param("x.weights.h5", make, "MobileNetV3Small", id=f"h5: {name}")


COMPLAINTS = {  # the refusal, not another failure
    "weights.npy": "was not read: (it asks for|it numbers|it holds|unregistered|A load persistent|"
    "not enough values|expected|cannot reshape|malformed|EOF|the magic)",
    "weights.tar.gz": "is not to be trusted: it holds|checkpoints instead of one|unpacks to more",
    "network.keras": "was not loaded: (Requested|Could not locate|Cannot deserialize|.*Not allowed|"
    '.*allow_pickle|maximum recursion|"There is no item|File not found)',
    "weights.npz": "reads .caffemodel|damaged checkpoint|reads .h5|truncated weight file|"
    "is no file of PyTorch",
    "w.pth": "was not read: (it (asks for|is no file|holds no|is damaged)|its pickle )",
    "x.weights.h5": "Not allowed: H5 file with external|Not allowed: H5 file with External",
}


lite = functools.cache(build_efficientnet_lite)  # which stays as it was


def snapshot(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
            for path in folder.rglob("*")}  # fmt: skip


@pytest.mark.parametrize(("name", "make", "classifier"), list(cases()))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_malicious_file_does_nothing_but_raise(
    name, make, classifier, tmp_path, tmp_path_factory, monkeypatch
):
    global watched
    content = make()
    # In which nobody else leaves something meanwhile.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
    # Small networks: what matters happens before they are filled.
    alexnet = partial(build_alexnet, input_size=64, units=(2, 2), conv1_stride=2, filters=(2,) * 5)
    monkeypatch.setattr(networks, "build_alexnet", alexnet)
    resnet = partial(build_resnet_v1, depths=(1,) * 4, root_filters=1)
    monkeypatch.setattr(networks, "build_resnet_v1", resnet)
    monkeypatch.setattr(networks, "build_efficientnet_lite", lite)
    monkeypatch.setattr(networks, "RESNET_UNITS", dict.fromkeys((50, 101, 152), (1,) * 4))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil_module.py").write_text(f"open({MARK!r}, 'w')")
    (tmp_path / "evil.py").write_text(f"open({MARK!r}, 'w')")
    with h5py.File(SECRET, "w") as file:
        file["secret"] = np.full((3, 3), 42, "f4")
    (tmp_path / name).write_bytes(content)
    before, modules, environment = snapshot(tmp_path), set(sys.modules), dict(os.environ)
    codecs_before, memory = dict(copyreg.dispatch_table), resource.getrusage(resource.RUSAGE_SELF)
    watched = []
    try:
        with pytest.raises(ValueError, match=r"\S") as caught:
            if classifier is None:
                load_classifier(tmp_path / name, class_names=["a", "b", "c"])
            else:
                load_classifier(classifier, weights=tmp_path / name)
        events = watched
    finally:
        watched = None
        SECRET.unlink()
    assert events == []
    assert str(caught.value).startswith(str(tmp_path / name)) or f"{name} " in str(caught.value)
    assert re.search(COMPLAINTS[name], str(caught.value))
    assert snapshot(tmp_path) == before
    assert dict(os.environ) == environment and copyreg.dispatch_table == codecs_before
    assert "evil_module" not in set(sys.modules) - modules
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory.ru_maxrss
    assert grown * 1024 < MAX_GROWTH
    for folder in (tmp_path.parent, Path(tempfile.gettempdir()), SECRET.parent, *ELSEWHERE):
        assert not (folder / MARK).exists()
    assert not list(Path(tempfile.gettempdir()).glob("itn-*"))


def test_the_same_attacks_do_act_where_files_are_trusted(tmp_path, monkeypatch):
    """Else the tests above would prove nothing."""
    global watched
    monkeypatch.chdir(tmp_path)
    for name in ("os.system", "inside the dictionary", "exec", "protocol 0, INST"):
        (tmp_path / "weights.npy").write_bytes(NPY[name]())
        watched = []
        try:
            np.load(tmp_path / "weights.npy", allow_pickle=True, encoding="latin1")
        finally:
            watched = None
        assert (tmp_path / MARK).exists()
        (tmp_path / MARK).unlink()
        pickles = io.BytesIO(pytorch_old(pickle_of(NPY[name]()), {}))
        for _ in range(4):  # magic number, version, system, and what is meant for tensors
            pickle.load(pickles)
        assert (tmp_path / MARK).exists()
        (tmp_path / MARK).unlink()
    (tmp_path / "network.keras").write_bytes(KERAS["Lambda with code"]())
    with pytest.raises(Exception, match=r"\S"):  # the layer fails, but only after it ran
        keras.saving.load_model(tmp_path / "network.keras", safe_mode=False)
    shutil.rmtree(tmp_path)


def test_a_good_keras_file_is_loaded(tmp_path):
    path = tmp_path / "network.keras"
    path.write_bytes(keras_file())
    classifier = load_classifier(path, class_names=["a", "b", "c"])
    assert classifier.input_size == 8 and classifier.name == "network"
