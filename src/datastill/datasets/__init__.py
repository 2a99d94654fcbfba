"""Every module in this folder is a dataset or a format; importing the folder registers them all."""

from __future__ import annotations

from datastill.base.registry import load_plugins
from datastill.datasets.base import (
    DATASETS,
    FORMATS,
    TEST_SHARE,
    Progress,
    Published,
    Reading,
    Source,
    Split,
    agreed,
    dataset_name,
    is_absent,
    is_code,
    is_testable,
    load_dataset,
    load_split,
    load_test,
    outside,
    require_named,
    untestable,
)
from datastill.datasets.in_memory import from_arrays, from_dataset

load_plugins(__name__, __path__)

__all__ = [
    "DATASETS",
    "FORMATS",
    "TEST_SHARE",
    "Progress",
    "Published",
    "Reading",
    "Source",
    "Split",
    "agreed",
    "dataset_name",
    "from_arrays",
    "from_dataset",
    "is_absent",
    "is_code",
    "is_testable",
    "load_dataset",
    "load_split",
    "load_test",
    "outside",
    "require_named",
    "untestable",
]
