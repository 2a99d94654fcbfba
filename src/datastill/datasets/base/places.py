"""Where a dataset lies that somebody named, and who can read it."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from datastill.base.errors import InputError, suggestion
from datastill.base.own_code import is_own
from datastill.base.registry import Registry
from datastill.base.wording import LONGEST_NAME
from datastill.datasets.base.archives import opening, unopened
from datastill.datasets.base.arrays import LABEL_WORDS
from datastill.datasets.base.damage import without_damaged
from datastill.datasets.base.familiar import PICKLED, is_pickle, shards
from datastill.datasets.base.names import words_in
from datastill.datasets.base.outline import outline
from datastill.datasets.base.reading import (
    Format,
    Found,
    Hub,
    Reading,
    Size,
    Source,
    Split,
    side_by_side,
    unexamined,
)
from datastill.datasets.base.tree import tree_of_folder

DATASETS = Registry[Source]("dataset", "datastill.datasets", gives=(Found, type(None)))
ROUNDING = 1e-4
"""By how much floats may be below 0 or above 1."""
FORMATS = Registry[Format]("format")
HUBS = Registry[Hub]("hub")


@dataclass(frozen=True)
class Place:
    """A dataset that is within reach.

    Attributes:
        name: that its images will bear.
        read: reads one split; None if there is none.
        has_test: whether it has test images of its own.
        agreed: whether everybody agrees which of its images are for tests; a person's own files
            can change from one day to the next.
    """

    name: str
    read: Callable[[Split, Reading], Found | None]
    has_test: Callable[[Reading], bool]
    agreed: bool = True


def place(name: str, path: Path | None) -> Place:
    """Find a dataset, whose damaged pictures are left out where that is asked for.

    Args:
        name: of a registered dataset; or the path of a file or folder; or ``hf:`` and what the
            Hugging Face hub calls it; or ``package.module:function``, a ``Source`` of one's own; or
            any name, if ``path`` or ``./data/NAME`` holds the files.
        path: where to look for the files.

    Raises:
        InputError: when there is none, with the nearest name.
    """
    found = _place(name, path)

    def read(split: Split, reading: Reading) -> Found | None:
        part = found.read(split, reading)
        if part is not None and split == "train":
            _foresee(part, reading, found)
        return part and without_damaged(part, reading)

    return replace(found, read=read)


def _foresee(part: Found, reading: Reading, found: Place) -> None:
    if reading.foresee is unexamined:
        return
    divided = bool(reading.test_share) and not found.has_test(reading)
    data = outline(part, reading, sized(found.name, reading.size), divided=divided)
    if data is not None:
        reading.foresee(data)


def _is_path(name: str) -> bool:
    return "/" in name or name in (".", "..") or Path(name).suffix in SUFFIXES


def _where(name: str, path: Path | None) -> Path:
    return Path(name) if _is_path(name) else path or Path("data") / name


def is_absent(name: str, path: Path | None = None) -> bool:
    """Tell whether a name, as ``place`` takes it, is that of files, and none lie there.

    >>> is_absent("./no/such.npz"), is_absent("CIFAR10"), is_absent("hf:somebody/something")
    (True, False, False)
    """
    registered = name in DATASETS and not _is_path(name)
    return not (registered or is_own(name) or _of_hub(name) or _where(name, path).exists())


def sized(name: str, size: Size | None) -> str:
    """Return the name of a dataset whose images are brought to a size."""
    if size is None:
        return name
    return f"{name}-{size[0] if size[0] == size[1] else side_by_side(size)}"


def _place(name: str, path: Path | None) -> Place:
    scheme, colon, rest = name.partition(":")
    if colon and scheme in HUBS:
        hub = HUBS[scheme]
        return Place(
            hub.called(rest),
            lambda split, reading: hub.read(split, rest, path, reading),
            lambda reading: hub.has_test(rest, path, reading),
        )
    is_path = _is_path(name)
    if name in DATASETS and not is_path:
        return Place(
            DATASETS.spelling(name).replace(":", "."),  # it becomes part of paths
            lambda split, reading: _registered(name, split, path, reading),
            lambda _: True,
        )
    where = _where(name, path)
    if not where.exists():
        if is_path or path is not None:
            raise InputError(f"there is no {where}{_near(where)}")
        short = len(name.encode(errors="replace")) <= LONGEST_NAME
        hint = f"for what lies here, say ./{name}" if short and Path(name).exists() else None
        hint = hint or suggestion(name, DATASETS.names)
        raise InputError(f"no dataset named {name!r}; {hint}")
    named = where.resolve().name.removesuffix(where.suffix) if is_path else name
    return _formatted(re.sub(r"[^\w.-]+", "-", named) or "images", where)


def _registered(name: str, split: Split, path: Path | None, reading: Reading) -> Found | None:
    source, asked = DATASETS[name], reading.labels or reading.images
    if asked is not None and not getattr(source, "has_columns", False):
        option = "labels" if reading.labels else "images"
        raise InputError(
            f"{DATASETS.spelling(name)} has one set of images and labels, and no {asked!r}: leave "
            f"out `{option}`; other labels, such as CIFAR100's coarse ones, are read from .npz"
        )
    found = source(split, path, reading)
    if found is not None and not DATASETS.has(name):
        _require_pixels(found, name)
    return found


def _require_pixels(found: Found, name: str) -> None:
    # Floats of a person's own: normalised ones, or bytes as floats, would pass for pixels.
    if not (isinstance(found.images, Tensor) and found.images.is_floating_point()):
        return
    least, most = (float(one) for one in found.images.aminmax()) if len(found.images) else (0, 1)
    if not (least >= -ROUNDING and most <= 1 + ROUNDING):
        raise InputError(
            f"the dataset {name}: images are bytes, or floats from 0 to 1; found floats from "
            f"{least:.3g} to {most:.3g}"
        )


def outside(name: str, path: str | None) -> bool:
    """Tell whether a name or a path stands for what would be fetched from elsewhere, or for code.

    >>> outside("hf:somebody/something", None), outside("./pets", None), outside("x", "//host/x")
    (True, False, True)
    >>> outside("somebody.module:load", None)
    True
    """
    if is_code(name) or (path is None and _of_hub(name)):
        return True
    return any(
        "://" in place or place.replace("\\", "/").startswith("//") for place in (name, path or "")
    )


def is_code(name: str) -> bool:
    """Tell whether a name stands for code of a person's own.

    >>> is_code("mine:load"), is_code("hf:CIFAR10")
    (True, False)
    """
    return is_own(name) and not _of_hub(name)


def _of_hub(name: str) -> bool:
    scheme, colon, _ = name.partition(":")
    return bool(colon) and scheme in HUBS


def not_found(wanted: str, looked: Sequence[Path], name: str) -> InputError:
    """Return what to say when a registered dataset's files are in none of the places looked at."""
    places = ", ".join(str(folder) for folder in looked)
    packed = unopened(dict.fromkeys([*looked, looked[0].parent]))
    hub = (
        f"name their folder by `path`, or fetch them from the Hugging Face hub by `name=hf:{name}`"
    )
    found = f"no {wanted} in {places}{packed}; {hub}"
    if not _is_read(looked[0]):
        return InputError(found)
    there = str(looked[0] if looked[0].is_absolute() else f"./{looked[0]}")
    other = "; what lies there in another form is read by"
    return InputError(
        f"{found}{other} `name={there}`", typed=f"{found}{other} --dataset {shlex.quote(there)}"
    )


def _is_read(where: Path) -> bool:
    # Somebody has CIFAR-10 as pictures in folders, or as the hub's parquet.
    form = _form_of(where)
    return form is not None and (not form.fallback or tree_of_folder(where).has_pictures)


SUFFIXES = (".npz", ".safetensors", ".parquet", ".pt", ".pth", ".csv", ".mat", ".zip")


def _near(where: Path) -> str:
    try:
        names = [entry.name for entry in where.parent.iterdir()]
    except OSError:
        return ""
    near = difflib.get_close_matches(where.name, names, n=1)
    return f"; did you mean {str(where.parent / near[0])!r}?" if near else ""


def _form_of(where: Path) -> Format | None:
    known = sorted((FORMATS[each] for each in FORMATS.names), key=lambda form: form.fallback)
    return next((form for form in known if form.recognises(where)), None)


def _formatted(name: str, where: Path) -> Place:
    form = _form_of(where)
    if form is None:
        raise InputError(_unread(where))
    return Place(
        name,
        lambda split, reading: form.read(split, where, reading),
        lambda reading: form.has_test(where, reading),
        agreed=False,
    )


def _holds_labels(folder: Path) -> bool:
    stems = (file.stem for file in folder.glob("*.npy"))
    return any(not set(LABEL_WORDS).isdisjoint(words_in(stem)) for stem in stems)


UNREAD = {
    **dict.fromkeys(
        (".h5", ".hdf5"),
        "HDF5; save its arrays in Python by np.savez('own.npz', images=..., labels=...), and name "
        "that",
    ),
    ".npy": "an array alone: call it images.npy, put the class of each of its images, as "
    "labels.npy, beside it, and name their folder",
    ".arrow": "a part of a table: name the folder of save_to_disk that it lies in",
    ".csv": "a table of something else; expected a class and the pixels of a square grey image in "
    "each row, or classes and names of pictures that lie beside it; coloured pixels are read from "
    ".npz",
}
"""What is said of files by their endings."""

EXPECTED = "expected a folder with a folder of pictures for each class, or one of " + ", ".join(
    SUFFIXES
)


def _unread(where: Path) -> str:
    shard, command = shards(where.parent) if where.suffix == ".tar" else "", opening(where)
    if shard:
        return f"cannot read {where}{shard}"
    if command:
        pictures = "the folder that holds the pictures"
        named = "what comes out" if command.startswith("gunzip") else pictures
        return f"{where} is packed: type {command} and name {named}"
    said = PICKLED if is_pickle(where) else UNREAD.get(where.suffix.casefold())
    if where.suffix.casefold() == ".npy" and _holds_labels(where.parent):
        said = "an array alone: name its folder, which holds the labels too"
    return f"cannot read {where}: {f'it is {said}' if said else EXPECTED}"
