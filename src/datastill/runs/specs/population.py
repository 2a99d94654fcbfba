"""A population of synthetic sets that really differ: what is to be made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

from datastill.base.errors import LARGEST, MOST, InputError, suggestion
from datastill.base.own_code import is_own
from datastill.base.wording import counted, quoted
from datastill.distillation.methods import METHODS, Published
from datastill.distillation.methods.base import Need
from datastill.training.coresets import CORESETS, needs_of, without_chance

NOISE = "noise"
"""Random real images that are mixed with noise, or noise alone."""


POPULATION = (
    "random",
    "herding",
    "k-means",
    "noise:0.5",
    *(
        f"{method}:{updates}{alpha}"
        for method, some, more in (("DM", 20, 100), ("DC", 5, 20), ("DSA", 5, 20))
        for updates in (some, more)
        for alpha in ("", ":10")
    ),
)
"""What a study is made of unless it is told otherwise: real images, spoilt ones, and methods that
had little time and more, with CLOM and without."""


@dataclass(frozen=True)
class Kind:
    """One way of making sets.

    Attributes:
        method: of distillation, a coreset, or ``noise``.
        updates: of a distillation.
        alpha: of CLOM in it, 0 for none.
        share: of noise.
    """

    method: str
    updates: int = 0
    alpha: float = 0.0
    share: float = 0.0

    def __str__(self) -> str:
        if self.method == NOISE:
            return f"{NOISE}-{self.share:g}"
        guided = f"-clom{self.alpha:g}" if self.alpha else ""
        method = self.method.replace(":", ".")  # it becomes part of paths
        return f"{method}-{self.updates}{guided}" if self.updates else method


def _parts(text: str) -> list[str]:
    # Code of one's own has a colon in its name: package.module:method:150:10. A module that bears
    # the name of a method is none of it: "DM:ten" is a mistake.
    module, colon, rest = text.partition(":")
    if module == NOISE or module in CORESETS or module in METHODS:
        return text.split(":")
    own, *numbers = rest.split(":")
    return [f"{module}:{own}", *numbers] if is_own(f"{module}{colon}{own}") else text.split(":")


def parse(text: str, ipc: int = 1) -> Kind:
    """Read a kind from what a person types.

    Args:
        text: the name of a coreset; ``noise`` or ``noise:SHARE`` with a share up to 1; or
            ``METHOD:UPDATES`` or ``METHOD:UPDATES:ALPHA``, such as ``DM:150:10``. Without an alpha
            a method has as much CLOM as is part of it.
        ipc: images per class, with which that may differ.

    Raises:
        InputError: for anything else.

    >>> parse("dm:150:10")
    Kind(method='DM', updates=150, alpha=10.0, share=0.0)
    >>> str(parse("NCFM:150")), str(parse("NCFM:150:0"))
    ('NCFM-150-clom1', 'NCFM-150')
    """
    name, *rest = _parts(text)
    try:
        numbers = [float(part) for part in rest]
    except ValueError:
        raise InputError(f"{quoted(text)}: what follows {quoted(name)} is no number") from None
    if name == NOISE:
        return _noise(text, numbers)
    if name in CORESETS and not (is_own(name) and numbers):  # a name may be either's
        if numbers:
            raise InputError(f"{quoted(text)}: nothing can follow a coreset")
        return Kind(CORESETS.spelling(name))
    if name not in METHODS:
        hint = suggestion(name, [*METHODS.names, *CORESETS.names, NOISE])
        raise InputError(f"no kind of sets named {quoted(name)}; {hint}")
    return _distillation(text, METHODS.spelling(name), numbers, ipc)


@dataclass(frozen=True)
class Candidate:
    """One set to be made."""

    kind: Kind
    ipc: int
    seed: int

    @property
    def name(self) -> str:
        """What tells it from all others, fit for the name of a folder."""
        return f"{self.kind}-ipc{self.ipc}-seed{self.seed}"

    @property
    def run(self) -> str:
        """What tells the run that it comes of: sets that differ in their updates share one."""
        kind = replace(self.kind, updates=0)
        return f"{kind}-clom{kind.alpha:g}-ipc{self.ipc}-seed{self.seed}"


class Asked(Protocol):
    """What says which sets are to be made."""

    @property
    def population(self) -> Sequence[str]:
        """Kinds, in words; without any, and without ``sets``, the usual ones."""
        ...

    @property
    def sets(self) -> Sequence[str]:
        """Sets that are there already."""
        ...

    @property
    def ipc(self) -> Sequence[int]:
        """Images per class."""
        ...

    @property
    def seeds(self) -> int:
        """Sets of each kind."""
        ...


def wanted(asked: Asked, *, own: bool = True) -> list[Candidate]:
    """Return the sets that are to be made.

    Args:
        asked: what says so.
        own: whether those of a person's own code are among them, which is run for what it says of
            itself; False where nobody asked for that.

    Raises:
        InputError: see ``parse``; and for more sets than anybody can mean.
    """
    texts = asked.population or (() if asked.sets else POPULATION)
    texts = [text for text in texts if own or not is_own(_parts(text)[0])]
    count = len(texts) * len(asked.ipc) * asked.seeds
    if count > MOST:
        raise InputError(f"a study of {count:g} sets is a mistake; {MOST} are the most")
    return [
        one
        for ipc in dict.fromkeys(asked.ipc)
        for one in candidates([parse(text, ipc) for text in texts], [ipc], asked.seeds)
    ]


def without_theirs(wanted: Iterable[Candidate], held: Collection[str]) -> Iterator[str]:
    """Yield a line about each kind of sets without CLOM that may be taken for one that has it.

    CLOM is part of some methods, such as NCFM, and studies of earlier versions left it out.

    Args:
        wanted: sets that are to be made.
        held: names of those that are there.
    """
    wanted = list(wanted)
    asked = {one.name for one in wanted}
    alike: dict[Kind, list[Kind]] = {}
    for one in wanted:
        bare = replace(one, kind=replace(one.kind, alpha=0.0))
        alpha = one.kind.alpha
        theirs = alpha and alpha == METHODS[one.kind.method](one.ipc).clom
        if theirs and bare.name in held and bare.name not in asked:
            alike.setdefault(one.kind, []).append(bare.kind)
    for kind, bare in alike.items():
        name = f"{kind.method}:{kind.updates}"
        stays = "stays as it is" if len(bare) == 1 else "stay as they are"
        yield (
            f"{counted(len(bare), 'set')} of {bare[0]} {stays}, without CLOM: {name} has what is "
            f"part of {kind.method}, and {kind} is made beside it; {name}:0 names what is there"
        )


def candidates(kinds: Iterable[Kind], ipcs: Sequence[int], seeds: int) -> list[Candidate]:
    """Name the sets of a population: every kind at every ipc with every seed that matters."""
    different = list(dict.fromkeys(kinds))
    return [
        Candidate(kind, ipc, seed)
        for ipc in dict.fromkeys(ipcs)
        for kind in different
        for seed in range(1 if _is_without_chance(kind) else seeds)
    ]


def asks_models(kind: Kind, settings: Mapping[str, Any]) -> bool:
    """Tell whether original models have a hand in sets of a kind.

    Args:
        kind: the kind.
        settings: of methods; a method takes those that it has.
    """
    if not kind.updates:
        return kind.method in CORESETS and bool(needs_of(CORESETS[kind.method]))
    published = METHODS[kind.method](1)
    method: Any = published.method
    method = replace(method, **own_settings(method, settings))
    return bool(kind.alpha or needs_to_make(published) or getattr(method, "needs", ()))


def needs_to_make(published: Published) -> frozenset[Need]:
    """Return what a method needs, with what the coreset asks that its sets start from."""
    init = published.init
    asks = init in CORESETS and "originals" in needs_of(CORESETS[init])
    return published.needs | frozenset[Need]({"originals"} if asks else ())


def own_settings(method: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those settings that a method has."""
    known = {field.name for field in fields(method)}
    return {name: value for name, value in settings.items() if name in known}


def _is_without_chance(kind: Kind) -> bool:
    # Of a coreset that picks the same images whatever the key one seed is enough.
    return not kind.updates and kind.method in CORESETS and without_chance(CORESETS[kind.method])


def _noise(text: str, numbers: Sequence[float]) -> Kind:
    share = numbers[0] if numbers else 1.0
    if len(numbers) > 1 or not 0 < share <= 1:
        raise InputError(
            f"{quoted(text)}: {NOISE} may be followed by one share, above 0 and up to 1"
        )
    return Kind(NOISE, share=share)


def _distillation(text: str, method: str, numbers: Sequence[float], ipc: int) -> Kind:
    sound = len(numbers) in (1, 2) and 1 <= numbers[0] <= LARGEST and numbers[0].is_integer()
    if not sound or not 0 <= numbers[-1] <= LARGEST:
        raise InputError(
            f"{quoted(text)}: {method} must be followed by its updates and, for CLOM, by an alpha, "
            f"such as {method}:100 or {method}:100:10"
        )
    alpha = numbers[1] if len(numbers) > 1 else METHODS[method](ipc).clom
    return Kind(method, updates=int(numbers[0]), alpha=alpha)
