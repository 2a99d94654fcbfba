"""What carries out pieces of a run elsewhere: shaped like ``concurrent.futures``, no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Future(Protocol):
    """Work that was handed over."""

    def done(self) -> bool:
        """Tell whether it has ended, well or not."""
        ...

    def result(self) -> Any:
        """Return what came of it, or raise what it raised."""
        ...

    def cancel(self) -> Any:
        """Ask that it does not begin, if it has not."""
        ...


class Executor(Protocol):
    """Hands work over to threads, processes or machines.

    Those of the standard library are of this shape, and so are Dask's (``client.get_executor()``),
    loky's and submitit's.
    """

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future:
        """Have a function called with some arguments, somewhere, some time.

        Args:
            function: one that a module has under its name.
            args: of it, which can be pickled.
        """
        ...
