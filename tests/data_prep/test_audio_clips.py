"""What becomes of audio that is too long, cut short or damaged."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile as sf

from tfweak.data_prep import writer
from tfweak.data_prep.options import Options
from tfweak.errors import InputError


def prepare(out, **options):
    (result,) = writer.prepare("folder", out, Options(**options), workers=1)
    return result


def manifest(folder):
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as handle:
        return [tuple(row) for row in csv.reader(handle)][1:]


@pytest.fixture
def source(tmp_path):
    """One second of noise, and half of two."""
    folder = tmp_path / "source"
    folder.mkdir()
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 32000)
    sf.write(folder / "whole.w64", samples[:16000], 16000)
    sf.write(folder / "cut.w64", samples, 16000)
    contents = (folder / "cut.w64").read_bytes()
    (folder / "cut.w64").write_bytes(contents[: len(contents) // 2])
    (folder / "tags.csv").write_text("filename,labels\nwhole.w64,a\ncut.w64,a\n")
    return folder


def test_damaged_audio_is_kept_where_that_is_asked_for(tmp_path, source):
    result = prepare(tmp_path / "out", source=source)
    assert result.num_clips == 1 and result.left_out == {"audio": 1}
    assert not result.is_whole
    with pytest.raises(InputError, match="keep_damaged was None, is True"):
        prepare(tmp_path / "out", source=source, keep_damaged=True)
    result = prepare(tmp_path / "all", source=source, keep_damaged=True)
    assert result.num_clips == 2 and result.left_out == {"damaged": 1}
    assert result.is_whole
    ((name, kind, reason),) = manifest(tmp_path / "all")
    assert (name, kind) == ("cut.w64", "damaged") and "cut short" in reason


def test_what_is_too_long_is_left_out(tmp_path, source):
    sf.write(source / "cut.w64", np.full(16000 * 3, 0.1), 16000)
    result = prepare(tmp_path / "out", source=source, max_clip_seconds=2)
    assert result.num_clips == 1
    ((name, _, reason),) = manifest(tmp_path / "out")
    assert name == "cut.w64" and "raise max_clip_seconds" in reason
    assert prepare(tmp_path / "all", source=source).num_clips == 2
