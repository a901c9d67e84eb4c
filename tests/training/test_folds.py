"""Teachers of folds and their student, from the command line to a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tfweak
from tfweak.data import sources, teacher_scores
from tfweak.errors import InputError
from tfweak.models.commands import teach as command
from tfweak.models.runs import run_folder, scoring, seen_clips
from tfweak.models.runs.config import TrainConfig
from tfweak.models.training import folds, trainer
from tfweak.models.training.options import TeachingOptions

SETTINGS = {
    "model_settings": {"hidden_units": 8, "hidden_layers": 1},
    "epochs": 1,
    "batch_size": 16,
    "precision": "float32",
    "valid_fraction": 0.3,
}


@pytest.mark.parametrize(
    ("settings", "sizes", "cost"),
    [
        # 4 teachers on 3 of 4 folds each, the student on all
        ((4, 1, 1), [1, 1, 1, 1, 0], 4 * 0.75 + 1),
        ((4, 1, 3), [1] * 4 + [0], 12 * 0.75 + 1),
        # first one for each pair of folds
        ((4, 2, 1), [2] * 6 + [1] * 4 + [0], 6 * 0.5 + 4 * 0.75 + 1),
    ],
)
def test_what_is_trained(settings, sizes, cost):
    options = TeachingOptions(*settings)
    assert [len(without) for without in options.sets()] == sizes
    count = sum(settings[2] if size else 1 for size in sizes)
    assert options.num_trainings == count
    assert options.cost == pytest.approx(cost)
    assert options.describe().startswith(f"{count} trainings (")
    assert f"about as long as {cost:.1f} on all clips" in options.describe()


def test_generations_need_folds():
    with pytest.raises(InputError, match="generations=3: .* give more folds"):
        TeachingOptions(folds=3, generations=3)
    with pytest.raises(InputError, match="folds=1: expected 2 or more"):
        TeachingOptions(folds=1)


@pytest.fixture
def trained(monkeypatch):
    """Runs of `teach` without their trainings: folder -> configuration, clips."""
    found = {}

    def run(self, data):
        train, valid = data
        config = self.config
        if config.teacher:
            self._teachers.check_data(train, valid, config.allow_overlap)
        out = folds.pathlib.Path(config.out)
        out.mkdir(parents=True)
        seen_clips.write(out, train.clip_ids, valid.clip_ids, teachers=config.teacher)
        train.classes.write_csv(out / "classes.csv")
        model = {**self.architecture.to_dict()["config"], "num_classes": 3}
        parts = {"model": {"name": self.architecture.name, "config": model}}
        run_folder.write_config(out, {**parts, "training": {}, "data": {}})
        run_folder.write_history(out / "history.csv", [{"epoch": 1, "val_mAP": 0.5}])
        (out / "decoding.json").write_text("{}")
        found[config.out] = config, set(train.clip_ids)

    monkeypatch.setattr(trainer.Training, "run", run)
    monkeypatch.setattr(folds, "load", lambda folder: folder)
    return found


def ancestors(found, folder):
    """The clips that a run and all that taught it have learnt from."""
    config, clips = found[folder]
    return clips.union(*(ancestors(found, one) for one in config.teacher))


@pytest.mark.parametrize("settings", [(4, 1, 1), (3, 1, 2), (4, 2, 1), (4, 3, 1)])
def test_nobody_answers_what_is_known_to_those_before(
    settings, trained, embeddings, tmp_path
):
    options = TeachingOptions(*settings)
    config = TrainConfig(data=[embeddings], out=tmp_path / "out", **SETTINGS)
    student = folds.teach(config, options)
    assert student == str(tmp_path / "out" / "student")
    assert len(trained) == options.num_trainings
    every, valid = sources.open_data([embeddings]).split(0.3, 0)
    assert trained[student][1] == set(every.clip_ids)
    for folder, (of_run, clips) in trained.items():
        # whatever is learnt, in any number of steps, is no validation clip
        assert not ancestors(trained, folder) & set(valid.clip_ids)
        if not of_run.teacher:
            continue
        known = {one: ancestors(trained, one) for one in of_run.teacher}
        for clip in clips:
            asked = [one for one in of_run.teacher if clip not in known[one]]
            assert len(asked) == options.teachers_per_fold
            # whom the trainer asks has not seen it either, and is the same
            ids = np.array([clip], object)
            for one in of_run.teacher:
                learnt = seen_clips.learnt_from(one, ids)[0]
                assert learnt == (one not in asked)
    levels = {len(one.teacher) for one, _ in trained.values()}
    assert min(levels) == 0 and len(trained[student][0].teacher) == (
        options.folds * options.teachers_per_fold
    )


def test_folds_are_whole_where_a_part_validates(embeddings, tmp_path):
    """The hash that deals them is not the one that has chosen the validation clips."""
    config = TrainConfig(data=[embeddings], out=tmp_path / "out", **SETTINGS)
    teaching = folds.Teaching(config, TeachingOptions(3), tmp_path / "teachers")
    train, _ = teaching.open_data()
    dealt = teaching._folds(train)
    counts = np.bincount(dealt, minlength=3)
    # with the same one the first fold of three would have (1/3 - 0.3) / 0.7, a 21st
    assert counts.sum() == len(train) and counts.min() > len(train) / 6
    with pytest.raises(InputError, match="one stays empty; take fewer"):
        folds.Teaching(config, TeachingOptions(60), tmp_path).open_data()


def arguments(embeddings, out, **more):
    given = {
        "data": embeddings,
        "out": out,
        "set": "hidden_units=8,hidden_layers=1",
        "epochs": 2,
        "batch_size": 16,
        "precision": "float32",
        "valid_fraction": 0.3,
        "folds": 2,
        **more,
    }
    return [f"--{name}={value}" for name, value in given.items()]


@pytest.fixture(scope="module")
def taught(embeddings, tmp_path_factory):
    out = tmp_path_factory.mktemp("taught") / "out"
    assert command.main(arguments(embeddings, out)) == 0
    return out


def weights_of(out):
    return run_folder.load(out / "student").network.get_weights()


def test_the_command_end_to_end(taught, embeddings, capsys):
    student = tfweak.load(taught / "student")
    history = run_folder.read_history(taught / "student" / "history.csv")
    assert all(row["loss_teacher"] > 0 for row in history)
    assert all(row["loss_teacher_segments"] > 0 for row in history)
    assert sorted(path.name for path in (taught / "teachers").iterdir()) == [
        "without-0",
        "without-1",
    ]
    # out of fold: what is stored of a clip is what the teacher without it says of it
    train = sources.open_data([embeddings]).split(0.3, 0)[0]
    folder = taught / "student" / "teacher"
    stored = json.loads((folder / "fingerprint.json").read_text())
    found = teacher_scores.read(folder, train, stored)
    answered = 0
    for fold in range(2):
        teacher = taught / "teachers" / f"without-{fold}" / "seed-0"
        unseen = ~seen_clips.learnt_from(teacher, train.clip_ids)
        assert 0 < unseen.sum() < len(train)
        answered += unseen.sum()
        answers = scoring.answers(run_folder.load(teacher), train.take(unseen), 64)
        expected = np.concatenate([o["clip_probs"] for *_, o in answers])
        clips = found.of_clips(np.flatnonzero(unseen))
        np.testing.assert_allclose(clips, expected, atol=1e-3)
    assert answered == len(train)
    # the same command has nothing left to do, and says what there is
    before = weights_of(taught)
    capsys.readouterr()
    assert command.main(arguments(embeddings, taught)) == 0
    text = capsys.readouterr().out
    assert "3 trainings (2 teachers on 50% of the clips, the student on all)" in text
    assert "about as long as 2.0 on all clips" in text
    assert "validation mAP of the student: 0." in text
    assert f"the student is {taught / 'student'}" in text and "epoch" not in text
    for one, two in zip(before, weights_of(taught)):
        np.testing.assert_array_equal(one, two)
    assert student.classes.names == ("dog", "siren", "horn")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 3}, "holds teachers with --epochs=2, now it is 3"),
        ({"folds": 3}, "holds teachers with --folds=2, now it is 3"),
        ({"resume": "false"}, "resume is off"),
        ({"teacher_weight": 0, "teacher_segment_weight": 0}, "teacher has no effect"),
        ({"generations": 2}, "--generations=2: the first one"),
        ({"data": "/nowhere"}, "/nowhere"),
    ],
)
def test_what_is_refused(taught, embeddings, change, message, capsys):
    assert command.main(arguments(embeddings, taught, **change)) == 1
    assert message in capsys.readouterr().err


def test_a_foreign_folder_and_teachers_from_outside(embeddings, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert command.main(arguments(embeddings, tmp_path)) == 1
    assert "is not empty and holds no teachers" in capsys.readouterr().err
    assert command.main(arguments(embeddings, tmp_path, teacher="run")) == 2
    with pytest.raises(InputError, match="the runs that teach are made here"):
        tfweak.teach(data=[embeddings], out=tmp_path / "x", teacher=["run"])


def test_broken_settings_leave_no_folder(embeddings, tmp_path):
    with pytest.raises(InputError, match="60 folds of"):
        tfweak.teach(
            TrainConfig(data=[embeddings], out=tmp_path / "out", **SETTINGS),
            TeachingOptions(60),
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_killed_and_gone_on_with(taught, embeddings, tmp_path):
    out = tmp_path / "out"
    call = [sys.executable, "-m", "tfweak.models.commands.teach"]
    call += arguments(embeddings, out)
    targets = (
        "teachers/without-0/seed-0/last",
        "teachers/without-1/seed-0/config.json",
        "student/teacher.partial",
        None,
    )
    kills = 0
    for target in targets:
        process = subprocess.Popen(
            call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if target is None:
            text, _ = process.communicate()
            assert process.returncode == 0, text
            break
        while process.poll() is None and not (out / target).exists():
            time.sleep(0.002)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills >= 2
    for one, two in zip(weights_of(taught), weights_of(out)):
        np.testing.assert_array_equal(one, two)
    assert not list(out.rglob("*.partial"))


def test_teachers_that_were_killed_at_their_first_file_begin(tmp_path):
    (tmp_path / "teach.json.7.tmp").touch()
    config = TrainConfig(data=("data",), out=str(tmp_path))
    folds._claim(tmp_path, config, TeachingOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["teach.json"]
