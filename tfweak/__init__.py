"""tfweak: which sounds are in a weakly labelled clip, and when.

Letters used for shapes throughout: B batch, N samples, T segments, F mel bins,
D embedding size, C classes.
"""

from __future__ import annotations

import importlib
import os
import pathlib
import platform
import sys
from typing import Any

__version__ = "0.1.0"

_HERE = pathlib.Path(__file__).parent
if not (_HERE / "models").is_dir():
    raise ImportError(
        f"{_HERE} is a folder of tfweak's checkout and not the installed package, which"
        " it hides: models/ and data_prep/ are put into tfweak when it is installed."
        " Install it (pip install . or, to work on it, pip install -e ."
        " --config-settings editable_mode=strict) and start Python from another folder,"
        " or with -P; start the tests as .venv/bin/pytest, not as python -m pytest"
    )

# TensorFlow greets with lines about GPU libraries that read like errors; what is an
# error of ours or of an operation is an exception, and is not touched by this
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow leaves oneDNN off where the CPU has neither AVX512-VNNI nor AMX; networks
# on audio then train at half the speed (benchmarks/onednn.py)
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Public name -> module; imported when first used, so that `import tfweak` is quick.
_PUBLIC = {
    "Architecture": "models.architecture",
    "ClassList": "labels",
    "ClipScores": "learning.callbacks",
    "Dataset": "data_prep.dataset",
    "Decoder": "decoding.decoder",
    "Decoding": "decoding.decoding",
    "DatasetInfo": "data.records",
    "Event": "labels",
    "Extractor": "extractor",
    "InputConfig": "data.pipelines",
    "InputError": "errors",
    "InputSpec": "data.input_spec",
    "LogMelConfig": "audio.mel_spectrum",
    "Metric": "evaluation.metrics",
    "PseudoLabelRule": "learning.pseudo_labels",
    "ResultTable": "models.experiments.table",
    "Run": "models.runs.run",
    "ScoreSource": "decoding.scores",
    "SegmentGrid": "labels",
    "Supervision": "learning.supervision",
    "TrainConfig": "models.runs.config",
    "TrainingInput": "data.pipelines",
    "WeakModel": "learning.weak_model",
    "WeightAverage": "learning.callbacks",
    "WindowOptions": "models.streaming.windows",
    "audio_file_batches": "data.pipelines",
    "create": "models.architecture",
    "decode_events": "decoding.decoding",
    "evaluate": "models.runs.run",
    "evaluation_batches": "data.pipelines",
    "load": "models.runs.run",
    "load_model": "models.networks.saving",
    "log_mel": "audio.mel_spectrum",
    "open_data": "data.sources",
    "plot_clip": "plots.clip",
    "read_audio": "audio.reading",
    "register": "registry",
    "train": "models.training.trainer",
    "training_batches": "data.pipelines",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tfweak' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"tfweak.{_PUBLIC[name]}"), name)
    _register_for_keras()
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])


def _register_for_keras() -> None:
    """Lets `keras.saving.load_model` know the classes of ours, where Keras is used."""
    if "keras" in sys.modules:
        importlib.import_module("tfweak.models.networks.saving").register()


_register_for_keras()
