"""The profile of the paper's own networks, with small ones of random weights in their place.

Left out are the networks' own sizes, which the tests of the zoo have, and the sweeps: three
magnitudes of each stand for them. The pictures are noise, five of each of two classes.
"""

import dataclasses
import re
import runpy
import shutil
import sys
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from weight_formats import python2_npy

from itn.curves import load_screening
from itn.study.command_line import main
from itn.study.own_files import owned_files
from itn.study.profiles import load_profile, read_parameters
from itn.transformations import TRANSFORMATIONS
from itn.zoo import networks
from itn.zoo.alexnet import build_alexnet
from itn.zoo.catalog import imagenet_class
from itn.zoo.resnet import build_resnet_v1

ROOT = Path(__file__).parents[2]
SHOWN = ("noise", "rotation", "zoom", "translation_x")
ALEXNET = {"input_size": 64, "filters": (8, 16, 16, 16, 8), "units": (12, 12), "conv1_stride": 2}
RESNET = {"input_size": 32, "depths": (4, 8), "root_filters": 8}
UNITS = (1, 2)
CLASSES = ("orange", "grand_piano")


@pytest.fixture
def project(tmp_path, monkeypatch, without_xla):
    """A project with the profile, of two classes, and small networks; nothing is there yet."""
    (tmp_path / "profiles").mkdir()
    text = (ROOT / "profiles" / "paper.yaml").read_text()
    start, end = text.index("classes:"), text.index("highlights:")
    shown = f"classes: [{', '.join(CLASSES)}]\n"
    (tmp_path / "profiles" / "paper.yaml").write_text(text[:start] + shown + text[end:])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ITN_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("ITN_FIGURES", str(tmp_path))
    monkeypatch.setattr(networks, "build_alexnet", partial(build_alexnet, **ALEXNET))
    monkeypatch.setattr(networks, "build_resnet_v1", partial(build_resnet_v1, **RESNET))
    monkeypatch.setitem(networks.RESNET_UNITS, 101, UNITS)
    for name in SHOWN:
        whole = TRANSFORMATIONS[name]
        few = whole.identity + np.array([0, 0.125, 0.25])
        monkeypatch.setitem(
            TRANSFORMATIONS, name, dataclasses.replace(whole, sweep=lambda width, few=few: few)
        )
    with without_xla():
        yield tmp_path


def write_alexnet(path):
    network = build_alexnet(seed=1, conv1_padding="same", **ALEXNET)
    layers = {each.name: each.get_weights() for each in network.layers if each.weights}
    path.write_bytes(python2_npy(layers))


def write_resnet(path):
    """Write what TF-Slim does, packed as it is to be had."""
    tensorflow = pytest.importorskip("tensorflow")
    network = build_resnet_v1(seed=2, units=UNITS, **RESNET)
    slim = {"kernel": "weights", "bias": "biases"}
    values = {
        "/".join([network.name, *each.name.split("."), slim.get(one.name, one.name)]): one.numpy()
        for each in network.layers
        for one in each.variables
    }
    tensorflow.raw_ops.SaveV2(
        prefix=str(path.parent / "resnet_v1_101.ckpt"),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=list(values.values()),
    )
    with tarfile.open(path, "w:gz") as packed:
        for part in path.parent.glob("resnet_v1_101.ckpt*"):
            packed.add(part, part.name)


def write_pictures(folder):
    """Write ten pictures as they are unpacked, with labels in their order."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(1, 11):
        pixels = random.integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"ILSVRC2012_val_{number:08}.JPEG")
    wnids = [imagenet_class(CLASSES[number % 2]).wnid for number in range(10)]
    labels = folder / "imagenet_2012_validation_synset_labels.txt"
    labels.write_text("\n".join(wnids))


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["itn", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def show(network):
    """Run the notebook, as papermill would with a network of the profile."""
    script = (ROOT / "notebooks" / "paper_figures.py").read_text()
    asked = script.replace("network: str = None", f"network: str = {network!r}")
    assert asked != script
    Path("notebook.py").write_text(asked)
    runpy.run_path("notebook.py")
    return Path("paper_figure.txt").read_text("utf-8")


def test_every_file_that_is_missing_is_named_with_its_place(project, monkeypatch):
    missing = run(monkeypatch, "screen", "--profile", "paper")
    assert missing == (
        f"itn: profile paper waits for files: bvlc_alexnet.npy in {project}; "
        f"ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz in "
        f"{project}/cache/imagenet-validation; resnet_v1_101_2016_08_28.tar.gz in "
        f"{project}/cache/weights. Archives come there by itn data fetch NAME --from FOLDER, "
        "which unpacks pictures"
    )
    write_alexnet(project / "bvlc_alexnet.npy")
    one = run(monkeypatch, "screen", "--profile", "paper", "--network", "alexnet")
    assert "bvlc" not in one and "resnet" not in one and "ILSVRC2012_img_val.tar" in one
    write_pictures(project / "cache" / "imagenet-validation")
    (both,) = (
        run(monkeypatch, "screen", "--profile", "paper", "--network", network)
        for network in ("resnet_v1_101",)
    )
    assert "resnet_v1_101_2016_08_28.tar.gz" in both and "val" not in both


def test_files_are_all_that_is_waited_for(project, monkeypatch, capsys):
    """From the files to the page, for both networks."""
    for network, number, name in (
        ("alexnet", 6, "AlexNet"),
        ("resnet_v1_101", 11, "ResNet V1 101"),
    ):
        line = show(network)
        assert line.startswith(f"Figure {number} of the paper, {name}, waits for `")
        assert "`ILSVRC2012_devkit_t12.tar.gz`, and then for `itn screen --profile paper`" in line
        assert "\n" not in line and not Path("paper_figure.svg").exists()
    write_alexnet(project / "bvlc_alexnet.npy")
    (project / "cache" / "weights").mkdir(parents=True)
    write_resnet(project / "cache" / "weights" / "resnet_v1_101_2016_08_28.tar.gz")
    write_pictures(project / "cache" / "imagenet-validation")
    asked = [word for name in SHOWN for word in ("--transformation", name)]
    assert run(monkeypatch, "screen", "--profile", "paper", *asked) == 0
    assert capsys.readouterr().out.count(" written\n") == 8
    stored = load_screening("results/paper/resnet_v1_101_zoom.nc")
    assert stored.sizes["image"] == 10 and stored.category.values.tolist() == list(CLASSES)
    assert stored.target.values.tolist() == [950, 579]
    for network, number in (("alexnet", 6), ("resnet_v1_101", 11)):
        text = show(network)
        assert f"results/paper/{network}/paper_figure.svg" in text.splitlines()[0]
        assert f"The paper's figure {number}: " in text
        # Panels are counted, not what the figure says of them in words.
        drawn = re.sub('aria-label="[^"]*"', "", Path("paper_figure.svg").read_text("utf-8"))
        assert drawn.count("(5 pictures)") == 2 * len(SHOWN)
        Path("paper_figure.svg").unlink()
    # Whoever has the results alone, without the files, sees the figures all the same.
    shutil.rmtree(project / "cache")
    Path("bvlc_alexnet.npy").unlink()
    assert show("alexnet").startswith("```{figure}") and Path("paper_figure.svg").is_file()


def test_the_profile_is_of_the_paper():
    profile = load_profile("paper")
    assert profile.networks == ("alexnet", "resnet_v1_101") and "orange" in profile.highlights
    for name in profile.classes:
        assert imagenet_class(name).label == name
    files = [
        name
        for network in profile.networks
        for names, *_ in owned_files(read_parameters({"profile": "paper", "network": network}))
        for name in names
    ]
    assert files[0] == "bvlc_alexnet.npy" and len(set(files)) == 4
