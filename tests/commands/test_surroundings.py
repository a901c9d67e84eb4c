"""Locales, optimised Python, closed pipes and folders that cannot be written."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import soundfile
from made import write_run

from tfweak.data_prep.commands import prepare
from tfweak.models.architecture import create
from tfweak.models.commands import evaluate, experiment, export, predict, train
from tfweak.models.runs import run_folder, seen_clips
from tfweak.payload import Payload

# from audio to events, in one process; prints the statuses
WHOLE = textwrap.dedent(
    """
    from tfweak.data_prep.commands import prepare
    from tfweak.models.commands import evaluate, predict, train
    settings = ["--set=width=0.02", "--epochs=1", "--valid_fraction=0.4", "--out=run"]
    measured = ["--data=data", "--allow_overlap", "--out=metrics.json"]
    for command, arguments in (
        (prepare, ["--dataset=folder", "--source=sounds", "--out=data"]),
        (train, ["--data=data", "--precision=float32", *settings]),
        (evaluate, ["--run=run", *measured]),
        (predict, ["--run=run", "sounds", "--min_confidence=0", "--out=events.tsv"]),
    ):
        print("status", command.main(arguments))
    """
)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Sounds of classes that are not in ASCII; the name of one file is not, either."""
    folder = tmp_path_factory.mktemp("sounds") / "sounds"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = ["filename,labels"]
    for number in range(12):
        name = f"{number}.wav" if number else "Möwe.wav"
        soundfile.write(folder / name, rng.uniform(-0.3, 0.3, 16000), 16000)
        rows.append(f"{name},{('Vögel', '犬')[number % 2]}")
    (folder / "tags.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
    return folder


def in_surroundings(code, folder, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment, status",
    [
        # names of files are ASCII there, and another one is left out
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, 3),
        ({"PYTHONIOENCODING": "ascii", "PYTHONOPTIMIZE": "1"}, 0),
    ],
)
def test_from_audio_to_events(sounds, tmp_path, environment, status):
    shutil.copytree(sounds, tmp_path / "sounds")
    done = in_surroundings(WHOLE, tmp_path, **environment)
    told = done.stdout.decode("utf-8", "surrogateescape")
    statuses = [line for line in told.splitlines() if line.startswith("status")]
    assert statuses == [f"status {s}" for s in (status, 0, 0, 0)], (told, done.stderr)
    manifest = (tmp_path / "data" / "manifest.csv").read_text(encoding="utf-8")
    assert ("or set PYTHONUTF8=1 where it is UTF-8" in manifest) == (status == 3)
    classes = (tmp_path / "run" / "classes.csv").read_text(encoding="utf-8")
    assert "Vögel" in classes and "犬" in classes
    tags = (tmp_path / "events.tags.tsv").read_text(encoding="utf-8")
    names = {line.split("\t")[0] for line in tags.splitlines()[1:]}
    assert names == {path.name for path in sounds.glob("*.wav")}


def test_without_docstrings_there_is_no_tensorflow(tmp_path):
    code = (
        "from tfweak.models.commands import train; train.main(['--data=d','--out=o'])"
    )
    done = in_surroundings(code, tmp_path, PYTHONOPTIMIZE="2")
    assert b"tfweak-train: error: TensorFlow cannot be loaded without" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["prepare", "train"])
def test_help_that_is_read_in_part(command):
    module = {"prepare": "data_prep", "train": "models"}[command]
    done = subprocess.run(
        f"{sys.executable} -m tfweak.{module}.commands.{command} --help | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"usage: tfweak-{command} [flags]\n"
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    model = create("attention_fcn", 3, width=0.02)
    folder = tmp_path_factory.mktemp("runs") / "run"
    write_run(folder, model, Payload("log_mel", "float16", {}))
    seen_clips.write(folder, np.array([b"one"]), np.array([b"another"]))
    run_folder.write_history(folder / "history.csv", [{"epoch": 1}])
    return folder


def test_what_cannot_be_read_below_an_audio_folder(
    sounds, run, tmp_path, capsys, monkeypatch
):
    source = tmp_path / "source"
    shutil.copytree(sounds, source)
    closed, scandir = source / "closed", os.scandir
    closed.mkdir()

    def scan(path):  # root may read everything
        if str(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(closed))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    (source / "gone.wav").symlink_to("nowhere.wav")
    (source / "loop.wav").symlink_to("loop.wav")
    out = tmp_path / "events.tsv"
    assert predict.main([f"--run={run}", str(source), f"--out={out}"]) == 3
    rows = (tmp_path / "events.bad.tsv").read_text().splitlines()[1:]
    assert [row.split("\t")[0] for row in rows] == ["closed", "gone.wav", "loop.wav"]
    assert "12 clips" in capsys.readouterr().out


@pytest.mark.skipif(not pathlib.Path("/sys/kernel").is_dir(), reason="there is no /sys")
def test_a_folder_that_cannot_be_written_is_named(sounds, run, embeddings, capsys):
    """In /sys root cannot write either."""
    out, data = "/sys/kernel/tfweak", f"--data={embeddings}"
    table = "--table=kim2019_table2"
    for command, arguments in (
        (prepare, ["--dataset=folder", f"--source={sounds}"]),
        (train, [data]),
        (evaluate, [f"--run={run}", data]),
        (predict, [f"--run={run}", str(sounds)]),
        (export, [f"--run={run}"]),
        (export, [f"--run={run}", "--form=run"]),
        (experiment, [table, f"--train_data={embeddings}", "--validation_only"]),
    ):
        place = f"{out}/a/b"
        assert command.main([*arguments, f"--out={place}"]) == 1, command
        error = capsys.readouterr().err
        assert out in error and error.count("error") == 1, error
