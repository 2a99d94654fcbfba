"""What networks say of images: original models of a set, trained networks of test images."""

from __future__ import annotations

import math

import torch

from datastill.data import ImageSet
from datastill.data.pixels import ready
from datastill.report.page.held import ByClass, Taken
from datastill.training.fit import predict
from datastill.training.pool import Pool
from datastill.training.seeing import teacher


def taken(data: ImageSet, pool: Pool, by: str) -> Taken:
    """Ask original models what they take the images of a set for.

    Args:
        data: the set.
        pool: the models; one at least.
        by: who they are, in words.

    Raises:
        InputError: when they were trained on images of another kind.
    """
    images = ready(data.images)
    with torch.no_grad():
        said = [teacher(member, data.domain)(images).softmax(1) for member in pool]
    return Taken(torch.stack(said).mean(0).cpu(), by)


def by_class(networks: Pool, names: list[str], test: ImageSet) -> ByClass:
    """Test networks class by class.

    Args:
        networks: that were trained on a set.
        names: of these.
        test: images, normalised as those of the set.
    """
    labels, rows = test.hard_labels, list[tuple[str, list[float]]]()
    for name, member in zip(names, networks, strict=True):
        right = predict(member.network, test.images).argmax(1) == labels
        shares = [
            float(right[labels == k].float().mean()) if bool((labels == k).any()) else math.nan
            for k in range(len(test.domain.classes))
        ]
        rows.append((name, shares))
    return ByClass(rows, len(test))
