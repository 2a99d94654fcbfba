"""Sets whose labels were made soft: the hard ones that they had, and how soft they are."""

from __future__ import annotations

from dataclasses import replace

import torch

from datastill.data.images import ImageSet

LEARNED = "learned_labels"
"""The fact that says which classes the images were begun as whose labels were learned."""


def hardened(data: ImageSet) -> ImageSet:
    """Return a set with hard labels: of before they were soft, or the likeliest."""
    if data.labels.ndim == 1:
        return data
    classes = range(len(data.domain.classes))
    for name in ("relabelled", LEARNED):
        kept = data.facts.get(name)
        held = kept.get("hard_labels") if isinstance(kept, dict) else None
        if isinstance(held, list) and len(held) == len(data) and all(k in classes for k in held):
            return replace(data, labels=torch.tensor(held, device=data.labels.device))
    return replace(data, labels=data.labels.argmax(1))


def temperature_of(data: ImageSet) -> float:
    """Return the temperature that the labels of a set were made with, or 1."""
    kept = data.facts.get("relabelled")
    found = kept.get("temperature") if isinstance(kept, dict) else None
    return float(found) if isinstance(found, int | float) and found > 0 else 1.0
