"""Pipes and sockets where a file is expected: named, and never waited for."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket

import numpy as np
import pytest
import soundfile
from made import write_run

from tfweak.data_prep.commands import prepare
from tfweak.errors import InputError
from tfweak.models.architecture import create
from tfweak.models.commands import evaluate, experiment, export, predict, train
from tfweak.payload import Payload
from tfweak.serving import read_assets

MOST_SECONDS = 600


@contextlib.contextmanager
def in_time():
    """Ends what waits for somebody who writes."""

    def late(*_):
        raise TimeoutError("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(MOST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audio")
    rng = np.random.default_rng(0)
    for name in "ab":
        soundfile.write(folder / f"{name}.wav", rng.uniform(-1, 1, 16000), 16000)
    (folder / "tags.csv").write_text("filename,labels\na.wav,dog\nb.wav,cat\n")
    return folder


@pytest.fixture(scope="module")
def audio_run(tmp_path_factory):
    model = create("attention_fcn", 3, width=0.02)
    folder = tmp_path_factory.mktemp("runs") / "run"
    return write_run(folder, model, Payload("log_mel", "float16", {}))


def copied(folder, to, pipe):
    """A copy of a folder in which one file is a pipe that nobody writes to."""
    shutil.copytree(folder, to)
    (to / pipe).unlink(missing_ok=True)
    (to / pipe).parent.mkdir(exist_ok=True)
    os.mkfifo(to / pipe)
    return to


def refused(command, arguments, pipe, capsys):
    with in_time():
        assert command.main(arguments) in (1, 2)
    assert f"{pipe}: is a pipe, a socket or a device" in capsys.readouterr().err


@pytest.mark.parametrize(
    "pipe",
    ["config.json", "classes.csv", "model.keras", "decoding.json", "clips.txt.gz"],
)
def test_in_a_run(audio_run, audio, embeddings, tmp_path, pipe, capsys):
    run = copied(audio_run, tmp_path / "run", pipe)
    out, data = f"--out={tmp_path / 'out'}", f"--data={embeddings}"
    for command, arguments in (
        (predict, [f"--run={run}", str(audio), out]),
        (evaluate, [f"--run={run}", data, out]),
        (evaluate, [f"--run={run}", data, "--tune"]),
        (export, [f"--run={run}", out]),
        (export, [f"--run={run}", out, "--form=run"]),
        (train, [data, f"--out={run}"]),
        (train, [data, out, "--model=attention_fcn", f"--init=run:{run}"]),
    ):
        refused(command, arguments, run / pipe, capsys)


@pytest.mark.parametrize("pipe", ["dataset_info.json", "part-1.tfrecord"])
def test_in_a_data_set(embeddings, tmp_path, pipe, capsys):
    data = copied(embeddings, tmp_path / "data", pipe)
    out = f"--out={tmp_path / 'out'}"
    table = "--table=kim2019_table2"
    for command, arguments in (
        (train, [f"--data={data}", out]),
        (train, [f"--data={embeddings}", f"--valid_data={data}", out]),
        (train, [f"--data={embeddings}", f"--exclude_data={data}", out]),
        (experiment, [table, f"--train_data={data}", f"--test_data={embeddings}", out]),
    ):
        refused(command, arguments, data / pipe, capsys)


def test_in_a_folder_that_is_gone_on_with(audio, embeddings, tmp_path, capsys):
    data = f"--data={embeddings}"
    for command, name, arguments in (
        (prepare, "_progress/plan.json", ["--dataset=folder", f"--source={audio}"]),
        (train, "last/current", [data]),
        (
            experiment,
            "experiment.json",
            [
                "--table=kim2019_table2",
                f"--train_data={embeddings}",
                "--validation_only",
            ],
        ),
    ):
        out = copied(audio, tmp_path / command.__name__, name)
        refused(command, [*arguments, f"--out={out}"], out / name, capsys)


def test_in_the_place_of_a_table_a_list_a_plugin_and_a_trunk(
    audio, embeddings, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("TFWEAK_PLUGINS", "")  # which the last call adds to
    pipe, plugin = tmp_path / "pipe", tmp_path / "plugin.py"
    os.mkfifo(pipe)
    os.mkfifo(plugin)
    trunk = tmp_path / "trunk"
    trunk.mkdir()
    graph = trunk / "saved_model.pb"
    os.mkfifo(graph)
    out = f"--out={tmp_path / 'out'}"
    folder = ["--dataset=folder", f"--source={audio}", out]
    data = f"--data={embeddings}"
    embed = [*folder, "--features=embeddings"]
    for command, arguments, where in (
        (prepare, [*folder, f"--tags={pipe}"], pipe),
        (prepare, [*folder, f"--events={pipe}"], pipe),
        (prepare, [*folder, f"--classes={pipe}"], pipe),
        (prepare, [*embed, f"--vggish=hub:{trunk}"], graph),
        (prepare, [*embed, f"--vggish=checkpoint:{pipe}"], pipe),
        (
            prepare,
            [*embed, f"--extractor=savedmodel:{trunk}"],
            trunk / "saved_model.pb",
        ),
        (train, [data, out, f"--classes={pipe}"], pipe),
        (train, [data, out, f"--plugins={plugin}"], plugin),
    ):
        refused(command, arguments, where, capsys)


def test_as_a_folder(audio, embeddings, tmp_path, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    out = f"--out={tmp_path / 'out'}"
    for command, arguments in (
        (prepare, ["--dataset=folder", f"--source={pipe}", out]),
        (prepare, ["--dataset=folder", f"--source={audio}", f"--out={pipe}"]),
        (train, [f"--data={pipe}", out]),
        (train, [f"--data={embeddings}", f"--out={pipe}"]),
        (predict, [f"--run={pipe}", str(audio), out]),
        (export, [f"--run={pipe}", out]),
    ):
        with in_time():
            assert command.main(arguments) == 1
        assert str(pipe) in capsys.readouterr().err


def test_below_an_audio_folder(audio, audio_run, tmp_path, capsys):
    source, run = copied(audio, tmp_path / "audio", "sub/c.wav"), f"--run={audio_run}"
    with socket.socket(socket.AF_UNIX) as listening:
        before = pathlib.Path.cwd()
        os.chdir(source)  # the names of sockets are short
        listening.bind("d.wav")
        os.chdir(before)
    with (source / "tags.csv").open("a") as tags:
        tags.write("sub/c.wav,dog\nd.wav,cat\n")
    with in_time():
        assert predict.main([run, str(source), f"--out={tmp_path / 'e.tsv'}"]) == 0
    told = capsys.readouterr().out
    for name in ("sub/c.wav", "d.wav"):
        assert f"{source / name}: left out, for it is a pipe or a device" in told
    assert "2 clips" in told
    with in_time():
        arguments = ["--dataset=folder", f"--source={source}", f"--out={tmp_path}/data"]
        assert prepare.main(arguments) == 3
    rows = (tmp_path / "data" / "manifest.csv").read_text().splitlines()[1:]
    assert rows == ["d.wav,missing,not a file", "sub/c.wav,missing,not a file"]


def test_in_a_saved_model(tmp_path):
    (tmp_path / "assets").mkdir()
    os.mkfifo(tmp_path / "assets" / "decoding.json")
    with in_time(), pytest.raises(InputError, match="decoding.json: is a pipe"):
        read_assets(tmp_path)
