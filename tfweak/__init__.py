"""tfweak: which sounds are in a weakly labelled clip, and when.

Letters used for shapes throughout: B batch, N samples, T segments, F mel bins,
D embedding size, C classes.
"""

from __future__ import annotations

import pathlib

__version__ = "0.1.0"

# In a checkout `models/` and `data_prep/` stand beside this folder; installed they
# stand inside it. Either way they are tfweak.models and tfweak.data_prep.
_ROOT = pathlib.Path(__file__).resolve().parent.parent
if (_ROOT / "models" / "__init__.py").exists() and (_ROOT / "setup.py").exists():
    __path__.append(str(_ROOT))
