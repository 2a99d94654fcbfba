"""What a dataset will be, known before its pictures are decoded."""

from __future__ import annotations

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.data import Domain, ImageSet
from datastill.datasets.base.decode import GREY_MODES, header
from datastill.datasets.base.reading import Found, Reading

SURE = 3
"""Images of a class of which one is kept for tests, if any are; of more it can be more."""


def outline(found: Found, reading: Reading, name: str, *, divided: bool) -> ImageSet | None:
    """Return training images that have classes and a shape, but show nothing.

    Args:
        found: what was found of them.
        reading: sizes and so on.
        name: of the dataset.
        divided: whether some are kept for tests.

    Returns:
        The set, with as many images of each class as there are at most, and facts that say of which
        classes that is sure; or None where the first
        picture cannot tell, which is told when it is decoded.
    """
    if isinstance(found.images, Tensor) or not len(found.images):
        return None
    try:
        (first,) = found.images.at([0])
        own, mode = header(first)
    except InputError:
        return None
    height, width = reading.size or found.size or own
    colour = mode not in GREY_MODES if found.colour is None else found.colour
    channels = 3 if colour else 1
    whole = found.labels.bincount(minlength=len(found.classes))
    kept = ((whole > 1) & (whole <= SURE)).long() if divided else torch.zeros_like(whole)
    labels = torch.arange(len(whole)).repeat_interleave(whole - kept)
    domain = Domain(
        name, (channels, height, width), found.classes, (0.0,) * channels, (1.0,) * channels
    )
    images = torch.zeros(()).expand(len(labels), channels, height, width)  # takes no memory
    sure = (whole <= SURE).tolist() if divided else [True] * len(whole)
    facts = {"kept_of_classes": kept.tolist(), "sure_of_classes": sure}
    return ImageSet(images, labels, domain, facts=facts)
