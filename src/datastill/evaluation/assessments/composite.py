"""Two scores in one: whether images are of their classes, and whether they stand where data stand.

What original models say of each image does not tell how far the set covers the data; what methods
match does not tell what CLOM does to each image. On 37 sets of FashionMNIST either fails where the
other holds. The weights are those that were fitted there, and are not to be fitted again on sets
that they are judged by.
"""

from __future__ import annotations

import math

from datastill.evaluation.assessments.base import ASSESSMENTS, COSTLY, Score
from datastill.evaluation.evidence import Evidence

BLUNTED = 0.01
"""Added to the cross-entropy: below it, images are of their classes beyond doubt."""
OF_TRAJECTORY, OF_FEATURES = 5.2, 3.5
"""Weights of the logarithms of distances, as fitted on the FashionMNIST study that stands."""
LEAST = 1e-12


@COSTLY.register("fidelity-and-trajectory")
@ASSESSMENTS.register("fidelity-and-trajectory")
def fidelity_and_trajectory(evidence: Evidence) -> Score:
    r"""Cross-entropy under original models, and where the first steps of training lead.

    :math:`-\log(CE + 0.01) - 5.2 \log d` of ``om-cross-entropy`` and ``trajectory-distance``, and
    as costly as this one.
    """
    return _both(evidence, "trajectory-distance", OF_TRAJECTORY)


@COSTLY.register("fidelity-and-coverage")
@ASSESSMENTS.register("fidelity-and-coverage")
def fidelity_and_coverage(evidence: Evidence) -> Score:
    r"""Cross-entropy under original models, and the distance of features under fresh networks.

    :math:`-\log(CE + 0.01) - 3.5 \log d` of ``om-cross-entropy`` and ``fresh-feature-distance``,
    whose passes it shares.
    """
    return _both(evidence, "fresh-feature-distance", OF_FEATURES)


def _both(evidence: Evidence, distance: str, weight: float) -> Score:
    doubt = ASSESSMENTS["om-cross-entropy"](evidence).value
    far = ASSESSMENTS[distance](evidence).value
    return Score(-math.log(doubt + BLUNTED) - weight * math.log(max(far, LEAST)), "higher")
