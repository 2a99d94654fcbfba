"""The dataset that a synthetic set was made from, read again and held against what it was."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.data import UNNAMED, Domain, ImageSet
from datastill.datasets import (
    TEST_SHARE,
    Reading,
    agreed,
    is_absent,
    is_code,
    load_dataset,
    load_split,
    load_test,
    outside,
    require_named,
)
from datastill.identity import APART, of_each, require_made_from, without_seen
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.inputs.reading import Read, apart, reading
from datastill.runs.specs import DataSpec

Caveats = tuple[str, ...]
"""What a person has to know of results, and is written down with them."""


ALONE = ", or validate it without `against`, on what it has not seen"
"""What can be done where training images are others."""


@dataclass(frozen=True, eq=False)
class Images:
    """What sets are held against.

    Attributes:
        real: training images; None where they were not asked for.
        test: test images.
        caveats: see ``Caveats``.
    """

    real: ImageSet | None
    test: ImageSet
    caveats: Caveats


@dataclass(frozen=True)
class Origin:
    """The dataset that a synthetic set was made from, to be read again in the same way.

    Attributes:
        dataset: its name or path.
        data_path: folder with its files.
        reading: how to read it.
        assess_share: share of the training images that is kept for assessments.
    """

    dataset: str
    data_path: Path | None
    reading: Reading
    assess_share: float = 0.0

    @classmethod
    def of(cls, made: ImageSet, data: DataSpec, observer: Observer = SILENT) -> Origin:
        """Return what a set says of its origin; what is asked for wins.

        Args:
            made: the set.
            data: what is asked for.
            observer: shows how far the reading is.

        Raises:
            InputError: when the set names what would have to be fetched, and nobody else does.
        """
        facts: Mapping[str, Any] = made.facts.get("data") or {}
        given = None if data.path is None else Path(data.path)
        path = facts.get("data_path") if data.name is None and given is None else given
        how = reading(data, observer)
        share = how.test_share
        if data.test_share is None and "kept_for_tests" in facts:
            share = (facts["kept_for_tests"] or {}).get("share", 0)
        kept = data.assess_share
        kept = (facts.get(APART) or {}).get("share", 0) if kept is None else kept
        return cls(
            data.name or _named(facts, made, given),
            None if path is None else Path(path),
            replace(
                how,
                size=how.size or (tuple(facts["size"]) if facts.get("size") else None),
                images=data.image_column or facts.get("image_column"),
                labels=data.label_column or facts.get("label_column"),
                test_share=share,
                # An earlier version knew images by what they showed when they were resized.
                originals=facts.get("originals") is True if facts.get("content") else None,
                skip_damaged=how.skip_damaged or facts.get("skip_damaged") is True,
                mirror=facts.get("mirror") if how.mirror is None else how.mirror,
            ),
            kept,
        )

    def train(self, made: Mapping[str, ImageSet], observer: Observer) -> tuple[ImageSet, Caveats]:
        """Return the training images that sets are made from; see ``parts``."""
        read, caveats = self.parts(made, observer)
        return read.train, caveats

    def parts(self, made: Mapping[str, ImageSet], observer: Observer) -> tuple[Read, Caveats]:
        """Read the training images, normalised as those of the first set.

        Args:
            made: sets, by their names.
            observer: is told the caveats.

        Raises:
            InputError: when a set was made from other images.
        """
        like = _first(made).domain
        real = load_split(self.dataset, "train", self.data_path, self.reading, like=like)
        require_named(like, real.domain, self.dataset)
        read = apart(real, self.assess_share)
        caveats = self.train_caveats(made, read.train) + self.unknown_caveats(made)
        return read, said(caveats, observer)

    def images(self, made: Mapping[str, ImageSet], observer: Observer, *, train: bool) -> Images:
        """Read the test images, and those for training, normalised as those of the first set.

        Where there are no test images, a share of the training images has to do.

        Args:
            made: sets, by their names.
            observer: is told the caveats.
            train: whether the training images are wanted too.

        Raises:
            InputError: when a set may have been made from test images; or, where they are wanted,
                from other training images.
        """
        where, like = (self.dataset, self.data_path, self.reading), _first(made).domain
        if train or not agreed(self.dataset, self.data_path):
            real, test = load_dataset(*where, like=like)
            real = apart(real, self.assess_share).train
        else:  # what the field calls test images is not held against training images each time
            real, test = None, load_test(*where, like=like)
        if test is None:
            assert real is not None
            test, caveats = self.stand_in(like)
            caveats += self.train_caveats(made, real)
        else:
            test, caveats = without_seen(made, test, real)
            if train and real is not None:
                caveats += self.train_caveats(made, real, ALONE)
        require_named(like, test.domain, self.dataset)
        kept = real.under(like) if train and real is not None else None
        # All but that: sets that are compared are augmented alike, as their test images may be.
        test = test.under(replace(like, mirror=test.domain.mirror))
        return Images(kept, test, said(caveats, observer))

    def train_caveats(
        self, made: Mapping[str, ImageSet], real: ImageSet, more: str = ""
    ) -> Caveats:
        """Hold sets against the training images; ``more`` is what a person can do instead."""
        some = of_each(made, lambda data: require_made_from(data, real, more))
        return tuple(dict.fromkeys(caveat for caveats in some for caveat in caveats))

    def unknown_caveats(self, made: Mapping[str, ImageSet]) -> Caveats:
        """Say that sets of which nothing is known may hold images kept for assessments."""
        silent = [one for one in made.values() if not (one.facts.get("data") or {}).get("content")]
        if not (silent and self.assess_share):
            return ()
        return (
            "what the set was made from is not known: images kept for assessments may be among that"
            if len(made) == 1
            else f"what {len(silent)} of the {counted(len(made), 'set')} were made from is not "
            "known: images kept for assessments may be among that",
        )

    def stand_in(self, like: Domain) -> tuple[ImageSet, Caveats]:
        """Return training images that have to do for test images, and what is to be said of it."""
        its = replace(self.reading, test_share=TEST_SHARE)
        test = load_split(self.dataset, "test", self.data_path, its, like=like)
        caveat = (
            f"{test.domain.name} has no test images: {len(test)} of its training images, about "
            f"{TEST_SHARE:g} of each class, stand in for them. The set was made from them too: "
            "expect less of new images"
        )
        return test, (caveat,)


def _first(made: Mapping[str, ImageSet]) -> ImageSet:
    return next(iter(made.values()))


def _named(facts: Mapping[str, Any], made: ImageSet, typed: Path | None) -> str:
    # What a file says may be read where it lies, but is fetched for nobody who did not ask for it.
    name: str = facts.get("dataset") or made.domain.name
    own: str | None = None if typed else facts.get("data_path")
    if outside(name, "." if typed else own):
        more = f" --data-path {shlex.quote(own)}" if own else ""
        fetched = "would be fetched from another machine"
        does = "is code that would be run" if is_code(name) else fetched
        origin = (
            f"the set says that it was made from {name}{f' in {own}' if own else ''}, which "
            f"{does}; if that is to be, pass"
        )
        wanted = f"DataSpec({name!r}{f', path={own!r}' if own else ''})"
        raise InputError(
            f"{origin} `data={wanted}`", typed=f"{origin} --dataset {shlex.quote(name)}{more}"
        )
    if not facts.get("dataset") and (name == UNNAMED or "/" in name or "\\" in name):
        raise InputError("the set does not say what it was made from; name it by `dataset`")
    if typed is None and is_absent(name, None if own is None else Path(own)):
        raise InputError(
            f"the set says that it was made from {name}{f' in {own}' if own else ''}, which does "
            "not lie here: go to the folder in which it was made, or name the path by `dataset`"
        )
    return name


def said(caveats: Caveats, observer: Observer) -> Caveats:
    """Tell caveats, and return them."""
    for caveat in caveats:
        observer.message(caveat)
    return caveats
