"""A user's own network: saved with all that it needs, loaded by its file or by a function."""

import json
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from itn.classifiers import Classifier, load_classifier, save_classifier
from itn.messages import UsageError
from itn.phantom.pictures import render_phantom

# Keras 3.15 itself calls numpy's older way to make an array of a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def pictures(size=8):
    return np.random.default_rng(0).random((3, size, size, 3)).astype("float32")


def classifier(preprocess=lambda x: 5 * x - 2, end=None, **options):
    pool = [keras.Input((8, 8, 3)), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    network = keras.Sequential([*pool, end] if end else pool)
    names = ("Äpfel", "grün", "b$_2$")
    return Classifier(network, preprocess, 8, names, name="mine", **options)


@pytest.mark.parametrize("end", [None, "softmax", "float16"])
def test_what_is_saved_comes_back_with_nothing_else(tmp_path, end):
    last = {"softmax": layers.Softmax(), "float16": layers.Activation("linear", dtype="float16")}
    mine = classifier(end=last.get(end), class_ids=("n1", "n2", "n3"))
    assert save_classifier(mine, tmp_path / "some.keras") == tmp_path / "some.keras"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["some.itn.json", "some.keras"]
    found = load_classifier(tmp_path / "some.keras")
    np.testing.assert_allclose(found.predict(pictures()), mine.predict(pictures()), atol=1e-6)
    assert found.weights_hash() == mine.weights_hash() and found.name == "some"
    for what in ("class_names", "class_ids", "input_size"):
        assert getattr(found, what) == getattr(mine, what)
    save_classifier(found, tmp_path / "again.keras")  # saved once more it is the same
    first, second = (
        json.loads((tmp_path / f"{n}.itn.json").read_text()) for n in ("some", "again")
    )
    assert first.pop("network_sha256") != second.pop("network_sha256") and first == second


def test_the_card_is_plain_text_in_numbers(tmp_path):
    save_classifier(classifier(), tmp_path / "some.keras")
    text = (tmp_path / "some.itn.json").read_text("utf-8")
    assert "Äpfel" in text and json.loads(text)["preprocessing"] == {
        "matrix": [[5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0]],
        "offset": [-2.0, -2.0, -2.0],
        "minus_mean": "none",
    }


def test_networks_of_the_package_can_be_saved(tmp_path):
    given = load_classifier("alexnet_phantom")
    save_classifier(given, tmp_path / "mine.keras")
    found = load_classifier(tmp_path / "mine.keras")
    images = render_phantom(count=2, classes=["disc", "mirror"]).images
    np.testing.assert_array_equal(found.predict(images), given.predict(images))
    assert found.weights_hash() == given.weights_hash()


def test_arguments_go_before_the_card(tmp_path):
    mine = classifier()
    path = save_classifier(mine, tmp_path / "mine.keras")
    found = load_classifier(path, class_names=("a", "b", "c"))
    assert found.class_names == ("a", "b", "c") and found.class_ids == ()
    np.testing.assert_allclose(found.predict(pictures()), mine.predict(pictures()), atol=1e-6)
    found = load_classifier(path, preprocess=lambda x: 0 * x)
    assert found.class_names == mine.class_names
    np.testing.assert_allclose(np.ptp(found.predict(pictures()), axis=0), 0, atol=1e-6)


def edited(path, **changes):
    card = json.loads(path.read_text())
    card |= changes
    path.write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"class_names": ["a", "b"]}, "mine has 3 logits but 2 class_names"),
        (
            {"class_names": "abc"},
            "does not describe a classifier: class_names: Input should",
        ),
        ({"input_size": "8"}, "does not describe a classifier: input_size: "),
        ({"input_size": 9}, "takes .N, 8, 8, 3., but after preprocessing pictures of input_size 9"),
        ({"preprocess": "os.system"}, "does not describe a classifier: preprocess: Extra inputs"),
        ({"preprocessing": {"matrix": [[1, 2]], "offset": [0]}}, "preprocessing.matrix.0: "),
        ({"preprocessing": {"matrix": [[1, 2, 3]], "offset": []}}, "as many rows"),
        ({"preprocessing": {"matrix": [[1, 2, 3]], "offset": [0]}}, "are .N, 8, 8, 1."),
    ],
)
def test_a_card_that_does_not_fit_is_named(tmp_path, changes, found):
    path = save_classifier(classifier(), tmp_path / "mine.keras")
    edited(tmp_path / "mine.itn.json", **changes)
    with pytest.raises(UsageError, match=found) as caught:
        load_classifier(path)
    assert "\n" not in str(caught.value)


def test_a_card_of_another_network_is_named(tmp_path):
    path = save_classifier(classifier(), tmp_path / "mine.keras")
    classifier().network.save(path)
    with pytest.raises(UsageError, match=r"mine\.itn\.json describes another network than"):
        load_classifier(path)
    found = load_classifier(path, class_names=("a", "b", "c"), preprocess=lambda x: x,
                            input_size=8)  # fmt: skip
    assert found.class_names == ("a", "b", "c")
    (tmp_path / "mine.itn.json").write_text("{")
    with pytest.raises(UsageError, match="does not describe a classifier: the file: Invalid JSON"):
        load_classifier(path)
    (tmp_path / "mine.itn.json").unlink()
    with pytest.raises(UsageError, match=r"there is no mine\.itn\.json beside it"):
        load_classifier(path)


def test_what_cannot_be_saved_is_named_and_leaves_what_was_there(tmp_path):
    path = save_classifier(classifier(), tmp_path / "mine.keras")
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(UsageError, match="no scale, offset"):
        save_classifier(classifier(lambda x: ops.clip(x, 0, 1)), path)
    inside = keras.Sequential([keras.Input((8, 8, 3)), layers.Lambda(lambda x: x[:, 0, 0])])
    with pytest.raises(UsageError, match=r"was not loaded: .*ambda"):
        save_classifier(Classifier(inside, lambda x: x, 8, ("a", "b", "c")), path)
    with pytest.raises(UsageError, match=r"is saved as a \.keras file, got .*mine\.h5"):
        save_classifier(classifier(), tmp_path / "mine.h5")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["mine.h5", "MINE.KERAS", "saved_model"])
def test_other_files_are_told_how_to_become_one(tmp_path, name):
    (tmp_path / name).mkdir() if "." not in name else (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match=rf"{name} is no \.keras file"):
        load_classifier(tmp_path / name)


def test_what_may_be_given_is_not_cut_off():
    with pytest.raises(UsageError, match=r"possible: a \.keras file, module:function, alexnet"):
        load_classifier("nothing")


SOURCE = """
import keras
import itn


def small():
    layers = [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()]
    return itn.Classifier(keras.Sequential(layers), lambda x: 5 * x, class_names="r g b".split())


def broken():
    raise KeyError("of\\nmine")


def leaves():
    raise SystemExit(3)


def network():
    return small().network
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "functions_of_mine.py").write_text(SOURCE)
    yield "functions_of_mine"
    sys.modules.pop("functions_of_mine", None)


def test_a_function_of_the_working_directory_is_called(module):
    before = list(sys.path)
    found = load_classifier(f"{module}:small")
    assert found.class_names == ("r", "g", "b") and sys.path == before


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("functions_of_yours:small", "no module 'functions_of_yours' in /"),
        (
            "functions_of_mine:smal",
            "function of functions_of_mine 'smal'; closest: 'small'",
        ),
        ("functions_of_mine:keras", "unknown function of functions_of_mine 'keras'"),
        ("functions_of_mine:broken", "functions_of_mine:broken fails: KeyError: 'of.*mine'"),
        ("functions_of_mine:leaves", "functions_of_mine:leaves fails: SystemExit: 3"),
        ("functions_of_mine:network", "must return an itn.Classifier, got Sequential"),
        ("lacking:small", "module lacking was not imported: ModuleNotFoundError: .*nothing_here"),
        ("wrong:small", "module wrong was not imported: SyntaxError"),
    ],
)
def test_a_function_that_fails_is_explained(module, tmp_path, name, found):
    (tmp_path / "lacking.py").write_text("import nothing_here\n")
    (tmp_path / "wrong.py").write_text("def small(:\n")
    with pytest.raises(UsageError, match=found) as caught:
        load_classifier(name)
    assert "\n" not in str(caught.value)


def test_a_function_takes_no_weights_and_no_options(module, tmp_path):
    with pytest.raises(UsageError, match="has weights of its own"):
        load_classifier(f"{module}:small", weights=tmp_path / "functions_of_mine.py")
    with pytest.raises(UsageError, match="unknown option of functions_of_mine:small 'size'"):
        load_classifier(f"{module}:small", size=8)
