"""What is found by name: built-in things by their file, others by `register`."""

from __future__ import annotations

import json
import textwrap

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from made import CLASSES

import tfweak
from tfweak import registry
from tfweak.data import records
from tfweak.data_prep.commands import prepare
from tfweak.errors import InputError
from tfweak.extractor import EXTRACTORS, create_extractor
from tfweak.labels import Event
from tfweak.learning.pseudo_labels import PSEUDO_LABELS
from tfweak.models.commands import train
from tfweak.models.runs import run_folder
from tfweak.models.runs.config import TrainConfig
from tfweak.models.training import trainer

NEVER = """
    import tfweak
    from keras import ops

    def never(segment_probs, weak, mask):
        return ops.zeros_like(segment_probs)

    tfweak.register(tfweak.PseudoLabelRule({name!r}, never))
"""
LOUDNESS = '''
    """A trunk of three values a row."""

    import dataclasses

    import tensorflow as tf
    import tfweak

    @dataclasses.dataclass(frozen=True)
    class Loudness(tfweak.Extractor):
        name = {name!r}
        sample_rate_hz = 8000
        window_seconds = hop_seconds = 0.5
        embedding_size = 3

        def embed_windows(self, waveform):
            rows = tf.signal.frame(waveform, self.window_samples, self.hop_samples)
            found = [tf.reduce_mean(rows, 1), tf.math.reduce_std(rows, 1)]
            return tf.stack([*found, tf.reduce_max(tf.abs(rows), 1)], 1)
'''


@pytest.fixture
def nothing_of_ours(monkeypatch):
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_OWN", {})
    monkeypatch.setenv(registry.VARIABLE, "")


def write(path, text, **values):
    path.write_text(textwrap.dedent(text).format(**values))
    return path


def test_a_rule_of_pseudo_labels_is_one_file_and_a_flag(
    embeddings, tmp_path, nothing_of_ours
):
    plugin = write(tmp_path / "mine.py", NEVER, name="never")
    arguments = [
        f"--plugins={plugin}",
        f"--data={embeddings}",
        "--supervision=self",
        "--self_supervision=pseudo_labels",
        "--pseudo_labels=never",
        "--set=hidden_units=8,hidden_layers=1,feature_units=8",
        "--epochs=1",
        f"--out={tmp_path / 'run'}",
    ]
    assert train.main(arguments) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["training"]["pseudo_labels"] == "never"
    history = run_folder.read_history(tmp_path / "run" / "history.csv")
    assert history[0]["pseudo_positive"] == 0  # by no built-in rule
    assert "never" in PSEUDO_LABELS.names()


def loud_clips(extractor, count):
    """Clips of noise in which a class is as loud as its number says."""
    rng = np.random.default_rng(0)
    for i in range(count):
        label = i % len(CLASSES)
        waveform = (0.1 + 0.4 * label) * rng.standard_normal(8000 * 3)
        events = [Event(label, 0.0, 3.0)]
        rows = extractor.embed(waveform.astype(np.float32))
        yield records.Clip(f"clip-{i}", [label], rows, events, 0.0, 3.0)


@pytest.mark.parametrize("dropped", [False, True])
def test_an_extractor_is_one_file_and_its_size_and_hop_reach_the_model(
    tmp_path, monkeypatch, nothing_of_ours, dropped
):
    if dropped:  # into the folder of the built-in ones
        from tfweak import extractors

        write(tmp_path / "dropped.py", LOUDNESS, name="dropped")
        paths = [*extractors.__path__, str(tmp_path)]
        monkeypatch.setattr(extractors, "__path__", paths)
        name = "dropped"
    else:
        text = LOUDNESS.replace("@dataclasses", "@tfweak.register\n    @dataclasses")
        plugin = write(tmp_path / "loud.py", text, name="loudness")
        tfweak.registry.use_plugins([str(plugin)])
        name = "loudness"
    assert name in EXTRACTORS.names() and "vggish" in EXTRACTORS.names()
    extractor = create_extractor(f"{name}:nowhere")
    assert extractor.source == "nowhere"
    folder = tmp_path / "data"
    folder.mkdir()
    records.write_shard(
        folder / "a.tfrecord",
        (records.encode(c, extractor.payload) for c in loud_clips(extractor, 45)),
    )
    info = records.DatasetInfo("loud", extractor.payload, CLASSES, 45, True)
    info.write(folder)
    settings = {"hidden_units": 16, "hidden_layers": 1, "feature_units": 8}
    run = trainer.train(
        TrainConfig(
            data=[str(folder)],
            out=str(tmp_path / "run"),
            model_settings=settings,
            epochs=1,
            valid_fraction=0.3,
        )
    )
    assert run.architecture.input.size == 3
    assert run.architecture.grid.hop_seconds == 0.5
    again = run_folder.load(tmp_path / "run")
    assert again.architecture == run.architecture
    assert again.network.input["features"].shape[-1] == 3


def test_an_extractor_of_a_plugin_reaches_the_workers(tmp_path, nothing_of_ours):
    text = LOUDNESS.replace("@dataclasses", "@tfweak.register\n    @dataclasses")
    plugin = write(tmp_path / "loud.py", text, name="loudness")
    audio = tmp_path / "audio"
    audio.mkdir()
    rows = ["filename,labels"]
    for i in range(4):
        soundfile.write(audio / f"{i}.wav", np.full(8000 + 4000 * i, 0.1 * i), 8000)
        rows.append(f"{i}.wav,a")
    (audio / "tags.csv").write_text("\n".join(rows) + "\n")
    arguments = ["--dataset=folder", "--features=embeddings", "--extractor=loudness"]
    arguments += [f"--plugins={plugin}", f"--source={audio}", "--clips_per_shard=2"]
    arguments += ["--workers=2", f"--out={tmp_path / 'data'}"]
    assert prepare.main(arguments) == 0
    info = records.DatasetInfo.read(tmp_path / "data")
    assert info.payload.made_by["extractor"] == "loudness"
    for item in tf.data.TFRecordDataset(records.shards(tmp_path / "data")):
        clip = records.parse_clip(item.numpy(), info.payload)
        level = 0.1 * int(clip.clip_id[0])
        expected = np.tile([level, 0, level], (2 + int(clip.clip_id[0]), 1))
        np.testing.assert_allclose(clip.payload, expected, atol=1e-4)


def test_two_things_of_one_name_are_refused(nothing_of_ours):
    rule = tfweak.PseudoLabelRule("mine", print)
    assert tfweak.register(rule) is rule and tfweak.register(rule) is rule
    with pytest.raises(InputError, match="'mine' is registered already"):
        tfweak.register(tfweak.PseudoLabelRule("mine", len))
    with pytest.raises(InputError, match="no kind and name"):
        tfweak.register(object())
    assert PSEUDO_LABELS.get("mine") is rule
    with pytest.raises(InputError, match="no pseudo_labels 'other'; there are printed"):
        PSEUDO_LABELS.get("other")


def test_a_plugin_that_cannot_be_imported_is_named(tmp_path, capsys, nothing_of_ours):
    plugin = tmp_path / "broken.py"
    plugin.write_text("import nothing_of_that_name")
    for _ in range(2):  # it is not taken for imported the second time
        arguments = [f"--plugins={plugin}", "--data=x", "--out=y"]
        assert train.main(arguments) == 2
        assert f"plugin {plugin}: cannot be imported" in capsys.readouterr().err


def test_a_built_in_file_without_its_thing_is_named(tmp_path, monkeypatch):
    from tfweak import extractors

    (tmp_path / "empty.py").write_text("")
    paths = [*extractors.__path__, str(tmp_path)]
    monkeypatch.setattr(extractors, "__path__", paths)
    with pytest.raises(InputError, match="0 of Extractor of the name 'empty'"):
        EXTRACTORS.get("empty")
