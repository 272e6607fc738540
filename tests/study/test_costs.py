"""The costs of screening: how they are counted, and how they are shown."""

import importlib.util
import json
from pathlib import Path

import keras
import pytest

import itn
from itn.messages import UsageError
from itn.study.costs import cost_conditions, cost_table, cost_texts
from itn.study.profiles import FigureParameters

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def costs():
    spec = importlib.util.spec_from_file_location("costs", ROOT / "benchmarks" / "costs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_multiplications_are_counted_as_on_paper(costs):
    network = keras.Sequential(
        [
            keras.Input((10, 12, 3)),
            keras.layers.Conv2D(8, 3),  # 8 × 10 positions
            keras.layers.BatchNormalization(),
            keras.layers.Conv2D(6, 1, groups=2, strides=2),  # 4 × 5
            keras.layers.DepthwiseConv2D(3, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(7),
        ]
    )
    found = costs.describe(network)
    assert found["multiplications"] == (
        80 * 9 * 3 * 8 + 20 * (8 * 6 // 2) + 20 * 9 * 6 + 4 * 5 * 6 * 7
    )


def test_multiplications_are_those_that_are_published(costs):
    # Caffe's AlexNet: 724 million; ResNet 101: 7.6 thousand million (He et al. 2015, table 1).
    assert costs.describe(costs.NETWORKS["alexnet"]())["multiplications"] == 724_406_816
    found = costs.describe(costs.NETWORKS["resnet_v1_101"]())["multiplications"]
    assert 7.0e9 < found < 7.7e9


def test_costs_are_extrapolated_openly(tmp_path, monkeypatch):
    (tmp_path / "profiles").mkdir()
    monkeypatch.chdir(tmp_path)
    parameters = FigureParameters(profile="x")
    with pytest.raises(UsageError, match=r"no results/x/costs\.json: run benchmarks/costs\.py"):
        cost_table(parameters)
    (tmp_path / "results" / "x").mkdir(parents=True)
    small = {"input_size": 8, "multiplications": 10**9, "parameters": 10**6}
    content = {
        "reference": "small",
        "batch_size": 16,
        "machine": "abacus",
        "passes": {"rotation": 10, "zoom": 5},
        "networks": {
            "small": small | {"seconds": 0.02, "memory": 10**9},
            "large": small | {"multiplications": 3 * 10**9, "parameters": 251 * 10**6},
        },
    }
    (tmp_path / "results" / "x" / "costs.json").write_text(json.dumps(content))
    table = cost_table(parameters)
    large = table.loc["large"]
    # Three times the multiplications: 0.06 s a pass; 250 million weights more, of 4 bytes each.
    assert large["seconds extrapolated"] == pytest.approx(60)
    assert large["GB extrapolated"] == pytest.approx(2)
    # 500 passes in 30 s; 750,000 passes in 45,000 s, or 15,000 s for the small one.
    assert large["hours for one class"] == pytest.approx(1 / 120)
    assert large["days for everything"] == pytest.approx(25 / 48)
    assert table.loc["small", "days for everything"] == pytest.approx(25 / 144)
    texts = cost_texts(table)
    assert texts["seconds measured"].to_dict() == {"small": "20", "large": "–"}
    assert texts.loc["large", "days for everything"] == "0.52"
    assert texts["10⁶ parameters"].to_dict() == {"small": "1", "large": "251"}
    (conditions,) = cost_conditions(parameters).to_dict("records")
    assert conditions == {
        "machine": "abacus",
        "batch size": 16,
        "rotation passes": 10,
        "all passes": 15,
    }


def test_the_costs_in_the_book_are_of_these_networks(costs):
    stored = json.loads((ROOT / "results" / "imagenet" / "costs.json").read_text())
    assert list(stored["networks"]) == list(costs.NETWORKS)
    for name, entry in stored["networks"].items():
        assert ("seconds" in entry) == (name in costs.MEASURED)
    for name in ("squeezenet", "alexnet"):
        expected = costs.describe(costs.NETWORKS[name]())
        assert {key: stored["networks"][name][key] for key in expected} == expected
    passes = {name: len(one.sweep(227)) for name, one in itn.TRANSFORMATIONS.items()}
    assert stored["passes"] == passes
