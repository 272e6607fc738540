"""The Invariant Transformer Net: identity, gradients, losses, gate, options, saving, refusals."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from itn.classifiers import Classifier
from itn.invariant_transformer import InvariantTransformerNet
from itn.messages import UsageError
from itn.preprocessing import Preprocessing
from itn.transformations import transform
from itn.transformer_layers import ColorTransformer, SpatialTransformer
from itn.warp import in_pixels, recolor

# Keras 3.15 itself calls numpy's older way to make an array of a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@keras.saving.register_keras_serializable("itn_tests")
def stretched(images):
    return 4 * (images - 0.5)


@pytest.fixture
def classifier(conv_classifier):
    """The network of the conv classifier, with a registered preprocessing; frozen by no test."""
    return copy_of(conv_classifier)


def copy_of(conv_classifier):
    network = keras.models.clone_model(conv_classifier.network)
    network.set_weights(conv_classifier.network.get_weights())
    return Classifier(network, stretched, 8, conv_classifier.class_names, name="conv")


@pytest.fixture
def uncompiled(without_xla):
    """For tests of what is around the transformers, not of what they do to pictures."""
    with without_xla():
        yield


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(5)
    smooth = rng.random((24, 1, 1, 3)) + 0.2 * rng.standard_normal((24, 8, 8, 3))
    return smooth.clip(0, 1).astype("float32")


@pytest.fixture
def labels(classifier, images):
    """What the classifier says, so that its accuracy is 1."""
    return classifier.predict(images).argmax(axis=1)


def controls(count, p=4, q=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, p)).astype("float32"), rng.random((count, q)).astype("float32")


def as_inputs(images, **options):
    alpha, beta = controls(len(images), **options)
    return {"images": images, "alpha": alpha, "beta": beta}


def spread(net, deviation=0.3, seed=0):
    """Move the transformers away from the identity."""
    rng = np.random.default_rng(seed)
    for layer in (net.spatial, net.color):
        layer.entries.kernel.assign(rng.normal(0, deviation, layer.entries.kernel.shape))
    return net


def network_logits(classifier, images):
    return np.asarray(classifier.network(classifier.preprocess(images)))


# Identity


def test_with_zero_last_weights_the_output_is_the_classifier_s(classifier, images):
    net = InvariantTransformerNet(classifier, seed=4)
    for layer in (net.spatial, net.color):
        layer.entries.kernel.assign(np.zeros(layer.entries.kernel.shape))
    expected = network_logits(classifier, images)
    for given in (images, as_inputs(images)):
        np.testing.assert_allclose(net.predict(given, verbose=0), expected, atol=1e-6)


def test_at_its_start_no_prediction_differs(classifier, images, labels):
    net = InvariantTransformerNet(classifier)
    assert (net.predict(images, verbose=0).argmax(axis=1) == labels).all()
    assert not np.array_equal(net.spatial.matrix(controls(1)[0])[0], np.eye(2, 3))


@pytest.mark.data
def test_at_its_start_no_prediction_of_squeezenet_differs():
    import itn

    classifier = itn.load_classifier("squeezenet")
    pictures = itn.load_images("imagenet-sample", range(0, 1000, 10), size=227, limit=1)
    net = InvariantTransformerNet(classifier)
    said = net.predict(pictures.images, batch_size=20, verbose=0).argmax(axis=1)
    assert len(said) == 100
    assert (said == classifier.predict(pictures.images).argmax(axis=1)).all()


# What the layers do


@pytest.mark.parametrize(
    ("name", "magnitude", "matrix"),
    [
        ("translation_x", 0.25, [[1, 0, -0.5], [0, 1, 0]]),
        ("translation_y", -0.125, [[1, 0, 0], [0, 1, 0.25]]),
        ("zoom", 2.0, [[0.5, 0, 0], [0, 0.5, 0]]),
        ("scale_x", 0.5, [[2, 0, 0], [0, 1, 0]]),
        ("rotation", 90.0, [[0, -1, 0], [1, 0, 0]]),
    ],
)
@pytest.mark.parametrize("shape", [(8, 8), (6, 9)])
def test_the_spatial_matrix_is_in_half_widths(images, name, magnitude, matrix, shape):
    if name == "rotation" and shape[0] != shape[1]:
        pytest.skip("in these coordinates a rotation is one on square pictures only")
    cut = np.resize(images, (2, *shape, 3))
    layer = SpatialTransformer(1, fill="edge")
    layer(cut, np.zeros((2, 1), "float32"))
    layer.entries.bias.assign(np.ravel(np.array(matrix, "float32")))
    expected = transform(cut, name, magnitude, fill="edge")
    np.testing.assert_allclose(layer(cut, np.zeros((2, 1), "float32")), expected, atol=1e-5)


def test_recolor_is_a_product_with_the_homogeneous_color(images):
    matrix = np.random.default_rng(0).normal(size=(len(images), 3, 4)).astype("float32")
    homogeneous = np.concatenate([images, np.ones_like(images[..., :1])], axis=-1)
    expected = np.einsum("nrc,nhwc->nhwr", matrix, homogeneous)
    np.testing.assert_allclose(recolor(images, matrix), expected, atol=1e-5)


def test_fill_reaches_the_warp(classifier, images):
    outputs = []
    for fill in ("zeros", "edge", "reflect", "mean"):
        net = spread(InvariantTransformerNet(classifier, fill=fill), deviation=0.6)
        outputs.append(net.transformers.predict(as_inputs(images), verbose=0))
    for i, one in enumerate(outputs):
        for other in outputs[i + 1 :]:
            assert np.abs(one - other).max() > 0.01


# Losses


def numpy_losses(net, alpha, beta):
    """Evaluate the displacement losses in numpy: with the appended row, vector by vector."""

    def loss(layer, control):
        matrix = np.asarray(layer.matrix(control), float)
        vectors = np.asarray(layer.vectors.value, float)
        last = np.zeros((len(matrix), 1, matrix.shape[2]))
        last[..., -1] = 1
        square = np.concatenate([matrix, last], axis=1)
        total = 0.0
        for c, m in zip(control, square, strict=True):
            for i, v in enumerate(vectors):
                total -= c[i] * np.linalg.norm(m @ v - v) / len(vectors)
        return total / len(control)

    return loss(net.spatial, alpha), loss(net.color, beta)


def test_displacement_losses_agree_with_numpy(classifier, images):
    net = spread(InvariantTransformerNet(classifier, spatial_dim=3, color_dim=2))
    alpha, beta = controls(10, 3, 2)
    expected = numpy_losses(net, alpha, beta)
    assert float(net.spatial.displacement_loss(alpha)) == pytest.approx(expected[0], abs=1e-6)
    assert float(net.color.displacement_loss(beta)) == pytest.approx(expected[1], abs=1e-6)
    np.testing.assert_allclose(np.linalg.norm(net.spatial.vectors.value, axis=1), 1, rtol=1e-6)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(("required", "branch"), [(0.5, "outward"), (0.9, "repair")])
def test_the_batch_s_accuracy_chooses_the_loss(classifier, images, labels, required, branch):
    net = spread(InvariantTransformerNet(classifier, color_weight=3.0, required_accuracy=required))
    net.compile()
    inputs = as_inputs(images)
    logits = net.predict(inputs, verbose=0)
    chosen = labels.copy()
    wrong = np.arange(len(images)) % 4 == 0
    chosen = np.where(wrong, (logits.argmax(axis=1) + 1) % 7, logits.argmax(axis=1))  # 75 % right
    log = net.evaluate(inputs, chosen, batch_size=len(images), verbose=0, return_dict=True)
    shifted = logits - logits.max(axis=1, keepdims=True)
    softmax = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    cross_entropy = -np.log(softmax[np.arange(len(images)), chosen]).mean()
    spatial, color = numpy_losses(net, inputs["alpha"], inputs["beta"])
    assert log["batch_accuracy"] == pytest.approx(0.75)
    assert log["cross_entropy"] == pytest.approx(cross_entropy, rel=1e-4)
    assert log["outward"] == (branch == "outward")
    expected = spatial + 3 * color if branch == "outward" else cross_entropy
    assert log["loss"] == pytest.approx(expected, rel=1e-4)


def test_training_changes_every_transformer_weight_and_no_other(classifier, images, labels):
    """Whichever branch: outward if any accuracy will do, repair if none does."""
    before = [weight.copy() for weight in classifier.network.get_weights()]
    net = spread(InvariantTransformerNet(classifier))
    net.compile(keras.optimizers.SGD(0.1))
    for required in (0.0, 1.0):
        net.required_accuracy.assign(required)
        start = [np.array(weight.value) for weight in net.trainable_variables]
        log = net.train_on_batch(as_inputs(images), (labels + 1) % 7, return_dict=True)
        assert log["outward"] == float(required == 0.0)
        assert len(start) == 8
        for old, new in zip(start, net.trainable_variables, strict=True):
            assert np.abs(old - np.array(new.value)).max() > 0, required
        for old, new in zip(before, classifier.network.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


@pytest.mark.usefixtures("uncompiled")
def test_from_its_start_it_leaves_the_identity(classifier, images, labels):
    net = InvariantTransformerNet(classifier, required_accuracy=0.1)
    net.compile(keras.optimizers.Adam(0.01))
    net.fit(images, labels, epochs=10, verbose=0)
    alpha, beta = controls(20)
    assert np.abs(np.asarray(net.spatial.matrix(alpha)) - np.eye(2, 3)).max() > 0.05
    assert np.abs(np.asarray(net.color.matrix(beta)) - np.eye(3, 4)).max() > 0.05


@pytest.mark.usefixtures("uncompiled")
def test_the_log_of_a_step_is_that_step_s_own(classifier, images, labels):
    class Log(keras.callbacks.Callback):
        steps = ()

        def on_train_batch_end(self, batch, logs=None):
            self.steps = (*self.steps, dict(logs))

    log = Log()
    net = InvariantTransformerNet(classifier, required_accuracy=0.5)
    net.compile(keras.optimizers.Adam(0.05))
    net.fit(images, labels, batch_size=6, epochs=3, callbacks=[log], verbose=0, shuffle=False)
    assert len(log.steps) == 12
    sixths = np.array([step["batch_accuracy"] * 6 for step in log.steps])
    np.testing.assert_allclose(sixths, sixths.round(), atol=1e-5)
    assert {float(step["outward"]) for step in log.steps} <= {0.0, 1.0}
    for step in log.steps:
        assert (step["batch_accuracy"] >= 0.5) == bool(step["outward"])


# Controls and seeds


def test_the_seed_decides_the_weights_and_the_controls(classifier, images):
    def start(seed):
        net = InvariantTransformerNet(classifier, seed=seed)
        drawn = [net.draw_controls(3, net.draws) for _ in range(2)]
        return np.concatenate([*map(np.ravel, net.transformers.get_weights()), np.ravel(drawn)])

    np.testing.assert_array_equal(start(1), start(1))
    assert np.abs(start(1) - start(2)).max() > 0.1


@pytest.mark.usefixtures("uncompiled")
def test_controls_are_drawn_anew_in_training_and_are_a_half_otherwise(classifier, images):
    net = spread(InvariantTransformerNet(classifier, 3, 2))
    first, second = (np.asarray(net(images, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    middle = {"alpha": np.full((24, 3), 0.5), "beta": np.full((24, 2), 0.5)}
    expected = net.predict({"images": images} | middle, verbose=0)
    for given in (images, {"images": images}, {"images": images, "beta": middle["beta"]}):
        np.testing.assert_allclose(net.predict(given, verbose=0), expected, atol=1e-6)


def check_that_no_picture_depends_on_the_others(net, images):
    expected = net.predict(images, batch_size=len(images), verbose=0)
    drawn = net.draw_controls(len(images), 0)
    controls = dict(zip(("alpha", "beta"), map(keras.ops.convert_to_numpy, drawn), strict=True))
    moved = net.predict({"images": images} | controls, verbose=0)
    assert np.abs(moved - expected).max() > 1e-2  # the transformers do something
    order = np.random.default_rng(0).permutation(len(images))
    for size in (1, 5):  # the last batch is smaller, too
        found = net.predict(images[order], batch_size=size, verbose=0)
        np.testing.assert_allclose(found, expected[order], atol=1e-5)
    np.testing.assert_allclose(net(images[3:4]), expected[3:4], atol=1e-5)


def test_what_is_said_of_a_picture_does_not_depend_on_its_batch(classifier, images):
    check_that_no_picture_depends_on_the_others(spread(InvariantTransformerNet(classifier)), images)


def test_different_controls_give_different_matrices(classifier):
    net = spread(InvariantTransformerNet(classifier))
    alpha, _ = controls(8)
    matrices = np.asarray(net.spatial.matrix(alpha)).reshape(8, -1)
    assert len(np.unique(matrices.round(4), axis=0)) == 8


# Saving


def test_a_saved_model_says_the_same(classifier, images, labels, tmp_path):
    net = spread(InvariantTransformerNet(classifier, 3, 2, fill="reflect", seed=9))
    net.compile("sgd")
    net.fit(images, labels, verbose=0)
    net.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    inputs = as_inputs(images, p=3, q=2)
    np.testing.assert_allclose(
        again.predict(inputs, verbose=0), net.predict(inputs, verbose=0), atol=1e-6
    )
    assert again.options == net.options
    assert float(again.required_accuracy.value) == float(net.required_accuracy.value)
    assert again.classifier.class_names == classifier.class_names
    assert not again.network.trainable


@pytest.mark.usefixtures("uncompiled")
def test_weights_go_from_one_net_to_another(classifier, images, tmp_path):
    net, other = spread(InvariantTransformerNet(classifier)), InvariantTransformerNet(classifier)
    net.save_weights(tmp_path / "all.weights.h5")
    other.load_weights(tmp_path / "all.weights.h5")
    inputs = as_inputs(images)
    expected = net.predict(inputs, verbose=0)
    np.testing.assert_array_equal(other.predict(inputs, verbose=0), expected)
    net.transformers.save_weights(tmp_path / "few.weights.h5")
    third = InvariantTransformerNet(classifier, seed=5)
    third.transformers.load_weights(tmp_path / "few.weights.h5")
    np.testing.assert_array_equal(third.predict(inputs, verbose=0), expected)
    assert (tmp_path / "few.weights.h5").stat().st_size < 60_000


@pytest.mark.usefixtures("uncompiled")
def test_a_preprocessing_told_by_numbers_is_saved(conv_classifier, images, tmp_path):
    numbers = Preprocessing(((0, 0, 4), (0, 4, 0), (4, 0, 0)), (-2, -2, -1), "picture")
    network = copy_of(conv_classifier).network
    net = InvariantTransformerNet(
        Classifier(network, numbers, 8, conv_classifier.class_names, name="numbers")
    )
    net.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    assert again.classifier.preprocess == numbers
    inputs = as_inputs(images)
    np.testing.assert_array_equal(again.predict(inputs, verbose=0), net.predict(inputs, verbose=0))


class _Halved:
    """A preprocessing of one's own that is no function, and that Keras does not know."""

    def __call__(self, images):
        return images / 2


@pytest.mark.parametrize("preprocess", [lambda x: x, _Halved()], ids=["function", "object"])
def test_a_preprocessing_that_cannot_be_saved_is_named(conv_classifier, preprocess, tmp_path):
    network = keras.models.clone_model(conv_classifier.network)
    named = Classifier(network, preprocess, 8, conv_classifier.class_names, name="mine")
    net = InvariantTransformerNet(named)
    with pytest.raises(UsageError, match="preprocessing of mine is not registered"):
        net.save(tmp_path / "net.keras")


# Wrong use


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spatial_dim": 0}, "spatial needs at least one control value, got 0"),
        ({"color_dim": -1}, "color needs at least one control value, got -1"),
        ({"required_accuracy": 1.5}, r"required_accuracy must be in \(0, 1\], got 1.5"),
        ({"required_accuracy": 0.0}, "required_accuracy"),
        ({"color_weight": -1}, "color_weight must be a number ≥ 0, got -1"),
        ({"color_weight": np.nan}, "color_weight"),
        ({"fill": "zero"}, "unknown fill 'zero'; closest: 'zeros'"),
    ],
)
def test_wrong_options_are_refused_in_one_line(classifier, options, message):
    with pytest.raises(UsageError, match=message) as caught:
        InvariantTransformerNet(classifier, **options)
    assert "\n" not in str(caught.value)


# What fit takes


def in_batches(images, labels):
    yield from ((images[i : i + 6], labels[i : i + 6]) for i in range(0, len(images), 6))


class Few(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.batches = list(in_batches(*arrays))

    @property
    def num_batches(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def as_tf_data(images, labels):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(6)


def as_tensors(images, labels):
    return keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(labels)


def of_unknown_rank(images, labels):
    """What a generator brings about whose labels nothing is said, not even how many axes."""
    import tensorflow as tf

    kinds = (tf.TensorSpec((None, *images.shape[1:])), tf.TensorSpec(None, labels.dtype))
    batches = list(in_batches(images, labels))
    return tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=kinds)


FORMS = {
    "lists": lambda x, y: (list(x), y.tolist()),
    "nested lists": lambda x, y: (x.tolist(), y.tolist()),
    "tensors": as_tensors,
    "a column of labels": lambda x, y: (x, y[:, None]),
    "one-hot labels": lambda x, y: (x, np.eye(7)[y]),
    "a dictionary of lists": lambda x, y: ({n: list(a) for n, a in as_inputs(x).items()}, list(y)),
    "PyDataset": lambda x, y: (Few(x, y),),
    "one-hot PyDataset": lambda x, y: (Few(x, np.eye(7, dtype="float32")[y]),),
    "tf.data": lambda x, y: (as_tf_data(x, y),),
    "tf.data of unknown rank": lambda x, y: (of_unknown_rank(x, y),),
    "tf.data of unknown rank, a column": lambda x, y: (of_unknown_rank(x, y[:, None]),),
    "tf.data of unknown rank, one-hot": lambda x, y: (of_unknown_rank(x, np.eye(7)[y]),),
    "generator": lambda x, y: (in_batches(x, y),),
    "iterator": lambda x, y: (iter(list(in_batches(x, y))),),
}


@pytest.fixture(scope="module")
def losses(conv_classifier):
    """The cross-entropy of every step of a training; the same net always starts afresh."""
    net = InvariantTransformerNet(copy_of(conv_classifier))
    net.compile("sgd")
    start = [np.array(variable.value) for variable in net.variables]  # counts of draws among them

    def train(*data, required=0.5, **how):
        for variable, value in zip(net.variables, start, strict=True):
            variable.assign(value)
        net.required_accuracy.assign(required)
        steps = Steps()
        net.fit(*data, **how, callbacks=[steps], verbose=0)
        return [step["cross_entropy"] for step in steps.logs], net.required_accuracy.numpy()

    return train


@pytest.fixture(scope="module")
def as_arrays(conv_classifier, images, losses):
    """The cross-entropy of every step where the same pictures come as arrays."""
    labels = conv_classifier.predict(images).argmax(axis=1)
    how = {"batch_size": 6, "shuffle": False}
    found = {
        "plain": losses(images, labels, **how)[0],
        "dictionary": losses(as_inputs(images), labels, **how)[0],
    }
    assert losses(images, labels, **how)[0] == found["plain"]  # afresh, indeed
    assert found["plain"][0] != found["plain"][3]
    return found


@pytest.mark.parametrize("form", FORMS)
def test_fit_takes_what_keras_takes(images, labels, losses, as_arrays, form):
    """Every form of the same pictures is learned from alike: the batches are the same."""
    data = FORMS[form](images, labels)
    how = {"steps_per_epoch": 4} if len(data) == 1 else {"batch_size": 6}
    found, _ = losses(*data, **how, shuffle=False)
    assert len(found) == 4  # no batch was lost to the check
    wanted = as_arrays["dictionary" if "dictionary" in form else "plain"]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


class Steps(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append(dict(logs))


def test_batches_need_no_required_accuracy_and_as_few_as_asked_for(losses, images, labels):
    half = np.where(np.arange(24) % 2, labels, (labels + 1) % 7)
    for data in (in_batches(images, half), Few(images, half), as_tf_data(images, half).repeat()):
        steps, required = losses(data, steps_per_epoch=3, required=np.nan)
        assert len(steps) == 3
        assert float(required) == pytest.approx(0.95 / 2)


@pytest.mark.usefixtures("uncompiled")
def test_what_is_split_off_for_validation_does_not_choose_the_accuracy(classifier, images, labels):
    """Of 24 pictures 16 are learned from, all of them right; the other 8 are wrong."""
    mixed = np.where(np.arange(24) < 16, labels, (labels + 1) % 7)
    net = InvariantTransformerNet(classifier)
    net.compile()
    log = net.fit(images, mixed, 8, validation_split=1 / 3, verbose=0).history
    assert float(net.required_accuracy.value) == pytest.approx(0.95)
    assert log["val_batch_accuracy"] == [0]
    one_hot = np.eye(7)[labels]
    net.fit(images, labels, 8, 2, validation_data=(list(images), one_hot), verbose=0)
    with pytest.raises(UsageError, match="24 pictures need labels of shape"):
        net.fit(images, labels, validation_data=(images, labels[1:]), verbose=0)


# Mixed precision


@pytest.mark.usefixtures("uncompiled")
def test_it_trains_alike_under_a_policy_of_mixed_precision(classifier, images, labels):
    def moved():
        net = spread(InvariantTransformerNet(classifier), 0.1)
        net.required_accuracy.assign(1.0)
        net.compile(keras.optimizers.SGD(0.1))
        net.train_on_batch(as_inputs(images), (labels + 1) % 7)
        return net.transformers.get_weights(), net.predict_on_batch(images)

    weights, logits = moved()
    usual = keras.config.dtype_policy()
    for policy in ("mixed_float16", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            again, same = moved()
        finally:
            keras.config.set_dtype_policy(usual)
        for one, other in zip(weights, again, strict=True):
            assert other.dtype == np.float32
            np.testing.assert_allclose(one, other, atol=1e-5, err_msg=policy)
        np.testing.assert_allclose(logits, same, rtol=1e-4, err_msg=policy)


@pytest.mark.usefixtures("uncompiled")
def test_before_a_network_in_half_precision_small_slopes_are_not_lost(images):
    """A loss whose slopes are far below what float16 can hold, unless the loss is scaled."""
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = keras.Sequential(
            [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
        )
    finally:
        keras.config.set_dtype_policy(usual)
    network.set_weights([1e-4 * np.eye(3), np.zeros(3)])
    half = Classifier(network, lambda x: x, 8, tuple("abc"))
    said = half.predict(images).argmax(axis=1)
    net = spread(InvariantTransformerNet(half), 0.1)
    net.required_accuracy.assign(1.0)
    net.compile(keras.optimizers.SGD(1e6))
    before = net.color.entries.get_weights()[1]
    net.train_on_batch(as_inputs(images), (said + 1) % 3)
    assert np.abs(net.color.entries.get_weights()[1] - before).min() > 0


# On the other backend


def test_on_jax_pictures_stand_alone_and_fit_takes_batches():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    done = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["jax", "4", "4", "4"]


def on_jax():
    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    color = Classifier(network, stretched, 8, ("red", "green", "blue"))
    pictures = np.random.default_rng(5).random((24, 8, 8, 3)).astype("float32")
    said = color.predict(pictures).argmax(axis=1)
    check_that_no_picture_depends_on_the_others(spread(InvariantTransformerNet(color)), pictures)
    print(keras.backend.backend())
    keras.config.set_dtype_policy("mixed_bfloat16")
    net = InvariantTransformerNet(color, required_accuracy=0.5)
    net.compile()
    for form in ("one-hot labels", "PyDataset", "generator"):
        steps = Steps()
        given = (pictures, np.eye(3)[said]) if "one-hot" in form else FORMS[form](pictures, said)
        how = {"steps_per_epoch": 4} if len(given) == 1 else {"batch_size": 6}
        net.fit(*given, **how, callbacks=[steps], verbose=0)
        print(len(steps.logs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x, y + 7), "labels must be from 0 to 6, conv's classes, got 7"),
        (lambda x, y: (x, y - 7), "labels must be from 0 to 6"),
        (lambda x, y: (x, y + 0.5), r"labels must be from 0 to 6, conv's classes, got 0\.5"),
        (lambda x, y: (x, np.array(list("abcdefg"))[y]), "labels must be from 0 to 6"),
        (lambda x, y: (x[:, :6], y), r"conv looks at pictures of shape \[N, 8, 8, 3\]"),
        (lambda x, y: (x, (y + 1) % 7), "conv gets 0 of the untouched pictures right"),
        (lambda x, y: (x, y[1:]), r"24 pictures need labels of shape \[24\], .* got \[23\]"),
        (lambda x, y: (x, np.eye(8)[y]), r"or \[24, 7\], one-hot, got \[24, 8\]"),
        (lambda x, y: (x, np.full((24, 7), 1 / 7)), "of one-hot labels each row has one 1"),
        (lambda x, y: (x, None), "fit takes pictures and labels, or a tf.data.Dataset"),
        (lambda x, y: (in_batches(x, y[1:] + 7), None), "labels must be from 0 to 6"),
        (lambda x, y: (iter([x]), None), "fit needs labels: give y, or batches"),
        (lambda x, y: (iter([]), None), "there are no pictures to learn from"),
        (lambda x, y: ([x[0], x[0, :6]], [1, 2]), "must be arrays of one shape"),
    ],
)
def test_wrong_data_are_refused_before_training(classifier, images, labels, change, message):
    net = InvariantTransformerNet(classifier, required_accuracy=0.9)
    net.compile()
    start = net.spatial.get_weights()
    with pytest.raises(UsageError, match=message) as caught:
        net.fit(*change(images, labels), verbose=0)
    assert "\n" not in str(caught.value)
    for old, new in zip(start, net.spatial.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_required_accuracy_above_the_clean_one_is_refused(classifier, images, labels):
    half = np.where(np.arange(len(labels)) % 2, labels, (labels + 1) % 7)
    net = InvariantTransformerNet(classifier, required_accuracy=0.6)
    net.compile()
    with pytest.raises(UsageError, match=r"required accuracy 0.6 is not in \(0, 0.5\]"):
        net.fit(images, half, verbose=0)


def test_the_required_accuracy_is_by_default_a_share_of_the_clean_one(losses, images, labels):
    half = np.where(np.arange(len(labels)) % 2, labels, (labels + 1) % 7)
    _, required = losses(images, half, batch_size=6, required=np.nan)
    assert float(required) == pytest.approx(0.95 / 2)


def test_a_loss_of_one_s_own_and_weights_of_samples_are_refused(classifier, images, labels):
    net = InvariantTransformerNet(classifier, required_accuracy=0.5)
    with pytest.raises(UsageError, match="loss of its own"):
        net.compile("adam", loss="mse")
    net.compile()
    with pytest.raises(UsageError, match="no weights of samples"):
        net.fit(images, labels, sample_weight=np.ones(len(images)), verbose=0)


def test_another_number_of_control_values_is_refused():
    layer = ColorTransformer(3)
    with pytest.raises(UsageError, match="has 3 control values, got 2"):
        layer(np.zeros((1, 4, 4, 3), "float32"), np.zeros((1, 2), "float32"))


def test_matrices_of_pictures_that_are_not_square_are_converted():
    matrix = np.array([[1, 0.5, 0.25], [0.5, 1, -0.5]])
    height, width = 6, 10
    point = np.array([0.3, -0.7, 1])  # in half widths and half heights
    half = np.array([width / 2, height / 2])
    expected = (matrix @ point) * half
    pixels = in_pixels(matrix, (1, height, width, 3))
    np.testing.assert_allclose(pixels @ np.append(point[:2] * half, 1), expected)


@pytest.mark.usefixtures("uncompiled")
def test_it_stands_before_any_keras_network():
    """A plain functional model with its own input size and batch normalization."""
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, name="first")(inputs)
    x = keras.layers.BatchNormalization()(x)
    outputs = keras.layers.Dense(5)(keras.layers.GlobalMaxPooling2D()(x))
    mine = Classifier(keras.Model(inputs, outputs), lambda x: x, 16, tuple("vwxyz"), name="mine")
    images = np.random.default_rng(0).random((6, 16, 16, 3)).astype("float32")
    said = mine.predict(images).argmax(axis=1)
    weights = mine.network.get_weights()  # the moving averages among them
    net = InvariantTransformerNet(mine)
    net.compile()
    net.fit(images, said, epochs=2, verbose=0)
    for old, new in zip(weights, mine.network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


if __name__ == "__main__":
    on_jax()
