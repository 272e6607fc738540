"""What every engine of `benchmarks/speed.py` does: compute a slice when it is asked to, and wait.

Requests and answers are lines of JSON, one answer to each request. Nothing else may be imported
here: it runs in both environments.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


class Pipe:
    """The end of the pipe at the engine."""

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what libraries print is no answer
        self._started = 0.0
        self._target = ""  # file for what is said in the first slice, until it is there
        self._said: list[tuple[float, np.ndarray]] = []

    def serve(self, actions: dict[str, Callable[..., dict[str, Any] | None]]) -> None:
        """Answer requests until there are no more; ``begin`` is timed and may call `lap`."""
        self._answer({"ready": True})
        while True:
            request = self._wait()
            do = request.pop("do")
            if do == "memory":
                self._answer({"bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss})
            elif do == "begin":
                self._target, self._said = request.pop("target"), []
                self._started = time.perf_counter()
                actions[do](**request)
                self._answer_seconds()
            else:
                self._answer(actions[do](**request) or {})

    def lap(self) -> None:
        """End a slice, say how long it took, and begin the next when it is asked for."""
        self._answer_seconds()
        request = self._wait()
        assert request == {"do": "slice"}, request
        self._started = time.perf_counter()

    def keep(self, softmax: np.ndarray, place: float = 0) -> np.ndarray:
        """Note what was said, in the first slice alone, so that it can be checked.

        What has a higher place comes later, and what has the same one in the order of the calls.
        """
        if self._target:
            self._said.append((place, softmax))
        return softmax

    def _answer_seconds(self) -> None:
        seconds = time.perf_counter() - self._started
        if self._target:
            self._said.sort(key=lambda said: said[0])
            np.save(self._target, np.stack([softmax for _, softmax in self._said]))
            self._target = ""
        self._answer({"seconds": seconds})

    def _answer(self, answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=self._answers, flush=True)

    def _wait(self) -> dict[str, Any]:
        line = sys.stdin.readline()
        if not line:
            sys.exit()
        request: dict[str, Any] = json.loads(line)
        return request


def seconds_of(action: Callable[[], object], repeats: int) -> float:
    """Return how long some repetitions take."""
    start = time.perf_counter()
    for _ in range(repeats):
        action()
    return time.perf_counter() - start
