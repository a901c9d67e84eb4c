"""The command: flags, refusals, summary."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from tfweak.data import records
from tfweak.data_prep.commands import prepare


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "audio"
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        sf.write(folder / name, np.linspace(-0.5, 0.5, 8000), 16000)
    (folder / "broken.ogg").write_text("no")
    (tmp_path / "tags.csv").write_text(
        "filename,labels\na.wav,x\nb.wav,y\nbroken.ogg,x\ngone.wav,x\n"
    )
    return folder


def run(*argv):
    return prepare.main([f"--{a}" for a in argv])


def test_prepares_and_says_what_comes_next(source, tmp_path, capsys):
    out = tmp_path / "out"
    argv = [
        "dataset=folder",
        f"source={source}",
        f"tags={tmp_path / 'tags.csv'}",
        f"out={out}",
        "workers=1",
    ]
    assert run(*argv) == 3
    assert capsys.readouterr().out.splitlines() == [
        f"{out}: 2 clips, 1 shard",
        f"  LEFT OUT 2 (1 audio, 1 missing): {out / 'manifest.csv'} says why",
        f"next: tfweak-train --data={out} --out=RUN",
    ]
    assert records.DatasetInfo.read(out).num_clips == 2
    assert run(*argv) == 3
    assert f"{out}: already complete, 2 clips, 1 shard" in capsys.readouterr().out
    assert run(*argv, "seed=1") == 1
    error = capsys.readouterr().err
    assert "settings.seed was 0, is 1" in error and "Traceback" not in error


@pytest.mark.parametrize(
    "argv, status, message",
    [
        (
            ["out=x"],
            1,
            "--dataset is needed: one of audioset_embeddings, ",
        ),
        (["dataset=folder"], 1, "--out is needed"),
        (["dataset=nope", "out=x"], 2, "nope"),
        (["dataset=folder", "out=x", "source=."], 1, "--tags"),
        (["dataset=folder", "out=x", "source="], 1, "--source is empty"),
        (
            ["dataset=folder", "out=x", "source=nowhere", "tags=t"],
            1,
            "--source=nowhere",
        ),
        (["dataset=folder", "out=x", "source=.", "tags=no.csv"], 1, "no.csv"),
        (["dataset=esc", "out=x", "num_clips=5"], 1, "--num_clips does not apply"),
        (
            ["dataset=audioset_embeddings", "out=x", "features=log_mel"],
            1,
            "--features does not apply",
        ),
        (["dataset=soundscapes", "out=x", "tags=t"], 1, "--tags does not apply"),
        (
            [
                "dataset=soundscapes",
                "out=x",
                "features=waveform",
                "payload_dtype=uint8",
            ],
            1,
            "always stored as int16",
        ),
        (["dataset=esc", "out=x", "folds=1,two"], 1, "--folds=1,two"),
        (["dataset=esc", "out=x", "workers=0"], 2, "workers"),
        (["dataset=soundscapes", "out=x", "num_clips=0"], 2, "num_clips"),
        (["dataset=soundscapes", "out=x", "weak_only_fraction=1.5"], 2, "fraction"),
        (["dataset=soundscapes", "out=x", "weak_only_fraction=nan"], 1, "0 to 1"),
        (["dataset=soundscapes", "out=x", "clip_seconds=0.5"], 2, "clip_seconds"),
        (["dataset=soundscapes", "out=x", "clip_seconds=inf"], 2, "clip_seconds"),
        (["dataset=soundscapes", "out=x", "clip_seconds=nan"], 1, "1 to 3600"),
        (["dataset=esc", "out=x", "colour=red"], 2, "colour"),
    ],
)
def test_wrong_flags_are_refused_before_any_work(
    tmp_path, monkeypatch, capsys, argv, status, message
):
    monkeypatch.chdir(tmp_path)
    assert run(*argv) == status
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_nothing_valid_is_an_error(tmp_path, capsys):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.wav").write_bytes(b"")
    (tmp_path / "t.csv").write_text("filename,labels\na.wav,x\n")
    assert (
        run(
            "dataset=folder",
            f"source={tmp_path / 'src'}",
            "workers=1",
            f"tags={tmp_path / 't.csv'}",
            f"out={tmp_path / 'out'}",
        )
        == 1
    )
    assert str(tmp_path / "out" / "manifest.csv") in capsys.readouterr().err


def test_help_lists_the_datasets_without_loading_tensorflow():
    code = (
        "import sys; from tfweak.data_prep.commands import prepare;"
        "status = prepare.main(['--help']); sys.exit(status or"
        " 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("audioset_embeddings", "folder", "esc", "soundscapes"):
        assert f"\n  {name} " in done.stdout


def test_datasets_are_listed_for_help_alone(monkeypatch, capsys):
    """Before the command is run, Ctrl-C has no message."""
    monkeypatch.setattr(prepare, "listing", lambda _: "all of them")
    assert prepare.main(["--dataset=folder"]) == 1
    assert prepare.main(["--help"]) == 0
    assert capsys.readouterr().out.endswith("\ndatasets:\nall of them\n")
    monkeypatch.delattr(prepare, "listing")
    assert prepare.main(["--dataset=folder"]) == 1
