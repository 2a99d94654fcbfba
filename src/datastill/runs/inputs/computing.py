"""How to compute: the device, and the way that images take through networks there."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import Literal

import torch

from datastill.base.errors import InputError, reason
from datastill.compute import kernels
from datastill.compute.route import Route
from datastill.compute.tuning import fastest
from datastill.data import Domain
from datastill.runs.specs import ComputeSpec

COMPILERS = ("g++", "c++", "clang++")


def device_of(compute: ComputeSpec) -> str:
    """Return the device to use.

    Raises:
        InputError: when there is no such device.
    """
    if compute.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=compute.device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"cannot use `device={compute.device!r}`: {reason(error)}") from None
    return compute.device


def route_of(compute: ComputeSpec, model: str | None = None, domain: Domain | None = None) -> Route:
    """Return the way that images take through networks.

    Args:
        compute: what is asked for.
        model: architecture for which to find the fastest now, where the engine is ``auto``.
        domain: of the images that it takes; without either, that is found out for each network
            when it is used.

    Raises:
        InputError: when there is nothing to compile with, the kernels cannot serve, or the device
            has no such precision.
    """
    if compute.engine == "compiled" and not any(
        map(shutil.which, (os.environ.get("CXX", "g++"), *COMPILERS))
    ):
        raise InputError("`engine='compiled'` needs a C++ compiler, found no g++ or clang++")
    device = device_of(compute)
    precision = rounding_of(compute, device)
    if compute.engine == "kernels":
        _require_kernels(device, precision)
    measured = compute.engine == "auto" and precision != "bfloat16"
    if measured and model and domain:
        return replace(fastest(model, domain, device).route, precision=precision)
    return Route(
        kernels="auto" if measured else compute.engine == "kernels",
        compiled=compute.engine == "compiled",
        precision=precision,
    )


def rounding_of(compute: ComputeSpec, device: str) -> Literal["float32", "tf32", "bfloat16"]:
    """Return the precision to compute in on a device.

    Raises:
        InputError: when the device has no such arithmetic.
    """
    if compute.precision == "auto":
        return "float32" if device.startswith("cpu") else "tf32"
    if compute.precision == "tf32" and device.startswith("cpu"):
        raise InputError("`precision='tf32'` is for a GPU; a CPU has float32 and bfloat16")
    return compute.precision


def _require_kernels(device: str, precision: str) -> None:
    if not device.startswith("cpu"):
        raise InputError(f"`engine='kernels'` is for a CPU, not for {device}")
    if precision != "float32":
        raise InputError(f"`engine='kernels'` computes in float32, not {precision}")
    if kernels.missing():
        raise InputError(f"`engine='kernels'` cannot be used: {kernels.missing()}")
