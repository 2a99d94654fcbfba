"""Images and labels in the structures in which projects save them: one reader for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.exchange.base.contract import Found, header_of
from datastill.exchange.base.names import IMAGE_WORDS, LABEL_WORDS, RATE_WORDS, keyed, words_of
from datastill.exchange.base.tensors import is_tensor, rate_of, tensor_of

EXPECTED = (
    "expected {'images': ..., 'labels': ...}, [images, labels], DatasetCondensation's {'data': "
    "[[images, labels], ...]}, or images alone with their labels in a file beside"
)


@dataclass(frozen=True, eq=False)
class Held:
    """A set as a file holds it.

    Attributes:
        images: ``(N, C, H, W)``.
        labels: ``(N,)`` or ``(N, K)``.
        rate: the learning rate that was learned with it.
        logits: whether labels of shape ``(N, K)`` are said to be logits.
        classes: their names, where they are there.
        header: what datastill wrote.
        accuracies: that whoever saved it measured.
        remarks: what a person should be told.
    """

    images: Tensor
    labels: Tensor
    rate: float | None = None
    logits: bool = False
    classes: tuple[str, ...] | None = None
    header: Mapping[str, Any] | None = None
    accuracies: Any = None
    remarks: tuple[str, ...] = ()

    def found(self, facts: Mapping[str, Any]) -> Found:
        """Return what was found, with the facts that a format knows."""
        learned = {} if self.rate is None else {"learning_rate": self.rate}
        return Found(
            self.images,
            self.labels,
            header=self.header,
            logits=self.logits,
            classes=self.classes,
            facts={**facts, **learned},
            remarks=self.remarks,
        )


def gathered(value: Any, path: Path, experiment: int | None = None) -> Held:
    """Find the images and labels in what a file holds.

    Args:
        value: a list of images and labels; a list of such lists, or a dictionary that has one as
            ``data``; a dictionary of images and labels, by any of their usual names, or of the
            images of each class.
        path: of the file.
        experiment: which of several sets.

    Raises:
        InputError: when there are none.
    """
    if isinstance(value, Mapping):
        return _in_table(value, path, experiment)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if _is_pair(value):
            return _only(_in_list(value, path), experiment, path)
        if value and all(map(_is_pair, value)):
            return one_of([_in_list(each, path) for each in value], experiment, path)
        if len(value) == 2:
            return _in_list(value, path)  # which says what is wrong with it
    raise InputError(f"{path} holds {_told(value)}; {EXPECTED}")


def one_of(found: Sequence[Held], experiment: int | None, path: Path) -> Held:
    """Return the set that several in one file stand for.

    Sets of different classes are steps of one: they are put together. Sets of the same are
    experiments or snapshots, of which the last is what a run came to.

    Args:
        found: in their order.
        experiment: which one a person wants.
        path: of the file.

    Raises:
        InputError: when there is none, or not the one that is wanted.
    """
    if experiment is not None or not found:
        if not 0 <= (experiment or 0) < len(found):
            raise InputError(
                f"{path} holds {len(found)} experiments; there is no number {experiment or 0}"
            )
        return found[experiment or 0]
    if len(found) == 1:
        return found[0]
    if disjoint(found):
        told = (
            f"it holds {len(found)} sets of different classes, the steps of one: put together; "
            "--experiment takes one of them"
        )
        return joined(found, told)
    alike = len({frozenset(_classes(one.labels)) for one in found}) == 1
    kind = "the same classes, experiments or snapshots of a run" if alike else "overlapping classes"
    told = f"it holds {len(found)} sets of {kind}: the last was taken, --experiment takes another"
    return replace(found[-1], remarks=(told, *found[-1].remarks))


def disjoint(found: Sequence[Held]) -> bool:
    """Tell whether no class is in two of several sets, whose images are of one shape."""
    classes = [set(_classes(one.labels)) for one in found]
    apart = len(set[int]().union(*classes)) == sum(map(len, classes))
    like = {(one.images.shape[1:], one.labels.shape[1:]) for one in found}
    return apart and len(like) == 1 and all(classes)


def joined(found: Sequence[Held], told: str) -> Held:
    """Put sets together, one after another."""
    rates = {one.rate for one in found}
    rate = rates.pop() if len(rates) == 1 else None
    remarks = dict.fromkeys([told, *(remark for one in found for remark in one.remarks)])
    if rates:
        remarks["each has a learning rate of its own: none is kept"] = None
    return Held(
        torch.cat([one.images for one in found]),
        torch.cat([one.labels for one in found]),
        rate,
        found[0].logits,
        remarks=tuple(remarks),
    )


def _in_table(table: Mapping[Any, Any], path: Path, experiment: int | None) -> Held:
    data = table.get("data")
    if isinstance(data, Sequence) and not isinstance(data, str) and all(map(_is_pair, data)):
        found = one_of([_in_list(each, path) for each in data], experiment, path)
        soft = table.get("soft_labels")
        labels = found.labels if soft is None else tensor_of(soft, "soft labels", path)
        header = header_of(table.get("datastill"), path)
        return replace(found, labels=labels, header=header, accuracies=table.get("accs_all_exps"))
    images, labels = keyed(table, IMAGE_WORDS), keyed(table, LABEL_WORDS)
    if not images and not labels and (by_class := _by_class(table, path)) is not None:
        return _only(by_class, experiment, path)
    if not images or not labels:
        raise InputError(f"{path} holds {_told(table)}; {EXPECTED}")
    labels.sort(key=lambda key: not _says_soft(key))  # they say more than hard ones beside them
    rate, told = None, ()
    for key in keyed(table, RATE_WORDS)[:1]:
        rate, told = rate_of(table[key], path)
    held = Held(
        tensor_of(table[images[0]], "images", path),
        tensor_of(table[labels[0]], "labels", path),
        rate,
        logits=rate is not None or _says_soft(labels[0]),
        classes=_names(table),
        header=header_of(table.get("datastill"), path),
        remarks=told,
    )
    return _only(held, experiment, path)


def _in_list(value: Sequence[Any], path: Path) -> Held:
    first, second = value[:2]
    if _axes(first, path) in (1, 2) and _axes(second, path) == 4:
        first, second = second, first  # [labels, images]
    images, labels = tensor_of(first, "images", path), tensor_of(second, "labels", path)
    if len(value) < 3:
        return Held(images, labels)
    rate, told = rate_of(value[2], path)
    return Held(images, labels, rate, logits=True, remarks=told)


def _axes(value: Any, path: Path) -> int | None:
    return tensor_of(value, "images", path).ndim if is_tensor(value) else None


def _by_class(table: Mapping[Any, Any], path: Path) -> Held | None:
    # {0: images, 1: images, ...}
    numbers = {key: int(key) for key in table if isinstance(key, int) or str(key).isdecimal()}
    if not table or len(numbers) < len(table) or not all(map(is_tensor, table.values())):
        return None
    parts = [
        (number, tensor_of(table[key], "images", path))
        for key, number in sorted(numbers.items(), key=lambda item: item[1])
    ]
    if any(part.ndim != 4 or part.shape[1:] != parts[0][1].shape[1:] for _, part in parts):
        return None
    labels = [torch.full((len(part),), number) for number, part in parts]
    told = "each key of it was taken for a class"
    return Held(torch.cat([part for _, part in parts]), torch.cat(labels), remarks=(told,))


def _only(found: Held, experiment: int | None, path: Path) -> Held:
    return one_of([found], experiment, path)


def _classes(labels: Tensor) -> list[int]:
    hard = labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten()
    return [int(k) for k in hard.unique().tolist()]


def _is_pair(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) not in (2, 3):  # pyright: ignore[reportUnknownArgumentType]
        return False
    images, labels, *rate = value
    listed = isinstance(labels, list) and bool(labels)  # pyright: ignore[reportUnknownArgumentType]
    plain = all(is_tensor(each) or isinstance(each, float) for each in rate)
    return is_tensor(images) and (is_tensor(labels) or listed) and plain


def _says_soft(key: str) -> bool:
    return bool({"soft", "logits"} & set(words_of(key)))


def _names(table: Mapping[Any, Any]) -> tuple[str, ...] | None:
    for key in ("classes", "class_names", "label_names"):
        names = table.get(key)
        if isinstance(names, list | tuple) and names and all(isinstance(n, str) for n in names):  # pyright: ignore[reportUnknownVariableType]
            return tuple(str(name) for name in names)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    return None


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        names = [str(key) for key in value]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        told = ", ".join(name[:30] for name in names[:6] if name.isprintable())
        return f"a dictionary of {told or 'nothing'}" + (", ..." if len(names) > 6 else "")
    if is_tensor(value):
        return "one tensor"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)} things that are no images and labels"  # pyright: ignore[reportUnknownArgumentType]
    return f"a {type(value).__name__}"
