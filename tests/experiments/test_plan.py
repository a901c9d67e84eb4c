"""Experiments before their first training, by folders of folds, and of many models."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from made import make_embeddings

from tfweak import open_data
from tfweak.data_prep.commands import prepare
from tfweak.data_prep.datasets import chime_home
from tfweak.models.commands import experiment
from tfweak.models.experiments import tables
from tfweak.models.experiments.checks import check
from tfweak.models.experiments.plan import Plan
from tfweak.models.experiments.spec import Experiment
from tfweak.models.experiments.tables import _xu2017
from tfweak.models.runs import run_folder

SMALL = ["--set=hidden_units=8,hidden_layers=1", "--training=epochs=1,batch_size=32"]


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    root = tmp_path_factory.mktemp("folds")
    return [make_embeddings(root / f"fold{i}", 14 + i, seed=40 + i) for i in range(3)]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Waveforms of domestic scenes: training and test clips."""
    root = tmp_path_factory.mktemp("scenes")
    for name, count, seed in (("train", 30, 1), ("test", 12, 2)):
        arguments = ["--dataset=soundscapes", "--profile=chime_like", f"--seed={seed}"]
        arguments += [f"--num_clips={count}", "--features=waveform"]
        assert prepare.main([*arguments, f"--out={root / name}"]) == 0
    return root


def refused(arguments, out, capsys):
    """The message of a command that must not have begun any trial."""
    assert experiment.main([*arguments, f"--out={out}"]) == 1
    assert not out.exists()
    return capsys.readouterr().err


def test_test_clips_among_the_training_clips_are_found_first(folds, tmp_path, capsys):
    arguments = ["--table=kim2019_table2", f"--train_data={folds[0]},{folds[1]}"]
    arguments += [f"--test_data={folds[1]}", *SMALL]
    message = refused(arguments, tmp_path / "out", capsys)
    assert "--test_data: 15 of its 15 clips are in `fold0`, `fold1` too" in message
    assert "such as 'clip-41-0'" in message
    arguments[-1] += ",allow_overlap=true"
    arguments += ["--rows=average", "--trials=1", f"--out={tmp_path / 'allowed'}"]
    assert experiment.main(arguments) == 0


def test_validation_clips_among_the_training_clips(folds, tmp_path, capsys):
    arguments = ["--table=kim2019_table2", f"--train_data={folds[0]}", *SMALL]
    arguments += [f"--valid_data={folds[0]}", f"--test_data={folds[1]}"]
    assert "--valid_data: 14 of" in refused(arguments, tmp_path / "out", capsys)


@pytest.mark.parametrize("flag", ["--train_data", "--test_data", "--pretrain_data"])
def test_broken_data_is_found_first(flag, folds, tmp_path, capsys):
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in folds[2].iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    shard = broken / "part-1.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-7])
    given = {
        "--train_data": folds[0],
        "--test_data": folds[1],
        "--pretrain_data": folds[2],
        flag: broken,
    }
    arguments = ["--table=kim2019_table1", *SMALL]
    arguments += [f"{name}={folder}" for name, folder in given.items()]
    assert "part-1.tfrecord" in refused(arguments, tmp_path / "out", capsys)


def test_data_that_a_system_cannot_read_is_found_first(folds, tmp_path, capsys):
    arguments = ["--table=xu2017_table2", f"--fold_data={folds[0]},{folds[1]}"]
    message = refused(arguments, tmp_path / "out", capsys)
    assert "holds audio_embedding, the model reads log_mel" in message
    assert "front_end=xu2017" in message
    arguments = ["--table=xu2017_table3", f"--train_data={folds[0]}"]
    arguments += [f"--test_data={folds[1]}", "--model=cgrnn"]
    message = refused(arguments, tmp_path / "out", capsys)
    assert "--model=cgrnn: cakir_cnn" in message and "are models themselves" in message
    arguments = ["--table=kim2019_table1", f"--train_data={folds[0]}", "--folds=3"]
    weak = make_embeddings(tmp_path / "weak", 20, seed=7, strong=False)
    arguments[1] = f"--train_data={weak}"
    arguments += ["--rows=strong", "--columns=one-step"]
    message = refused(arguments, tmp_path / "out", capsys)
    assert "supervision=strong, but no clip of" in message


def test_each_folder_is_a_fold(folds, tmp_path):
    out = tmp_path / "out"
    arguments = ["--table=kim2019_table2", *SMALL, "--rows=unsupervised", "--trials=2"]
    arguments += [f"--fold_data={','.join(map(str, folds))}", f"--out={out}"]
    assert experiment.main(arguments) == 0
    result = json.loads(
        (out / "trials/unsupervised/mAP/trial-01/result.json").read_text()
    )
    assert result["metrics"]["num_clips"] == 14 + 15 + 16
    assert len(result["valid_mAP"]) == 3
    first = run_folder.read_config(out / "trials/unsupervised/mAP/trial-00/run-0")
    assert first["training"]["data"] == [str(folds[1]), str(folds[2])]
    known = set(open_data(folds[1:]).clip_ids)
    counted = first["data"]["train"]["num_clips"] + first["data"]["valid"]["num_clips"]
    assert counted == len(known)
    assert "each of these folders being a fold" in (out / "table.md").read_text()


def test_the_papers_tables_are_of_its_one_head_on_all_rows(folds, scenes):
    def configs(table, data, **more):
        given = Experiment(
            table=table,
            out="out",
            train_data=(str(data),),
            pretrain_data=(str(data),),
            validation_only=True,
            trials=1,
            **more,
        )
        plan = Plan(given)
        found = [plan.config(*cell, 0, None) for cell in plan.cells()]
        first = plan.pretraining()
        return [*found, first.config] if first else found

    for table in ("kim2019_table1", "kim2019_table2", "self_supervision"):
        for config in configs(table, folds[0]):
            assert config.model_settings["feature_units"] == 0
            assert config.model_settings["dropout_of"] == "values"
            assert config.model_settings["residual"] is False
            assert config.random_rows == 0 and config.mixup == 0
            assert config.average_weights == 0.999
        for config in configs(table, folds[0], model_settings={"feature_units": "4"}):
            assert config.model_settings["feature_units"] == "4"
        # on audio the model has no second head
        for config in configs(table, scenes / "train"):
            assert "feature_units" not in config.model_settings


def test_a_trial_has_the_same_seed_in_every_row_and_column(folds):
    plan = Plan(
        Experiment(
            table="kim2019_table1",
            out="out",
            train_data=tuple(map(str, folds[:2])),
            pretrain_data=(str(folds[0]),),
            test_data=(str(folds[2]),),
            trials=3,
            seed=7,
            alphas=(0.5, 2.0),
            alpha_trials=2,
        )
    )
    assert len(plan.rows) > 2 and len(plan.columns) > 1
    cells = [trials for row in plan.trials({}).values() for trials in row.values()]
    assert len(cells) == len(plan.rows) * len(plan.columns)
    for trials in cells:
        assert [trial.config.seed for trial in trials] == [7, 8, 9]
        assert {trial.test_data for trial in trials} == {(str(folds[2]),)}
    # the search for alpha: every alpha the same seeds, and none of those above
    searches = plan.alpha_trials()
    assert len(searches) > 1
    for by_alpha in searches.values():
        seeds = {
            alpha: [trial.config.seed for trial in trials]
            for alpha, trials in by_alpha.items()
        }
        assert seeds == {0.5: [10_007, 10_008], 2.0: [10_007, 10_008]}
        for alpha, trials in by_alpha.items():
            weights = {trial.config.attention_weights for trial in trials}
            assert weights == {(alpha, alpha)}
    folders = [trial.folder for trials in cells for trial in trials]
    assert len(set(folders)) == len(folders)


def test_step_one_leaves_out_what_validates_or_tests_step_two(folds):
    one, two, three = map(str, folds)
    measured = Experiment(
        "kim2019_table1", "out", (one,), test_data=(two,), pretrain_data=(three,)
    )
    # without valid_data a part of the training clips validates
    config = Plan(measured).pretraining().config
    assert config.data == (three,) and config.exclude_data == (one, two)
    valid = dataclasses.replace(measured, valid_data=("valid",))
    assert Plan(valid).pretraining().config.exclude_data == ("valid", two)
    one_step = dataclasses.replace(measured, columns=("one-step",))
    assert Plan(one_step).pretraining() is None


def test_settings_go_to_the_models_that_have_them(scenes):
    plan = Plan(
        Experiment(
            table="kim2019_table2",
            out="out",
            train_data=(str(scenes / "train"),),
            validation_only=True,
            rows=("average", "tlweak", "resnet_att"),
            model_settings={"width": "0.125", "batch_norm": "true"},
            training={"init": "random"},
        )
    )
    check(plan)
    settings = {
        row: plan.config(row, "mAP", 0, None).model_settings for row in plan.rows
    }
    assert settings["average"]["batch_norm"] == "true"
    assert settings["tlweak"] == settings["resnet_att"] == {"width": "0.125"}
    models = [plan.config(row, "mAP", 0, None).model for row in plan.rows]
    assert models == ["attention_fcn", "tlweak", "resnet_att"]


def test_printed_figures_of_xu_2017():
    assert _xu2017.CLASS_NAMES == chime_home.CHIME_HOME_CLASSES.names
    rows = tables.find("xu2017_table3").rows
    assert list(rows) == ["cakir_cnn", "lidy_cnn", "dae_dnn", "cgrnn", "att_loc"]
    assert [row.reference["evaluation"] for row in rows.values()] == [
        "0.17",
        "0.17",
        "0.15",
        "0.13",
        "0.11",
    ]
    for row in rows.values():
        *values, average = map(float, row.class_references.values())
        assert len(values) == 7
        assert average == float(row.reference["evaluation"])
        # the average of rounded figures, itself rounded
        assert float(row.reference["evaluation"]) == pytest.approx(
            np.mean(values), abs=0.012
        )


def test_a_table_of_models_with_classes_and_localisation_maps(scenes, tmp_path):
    out = tmp_path / "out"
    arguments = [
        "--table=xu2017_table3",
        f"--train_data={scenes / 'train'}",
        f"--test_data={scenes / 'test'}",
        "--rows=cgrnn,att_loc",
        "--set=filters=4,recurrent_units=3,recurrent_layers=1,hidden_units=8",
        "--training=epochs=1,batch_size=16",
        "--trials=2",
        f"--out={out}",
    ]
    assert experiment.main(arguments) == 0
    document = json.loads((out / "table.json").read_text())
    metrics = {metric["name"]: metric for metric in document["metrics"]}
    assert document["metrics"][0]["name"] == "EER"
    found = [
        json.loads(
            (out / f"trials/att_loc/evaluation/trial-0{i}/result.json").read_text()
        )
        for i in range(2)
    ]
    cell = metrics["EER"]["cells"]["att_loc"]["evaluation"]
    assert cell["trials"] == [result["metrics"]["EER"] for result in found]
    maps = metrics["segment F1 of Z_loc, micro"]["cells"]
    assert maps["cgrnn"]["evaluation"]["mean"] is None  # it has no map
    located = found[0]["metrics"]["localisation"]["z_loc"]["segment_based"]
    assert maps["att_loc"]["evaluation"]["trials"][0] == located["micro_f1"]

    classes = json.loads((out / "classes.json").read_text())
    names = open_data([scenes / "test"]).classes.names
    assert classes["columns"] == [*names, "average"]
    averages = classes["metrics"][0]["cells"]["att_loc"]["average"]["trials"]
    assert averages == cell["trials"]
    by_class = classes["metrics"][0]["cells"]["cgrnn"]
    result = json.loads(
        (out / "trials/cgrnn/evaluation/trial-01/result.json").read_text()
    )
    for name in names:
        expected = result["metrics"]["classes"][name]["EER"]
        assert by_class[name]["trials"][1] == expected
    text = (out / "classes.md").read_text()
    assert "Between columns" not in text and "Between rows, all columns" in text
    assert "| cgrnn / att\\_loc |" in text
    assert "Trainable parameters: cgrnn" in (out / "table.md").read_text()
    pictures = {path.name for path in (out / "figures").iterdir()}
    # cgrnn has neither attention nor a map to draw
    drawn = [
        name for name in pictures if name.startswith(("localization", "attention"))
    ]
    assert len(drawn) == 3
    assert all(name.startswith("localization_att_loc") for name in drawn)
    assert "improvement_by_duration_evaluation.png" in pictures


def test_notes_say_which_rows_a_setting_went_to(scenes):
    plan = Plan(
        Experiment(
            table="xu2017_table3",
            out="out",
            train_data=[str(scenes / "train")],
            test_data=[str(scenes / "test")],
            rows=("cgrnn", "att_loc", "dae_dnn"),
            model_settings={"recurrent_units": "3", "hidden_units": "8"},
        )
    )
    assert any(
        "recurrent_units=3 (cgrnn, att_loc)" in note and "hidden_units=8;" in note
        for note in plan.notes({})
    )
