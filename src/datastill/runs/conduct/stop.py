"""Asking a run to stop where it can be taken up again; Ctrl-C and SIGTERM as such requests."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from datastill.base.signals import handled, importing, leave, words
from datastill.base.streams import tell


class Stopped(BaseException):
    """A run was asked to stop, and did, where it can be taken up.

    No ``Exception``: libraries that swallow those leave it alone.
    """


class StopRequest:
    """Asks a run to stop. Any thread, or an observer, may make the request.

    >>> stop = StopRequest()
    >>> stop.request()
    >>> stop.requested
    True
    """

    def __init__(self) -> None:
        self._made = False

    @property
    def requested(self) -> bool:
        """Whether it was made."""
        return self._made

    def request(self) -> None:
        """Ask for it."""
        self._made = True

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


class Signalled(Stopped):
    """The person, or the system, wants all to end.

    Attributes:
        code: the exit code that says by which signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(words(number))
        self.code = 128 + number


class Signals(StopRequest):
    """A request to stop that Ctrl-C and SIGTERM make, in a program as on the command line.

    A first signal is heeded where the run can be taken up again, and a line on stderr says so; a
    second one stops at once. Both raise ``Signalled``, which is a ``Stopped``.

    Attributes:
        number: of the signal.
    """

    def __init__(self) -> None:
        super().__init__()
        self.number: int | None = None

    def raise_if_requested(self) -> None:
        """See ``StopRequest``."""
        if self.number is not None:
            raise Signalled(self.number)
        super().raise_if_requested()

    @contextmanager
    def heeded(self, when: str) -> Generator[None]:
        """Note a first signal, for who looks at this request; a second one stops at once."""

        def note(number: int, _: Any) -> None:
            if self.requested:
                raise Signalled(number)
            self.number = number
            self.request()
            tell(f"stopping {when}; once more stops at once")

        with handled(note):
            yield


@contextmanager
def stoppable() -> Generator[None]:
    """Raise ``Signalled`` where a signal arrives, and no run that can be taken up is at work.

    While a module is imported the process ends at once instead: libraries swallow exceptions there,
    or go on half-loaded. No file is being written then, and the system lets go of locks.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        if importing(frame):
            leave(number)
        raise Signalled(number)

    with handled(stop):
        yield
