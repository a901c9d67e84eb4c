"""Files whose names are no text, or forge rows, cost no other file its results."""

from __future__ import annotations

import os

import numpy as np
import pytest
from made import plain_decoding

from tfweak.labels import ClassList, Event
from tfweak.models.architecture import create
from tfweak.models.commands.journal import Journal
from tfweak.models.commands.output import OutputOptions, Writer
from tfweak.models.runs.predictions import Answer, Unusable
from tfweak.models.runs.run import Run
from tfweak.payload import Payload

NAMES = ["plain.wav", "a\tb.wav", "c\nd\r.wav", os.fsdecode(b"\xff\xfe.wav")]


@pytest.fixture(scope="module")
def run():
    architecture = create("embedding_attention", 2, hidden_units=4)
    return Run(
        folder=None,
        architecture=architecture,
        network=None,
        classes=ClassList(("x", "y")),
        payload=Payload("audio_embedding", "uint8", {"embedding_size": 128}),
        decodings={"segment": plain_decoding(2, 0.5, 0.5)},
        config={},
    )


def answer(name):
    probs = np.full((2, 2), 0.75, np.float32)
    events = [Event(0, 0.0, 1.0)]
    sure = np.array([True, True])
    return Answer(name, probs[0], probs, probs, probs, events, [0.75], 1.92, sure)


@pytest.mark.parametrize("form", ["desed", "csv", "raven", "jsonl"])
def test_each_file_has_its_rows_and_bytes(run, tmp_path, form):
    options = OutputOptions(out=str(tmp_path / "out"), format=(form,))
    writer = Writer(options, run, NAMES)
    found = [answer(name) for name in NAMES]
    bad = [Unusable(f"bad {name}", f"why {name}") for name in NAMES]
    with Journal(options.path, {}, resume=True) as journal:
        assert writer.write_tables([found, bad], journal) == 3
    lines = (tmp_path / "out").read_bytes().splitlines()
    assert len(lines) == len(NAMES) + (form != "jsonl")
    # JSON has its own way of writing what is no text
    assert (b"\\udcff\\udcfe.wav" if form == "jsonl" else b"\xff\xfe.wav") in lines[-1]
    tags = (tmp_path / "out.tags.tsv").read_bytes().splitlines()
    assert len(tags) == 1 + 2 * len(NAMES)
    assert {line.count(b"\t") for line in tags} == {3}
    assert tags[-1].startswith(b"\xff\xfe.wav\t")
    listed = (tmp_path / "out.bad.tsv").read_bytes().split(b"\n")[:-1]
    assert len(listed) == 1 + len(NAMES)
    assert {line.count(b"\t") for line in listed} == {1}
