"""DCASE 2017 task 4: the challenge's own examples, and small cases by hand."""

import itertools

import pytest
import sed_eval
from conftest import SHARED

from tfweak.errors import InputError
from tfweak.evaluation import dcase2017
from tfweak.evaluation.dcase2017 import Row

FOLDER = SHARED / "data" / "dcase2017_task4"


def _examples():
    folder = FOLDER / "evaluation_examples"
    if not folder.is_dir():
        pytest.skip(f"no examples of the challenge in {folder}")
    (truth,) = (folder / "groundtruth").glob("*.csv")
    return folder, dcase2017.read_rows(truth)


# The output that comes with `invalid_prediction.csv` is of another state of that file:
# it has three of the 606 labels less, which is a recall of 603 / 606 = 99.50 %, and the
# output says 604 / 606, as for `recall_affected_prediction.csv`.
@pytest.mark.parametrize(
    "prediction, output",
    [
        ("perfect_prediction.csv", "output_perfect_prediction.csv"),
        ("imperfect_prediction.csv", "imperfect_prediction_output.csv"),
        ("precision_affected_prediction.csv", "precision_affected_output.txt"),
        ("recall_affected_prediction.csv", "recall_affected_output.txt"),
    ],
)
def test_tagging_gives_the_official_outputs(prediction, output):
    folder, truth = _examples()
    predicted = dcase2017.read_rows(folder / "prediction" / prediction)
    found = dcase2017.tagging_scores(truth, predicted)
    # Python 2 printed floats with twelve digits
    percent = {
        key: f"{100 * found[f'micro_{key}']:.12g}"
        for key in ("precision", "recall", "f1")
    }
    for key, value in percent.items():
        percent[key] = value if "." in value else f"{value}.0"
    assert (
        f"Precision = {percent['precision']}\nRecall = {percent['recall']}\n"
        f"F1 Score = {percent['f1']}\nNumber of Audio Files = {found['num_files']}"
    ) == (folder / "output" / output).read_text()


def test_tagging_of_the_other_predictions():
    folder, truth = _examples()
    scores = {
        path.stem: dcase2017.tagging_scores(truth, dcase2017.read_rows(path))
        for path in (folder / "prediction").iterdir()
    }
    assert len(scores) == 8
    # 603 of 606 labels; and 602: two rows less, and two that name a file alone
    assert scores["invalid_prediction"]["micro_recall"] == 603 / 606
    assert scores["prediction_missing"]["micro_recall"] == 602 / 606
    # predictions for files that the truth does not have
    assert scores["extra_prediction"]["micro_precision"] == 1
    # a row with the times 0 0
    assert scores["imperfect_prediction_additional_prediction"]["micro_f1"] == 1
    assert scores["perfect_prediction"]["macro_f1"] == 1


def test_detection_of_the_strong_truth():
    path = FOLDER / "groundtruth_strong_label_testing_set.csv"
    if not path.is_file():
        pytest.skip(f"no ground truth in {path}")
    truth = dcase2017.read_rows(path)
    assert len(truth) == 488
    assert dcase2017.segment_scores(truth, truth)["micro_f1"] == 1
    nothing = dcase2017.segment_scores(truth, {})
    assert nothing["micro_f1"] == 0 and nothing["error_rate"] == 1
    assert len(nothing["classes"]) == 17


def test_detection_equals_sed_eval():
    path = FOLDER / "groundtruth_strong_label_testing_set.csv"
    if not path.is_file():
        pytest.skip(f"no ground truth in {path}")
    truth = dict(itertools.islice(dcase2017.read_rows(path).items(), 60))
    late = {
        name: [
            Row(r.start_seconds + 1.3, r.end_seconds + 0.4, r.label) for r in rows[1:]
        ]
        for name, rows in truth.items()
    }
    labels = sorted({row.label for rows in truth.values() for row in rows})
    oracle = sed_eval.sound_event.SegmentBasedMetrics(labels, time_resolution=1.0)
    oracle.empty_system_output_handling = "zero_score"
    for name in truth:
        lists = [
            [
                {"file": name, "event_onset": a, "event_offset": b, "event_label": c}
                for a, b, c in table[name]
                if a < b
            ]
            for table in (truth, late)
        ]
        oracle.evaluate(*lists)
    late = {name: [row for row in late[name] if row[0] < row[1]] for name in late}
    found = dcase2017.segment_scores(truth, late)
    expected = oracle.results_overall_metrics()
    for ours, group, theirs in (
        ("micro_f1", "f_measure", "f_measure"),
        ("error_rate", "error_rate", "error_rate"),
        ("substitution_rate", "error_rate", "substitution_rate"),
    ):
        assert found[ours] == pytest.approx(expected[group][theirs], abs=1e-12)
    assert 0.1 < found["micro_f1"] < 0.9


def test_tagging_by_hand():
    # Hit: (a, Car). Missed: (a, Bus), (c, Bus). False alarms: (b, Bus), (b, Train).
    truth = {"a": [_row("Car"), _row("Bus"), _row("Car")], "b": [], "c": [_row("Bus")]}
    predicted = {
        "a": [_row("Car")],
        "b": [_row("Bus"), _row("Train"), _row("Train")],
        "d": [_row("Car")],
    }
    found = dcase2017.tagging_scores(truth, predicted)
    assert found["micro_precision"] == found["micro_recall"] == 1 / 3
    assert found["micro_f1"] == 1 / 3
    # Car 1 and 1, Bus 0 / 1 and 0 / 2, Train 0 / 1 and 0 for nothing
    assert found["macro_precision"] == found["macro_recall"] == 1 / 3
    assert found["macro_f1"] == 1 / 3
    assert found["num_files"] == 3
    assert dcase2017.tagging_scores({"a": []}, {})["macro_f1"] == 0


def test_detection_by_hand():
    # Truth: a car in the seconds 0 and 1. Found: a car in 1, a bus in 0 and 2. Second 0
    # is a substitution, 1 a hit, 2 an insertion.
    truth = {"a": [Row(0.2, 1.5, "Car")]}
    predicted = {
        "a": [Row(1.0, 2.0, "Car"), Row(0.1, 0.2, "Bus"), Row(2.5, 3.0, "Bus")]
    }
    found = dcase2017.segment_scores(truth, predicted | {"b": [Row(0, 1, "Bus")]})
    assert found["micro_f1"] == 2 * 1 / (2 + 3)
    assert found["error_rate"] == 2 / 2
    assert found["substitution_rate"] == found["insertion_rate"] == 1 / 2
    assert list(found["classes"]) == ["Bus", "Car"]


def _row(label):
    return Row(0.0, 10.0, label)


def test_files_of_the_challenge(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_bytes(
        b"a.wav\t0\t0\tCar\r\nb.wav\r\n\r\na.wav\t0.5\t1\tAir horn, truck\n"
    )
    assert dcase2017.read_rows(path) == {
        "a.wav": [Row(0.5, 1.0, "Air horn, truck")],
        "b.wav": [],
    }
    for content in ("a.wav\t0\t1", "a.wav\tx\t1\tCar", "a.wav\t0\t1\tCar\tBus"):
        path.write_text(f"b.wav\n{content}\n")
        with pytest.raises(InputError, match="truth.csv, line 2: .* expected a file"):
            dcase2017.read_rows(path)
    path.write_bytes(b"\xff\xfe")
    for missing in (path, tmp_path / "absent.csv"):
        with pytest.raises(InputError, match="cannot be read"):
            dcase2017.read_rows(missing)
