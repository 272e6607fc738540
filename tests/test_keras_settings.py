"""What is set for all of Keras: refused in one line where nothing works with it."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import pytest

from itn.classifiers import Classifier, load_classifier
from itn.invariant_transformer import InvariantTransformerNet
from itn.keras_settings import check_backend, check_settings
from itn.messages import UsageError
from itn.phantom.pictures import render_phantom
from itn.resumable import Checkpoint

# Imported sooner than TensorFlow, where that does not matter.
QUICK = "jax" if importlib.util.find_spec("jax") else "tensorflow"


def said(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
    )
    lines = (done.stdout + done.stderr).strip().splitlines()
    return [line for line in lines if "absl::" not in line and "oneDNN" not in line]


@pytest.mark.parametrize("backend", ["torch", "numpy"])
def test_another_backend_is_refused_before_it_is_loaded(backend):
    (line,) = said(
        "import sys; from itn.study.command_line import main;"
        "sys.argv = ['itn', 'screen', '--transformation', 'blur']; main()",
        KERAS_BACKEND=backend,
    )
    assert line.startswith("itn: needs the TensorFlow, JAX or OpenVINO backend")
    assert f"KERAS_BACKEND is '{backend}'" in line
    code = "import itn\ntry: itn.transform\nexcept itn.UsageError as error: print(error)"
    assert said(code, KERAS_BACKEND=backend) == [line.removeprefix("itn: ")]


def test_a_backend_that_is_loaded_already_is_seen():
    code = "import keras, itn\ntry: itn.transform\nexcept itn.UsageError as error: print(error)"
    (line,) = said(code, KERAS_BACKEND="numpy")
    assert "KERAS_BACKEND is 'numpy'" in line
    (line,) = said("import itn.warp", KERAS_BACKEND="numpy")[-1:]
    assert "UsageError: needs the TensorFlow, JAX or OpenVINO backend" in line


def test_help_and_data_need_no_backend():
    code = (
        "import sys; from itn.study.command_line import main;"
        "sys.argv = ['itn', 'data', 'list']; main()"
    )
    assert any("caltech-101" in line for line in said(code, KERAS_BACKEND="torch"))


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"backend": "torch"}, "keras.json says 'torch'"),
        (
            {"backend": QUICK, "image_data_format": "channels_first"},
            "needs image_data_format 'channels_last'",
        ),
        (
            {"backend": QUICK, "floatx": "float16"},
            "needs floatx 'float32', but Keras is set to 'float16'",
        ),
    ],
)
def test_a_keras_json_of_other_projects_is_named(settings, found, tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    code = (
        "import os; os.environ.pop('KERAS_BACKEND', None)\nimport itn\n"
        "try: itn.load_classifier('alexnet_phantom')\nexcept itn.UsageError as error: print(error)"
    )
    (line,) = said(code, KERAS_HOME=str(tmp_path))
    assert found in line


def test_a_backend_that_only_looks_does_not_train(monkeypatch, conv_classifier):
    net = InvariantTransformerNet(conv_classifier, 1, 1)
    monkeypatch.setattr(keras.config, "backend", lambda: "openvino")
    for train in (
        net.compile,
        lambda: Checkpoint(conv_classifier.network, conv_classifier.network, None, {}),
    ):
        with pytest.raises(UsageError, match=r"openvino only looks .* KERAS_BACKEND to tensorflow"):
            train()


def test_a_missing_backend_is_named(monkeypatch):
    for name in [name for name in sys.modules if name == "keras"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UsageError, match="KERAS_BACKEND is 'jax', which is not installed"):
        check_backend()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("image_data_format", "channels_first"), ("floatx", "float16"), ("floatx", "float64")],
)
def test_settings_are_also_seen_when_they_change_later(setting, value, color_classifier):
    before = getattr(keras.config, setting)()
    getattr(keras.config, f"set_{setting}")(value)
    try:
        for call in (
            check_settings,
            lambda: load_classifier("alexnet_phantom"),
            lambda: Classifier(color_classifier.network, abs, 8, ("r", "g", "b")),
        ):
            with pytest.raises(UsageError, match=f"needs {setting} '{before}'"):
                call()
    finally:
        getattr(keras.config, f"set_{setting}")(before)
    check_settings()


@pytest.mark.parametrize("name", ["alexnet_phantom", "resnet_phantom"])
def test_networks_of_the_package_work_in_every_precision(name):
    pictures = render_phantom(count=2, classes=["disc", "mirror"])
    expected = load_classifier(name).predict(pictures.images)
    before = keras.config.dtype_policy()
    for policy in ("mixed_bfloat16", "mixed_float16", "float16"):
        keras.config.set_dtype_policy(policy)
        try:
            classifier = load_classifier(name)
            found = classifier.predict(pictures.images)
        finally:
            keras.config.set_dtype_policy(before)
        assert found.dtype == "float32" and classifier.network.output.dtype == "float32", policy
        assert abs(found - expected).max() < 0.02 and (found != expected).any(), policy
