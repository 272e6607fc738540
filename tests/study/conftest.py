"""What test modules of the study share: a small project, and transformers known on paper."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from toy_project import write_pictures, write_profile

from itn import classifiers
from itn.study import inputs, screenings

STEPS = 45


@pytest.fixture
def project(tmp_path, monkeypatch, color_classifier):
    """A project with a profile, pictures and a network of its own."""
    write_pictures(tmp_path / "pictures", ["red", "green", "blue"])
    write_profile(tmp_path)
    monkeypatch.chdir(tmp_path)
    networks = {name: dataclasses.replace(color_classifier, name=name) for name in ("tiny", "huge")}
    monkeypatch.setattr(
        classifiers, "load_classifier", lambda name, weights=None, **_: networks[name]
    )
    monkeypatch.setattr(classifiers, "list_classifiers", lambda: tuple(sorted(networks)))
    for module in (screenings, inputs):
        monkeypatch.setattr(module, "network_recipe", lambda name, *_, **__: {"network": name})
    inputs._loaded.cache_clear()  # other projects have networks of these names
    return tmp_path


def known_comparison(random=(100, 90, 70, 0), learned=(100, 100, 80, 0), **attrs):
    """Learned: 80 of 100, as required, at the factor 2; random: halfway from 1 to 2."""
    displacement = [[0.5, 1, 2, 4]] * 2
    return xr.Dataset(
        {
            "right": (("family", "factor"), [learned, random]),
            "spatial_displacement": (("family", "factor"), displacement),
            "color_displacement": (("family", "factor"), displacement),
        },
        coords={"family": ["learned", "random"], "factor": [0.5, 1, 2, 4]},
        attrs={
            "passes_each": 100,
            "required_accuracy": 0.8,
            "pictures": 6,
            "grid_member": "zoom 2, grayscale 0.5",
            "grid_displacement": 0.5,
            "grid_accuracy": 0.85,
        }
        | attrs,
    )


def known_history(kept, **values):
    """A training of two epochs, looked at before, between and after them."""
    ramp = np.arange(STEPS) / 10
    steps = {
        "cross_entropy": ramp,
        "spatial_loss": -ramp,
        "color_loss": -2 * ramp,
        "batch_accuracy": np.tile([1, 1, 0.4], STEPS // 3),
        "outward": np.tile([1, 1, 1, 1, 0], STEPS // 5),
    }
    epochs = {
        "held_out_accuracy": [1, 0.9, 0.5],
        "spatial_displacement": [0, 0.25, 0.5],
        "color_displacement": [0, 0.125, 0.75],
    }
    return xr.Dataset(
        {name: ("step", values.get(name, one)) for name, one in steps.items()}
        | {name: ("epoch", values.get(name, one)) for name, one in epochs.items()},
        coords={"step": np.arange(STEPS), "epoch": range(3)},
        attrs={
            "network": "toy", "weights_sha256": "0123456789abcdef", "data": "shapes",
            "data_sha256": "fedcba9876543210", "versions": "itn 1", "device": "abacus",
            "pictures": 12, "held_out_pictures": 6, "reported_pictures": 6,
            "epochs": 2, "kept_epoch": kept,
            "clean_accuracy": 0.95, "reported_clean_accuracy": 0.9, "required_accuracy": 0.8,
            "reported_accuracy": {1: 0.9, 2: 0.5}[kept],
        },
    )  # fmt: skip


def known_survey(degrees):
    """α 1 turns the content, α enlarges it; β 1 makes it darker and brighter, β its contrast."""
    angle = np.radians([-degrees, 0, degrees])
    spatial, color = np.tile(np.eye(2, 3), (12, 1, 1)), np.tile(np.eye(3, 4), (12, 1, 1))
    # A matrix says where content is read.
    spatial[:3, :, :2] = np.moveaxis(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], -1, 0
    )
    factors = np.array([0.5, 1, 2])
    spatial[3:6, :, :2] = np.eye(2) / factors[:, None, None]
    color[6:9, :, 3] = np.array([-0.2, 0, 0.2])[:, None]
    color[9:, :, :3] = np.eye(3) * factors[:, None, None]
    return xr.Dataset(
        {
            "spatial_matrix": (("member", "row", "column"), spatial),
            "color_matrix": (("member", "channel", "channel_or_1"), color),
            "right": ("member", [6, 5, 3, 6, 6, 6, 5, 6, 6, 4, 0, 4]),
            "consistent": ("member", [6, 6, 5, 6, 6, 6, 6, 6, 5, 3, 4, 5]),
        },
        coords={
            "slider": ("member", np.repeat(["alpha 1", "alpha", "beta 1", "beta"], 3)),
            "value": ("member", np.tile([0, 0.5, 1], 4)),
        },
        attrs={"pictures": 6},
    )


def known_samples():
    """α shifts the content to the right, by half a width at 1; β blacks it out."""
    spatial, color = (
        np.tile(identity, (2, 2, 1, 1)).astype("float32")
        for identity in (np.eye(2, 3), np.eye(3, 4))
    )
    spatial[0, 1, 0, 2] = -1  # in half widths
    color[1, 1] = 0
    return xr.Dataset(
        {
            "spatial_matrix": (("slider", "value", "row", "column"), spatial),
            "color_matrix": (("slider", "value", "channel", "channel_or_1"), color),
            "predicted": (
                ("picture", "slider", "value"),
                [[["disc", "two_fold"], ["disc", "ring"]], [["ring", "disc"], ["ring", "ring"]]],
            ),
            "softmax": (("picture", "slider", "value"), np.arange(1, 9).reshape(2, 2, 2) / 10),
        },
        coords={"picture": ["disc", "ring"], "slider": ["alpha", "beta"], "value": [0.5, 1]},
        attrs={"fill": "zeros"},
    )


@pytest.fixture
def known_study():
    """Transformers of two seeds; those of the second hold the accuracy as far as was looked."""
    never = {"learned": [100] * 4, "random": [70, 0, 0, 0], "grid_displacement": 0.0}
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs={"origin": "computed"}),
            "seed_3/history": known_history(kept=1),
            "seed_3/comparison": known_comparison(),
            "seed_3/survey": known_survey(30),
            "seed_3/samples": known_samples(),
            "seed_5/history": known_history(kept=2, outward=np.ones(STEPS)),
            "seed_5/comparison": known_comparison(**never),
            "seed_5/survey": known_survey(60),
            "seed_5/samples": known_samples(),
        }
    )


@pytest.fixture
def comparison_of():
    """Make a comparison of a learned and a random family from what they get right."""
    return known_comparison
