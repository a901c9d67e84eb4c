"""A command in a forked process, which is ended, or given no room, at some moment.

The parent has imported TensorFlow and never runs it, so that a fork of it has no
threads to miss and begins at once. Such a process ends with its parent.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import mmap
import multiprocessing
import os
import pathlib
import random
import resource
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from tfweak import pool

CRASHED = 99
_PR_SET_PDEATHSIG = 1
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
_LONGEST_SECONDS = 1800.0


@dataclasses.dataclass(frozen=True)
class Trouble:
    """What befalls a command: a signal at a moment, or a full disk.

    Attributes:
      signal: its number; 0 for none.
      seconds: after the start, when it comes; or
      change: before so many files of its own folder are opened to be written, renamed
        or removed, or folders made or removed there.
      delay_seconds: after the change's beginning.
      room_bytes: no file may be larger; what writes on has the error of a full disk.
    """

    signal: int = 0
    seconds: float | None = None
    change: int | None = None
    delay_seconds: float = 0.0
    room_bytes: int | None = None

    @classmethod
    def draw_signal(cls, rng: random.Random, seconds: float, changes: int) -> Trouble:
        """A signal to a command that takes so long and makes so many changes."""
        numbers = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
        (number,) = rng.choices(numbers, [4, 1, 1])
        if rng.random() < 0.5:
            return cls(number, rng.uniform(0, seconds))
        delay = rng.choice([0.0, rng.uniform(0, 0.003)])
        return cls(number, None, rng.randint(1, changes), delay)

    @classmethod
    def draw_full(cls, rng: random.Random, sizes: Sequence[int]) -> Trouble:
        """Too little room for one of the files that a command writes."""
        return cls(room_bytes=rng.randrange(rng.choice([s for s in sizes if s])))

    @property
    def name(self) -> str:
        """`SIGKILL` or another signal, or `full`."""
        return signal.Signals(self.signal).name if self.signal else "full"

    def __str__(self) -> str:
        if self.room_bytes is not None:
            return f"full after {self.room_bytes:,} bytes"
        if self.seconds is not None:
            return f"{self.name} after {self.seconds:.2f} s"
        delay = f" + {1000 * self.delay_seconds:.1f} ms" if self.delay_seconds else ""
        return f"{self.name} at change {self.change}{delay}"


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended: exit status or minus the signal, seconds, changes."""

    status: int
    seconds: float
    changes: int


def run(
    body: Callable[[], int], folder: pathlib.Path, trouble: Trouble | None = None
) -> Ended:
    """Runs something in a forked process, in a folder.

    Args:
      body: what is run; returns the exit status.
      folder: to be in; what is told goes to `log.txt` there.
      trouble: what befalls it.

    Raises:
      AssertionError: it does not end, or leaves processes behind.
    """
    counter = mmap.mmap(-1, 8)
    told, tells = os.pipe()  # a full disk is none for the log
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        _be(body, folder, trouble or Trouble(), counter, tells)
    os.close(tells)
    os.set_blocking(told, False)
    status, is_sent = None, False
    with open(folder / "log.txt", "ab") as log, open(told, "rb", 0) as reading:
        while status is None:
            time.sleep(0.002)
            passed = time.monotonic() - began
            ended, code = os.waitpid(pid, os.WNOHANG)
            log.write(reading.read() or b"")
            if ended:
                status = os.waitstatus_to_exitcode(code)
            elif passed > _LONGEST_SECONDS:
                os.killpg(pid, signal.SIGKILL)
                raise AssertionError(f"it did not end in {_LONGEST_SECONDS:.0f} s")
            elif trouble and not is_sent and passed >= (trouble.seconds or passed + 1):
                is_sent = True
                _send(pid, trouble.signal)
    deadline = time.monotonic() + 30
    while _group_lives(pid):
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            raise AssertionError("processes outlived the command")
        time.sleep(0.01)
    return Ended(status, time.monotonic() - began, struct.unpack("q", counter[:])[0])


def end_with_parent() -> None:
    """Has the system end this process when its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _send(pid: int, number: int) -> None:
    """Ctrl-C reaches a whole group, as from a terminal."""
    (os.killpg if number == signal.SIGINT else os.kill)(pid, number)


def _group_lives(group: int) -> bool:
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it has ended meanwhile
        if int(its) == group and state != "Z":
            return True
    return False


def _be(
    body: Callable[[], int],
    folder: pathlib.Path,
    trouble: Trouble,
    counter: mmap.mmap,
    tells: int,
) -> None:
    status = CRASHED
    try:
        os.setsid()
        end_with_parent()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(tells, 1)
        os.dup2(tells, 2)
        sys.stdout, sys.stderr = open(1, "w"), open(2, "w")
        _fork_workers()
        if trouble.room_bytes is not None:
            limits = trouble.room_bytes, resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        sys.addaudithook(functools.partial(_watch, os.getpid(), counter, trouble))
        status = body()
    except SystemExit as exit:
        status = exit.code if isinstance(exit.code, int) else CRASHED
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _fork_workers() -> None:
    """Has the pool fork several workers, which takes no seconds, and start no one.

    A command that gives its work to one worker alone may have run TensorFlow itself.
    """
    context, start = multiprocessing.get_context("fork"), pool.run
    pool.multiprocessing.get_context = lambda _: context

    def run_pool(tasks: Any, workers: int, *args: Any, **settings: Any) -> None:
        start(tasks, workers if workers > 1 else 0, *args, **settings)

    pool.run = run_pool


def _watch(
    pid: int, counter: mmap.mmap, trouble: Trouble, event: str, args: Any
) -> None:
    """An audit hook: counts changes, and sends the signal at its number."""
    if event == "open":
        path, _, mode = args
        if not mode & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
    elif event in _CHANGES:
        path = args[0]
    else:
        return
    if isinstance(path, int):
        return
    name = os.fsdecode(path)
    if os.path.isabs(name) and not name.startswith(os.getcwd()):
        return
    count = struct.unpack("q", counter[:])[0] + 1
    counter[:] = struct.pack("q", count)
    if count == trouble.change:
        if trouble.delay_seconds:
            later = threading.Timer(trouble.delay_seconds, _send, (pid, trouble.signal))
            later.daemon = True
            later.start()
        else:
            _send(pid, trouble.signal)
