"""What tfweak-predict takes for an hour of audio: seconds, processor time and memory.

    python benchmarks/long_recordings.py [RUN]

Noise at 48 kHz as FLAC: 10 s, an hour, four times half an hour, and 200 times 10 s,
each answered by a process of its own. Without RUN, by `attention_fcn` at full width
with random weights, which takes as long as with learnt ones. On a busy machine the
processor time counts.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import soundfile

import tfweak
from tfweak.models.runs import run_folder
from tfweak.payload import Payload

RATE_HZ = 48000
CLASSES = 17


def write_noise(path: pathlib.Path, seconds: int) -> None:
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE_HZ, 1) as file:
        for _ in range(seconds // 10):
            file.write(0.1 * rng.uniform(-1, 1, 10 * RATE_HZ))


def write_run(folder: pathlib.Path) -> None:
    architecture = tfweak.create("attention_fcn", CLASSES)
    front_end = architecture.input.front_end
    assert front_end is not None
    payload = Payload(front_end.kind, "float16", front_end.parameters())
    folder.mkdir()
    architecture.build().save(folder / "model.keras")
    names = tuple(f"class {i}" for i in range(CLASSES))
    tfweak.ClassList(names).write_csv(folder / "classes.csv")
    data = {"train": {"payload": dataclasses.asdict(payload)}}
    config = {"model": architecture.to_dict(), "training": {}, "data": data}
    run_folder.write_config(folder, config)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "run"
        if len(sys.argv) == 1:
            write_run(run)
        write_noise(folder / "10 s.flac", 10)
        write_noise(folder / "an hour.flac", 3600)
        for title, count, seconds in (
            ("four half hours", 4, 1800),
            ("200 x 10 s", 200, 10),
        ):
            (folder / title).mkdir()
            write_noise(folder / title / "0.flac", seconds)
            for i in range(1, count):
                shutil.copy(folder / title / "0.flac", folder / title / f"{i}.flac")
        command = [sys.executable, "-P", "-m", "tfweak.models.commands.predict"]
        for title in ("10 s.flac", "an hour.flac", "four half hours", "200 x 10 s"):
            arguments = [f"--run={run}", f"--out={folder / 'out.tsv'}", title]
            before = os.times()
            process = subprocess.Popen(
                [*command, *arguments], cwd=folder, stdout=subprocess.DEVNULL
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall = os.times().elapsed - before.elapsed
            busy, peak_gb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6
            print(
                f"{title:16} {wall:6.1f} s, {busy:6.1f} s of processor,"
                f" {peak_gb:.2f} GB at most (status {process.returncode})",
                flush=True,
            )


if __name__ == "__main__":
    main()
