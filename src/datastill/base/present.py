"""What can be asked of a loop until its next step: later it would tell of two steps at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from datastill.base.errors import InputError

T = TypeVar("T")


class Present:
    """The step at which a loop is.

    >>> loop = Present("epoch")
    >>> first = loop.only(1, lambda: "the state after the first")
    >>> first()
    'the state after the first'
    >>> loop.ends()
    >>> first()
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: epoch 1 is over: ask for its state before the next begins
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = 0

    def ends(self) -> None:
        """Say that what was handed out so far can be asked no more: the next step begins."""
        self.ended += 1

    def only(self, step: int, make: Callable[[], T]) -> Callable[[], T]:
        """Return ``make`` as a function that is refused once the present step is over.

        Args:
            step: the number of the step, for the message.
            make: reads what the next step will change.
        """
        then = self.ended

        def asked() -> T:
            if self.ended != then:
                raise InputError(
                    f"{self.name} {step} is over: ask for its state before the next begins"
                )
            return make()

        return asked
