"""What is compiled, and how many pictures are looked at together."""

import time

import numpy as np
import pytest

from itn.engines import CANDIDATES, fastest_batch_size, usual_batch_size


@pytest.mark.parametrize(
    ("fixed", "each", "expected"),
    [
        (0.0, 0.001, CANDIDATES[0]),  # nothing is gained by more at once
        (0.02, 0.0, CANDIDATES[-1]),  # as good as all goes into the call
    ],
)
def test_the_fastest_batch_is_found(monkeypatch, fixed, each, expected):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    seen = []

    def look(images):
        now[0] += fixed + each * len(images)
        seen.append(images.shape)

    image = np.zeros((4, 4, 3), "float32")
    assert fastest_batch_size(look, image, 10**6) == expected
    assert {shape[1:] for shape in seen} == {image.shape}
    assert fastest_batch_size(look, image, 70) == min(expected, 64)
    assert fastest_batch_size(look, image, 1) == CANDIDATES[0]


@pytest.mark.parametrize(
    ("size", "counts", "expected"),
    [
        (8, [50], 5),  # ten batches, none filled up
        (8, [48], 8),
        (16, [50, 40, 30], 10),
        (1, [3], 1),
        (2, [3], 2),  # one is filled up; a half of two is not looked at
    ],
)
def test_batches_are_filled_up_as_little_as_can_be(size, counts, expected):
    assert usual_batch_size(counts, size) == expected
