"""Trunks that are SavedModels: YAMNet's form, Perch's, and one of no name.

None of the published ones can be downloaded by a test; these have their calls, shapes
and signatures, and random weights.
"""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tfweak import registry
from tfweak.audio.reading import read_audio
from tfweak.data import records
from tfweak.data_prep.commands import prepare
from tfweak.errors import InputError
from tfweak.extractor import Extractor, create_extractor
from tfweak.extractors import perch
from tfweak.models.commands import export, predict, train
from tfweak.models.runs import run_folder
from tfweak.serving import read_assets

RATE = 44100  # of the files: neither trunk has it
CLIPS = 12


def weights(*shape):
    values = np.random.default_rng(len(shape)).standard_normal(shape)
    return tf.Variable(values / np.sqrt(shape[0]), dtype=tf.float32)


class Yamnet(tf.Module):
    """(N,) at 16 kHz -> scores (T, 521), embeddings (T, 1024), log-mel (frames, 64)."""

    def __init__(self):
        super().__init__()
        self.kernel, self.scores = weights(64, 1024), weights(1024, 521)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, waveform):
        after = tf.maximum(tf.shape(waveform)[0] - 15600, 0)
        hops = -(-after // 7680)
        waveform = tf.pad(waveform, [[0, 15600 + hops * 7680 - tf.shape(waveform)[0]]])
        spectra = tf.abs(tf.signal.stft(waveform, 400, 160, 512))
        mel = tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125.0, 7500.0)
        frames = tf.math.log(spectra @ mel + 0.001)
        patches = tf.signal.frame(frames, 96, 48, axis=0)
        embeddings = tf.nn.relu(tf.reduce_mean(patches, axis=1) @ self.kernel)
        return tf.nn.sigmoid(embeddings @ self.scores), embeddings, frames

    def signature(self):
        def named(waveform):
            scores, embeddings, frames = self(waveform)
            return {"output_0": scores, "output_1": embeddings, "output_2": frames}

        return tf.function(named, [tf.TensorSpec([None], tf.float32, "waveform")])


class Perch(tf.Module):
    """`infer_tf`: (B, 160000) at 32 kHz -> logits and embeddings (B, 1280)."""

    def __init__(self, form):
        super().__init__()
        self.kernel, self.form = weights(257, 1280), form
        batch = 1 if form == "one" else None
        self.infer_tf = tf.function(
            self.infer, [tf.TensorSpec([batch, 160000], tf.float32, "inputs")]
        )

    def infer(self, inputs):
        spectra = tf.math.log(tf.abs(tf.signal.stft(inputs, 512, 2000)) + 0.001)
        embedding = tf.reduce_mean(spectra, axis=1) @ self.kernel
        logits = embedding[:, :9]
        if self.form == "dict":
            return {"label": logits, "embedding": embedding, "order": logits}
        return logits, embedding

    def signature(self):
        def named(inputs):
            answer = self.infer(inputs)
            if self.form == "dict":
                return answer
            return {"output_0": answer[0], "output_1": answer[1]}

        return tf.function(named, self.infer_tf.input_signature)


class Nameless(tf.Module):
    """Signature `embed`: (B, 8000) -> two outputs, one of them (B, 48)."""

    def __init__(self):
        super().__init__()
        self.kernel = weights(129, 48)

    @tf.function(input_signature=[tf.TensorSpec([None, 8000], tf.float32, "audio")])
    def embed(self, audio):
        spectra = tf.abs(tf.signal.stft(audio, 256, 256))
        rows = tf.reduce_mean(spectra, axis=1) @ self.kernel
        return {"features": rows, "level": tf.reduce_mean(tf.abs(audio), axis=1)}

    def signature(self):
        return {"embed": self.embed}


class OfAnyLength(tf.Module):
    """(N,) -> (T, 5), a row for each 0.25 s."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def __call__(self, x):
        rows = tf.signal.frame(x, 4000, 2000)
        moments = [tf.reduce_mean(rows**k, axis=1) for k in range(1, 6)]
        return {"y": tf.stack(moments, axis=1)}

    def signature(self):
        return self.__call__


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Name -> folder of a SavedModel."""
    root = tmp_path_factory.mktemp("trunks")
    made = {
        "yamnet": Yamnet(),
        "perch": Perch("dict"),
        "tuple": Perch("tuple"),
        "one": Perch("one"),
        "nameless": Nameless(),
        "any": OfAnyLength(),
    }
    for name, module in made.items():
        tf.saved_model.save(module, str(root / name), signatures=module.signature())
    return root


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """Clips of 6 to 9 s, in which a class is a tone above 8 kHz, another one below."""
    folder = tmp_path_factory.mktemp("audio")
    tags = ["filename,labels"]
    rng = np.random.default_rng(0)
    for i in range(CLIPS):
        time = np.arange(RATE * (6 + i % 4)) / RATE
        tone = np.sin(2 * np.pi * (12000, 900)[i % 2] * time)
        waveform = 0.3 * tone + 0.02 * rng.standard_normal(len(time))
        soundfile.write(folder / f"{i:02d}.wav", waveform, RATE, subtype="PCM_16")
        tags.append(f"{i:02d}.wav,{('high', 'low')[i % 2]}")
    (folder / "tags.csv").write_text("\n".join(tags) + "\n")
    return folder


NAMELESS = {"signature": "embed", "output": "features", "hop_seconds": "0.125"}
TRUNKS = {
    "yamnet": ("yamnet", "yamnet", {}, (16000, 0.975, 0.48, 1024)),
    "perch": ("perch", "perch", {"hop_seconds": "1"}, (32000, 5.0, 1.0, 1280)),
    "tuple": ("perch", "tuple", {}, (32000, 5.0, 5.0, 1280)),
    "one": ("perch", "one", {"hop_seconds": "0.5"}, (32000, 5.0, 0.5, 1280)),
    "nameless": ("savedmodel", "nameless", NAMELESS, (16000, 0.5, 0.125, 48)),
    "any": (
        "savedmodel",
        "any",
        {"window_seconds": "0.25", "hop_seconds": "0.125"},
        (16000, 0.25, 0.125, 5),
    ),
}


def trunk(name, saved):
    kind, folder, settings, _ = TRUNKS[name]
    return create_extractor(f"{kind}:{saved / folder}", settings)


@pytest.mark.parametrize("name", TRUNKS)
def test_sizes_are_read_and_any_slice_on_the_grid_embeds_alike(name, saved):
    extractor = trunk(name, saved)
    rate, window, hop, size = TRUNKS[name][3]
    assert extractor.sample_rate_hz == rate
    assert (extractor.window_seconds, extractor.hop_seconds) == (window, hop)
    assert extractor.payload.row_size == extractor.embedding_size == size
    rng = np.random.default_rng(1)
    length = extractor.window_samples + 5 * extractor.hop_samples + 77
    waveform = rng.uniform(-0.5, 0.5, length).astype(np.float32)
    whole = extractor.embed(waveform)
    assert whole.shape == (6, size) and whole.dtype == np.float32
    for first in (1, 4):
        part = extractor.embed(waveform[first * extractor.hop_samples :])
        np.testing.assert_allclose(part, whole[first:], rtol=1e-4, atol=1e-4)
    # one shorter than a window is padded to it
    short = waveform[: extractor.window_samples // 3]
    padded = np.pad(short, (0, extractor.window_samples - len(short)))
    np.testing.assert_allclose(
        extractor.embed(short), extractor.embed(padded), rtol=1e-4, atol=1e-4
    )
    assert extractor.embed(short).shape == (1, size)
    # a worker gets the settings and loads the rest itself
    again = pickle.loads(pickle.dumps(extractor))
    assert again == extractor and len(pickle.dumps(extractor)) < 5000
    assert again.payload == extractor.payload


def test_long_waveforms_are_embedded_in_blocks(saved, monkeypatch):
    extractor = trunk("nameless", saved)
    waveform = np.random.default_rng(2).uniform(-0.5, 0.5, 60000).astype(np.float32)
    whole = extractor.embed(waveform)
    monkeypatch.setattr("tfweak.extractor.BLOCK_SECONDS", 0.4)
    np.testing.assert_allclose(extractor.embed(waveform), whole, rtol=1e-5, atol=1e-6)
    assert len(whole) == extractor.num_rows(60000) == 1 + (60000 - 8000) // 2000


def test_perch_scales_each_window(saved):
    extractor = trunk("perch", saved)
    waveform = np.random.default_rng(3).uniform(-0.1, 0.1, 160000).astype(np.float32)
    louder = extractor.embed(4 * waveform + 0.2)
    np.testing.assert_allclose(louder, extractor.embed(waveform), rtol=1e-3, atol=1e-3)
    raw = dataclasses.replace(extractor, target_peak=0.0)
    assert np.abs(raw.embed(4 * waveform) - raw.embed(waveform)).max() > 0.1
    expected = waveform - waveform.mean()
    expected *= 0.25 / np.abs(expected).max()
    np.testing.assert_allclose(
        raw.embed(expected), extractor.embed(waveform), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("name", ["yamnet", "perch", "nameless"])
def test_from_audio_to_a_saved_model_that_answers_waveforms(
    name, saved, audio, tmp_path, capsys
):
    kind, folder, settings, (rate, _, hop, size) = TRUNKS[name]
    flags = [f"--extractor={kind}:{saved / folder}"]
    if settings:
        given = ",".join(f"{key}={value}" for key, value in settings.items())
        flags.append(f"--extractor_settings={given}")
    data, run = tmp_path / "data", tmp_path / "run"
    arguments = ["--dataset=folder", f"--source={audio}", "--features=embeddings"]
    assert prepare.main([*arguments, *flags, "--workers=1", f"--out={data}"]) == 0
    # decoded at the extractor's rate, never through another one
    extractor = trunk(name, saved)
    payload = records.DatasetInfo.read(data).payload
    assert payload == extractor.payload
    assert payload.parameters["sample_rate_hz"] == rate
    (path, *_) = records.shards(data)
    record = next(iter(tf.data.TFRecordDataset(path)))
    clip = records.parse_clip(record.numpy(), payload)
    waveform = read_audio(audio / clip.clip_id, rate)
    np.testing.assert_allclose(
        clip.payload, extractor.embed(waveform), rtol=1e-3, atol=1e-3
    )

    arguments = [
        f"--data={data}",
        "--set=hidden_units=16,hidden_layers=1,feature_units=8",
    ]
    arguments += ["--epochs=3", "--batch_size=4", "--valid_fraction=0.4"]
    assert train.main([*arguments, "--precision=float32", f"--out={run}"]) == 0
    found = run_folder.load(run)
    assert found.architecture.input.size == size
    assert found.architecture.grid.hop_seconds == hop

    # by the extractor that the run knows; the files are of another rate
    table = tmp_path / "events.tsv"
    arguments = [f"--run={run}", str(audio), f"--out={table}", "--precision=float32"]
    assert predict.main([*arguments, "--tags=2"]) == 0
    rows = [
        line.split("\t")
        for line in table.with_suffix(".tags.tsv").read_text().splitlines()[1:]
    ]
    answered = {(row[0], row[1]): float(row[2]) for row in rows}
    assert len(answered) == 2 * CLIPS

    assert export.main([f"--run={run}", f"--out={tmp_path / 'served'}"]) == 0
    served = tf.saved_model.load(str(tmp_path / "served"))
    classes, _ = read_assets(tmp_path / "served")
    names = ["00.wav", "01.wav", "03.wav"]  # 6, 7 and 9 s
    waveforms = [read_audio(audio / each, rate) for each in names]
    longest = max(map(len, waveforms))
    padded = np.stack([np.pad(w, (0, longest - len(w))) for w in waveforms])
    reply = served.signatures["waveform_lengths"](
        waveform=tf.constant(padded),
        num_samples=tf.constant([len(w) for w in waveforms], tf.int32),
    )
    for i, each in enumerate(names):
        alone = served.signatures["serving_default"](
            waveform=tf.constant(waveforms[i][np.newaxis])
        )
        for j, label in enumerate(classes.names):
            expected = answered[each, label]
            together = float(reply["clip_probs"][i, j])
            assert together == pytest.approx(expected, abs=1e-4)
            assert float(alone["clip_probs"][0, j]) == pytest.approx(expected, abs=1e-4)
    # the time that a row stands for lies in the middle of its window
    onset = float(reply["segment_times"][0, 0])
    assert onset == pytest.approx((extractor.window_seconds - hop) / 2, abs=1e-6)

    # other embeddings are refused
    capsys.readouterr()
    other = "any" if name != "nameless" else "yamnet"
    kind, folder, settings, _ = TRUNKS[other]
    arguments = [f"--run={run}", str(audio), f"--out={tmp_path / 'other.tsv'}"]
    arguments.append(f"--extractor={kind}:{saved / folder}")
    if settings:
        given = ",".join(f"{key}={value}" for key, value in settings.items())
        arguments.append(f"--extractor_settings={given}")
    assert predict.main(arguments) == 1
    assert "not the extractor of the training data" in capsys.readouterr().err


def test_scenes_for_a_trunk_of_a_higher_rate_are_mixed_at_that_rate(
    saved, tmp_path, monkeypatch
):
    source = tmp_path / "clips" / "001 - High"
    source.mkdir(parents=True)
    time = np.arange(2 * RATE) / RATE
    for i in range(3):
        wave = 0.5 * np.sin(2 * np.pi * 12000 * time) * (np.sin(9 * time) > 0)
        soundfile.write(source / f"1-{i}-A.wav", wave, RATE)
    heard = []
    embed = Extractor.embed

    def listen(self, waveform):
        heard.append(waveform)
        return embed(self, waveform)

    monkeypatch.setattr(Extractor, "embed", listen)
    arguments = ["--dataset=soundscapes", f"--source={source.parent}", "--num_clips=2"]
    arguments += ["--features=embeddings", f"--extractor=perch:{saved / 'perch'}"]
    arguments += ["--workers=1", f"--out={tmp_path / 'out'}"]
    assert prepare.main(arguments) == 0
    assert len(heard) == 2
    for waveform in heard:
        assert len(waveform) == 10 * 32000
        spectrum = np.abs(np.fft.rfft(waveform))
        tone = spectrum[10 * 11900 : 10 * 12100].max()  # bins of 0.1 Hz
        assert tone > 20 * np.median(spectrum)


OWN = '''
import dataclasses

import tensorflow as tf
import tfweak
from tfweak.settings import option


@tfweak.register
@dataclasses.dataclass(frozen=True)
class Mine(tfweak.Extractor):
    """{form} of mine."""

    name = "mine"
    sample_rate_hz = {rate}
    window_seconds = {window}
    hop_seconds = {hop}
    embedding_size = {size}

    @property
    def trackables(self):
        return [self._model]

    @property
    def _model(self):
        if "_loaded" not in self.__dict__:
            self.__dict__["_loaded"] = tf.saved_model.load(self.source)
        return self.__dict__["_loaded"]

    def embed_windows(self, waveform):
        windows = tf.signal.frame(waveform, self.window_samples, self.hop_samples)
        {call}
'''
CALLS = {
    "yamnet": "return tf.map_fn(lambda w: self._model(w)[1][0], windows)",
    "perch": "return self._model.infer_tf(windows)['embedding']",
    "nameless": "return self._model.signatures['embed'](audio=windows)['features']",
}


@pytest.mark.parametrize("name", CALLS)
def test_each_of_them_by_a_file_of_ones_own(name, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_OWN", {})
    monkeypatch.setenv(registry.VARIABLE, "")
    rate, window, hop, size = TRUNKS[name][3]
    path = tmp_path / "mine.py"
    form = {"rate": rate, "window": window, "hop": hop, "size": size}
    path.write_text(OWN.format(form=name, call=CALLS[name], **form))
    registry.use_plugins([str(path)])
    mine = create_extractor(f"mine:{saved / name}")
    built_in = trunk(name, saved)
    if name == "perch":
        built_in = dataclasses.replace(built_in, target_peak=0.0)
    samples = mine.window_samples + 2 * mine.hop_samples
    waveform = np.random.default_rng(4).uniform(-0.5, 0.5, samples).astype(np.float32)
    np.testing.assert_allclose(
        mine.embed(waveform), built_in.embed(waveform), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    "spec, settings, message",
    [
        ("savedmodel", {}, "needs its folder"),
        ("savedmodel:{any}", {}, "needs the setting window_seconds"),
        (
            "savedmodel:{nameless}",
            {},
            "no signature 'serving_default'; there",
        ),
        ("savedmodel:{nameless}", {"signature": "embed"}, "say which with the setting"),
        ("savedmodel:{any}", {"window_seconds": "0.5"}, "answers .* for two windows"),
        ("savedmodel:/nowhere", {}, "/nowhere: cannot be loaded .* To go on offline"),
        ("yamnet:/nowhere", {}, "^/nowhere: cannot be loaded"),
        ("yamnet:{nameless}", {}, "cannot be called as extractor yamnet"),
        ("yamnet", {"hop": "1"}, "no setting 'hop'; there are source"),
        ("perch", {"hop_seconds": "0"}, "hop_seconds=0.0: expected"),
    ],
)
def test_what_cannot_be_is_named(spec, settings, message, saved):
    spec = spec.format(any=saved / "any", nameless=saved / "nameless")
    with pytest.raises(InputError, match=message):
        create_extractor(spec, settings).payload  # noqa: B018


def test_a_perch_that_needs_a_newer_tensorflow_is_refused_by_name(monkeypatch):
    handle = "https://www.kaggle.com/models/google/x/tensorFlow2/perch_v2/2"
    monkeypatch.setattr(tf, "__version__", "2.19.1")
    with pytest.raises(InputError, match="Perch 2 needs TensorFlow 2.20 or newer"):
        create_extractor(f"perch:{handle}").payload  # noqa: B018
    monkeypatch.setattr(tf, "__version__", "2.21.0")
    monkeypatch.setattr(perch, "load_hub", lambda place: place)
    assert create_extractor(f"perch:{handle}").module == handle
