"""What a network computes in."""

from __future__ import annotations

import pytest
import tensorflow as tf

from tfweak.errors import InputError
from tfweak.learning import (
    precision,
)


def test_precision_names():
    assert precision.resolve_precision("float16") == "float16"
    with pytest.raises(InputError, match="float8"):
        precision.resolve_precision("float8")


@pytest.mark.parametrize(
    "gpus, has_bfloat16, expected",
    [
        ([], True, "bfloat16"),
        ([], False, "float32"),
        (["a GPU"], True, "float16"),
    ],
)
def test_precision_by_the_machine(monkeypatch, gpus, has_bfloat16, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(precision, "_cpu_computes_bfloat16", lambda: has_bfloat16)
    assert precision.resolve_precision("auto") == expected
