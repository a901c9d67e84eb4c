"""Embeddings from audio to records to a run: prepared, kept apart, predicted from."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from made import make_embeddings

from tfweak.data import parsing, records, sources
from tfweak.data_prep.commands import prepare
from tfweak.data_prep.inputs import audio_clips
from tfweak.errors import InputError
from tfweak.extractor import create_extractor
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.extractors.vggish import network as vggish_network
from tfweak.extractors.vggish import pca as vggish_pca
from tfweak.models.architecture import create
from tfweak.models.commands import predict, train
from tfweak.models.runs import run_folder, scoring
from tfweak.models.runs.run import load
from tfweak.payload import Payload

RATE = 16000
RAW = Payload(
    "audio_embedding",
    "float32",
    {**RELEASED_EMBEDDINGS.parameters, "extractor": "mine"},
)


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """Loading is tested elsewhere; here each source is loaded once in this process."""
    with pytest.MonkeyPatch.context() as patch:
        load = functools.lru_cache(vggish_network.Vggish.load)
        patch.setattr(vggish_network.Vggish, "load", staticmethod(load))
        yield


@pytest.fixture(scope="module")
def pca(tmp_path_factory):
    rng = np.random.default_rng(5)
    path = tmp_path_factory.mktemp("pca") / vggish_pca.PCA_NAME
    vectors = np.linalg.qr(rng.standard_normal((128, 128)))[0] / 4
    np.savez(path, pca_eigen_vectors=vectors, pca_means=np.zeros(128))
    return path


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """Twelve clips in the layout of ESC-10, two classes and two folds; and a table."""
    folder = tmp_path_factory.mktemp("esc")
    rows = ["filename,labels"]
    for i in range(12):
        name = ("001 - Dog", "002 - Rain")[i % 2]
        (folder / name).mkdir(exist_ok=True)
        rng = np.random.default_rng(i)
        wave = 0.1 * rng.standard_normal(round((0.5, 2.0, 3.0)[i % 3] * RATE))
        wave[:: 2 + 3 * (i % 2)] = 0.4
        soundfile.write(folder / name / f"{1 + i // 6}-{i}-A.wav", wave, RATE)
        rows.append(f"{1 + i // 6}-{i}-A.wav,{name[6:]}")
    (folder / "tags.csv").write_text("\n".join(rows) + "\n")
    return folder


def run(command, *arguments):
    return command.main([a if a.startswith("/") else f"--{a}" for a in arguments])


def clips(folder):
    payload = records.DatasetInfo.read(folder).payload
    return {
        clip.clip_id: clip
        for item in tf.data.TFRecordDataset(records.shards(folder))
        for clip in [records.parse_clip(item.numpy(), payload)]
    }


@pytest.fixture(scope="module")
def prepared(audio, pca, vggish_saved, tmp_path_factory):
    """The folder as raw embeddings and as bytes."""
    out = tmp_path_factory.mktemp("prepared")
    for name, more in (("raw", []), ("bytes", [f"pca={pca}"])):
        status = run(
            prepare,
            "dataset=folder",
            f"source={audio}",
            "features=embeddings",
            f"vggish=hub:{vggish_saved}",
            f"out={out / name}",
            "workers=1",
            *more,
        )
        assert status == 0
    return out


@pytest.fixture(scope="module")
def trained(prepared):
    """Runs on both, and one on embeddings that pass for the released ones."""
    released = make_embeddings(prepared / "released", 20)
    settings = {
        "raw": "hidden_units=8,feature_units=8",
        "bytes": "hidden_units=8,feature_units=8",
        "released": "hidden_units=8,feature_units=8",
    }
    for name, setting in settings.items():
        data = released if name == "released" else prepared / name
        status = run(
            train,
            f"data={data}",
            f"set={setting}",
            "epochs=1",
            "valid_fraction=0.4",
            f"out={prepared / 'runs' / name}",
        )
        assert status == 0
    return prepared / "runs"


def test_what_is_stored(prepared, audio, pca, vggish_saved):
    network = vggish_network.Vggish.load(f"hub:{vggish_saved}")
    post = vggish_pca.PostProcessor.read(pca)
    raw, as_bytes = clips(prepared / "raw"), clips(prepared / "bytes")
    assert len(raw) == 12 and set(raw) == set(as_bytes)
    for name, clip in raw.items():
        waveform, _ = soundfile.read(audio / name, dtype="float32")
        expected = network.embed(waveform)
        assert clip.payload.dtype == np.float32
        assert len(clip.payload) == {0.5: 1, 2.0: 2, 3.0: 3}[clip.end_seconds]
        np.testing.assert_array_equal(clip.payload, expected)
        np.testing.assert_array_equal(as_bytes[name].payload, post(expected))
    spread = np.concatenate([clip.payload for clip in as_bytes.values()])
    assert len(np.unique(spread)) > 50  # not all clipped
    assert records.DatasetInfo.read(prepared / "bytes").payload == Payload(
        "audio_embedding",
        "uint8",
        {
            "extractor": "vggish",
            "sample_rate_hz": 16000,
            "embedding_size": 128,
            "hop_seconds": 0.96,
            "window_seconds": 0.975,
            "weights_sha256": network.fingerprint,
            "pca_sha256": post.fingerprint,
        },
    )
    parameters = records.DatasetInfo.read(prepared / "raw").payload.parameters
    assert parameters["pca_sha256"] is None


def test_bytes_have_the_form_of_the_official_records(prepared):
    (path, *_) = records.shards(prepared / "bytes")
    record = next(iter(tf.data.TFRecordDataset(path))).numpy()
    example = tf.train.SequenceExample.FromString(record)
    rows = example.feature_lists.feature_list["audio_embedding"].feature
    assert rows and all(
        [len(value) for value in row.bytes_list.value] == [128] for row in rows
    )
    assert set(example.feature_lists.feature_list) == {"audio_embedding"}
    assert {"video_id", "start_time_seconds", "end_time_seconds", "labels"} <= set(
        example.context.feature
    )


def test_raw_rows_are_parsed_as_they_are(prepared):
    data = sources.open_data([prepared / "raw"])
    stored = clips(prepared / "raw")
    serialized = next(iter(data.open_serialized().batch(12)))
    x = parsing.features(serialized, data.payload)
    assert x["features"].shape == (12, 3, 128)
    for i, name in enumerate(data.clip_ids):
        payload = stored[name.decode()].payload
        assert x["num_frames"][i] == len(payload)
        np.testing.assert_array_equal(x["features"][i, : len(payload)], payload)
        assert not np.any(x["features"][i, len(payload) :])


def test_raw_rows_that_are_not_whole(tmp_path):
    values = np.ones((2, 128), np.float32)
    record = records.encode(records.Clip("odd", [0], values), RAW)
    again = records.parse_clip(record, RAW)
    np.testing.assert_array_equal(again.payload, values)
    broken = tf.train.SequenceExample.FromString(record)
    feature = broken.feature_lists.feature_list["audio_embedding"].feature[1]
    feature.bytes_list.value[0] = feature.bytes_list.value[0][:128]
    with pytest.raises(InputError, match="row 1 has 128 bytes, expected 512"):
        records.parse_clip(broken.SerializeToString(), RAW)
    serialized = tf.constant([record, broken.SerializeToString()])
    assert parsing.outline(serialized, RAW)["num_rows"].numpy().tolist() == [2, 0]
    with pytest.raises(InputError, match="NaN"):
        records.encode(records.Clip("odd", [0], values * np.nan), RAW)


@pytest.mark.slow
def test_workers_and_another_source_give_the_same_embeddings(
    audio, prepared, pca, vggish_checkpoint, tmp_path
):
    """As near as float32 sums are that threads may split; bytes are a step apart."""
    arguments = [
        "dataset=folder",
        f"source={audio}",
        "features=embeddings",
        f"vggish=checkpoint:{vggish_checkpoint}",
        "clips_per_shard=6",
    ]
    assert run(prepare, *arguments, f"out={tmp_path}", "workers=2") == 0
    assert len(records.shards(tmp_path)) == 2
    ours, theirs = clips(tmp_path), clips(prepared / "raw")
    assert set(ours) == set(theirs)
    post = vggish_pca.PostProcessor.read(pca)
    for name in ours:
        found, expected = ours[name].payload, theirs[name].payload
        assert found.dtype == expected.dtype == np.float32
        np.testing.assert_allclose(
            found, expected, rtol=0, atol=vggish_network.TOLERANCE
        )
        steps = post(found).astype(int) - post(expected)
        assert np.abs(steps).max() <= 1 and np.mean(steps != 0) < 0.01
    # from a hub or from a checkpoint: the same embeddings, which go together
    one, other = (records.DatasetInfo.read(f) for f in (tmp_path, prepared / "raw"))
    assert one.payload == other.payload


def test_esc_and_soundscapes(audio, pca, vggish_saved, tmp_path, capsys):
    common = ["features=embeddings", f"vggish=hub:{vggish_saved}", "workers=1"]
    out = tmp_path / "esc"
    argv = ["dataset=esc", f"source={audio}", f"out={out}", f"pca={pca}", *common]
    assert run(prepare, *argv) == 0
    assert [len(clips(out / f"fold{i}")) for i in (1, 2)] == [6, 6]
    assert run(prepare, *argv) == 0
    assert "already complete" in capsys.readouterr().out
    assert run(prepare, *(a for a in argv if not a.startswith("pca"))) == 1
    assert "payload.parameters.pca_sha256 was " in capsys.readouterr().err
    out = tmp_path / "scenes"
    argv = ["dataset=soundscapes", "num_clips=2", "clip_seconds=2", f"out={out}"]
    assert run(prepare, *argv, f"source={audio}", *common) == 0
    assert {clip.payload.shape for clip in clips(out).values()} == {(2, 128)}


@pytest.mark.parametrize(
    "flags, message",
    [
        (["vggish=hub"], "--vggish is for --features=embeddings"),
        (["pca=x", "features=waveform"], "--pca is for --features=embeddings"),
        (["features=embeddings", "payload_dtype=uint8"], "--payload_dtype is for"),
        (["features=embeddings", "vggish=hub:/nowhere"], "/nowhere: cannot be loaded"),
        (["features=embeddings", "vggish=run:x"], "run:x: one of hub"),
        (["features=embeddings", "vggish="], "--vggish is empty"),
        (["features=embeddings", "pca=/none.npz"], "/none.npz: no PCA parameters"),
        (["features=embeddings", "vggish=checkpoint:x"], "no checkpoint there"),
    ],
)
def test_refused_before_any_work(audio, tmp_path, capsys, flags, message):
    out = tmp_path / "out"
    argv = ["dataset=folder", f"source={audio}", f"out={out}", *flags]
    assert run(prepare, *argv) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_worker_without_vggish_ends_the_run(prepared, tmp_path):
    """It must not list every clip as a bad file."""
    payload = records.DatasetInfo.read(prepared / "raw").payload
    gone = create_extractor(f"vggish:checkpoint:{tmp_path}/gone.ckpt")
    encoder = audio_clips.Encoder(payload, gone)
    with pytest.raises(RuntimeError, match="cannot be loaded any more.*gone.ckpt"):
        encoder(np.zeros(RATE, np.float32))


def test_a_worker_with_other_weights_ends_the_run(vggish_saved, pca):
    other = Payload("audio_embedding", "uint8", {"extractor": "vggish"})
    extractor = create_extractor(f"vggish:hub:{vggish_saved}", {"pca": str(pca)})
    encoder = audio_clips.Encoder(other, extractor)
    with pytest.raises(RuntimeError, match="changed since the run began"):
        encoder(np.zeros(RATE, np.float32))


# --- kept apart ----------------------------------------------------------------------


def test_extracted_and_released_are_not_read_together(prepared, trained):
    released = prepared / "released"
    with pytest.raises(InputError, match="cannot be read together.*extractor is"):
        sources.open_data([prepared / "bytes", released])
    with pytest.raises(InputError, match="dtype is 'float32', not 'uint8'"):
        sources.open_data([prepared / "bytes", prepared / "raw"])


@pytest.mark.parametrize("name, other", [("released", "bytes"), ("bytes", "released")])
def test_a_run_refuses_data_of_another_extractor(prepared, trained, name, other):
    loaded = run_folder.load(trained / name)
    data = sources.open_data([prepared / other])
    with pytest.raises(
        InputError, match="extractor is .*not exactly reproduce the released"
    ):
        scoring.evaluate(loaded, data)


def test_the_rescaling_must_fit_the_dtype():
    def model(rescaling):
        return create("embedding_attention", 2, rescaling=rescaling)

    for rescaling in ("centred", "dequantised"):
        model(rescaling).check_payload(RELEASED_EMBEDDINGS, "data")
        with pytest.raises(InputError, match="data: .*set rescaling=none"):
            model(rescaling).check_payload(RAW, "data")
    model("none").check_payload(RAW, "data")
    with pytest.raises(InputError, match="set rescaling=centred"):
        model("none").check_payload(RELEASED_EMBEDDINGS, "data")


def test_rescaling_none_leaves_the_values():
    made = create("embedding_attention", 2, rescaling="none", hidden_units=4)
    layer = made.build().get_layer("rescaling")
    rows = np.random.default_rng(0).normal(size=(1, 3, 128)).astype(np.float32)
    np.testing.assert_array_equal(layer(rows), rows)


# --- prediction from audio -----------------------------------------------------------


@pytest.mark.parametrize("name", ["raw", "bytes"])
def test_prediction_from_audio_is_that_from_shards(
    name, prepared, trained, audio, pca, vggish_saved, tmp_path
):
    # the bytes by what the flags name, the raw ones by what the run knows
    argv = [f"run={trained / name}"]
    argv += [f"vggish=hub:{vggish_saved}", f"pca={pca}"] if name == "bytes" else []
    one, other = tmp_path / "audio.tsv", tmp_path / "shards.tsv"
    assert run(predict, *argv, str(audio), f"out={one}") == 0
    data = str(prepared / name)
    assert run(predict, f"run={trained / name}", data, f"out={other}") == 0
    tables = []
    for path in (one, other):
        lines = path.with_suffix(".tags.tsv").read_text().splitlines()[1:]
        rows = [line.split("\t") for line in lines]
        tables.append({(row[0], row[1]): float(row[2]) for row in rows})
    assert len(tables[0]) == 24 and set(tables[0]) == set(tables[1])
    for key, probability in tables[0].items():
        assert probability == pytest.approx(tables[1][key], abs=0.01)  # bfloat16


@pytest.mark.parametrize("name", ["raw", "bytes"])
def test_an_export_holds_vggish_too(name, trained, audio, tmp_path):
    loaded = load(trained / name, "float32")
    wave, rate = soundfile.read(audio / "001 - Dog" / "1-2-A.wav", dtype="float32")
    assert rate == RATE
    answer = loaded.predict(wave, rate)
    loaded.export(tmp_path / "whole")
    served = tf.saved_model.load(str(tmp_path / "whole"))
    assert "embeddings" in served.signatures
    reply = served.signatures["serving_default"](waveform=wave[np.newaxis])
    # of bytes a rounding may move one by a step
    tolerance = 1e-4 if name == "raw" else 5e-3
    np.testing.assert_allclose(
        reply["clip_probs"][0], answer.clip_probs, atol=tolerance
    )
    loaded.export(tmp_path / "head", embeddings_only=True)
    head = tf.saved_model.load(str(tmp_path / "head"))
    assert set(head.signatures) == {"serving_default", "embeddings"}
    size = {
        kind: sum(f.stat().st_size for f in (tmp_path / kind).rglob("*") if f.is_file())
        for kind in ("whole", "head")
    }
    assert size["head"] < 1e6 < 2e8 < size["whole"]


def test_prediction_with_a_run_on_released_embeddings(
    trained, audio, pca, vggish_saved, tmp_path, capsys
):
    out = tmp_path / "events.tsv"
    argv = [f"run={trained / 'released'}", f"vggish=hub:{vggish_saved}"]
    argv += [str(audio), f"out={out}"]
    assert run(predict, *argv) == 1
    assert "add --pca=vggish_pca_params.npz" in capsys.readouterr().err
    assert not out.exists()
    assert run(predict, *argv, f"pca={pca}") == 0
    assert "do not exactly reproduce the released ones" in capsys.readouterr().out
    assert out.exists()


@pytest.mark.parametrize(
    "name, flags, message",
    [
        ("raw", ["pca=x"], "x: no PCA parameters of VGGish"),
        ("raw", ["extractor=none"], "no extractor 'none'; there are perch, savedmodel"),
        (
            "raw",
            ["vggish={hub}", "extractor=yamnet"],
            "extractor and vggish name two extractors",
        ),
        (
            "raw",
            ["vggish={hub}", "pca={pca}"],
            "not the extractor of the training data",
        ),
        ("bytes", ["vggish={hub}"], "pca_sha256 is None, not '"),
        ("raw", ["vggish=hub:/nowhere"], "/nowhere: cannot be loaded"),
    ],
)
def test_prediction_is_refused(
    name, flags, message, trained, audio, pca, vggish_saved, tmp_path, capsys
):
    flags = [f.format(hub=f"hub:{vggish_saved}", pca=pca) for f in flags]
    out = tmp_path / "events.tsv"
    argv = [f"run={trained / name}", str(audio), f"out={out}"]
    assert run(predict, *argv, *flags) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()
