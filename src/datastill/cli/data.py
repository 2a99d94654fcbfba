"""Options that say how a dataset is read, and what a person is told about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.cli.console import Console
from datastill.cli.options import MaybeFloat, MaybeText, MaybeYes
from datastill.errors import InputError

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
            mirror=None if self.mirror is None else self.mirror == "yes",
            progress=console.follow,
        )

    def train(self, dataset: str, path: Path | None, device: str, console: Console) -> ImageSet:
        """Read the training images of a dataset onto a device, and nothing of its test images."""
        from datastill.datasets import load_split

        return load_split(dataset, "train", path, self.reading(console)).to(device)

    def both(
        self, dataset: str, path: Path | None, device: str, console: Console
    ) -> tuple[ImageSet, ImageSet | None]:
        """Read the training images, and the test images where there are any."""
        from datastill.datasets import load_dataset

        train, test = load_dataset(dataset, path, self.reading(console))
        return train.to(device), None if test is None else test.to(device)

    def pixels(self) -> tuple[int, int] | None:
        """Return the height and width of ``--size``."""
        if self.size is None:
            return None
        found = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", self.size.strip())
        if found is None:
            raise InputError(f"--size is one number, or two such as 48x64, not {self.size!r}")
        return int(found[1]), int(found[2] or found[1])


@dataclass(frozen=True)
class Origin:
    """The dataset that a synthetic set was made from, to be read again in the same way.

    Attributes:
        dataset: its name or path.
        data_path: folder with its files.
        reading: how to read it.
    """

    dataset: str
    data_path: Path | None
    reading: Reading

    @classmethod
    def of(
        cls,
        made: ImageSet,
        dataset: str | None,
        data_path: Path | None,
        data: Data,
        console: Console,
    ) -> Origin:
        """Return what a set says of its origin; options that are given win.

        Args:
            made: the set.
            dataset: name or path, if one was given.
            data_path: likewise.
            data: likewise.
            console: shows how far the reading is.
        """
        said: dict[str, Any] = made.facts.get("data") or {}
        path = said.get("data_path") if dataset is None and data_path is None else data_path
        reading = data.reading(console)
        share = reading.test_share
        if data.test_share is None and said:
            share = (said.get("kept_for_tests") or {"share": 0})["share"]
        return cls(
            dataset or said.get("dataset") or made.domain.name,
            None if path is None else Path(path),
            replace(
                reading,
                size=reading.size or (tuple(said["size"]) if said.get("size") else None),
                images=data.image_column or said.get("image_column"),
                labels=data.label_column or said.get("label_column"),
                test_share=share,
                mirror=_mirror(said) if reading.mirror is None else reading.mirror,
            ),
        )

    def train(self, made: ImageSet) -> ImageSet:
        """Read the training images, normalised as those of their dataset.

        Raises:
            InputError: see ``test``.
        """
        from datastill.datasets import load_split

        real = load_split(self.dataset, "train", self.data_path, self.reading, like=made.domain)
        self.require_same(made, real)
        return real

    def test(self, made: ImageSet, console: Console) -> ImageSet:
        """Read the test images, normalised as those of the set.

        Where there are none, a share of the training images has to do, and that is said.

        Raises:
            InputError: when images were kept for tests, and are not the same any more.
        """
        from datastill.datasets import TEST_SHARE, load_split, load_test

        test = load_test(self.dataset, self.data_path, self.reading, like=made.domain)
        if test is None:
            reading = replace(self.reading, test_share=TEST_SHARE)
            test = load_split(self.dataset, "test", self.data_path, reading, like=made.domain)
            console.say(
                f"{test.domain.name} has no test images: {len(test)} of its training images, "
                f"{TEST_SHARE:g} of each class, stand in for them. The set was made from them too: "
                "expect less of new images"
            )
        self.require_same(made, test)
        # All but that: sets that are compared are augmented alike, as their test images may be.
        return test.under(replace(made.domain, mirror=test.domain.mirror))

    def require_same(self, made: ImageSet, read: ImageSet) -> None:
        """Refuse a set whose images for tests are not those that are kept for tests now."""
        kept = (made.facts.get("data") or {}).get("kept_for_tests")
        if not kept or read.domain.name != made.domain.name:
            return
        now = read.facts.get("kept_for_tests") or {"share": None, "which": None}
        if now["share"] != kept["share"]:
            raise InputError(f"this set was made with --test-share {kept['share']:g}")
        if now["which"] != kept["which"]:
            raise InputError(
                f"{self.dataset} has changed since the set was made: other images would be "
                "kept for tests, and the set has seen some of them; distil it again"
            )


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


def other_mirror(made: ImageSet, test: ImageSet, name: str, console: Console) -> None:
    """Say when a set was made under another belief in mirrors than it is judged by."""
    if made.domain.mirror != test.domain.mirror:
        does, did = ("mirrors", "without") if test.domain.mirror else ("does not mirror", "with")
        console.say(
            f"augmentation {does}, as test images of {test.domain.name} have it; {name} was made "
            f"{did} mirrored images (--mirror {'no' if test.domain.mirror else 'yes'})"
        )


def _mirror(said: dict[str, Any]) -> bool | None:
    found = said.get("mirror")
    return found if isinstance(found, bool) else None


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
            f"tests ({kept['share']:g} of each class{least})"
        )
    unused = real.facts.get("unused_folders")
    if unused:
        console.say(
            f"of pictures in {', '.join(unused)} nothing is read: not the classes used here"
        )
    passed_over = real.facts.get("passed_over")
    if passed_over:
        kinds = ", ".join(f"{count} {kind}" for kind, count in passed_over.items())
        console.say(f"files that are no pictures were passed over: {kinds}")
