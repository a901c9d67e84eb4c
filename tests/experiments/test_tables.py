"""Tables as objects: what is refused, and new ones of one file each."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from made import make_embeddings

import tfweak
from tfweak import registry
from tfweak.errors import InputError
from tfweak.models.commands import experiment
from tfweak.models.experiments import tables
from tfweak.models.experiments.table import Column, ResultTable, System

METRIC = """
import numpy as np

import tfweak
from tfweak.evaluation.metrics import Metric, Score


def hits(clips):
    found = (clips.scores > 0.5) & clips.labels
    return Score(found.sum() / clips.labels.sum(), found.sum(0) / clips.labels.sum(0))


tfweak.register(Metric("tags found", hits, scale=1, decimals=1, heading="found"))
"""
TABLE = """
from tfweak.models.experiments.table import Column, ResultTable, System

TABLE = ResultTable(
    name="widths",
    title="Two widths",
    rows={
        "narrow": System({"units": "4"}, model={"hidden_units": 4}),
        "wide": System({"units": "8"}, model={"hidden_units": 8}),
    },
    columns={"tags": Column()},
    training={"audio_embedding": {"epochs": 1, "batch_size": 32}},
    metrics=("tags found", "mAP"),
    by_class="tags found",
)
"""


@pytest.fixture
def nothing_registered(monkeypatch):
    monkeypatch.setattr(registry, "_OWN", {})
    monkeypatch.setenv(registry.VARIABLE, "")


def _table(**options):
    row = System({"units": "4"})
    given = {"rows": {"a": row}, "columns": {"x": Column()}, **options}
    return ResultTable(name="own", title="t", **given)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"rows": {}}, "'own': needs at least one row, column and metric"),
        ({"metrics": ()}, "'own': needs at least one row, column and metric"),
        (
            {"more_rows": {"b": System({"size": "4"})}},
            r"row 'b': described by \['size'\], the first row by \['units'\]",
        ),
        (
            {"rows": {"a": System({}, reference={"y": "1"})}},
            r"row 'a': 'y' is none of \['x'\]",
        ),
        ({"compared": ("a", "c")}, r"compared: 'c' is none of \['a'\]"),
    ],
)
def test_tables_that_do_not_hold_together(change, message):
    with pytest.raises(InputError, match=message):
        _table(**change)


def test_misspelt_fields_are_refused():
    with pytest.raises(TypeError, match="by_clas"):
        _table(by_clas="EER")
    with pytest.raises(TypeError, match="trainning"):
        System({}, trainning={})


@pytest.mark.parametrize("change", [{"metrics": ("mAP", "map")}, {"by_class": "map"}])
def test_unknown_metrics_are_refused_where_a_table_is_found(change, nothing_registered):
    tfweak.register(_table(**change))
    with pytest.raises(InputError, match="no metric 'map'; there are mAP, AUC"):
        tables.find("own")
    with pytest.raises(InputError, match="no table 'none'; there are kim2019_table1"):
        tables.find("none")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("widths")
    return [make_embeddings(root / name, 30, i) for i, name in enumerate(("a", "b"))]


def _arguments(data, out, trials):
    arguments = ["--table=widths", f"--trials={trials}", f"--out={out}"]
    return [*arguments, f"--train_data={data[0]}", f"--test_data={data[1]}"]


def _check(out: pathlib.Path, trials: int) -> None:
    last = trials - 1
    result = out / f"trials/wide/tags/trial-{last:02d}/result.json"
    found = json.loads(result.read_text())
    found = found["metrics"]
    table = json.loads((out / "table.json").read_text())
    assert [metric["name"] for metric in table["metrics"]] == ["tags found", "mAP"]
    cell = table["metrics"][0]["cells"]["wide"]["tags"]
    assert cell["trials"][last] == found["tags found"]
    (by_class,) = json.loads((out / "classes.json").read_text())["metrics"]
    cells = by_class["cells"]["wide"]
    assert list(cells) == [*found["classes"], "average"]
    for name, values in found["classes"].items():
        assert cells[name]["trials"][last] == values["tags found"]
    # the share of all tags is that of the classes, weighted by their tags
    rows = found["classes"].values()
    weighted = sum(row["tags found"] * row["num_positives"] for row in rows)
    counts = sum(row["num_positives"] for row in rows)
    assert found["tags found"] == pytest.approx(weighted / counts)
    text = (out / "table.md").read_text()
    assert "### found\n" in text and "### mAP × 100\n" in text
    mean = np.mean(cell["trials"])
    assert f"| wide | 8 | {mean:.1f}" in text
    assert "hidden_units=4 (narrow), 8 (wide)" in text
    for setting in (
        "average_weights=0.998",
        "balance=False",
        "mixup=0.2",
        "segment_thresholds=strong",
        "bias initialisation=class frequencies",
        "input standardisation=none",
    ):
        assert f"; {setting}" in text
    assert "precision=auto" not in text


@pytest.mark.slow
def test_a_table_and_a_metric_of_ones_own(data, tmp_path, nothing_registered):
    metric, table = tmp_path / "found.py", tmp_path / "widths.py"
    metric.write_text(METRIC)
    table.write_text(f"{TABLE}\nimport tfweak\ntfweak.register(TABLE)\n")
    out = tmp_path / "out"
    arguments = [f"--plugins={table},{metric}", *_arguments(data, out, 2)]
    assert experiment.main(arguments) == 0
    _check(out, 2)


@pytest.mark.slow
def test_a_table_of_one_more_file_in_the_package(data, tmp_path):
    package = tmp_path / "site" / "tfweak"
    shutil.copytree(pathlib.Path(tfweak.__file__).parent, package)
    (package / "models/experiments/tables/widths.py").write_text(TABLE)
    metric = tmp_path / "found.py"
    metric.write_text(METRIC)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tfweak.models.commands.experiment"]
    subprocess.run(
        [*command, *_arguments(data, out, 1)],
        check=True,
        env={
            **os.environ,
            "PYTHONPATH": str(package.parent),
            registry.VARIABLE: str(metric),
        },
    )
    _check(out, 1)
