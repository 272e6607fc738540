"""What decides a network's outputs: told without a backend, and changed by whatever decides."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from itn.messages import UsageError
from itn.zoo.catalog import PACKAGED, WEIGHTS_FOLDER
from itn.zoo.recipes import network_recipe


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ITN_DATA", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def test_networks_in_the_package_go_by_their_weight_file():
    published = "e4ab6960ae8cd81505e1c2136921201507e930966c53deaf15862a395b3a3261"
    assert network_recipe("squeezenet") == {
        "network": "squeezenet",
        "weight_file_sha256": published,
    }
    for name, file in PACKAGED.items():
        expected = sha256((WEIGHTS_FOLDER / file).read_bytes())
        assert network_recipe(name)["weight_file_sha256"] == expected
    assert len({network_recipe(name)["weight_file_sha256"] for name in PACKAGED}) == len(PACKAGED)


def test_the_license_of_squeezenet_lies_beside_its_weights():
    text = (WEIGHTS_FOLDER / "squeezenet" / "LICENSE").read_text()
    assert "Redistributions in binary form must reproduce the above copyright notice" in text


def test_it_takes_no_backend():
    code = (
        "import sys, itn; from itn.zoo.recipes import network_recipe;"
        "network_recipe('squeezenet'); network_recipe('ResNet50');"
        "print({'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    )
    environment = os.environ | {"KERAS_BACKEND": "none"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.stdout == "set()\n", done.stderr


def test_a_given_file_or_folder_counts_wherever_it_lies(tmp_path):
    for content in (b"one", b"two"):
        (tmp_path / "x.net").write_bytes(content)
        recipe = network_recipe("squeezenet", tmp_path / "x.net")
        assert recipe == {"network": "squeezenet", "weight_file_sha256": sha256(content)}
    (tmp_path / "x.net").rename(tmp_path / "y.net")
    assert network_recipe("squeezenet", "y.net") == recipe
    (tmp_path / "alexnet_64.weights.h5").write_bytes(b"mine")
    mine = network_recipe("alexnet_phantom", tmp_path)
    assert mine["weight_file_sha256"] == sha256(b"mine")
    with pytest.raises(UsageError, match=r"no weight file missing\.net"):
        network_recipe("squeezenet", "missing.net")


def test_what_the_cache_holds_counts_and_what_it_lacks_is_named(cache):
    with pytest.raises(UsageError, match="of alexnet are not there: itn data fetch alexnet"):
        network_recipe("alexnet")
    (cache / "weights").mkdir(parents=True)
    (cache / "weights" / "bvlc_alexnet.caffemodel").write_bytes(b"weights")
    assert network_recipe("alexnet")["weight_file_sha256"] == sha256(b"weights")


@pytest.mark.parametrize("named", ["", ".index", ".data-00000-of-00001"])
def test_a_checkpoint_is_all_of_its_files(tmp_path, named):
    index, data = tmp_path / "model.ckpt.index", tmp_path / "model.ckpt.data-00000-of-00001"
    index.write_bytes(b"a")
    data.write_bytes(b"b")
    (tmp_path / "model.ckpt-2.index").write_bytes(b"another")
    recipe = network_recipe("resnet_v1_50", tmp_path / "model.ckpt")
    assert network_recipe("resnet_v1_50", tmp_path / f"model.ckpt{named}") == recipe
    for part in (index, data):
        before = part.read_bytes()
        part.write_bytes(before + b"changed")
        assert network_recipe("resnet_v1_50", tmp_path / f"model.ckpt{named}") != recipe
        part.write_bytes(before)


def test_a_keras_file_counts_with_its_card(tmp_path):
    (tmp_path / "mine.keras").write_bytes(b"network")
    alone = {"network": "mine.keras", "network_file_sha256": sha256(b"network")}
    assert network_recipe("mine.keras") == network_recipe(tmp_path / "mine.keras") == alone
    (tmp_path / "mine.itn.json").write_bytes(b"card")
    assert network_recipe("mine.keras") == alone | {"card_sha256": sha256(b"card")}
    with pytest.raises(UsageError, match=r"no Keras file other\.keras"):
        network_recipe("other.keras")


def test_a_function_counts_by_its_source_which_is_not_run(tmp_path):
    source = b"raise RuntimeError('imported')\n"
    (tmp_path / "networks_of_mine.py").write_bytes(source)
    expected = {"network": "networks_of_mine:small", "source_sha256": sha256(source)}
    assert network_recipe("networks_of_mine:small") == expected
    with pytest.raises(UsageError, match="no module 'networks_of_yours'"):
        network_recipe("networks_of_yours:small")
    assert str(Path.cwd()) not in sys.path


def test_a_file_that_changes_is_read_again(tmp_path):
    path = tmp_path / "x.net"
    for content in (b"one", b"three"):
        path.write_bytes(content)
        assert network_recipe("squeezenet", path)["weight_file_sha256"] == sha256(content)
