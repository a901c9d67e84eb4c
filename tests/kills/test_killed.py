"""A few kills of the suite; `run.py` beside this file does hundreds."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_was_killed_ends_as_what_was_not(tmp_path):
    out = tmp_path / "kills"
    script = pathlib.Path(__file__).with_name("run.py")
    command = [sys.executable, script, "--seed=3", "--jobs=1", f"--out={out}"]
    command += ["--commands", "prepare", "predict-per-file", "train"]
    told = ""
    for kills in (1, 5):  # the second call goes on
        done = subprocess.run(
            [*command, f"--kills={kills}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        told += done.stdout
    lives = [int(row.split(":")[0]) for row in told.splitlines() if "the same" in row]
    assert lives == list(range(len(lives))) and len(lives) >= 3
    assert not list((out / "lives").iterdir())
