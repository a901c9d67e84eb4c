"""Packaging: the folders `data_prep/` and `models/` install inside `tfweak`."""

from setuptools import setup

setup(
    packages=[
        "tfweak",
        "tfweak.data_prep",
        "tfweak.data_prep.datasets",
        "tfweak.models",
        "tfweak.models.architectures",
        "tfweak.models.tables",
    ],
    package_dir={
        "tfweak": "tfweak",
        "tfweak.data_prep": "data_prep",
        "tfweak.models": "models",
    },
)
