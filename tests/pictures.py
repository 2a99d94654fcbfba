"""Pictures in files, written here in small."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COUNTS = {"bird": 9, "cat": 7, "dog": 6, "fish": 5, "fox": 4, "hen": 3, "owl": 2}
"""Seven uneven classes."""


def picture(size: Sequence[int], *, seed: int, noise: float = 20.0) -> np.ndarray:
    """Make bytes of a picture: a class's own colours, by ``seed // 1000``, and noise."""
    coarse = np.random.default_rng(seed // 1000).integers(40, 216, (4, 4, *size[2:]))
    rows, columns = (np.arange(side) * 4 // side for side in size[:2])
    base = coarse[rows][:, columns]
    moved = base + np.random.default_rng(seed).normal(0, noise, size)
    return np.clip(moved, 0, 255).astype(np.uint8)


def write_pictures(
    root: Path,
    counts: Mapping[str, int] = COUNTS,
    size: Sequence[int] = (20, 30, 3),
    *,
    ending: str = "png",
    first: int = 0,
) -> dict[str, list[np.ndarray]]:
    """Write pictures of each class into a folder of its name, and return their bytes."""
    held: dict[str, list[np.ndarray]] = {}
    for k, (name, count) in enumerate(counts.items(), 1):
        folder = root / name
        folder.mkdir(parents=True)
        held[name] = [picture(size, seed=1000 * k + first + i) for i in range(count)]
        for i, array in enumerate(held[name]):
            Image.fromarray(array).save(folder / f"{i:02d}.{ending}")
    return held
