"""Reports of trials whose results are written by hand."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tfweak.errors import InputError
from tfweak.evaluation.metrics import METRICS
from tfweak.models.experiments import report
from tfweak.models.experiments.results import AVERAGE, Results
from tfweak.models.experiments.table import Column, ResultTable, System
from tfweak.models.experiments.trials import Trial, _line
from tfweak.models.runs.config import TrainConfig

TABLE = ResultTable(
    name="t",
    title="T",
    rows={
        "a": System(
            {"is": "1"}, reference={"x": "0.11"}, class_references={"dog": "9"}
        ),
        "b": System({"is": "2"}, class_references={"cow": "8"}),
    },
    columns={"x": Column(), "y": Column()},
    metrics=("EER", "lwlrap", "validation mAP", "validation mAP, last epoch"),
    by_class="EER",
)
CONFIG = TrainConfig(data=("data",), out="")


def _result(eer, dog, epochs):
    return {
        "metrics": {"EER": eer, "classes": {"dog": {"EER": dog}, "cat": {"EER": None}}},
        "history": [[{"val_mAP": value} for value in epochs]],
        "parameters": 1234,
        "valid_mAP": [0.5],
        "mean_valid_mAP": 0.5,
        "seconds": 1.0,
    }


@pytest.fixture
def trials(tmp_path):
    """Two trials a cell; the second one of b in y has failed, one is not run."""
    found = {
        ("a", "x"): [_result(0.2, 0.1, (0.5, 0.4)), _result(0.3, 0.3, (0.7, 0.6, 0.5))],
        ("b", "x"): [_result(0.1, 0.2, (0.5,)), _result(0.1, 0.6, (0.5,))],
        ("a", "y"): [_result(0.4, 0.1, (0.5,)), None],
        ("b", "y"): [_result(0.4, 0.1, (0.5,)), {"error": "no memory"}],
    }
    cells = {}
    for (row, column), results in found.items():
        for number, result in enumerate(results):
            folder = tmp_path / row / column / str(number)
            folder.mkdir(parents=True)
            if result:
                (folder / "result.json").write_text(json.dumps(result))
            trial = Trial(str(folder), CONFIG)
            cells.setdefault(row, {}).setdefault(column, []).append(trial)
    return cells


def test_results_by_metric_and_by_class(trials):
    results = Results(trials)
    eer = METRICS.get("EER")
    assert results.values(eer) == {
        "a": {"x": [0.2, 0.3], "y": [0.4, None]},
        "b": {"x": [0.1, 0.1], "y": [0.4, None]},
    }
    assert results.values(METRICS.get("lwlrap")) == {}  # nobody has it
    last = METRICS.get("validation mAP, last epoch")
    assert results.values(last)["a"] == {"x": [0.4, 0.5], "y": [0.5, None]}
    assert results.by_class(eer, "x")["a"] == {
        "dog": [0.1, 0.3],
        "cat": [None, None],
        AVERAGE: [0.2, 0.3],
    }
    # dogs: 0.2 - 0.1 and 0.6 - 0.3, their standard error (0.3 - 0.1) / 2; no cats
    (gain,) = results.gains(eer, "x", "a", "b").items()
    assert gain[0] == "dog"
    assert gain[1].mean == pytest.approx(0.2)
    assert gain[1].standard_error == pytest.approx(0.1)
    # as long as the shortest, (0.5 + 0.7) / 2 and (0.4 + 0.6) / 2
    assert results.curve("a", "x", "val_mAP") == pytest.approx([0.6, 0.5])
    assert results.curve("a", "x", "pseudo_positive") is None
    assert list(results.curves("val_mAP")) == ["a, x", "a, y", "b, x", "b, y"]


def test_the_report_of_results(trials, tmp_path):
    files = report.write(tmp_path, TABLE, TABLE.rows, trials, ["Made by hand."])
    document = json.loads(files["json"].read_text())
    assert [m["name"] for m in document["metrics"]] == [
        "EER",
        "validation mAP",
        "validation mAP, last epoch",
    ]
    first, second, _ = document["metrics"]
    assert first["cells"]["a"]["x"]["paper"] == "0.11"
    assert second["cells"]["a"]["x"]["paper"] is None  # it is of the first metric
    assert document["notes"] == [
        "Made by hand.",
        "Trial 1 of b, y failed: no memory",
        "Trainable parameters: a 1,234, b 1,234.",
    ]
    by_class = json.loads(files["json by class"].read_text())
    assert by_class["columns"] == ["dog", "cat", AVERAGE]
    cells = by_class["metrics"][0]["cells"]
    assert cells["a"]["dog"]["paper"] == "9"
    assert cells["b"]["dog"]["trials"] == [0.2, 0.6]
    # of dogs and of the average; each is tested among two: 2 * 0.5
    found = by_class["metrics"][0]["between_rows"]
    assert not found["cat"]
    (dog,), (average,) = found["dog"], found[AVERAGE]
    assert dog["p_value"] == average["p_value"] == 0.5
    assert dog["p_holm"] == average["p_holm"] == 1
    assert "for 2 comparisons" in files["md by class"].read_text()


def test_pictures_compare_the_tables_pair_or_the_only_two(
    trials, tmp_path, monkeypatch
):
    drawn = []

    def write(folder, results, compared):
        drawn.append(compared)
        return {}

    monkeypatch.setattr(report.figures, "write", write)
    rows = {**TABLE.rows, "c": TABLE.rows["a"]}
    table = dataclasses.replace(TABLE, rows=rows, compared=("a", "c"))
    for names in ("abc", "ab", "a"):
        some = {name: trials.get(name, trials["a"]) for name in names}
        report.write(tmp_path, table, {name: rows[name] for name in names}, some, [])
    assert drawn == [("a", "c"), ("a", "b"), ()]


def test_a_report_of_failures_alone_is_refused(trials, tmp_path):
    only = {"b": {"y": trials["b"]["y"][1:]}}
    with pytest.raises(InputError, match="every trial failed: Trial 0 of b, y failed"):
        report.write(tmp_path, TABLE, {"b": TABLE.rows["b"]}, only, [])


def test_each_setting_is_noted_once():
    common = {"epochs": 5, "learning_rate": 1e-4, "freeze": "", "attention": (1.0, 0.5)}
    cells = {
        ("a", "x"): {**common, "init": "hub", "kind": "none"},
        ("a", "y"): {**common, "init": "run", "kind": "none"},
        ("b", "x"): {**common, "init": "hub", "kind": "self", "alpha": 0.1},
        ("b", "y"): {**common, "init": "run", "kind": "self", "alpha": 0.2},
    }
    assert report.settings_note(cells) == (
        "Settings: epochs=5; learning_rate=0.0001; freeze=none; attention=1/0.5;"
        " init=hub (x), run (y); kind=none (a), self (b); alpha=0.1 (b/x), 0.2 (b/y)."
    )


def test_every_decoder_has_a_row_compared_with_the_chosen(trials, tmp_path):
    # event F1 of three ways in two trials of each system, in column x
    found = {
        "chosen": (0.5, 0.6),
        "chosen, , mixtures": (0.4, 0.4),
        "one_event, segment": (0.3, 0.2),
    }
    for row in "ab":
        for number in range(2):
            path = tmp_path / row / "x" / str(number) / "result.json"
            document = json.loads(path.read_text())
            document["metrics"]["localisation"] = {
                "decodings": {
                    name: {
                        "event_based": {"micro_f1": values[number]},
                        "psds": {"PSDS1": None},
                    }
                    for name, values in found.items()
                }
            }
            path.write_text(json.dumps(document))
    files = report.write(tmp_path, TABLE, TABLE.rows, trials, [])
    table = json.loads(files["json by decoder"].read_text())
    assert table["columns"] == ["a", "b"]
    assert [row["description"] for row in table["rows"]] == [
        {"decoder": "chosen", "scores": "", "tuned on": "strong labels"},
        {"decoder": "chosen", "scores": "", "tuned on": "mixtures"},
        {"decoder": "one_event", "scores": "segment", "tuned on": "strong labels"},
    ]
    events = table["metrics"][0]
    assert events["name"] == "event F1, micro"
    assert events["cells"]["one_event, segment"]["a"]["trials"] == [0.3, 0.2]
    compared = [x for pairs in events["between_rows"].values() for x in pairs]
    assert [(x["one"], x["other"]) for x in compared] == 2 * [
        ("chosen", "chosen, , mixtures"),
        ("chosen", "one_event, segment"),
    ]
    # two pairs of trials give p = 0.5 at least; Holm over two pairs and two systems
    assert {x["p_holm"] for x in compared} == {1.0}
    text = files["md by decoder"].read_text()
    assert "chosen / one\\_event, segment" in text
    assert "mixtures / one" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"valid_mAP": None},
        {"mean_valid_mAP": "0.5"},
        {"seconds": []},
        {"history": [[{"val_mAP": "0.5"}]]},
        {"history": 3},
        {"history": [[]]},
        {"history": [[{"loss": 0.5}]]},
        {"metrics": {"EER": "low"}},
        {"metrics": 0.5},
        {"metrics": {"classes": {"dog": 0.5}}},
        {"error": 7},
    ],
)
def test_a_result_of_other_types_is_named(trials, tmp_path, change):
    path = tmp_path / "a" / "x" / "0" / "result.json"
    document = json.loads(path.read_text())
    trial = Trial(str(path.parent), CONFIG)
    assert trial.result() == document
    path.write_text(json.dumps({**document, **change}))
    with pytest.raises(InputError, match="result.json: broken .*remove it, and"):
        trial.result()


@pytest.mark.parametrize("contents", [b"", b"{", b"[]", b"\xff", b"[" * 100000])
def test_a_result_that_is_no_document_is_named(trials, tmp_path, contents):
    path = tmp_path / "a" / "x" / "0" / "result.json"
    path.write_bytes(contents)
    with pytest.raises(InputError, match="result.json: broken"):
        Results(trials)


def test_a_result_without_a_metric_is_told_without_it(trials, tmp_path):
    path = tmp_path / "a" / "x" / "0" / "result.json"
    document = json.loads(path.read_text())
    trial = Trial(str(path.parent), CONFIG)
    for metrics, told in (({}, False), ({"mAP": None}, False), ({"mAP": 0.5}, True)):
        path.write_text(json.dumps({**document, "metrics": metrics}))
        assert ("test mAP 0.5" in _line(trial)) == told
