"""Options that say which original models judge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datastill.cli.options import MaybeInt, SomeInts, SomeTexts, positive
from datastill.runs.specs import PoolSpec


@dataclass(frozen=True)
class Originals:
    """The original models that judge a set."""

    models_pool: tuple[str, ...] = ("ConvNet",)
    """Architectures of the original models that judge; by features alone also hf:NAME."""
    model_num: MaybeInt = None
    """Original models of each architecture. Default: all there are."""
    epoch: MaybeInt = None
    """Which snapshot of them. Default: the last."""
    early_epochs: SomeInts = ()
    """Let them judge as they were after these epochs too (see train --save-epochs)."""
    pool_path: Path = Path("pretrained_model")
    """Folder with original models, as 'datastill train' leaves it."""

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(model_num=self.model_num, epoch=self.epoch)
        for epoch in self.early_epochs:
            positive(early_epochs=epoch)

    def pool(self) -> PoolSpec:
        """Return which models, as a description says it."""
        return PoolSpec(
            architectures=self.models_pool,
            num=self.model_num,
            epoch=self.epoch,
            early=self.early_epochs,
            path=str(self.pool_path),
        )


@dataclass(frozen=True)
class Labelling:
    """The original models that label images."""

    models_pool: SomeTexts = ()
    """Architectures of the original models that label, on the fly or random images that sets with
    soft labels are compared with; what all of them say is averaged."""
    model_num: MaybeInt = None
    """Original models of each architecture. Default: all there are."""
    epoch: MaybeInt = None
    """Which snapshot of them. Default: the last."""
    pool_path: Path = Path("pretrained_model")
    """Folder with original models, as 'datastill train' leaves it."""

    def pool(self) -> PoolSpec | None:
        """Return which models, as a description says it; None where none are named."""
        positive(model_num=self.model_num, epoch=self.epoch)
        if not self.models_pool:
            return None
        return PoolSpec(
            architectures=self.models_pool,
            num=self.model_num,
            epoch=self.epoch,
            path=str(self.pool_path),
        )
