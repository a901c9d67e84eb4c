"""The commands end to end on small data, and what they say of wrong input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from made import make_embeddings
from sklearn.metrics import average_precision_score

from tfweak import serving, settings
from tfweak.data import records
from tfweak.data_prep.commands import prepare
from tfweak.evaluation import detection, events
from tfweak.labels import ClassList
from tfweak.models.architecture import ARCHITECTURES
from tfweak.models.commands import evaluate, export, predict, train

COMMANDS = {
    "tfweak-prepare": prepare,
    "tfweak-train": train,
    "tfweak-evaluate": evaluate,
    "tfweak-predict": predict,
    "tfweak-export": export,
}
OWN_MODEL = '''
"""A model of my own: `own`."""
import dataclasses
import tfweak
from tfweak.settings import option

@tfweak.register
@dataclasses.dataclass(frozen=True)
class Own(tfweak.Architecture):
    name = "own"
    units: int = option(7, "of a layer")
'''


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """Four seconds of a low or a high tone, in noise; tags and times known."""
    folder = tmp_path_factory.mktemp("audio") / "wav"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rate = 8000
    rows = []
    for i in range(40):
        wave = rng.normal(size=4 * rate) * 0.01
        for label, hertz in (("low", 300), ("high", 2500)):
            if rng.random() < 0.5:
                start = rng.uniform(0, 2)
                where = slice(int(start * rate), int((start + 1.5) * rate))
                wave[where] += 0.3 * np.sin(
                    2 * np.pi * hertz / rate * np.arange(where.stop - where.start)
                )
                rows.append(f"{i:02}.wav\t{start:.3f}\t{start + 1.5:.3f}\t{label}")
        if not any(row.startswith(f"{i:02}") for row in rows):
            rows.append(f"{i:02}.wav\t\t\t")
        soundfile.write(folder / f"{i:02}.wav", wave, rate)
    table = folder.parent / "events.tsv"
    table.write_text("filename\tonset\toffset\tevent_label\n" + "\n".join(rows) + "\n")
    return folder, table


@pytest.fixture(scope="module")
def run(audio, tmp_path_factory):
    """Prepared and trained through the commands."""
    folder, table = audio
    out = tmp_path_factory.mktemp("work")
    arguments = [
        "--dataset=folder",
        f"--source={folder}",
        f"--events={table}",
        f"--out={out / 'data'}",
        "--workers=1",
    ]
    assert prepare.main(arguments) == 0
    arguments = [
        f"--data={out / 'data'}",
        "--set=width=0.05,batch_norm=true",
        "--supervision=strong+self",
        "--attention_weight=0.1,0.01",
        "--epochs=12",
        "--batch_size=8",
        "--learning_rate=0.01",
        "--average_weights=0.9",
        "--valid_fraction=0.3",
        f"--out={out / 'run'}",
    ]
    assert train.main(arguments) == 0
    return out / "run", out / "data"


def test_metrics_json(run, tmp_path, capsys):
    folder, data = run
    out = tmp_path / "deep" / "metrics.json"
    arguments = [f"--run={folder}", f"--data={data}", f"--out={out}"]
    assert evaluate.main(arguments) == 1  # it was trained on them
    text = capsys.readouterr().err
    assert "40 of its 40 clips are known to the run" in text
    assert "--allow_overlap" in text
    assert evaluate.main([*arguments, "--allow_overlap"]) == 0
    found = json.loads(out.read_text())
    assert {
        "mAP",
        "AUC",
        "d_prime",
        "lwlrap",
        "EER",
        "num_clips",
        "num_classes_scored",
        "classes",
    } <= set(found)
    assert found["num_clips"] == 40 and found["num_classes_scored"] == 2
    assert set(found["classes"]) == {"low", "high"}
    assert found["mAP"] > 0.9  # two tones are easy
    assert found["localisation"]["segment_based"]["micro_f1"] > 0.6
    text = capsys.readouterr().out
    assert "all classes" in text and "segment_based.micro_f1" in text


def test_data_of_other_classes_is_mended_as_the_message_says(run, tmp_path, capsys):
    source = tmp_path / "source"
    source.mkdir()
    for i in range(3):
        soundfile.write(source / f"other-{i}.wav", np.full(8000, 0.1 * i), 8000)
    # one clip of one of the two classes; in the others nothing happens
    rows = ["other-0.wav\t0.25\t0.5\tlow", "other-1.wav\t\t\t", "other-2.wav\t\t\t"]
    table = source / "events.tsv"
    table.write_text("\n".join(["filename\tonset\toffset\tevent_label", *rows]))
    arguments = ["--dataset=folder", f"--source={source}", "--workers=1"]
    assert prepare.main([*arguments, f"--out={tmp_path / 'one'}"]) == 0
    measured = [f"--run={run[0]}", f"--out={tmp_path / 'metrics.json'}"]
    assert evaluate.main([*measured, f"--data={tmp_path / 'one'}"]) == 1
    error = capsys.readouterr().err
    assert "one: its 1 classes are not the 2 of the class list given" in error
    assert "tfweak-prepare --classes=RUN/classes.csv" in error
    classes = f"--classes={run[0]}/classes.csv"
    table.write_text("\n".join([table.read_text().partition("\n")[0], *rows[1:]]))
    (source / "other-0.wav").unlink()
    assert prepare.main([*arguments, f"--out={tmp_path / 'two'}", classes]) == 0
    capsys.readouterr()
    assert evaluate.main([*measured, f"--data={tmp_path / 'two'}"]) == 0
    # strong labels without an event: nothing to be found, and nothing to be scored
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["localisation"]["num_clips"] == 2 and found["mAP"] is None
    assert found["localisation"]["segment_based"]["micro_f1"] is None
    text = capsys.readouterr().out
    assert "segment_based.micro_f1 " in text and "Traceback" not in text


def test_evaluation_agrees_with_scikit_learn(run, tmp_path):
    from tfweak.data import pipelines
    from tfweak.learning import callbacks, weak_model
    from tfweak.models.runs import run_folder, scoring

    loaded = run_folder.load(run[0])
    data = scoring.open_for(loaded, [run[1]])
    model = weak_model.WeakModel(loaded.network)
    model.compile()
    batches = pipelines.evaluation_batches(data, pipelines.InputConfig(16))
    weak, scores = callbacks.clip_scores(model, batches)
    assert scoring.evaluate(loaded, data)["mAP"] == pytest.approx(
        average_precision_score(weak, scores, average="macro"), abs=1e-6
    )


def test_predict_writes_events_and_lists_what_it_cannot_read(
    run, audio, tmp_path, capsys
):
    folder = tmp_path / "mixed"
    shutil.copytree(audio[0], folder)
    (folder / "text.wav").write_text("no audio")
    soundfile.write(folder / "nan.wav", np.full(8000, np.nan), 8000, subtype="FLOAT")
    soundfile.write(folder / "empty.wav", np.zeros(0), 8000)
    soundfile.write(folder / "tiny.wav", np.zeros(10), 8000)
    soundfile.write(folder / "stereo.flac", np.zeros((90000, 2)), 44100)
    out = tmp_path / "events.tsv"
    status = predict.main([f"--run={run[0]}", str(folder), f"--out={out}"])
    assert status == 3
    classes = ClassList.read_csv(run[0] / "classes.csv")
    found = events.read_events(out, classes)
    assert {"00.wav", "tiny.wav", "stereo.flac"} <= set(found) and len(found) == 42
    bad = (tmp_path / "events.bad.tsv").read_text()
    for name in ("text.wav", "nan.wav", "empty.wav"):
        assert name in bad and name in capsys.readouterr().err + bad
    tags = (tmp_path / "events.tags.tsv").read_text().splitlines()
    assert tags[0] == "filename\tevent_label\tprobability\tdetected"
    assert len(tags) == 1 + 2 * 42
    truth = events.read_events(audio[1], classes)
    durations = dict.fromkeys(truth, 4.0)
    estimated = {name: rows for name, rows in found.items() if name in truth}
    scores = detection.segment_f1(truth, estimated, durations, 2)
    assert scores["micro_f1"] > 0.6


def test_predict_to_standard_output_and_of_some_classes(run, audio, tmp_path, capsys):
    paths = [str(audio[0] / "00.wav"), str(audio[0] / "01.wav")]
    common = [f"--run={run[0]}", *paths]
    assert predict.main([*common, "--out=-", "--format=jsonl"]) == 0
    printed = capsys.readouterr()
    found = [json.loads(line) for line in printed.out.splitlines()]
    assert [file["filename"] for file in found] == ["00.wav", "01.wav"]
    assert "2 clips" in printed.err and "standard output" in printed.err
    events_of = {
        (file["filename"], event["event_label"], event["confidence"])
        for file in found
        for event in file["events"]
    }
    assert {label for _, label, _ in events_of} <= {"high", "low"} and events_of
    assert all(0 <= confidence <= 1 for _, _, confidence in events_of)
    least = max(confidence for _, _, confidence in events_of)
    arguments = [*common, "--out=-", "--format=jsonl", f"--min_confidence={least}"]
    assert predict.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(len(json.loads(line)["events"]) for line in lines) == 1
    assert predict.main([*common, "--out=-", "--format=csv", "--classes=high"]) == 0
    table = capsys.readouterr().out
    assert table.startswith("filename,onset,offset,event_label,confidence\n")
    assert ",low," not in table

    out = tmp_path / "each"
    formats = "--format=audacity,raven"
    assert predict.main([*common, f"--out={out}", formats, "--per_file"]) == 0
    assert {path.name for path in out.iterdir()} == {
        "00.wav.txt",
        "00.wav.selections.txt",
        "01.wav.txt",
        "01.wav.selections.txt",
        "events.tags.tsv",
    }


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--format=audacity"], "add --per_file=true"),
        (["--format=midi"], "--format=midi: expected one of desed, csv"),
        (["--out=-", "--format=csv,jsonl"], "--out=-: takes one table"),
        (["--out=/dev/null", "--per_file"], "--out=/dev/null: takes one table"),
        (["--classes=whale"], "unknown class 'whale'"),
        (["--min_confidence=2"], "min_confidence"),
    ],
)
def test_predict_refuses_what_it_cannot_write(
    run, audio, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    assert predict.main([f"--run={run[0]}", str(audio[0]), *arguments]) in (1, 2)
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_files_of_the_same_name_go_by_their_path(run, audio, tmp_path):
    from tfweak.models.runs import predictions, run_folder

    paths = []
    for name in ("a/x.wav", "b/x.wav", "b/y.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        shutil.copy(audio[0] / "00.wav", path)
        paths.append(path)
    answers, bad = predictions.predict_files(
        run_folder.load(run[0]), paths, batch_size=2
    )
    assert [a.filename for a in answers] == [str(paths[0]), str(paths[1]), "y.wav"]
    assert not bad
    whole, _ = predictions.predict_files(run_folder.load(run[0]), [tmp_path])
    assert [a.filename for a in whole] == ["a/x.wav", "b/x.wav", "b/y.wav"]


def test_export_answers_as_predict(run, audio, tmp_path):
    out = tmp_path / "model"
    assert export.main([f"--run={run[0]}", f"--out={out}"]) == 0
    from tfweak.audio import reading as audio_module
    from tfweak.models.runs import predictions, run_folder

    path = audio[0] / "03.wav"
    answer, _ = predictions.predict_files(run_folder.load(run[0]), [path])
    waveform = audio_module.read_audio(path)
    served = tf.saved_model.load(str(out)).signatures["serving_default"](
        waveform=tf.constant(waveform[None])
    )
    np.testing.assert_allclose(served["clip_probs"][0], answer[0].clip_probs, atol=1e-5)
    assert serving.read_assets(out)[0].names == ("high", "low")


def test_embedding_models_predict_from_shards(tmp_path, capsys):
    data = make_embeddings(tmp_path / "data", 12)
    arguments = [f"--data={data}", "--epochs=1", "--set=hidden_units=8"]
    arguments += ["--valid_fraction=0.5", f"--out={tmp_path / 'run'}"]
    assert train.main(arguments) == 0
    out = tmp_path / "events.tsv"
    assert predict.main([f"--run={tmp_path / 'run'}", str(data), f"--out={out}"]) == 0
    names = {line.split("\t")[0] for line in out.read_text().splitlines()[1:]}
    assert names == {f"clip-0-{i}" for i in range(12)}
    wav = tmp_path / "a.wav"
    soundfile.write(wav, np.zeros(8000), 8000)
    arguments = [f"--run={tmp_path / 'run'}", str(wav), f"--out={out}"]
    assert predict.main([*arguments, "--vggish=hub:/nowhere", "--pca=/no.npz"]) == 1
    assert "/no.npz: no PCA parameters of VGGish" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_readable(name, capsys):
    assert COMMANDS[name].main(["--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {name}")
    assert "--out:" in text and max(map(len, text.splitlines())) <= 90


def test_help_of_training_lists_models_and_settings(capsys):
    assert train.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 88
    _, _, models = text.partition("models and their settings:\n")
    for name in ARCHITECTURES.names():
        assert f"\n  {name}: " in f"\n{models}"
        for field, _, _, _ in settings.options_of(ARCHITECTURES.get(name)):
            assert field.name == "num_classes" or f"\n      {field.name}: " in models
    assert "num_classes" not in models
    assert "\n      pooling: of the segments (one of average, attention;" in models


def test_help_of_training_lists_own_models(tmp_path):
    (tmp_path / "mine.py").write_text(OWN_MODEL)
    (tmp_path / "broken.py").write_text("import nothing_of_this_name")
    for file, expected in (
        (
            "mine.py",
            "\n  own: A model of my own\n      units: of a layer (default: 7)\n",
        ),
        ("broken.py", "'nothing_of_this_name'"),
    ):
        command = [sys.executable, "-m", "tfweak", "train", "--help"]
        done = subprocess.run(
            [*command, f"--plugins={tmp_path / file}"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert expected in done.stdout and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("wrong", ["--nonsense=1", "--out"])
def test_wrong_flags_are_refused_before_any_work(name, wrong, capsys):
    assert COMMANDS[name].main([wrong]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{name}: ") and "--help" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "name, arguments, status, message",
    [
        ("tfweak-train", ["--out=x"], 2, "data"),
        ("tfweak-train", ["--data=/nowhere", "--out={}"], 1, "/nowhere"),
        ("tfweak-train", ["--data={data}", "--out={}", "extra"], 2, "'extra'"),
        ("tfweak-train", ["--data={data}", "--out={}", "--epochs=0"], 2, "epochs"),
        ("tfweak-train", ["--data={data}", "--out={}", "--epochs=x"], 2, "epochs"),
        (
            "tfweak-train",
            ["--data={data}", "--out={}", "--set=width"],
            1,
            "--set=width",
        ),
        (
            "tfweak-train",
            [
                "--data={data}",
                "--out={}",
                "--supervision=self",
                "--attention_weight=1,2,3",
            ],
            1,
            "--attention_weight=1,2,3",
        ),
        (
            "tfweak-train",
            ["--data={data}", "--out={}", "--supervision=all"],
            2,
            "supervision",
        ),
        (
            "tfweak-train",
            ["--data={weak}", "--out={}/r", "--supervision=strong"],
            1,
            "has strong labels; --supervision=self needs none",
        ),
        ("tfweak-train", ["--data={data}", "--out={data}"], 1, "not empty"),
        (
            "tfweak-train",
            ["--data={data}", "--out={}", "--valid_data=x", "--valid_fraction=0.2"],
            1,
            "give one of them",
        ),
        (
            "tfweak-train",
            ["--data={data}", "--out={}", "--attention_weight=0.1"],
            1,
            "--attention_weight has no effect",
        ),
        (
            "tfweak-train",
            ["--data={data}", "--out={}", "--self_supervision=pasting"],
            1,
            "--self_supervision has no effect",
        ),
        (
            "tfweak-train",
            ["--data={data}", "--out={}", "--supervision=self", "--pseudo_labels=soft"],
            1,
            "--pseudo_labels has no effect",
        ),
        (
            "tfweak-train",
            [
                "--data={data}",
                "--out={}",
                "--supervision=self",
                "--attention_target=activation",
            ],
            1,
            "--attention_target has no effect",
        ),
        (
            "tfweak-train",
            ["--data={data}", "--out={}/r", "--pseudo_labels=soft"],
            1,
            "--pseudo_labels has no effect",
        ),
        (
            "tfweak-evaluate",
            ["--run=/nowhere", "--data=x", "--out={}/m"],
            1,
            "/nowhere",
        ),
        (
            "tfweak-evaluate",
            ["--run={run}", "--data=/nowhere", "--out={}/m"],
            1,
            "/nowhere",
        ),
        ("tfweak-evaluate", ["--run={run}", "--data={data}", "--out={}"], 1, "folder"),
        ("tfweak-predict", ["--run={run}", "--out={}/e.tsv"], 1, "no file"),
        (
            "tfweak-predict",
            ["--run={run}", "/nowhere", "--out={}/e.tsv"],
            1,
            "/nowhere",
        ),
        ("tfweak-export", ["--run={data}", "--out={}/m"], 1, "not a run folder"),
    ],
)
def test_wrong_input_is_named_without_a_traceback(
    run, tmp_path, capsys, name, arguments, status, message
):
    weak = tmp_path / "weak"
    if "--data={weak}" in arguments:
        make_embeddings(weak, strong=False)
    filled = [
        text.replace("{data}", str(run[1]))
        .replace("{weak}", str(weak))
        .replace("{run}", str(run[0]))
        .replace("{}", str(tmp_path))
        for text in arguments
    ]
    assert COMMANDS[name].main(filled) == status
    error = capsys.readouterr().err
    assert message in error and error.startswith(f"{name}: ")
    assert "Traceback" not in error
    assert records.DatasetInfo.read(run[1]).num_clips == 40
