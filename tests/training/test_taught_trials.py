"""Teachers of folds in an experiment: a row that needs several trainings."""

from __future__ import annotations

from made import make_embeddings

from tfweak.models.experiments.plan import Plan
from tfweak.models.experiments.spec import Experiment
from tfweak.models.experiments.trials import Trial
from tfweak.models.runs import run_folder
from tfweak.models.runs.config import TrainConfig
from tfweak.models.training.options import TeachingOptions


def test_a_trial_trains_its_teachers_and_removes_them(tmp_path):
    data = make_embeddings(tmp_path / "data", 40, seed=31)
    test = make_embeddings(tmp_path / "test", 20, seed=32)
    config = TrainConfig(
        data=[data],
        out="",
        model_settings={"hidden_units": 8, "hidden_layers": 1},
        epochs=1,
        valid_fraction=0.3,
    )
    trial = Trial(
        str(tmp_path / "trial"),
        config,
        (str(test),),
        keep_model=True,
        teaching=TeachingOptions(2),
    )
    trial.run()
    result = trial.result()
    assert 0 <= result["metrics"]["mAP"] <= 1
    (history,) = result["history"]
    assert history[0]["loss_teacher"] > 0 and history[0]["loss_teacher_segments"] > 0
    log = (tmp_path / "trial" / "log.txt").read_text()
    assert "training 3 of 3: run-0" in log
    left = {path.name for path in (tmp_path / "trial").iterdir()}
    assert left == {"run-0", "result.json", "log.txt"}
    assert not (trial.model_folder / "teacher").exists()
    assert len(run_folder.read_config(trial.model_folder)["teachers"]) == 2


def test_rows_with_teachers_are_planned(embeddings, tmp_path):
    plan = Plan(
        Experiment(
            table="self_supervision",
            out=str(tmp_path / "out"),
            train_data=(str(embeddings),),
            validation_only=True,
            trials=1,
            rows=("unsupervised", "teacher", "teacher_pasting"),
            alphas=(0.1,),
            alpha_trials=1,
        )
    )
    trials = plan.trials({})
    assert trials["unsupervised"]["tags"][0].teaching is None
    for row in ("teacher", "teacher_pasting"):
        assert trials[row]["tags"][0].teaching == TeachingOptions(folds=5)
    # the weight of what is pasted is searched with the teachers there
    ((trial,),) = (of.values() for of in plan.alpha_trials().values())
    assert trial[0].teaching == TeachingOptions(folds=5)
    note = next(note for note in plan.notes({}) if "Settings" in note)
    taught = "(teacher, teacher_pasting)"
    assert f"teacher_weight=0.5 {taught}; teacher_segment_weight=0.5 {taught}" in note
    assert f"teaching folds=5 {taught}" in note
    plan = Plan(
        Experiment(
            table="self_supervision",
            out=str(tmp_path / "out"),
            train_data=(str(embeddings),),
            validation_only=True,
        )
    )
    assert not any("teach" in note for note in plan.notes({}))
