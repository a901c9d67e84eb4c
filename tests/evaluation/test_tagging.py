"""Tagging metrics against scikit-learn, sed_eval, DCASE 2016 and small hand counts."""

import csv
import json
import math
import time
import warnings

import numpy as np
import pytest
import sed_eval
from conftest import SHARED
from sklearn import metrics as oracle

from tfweak.errors import InputError
from tfweak.evaluation import tagging

# The values of the DCASE 2016 task 4 baseline on fold 1, to six digits.
DCASE_2016_EER = {
    "b": 0.131292,
    "c": 0.196870,
    "f": 0.277814,
    "m": 0.212644,
    "o": 0.232687,
    "p": 0.232680,
    "v": 0.062745,
}


def _random(seed, clips=300, classes=7, positives=0.2, decimals=None, dtype=np.float64):
    """Labels and scores; `decimals` rounds the scores so that many are tied."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((clips, classes)) < positives).astype(np.uint8)
    labels[0], labels[1] = 1, 0  # every class has a positive and a negative
    scores = rng.normal(labels * 0.8, 1.0)
    if decimals is not None:
        scores = np.round(scores, decimals)
    return labels, scores.astype(dtype)


def _names(count):
    return [f"class {i}" for i in range(count)]


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_metric_equals_the_reference_implementations(decimals, dtype):
    labels, scores = _random(3, decimals=decimals, dtype=dtype)
    result = tagging.evaluate(labels, scores, _names(7))
    for i, row in enumerate(result["classes"].values()):
        column = labels[:, i], scores[:, i]
        assert row["mAP"] == pytest.approx(
            oracle.average_precision_score(*column), abs=1e-9
        )
        area = oracle.roc_auc_score(*column)
        assert row["AUC"] == pytest.approx(area, abs=1e-9)
        assert row["EER"] == pytest.approx(
            sed_eval.metric.equal_error_rate(*column), abs=1e-9
        )
        assert row["num_positives"] == labels[:, i].sum()
    assert result["mAP"] == pytest.approx(
        oracle.average_precision_score(labels, scores, average="macro"), abs=1e-9
    )
    assert result["AUC"] == pytest.approx(
        oracle.roc_auc_score(labels, scores, average="macro"), abs=1e-9
    )
    assert result["lwlrap"] == pytest.approx(
        oracle.label_ranking_average_precision_score(
            labels, scores, sample_weight=labels.sum(axis=1)
        ),
        abs=1e-9,
    )
    assert result["EER"] == pytest.approx(
        np.mean([row["EER"] for row in result["classes"].values()]), abs=1e-12
    )


def test_single_class_functions_equal_the_table():
    labels, scores = _random(5, classes=2)
    result = tagging.evaluate(labels, scores, ["a", "b"])
    for i, row in enumerate(result["classes"].values()):
        column = labels[:, i], scores[:, i]
        assert tagging.average_precision(*column) == row["mAP"]
        assert tagging.auc(*column) == row["AUC"]
        assert tagging.equal_error_rate(*column) == row["EER"]
        assert tagging.d_prime(row["AUC"]) == row["d_prime"]


def test_values_counted_by_hand():
    # Ranked: 0.9 +, 0.8 -, 0.7 +, 0.1 -.
    labels, scores = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    # Precision is 1/1 at the first and 2/3 at the second positive: mean 5/6.
    assert tagging.average_precision(labels, scores) == pytest.approx(5 / 6)
    # Of the four (positive, negative) pairs one is in the wrong order.
    assert tagging.auc(labels, scores) == 3 / 4
    # ROC: (0,0) (0,.5) (.5,.5) (.5,1) (1,1); misses equal false alarms at (.5,.5).
    assert tagging.equal_error_rate(labels, scores) == pytest.approx(0.5)
    # All tied: a curve of one straight piece; AP is the share of positives.
    tied = np.zeros(4)
    assert tagging.average_precision(labels, tied) == pytest.approx(0.5)
    assert tagging.auc(labels, tied) == 0.5
    assert tagging.equal_error_rate(labels, tied) == pytest.approx(0.5)
    # One positive among four tied clips: the piece from (0, 0) to (1, 1) still.
    assert tagging.equal_error_rate(np.array([1, 0, 0, 0]), tied) == pytest.approx(0.5)
    # All positives above all negatives.
    perfect = np.array([4.0, 1.0, 3.0, 2.0])
    assert tagging.equal_error_rate(labels, perfect) == 0.0
    assert tagging.auc(labels, perfect) == 1.0
    assert tagging.equal_error_rate(labels, -perfect) == pytest.approx(1.0)


def test_equal_error_rate_interpolates():
    # Ranked + - - + -; ROC (0,0) (0,1/2) (1/3,1/2) (2/3,1/2) (2/3,1) (1,1). Misses are
    # 1/2 from the second point to the fourth: false alarms reach 1/2 half-way between
    # 1/3 and 2/3.
    labels, scores = np.array([1, 0, 0, 1, 0]), np.array([5, 4, 3, 2, 1])
    assert tagging.equal_error_rate(labels, scores) == pytest.approx(0.5)
    # Ranked (+ -) tied, then + + -: from (0,0) to (1/2, 1/3), then (1/2, 2/3): on that
    # vertical piece misses fall through 1/2.
    labels, scores = np.array([1, 0, 1, 1, 0]), np.array([5, 5, 3, 2, 1])
    assert tagging.equal_error_rate(labels, scores) == pytest.approx(0.5)
    # Ranked +, then (+ - -) tied: from (0, 1/2) to (1, 1), misses (1-x)/2 = x at 1/3.
    labels, scores = np.array([1, 1, 0, 0]), np.array([2, 1, 1, 1])
    assert tagging.equal_error_rate(labels, scores) == pytest.approx(1 / 3)


def test_lwlrap_by_hand():
    # Clip 0 ranks A(+) B C(+): precisions 1/1 and 2/3. Clip 1 ranks C B(+) A, with B
    # and A tied: B's rank is 3, the precision 1/3. Clip 2 has no label.
    labels = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]])
    scores = np.array([[0.9, 0.5, 0.1], [0.3, 0.3, 0.8], [0.5, 0.5, 0.5]])
    overall, per_class = tagging.lwlrap(labels, scores)
    assert overall == pytest.approx((1 + 2 / 3 + 1 / 3) / 3)
    np.testing.assert_allclose(per_class, [1, 1 / 3, 2 / 3])


def test_lwlrap_spans_chunks(monkeypatch):
    labels, scores = _random(8, decimals=1)
    whole, whole_classes = tagging.lwlrap(labels, scores)
    monkeypatch.setattr(tagging, "_PAIRS_AT_A_TIME", 5)
    chunked, chunked_classes = tagging.lwlrap(labels, scores)
    assert chunked == whole
    np.testing.assert_array_equal(chunked_classes, whole_classes)


def test_lwlrap_overall_weights_classes_by_positives():
    labels, scores = _random(9, positives=0.1)
    overall, per_class = tagging.lwlrap(labels, scores)
    weights = labels.sum(axis=0) / labels.sum()
    assert overall == pytest.approx(per_class @ weights, abs=1e-12)


def test_d_prime():
    assert tagging.d_prime(0.5) == 0.0
    # Phi(1) = 0.841344746..., so d' is sqrt(2).
    assert tagging.d_prime(0.8413447460685429) == pytest.approx(math.sqrt(2), abs=1e-9)
    assert tagging.d_prime(1.0) == math.inf
    assert math.isnan(tagging.d_prime(math.nan))


def test_top_level_d_prime_comes_from_the_mean_auc():
    labels, scores = _random(4)
    result = tagging.evaluate(labels, scores, _names(7))
    assert result["d_prime"] == pytest.approx(tagging.d_prime(result["AUC"]))
    mean = np.mean([row["d_prime"] for row in result["classes"].values()])
    assert abs(result["d_prime"] - mean) > 1e-6  # the two definitions differ


def test_dcase_2016_baseline():
    folder = SHARED / "data" / "dcase2016_task4"
    if not folder.is_dir():
        pytest.skip(f"no DCASE 2016 scores in {folder}")
    with open(folder / "fold1_evaluate.csv", newline="") as handle:
        truth = dict(csv.reader(handle))
    scores = {}
    with open(folder / "results_fold1.csv", newline="") as handle:
        for name, letter, score in csv.reader(handle):
            scores[name, letter] = float(score)
    letters = list(DCASE_2016_EER)
    result = tagging.evaluate(
        np.array([[letter in tags for letter in letters] for tags in truth.values()]),
        np.array([[scores[name, letter] for letter in letters] for name in truth]),
        letters,
    )
    for letter, expected in DCASE_2016_EER.items():
        assert result["classes"][letter]["EER"] == pytest.approx(expected, abs=1e-6)
    assert result["EER"] == pytest.approx(0.192390, abs=1e-6)


def test_classes_that_cannot_be_scored_are_null_and_left_out():
    labels, scores = _random(6, classes=4)
    labels[:, 1] = 0  # no positives
    labels[:, 2] = 1  # no negatives
    result = tagging.evaluate(labels, scores, ["a", "none", "all", "b"])
    rows = result["classes"]
    assert list(rows) == ["a", "none", "all", "b"]
    assert all(rows["none"][name] is None for name in tagging.METRICS)
    assert rows["none"]["num_positives"] == 0
    assert rows["all"]["mAP"] == 1.0
    assert rows["all"]["AUC"] is rows["all"]["d_prime"] is rows["all"]["EER"] is None
    assert rows["all"]["lwlrap"] is not None
    assert result["num_classes_scored"] == 3
    assert result["num_clips"] == len(labels)
    assert result["mAP"] == pytest.approx(
        (rows["a"]["mAP"] + 1 + rows["b"]["mAP"]) / 3, abs=1e-12
    )
    for name in ("AUC", "EER"):
        assert result[name] == pytest.approx(
            (rows["a"][name] + rows["b"][name]) / 2, abs=1e-12
        )


def test_scores_in_double_keep_their_order():
    # 1e-12 above 0.5 is 0.5 in single precision: a tie, AUC 1/2
    labels = np.array([[1], [0]])
    result = tagging.evaluate(labels, np.array([[0.5 + 1e-12], [0.5]]), ["a"])
    assert result["AUC"] == 1.0


def test_one_kind_of_clip_has_no_roc_curve():
    scores = np.array([0.1, 0.2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scikit-learn is not even asked
        for labels in (np.zeros(2), np.ones(2)):
            assert math.isnan(tagging.auc(labels, scores))
            assert math.isnan(tagging.equal_error_rate(labels, scores))
    assert math.isnan(tagging.average_precision(np.zeros(2), scores))
    assert tagging.average_precision(np.ones(2), scores) == 1.0


def test_results_are_plain_json():
    labels = np.array([[1, 0], [0, 0], [0, 0]])
    scores = np.array([[0.9, 0.1], [0.2, 0.1], [0.3, 0.3]])
    result = tagging.evaluate(labels, scores, ["perfect", "none"])
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["AUC"] == 1.0
    assert result["d_prime"] is None  # infinite
    assert result["classes"]["perfect"]["d_prime"] is None
    empty = tagging.evaluate(labels * 0, scores, ["a", "b"])
    json.dumps(empty, allow_nan=False)
    assert all(empty[name] is None for name in tagging.METRICS)
    assert empty["num_classes_scored"] == 0


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32])
def test_label_dtypes_agree(dtype):
    labels, scores = _random(1)
    expected = tagging.evaluate(labels, scores, _names(7))
    assert tagging.evaluate(labels.astype(dtype), scores, _names(7)) == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.int64])
def test_scores_of_any_number_type(dtype):
    labels, _ = _random(1)
    scores = np.random.default_rng(1).integers(0, 100, labels.shape)
    expected = tagging.evaluate(labels, scores.astype(np.float64), _names(7))
    assert tagging.evaluate(labels, scores.astype(dtype), _names(7)) == expected


@pytest.mark.parametrize(
    "change, message",
    [
        ({"scores": (4, 1, np.nan)}, r"clip 4, class 'class 1': a score .* nan"),
        ({"scores": (2, 0, np.inf)}, r"clip 2, class 'class 0': a score .* inf"),
        ({"labels": (3, 2, 0.5)}, r"clip 3, class 'class 2': a label .* 0.5"),
        ({"labels": (3, 2, -1)}, r"clip 3, class 'class 2': a label .* -1"),
        ({"labels": (3, 2, np.nan)}, r"clip 3, class 'class 2': a label .* nan"),
    ],
)
def test_bad_values_are_named(change, message):
    labels, scores = _random(0, clips=6, classes=3)
    arrays = {"labels": labels.astype(float), "scores": scores}
    for key, (clip, label, value) in change.items():
        arrays[key][clip, label] = value
    with pytest.raises(InputError, match=message):
        tagging.evaluate(arrays["labels"], arrays["scores"], _names(3))


@pytest.mark.parametrize(
    "labels, scores, names, message",
    [
        (np.zeros((3, 2)), np.zeros((2, 2)), "ab", r"\(3, 2\) .* \(2, 2\)"),
        (np.zeros(3), np.zeros(3), "a", "must be"),
        (np.zeros((3, 2)), np.zeros((3, 2)), "abc", "2 classes but 3"),
        (np.zeros((3, 2)), np.zeros((3, 2)), "aa", "twice"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "ab", "nothing to score"),
    ],
)
def test_bad_shapes_are_refused(labels, scores, names, message):
    with pytest.raises(InputError, match=message):
        tagging.evaluate(labels, scores, list(names))


def test_table_reads_averages_first_and_dashes():
    labels, scores = _random(2, classes=3)
    labels[:, 1] = 0
    result = tagging.evaluate(labels, scores, ["Dog", "Air horn, truck horn", "Cat"])
    lines = tagging.format_table(result).splitlines()
    assert "300 clips; 2 of 3 classes" in lines[0]
    average = next(line for line in lines if line.startswith("all classes"))
    assert [float(v) for v in average.split()[3:]] == pytest.approx(
        [result[name] for name in tagging.METRICS], abs=5e-5
    )
    counts = [row["num_positives"] for row in result["classes"].values()]
    assert int(average.split()[2]) == sum(counts) > max(counts)
    rows = lines[-3:]
    assert [row.split("  ")[0] for row in rows] == list(result["classes"])
    assert lines.index(average) < lines.index(rows[0])
    assert rows[1].split()[-6:] == ["0", "-", "-", "-", "-", "-"]
    assert len({len(row) for row in rows}) == 1  # columns are aligned


def test_ten_thousand_clips_of_527_classes_are_quick():
    labels, scores = _random(7, 10_000, 527, positives=0.005, dtype=np.float32)
    started = time.process_time()  # whatever else the machine does
    result = tagging.evaluate(labels, scores, _names(527))
    assert time.process_time() - started < 20
    assert result["num_classes_scored"] == 527
