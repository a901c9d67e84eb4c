"""Metrics against scikit-learn, sed_eval and DCASE 2016; and metrics of one's own."""

import csv
import json
import time

import numpy as np
import pytest
import sed_eval
from conftest import SHARED
from sklearn import metrics as oracle

import tfweak
from tfweak import registry
from tfweak.errors import InputError
from tfweak.evaluation import metrics, summary, tagging
from tfweak.evaluation.answers import (
    DetectedEvents,
    SegmentScores,
    TaggedClips,
)
from tfweak.labels import Event

TAGGING = ("mAP", "AUC", "d_prime", "lwlrap", "EER")
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


def _evaluate(labels, scores, names):
    return metrics.evaluate({metrics.CLIPS: TaggedClips(labels, scores, names)})


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
    result = _evaluate(labels, scores, _names(7))
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
    result = _evaluate(labels, scores, ["a", "b"])
    for i, row in enumerate(result["classes"].values()):
        column = labels[:, i], scores[:, i]
        assert tagging.average_precision(*column) == row["mAP"]
        assert tagging.auc(*column) == row["AUC"]
        assert tagging.equal_error_rate(*column) == row["EER"]
        assert tagging.d_prime(row["AUC"]) == row["d_prime"]


def test_top_level_d_prime_comes_from_the_mean_auc():
    labels, scores = _random(4)
    result = _evaluate(labels, scores, _names(7))
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
    result = _evaluate(
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
    result = _evaluate(labels, scores, ["a", "none", "all", "b"])
    rows = result["classes"]
    assert list(rows) == ["a", "none", "all", "b"]
    assert all(rows["none"][name] is None for name in TAGGING)
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
    result = _evaluate(labels, np.array([[0.5 + 1e-12], [0.5]]), ["a"])
    assert result["AUC"] == 1.0


def test_results_are_plain_json():
    labels = np.array([[1, 0], [0, 0], [0, 0]])
    scores = np.array([[0.9, 0.1], [0.2, 0.1], [0.3, 0.3]])
    result = _evaluate(labels, scores, ["perfect", "none"])
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["AUC"] == 1.0
    assert result["d_prime"] is None  # infinite
    assert result["classes"]["perfect"]["d_prime"] is None
    empty = _evaluate(labels * 0, scores, ["a", "b"])
    json.dumps(empty, allow_nan=False)
    assert all(empty[name] is None for name in TAGGING)
    assert empty["num_classes_scored"] == 0


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32])
def test_label_dtypes_agree(dtype):
    labels, scores = _random(1)
    expected = _evaluate(labels, scores, _names(7))
    assert _evaluate(labels.astype(dtype), scores, _names(7)) == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.int64])
def test_scores_of_any_number_type(dtype):
    labels, _ = _random(1)
    scores = np.random.default_rng(1).integers(0, 100, labels.shape)
    expected = _evaluate(labels, scores.astype(np.float64), _names(7))
    assert _evaluate(labels, scores.astype(dtype), _names(7)) == expected


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
        _evaluate(arrays["labels"], arrays["scores"], _names(3))


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
        _evaluate(labels, scores, list(names))


def test_ten_thousand_clips_of_527_classes_are_quick():
    labels, scores = _random(7, 10_000, 527, positives=0.005, dtype=np.float32)
    started = time.process_time()  # whatever else the machine does
    result = _evaluate(labels, scores, _names(527))
    assert time.process_time() - started < 20
    assert result["num_classes_scored"] == 527


# One clip of 10 s: a dog from 0 to 2 s, which is found from 1 to 3 s: of its two
# segments one is found, and of the two found one is right.
TRUTH = {"clip": [Event(0, 0.0, 2.0)]}
FOUND = {"clip": [Event(0, 1.0, 3.0)]}


def _events(found=None):
    return DetectedEvents(TRUTH, found or FOUND, {"clip": 10.0}, ["dog", "cat"])


def test_events_under_all_thresholds_have_their_places():
    document = metrics.evaluate(
        {
            "segment": _events(),
            "localization": _events(TRUTH),
            "localization_from_tags": _events(),
        }
    )
    found = document["localisation"]
    assert found["num_clips"] == 1
    assert found["segment_based"]["micro_f1"] == 0.5
    assert found["segment_based"]["macro_f1"] == 0.5  # no cat, which is left out
    assert found["event_based"]["micro_f1"] == 0  # a second late
    dog, cat = found["segment_based"]["classes"].values()
    assert dog == {
        "num_reference": 2,
        "num_estimated": 2,
        "f1": 0.5,
        "precision": 0.5,
        "recall": 0.5,
        "error_rate": 1.0,
        "deletion_rate": 0.5,
        "insertion_rate": 0.5,
    }
    # the second is missed, the fourth an alarm; they are two segments
    assert found["segment_based"]["error_rate"] == 1.0
    assert found["segment_based"]["substitution_rate"] == 0.0
    # half of what is found is right, and half of what is true is found
    assert found["intersection_based"]["micro_f1"] == 1.0
    assert found["intersection_based"]["classes"]["dog"] == {"f1": 1.0}
    assert cat["f1"] is None and cat["num_reference"] == 0
    assert found["z_loc"]["event_based"]["micro_f1"] == 1
    assert found["from_tags"]["z_loc"]["segment_based"]["micro_f1"] == 0.5
    assert "segment_based" not in found["from_tags"]
    value = metrics.METRICS.get("segment F1 of Z_loc, micro").overall(document)
    assert value == 1
    of_tags = metrics.METRICS.get("segment F1, macro, thresholds from tags")
    assert of_tags.overall(document) is None
    by_class = metrics.METRICS.get("segment F1, macro")
    assert by_class.of_class(document, "dog") == 0.5
    assert by_class.of_class(document, "cow") is None


def test_segments_have_their_place():
    # Ranked: + - + -. AP (1 + 2/3) / 2, AUC 3/4; there is no cat.
    labels = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])
    scores = np.array([[0.9, 0.1], [0.8, 0.1], [0.7, 0.1], [0.1, 0.1]])
    document = metrics.evaluate(
        {
            "frames": SegmentScores(labels, scores, ["dog", "cat"]),
        }
    )
    assert document == {
        "localisation": {
            "frame_based": {
                "num_segments": 4,
                "mAP": pytest.approx(5 / 6),
                "d_prime": pytest.approx(tagging.d_prime(3 / 4)),
                "classes": {
                    "dog": {
                        "num_positives": 2,
                        "mAP": pytest.approx(5 / 6),
                        "d_prime": pytest.approx(tagging.d_prime(3 / 4)),
                    },
                    "cat": {"num_positives": 0, "mAP": None, "d_prime": None},
                },
            },
        }
    }
    metric = metrics.METRICS.get("frame mAP")
    assert metric.overall(document) == pytest.approx(5 / 6)
    assert metric.of_class(document, "dog") == pytest.approx(5 / 6)
    assert metric.of_class(document, "cat") is None


def test_psds_stands_beside_what_is_found_in_each_way():
    # The event is found exactly under one of three thresholds, without false alarms.
    points = [FOUND, TRUTH, {"clip": []}]
    part = DetectedEvents(TRUTH, FOUND, {"clip": 10.0}, ["dog", "cat"], points)
    document = metrics.evaluate({"segment": part, "plain": part, "mine": part})
    places = document["localisation"]
    for place in (places, places["plain"], places["decodings"]["mine"]):
        assert place["psds"]["PSDS1"] == 1
        assert place["psds"]["classes"]["dog"]["PSDS1"] == 1
        assert place["psds"]["classes"]["cat"]["PSDS1"] is None
    for name in ("PSDS1", "PSDS2, plain thresholds"):
        assert metrics.METRICS.get(name).overall(document) == 1
    event_f1 = metrics.METRICS.get("event F1, micro")
    path = event_f1.path(decoding="mine")
    assert path == ("localisation", "decodings", "mine", "event_based", "micro_f1")
    without = DetectedEvents(TRUTH, FOUND, {"clip": 10.0}, ["dog"])
    found = metrics.evaluate({"segment": without})["localisation"]["psds"]
    assert found["PSDS1"] is None


@pytest.fixture
def nothing_registered(monkeypatch):
    monkeypatch.setattr(registry, "_OWN", {})


def test_a_metric_of_ones_own_is_one_entry(nothing_registered):
    def top_1(clips):
        best = clips.scores.argmax(1)
        hits = clips.labels[np.arange(len(best)), best]
        return metrics.Score(
            float(hits.mean()), [hits[best == c].mean() for c in range(2)]
        )

    found_clips = metrics.Metric(
        "clips with events", lambda e: metrics.Score(len(e.estimated)), "segment"
    )
    tfweak.register(metrics.Metric("top-1", top_1))
    tfweak.register(found_clips)
    # The best classes are 0, 0 and 1; they are right, wrong and right.
    labels = np.array([[1, 0], [0, 1], [0, 1]])
    scores = np.array([[0.9, 0.1], [0.8, 0.1], [0.2, 0.7]])
    clips = TaggedClips(labels, scores, ["dog", "cat"])
    document = metrics.evaluate({metrics.CLIPS: clips, "segment": _events()})
    assert document["top-1"] == pytest.approx(2 / 3)
    assert [row["top-1"] for row in document["classes"].values()] == [0.5, 1.0]
    assert document["localisation"]["clips with events"] == 1
    assert metrics.METRICS.get("top-1").of_class(document, "dog") == 0.5
    text = summary.to_text(document)
    assert text.splitlines()[2].endswith("  top-1")
    assert text.splitlines()[4].endswith(" 0.6667")
    assert "clips with events" in text


def test_wrong_metrics_are_refused(nothing_registered):
    with pytest.raises(InputError, match="'x' needs 'tags', expected one of clips"):
        metrics.Metric("x", _evaluate, "tags")
    with pytest.raises(InputError, match="no metric 'map'; there are mAP"):
        metrics.METRICS.get("map")
    tfweak.register(metrics.Metric("three", lambda _: metrics.Score(0, [1, 2, 3])))
    with pytest.raises(InputError, match="'three': 3 values by class, there are 2"):
        _evaluate(np.eye(2), np.eye(2), ["dog", "cat"])


def test_a_trials_trainings_are_averaged():
    histories = [
        [{"val_mAP": v} for v in values] for values in ((0.2, 0.6, 0.5), (0.4,))
    ]
    for name, expected in (
        ("validation mAP", (0.6 + 0.4) / 2),
        ("validation mAP, last epoch", (0.5 + 0.4) / 2),
    ):
        score = metrics.METRICS.get(name).function(histories)
        assert score.overall == pytest.approx(expected)
