"""Forgetting: images by how often networks that had learned them forgot them again."""

from __future__ import annotations

from datastill.training.coresets.base import CORESETS, ByDynamics

EASIEST = ByDynamics(lambda one: one.forgetting, without_chance=False)
"""Keep the images that were forgotten least often, chance deciding among equals.

An image is forgotten in an epoch in which it is mistaken and was not in the one before; one that
was never learned counts as if it were forgotten in every epoch. Published: over 200 epochs, summed
over 5 networks, and the *most* forgotten images kept; most images are never forgotten, so that
those can be left out of large sets without harm, and are all alike here.

Reference:
    Toneva et al., An Empirical Study of Example Forgetting during Deep Neural Network Learning,
    ICLR 2019.
"""

CORESETS.register("forgetting")(EASIEST)
CORESETS.register("forgetting-hardest")(EASIEST.hardest)
