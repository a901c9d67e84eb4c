"""A run in Python: the answers, metrics and files of the commands, and refusals."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from made import CLASSES, make_tones, plain_decoding, tone

import tfweak
from tfweak.audio.reading import resample
from tfweak.errors import InputError
from tfweak.evaluation import events
from tfweak.models.commands import predict
from tfweak.models.runs import run_folder, scoring
from tfweak.models.runs.run import Run


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_tones(tmp_path_factory.mktemp("tones") / "data")


@pytest.fixture(scope="module")
def trained(data):
    """What `tfweak.train` gives."""
    return tfweak.train(
        data=[data],
        out=data.parent / "run",
        model="tlweak",
        model_settings={"width": 0.1},
        supervision="none",
        epochs=2,
        batch_size=8,
        valid_fraction=0.3,
        average_weights=0.5,
    )


@pytest.fixture(scope="module")
def wav(data):
    """A recording at another rate than the model's."""
    waveform, _ = tone(0, np.random.default_rng(9))
    path = data.parent / "recordings" / "low.wav"
    path.parent.mkdir()
    soundfile.write(path, resample(waveform, 16000, 22050), 22050, subtype="FLOAT")
    return path


def network_weights(run):
    return run.network.get_weights()


def test_training_gives_the_run_that_loading_gives(trained):
    assert isinstance(trained, Run)
    again = tfweak.load(trained.folder)
    assert type(again) is Run and again.classes.names == ("low", "high")
    assert again.architecture == trained.architecture
    for one, two in zip(network_weights(trained), network_weights(again), strict=True):
        np.testing.assert_array_equal(one, two)


def test_settings_replace_those_of_a_configuration(data, tmp_path):
    config = tfweak.TrainConfig(data=[str(data)], out=str(tmp_path / "run"), epochs=3)
    with pytest.raises(InputError, match="epochs=0"):
        tfweak.train(config, epochs=0)
    with pytest.raises(TypeError, match="nonsense"):
        tfweak.train(config, nonsense=1)
    assert not (tmp_path / "run").exists()


def test_a_waveform_is_heard_as_its_file_is(trained, wav):
    waveform, rate = soundfile.read(wav)
    answer = trained.predict(waveform, rate)
    (of_file,), bad = trained.predict_files([wav.parent])
    assert not bad and of_file.filename == "low.wav"
    assert answer.clip_probs.shape == (2,) and answer.events == of_file.events
    np.testing.assert_array_equal(answer.clip_probs, of_file.clip_probs)
    np.testing.assert_array_equal(answer.segment_probs, of_file.segment_probs)


def test_the_command_answers_as_python_does(trained, wav, tmp_path, capsys):
    out = tmp_path / "events.tsv"
    assert predict.main([f"--run={trained.folder}", str(wav), f"--out={out}"]) == 0
    (answer,), _ = tfweak.load(trained.folder).predict_files([wav])
    found = events.read_events(out, trained.classes)["low.wav"]
    assert len(found) == len(answer.events)
    for one, two in zip(found, answer.events):
        assert one == pytest.approx(two, abs=1e-3)
    lines = out.with_suffix(".tags.tsv").read_text().splitlines()[1:]
    probs = {line.split("\t")[1]: float(line.split("\t")[2]) for line in lines}
    for name, prob in zip(trained.classes.names, answer.clip_probs):
        assert probs[name] == pytest.approx(prob, abs=1e-6)


@pytest.mark.parametrize(
    "waveform, message",
    [
        (np.zeros((100, 2)), r"shape \(100, 2\).*mean over channels"),
        (np.zeros(0), r"shape \(0,\)"),
        (np.zeros(100, np.int16), "of int16: floats.*divide"),
        (np.full(100, np.nan), "NaN"),
    ],
)
def test_what_is_no_waveform_is_refused(trained, waveform, message):
    with pytest.raises(InputError, match=message):
        trained.predict(waveform, 16000)


@dataclasses.dataclass(frozen=True)
class Loud(tfweak.Extractor):
    name = "loud"
    sample_rate_hz = 8000
    window_seconds = hop_seconds = 0.96
    embedding_size = 128

    def embed(self, waveform):
        return np.full((len(waveform) // 7680, 128), waveform.std(), np.float32)


def test_a_model_on_embeddings_needs_what_makes_them(trained):
    architecture = tfweak.create("embedding_attention", 3, hidden_units=8)
    run = dataclasses.replace(
        trained,
        architecture=architecture,
        network=architecture.build(),
        classes=CLASSES,
        payload=dataclasses.replace(Loud().payload, made_by={}),
        decodings={"segment": plain_decoding(3, 1e-6, 0.0)},
    )
    with pytest.raises(InputError, match="give the extractor"):
        run.predict(np.zeros(16000), 16000)
    # two seconds at 8 kHz are two windows of 7,680 samples
    answer = run.predict(np.zeros(32000), 16000, Loud())
    assert answer.segment_probs.shape == (2, 3) and answer.events
    other = dataclasses.replace(run.payload, parameters={"extractor": "soft"})
    with pytest.raises(InputError, match="not the extractor of the training data"):
        dataclasses.replace(run, payload=other).predict(np.zeros(32000), 16000, Loud())
    with pytest.raises(InputError, match="no embed_windows"):
        Loud().embed_windows(np.zeros(7680))


@pytest.mark.parametrize(
    "name, settings",
    [
        ("embedding_attention", {"hidden_units": 8}),
        ("attention_fcn", {"width": 0.05}),
        ("cgrnn", {"filters": 4, "recurrent_units": 4, "recurrent_layers": 1}),
    ],
)
def test_what_the_class_layers_read_gives_their_answer(name, settings, trained):
    architecture = tfweak.create(name, 2, **settings)
    network = architecture.build()
    run = dataclasses.replace(trained, architecture=architecture, network=network)
    if architecture.input.are_embeddings:
        payload = dataclasses.replace(Loud().payload, made_by={})
        run = dataclasses.replace(run, payload=payload)
        run.__dict__["extractor"] = Loud()
    rng = np.random.default_rng(0)
    waveform = rng.uniform(-0.5, 0.5, 4 * 16000).astype(np.float32)
    rows = run.embed(waveform, 16000)
    assert rows.ndim == 2 and rows.dtype == np.float32
    layer, *_ = architecture.class_layers  # the others read no segments
    kernel, bias = network.get_layer(layer).get_weights()
    expected = 1 / (1 + np.exp(-(rows @ kernel + bias)))
    answer = run.predict(waveform, 16000)
    np.testing.assert_allclose(answer.segment_probs, expected, atol=1e-4)


def test_evaluation_refuses_clips_that_it_learnt_from(trained, data, tmp_path):
    with pytest.raises(InputError, match="24 of its 24 clips are known to the run"):
        trained.evaluate([data])
    others = make_tones(tmp_path / "others", 8, seed=1)
    found = trained.evaluate([others])
    expected = scoring.evaluate(trained, scoring.open_for(trained, [others]))
    assert found == expected and found["num_clips"] == 8
    assert tfweak.evaluate(trained.folder, tfweak.open_data([others])) == found
    assert trained.evaluate([data], allow_overlap=True)["num_clips"] == 24


def test_an_export_computes_in_float32(trained, wav, tmp_path):
    half = tfweak.load(trained.folder, "bfloat16")
    half.export(tmp_path / "saved")
    whole = tfweak.load(trained.folder, "float32")
    waveform = resample(soundfile.read(wav, dtype="float32")[0], 22050, 44100)
    frames = whole.architecture.input.front_end.compute(waveform)
    served = tf.saved_model.load(str(tmp_path / "saved"))
    reply = served.signatures["log_mel"](
        features=frames[np.newaxis], num_frames=np.array([len(frames)], np.int32)
    )
    answers = [run.predict(waveform, 44100).clip_probs for run in (whole, half)]
    np.testing.assert_allclose(reply["clip_probs"][0], answers[0], atol=1e-6)
    assert np.abs(answers[0] - answers[1]).max() > 1e-5


def test_the_summary_says_what_it_is(trained, tmp_path):
    history = run_folder.read_history(trained.folder / "history.csv")
    best = max(history, key=lambda row: row["val_mAP"])
    text = trained.summary()
    count = sum(int(np.prod(w.shape)) for w in network_weights(trained))
    assert f"tlweak, {count:,} parameters" in text
    assert "width=0.1" in text and "batch_size=8" in text
    assert "2: low, high" in text
    assert f"best epoch: {best['epoch']:.0f} of 2" in text
    assert f"validation mAP {best['val_mAP']:.4f}" in text
    assert "scores, tuned on strong labels" in text
    folder = shutil.copytree(trained.folder, tmp_path / "tags")
    document = run_folder.read_decoding(folder)
    for truth, said in (("mixtures", "mixtures"), (None, "the tags")):
        document["tried"] = {truth: []} if truth else {}
        run_folder.write_decoding(folder, document)
        assert f"scores, tuned on {said}" in tfweak.load(folder).summary()
