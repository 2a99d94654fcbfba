"""What a process imports of which workers are copies, and whose memory they share."""

import gc
import sys
from contextlib import suppress
from importlib import import_module

from datastill.runs.executors.beginning import imported, leave_signals

LATE = ("torch._dynamo",)
"""What PyTorch imports with the first step of an optimiser: sympy with it, 70 MiB together."""

if any("multiprocessing.forkserver" in word for word in sys.orig_argv):  # not where tests look
    leave_signals()
with suppress(Exception):  # what cannot be imported every worker tells
    imported()
    from datastill.base.machine import give_back_memory
    from datastill.runs.conduct.above import PIECES, VERBS

    homes = {module for module, _ in (*VERBS.values(), *PIECES.values())}
    for name in (*LATE, *(f"datastill.runs.{home}" for home in sorted(homes))):
        import_module(name)
    gc.collect()
    gc.freeze()  # a collector that looks at all objects would write to the memory of each
    give_back_memory()
