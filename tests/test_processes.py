"""Folders: locks on them, from other processes too, and how they go."""

from __future__ import annotations

import errno
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest
from made import make_embeddings

from tfweak import processes
from tfweak.data_prep.commands import prepare
from tfweak.errors import InputError
from tfweak.files import atomic
from tfweak.models.commands import experiment, train

HOLD = """
import sys
from tfweak import processes
with processes.alone_in(sys.argv[1]):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process in the folder `taken`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "taken")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == b"in\n"
        yield process
        process.kill()


def test_one_process_at_a_time_also_after_a_kill(holder, tmp_path):
    taken = tmp_path / "taken"
    with pytest.raises(InputError, match="taken: another process is writing there"):
        with processes.alone_in(taken):
            pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with processes.alone_in(taken), processes.alone_in(tmp_path / "other"):
        pass
    with processes.alone_in(taken):
        assert not list(taken.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: cannot be written"):
        with processes.alone_in(tmp_path / "file"):
            pass


def test_a_full_disk_says_where(tmp_path):
    with pytest.raises(OSError, match=f"No space.*{tmp_path.name}/full"):
        with processes.alone_in(tmp_path / "full"):
            raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="in/there"):
        with processes.alone_in(tmp_path / "full"):
            raise OSError(errno.ENOSPC, "No space left on device", "in/there")


def test_commands_refuse_a_folder_in_use(holder, tmp_path, capsys):
    data = make_embeddings(tmp_path / "data", 20, seed=1)
    out = f"--out={tmp_path / 'taken'}"
    table = ["--table=kim2019_table2", f"--train_data={data}", "--validation_only"]
    for command, arguments in (
        (prepare, ["--dataset=soundscapes", "--num_clips=2"]),
        (train, [f"--data={data}", "--epochs=1"]),
        (experiment, [*table, "--rows=average"]),
    ):
        assert command.main([*arguments, out]) == 1
        assert "taken: another process is writing there" in capsys.readouterr().err
        assert not list((tmp_path / "taken").iterdir())


def test_a_folder_that_a_kill_leaves_has_not_its_name(tmp_path, monkeypatch):
    folder = tmp_path / "last"
    (folder / "epoch-1").mkdir(parents=True)
    (folder / "current").write_text("epoch-1")

    def stop(path):
        shutil_rmtree(path / "epoch-1")
        raise KeyboardInterrupt

    shutil_rmtree = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", stop)
    with pytest.raises(KeyboardInterrupt):
        atomic.remove_folder(folder)
    monkeypatch.undo()
    assert not folder.exists()
    (left,) = tmp_path.iterdir()
    atomic.remove_leftovers(tmp_path)
    assert not left.exists()
    atomic.remove_folder(folder)  # not there: nothing to do


def test_a_folder_is_replaced_as_a_whole_or_not(tmp_path, monkeypatch):
    folder = tmp_path / "export"
    for name in ("a", "b"):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("old")

    def stop(path, ignore_errors=False):
        if pathlib.Path(path).exists():
            sorted(pathlib.Path(path).iterdir())[0].unlink()
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", stop)
    with pytest.raises(KeyboardInterrupt):
        with atomic.replaced_folder(folder) as temporary:
            for name in ("a", "c"):
                (temporary / name).write_text("new")
    monkeypatch.undo()
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {"a": "new", "c": "new"}
    with atomic.replaced_folder(folder) as temporary:
        (temporary / "d").write_text("newer")
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    assert [path.name for path in folder.iterdir()] == ["d"]


def test_what_is_left_of_one_file_goes_and_of_others_stays(tmp_path):
    for name in ("a[1].json.7.tmp", "b.json.7.tmp", "a[1].json", "a[1].json.tmp"):
        (tmp_path / name).touch()
    atomic.remove_leftovers_of(tmp_path / "a[1].json")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"b.json.7.tmp", "a[1].json", "a[1].json.tmp"}


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "metrics.json"
    with pytest.raises(OSError) as caught, atomic.replaced(path) as temporary:
        temporary.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(path) in str(caught.value) and not list(tmp_path.iterdir())
