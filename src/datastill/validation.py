"""Train fresh networks on a synthetic set and test them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from datastill.augment import dsa, identity, usual_strategy
from datastill.data import ImageSet
from datastill.networks import Network, build
from datastill.protocol import Protocol
from datastill.rng import Key
from datastill.route import Route
from datastill.train import accuracy, train


@dataclass(frozen=True)
class Accuracies:
    """Test accuracy of each network, at its last epoch.

    >>> print(Accuracies((0.8, 0.9)))
    85.0 ± 5.0 % (n=2)
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over networks, between 0 and 1."""
        return statistics.mean(self.values)

    @property
    def std(self) -> float:
        """The population standard deviation over networks, as papers of the field report it."""
        return statistics.pstdev(self.values)

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} ± {100 * self.std:.1f} % (n={len(self.values)})"


@dataclass(frozen=True, eq=False)
class Trial:
    """One network trained on the set, and its accuracy on the test set."""

    number: int
    network: Network
    accuracy: float


def validate(
    synthetic: ImageSet,
    test: ImageSet,
    model: str,
    protocol: Protocol,
    *,
    trials: int,
    key: Key,
    route: Route | None = None,
) -> Accuracies:
    """Train ``trials`` networks on ``synthetic`` and test each once, at the end.

    Args:
        synthetic: the set to be judged; any set of labelled images.
        test: images that nothing before has seen.
        model: name of the architecture, see ``networks.build``.
        protocol: how to train.
        trials: number of networks. Trial ``i`` has the same weights and the same order of images
            whatever the set, so that two sets are compared in pairs.
        key: decides all of that.
        route: how images pass the network.

    Raises:
        InputError: when the two sets differ in shape or classes.
    """
    test = test.under(synthetic.domain)
    found = (
        trial(synthetic, test, model, protocol, number=i, key=key, route=route)
        for i in range(trials)
    )
    return Accuracies(tuple(one.accuracy for one in found))


def trial(
    synthetic: ImageSet,
    test: ImageSet,
    model: str,
    protocol: Protocol,
    *,
    number: int,
    key: Key,
    route: Route | None = None,
) -> Trial:
    """Train network ``number`` of those that ``validate`` would train, and test it."""
    here = key.at("trial", number)
    policy = dsa(usual_strategy(synthetic.domain)) if protocol.augmented else identity
    network = build(model, synthetic.domain, key=here.at("network")).to(synthetic.images.device)
    train(network, synthetic, protocol.fit, policy=policy, key=here.at("fit"), route=route)
    return Trial(number, network, accuracy(network, test.under(synthetic.domain), route=route))
