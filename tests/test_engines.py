"""What is compiled, and how many pictures are looked at together."""

import threading
import time

import numpy as np
import pytest

from itn.engines import CANDIDATES, fastest_batch_size, overlapped, usual_batch_size


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


def test_two_calls_are_under_way_at_once():
    both, finished = threading.Barrier(2), []

    def meet(number):
        both.wait(timeout=20)  # breaks unless the other one comes
        finished.append(number)

    overlapped(meet, range(4))
    assert sorted(finished) == [0, 1, 2, 3]


def test_the_first_call_that_fails_is_raised_and_none_is_begun_after_it():
    begun, second_began = [], threading.Event()

    def fail(number):
        begun.append(number)
        if number == 1:
            second_began.set()
            raise KeyError(number)
        second_began.wait(timeout=20)  # so that the later one fails first
        time.sleep(0.001)
        if number == 0:
            raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        overlapped(fail, range(10_000))
    assert len(begun) < 10_000
