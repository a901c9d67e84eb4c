"""The engine: shards, reports, resuming, the manifest; with a dataset made here."""

from __future__ import annotations

import csv
import json
import os
import types

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfweak.data import records
from tfweak.data_prep import datasets, shards, writer
from tfweak.data_prep.dataset import Bad, BadFile, Item, Preparation, Split
from tfweak.data_prep.options import Options
from tfweak.errors import InputError
from tfweak.labels import ClassList, Event
from tfweak.payload import Payload

PAYLOAD = Payload("log_mel", "float16", {"num_mel_bins": 2})


@pytest.fixture
def dataset(monkeypatch):
    """Ten clips whose payload is their number; `trouble` maps a number to an error."""
    fake = types.SimpleNamespace(
        loaded=[], trouble={}, settings={"seed": 3}, seed=3, bad=(), num_items=10
    )

    def plan(options):
        items = tuple(Item(f"clip{i}", [i]) for i in range(fake.num_items))
        return Preparation(
            ClassList(("a", "b")),
            PAYLOAD,
            {"": Split(items, fake.bad)},
            fake.settings,
            shuffle_seed=fake.seed,
        )

    def load(item, context):
        fake.loaded.append(item.name)
        number = item.spec[0]
        if number in fake.trouble:
            raise fake.trouble[number]
        yield records.Clip(
            item.name,
            [number % 2],
            np.full((3, 2), number, np.float16),
            [Event(0, 0.0, 1.0)] if number == 4 else None,
        )

    fake.plan, fake.load = plan, load
    monkeypatch.setattr(datasets.DATASETS, "get", lambda name: lambda: fake)
    return fake


def prepare(out, **kwargs):
    return writer.prepare("toy", out, Options(), workers=1, clips_per_shard=3, **kwargs)


def content(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def clips(folder):
    return [
        records.parse_clip(r.numpy(), PAYLOAD)
        for path in records.shards(folder)
        for r in tf.data.TFRecordDataset(path)
    ]


def manifest(folder):
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as handle:
        return list(csv.reader(handle))


def test_every_clip_once_shuffled_with_its_description(dataset, tmp_path):
    (result,) = prepare(tmp_path)
    found = clips(tmp_path)
    names = [clip.clip_id for clip in found]
    assert sorted(names) == [f"clip{i}" for i in range(10)]
    assert names != sorted(names)
    assert all((clip.payload == int(clip.clip_id[4:])).all() for clip in found)
    # ten clips, about three a shard: four shards of 3, 2, 3, 2 clips
    assert (result.num_clips, result.num_shards) == (10, 4)
    assert sorted(content(tmp_path)) == [
        "dataset_info.json",
        "manifest.csv",
        "toy-00000.tfrecord",
        "toy-00001.tfrecord",
        "toy-00002.tfrecord",
        "toy-00003.tfrecord",
    ]
    info = records.DatasetInfo.read(tmp_path)
    assert (info.num_clips, info.has_strong) == (10, True)
    assert info.classes.names == ("a", "b")
    assert info.source["settings"] == {"seed": 3}
    assert manifest(tmp_path) == [["file", "kind", "reason"]]


def test_bad_files_are_listed_and_the_rest_is_written(dataset, tmp_path):
    dataset.bad = (Bad("ghost.wav", "missing", "no such file"),)
    dataset.trouble = {2: BadFile("empty", "no bytes, really"), 4: InputError("odd")}
    (result,) = prepare(tmp_path)
    assert manifest(tmp_path)[1:] == [
        ["clip2", "empty", "no bytes, really"],
        ["clip4", "unusable", "odd"],
        ["ghost.wav", "missing", "no such file"],
    ]
    assert result.left_out == {"empty": 1, "missing": 1, "unusable": 1}
    assert len(clips(tmp_path)) == records.DatasetInfo.read(tmp_path).num_clips == 8
    assert not records.DatasetInfo.read(tmp_path).has_strong  # clip 4 had the only ones


def test_payloads_that_do_not_fit_are_listed(dataset, tmp_path, monkeypatch):
    good = dataset.load

    def load(item, context):
        for clip in good(item, context):
            if item.spec[0] == 1:
                clip.payload[1, 1] = np.nan
            yield clip

    dataset.load = load
    prepare(tmp_path)
    (row,) = manifest(tmp_path)[1:]
    assert row[0] == "clip1" and "NaN" in row[2]
    assert len(clips(tmp_path)) == 9


def test_a_shard_without_usable_clips_is_not_written(dataset, tmp_path):
    dataset.seed = None  # in order: clips 0 to 2 are the first shard
    dataset.trouble = {i: InputError("bad") for i in range(3)}
    (result,) = prepare(tmp_path)
    assert (result.num_clips, result.num_shards) == (7, 3)
    assert not (tmp_path / "toy-00000.tfrecord").exists()
    assert len(clips(tmp_path)) == 7


def test_nothing_usable_is_an_error_that_names_the_manifest(dataset, tmp_path):
    dataset.trouble = {i: InputError("bad") for i in range(10)}
    for _ in range(2):
        with pytest.raises(InputError, match="manifest.csv"):
            prepare(tmp_path)
    assert len(manifest(tmp_path)) == 11
    assert len(dataset.loaded) == 10  # the second call repeats nothing
    dataset.num_items = 0
    dataset.bad = (Bad("x", "missing", "gone"),)
    with pytest.raises(InputError, match="manifest.csv"):
        prepare(tmp_path / "other")
    assert manifest(tmp_path / "other")[1:] == [["x", "missing", "gone"]]


def test_a_bug_ends_the_run_and_names_the_item(dataset, tmp_path):
    dataset.trouble = {5: ZeroDivisionError("oops")}
    with pytest.raises(RuntimeError, match="clip5.*ZeroDivisionError: oops"):
        prepare(tmp_path)
    assert not (tmp_path / "dataset_info.json").exists()
    with pytest.raises(InputError, match="has not finished"):
        records.DatasetInfo.read(tmp_path)


def test_a_resumed_run_repeats_no_finished_shard_and_gives_the_same_files(
    dataset, tmp_path
):
    prepare(tmp_path / "whole")
    order = list(dataset.loaded)
    dataset.loaded.clear()
    dataset.trouble = {int(order[7][4:]): ZeroDivisionError()}  # within the third shard
    with pytest.raises(RuntimeError):
        prepare(tmp_path / "cut")
    finished = sorted(p.name for p in (tmp_path / "cut").glob("*.tfrecord"))
    # dealt 3, 2, 3, 2 (see above): the eighth clip is the last of the third shard
    assert finished == ["toy-00000.tfrecord", "toy-00001.tfrecord"]
    dataset.loaded.clear()
    dataset.trouble = {}
    (tmp_path / "cut" / "toy-00002.tfrecord.99999.tmp").write_bytes(b"half a shard")
    (tmp_path / "cut" / "_progress" / "00002.json.99999.tmp").write_bytes(b"{")
    prepare(tmp_path / "cut")
    assert dataset.loaded == order[5:]
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


@pytest.mark.parametrize("lost", ["_progress/00001.json", "toy-00001.tfrecord"])
def test_a_shard_without_its_report_or_a_report_without_its_shard_is_made_again(
    dataset, tmp_path, lost
):
    prepare(tmp_path / "whole")
    order = list(dataset.loaded)
    dataset.trouble = {int(order[9][4:]): ZeroDivisionError()}
    with pytest.raises(RuntimeError):
        prepare(tmp_path / "cut")
    (tmp_path / "cut" / lost).unlink()
    dataset.trouble = {}
    dataset.loaded.clear()
    prepare(tmp_path / "cut")
    assert dataset.loaded == [*order[3:5], *order[8:]]
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


@pytest.mark.parametrize("name", ["_progress/00001.json", "toy-00001.tfrecord"])
def test_a_finished_shard_that_was_damaged_is_made_again(dataset, tmp_path, name):
    prepare(tmp_path / "whole")
    dataset.trouble = {int(dataset.loaded[9][4:]): ZeroDivisionError()}
    with pytest.raises(RuntimeError):
        prepare(tmp_path / "cut")
    path = tmp_path / "cut" / name
    path.write_bytes(path.read_bytes()[:-20])
    dataset.trouble = {}
    prepare(tmp_path / "cut")
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


@pytest.mark.parametrize("contents", [b"", b"{", b"\xff", b"[]", b"7"])
def test_a_broken_plan_is_named(dataset, tmp_path, contents):
    dataset.trouble = {0: ZeroDivisionError()}
    with pytest.raises(RuntimeError):
        prepare(tmp_path)
    (tmp_path / "_progress" / "plan.json").write_bytes(contents)
    with pytest.raises(InputError, match="plan.json: broken .*remove .* and prepare"):
        prepare(tmp_path)


def test_complete_data_that_lost_a_shard_is_not_complete(dataset, tmp_path):
    prepare(tmp_path)
    (tmp_path / "toy-00002.tfrecord").unlink()
    with pytest.raises(InputError, match="shard toy-00002.tfrecord is missing"):
        prepare(tmp_path)


def test_other_settings_are_refused_when_resuming_and_when_complete(dataset, tmp_path):
    dataset.trouble = {0: ZeroDivisionError()}
    with pytest.raises(RuntimeError):
        prepare(tmp_path)
    dataset.trouble = {}
    dataset.settings = {"seed": 4}
    with pytest.raises(InputError, match="settings.seed was 3, is 4"):
        prepare(tmp_path)
    dataset.settings = {"seed": 3}
    prepare(tmp_path)
    before = content(tmp_path)
    dataset.num_items = 9
    with pytest.raises(InputError, match="num_items was 10, is 9"):
        prepare(tmp_path)
    with pytest.raises(InputError, match="clips_per_shard was 3, is 4"):
        writer.prepare("toy", tmp_path, Options(), workers=1, clips_per_shard=4)
    assert content(tmp_path) == before


def test_complete_data_is_left_alone(dataset, tmp_path):
    dataset.trouble = {1: InputError("bad")}
    first = prepare(tmp_path)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    (tmp_path / "_progress").mkdir()  # killed just before it was removed
    dataset.loaded.clear()
    (again,) = prepare(tmp_path)
    assert again.already_complete and not first[0].already_complete
    assert (again.num_clips, again.left_out) == (9, {"unusable": 1})
    assert dataset.loaded == []
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == stamps


def test_foreign_shards_are_not_mixed_with_ours(dataset, tmp_path):
    (tmp_path / "zz.tfrecord").write_bytes(b"")
    with pytest.raises(InputError, match="did not write"):
        prepare(tmp_path)


def test_unwritable_out(dataset, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/out: cannot be written"):
        prepare(tmp_path / "file" / "out")


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "No space left on device"),
    ],
)
def test_disk_full(dataset, tmp_path, monkeypatch, error):
    def full(path, examples):
        next(iter(examples))
        raise error

    monkeypatch.setattr(shards.records, "write_shard", full)
    with pytest.raises(InputError, match="No space left on device.*goes on from here"):
        prepare(tmp_path)


def test_clips_of_files_that_hold_many_are_shuffled_in_the_shard(dataset, tmp_path):
    def plan(options):
        items = tuple(Item(f"f{i}", [i], num_clips=4) for i in range(4))
        return Preparation(None, PAYLOAD, {"": Split(items)}, {}, shuffle_seed=1)

    def load(item, context):
        for j in range(4):
            yield records.encode(
                records.Clip(f"{item.name}.{j}", [0], np.zeros((1, 2), np.float16)),
                PAYLOAD,
            )

    dataset.plan, dataset.load = plan, load
    writer.prepare("toy", tmp_path, Options(), workers=1, clips_per_shard=8)
    names = [clip.clip_id for clip in clips(tmp_path)]
    assert sorted(names) == [f"f{i}.{j}" for i in range(4) for j in range(4)]
    assert len({name[:2] for name in names[:8]}) == 2  # two files a shard ...
    assert len({name[:2] for name in names[:4]}) == 2  # ... mixed


def test_splits_are_folders_of_their_own(dataset, tmp_path):
    one = dataset.plan

    def plan(options):
        whole = one(options)
        items = whole.splits[""].items
        return Preparation(
            whole.classes,
            PAYLOAD,
            {
                "x": Split(items[:4]),
                "y": Split(items[4:]),
                "": Split((), (Bad("stray.wav", "label", "nowhere"),)),
            },
            {},
            shuffle_seed=0,
        )

    dataset.plan = plan
    results = prepare(tmp_path)
    assert [r.num_clips for r in results] == [4, 6, 0]
    assert len(clips(tmp_path / "x")) == 4 and len(clips(tmp_path / "y")) == 6
    assert manifest(tmp_path)[1:] == [["stray.wav", "label", "nowhere"]]
    assert records.DatasetInfo.read(tmp_path / "y").name == "toy/y"
    assert all(r.already_complete for r in prepare(tmp_path)[:2])


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=60),
    st.integers(1, 20),
    st.one_of(st.none(), st.integers(0, 5)),
)
def test_dealing_keeps_every_item_and_balances(sizes, per_shard, seed):
    items = tuple(Item(str(i), None, size) for i, size in enumerate(sizes))
    groups = writer._deal(items, seed, per_shard)
    dealt = [item for group in groups for item in group]
    assert sorted(i.name for i in dealt) == sorted(i.name for i in items)
    if seed is None:
        assert dealt == list(items)
    assert all(groups)
    # an item goes where it begins, so a shard holds less than its share and one item
    assert all(sum(i.num_clips for i in g) < per_shard + max(sizes) + 1 for g in groups)


def test_the_plan_file_says_what_is_being_made(dataset, tmp_path):
    dataset.trouble = {0: ZeroDivisionError()}
    with pytest.raises(RuntimeError):
        prepare(tmp_path)
    plan = json.loads((tmp_path / "_progress" / "plan.json").read_text())
    assert (plan["dataset"], plan["num_items"], plan["settings"]) == (
        "toy",
        10,
        {"seed": 3},
    )
    assert not [p for p in tmp_path.rglob("*") if str(os.getpid()) in p.name]


@pytest.mark.parametrize(
    "contents",
    [b"", b"\xff", b"file,kind\n", b"file,kind,reason\na,b\n", b'file,kind,reason\n"'],
)
def test_a_broken_manifest_is_named(dataset, tmp_path, contents):
    prepare(tmp_path)
    (tmp_path / "manifest.csv").write_bytes(contents)
    with pytest.raises(InputError, match="manifest.csv: broken .*prepare again"):
        prepare(tmp_path)


def test_a_report_of_other_files_than_were_left_out_is_made_again(dataset, tmp_path):
    prepare(tmp_path / "whole")
    dataset.trouble = {int(dataset.loaded[9][4:]): ZeroDivisionError()}
    with pytest.raises(RuntimeError):
        prepare(tmp_path / "cut")
    report = tmp_path / "cut" / "_progress" / "00001.json"
    changed = report.read_bytes().replace(b"[]", b'[["a", "audio", "b"]]')
    assert changed != report.read_bytes()
    report.write_bytes(changed)
    dataset.trouble = {}
    prepare(tmp_path / "cut")
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
