"""How much more memory something holds at its peak than was held before it."""

from __future__ import annotations

import threading
from types import TracebackType

import torch

from datastill.base.machine import resident

EVERY = 0.002
"""Seconds between two looks at what a process holds."""


class Peak:
    """Watches the memory of a device while something runs.

    Of a GPU PyTorch tells it. Of a CPU a thread looks at what the process holds, every now and
    then, where the system tells that.

    Attributes:
        bytes: at the peak, more than before; None where it cannot be told.
    """

    def __init__(self, device: torch.device) -> None:
        self.bytes: float | None = None
        self._device = device
        self._before, self._most = 0, 0
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Peak:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
        elif (held := resident()) is not None:
            self._before = self._most = held
            self._looking.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._device.type == "cuda":
            self.bytes = float(torch.cuda.max_memory_allocated(self._device) - self._before)
        elif self._looking.ident is not None:
            self._over.set()
            self._looking.join()
            self.bytes = float(self._most - self._before)

    def _look(self) -> None:
        while True:
            self._most = max(self._most, resident() or 0)
            if self._over.wait(EVERY):
                return
