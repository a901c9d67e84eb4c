"""Front ends by name: NumPy against graph and oracles, and from audio to models."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import sys
import textwrap

import keras
import numpy as np
import pytest
import soundfile
import soxr
import tensorflow as tf
from made import plain_decoding

from tfweak import serving
from tfweak.audio import front_ends, mel_spectrum, reading
from tfweak.audio.constant_q import ConstantQConfig
from tfweak.audio.front_end_layer import FrontEndLayer
from tfweak.audio.front_ends import FRONT_ENDS
from tfweak.audio.mel_spectrum import LogMelConfig
from tfweak.data import pipelines, records
from tfweak.data import sources as sources_lib
from tfweak.data.input_spec import InputSpec
from tfweak.data_prep import writer
from tfweak.data_prep.commands import prepare
from tfweak.data_prep.inputs import audio_clips
from tfweak.data_prep.options import Options
from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.models import architectures
from tfweak.models.architecture import create
from tfweak.models.experiments import figures
from tfweak.models.runs import predictions, scoring
from tfweak.models.runs.run import Run
from tfweak.models.training import trainer
from tfweak.payload import Payload

NAMES = list(FRONT_ENDS)
CQ = ConstantQConfig()


def noise(num_samples, seed=0):
    rng = np.random.default_rng(seed)
    return (0.2 * rng.standard_normal(num_samples)).clip(-1, 1).astype(np.float32)


@pytest.mark.parametrize(
    "name, rate, seconds, frames, bins",
    [
        ("vggish", 16000, 10, 998, 64),
        # Xu et al. 2017: 249 x 40. 1 + floor((64000 - 512) / 256) = 1 + 248
        ("xu2017", 16000, 4, 249, 40),
        # 1 + floor((160000 - 1024) / 664) = 1 + floor(239.4)
        ("gated_crnn", 16000, 10, 240, 64),
        # 1 + floor((441000 - 1024) / 512) = 1 + floor(859.3)
        ("tlweak", 44100, 10, 860, 128),
        ("constant_q", 16000, 4, 249, 80),
    ],
)
def test_sizes(name, rate, seconds, frames, bins):
    front_end = front_ends.get(name)
    assert front_end.sample_rate_hz == rate
    found = front_end.compute(noise(rate * seconds))
    assert found.shape == (frames, bins) == (frames, front_end.num_bins)
    assert found.dtype == np.float32
    assert front_end.num_frames(rate * seconds) == frames
    # the frames of one more sample than the last needs, and of one fewer
    whole = front_end.window_samples + (frames - 1) * front_end.hop_samples
    assert front_end.num_frames(whole) == frames
    assert front_end.num_frames(whole - 1) == frames - 1
    # a clip that is too short for a frame has one all the same
    assert front_end.num_frames(front_end.window_samples - 1) == 0
    assert front_end.compute(noise(1)).shape == (1, bins)


def test_vggish_parameters_are_those_of_existing_data():
    assert json.dumps(front_ends.get("vggish").parameters()) == (
        '{"front_end": "magnitude-htk-log", "sample_rate_hz": 16000, "window_seconds":'
        ' 0.025, "hop_seconds": 0.01, "num_mel_bins": 64, "lower_edge_hz": 125.0,'
        ' "upper_edge_hz": 7500.0, "log_offset": 0.01}'
    )


def test_times_given_in_samples_are_exact_at_44_1_khz():
    config = front_ends.get("tlweak")
    restored = front_ends.from_parameters(json.loads(json.dumps(config.parameters())))
    assert restored == config
    assert (restored.window_samples, restored.hop_samples) == (1024, 512)
    assert restored.fft_length == 1024
    # any whole number of samples counts, whatever its quotient rounds to
    for samples in range(1, 5000, 7):
        made = LogMelConfig(
            sample_rate_hz=44100, window_seconds=samples / 44100, hop_seconds=1 / 44100
        )
        assert (made.window_samples, made.hop_samples) == (samples, 1)
    with pytest.raises(InputError, match="whole number"):
        LogMelConfig(sample_rate_hz=44100, window_seconds=0.025)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_tell_front_ends_apart(name):
    front_end = front_ends.get(name)
    parameters = json.loads(json.dumps(front_end.parameters()))
    assert front_ends.from_parameters(parameters) == front_end
    assert front_ends.name_of(front_end) == name
    others = [f for n, f in FRONT_ENDS.items() if n != name]
    assert all(parameters != other.parameters() for other in others)
    assert pickle.loads(pickle.dumps(front_end)) == front_end  # goes to the workers
    payload = Payload(front_end.kind, "float16", parameters)
    assert payload.row_size == front_end.num_bins


def test_unknown_front_ends_are_refused():
    with pytest.raises(InputError, match="no front end 'mfcc'; there are vggish, xu"):
        front_ends.get("mfcc")
    with pytest.raises(InputError, match="unknown front end"):
        front_ends.from_parameters({**CQ.parameters(), "front_end": "other"})
    with pytest.raises(InputError, match="unknown front end"):
        front_ends.from_parameters({**CQ.parameters(), "normalised": True})
    with pytest.raises(InputError, match="stored as float16"):
        CQ.parameters("uint8")
    with pytest.raises(InputError, match="constant_q"):
        Payload("constant_q", "uint8", CQ.parameters())
    with pytest.raises(InputError, match="do not give num_bins"):
        Payload("constant_q", "float16", {}).row_size  # noqa: B018


@pytest.mark.parametrize("name", [n for n in NAMES if n != "constant_q"])
def test_every_mel_band_hears_something(name):
    matrix = mel_spectrum.mel_matrix(front_ends.get(name))
    assert matrix.sum(axis=0).min() > 0.1


# --- constant Q -----------------------------------------------------------------------


def direct(waveform, frame, k):
    """|X| of one frame and bin by the definition, a sample at a time."""
    q = 1 / math.tanh(math.log(2) / 12)
    hertz = 65.4 * 2 ** (k / 12)
    length = q * 16000 / hertz
    middle = 256 * frame + 256
    total, weight = 0.0, 0.0
    for n in range(-math.ceil(length / 2) + 1, math.ceil(length / 2)):
        w = 0.5 + 0.5 * math.cos(2 * math.pi * n / length)
        weight += w
        if 0 <= middle + n < len(waveform):
            angle = -2 * math.pi * n * hertz / 16000
            total += (
                w * waveform[middle + n] * complex(math.cos(angle), math.sin(angle))
            )
    return math.sqrt(length) / weight * abs(total)


def test_constant_q_by_definition():
    waveform = noise(16000).astype(float)
    found = CQ.compute(waveform)
    assert len(found) == 61  # 1 + floor((16000 - 512) / 256)
    for frame in (0, 1, 30, 60):  # the first and the last reach beyond the clip
        for k in (0, 11, 12, 47, 79):
            expected = math.log(direct(waveform, frame, k) + 0.001)
            assert found[frame, k] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("k", [0, 12, 33, 60, 79])
def test_a_tone_falls_into_its_bin(k):
    hertz = CQ.frequencies_hz[k]
    assert hertz == pytest.approx(65.4 * 2 ** (k / 12))
    found = CQ.compute(0.6 * np.sin(2 * np.pi * hertz * np.arange(32000) / 16000))
    assert (found[20:-20].argmax(axis=1) == k).all()
    # amplitude a: |X| = sqrt(l) a / 2, l = 17.3316 periods
    expected = math.log(0.3 * math.sqrt(17.33159 * 16000 / hertz) + 0.001)
    np.testing.assert_allclose(found[20:-20, k], expected, atol=0.01)


def test_silence_is_the_offset():
    np.testing.assert_allclose(CQ.compute(np.zeros(4000)), math.log(0.001), rtol=1e-6)


def test_constant_q_beside_librosa():
    # librosa halves the rate octave by octave, rounds each window to whole samples, and
    # lays it half a sample off the middle where their number is even: 2.4 % in all
    librosa = pytest.importorskip("librosa")
    waveform = noise(64000)
    theirs = librosa.cqt(
        waveform.astype(float),
        sr=16000,
        hop_length=256,
        fmin=65.4,
        n_bins=80,
        bins_per_octave=12,
        sparsity=0,
    )
    # their first frame has its middle at sample 0, ours at sample 256
    theirs = np.abs(theirs).T[1:250]
    ours = np.exp(CQ.compute(waveform)) - 0.001
    assert np.linalg.norm(ours - theirs) < 0.03 * np.linalg.norm(theirs)
    per_bin = np.linalg.norm(ours - theirs, axis=0) / np.linalg.norm(theirs, axis=0)
    assert per_bin.max() < 0.08
    # the windows that librosa makes, without the halving: nearly exact where long
    filters, lengths = librosa.filters.wavelet(
        freqs=CQ.frequencies_hz, sr=16000, pad_fft=False
    )
    half = filters.shape[1] // 2
    padded = np.pad(waveform.astype(float), (half, half + 1))
    windows = np.lib.stride_tricks.sliding_window_view(padded, filters.shape[1])
    exact = np.abs(windows[256::256][:249] @ filters.conj().T) * np.sqrt(lengths)
    per_bin = np.linalg.norm(ours - exact, axis=0) / np.linalg.norm(exact, axis=0)
    assert per_bin[:12].max() < 1e-3 and per_bin.max() < 0.03


@pytest.mark.parametrize(
    "change, message",
    [
        ({"num_bins": 84}, "up to 8243.* below 8000"),  # 65.4 2^(83/12) (1 + .75/17.3)
        ({"hop_seconds": 0.00001}, "whole number"),
        ({"bins_per_octave": 0}, "above 0"),
        ({"lowest_hz": math.nan}, "above 0"),
    ],
)
def test_wrong_constant_q_settings(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(CQ, **change)


# --- in graph -------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_graph_agrees_with_numpy(name):
    front_end = front_ends.get(name)
    rate, window = front_end.sample_rate_hz, front_end.window_samples
    time = np.arange(rate) / rate
    batch = np.stack([noise(rate, seed) for seed in range(6)])
    batch[1] = np.sin(2 * np.pi * 440 * time)
    batch[2] = 0
    # what stands behind a clip's end is not heard
    lengths = np.array([rate, rate, rate, rate // 2, window - 1, 1])
    layer = FrontEndLayer(front_end)
    found = tf.function(layer)(batch, lengths)
    assert found["features"].dtype == tf.float32
    for i, length in enumerate(lengths):
        expected = front_end.compute(batch[i, :length])
        assert found["num_frames"][i] == len(expected)
        np.testing.assert_allclose(
            found["features"][i, : len(expected)], expected, rtol=0, atol=1e-4
        )
    # a batch of clips that are all shorter than a window
    short = layer(batch[:2, :100])
    np.testing.assert_allclose(
        short["features"][1], front_end.compute(batch[1, :100]), atol=1e-4
    )
    spec = layer(keras.Input((rate,)))["features"]
    assert spec.shape == (None, front_end.num_frames(rate), front_end.num_bins)
    assert layer(keras.Input((None,)))["features"].shape[1] is None


@pytest.mark.parametrize("name", NAMES)
def test_layers_survive_serialisation(name):
    layer = FrontEndLayer(front_ends.get(name), name="front_end")
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert copy.config == layer.config and copy.name == "front_end"


# --- from audio to batches ------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixteen clips, of several rates and lengths, with two classes of tones."""
    made = tmp_path_factory.mktemp("audio")
    lines = ["filename,labels"]
    for i in range(16):
        rate = (16000, 44100, 22050)[i % 3]
        seconds = 0.002 if i == 4 else 0.4 + 0.02 * i
        time = np.arange(round(seconds * rate)) / rate
        wave = 0.3 * np.sin(2 * np.pi * (300, 3000)[i % 2] * time)
        wave += 0.02 * noise(len(time), i)
        soundfile.write(made / f"{i:02}.wav", wave, rate, subtype="FLOAT")
        lines.append(f"{i:02}.wav,{('low', 'high')[i % 2]}")
    (made / "tags.csv").write_text("\n".join(lines) + "\n")
    return made


def prepared(folder, out, **options):
    writer.prepare(
        "folder",
        out,
        Options(source=folder, **options),
        workers=1,
        clips_per_shard=10,
    )
    return sources_lib.open_data([out])


@pytest.fixture(scope="module")
def data(folder, tmp_path_factory):
    """Name of a front end -> the folder's data; `waveform` for that payload."""
    top = tmp_path_factory.mktemp("data")
    made = {n: prepared(folder, top / n, front_end=n) for n in NAMES}
    return {
        **made,
        "waveform": prepared(folder, top / "waveform", features="waveform"),
    }


def clips(data, **config):
    """Clip id -> its valid frames."""
    found = {}
    batches = pipelines.evaluation_batches(data, pipelines.InputConfig(5, **config))
    for x, y in batches:
        for i, clip_id in enumerate(y["clip_id"].numpy()):
            rows = int(x["num_frames"][i])
            found[clip_id.decode()] = x["features"][i, :rows].numpy()
            np.testing.assert_array_equal(x["features"][i, rows:], 0)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_prepared_opened_and_parsed(data, folder, name):
    front_end = front_ends.get(name)
    opened = data[name]
    assert opened.payload.kind == front_end.kind
    assert front_ends.from_parameters(opened.payload.parameters) == front_end
    found = clips(opened)
    assert len(found) == 16
    for clip_id, frames in found.items():
        wave = reading.read_audio(folder / clip_id, front_end.sample_rate_hz)
        expected = front_end.compute(wave)
        # a half has eleven bits: values up to 8 are off by 2^-9 at most
        np.testing.assert_allclose(frames, expected, rtol=0, atol=2**-8)
    serialized = next(iter(opened.open_serialized())).numpy()
    clip = records.parse_clip(serialized, opened.payload)
    np.testing.assert_array_equal(clip.payload, found[clip.clip_id])


def test_times_follow_the_front_ends_rate(folder, data):
    for name in ("vggish", "tlweak"):
        for item in data[name].open_serialized():
            clip = records.parse_clip(item.numpy(), data[name].payload)
            seconds = soundfile.info(folder / clip.clip_id).duration
            assert clip.end_seconds == pytest.approx(seconds, abs=1e-4)


@pytest.mark.parametrize("name", ["vggish", "xu2017", "gated_crnn", "constant_q"])
def test_waveforms_are_as_good_as_features(data, name):
    front_end = front_ends.get(name)
    stored = clips(data[name])
    made = clips(data["waveform"], front_end=front_end)
    assert stored.keys() == made.keys()
    for clip_id, frames in stored.items():
        assert made[clip_id].shape == frames.shape
        # 16 bits move what lies far below the tone; halves round
        assert np.abs(made[clip_id] - frames).mean() < 0.002
        np.testing.assert_allclose(made[clip_id], frames, rtol=0, atol=0.02)


def test_stored_waveforms_of_another_rate_are_resampled(data):
    front_end = front_ends.get("tlweak")
    made = clips(data["waveform"], front_end=front_end)
    serialized = data["waveform"].open_serialized()
    for record in serialized.as_numpy_iterator():
        clip = records.parse_clip(record, data["waveform"].payload)
        wave = soxr.resample(clip.payload / np.float32(32768), 16000, 44100)
        expected = front_end.compute(wave)
        np.testing.assert_allclose(made[clip.clip_id], expected, rtol=0, atol=1e-3)
    tlweak = InputSpec.frames("tlweak")
    note = tlweak.resampling_note(data["waveform"].payload)
    assert "16000 Hz are resampled to the model's 44100 Hz" in note
    assert "above 8000 Hz" in note and "front_end=tlweak" in note
    same = InputSpec.frames("xu2017")
    assert same.resampling_note(data["waveform"].payload) is None
    assert tlweak.resampling_note(data["tlweak"].payload) is None


@pytest.mark.parametrize("name", ["xu2017", "tlweak", "constant_q"])
def test_batches_from_files(folder, name):
    front_end = front_ends.get(name)
    # at their own rates, so that no resampler stands between
    paths = [
        path
        for path in sorted(folder.glob("*.wav"))
        if soundfile.info(path).samplerate == front_end.sample_rate_hz
    ][:3]
    weak = np.eye(3)[: len(paths)]
    [(x, _)] = pipelines.audio_file_batches(paths, weak, 3, front_end=front_end)
    for i, path in enumerate(paths):
        expected = front_end.compute(reading.read_audio(path, front_end.sample_rate_hz))
        assert x["num_frames"][i] == len(expected)
        np.testing.assert_allclose(
            x["features"][i, : len(expected)], expected, atol=1e-3
        )


def test_mixed_scenes_are_resampled(tmp_path):
    made = {}
    for name, features_kind in (("waveform", "waveform"), ("tlweak", "log_mel")):
        options = Options(
            num_clips=1,
            clip_seconds=2.0,
            features=features_kind,
            front_end="tlweak" if name == "tlweak" else None,
        )
        writer.prepare("soundscapes", tmp_path / name, options, workers=1)
        opened = sources_lib.open_data([tmp_path / name])
        item = next(iter(opened.open_serialized())).numpy()
        made[name] = records.parse_clip(item, opened.payload)
    wave = made["waveform"].payload / np.float32(32768)
    expected = front_ends.get("tlweak").compute(
        soxr.resample(wave, 16000, 44100, quality="HQ")
    )
    assert made["tlweak"].payload.shape == (171, 128)  # 1 + (88200 - 1024) / 512
    # below 7.5 kHz (band 95 of 128), where both have something to say
    difference = np.abs(made["tlweak"].payload - expected)[:, :95]
    assert difference.mean() < 0.005
    assert made["tlweak"].events == made["waveform"].events
    assert made["tlweak"].end_seconds == 2.0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"payload_dtype": "uint8", "front_end": "xu2017"}, "uint8 is for front_end"),
        ({"payload_dtype": "uint8", "front_end": "constant_q"}, "float16"),
        (
            {"features": "waveform", "front_end": "vggish"},
            "front_end is for features=log_mel",
        ),
        (
            {"features": "embeddings", "front_end": "xu2017"},
            "front_end is for features=log_mel",
        ),
        ({"front_end": "mfcc"}, "front_end=mfcc: expected one of vggish"),
    ],
)
def test_refused_preparations(options, message):
    with pytest.raises(InputError, match=message):
        audio_clips.encoder(Options(**options))
    assert audio_clips.encoder(
        Options(payload_dtype="uint8", front_end="vggish")
    ).payload == Payload("log_mel", "uint8", LogMelConfig().parameters("uint8"))


def test_the_flag(folder, tmp_path, capsys):
    argv = ["--dataset=folder", f"--source={folder}", f"--out={tmp_path / 'out'}"]
    argv += ["--workers=1", "--clips_per_shard=16"]
    assert prepare.main([*argv, "--front_end=mfcc"]) == 2
    assert "front_end" in capsys.readouterr().err
    assert prepare.main([*argv, "--features=waveform", "--front_end=xu2017"]) == 1
    assert "--front_end is for --features=log_mel" in capsys.readouterr().err
    assert prepare.main([*argv, "--front_end=xu2017", "--payload_dtype=uint8"]) == 1
    assert "--payload_dtype=uint8 is for" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert prepare.main([*argv, "--front_end=constant_q"]) == 0
    payload = records.DatasetInfo.read(tmp_path / "out").payload
    assert payload == Payload("constant_q", "float16", CQ.parameters())


# --- models ---------------------------------------------------------------------------

STUB = """
    import dataclasses
    import keras
    from tfweak.data.input_spec import InputSpec
    from tfweak.labels import SegmentGrid
    from tfweak.models.architecture import Architecture
    from tfweak.models.networks.attention_head import segment_head
    from tfweak.models.networks.layers import SequenceMask, Standardise

    @dataclasses.dataclass(frozen=True)
    class Stub(Architecture):
        name = "stub_{name}"
        input = InputSpec.frames({front_end!r})
        class_layers = ("L8-a",)

        bins: int = {bins}
        pooling: str = "attention"

        def network(self):
            features = keras.Input((None, self.bins), name="features")
            num_frames = keras.Input((), dtype="int32", name="num_frames")
            mask = SequenceMask(name="mask")(num_frames, features)
            hidden = Standardise(name="standardisation")(features)
            outputs = segment_head(hidden, mask, self.num_classes, self.pooling)
            inputs = {{"features": features, "num_frames": num_frames}}
            return keras.Model(inputs, outputs)

        @property
        def grid(self):
            return SegmentGrid(self.input.hop_seconds, self.input.window_seconds)
"""


@pytest.fixture(scope="module", autouse=True)
def stubs(tmp_path_factory):
    """An architecture `stub_NAME` for each front end: a segment a frame."""
    home = tmp_path_factory.mktemp("architectures")
    for name, front_end in FRONT_ENDS.items():
        text = STUB.format(name=name, front_end=name, bins=front_end.num_bins)
        (home / f"stub_{name}.py").write_text(textwrap.dedent(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(architectures, "__path__", [*architectures.__path__, str(home)])
        yield
    for module in [m for m in sys.modules if ".architectures.stub_" in m]:
        del sys.modules[module]


def test_architectures_have_a_front_end():
    xu2017 = create("stub_xu2017", 2).input
    assert xu2017.front_end == front_ends.get("xu2017") and not xu2017.are_embeddings
    assert create("attention_fcn", 2).input.front_end == LogMelConfig()
    assert create("embedding_attention", 2).input.are_embeddings


def test_no_network_of_other_bins_is_built():
    with pytest.raises(InputError, match="reads 64 values a row, its input has 40"):
        create("stub_xu2017", 2, bins=64).build()


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize("name", [*NAMES, "waveform"])
def test_a_model_takes_its_own_front_ends_data(data, model, name):
    stub = create(f"stub_{model}", 2)
    if name in (model, "waveform"):  # of whatever rate: they are resampled
        stub.check_payload(data[name].payload, "the/folder")
        return
    with pytest.raises(InputError, match="the/folder") as caught:
        stub.check_payload(data[name].payload, "the/folder")
    assert f"features=log_mel and front_end={model}" in str(caught.value)


def test_data_is_held_against_the_training_data(data):
    payload = {name: opened.payload for name, opened in data.items()}
    xu = InputSpec.frames("xu2017")
    xu.check_same(payload["waveform"], payload["xu2017"], "x")
    xu.check_same(payload["xu2017"], payload["waveform"], "x")
    with pytest.raises(InputError, match="num_mel_bins is 64, not 40.*=xu2017"):
        xu.check_same(payload["xu2017"], payload["vggish"], "x")
    tlweak = InputSpec.frames("tlweak")
    tlweak.check_same(payload["tlweak"], payload["waveform"], "x")
    unknown_rate = dataclasses.replace(payload["waveform"], parameters={})
    with pytest.raises(InputError, match="x: .*not give their sample_rate_hz"):
        tlweak.check_same(payload["tlweak"], unknown_rate, "x")
    with pytest.raises(InputError, match="kind is 'constant_q', not 'log_mel'"):
        xu.check_same(payload["xu2017"], payload["constant_q"], "x")


def stub_run(name, data):
    """A run of a model that has learnt nothing."""
    stub = create(f"stub_{name}", 2)
    return Run(
        folder=None,
        architecture=stub,
        network=stub.build(),
        classes=data.classes,
        payload=data.payload,
        decodings={"segment": plain_decoding(2)},
        config={},
    )


def test_training_uses_the_models_front_end(data, tmp_path):
    stored = {name: opened.files[0].rpartition("/")[0] for name, opened in data.items()}
    config = trainer.TrainConfig(
        data=(stored["waveform"],),
        out=str(tmp_path / "run"),
        model="stub_xu2017",
        epochs=1,
        batch_size=8,
        valid_fraction=0.3,
        precision="float32",
    )
    for change in ({"data": (stored["vggish"],)}, {"valid_data": (stored["vggish"],)}):
        with pytest.raises(InputError, match="front_end=xu2017"):
            trainer.train(dataclasses.replace(config, **change))
    assert not (tmp_path / "run").exists()
    run = trainer.train(config)
    # standardised with the statistics of the 40 bands, which are not all alike
    layer = run.network.get_layer("standardisation")
    assert layer.mean.shape == (40,) and np.ptp(layer.mean.numpy()) > 0.1
    # the front end runs in the pipeline, or ran before: the answers are the same
    one, two = (scoring.collect(run, data[n]) for n in ("waveform", "xu2017"))
    np.testing.assert_allclose(one.clip_probs, two.clip_probs, atol=0.01)
    with pytest.raises(InputError, match="front_end=xu2017"):
        scoring.collect(run, data["vggish"])


@pytest.mark.parametrize("name", ["xu2017", "tlweak", "constant_q"])
def test_files_get_the_answers_of_prepared_clips(data, folder, name):
    run = stub_run(name, data[name])
    found = scoring.collect(run, data[name])
    answers, bad = predictions.predict_files(run, [folder])
    assert not bad and len(answers) == 16
    by_name = {answer.filename: answer for answer in answers}
    ids = [clip_id.decode() for clip_id in data[name].clip_ids]
    for clip_id, scores in zip(ids, found.clip_probs):
        np.testing.assert_allclose(by_name[clip_id].clip_probs, scores, atol=0.01)
    front_end = run.architecture.input.front_end
    seconds = soundfile.info(folder / "01.wav").duration  # 44.1 kHz
    segments = len(by_name["01.wav"].segment_probs)
    assert segments == front_end.num_frames(round(seconds * front_end.sample_rate_hz))
    # what is left over is shorter than a hop
    left = seconds - run.architecture.input.seconds(segments)
    assert 0 <= left < front_end.hop_seconds


@pytest.mark.parametrize("name", ["xu2017", "tlweak", "constant_q"])
def test_exports_compute_the_front_end(data, folder, tmp_path, name):
    run = stub_run(name, data[name])
    run.export(tmp_path / "saved")
    front_end = run.architecture.input.front_end
    model = tf.saved_model.load(str(tmp_path / "saved"))
    assert set(model.signatures) == {
        "serving_default",
        "waveform",
        "waveform_lengths",
        front_end.kind,
    }
    wave = reading.read_audio(folder / "01.wav", front_end.sample_rate_hz)
    frames = front_end.compute(wave)[np.newaxis]
    count = np.array([frames.shape[1]], np.int32)
    own = run.network({"features": frames, "num_frames": count})
    padded = np.pad(wave, (0, 5000))[np.newaxis]
    for answer in (
        model.signatures["waveform"](waveform=tf.constant(wave[np.newaxis])),
        model.signatures["waveform_lengths"](
            waveform=tf.constant(padded), num_samples=tf.constant([len(wave)])
        ),
        model.signatures[front_end.kind](
            features=tf.constant(frames), num_frames=tf.constant(count)
        ),
    ):
        np.testing.assert_allclose(answer["clip_probs"], own["clip_probs"], atol=1e-4)


def test_an_export_must_fit_its_front_end(tmp_path):
    stub = create("stub_xu2017", 2)
    classes, decoding = ClassList(("low", "high")), plain_decoding(2)
    given = (stub.grid, classes, decoding, tmp_path / "out")
    with pytest.raises(InputError, match="reads 40 values a row, not 64"):
        serving.export(stub.build(), InputSpec.frames("vggish"), *given)
    assert not (tmp_path / "out").exists()


def test_figures_show_the_runs_features(data):
    pytest.importorskip("matplotlib")
    opened = data["waveform"]
    run = stub_run("xu2017", opened)
    clip = figures._examples(opened, run)[0]
    assert clip.x["features"].shape[-1] == 40
    figure = figures._attention({"one": (run, clip)})
    [image, *_] = [image for axes in figure.axes for image in axes.images]
    # frames of 16 ms on the axis of time, whatever the data was stored as
    extent = image.get_extent()
    assert extent[1] - extent[0] == pytest.approx(0.016 * int(clip.x["num_frames"][0]))
