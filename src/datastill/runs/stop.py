"""Asking a run to stop where it can be taken up again."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass


class Stopped(BaseException):
    """A run was asked to stop, and did, where it can be taken up.

    No ``Exception``: libraries that swallow those leave it alone.
    """


@dataclass
class StopRequest:
    """Asks a run to stop. Any thread, or an observer, may make the request.

    Attributes:
        requested: whether it was made.

    >>> stop = StopRequest()
    >>> stop.request()
    >>> stop.requested
    True
    """

    requested: bool = False

    def request(self) -> None:
        """Ask for it."""
        self.requested = True

    def raise_if_requested(self) -> None:
        """Stop, if that was asked for.

        Raises:
            Stopped: then.
        """
        if self.requested:
            raise Stopped("stopped as asked")

    @contextmanager
    def heeded(self, when: str) -> Generator[None]:
        """Wrap work that looks at this request itself.

        Args:
            when: the words for when that is: "after this update, which is kept".
        """
        del when
        yield
