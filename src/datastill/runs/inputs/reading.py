"""Real images, read as a description says, and what a person is told about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from datastill.base.rng import Key
from datastill.base.waits import awaited
from datastill.base.wording import counted, some
from datastill.data import ImageSet
from datastill.datasets import TEST_SHARE, Reading, load_dataset, load_split, untestable
from datastill.identity import APART, set_apart
from datastill.networks import build, find
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.specs import DataSpec
from datastill.runs.specs.values import require_distinct, require_readable

Foresee = Callable[[ImageSet], None]
"""Refuses what cannot serve before pictures are decoded, see ``Reading``."""

UNEVEN = 1.5
"""How many times the images of the rarest class others may have before a person is told."""


def reading(data: DataSpec, observer: Observer = SILENT) -> Reading:
    """Return how to read.

    Args:
        data: what is said of it.
        observer: watches.

    Raises:
        InputError: for a size that makes no sense, or a name that cannot be read where it is
            written down of a set.
    """
    for name in ("name", "path", "image_column", "label_column"):
        require_readable(f"data.{name}", getattr(data, name))
    return Reading(
        size=data.sides,
        images=data.image_column,
        labels=data.label_column,
        test_share=TEST_SHARE if data.test_share is None else data.test_share,
        skip_damaged=data.skip_damaged,
        mirror=data.mirror,
        progress=observer.follow,
        tell=observer.message,
    )


@dataclass(frozen=True, eq=False)
class Read:
    """What was read of a dataset.

    Attributes:
        train: training images, without those kept for assessments.
        held_out: those; None where none are kept.
        test: test images; None where there are none, or they were not asked for.
    """

    train: ImageSet
    held_out: ImageSet | None
    test: ImageSet | None = None


def apart(real: ImageSet, share: float | None, test: ImageSet | None = None) -> Read:
    """Part training images into those to make sets from and those kept for assessments, if any."""
    if not share:
        return Read(real, None, test)
    return Read(*set_apart(real, share), test)


def read_apart(
    data: DataSpec, device: str, observer: Observer = SILENT, foresee: Foresee | None = None
) -> Read:
    """Read the training images of a dataset onto a device, and nothing of its test images.

    Args:
        data: which, and how.
        device: where they are put.
        observer: watches.
        foresee: may refuse them.
    """
    how = _foreseeing(data, observer, foresee)
    with awaited(f"reading the training images of {named(data)}"):
        train = load_split(named(data), "train", data.path, how)
    tell_share(data, train, observer)
    return moved(apart(train, data.assess_share), device)


def read_train(
    data: DataSpec, device: str, observer: Observer = SILENT, foresee: Foresee | None = None
) -> ImageSet:
    """Do what ``read_apart`` does, and return the training images to make sets from."""
    return read_apart(data, device, observer, foresee).train


def read_all(
    data: DataSpec, device: str, observer: Observer = SILENT, foresee: Foresee | None = None
) -> Read:
    """Do what ``read_apart`` does, and read the test images where there are any."""
    how = _foreseeing(data, observer, foresee)
    with awaited(f"reading the images of {named(data)}"):
        train, test = load_dataset(named(data), data.path, how)
    tell_share(data, train, observer)
    return moved(apart(train, data.assess_share, test), device)


def read_both(
    data: DataSpec, device: str, observer: Observer = SILENT, foresee: Foresee | None = None
) -> tuple[ImageSet, ImageSet | None]:
    """Return the training images to make sets from, and the test images; see ``read_all``."""
    found = read_all(data, device, observer, foresee)
    return found.train, found.test


def read_tested(
    data: DataSpec, device: str, observer: Observer = SILENT, foresee: Foresee | None = None
) -> tuple[ImageSet, ImageSet]:
    """Read both, and refuse a dataset that has no test images, and of which none can be kept."""
    real, test = read_both(data, device, observer, foresee)
    return real, with_tests(test, data, observer)


def with_tests(test: ImageSet | None, data: DataSpec, observer: Observer = SILENT) -> ImageSet:
    """Return the test images.

    Raises:
        InputError: where there are none.
    """
    if test is None:
        raise untestable(named(data), reading(data, observer))
    return test


def moved(read: Read, device: str) -> Read:
    """Return what was read on a device."""
    held, test = (None if one is None else one.to(device) for one in (read.held_out, read.test))
    return Read(read.train.to(device), held, test)


def named(data: DataSpec) -> str:
    """Return the name of what is read; a description of a run that reads it has seen to one."""
    assert data.name is not None
    return data.name


def tell_share(data: DataSpec, train: ImageSet, observer: Observer) -> None:
    """Say when a share of the training images was asked for that tests do not need."""
    if data.test_share and not train.facts.get("kept_for_tests"):
        observer.message(
            f"{train.domain.name} has test images of its own: `test_share={data.test_share:g}` "
            "keeps no others"
        )


def _foreseeing(data: DataSpec, observer: Observer, foresee: Foresee | None) -> Reading:
    how = reading(data, observer)
    return how if foresee is None else replace(how, foresee=foresee)


def buildable(models: Iterable[str]) -> Foresee:
    """Return what refuses images that architectures cannot take: too small, say.

    Raises:
        InputError: for an unknown architecture, or one that is named twice, however it is spelled.
    """
    models = [find(model)[0] for model in models]
    require_distinct("models", models)

    def look(data: ImageSet) -> None:
        for model in models:
            build(model, data.domain, key=Key(0))

    return look


def tell_mirror(real: ImageSet, observer: Observer) -> None:
    """Say whether augmentation will mirror images of which nobody said whether it may."""
    by_name = real.facts.get("mirror_by_name")
    if by_name is not None:
        told = (
            "shows digits or letters, by its name: never mirrored (`mirror=True` if it may be)"
            if by_name
            else "is mirrored by augmentation (`mirror=False` for digits, letters, signs)"
        )
        observer.message(f"{real.domain.name} {told}")


def other_mirror(made: ImageSet, test: ImageSet, name: str) -> tuple[str, ...]:
    """Say when a set was made under another belief in mirrors than it is judged by."""
    if made.domain.mirror == test.domain.mirror:
        return ()
    does, did = ("mirrors", "without") if test.domain.mirror else ("does not mirror", "with")
    return (
        f"augmentation {does}, as test images of {test.domain.name} have it; {name} was made "
        f"{did} mirrored images (`mirror={not test.domain.mirror}`)",
    )


def describe(real: ImageSet, observer: Observer) -> None:
    """Say what was read that a person may not expect."""
    few, many = min(real.counts), max(real.counts)
    if many > UNEVEN * few:
        rare = real.domain.classes[real.counts.index(few)]
        observer.message(
            f"{real.domain.name}: {len(real.domain.classes)} classes of {few} ({rare}) to {many} "
            "training images"
        )
    _tell_lists(real, observer)
    if kept := real.facts.get("kept_for_tests"):
        observer.message(_kept(kept, real))
    if apart := real.facts.get(APART):
        observer.message(
            f"{counted(apart['images'], 'training image')} of {real.domain.name} kept for "
            f"assessments (about {apart['share']:g} of each class): nothing else sees them"
        )
    if damaged := real.facts.get("damaged"):
        observer.message(
            f"{counted(len(damaged), 'damaged picture')} of {real.domain.name} left out: "
            f"{some(damaged)}"
        )
    if unlabelled := real.facts.get("unlabelled"):
        observer.message(f"{counted(unlabelled, 'picture')} without a class passed over")
    if unused := real.facts.get("unused_folders"):
        observer.message(
            f"pictures in {', '.join(unused)} are not read: they are neither the training images "
            "nor the test images here"
        )
    if passed_over := real.facts.get("passed_over"):
        kinds = ", ".join(f"{count} {kind}" for kind, count in passed_over.items())
        observer.message(f"files that are no pictures were passed over: {kinds}")


def _tell_lists(real: ImageSet, observer: Observer) -> None:
    if lists := real.facts.get("lists"):
        observer.message(lists)
    if unread := real.facts.get("unread_lists"):
        observer.message(
            f"{some(unread)} may say which images are for tests, and is not read: for that, put "
            "these into a folder test beside train"
        )


def _kept(kept: Mapping[str, Any], real: ImageSet) -> str:
    name, images, share = real.domain.name, kept["images"], kept["share"]
    if not images:
        return (
            f"{name} has no test images, and no class has two images, of which one could be kept: "
            "what is made of it cannot be validated"
        )
    whole = images + len(real)
    least = ", one at least" if images > 1.25 * share * whole else ""
    return (
        f"{name} has no test images: {images} of its {whole} are kept for tests "
        f"(about {share:g} of each class{least})"
    )
