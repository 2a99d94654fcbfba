"""Training images that are kept apart from everything, to judge sets by what none has seen."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.identity.aside import Aside, kept_aside
from datastill.identity.content import SPREAD, Content, content_of, digests_of

APART = "kept_for_assessments"
"""The fact that says which images were kept, as ``kept_for_tests`` does of test images."""


def set_apart(real: ImageSet, share: float) -> tuple[ImageSet, ImageSet]:
    """Part training images into those to make sets from and those that nothing is to see.

    Digests decide, as for tests (``kept_aside``): names, order and size change nothing. They are
    spread anew first: where the least of them were kept for tests, these have no part in it.

    Args:
        real: training images; test images have no part in this.
        share: of each class to keep, above 0 and below 1.

    Returns:
        Both sides. Facts of each say how they were parted; the content of each is its own, so that
        what was made from all of them is told from what was made from the first side.

    Raises:
        InputError: for another share, and where no class has two images.
    """
    if not 0 < share < 1:
        raise InputError(f"a share kept for assessments is above 0 and below 1, not {share:g}")
    known = digests_of(real) * SPREAD
    chosen = kept_aside(known, real.rows_by_class, share)
    if not bool(chosen.any()):
        raise InputError(
            f"{real.domain.name} has no class with two images, of which one could be kept for "
            "assessments; leave out `assess_share`"
        )
    kept = {
        **Aside.by(known, chosen, share).facts(),
        **_content(real, chosen).facts(),
        "all": content_of(real).digest,
    }
    rest, held = (
        replace(
            real.part(rows.to(real.images.device)),
            facts={**real.facts, "content": _content(real, rows).facts(), APART: kept},
        )
        for rows in (~chosen, chosen)
    )
    return rest, held


def _content(real: ImageSet, rows: Tensor) -> Content:
    labels = real.hard_labels.cpu()[rows]
    return Content.of(digests_of(real)[rows.numpy()], labels, real.domain.classes)
