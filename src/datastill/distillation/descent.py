"""How synthetic images are moved, and what they start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch

from datastill.base.errors import (
    InputError,
    in_plain_numbers,
    is_whole,
    not_negative,
    of_kind,
    suggestion,
    told,
    whole,
)
from datastill.base.rng import Key
from datastill.base.wording import counted
from datastill.data import ByClass, ImageSet, said_of_class, tiled
from datastill.distillation.parameters import Optimiser, Sgd, require_optimisers
from datastill.distillation.parametrisations import (
    Parametrisation,
    Pixels,
    require_parametrisation,
    tiles_in,
)
from datastill.training.coresets import CORESETS, Known, picked, unfold_of

CLASSES_TOLD = 12
"""Of how many classes a message says a number each."""


STARTS = ("noise", "real", "mix", "whole")
"""What synthetic images may start as, besides what a coreset picks."""
AS_THEY_ARE = ("noise", "whole")
"""Those that are as many images as are learned, whatever these hold."""
OF_TILES = ("mix", "whole")
"""Those that say what tiles are: real images each, shrunk, or parts of one."""


@dataclass(frozen=True)
class Descent:
    """How to move what is learned: the images, and what else a parametrisation has.

    Attributes:
        ipc: images per class, one number for all classes or one for each.
        updates: of the synthetic set.
        batch: real images per class that an update sees.
        lr: learning rate of SGD on the images.
        momentum: of that SGD.
        init: start from ``"noise"`` (standard normal), from ``"real"`` images picked at random, or
            from those that a coreset picks, by its name. Where images hold several smaller ones
            these are so many real images, shrunk, for which ``"mix"`` is another word; or, by
            ``"whole"``, the parts that one real image is cut into.
        parametrisation: what is learned, and how networks are shown it.
        optimisers: of parameters by their names; of ``"images"`` in place of ``lr`` and
            ``momentum``.
    """

    ipc: int | tuple[int, ...] = 10
    updates: int = 1000
    batch: int = 256
    lr: float = 1.0
    momentum: float = 0.5
    init: str = "real"
    parametrisation: Parametrisation = field(default_factory=Pixels)
    optimisers: Mapping[str, Optimiser] = field(default_factory=dict[str, Optimiser])

    def __post_init__(self) -> None:
        if isinstance(self.ipc, Sequence) and not isinstance(self.ipc, str | bytes):
            object.__setattr__(self, "ipc", tuple(self.ipc))
        each = self.ipc if isinstance(self.ipc, tuple) else (self.ipc,)
        least = 0 if isinstance(self.ipc, tuple) else 1
        if not all(is_whole(one) and one >= least for one in each) or not sum(each):
            raise InputError(
                "`ipc` must be a whole number, 1 or more, or one for each class, found "
                f"{told(self.ipc)}"
            )
        ipc = tuple(map(int, each)) if isinstance(self.ipc, tuple) else int(self.ipc)
        object.__setattr__(self, "ipc", ipc)
        whole(updates=self.updates, least=0)
        whole(batch=self.batch)
        not_negative(lr=self.lr, momentum=self.momentum)
        of_kind(str, "'noise', 'real' or the name of a coreset", init=self.init)
        if self.init not in STARTS and self.init not in CORESETS:
            hint = suggestion(self.init, [*STARTS, *CORESETS.names])
            raise InputError(f"no start named {self.init!r}; {hint}")
        in_plain_numbers(self, "updates", "batch", "lr", "momentum")
        require_optimisers(self.optimisers)
        require_parametrisation(self.parametrisation)
        if self.init in OF_TILES and self.parametrisation.parts < 2:
            raise InputError(f"`init={self.init!r}` says what `tiles` are of: take `tiles=2` too")

    @classmethod
    def moving(cls, optimisers: Mapping[str, Optimiser], **settings: Any) -> Descent:
        """Return a descent with these optimisers; an ``lr`` among the settings is for images."""
        others, own = dict(optimisers), optimisers.get("images")
        if isinstance(own, Sgd):
            settings = {"lr": own.lr, "momentum": own.momentum, **settings}
            del others["images"]
        elif own is not None and "lr" in settings:
            others["images"] = replace(cast(Any, own), lr=settings["lr"])
        both: dict[str, Any] = {"optimisers": others, **settings}
        return cls(**both)

    @property
    def keeps_parts(self) -> bool:
        """Whether each of the images that a learned one holds starts as a real one of its own."""
        tiled_already = self.init in CORESETS and unfold_of(CORESETS[self.init]) is not None
        return self.init not in AS_THEY_ARE and not tiled_already

    @property
    def by_name(self) -> dict[str, Optimiser]:
        """The optimisers of all parameters."""
        return {"images": Sgd(self.lr, self.momentum), **self.optimisers}

    def facts(self) -> dict[str, Any]:
        """Return its settings as plain values; null where only the images are learned."""
        others = {name: repr(value) for name, value in self.optimisers.items()}
        return {
            "ipc": self.ipc,
            "updates": self.updates,
            "batch": self.batch,
            "lr": self.lr,
            "momentum": self.momentum,
            "init": self.init,
            "parametrisation": None
            if self.parametrisation == Pixels()
            else repr(self.parametrisation),
            "optimisers": others or None,
        }


def starting_counts(real: ImageSet, descent: Descent) -> tuple[int, ...]:
    """Return how many images of each class a distillation learns, if it can start.

    Raises:
        InputError: when a class has fewer real images than are wanted of it, or, from noise, none
            to match; when there is not one number for each class; or when images do not hold the
            smaller ones that are asked for, or a coreset puts others into them.
    """
    _require_fitting_tiles(real, descent)
    classes = real.domain.classes
    wanted = (descent.ipc,) * len(classes) if isinstance(descent.ipc, int) else descent.ipc
    if len(wanted) != len(classes):
        raise InputError(
            f"`ipc` has {counted(len(wanted), 'number')} for {counted(len(classes), 'class')}"
        )
    parts = 1 if descent.init in AS_THEY_ARE else descent.parametrisation.parts
    for k, (have, want) in enumerate(zip(real.counts, wanted, strict=True)):
        if have < (min(want, 1) if descent.init == "noise" else want * parts):
            raise _too_few(real, k, wanted, parts)
    return tuple(wanted)


def _require_fitting_tiles(real: ImageSet, descent: Descent) -> None:
    tiles = tiles_in(descent.parametrisation)
    if tiles is not None:
        tiles.unfold.require_fit(real.domain.shape[1:])
    unfold = None if descent.init in STARTS else unfold_of(CORESETS[descent.init])
    if unfold is not None and unfold.parts != descent.parametrisation.parts:
        raise InputError(
            f"`init={descent.init!r}` makes images that hold {unfold.parts} smaller ones; take "
            f"`tiles={unfold.factor}`, or another `init`"
        )


def _too_few(real: ImageSet, k: int, wanted: Sequence[int], parts: int) -> InputError:
    name, fewer = real.domain.classes[k], [have // parts for have in real.counts]
    tiles = f" ({parts} in each of {wanted[k]})" if parts > 1 else ""
    said = f"{said_of_class(real, k)} fewer than the {wanted[k] * parts} to start from{tiles}; take"
    fitting = tuple(map(min, fewer, wanted))
    such = f" (`ipc={fitting}`)" if len(fitting) <= CLASSES_TOLD and any(fitting) else ""
    return InputError(
        f"{said} a smaller `ipc`, one for each class{such}, or `init='noise'`",
        typed=f"{said} a smaller ipc, one for each class (--ipc {name}={fewer[k]},rest="
        f"{wanted[k]}), or --init noise",
    )


def initial(real: ImageSet, descent: Descent, *, key: Key, known: Known | None = None) -> ByClass:
    """Return the images that a distillation starts from.

    Of a parametrisation whose images hold several, real ones are as many as these.

    Args:
        real: training images.
        descent: how many of each class, and what they start as.
        key: of what is drawn.
        known: what a coreset may know of the real images.

    Raises:
        InputError: see ``starting_counts``; and for a coreset that makes other numbers of images.
    """
    wanted = starting_counts(real, descent)
    if descent.init == "noise":
        shape = (sum(wanted), *real.domain.shape)
        noise = torch.randn(shape, generator=key.generator()).to(real.images)
        return ByClass(noise, wanted)
    coreset = CORESETS["random" if descent.init in STARTS else descent.init]
    if unfold_of(coreset) is not None:
        return _folded(real, descent, wanted, key=key, known=known or Known())
    parts = descent.parametrisation.parts if descent.keeps_parts else 1
    counts = tuple(count * parts for count in wanted)
    found = picked(coreset, real, counts, key=key, known=known or Known())
    if len(found) != sum(counts):
        raise InputError(
            f"`init={descent.init!r}` makes {counted(len(found), 'image')} where {sum(counts)} "
            "are to be "
            "started from; take another"
        )
    return ByClass(found.images, counts)


def _folded(
    real: ImageSet,
    descent: Descent,
    wanted: Sequence[int],
    *,
    key: Key,
    known: Known,
) -> ByClass:
    # What a coreset makes that puts smaller images into one itself.
    found = tiled(picked(CORESETS[descent.init], real, wanted, key=key, known=known).images)
    assert found is not None
    return ByClass(found.stored, tuple(wanted))
