"""Each dataset from files made here, and from the real ones where they are."""

from __future__ import annotations

import collections
import csv
import math
import os
import pathlib

import numpy as np
import pytest
import soundfile as sf
import tensorflow as tf
from conftest import SHARED
from hypothesis import assume, given
from hypothesis import strategies as st

from tfweak.audio import mel_spectrum
from tfweak.data import records
from tfweak.data_prep import datasets, writer
from tfweak.data_prep.dataset import Dataset
from tfweak.data_prep.inputs import label_tables
from tfweak.data_prep.options import Options
from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import Event

needs = {
    name: pytest.mark.skipif(
        not (SHARED / "data" / name).is_dir(),
        reason=f"no shared/data/{name} beside the project",
    )
    for name in ("audioset", "esc10")
}


def prepare(name, out, **options):
    per_shard = options.pop("clips_per_shard", None)
    return writer.prepare(
        name, out, Options(**options), workers=1, clips_per_shard=per_shard
    )


def raw(folder):
    return [
        r.numpy()
        for path in sorted(pathlib.Path(folder).glob("*.tfrecord"))
        for r in tf.data.TFRecordDataset(str(path))
    ]


def clips(folder):
    payload = records.DatasetInfo.read(folder).payload
    return {c.clip_id: c for c in (records.parse_clip(r, payload) for r in raw(folder))}


def manifest(folder):
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as handle:
        return {
            row["file"]: (row["kind"], row["reason"]) for row in csv.DictReader(handle)
        }


def tone(path, seconds=1.0, rate=16000, channels=1, hertz=1000.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    sf.write(
        path,
        np.repeat(wave[:, None], channels, axis=1),
        rate,
        subtype="FLOAT" if path.suffix == ".wav" else None,
    )


def write(path, text):
    path.write_bytes(text.encode())
    return path


# --- folder --------------------------------------------------------------------------


def test_folder_weak_and_strong(tmp_path):
    audio = tmp_path / "audio"
    tone(audio / "a.wav", 2.0)
    tone(audio / "deep" / "b.flac", 1.0, rate=44100, channels=2)
    tone(audio / "quiet.wav", 1.0)
    tone(audio / "late.wav", 1.5)
    tags = write(
        tmp_path / "tags.csv",
        '\ufefffilename,labels\r\na.wav,"Dog, Cat"\r\nb.flac,Cat\r\n',
    )
    # an event past the end (1.5 s), a double line, labels with commas and parentheses
    events = write(
        tmp_path / "events.tsv",
        "filename\tonset\toffset\tevent_label\n"
        "a.wav\t0.25\t1\tSiren (civil, old)\n"
        "a.wav\t0.25\t1.0\tSiren (civil, old)\n"
        "a.wav\t0.5\t0.75\tDog\n"
        "late.wav\t1\t9.5\tDog\n"
        "quiet.wav\t\t\t\n",
    )
    (result,) = prepare(
        "folder", tmp_path / "out", source=audio, tags=tags, events=events
    )
    assert (result.num_clips, result.left_out) == (4, {})
    info = records.DatasetInfo.read(tmp_path / "out")
    assert info.classes.names == ("Cat", "Dog", "Siren (civil, old)")
    assert info.has_strong and info.payload.dtype == "float16"
    found = clips(tmp_path / "out")
    assert {name: (clip.labels, clip.events) for name, clip in found.items()} == {
        "a.wav": ((0, 1, 2), (Event(2, 0.25, 1.0), Event(1, 0.5, 0.75))),
        "deep/b.flac": ((0,), None),
        "late.wav": ((1,), (Event(1, 1.0, 1.5),)),
        "quiet.wav": ((), ()),
    }
    # 1 + (32000 - 400) // 160 frames of 2 s at 16 kHz
    assert found["a.wav"].payload.shape == (198, 64)
    assert [c.end_seconds for c in found.values() if c.clip_id == "a.wav"] == [2.0]
    samples, _ = sf.read(audio / "a.wav", dtype="float32")
    np.testing.assert_array_equal(
        found["a.wav"].payload, mel_spectrum.log_mel(samples).astype(np.float16)
    )


def test_folder_lists_everything_unusable(tmp_path):
    audio = tmp_path / "audio"
    for name in (
        "good.wav",
        "1/same.wav",
        "2/same.wav",
        "label.wav",
        "order.wav",
        "after.wav",
        "number.wav",
        "stray.wav",
        "half.wav",
    ):
        tone(audio / name)
    (audio / "empty.wav").write_bytes(b"")
    (audio / "text.ogg").write_text("this is not audio")
    (audio / "notes.txt").write_text("nor is this")
    sf.write(audio / "zero.wav", np.zeros(0), 16000)
    sf.write(audio / "nan.wav", np.array([0.0, math.nan]), 16000, subtype="FLOAT")
    classes = write(
        tmp_path / "classes.csv",
        'index,mid,display_name\n0,/m/dog,"Dog, big"\n1,/m/cat,Cat\n',
    )
    tags = write(
        tmp_path / "tags.csv",
        "filename,labels\n"
        + "".join(
            f"{name},/m/dog\n"
            for name in (
                "good.wav",
                "same.wav",
                "empty.wav",
                "text.ogg",
                "notes.txt",
                "zero.wav",
                "nan.wav",
                "ghost.wav",
                "../tags.csv",
                "half.wav",
            )
        )
        + "good.wav,Dog, big,Cat\nlabel.wav,Cow\n",
    )
    events = write(
        tmp_path / "events.csv",
        "filename,onset,offset,event_label\n"
        "order.wav,0.5,0.25,Cat\nafter.wav,1.0,2.0,Cat\n"
        "number.wav,one,2,Cat\nhalf.wav,0.1,0.2,\n",
    )
    (result,) = prepare(
        "folder",
        tmp_path / "out",
        source=audio,
        tags=tags,
        events=events,
        classes=classes,
    )
    (good,) = clips(tmp_path / "out").values()
    assert (good.clip_id, good.labels, good.events) == ("good.wav", (0, 1), None)
    found = manifest(tmp_path / "out")
    assert {name: kind for name, (kind, _) in found.items()} == {
        "good.wav": "several rows",
        "1/same.wav": "not listed",
        "2/same.wav": "not listed",
        "same.wav": "missing",
        "label.wav": "label",
        "order.wav": "label",
        "after.wav": "label",
        "number.wav": "label",
        "half.wav": "label",
        "stray.wav": "not listed",
        "empty.wav": "empty",
        "text.ogg": "audio",
        "notes.txt": "audio",
        "zero.wav": "audio",
        "nan.wav": "audio",
        "ghost.wav": "missing",
        "../tags.csv": "missing",
    }
    for name, part in (
        ("label.wav", "'Cow'"),
        ("order.wav", "events.csv, line 2"),
        ("after.wav", "in a clip of 1 s"),
        ("number.wav", "'one'"),
        ("half.wav", "without a label"),
        ("nan.wav", "NaN"),
        ("zero.wav", "no samples"),
        ("same.wav", "2 files"),
        ("ghost.wav", "tags.csv, line 9"),
    ):
        assert part in found[name][1], name
    assert str(tmp_path) not in (tmp_path / "out" / "manifest.csv").read_text()


def test_folder_payloads(tmp_path):
    audio = tmp_path / "audio"
    tone(audio / "a.wav", 0.01)  # 160 samples, less than a window of 400
    tags = write(tmp_path / "t.csv", "filename,labels\na.wav,x\n")
    prepare("folder", tmp_path / "wave", source=audio, tags=tags, features="waveform")
    (clip,) = clips(tmp_path / "wave").values()
    samples, _ = sf.read(audio / "a.wav")
    expected = np.zeros(400)
    expected[:160] = np.rint(samples * 32768)
    np.testing.assert_array_equal(clip.payload, expected)
    assert records.DatasetInfo.read(tmp_path / "wave").payload.parameters == {
        "sample_rate_hz": 16000
    }
    assert clip.end_seconds == np.float32(0.01)
    prepare(
        "folder", tmp_path / "bytes", source=audio, tags=tags, payload_dtype="uint8"
    )
    (clip,) = clips(tmp_path / "bytes").values()
    assert clip.payload.dtype == np.uint8 and clip.payload.shape == (1, 64)
    padded = np.zeros(400, np.float32)
    padded[:160] = samples
    step, low = mel_spectrum.quantiser_affine()
    assert np.abs(clip.payload * step + low - mel_spectrum.log_mel(padded)).max() < step


@pytest.mark.parametrize(
    "text, message",
    [
        ("a.wav,Dog\n", "expected a header with filename"),
        ("", "found nothing"),
        ("filename,onset\nx,1\n", "expected a header"),
        ("filename,labels\n", "no label"),
        ("filename,labels\na.wav,\n", "no label"),
        (b"filename,labels\n\xff\xfe", "cannot be read"),
    ],
)
def test_folder_refuses_useless_tables(tmp_path, text, message):
    tone(tmp_path / "audio" / "a.wav")
    table = tmp_path / "t.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        prepare("folder", tmp_path / "out", source=tmp_path / "audio", tags=table)
    assert not (tmp_path / "out").exists()


def test_folder_needs_a_source_and_a_table(tmp_path):
    with pytest.raises(InputError, match="source is needed"):
        prepare("folder", tmp_path / "out")
    with pytest.raises(InputError, match="no such folder"):
        prepare("folder", tmp_path / "out", source=tmp_path / "none")
    with pytest.raises(InputError, match="tags"):
        prepare("folder", tmp_path / "out", source=tmp_path)


names = (
    st.text("abc ,()'", min_size=1, max_size=8)
    .map(lambda s: ",".join(" ".join(p.split()) for p in s.split(",")))
    .filter(lambda s: all(p.strip() for p in s.split(",")) and s == s.strip())
)


@given(st.lists(names, min_size=1, max_size=5, unique=True))
def test_known_labels_with_commas_survive_a_comma_list(labels):
    # one label that is the start of another makes the list ambiguous; take none such
    pieces = [label.split(",") for label in labels]
    flat = [p.strip() for piece in pieces for p in piece]
    assume(len(set(flat)) == len(flat))
    assert label_tables.split_labels(", ".join(labels), set(labels)) == labels


@given(
    st.lists(
        st.tuples(
            st.text("abcdef._- ", min_size=1).filter(lambda s: s.strip() == s),
            st.text("ABC(), '", max_size=9).map(str.strip),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["\t", ",", ";"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_tables_are_read_as_the_csv_module_writes_them(
    tmp_path_factory, rows, delimiter, newline, bom
):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    encoding = "utf-8-sig" if bom else "utf-8"
    with open(path, "w", newline="", encoding=encoding) as handle:
        out = csv.writer(handle, delimiter=delimiter, lineterminator=newline)
        out.writerow(["filename", "labels"])
        out.writerows(rows)
    assert [(r.filename, r.label) for r in label_tables.read_table(path)] == rows


# --- esc -----------------------------------------------------------------------------


def esc_tree(root, folds=(1, 2)):
    for number, name, hertz in ((1, "Dog bark", 300), (7, "Sea waves", 900)):
        for fold in folds:
            for take in "AB":
                tone(
                    root / f"{number:03d} - {name}" / f"{fold}-1{number}-{take}.wav",
                    0.5,
                    hertz=hertz,
                )
    return root


def test_esc_keeps_the_folds(tmp_path):
    source = esc_tree(tmp_path / "esc")
    (source / "001 - Dog bark" / "2-9-C.wav").write_bytes(b"")
    (source / "001 - Dog bark" / "2-8-C.ogg").write_text("text")
    os.symlink("gone.wav", source / "001 - Dog bark" / "1-7-C.wav")
    tone(source / "001 - Dog bark" / "unfolded.wav")
    tone(source / "Cat" / "1-1-A.wav")
    results = prepare("esc", tmp_path / "out", source=source)
    assert [(r.folder.name, r.num_clips, r.left_out) for r in results] == [
        ("fold1", 4, {"missing": 1}),
        ("fold2", 4, {"audio": 1, "empty": 1}),
        ("out", 0, {"label": 2}),
    ]
    assert set(manifest(tmp_path / "out")) == {
        "001 - Dog bark/unfolded.wav",
        "Cat/1-1-A.wav",
    }
    for fold in (1, 2):
        info = records.DatasetInfo.read(tmp_path / "out" / f"fold{fold}")
        assert info.classes.names == ("Dog bark", "Sea waves")
        assert not info.has_strong
        found = clips(tmp_path / "out" / f"fold{fold}")
        assert {name: (c.labels, c.events) for name, c in found.items()} == {
            f"001 - Dog bark/{fold}-11-A.wav": ((0,), None),
            f"001 - Dog bark/{fold}-11-B.wav": ((0,), None),
            f"007 - Sea waves/{fold}-17-A.wav": ((1,), None),
            f"007 - Sea waves/{fold}-17-B.wav": ((1,), None),
        }


def test_esc_folds_can_be_chosen_and_added(tmp_path):
    source = esc_tree(tmp_path / "esc", folds=(1, 2, 3))
    prepare("esc", tmp_path / "out", source=source, folds=(2,))
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["fold2"]
    results = prepare("esc", tmp_path / "out", source=source)
    assert [r.already_complete for r in results] == [False, True, False]
    with pytest.raises(InputError, match="no fold 9 .* it has 1, 2, 3"):
        prepare("esc", tmp_path / "no", source=source, folds=(1, 9))
    with pytest.raises(InputError, match="NNN - Class name"):
        prepare("esc", tmp_path / "no", source=tmp_path / "out")


@needs["esc10"]
def test_real_esc10_fold(tmp_path):
    (result,) = prepare(
        "esc",
        tmp_path,
        source=SHARED / "data" / "esc10",
        folds=(4,),
        clips_per_shard=32,
    )
    assert (result.num_clips, result.num_shards, result.left_out) == (80, 3, {})
    found = clips(tmp_path / "fold4")
    assert collections.Counter(c.labels for c in found.values()) == {
        (i,): 8 for i in range(10)
    }
    assert {c.payload.shape[1] for c in found.values()} == {64}


# --- soundscapes ---------------------------------------------------------------------


def test_soundscapes_from_the_generator(tmp_path):
    prepare(
        "soundscapes",
        tmp_path / "a",
        num_clips=6,
        clip_seconds=3.0,
        seed=5,
        clips_per_shard=2,
    )
    prepare(
        "soundscapes",
        tmp_path / "b",
        num_clips=6,
        clip_seconds=3.0,
        seed=5,
        clips_per_shard=6,
        weak_only_fraction=1.0,
    )
    prepare("soundscapes", tmp_path / "c", num_clips=6, clip_seconds=3.0, seed=6)
    a, b, c = (list(clips(tmp_path / x).values()) for x in "abc")
    info = records.DatasetInfo.read(tmp_path / "a")
    assert len(info.classes) >= 10 and info.has_strong
    assert not records.DatasetInfo.read(tmp_path / "b").has_strong
    assert len(list((tmp_path / "a").glob("*.tfrecord"))) == 3
    assert any(clip.events for clip in a)
    for one, two in zip(a, b):  # the same scenes, with and without strong labels
        assert one.clip_id == two.clip_id
        np.testing.assert_array_equal(one.payload, two.payload)
        assert one.payload.shape == (298, 64)
        assert two.events is None and one.labels == two.labels
        assert sorted({e.label for e in one.events}) == list(one.labels)
        assert all(0 <= e.onset_seconds < e.offset_seconds <= 3.0 for e in one.events)
    assert {x.clip_id for x in a}.isdisjoint(x.clip_id for x in c)
    assert any((x.payload != y.payload).any() for x, y in zip(a, c))


def test_soundscapes_weak_only_fraction(tmp_path):
    prepare(
        "soundscapes",
        tmp_path,
        num_clips=60,
        clip_seconds=1.0,
        weak_only_fraction=0.5,
        features="waveform",
    )
    withheld = sum(c.events is None for c in clips(tmp_path).values())
    assert 15 <= withheld <= 45  # binomial(60, 1/2): 4 standard deviations are 15.5


def test_soundscapes_events_are_where_the_labels_say(tmp_path):
    for name, hertz in (("high", 4000.0), ("low", 400.0)):
        tone(tmp_path / "src" / name / "1.wav", 0.4, hertz=hertz)
        tone(tmp_path / "src" / name / "deep" / "2.flac", 0.6, hertz=hertz)
    tone(tmp_path / "src" / "loose.wav")
    sf.write(tmp_path / "src" / "low" / "silent.wav", np.zeros(8000), 16000)
    (result,) = prepare(
        "soundscapes",
        tmp_path / "out",
        source=tmp_path / "src",
        num_clips=20,
        clip_seconds=4.0,
        features="waveform",
    )
    assert records.DatasetInfo.read(tmp_path / "out").classes.names == ("high", "low")
    assert manifest(tmp_path / "out") == {
        "loose.wav": ("label", "not in a folder named by its class"),
        "low/silent.wav": ("audio", "the clip is silent"),
    }
    levels = {True: [], False: []}
    for clip in clips(tmp_path / "out").values():
        wave = clip.payload / 32768
        times = np.arange(len(wave)) / 16000
        for label, hertz in ((0, 4000.0), (1, 400.0)):
            # amplitude at the tone's own frequency, every 0.1 s
            turned = wave * np.exp(-2j * np.pi * hertz * times)
            amplitude = np.abs(turned.reshape(-1, 1600).mean(axis=1))
            for i, value in enumerate(amplitude):
                begin, end = i / 10, (i + 1) / 10
                inside = any(
                    e.label == label
                    and e.onset_seconds <= begin
                    and end <= e.offset_seconds
                    for e in clip.events
                )
                apart = all(
                    e.label != label
                    or end <= e.onset_seconds
                    or e.offset_seconds <= begin
                    for e in clip.events
                )
                if inside or apart:
                    levels[inside].append(value)
    # in every tenth of a second: the tone stands where its label is and nowhere else
    assert len(levels[True]) > 50
    assert np.median(levels[True]) > 10 * np.median(levels[False])
    assert np.percentile(levels[True], 5) > np.percentile(levels[False], 95)


def test_soundscapes_refuse_what_cannot_be_mixed(tmp_path):
    with pytest.raises(InputError, match="folds: a source is needed"):
        prepare("soundscapes", tmp_path / "out", folds=(1,))
    tone(tmp_path / "src" / "dog" / "1.wav")
    with pytest.raises(InputError, match="has no folds"):
        prepare("soundscapes", tmp_path / "out", source=tmp_path / "src", folds=(1,))
    (tmp_path / "src" / "cat").mkdir()
    (tmp_path / "src" / "cat" / "1.wav").write_bytes(b"")
    with pytest.raises(InputError, match="'cat' has no usable clip; cat/1.wav"):
        prepare("soundscapes", tmp_path / "out", source=tmp_path / "src")
    (tmp_path / "bare").mkdir()
    with pytest.raises(InputError, match="no audio in folders"):
        prepare("soundscapes", tmp_path / "out", source=tmp_path / "bare")


@needs["esc10"]
def test_soundscapes_take_folds_of_esc10(tmp_path):
    source = SHARED / "data" / "esc10"
    plan = datasets.DATASETS.get("soundscapes")().plan(
        Options(source=source, folds=(4,), num_clips=3)
    )
    assert plan.settings["sources"]["num_clips"] == 80
    prepare("soundscapes", tmp_path, source=source, folds=(4,), num_clips=3)
    assert records.DatasetInfo.read(tmp_path).classes.names[0] == "Dog bark"
    assert len(clips(tmp_path)) == 3


# --- audioset_embeddings -------------------------------------------------------------


def embedding(clip_id, labels=(0,), rows=2, width=128):
    """A record as AudioSet's authors write them: no strong labels, any row width."""

    def of(**kind):
        return tf.train.Feature(**kind)

    row = of(bytes_list=tf.train.BytesList(value=[bytes(width)]))
    return tf.train.SequenceExample(
        context=tf.train.Features(
            feature={
                "video_id": of(bytes_list=tf.train.BytesList(value=[clip_id.encode()])),
                "labels": of(int64_list=tf.train.Int64List(value=labels)),
                "start_time_seconds": of(float_list=tf.train.FloatList(value=[30.0])),
                "end_time_seconds": of(float_list=tf.train.FloatList(value=[40.0])),
            }
        ),
        feature_lists=tf.train.FeatureLists(
            feature_list={"audio_embedding": tf.train.FeatureList(feature=[row] * rows)}
        ),
    ).SerializeToString()


def shard(path, *examples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as out:
        for example in examples:
            out.write(example)
    return path


def test_audioset_records_are_copied_or_listed(tmp_path):
    source = tmp_path / "src"
    good = [embedding(f"id{i}", rows=1 + i % 10) for i in range(12)]
    shard(source / "-a.tfrecord", *good[:4])
    shard(
        source / "bb.tfrecord",
        good[4],
        b"rubbish",
        embedding("wide", width=127),
        embedding("none", rows=0),
        embedding("label", labels=[527]),
        good[5],
        embedding("id0"),
    )
    cut = shard(source / "cut.tfrecord", *good[6:9])
    cut.write_bytes(cut.read_bytes()[:-7])
    flipped = shard(source / "flip.tfrecord", good[9], good[10], good[11])
    content = bytearray(flipped.read_bytes())
    # 16 bytes of frame a record; a byte within the second record's data
    content[len(good[9]) + 16 + 12 + 40] ^= 1
    flipped.write_bytes(content)
    shard(source / "none.tfrecord")
    (source / "text.tfrecord").write_text("not records at all, not at all")
    classes = write(
        tmp_path / "classes.csv",
        "index,mid,display_name\n" + "".join(f"{i},/m/{i},n{i}\n" for i in range(527)),
    )
    (result,) = prepare(
        "audioset_embeddings",
        tmp_path / "out",
        source=source,
        classes=classes,
        clips_per_shard=4,
    )
    assert sorted(raw(tmp_path / "out")) == sorted(good[:8] + [good[9]])
    found = manifest(tmp_path / "out")
    assert {name: kind for name, (kind, _) in found.items()} == {
        **{f"bb.tfrecord#{number}": "record" for number in (2, 3, 4, 5, 7)},
        "cut.tfrecord": "corrupt",
        "flip.tfrecord": "corrupt",
        "none.tfrecord": "empty",
        "text.tfrecord": "corrupt",
    }
    for name, part in (
        ("bb.tfrecord#3", "127"),
        ("bb.tfrecord#4", "no rows of audio_embedding"),
        ("bb.tfrecord#5", "label 527"),
        ("bb.tfrecord#7", "id0"),
        ("cut.tfrecord", "2 whole records"),
        ("flip.tfrecord", "1 whole records"),
    ):
        assert part in found[name][1], name
    info = records.DatasetInfo.read(tmp_path / "out")
    assert (info.num_clips, info.payload) == (9, RELEASED_EMBEDDINGS)
    assert len(info.classes) == 527


def test_audioset_needs_shards(tmp_path):
    with pytest.raises(InputError, match="shards, found none"):
        prepare("audioset_embeddings", tmp_path / "out", source=tmp_path)


@needs["audioset"]
def test_real_eval_embeddings(tmp_path):
    source = SHARED / "data" / "audioset" / "eval"
    (result,) = prepare("audioset_embeddings", tmp_path, source=source)
    # the official half list: 10,185 clips, see the folder's own account
    assert (result.num_clips, result.left_out) == (10185, {})
    assert result.num_shards == 10  # 10185 / 1024, rounded up
    files = sorted(str(p) for p in source.glob("*.tfrecord"))
    before = [r.numpy() for r in tf.data.TFRecordDataset(files)]
    after = raw(tmp_path)
    assert collections.Counter(after) == collections.Counter(before)
    payload = RELEASED_EMBEDDINGS
    # mixed: neighbours seldom come from one file (the id's first two characters)
    ids = [records.parse_clip(r, payload).clip_id[:2] for r in after]
    assert sum(x == y for x, y in zip(ids, ids[1:])) < 0.02 * len(ids)


# --- the contract --------------------------------------------------------------------


def test_every_dataset_keeps_the_contract():
    assert datasets.DATASETS.names() == [
        "audioset_embeddings",
        "audioset_segments",
        "audioset_strong",
        "chime_home",
        "dcase2017_task4",
        "esc",
        "folder",
        "sl_dcase17",
        "soundscapes",
    ]
    for name in datasets.DATASETS.names():
        cls = datasets.DATASETS.get(name)
        assert cls.name == name and cls.help and "source" in cls.options
        cls()  # nothing abstract is left
    with pytest.raises(InputError, match="no dataset '_audio'"):
        datasets.DATASETS.get("_audio")


def test_an_option_that_there_is_not():
    with pytest.raises(TypeError, match="Mine: Options has no field colour"):

        class Mine(Dataset):
            options = frozenset({"source", "colour"})


def test_tables_in_the_source_folder_are_found(tmp_path):
    source = tmp_path / "audio"
    tone(source / "a.wav")
    tone(source / "b.wav")
    write(source / "notes.csv", "who,when\nme,today\n")
    with pytest.raises(InputError, match="tags is needed: a table"):
        prepare("folder", tmp_path / "none", source=source)
    write(source / "tags.csv", 'filename,labels\na.wav,"dog,horn"\n')
    write(
        source / "events.tsv",
        "filename\tonset\toffset\tevent_label\nb.wav\t0.2\t0.7\tdog\n",
    )
    prepare("folder", tmp_path / "out", source=source)
    found = clips(tmp_path / "out")
    assert found["a.wav"].labels == (0, 1) and found["a.wav"].events is None
    assert found["b.wav"].labels == (0,) and len(found["b.wav"].events) == 1
