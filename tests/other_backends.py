"""What a script says with another backend of Keras, which needs a process of its own."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

# Keras 3.15 itself calls numpy's older way to make an array of a JAX variable.
OF_KERAS = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"


def answers_of(backend, script, folder):
    """Let a script write its answers, arrays by name, to the file that it is given."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    path = folder / "answers.npz"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", OF_KERAS, script, str(path)],
        env=os.environ
        | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
        | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    with np.load(path) as file:
        return dict(file)
