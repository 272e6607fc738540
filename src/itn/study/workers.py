"""Screenings on the workers of a scheduler of `dask.distributed`, on this or many machines.

A worker that is lost costs the shard it was at, which another one computes. Each finished shard is
kept at once, beside the results, so that whoever starts the command again goes on from there.
"""

import asyncio
import concurrent.futures
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from itn.messages import Progress, UsageError
from itn.netcdf import write_netcdf
from itn.provenance import installed_version, source_hash
from itn.study.archive import Request, archive, differences, digest_of, is_whole
from itn.study.inputs import Plan, check_inputs, inputs_of
from itn.study.profiles import FigureParameters
from itn.study.screenings import screening_request
from itn.study.shards import outline, screen_in_shards, screen_shard
from itn.study.sources import computed_with

try:
    import distributed
except ImportError as error:
    raise UsageError("--scheduler needs more packages: pip install 'itn[cluster]'") from error

LACKING = "cannot load this version of the package itn"
ANSWER = 10  # seconds in which the scheduler has to answer
PATIENCE = 60  # seconds in which the first worker has to come
_at_work = threading.Lock()  # all threads of a worker are for one shard


def archive_on_workers(
    scheduler: str, wanted: Sequence[tuple[FigureParameters, str]], force: bool = False
) -> Iterator[tuple[Request, bool]]:
    """Archive screenings, all at the same time; return each and whether it was computed.

    `wanted` are parameters and the name of a transformation.
    """
    requests = [(one, screening_request(one, transformation)) for one, transformation in wanted]
    with _connected(scheduler) as client, Progress(total=0, desc="shards", unit="shard") as bar:
        workers = _Workers(client, bar)
        workers.check([inputs_of(given, one.recipe) for given, one in requests])
        # A thread for each, since they wait for their shards most of the time.
        pool = ThreadPoolExecutor(len(requests))
        todo = {}
        for given, one in requests:
            computed_there = replace(one, compute=partial(workers.compute, given, one))
            todo[pool.submit(workers.in_turn, archive, computed_there, force)] = one
        try:
            for done in concurrent.futures.as_completed(todo):
                yield todo[done], done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _connected(address: str) -> Iterator[distributed.Client]:
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # we say it in one line
    try:
        client = distributed.Client(address, timeout=ANSWER, set_as_default=False)
    except OSError as error:
        raise UsageError(f"no scheduler answers at {address} in {ANSWER} s") from error
    except ValueError as error:
        raise UsageError(f"'{address}' is no address like tcp://host:8786: {error}") from error
    with client:
        Progress.write(f"dashboard: {client.dashboard_link}")
        try:
            client.run_on_scheduler(_nothing)
        except Exception as error:  # in words of dask
            raise UsageError(f"the scheduler at {address} {LACKING}: {error}") from error
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise UsageError(f"no worker has come to {address} in {PATIENCE} s") from error
        yield client


class _Workers:
    """The workers of a scheduler, for threads of which one runs while the others wait for shards.

    So nothing else of the package has to expect threads.
    """

    def __init__(self, client: distributed.Client, bar: Progress) -> None:
        self.client, self.bar = client, bar
        self.outlines: dict[str, distributed.Future[Plan]] = {}
        self.turn = threading.Lock()

    def in_turn(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function while all others wait."""
        with self.turn:
            return function(*arguments)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Let others run, and explain in one line what does not come."""
        self.turn.release()
        try:
            yield
        except distributed.KilledWorker as error:
            raise UsageError(
                f"{error.allowed_failures + 1} workers ended at the same shard: have they enough "
                "memory?"
            ) from error
        except (CancelledError, distributed.comm.CommClosedError) as error:
            raise UsageError("the scheduler was lost; finished shards are kept") from error
        except UsageError:
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            raise UsageError(f"a worker failed, its log says where: {what}") from error
        finally:
            self.turn.acquire()

    def check(self, inputs: Sequence[Plan]) -> None:
        """Raise a UsageError unless all workers there have this package and these inputs."""
        distinct = list({digest_of(plan): plan for plan in inputs}.values())
        told = self.client.run(_problem, distinct, made_with(), on_error="return")
        found: dict[str, list[str]] = {}
        for address, problem in told.items():
            if isinstance(problem, OSError):  # it was lost
                continue
            if isinstance(problem, Exception):
                problem = f"{LACKING}: {problem}"
            if problem:
                found.setdefault(str(problem), []).append(address)
        if found:
            raise UsageError("; ".join(f"{_named(found[one])} {one}" for one in sorted(found)))

    def compute(self, parameters: FigureParameters, request: Request, state: Path) -> xr.Dataset:
        """Screen in shards; those that are in the folder already are not computed again."""
        inputs = inputs_of(parameters, request.recipe)
        whole = self._outline(inputs)
        return screen_in_shards(parameters, request.recipe, inputs, whole, state, self._keep_all)

    def _outline(self, inputs: Plan) -> Plan:
        key = digest_of(inputs)  # screenings that share network and pictures share it, too
        if key not in self.outlines:
            self.outlines[key] = self._submit(outline, inputs)
        with self._waiting():
            whole: Plan = self.outlines[key].result()
        return whole

    def _keep_all(self, shards: Mapping[Path, Plan]) -> None:
        missing = [path for path in shards if not is_whole(path)]
        self._advance(len(shards), len(shards) - len(missing))
        futures = {self._submit(screen_shard, shards[path]): path for path in missing}
        ended = distributed.as_completed(futures, loop=self.client.loop)
        while futures:
            with self._waiting():
                future = next(ended)
                part = future.result()
            write_netcdf(part, futures.pop(future))  # after which the worker may forget it
            self._advance(0, 1)

    def _submit(self, function: Callable[[Plan], Any], plan: Plan) -> distributed.Future[Any]:
        return self.client.submit(_at_worker, function, plan, made_with(), pure=False)

    def _advance(self, more: int, done: int) -> None:
        self.bar.total = (self.bar.total or 0) + more
        self.bar.update(done)
        self.bar.refresh()


def _named(addresses: Sequence[str]) -> str:
    more = f" (and {len(addresses) - 1} more)" if len(addresses) > 1 else ""
    return f"worker {addresses[0]}{more}"


def made_with() -> dict[str, str]:
    """Say what workers must have in common with whoever asks them."""
    return {"itn": installed_version("itn"), "sources": source_hash()} | computed_with()


# What follows runs at workers, and on the scheduler.


def _nothing() -> None:
    """Be there: it can only be called where this module is."""


async def _problem(inputs: Sequence[Plan], made_here: Mapping[str, str]) -> str:
    """Say why a worker cannot screen this, if so; it goes on answering the scheduler meanwhile."""
    return await asyncio.to_thread(_problem_with, inputs, made_here)


def _problem_with(inputs: Sequence[Plan], made_here: Mapping[str, str]) -> str:
    try:
        _check_made_with(made_here)
        for plan in inputs:
            check_inputs(plan)
    except (UsageError, OSError) as error:
        return str(error)
    return ""


def _check_made_with(asked: Mapping[str, str]) -> None:
    if found := differences(made_with(), dict(asked)):
        raise UsageError(f"has another version: {', '.join(found)}")


def _at_worker(function: Callable[[Plan], Any], plan: Plan, asked: Mapping[str, str]) -> Any:
    """Do a piece of work; that a worker fits is checked again, since it may have come later."""
    worker = distributed.get_worker()
    with _at_work:
        limit_threads(worker.state.nthreads)
        try:
            _check_made_with(asked)
            return function(plan)
        except UsageError as error:
            raise UsageError(f"worker {worker.address} {error}") from error


def limit_threads(count: int) -> None:
    """Let TensorFlow have so many threads, not one for each core; it asks before its first pass."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(count))
