"""One file per dataset: a subclass of `Dataset` with the file's name."""

from __future__ import annotations

from tfweak.registry import Registry

from ..dataset import Dataset

DATASETS: Registry[type[Dataset]] = Registry(Dataset, __name__)
