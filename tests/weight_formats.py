"""Writers of other software's weight files, for the tests; none of them uses the package."""

import io
import pickle
import struct
import zipfile

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


class PicklerOfPython2(pickle._Pickler):
    """Writes what Python 2 wrote: texts and bytes alike as its byte strings."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_python2_string(self, value):
        content = value.encode("latin1") if isinstance(value, str) else value
        if len(content) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(content)]) + content)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(content)))
            self.write(content)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_python2_string


def python2_npy(contents):
    """A .npy file of an object, as NumPy wrote it in Python 2."""
    item = np.empty((), object)
    item[()] = contents
    buffer = io.BytesIO()
    PicklerOfPython2(buffer, 2).dump(item)
    pickled = buffer.getvalue()
    # NumPy 2 has moved it.
    return npy_header() + pickled.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def npy_header(descr="'|O'", shape="()"):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def caffe_messages():
    """Caffe's messages, as far as weights need them, described to Google's own library."""
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    one, many = kinds.LABEL_OPTIONAL, kinds.LABEL_REPEATED
    fields = {
        "BlobShape": [("dim", 1, many, kinds.TYPE_INT64)],
        "BlobProto": [
            ("num", 1, one, kinds.TYPE_INT32),
            ("channels", 2, one, kinds.TYPE_INT32),
            ("height", 3, one, kinds.TYPE_INT32),
            ("width", 4, one, kinds.TYPE_INT32),
            ("data", 5, many, kinds.TYPE_FLOAT),
            ("shape", 7, one, ".caffe.BlobShape"),
        ],
        "V1LayerParameter": [
            ("name", 4, one, kinds.TYPE_STRING),
            ("type", 5, one, kinds.TYPE_INT32),
            ("blobs", 6, many, ".caffe.BlobProto"),
            ("blobs_lr", 7, many, kinds.TYPE_FLOAT),
        ],
        "LayerParameter": [
            ("name", 1, one, kinds.TYPE_STRING),
            ("type", 2, one, kinds.TYPE_STRING),
            ("blobs", 7, many, ".caffe.BlobProto"),
        ],
        "NetParameter": [
            ("name", 1, one, kinds.TYPE_STRING),
            ("layers", 2, many, ".caffe.V1LayerParameter"),
            ("layer", 100, many, ".caffe.LayerParameter"),
        ],
    }
    for message_name, entries in fields.items():
        message = file.message_type.add(name=message_name)
        for name, number, label, kind in entries:
            field = message.field.add(name=name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = kinds.TYPE_MESSAGE, kind
            else:
                field.type = kind
                if label == many and name in ("dim", "data"):
                    field.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("caffe.NetParameter")
    return message_factory.GetMessageClass(found)


def caffemodel(weights, older):
    """A .caffemodel of {layer: [weight, bias]} with Caffe's axes, of the older or newer form."""
    model = caffe_messages()(name="test")
    for name, arrays in {"data": [], **weights}.items():
        layer = (model.layers if older else model.layer).add(name=name)
        if older:
            layer.type = 4
            layer.blobs_lr.extend([1.0, 2.0])
        else:
            layer.type = "Convolution"
        for array in arrays:
            blob = layer.blobs.add()
            blob.data.extend(array.reshape(-1).tolist())
            if older:
                shape = (1,) * (4 - array.ndim) + array.shape
                blob.num, blob.channels, blob.height, blob.width = shape
            else:
                blob.shape.dim.extend(array.shape)
    return model.SerializeToString()


PYTORCH_KINDS = {"f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "u1": "Byte"}
PYTORCH_START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + b"\x80\x02M\xe9\x03."
PYTORCH_SYSTEM = b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."


def pickled_text(text):
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def pickled_number(number):
    if -(2**31) <= number < 2**31:
        return b"J" + struct.pack("<i", number)
    content = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def pytorch_storage(key="0", kind="Float", count=4):
    """The instructions that refer to a storage."""
    name = b"ctorch\n" + kind.encode() + b"Storage\n"
    parts = [pickled_text("storage"), name, *map(pickled_text, (key, "cpu")), pickled_number(count)]
    return b"(" + b"".join(parts) + b"tQ"


def pytorch_tensor(
    storage, offset=0, shape=(4,), strides=(1,), rest=b"\x89ccollections\nOrderedDict\n)R"
):
    """The instructions that make a tensor of a storage."""
    numbers = [b"(" + b"".join(map(pickled_number, each)) + b"t" for each in (shape, strides)]
    parts = [storage, pickled_number(offset), *numbers, rest]
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + b"".join(parts) + b"tR"


def pytorch_program(tensors):
    """The pickle of a dictionary of what instructions make."""
    entries = [pickled_text(name) + made for name, made in tensors.items()]
    return b"\x80\x02}(" + b"".join(entries) + b"u."


def pytorch_old(program, storages, keys=None):
    """A file of the old format: storages are numbers by their key."""
    keys = list(storages) if keys is None else keys
    listed = b"\x80\x02](" + b"".join(map(pickled_text, keys)) + b"e."
    parts = [struct.pack("<q", each.size) + each.tobytes() for each in storages.values()]
    return PYTORCH_START + PYTORCH_SYSTEM + program + listed + b"".join(parts)


def pytorch_zip(program, storages, compression=zipfile.ZIP_STORED, byteorder=b"little"):
    """A file of the newer format."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("weights/data.pkl", program)
        archive.writestr("weights/byteorder", byteorder)
        for key, each in storages.items():
            archive.writestr(f"weights/data/{key}", each.tobytes())
        archive.writestr("weights/version", b"3\n")
    return buffer.getvalue()


def pytorch_file(arrays, write=pytorch_old):
    """A file of arrays, each with a storage of its own."""
    made = {}
    for key, (name, each) in enumerate(arrays.items()):
        storage = pytorch_storage(str(key), PYTORCH_KINDS[each.dtype.str[1:]], each.size)
        strides = [n // each.itemsize for n in np.empty(each.shape, each.dtype).strides]
        made[name] = pytorch_tensor(storage, 0, each.shape, strides)
    return write(
        pytorch_program(made), {str(key): each for key, each in enumerate(arrays.values())}
    )
