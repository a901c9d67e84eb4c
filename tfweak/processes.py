"""Processes that leave cores and folders to each other and end with their parent."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import signal
import threading
import time
from collections.abc import Iterator

from .errors import InputError
from .files import atomic
from .typing import StrPath

_PARENT_POLL_SECONDS = 0.5
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


@contextlib.contextmanager
def for_children(threads: int = 1) -> Iterator[None]:
    """Children started in here use so many threads and leave Ctrl-C to their parent.

    What TensorFlow says when it is loaded is said once, by the parent.
    """
    environment = {name: str(threads) for name in _THREAD_VARIABLES}
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main else None
    try:
        yield
    finally:
        if in_main:
            signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def alone_in(folder: StrPath) -> Iterator[None]:
    """Makes a folder, which no other process may enter like this at the same time.

    The lock is on the folder itself and ends with the process, however it ends. An
    `OSError` from in there that names no file, as of a full disk, names the folder.

    Raises:
      InputError: when another process is in there, or the folder cannot be made.
    """
    try:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error}); free some space, or choose"
            " another folder"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(
            f"{folder}: another process is writing there; wait for it, or choose"
            " another folder"
        ) from None
    except OSError:
        pass  # a file system without locks: nobody can be kept out
    try:
        with atomic.named(folder):
            yield
    finally:
        os.close(handle)


def end_with_parent() -> None:
    """Ends this process soon after its parent is gone, even if that was killed."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_SECONDS)
    os._exit(1)
