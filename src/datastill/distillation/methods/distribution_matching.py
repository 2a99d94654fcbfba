"""Dataset Condensation with Distribution Matching (Zhao and Bilen, WACV 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor

from datastill.base.errors import InputError, told, whole
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ByClass, ImageSet
from datastill.data.losses import mean_feature_distance
from datastill.distillation.descent import Descent
from datastill.distillation.methods.base import (
    METHODS,
    Need,
    Paper,
    Published,
    Sgd,
    Synthetic,
    Task,
    matched,
)
from datastill.networks import Network, features

POOL = "pool"


@dataclass(frozen=True)
class DistributionMatching:
    """Match the mean feature of each class under a network.

    Attributes:
        networks: None for a new one in every update, which is never trained; ``"pool"`` for an
            original model as it was after one of the epochs that were kept of it, before the first
            among them, both drawn uniformly in every update.

    Reference:
        Networks on their way are those of Zhao et al., Improved Distribution Matching for Dataset
        Condensation, CVPR 2023, who train them meanwhile.
    """

    networks: str | None = None
    by_classes: ClassVar[bool] = True  # see ``sharing.ByClasses``

    def __post_init__(self) -> None:
        if self.networks not in (None, "random", POOL):
            said = told(self.networks)
            raise InputError(f"`networks` must be random or pool, found {said}")
        if self.networks != POOL:  # what a set says of itself is what it was before there were two
            object.__setattr__(self, "networks", None)

    @property
    def needs(self) -> frozenset[Need]:
        """Original models on their way, where these are the networks."""
        return frozenset({"trajectories"} if self.networks else ())

    def require(self, task: Task, descent: Descent) -> None:
        """Refuse a task without networks on their way, where these are to be drawn from.

        Raises:
            InputError: saying so.
        """
        if self.networks and not task.trajectories:
            raise InputError("`networks='pool'` needs `trajectories` of original models")

    def network(self, task: Task, step: int, last: Network | None, synthetic: ImageSet) -> Network:
        """Return a new network for every update, or one on its way."""
        key = task.key.at("network", step)
        if self.networks:
            trajectory = task.trajectories[key.at("original").integer(len(task.trajectories))]
            return trajectory[key.at("epoch").integer(len(trajectory))].network
        # Frozen, for nobody asks for gradients in its weights.
        return task.build(key=key).requires_grad_(requires_grad=False)

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
        papers=(
            Paper(
                "zhao2023dm",
                "Zhao, Bo and Bilen, Hakan",
                "Dataset Condensation with Distribution Matching",
                "WACV 2023",
            ),
        ),
    )
