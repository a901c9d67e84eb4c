"""Metrics as text."""

import json

import numpy as np

from tfweak.evaluation import metrics, summary
from tfweak.evaluation.answers import (
    DetectedEvents,
    SegmentScores,
    TaggedClips,
)
from tfweak.labels import Event

NAMES = ("Dog", "Air horn, truck horn", "Cat")


def _document(**parts):
    # Ranked: 0.9 +, 0.8 -, 0.7 +, 0.1 -, for dogs; cats the other way round: + at
    # ranks 2 and 4. Of the four pairs three and one are in the right order.
    labels = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1], [0, 0, 0]])
    dog = np.array([0.9, 0.8, 0.7, 0.1])
    scores = np.stack([dog, dog, -dog], axis=1)
    clips = TaggedClips(labels, scores, NAMES)
    return metrics.evaluate({metrics.CLIPS: clips, **parts})


def test_averages_come_first_and_what_is_not_known_is_a_dash():
    lines = summary.to_text(_document()).splitlines()
    assert lines[0] == "4 clips; 2 of 3 classes have positives and are averaged"
    assert lines[2].split() == ["class", "positives"] + [
        "mAP",
        "AUC",
        "d'",
        "lwlrap",
        "EER",
    ]
    # AP of dogs (1 + 2/3) / 2, of cats (1/2 + 2/4) / 2
    assert lines[4].startswith("all classes ") and lines[4].split()[2:5] == [
        "4",
        "0.6667",
        "0.5000",
    ]
    dog, horn, cat = lines[-3:]
    assert dog.split()[:4] == ["Dog", "2", "0.8333", "0.7500"]
    assert horn.split()[-6:] == ["0", "-", "-", "-", "-", "-"]
    assert cat.split()[:4] == ["Cat", "2", "0.5000", "0.2500"]
    assert len({len(line) for line in lines[-3:]}) == 1  # columns are aligned


def test_localisation_has_a_column_for_each_thresholds():
    # Half of the two segments found is right; under the others all is.
    truth = {"clip": [Event(0, 0.0, 2.0)]}
    found = {"clip": [Event(0, 1.0, 3.0)]}
    text = summary.to_text(
        _document(
            segment=DetectedEvents(truth, found, {"clip": 5.0}, NAMES),
            segment_from_tags=DetectedEvents(truth, truth, {"clip": 5.0}, NAMES),
        )
    )
    table = [line.split() for line in text.partition("\n\nlocal")[2].splitlines()]
    assert table[0] == ["isation,", "1", "clips", "segment", "segment_from_tags"]
    assert ["segment_based.micro_f1", "0.5000", "1.0000"] in table
    assert ["event_based.micro_f1", "0.0000", "1.0000"] in table


def test_what_needs_no_threshold_has_lines_of_its_own():
    truth = {"clip": [Event(0, 0.0, 2.0)]}
    durations = {"clip": 5.0}
    parts = {
        "frames": SegmentScores(np.eye(3), np.eye(3), NAMES),
    }
    alone = summary.to_text(_document(**parts)).splitlines()
    assert alone[-2:] == ["", "frame mAP  1.0000"]
    parts["segment"] = DetectedEvents(truth, truth, durations, NAMES)
    whole = summary.to_text(_document(**parts)).splitlines()
    assert whole[-2:] == alone[-2:]
    assert "localisation, 1 clips" in "\n".join(whole)
    assert "intersection_based.macro_f1" in "\n".join(whole)


def test_strong_labels_without_an_event():
    # three clips are known to hold nothing; in one of them a dog is heard
    silent = {name: [] for name in "abc"}
    heard = {**silent, "a": [Event(0, 0.0, 1.0)]}
    part = DetectedEvents(silent, heard, dict.fromkeys(silent, 5.0), NAMES)
    labels, scores = np.zeros((3, 3), int), np.full((3, 3), 0.1)
    document = metrics.evaluate(
        {metrics.CLIPS: TaggedClips(labels, scores, NAMES), "segment": part}
    )
    assert document["mAP"] is None
    for kind in ("segment_based", "event_based"):
        found = document["localisation"][kind]
        figures = {f"micro_{name}": found[f"micro_{name}"] for name in ("f1", "recall")}
        assert figures == {"micro_f1": None, "micro_recall": None}
        assert found["macro_f1"] is None and found["micro_precision"] == 0.0
        assert found["classes"]["Dog"]["num_estimated"] == 1
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    table = [line.split() for line in summary.to_text(document).splitlines()]
    assert ["localisation,", "3", "clips", "segment"] in table
    assert ["segment_based.micro_f1", "-"] in table
    assert ["event_based.micro_precision", "0.0000"] in table
