"""The quickstart, whole, on a few clips."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

from tfweak.data import records
from tfweak.models.commands import quickstart, tour
from tfweak.models.runs import run_folder


@pytest.mark.slow
def test_quickstart_makes_everything_it_says(tmp_path, capsys):
    out = tmp_path / "quickstart"
    assert quickstart.main([f"--out={out}", "--clips=40", "--epochs=1"]) == 0
    text = capsys.readouterr().out
    for name in tour.SYSTEMS:
        assert f"\n{name}" in text
        folder = out / name.replace(" ", "-")
        assert run_folder.load(folder).network is not None
        assert 0 <= json.loads((folder / "metrics.json").read_text())["mAP"] <= 1
    for name, clips in (("train", 40), ("valid", 5), ("test", 10)):
        assert records.DatasetInfo.read(out / name).num_clips == clips
    pictures = sorted((out / "pictures").glob("*.png"))
    assert len(pictures) == 3 + 2 * tour.PICTURES
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in pictures)
    assert tf.saved_model.load(str(out / "saved_model")).signatures
    assert (out / "example.wav").exists() and (out / "events.tsv").exists()
    assert "The SavedModel hears in" in text and str(out) in text


def test_the_table_where_nothing_happens():
    def row(value):
        figures = {"micro_f1": value, "macro_f1": value}
        both = {"segment_based": figures, "event_based": figures}
        return {"mAP": value, "localisation": both}

    _, header, known, unknown = tour.table({"a": row(0.25), "b": row(None)}).split("\n")
    assert known.split() == ["a", "0.250", "0.250", "0.250", "0.250"]
    assert unknown.split() == ["b", "-", "-", "-", "-"]
    assert len(header) == len(known) == len(unknown)
