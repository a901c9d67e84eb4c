"""A dataset of one's own: one file, registered from outside or put into the package."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import tfweak
from tfweak.data import records

FILE = """
import os

import numpy as np

import tfweak
from tfweak.data.records import Clip
from tfweak.data_prep.dataset import Item, Preparation, Split
from tfweak.payload import Payload


{decorator}
class Mine(tfweak.Dataset):
    name = "mine"
    help = "clips that hold their number"
    options = frozenset({{"num_clips"}})

    def plan(self, options):
        items = tuple(Item(f"clip{{i}}", [i]) for i in range(options.num_clips))
        payload = Payload("waveform", "int16", {{"sample_rate_hz": 16000}})
        parent = os.getpid()
        return Preparation(
            tfweak.ClassList(("a", "b")), payload, {{"": Split(items)}}, {{}}, parent
        )

    def load(self, item, context):
        assert os.getpid() != context  # in a worker
        yield Clip(item.name, [item.spec[0] % 2], np.full(16, item.spec[0], np.int16))
"""


def prepare(out, *arguments, **environment):
    return subprocess.run(
        [
            sys.executable,
            "-P" if sys.version_info >= (3, 11) else "-B",
            "-m",
            "tfweak.data_prep.commands.prepare",
            "--dataset=mine",
            f"--out={out}",
            *arguments,
        ],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture(params=["registered", "in the package"])
def environment(request, tmp_path):
    """What a process needs to know the dataset."""
    if request.param == "registered":
        path = tmp_path / "anything.py"
        path.write_text(FILE.format(decorator="@tfweak.register"))
        return {"TFWEAK_PLUGINS": str(path)}
    installed = pathlib.Path(tfweak.__file__).parent
    shutil.copytree(installed, tmp_path / "copy" / "tfweak")
    path = tmp_path / "copy" / "tfweak" / "data_prep" / "datasets" / "mine.py"
    path.write_text(FILE.format(decorator=""))
    return {"PYTHONPATH": str(tmp_path / "copy")}


def test_a_dataset_of_ones_own(environment, tmp_path):
    out = tmp_path / "out"
    arguments = ["--num_clips=5", "--clips_per_shard=2", "--workers=2"]
    done = prepare(out, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    assert f"{out}: 5 clips, 3 shards" in done.stdout
    info = records.DatasetInfo.read(out)
    found = [
        records.parse_clip(r.numpy(), info.payload)
        for path in records.shards(out)
        for r in tf.data.TFRecordDataset(path)
    ]
    assert sorted(clip.clip_id for clip in found) == [f"clip{i}" for i in range(5)]
    for clip in found:
        number = int(clip.clip_id[4:])
        assert clip.labels == (number % 2,)
        np.testing.assert_array_equal(clip.payload, np.full(16, number))
    done = prepare(out, "--seed=1", **environment)
    assert done.returncode == 1
    assert "--seed does not apply to --dataset=mine, which takes num_c" in done.stderr
    text = prepare(out, "--help", **environment).stdout
    assert "\n  mine                 clips that hold their number\n" in text


def test_a_plugin_that_cannot_be_used_is_named(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("import nothing_of_that_name\n")
    done = prepare(tmp_path / "out", TFWEAK_PLUGINS=str(path))
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    assert "broken.py: cannot be imported" in done.stderr
