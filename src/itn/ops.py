"""The functions of `keras.ops`; Keras and its backend are loaded when the first is used.

What only draws or reads results thereby waits for no backend.
"""

from functools import cache
from typing import Any

from itn.keras_settings import check_settings


@cache
def _loaded() -> Any:
    check_settings()  # here, since all that computes comes by
    import keras

    return keras.ops


def __getattr__(name: str) -> Any:
    return getattr(_loaded(), name)
