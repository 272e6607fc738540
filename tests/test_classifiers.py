"""Classifiers: what they predict, and which class is meant."""

import dataclasses
import hashlib
import inspect
import unicodedata
from functools import partial

import keras
import numpy as np
import pytest
from weight_formats import caffemodel, python2_npy

import itn
from itn.classifiers import Classifier, batches, list_classifiers, load_classifier
from itn.messages import UsageError
from itn.pictures import Pictures
from itn.screening import screen
from itn.zoo import networks
from itn.zoo.alexnet import build_alexnet
from itn.zoo.catalog import CATALOG, File, imagenet_classes
from itn.zoo.resnet import build_resnet_v1

# Keras 3.15 itself calls numpy's older way to make an array of a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def pictures(count=7, size=8):
    return np.random.default_rng(0).random((count, size, size, 3)).astype("float32")


def softmax_of(logits):
    odds = np.exp(np.asarray(logits, float) - np.max(logits, axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def with_names(names, ids=()):
    network = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(len(names)),
        ]
    )
    return Classifier(network, lambda x: x, 4, names, class_ids=ids, name="toy")


@pytest.fixture(scope="module")
def imagenet_names():
    classes = imagenet_classes()
    return with_names([each.label for each in classes], [each.wnid for each in classes])


def test_predict_is_the_softmax_of_the_logits(color_classifier):
    images = pictures()
    expected = softmax_of(5 * images.mean(axis=(1, 2), dtype=float))
    softmax = color_classifier.predict(images)
    assert softmax.dtype == np.float32
    np.testing.assert_allclose(softmax, expected, atol=1e-6)
    np.testing.assert_allclose(softmax.sum(axis=1), 1, atol=1e-6)


def test_predict_preprocesses_the_pictures(conv_classifier):
    images = pictures()
    logits = conv_classifier.network(4 * (images - 0.5), training=False)
    unprocessed = conv_classifier.network(images, training=False)
    softmax = conv_classifier.predict(images)
    np.testing.assert_allclose(softmax, softmax_of(logits), atol=1e-6)
    assert np.abs(softmax - softmax_of(unprocessed)).max() > 0.01


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_predict_does_not_depend_on_the_batch_size(conv_classifier, batch_size):
    images = pictures()
    expected = np.concatenate([conv_classifier.predict(images[i : i + 1]) for i in range(7)])
    softmax = conv_classifier.predict(images, batch_size=batch_size)
    np.testing.assert_allclose(softmax, expected, atol=1e-6)


def test_no_pictures_have_no_softmax(conv_classifier):
    assert conv_classifier.predict(pictures(0)).shape == (0, 7)


def test_batches_cover_everything_once_in_order():
    for count in range(8):
        for size in range(1, 10):
            pairs = batches(count, size)
            assert [i for pair in pairs for i in range(*pair)] == list(range(count))
            assert all(0 < stop - start <= size for start, stop in pairs)


@pytest.mark.parametrize("shape", [(2, 9, 9, 3), (2, 8, 9, 3), (8, 8, 3), (2, 8, 8, 1)])
def test_pictures_of_another_size_are_refused(color_classifier, shape):
    with pytest.raises(UsageError) as caught:
        color_classifier.predict(np.zeros(shape, "float32"))
    message = str(caught.value)
    assert "color looks at pictures of shape [N, 8, 8, 3]" in message
    assert str(list(shape)) in message and "size=8" in message


def test_another_number_of_names_than_logits_is_refused(color_classifier):
    network = color_classifier.network
    with pytest.raises(UsageError, match="toy has 3 logits but 2 class_names"):
        Classifier(network, lambda x: x, 8, ("red", "green"), name="toy")
    with pytest.raises(UsageError, match="toy has 3 logits but 1 class_ids"):
        Classifier(network, lambda x: x, 8, ("r", "g", "b"), class_ids=("n1",), name="toy")


@pytest.mark.parametrize("index", [0, 2, np.int64(1)])
def test_a_class_is_found_by_name_by_id_and_by_index(index):
    names, ids = ("a", "b", "c"), ("n01", "n02", "n03")
    classifier = with_names(names, ids)
    assert classifier.index_of(names[index]) == index
    assert classifier.index_of(ids[index]) == index
    assert classifier.index_of(index) == index


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("crane", "134 (n02012849)", "517 (n03126707)"),  # a bird, a machine
        ("maillot", "638 (n03710637)", "639 (n03710721)"),
    ],
)
def test_a_name_of_two_classes_is_refused_naming_both(imagenet_names, name, first, second):
    with pytest.raises(UsageError) as caught:
        imagenet_names.index_of(name)
    assert all(part in str(caught.value) for part in (f"'{name}'", first, second))


def test_an_ambiguous_class_is_found_by_its_id_or_index(imagenet_names):
    assert imagenet_names.index_of("n03126707") == imagenet_names.index_of(517) == 517
    assert imagenet_names.index_of("n02012849") == imagenet_names.index_of(134) == 134


def test_an_ambiguous_name_without_ids_is_refused_naming_the_indices():
    with pytest.raises(UsageError, match=r"'a'.*0.*2"):
        with_names(("a", "b", "a")).index_of("a")


def test_a_name_that_is_its_own_id_is_not_ambiguous():
    ids = ("n01", "n02", "n03")
    assert with_names(ids, ids).index_of("n02") == 1


def test_an_unknown_class_names_the_closest(imagenet_names):
    with pytest.raises(UsageError, match=r"class of toy 'soccerball'; closest: 'soccer_ball'"):
        imagenet_names.index_of("soccerball")


@pytest.mark.parametrize("index", [-1, 3, 1000])
def test_an_index_beyond_the_classes_is_refused(index):
    with pytest.raises(UsageError, match=f"classes 0 to 2, got {index}"):
        with_names(("a", "b", "c")).index_of(index)


@pytest.mark.parametrize(
    "given",
    [
        {"cat": 2, "ant": 0, "bee": 1},  # as the `class_indices` of Keras
        {"cat": np.int64(2), "bee": np.int64(1), "ant": np.int64(0)},
        {2: "cat", 0: "ant", 1: "bee"},
        {"2": "cat", "0": "ant", "1": "bee"},  # from a JSON file
    ],
)
def test_a_dictionary_names_each_logit(given):
    network = with_names(("a", "b", "c")).network
    assert Classifier(network, lambda x: x, 4, given).class_names == ("ant", "bee", "cat")


def test_folders_that_are_numbers_keep_their_logits():
    network = with_names(("a", "b", "c")).network
    given = {"0": 0, "10": 1, "2": 2}  # Keras sorts folders as text
    assert Classifier(network, lambda x: x, 4, given).class_names == ("0", "10", "2")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"a": 0, "b": 1, "c": 1}, "must name each logit from 0 to 2 once"),
        ({"a": 1, "b": 2, "c": 3}, "must name each logit from 0 to 2 once"),
        ({0: "a", "0": "b", 1: "c"}, "must name each logit from 0 to 2 once"),
        ({"a": "x", "b": "y", "c": "z"}, "must say a logit for each name"),
        ({"a": 0, "b": 1}, "has 3 logits but 2 class_names"),
        ("abc", "must be several, got 'abc'"),
        ({"a", "b", "c"}, "must have an order, got a set"),
    ],
)
def test_names_that_do_not_fit_the_logits_are_refused(given, found):
    network = with_names(("a", "b", "c")).network
    with pytest.raises(UsageError, match=found):
        Classifier(network, lambda x: x, 4, given)


def test_names_are_the_same_however_their_accents_are_stored():
    composed, apart = (unicodedata.normalize(form, "Äpfel") for form in ("NFC", "NFD"))
    assert composed != apart
    for ours, theirs in ((composed, apart), (apart, composed)):
        classifier = with_names(("birnen", ours))
        assert classifier.index_of(theirs) == 1
        shown = Pictures(pictures(1, 4), np.zeros(1, int), (theirs,), ("x.png",), "x")
        assert classifier.logits_of(shown).tolist() == [1]


def test_an_index_may_be_text_unless_a_class_is_called_so():
    classifier = with_names(("a", "b", "c"))
    assert classifier.index_of("2") == 2
    shown = Pictures(pictures(2, 4), np.arange(2), ("2", "a"), ("x.png", "y.png"), "x")
    assert classifier.logits_of(shown).tolist() == [2, 0]
    with pytest.raises(UsageError, match="classes 0 to 2, got 3"):
        classifier.index_of("3")
    assert with_names(("2", "1", "0")).index_of("2") == 0
    with pytest.raises(UsageError, match="unknown class of toy '-1'"):
        classifier.index_of("-1")


def test_the_hash_of_the_weights_changes_with_any_of_them(conv_classifier):
    network = keras.models.clone_model(conv_classifier.network)
    network.set_weights(conv_classifier.network.get_weights())
    copy = Classifier(network, lambda x: x, 8, conv_classifier.class_names)
    assert copy.weights_hash() == conv_classifier.weights_hash() == copy.weights_hash()
    assert len(copy.weights_hash()) == 64
    weights = network.get_weights()
    for weight in weights:
        weight.flat[-1] += 1e-3
        network.set_weights(weights)
        assert copy.weights_hash() != conv_classifier.weights_hash()
        weight.flat[-1] -= 1e-3


def test_an_unknown_classifier_names_the_closest():
    assert "squeezenet" in list_classifiers()
    with pytest.raises(UsageError, match="unknown classifier 'squeeznet'; closest: 'squeezenet'"):
        load_classifier("squeeznet")


def test_a_missing_weight_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no weight file .*missing\.net"):
        load_classifier("squeezenet", weights=tmp_path / "missing.net")


def test_a_truncated_weight_file_is_named(tmp_path):
    path = tmp_path / "half.net"
    path.write_bytes(bytes(50))
    with pytest.raises(ValueError, match=r"half\.net: truncated"):
        load_classifier("squeezenet", weights=path)


def test_an_unknown_option_names_the_closest():
    with pytest.raises(UsageError, match=r"option of alexnet 'padding'; closest: 'conv1_padding'"):
        load_classifier("alexnet", padding="same")
    with pytest.raises(UsageError, match="option of squeezenet 'conv1_padding'; possible: none"):
        load_classifier("squeezenet", conv1_padding="same")
    with pytest.raises(UsageError, match="option of ResNet50 'alpha'; possible: none"):
        load_classifier("ResNet50", alpha=1)


@pytest.fixture
def small_alexnet(tmp_path, monkeypatch):
    """An AlexNet of few channels in place of Caffe's, and its weights as in the port."""
    small = partial(build_alexnet, filters=(2,) * 5, units=(2, 2))
    monkeypatch.setattr(networks, "build_alexnet", small)
    network = small()
    weights = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    (tmp_path / "bvlc_alexnet.npy").write_bytes(python2_npy(weights))
    return tmp_path / "bvlc_alexnet.npy"


def test_alexnet_preprocesses_as_caffe_or_as_the_port(small_alexnet):
    images = pictures(2, 227)
    blue_green_red = 255.0 * images[..., ::-1].astype(float)
    caffe = load_classifier("alexnet", small_alexnet, conv1_padding="valid")
    port = load_classifier("alexnet", small_alexnet)  # a .npy is the port's
    assert port.network.get_layer("conv1").padding == "same"
    assert caffe.network.get_layer("conv1").padding == "valid"
    expected = blue_green_red - [104, 117, 123]
    np.testing.assert_allclose(np.asarray(caffe.preprocess(images)), expected, atol=1e-3)
    expected = blue_green_red - blue_green_red.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(np.asarray(port.preprocess(images)), expected, atol=1e-3)
    for classifier in (caffe, port):
        assert classifier.class_ids[805] == "n04254680" and classifier.input_size == 227
    with pytest.raises(UsageError, match=r"unknown conv1_padding 'full'; .*possible: valid, same"):
        load_classifier("alexnet", small_alexnet, conv1_padding="full")


def test_a_caffemodel_is_verified_before_it_is_read(small_alexnet, tmp_path, monkeypatch):
    network = networks.build_alexnet(conv1_padding="valid")
    arrays = {}
    for layer in network.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            if layer.name == "fc6":  # Caffe counts through the map channel by channel
                kernel = kernel.reshape(6, 6, 2, 2).transpose(3, 2, 0, 1).reshape(2, -1)
            else:
                kernel = np.moveaxis(kernel, (-1, -2), (0, 1))
            arrays[layer.name] = [np.ascontiguousarray(kernel), bias]
    path = tmp_path / "bvlc_alexnet.caffemodel"
    path.write_bytes(caffemodel(arrays, older=True))
    with pytest.raises(UsageError, match=r"not the expected file: sha1 .*9116a64c0fbe4459d"):
        load_classifier("alexnet", path)
    digest = hashlib.sha1(path.read_bytes()).hexdigest()
    known = dataclasses.replace(CATALOG["alexnet"], files=(File(path.name, f"sha1:{digest}"),))
    monkeypatch.setitem(CATALOG, "alexnet", known)
    classifier = load_classifier("alexnet", path)
    assert classifier.network.get_layer("conv1").padding == "valid"  # a .caffemodel is Caffe's
    for found, wanted in zip(classifier.network.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)
    monkeypatch.setenv("ITN_DATA", str(tmp_path / "cache"))
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    path.rename(tmp_path / "cache" / "weights" / path.name)
    assert load_classifier("alexnet").weights_hash() == classifier.weights_hash()


def test_resnets_of_slim_have_their_units_and_preprocessing(monkeypatch):
    monkeypatch.setattr(networks, "load_slim_checkpoint", lambda network, path: None)
    small = partial(build_resnet_v1, depths=(1, 2, 3, 4), root_filters=1)
    monkeypatch.setattr(networks, "build_resnet_v1", small)
    for depth, block3 in [(50, 6), (101, 23), (152, 36)]:
        classifier = load_classifier(f"resnet_v1_{depth}", weights=__file__)
        names = [layer.name for layer in classifier.network.layers]
        convolutions = [
            layer for layer in classifier.network.layers if isinstance(layer, keras.layers.Conv2D)
        ]
        assert len(convolutions) == depth + 4  # shortcuts, which are not counted
        assert f"block3.unit_{block3}.bottleneck_v1.conv1" in names
    images = pictures(1, 224)
    expected = 255.0 * images - [123.68, 116.78, 103.94]
    np.testing.assert_allclose(np.asarray(classifier.preprocess(images)), expected, atol=1e-3)


def test_every_classifier_of_keras_applications_is_listed_with_its_preprocessing():
    applications = set(list_classifiers()[-len(networks._applications()) :])
    assert {"VGG16", "ResNet101", "MobileNetV3Small", "EfficientNetV2B0", "ConvNeXtTiny",
            "NASNetMobile", "InceptionV3", "Xception", "DenseNet121"} <= applications  # fmt: skip
    modules = {
        name: function
        for name, function in vars(keras.applications).items()
        if inspect.isfunction(function)
    }
    assert set(modules) == applications
    images = pictures(1, 16)
    for name in applications:
        preprocess_input = networks._preprocessing_of(name)
        # Keras has a second implementation, of arrays in place of tensors.
        expected = preprocess_input(255.0 * images)
        found = preprocess_input(keras.ops.convert_to_tensor(255 * images))
        np.testing.assert_allclose(np.asarray(found), expected, atol=1e-3)


@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_a_keras_application_is_that_of_keras(name, tmp_path):
    function = getattr(keras.applications, name)
    reference = function(weights=None)
    reference.save_weights(tmp_path / "x.weights.h5")
    classifier = load_classifier(name, weights=tmp_path / "x.weights.h5")
    assert classifier.input_size == 224 and classifier.name == name
    images = pictures(2, 224)
    module = inspect.getmodule(function)
    expected = reference(module.preprocess_input(255 * images), training=False)
    np.testing.assert_allclose(classifier.predict(images), np.asarray(expected), atol=1e-5)
    # Its preprocessing also acts on compiled tensors.
    picture = Pictures(images[:1], np.zeros(1, int), ("n04254680",), ("n04254680/1.png",), "x")
    screening = screen(classifier, picture, "brightness", [0, 0.1], batch_size=1, progress=False)
    clean = screening.softmax.sel(magnitude=0).values
    np.testing.assert_allclose(clean, np.asarray(expected)[:1, 805], atol=1e-5)
    with pytest.raises(UsageError, match=rf"{name} reads \.h5 files of Keras"):
        load_classifier(name, weights=__file__)


def test_a_download_of_keras_that_fails_is_explained(monkeypatch):
    def fail(*_, **__):
        raise Exception("URL fetch failure on https://example.invalid: None")

    monkeypatch.setattr("keras.src.applications.mobilenet_v2.file_utils.get_file", fail)
    with pytest.raises(UsageError, match="could not get the weights of MobileNetV2: URL fetch"):
        load_classifier("MobileNetV2")


@pytest.mark.parametrize("ending", ["logits", "softmax", "softmax layer"])
def test_a_keras_file_gives_the_same_softmax(ending, tmp_path):
    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    if ending == "softmax":
        layers[-1] = keras.layers.Dense(3, activation="softmax")
    elif ending == "softmax layer":
        layers.append(keras.layers.Softmax())
    network = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    network.save(tmp_path / "mine.keras")
    classifier = load_classifier(
        tmp_path / "mine.keras", class_names=("a", "b", "c"), preprocess=lambda x: 2 * x - 1
    )
    assert classifier.name == "mine" and classifier.input_size == 8
    images = pictures()
    expected = np.asarray(network(2 * images - 1))
    expected = softmax_of(expected) if ending == "logits" else expected
    np.testing.assert_allclose(classifier.predict(images), expected, atol=1e-6)


def test_what_a_keras_file_lacks_is_asked_for(tmp_path):
    path = tmp_path / "mine.keras"
    keras.Sequential([keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]).save(
        path
    )
    with pytest.raises(UsageError, match=r"names no classes and .*: give class_names"):
        load_classifier(path, input_size=8)
    with pytest.raises(UsageError, match=r"mine takes \[N, any, any, 3\]: give input_size"):
        load_classifier(path, class_names=list("abc"))
    with pytest.raises(UsageError, match="3 logits but 1000 class_names"):
        load_classifier(path, class_names="imagenet", input_size=8)
    with pytest.raises(UsageError, match="has weights of its own"):
        load_classifier(path, weights=__file__, class_names=["a", "b", "c"])
    with pytest.raises(UsageError, match=r"no Keras file .*missing\.keras"):
        load_classifier(tmp_path / "missing.keras")
    assert load_classifier(path, class_names=list("abc"), input_size=8).input_size == 8


def test_the_size_of_the_pictures_is_that_of_the_network(color_classifier):
    names = ("red", "green", "blue")
    mine = Classifier(network=color_classifier.network, preprocess=lambda x: x, class_names=names)
    assert mine.input_size == 8


def test_squeezenet_is_in_the_package_and_expects_blue_green_red(tmp_path, monkeypatch):
    monkeypatch.setenv("ITN_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("socket.socket", None)  # no network
    classifier = itn.load_classifier("squeezenet")
    assert not (tmp_path / "cache").exists()
    color = np.float32([1.0, 0.5, 0.25])
    images = np.broadcast_to(color, (1, 227, 227, 3))
    prepared = np.asarray(classifier.preprocess(images))
    expected = [0.25 * 255 - 104, 0.5 * 255 - 117, 255 - 123]
    np.testing.assert_allclose(prepared[0, 100, 100], expected, atol=1e-4)
    assert classifier.input_size == 227 and len(classifier.class_names) == 1000
    assert classifier.class_names[classifier.index_of("n04254680")] == "soccer_ball"


# Arithmetic


@pytest.mark.parametrize(("name", "closest"), [("bfloat16", 2**-5), ("float16", 2**-8)])
def test_half_precision_is_of_the_network_alone(name, closest):
    usual, half = (load_classifier("alexnet_photos", arithmetic=a) for a in ("float32", name))
    computed = {layer.compute_dtype for layer in half.network._flatten_layers() if layer.weights}
    assert name in computed
    assert {weight.dtype for weight in half.network.weights} == {"float32"}
    assert half.weights_hash() == usual.weights_hash()
    images = np.random.default_rng(0).random((6, 64, 64, 3)).astype(np.float32)
    softmax = half.predict(images)
    assert softmax.dtype == np.float32
    np.testing.assert_allclose(softmax, usual.predict(images), atol=closest)
    assert np.abs(softmax - usual.predict(images)).max() > 1e-6
    np.testing.assert_allclose(softmax.sum(axis=1), 1, atol=1e-6)


def test_an_arithmetic_that_does_not_exist_is_explained():
    with pytest.raises(
        UsageError, match=r"unknown arithmetic 'float8'; closest: 'float32'; possible: .*float16"
    ):
        load_classifier("alexnet_phantom", arithmetic="float8")
