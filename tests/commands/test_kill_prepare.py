"""tfweak-prepare killed at random moments ends with the files of an undisturbed run."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile as sf

from tfweak.data_prep.commands import prepare

NUM_CLIPS = 90
NUM_SHARDS = 30
CLIPS_PER_SHARD = 3


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Many names for one long recording, two of which are broken."""
    folder = tmp_path_factory.mktemp("audio")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 44100 * 30)
    sf.write(folder / "000.wav", noise, 44100)
    for number in range(1, NUM_CLIPS):
        os.link(folder / "000.wav", folder / f"{number:03d}.wav")
    (folder / "007.wav").unlink()
    (folder / "011.wav").unlink()
    (folder / "011.wav").write_bytes(b"")
    (folder / "tags.csv").write_text(
        "filename,labels\n"
        + "".join(
            f"{number:03d}.wav,class{number % 3}\n" for number in range(NUM_CLIPS)
        )
    )
    return folder


def command(source, out, workers):
    return [
        sys.executable,
        "-m",
        "tfweak.data_prep.commands.prepare",
        "--dataset=folder",
        f"--source={source}",
        f"--tags={source / 'tags.csv'}",
        f"--out={out}",
        f"--clips_per_shard={CLIPS_PER_SHARD}",
        f"--workers={workers}",
    ]


def content(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
    }


def finished(out):
    return set(out.glob("*.tfrecord"))


def descendants(pid):
    found = [
        int(p)
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
        for p in (task / "children").read_text().split()
    ]
    return found + [d for p in found for d in descendants(p)]


def is_running(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.skipif(
    not pathlib.Path("/proc/self/task").is_dir(),
    reason="looks for left-over processes in /proc",
)
def test_killed_and_started_again(source, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    # done, and one of the files is unusable
    assert prepare.main(command(source, whole, workers=1)[3:]) == 3
    assert len(finished(whole)) == NUM_SHARDS
    draw = random.Random(4)
    stamps = {}
    for _ in range(2):
        process = subprocess.Popen(
            command(source, killed, workers=2),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        aim = len(finished(killed)) + draw.randint(1, 2)
        while process.poll() is None and len(finished(killed)) < aim:
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.2))
        workers = descendants(process.pid) if process.poll() is None else []
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
        assert len(workers) >= 2
        assert not (killed / "dataset_info.json").exists()
        deadline = time.monotonic() + 60
        while any(map(is_running, workers)):
            assert time.monotonic() < deadline, "workers outlived their parent"
            time.sleep(0.05)
        for path, stamp in stamps.items():  # finished shards were not made again
            assert path.stat().st_mtime_ns == stamp
        stamps = {path: path.stat().st_mtime_ns for path in finished(killed)}
    assert 2 <= len(stamps) < NUM_SHARDS
    done = subprocess.run(
        command(source, killed, workers=2),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3, done.stderr
    assert f"LEFT OUT 2 (1 empty, 1 missing): {killed / 'manifest.csv'}" in done.stdout
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert content(killed) == content(whole)


@pytest.mark.slow
def test_one_worker_with_two_threads_writes_what_two_workers_do(source, tmp_path):
    few = tmp_path / "audio"
    few.mkdir()
    for number in (0, 1, 2, 3):
        os.link(source / f"{number:03d}.wav", few / f"{number:03d}.wav")
    rows = (source / "tags.csv").read_text().splitlines()[:5]
    (few / "tags.csv").write_text("\n".join(rows) + "\n")
    found = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        done = subprocess.run(
            command(few, out, workers),
            env={**os.environ, "OPENBLAS_NUM_THREADS": "2"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found.append(content(out))
    assert found[0] == found[1]


@pytest.mark.slow
def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(source, tmp_path):
    process = subprocess.Popen(
        command(source, tmp_path / "out", workers=2),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell's background job ignores it, and its children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and not finished(tmp_path / "out"):
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "the same command goes on from here" in error
    assert "Traceback" not in error
    assert not list(tmp_path.rglob("*.tmp"))
