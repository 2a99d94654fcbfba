"""The one error that a person can put right, and the words for it."""

from __future__ import annotations

import difflib
import errno
import inspect
import math
import operator
import os
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

from datastill.base.notebooks import of_error
from datastill.base.wording import one_line, shown


class InputError(ValueError):
    """Something that was asked for cannot be done as asked.

    The message is one line: what was found, what was expected and, for a name, the nearest one. The
    command line prints it and exits with code 2. Arguments are called by their names in
    Python, between backticks and with a value where one is meant: "`lr` must be above zero", "take
    `init='noise'`". The command line says the option that stands for each.

    Args:
        message: the line.
        typed: the line for the command line, where it is to say more than other names.
    """

    def __init__(self, message: str, *, typed: str | None = None) -> None:
        super().__init__(one_line(message))
        self.typed = one_line(typed or message)

    _render_traceback_ = of_error  # what a notebook shows of it


EMPTY = "is given an empty text; say what it takes, or leave it out"
"""What is said of a text or a path that is empty, as a variable of a shell that is not set is."""
LARGEST = 1e30
"""What a number may be at most: with room for what it is multiplied by in float32."""

LARGEST_WHOLE = 2**63 - 1
"""What a whole number may be at most: what one holds in a tensor."""
MOST = 100_000
"""Sets, networks and draws of a run at most: more are a mistake."""


def positive(**numbers: Any) -> None:
    """Refuse what is not a finite number above zero, to ``LARGEST``; None is none that was given.

    >>> positive(lr=float("nan"))
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: `lr` must be a finite number, found nan
    """
    for name, value in numbers.items():
        _not_endless(name, value)
        if value is not None and not (is_number(value) and value > 0):
            raise InputError(f"`{name}` must be above zero, found {told(value)}")
        _not_vast(name, value)


def not_negative(**numbers: Any) -> None:
    """Refuse arguments that are not finite numbers from zero on, to ``LARGEST`` at most."""
    for name, value in numbers.items():
        _not_endless(name, value)
        if not (is_number(value) and value >= 0):
            raise InputError(f"`{name}` must not be negative, found {told(value)}")
        _not_vast(name, value)


def _not_endless(name: str, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"`{name}` must be a finite number, found {told(value)}")
    if isinstance(value, int):  # of so many digits that it is no float
        _not_vast(name, value)


def _not_vast(name: str, value: Any) -> None:
    if value is not None and in_plain(value) > LARGEST:  # half a float knows no such number
        raise InputError(f"`{name}` must be at most {LARGEST:g}, found {told(value)}")


def countable(**numbers: Any) -> None:
    """Refuse numbers of things to be made of which nobody can mean so many."""
    for name, value in numbers.items():
        if in_plain(value) > MOST:
            raise InputError(f"`{name}` must be at most {MOST}, found {told(value)}")


def whole(least: int = 1, **numbers: Any) -> None:
    """Refuse arguments that are not whole numbers, ``least`` or more.

    >>> whole(ipc=10)
    >>> whole(ipc="10")
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: `ipc` must be a whole number, 1 or more, found '10'
    """
    for name, value in numbers.items():
        if not is_whole(value) or value < least:
            raise InputError(
                f"`{name}` must be a whole number, {least} or more, found {told(value)}"
            )
        if operator.index(value) > LARGEST_WHOLE:
            raise InputError(f"`{name}` must be at most 2**63 - 1, found {told(value)}")


def of_kind(kind: type | tuple[type, ...], wanted: str, **values: Any) -> None:
    """Refuse arguments of another kind.

    >>> of_kind(str, "the name of a model", model=None)
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: `model` must be the name of a model, found None
    """
    for name, value in values.items():
        if not isinstance(value, kind):
            raise InputError(f"`{name}` must be {wanted}, found {told(value)}")


def truth(**values: Any) -> None:
    """Refuse arguments that are not Python's True or False."""
    of_kind(bool, "True or False", **values)


def function(wanted: str, **values: Any) -> None:
    """Refuse arguments that cannot be called; a class is none, for an instance of it is meant.

    >>> function("a policy, such as dsa('flip')", policy="flip")
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: `policy` must be a policy, such as dsa('flip'), found 'flip'
    """
    for name, value in values.items():
        if not callable(value) or isinstance(value, type):
            raise InputError(f"`{name}` must be {wanted}, found {told(value)}")


def takes(function: Callable[..., Any], said: str, *args: Any, **named: Any) -> None:
    """Refuse a function that cannot be called with such arguments, as far as that can be seen.

    Args:
        function: any.
        said: what it is and has to take, for the message.
        args: of the kind that it will be given.
        named: likewise.
    """
    try:
        inspect.signature(function).bind(*args, **named)
    except TypeError as error:
        raise InputError(f"{said}: {error}") from None
    except ValueError:  # written in C, and silent about it
        return


def path_of(wanted: str, **paths: Any) -> None:
    """Refuse what is no path, an empty one, or one that no system has; None is none given.

    >>> path_of("the path of a file", path=3)
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: `path` must be the path of a file, found 3
    """
    for name, path in paths.items():
        of_kind((str, os.PathLike, type(None)), wanted, **{name: path})
        try:
            text = "" if path is None else os.fspath(path)
        except Exception:  # of a class of one's own
            text = None
        if not isinstance(text, str):
            raise InputError(f"`{name}` must be {wanted}, found {told(path)}")
        if path is not None and not text:
            raise InputError(f"`{name}` {EMPTY}")
        try:
            os.lstat(text)
        except ValueError as error:  # a zero byte
            raise InputError(f"`{name}` is no path: {error}") from None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise InputError(f"`{name}` is no path: its name is too long") from None


def in_plain_numbers(settings: object, *names: str) -> None:
    """Hold numbers of a frozen dataclass as Python's own: files and PyTorch take no others.

    What is none, or already Python's, stays as it is.
    """
    for name in names:
        value = getattr(settings, name)
        if value is not None:
            object.__setattr__(settings, name, in_plain(value))


def in_plain(number: Any) -> int | float:
    """Return a number of whatever type as Python's own.

    >>> import numpy
    >>> in_plain(numpy.float32(0.5)), in_plain(numpy.int8(3))
    (0.5, 3)
    """
    if type(number) in (int, float):
        return number
    return int(number) if is_whole(number) else float(number)


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number, of whatever type but a truth value."""
    try:
        return not (isinstance(value, str) or is_truth(value)) and math.isfinite(value)
    except Exception:  # what is no number says so in its own way
        return False


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number, of whatever type but a truth value."""
    try:
        operator.index(value)
        return not is_truth(value)
    except Exception:  # likewise
        return False


def is_truth(value: Any) -> bool:
    """Tell whether a value is true or false: Python's, or that of an array library.

    >>> is_truth(False), is_truth(0)
    (True, False)
    """
    return isinstance(value, bool) or str(getattr(value, "dtype", "")) in {"bool", "torch.bool"}


def told(value: Any) -> str:
    """Name a value in a few words: itself where it is short, or else what it is.

    >>> told(-1), told("x"), told(int), told([1] * 100)
    ('-1', "'x'", 'the class int', 'a list')
    """
    try:
        return shown(value)
    except Exception:  # what a person's own class says of itself can fail in any way
        return "a value that cannot be shown"


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


@contextmanager
def damaged(source: object, wanted: str = "", *, why: bool = True) -> Generator[None]:
    """Say of whatever goes wrong inside that a file is damaged: such can fail in any way.

    What the system refuses to read is told as that; an ``InputError`` stays as it is.

    Args:
        source: the file, or what it holds.
        wanted: what it may be none of, such as ``"no .npz file"``.
        why: whether the reason is told, in words of whatever reads it.

    >>> with damaged("a.npz", "no .npz file"):
    ...     raise ValueError("cannot reshape")
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: a.npz is damaged or no .npz file: cannot reshape
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"cannot read {source}: {error.strerror or error}") from None
        what = f" or {wanted}" if wanted else ""
        said = f": {reason(error)}" if why else ""
        raise InputError(f"{source} is damaged{what}{said}") from None
