"""Experiments: planned, run side by side, resumed, killed, gathered into tables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from made import make_embeddings, uncount

from tfweak import open_data
from tfweak.errors import InputError
from tfweak.evaluation import statistics
from tfweak.models.commands import experiment
from tfweak.models.experiments import runner, tables
from tfweak.models.experiments.spec import Experiment
from tfweak.models.experiments.trials import Trial, run_all
from tfweak.models.runs import run_folder, seen_clips
from tfweak.models.runs.config import TrainConfig, training_settings

SMALL = ["--set=hidden_units=8,hidden_layers=1", "--training=epochs=2,batch_size=32"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Data to train on, to test on, and for a first step that knows some test clips."""
    root = tmp_path_factory.mktemp("experiments")
    made = {
        # ids as the datasets of folders have them, with a `/`
        name: make_embeddings(root / name, count, seed, prefix="a folder/clip")
        for name, count, seed in (("train", 45, 21), ("test", 24, 22), ("pre", 40, 23))
    }
    half = (made["test"] / "part-0.tfrecord").read_bytes()
    (made["pre"] / "part-2.tfrecord").write_bytes(half)
    uncount(made["pre"])
    return made


@pytest.fixture(scope="module")
def done(folders, tmp_path_factory):
    """Table I with all its columns, a trial of two rows."""
    out = tmp_path_factory.mktemp("done") / "table1"
    arguments = [
        "--table=kim2019_table1",
        f"--train_data={folders['train']}",
        f"--test_data={folders['test']}",
        f"--pretrain_data={folders['pre']}",
        "--rows=unsupervised,self",
        "--trials=1",
        "--pretraining=epochs=1",
        *SMALL,
        f"--out={out}",
    ]
    assert experiment.main(arguments) == 0
    return arguments, out


@pytest.fixture(scope="module")
def gone_on(done):
    """The same with a trial more; when the results of the first one were written."""
    arguments, out = done
    results = sorted(out.glob("trials/*/*/*/result.json"))
    before = {path: path.stat().st_mtime_ns for path in results}
    more = [a for a in arguments if "trials" not in a] + ["--trials=2", "--parallel=2"]
    assert experiment.main(more) == 0
    return out, before


@pytest.mark.parametrize("name", tables.TABLES.names())
def test_every_table_keeps_the_contract(name):
    table = tables.find(name)
    rows = {**table.rows, **table.more_rows}
    assert len(rows) == len(table.rows) + len(table.more_rows)
    for row in rows.values():
        for settings in table.training.values():
            TrainConfig(data=("data",), out="", **{**settings, **row.training})
    assert set(table.training) <= {"log_mel", "audio_embedding"}


def test_rows_of_table_one_are_the_papers():
    rows = tables.find("kim2019_table1").rows
    assert [row.reference["two-step"] for row in rows.values()] == [
        "51.4±0.17",
        "50.8±0.44",
        "51.1±0.31",
        "53.9±0.47",
        "56.3±0.26",
        "55.9±0.30",
    ]
    assert rows["average_strong"].training == {
        "clip_weight": 0.0,
        "segment_weight": 1.0,
    }
    assert rows["average_both"].training == {"segment_weight": 1.0}
    assert rows["strong"].training == {"supervision": "strong"}


def test_the_table_is_what_the_trials_found(gone_on):
    out, _ = gone_on
    document = json.loads((out / "table.json").read_text())
    names = [metric["name"] for metric in document["metrics"]]
    assert names[0] == "mAP" and "segment F1, micro" in names
    assert names[-1] == "validation mAP"
    cell = document["metrics"][0]["cells"]["self"]["two-step"]
    found = [
        json.loads((out / f"trials/self/two-step/trial-0{i}/result.json").read_text())[
            "metrics"
        ]["mAP"]
        for i in range(2)
    ]
    assert cell["trials"] == found
    assert cell["mean"] == pytest.approx(np.mean(found))
    expected = statistics.summarise(found).standard_error
    assert cell["standard_error"] == pytest.approx(expected)
    text = (out / "table.md").read_text()
    assert "55.9±0.30" in text and "seeds 0 to 1" in text
    assert "Pseudo-positive share" in text
    assert r"\toprule" in (out / "table.tex").read_text()


def test_figures_are_drawn(done):
    _, out = done
    names = {path.name for path in (out / "figures").iterdir()}
    assert {"pseudo_positive.png", "val_mAP.png"} <= names
    assert "improvement_by_duration_two-step.png" in names
    drawn = [name for name in names if name.startswith("attention_one-step")]
    assert len(drawn) == 3
    assert all("_a folder%2Fclip-22-" in name for name in drawn)
    assert all(p.stat().st_size > 5000 for p in (out / "figures").iterdir())


def test_step_two_knows_the_clips_of_step_one(done):
    _, out = done
    seen = seen_clips.read(out / "pretrained" / "run-0")
    assert len(seen["train"] | seen["valid"]) == 40
    second = seen_clips.read(out / "trials/self/two-step/trial-00/run-0")
    assert second["transferred"] == seen["train"] | seen["valid"]
    config = run_folder.read_config(out / "trials/self/two-step/trial-00/run-0")
    assert config["training"]["init"].endswith("pretrained/run-0")


def test_more_trials_leave_the_first_ones_alone(gone_on):
    out, before = gone_on
    assert len(before) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(out.glob("trials/*/*/*/result.json"))) == 8


def test_a_finished_experiment_runs_nothing_and_keeps_its_settings(done, capsys):
    arguments, out = done
    results = sorted(out.glob("trials/*/*/*/result.json"))
    before = {path: path.stat().st_mtime_ns for path in results}
    again = [a for a in arguments if "trials" not in a] + [
        f"--trials={len(before) // 4}"
    ]
    assert experiment.main(again) == 0
    assert f"{len(before)} done" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in results} == before
    other = [a for a in arguments if "training" not in a] + ["--training=epochs=3"]
    assert experiment.main(other) == 1
    assert "holds an experiment with training" in capsys.readouterr().err


def test_cross_validation_answers_every_clip_once(folders, tmp_path):
    out = tmp_path / "out"
    arguments = [
        "--table=kim2019_table1",
        f"--train_data={folders['train']}",
        "--folds=3",
        "--rows=average_strong,strong_self",
        "--columns=one-step",
        "--trials=1",
        *SMALL,
        f"--out={out}",
    ]
    assert experiment.main(arguments) == 0
    result = json.loads(
        (out / "trials/strong_self/one-step/trial-00/result.json").read_text()
    )
    assert result["metrics"]["num_clips"] == 45
    assert result["metrics"]["localisation"]["num_clips"] == 15
    assert len(result["valid_mAP"]) == len(result["history"]) == 3
    assert "3-fold cross-validation by clip" in (out / "table.md").read_text()


def test_folds_are_disjoint_whole_and_paired(folders):
    data = open_data([folders["train"]])
    folds = data.folds(4, seed=5)
    tested = [set(test.clip_ids) for _, test in folds]
    assert sum(map(len, tested)) == len(set().union(*tested)) == 45
    for rest, test in folds:
        assert set(rest.clip_ids) == set(data.clip_ids) - set(test.clip_ids)
    again = [set(test.clip_ids) for _, test in data.folds(4, seed=5)]
    assert again == tested
    assert [set(test.clip_ids) for _, test in data.folds(4, seed=6)] != tested
    inner = folds[0][0].without(folds[1][1].clip_ids)
    assert set(inner.clip_ids) == tested[2] | tested[3]
    assert len(list(inner.open_serialized())) == len(inner)
    with pytest.raises(InputError, match="2 at least"):
        data.folds(1)


def test_the_search_of_alpha_takes_the_best_on_validation(folders, tmp_path):
    out = tmp_path / "out"
    arguments = [
        "--table=kim2019_table2",
        f"--train_data={folders['train']}",
        "--validation_only",
        "--rows=unsupervised,self",
        "--alphas=0.1,50",
        "--alpha_trials=2",
        "--trials=1",
        *SMALL,
        f"--out={out}",
    ]
    assert experiment.main(arguments) == 0
    found = json.loads((out / "alpha.json").read_text())
    assert set(found) == {"self/mAP"}  # nothing to search for without supervision
    means = found["self/mAP"]["valid_mAP"]
    for alpha in ("0.1", "50"):
        each = [
            json.loads(
                (out / f"alpha/self/mAP/{alpha}/trial-0{i}/result.json").read_text()
            )
            for i in range(2)
        ]
        assert means[alpha] == pytest.approx(
            np.mean([r["mean_valid_mAP"] for r in each])
        )
    best = found["self/mAP"]["best"]
    assert means[f"{best:g}"] == max(means.values())
    config = run_folder.read_config(out / "trials/self/mAP/trial-00/run-0")
    assert config["training"]["attention_weights"] == [best, best]
    assert "validation mAP" in (out / "table.md").read_text()


def test_the_papers_grid():
    assert experiment._alphas(["paper"])[0] == 0.1
    assert experiment._alphas(["paper"])[-1] == 1.5
    assert len(experiment._alphas(["paper"])) == 15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folds=4"], "one of test_data, folds or fold_data"),
        (["--fold_data=a,b"], "train_data or fold_data is needed, and not both"),
        (["--set=depth=3"], "--set=depth: no model of the table has this setting"),
        (["--validation_only"], "one of test_data, folds"),
        (["--rows=nonsense"], "--rows=nonsense: there are average"),
        (["--columns=three-step"], "--columns=three-step"),
        (["--training=epochs=many"], "epochs='many' is not a whole number"),
        (["--training=out=x"], "out is not a setting of single trainings"),
        (["--training=mixup=-1"], "mixup=-1"),
        (["--alphas=0.1,x"], "--alphas=0.1,x"),
        (["--set=hidden_units=wide"], "hidden_units='wide' is not"),
        (["--columns=two-step"], "--pretrain_data is needed for two-step"),
        (
            ["--pretraining=epochs=1", "--columns=one-step"],
            "--pretraining has no effect",
        ),
        (["--train_data=nowhere"], "nowhere"),
    ],
)
def test_wrong_settings_are_named(arguments, message, folders, tmp_path, capsys):
    common = [
        "--table=kim2019_table1",
        f"--train_data={folders['train']}",
        f"--test_data={folders['test']}",
        "--columns=one-step",
        f"--out={tmp_path / 'out'}",
    ]
    assert experiment.main([*common, *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_trial_that_fails_is_listed_and_the_others_go_on(folders, tmp_path):
    config = TrainConfig(
        data=(str(folders["train"]),),
        out="",
        model_settings={"hidden_units": 8, "hidden_layers": 1},
        epochs=1,
    )
    bad = TrainConfig(data=(str(tmp_path / "gone"),), out="")
    trials = [
        Trial(str(tmp_path / "bad"), bad),
        Trial(str(tmp_path / "good"), config),
    ]
    run_all(trials, 1, 1)
    assert "gone" in trials[0].result()["error"]
    assert 0 <= trials[1].result()["mean_valid_mAP"] <= 1


@pytest.mark.slow
def test_a_killed_experiment_goes_on_and_leaves_no_process(folders, tmp_path):
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "tfweak.models.commands.experiment",
        "--table=kim2019_table2",
        f"--train_data={folders['train']}",
        f"--test_data={folders['test']}",
        "--trials=1",
        "--parallel=2",
        *SMALL,
        f"--out={out}",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None and not list(out.glob("trials/*/*/*/result.json")):
        time.sleep(0.05)
    children = _children(process.pid)
    assert children
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _wait_for_end(children)
    first = min(out.glob("trials/*/*/*/result.json"))
    before = first.stat().st_mtime_ns
    assert (
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0
    )
    assert first.stat().st_mtime_ns == before
    assert (out / "table.md").exists()


@pytest.mark.slow
def test_ctrl_c_ends_an_experiment_at_once(folders, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tfweak.models.commands.experiment",
            "--table=kim2019_table2",
            f"--train_data={folders['train']}",
            f"--test_data={folders['test']}",
            "--trials=1",
            "--set=hidden_units=8,hidden_layers=1",
            "--training=epochs=5000,batch_size=4",
            f"--out={out}",
        ],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches a whole group
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and not list(out.glob("trials/*/*/*/run-0/last")):
        time.sleep(0.05)
    children = _children(process.pid)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, message = process.communicate(timeout=120)
    assert time.monotonic() - began < 60  # of a training that lasts much longer
    assert process.returncode == 130
    assert "interrupted; the same command goes on" in message
    assert "Traceback" not in message
    _wait_for_end(children)


def _children(pid: int) -> list[int]:
    text = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True
    ).stdout
    return [int(line) for line in text.split()]


def _wait_for_end(children: list[int]) -> None:
    deadline = time.monotonic() + 60
    while any(map(_alive, children)):
        assert time.monotonic() < deadline, "a worker outlived the experiment"
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_conversion_of_settings():
    given = {"epochs": "3", "learning_rate": "1e-4", "balance": "true", "freeze": "2"}
    assert training_settings(given, "training") == {
        "epochs": 3,
        "learning_rate": 1e-4,
        "balance": True,
        "freeze": "2",
    }
    assert training_settings({"attention_weight": "0.1/0.2"}, "training") == {
        "attention_weights": (0.1, 0.2)
    }


@pytest.mark.parametrize(
    "contents", [b"", b"{", b"[]", b"\xff", b"{}", b'{"settings": 3}', b"[" * 100000]
)
def test_broken_settings_of_an_experiment_are_named(tmp_path, contents):
    settings = Experiment(
        table="self_supervision",
        out=str(tmp_path),
        train_data=("a",),
        test_data=("b",),
    )
    runner._claim(settings)
    runner._claim(settings)
    (tmp_path / "experiment.json").write_bytes(contents)
    with pytest.raises(InputError, match="experiment.json: broken .*another folder"):
        runner._claim(settings)


def test_an_experiment_that_was_killed_at_its_first_file_begins(tmp_path):
    (tmp_path / "experiment.json.7.tmp").touch()
    runner._claim(
        Experiment(
            table="kim2019_table2",
            out=str(tmp_path),
            train_data=("data",),
            validation_only=True,
        )
    )
    assert [path.name for path in tmp_path.iterdir()] == ["experiment.json"]
