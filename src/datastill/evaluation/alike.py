"""Networks that say the same class of every test image: nothing was learned, and it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from datastill.base.wording import counted, some


def says_one_class(right: Sequence[int], tested: Sequence[int]) -> bool:
    """Tell whether a network says the same class of every test image.

    Its accuracy is that class's share of these then: chance.

    Args:
        right: test images of each class that it labels correctly; nothing where an older version
            wrote it down.
        tested: test images of each class; likewise.

    >>> says_one_class((0, 10, 0), (10, 10, 10)), says_one_class((1, 10, 0), (10, 10, 10))
    (True, False)
    >>> says_one_class((10, 0), (10, 0)), says_one_class((), ()), says_one_class((), (10, 10))
    (False, False, False)
    """
    if not right or sum(count > 0 for count in tested) < 2:  # there is one answer
        return False
    named = [count == whole > 0 for count, whole in zip(right, tested, strict=True)]
    return any(named) and sum(count > 0 for count in right) == 1


class Judged(Protocol):
    """A network that was tested; see ``says_one_class``."""

    @property
    def right(self) -> Sequence[int]: ...
    @property
    def tested(self) -> Sequence[int]: ...


def tell_of_alike(networks: Iterable[tuple[str, Judged]], tell: Callable[[str], None]) -> None:
    """Tell how many networks learned nothing, and on which sets; of none nothing.

    Args:
        networks: the name of the set that each was trained on, and what it got right.
        tell: is given the line.
    """
    found = Counter(name for name, one in networks if says_one_class(one.right, one.tested))
    if not found:
        return
    where = some([f"{count} on {name}" for name, count in found.items()])
    one = sum(found.values()) == 1
    they, them, end = ("it", "it", "s") if one else ("they", "them", "")
    tell(
        f"{counted(sum(found.values()), 'network')} say{end} the same class of every test image "
        f"({where}): {they} learned nothing, and count{end} all the same; a lower learning rate or "
        f"another protocol may train {them}"
    )
