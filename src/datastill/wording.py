"""Words for what a person reads."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Say how many there are.

    >>> counted(1, "image"), counted(0, "network"), counted(20_000, "update")
    ('1 image', '0 networks', '20000 updates')
    """
    return f"{number} {noun}{'s' * (number != 1)}"
