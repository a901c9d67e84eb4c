"""Who answers which clip, what is stored of it, and what is refused."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
from made import CLASSES, make_tones, write_run

from tfweak.data import pipelines, records, sources, teacher_scores
from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import ClassList
from tfweak.models.architecture import create
from tfweak.models.runs import run_folder, scoring, seen_clips
from tfweak.models.training import teachers as teaching
from tfweak.models.training import trainer
from tfweak.models.training.teachers import Teachers
from tfweak.payload import Payload

SMALL = {"hidden_units": 8, "hidden_layers": 1}


def constant_run(folder, probs, train, valid=(b"v",), classes=CLASSES):
    """A run that says the same of every clip and segment, and has seen some clips."""
    architecture = create("embedding_attention", 3, **SMALL)
    write_run(folder, architecture, RELEASED_EMBEDDINGS)
    network = architecture.build()
    network.load_weights(folder / "model.keras")
    layer = network.get_layer("L8-a")
    logits = np.log(np.array(probs)) - np.log1p(-np.array(probs))
    layer.set_weights([np.zeros_like(layer.kernel), logits])
    run_folder.save_model(network, folder / "model.keras")
    classes.write_csv(folder / "classes.csv")
    seen_clips.write(folder, np.array(train, object), np.array(valid, object))
    return str(folder)


@pytest.fixture(scope="module")
def parts(embeddings):
    return sources.open_data([embeddings]).split(0.3, 0)


@pytest.fixture(scope="module")
def runs(parts, tmp_path_factory):
    """Two that have each learnt from one half, 0.25 and 0.75 of everything."""
    folder, ids = tmp_path_factory.mktemp("runs"), list(parts[0].clip_ids)
    return [
        constant_run(folder / "first", [0.25, 0.25, 0.25], ids[::2], ids[1::2]),
        constant_run(folder / "second", [0.75, 0.5, 0.75], ids[1::2]),
    ]


def teachers_of(runs, has_segments=True):
    return Teachers(runs, create("embedding_attention", 3, **SMALL), has_segments)


def config(embeddings, out, **more):
    settings = {
        "data": (str(embeddings),),
        "out": str(out),
        "model_settings": SMALL,
        "epochs": 2,
        "batch_size": 16,
        "precision": "float32",
        "valid_fraction": 0.3,
        **more,
    }
    return trainer.TrainConfig(**settings)


def test_only_those_answer_that_have_not_learnt_from_a_clip(parts, runs, tmp_path):
    train, valid = parts
    teachers = teachers_of(runs)
    teachers.check_data(train, valid, False)
    found = teachers.answer(train, tmp_path / "teacher", 16, "float32")
    every = np.arange(len(train))
    expected = np.full((len(train), 3), 0.25)
    expected[::2] = 0.75, 0.5, 0.75  # the first has learnt from these
    np.testing.assert_allclose(found.of_clips(every), expected, atol=1e-3)
    segments = found.of_segments(every, 10)
    for i, of_clip in enumerate(segments):
        heard = np.zeros(3)
        heard[train.labels[i]] = expected[i, train.labels[i]]
        count = found.num_segments[i]
        np.testing.assert_allclose(of_clip[:count], [heard] * count, atol=1e-3)
        assert not of_clip[count:].any()


def test_several_are_averaged_and_classes_found_by_id(parts, tmp_path):
    train, valid = parts
    turned = ClassList(("Horn!", "dog", "siren"), ("horn", "dog", "siren"))
    runs = [
        constant_run(tmp_path / "a", [0.1, 0.2, 0.3], [b"x"]),
        constant_run(tmp_path / "b", [0.7, 0.3, 0.4], [b"y"], classes=turned),
    ]
    found = teachers_of(runs).answer(train, tmp_path / "teacher", 16, "float32")
    clips = found.of_clips(np.arange(len(train)))
    expected = [(0.1 + 0.3) / 2, (0.2 + 0.4) / 2, (0.3 + 0.7) / 2]
    np.testing.assert_allclose(clips, [expected] * len(train), atol=1e-3)


def test_answers_are_those_of_the_run(parts, tmp_path):
    train, valid = parts
    architecture = create("embedding_attention", 3, **SMALL)
    folder = write_run(tmp_path / "run", architecture, RELEASED_EMBEDDINGS)
    CLASSES.write_csv(folder / "classes.csv")
    seen_clips.write(folder, np.array([b"x"], object), np.array([b"y"], object))
    found = teachers_of([str(folder)]).answer(train, tmp_path / "t", 7, "float32")
    run, position = run_folder.load(folder), 0
    for _, y, outputs in scoring.answers(run, train, 64):
        clips = np.arange(position, position + len(y["weak"]))
        position += len(clips)
        np.testing.assert_allclose(
            found.of_clips(clips), outputs["clip_probs"], atol=1e-3
        )
        segments = outputs["segment_probs"] * y["weak"].numpy()[:, np.newaxis]
        width = segments.shape[1]
        np.testing.assert_allclose(found.of_segments(clips, width), segments, atol=1e-3)
    assert position == len(train)


def test_a_clip_that_everybody_has_learnt_from(parts, runs, tmp_path):
    train, valid = parts
    message = (
        rf"teacher: all 1 have learnt from {len(train.clip_ids[::2])} of the"
        rf" {len(train)} training clips \(such as .*tfweak-teach makes.*allow_overlap"
    )
    teachers = teachers_of(runs[:1])
    with pytest.raises(InputError, match=message):
        teachers.check_data(train, valid, False)
    teachers.check_data(train, valid, True)
    found = teachers.answer(train, tmp_path / "teacher", 16, "float32")
    np.testing.assert_allclose(found.of_clips(np.arange(4)), 0.25, atol=1e-3)


def test_validation_clips_that_a_teacher_has_learnt_from(parts, runs, embeddings):
    train, valid = parts
    teachers = teachers_of(runs)
    with pytest.raises(InputError, match="validation: .* it was trained on"):
        teachers.check_data(train, train, False)
    # those that have only chosen its epoch may validate again
    ids = train.clip_ids[1::2]
    only = train.take(np.isin(train.clip_ids.astype("S"), ids.astype("S")))
    teachers_of(runs[:1]).check_data(valid, only, False)


def test_other_classes_are_refused(parts, tmp_path):
    other = ClassList(("dog", "siren", "whale"))
    run = constant_run(tmp_path / "a", [0.5] * 3, [b"x"], classes=other)
    message = "its 3 classes are not the 3 of the data: 'horn' is one of the data"
    with pytest.raises(InputError, match=message):
        teachers_of([run]).check_data(*parts, False)


def test_unfinished_runs_and_no_runs_are_refused(runs, tmp_path):
    shutil.copytree(runs[0], tmp_path / "run")
    (tmp_path / "run" / "decoding.json").unlink()
    with pytest.raises(InputError, match="teacher=.*run: the run is not finished"):
        teachers_of([str(tmp_path / "run")])
    with pytest.raises(InputError, match="not a run folder"):
        teachers_of([str(tmp_path)])


def test_other_segments_are_refused_by_name(runs, tmp_path):
    fine = create("attention_fcn", 3, width=0.02)
    payload = dataclasses.replace(RELEASED_EMBEDDINGS)
    folder = str(write_run(tmp_path / "tlweak", create("tlweak", 3), payload))
    with pytest.raises(InputError, match=r"its segments \(tlweak: .* of attention_fcn"):
        Teachers([folder], fine, True)
    Teachers([folder], fine, False)
    folder = str(write_run(tmp_path / "fcn", create("attention_fcn", 3), payload))
    Teachers([folder], fine, True)  # another width has the same segments


def test_killed_answers_go_on_where_they_were(parts, runs, tmp_path, monkeypatch):
    train = parts[0].take(np.arange(len(parts[0])) < 40)
    whole = teachers_of(runs).answer(train, tmp_path / "whole", 8, "float32")
    asked = []
    original = teaching._Answering.answers

    def answers(self, *args):
        if len(asked) == 6:
            raise KeyboardInterrupt
        asked.append(self)
        return original(self, *args)

    monkeypatch.setattr(teaching._Answering, "answers", answers)
    with pytest.raises(KeyboardInterrupt):
        teachers_of(runs).answer(train, tmp_path / "parts", 8, "float32")
    assert not (tmp_path / "parts").exists()
    again = []
    monkeypatch.setattr(
        teaching._Answering,
        "answers",
        lambda self, *args: again.append(self) or original(self, *args),
    )
    teachers_of(runs).answer(train, tmp_path / "parts", 8, "float32")
    # three of the five batches were there; both answer in each
    assert len(again) == 2 * (5 - 3)
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert names == {"clip_probs", "fingerprint.json", "num_segments", "segment_probs"}
    for name in names:
        one, two = (tmp_path / part / name for part in ("whole", "parts"))
        assert one.read_bytes() == two.read_bytes()
    # and are not made a second time
    teachers_of(runs).answer(train, tmp_path / "parts", 8, "float32")
    assert len(again) == 2 * (5 - 3) and len(whole.clip_probs) == 40


def test_a_training_learns_stores_and_notes(embeddings, parts, runs, tmp_path):
    out = tmp_path / "run"
    trainer.train(config(embeddings, out, teacher=runs, mixup=1.0))
    rows = list(csv.DictReader(open(out / "history.csv")))
    assert {"loss_pred", "loss_teacher", "loss_teacher_segments"} <= set(rows[0])
    assert all(float(row["loss_teacher_segments"]) > 0 for row in rows)
    stored = run_folder.read_config(out)
    assert stored["training"]["teacher_weight"] == 0.5
    assert stored["teachers"] == runs and len(stored["data"]["teachers"]) == 2
    seen = seen_clips.read(out)
    assert seen["taught_valid"] == {b"v"} | set(parts[0].clip_ids[1::2])
    assert not seen["taught"]  # both have learnt from its own clips only
    assert trainer.validation_data(run_folder.load(out)).fingerprint()
    # an untaught run says nothing of teachers
    plain = tmp_path / "plain"
    trainer.train(config(embeddings, plain, epochs=1))
    stored = run_folder.read_config(plain)
    assert "teacher" not in str(stored)


def test_a_resumed_training_has_the_same_answers(
    embeddings, runs, tmp_path, monkeypatch
):
    copies = []
    for run in runs:
        copies.append(str(tmp_path / f"teacher-{len(copies)}"))
        shutil.copytree(run, copies[-1])
    settings = {"teacher": copies, "mixup": 1.0}
    once, twice = tmp_path / "once", tmp_path / "twice"
    trainer.train(config(embeddings, once, **settings))
    trainer.train(config(embeddings, twice, epochs=1, **settings))

    def write(*_):
        raise AssertionError("the answers are there")

    monkeypatch.setattr(Teachers, "_write", write)
    moved = [str(tmp_path / f"moved-{i}") for i in range(2)]
    for old, new in zip(copies, moved):
        shutil.move(old, new)
    settings["teacher"] = moved[::-1]
    trainer.train(config(embeddings, twice, **settings))
    for a, b in zip(*(run_folder.load(x).network.get_weights() for x in (once, twice))):
        np.testing.assert_array_equal(a, b)
    constant_run(tmp_path / "other", [0.3] * 3, [b"x"])
    settings["teacher"] = [moved[0], str(tmp_path / "other")]
    with pytest.raises(InputError, match="holds a run with data teachers="):
        trainer.train(config(embeddings, twice, **settings))


def test_weights_that_switch_off(embeddings, runs, tmp_path):
    out = tmp_path / "run"
    settings = {"teacher": runs, "teacher_segment_weight": 0.0, "epochs": 1}
    trainer.train(config(embeddings, out, **settings))
    assert "loss_teacher_segments" not in (out / "history.csv").read_text()
    assert not (out / "teacher" / "segment_probs").exists()
    with pytest.raises(InputError, match="no effect with teacher_weight=0"):
        config(embeddings, out, **settings, teacher_weight=0.0)
    with pytest.raises(InputError, match="teacher: a list of folders"):
        config(embeddings, out, teacher="run")


def test_what_teachers_learnt_from_is_known_of_the_student(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
    ids = [np.array([name.encode()], object) for name in "pqrstu"]
    seen_clips.write(tmp_path / "a", ids[0], ids[1])
    seen_clips.write(tmp_path / "b", ids[2], ids[3], teachers=[tmp_path / "a"])
    seen_clips.write(tmp_path / "c", ids[0], ids[5], teachers=[tmp_path / "b"])
    seen = seen_clips.read(tmp_path / "c")
    assert seen["taught"] == {b"r"}  # p is its own
    assert seen["taught_valid"] == {b"q", b"s"}
    found = seen_clips.learnt_from(tmp_path / "b", np.concatenate(ids))
    assert found.tolist() == [True, False, True, False, False, False]
    with pytest.raises(InputError, match="a teacher of it had learnt from"):
        seen_clips.check_unseen(tmp_path / "b", ids[0], "data")


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Waveforms, and two runs that could have learnt from others."""
    folder = tmp_path_factory.mktemp("tones")
    data = sources.open_data([make_tones(folder / "data", 24)])
    runs = []
    for name, architecture in (
        ("fcn", create("attention_fcn", 2, width=0.02)),
        ("loc", create("att_loc", 2, filters=4, recurrent_units=4)),
    ):
        run = write_run(folder / name, architecture, data.payload)
        data.classes.write_csv(run / "classes.csv")
        seen_clips.write(run, np.array([b"x"], object), np.array([b"y"], object))
        runs.append(str(run))
    return folder / "data", runs


def test_teachers_read_waveforms_by_front_ends_of_their_own(tones, tmp_path):
    folder, runs = tones
    data = sources.open_data([folder])
    student = create("attention_fcn", 2, width=0.02)
    with pytest.raises(InputError, match=r"loc: its segments \(att_loc"):
        Teachers(runs, student, True)
    found = Teachers(runs, student, False).answer(data, tmp_path / "t", 8, "float32")
    expected = [
        np.concatenate([o["clip_probs"] for *_, o in scoring.answers(run, data, 8)])
        for run in map(run_folder.load, runs)
    ]
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    clips = found.of_clips(np.arange(len(data)))
    np.testing.assert_allclose(clips, np.mean(expected, axis=0), atol=2e-3)


def test_a_training_on_log_mel(tones, tmp_path):
    """As many segments are taught as the clip has; it is padded to 998 frames."""
    folder, runs = tones
    waveforms = sources.open_data([folder])
    features = tmp_path / "log_mel"
    features.mkdir()
    spec = create("attention_fcn", 2).input
    payload = Payload("log_mel", "float16", spec.front_end.parameters())
    batches = pipelines.evaluation_batches(waveforms, pipelines.InputConfig(24))
    ((x, y),) = batches
    clips = [
        records.Clip(name.decode(), [int(tags.argmax())], rows.astype("f2")[:count])
        for name, tags, rows, count in zip(
            y["clip_id"].numpy(),
            y["weak"].numpy(),
            x["features"].numpy(),
            x["num_frames"].numpy(),
        )
    ]
    encoded = (records.encode(clip, payload) for clip in clips)
    records.write_shard(features / "part-0.tfrecord", encoded)
    classes = waveforms.classes
    records.DatasetInfo("tones", payload, classes, 24).write(features)
    run = trainer.train(
        data=[features],
        out=tmp_path / "run",
        teacher=runs[:1],
        model_settings={"width": 0.02},
        epochs=1,
        batch_size=8,
        precision="float32",
        valid_fraction=0.3,
    )
    (row,) = csv.DictReader(open(run.folder / "history.csv"))
    assert float(row["loss_teacher"]) > 0 and float(row["loss_teacher_segments"]) > 0
    train = sources.open_data([features]).split(0.3, 0)[0]
    stored = json.loads((run.folder / "teacher" / "fingerprint.json").read_text())
    found = teacher_scores.read(run.folder / "teacher", train, stored)
    segments = found.of_segments(np.arange(len(train)), 63)
    assert (found.num_segments == -(-198 // 16)).all()
    assert segments[:, :13].max(axis=2).min() > 0 and not segments[:, 13:].any()


def test_clips_are_cut_as_the_students_are(tmp_path):
    """A student of 10 s does not learn what is said of the eleventh."""
    architecture = create("attention_fcn", 3, width=0.02)
    spec = architecture.input
    assert teaching._rows_of_student(spec, spec) == spec.training_rows == 998
    slower = dataclasses.replace(spec, hop_seconds=0.016, window_seconds=0.064)
    # 9.995 s: the last window begins by 9.931 s, 620.7 hops
    assert teaching._rows_of_student(slower, spec) == 621
    embeddings = create("embedding_attention", 3).input
    assert teaching._rows_of_student(embeddings, embeddings) is None
