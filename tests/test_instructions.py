"""Which set of instructions the kernels use, and where: as asked, and in no other thread."""

import threading

import pytest
import torch
from torch import nn

from datastill.base import machine
from datastill.compute import kernels
from datastill.compute.kernels.instructions import ASKED, available, choosing
from datastill.compute.kernels.source import AVX2, AVX512, NEON
from datastill.networks.base.network import Network, passing


def having(monkeypatch: pytest.MonkeyPatch, where: str, *words: str) -> None:
    """Let the machine be another."""
    monkeypatch.setattr("platform.machine", lambda: where)
    monkeypatch.setattr(machine, "features", lambda: frozenset(words))


def test_a_processor_gets_what_it_and_its_system_have(monkeypatch: pytest.MonkeyPatch) -> None:
    having(monkeypatch, "x86_64", *AVX512.needs, "sse2")
    assert available() == (AVX512, AVX2)
    having(monkeypatch, "x86_64", "avx2", "fma")
    assert available() == (AVX2,)
    having(monkeypatch, "x86_64", "avx512f", "avx2", "fma")  # of the first kind, without the rest
    assert available() == (AVX2,)
    having(monkeypatch, "aarch64", "fp", "asimd")
    assert available() == (NEON,)
    for where, words in (("x86_64", "sse2 avx2"), ("aarch64", "fp"), ("riscv64", "avx2 fma")):
        having(monkeypatch, where, *words.split())
        assert available() == ()
        with choosing(""):
            assert "this processor has none of them" in kernels.missing()
            assert kernels.instructions() == ""


def test_what_was_asked_for_is_told_where_it_is_not_to_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    having(monkeypatch, "x86_64", "avx2", "fma")
    for name, told in (
        ("avx512", f"{ASKED} asks for avx512, and this processor has avx2"),
        ("sse9", f"{ASKED} asks for 'sse9', which is none of avx512, avx2, neon"),
    ):
        monkeypatch.setenv(ASKED, name)
        assert kernels.missing() == told
        assert kernels.instructions() == ""


def test_interleaved_threads_leave_nothing_switched_on() -> None:
    """Two blocks whose ends come in the order of their beginnings, in two threads."""
    seen = list[str]()

    def through(name: str) -> None:
        with passing(lambda body, images: (seen.append(name), body(images))[1]):
            entered[name].set()
            leave[name].wait(60)
            network.embed(images)

    network, images = Network(nn.Identity(), nn.Identity()), torch.zeros(1, 1)
    entered = {name: threading.Event() for name in "ab"}
    leave = {name: threading.Event() for name in "ab"}
    threads = {name: threading.Thread(target=through, args=name) for name in "ab"}
    for name in "ab":
        threads[name].start()
        assert entered[name].wait(60)
        network.embed(images)
    assert not seen
    for name in "ab":
        leave[name].set()
        threads[name].join(60)
        network.embed(images)
    assert seen == ["a", "b"]
