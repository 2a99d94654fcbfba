"""Choose how networks are run by measuring: seconds, once for each machine and architecture."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F

from datastill import kernels, machine
from datastill.data import Domain
from datastill.networks import Network, build
from datastill.rng import Key
from datastill.route import CHUNK_PIXELS, Route, logits

IMAGES = 128
"""A training step on so many images of 28x28 pixels, or as many pixels, is what is timed."""

SIZES = (32, 128)
"""Images of 28x28 pixels in a chunk."""

BUDGET = 5.0
"""Seconds after which no further candidate is tried."""

ROUNDS = 3
GAIN = 0.8
"""Another route than the default must take less than this share of its time, at its best: clocks
waver, and a default that all machines share is worth something."""

MEMORY = "routes"


@dataclass(frozen=True)
class Choice:
    """A route, and the seconds that a training step took by it and by others.

    Attributes:
        route: the fastest, or the default where nothing is clearly faster.
        seconds: by each route that was tried, the least of a few times.
        images: in the step.
        measured: whether that was now, or is remembered.
    """

    route: Route
    seconds: dict[str, float]
    images: int
    measured: bool


def fastest(model: str, domain: Domain, device: torch.device | str = "cpu") -> Choice:
    """Return the fastest route for an architecture and images of a domain, on this machine.

    No candidate lowers the precision. What was measured once is remembered, see ``machine``: the
    same command takes the same route, and gives the same bits, from then on.

    Args:
        model: see ``networks.build``.
        domain: of the images.
        device: where.
    """
    name = _address(model, domain, device)
    kept: Any = machine.recalled(MEMORY).get(name)
    with contextlib.suppress(KeyError, TypeError):
        return Choice(Route(**kept["route"]), kept["seconds"], kept["images"], measured=False)
    choice = _measured(build(model, domain, key=Key(0)).to(device), domain, device)
    machine.remember(
        MEMORY,
        **{
            name: {
                "route": asdict(choice.route),
                "seconds": choice.seconds,
                "images": choice.images,
                "of": f"{model}, {'x'.join(map(str, domain.shape))}",
            }
        },
    )
    return choice


def candidates(domain: Domain, device: torch.device | str) -> dict[str, Route]:
    """Return what is tried, the default first."""
    height, width = domain.shape[1:]
    if torch.device(device).type != "cpu":
        plain = Route(kernels=False)
        return {"plain": plain, "channels last": replace(plain, channels_last=True)}
    found = {"default": Route()}
    for size in SIZES:
        chunk = max(1, size * 28 * 28 // (height * width))
        plain = Route(chunk, kernels=False)
        found[f"plain, {chunk} at once"] = plain
        found[f"channels last, {chunk} at once"] = replace(plain, channels_last=True)
        if not kernels.missing() and chunk * height * width != CHUNK_PIXELS:
            found[f"kernels, {chunk} at once"] = Route(chunk)
    return found


def _measured(network: Network, domain: Domain, device: torch.device | str) -> Choice:
    started, (height, width) = time.perf_counter(), domain.shape[1:]
    count = max(2, IMAGES * 28 * 28 // (height * width))
    images = torch.randn(count, *domain.shape, generator=Key(1).generator()).to(device)
    routes = candidates(domain, device)
    default, best = next(iter(routes)), dict[str, float]()
    for turn in range(1 + ROUNDS):  # the first of them warms up
        for name, route in routes.items():
            late = time.perf_counter() - started > BUDGET
            slow = turn > 0 and best.get(name, 0.0) > 2 * min(best.values(), default=0.0)
            if name == default or not (late or slow):
                found = _seconds(network, images, route)
                best[name] = min(found, best.get(name, found))
    winner = min(best, key=lambda name: best[name])
    chosen = routes[winner if best[winner] < GAIN * best[default] else default]
    return Choice(chosen, {name: round(value, 4) for name, value in best.items()}, count, True)


def _seconds(network: Network, images: torch.Tensor, route: Route) -> float:
    started = time.perf_counter()
    network.zero_grad(set_to_none=True)
    for chunk, count in route.split(images, network):
        said = route.run(logits, network, chunk)[:count]
        F.cross_entropy(said, said.detach().argmax(1)).backward()
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - started


def _address(model: str, domain: Domain, device: torch.device | str) -> str:
    place = torch.device(device)
    where = torch.cuda.get_device_name(place) if place.type == "cuda" else machine.processor()
    parts: Sequence[Any] = (
        *(where, torch.get_num_threads(), torch.__version__, kernels.missing()),
        *(model, domain.shape, len(domain.classes), SIZES, IMAGES),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
