"""The functions of `keras.ops`; Keras and its backend are loaded when the first is used.

What only draws or reads results thereby waits for no backend.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    import keras

    return getattr(keras.ops, name)
