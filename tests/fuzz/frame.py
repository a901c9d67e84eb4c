"""Feeds damaged inputs to the package and judges what becomes of each.

A target is a module in targets/, all of whose functions work in a process of their own:

SHARE                          of all inputs, relative to the other targets
make(folder)                   writes undamaged files
damage(made, folder, rng)      writes one input, a damaged one; gives a `Damage`
check(made, folder)            reads it; says how that went, or raises `Wrong`
                               where something was read that is not so

Each input must be read rightly, or be named by an `InputError`. All else is a finding:
a traceback, a message without the name, a crash, a hang, more than 2 GB, or wrong data.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import multiprocessing
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback
import zlib

import numpy as np

from tfweak.errors import InputError

GOOD = ("read", "named")
BAD = ("wrong", "unnamed", "traceback", "crash", "hang", "memory")
most_bytes = 2 << 30  # of memory that an input may take
_TOGETHER = 200  # inputs of a worker, after which another one takes its place
_fork = multiprocessing.get_context("fork")


class Wrong(Exception):
    """Something was read that is not so."""


@dataclasses.dataclass(frozen=True)
class Damage:
    """What was done to an input.

    Attributes:
      way: of doing it, a few words.
      names: of files, one of which an error has to name.
    """

    way: str
    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Case:
    """One input."""

    target: str
    number: int

    @property
    def name(self):
        return f"{self.target}-{self.number}"

    def rng(self, seed):
        return np.random.default_rng(
            [seed, zlib.crc32(self.target.encode()), self.number]
        )


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of an input."""

    case: Case
    outcome: str
    way: str = ""
    detail: str = ""
    seconds: float = 0.0


def load(folder):
    """name -> module of each target in a folder."""
    sys.path.insert(0, str(folder))
    names = sorted(path.stem for path in pathlib.Path(folder).glob("*.py"))
    return {name: importlib.import_module(name) for name in names}


def cases(targets, count):
    """So many inputs, shared out among the targets, and mixed."""
    total = sum(target.SHARE for target in targets.values())
    found = []
    for name, target in targets.items():
        own = max(1, round(count * target.SHARE / total))
        found += [((i + 0.5) / own, Case(name, i)) for i in range(own)]
    return [case for _, case in sorted(found, key=lambda f: (f[0], f[1].target))]


def judge(target, made, folder, damage):
    """Outcome and details of reading a copy of an input, in this process."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        copy = shutil.copytree(folder, pathlib.Path(place, "input"), symlinks=True)
        return _judge(target, made, copy, damage)


def _judge(target, made, folder, damage):
    try:
        return "read", target.check(made, folder)
    except Wrong as error:
        return "wrong", str(error)
    except InputError as error:
        named = any(name in str(error) for name in damage.names)
        return "named" if named else "unnamed", str(error)
    except Exception:
        return "traceback", traceback.format_exc()


def make(targets, root):
    """Makes what is not there of the targets' undamaged files, in another process."""
    left = {n: t for n, t in targets.items() if not (root / n).is_dir()}

    def work():
        for name, target in left.items():
            part = root / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            target.make(part)
            part.rename(root / name)

    process = _fork.Process(target=work)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("the undamaged files cannot be made")


class Worker:
    """A process that takes cases one after the other, and is watched."""

    def __init__(self, targets, made, work, seed, todo):
        self._targets, self._made, self._work, self._seed = targets, made, work, seed
        self._todo = list(todo)
        self._log = work / f"worker-{self._todo[0].name}.log"
        self._receive, send = _fork.Pipe(duplex=False)
        self._process = _fork.Process(target=self._run, args=(send,))
        self._process.start()
        send.close()
        self.current = None
        self._began = time.monotonic()
        self._base = 0

    def _run(self, send):
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(log, stream)
        for case in self._todo:
            folder = self._work / case.name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            target, made = self._targets[case.target], self._made / case.target
            damage = target.damage(made, folder, case.rng(self._seed))
            (self._work / f"{case.name}.json").write_text(
                json.dumps(dataclasses.asdict(damage))
            )
            before = _status("VmRSS")
            pathlib.Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
            send.send((case, damage, before))
            began = time.monotonic()
            outcome, detail = judge(target, made, folder, damage)
            grown = _status("VmHWM") - before
            if grown > most_bytes:
                outcome, detail = "memory", f"{grown >> 20} MB; {outcome}: {detail}"
            seconds = round(time.monotonic() - began, 3)
            send.send(Result(case, outcome, damage.way, detail, seconds))
        send.close()

    def _bytes(self):
        return _status("VmRSS", self._process.pid)

    def poll(self, most_seconds):
        """Results since the last call, and whether the worker has ended."""
        found = []
        is_alive = self._process.is_alive()  # before the last is received
        try:
            while self._receive.poll():
                item = self._receive.recv()
                self._began = time.monotonic()
                if isinstance(item, Result):
                    found.append(item)
                    self.current = None
                else:
                    *self.current, self._base = item
        except (EOFError, OSError):
            self._process.join(10)
            is_alive = self._process.is_alive()
        outcome = ""
        if time.monotonic() - self._began > most_seconds:
            outcome = "hang"
        elif self.current and self._bytes() - self._base > most_bytes:
            outcome = "memory"
        if outcome:
            self._process.kill()
            self._process.join()
        elif is_alive:
            return found, False
        if not outcome and (self._process.exitcode or self.current):
            outcome = "crash"
        if outcome:
            text = self._log.read_text(errors="replace")[-3000:]
            if not self.current:
                raise SystemExit(f"between inputs, {outcome}: {text}")
            case, damage = self.current
            detail = f"exit status {self._process.exitcode}; {text}"
            seconds = round(time.monotonic() - self._began, 3)
            found.append(Result(case, outcome, damage.way, detail, seconds))
        self._log.unlink()
        return found, True

    def stop(self):
        self._process.kill()
        self._process.join()


def _status(name, pid="self"):
    """A number of bytes from /proc; 0 where the process has ended."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) << 10
    return 0


def run(targets, todo, made, work, seed, jobs=1, most_seconds=120.0):
    """Yields the `Result` of each case; inputs that are findings stay in `work`."""
    work.mkdir(parents=True, exist_ok=True)
    todo, workers = list(todo), []
    try:
        while todo or workers:
            while todo and len(workers) < jobs:
                own, todo = todo[:_TOGETHER], todo[_TOGETHER:]
                workers.append((Worker(targets, made, work, seed, own), set(own)))
            time.sleep(0.02)
            for item in list(workers):
                worker, left = item
                found, ended = worker.poll(most_seconds)
                for result in found:
                    left.discard(result.case)
                    if result.outcome in GOOD:
                        shutil.rmtree(work / result.case.name, ignore_errors=True)
                        (work / f"{result.case.name}.json").unlink()
                    yield result
                if ended:
                    workers.remove(item)
                    todo[:0] = sorted(left, key=lambda case: (case.number, case.target))
    finally:
        for worker, _ in workers:
            worker.stop()
