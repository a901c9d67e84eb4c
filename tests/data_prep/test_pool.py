"""Worker processes: results, failures, Ctrl-C and a killed worker."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import pytest

from tfweak.data_prep import pool
from tfweak.errors import InputError


@dataclasses.dataclass(frozen=True)
class Touch:
    """Writes its process id into a file."""

    path: pathlib.Path
    num_clips: int = 2

    def write(self, done, stopped):
        self.path.write_text(f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')}")
        done(self.num_clips)


@dataclasses.dataclass(frozen=True)
class Fail(Touch):
    """Raises, or dies, instead."""

    how: str = "bug"

    def write(self, done, stopped):
        if self.how == "die":
            os._exit(3)
        raise {"bug": ZeroDivisionError, "input": InputError}[self.how]("item 7")


def test_all_jobs_run_in_other_processes_with_one_thread_each(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    jobs = [Touch(tmp_path / str(i)) for i in range(5)]
    pool.run(jobs, workers=2, total=10)
    texts = [job.path.read_text().split() for job in jobs]
    assert os.getpid() not in {int(pid) for pid, _ in texts}
    assert {threads for _, threads in texts} == {"1"}
    assert "OMP_NUM_THREADS" not in os.environ  # put back


def test_one_worker_is_this_process(tmp_path):
    # and so is that of a single job, whatever the number of workers
    pool.run([Touch(tmp_path / "a")], workers=1, total=2)
    pool.run([Touch(tmp_path / "b")], workers=2, total=2)
    for name in "ab":
        assert (tmp_path / name).read_text().split()[0] == str(os.getpid())


@pytest.mark.parametrize(
    "how, error, text",
    [
        ("bug", ZeroDivisionError, "item 7"),
        ("input", InputError, "item 7"),
        ("die", InputError, "fewer --workers"),
    ],
)
def test_a_failing_job_ends_the_run(tmp_path, how, error, text):
    with pytest.raises(error, match=text):
        jobs = [Fail(tmp_path / name, how=how) for name in "xy"]
        pool.run(jobs, workers=2, total=4)


def test_a_log_gets_a_line_now_and_then(tmp_path, capsys, monkeypatch):
    clock = iter([0.0, 10.0, 31.0, 40.0, 62.0])
    monkeypatch.setattr(pool.time, "monotonic", lambda: next(clock))
    pool.run([Touch(tmp_path / str(i)) for i in range(4)], workers=1, total=12)
    # 12 in all of which 8 are left; after 31 s 4 of these are done, after 62 s all
    assert capsys.readouterr().out.splitlines() == [
        "8 of 12 clips, 0.1 clips/s",
        "12 of 12 clips, 0.1 clips/s",
    ]
