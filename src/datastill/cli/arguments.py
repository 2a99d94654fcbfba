"""Arguments of Python, as messages call them, in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

ARGUMENT = re.compile(r"`(\w[\w.]*)(?:=([^`]*))?`")
"""In a message: the name of an argument, and a value where one is meant."""
NAMES = {
    "data.name": "dataset",
    "data.path": "data_path",
    "set": "path",
    "sets": "paths",
    "study:sets": "sets",
    "models": "model",
    "updates": "iterations",
    "minutes": "max_minutes",
    "lr": "lr_img",
    "train:lr": "lr_net",
    "batch": "batch_real",
    "train:batch": "batch_train",
    "distill:augmentation": "dsa_strategy",
    "trials": "num_eval",
    "real_trials": "real_eval",
    "rates": "learning_rates",
    "augmented": "no_dsa",
    "soft.loss": "soft_loss",
    "on_the_fly.loss": "soft_loss",
    "clom.distance": "clom_distance",
    "clom.batch_size": "clom_batch_size",
    "clom.weighting": "clom_weighting",
    "clom.source": "source_dataset",
    "guides": "guides_path",
    "select.by": "select",
    "select.every": "select_every",
    **{f"{part}.architectures": "models_pool" for part in ("pool", "judges")},
    **{f"{part}.num": "model_num" for part in ("pool", "judges")},
    **{f"{part}.early": "early_epochs" for part in ("pool", "judges")},
    **{f"{part}.path": "pool_path" for part in ("pool", "judges")},
}
"""Options that stand for values of descriptions, where they have not their names; of one kind of
run alone after its name and a colon."""
MORE = (
    *(("key", "seed"), ("batch", "clom_batch_size")),
    *(("images", "image_column"), ("labels", "label_column")),
    *(("folder", "out"), ("folder", "save_path"), ("file", "out")),
)
"""Arguments that are no such values, and options that stand for them."""
WORDS = {("mirror", "True"): "yes", ("mirror", "False"): "no"}
"""Values that are typed otherwise."""


def name_of(kind: str, path: str) -> str:
    """Return the option that stands for a value of the description of a kind of run.

    >>> name_of("train", "lr"), name_of("distill", "lr"), name_of("distill", "pool.epoch")
    ('lr_net', 'lr_img', 'epoch')
    """
    return NAMES.get(f"{kind}:{path}") or NAMES.get(path) or path.rpartition(".")[2]


def in_options(message: str, known: Collection[str] | None) -> str:
    """Say options in the place of arguments.

    Args:
        message: see ``InputError``.
        known: the options of the command, without dashes; a name that stands for none is said
            as it is. None where any may be meant.

    >>> in_options("`lr` must be above zero; take `init='noise'`", {"lr-img", "init"})
    '--lr-img must be above zero; take --init noise'
    """

    def said(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        last = name.rpartition(".")[2]
        candidates = (*_options(name), last.replace("_", "-"), *_options(last))
        option = next((one for one in candidates if known is None or one in known), None)
        if option is None:
            return name if value is None else f"{name}={value}"
        value = WORDS.get((option, value), value)
        return f"--{option}" if value in (None, "True") else f"--{option} {value.strip(chr(39))}"

    return ARGUMENT.sub(said, message)


@cache
def _options(argument: str) -> list[str]:
    known = ((key.partition(":")[2] or key, option) for key, option in (*NAMES.items(), *MORE))
    found = (name for key, name in known if argument in (key, key.rpartition(".")[2]))
    return [name.replace("_", "-") for name in found if name not in ("path", "paths", "sets")]
