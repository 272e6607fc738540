"""The same answers with JAX and OpenVINO as with TensorFlow; each has a process of its own.

OpenVINO looks, but has no gradients.
"""

import sys

import keras
import numpy as np
import pytest
from other_backends import answers_of

from itn.classifiers import Classifier
from itn.invariant_transformer import InvariantTransformerNet
from itn.pictures import Pictures
from itn.screening import screen
from itn.transformations import TRANSFORMATIONS, transform
from itn.warp import FILLS, affine_warp
from itn.zoo.alexnet import GroupedConv2D

# Keras 3.15 itself calls numpy's older way to make an array of a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MAGNITUDES = {
    "translation_x": (-0.3, 0.11, 0.5),
    "translation_y": (-0.3, 0.11, 0.5),
    "rotation": (-40.0, 90.0, 200.0),
    "scale_x": (0.4, 1.3, 3.0),
    "scale_y": (0.4, 1.3, 3.0),
    "zoom": (0.4, 1.3, 3.0),
    "brightness": (-0.5, 0.0, 0.5),
    "contrast": (0.2, 1.0, 2.0),
    "grayscale": (0.0, 0.4, 1.0),
    "blur": (0.0, 0.5, 1.1),
    "noise": (0.0, 0.2, 1.0),
}


def transformed_answers(images):
    """Transform pictures with the backend of this process."""
    answers = {}
    for name, magnitudes in MAGNITUDES.items():
        moves = name not in ("brightness", "contrast", "grayscale", "noise")
        for fill in FILLS if moves else ["zeros"]:
            moved = transform(images, name, magnitudes, fill=fill)
            answers[f"{name} {fill}"] = keras.ops.convert_to_numpy(moved)
        one = transform(images, name, magnitudes[0], seed=[3, 4, 5], clip=True)
        answers[f"{name} clipped"] = keras.ops.convert_to_numpy(one)
    return answers


def learned_answers(images, classifier, pictures):
    """Compute what needs gradients."""
    rng = np.random.default_rng(12)
    answers = {}
    matrix = (np.eye(2, 3) + rng.normal(0, 0.3, (3, 2, 3))).astype("float32")
    weights = rng.normal(size=images.shape).astype("float32")
    for fill in FILLS:
        of_images, of_matrix = gradients(
            lambda i, m, fill=fill: keras.ops.sum(affine_warp(i, m, fill) * weights),
            images,
            matrix,
        )
        answers[f"gradient of images {fill}"] = of_images
        answers[f"gradient of matrix {fill}"] = of_matrix

    layer = GroupedConv2D(6, 5, strides=3, padding="same")
    layer.build(images.shape)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    (of_strided,) = gradients(lambda i: keras.ops.sum(keras.ops.sin(layer(i))), images)
    answers["gradient of images under a stride"] = of_strided
    return answers | net_answers(classifier, pictures, rng)


def screened_answers(classifier, pictures):
    """Look at pictures."""
    answers = {}
    for name in ("rotation", "blur", "noise", "grayscale"):
        screening = screen(
            classifier, pictures, name, MAGNITUDES[name], batch_size=3, fill="reflect", seed=2
        )
        for variable in screening.data_vars:
            answers[f"screening {name} {variable}"] = screening[variable].values
    answers["weights"] = np.array(classifier.weights_hash())
    answers["predicted softmax"] = classifier.predict(pictures.images)
    return answers


def all_answers():
    """Compute everything that is compared and that the backend of this process can."""
    rng = np.random.default_rng(11)
    images = rng.random((3, 9, 12, 3)).astype("float32")
    classifier, pictures = tiny_classifier(rng), tiny_pictures(rng)
    answers = transformed_answers(images) | screened_answers(classifier, pictures)
    if keras.backend.backend() != "openvino":
        answers |= learned_answers(images, classifier, pictures)
    return answers


def net_answers(classifier, pictures, rng):
    """Train an Invariant Transformer Net for two steps, one with each branch of its loss."""
    net = InvariantTransformerNet(classifier, 2, 3, fill="reflect")
    for weight in net.trainable_variables:
        weight.assign(rng.normal(0, 0.2, weight.shape))
    for layer in (net.spatial, net.color):
        layer.vectors.assign(rng.normal(size=layer.vectors.shape))
    inputs = {"images": pictures.images, "alpha": rng.random((5, 2)), "beta": rng.random((5, 3))}
    inputs = {name: value.astype("float32") for name, value in inputs.items()}
    labels = np.array([1, 1, 1, 1, 3])
    net.compile(keras.optimizers.SGD(0.1))
    answers = {"net logits": net.predict_on_batch(inputs)}
    for step, required in enumerate((0.0, 1.0)):
        net.required_accuracy.assign(required)
        log = net.train_on_batch(inputs, labels, return_dict=True)
        answers |= {f"net {name} {step}": np.array(value) for name, value in log.items()}
    weights = [np.array(weight.value) for weight in net.trainable_variables]
    return answers | {f"net weight {i}": weight for i, weight in enumerate(weights)}


def gradients(function, *arguments):
    if keras.backend.backend() == "jax":
        import jax

        found = jax.grad(function, argnums=tuple(range(len(arguments))))(*arguments)
    else:
        import tensorflow

        with tensorflow.GradientTape() as tape:
            given = [tensorflow.constant(argument) for argument in arguments]
            tape.watch(given)
            found = tape.gradient(function(*given), given)
    return [np.asarray(gradient) for gradient in found]


def tiny_classifier(rng):
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )
    draw = {"moving_variance": lambda shape: rng.uniform(0.5, 1.5, shape)}
    network.set_weights(
        [
            draw.get(w.name, lambda shape: rng.normal(0, 0.3, shape))(w.shape)
            for w in network.weights
        ]
    )
    return Classifier(network, lambda x: 2 * x - 1, 8, tuple("abcde"), name="tiny")


def tiny_pictures(rng):
    images = rng.random((5, 8, 8, 3)).astype("float32")
    paths = tuple(f"{i}.png" for i in range(5))
    return Pictures(images, np.array([0, 0, 0, 0, 1]), ("b", "d"), paths, "tiny")


@pytest.fixture(scope="module")
def answers_of_jax(tmp_path_factory):
    return answers_of("jax", __file__, tmp_path_factory.mktemp("jax"))


@pytest.fixture(scope="module")
def answers_of_openvino(tmp_path_factory):
    return answers_of("openvino", __file__, tmp_path_factory.mktemp("openvino"))


@pytest.fixture(scope="module", params=["jax", "openvino"])
def answers_of_others(request):
    return request.getfixturevalue(f"answers_of_{request.param}")


@pytest.fixture(scope="module")
def answers_of_tensorflow(tensorflow):
    return all_answers()


def compare(others, tensorflow, prefix, atol=1e-4):
    names = [name for name in tensorflow if name.startswith(prefix)]
    assert names
    for name in names:
        assert others[name].shape == tensorflow[name].shape
        np.testing.assert_allclose(
            others[name], tensorflow[name], atol=atol, rtol=1e-4, err_msg=name
        )


def test_the_other_process_ran_without_tensorflow(answers_of_others):
    assert str(answers_of_others["backend"]) in ("jax", "openvino")
    assert not answers_of_others["tensorflow was imported"]


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_transformations_agree(answers_of_others, answers_of_tensorflow, name):
    compare(answers_of_others, answers_of_tensorflow, f"{name} ")
    assert answers_of_others[f"{name} zeros"].dtype == np.float32


@pytest.mark.parametrize("what", ["images", "matrix"])
def test_gradients_of_the_warp_agree(answers_of_jax, answers_of_tensorflow, what):
    compare(answers_of_jax, answers_of_tensorflow, f"gradient of {what}")
    for fill in FILLS:
        assert np.abs(answers_of_jax[f"gradient of {what} {fill}"]).max() > 0.1


@pytest.mark.parametrize("name", ["rotation", "blur", "noise", "grayscale"])
def test_screenings_agree(answers_of_others, answers_of_tensorflow, name):
    compare(answers_of_others, answers_of_tensorflow, f"screening {name} ")
    softmax = answers_of_others[f"screening {name} softmax"]
    assert softmax.std(axis=1).max() > 0.003


def test_predictions_and_the_hash_of_the_weights_agree(answers_of_others, answers_of_tensorflow):
    compare(answers_of_others, answers_of_tensorflow, "predicted softmax", atol=1e-5)
    assert str(answers_of_others["weights"]) == str(answers_of_tensorflow["weights"])


@pytest.mark.parametrize("what", ["logits", "loss 0", "loss 1", "outward", "weight"])
def test_the_invariant_transformer_net_trains_alike(answers_of_jax, answers_of_tensorflow, what):
    compare(answers_of_jax, answers_of_tensorflow, f"net {what}")
    assert [float(answers_of_jax[f"net outward {step}"]) for step in (0, 1)] == [1, 0]


if __name__ == "__main__":
    everything = all_answers()
    everything["backend"] = np.array(keras.backend.backend())
    everything["tensorflow was imported"] = np.array("tensorflow" in sys.modules)
    np.savez(sys.argv[1], **everything)
