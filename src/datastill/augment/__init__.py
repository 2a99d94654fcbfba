"""Augmentation: transforms of images, and policies that draw them."""

from __future__ import annotations

from datastill.augment.by_image import (
    by_image,
)
from datastill.augment.mixing import (
    Mix,
    draw_cutmix,
    mixed,
)
from datastill.augment.policies import (
    DSA_STEPS,
    Policy,
    draw_color,
    draw_crop,
    draw_cutout,
    draw_flip,
    draw_rotation,
    draw_scale,
    dsa,
    identity,
    one_of,
    siamese,
    usual_strategy,
    without_mirrors,
)
from datastill.augment.shares import (
    apply_each,
    kind_by_kind,
)
from datastill.augment.transforms import (
    Drawn,
    Transform,
    affine,
    brightness,
    contrast,
    cutout,
    flip,
    rotation,
    saturation,
    shrink,
    translate,
)
from datastill.data import Domain

NONE, DSA = "none", "dsa"


def policy_for(augmentation: str, domain: Domain) -> Policy:
    """Return the policy that a protocol names.

    Args:
        augmentation: ``"none"``, ``"dsa"`` for its published strategy, or a strategy of
            ``by_image``.
        domain: of the images.

    Raises:
        InputError: for a step that does not exist.
    """
    if augmentation == NONE:
        return identity
    return dsa(usual_strategy(domain)) if augmentation == DSA else by_image(augmentation)


__all__ = [
    "DSA",
    "DSA_STEPS",
    "NONE",
    "Drawn",
    "Mix",
    "Policy",
    "Transform",
    "affine",
    "apply_each",
    "brightness",
    "by_image",
    "contrast",
    "cutout",
    "draw_color",
    "draw_crop",
    "draw_cutmix",
    "draw_cutout",
    "draw_flip",
    "draw_rotation",
    "draw_scale",
    "dsa",
    "flip",
    "identity",
    "kind_by_kind",
    "mixed",
    "one_of",
    "policy_for",
    "rotation",
    "saturation",
    "shrink",
    "siamese",
    "translate",
    "usual_strategy",
    "without_mirrors",
]
