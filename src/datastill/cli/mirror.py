"""Options: what commands have of their own, and what stands for values of descriptions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform, get_type_hints

import tyro

from datastill.cli.arguments import name_of
from datastill.cli.grammar import SILENT, Option
from datastill.runs.specs.base import PLACE, Part, default_of, kinds_of, part_of, said_of

T = TypeVar("T")

OnePath = Annotated[
    Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[PATH]", help_behavior_hint=SILENT)
]
"""A set by its path, or None."""
Paths = Annotated[
    tuple[Path, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="[PATH ...]", help_behavior_hint=SILENT),
]
"""Any number of sets by their paths."""
File = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
"""A file that describes a run, or the name of a recipe."""
Alphas = Annotated[
    tuple[float | Literal["auto"], ...],
    tyro.conf.arg(metavar="[FLOAT [FLOAT ...]]|auto", help_behavior_hint=SILENT),
]
"""Weights of CLOM, or the word for one that is found."""
SHAPES: Mapping[str, tuple[Any, Any]] = {
    "set": (OnePath, None),
    "sets": (Paths, ()),
    "study:sets": (tuple[Path, ...], ()),
    "data.size": (str | None, None),
    "data.mirror": (Literal["yes", "no"] | None, None),
    "augmented": (bool, False),
    "clom.alphas": (Alphas, ()),
    "select.by": (str | None, None),
    **{f"{kind}:pool.architectures": (tuple[str, ...], ()) for kind in ("validate", "compare")},
}
"""Types and defaults of options that are others than those of what they stand for."""
OTHERS = ("settings", "soft", "on_the_fly", "rates")
"""Values whose options stand for no value each: see ``described``."""


def mirrored(part: type[Part], kind: str, at: str = "", first: str = "") -> Iterator[Option]:
    """Yield an option for each value of a description.

    Args:
        part: the description, or a part of it.
        kind: name of the whole.
        at: address of the part, with a dot after it.
        first: what is said of its first value; by default what the part says itself.
    """
    said = said_of(part)
    for place, one in enumerate(fields(part)):
        path, hint, default = f"{at}{one.name}", kinds_of(part)[one.name], default_of(one)
        about = said.get(one.name, one.name) if place or not first else first
        if path in OTHERS:
            continue
        if (inner := part_of(hint)) is not None:
            of_set = path == "data" and default is not MISSING  # which says what it is made from
            yield from mirrored(inner, kind, f"{path}.", about if of_set or path == "pool" else "")
        else:
            if path == "data.name" and not first:
                hint, default = str, MISSING
            if PLACE in one.metadata:
                hint, default = (Path, Path(str(default))) if default else (Path | None, None)
            hint, default = SHAPES.get(f"{kind}:{path}") or SHAPES.get(path) or (hint, default)
            name = name_of(kind, path).replace("_", "-")
            yield Option(name, hint, default, about, path)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def options(
    part: type[Part] | None = None,
    *,
    at: str = "",
    only: Collection[str] | None = None,
    without: Collection[str] = (),
) -> Callable[[type[T]], type[T]]:
    """Make a class one of options: those that it declares, and one for each value of a description.

    What an option is for says the docstring of the class, or of the description. An option that the
    class declares takes the place of the one of that name that would be made.

    Args:
        part: the description, or a part of it; None for no more options.
        at: address of the part, with a dot after it.
        only: the values for which options are made. Without it all, but for those of data and
            computing that ``Data`` and ``Machine`` have.
        without: values for which none are made.
    """

    def made(kind: type[T]) -> type[T]:
        own, said = get_type_hints(kind, include_extras=True), said_of(kind)
        kept: dict[str, Any] = {}
        for one in mirrored(part, getattr(part, "kind", ""), at) if part else ():
            wanted = one.path in only if only is not None else at or _is_of_command(one.path)
            if wanted and one.field not in own and one.path not in without:
                kept[one.field] = _declared(kind, one)
        for name, hint in own.items():
            default = vars(kind).get(name, MISSING)
            group = is_dataclass(hint)
            option = Option(name.replace("_", "-"), hint, default, said.get(name, ""))
            kept[name] = hint if group else _declared(kind, option)
        kind.__annotations__ = kept
        kind.__doc__ = kind.__doc__ or kind.__name__  # Python -OO leaves what is said of it out
        return dataclass(frozen=True, kw_only=True)(kind)

    return made


def _is_of_command(path: str) -> bool:
    return path in ("data.name", "data.path") or path.partition(".")[0] not in ("data", "compute")


def _declared(kind: type, option: Option) -> Any:
    setattr(kind, option.field, field(default=option.default, metadata={"option": option}))
    return option.annotation
