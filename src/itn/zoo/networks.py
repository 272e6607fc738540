"""The networks that `itn.load_classifier` knows by name, each with its own preprocessing."""

import inspect
import tarfile
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from itn.classifiers import Classifier
from itn.messages import UsageError, unknown
from itn.probing import reason
from itn.warp import Tensor
from itn.zoo import training
from itn.zoo.alexnet import build_alexnet, load_bvlc_weights
from itn.zoo.catalog import (
    BROUGHT,
    CATALOG,
    PACKAGED,
    WEIGHTS_FOLDER,
    brought_weights,
    imagenet_classes,
    weight_file,
)
from itn.zoo.downloads import check_file, unpack_tar
from itn.zoo.efficientnet_lite import build_efficientnet_lite, load_pytorch_weights
from itn.zoo.resnet import build_resnet_v1, load_slim_checkpoint
from itn.zoo.squeezenet import CHANNEL_MEANS_BGR, build_squeezenet, load_deep_compression

SLIM_MEANS_RGB = (123.68, 116.78, 103.94)  # on the scale 0 ... 255
RESNET_UNITS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
MAX_CHECKPOINT_BYTES = 4 * 2**30  # of an unpacked archive


def _imagenet(
    network: keras.Model, preprocess: Callable[[Tensor], Tensor], name: str
) -> Classifier:
    classes = imagenet_classes()
    return Classifier(
        network,
        preprocess,
        network.input_shape[1] or 224,  # MobileNetV3 takes any, and is published for this
        [each.label for each in classes],
        class_ids=[each.wnid for each in classes],
        name=name,
    )


@keras.saving.register_keras_serializable("itn")  # type: ignore[untyped-decorator]
def _blue_green_red(images: Tensor) -> Tensor:
    return ops.flip(images, axis=-1) * 255 - np.array(CHANNEL_MEANS_BGR, np.float32)


def _squeezenet(weights: Path | None) -> Classifier:
    network = build_squeezenet()
    load_deep_compression(network, weights or WEIGHTS_FOLDER / PACKAGED["squeezenet"])
    return _imagenet(network, _blue_green_red, "squeezenet")


def _alexnet(weights: Path | None, *, conv1_padding: str | None = None) -> Classifier:
    path = weights or weight_file("alexnet")
    if path.suffix == ".caffemodel":
        check_file(path, CATALOG["alexnet"].files[0].checksum)
    if conv1_padding is None:
        conv1_padding = "same" if path.suffix == ".npy" else "valid"
    preprocessing = {"valid": _blue_green_red, "same": _less_own_mean}
    if conv1_padding not in preprocessing:
        raise unknown("conv1_padding", conv1_padding, preprocessing)
    network = build_alexnet(conv1_padding=conv1_padding)
    load_bvlc_weights(network, path)
    return _imagenet(network, preprocessing[conv1_padding], "alexnet")


@keras.saving.register_keras_serializable("itn")  # type: ignore[untyped-decorator]
def _less_own_mean(images: Tensor) -> Tensor:
    # One mean over all pixels and channels. As published, the port's example then exchanges red
    # and blue by a line that overwrites red before it is copied; we do what it says it does.
    scaled = ops.flip(images, axis=-1) * 255
    return scaled - ops.mean(scaled, axis=(1, 2, 3), keepdims=True)


def _resnet_v1(depth: int, weights: Path | None) -> Classifier:
    name = f"resnet_v1_{depth}"
    path = weights or weight_file(name)
    network = build_resnet_v1(units=RESNET_UNITS[depth], name=name)
    if path.is_file() and tarfile.is_tarfile(path):
        with tempfile.TemporaryDirectory(prefix="itn-") as folder:
            unpack_tar(path, Path(folder, "unpacked"), max_bytes=MAX_CHECKPOINT_BYTES)
            found = {each.with_suffix("") for each in Path(folder).rglob("*.ckpt.index")}
            found |= set(Path(folder).rglob("*.ckpt"))
            if len(found) != 1:
                raise UsageError(f"{path} holds {len(found)} checkpoints instead of one")
            load_slim_checkpoint(network, found.pop())
    else:
        load_slim_checkpoint(network, path)
    means = np.array(SLIM_MEANS_RGB, np.float32)
    return _imagenet(network, lambda images: images * 255 - means, name)


def _efficientnet_lite(name: str, weights: Path | None) -> Classifier:
    path = weights or brought_weights(name)
    network = build_efficientnet_lite(int(name[-1]))
    load_pytorch_weights(network, path)
    return _imagenet(network, _around_zero, name)


@keras.saving.register_keras_serializable("itn")  # type: ignore[untyped-decorator]
def _around_zero(images: Tensor) -> Tensor:
    return (images * 255 - 127) / 128


def _applications() -> dict[str, Callable[..., keras.Model]]:
    """Find every function that builds a classifier of `keras.applications`."""
    return {
        name: function
        for name, function in vars(keras.applications).items()
        if inspect.isfunction(function)
        and "classifier_activation" in inspect.signature(function).parameters
    }


def _preprocessing_of(name: str) -> Callable[[Tensor], Tensor]:
    """Find what belongs to one of them: it lies beside it and takes values of 0 to 255."""
    module = inspect.getmodule(_applications()[name])
    preprocess: Callable[[Tensor], Tensor] = vars(module)["preprocess_input"]
    return preprocess


def _application(name: str, weights: Path | None) -> Classifier:
    function, preprocess_input = _applications()[name], _preprocessing_of(name)
    if weights is None:
        try:
            network = function(classifier_activation=None)  # Keras verifies its download
        except Exception as error:  # Keras raises a bare one
            raise UsageError(f"Keras could not get the weights of {name}: {error}") from error
    else:
        if weights.suffix not in (".h5", ".hdf5"):
            raise UsageError(f"{weights}: {name} reads .h5 files of Keras")
        network = function(weights=None, classifier_activation=None)
        try:
            network.load_weights(weights)
        except Exception as error:  # damaged files raise nearly anything
            raise UsageError(f"{weights} was not read into {name}: {reason(error)}") from error
    return _imagenet(network, lambda images: preprocess_input(images * 255), name)


def _own(name: str, weights: Path | None) -> Classifier:
    """Load one of the networks that `itn train` has trained; `weights` is their folder."""
    path = WEIGHTS_FOLDER / PACKAGED[name]
    architecture = path.name.removesuffix(".weights.h5")
    network, card = training.load_trained(architecture, weights or path.parent)
    return Classifier(network, training.center, training.INPUT_SIZE, card["class_names"], name=name)


_OURS: dict[str, Callable[..., Classifier]] = {
    **{name: partial(_own, name) for name in PACKAGED},
    **{f"resnet_v1_{depth}": partial(_resnet_v1, depth) for depth in RESNET_UNITS},
    **{name: partial(_efficientnet_lite, name) for name in BROUGHT},
    "alexnet": _alexnet,
    "squeezenet": _squeezenet,
}
BUILDERS = dict(sorted(_OURS.items())) | {
    name: partial(_application, name) for name in sorted(_applications())
}
