"""The layout of DatasetCondensation: DC, DSA and DM of the papers' own code."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from datastill.artifacts import replace_file, set_header, writing
from datastill.data import ImageSet
from datastill.errors import InputError
from datastill.exchange.base import (
    FORMATS,
    Format,
    Found,
    Reading,
    header_of,
    load_torch,
    pair_of,
    tensor_of,
)


def read(path: Path, options: Reading) -> Found:
    """Read one experiment: normalised images and their labels.

    Raises:
        InputError: when there is no such experiment, or the file is no such dictionary.
    """
    table = load_torch(path)
    if not isinstance(table, Mapping) or not isinstance(table.get("data"), Sequence):
        raise InputError(
            f"{path} holds no dictionary with 'data', as DatasetCondensation saves; "
            "for a bare list say --format idc, for a bare tensor --format trajectory"
        )
    runs, chosen = table["data"], options.experiment or 0
    if not 0 <= chosen < len(runs):
        raise InputError(f"{path} holds {len(runs)} experiments; there is no number {chosen}")
    images, labels = pair_of(runs[chosen], path)
    if "soft_labels" in table:
        labels = tensor_of(table["soft_labels"], "soft labels", path)
    several = len(runs) > 1 and options.experiment is None
    told = f"it holds {len(runs)} experiments; the first was taken, --experiment takes another"
    return Found(
        images,
        labels,
        header=header_of(table.get("datastill"), path),
        facts={**_named(path), **_reported(table.get("accs_all_exps"))},
        remarks=(told,) if several else (),
    )


def write(data: ImageSet, path: Path) -> tuple[str, ...]:
    """Write a set as the reference code saves one, with what it does not save beside it."""
    table: dict[str, Any] = {
        "data": [[data.images.cpu().float(), data.hard_labels.cpu()]],
        "accs_all_exps": {},
        "datastill": json.dumps(set_header(data)),
    }
    soft = data.labels.ndim == 2
    if soft:
        table["soft_labels"] = data.labels.cpu()
    content = io.BytesIO()
    torch.save(table, content)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.getvalue())
    told = "the reference code sees the likeliest class; the soft labels lie beside it"
    return (told,) if soft else ()


def usual_name(data: ImageSet) -> str:
    """Return the name that the reference code gives to such a file."""
    method, model = data.facts.get("method", "set"), data.facts.get("model", "ConvNet")
    plain = "".join(c for c in f"{method}_{data.domain.name}_{model}" if c.isalnum() or c == "_")
    return f"res_{plain}_{max(data.counts)}ipc.pt"


def _named(path: Path) -> dict[str, str]:
    # The reference code calls its files res_METHOD_DATASET_MODEL_Nipc.pt.
    named = re.match(r"(?:cl_)?res_([A-Za-z]+)_", path.name)
    if named is None:
        return {}
    return {"method": named[1], "protocol": "dc" if named[1] == "DC" else "dsa"}


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


FORMATS.register("pt")(
    Format(
        about="DatasetCondensation's file (DC, DSA, DM): normalised tensors",
        recognises=lambda path: path.suffix in (".pt", ".pth"),
        read=read,
        name=usual_name,
        write=write,
    )
)
