"""Benchmarks of speed: tables from given seconds, and engines that are refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch_environment
import xarray as xr
from arithmetic import compare
from scale import Assumptions, extrapolate
from timings import (
    Slice,
    check_peer,
    frame,
    pace_with_start,
    ratios,
    shown,
    speed_table,
    thin,
    to_start,
    transformation_table,
    warp_table,
)

PIPE = Path(torch_environment.__file__).parent / "engines"
OURS, BARE, PEER = ("fast", "screen"), ("fast", "bare"), ("slow", "kornia")
SLOW_BARE = ("slow", "bare")


def slices():
    """Two transformations of 10 passes a slice: one first slice, then three rounds."""
    seconds = {
        PEER: {"turn": (4.0, 4, 4, 4), "fade": (3.0, 3, 1, 3)},
        BARE: {"turn": (1.5, 1, 2, 1), "fade": (1.0, 1, 1, 1)},
        OURS: {"turn": (4.0, 2, 4, 1), "fade": (2.0, 1, 1, 2)},
        SLOW_BARE: {"turn": (2.0, 2, 2, 2), "fade": (2.0, 2, 2, 2)},
    }
    every = [
        Slice(*key, name, number, 10, each)
        for key, by_name in seconds.items()
        for name, times in by_name.items()
        for number, each in enumerate(times)
    ]
    # Rounds after the first slices run in the other order.
    return [one for one in every if not one.number] + [one for one in every[::-1] if one.number]


def test_ratios_are_taken_within_a_round():
    each = frame(slices())
    # Rounds of "turn": 2/1, 4/2 and 1/1 of its bare pass take as long; of "fade": 1, 1 and 2.
    assert ratios(each, OURS, BARE).to_dict() == {"turn": 0.5, "fade": 1.0}
    assert ratios(each, OURS, PEER).to_dict() == pytest.approx({"turn": 2.0, "fade": 1.5})


def test_what_the_first_slices_take_longer_is_compiling():
    start = to_start(slices(), frame(slices()))
    assert start[OURS] == pytest.approx((4 - 2) + (2 - 1))
    assert start[BARE] == pytest.approx(0.5)


def test_pace_with_compiling_is_that_of_whole_sweeps():
    each = frame(slices())
    start = to_start(slices(), each)
    pace = pace_with_start(start, each, {"fade": 30, "turn": 20}, pictures=2)
    # 40 passes of 0.2 s, 60 of 0.1 s, and 3 s to compile.
    assert pace[OURS] == pytest.approx(100 / (40 * 0.2 + 60 * 0.1 + 3))


def test_the_table_of_engines():
    memory = dict.fromkeys((BARE, OURS, SLOW_BARE, PEER), 5e8)
    deviation = dict.fromkeys(memory, 0.0)
    table = speed_table(
        slices(), OURS, {"turn": 20, "fade": 30}, memory, deviation, {PEER: 0.5}
    ).set_index(["engine", "looking"])
    assert table["passes/s"][OURS] == pytest.approx(2 / 0.3)
    assert table["of its bare pass"][OURS] == pytest.approx((0.5 + 1) / 2)
    assert table["of its bare pass"][PEER] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert table["of ours"][OURS] == 1
    assert table["expected of ours"][PEER] == 0.5
    assert table["passes/s, 8 pictures"][OURS] == pytest.approx(400 / (160 * 0.2 + 240 * 0.1 + 3))
    assert table["peak MB"][OURS] == 500


def test_the_table_of_transformations():
    table = transformation_table(slices(), OURS, [PEER, ("missing", "peer")], {"turn": 0.9})
    assert table["transformation"].tolist() == ["turn", "fade"]
    assert table["of slow + kornia"].tolist() == pytest.approx([2.0, 1.5])
    assert table["seconds to compile"].tolist() == [2.0, 1.0]
    assert "of missing + peer" not in table


def test_the_table_of_warps():
    table = warp_table(
        {"ours": [0.1, 0.4], "theirs": [0.2, 0.2]}, "ours", {"ours": 0, "theirs": 0}, {}
    )
    assert table["pictures/s"].tolist() == pytest.approx([4, 5])
    assert table["of ours"].tolist() == pytest.approx([1, (0.5 + 2) / 2])


def test_numbers_are_written_for_a_page():
    table = pd.DataFrame(
        {
            "of ours": [0.456],
            "passes/s": [1234.5],
            "largest deviation": [0.00012],
            "expected": [np.nan],
        }
    )
    assert shown(table).iloc[0].tolist() == ["0.46", "1,234", "1e-04", "–"]


def test_magnitudes_are_spread_and_hold_the_identity():
    assert thin(np.arange(0, 11.0), 0, 3) == [0, 5, 10]
    assert thin(np.arange(-10, 11.0), 1, 3) == [-10, 1, 10]
    assert thin(np.array([1.0, 2, 3]), 1, 2) == [1, 3]


def test_a_peer_that_computes_something_else_is_refused():
    reference = np.eye(3)
    assert check_peer("peer", reference + 1e-4, reference, 1e-3) == pytest.approx(1e-4)
    with pytest.raises(SystemExit, match=r"peer computes something else: .* off by 0\.002"):
        check_peer("peer", reference + 2e-3, reference, 1e-3)
    with pytest.raises(SystemExit, match="peer computes something else"):
        check_peer("peer", reference * np.nan, reference, 1e-3)
    with pytest.raises(SystemExit, match=r"answers \(3, 2\)"):
        check_peer("peer", reference[:, :2], reference, 1e-3)


def test_an_engine_computes_one_slice_when_asked(tmp_path):
    code = """
import numpy as np
from pipe import Pipe
pipe = Pipe()
def begin(rounds):
    for number in range(rounds + 1):
        if number:
            pipe.lap()
        print("a library talks")
        pipe.keep(np.full(2, number))
pipe.serve({"begin": begin, "double": lambda number: {"double": 2 * number}})
"""
    said = tmp_path / "said.npy"
    requests = [
        {"do": "begin", "rounds": 1, "target": str(said)},
        {"do": "slice"},
        {"do": "double", "number": 4},
        {"do": "memory"},
    ]
    done = subprocess.run(
        [sys.executable, "-c", code], input="\n".join(map(json.dumps, requests)), cwd=PIPE,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    ready, first, second, double, memory = map(json.loads, done.stdout.splitlines())
    assert ready == {"ready": True} and double == {"double": 8}
    assert 0 <= second["seconds"] < 5 and 0 <= first["seconds"] < 5
    assert memory["bytes"] > 10e6
    assert np.load(said).tolist() == [[0, 0]]  # of the first slice alone


def test_an_environment_that_cannot_be_made_is_told_in_one_line(tmp_path, monkeypatch):
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("no-such-thing @ file:///nowhere/no_such_thing-1-py3-none-any.whl\n")
    monkeypatch.setattr(torch_environment, "REQUIREMENTS", wanted)
    said = torch_environment.torch_python(tmp_path / "cache")
    assert isinstance(said, str) and "\n" not in said
    assert said.startswith("no PyTorch: its environment could not be made: ERROR: ")
    assert not list(tmp_path.rglob(".installed"))


def found(softmax, threshold, status="reached", **more):
    """Thresholds of one category, with the softmax of two looks at one picture."""
    dims = ("category", "criterion", "direction")
    shape = (1, 2, 1)
    variables = {
        "softmax": (("category", "look", "image", "class"), np.reshape(softmax, (1, 2, 1, 2))),
        "threshold": (dims, np.reshape(threshold, shape)),
        "status": (dims, np.reshape([status, "reached"], shape)),
        **{name: (dims, np.reshape(values, shape)) for name, values in more.items()},
    }
    return xr.Dataset(variables, {"criterion": ["switch", "half"]}, {"units": "°"})


def test_what_another_engine_moves():
    one = found([[0.9, 0.1], [0.6, 0.4]], [10.0, 20.0], low=[9.0, 18.0], high=[11.0, np.nan])
    other = found([[0.9, 0.1], [0.4, 0.6]], [11.5, 20.5])
    assert compare(one, other) == pytest.approx(
        {
            "unit": "°",
            "passes": 2,
            "softmax, largest deviation": 0.2,
            "softmax, mean deviation": 0.1,
            "predictions that differ, %": 50.0,
            "other status": 0,
            "switch, largest shift": 1.5,
            "half, largest shift": 0.5,
            "thresholds": 2,
            "within their intervals, %": 50.0,  # 11.5 is beyond 11; the other is open upwards
        }
    )


def test_a_threshold_that_only_one_engine_has_is_counted():
    one = found([[0.9, 0.1], [0.6, 0.4]], [10.0, 20.0])
    other = found([[0.9, 0.1], [0.6, 0.4]], [np.nan, 20.0], status="not reached")
    row = compare(one, other)
    assert row["other status"] == 1 and row["thresholds"] == 1
    assert np.isnan(row["switch, largest shift"]) and row["half, largest shift"] == 0
    assert "within their intervals, %" not in row


def test_extrapolation_is_passes_by_passes_per_second():
    given = Assumptions(
        pictures=1000, passes_of_a_picture=36, nodes=2, cores_of_a_node=5, share_of_nodes=0.5,
        gpu_teraflops=10, share_of_gpu=0.1, multiplications=5e8,
    )  # fmt: skip
    table = extrapolate(20.0, 4.0, given)
    # 36 000 passes; a card of 10¹² operations a second, 10⁹ a pass; ten cores at half speed.
    assert table["passes/s"].tolist() == pytest.approx([20, 1000, 20])
    assert table["hours"].tolist() == pytest.approx([0.5, 0.01, 0.5])


def test_the_whole_validation_set_has_all_sweeps():
    assert Assumptions().passes_of_a_picture == 5 * 41 + 73 + 3 * 33 + 49 + 21
