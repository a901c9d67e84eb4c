"""A few hundred damaged inputs of every kind, and that the frame finds what is bad."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

RUN = pathlib.Path(__file__).with_name("run.py")
TARGETS = RUN.with_name("targets")


def run(out, *more):
    """The command, in a process of its own: it forks, which TensorFlow must not see."""
    command = [sys.executable, RUN, f"--out={out}", *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_damaged_inputs_are_read_rightly_or_named(tmp_path):
    done = run(tmp_path / "fuzz.json", "--inputs=300", "--seed=0", "--jobs=2")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    document = json.loads((tmp_path / "fuzz.json").read_text())
    assert document["inputs"] >= 300
    assert set(document["outcomes"]) == {path.stem for path in TARGETS.glob("*.py")}


TOY = """
import os
import time

import numpy as np
from frame import Damage, Wrong

from tfweak.errors import InputError

SHARE = 1


def make(folder):
    (folder / "a.txt").write_text("whole")


def damage(made, folder, rng):
    (folder / "a.txt").write_bytes(rng.bytes(3))
    return Damage("cut", ("a.txt",))


def check(made, folder):
    assert (made / "a.txt").read_text() == "whole"
    (path,) = folder.iterdir()
    way = path.read_bytes()[0] % 9
    if way == 0:
        raise InputError(f"{path}: is broken")
    if way == 1:
        raise InputError("something is broken")
    if way == 2:
        raise Wrong("7 is not 8")
    if way == 3:
        return 1 / 0
    if way == 4:
        os.abort()
    if way == 5:
        time.sleep(100)
    if way == 6:
        np.ones(1 << 25)  # 256 MB
    if way == 7:
        os._exit(0)
    return "rightly"
"""
WAYS = {
    0: "named",
    1: "unnamed",
    2: "wrong",
    3: "traceback",
    4: "crash",
    5: "hang",
    6: "memory",
    7: "crash",
    8: "read",
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The folder of a run on a target that goes wrong in every way."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "targets").mkdir()
    (folder / "targets" / "toy.py").write_text(TOY)
    done = run(
        folder / "toy.json",
        f"--targets={folder / 'targets'}",
        "--inputs=40",
        "--seconds=8",
        "--megabytes=100",
        "--jobs=2",
    )
    return folder, done


def test_every_way_to_go_wrong_is_found(toy):
    folder, done = toy
    assert done.returncode == 1, done.stderr
    lines = (folder / "toy.work" / "seed-1.jsonl").read_text().splitlines()
    results = [json.loads(line) for line in lines]
    assert sorted(r["case"]["number"] for r in results) == list(range(40))
    seen = set()
    for result in results:
        number, outcome = result["case"]["number"], result["outcome"]
        kept = folder / "toy.findings" / f"toy-{number}"
        assert kept.is_dir() == (outcome not in ("named", "read"))
        if kept.is_dir():
            contents = (kept / kept.name / "a.txt").read_bytes()
            assert WAYS[contents[0] % 9] == outcome
        seen.add(outcome)
    assert seen == set(WAYS.values())
    counts = json.loads((folder / "toy.json").read_text())["outcomes"]["toy"]
    assert sum(counts.values()) == 40


def test_a_finding_can_be_replayed(toy):
    folder, _ = toy
    for kept in sorted((folder / "toy.findings").iterdir()):
        command, _, told, *_ = (kept / "replay.txt").read_text().splitlines()
        if told.startswith("traceback"):
            done = subprocess.run(
                command.split(), capture_output=True, text=True, check=False
            )
            assert done.returncode == 1 and "ZeroDivisionError" in done.stdout
            return
    raise AssertionError("no traceback was found")


def test_a_killed_run_goes_on(toy):
    folder, _ = toy
    journal = folder / "toy.work" / "seed-1.jsonl"
    before = json.loads((folder / "toy.json").read_text())["outcomes"]
    lines = journal.read_text().splitlines(True)
    journal.write_text("".join(lines[:-1]) + lines[-1][:20])
    done = run(
        folder / "toy.json",
        f"--targets={folder / 'targets'}",
        "--inputs=40",
        "--seconds=8",
        "--megabytes=100",
    )
    assert done.returncode == 1
    assert json.loads((folder / "toy.json").read_text())["outcomes"] == before
    assert len(journal.read_text().splitlines()) == 40
