"""How a run's events are found: tuned, stored, and used by every command alike."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from made import make_embeddings

import tfweak
from tfweak import serving
from tfweak.data import records, sources
from tfweak.decoding.decoding import Decoding
from tfweak.decoding.tuning import Tuned
from tfweak.errors import InputError
from tfweak.models.commands import evaluate
from tfweak.models.runs import packaged, run_folder, scoring, seen_clips, tuning
from tfweak.models.training import trainer

QUICK = ("threshold", "double_threshold")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_embeddings(tmp_path_factory.mktemp("data") / "data", count=160)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned") / "run"
    trainer.train(
        trainer.TrainConfig(
            data=(str(data),),
            out=str(out),
            model_settings={"hidden_units": 16, "hidden_layers": 1, "feature_units": 8},
            epochs=4,
            batch_size=8,
            learning_rate=0.01,
            precision="float32",
            valid_fraction=0.4,
            supervision="self",
        )
    )
    return out


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Clips that the run has not seen, some with strong labels."""
    folder = tmp_path_factory.mktemp("other") / "data"
    return make_embeddings(folder, count=30, seed=5, prefix="other")


@pytest.fixture(scope="module")
def weak(tmp_path_factory):
    """The same clips with tags alone."""
    folder = tmp_path_factory.mktemp("weak") / "data"
    return make_embeddings(folder, count=30, seed=5, prefix="other", strong=False)


@pytest.fixture
def copy(trained, tmp_path):
    """A run of one's own to tune."""
    return shutil.copytree(trained, tmp_path / "run")


def document_of(folder):
    document = json.loads((folder / "decoding.json").read_text())
    del document["checksum"]
    return document


def without_figures(entry):
    return {k: v for k, v in entry.items() if not k.endswith("_f1")}


def test_training_tunes_on_strong_labels_and_on_mixtures(trained):
    document = document_of(trained)
    assert set(document["tried"]) == {"strong", "mixtures"}
    ways = {(name, "segment") for name in tuning.DECODERS}
    ways |= {(name, "product") for name in tuning.DECODERS}
    for tried in document["tried"].values():
        assert {(one["decoder"]["name"], one["scores"]) for one in tried} == ways
        figures = [one["event_f1"] + one["segment_f1"] for one in tried]
        assert figures == pytest.approx(sorted(figures, reverse=True), abs=2e-4)
        assert figures[0] > 0.5
    decodings = document["decodings"]
    assert set(decodings) == {"segment", "segment_from_tags", "plain"}
    for name, truth in (("segment", "strong"), ("segment_from_tags", "mixtures")):
        assert decodings[name] == without_figures(document["tried"][truth][0])
    # events of rows of 0.96 s, up to ten of them
    for quantiles in document["durations"].values():
        assert 0.96 <= quantiles[0] <= quantiles[1] <= quantiles[2] <= 9.6


def test_the_figures_are_those_of_measuring_the_loaded_run(trained):
    run = run_folder.load(trained)
    answers = scoring.collect(run, trainer.validation_data(run))
    tried = document_of(trained)["tried"]["strong"]
    best = answers.score(run.classes.names)["localisation"]
    assert best["event_based"]["micro_f1"] == pytest.approx(
        tried[0]["event_f1"], abs=5e-5
    )
    assert best["segment_based"]["micro_f1"] == pytest.approx(
        tried[0]["segment_f1"], abs=5e-5
    )


def test_what_was_found_is_what_is_loaded(copy):
    run = run_folder.load(copy)
    found = tuning.tune_run(run, trainer.validation_data(run), decoders=QUICK)
    run_folder.write_decoding(copy, found.document())
    again = run_folder.load(copy)
    assert set(again.decodings) == set(found.decodings)
    for name, decoding in found.decodings.items():
        assert again.decodings[name].to_dict() == decoding.to_dict()
        np.testing.assert_array_equal(
            again.decodings[name].thresholds, decoding.thresholds
        )


def test_tags_alone_choose_on_mixtures(copy, other, weak):
    run = run_folder.load(copy)
    documents = [
        tuning.retune(run, scoring.open_for(run, [folder]), source, QUICK)
        for folder, source in ((other, "tags"), (weak, "tags"), (weak, "strong"))
    ]
    # no strong label was looked at
    assert documents[0] == documents[1] == documents[2] == document_of(copy)
    assert set(documents[0]["tried"]) == {"mixtures"}
    assert len(documents[0]["tried"]["mixtures"]) == 4
    decodings = documents[0]["decodings"]
    assert decodings["segment"] == decodings["segment_from_tags"]
    assert "tuned on mixtures" in tfweak.load(copy).summary()
    with_strong = tuning.retune(
        run, scoring.open_for(run, [other]), decoders=QUICK, score_sources=["segment"]
    )
    assert set(with_strong["tried"]) == {"strong", "mixtures"}
    assert len(with_strong["tried"]["strong"]) == 2
    assert "tuned on strong labels" in tfweak.load(copy).summary()
    run = run_folder.load(copy)
    assert run.decodings["segment"].to_dict() == with_strong["decodings"]["segment"]


def test_too_few_cuts_leave_the_plain_thresholds(copy, weak, monkeypatch):
    run = run_folder.load(copy)
    data = scoring.open_for(run, [weak])
    monkeypatch.setattr(tuning.mixtures, "find_cut", lambda *_: None)
    document = tuning.retune(run, data, decoders=QUICK)
    assert document["tried"] == {} and document["durations"] == {}
    decodings = document["decodings"]
    assert decodings["segment"] == decodings["segment_from_tags"] == decodings["plain"]
    assert decodings["plain"]["decoder"]["name"] == "threshold"
    assert tuning.table(document) == ""
    assert "tuned on the tags" in tfweak.load(copy).summary()
    # one cut, however often it is pasted, tells nothing
    cuts = iter([tuning.mixtures.Cut(0, 0, 0, 1)])
    monkeypatch.setattr(tuning.mixtures, "find_cut", lambda *_: next(cuts, None))
    assert tuning.retune(run, data, decoders=QUICK)["tried"] == {}


@pytest.mark.parametrize("decoder", ["threshold", "median_filter", "double_threshold"])
@pytest.mark.parametrize("source", ["segment", "product", "activation"])
def test_all_find_the_same_events(copy, other, tmp_path, decoder, source):
    if source == "activation" and decoder != "double_threshold":
        return
    run = run_folder.load(copy)
    data = scoring.open_for(run, [other])
    tuning.retune(run, data, "strong", [decoder], [source])
    run = tfweak.load(copy, "float32")
    assert run.decodings["segment"].scores == source
    evaluated = scoring.collect(run, data)
    predicted, bad = run.predict_files([other])
    assert not bad and len(predicted) == 30
    assert sum(len(one.events) for one in predicted) > 5
    by_name = {one.filename: one for one in predicted}
    assert len(evaluated.found["segment"]) == 10
    for name, events in evaluated.found["segment"].items():
        assert events == by_name[name].events
    if decoder != "median_filter":
        return
    # an export, of all clips in one batch, padded to the longest
    run.export(tmp_path / "model", embeddings_only=True)
    classes, decoding = serving.read_assets(tmp_path / "model")
    assert classes == run.classes
    assert decoding.to_dict() == run.decodings["segment"].to_dict()
    model = tf.saved_model.load(str(tmp_path / "model"))
    shard = sorted(other.glob("*.tfrecord"))[0]
    payload = records.DatasetInfo.read(other).payload
    clips = [
        records.parse_clip(item.numpy(), payload)
        for item in tf.data.TFRecordDataset(str(shard))
    ]
    lengths = np.array([len(clip.payload) for clip in clips], np.int32)
    features = np.zeros((len(clips), lengths.max(), 128), np.float32)
    for row, clip in zip(features, clips):
        row[: len(clip.payload)] = clip.payload
    answer = model.signatures["embeddings"](
        features=tf.constant(features), num_frames=tf.constant(lengths)
    )
    seconds = [by_name[clip.clip_id].seconds for clip in clips]
    served = serving.find_events(decoding, answer, seconds)
    assert len(served) == 15
    for clip, pairs in zip(clips, served):
        own = by_name[clip.clip_id]
        assert [e.label for e, _ in pairs] == [e.label for e in own.events]
        for (event, confidence), expected, sure in zip(
            pairs, own.events, own.confidences
        ):
            assert event == pytest.approx(expected, abs=1e-5)
            assert confidence == pytest.approx(sure, abs=1e-5)


# --- stored ---


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: "{", "JSONDecodeError"),
        (lambda d: "[]", "a list, expected an object"),
        (lambda d: {}, "KeyError"),
        (lambda d: {"decodings": {}}, "no decoding of the name segment"),
        (lambda d: {"decodings": []}, "AttributeError"),
        (lambda d: _changed(d, scores="segments"), "segments"),
        (lambda d: _changed(d, scores="localization"), "has no localization scores"),
        (lambda d: _changed(d, clip_power="high"), "TypeError"),
        (lambda d: _changed(d, decoder={"name": "x", "settings": {}}), "'x'"),
        (lambda d: _changed(d, thresholds=[0.5] * 2), "2 thresholds of segments"),
        (
            lambda d: _changed(d, thresholds=[0.5] * 2, clip_thresholds=[0.5] * 2),
            "thresholds of 2 classes, the model has 3",
        ),
        (lambda d: _changed(d, thresholds=[None] * 3), "thresholds"),
    ],
)
def test_a_broken_document_is_refused_by_name(copy, change, message):
    changed = change(document_of(copy))
    text = changed if isinstance(changed, str) else json.dumps(changed)
    (copy / "decoding.json").write_text(text)
    with pytest.raises(InputError, match="decoding.json: broken") as error:
        run_folder.load(copy)
    assert message in str(error.value)
    assert "remove it and tune the run" in str(error.value)


def _changed(document, **values):
    document["decodings"]["segment"].update(values)
    return document


def test_a_broken_document_can_be_had_again_as_the_message_says(copy, capsys):
    before = document_of(copy)
    (copy / "decoding.json").write_text("{")
    tune = [f"--run={copy}", "--tune", "--precision=float32"]
    assert evaluate.main(tune) == 1
    assert "remove it" in capsys.readouterr().err
    (copy / "decoding.json").unlink()
    summary = tfweak.load(copy).summary()
    assert "threshold 0.5, for the training has not ended" in summary
    with pytest.raises(InputError, match="decoding.json: there is none"):
        run_folder.tried_decodings(copy)
    assert evaluate.main(tune) == 0
    assert document_of(copy) == before  # as it was after the training


def test_what_was_tried_is_needed_to_measure_it(copy):
    document = document_of(copy)
    tried = run_folder.tried_decodings(copy)
    assert len(tried) == 16 and tried["double_threshold, product, mixtures"]
    assert all(isinstance(one, Decoding) for one in tried.values())
    del document["tried"]
    run_folder.write_decoding(copy, document)
    with pytest.raises(InputError, match="what was tried"):
        run_folder.tried_decodings(copy)


# --- the command ---


def test_the_command_tunes_on_validation_clips_and_says_how_well(copy, capsys):
    (copy / "decoding.json").write_text(
        json.dumps({"decodings": document_of(copy)["decodings"]})
    )
    assert evaluate.main([f"--run={copy}", "--tune", "--precision=float32"]) == 0
    text = capsys.readouterr().out
    assert "on strong labels (events of " in text
    assert "on mixtures of known times (events of " in text
    assert text.count("double_threshold, segment, clip_power=") == 2
    best = document_of(copy)["tried"]["strong"][0]
    first = text[text.index("on strong") :].splitlines()[2]
    assert first.split()[:2] == [
        f"{best[f'{kind}_f1']:.4f}" for kind in ("event", "segment")
    ]
    assert f"written to {copy / 'decoding.json'}" in text


def test_the_command_tunes_on_other_clips_but_on_none_that_were_learnt_from(
    copy, other, data, capsys
):
    tune = [f"--run={copy}", "--tune", "--decoders=threshold", "--scores=segment"]
    assert evaluate.main([*tune, f"--data={other}", "--segment_thresholds=tags"]) == 0
    text = capsys.readouterr().out
    assert "strong labels" not in text and "mixtures" in text
    document = document_of(copy)
    assert set(document["tried"]) == {"mixtures"}
    assert [o["decoder"]["name"] for o in document["tried"]["mixtures"]] == [
        "threshold"
    ]
    assert evaluate.main([*tune, f"--data={data}"]) == 1
    error = capsys.readouterr().err
    count = len(seen_clips.read(copy)["train"])
    assert f"{count} of its 160 clips are known to the run" in error
    assert "it was trained on" in error and "best epoch" not in error
    assert document_of(copy) == document
    assert evaluate.main([*tune, f"--data={data}", "--allow_overlap"]) == 0
    assert "strong" in document_of(copy)["tried"]
    # what the best epoch was chosen on may choose this, too
    run = run_folder.load(copy)
    valid = trainer.validation_data(run)
    learnt_from = ("train", "transferred")
    seen = seen_clips.check_unseen(copy, valid.clip_ids, "data", roles=learnt_from)
    assert seen == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--tune", "--out=m.json"], "out, every_decoder: are of measuring"),
        (["--tune", "--every_decoder"], "out, every_decoder: are of measuring"),
        (["--data=x", "--out=m.json", "--segment_thresholds=tags"], "are of tune"),
        (["--data=x", "--out=m.json", "--decoders=threshold"], "are of tune"),
        (["--data=x", "--out=m.json", "--scores=segment"], "are of tune"),
        (["--data=x"], "data and out are needed to measure"),
        ([], "data and out are needed to measure"),
        (["--tune", "--scores=localization"], "has those of segment, activation"),
    ],
)
def test_flags_that_do_not_go_together(copy, capsys, arguments, message):
    before = document_of(copy)
    assert evaluate.main([f"--run={copy}", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert document_of(copy) == before


@pytest.mark.parametrize(
    "flag", ["--decoders=treshold", "--scores=x", "--segment_thresholds=weak"]
)
def test_names_that_there_are_not(copy, capsys, flag):
    assert evaluate.main([f"--run={copy}", "--tune", flag]) in (1, 2)
    error = capsys.readouterr().err
    assert flag.split("=")[1] in error and "Traceback" not in error


def test_every_decoder_is_measured(copy, other, tmp_path):
    out = tmp_path / "metrics.json"
    measure = [f"--run={copy}", f"--data={other}", f"--out={out}"]
    assert evaluate.main(measure) == 0
    alone = json.loads(out.read_text())
    assert evaluate.main([*measure, "--every_decoder"]) == 0
    found = json.loads(out.read_text())
    measured = found["localisation"].pop("decodings")
    assert set(measured) == set(run_folder.tried_decodings(copy))
    assert found == alone


def test_the_table_of_clips_without_an_event():
    document = tuning.Found(
        {},
        {"strong": [Tuned(Decoding.from_dict(PLAIN), 0.0, 0.25)]},
        {"strong": []},
    ).document()
    assert tuning.table(document).splitlines() == [
        "on strong labels (without any event)",
        "  event F1  segment F1  decoder, scores, settings",
        "    0.0000      0.2500  threshold, segment, clip_power=0, min_seconds=0.5",
    ]


PLAIN = {
    "decoder": {"name": "threshold", "settings": {"min_seconds": 0.5}},
    "thresholds": [0.5],
    "clip_thresholds": [0.5],
}


def test_strong_clips_without_an_event_can_be_tuned_on(copy, tmp_path):
    folder = make_embeddings(tmp_path / "silent", count=9, seed=7, prefix="silent")
    payload = records.DatasetInfo.read(folder).payload
    for path in sorted(folder.glob("*.tfrecord")):
        clips = [
            records.parse_clip(item.numpy(), payload)
            for item in tf.data.TFRecordDataset(str(path))
        ]
        records.write_shard(
            path,
            [
                records.encode(
                    records.Clip(c.clip_id, [], c.payload, [], 0.0, 9.6), payload
                )
                for c in clips
            ],
        )
    run = run_folder.load(copy)
    data = sources.open_data([folder], run.classes)
    document = tuning.retune(run, data, decoders=["threshold"])
    assert document["durations"] == {"strong": []}
    assert "without any event" in tuning.table(document)
    answers = scoring.collect(run_folder.load(copy), data)
    assert not any(map(len, answers.found["segment"].values()))


def test_runs_of_the_package_are_left_as_they_are(copy, weak):
    run = dataclasses.replace(tfweak.load(copy), folder=packaged.FOLDER / "audioset")
    with pytest.raises(InputError, match="tune a copy .*run=audioset form=run"):
        tuning.retune(run, scoring.open_for(run, [weak]))


@pytest.mark.parametrize("change", ["thresholds", "decoder"])
def test_broken_ways_that_were_tried_are_named(copy, change):
    document = run_folder.read_decoding(copy)
    del document["tried"]["mixtures"][0][change]
    run_folder.write_decoding(copy, document)
    with pytest.raises(InputError, match=f"decoding.json: broken .*{change}"):
        run_folder.tried_decodings(copy)
