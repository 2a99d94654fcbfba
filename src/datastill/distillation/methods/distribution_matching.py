"""Dataset Condensation with Distribution Matching (Zhao and Bilen, WACV 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Tensor

from datastill.base.errors import whole
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ByClass, ImageSet
from datastill.data.losses import mean_feature_distance
from datastill.distillation.methods.base import METHODS, Published, Sgd, Synthetic, Task, matched
from datastill.networks import Network, features


@dataclass(frozen=True)
class DistributionMatching:
    """Match the mean feature of each class under networks that are never trained."""

    def network(self, task: Task, step: int, last: Network | None, synthetic: ImageSet) -> Network:
        """Return a new network for every update."""
        # Frozen, for nobody asks for gradients in its weights.
        return task.build(key=task.key.at("network", step)).requires_grad_(requires_grad=False)

    def loss(
        self, task: Task, step: int, memory: None, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, None]:
        """Return the distance from a new draw of real images; nothing is remembered."""
        found, _ = matched(self, task, step, memory, synthetic, key=key)
        return found, None

    def match(self, network: Network, real: ByClass, synthetic: ByClass, *, route: Route) -> Tensor:
        """Return the squared distance between mean features, summed over classes."""
        target = self.target(network, real, route=route)
        return self.distance(network, target, synthetic, route=route)

    def target(self, network: Network, real: ByClass, *, route: Route) -> Tensor:
        """Return ``(K, D)`` mean features of the real images."""
        return real.means(route.over(features, network, real.images))

    def distance(
        self, network: Network, target: Tensor, synthetic: ByClass, *, route: Route
    ) -> Tensor:
        """Return the squared distance of mean features from those of the real images."""
        see = partial(route.exact.run, features, network)
        means = synthetic.means(route.in_turns(see, synthetic.images, network))
        return mean_feature_distance(target[:, None], means[:, None])


@METHODS.register("DM")
def published(ipc: int) -> Published:
    """Return the published settings: they are the same for every number of images per class."""
    whole(ipc=ipc)
    return Published(
        DistributionMatching(),
        updates=20_000,
        optimisers={"images": Sgd(1.0, 0.5)},
        init="real",
        augmented=True,
        protocol="dsa",
    )
