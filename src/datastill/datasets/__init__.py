"""Every module in this folder is a dataset; importing the folder registers them all."""

from __future__ import annotations

from datastill.datasets.base import DATASETS, Source, Split, load_dataset, load_split
from datastill.registry import load_plugins

load_plugins(__name__, __path__)

__all__ = ["DATASETS", "Source", "Split", "load_dataset", "load_split"]
