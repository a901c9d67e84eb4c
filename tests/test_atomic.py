"""Folders that go whole."""

import shutil

import pytest

from tfweak import atomic


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
