"""Worker processes: results, failures, how they stop, and a killed worker."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import time

import pytest

from tfweak import pool
from tfweak.errors import InputError
from tfweak.progress import Progress


@dataclasses.dataclass(frozen=True)
class Touch:
    """Writes its process id into a file."""

    path: pathlib.Path

    def run(self, done, stopped):
        self.path.write_text(f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')}")
        done(2)


@dataclasses.dataclass(frozen=True)
class Fail(Touch):
    """Raises, or dies, instead."""

    how: str = "bug"

    def run(self, done, stopped):
        if self.how == "die":
            os._exit(3)
        raise {"bug": ZeroDivisionError, "input": InputError}[self.how]("item 7")


@dataclasses.dataclass(frozen=True)
class Long(Touch):
    """Works for a minute; notes whether it was told to stop."""

    listens: bool = True

    def run(self, done, stopped):
        self.path.touch()
        for _ in range(600):
            time.sleep(0.1)
            if self.listens and stopped():
                self.path.write_text("told")
                return


@dataclasses.dataclass(frozen=True)
class After(Touch):
    """Fails as soon as another task has begun."""

    def run(self, done, stopped):
        while not self.path.exists():
            time.sleep(0.01)
        raise InputError("first")


class Shown(Progress):
    """Sums up what it is told."""

    def __init__(self):
        super().__init__(None)
        self.sum = 0

    def add(self, count=1):
        self.sum += count


def run(tasks, workers, **more):
    shown = Shown()
    pool.run(tasks, workers, shown, advice="buy memory", **more)
    return shown.sum


@pytest.mark.parametrize("threads", [1, 3])
def test_all_tasks_run_in_other_processes(tmp_path, monkeypatch, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    tasks, finished = [Touch(tmp_path / str(i)) for i in range(5)], []
    assert run(tasks, 2, threads=threads, finished=finished.append) == 10
    texts = [task.path.read_text().split() for task in tasks]
    assert os.getpid() not in {int(pid) for pid, _ in texts}
    assert {number for _, number in texts} == {str(threads)}
    assert "OMP_NUM_THREADS" not in os.environ  # put back
    assert len(finished) == 5 and set(finished) == set(tasks)


def test_without_workers_it_is_this_process(tmp_path):
    finished = []
    assert run([Touch(tmp_path / "a")], 0, finished=finished.append) == 2
    assert (tmp_path / "a").read_text().split()[0] == str(os.getpid())
    assert finished == [Touch(tmp_path / "a")]


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_to_do(workers):
    assert run([], workers) == 0


@pytest.mark.parametrize(
    "how, error, text",
    [
        ("bug", ZeroDivisionError, "item 7"),
        ("input", InputError, "item 7"),
        ("die", InputError, "memory ran out: buy memory"),
    ],
)
def test_a_failing_task_ends_the_run(tmp_path, how, error, text):
    with pytest.raises(error, match=text):
        run([Fail(tmp_path / name, how=how) for name in "xy"], 2)


@pytest.mark.parametrize("listens, grace", [(True, 30), (False, 0)])
def test_the_others_are_told_to_stop_and_else_killed(tmp_path, listens, grace):
    began = time.monotonic()
    path = tmp_path / "long"
    rest = [Long(tmp_path / name, listens) for name in "abcdef"]
    tasks = [Long(path, listens), After(path), *rest]
    with pytest.raises(InputError, match="first"):
        run(tasks, 2, grace_seconds=grace)
    assert time.monotonic() - began < 30
    assert path.read_text() == ("told" if listens else "")
    assert not (tmp_path / "f").exists()  # what had not begun does not begin
