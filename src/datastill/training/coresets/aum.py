"""AUM: images by the area under their margin, over the training of networks."""

from __future__ import annotations

from datastill.training.coresets.base import CORESETS, ByDynamics

EASIEST = ByDynamics(lambda one: -one.area_under_margin)
"""Keep the images with the largest area under the margin.

That is the mean, over all epochs and networks, of the logit of the image's class less the largest
of all others. Published to find images whose labels are wrong, which have the least; coverage-
centric selection compares with a coreset of those of *least* area, the hardest.

Reference:
    Pleiss et al., Identifying Mislabeled Data using the Area Under the Margin Ranking, NeurIPS
    2020.
"""

CORESETS.register("aum")(EASIEST)
CORESETS.register("aum-hardest")(EASIEST.hardest)
