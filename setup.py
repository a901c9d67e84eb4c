"""Packaging: the folders `data_prep/` and `models/` install inside `tfweak`."""

from setuptools import find_packages, setup

OWN = ["data_prep", "models"]

setup(
    packages=[
        *find_packages(include=["tfweak", "tfweak.*"]),
        *(
            f"tfweak.{name}"
            for folder in OWN
            for name in find_packages(include=[folder, f"{folder}.*"])
        ),
    ],
    package_dir={"tfweak": "tfweak", **{f"tfweak.{name}": name for name in OWN}},
    package_data={"tfweak": ["py.typed"], "tfweak.models": ["pretrained/*/*"]},
)
