r"""Dataset Distillation with Neural Characteristic Function (Wang et al., CVPR 2025), NCFM.

Published, by the paper and its code: 20 original models of 60 epochs; at each of 20,000 updates
1,024 real images of each class and 4,096 frequencies (1,024 by the paper), images of 2 x 2 tiles,
AdamW of 0.001 on pixels from 0 to 1, a loss of 300 times the mean distance over frequencies, and a
cross-entropy of original models with weight 1. Here it is a quarter of both: docs/protocol.md says
what else differs, docs/results/methods/tuning.md that nothing that was tried is a point better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datastill.base.errors import InputError, not_negative, positive, truth, whole
from datastill.base.rng import Key, moved
from datastill.compute import cores
from datastill.compute.route import Route, logits
from datastill.data import ByClass, Domain, ImageSet, convert
from datastill.data.losses import characteristic, characteristic_distance
from datastill.data.pixels import ready
from datastill.distillation.methods.base import (
    METHODS,
    Adam,
    Paper,
    Published,
    Synthetic,
    Task,
    interpolated,
    matched,
    sloping,
)
from datastill.distillation.parametrisations import Tiles
from datastill.networks import Network, evaluating, features

PAPER = Paper(
    "wang2025ncfm",
    "Wang, Shaobo and Yang, Yicun and Liu, Zhiyuan and Sun, Chenghao and Hu, Xuming and "
    "He, Conghui and Zhang, Linfeng",
    "Dataset Distillation with Neural Characteristic Function: A Minmax Perspective",
    "CVPR 2025",
)


@dataclass(frozen=True)
class CharacteristicFunction:
    r"""Match the distribution of each class's features, by their characteristic function.

    With :math:`\Phi(t)` the mean of :math:`e^{i t \cdot x}` over the features :math:`x` of a class,
    each divided by its norm, the scalar is ``weight`` times the mean, over classes and over normal
    deviates :math:`t`, of

    .. math:: \sqrt{a (|\Phi_r| - |\Phi_s|)^2
              + 2 p (|\Phi_r| |\Phi_s| - \mathrm{Re} \Phi_r \overline{\Phi_s})}

    where :math:`r` are real images, :math:`s` synthetic ones. Features are those of a network
    between the weights that an original model set out from and those it came to, at a share of the
    way that is drawn for each update, as the model is.

    Attributes:
        frequencies: deviates :math:`t`, which classes share; of those that are learned two or more.
        amplitude: :math:`a`, of how far the moduli are apart.
        phase: :math:`p`, of how far the angles are.
        weight: of the mean distance.
        learned: whether a network makes the frequencies, and climbs the distance by them.
        lr_frequencies: learning rate of that network, plain SGD.
    """

    frequencies: int = 1024
    amplitude: float = 0.5
    phase: float = 0.5
    weight: float = 300.0
    learned: bool = False
    lr_frequencies: float = 1e-3

    def __post_init__(self) -> None:
        truth(learned=self.learned)
        whole(2 if self.learned else 1, frequencies=self.frequencies)  # normalised by their batch
        not_negative(amplitude=self.amplitude, phase=self.phase)
        if not self.amplitude + self.phase:
            raise InputError("`amplitude` and `phase` are both 0, which leaves nothing to match")
        positive(weight=self.weight, lr_frequencies=self.lr_frequencies)

    def network(self, task: Task, step: int, last: Network | None, synthetic: ImageSet) -> Network:
        """Return a network between two ends of an original model, with frequencies to look at.

        Neither the network of the update before nor the images have a part in it.
        """
        del last, synthetic
        return self.lens(task, step)

    def lens(self, task: Task, step: int, sampler: Sampler | None = None) -> Lens:
        """Return the same, with frequencies that a sampler makes of what is drawn."""
        key = task.key.at("network", step)
        member, between = interpolated(task, key=key)
        shape = self.frequencies, _width(between, member.domain)
        drawn = torch.randn(shape, generator=key.at("frequencies").generator())
        noise = moved(drawn, task.real.images.device)
        made = noise if sampler is None else sampler(noise)
        return Lens(between, task.real.domain, member.domain, made)

    def loss(
        self, task: Task, step: int, memory: Sampler | None, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, Sampler | None]:
        """Return the distance from a new draw of real images, and what makes frequencies.

        The network that makes them goes up the gradient at the images as they stand.
        """
        scale = self.weight / sum(count > 0 for count in synthetic.counts)
        if not self.learned:
            found, _ = matched(self, task, step, None, synthetic, key=key)
            return scale * found, None
        memory = memory or _sampler(task, task.build(key=task.key))
        found, lens = matched(_Following(self, memory), task, step, None, synthetic, key=key)
        memory.climb(_lens(lens), scale * self.lr_frequencies)
        return scale * found, memory

    def recall(self, task: Task, tensors: Mapping[str, Tensor]) -> Sampler | None:
        """Return what makes frequencies, with these weights; None where nothing does."""
        if self.learned != bool(tensors):
            raise RuntimeError("frequencies are learned by one and not by the other")
        if not tensors:
            return None
        sampler = _sampler(task, task.build(key=task.key))
        sampler.load_state_dict(dict(tensors))
        return sampler

    def match(self, network: Network, real: ByClass, synthetic: ByClass, *, route: Route) -> Tensor:
        """Return the mean distance over frequencies, summed over classes.

        Where frequencies are learned their gradient is left with the lens.
        """
        lens = _lens(network)
        target = self.target(lens, real, route=route)
        if not lens.frequencies.requires_grad:
            return self.distance(lens, target, synthetic, route=route)
        alone = ByClass(synthetic.images.detach().requires_grad_(), synthetic.counts)
        found = self.distance(lens, target, alone, route=route)
        slope, climb = torch.autograd.grad(found, [alone.images, lens.frequencies])
        lens.slopes.append(climb)
        return sloping(found.detach(), {synthetic.images: slope})

    def target(self, network: Network, real: ByClass, *, route: Route) -> Tensor:
        """Return the ``(K, 2, T)`` characteristic functions of the real images."""
        lens = _lens(network)
        return lens.of(route.over(features, lens.whole, lens.shown(real.images)), real.counts)

    def distance(
        self, network: Network, target: Tensor, synthetic: ByClass, *, route: Route
    ) -> Tensor:
        """Return the distance from those of the real images."""
        lens = _lens(network)

        def see(images: Tensor) -> Tensor:
            return route.exact.run(features, lens.whole, lens.shown(images))

        found = lens.of(route.in_turns(see, synthetic.images, lens.whole), synthetic.counts)
        if not all(synthetic.counts):  # one by one: a GPU would wait for a list of rows
            here = [k for k, count in enumerate(synthetic.counts) if count]
            target, found = (torch.stack([one[k] for k in here]) for one in (target, found))
        weights = {"amplitude": self.amplitude, "phase": self.phase}
        return characteristic_distance(target, found, **weights).sum()


class Lens(Network):
    """A network, and the frequencies at which the distribution of its features is looked at.

    Attributes:
        whole: the network.
        here: domain of the images.
        there: of those that the network is to be shown.
        made: ``(T, D)`` frequencies; where they are learned, a result of what made them.
        frequencies: the same, as a leaf.
        slopes: gradients of distances in them, where they are learned.
    """

    def __init__(self, whole: Network, here: Domain, there: Domain, made: Tensor) -> None:
        nn.Module.__init__(self)
        self.whole, self.here, self.there, self.made = whole, here, there, made
        self.frequencies = made.detach().requires_grad_(made.requires_grad)
        self.slopes: list[Tensor] = []

    def embed(self, images: Tensor) -> Tensor:
        """Return the network's features."""
        return features(self.whole, self.shown(images))

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's logits."""
        return logits(self.whole, self.shown(images))

    def shown(self, images: Tensor) -> Tensor:
        """Return images normalised as the network was trained on them."""
        if (self.here.mean, self.here.std) == (self.there.mean, self.there.std):
            return images
        return convert(ready(images), self.here, self.there)

    def of(self, seen: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the ``(K, 2, T)`` characteristic functions of features, each by its norm.

        That of an absent class is zero.
        """
        at = self.frequencies
        parts = F.normalize(seen, dim=1).split(list(counts))
        nothing = at.new_zeros(2, len(at))
        return torch.stack([characteristic(part, at) if len(part) else nothing for part in parts])


class Sampler(nn.Module):
    """Makes frequencies of noise: adds to it what three layers make of it, at first nothing.

    Attributes:
        layers: between them noise is normalised by its batch, as it always is.
    """

    HIDDEN = 256

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = [width, self.HIDDEN, self.HIDDEN]
        hidden = [
            layer
            for before, after in pairwise(sizes)
            for layer in (
                nn.Linear(before, after),
                nn.BatchNorm1d(after, track_running_stats=False),
                nn.ReLU(),
            )
        ]
        last = nn.Linear(self.HIDDEN, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*hidden, last)

    def forward(self, noise: Tensor) -> Tensor:
        """Return ``(T, D)`` frequencies of as much noise."""
        cores.needed()
        return noise + self.layers(noise)

    @torch.no_grad()
    def climb(self, lens: Lens, lr: float) -> None:
        """Go up the distances that were found at the frequencies of a lens."""
        weights, slope = list(self.parameters()), torch.stack(lens.slopes).sum(0)
        for weight, up in zip(weights, torch.autograd.grad(lens.made, weights, slope), strict=True):
            weight.add_(up, alpha=lr)


@dataclass(frozen=True)
class _Following:
    # Of which no targets are held: what is asked of real images follows from synthetic ones.
    method: CharacteristicFunction
    sampler: Sampler

    def network(self, task: Task, step: int, last: Network | None, synthetic: ImageSet) -> Network:
        del last, synthetic
        return self.method.lens(task, step, self.sampler)

    def match(self, network: Network, real: ByClass, synthetic: ByClass, *, route: Route) -> Tensor:
        return self.method.match(network, real, synthetic, route=route)


def _lens(network: Network) -> Lens:
    if not isinstance(network, Lens):
        raise InputError("characteristic functions are compared through a Lens, see `network`")
    return network


def _sampler(task: Task, network: Network) -> Sampler:
    key, device = task.key.at("sampler"), task.real.images.device
    with key.scope():
        return Sampler(_width(network, task.real.domain)).to(device)


def _width(network: Network, domain: Domain) -> int:
    # Of its features: an image by itself is no batch to normalise by.
    place = next(network.parameters()).device
    with torch.no_grad(), evaluating(network):
        return features(network, torch.zeros(1, *domain.shape, device=place)).shape[1]


@METHODS.register("NCFM")
def published(ipc: int) -> Published:
    """Return settings for small machines; see the top of this file for the published ones."""
    whole(ipc=ipc)
    return Published(
        CharacteristicFunction(),
        updates=20_000,
        optimisers={"images": Adam(0.02)},
        init="real",
        augmented=True,
        protocol="dsa",
        parametrisation=Tiles(2),
        needs=frozenset({"ends"}),
        clom=1.0,
        papers=(PAPER,),
    )
