"""SavedModels: equal answers in a process without tfweak, errors, assets."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import textwrap

import made
import numpy as np
import pytest
import tensorflow as tf

from tfweak import serving
from tfweak.audio import mel_spectrum
from tfweak.decoding.decoder import create_decoder
from tfweak.decoding.decoding import Decoding
from tfweak.errors import InputError
from tfweak.labels import ClassList
from tfweak.models.architecture import create

CLASSES = ClassList(("dog", "siren, loud", "horn"))
DECODING = made.plain_decoding(3, [0.4, 0.5, 0.6], [0.1, 0.2, 0.3])
RNG = np.random.default_rng(0)


def export(name, folder, precision="float32", **settings):
    architecture = create(name, 3, **settings)
    network = architecture.build(precision)
    serving.export(
        network,
        architecture.input,
        architecture.grid,
        CLASSES,
        DECODING,
        folder,
    )
    return architecture, network


@pytest.fixture(scope="module")
def audio_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "model"
    return folder, *export("attention_fcn", folder, width=0.05, batch_norm=True)


def test_a_process_that_cannot_import_tfweak_gets_the_same_answers(
    audio_model, tmp_path
):
    folder, architecture, network = audio_model
    waveforms = (RNG.normal(size=(2, 20000)) * 0.1).astype(np.float32)
    lengths = np.array([20000, 9000], np.int32)
    np.savez(tmp_path / "in.npz", waveforms=waveforms, lengths=lengths)
    code = textwrap.dedent(
        f"""
        import sys
        class Forbid:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("tfweak", "tensorflow_io"):
                    raise ImportError(name + " is forbidden here")
        sys.meta_path.insert(0, Forbid())
        import numpy as np, tensorflow as tf
        given = np.load({str(tmp_path / "in.npz")!r})
        model = tf.saved_model.load({str(folder)!r})
        one = model.signatures["serving_default"](
            waveform=tf.constant(given["waveforms"]))
        two = model.signatures["waveform_lengths"](
            waveform=tf.constant(given["waveforms"]),
            num_samples=tf.constant(given["lengths"]))
        np.savez({str(tmp_path / "out.npz")!r},
                 **{{"one_" + k: v for k, v in one.items()}},
                 **{{"two_" + k: v for k, v in two.items()}})
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    served = np.load(tmp_path / "out.npz")
    frames = [
        mel_spectrum.log_mel(wave[:length])
        for wave, length in zip(waveforms, (20000, 20000))
    ]
    own = network(
        {"features": np.stack(frames), "num_frames": np.full(2, len(frames[0]))}
    )
    for key in serving.OUTPUTS:
        np.testing.assert_allclose(served["one_" + key], own[key], atol=1e-5)
    short = mel_spectrum.log_mel(waveforms[1, :9000])
    alone = network({"features": short[None], "num_frames": np.array([len(short)])})
    np.testing.assert_allclose(
        served["two_clip_probs"][1], alone["clip_probs"][0], atol=1e-5
    )
    segments = architecture.num_segments(len(frames[0]))
    times = served["one_segment_times"]
    assert times.shape == (segments, 2)
    np.testing.assert_allclose(
        times[:, 0], architecture.grid.onsets(segments), atol=1e-6
    )


def test_log_mel_endpoint_and_assets(audio_model):
    folder, _, network = audio_model
    model = tf.saved_model.load(str(folder))
    x = RNG.normal(size=(1, 50, 64)).astype(np.float32)
    served = model.signatures["log_mel"](
        features=tf.constant(x), num_frames=tf.constant([50])
    )
    own = network({"features": x, "num_frames": np.array([50])})
    np.testing.assert_allclose(served["clip_probs"], own["clip_probs"], atol=1e-6)
    classes, decoding = serving.read_assets(folder)
    assert classes == CLASSES and decoding.to_dict() == DECODING.to_dict()


@pytest.mark.parametrize("samples", [1, 399, 400, 401])
def test_clips_shorter_than_a_window_are_padded(audio_model, samples):
    folder, _, _ = audio_model
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    wave = (RNG.normal(size=(1, samples)) * 0.1).astype(np.float32)
    padded = np.pad(wave, ((0, 0), (0, max(0, 400 - samples))))
    one, two = (served(waveform=tf.constant(w))["clip_probs"] for w in (wave, padded))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_clips_of_nothing_are_clear_errors(audio_model):
    folder, _, _ = audio_model
    signatures = tf.saved_model.load(str(folder)).signatures
    empty = tf.zeros((1, 0))
    with pytest.raises(tf.errors.InvalidArgumentError, match="no samples"):
        signatures["serving_default"](waveform=empty)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no samples"):
        signatures["waveform_lengths"](
            waveform=tf.zeros((1, 500)), num_samples=tf.constant([0])
        )
    with pytest.raises(tf.errors.InvalidArgumentError, match="no rows"):
        signatures["log_mel"](
            features=tf.zeros((1, 0, 64)), num_frames=tf.constant([0])
        )


def test_embedding_models_take_embeddings(tmp_path):
    _, network = export("embedding_attention", tmp_path / "model", hidden_units=8)
    model = tf.saved_model.load(str(tmp_path / "model"))
    assert set(model.signatures) == {"serving_default", "embeddings"}
    x = RNG.integers(0, 255, (2, 7, 128)).astype(np.float32)
    count = np.array([7, 2], np.int32)
    served = model.signatures["embeddings"](
        features=tf.constant(x), num_frames=tf.constant(count)
    )
    own = network({"features": x, "num_frames": count})
    for key in serving.OUTPUTS:
        np.testing.assert_allclose(served[key], own[key], atol=1e-6)


SMALL = {
    "attention_fcn": {"width": 0.05, "batch_norm": True},
    "embedding_attention": {"hidden_units": 8, "feature_units": 4},
    "cgrnn": {"filters": 4, "hidden_units": 6, "recurrent_units": 5},
}


@pytest.mark.parametrize("name", SMALL)
def test_an_export_holds_each_weight_once(tmp_path, name):
    _, network = export(name, tmp_path, **SMALL[name])
    stored = tf.train.load_checkpoint(str(tmp_path / "variables" / "variables"))
    shapes = stored.get_variable_to_shape_map()
    del shapes["_CHECKPOINTABLE_OBJECT_GRAPH"]
    held = [tuple(shape) for shape in shapes.values()]
    assert sorted(held) == sorted(tuple(weight.shape) for weight in network.weights)


def test_saved_model_cli_reads_well(audio_model):
    folder, _, _ = audio_model
    tool = pathlib.Path(sys.executable).with_name("saved_model_cli")
    found = subprocess.run(
        [str(tool), "show", "--dir", str(folder), "--all"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for word in ("serving_default", "waveform_lengths", "log_mel", "segment_times"):
        assert word in found


def test_only_exports_are_overwritten(audio_model, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not empty"):
        export("embedding_attention", tmp_path, hidden_units=8)
    assert (tmp_path / "mine.txt").exists()
    export("embedding_attention", tmp_path / "x", hidden_units=8)
    export("embedding_attention", tmp_path / "x", hidden_units=4)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".export")]
    # somebody's own SavedModel, and an export that somebody put something into
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "saved_model.pb").write_bytes(b"")
    (tmp_path / "x" / "notes.txt").write_text("keep")
    for name in ("other", "x"):
        with pytest.raises(InputError, match=f"{name}: is not empty and no SavedModel"):
            export("embedding_attention", tmp_path / name, hidden_units=8)
    assert (tmp_path / "x" / "notes.txt").read_text() == "keep"
    with pytest.raises(InputError, match="no SavedModel"):
        serving.read_assets(tmp_path)


@pytest.fixture(scope="module", params=["median_filter", "double_threshold"])
def tuned_model(request, tmp_path_factory):
    """An export that finds events by a way with settings, source and power."""
    architecture = create("embedding_attention", 3, hidden_units=8)
    network = architecture.build("float32")
    settings = {
        "median_filter": {"filter_seconds": 3 * 0.96, "max_gap_seconds": 0.96},
        "double_threshold": {"factor": 1.01, "max_gap_seconds": 0.96},
    }[request.param]
    # thresholds amid what the network, which has learnt nothing, says
    rows = np.random.default_rng(4).integers(0, 256, (9, 30, 128)).astype(np.float32)
    own = network({"features": rows, "num_frames": np.full(9, 30)})
    logits, clips = own["attention_logits"].numpy(), own["clip_probs"].numpy()
    scores = np.sqrt(own["segment_probs"] / (1 + np.exp(-logits)))
    scores *= clips[:, None] ** 0.25
    decoding = Decoding(
        create_decoder(request.param, settings),
        np.quantile(scores, 0.6, axis=(0, 1)),
        np.quantile(clips, 0.2, axis=0),
        "product",
        0.25,
    )
    folder = tmp_path_factory.mktemp("tuned") / "model"
    grid = architecture.grid
    serving.export(network, architecture.input, grid, CLASSES, decoding, folder)
    return folder, architecture, network, decoding


def test_an_export_finds_what_the_run_would_find_in_each_clip_alone(tuned_model):
    folder, architecture, network, decoding = tuned_model
    rng = np.random.default_rng(4)
    lengths = np.array([30, 21, 3, 30, 12, 1], np.int32)
    x = rng.integers(0, 256, (6, 30, 128)).astype(np.float32)
    seconds = [architecture.input.seconds(int(n)) - 0.1 for n in lengths]
    answer = tf.saved_model.load(str(folder)).signatures["embeddings"](
        features=tf.constant(x), num_frames=tf.constant(lengths)
    )
    _, stored = serving.read_assets(folder)
    served = serving.find_events(stored, answer, seconds)
    number = 0
    for clip, pairs, end, count in zip(x, served, seconds, lengths):
        own = network({"features": clip[None, :count], "num_frames": count[None]})
        own = {name: value.numpy()[0] for name, value in own.items()}
        own["clip_scores"] = own["clip_probs"][np.newaxis]
        expected = decoding.decode(own, architecture.grid, end)
        assert [e.label for e, _ in pairs] == [e.label for e, _ in expected]
        for (event, confidence), (true, sure) in zip(pairs, expected):
            assert event == pytest.approx(true, abs=1e-5)
            assert confidence == pytest.approx(sure, abs=1e-5)
        number += len(pairs)
    assert number > 6
    scores = answer["event_scores"].numpy()
    for clip, count in zip(scores, lengths):
        assert (clip[:count] >= 0).all() and (clip[count:] == -np.inf).all()


def test_without_lengths_events_end_with_the_segments(tuned_model):
    folder, architecture, _, decoding = tuned_model
    hop = architecture.grid.hop_seconds
    scores = np.array([[[0.9, 0, 0]] * 4, [[0, 0, 0.9]] * 4])
    times = np.arange(4)[:, None] * hop + np.array([0, hop])
    answer = {"event_scores": scores, "segment_times": times.astype(np.float32)}
    one, two = serving.find_events(decoding, answer)
    assert [(e.label, c) for e, c in one] == [(0, pytest.approx(0.9))]
    assert one[0][0][1:] == pytest.approx((0.0, 4 * hop), abs=1e-5)
    assert [e.label for e, _ in two] == [2]
    # one length for all, and one for each
    ((event, _),) = serving.find_events(decoding, answer, 2.0)[0]
    assert event.offset_seconds == 2.0
    found = serving.find_events(decoding, answer, [2.0, 3.0])
    assert [pairs[0][0].offset_seconds for pairs in found] == [2.0, 3.0]


def test_assets_that_are_broken_are_named(tuned_model, tmp_path):
    folder = shutil.copytree(tuned_model[0], tmp_path / "model")
    (folder / "assets" / "decoding.json").write_text("{")
    with pytest.raises(InputError, match="decoding.json: broken"):
        serving.read_assets(folder)
    shutil.copytree(tuned_model[0], folder, dirs_exist_ok=True)
    path = folder / "assets" / "classes.csv"
    path.write_text("".join(path.read_text().splitlines(True)[:-1]))
    with pytest.raises(InputError, match="classes.csv: . classes, the model has ."):
        serving.read_assets(folder)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory in /proc")
@pytest.mark.parametrize("model", ["attention_fcn", "embedding_attention"])
def test_a_served_model_keeps_its_memory(model):
    """A few requests of what `benchmarks/soak.py` does for long."""
    script = pathlib.Path(__file__).resolve().parents[1] / "benchmarks" / "soak.py"
    done = subprocess.run(
        [sys.executable, "-P", script, "--requests=300", f"--model={model}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "300 requests, " in done.stdout and " MB: " in done.stdout
