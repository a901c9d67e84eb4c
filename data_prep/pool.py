"""Runs jobs in worker processes that end with their parent; shows progress."""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import multiprocessing
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import tqdm

from tfweak import processes
from tfweak.errors import InputError

_PROGRESS_SECONDS = 0.5
_LOG_SECONDS = 30.0


class Job(Protocol):
    """What can be run; must be picklable."""

    @property
    def num_clips(self) -> int:
        """How many clips it is expected to write."""

    def write(self, done: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        """Does the work; see `shards.Job.write`."""


def run(jobs: Sequence[Job], workers: int, total: int) -> None:
    """Runs all jobs; the first that fails ends the run.

    Args:
      jobs: the work that is left.
      workers: processes; 1 works in this process.
      total: clips in all, the finished ones included; for the display.

    Raises:
      InputError: from a job, or when a worker was killed.
      KeyboardInterrupt: after the workers have ended.
    """
    left = sum(job.num_clips for job in jobs)
    with _Progress(total, total - left) as progress:
        if min(workers, len(jobs)) == 1:
            for job in jobs:
                job.write(progress.add, lambda: False)
        elif jobs:
            _run_in_processes(jobs, workers, progress)


def _run_in_processes(jobs: Sequence[Job], workers: int, progress: _Progress) -> None:
    context = multiprocessing.get_context("spawn")
    counter, stop = context.Value("q", 0), context.Event()
    pool = concurrent.futures.ProcessPoolExecutor(
        min(workers, len(jobs)), context, _start_worker, (counter, stop)
    )
    try:
        with processes.for_children():
            waiting = {pool.submit(_work, job) for job in jobs}
        shown = 0
        while waiting:
            finished, waiting = concurrent.futures.wait(
                waiting, _PROGRESS_SECONDS, concurrent.futures.FIRST_COMPLETED
            )
            now = counter.value
            progress.add(now - shown)
            shown = now
            for future in finished:
                future.result()
    except concurrent.futures.process.BrokenProcessPool as error:
        raise InputError(
            "a worker process ended abruptly, most often because memory"
            " ran out: the same command with fewer --workers goes on from"
            " here"
        ) from error
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


# --- in a worker ---------------------------------------------------------------------

_shared: dict[str, Any] = {}


def _start_worker(counter: Any, stop: Any) -> None:
    _shared.update(counter=counter, stop=stop)
    processes.end_with_parent()


def _work(job: Job) -> None:
    job.write(_count, _shared["stop"].is_set)


def _count(clips: int) -> None:
    with _shared["counter"].get_lock():
        _shared["counter"].value += clips


# --- around them ---------------------------------------------------------------------


class _Progress:
    """A bar on a terminal, a line every half a minute in a log."""

    def __init__(self, total: int, done: int) -> None:
        self._bar = tqdm.tqdm(total=total, initial=done, unit="clip", disable=None)
        self._total, self._done, self._first = total, done, done
        self._start = self._last = time.monotonic()

    def add(self, clips: int) -> None:
        self._done += clips
        self._bar.update(clips)
        now = time.monotonic()
        if self._bar.disable and now - self._last >= _LOG_SECONDS:
            self._last = now
            rate = (self._done - self._first) / (now - self._start)
            print(
                f"{self._done} of {self._total} clips, {rate:.1f} clips/s", flush=True
            )

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
