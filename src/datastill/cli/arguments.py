"""Arguments of Python, as messages call them, in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Collection

ARGUMENT = re.compile(r"`(\w[\w.]*)(?:=([^`]*))?`")
"""In a message: the name of an argument, and a value where one is meant."""
KEY = re.compile(r"`([\w.-]+)(?:=([^`]*))?`")
"""Likewise: a key of a file, which may lie in a table."""
OPTIONS = {
    "updates": ("iterations",),
    "lr": ("lr-img", "lr-net"),
    "batch": ("batch-real", "batch-train", "clom-batch-size"),
    "trials": ("num-eval",),
    "key": ("seed",),
    "num": ("model-num",),
    "epochs": ("original-epochs",),
    "name": ("dataset",),
    "path": ("data-path",),
    "images": ("image-column",),
    "labels": ("label-column",),
    "architectures": ("models-pool",),
    "models": ("model",),
    "early": ("early-epochs",),
    "minutes": ("max-minutes",),
    "augmentation": ("dsa-strategy",),
    "source": ("source-dataset",),
    "real_trials": ("real-eval",),
    "rates": ("learning-rates",),
    "select.by": ("select",),
    "select.every": ("select-every",),
    "clom.distance": ("clom-distance",),
    "clom.weighting": ("clom-weighting",),
    "weighting": ("clom-weighting",),
    "clom.batch_size": ("clom-batch-size",),
    "batch_size": ("clom-batch-size",),
    "soft.loss": ("soft-loss",),
    "on_the_fly.loss": ("soft-loss",),
    "loss": ("soft-loss",),
    "every": ("select-every",),
    "by": ("select",),
    "judges.path": ("pool-path",),
    "folder": ("out", "save-path"),
}
"""Arguments that are called otherwise on the command line, where an option has not their name."""
WORDS = {("mirror", "True"): "yes", ("mirror", "False"): "no"}
"""Values that are typed otherwise."""


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
        candidates = (*OPTIONS.get(name, ()), last.replace("_", "-"), *OPTIONS.get(last, ()))
        option = next((one for one in candidates if known is None or one in known), None)
        if option is None:
            return name if value is None else f"{name}={value}"
        value = WORDS.get((option, value), value)
        return f"--{option}" if value in (None, "True") else f"--{option} {value.strip(chr(39))}"

    return ARGUMENT.sub(said, message)


def in_files(message: str) -> str:
    """Say keys of a file in the place of arguments.

    >>> in_files("`lr` must be above zero; take `init='noise'`")
    "'lr' must be above zero; take init = 'noise'"
    """

    def said(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        return f"'{name}'" if value is None else f"{name} = {value}"

    return KEY.sub(said, message)
