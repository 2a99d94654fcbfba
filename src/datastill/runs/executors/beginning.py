"""What a process does before it works: it imports all that it needs, and ends with its parent.

Signals are the parent's: a terminal, or a system that ends a job, sends them to every process, and
a worker that ended by itself would lose what is under way.
"""

# Nothing is imported here but what every Python has: what cannot be imported is told, in one line.
import os
import signal
import threading
from importlib import import_module
from multiprocessing import parent_process

NEEDED = "datastill.runs.executors.tasks"


def begin(environment: "dict[str, str]") -> None:
    """Leave signals to the parent, and end when that has ended, however it did.

    Args:
        environment: of the parent, as it is to be here: a copy of a process has that of another.
    """
    os.environ.clear()
    os.environ.update(environment)
    leave_signals()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def leave_signals() -> None:
    """Ignore what the parent heeds, which asks this process on the board."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def imported() -> None:
    """Import what is needed."""
    import_module(NEEDED)


def ready(threads: int) -> "tuple[int, str]":
    """Import what is needed, and compute by so many threads.

    Returns:
        The number of this process, and in one line why it cannot work: nothing if it can.
    """
    try:
        imported()
        import torch

        torch.set_num_threads(threads)
    except Exception as error:
        said = str(error).splitlines() or [""]
        return os.getpid(), f"{type(error).__name__}: {said[0]}"
    return os.getpid(), ""


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
