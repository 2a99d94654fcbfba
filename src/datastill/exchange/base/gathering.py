"""Images and labels in the structures in which projects save them: one reader for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch

from datastill.base.errors import InputError, damaged
from datastill.base.wording import readable
from datastill.datasets.base.names import (
    SPLIT_WORDS,
    classes_among,
    split_word,
    word_of_split,
)
from datastill.exchange.base.contract import header_of
from datastill.exchange.base.held import Held, disjoint, of_steps, one_of
from datastill.exchange.base.labels import labels_in, numbers_of
from datastill.exchange.base.names import (
    BESIDE,
    IMAGE_WORDS,
    LABEL_WORDS,
    RATE_WORDS,
    keyed,
    paired,
    says_logits,
    words_of,
)
from datastill.exchange.base.tensors import (
    is_tensor,
    normalisation_of,
    put_together,
    rate_of,
    shape_of,
    tensor_of,
    told_of,
)
from datastill.exchange.base.unpickling import plain_of

EXPECTED = (
    "expected {'images': ..., 'labels': ...}, [images, labels], DatasetCondensation's {'data': "
    "[[images, labels], ...]}, or images alone with their labels in a file beside"
)

DEEPEST = 3

SAID = {*IMAGE_WORDS, *LABEL_WORDS, *BESIDE, "real", "init", "test", "noise"}
"""Words that are no names of classes."""


def gathered(
    value: Any, path: Path, experiment: int | None = None, *, depth: int = DEEPEST
) -> Held:
    """Find the images and labels in what a file holds.

    Args:
        value: a list of images and labels, or of pairs of one image and its label; a list of
            several sets; a dictionary of images and labels, by any of their usual names, of the
            images of each class, or that has one of all these inside.
        path: of the file.
        experiment: which of several sets.
        depth: tables inside of tables that are looked into.

    Raises:
        InputError: when there are none.
    """
    if isinstance(value, Mapping):
        return _in_table(value, path, experiment, depth)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        pairs = paired(value)
        if are_items(items := pairs or value):
            return _only(_of_items(items, path), experiment, path)
        if pairs:  # tables of a set each, with whatever else one holds
            found = [_in_table(each, path, None, depth) for each in value]
            return of_steps(found, experiment, path)
        if _is_pair(value):
            return _only(_in_list(value, path), experiment, path)
        if value and all(map(_is_pair, value)):
            return of_steps([_in_list(each, path) for each in value], experiment, path)
        if len(value) == 2:
            return _in_list(value, path)  # which says what is wrong with it
    raise InputError(f"{path} holds {told_of(value)}; {EXPECTED}")


def _in_table(table: Mapping[Any, Any], path: Path, experiment: int | None, depth: int) -> Held:
    data = table.get("data")
    if isinstance(data, Sequence) and not isinstance(data, str) and not _is_pair(data):
        found = gathered(data, path, experiment) if data else one_of([], experiment, path)
        soft = table.get("soft_labels")
        labels = found.labels if soft is None else tensor_of(soft, "soft labels", path)
        header = header_of(table.get("datastill"), path)
        found = _said_around(found, table, path)
        accuracies = table.get("accs_all_exps")
        return replace(found, labels=labels, header=header, accuracies=accuracies)
    images, labels = keyed(table, IMAGE_WORDS), keyed(table, LABEL_WORDS)
    images = [key for key in images if not _is_container(table[key])]
    if not images and not labels and (by_class := _by_class(table, path)) is not None:
        return _only(by_class, experiment, path)
    if not images:
        return _inside(table, path, experiment, depth)
    if not labels:
        raise InputError(f"{path} holds {told_of(table)}; {EXPECTED}")
    found, classes = labels_in(table[labels[0]], classes_among(table), path)
    rate, told = None, ()
    for key in keyed(table, RATE_WORDS)[:1]:
        rate, told = rate_of(table[key], path)
    held = Held(
        tensor_of(table[images[0]], "images", path),
        found,
        rate,
        logits=rate is not None or says_logits(labels[0]),
        classes=classes,
        normalisation=normalisation_of(table, path),
        header=header_of(table.get("datastill"), path),
        remarks=(*told, *left_out(table, images[0])),
    )
    return _only(held, experiment, path)


def _inside(table: Mapping[Any, Any], path: Path, experiment: int | None, depth: int) -> Held:
    # {'state': {...}}, {'data': [images, labels]}, {'train': ..., 'test': ...}
    sets = {
        str(key): found
        for key, value in table.items()
        if depth and _is_container(value) and (found := _set_in(value, path, depth - 1))
    }
    if not sets:
        raise InputError(f"{path} holds {told_of(table)}; {EXPECTED}")
    names = list(sets)
    if experiment is not None and len(names) == 1:
        (value,) = (value for key, value in table.items() if str(key) == names[0])
        return _said_around(gathered(value, path, experiment, depth=depth - 1), table, path)
    if experiment is not None:
        return _said_around(one_of(list(sets.values()), experiment, path), table, path)
    if len(names) > 1 and not any(map(split_word, names)) and disjoint(list(sets.values())):
        return _said_around(one_of(list(sets.values()), None, path), table, path)
    chosen, told = _training_among(names, path)
    found = _said_around(sets[chosen], table, path)
    return replace(found, remarks=(*told, *found.remarks))


def _said_around(found: Held, table: Mapping[Any, Any], path: Path) -> Held:
    # What a table says of the set that lies inside of it.
    classes = found.classes or classes_among(table)
    normalisation = found.normalisation or normalisation_of(table, path)
    found = replace(found, classes=classes, normalisation=normalisation)
    for key in keyed(table, RATE_WORDS)[:1] if found.rate is None else ():
        with suppress(InputError):  # what is no number there is of something else
            rate, told = rate_of(table[key], path)
            return replace(found, rate=rate, logits=True, remarks=(*told, *found.remarks))
    return found


def _training_among(names: Sequence[str], path: Path) -> tuple[str, tuple[str, ...]]:
    if len(names) == 1:
        return names[0], ()
    train = [name for name in names if split_word(name) in SPLIT_WORDS["train"]]
    if len(train) != 1 or not all(map(split_word, names)):
        some = ", ".join(name[:30] for name in names[:4] if readable(name))
        raise InputError(
            f"{path} holds {len(names)} sets: {some}; --experiment takes one, counted from 0"
        )
    others = ", ".join(name for name in names if name not in train)
    return train[0], (f"{train[0]} was read; {others} left out",)


def _set_in(value: Any, path: Path, depth: int) -> Held | None:
    try:
        return gathered(value, path, depth=depth)
    except InputError:
        return None


def left_out(names: Iterable[object], taken: str) -> tuple[str, ...]:
    """Tell which names of a table are of images for tests, beside those that are read."""
    tests = [
        name
        for name in names
        if isinstance(name, str) and word_of_split(name) in SPLIT_WORDS["test"]
    ]
    others = [name for name in tests if "eval" not in words_of(name)]
    return (f"{taken} was read; {', '.join(others)} left out",) if others else ()


def _is_container(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    if not isinstance(value, list | tuple) or not value:
        return False
    return _is_pair(value) or are_items(value) or all(map(_is_pair, value))  # pyright: ignore[reportUnknownArgumentType]


def are_items(value: Sequence[Any]) -> bool:
    """Tell whether a list is of pairs of one image and its label, as datasets yield them."""
    return len(value) > 1 and all(map(_is_item, value))


def _is_item(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2 or not is_tensor(value[0]):  # pyright: ignore[reportUnknownArgumentType]
        return False
    image, label = (shape_of(each) for each in value)  # pyright: ignore[reportUnknownVariableType]
    if image is None or label is None or len(image) not in (2, 3):
        return False
    # (N, H, W) grey images and their (N,) labels are a set, not an image of N channels.
    return len(label) == 0 or (len(label) == 1 and label[0] != image[0])


def _of_items(value: Sequence[Any], path: Path) -> Held:
    images = [tensor_of(image, "images", path) for image, _ in value]
    with damaged(path, "its labels are no numbers of classes", why=False):
        labels = [torch.as_tensor(plain_of(label)) for _, label in value]
    for things, what in ((images, "images"), (labels, "labels")):
        shapes = {tuple(thing.shape) for thing in things}
        if len(shapes) > 1:
            some = " and ".join(map(str, sorted(shapes)[:2]))
            raise InputError(f"{path}: its {what} differ in shape: {some}")
    together = put_together(images, "images", path, torch.stack)
    return Held(together, put_together(labels, "labels", path, torch.stack))


def _in_list(value: Sequence[Any], path: Path) -> Held:
    first, second = value[:2]
    if len(shape_of(first) or ()) in (1, 2) and len(shape_of(second) or ()) == 4:
        first, second = second, first  # [labels, images]
    images, labels = tensor_of(first, "images", path), tensor_of(second, "labels", path)
    if len(value) < 3:
        return Held(images, labels)
    shape = shape_of(value[2]) or ()
    if len(shape) == 2 and shape[1] > 1 and shape[0] == len(images):  # soft ones after the hard
        return Held(images, tensor_of(value[2], "soft labels", path), logits=True)
    rate, told = rate_of(value[2], path)
    return Held(images, labels, rate, logits=True, remarks=told)


def _by_class(table: Mapping[Any, Any], path: Path) -> Held | None:
    # {0: images, 1: images, ...}, {'class_0': images, ...} or {'cat': images, 'dog': images}
    if len(table) < 2 or not all(map(is_tensor, table.values())):
        return None
    names = [str(key) for key in table]
    if any(split_word(name) or set(words_of(name)) & SAID for name in names):
        return None
    numbers = numbers_of(names)
    keys, classes = list(table), None
    if numbers is None:
        keys.sort(key=str)
        classes = tuple(map(str, keys))
        numbers = list(range(len(keys)))
    placed = sorted(
        zip(numbers, table if classes is None else keys, strict=True), key=itemgetter(0)
    )
    parts = [(number, tensor_of(table[key], "images", path)) for number, key in placed]
    if any(part.ndim != 4 or part.shape[1:] != parts[0][1].shape[1:] for _, part in parts):
        return None
    images = put_together([part for _, part in parts], "images", path, torch.cat)
    labels = [torch.full((len(part),), number) for number, part in parts]
    told = "each key of it was taken for a class"
    return Held(images, torch.cat(labels), classes=classes, remarks=(told,))


def _only(found: Held, experiment: int | None, path: Path) -> Held:
    return one_of([found], experiment, path)


def _is_pair(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) not in (2, 3):  # pyright: ignore[reportUnknownArgumentType]
        return False
    images, labels, *rate = value
    if all(len(shape_of(each) or ()) > 2 for each in (images, labels)):
        return False  # images of two classes
    listed = isinstance(labels, list) and bool(labels)  # pyright: ignore[reportUnknownArgumentType]
    plain = all(is_tensor(each) or isinstance(each, float) for each in rate)
    return is_tensor(images) and (is_tensor(labels) or listed) and plain
