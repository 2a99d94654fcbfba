"""What a comparison is made of: sets, and the real images that they stand for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from datastill.base.errors import InputError
from datastill.cli.data import Data
from datastill.cli.options import MaybeInt, MaybeText, SomeTexts, positive

if TYPE_CHECKING:
    from datastill.base.rng import Key
    from datastill.cli.console import Console
    from datastill.data import ImageSet
    from datastill.evaluation.comparison import Entry
    from datastill.runs.origin import Caveats, Images
    from datastill.runs.originals import Features
    from datastill.training.pool import Pool


@dataclass(frozen=True, eq=False)
class Material:
    """What a comparison is made of.

    Attributes:
        sets: by name.
        real: training images.
        test: test images.
        counts: real images of each class to pick.
        pool: original models that label random images.
        features: of the training images, by which coresets pick.
        caveats: of the images.
    """

    sets: dict[str, ImageSet]
    real: ImageSet
    test: ImageSet
    counts: tuple[int, ...]
    pool: Pool
    features: Features
    caveats: Caveats = ()

    @property
    def soft(self) -> bool:
        """Whether a set has soft labels."""
        return any(data.labels.ndim == 2 for data in self.sets.values())

    def temperature(self, asked: float | None) -> float:
        """Return the one that was asked for, or that the soft labels of the sets were made with.

        Raises:
            InputError: when they differ, so that none serves all.
        """
        from datastill.data.labels import temperature_of

        if asked is not None:
            return asked
        degrees = {temperature_of(data) for data in self.sets.values() if data.labels.ndim == 2}
        if len(degrees) > 1:
            told = " and ".join(f"{degree:g}" for degree in sorted(degrees))
            raise InputError(
                f"the sets' labels were made at temperatures {told}; give --temperature"
            )
        return min(degrees, default=1.0)

    def softens(self, data: ImageSet) -> bool:
        """Tell whether the random images that a set has to beat get soft labels too."""
        return data.labels.ndim == 2 and bool(self.pool)


@dataclass(frozen=True)
class Rivals:
    """The real images that sets are held against."""

    against: tuple[str, ...] = ("random", "herding", "k-center", "k-means")
    """How real images are picked ({CORESETS}); random ones are always among them."""
    coreset_features: MaybeText = None
    """Model by whose features coresets pick (hf:NAME, or an original model). Default: pixels."""
    models_pool: SomeTexts = ()
    """Original models: they label random images too, where a set has soft labels."""
    model_num: MaybeInt = None
    """Original models of each architecture. Default: all there are."""
    pool_path: Path = Path("pretrained_model")
    """Folder with original models, as 'datastill train' leaves it."""

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(model_num=self.model_num)

    @property
    def names(self) -> list[str]:
        """The coresets, random images first.

        Raises:
            InputError: for an unknown one.
        """
        from datastill.evaluation.comparison import RANDOM
        from datastill.training.coresets import CORESETS

        return list(dict.fromkeys([RANDOM, *map(CORESETS.spelling, self.against)]))

    def pool(self, real: ImageSet) -> Pool:
        """Read the original models."""
        from datastill.runs.originals import Shelf

        shelf = Shelf(self.pool_path, real.domain.name, real)
        return shelf.load(self.models_pool, self.model_num) if self.models_pool else ()

    def entries(self, material: Material, temperature: float, key: Key) -> list[Entry]:
        """Return real images to hold sets against."""
        from datastill.evaluation.comparison import picked_entry
        from datastill.training.coresets import CORESETS

        found = [
            picked_entry(
                *(name, partial(CORESETS[name], features=material.features.values)),
                *(material.real, material.counts),
                key=key.at("against", name),
            )
            for name in self.names
        ]
        if material.soft and material.pool:
            found.append(randomly(material.real, material, key, temperature=temperature))
        return found


def randomly(images: ImageSet, material: Material, key: Key, *, temperature: float | None) -> Entry:
    """Return random ones of real images, labelled by the pool at a temperature, if there is one."""
    from datastill.distillation.relabelling import relabelled
    from datastill.evaluation.comparison import RANDOM, picked_entry
    from datastill.training.coresets import CORESETS

    label = None
    if temperature is not None:
        label = partial(relabelled, pool=material.pool, temperature=temperature)
    its = key.at("against", RANDOM)
    return picked_entry(RANDOM, CORESETS[RANDOM], images, material.counts, key=its, label=label)


@dataclass(frozen=True)
class Wanted:
    """What a person named.

    Attributes:
        paths: of sets.
        dataset: whose real images; that of the first set where None.
        data_path: of its files.
        ipc: real images of each class to pick, in words; as many as sets have where None.
        data: how it is read.
        models: architectures that are to be trained.
    """

    paths: tuple[Path, ...]
    dataset: str | None
    data_path: Path | None
    ipc: str | None
    data: Data
    models: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse to compare nothing."""
        if not self.paths and (self.dataset is None or self.ipc is None):
            raise InputError(
                "name sets by their paths, or --dataset and --ipc to compare real images"
            )

    def material(self, rivals: Rivals, device: str, console: Console) -> Material:
        """Read the sets and the real images of both splits, and see that they fit together."""
        from datastill.runs.finding import set_file
        from datastill.runs.originals import features_by
        from datastill.store import load

        made = [load(set_file(path)).to(device) for path in self.paths]
        names = self.names(made, rivals.names)
        found = self.images(made, device, console)
        assert found.real is not None
        sets, real = dict(zip(names, made, strict=True)), found.real
        counts, pool = self.counts(sets, real), rivals.pool(real)
        features = features_by(rivals.coreset_features, real, rivals.pool_path)
        return Material(sets, real, found.test, counts, pool, features, found.caveats)

    def images(self, made: list[ImageSet], device: str, console: Console) -> Images:
        """Read the training and the test images that the sets stand for."""
        from datastill.identity import shared
        from datastill.runs.origin import Images, Origin, said
        from datastill.runs.reading import buildable

        if not made:
            from datastill.datasets import untestable
            from datastill.runs.reading import read_both, reading

            assert self.dataset is not None
            spec = self.data.spec(self.dataset, self.data_path)
            real, test = read_both(spec, device, console, buildable(self.models))
            if test is None:
                raise untestable(self.dataset, reading(spec, console))
            return Images(real, test, said(shared(test), console))
        from datastill.data import require_same_kind

        buildable(self.models)(made[0])
        sets = {str(path): data for path, data in zip(self.paths, made, strict=True)}
        for path, data in sets.items():
            try:
                require_same_kind(data.domain, made[0].domain)
            except InputError as error:
                raise InputError(f"{path} cannot be compared: {error}") from None
        origin = Origin.of(made[0], self.data.spec(self.dataset, self.data_path), console)
        try:
            found = origin.images(sets, console, train=True)
        except InputError as error:
            one = f"{self.paths[0]} cannot be compared: " if len(sets) == 1 else ""
            raise InputError(f"{one}{error}") from None
        assert found.real is not None
        return Images(found.real.to(device), found.test.to(device), found.caveats)

    def names(self, made: list[ImageSet], coresets: Collection[str]) -> list[str]:
        """Return short names of the sets: methods where these tell them apart, otherwise paths."""
        from datastill.evaluation.comparison import RANDOM, REAL

        taken = {"", RANDOM, REAL, *coresets}
        methods = [str(data.facts.get("method", "")) for data in made]
        if len(set(methods) - taken) == len(made) and all(map(str.isprintable, methods)):
            return methods
        if len(set(self.paths)) < len(self.paths):
            raise InputError("a set is named twice")
        for parts in range(1, 1 + max((len(path.parts) for path in self.paths), default=0)):
            ends = ["/".join(path.parts[-parts:]) for path in self.paths]
            if len(set(ends) - taken) == len(made):
                return ends
        return [f"./{path}" for path in self.paths]

    def counts(self, sets: dict[str, ImageSet], real: ImageSet) -> tuple[int, ...]:
        """Return how many real images of each class to pick.

        Raises:
            InputError: when sets differ in size and no --ipc decides, or there are too few images.
        """
        from datastill.data import require_held
        from datastill.data.labels import hardened
        from datastill.runs.quota import parse

        sizes = {hardened(data).stored_counts for data in sets.values()}
        if self.ipc is not None:
            asked = parse(self.ipc).counts(real)
            counts = (asked,) * len(real.domain.classes) if isinstance(asked, int) else asked
        elif len(sizes) == 1:
            (counts,) = sizes
        else:
            told = ", ".join(f"{name} has {len(data)} images" for name, data in sets.items())
            raise InputError(f"{told}; sets of one size are compared, or --ipc says which counts")
        require_held(real, counts, "--ipc says how many to pick of each class")
        return counts
