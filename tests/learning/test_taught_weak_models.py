"""The training step of a model that a teacher's answers train, too."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from weak_models import C, T, batch, batch_of_ten, network

from tfweak.errors import InputError
from tfweak.learning import losses, weak_model
from tfweak.learning.supervision import SUPERVISIONS, Supervision


def taught(kind="none", pooling="attention", **settings):
    settings = {"teacher_weight": 0.25, "teacher_segment_weight": 2.0, **settings}
    model = weak_model.WeakModel(network(pooling), Supervision(kind, **settings))
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    return model


def with_answers(y, seed=5):
    rng = np.random.default_rng(seed)
    clips = len(y["weak"])
    segments = rng.random((clips, T, C)).astype(np.float32) * y["weak"][:, np.newaxis]
    return {
        **y,
        "teacher_clip_probs": rng.random((clips, C)).astype(np.float32),
        "teacher_segment_probs": segments,
    }


@pytest.mark.parametrize("kind", SUPERVISIONS)
def test_the_total_has_the_teachers_share(kind):
    model = taught(kind, clip_weight=0.5, self_supervision="pseudo_labels")
    x, y = batch()
    y = with_answers(y)
    outputs = {k: np.array(v) for k, v in model(x, training=True).items()}
    terms = model.compute_terms(x, y, outputs)
    tags = np.array(losses.prediction_loss(y["weak"], outputs["clip_probs"]))
    teacher = losses.prediction_loss(y["teacher_clip_probs"], outputs["clip_probs"])
    q, p = y["teacher_segment_probs"], outputs["segment_probs"].clip(1e-7, 1 - 1e-7)
    cells = -(q * np.log(p) + (1 - q) * np.log(1 - p)) * y["weak"][:, np.newaxis]
    mask = outputs["mask"]
    segments = (cells.sum(2) * mask).sum(1) / mask.sum(1)
    np.testing.assert_allclose(terms["loss_teacher_segments"], segments, rtol=1e-4)
    expected = 0.5 * (0.75 * tags + 0.25 * np.array(teacher)) + 2 * segments
    for name in {"loss_strong", "loss_self"} & set(terms):
        expected = expected + np.array(terms[name])
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] == pytest.approx(expected.mean(), rel=1e-4)
    assert logs["loss_teacher"] == pytest.approx(np.mean(teacher), rel=1e-5)
    assert logs["loss_teacher_segments"] == pytest.approx(segments.mean(), rel=1e-4)
    assert logs["loss_pred"] == pytest.approx(tags.mean(), rel=1e-5)


def test_pasting_is_left_alone():
    x, y = batch_of_ten()
    y["weak"] = np.eye(C, dtype=np.float32)[np.arange(10) % C]
    plain = taught("self", teacher_weight=0.0, teacher_segment_weight=0.0)
    logs = [
        model.train_on_batch(x, with_answers(y), return_dict=True)
        for model in (taught("self"), plain)
    ]
    assert logs[0]["pasted"] > 0
    for name in ("pasted", "loss_pasted", "loss_self", "loss_pred"):
        assert logs[0][name] == logs[1][name]
    assert set(logs[0]) - set(logs[1]) == {"loss_teacher", "loss_teacher_segments"}
    more = 0.25 * (logs[0]["loss_teacher"] - logs[0]["loss_pred"])
    more += 2 * logs[0]["loss_teacher_segments"]
    assert logs[0]["loss"] - logs[1]["loss"] == pytest.approx(more, rel=1e-3)


@pytest.mark.parametrize("pooling", ["attention", "average"])
def test_the_students_segments_become_the_teachers(pooling):
    # tags and clip scores have no part in it
    model = taught(pooling=pooling, clip_weight=0.0, teacher_weight=0.0)
    model.optimizer.learning_rate = 0.5
    x, y = batch()
    y["weak"][:] = 1
    y = with_answers(y)
    x["num_frames"][:] = T
    first = model.train_on_batch(x, y, return_dict=True)["loss_teacher_segments"]
    for _ in range(150):
        model.train_on_batch(x, y)
    found = np.array(model(x)["segment_probs"])
    assert model.test_on_batch(x, y, return_dict=True)["loss"] < 2 * first
    errors = [
        np.abs(answer - y["teacher_segment_probs"]).mean()
        for answer in (found, np.full_like(found, y["teacher_segment_probs"].mean()))
    ]
    assert errors[0] < 0.8 * errors[1]


def test_padding_of_a_batch_changes_nothing():
    model = taught()
    x, y = batch()
    y = with_answers(y)
    found = model.compute_terms(x, y, model(x))
    x = {**x, "features": np.pad(x["features"], [(0, 0), (0, 4), (0, 0)])}
    wider = np.pad(y["teacher_segment_probs"], [(0, 0), (0, 4), (0, 0)])
    again = model.compute_terms(x, {**y, "teacher_segment_probs": wider}, model(x))
    for name in ("loss_teacher", "loss_teacher_segments"):
        np.testing.assert_allclose(found[name], again[name], rtol=1e-5)


def test_what_is_needed_is_named():
    x, y = batch()
    model = taught()
    with pytest.raises(InputError, match="labels need 'teacher_clip_probs'"):
        model.compute_terms(x, y, model(x))
    answers = with_answers(y)
    del answers["teacher_segment_probs"]
    with pytest.raises(InputError, match="labels need 'teacher_segment_probs'"):
        model.compute_terms(x, answers, model(x))
    with pytest.raises(InputError, match="teacher weight 1.5: a share"):
        Supervision(teacher_weight=1.5)
    with pytest.raises(InputError, match="negative"):
        Supervision(teacher_segment_weight=-0.1)
    assert Supervision(clip_weight=0.0, teacher_segment_weight=1.0).needs_teacher
    with pytest.raises(InputError, match="leaves no loss"):
        Supervision(clip_weight=0.0, teacher_weight=1.0)
