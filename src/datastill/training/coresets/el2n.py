"""EL2N: images by the error that networks make of them early in their training."""

from __future__ import annotations

from datastill.training.coresets.base import CORESETS, ByDynamics

EASIEST = ByDynamics(lambda one: one.early_error)
r"""Keep the images with the least mean error :math:`\| p(x) - y \|_2` over networks and epochs.

Published: the error after epoch 10 or 20 of 200, a pass of its own, averaged over 10 networks, and
the *hardest* images kept, of half of the data or more. Here it is that of the moments in which the
image was trained on, averaged over epochs 2 to 10, which costs no pass, and over as many networks
as the pool has. With few images per class it is the easy ones that train a network: the less data,
the easier they should be (Sorscher et al., Beyond Neural Scaling Laws, NeurIPS 2022).

Reference:
    Paul, Ganguli and Dziugaite, Deep Learning on a Data Diet, NeurIPS 2021.
"""

CORESETS.register("el2n")(EASIEST)
CORESETS.register("el2n-hardest")(EASIEST.hardest)
