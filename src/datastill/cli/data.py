"""Options that say how a dataset is read, and what a person is told about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.cli.console import Console
from datastill.cli.options import Flag, MaybeFloat, MaybeText, MaybeYes

if TYPE_CHECKING:
    from datastill.data import ImageSet
    from datastill.datasets import Reading


UNEVEN = 1.5
"""How many times the images of the rarest class others may have before a person is told."""


@dataclass(frozen=True)
class Data:
    """How a dataset is read."""

    size: MaybeText = None
    """Bring images to so many pixels, 32 or 48x64 (height x width): their middle, resized."""
    image_column: MaybeText = None
    """Column or array that holds the images. Default: found by its name or type."""
    label_column: MaybeText = None
    """Column or array that holds the labels. Default: likewise."""
    test_share: MaybeFloat = None
    """Share of each class kept for tests where there are no test images. Default: 0.2."""
    skip_damaged: Flag = False
    """Go on without pictures that cannot be decoded; the set says which they were."""
    mirror: MaybeYes = None
    """Whether a mirrored image still shows its class, so that augmentation may mirror: no for
    digits, letters, signs. Default: as is known of the dataset, or yes."""

    def reading(self, console: Console) -> Reading:
        """Return how to read, with progress on the console.

        Raises:
            InputError: for a size or share that makes no sense.
        """
        from datastill.datasets import TEST_SHARE, Reading

        return Reading(
            size=self.pixels(),
            images=self.image_column,
            labels=self.label_column,
            test_share=TEST_SHARE if self.test_share is None else self.test_share,
            skip_damaged=self.skip_damaged,
            mirror=None if self.mirror is None else self.mirror == "yes",
            progress=console.follow,
            tell=console.say,
        )

    def train(
        self,
        dataset: str,
        path: Path | None,
        device: str,
        console: Console,
        foresee: Callable[[ImageSet], None] | None = None,
    ) -> ImageSet:
        """Read the training images of a dataset onto a device, and nothing of its test images.

        Args:
            dataset: name or path.
            path: of its files.
            device: where they are put.
            console: shows how far this is.
            foresee: refuses what cannot serve before pictures are decoded, see ``Reading``.
        """
        from datastill.datasets import load_split

        reading = _foreseeing(self.reading(console), foresee)
        train = load_split(dataset, "train", path, reading)
        self.tell_share(train, console)
        return train.to(device)

    def both(
        self,
        dataset: str,
        path: Path | None,
        device: str,
        console: Console,
        foresee: Callable[[ImageSet], None] | None = None,
    ) -> tuple[ImageSet, ImageSet | None]:
        """Read the training images, and the test images where there are any; as ``train`` does."""
        from datastill.datasets import load_dataset

        reading = _foreseeing(self.reading(console), foresee)
        train, test = load_dataset(dataset, path, reading)
        self.tell_share(train, console)
        return train.to(device), None if test is None else test.to(device)

    def tell_share(self, train: ImageSet, console: Console) -> None:
        """Say when a share of the training images was asked for that tests do not need."""
        if self.test_share and not train.facts.get("kept_for_tests"):
            console.say(
                f"{train.domain.name} has test images of its own: --test-share "
                f"{self.test_share:g} keeps no others"
            )

    def pixels(self) -> tuple[int, int] | None:
        """Return the height and width of ``--size``."""
        if self.size is None:
            return None
        found = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", self.size.strip())
        if found is None:
            raise InputError(f"--size is one number, or two such as 48x64, not {self.size!r}")
        return int(found[1]), int(found[2] or found[1])


def _foreseeing(reading: Reading, foresee: Callable[[ImageSet], None] | None) -> Reading:
    return reading if foresee is None else replace(reading, foresee=foresee)


def buildable(models: Iterable[str]) -> Callable[[ImageSet], None]:
    """Return what refuses images that architectures cannot take: too small, say."""

    def look(data: ImageSet) -> None:
        from datastill.base.rng import Key
        from datastill.networks import build

        for model in models:
            build(model, data.domain, key=Key(0))

    return look


def tell_mirror(real: ImageSet, console: Console) -> None:
    """Say whether augmentation will mirror images of which nobody said whether it may."""
    by_name = real.facts.get("mirror_by_name")
    if by_name is not None:
        told = (
            "shows digits or letters, by its name: never mirrored (--mirror yes if it may be)"
            if by_name
            else "is mirrored by augmentation (--mirror no for digits, letters, signs)"
        )
        console.say(f"{real.domain.name} {told}")


def other_mirror(made: ImageSet, test: ImageSet, name: str) -> tuple[str, ...]:
    """Say when a set was made under another belief in mirrors than it is judged by."""
    if made.domain.mirror == test.domain.mirror:
        return ()
    does, did = ("mirrors", "without") if test.domain.mirror else ("does not mirror", "with")
    return (
        f"augmentation {does}, as test images of {test.domain.name} have it; {name} was made "
        f"{did} mirrored images (--mirror {'no' if test.domain.mirror else 'yes'})",
    )


def repeated(dataset: str, data_path: Path | None, data: Data) -> dict[str, Any]:
    """Return the options that name a dataset, to be typed again."""
    return {
        "dataset": dataset,
        "data_path": data_path,
        "size": data.size,
        "image_column": data.image_column,
        "label_column": data.label_column,
        "test_share": data.test_share,
        "mirror": data.mirror,
        "skip_damaged": data.skip_damaged,
    }


def describe(real: ImageSet, console: Console) -> None:
    """Say what was read that a person may not expect."""
    few, many = min(real.counts), max(real.counts)
    if many > UNEVEN * few:
        rare = real.domain.classes[real.counts.index(few)]
        console.say(
            f"{real.domain.name}: {len(real.domain.classes)} classes of {few} ({rare}) to {many} "
            "training images"
        )
    kept = real.facts.get("kept_for_tests")
    if kept and not kept["images"]:
        console.say(
            f"{real.domain.name} has no test images, and no class has two images, of which one "
            "could be kept: what is made of it cannot be validated"
        )
    elif kept:
        whole = kept["images"] + len(real)
        least = ", one at least" if kept["images"] > 1.25 * kept["share"] * whole else ""
        console.say(
            f"{real.domain.name} has no test images: {kept['images']} of its {whole} are kept for "
            f"tests (about {kept['share']:g} of each class{least})"
        )
    damaged = real.facts.get("damaged")
    if damaged:
        more = ", ..." if damaged[3:] else ""
        console.say(
            f"{counted(len(damaged), 'damaged picture')} of {real.domain.name} left out: "
            f"{', '.join(damaged[:3])}{more}"
        )
    unlabelled = real.facts.get("unlabelled")
    if unlabelled:
        console.say(f"{counted(unlabelled, 'picture')} without a class passed over")
    unused = real.facts.get("unused_folders")
    if unused:
        console.say(
            f"pictures in {', '.join(unused)} are not read: they are neither the training images "
            "nor the test images here"
        )
    passed_over = real.facts.get("passed_over")
    if passed_over:
        kinds = ", ".join(f"{count} {kind}" for kind, count in passed_over.items())
        console.say(f"files that are no pictures were passed over: {kinds}")
