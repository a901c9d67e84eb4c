"""Training end to end: run folder, resuming after kills, refusals, transfer."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from made import make_embeddings

from tfweak.data import records
from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import ClassList
from tfweak.models.architecture import ARCHITECTURES, create
from tfweak.models.runs import resume_point, run_folder, scoring, weights
from tfweak.models.training import trainer
from tfweak.payload import Payload

SMALL = {"hidden_units": 16, "hidden_layers": 1, "feature_units": 8}


def config(folder, out, **more):
    settings = {
        "data": (str(folder),),
        "out": str(out),
        "model_settings": SMALL,
        "epochs": 4,
        "batch_size": 16,
        "precision": "float32",
        "valid_fraction": 0.3,
        "supervision": "self",
        **more,
    }
    return trainer.TrainConfig(**settings)


@pytest.fixture(scope="module")
def finished(embeddings, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    trainer.train(config(embeddings, out))
    return out


def network_weights(folder):
    return run_folder.load(folder).network.get_weights()


def assert_same_run(one, two):
    for a, b in zip(network_weights(one), network_weights(two)):
        np.testing.assert_array_equal(a, b)
    for name in ("history.csv", "decoding.json", "classes.csv"):
        assert (one / name).read_text() == (two / name).read_text()


def test_the_run_folder(finished, embeddings):
    document = json.loads((finished / "config.json").read_text())
    assert document["model"]["name"] == "embedding_attention"
    assert document["model"]["config"]["hidden_units"] == 16
    assert document["training"]["seed"] == 0
    assert document["versions"]["tensorflow"].startswith("2.")
    assert document["data"]["train"]["num_clips"] < 60
    rows = list(csv.DictReader(open(finished / "history.csv")))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert {"loss", "loss_pred", "loss_self", "val_mAP"} <= set(rows[0])
    assert list((finished / "tensorboard").iterdir())
    # the kept model is the best epoch's: its validation mAP is the best in the history
    run = run_folder.load(finished)
    _, valid = scoring.open_for(run, [embeddings]).split(0.3, 0)
    found = scoring.evaluate(run, valid)["mAP"]
    assert found == pytest.approx(max(float(r["val_mAP"]) for r in rows), abs=1e-6)


def test_strong_labels_add_localisation_and_thresholds(finished, embeddings):
    run = run_folder.load(finished)
    result = scoring.evaluate(run, scoring.open_for(run, [embeddings]))
    assert result["localisation"]["num_clips"] == 20
    assert 0 <= result["localisation"]["segment_based"]["micro_f1"] <= 1
    assert json.dumps(result, allow_nan=False)
    assert (
        run.clip_thresholds.shape == run.decodings["segment"].thresholds.shape == (3,)
    )


def test_stopped_and_resumed_is_the_undisturbed_run(finished, embeddings, tmp_path):
    out = tmp_path / "run"

    class Stop(Exception):
        pass

    original = resume_point.ResumePoint.save
    for stop_after in (1, 3):
        calls = []

        def save(self, arrays, state, stop_after=stop_after, calls=calls):
            original(self, arrays, state)
            calls.append(state["epoch"])
            if state["epoch"] == stop_after:
                raise Stop

        resume_point.ResumePoint.save = save
        try:
            with pytest.raises(Stop):
                trainer.train(config(embeddings, out))
        finally:
            resume_point.ResumePoint.save = original
        assert calls[-1] == stop_after
    (out / "model.keras.1.tmp.keras").write_text("half a model")
    trainer.train(config(embeddings, out))
    assert_same_run(out, finished)
    assert not list(out.glob("*.tmp*"))


def test_more_epochs_go_on_from_a_finished_run(finished, embeddings, tmp_path):
    out = tmp_path / "run"
    trainer.train(config(embeddings, out, epochs=2))
    assert len((out / "history.csv").read_text().splitlines()) == 1 + 2
    trainer.train(config(embeddings, out, epochs=4))
    assert_same_run(out, finished)


@pytest.mark.slow
def test_killed_at_random_moments(finished, embeddings, tmp_path):
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "tfweak.models.commands.train",
        f"--data={embeddings}",
        f"--out={out}",
        "--set=hidden_units=16,hidden_layers=1,feature_units=8",
        "--epochs=4",
        "--batch_size=16",
        "--precision=float32",
        "--valid_fraction=0.3",
        "--supervision=self",
    ]
    rng = random.Random(4)
    kills = 0
    for attempt in range(12):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if attempt < 3:
            # some time after the training has begun to write
            target = out / ("config.json" if attempt == 0 else "last")
            while process.poll() is None and not target.exists():
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.8))
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            process.communicate()
            continue
        text, _ = process.communicate()
        assert process.returncode == 0, text
        break
    assert kills >= 2
    assert_same_run(out, finished)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"learning_rate": 0.5}, "learning_rate=0.001, now it is 0.5"),
        ({"model_settings": {**SMALL, "hidden_units": 8}}, "hidden_units=16"),
        ({"resume": False}, "resume is off"),
    ],
)
def test_a_run_of_other_settings_is_refused(finished, embeddings, change, message):
    with pytest.raises(InputError, match=message):
        trainer.train(config(embeddings, finished, **change))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"data": ("/nowhere",)}, "/nowhere"),
        ({"model": "resnet"}, "model=resnet: expected one of att_loc"),
        ({"model": "attention_fcn", "model_settings": {}}, "audio_embedding.*log_mel"),
        (
            {
                "model_settings": {"pooling": "average"},
                "self_supervision": "pseudo_labels",
            },
            "pooling=average",
        ),
        ({"supervision": "most"}, "supervision=most"),
        ({"valid_fraction": 0.0}, "valid_fraction"),
        ({"init": "magic"}, "init=magic"),
        ({"init": "run:"}, "needs a path"),
        ({"init": "run:/nowhere"}, "/nowhere"),
        ({"init": "hub"}, "attention_fcn of width 1"),
        ({"freeze": "L9"}, "no layer 'L9'"),
        ({"freeze": "9"}, "freeze=9"),
        ({"classes": "/nowhere.csv"}, "/nowhere.csv"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"random_rows": -1}, "random_rows=-1"),
        ({"random_rows": 0.5, "model": "tlweak", "model_settings": {}}, "tlweak"),
        ({"random_rows": 5}, "random_rows=5"),
        ({"precision": "int8"}, "int8"),
    ],
)
def test_what_cannot_work_is_refused(embeddings, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        trainer.train(config(embeddings, tmp_path / "run", **change))


def test_strong_supervision_needs_strong_labels(tmp_path):
    data = make_embeddings(tmp_path / "weak", 20, strong=False)
    message = "no clip of .* has strong labels; supervision=self needs none$"
    for settings in ({"supervision": "strong"}, {"segment_weight": 1.0}):
        with pytest.raises(InputError, match=message):
            trainer.train(config(data, tmp_path / "run", **settings))


def test_foreign_folder_and_shared_clips_are_refused(embeddings, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        trainer.train(config(embeddings, tmp_path))
    with pytest.raises(InputError, match="60 of its clips are in the training data"):
        trainer.train(
            config(embeddings, tmp_path / "run", valid_data=(str(embeddings),))
        )


def test_divergence_is_named(embeddings, tmp_path):
    with pytest.raises(InputError, match="diverges"):
        trainer.train(config(embeddings, tmp_path / "run", learning_rate=float("inf")))


def test_data_of_another_extractor_is_refused(finished, embeddings, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(embeddings, other)
    info = records.DatasetInfo.read(other)
    payload = Payload(
        "audio_embedding",
        "uint8",
        {**RELEASED_EMBEDDINGS.parameters, "extractor": "mine"},
    )
    dataclasses.replace(info, payload=payload).write(other)
    run = run_folder.load(finished)
    with pytest.raises(InputError, match="extractor is 'mine'"):
        scoring.evaluate(run, scoring.open_for(run, [other]))


def test_two_step_transfer_takes_the_hidden_layers(finished, embeddings, tmp_path):
    small = make_embeddings(tmp_path / "target", 20, seed=5)
    info = records.DatasetInfo.read(small)
    dataclasses.replace(info, classes=ClassList(("x", "y", "z"))).write(small)
    out = tmp_path / "two"
    trainer.train(config(small, out, init=f"run:{finished}", freeze="L7-1", epochs=1))
    one, two = run_folder.load(finished).network, run_folder.load(out).network
    np.testing.assert_array_equal(
        one.get_layer("L7-1").kernel.numpy(), two.get_layer("L7-1").kernel.numpy()
    )
    assert (
        np.abs(
            one.get_layer("L8-a").kernel.numpy() - two.get_layer("L8-a").kernel.numpy()
        ).max()
        > 0
    )
    with pytest.raises(InputError, match="its layers are not this model's"):
        trainer.train(
            config(
                small,
                tmp_path / "three",
                init=f"run:{finished}",
                model_settings={
                    "hidden_units": 8,
                    "hidden_layers": 1,
                    "feature_units": 8,
                },
            )
        )


def test_a_run_whose_layers_compute_something_else(finished, embeddings, tmp_path):
    plain = {"model_settings": {**SMALL, "residual": False}, "init": f"run:{finished}"}
    told = "its residual is True, here it is False.*; set residual=True"
    with pytest.raises(InputError, match=told):
        trainer.train(config(embeddings, tmp_path / "out", **plain))
    older = tmp_path / "older"
    shutil.copytree(finished, older)
    document = json.loads((older / "config.json").read_text())
    del document["model"]["config"]["residual"], document["checksum"]
    (older / "config.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="its residual is False, here it is True"):
        weights.check(f"run:{older}", create("embedding_attention", 3, **SMALL))
    del document["model"]["config"]
    (older / "config.json").write_text(json.dumps(document))
    out = tmp_path / "out"
    with pytest.raises(InputError, match=re.escape(str(older))):
        trainer.train(config(embeddings, out, init=f"run:{older}"))


def test_classes_that_a_run_has_too_start_with_its_weights(finished):
    source = run_folder.load(finished).network  # dog, siren, horn
    made = create("embedding_attention", 3, **SMALL)
    classes = ClassList(("Horn", "whale", "a dog"), ("/m/1", "/m/2", "dog"))
    for names, rows in ((None, {}), (classes, {0: 2, 2: 0})):  # by name, by id
        network = made.build()
        before = {x.name: x.get_weights() for x in network.layers}
        taken = weights.initialise(network, made, f"run:{finished}", names)
        assert "L7-1" in taken and "L8-a" not in taken
        for layer in ("L8-a", "L8-b"):
            for value, old, given in zip(
                network.get_layer(layer).get_weights(),
                before[layer],
                source.get_layer(layer).get_weights(),
            ):
                for i in range(3):
                    expected = given[..., rows[i]] if i in rows else old[..., i]
                    np.testing.assert_array_equal(value[..., i], expected)


def test_the_output_for_no_class_is_left_alone():
    made = create("att_loc", 2, background=True, filters=2, recurrent_units=2)
    assert made.build().get_layer("localization").get_weights()[0].shape[-1] == 3
    own, theirs = weights.shared_classes(
        ClassList(("b", "c", "B2"), ("/m/b", "/m/c", "/m/d")),
        ClassList(("a", "b", "x"), ("/m/c", "/m/e", "/m/d")),
    )
    # c by id although its name is another one, b by name
    assert (own, theirs) == ([0, 1, 2], [1, 0, 2])


def test_freezing_by_count():
    network = create("attention_fcn", 2, width=0.02, batch_norm=True).build()
    assert weights.freeze(network, "3") == ["L1", "L2", "L3"]
    names = {v.path.split("/")[0] for v in network.trainable_variables}
    assert not names & {"L1", "L2", "L3", "L1_norm", "L2_norm", "L3_norm"}
    assert {"L4", "L8-b", "L7_norm"} <= names


def test_freezing_by_name():
    """A layer with its normalisation, or that alone."""

    def frozen(what):
        network = create("embedding_attention", 2, **SMALL).build()
        assert weights.freeze(network, what) == what.split(",")
        every = {v.path.split("/")[0] for v in network.weights}
        return every - {v.path.split("/")[0] for v in network.trainable_variables}

    assert frozen("L7-1,L8-u") == {"L7-1", "L7-1_norm", "L8-u", "feature_norm"}
    assert frozen("L7-1_norm") == {"L7-1_norm"}


def test_no_run_there(tmp_path):
    with pytest.raises(InputError, match="not a run folder"):
        run_folder.load(tmp_path)
    parts = {"model": {}, "training": {}, "data": {}}
    (tmp_path / "config.json").write_text(json.dumps(parts))
    with pytest.raises(InputError, match="first epoch"):
        run_folder.load(tmp_path)
    (tmp_path / "model.keras").write_text("x")
    with pytest.raises(InputError, match="not a usable run"):
        run_folder.load(tmp_path)


def test_global_dtype_policy_is_left_alone(finished):
    assert keras.config.dtype_policy().name == "float32"


def test_pasting_begins_in_the_fourth_epoch(embeddings, tmp_path, caplog):
    caplog.set_level("WARNING", "tfweak")
    trainer.train(config(embeddings, tmp_path / "long", epochs=5))
    history = run_folder.read_history(tmp_path / "long" / "history.csv")
    assert [row["pasted"] > 0 for row in history] == [False] * 3 + [True] * 2
    assert [row["loss_self"] > 0 for row in history] == [False] * 3 + [True] * 2
    told = "self-supervision by pasting begins in epoch 4; with 3 epochs there is none"
    assert told not in caplog.text
    trainer.train(config(embeddings, tmp_path / "short", epochs=3))
    assert f"{told}, give more" in caplog.text
    assert "pasting is for audio" in caplog.text


def test_a_training_that_pasted_nothing_says_so(embeddings, tmp_path, caplog):
    caplog.set_level("WARNING", "tfweak")
    # a clip alone in its batch has none to be pasted into
    trainer.train(config(embeddings, tmp_path / "run", batch_size=1))
    assert "found nothing to paste in the last epoch" in caplog.text


def test_a_step_draws_rows_and_a_resumed_one_the_same(embeddings, tmp_path):
    settings = {"random_rows": 0.5, "segment_weight": 1.0, "supervision": "strong+self"}
    trainer.train(config(embeddings, tmp_path / "once", **settings))
    trainer.train(config(embeddings, tmp_path / "twice", **settings, epochs=2))
    trainer.train(config(embeddings, tmp_path / "twice", **settings))
    assert_same_run(tmp_path / "once", tmp_path / "twice")
    trainer.train(config(embeddings, tmp_path / "all", **settings | {"random_rows": 0}))
    one, other = (network_weights(tmp_path / name)[0] for name in ("once", "all"))
    assert (one != other).any()
    del settings["random_rows"]  # half of them, where nothing is said
    trainer.train(config(embeddings, tmp_path / "default", **settings))
    assert_same_run(tmp_path / "once", tmp_path / "default")


def test_segments_that_overlap_cannot_be_pasted(embeddings, tmp_path):
    def training(**more):
        return trainer.Training(
            config(embeddings, tmp_path / "run", model_settings={}, **more)
        )

    with pytest.raises(InputError, match="pastes whole segments, and those of tlweak"):
        training(model="tlweak")
    training(model="tlweak", supervision="none")
    for name in sorted(set(ARCHITECTURES.names()) - {"tlweak"}):
        training(model=name)


def test_a_run_from_before_there_was_a_choice_goes_on(finished, embeddings, tmp_path):
    before = {"dropout_of": "values", "residual": False, "feature_gates": False}

    def without_it(name, **more):
        more = {"model_settings": {**SMALL, **before}, **more}
        out = tmp_path / name
        trainer.train(config(embeddings, out, epochs=1, **more))
        path = out / "config.json"
        document = json.loads(path.read_text())
        for setting in ("self_supervision", "random_rows"):
            document["training"].pop(setting, None)
        for setting in before:
            del document["model"]["config"][setting]
        del document["checksum"]
        path.write_text(json.dumps(document))
        return config(embeddings, out, epochs=2, **more)

    trainer.train(without_it("none", supervision="none", random_rows=0.0))
    labels = {
        "self_supervision": "pseudo_labels",
        "attention_weights": (0.1,),
        "random_rows": 0.0,
    }
    trainer.train(without_it("self", **labels))
    history = run_folder.read_history(tmp_path / "self" / "history.csv")
    assert "pseudo_positive" in history[1]
    with pytest.raises(InputError, match="dropout_of='values', now it is 'units'"):
        trainer.train(
            without_it("units", random_rows=0.0),
            model_settings=SMALL,
        )
    told = "self_supervision='pseudo_labels', now it is 'pasting'"
    wanted = without_it("other", **labels)
    with pytest.raises(InputError, match=told):
        trainer.train(dataclasses.replace(wanted, self_supervision="pasting"))
