"""tfweak: which sounds are in a weakly labelled clip, and when.

Letters used for shapes throughout: B batch, N samples, T segments, F mel bins,
D embedding size, C classes.
"""

from __future__ import annotations

import importlib
import pathlib
from typing import Any

__version__ = "0.1.0"

# In a checkout `models/` and `data_prep/` stand beside this folder; installed they
# stand inside it. Either way they are tfweak.models and tfweak.data_prep.
_ROOT = pathlib.Path(__file__).resolve().parent.parent
if (_ROOT / "models" / "__init__.py").exists() and (_ROOT / "setup.py").exists():
    __path__.append(str(_ROOT))

# Public name -> module; imported when first used, so that `import tfweak` is quick.
_PUBLIC = {
    "ClassList": "labels",
    "ClipScores": "callbacks",
    "DatasetInfo": "records",
    "Event": "labels",
    "InputConfig": "pipelines",
    "InputError": "errors",
    "LogMelConfig": "features",
    "SegmentGrid": "labels",
    "Supervision": "training",
    "TrainingInput": "pipelines",
    "WeakModel": "training",
    "WeightAverage": "callbacks",
    "audio_file_batches": "pipelines",
    "decode_events": "events",
    "evaluation_batches": "pipelines",
    "log_mel": "features",
    "open_data": "sources",
    "plot_clip": "plotting",
    "read_audio": "audio",
    "training_batches": "pipelines",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tfweak' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tfweak.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
