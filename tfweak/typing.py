"""Names for types that signatures use everywhere."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

# An array whose shape and dtype the docstring gives.
Array = np.ndarray[Any, Any]
# What `open` takes.
StrPath = str | os.PathLike[str]
# A batch's tensors by name: what a model takes or answers.
Tensors = dict[str, Any]
