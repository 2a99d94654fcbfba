"""The one error that a person can put right, and the words for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something that was asked for cannot be done as asked.

    The message is one line: what was found, what was expected and, for a name, the nearest one.
    The command line prints it and exits with code 2.
    """


def suggestion(name: str, names: Iterable[str]) -> str:
    """Say which of ``names`` was probably meant, or what there is to choose from.

    >>> suggestion("DN", ["DC", "DSA", "DM"])
    "did you mean 'DM'?"
    >>> suggestion("xylophone", ["DC", "DSA"])
    'choose from DC, DSA'
    """
    known = {candidate.casefold(): candidate for candidate in names}
    near = difflib.get_close_matches(name.casefold(), sorted(known, reverse=True), n=1, cutoff=0.5)
    return (
        f"did you mean {known[near[0]]!r}?" if near else f"choose from {', '.join(known.values())}"
    )


def reason(error: Exception) -> str:
    r"""Return the first line of what another error says, or its kind where it says nothing.

    >>> reason(RuntimeError("shapes differ\n  at line 3")), reason(TimeoutError())
    ('shapes differ', 'TimeoutError')
    """
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


LIBRARIES = {
    "hf": "datasets>=4",
    "transformers": "transformers>=5",
    "tensorboard": "tensorboard>=2.16",
    "trackio": "trackio>=0.4",
}
"""What the extras of the package are made of."""


def installing(extra: str) -> str:
    """Say how to install what an extra needs: from any index, wherever datastill came from.

    >>> installing("hf")
    "pip install 'datasets>=4'"
    """
    return f"pip install '{LIBRARIES[extra]}'"
