"""What a user has set for all of Keras: what this package works with, and what it does not."""

import importlib.util
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from itn.messages import UsageError

BACKENDS = ("tensorflow", "jax", "openvino")
TRAINING = BACKENDS[:2]  # OpenVINO looks, but does not learn


def check_backend() -> None:
    """Raise a UsageError unless Keras computes, or will compute, with one of `BACKENDS`.

    Keras is not imported for it: where a backend is missing it fails in words of its own.
    """
    loaded = sys.modules.get("keras")
    backend = loaded.config.backend() if loaded else configured_backend()
    but = f"'{backend}'"
    if backend in BACKENDS:
        if loaded or importlib.util.find_spec(backend) is not None:
            return
        but += ", which is not installed"
    said_by = "KERAS_BACKEND is" if os.environ.get("KERAS_BACKEND") else "keras.json says"
    raise UsageError(
        f"needs the TensorFlow, JAX or OpenVINO backend of Keras, but {said_by} {but}: set the "
        "environment variable KERAS_BACKEND to tensorflow, jax or openvino, whichever is installed"
    )


def check_training() -> None:
    """Raise a UsageError unless Keras' backend can train."""
    import keras

    if (backend := keras.config.backend()) not in TRAINING:
        raise UsageError(
            f"the backend {backend} only looks at pictures: to train, set the environment variable "
            f"KERAS_BACKEND to {' or '.join(TRAINING)}"
        )


def devices() -> list[str]:
    """Return the devices that Keras' backend computes on."""
    import keras

    if keras.config.backend() == "openvino":  # which Keras does not ask
        return ["cpu:0"]
    found: list[str] = keras.distribution.list_devices()
    return found


def check_settings() -> None:
    """Raise a UsageError unless Keras' backend, order of axes and default numbers are ours.

    A network's own precision may be another, by a policy or `keras.config.set_dtype_policy`.
    """
    import keras

    check_backend()
    for setting, wanted in (("image_data_format", "channels_last"), ("floatx", "float32")):
        found = getattr(keras.config, setting)()
        if found != wanted:
            raise UsageError(
                f"needs {setting} '{wanted}', but Keras is set to '{found}': change it in "
                f"keras.json, or call keras.config.set_{setting}('{wanted}') first"
            )


def configured_backend() -> str:
    """Return the backend that Keras will use, without importing it."""
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    with suppress(OSError, ValueError, AttributeError):
        text = Path(home, "keras.json").expanduser().read_text("utf-8")
        return str(json.loads(text).get("backend", BACKENDS[0]))
    return BACKENDS[0]
