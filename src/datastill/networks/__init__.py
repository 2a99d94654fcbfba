"""Every module in this folder is a family of networks; importing the folder registers them all."""

from __future__ import annotations

from datastill.base.registry import load_plugins
from datastill.networks.backbone import Backbone, backbone
from datastill.networks.base import (
    BACKBONE,
    NETWORKS,
    Build,
    Family,
    Model,
    build,
    builder,
    find,
    name_of,
)
from datastill.networks.base.network import (
    Network,
    Stages,
    depends_on_batch,
    evaluating,
    features,
    features_after,
    has_batch_statistics,
    stage_of,
    vectorisable,
)
from datastill.networks.base.own import adapt

load_plugins(__name__, __path__)

__all__ = [
    "BACKBONE",
    "NETWORKS",
    "Backbone",
    "Build",
    "Family",
    "Model",
    "Network",
    "Stages",
    "adapt",
    "backbone",
    "build",
    "builder",
    "depends_on_batch",
    "evaluating",
    "features",
    "features_after",
    "find",
    "has_batch_statistics",
    "name_of",
    "stage_of",
    "vectorisable",
]
