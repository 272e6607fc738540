"""What several test modules share: the backend, tiny classifiers and pictures."""

import contextlib
import gc
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Read when Keras and its backend are first imported, which the test modules do. This file leaves
# it to them: what hands the tests to the workers reads it, too, before it starts them.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# What XLA compiles here runs for milliseconds: LLVM takes longer to make it fast than that saves.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

# The same examples each time. `pytest --hypothesis-profile thorough` looks for new ones.
ALIKE = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("quick", derandomize=True, max_examples=30, **ALIKE)
settings.register_profile("thorough", max_examples=1000, **ALIKE)
settings.load_profile("quick")


def pytest_collection_modifyitems(items):
    if not os.environ.get("ITN_DATA"):
        for item in items:
            if item.get_closest_marker("data"):
                item.add_marker(pytest.mark.skip(reason="ITN_DATA is not set"))


@pytest.fixture(scope="module", autouse=True)
def left_alone_by_the_collector():
    """What earlier modules left in memory is not searched for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def without_xla():
    """Where XLA does not compile what moves pictures: that takes seconds for every network.

    For tests of something else; those of the warp, the screening and the net do with it.
    """

    from itn import engines, invariant_transformer

    @contextlib.contextmanager
    def uncompiled():
        with pytest.MonkeyPatch.context() as patch:
            for module in (invariant_transformer, engines):
                patch.setattr(module, "fused", lambda function: function)
            yield

    return uncompiled


@pytest.fixture(scope="session")
def tensorflow():
    """TensorFlow, where it is the backend: float64 and its gradient tape need it."""
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs the TensorFlow backend")
    import tensorflow

    return tensorflow


@pytest.fixture(scope="session")
def color_classifier():
    """A classifier known on paper: the logits are five times the mean of each channel."""
    import keras

    from itn.classifiers import Classifier

    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    return Classifier(network, lambda x: 5 * x, 8, ("red", "green", "blue"), name="color")


@pytest.fixture(scope="session")
def conv_classifier():
    """A small convolutional classifier of seven classes that sees position and color."""
    import keras

    from itn.classifiers import Classifier

    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(6, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(7),
        ]
    )
    rng = np.random.default_rng(3)
    network.set_weights(
        [rng.normal(0, 1.2 / np.sqrt(np.prod(w.shape[:-1])), w.shape) for w in network.weights]
    )
    names = tuple("abcdefg")
    return Classifier(network, lambda x: 4 * (x - 0.5), 8, names, name="conv")


@pytest.fixture(scope="session")
def two_kinds():
    """Seven smooth pictures, three of class c and four of class a, not in order."""
    from itn.pictures import Pictures

    rng = np.random.default_rng(7)
    images = rng.random((7, 1, 1, 3)) + 0.3 * rng.standard_normal((7, 8, 8, 3))
    return Pictures(
        images=np.clip(images, 0, 1).astype(np.float32),
        labels=np.array([0, 1, 1, 0, 1, 0, 1]),
        class_names=("c", "a"),
        paths=tuple(f"{'ca'[label]}/{i}.png" for i, label in enumerate([0, 1, 1, 0, 1, 0, 1])),
        name="noisy",
    )
