"""Label lists joined by clip id with audio and with embedding shards."""

from __future__ import annotations

import collections
import csv
import os

import numpy as np
import pytest
import soundfile as sf
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfweak.data import records
from tfweak.data_prep import datasets, writer
from tfweak.data_prep.commands import prepare
from tfweak.data_prep.inputs import audio_names, label_rows
from tfweak.data_prep.options import Options
from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import ClassList, Event
from tfweak.payload import Payload

CAR, TRAIN = "/m/0k4j", "/m/07jdr"
STRONG_HEADER = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
SEGMENTS_HEADER = "# YTID, start_seconds, end_seconds, positive_labels\n"


def write(path, text):
    path.write_bytes(text.encode())
    return path


def train_list(path, *rows):
    text = "".join(f"{i}\t{n}\t{m}\t{t}\n" for i, (n, m, t) in enumerate(rows))
    return write(path, "\tDCASE17-filename\tlabel_id\ttime\n" + text)


def tone(path, seconds=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, 0.1 * np.sin(np.arange(round(seconds * 16000))), 16000)


def rows_of(clip_id, rows):
    seed = list(clip_id.encode())
    return np.random.default_rng(seed).integers(0, 256, (rows, 128), np.uint8)


def official(clip_id, start=30.0, rows=10, end=None):
    """A record as AudioSet's authors write them: no `has_strong`."""

    def of(**kind):
        return tf.train.Feature(**kind)

    def floats(value):
        return of(float_list=tf.train.FloatList(value=[value]))

    embedding = [
        of(bytes_list=tf.train.BytesList(value=[row.tobytes()]))
        for row in rows_of(clip_id, rows)
    ]
    return tf.train.SequenceExample(
        context=tf.train.Features(
            feature={
                "video_id": of(bytes_list=tf.train.BytesList(value=[clip_id.encode()])),
                "labels": of(int64_list=tf.train.Int64List(value=[522])),
                "start_time_seconds": floats(start),
                "end_time_seconds": floats(start + 10 if end is None else end),
            }
        ),
        feature_lists=tf.train.FeatureLists(
            feature_list={"audio_embedding": tf.train.FeatureList(feature=embedding)}
        ),
    ).SerializeToString()


def shard(path, *examples):
    path.parent.mkdir(parents=True, exist_ok=True)
    records.write_shard(path, examples)
    return path


def join(name, out, **options):
    return writer.prepare(name, out, Options(**options), workers=1)[0]


def clips(folder):
    payload = records.DatasetInfo.read(folder).payload
    found = [
        records.parse_clip(r.numpy(), payload)
        for path in records.shards(folder)
        for r in tf.data.TFRecordDataset(path)
    ]
    assert len({c.clip_id for c in found}) == len(found)
    return {c.clip_id: c for c in found}


def manifest(folder):
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as handle:
        return {r["file"]: (r["kind"], r["reason"]) for r in csv.DictReader(handle)}


def kinds(folder):
    return {file: kind for file, (kind, _) in manifest(folder).items()}


# --- file names ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, expected",
    [
        ("abcdefghijk.wav", ("abcdefghijk", True)),
        ("deep/abcdefghijk_30.000_40.000.ogg", ("abcdefghijk", True)),
        ("abcdefghijk_30_40.flac", ("abcdefghijk", True)),
        ("abcdefghijk_30000.wav", ("abcdefghijk", True)),
        ("Yabcdefghijk.wav", ("abcdefghijk", True)),
        ("Yabcdefghijk_30.000_40.000.wav", ("abcdefghijk", True)),
        ("abcdefghijk_50.000_60.000.wav", ("abcdefghijk", False)),
        ("abcdefghijk_50000.wav", ("abcdefghijk", False)),
        # really begins with Y; with one more
        ("YYbcdefghij.wav", ("YYbcdefghij", True)),
        ("YYYbcdefghij_30.000_40.000.wav", ("YYbcdefghij", True)),
        # all three are listed: the place of the underscore decides
        ("Y-_defghij_.wav", ("Y-_defghij_", True)),
        ("Y-_defghij__30.000_40.000.wav", ("Y-_defghij_", True)),
        ("Y-_defghij__30.000.wav", ("Y-_defghij_", True)),
        ("YY-_defghij_.wav", ("Y-_defghij_", True)),
        ("YY-_defghij__30.000_40.000.wav", ("Y-_defghij_", True)),
        ("YY-_defghij_30.000_40.000.wav", ("YY-_defghij", True)),
        ("YY-_defghij_30000.wav", ("YY-_defghij", True)),
        ("Y_-_defghij.wav", None),
        # times below a second are no milliseconds
        ("zerozerozer_300.000_310.000.wav", ("zerozerozer", False)),
        ("zerozerozer_5_15.wav", ("zerozerozer", False)),
        ("zerozerozer_0.wav", ("zerozerozer", True)),
        ("unlistedunl.wav", None),
        ("abcdefghijkl.wav", None),
        ("abcdefghijk_mono.wav", None),
        ("abcdefghij.wav", None),
    ],
)
def test_file_names(name, expected):
    wanted = dict.fromkeys(
        ["abcdefghijk", "YYbcdefghij", "Y-_defghij_", "YY-_defghij", "Ybcdefghij_"],
        label_rows.Place(30.0, 40.0),
    )
    wanted["zerozerozer"] = label_rows.Place(0.0, 10.0)
    assert audio_names.clip_of(name, wanted) == expected


def test_the_first_of_two_listed_ids_where_the_name_says_so():
    wanted = dict.fromkeys(["Yabcdefghij", "abcdefghijk"], label_rows.Place(30.0, 40.0))
    assert audio_names.clip_of("Yabcdefghij_30000.wav", wanted)[0] == "Yabcdefghij"
    assert audio_names.clip_of("Yabcdefghijk_30000.wav", wanted)[0] == "abcdefghijk"
    assert audio_names.clip_of("Yabcdefghijk.wav", wanted)[0] == "abcdefghijk"
    # only what looks like a prefix of the stem is listed: another clip
    del wanted["abcdefghijk"]
    assert audio_names.clip_of("Yabcdefghijk_30000.wav", wanted) is None


@given(
    st.lists(st.text("Y_0", min_size=11, max_size=11), min_size=1, unique=True),
    st.sampled_from(["{}", "Y{}", "{}_30.000_40.000", "Y{}_30.000_40.000", "{}_30000"]),
)
def test_every_listed_clip_is_found_by_each_form_of_its_name(ids, form):
    wanted = dict.fromkeys(ids, label_rows.Place(30.0, 40.0))
    for clip_id in ids:
        found = audio_names.clip_of(form.format(clip_id) + ".wav", wanted)
        assert found == (clip_id, True)


# --- audio ---------------------------------------------------------------------------


def test_join_with_audio(tmp_path):
    audio = tmp_path / "audio"
    tone(audio / "Y-ab_defghi_30.000_40.000.wav", 2.0)  # begins with Y
    tone(audio / "deep" / "Yclipclipcli_0.000_10.000.flac", 1.5)  # a Y more
    tone(audio / "elsewhere11_70.000_80.000.wav")
    tone(audio / "latelatelat.wav", 1.0)
    tone(audio / "twicetwicet.wav")
    tone(audio / "Ytwicetwicet_0.000_10.000.wav")
    tone(audio / "chosenchose_0.000_10.000.wav")
    tone(audio / "chosenchose_50.000_60.000.wav")
    tone(audio / "unlistedunl.wav")
    (audio / "emptyemptye.wav").write_bytes(b"")
    labels = train_list(
        tmp_path / "train.csv",
        ("Y-ab_defghi_30.000_40.000.wav", CAR, "[[1, 9]]"),
        ("clipclipcli_0.000_10.000.wav", TRAIN, "[[0.5, 1.0], [0.25, 0.75]]"),
        ("clipclipcli_0.000_10.000.wav", CAR, "[[0.0, 0.0]]"),
        ("elsewhere11_20.000_30.000.wav", CAR, "[[0.0, 0.5]]"),
        ("latelatelat_0.000_10.000.wav", CAR, "[[1.0, 2.0]]"),
        ("twicetwicet_0.000_10.000.wav", CAR, "[[0.0, 1.0]]"),
        ("chosenchose_0.000_10.000.wav", CAR, "[[0.0, 1.0]]"),
        ("emptyemptye_0.000_10.000.wav", CAR, "[[0.0, 1.0]]"),
        ("missingmiss_0.000_10.000.wav", CAR, "[[0.0, 1.0]]"),
    )
    options = {"source": audio, "labels": labels, "features": "waveform"}
    result = join("sl_dcase17", tmp_path / "out", **options)
    assert result.num_clips == 4
    found = clips(tmp_path / "out")
    classes = records.DatasetInfo.read(tmp_path / "out").classes
    car, train = classes.index(CAR), classes.index(TRAIN)
    assert {k: (c.labels, c.events) for k, c in found.items()} == {
        "Y-ab_defghi": ((car,), (Event(car, 1.0, 2.0),)),
        "clipclipcli": ((car, train), (Event(train, 0.25, 1.0),)),
        "elsewhere11": ((car,), (Event(car, 0.0, 0.5),)),
        "chosenchose": ((car,), (Event(car, 0.0, 1.0),)),
    }
    first = found["Y-ab_defghi"]
    assert (first.start_seconds, first.end_seconds) == (30.0, 32.0)
    assert first.payload.shape == (32000,)
    assert kinds(tmp_path / "out") == {
        "elsewhere11": "kept other segment",
        "latelatelat.wav": "label",
        "twicetwicet": "duplicate",
        "emptyemptye.wav": "empty",
        "missingmiss": "missing",
    }
    said = manifest(tmp_path / "out")
    assert "Ytwicetwicet_0.000_10.000.wav, twicetwicet.wav" in said["twicetwicet"][1]
    assert "an event begins at 1 s in a clip of 1 s" in said["latelatelat.wav"][1]
    join("sl_dcase17", tmp_path / "strict", **options, other_segment="exclude")
    assert kinds(tmp_path / "strict")["elsewhere11"] == "other segment"
    assert "elsewhere11" not in clips(tmp_path / "strict")


# --- shards --------------------------------------------------------------------------


def strong_list(path, *rows):
    text = "".join(f"{i}_{ms}\t{a}\t{b}\t{m}\n" for i, ms, a, b, m in rows)
    return write(path, STRONG_HEADER + text)


def test_join_with_official_shards(tmp_path):
    source = tmp_path / "src"
    shard(source / "bal_train" / "-_.tfrecord", official("-_-_-_-_-_1"), b"rubbish")
    shard(
        source / "eval" / "aa.tfrecord",
        official("aaaaaaaaaaa"),
        official("unlistedunl"),
        official("shortshorts", rows=3, end=33.0),
        official("unlistednul", rows=0),
        official("norowsnorow", rows=0),
        official("otherplace1", start=110.0),
    )
    shard(source / "eval" / "tt.tfrecord", official("twicetwicet"))
    shard(source / "eval" / "deep" / "tt.tfrecord", official("twicetwicet"))
    cut = shard(source / "eval" / "cu.tfrecord", official("cutcutcutcu"), b"x" * 99)
    cut.write_bytes(cut.read_bytes()[:-7])
    labels = strong_list(
        tmp_path / "strong.tsv",
        ("-_-_-_-_-_1", 30000, "9.0", "10.0", "/m/b"),
        ("-_-_-_-_-_1", 30000, "9.7", "10.0", "/m/c"),  # after the tenth row, 9.6 s
        ("-_-_-_-_-_1", 30000, "0", "1", "/m/unused"),
        ("aaaaaaaaaaa", 30000, "0", "1", "/m/unused"),
        ("shortshorts", 30000, "1", "3.0", "/m/b"),
        ("toolatetool", 30000, "1", "3.0", "/m/b"),
        ("cutcutcutcu", 30000, "1", "3.0", "/m/b"),
        ("norowsnorow", 30000, "1", "3.0", "/m/b"),
        ("otherplace1", 30000, "1", "3.0", "/m/b"),
        ("twicetwicet", 30000, "1", "3.0", "/m/b"),
        ("missingmiss", 30000, "1", "3.0", "/m/b"),
        ("brokenbroke", 30000, "1", "1", "/m/b"),
    )
    # one row, which ends before the event begins; it holds no times
    shard(source / "eval" / "to.tfrecord", official("toolatetool", rows=1, end=30.0))
    classes = write(
        tmp_path / "c.csv", 'index,mid,display_name\n0,/m/b,Bee\n1,/m/c,"C, d"\n'
    )
    options = {"source": source, "labels": labels, "classes": classes}
    result = join("audioset_strong", tmp_path / "out", **options)
    info = records.DatasetInfo.read(tmp_path / "out")
    assert info.payload == RELEASED_EMBEDDINGS and info.has_strong
    assert info.classes == ClassList(("Bee", "C, d"), ("/m/b", "/m/c"))
    found = clips(tmp_path / "out")
    row = np.float32(0.96)

    def times(clip):
        return [(e.label, e.onset_seconds, e.offset_seconds) for e in clip.events]

    assert {k: (c.labels, times(c)) for k, c in found.items()} == {
        "-_-_-_-_-_1": ((0, 1), [(0, 9.0, pytest.approx(10 * row))]),
        "aaaaaaaaaaa": ((), []),
        "shortshorts": ((0,), [(0, 1.0, pytest.approx(3 * row))]),
        "toolatetool": ((0,), []),
        "cutcutcutcu": ((0,), [(0, 1.0, 3.0)]),
        "otherplace1": ((0,), [(0, 1.0, 3.0)]),
    }
    for clip_id, clip in found.items():
        np.testing.assert_array_equal(clip.payload, rows_of(clip_id, len(clip.payload)))
    places = {k: (c.start_seconds, c.end_seconds) for k, c in found.items()}
    assert places.pop("otherplace1") == (110.0, 120.0)  # where its rows are from
    assert places.pop("shortshorts") == (30.0, 33.0)
    assert places.pop("toolatetool") == (30.0, pytest.approx(30.96))
    assert set(places.values()) == {(30.0, 40.0)}
    assert kinds(tmp_path / "out") == {
        "bal_train/-_.tfrecord#2": "record",
        "eval/aa.tfrecord#5": "record",
        "eval/cu.tfrecord": "corrupt",
        "otherplace1": "kept other segment",
        "twicetwicet": "duplicate",
        "missingmiss": "missing",
        "norowsnorow": "missing",
        "brokenbroke": "label",
        "/m/unused": "unused label",
    }
    assert result.num_clips == 6
    said = manifest(tmp_path / "out")
    assert "strong.tsv, line 13" in said["brokenbroke"][1]
    assert "eval/deep/tt.tfrecord#1, eval/tt.tfrecord#1" in said["twicetwicet"][1]
    assert "of 110 to 120 s, the list means 30 s" in said["otherplace1"][1]
    assert "dropped from 2 clips" in said["/m/unused"][1]
    assert str(tmp_path) not in (tmp_path / "out" / "manifest.csv").read_text()
    join("audioset_strong", tmp_path / "strict", **options, other_segment="exclude")
    assert kinds(tmp_path / "strict")["otherplace1"] == "other segment"
    assert set(clips(tmp_path / "strict")) == set(found) - {"otherplace1"}


def segments(path, *ids):
    lines = "".join(f'{i}, 30.000, 40.000, "/m/a,/m/b"\n' for i in ids)
    return write(path, SEGMENTS_HEADER + lines)


def prepared(folder, parameters, *ids, start=30.0, dtype="uint8"):
    """Embeddings as this command writes them."""
    parameters = {**RELEASED_EMBEDDINGS.parameters, **parameters}
    payload = Payload("audio_embedding", dtype, parameters)
    shard(
        folder / "x-00000.tfrecord",
        *(
            records.encode(
                records.Clip(
                    i, [0], rows_of(i, 10).astype(dtype), None, start, start + 10
                ),
                payload,
            )
            for i in ids
        ),
    )
    records.DatasetInfo("x", payload, ClassList(("z",)), len(ids)).write(folder)
    return folder


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_join_with_a_prepared_folder_keeps_its_payload(tmp_path, dtype):
    made = {**RELEASED_EMBEDDINGS.parameters, "extractor": "ours"}
    ab = ("aaaaaaaaaaa", "bbbbbbbbbbb")
    source = prepared(tmp_path / "a", made, *ab, start=0.0, dtype=dtype)
    other = prepared(tmp_path / "b", made, "ccccccccccc", dtype=dtype)
    os.symlink(other, source / "link")
    os.symlink(source, source / "loop")
    ids = ("aaaaaaaaaaa", "ccccccccccc")
    labels = segments(tmp_path / "s.csv", *ids)
    result = join("audioset_segments", tmp_path / "o", source=source, labels=labels)
    assert (result.num_clips, result.left_out) == (2, {})
    info = records.DatasetInfo.read(tmp_path / "o")
    assert (info.payload.parameters, info.payload.dtype) == (made, dtype)
    assert not info.has_strong
    assert info.classes.mids == ("/m/a", "/m/b")
    for clip_id, clip in clips(tmp_path / "o").items():
        assert clip_id in ids and (clip.labels, clip.events) == ((0, 1), None)
        assert (clip.start_seconds, clip.end_seconds) == (30.0, 40.0)
        np.testing.assert_array_equal(clip.payload, rows_of(clip_id, 10))


def test_sources_that_cannot_be_joined(tmp_path):
    labels = segments(tmp_path / "s.csv", "aaaaaaaaaaa")

    def refused(message, source, name="audioset_segments", **options):
        options = {"labels": labels, **options}
        with pytest.raises(InputError, match=message):
            datasets.DATASETS.get(name)().plan(Options(source=source, **options))

    both = tmp_path / "both"
    prepared(both / "a", {"extractor": "ours"}, "aaaaaaaaaaa")
    shard(both / "b" / "aa.tfrecord", official("aaaaaaaaaaa"))
    refused("of different kinds .*ours.* and .*audioset-v1", both)
    refused("features is for audio", both / "a", features="waveform")
    refused("payload_dtype is for audio", both / "b", payload_dtype="uint8")
    refused(
        "inaudible=drop is for strong labels",
        both / "a",
        inaudible="drop",
        name="sl_dcase17",
        labels=write(
            tmp_path / "t.csv",
            "\t# YTID\tstart_seconds\tend_seconds\tpositive_labels\n"
            "0\taaaaaaaaaaa\t0.0\t1.0\t/m/0k4j\n",
        ),
    )
    (both / "a" / "_progress").mkdir()
    (both / "a" / records.INFO_NAME).unlink()
    refused("has not finished", both / "a")
    tone(both / "c.wav")
    refused("holds audio .c.wav. and shards .a/x-00000.tfrecord", both)
    (tmp_path / "bare").mkdir()
    refused("no audio and no shards", tmp_path / "bare")
    refused("no such folder", tmp_path / "none")
    refused("labels is needed", both, labels=None)
    refused("no such file", both, labels=tmp_path / "none.csv")
    wave = Payload("waveform", "int16", {"sample_rate_hz": 16000})
    clip = records.Clip("aaaaaaaaaaa", [0], np.ones(9, np.int16))
    shard(tmp_path / "wave" / "x.tfrecord", records.encode(clip, wave))
    records.DatasetInfo("x", wave, None, 1).write(tmp_path / "wave")
    refused("holds waveform", tmp_path / "wave")


def test_a_shard_that_changes_meanwhile_is_listed(tmp_path):
    path = shard(tmp_path / "src" / "aa.tfrecord", official("aaaaaaaaaaa"))
    labels = segments(tmp_path / "s.csv", "aaaaaaaaaaa")
    module = datasets.DATASETS.get("audioset_segments")()
    plan = module.plan(Options(source=tmp_path / "src", labels=labels))
    (item,) = plan.splits[""].items
    for examples in ([], [official("bbbbbbbbbbb")]):
        shard(path, *examples)
        with pytest.raises(InputError, match="changed while"):
            list(module.load(item, plan.context))


# --- the command ---------------------------------------------------------------------


def test_the_command(tmp_path, capsys):
    names = [f"{c}_30.000_40.000.wav" for c in ("aaaaaaaaaaa", "bbbbbbbbbbb")]
    labels = write(
        tmp_path / "g.csv", f"{names[0]}\t0\t0\tBus\n{names[1]}\t1\t2\tCar\n"
    )
    shard(
        tmp_path / "src" / "a.tfrecord", *map(official, ("aaaaaaaaaaa", "bbbbbbbbbbb"))
    )

    def run(out, *more):
        argv = ["dataset=dcase2017_task4", f"labels={labels}", "label_kind=strong"]
        argv += [f"source={tmp_path / 'src'}", f"out={tmp_path / out}", "workers=1"]
        return prepare.main([f"--{a}" for a in [*argv, *more]])

    assert run("all") == 0
    assert len(records.DatasetInfo.read(tmp_path / "all").classes) == 17
    capsys.readouterr()
    assert run("some", "inaudible=exclude") == 3
    assert "  LEFT OUT 1 (1 inaudible): " in capsys.readouterr().out
    # a smaller vocabulary is a choice: noted, and no failure
    classes = write(tmp_path / "c.csv", "index,mid,display_name\n0,/m/0k4j,Car\n")
    assert run("cars", f"classes={classes}") == 0
    assert "  NOTE 1 (1 unused label): " in capsys.readouterr().out
    assert {k: c.labels for k, c in clips(tmp_path / "cars").items()} == {
        "aaaaaaaaaaa": (),
        "bbbbbbbbbbb": (0,),
    }
    assert run("cars") == 1  # the folder holds other data
    assert run("all", "inaudible=sometimes") == 2


# --- the real data -------------------------------------------------------------------


def test_real_join_of_sl_dcase17_with_the_released_embeddings(shared_data, tmp_path):
    source = shared_data / "audioset"
    labels = shared_data / "sl_dcase17" / "train_strong_labels.csv"
    out = tmp_path / "out"
    plan = datasets.DATASETS.get("sl_dcase17")().plan(
        Options(source=source, labels=labels)
    )
    of = collections.Counter()
    for item in plan.splits[""].items:
        of[item.name.partition("/")[0]] += item.num_clips
    assert of == {"bal_train": 106, "eval": 448}
    result = join("sl_dcase17", out, source=source, labels=labels)
    assert result.num_clips == 106 + 448
    counts = collections.Counter(kind for kind, _ in manifest(out).values())
    assert counts == {"missing": 1037, "kept other segment": 45}
    found = clips(out)
    assert all(len(clip_id) == 11 for clip_id in found)
    original = {}
    for path in sorted(source.rglob("*.tfrecord")):
        # the shard of a clip is named by its id's first two characters
        if any(clip_id.startswith(path.stem) for clip_id in found):
            for record in tf.data.TFRecordDataset(str(path)):
                clip = records.parse_clip(record.numpy(), RELEASED_EMBEDDINGS)
                if clip.clip_id in found:
                    original[clip.clip_id] = clip
            if len(original) >= 60:
                break
    assert len(original) >= 60
    for clip_id, clip in original.items():
        np.testing.assert_array_equal(found[clip_id].payload, clip.payload)
    info = records.DatasetInfo.read(out)
    (example,) = (c for k, c in found.items() if k == "G958vjLYBcI")
    # a record of 0 to 10 s, listed as 110 to 120 s
    assert (example.start_seconds, example.end_seconds) == (0.0, 10.0)
    assert example.labels == (info.classes.index(TRAIN),)
    for clip in found.values():
        end = len(clip.payload) * np.float32(0.96)
        assert all(e.offset_seconds <= end + 1e-6 for e in clip.events)
        assert {e.label for e in clip.events} <= set(clip.labels)
