"""A short training on the set that converges, judged by training images that nothing has seen.

What anybody would do without a test set, were it not for its cost. The schedule is one of its own:
a published training that is cut short ranks sets by how easy they are, for it stops where curves
still cross; this one has a large learning rate that falls to zero along half a cosine, whatever its
length. No original model takes part, so that what CLOM lowered is not asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from datastill.augment import DSA, policy_for
from datastill.evaluation.assessments.base import ASSESSMENTS, COSTLY, Need, Score
from datastill.evaluation.evidence import Evidence
from datastill.networks import build
from datastill.training.fit import Fit, predict, train

EPOCHS = 60
"""Passes over the set, unless it is told otherwise: 6 % of the published validation."""


def proxy_fit(epochs: int) -> Fit:
    """Return the training: it converges in any number of epochs.

    SGD with Nesterov momentum 0.9, weight decay 0.0005 and batches of 256; the learning rate rises
    to 0.1 in the first twentieth, one epoch at least of several, and falls to zero along half a
    cosine.

    >>> [round(proxy_fit(4).lr_at(epoch), 3) for epoch in range(4)]
    [0.05, 0.085, 0.05, 0.015]
    """
    warmup = max(1, epochs // 20) if epochs > 1 else 0
    return Fit(epochs=epochs, lr=0.1, nesterov=True, cosine=True, warmup=warmup)


@dataclass(frozen=True)
class Proxy:
    """Trains a network on the set, and asks it about images that nothing has seen.

    The network is of the evidence's ``trained`` architecture, fresh, and trained under DSA's
    augmentation by ``proxy_fit``. Scores of one number of epochs share it.

    Attributes:
        judge: from ``(N, K)`` logits and ``(N,)`` labels to a value; more is better.
        number: epochs.
        needs: see ``base.needs_of``.
    """

    judge: Callable[[Tensor, Tensor], Tensor]
    number: int = EPOCHS
    needs: ClassVar[frozenset[Need]] = frozenset({"held_out"})

    def at(self, number: int) -> Proxy:
        """Return the same after another number of epochs."""
        return replace(self, number=number)

    def __call__(self, evidence: Evidence) -> Score:
        """Return what the network comes to."""
        unseen, model = evidence.unseen, evidence.trained
        said = evidence.known.once(
            ("proxy", model, self.number), lambda: _answers(evidence, model, self.number)
        )
        return Score(float(self.judge(said, unseen.hard_labels)), "higher")


def share_right(said: Tensor, labels: Tensor) -> Tensor:
    """Return the share of images whose likeliest class is theirs."""
    return (said.argmax(1) == labels).double().mean()


def log_likelihood(said: Tensor, labels: Tensor) -> Tensor:
    """Return the mean log-probability of the images' classes, in nats."""
    return -F.cross_entropy(said, labels)


def _answers(evidence: Evidence, model: str, epochs: int) -> Tensor:
    # ``(N, K)`` logits, float64, of a network that was trained on the set.
    data, unseen = evidence.judged, evidence.unseen
    key = evidence.key.at("proxy", model)
    network = build(model, data.domain, key=key.at("network")).to(data.images.device)
    policy = policy_for(DSA, evidence.train.domain)
    fit, route = proxy_fit(epochs), evidence.route
    train(network, data, fit, policy=policy, key=key.at("fit"), route=route)
    return predict(network, unseen.images, route=route).double()


ACCURACY, LIKELIHOOD = Proxy(share_right), Proxy(log_likelihood)
COSTLY.register("proxy-accuracy")(ASSESSMENTS.register("proxy-accuracy")(ACCURACY))
COSTLY.register("proxy-likelihood")(ASSESSMENTS.register("proxy-likelihood")(LIKELIHOOD))
