"""Progress in a log: when there is a line, and what it says."""

from __future__ import annotations

import logging

from tfweak import progress


def clock(monkeypatch, *seconds):
    times = iter(seconds)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))


def test_a_log_gets_a_line_now_and_then(caplog, capsys, monkeypatch):
    clock(monkeypatch, 0.0, 10.0, 31.0, 40.0, 62.0)
    with caplog.at_level(logging.INFO, "tfweak"):
        with progress.Progress(12, "clip", done=4) as shown:
            for _ in range(4):
                shown.add(2)
    # 12 in all of which 8 are left; after 31 s 4 of these are done, after 62 s all
    assert caplog.messages == ["clip 8 of 12, 0.1/s", "clip 12 of 12, 0.1/s"]
    assert not capsys.readouterr().err


def test_a_loop_passes_its_items_on(caplog, monkeypatch):
    clock(monkeypatch, 0.0, 1.0, 50.0)
    with caplog.at_level(logging.INFO, "tfweak"):
        assert list(progress.bar("ab", unit="file", title="looking")) == ["a", "b"]
    assert caplog.messages == ["looking: file 2, 0.0/s"]


def test_a_note_says_how_far_one_of_them_is(caplog, monkeypatch):
    clock(monkeypatch, 0.0, 10.0, 31.0)
    with caplog.at_level(logging.INFO, "tfweak"):
        with progress.Progress(2, "clip") as shown:
            shown.note("a.wav 5 min")
            shown.note("a.wav 15 min")
    assert caplog.messages == ["clip 0 of 2, 0.0/s, a.wav 15 min"]
