"""One pool of worker processes for all that runs side by side."""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import multiprocessing
import multiprocessing.process
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from . import processes
from .errors import InputError
from .progress import Progress

_POLL_SECONDS = 0.5


class Task(Protocol):
    """What can be run; it is pickled, and so is what it raises."""

    def run(self, done: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        """Does the work.

        Args:
          done: told how much was done since it was last told, for the display.
          stopped: asked now and then whether to give up, which may raise anything.
        """


T = TypeVar("T", bound=Task)


def run(
    tasks: Sequence[T],
    workers: int,
    progress: Progress,
    *,
    advice: str,
    threads: int = 1,
    grace_seconds: float = 10.0,
    finished: Callable[[T], None] = lambda task: None,
) -> None:
    """Runs all tasks; the first that fails, and Ctrl-C, ends the run.

    Args:
      tasks: the work.
      workers: processes side by side, which end with this one; 0 works in this one.
      progress: told what the tasks report.
      advice: what to do when a worker was killed, which is most often because memory
        ran out; ends the message.
      threads: of each worker.
      grace_seconds: how long the others may take to stop before they are killed.
      finished: told of each task in this process, soon after it is done.

    Raises:
      InputError: when a worker was killed.
      Exception: what a task raised.
      KeyboardInterrupt: after the workers have ended.
    """
    if not workers:
        for task in tasks:
            task.run(progress.add, lambda: False)
            finished(task)
        return
    context = multiprocessing.get_context("spawn")
    counter, stop = context.Value("q", 0), context.Event()
    others = set(multiprocessing.active_children())
    executor = concurrent.futures.ProcessPoolExecutor(
        max(1, min(workers, len(tasks))), context, _start_worker, (counter, stop)
    )
    futures: dict[concurrent.futures.Future[None], T] = {}
    try:
        with processes.for_children(threads):
            for task in tasks:
                futures[executor.submit(_work, task)] = task
        shown, waiting = 0, set(futures)
        while waiting:
            ended, waiting = concurrent.futures.wait(
                waiting, _POLL_SECONDS, concurrent.futures.FIRST_COMPLETED
            )
            now = counter.value
            progress.add(now - shown)
            shown = now
            for future in ended:
                future.result()
                finished(futures[future])
    except concurrent.futures.process.BrokenProcessPool as error:
        raise InputError(
            "a worker process ended abruptly, most often because memory ran out:"
            f" {advice}"
        ) from error
    finally:
        stop.set()
        killing = threading.Timer(grace_seconds, _kill_children, (others,))
        if not all(future.done() for future in futures):
            killing.start()
        executor.shutdown(wait=True, cancel_futures=True)
        killing.cancel()


def _kill_children(but: set[multiprocessing.process.BaseProcess]) -> None:
    for process in set(multiprocessing.active_children()) - but:
        process.kill()


# --- in a worker ---------------------------------------------------------------------

_shared: dict[str, Any] = {}


def _start_worker(counter: Any, stop: Any) -> None:
    _shared.update(counter=counter, stop=stop)
    processes.end_with_parent()


def _work(task: Task) -> None:
    if not _shared["stop"].is_set():
        task.run(_count, _shared["stop"].is_set)


def _count(done: int) -> None:
    with _shared["counter"].get_lock():
        _shared["counter"].value += done
