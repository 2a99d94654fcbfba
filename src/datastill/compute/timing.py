"""Time training steps of a network by several ways, and ask which is the fastest."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from datastill.base import machine
from datastill.base.rng import Key
from datastill.compute import cores, kernels, measuring
from datastill.networks.base.network import signature

TRIAL_PIXELS = 128 * 28 * 28
"""Pixels of the images that a training step is timed on, if time allows."""
GPU_TRIAL_PIXELS = 512 * 28 * 28
"""The same on a GPU, whose time for fewer is the CPU's for starting what it computes."""

Way = Callable[[nn.Module, Tensor], Iterable[Tensor]]
"""Passes ``(N, C, H, W)`` images through a network and yields what it says of them, in chunks."""


def choose(
    network: nn.Module,
    shape: Sequence[int],
    device: torch.device,
    ways: Mapping[str, Way],
    *,
    built: str = "",
) -> measuring.Answer:
    """Return which way is the fastest, measured now if nobody has before.

    Args:
        network: is copied, and left as it is.
        shape: of an image, ``(C, H, W)``.
        device: where.
        ways: by name, the usual one first. One that is called as another and more, behind a comma,
            is a finer form of it, which is tried if that one is the fastest.
        built: the instructions that kernels are built for, empty without kernels.
    """
    question = _question(network, shape, device, list(ways), built)
    found = measuring.known(question, list(ways))
    if found is not None:
        return found
    cores.needed()  # which way is the fastest depends on them
    count = max(2, _pixels(device) // (shape[1] * shape[2]))
    # Whoever asks first may do so where nothing is differentiated.
    with torch.inference_mode(mode=False), torch.enable_grad(), Key(0).scope():  # own may draw
        images = torch.randn(count, *shape, generator=Key(1).generator()).to(device)
        ready = copy.deepcopy(network).train().requires_grad_(True)
        steps = {name: partial(_seconds, ready, images, way) for name, way in ways.items()}
        return measuring.answer(
            question,
            {name: step for name, step in steps.items() if "," not in name},
            most=count,
            finer=lambda way: {name: s for name, s in steps.items() if name.split(",")[0] == way},
        )


def synchronise(device: torch.device) -> None:
    """Wait for what a device was asked to compute."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _question(
    network: nn.Module, shape: Sequence[int], device: torch.device, ways: list[str], built: str
) -> measuring.Question:
    where = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else machine.processor(),
        cores.given(),
        torch.__version__,
    )
    name = getattr(network, "name", "") or type(network).__name__
    parts: tuple[Any, ...] = (*where, tuple(shape), signature(network), _pixels(device), ways)
    if built:  # kernels that are built from another source are other kernels
        parts = (*parts, kernels.build())
    return measuring.Question(f"{name} on {'x'.join(map(str, shape))}", built, parts)


def _pixels(device: torch.device) -> int:
    return TRIAL_PIXELS if device.type == "cpu" else GPU_TRIAL_PIXELS


def _seconds(network: nn.Module, images: Tensor, way: Way, count: int) -> float:
    # Of a training step on so many images.
    started = time.perf_counter()
    network.zero_grad(set_to_none=True)
    for said in way(network, images[:count]):
        said.float().square().mean().backward()
    synchronise(images.device)
    return time.perf_counter() - started
