"""tfweak-predict killed and started again, on pipes, and the tables that it writes."""

from __future__ import annotations

import errno
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import soundfile
from made import write_run

from tfweak.errors import InputError
from tfweak.models.architecture import create
from tfweak.models.commands import predict
from tfweak.models.commands.journal import Entry, Journal
from tfweak.payload import Payload

RATE = 8000
NUM_FILES = 24
LOG_MEL = Payload("log_mel", "float16", {})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An untrained network, which finds all classes now and then."""
    model = create("attention_fcn", 3, width=0.05)
    folder = tmp_path_factory.mktemp("runs") / "run"
    return write_run(folder, model, LOG_MEL, segment=0.76, clip=0.0)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """From half a second to half a minute; two are broken."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for number in range(NUM_FILES):
        seconds = (0.5, 4.0, 32.0, 10.0)[number % 4]
        loud = rng.uniform(0, 0.5, (round(seconds * 4), 1))
        samples = loud * rng.uniform(-1, 1, (len(loud), RATE // 4))
        soundfile.write(folder / f"{number:02d}.wav", samples.ravel(), RATE)
    (folder / "05.wav").write_bytes(b"")
    broken = folder / "14.wav"
    broken.write_bytes(broken.read_bytes()[:-50000])
    return folder


def arguments(run, recordings, out, *more):
    formats = "--format=desed,raven,jsonl"
    more = ("--precision=float32", *more)  # the same with other neighbours
    return [f"--run={run}", str(recordings), f"--out={out}", formats, *more]


def tables(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
    }


def journal_of(out):
    return out.with_name(out.name + ".partial") / "journal.jsonl"


def test_killed_and_started_again(run, recordings, tmp_path):
    whole, killed = tmp_path / "whole" / "e.tsv", tmp_path / "killed" / "e.tsv"
    more = ["--batch_size=3", f"--scores={whole.parent / 'scores'}", "--tags=2"]
    assert predict.main(arguments(run, recordings, whole, *more)) == 3
    expected = tables(whole.parent)
    assert {"e.tsv", "e.selections.txt", "e.jsonl"} < set(expected)
    assert len(expected["e.tsv"].splitlines()) > 2 * NUM_FILES
    more[1] = f"--scores={killed.parent / 'scores'}"
    command = [sys.executable, "-m", "tfweak.models.commands.predict"]
    process = subprocess.Popen(
        [*command, *arguments(run, recordings, killed, *more)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    journal = journal_of(killed)
    while process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") >= 3:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    assert not killed.exists()
    done = journal.read_bytes()
    # a line that was cut off is written again
    journal.write_bytes(done + b'[["99.wav", "", 1.0')
    stamps = {p: p.stat().st_mtime_ns for p in (killed.parent / "scores").iterdir()}
    answered = sum(
        len(json.loads(line.split(b"\t")[0])) for line in done.splitlines(True)
    )
    assert 3 <= answered < NUM_FILES
    finished = subprocess.run(
        [*command, *arguments(run, recordings, killed, *more)],
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 3, finished.stderr
    assert f"goes on after {answered} files" in finished.stdout
    # what was finished was not answered again
    assert sum(p.stat().st_mtime_ns == stamp for p, stamp in stamps.items()) >= (
        answered - 2
    )
    assert tables(killed.parent) == expected


class Stop(Exception):
    pass


def stop_after(monkeypatch, groups):
    """Has the command fail once so many batches are in the journal."""
    add = Journal.add

    def limited(self, entries):
        add(self, entries)
        limited.left -= 1
        if not limited.left:
            raise Stop

    limited.left = groups
    monkeypatch.setattr(Journal, "add", limited)


@pytest.mark.parametrize(
    "change, what",
    [
        (["--tags=3"], "tags"),
        (["--threshold=0.4"], "threshold"),
        (["--overlap_seconds=1"], "overlap_seconds"),
        (["--noresume"], None),
        ("file", "files"),
        ("run", "model"),
        (["--batch_size=2"], "nothing"),
    ],
)
def test_another_call_begins_anew(
    change, what, run, recordings, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "e.tsv"
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stop_after(patch, 2)
        predict.main(arguments(run, recordings, out, "--batch_size=3"))
    assert journal_of(out).exists() and not out.exists()
    again = arguments(run, recordings, out, "--batch_size=3")
    if change == "file":
        os.utime(recordings / "03.wav")
    elif change == "run":
        os.utime(run / "model.keras")
    else:
        again += change
    capsys.readouterr()
    assert predict.main(again) == 3
    printed = capsys.readouterr().out
    assert ("goes on after" in printed) == (what == "nothing")
    if what not in (None, "nothing"):
        assert f"of a call with other {what}; begun anew" in printed
    assert not journal_of(out).parent.exists()


def test_a_journal_is_of_one_process_and_nothing_else_is_overwritten(tmp_path):
    out = tmp_path / "e.tsv"
    with Journal(out, {"a": 1}, True) as journal:
        journal.add([Entry("x.wav", "", 1.0, [(0, 0.0, 1.0, 0.5)], [(0, 0.5, True)])])
        with pytest.raises(InputError, match="written by another process"):
            Journal(out, {"a": 1}, True)
    with Journal(out, {"a": 1}, True) as journal:
        (entry,) = journal
        assert entry.file_events().events == [(0, 0.0, 1.0)] and journal.count == 1
    with Journal(out, {"a": 2}, True) as journal:
        assert not list(journal)
    assert not journal_of(out).parent.exists()  # for there was nothing in it
    other = tmp_path / "o.tsv.partial"
    other.mkdir()
    (other / "mine.txt").touch()
    with pytest.raises(InputError, match="o.tsv.partial: is in the way"):
        Journal(tmp_path / "o.tsv", {}, True)


@pytest.mark.parametrize("left", ["journal.jsonl", "call.json.7.tmp"])
def test_a_journal_that_was_killed_at_its_beginning_or_end_is_begun_anew(
    tmp_path, left
):
    out = tmp_path / "e.tsv"
    journal_of(out).parent.mkdir()
    (journal_of(out).parent / left).write_bytes(b"[]\n")
    with Journal(out, {"a": 1}, True) as journal:
        assert not journal.count


def test_what_a_kill_left_half_written_goes_with_the_next_call(
    run, recordings, tmp_path
):
    scores = tmp_path / "scores"
    (scores / "sub").mkdir(parents=True)
    left = [tmp_path / "e.tags.tsv.7.tmp", scores / "sub" / "00.tsv.7.tmp"]
    other = tmp_path / "another.tsv.7.tmp"  # that of another call
    for path in (*left, other):
        path.touch()
    paths = [str(recordings / "00.wav"), f"--out={tmp_path / 'e.tsv'}"]
    assert predict.main([f"--run={run}", *paths, f"--scores={scores}"]) == 0
    assert other.exists() and not any(path.exists() for path in left)


def test_a_table_for_a_stream_is_written_as_files_are_done(
    run, recordings, tmp_path, capsys
):
    assert predict.main(arguments(run, recordings, tmp_path / "e.tsv")) == 3
    capsys.readouterr()
    one = [f"--run={run}", str(recordings), "--out=-", "--precision=float32"]
    with open(tmp_path / "told", "w+") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "tfweak.models.commands.predict", *one],
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        )
        found = list(process.stdout)
        assert process.wait() == 3
        told.seek(0)
        assert "14.wav: " in told.read()
    assert found == (tmp_path / "e.tsv").read_text().splitlines(keepends=True)


def test_a_pipe_gets_the_table_line_by_line(run, recordings, tmp_path):
    out = tmp_path / "out"
    os.mkfifo(out)
    paths = [str(recordings / f"0{i}.wav") for i in range(4)]
    one = [f"--run={run}", *paths, f"--out={out}", "--batch_size=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tfweak.models.commands.predict", *one],
        stdout=subprocess.DEVNULL,
    )
    with open(out) as table:
        header, first = table.readline(), table.readline()
        assert header.startswith("filename\t") and first.startswith("00.wav\t")
        assert "03.wav" in table.read()
    assert process.wait() == 0


def test_audio_from_standard_input_and_from_a_pipe(
    run, recordings, tmp_path, monkeypatch, capsys
):
    path = recordings / "02.wav"
    common = [f"--run={run}", "--out=-", "--format=csv"]
    assert predict.main([*common, str(path)]) == 0
    expected = capsys.readouterr().out
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cp", path, pipe]):
        assert predict.main([*common, str(pipe)]) == 0
    assert capsys.readouterr().out == expected.replace("02.wav", str(pipe))
    stdin = types.SimpleNamespace(buffer=io.BytesIO(path.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert predict.main([*common, "-"]) == 0
    assert capsys.readouterr().out == expected.replace("02.wav", "-")
    assert predict.main([*common, "-"]) == 1  # it is at its end
    assert "-: nothing came from it" in capsys.readouterr().err


def test_scores_are_written_as_sed_scores_eval_reads_them(run, recordings, tmp_path):
    out, scores = tmp_path / "e.tsv", tmp_path / "scores"
    more = [f"--scores={scores}", "--threshold=0.45"]
    assert predict.main(arguments(run, recordings, out, *more)) == 3
    assert len(list(scores.iterdir())) == NUM_FILES - 2
    header, *rows = (scores / "02.tsv").read_text().splitlines()
    assert header.split("\t") == ["onset", "offset", "class0", "class1", "class2"]
    values = np.array([row.split("\t") for row in rows], float)
    assert len(values) == 200  # 32 s are 3,198 frames: 200 segments of 16, rounded up
    onsets, offsets = ([row.split("\t")[i] for row in rows] for i in (0, 1))
    assert onsets[1:] == offsets[:-1] and onsets[:2] == ["0.007500", "0.167500"]
    # the threshold, on the table, gives the events that were written
    active = values[:, 2:] >= 0.45
    starts = (np.diff(active.astype(int), axis=0, prepend=0) == 1).any(axis=0)
    events = [r.split("\t") for r in out.read_text().splitlines() if "02.wav" in r]
    assert {e[3] for e in events} == {f"class{i}" for i in np.flatnonzero(starts)}


def test_only_the_surest_events_are_written(run, recordings, tmp_path):
    found = {}
    for name, more in (("all", []), ("top", ["--top=2"])):
        out = tmp_path / name
        predict.main(arguments(run, recordings, out, "--per_file", *more))
        lines = (out / "02.wav.tsv").read_text().splitlines()[1:]
        found[name] = [line.split("\t") for line in lines]
    assert len(found["all"]) > 2 and len(found["top"]) == 2
    best = sorted(found["all"], key=lambda row: -float(row[4]))[:2]
    assert found["top"] == [row for row in found["all"] if row in best]


def test_ids_of_scores_stay_apart(run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.wav", "a.flac", "b.c.wav"):
        soundfile.write(folder / name, np.zeros(RATE), RATE)
    more = f"--scores={tmp_path / 'scores'}"
    assert predict.main(arguments(run, folder, tmp_path / "e.tsv", more)) == 0
    names = {path.name for path in pathlib.Path(tmp_path / "scores").iterdir()}
    assert names == {"a.wav.tsv", "a.flac.tsv", "b.c.tsv"}


def test_a_full_disk_is_told_of_and_the_call_goes_on(
    run, recordings, tmp_path, monkeypatch, capsys
):
    def full(self, entries):
        raise OSError(errno.ENOSPC, "No space left on device")

    given = arguments(run, recordings, tmp_path / "e.tsv")
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", full)
        assert predict.main(given) == 1
    told = capsys.readouterr().err
    assert f"--out={tmp_path / 'e.tsv'}: cannot be written (No space left" in told
    assert "goes on from here" in told and "Traceback" not in told
    assert predict.main(given) == 3  # two of the files are broken
