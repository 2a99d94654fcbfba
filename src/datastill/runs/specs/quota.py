"""How many synthetic images each class gets, as a person says it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datastill.base.errors import InputError, of_kind, positive, suggestion
from datastill.base.registry import folded
from datastill.base.wording import counted, quoted

if TYPE_CHECKING:
    from datastill.data import ImageSet

REST, PROPORTIONAL = "rest", "proportional"
PART = re.compile(r'(?:"([^"]+)"|([^,"]*))=([^,=]*)(?:,|$)')
PARTS = re.compile(f"(?:{PART.pattern})+(?<!,)")
LONGEST = 40
"""Letters of a folder's name that spell a quota out."""


@dataclass(frozen=True)
class Quota:
    """What somebody says of it.

    Attributes:
        text: as it was typed.
        each: images of every class; None where classes differ.
        named: images of some classes, by name.
        rest: images of each class that is not named.
        total: images of all classes together, in proportion to the real ones.
    """

    text: str
    each: int | None = None
    named: Mapping[str, int] = field(default_factory=dict[str, int])
    rest: int | None = None
    total: int | None = None

    @property
    def label(self) -> str:
        """The quota as part of a folder's name."""
        if self.each is not None:
            return str(self.each)
        spelled = re.sub(r"[^\w.-]+", "-", self.text)
        digest = hashlib.blake2b(self.text.encode(), digest_size=4).hexdigest()
        if len(spelled) > LONGEST:
            return f"mixed-{digest}"
        whole = re.fullmatch(r"[\w.,=: -]+", self.text)  # nothing is lost that tells two apart
        return spelled if whole else f"{spelled.strip('-')}-{digest}"

    def counts(self, real: ImageSet) -> int | tuple[int, ...]:
        """Return one number for all classes, or one for each.

        Raises:
            InputError: for names that are no classes, classes without a number, or a total that
                cannot be shared out.
        """
        if self.each is not None:
            return self.each
        if self.total is not None:
            return shared(self.total, real.counts)
        classes = real.domain.classes
        found = {_class(name, classes): count for name, count in self.named.items()}
        if len(found) < len(self.named):
            raise InputError(f"`ipc={self.text!r}` names a class twice")
        missing = [name for name in classes if name not in found]
        if self.rest is not None and REST in missing and len(missing) > 1:
            raise InputError(
                f"`ipc={self.text!r}`: {REST}={self.rest} may be the class {REST!r} or all others; "
                f'of the class say "{REST}"=N, in double quotes'
            )
        if missing and self.rest is None:
            raise InputError(
                f"`ipc={self.text!r}` says nothing of {missing[0]!r}"
                f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}; "
                f"for all others add {REST}=N"
            )
        counts = tuple(found.get(name, self.rest or 0) for name in classes)
        if not any(counts):
            raise InputError(f"`ipc={self.text!r}` asks for no images")
        return counts


def parse(ipc: int | str) -> Quota:
    """Read ``10``, ``cat=5,dog=20``, ``cat=5,rest=10`` or ``proportional:500``.

    A name in double quotes may hold commas, and is the class ``rest`` where it says so.

    Raises:
        InputError: for anything else.

    >>> parse("cat=5,rest=10").rest
    10
    >>> parse('"cat, dog"=5,"rest"=1').named
    {'cat, dog': 5, 'rest': 1}
    """
    of_kind((int, str), "a number of images, or text that says them class by class", ipc=ipc)
    if isinstance(ipc, int):
        positive(ipc=ipc)
    text = str(ipc).strip()
    if re.fullmatch(r"[+-]?\d{1,9}", text):
        if int(text) < 1:
            raise InputError(f"`ipc` must be above zero, found {text}")
        return Quota(text, each=int(text))
    kind, colon, number = text.partition(":")
    if colon and folded(kind) == PROPORTIONAL:
        return Quota(text, total=_number(number, text))
    named: dict[str, int] = {}
    rest: int | None = None
    for part in PART.findall(text) if PARTS.fullmatch(text) else [("", "", "")]:
        marked, name, number = part
        if not marked and name.strip() == REST and rest is None:
            rest = _number(number, text)
            continue
        called = marked or name.strip()
        if not called or called in named or (not marked and called == REST):
            raise InputError(
                f"`ipc` is a number, CLASS=N,CLASS=N,{REST}=N or {PROPORTIONAL}:N, not "
                f"{quoted(text)}; the name of a class with a comma goes into double quotes"
            )
        named[called] = _number(number, text)
    return Quota(text, named=named, rest=rest)


def shared(total: int, have: Sequence[int]) -> tuple[int, ...]:
    """Share a number of images out among classes, in proportion to the images that they have.

    Each class with images gets at least one and at most what it has; the largest remainders are
    rounded up.

    Raises:
        InputError: for a total below the number of classes or above the number of images.

    >>> shared(10, (60, 30, 3))
    (6, 3, 1)
    """
    least, most = sum(n > 0 for n in have), sum(have)
    if not least <= total <= most:
        raise InputError(
            f"`ipc='{PROPORTIONAL}:{total}'`: {least} classes of {most} images can share "
            f"{least} to {most}"
        )
    ideal = [total * n / most for n in have]
    counts = [min(n, max(1, int(share))) for n, share in zip(have, ideal, strict=True)]
    while sum(counts) < total:
        open_classes = [k for k, n in enumerate(have) if counts[k] < n]
        counts[max(open_classes, key=lambda k: ideal[k] - counts[k])] += 1
    while sum(counts) > total:
        full_classes = [k for k, count in enumerate(counts) if count > 1]
        counts[max(full_classes, key=lambda k: counts[k] - ideal[k])] -= 1
    return tuple(counts)


def nominal(counts: int | Sequence[int]) -> int:
    """Return the number of images per class by which published settings are looked up: the mean.

    >>> nominal((1, 2, 30, 0))
    11
    """
    if isinstance(counts, int):
        return counts
    present = [count for count in counts if count]
    return max(1, round(sum(present) / len(present)))


def in_words(counts: Sequence[int]) -> str:
    """Say how many images the classes get.

    >>> in_words((1, 1)), in_words((2, 5, 5))
    ('1 image for each of 2 classes', '12 images, 2 to 5 for each of 3 classes')
    """
    each = f"for each of {counted(len(counts), 'class')}"
    if min(counts) == max(counts):
        return f"{counted(counts[0], 'image')} {each}"
    return f"{counted(sum(counts), 'image')}, {min(counts)} to {max(counts)} {each}"


def _class(name: str, classes: Sequence[str]) -> str:
    if name in classes:
        return name
    alike = [known for known in classes if folded(known) == folded(name)]
    if len(alike) != 1:
        raise InputError(f"`ipc`: no class named {name!r}; {suggestion(name, classes[:20])}")
    return alike[0]


def _number(number: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", number.strip()):
        raise InputError(f"`ipc={quoted(text)}`: {quoted(number.strip())} is no number of images")
    return int(number)
