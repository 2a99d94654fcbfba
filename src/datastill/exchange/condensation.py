"""Files of PyTorch's: that of DatasetCondensation (DC, DSA, DM), and whatever others save."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from datastill.data import ImageSet
from datastill.data.pixels import ready
from datastill.exchange.base import (
    FORMATS,
    Format,
    Found,
    Reading,
    Space,
    factor_named,
    method_named,
    saved,
    says_whitened,
    words_of,
)
from datastill.store import put_file, set_header

NORMALISING = ("DC", "DSA", "DM", "CAFE")
"""Methods whose code normalises what it saves by the mean and std of the dataset, always."""


def read(path: Path, options: Reading) -> Found:
    """Read a file of PyTorch's or of pickle's with images and labels in any usual structure.

    Of several sets the last is taken, or all that are steps of one.

    Raises:
        InputError: when there are none.
    """
    pair = saved(path, options.experiment)
    held, facts = pair.held, {**_named(path), **_reported(pair.held.accuracies)}
    space: Space | None = None
    if "zca" in words_of(path.stem):
        space = "whitened" if says_whitened(path) else None
    elif facts.get("method") in NORMALISING or held.header is not None:
        space = "normalised"
    elif says_whitened(path):
        space = "whitened"
    return replace(
        held.found(facts),
        space="pixels" if pair.pixels else space,
        undone=pair.pixels,
        rule="normalised" if method_named(path) == "DataDAM" else None,
        factor=factor_named(path) or _mosaic(path),
    )


def write(data: ImageSet, path: Path) -> tuple[str, ...]:
    """Write a set as the reference code saves one, with what it does not save beside it."""
    table: dict[str, Any] = {
        "data": [[ready(data.images).cpu().float(), data.hard_labels.cpu()]],
        "accs_all_exps": {},
        "datastill": json.dumps(set_header(data)),
    }
    soft = data.labels.ndim == 2
    if soft:
        table["soft_labels"] = data.labels.cpu()
    content = io.BytesIO()
    torch.save(table, content)
    put_file(path, content.getvalue())
    told = "the reference code sees the likeliest class; the soft labels lie beside it"
    return (told,) if soft else ()


def usual_name(data: ImageSet) -> str:
    """Return the name that the reference code gives to such a file."""
    method, model = data.facts.get("method", "set"), data.facts.get("model", "ConvNet")
    plain = "".join(c for c in f"{method}_{data.domain.name}_{model}" if c.isalnum() or c == "_")
    return f"res_{plain}_{max(data.counts)}ipc.pt"


def _named(path: Path) -> dict[str, Any]:
    # The reference code calls its files res_METHOD_DATASET_MODEL_Nipc.pt.
    named = re.match(r"(?:cl_)?res_([A-Za-z0-9-]+)_", path.name)
    if named is None:
        known = method_named(path)
        return {} if known is None else {"method": known, "protocol": "dsa"}
    return {"method": named[1], "protocol": "dc" if named[1] == "DC" else "dsa"}


def _mosaic(path: Path) -> int | None:
    # IDM's folders are called ..._aug_True_model_ConvNet where an image holds four.
    words = words_of(path.absolute().parent.name)
    pickled = path.suffix in PICKLES
    said = ("aug", "true") in pairwise(words)
    return 2 if pickled and said else None


def _reported(table: Any) -> dict[str, Any]:
    # Accuracies that the other project measured, by architecture: kept, and never believed.
    if not isinstance(table, Mapping):
        return {}
    rows = {
        str(name): [value for value in values if isinstance(value, float)]
        for name, values in table.items()
        if isinstance(values, Sequence)
    }
    found = {name: values for name, values in rows.items() if values}
    return {"reported_accuracies": found} if found else {}


PICKLES = (".pkl", ".pickle")

FORMATS.register("pt")(
    Format(
        about="tensors of torch.save or pickle: DatasetCondensation's (DC, DSA, DM), IDM's, others",
        recognises=lambda path: path.suffix in (".pt", ".pth", ".safetensors", *PICKLES),
        read=read,
        name=usual_name,
        write=write,
    )
)
