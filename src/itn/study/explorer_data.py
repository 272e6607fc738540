"""What the page "Try it yourself" brings with it: networks, pictures, transformations, one file.

The file is compressed by gzip. In it come the length of the table of contents (uint32), this as
JSON, padded to whole words, and the arrays, each beginning at a whole word.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import xarray as xr

from itn.classifiers import Classifier, load_classifier
from itn.messages import UsageError
from itn.phantom.objects import PHANTOM_CLASSES
from itn.preprocessing import describe_preprocessing
from itn.study.example_pictures import PHOTOGRAPHS, example_picture
from itn.study.explorer_archives import PROFILES, class_curves, learned_family
from itn.study.matrices import CHROMA
from itn.study.profiles import load_profile
from itn.study.titles import title
from itn.study.views import SHOWS
from itn.transformations import GRAY_WEIGHTS, TRANSFORMATIONS
from itn.zoo.alexnet import LocalResponseNormalization

NETWORKS = {  # and what each has learned from
    "resnet_photos": "photographs",
    "alexnet_photos": "photographs",
    "resnet_phantom": "rendered objects",
    "alexnet_phantom": "rendered objects",
    "squeezenet": "ImageNet",
}
CODES = 256  # a weight is stored as one byte
HALF = CODES // 2

Array = npt.NDArray[Any]
Layer = dict[str, Any]


class _Arrays:
    """Collects arrays, each known by its number."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.listed: list[dict[str, Any]] = []

    def add(self, array: Array) -> int:
        self.content += bytes(-len(self.content) % 4)
        entry = {"type": array.dtype.name, "shape": list(array.shape), "start": len(self.content)}
        self.listed.append(entry)
        self.content += np.ascontiguousarray(array).tobytes()
        return len(self.listed) - 1


def write_pack(engine: bytes, families: Mapping[str, xr.Dataset] | None = None) -> bytes:
    """Pack all that the page needs.

    `engine` is the module that computes its networks, `families` what was learned for some of
    them, see `itn.study.families.weights_of`: by default those that are stored.
    """
    arrays = _Arrays()
    if families is None:
        stored = {name: learned_family(name) for name in NETWORKS}
        families = {name: each for name, each in stored.items() if each is not None}
    networks = [_network(arrays, name, families.get(name)) for name in NETWORKS]
    sizes = sorted({each["size"] for each in networks})
    contents = {
        "transformations": [_transformation(name) for name in TRANSFORMATIONS],
        "sweeps": {
            str(size): {name: each.sweep(size).tolist() for name, each in TRANSFORMATIONS.items()}
            for size in sizes
        },
        "grayWeights": GRAY_WEIGHTS,
        "chroma": CHROMA.tolist(),
        "networks": networks,
        "pictures": [_picture(arrays, name, sizes) for name in (*PHOTOGRAPHS, *PHANTOM_CLASSES)],
        "engine": arrays.add(np.frombuffer(engine, np.uint8)),
        "arrays": arrays.listed,
    }
    text = json.dumps(contents, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    whole = len(text).to_bytes(4, "little") + text + bytes(arrays.content)
    return gzip.compress(whole, 9, mtime=0)


def round_weights(network: keras.Model) -> None:
    """Round the kernels of a network to what the page stores of them, one byte a weight."""
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            codes, table, scale = _coded(np.asarray(layer.kernel))
            layer.kernel.assign(table[codes] * scale)


def _coded(kernel: Array) -> tuple[Array, Array, Array]:
    """Return codes, their table, and a factor for each output: exact for at most 256 values."""
    outputs = kernel.shape[-1]
    table: Array = np.unique(kernel)
    codes: Array
    scale: Array
    if len(table) <= CODES:
        codes, scale = np.searchsorted(table, kernel), np.ones(outputs)
        table = np.pad(table, (0, CODES - len(table)))
    else:
        highest = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
        scale = np.where(highest > 0, highest, 1) / (HALF - 1)
        table = np.arange(CODES) - HALF
        codes = np.round(kernel / scale) + HALF
    return codes.astype(np.uint8), table.astype(np.float32), scale.astype(np.float32)


def _network(arrays: _Arrays, name: str, family: xr.Dataset | None) -> dict[str, Any]:
    classifier = load_classifier(name)
    images = np.stack([example_picture(each, classifier.input_size) for each in PHOTOGRAPHS])
    before = classifier.predict(images)
    round_weights(classifier.network)
    preprocessing = describe_preprocessing(classifier.preprocess, classifier.input_size, name)
    if preprocessing.minus_mean != "none":
        raise UsageError(f"the page has no preprocessing that subtracts a mean, as {name} needs")
    return {
        "name": name,
        "title": f"{title(name)}, taught {NETWORKS[name]}",
        "size": classifier.input_size,
        "classes": [title(each) for each in classifier.class_names],
        "phantom": set(classifier.class_names) <= set(PHANTOM_CLASSES),
        "taught": NETWORKS[name],
        "knows": {
            picture: [title(each) for each in right if each in classifier.class_names]
            for picture, right in (SHOWS | {name: (name,) for name in PHANTOM_CLASSES}).items()
        },
        "preprocessing": asdict(preprocessing),
        "layers": _layers(arrays, classifier),
        "deviation": float(np.abs(classifier.predict(images) - before).max()),
        "curves": {
            transformation: {
                "targets": each.target.values.tolist(),
                "pictures": each.pictures.values.tolist(),
                "values": arrays.add(_coarse(np.stack([each["mean"], each.low, each.high], 1))),
            }
            for transformation, each in class_curves(name, classifier.input_size).items()
        },
        "fill": load_profile(PROFILES[name]).fill,
        "family": None if family is None else _family(arrays, family),
    }


def _coarse(shares: Array) -> Array:
    """Round shares to one byte each: to within 0.002."""
    return np.round(255 * shares).astype(np.uint8)


def _family(arrays: _Arrays, family: xr.Dataset) -> dict[str, Any]:
    """Store the transformers that were learned for a network."""
    transformers: dict[str, Any] = {
        kind: {
            layer: {
                part: arrays.add(family[f"{kind}_{layer}_{part}"].values.astype(np.float32))
                for part in ("kernel", "bias")
            }
            for layer in ("hidden", "entries")
        }
        for kind in ("spatial", "color")
    }
    return transformers | {"pictures": family.attrs["pictures"]}


def _transformation(name: str) -> dict[str, Any]:
    each = TRANSFORMATIONS[name]
    return {
        "name": name,
        "title": title(name),
        "effect": each.effect,
        "magnitude": each.magnitude,
        "unit": each.unit,
        "identity": each.identity,
        "lower": each.lower if np.isfinite(each.lower) else None,
        "upper": each.upper if np.isfinite(each.upper) else None,
        "logarithmic": each.logarithmic,
        "period": each.period,
    }


def _picture(arrays: _Arrays, name: str, sizes: list[int]) -> dict[str, Any]:
    """Store a picture in the sizes of networks; rendered objects only in the smallest."""
    phantom = name in PHANTOM_CLASSES
    images = {size: example_picture(name, size) for size in (sizes[:1] if phantom else sizes)}
    return {
        "name": name,
        "title": title(name),
        "phantom": phantom,
        "pixels": {
            str(size): arrays.add(_differences(np.round(255 * image).astype(np.uint8)))
            for size, image in images.items()
        },
    }


def _differences(pixels: Array) -> Array:
    """Tell by how much each pixel differs from its left neighbor, red and blue less green.

    Modulo 256, as bytes are: of photographs that takes two thirds of the space.
    """
    less = pixels - pixels[..., 1:2] * np.array([1, 0, 1], np.uint8)
    return np.diff(less, axis=1, prepend=np.uint8(0))


def _layers(arrays: _Arrays, classifier: Classifier) -> list[Layer]:
    """Describe the layers of a network; what follows a convolution is made a part of it."""
    layers: list[Layer] = []
    found: dict[str, str] = {}  # what the output of a layer of Keras is called here
    for layer in classifier.network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            found[layer.name] = "pictures"
            continue
        inputs = [found[each] for each in _inputs_of(layer)]
        found[layer.name] = inputs[0]  # unless it is a layer of its own here
        last = next((each for each in layers if each["name"] == inputs[0]), {})
        if isinstance(layer, keras.layers.Dropout):
            continue
        if isinstance(layer, keras.layers.BatchNormalization):
            factor = np.asarray(layer.gamma) / np.sqrt(layer.moving_variance + layer.epsilon)
            last["scale"] = last["scale"] * factor
            last["bias"] = (last["bias"] - layer.moving_mean) * factor + layer.beta
        elif isinstance(layer, keras.layers.ReLU):
            last["relu"] = True
        else:
            layers.append({"name": layer.name, "inputs": inputs, **_own_layer(layer)})
            found[layer.name] = layer.name
    for each in layers:
        for part in ("codes", "table", "scale", "bias"):
            if part in each:
                array = np.asarray(each[part])
                each[part] = arrays.add(array if part == "codes" else array.astype(np.float32))
    return layers


def _own_layer(layer: keras.Layer) -> Layer:
    """Describe what one layer does."""
    kinds = keras.layers
    if isinstance(layer, kinds.Conv2D):
        windows = {"stride": layer.strides[0], "padding": layer.padding}
        return {"kind": "convolution", "groups": layer.groups, **windows, **_kernel(layer)}
    if isinstance(layer, kinds.Dense):
        return {"kind": "dense", **_kernel(layer)}
    if isinstance(layer, kinds.MaxPooling2D):
        windows = {"stride": layer.strides[0], "padding": layer.padding}
        return {"kind": "maximum", "size": layer.pool_size[0], **windows}
    if isinstance(layer, kinds.ZeroPadding2D):
        return {"kind": "pad", "padding": layer.padding}
    if isinstance(layer, LocalResponseNormalization):
        numbers = {name: getattr(layer, name) for name in ("size", "alpha", "beta", "k")}
        return {"kind": "normalization", **numbers}
    if isinstance(layer, kinds.Add):
        return {"kind": "sum", "relu": False}
    if isinstance(layer, kinds.Concatenate):
        return {"kind": "concatenation"}
    if isinstance(layer, kinds.GlobalAveragePooling2D):
        return {"kind": "average"}
    if isinstance(layer, kinds.Flatten):
        return {"kind": "flat"}
    raise UsageError(f"the page cannot compute a layer of the kind {type(layer).__name__}")


def _kernel(layer: keras.Layer) -> Mapping[str, Any]:
    activation = layer.activation.__name__
    if activation not in ("relu", "linear"):
        raise UsageError(f"the page cannot compute the activation {activation} of {layer.name}")
    codes, table, scale = _coded(np.asarray(layer.kernel))
    bias = np.zeros(len(scale)) if layer.bias is None else np.asarray(layer.bias)
    return {
        "codes": codes,
        "table": table,
        "scale": scale,
        "bias": bias,
        "relu": activation == "relu",
    }


def _inputs_of(layer: keras.Layer) -> list[str]:
    """Name the layers that a layer of a functional network takes what comes out of."""
    given = layer.input if isinstance(layer.input, list) else [layer.input]
    return [tensor._keras_history.operation.name for tensor in given]
