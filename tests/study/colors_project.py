"""A project with a network of the user's own, pictures of noise, and a profile."""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from itn.study.profiles import read_parameters
from itn.study.screenings import obtain_screening

PROFILE = {
    "description": "colors",
    "networks": ["networks:colors"],
    "pictures": "pictures",
    "classes": ["red", "green"],
    "highlights": ["red"],
}
NETWORK = """
import keras, numpy as np
from itn import Classifier
def colors():
    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    return Classifier(network, preprocess, 8, ("red", "green", "blue"), name="colors")
def preprocess(images):
    return 5 * images
"""


def write_profile(**changes):
    Path("profiles/toy.yaml").write_text(json.dumps(PROFILE | changes))


def write_picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def make_project():
    """Make a project in the working directory."""
    Path("profiles").mkdir()
    Path("networks.py").write_text(NETWORK)
    for seed, name in enumerate(("red/1", "red/2", "green/1", "green/2")):
        write_picture(Path("pictures", f"{name}.png"), seed)
    write_profile()


def enter_project(folder, monkeypatch):
    """Make a project in a folder, and work there as a process of its own would."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("networks", None)
    make_project()


def shown(**given):
    return obtain_screening(read_parameters({"profile": "toy", **given}), "grayscale")
