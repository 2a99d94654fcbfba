"""A dataset repository of the Hugging Face hub: a folder with a card."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from datastill.base.errors import InputError, reason
from datastill.base.libraries import imported
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.exchange.base import FORMATS, Format, Found, Reading, stem_of
from datastill.exchange.base.tables import names_pictures, parquet_of, read_parquet
from datastill.report.preview import write_preview
from datastill.report.summary import summary
from datastill.store import SET_FILE, new_folder, save

TABLE = "data/train-00000-of-00001.parquet"
PART = re.compile(r"-(\d+)-of-(\d+)")
"""How the hub numbers the parts of a table."""


def read(path: Path, options: Reading) -> Found:
    """Read the table of a repository that lies in a folder, all of its parts in order.

    Raises:
        InputError: when a part is missing, or the columns are not those of images and labels.
    """
    tables = tables_in(path)
    if not tables:
        raise InputError(f"{path} holds no files data/train*.parquet")
    parts = [(table, PART.search(table.name)) for table in tables]
    counts = {int(part[2]) for _, part in parts if part}
    numbers = sorted(int(part[1]) for _, part in parts if part)
    if len(counts) > 1 or (counts and numbers != list(range(max(counts)))):
        expected = f"all of {max(counts)} parts" if len(counts) == 1 else "parts of one table"
        raise InputError(
            f"{tables[0].parent} holds {len(tables)} files train*.parquet, expected {expected}; "
            "fetch those that are missing, or name one file"
        )
    found = read_parquet(*tables)
    told = f"{len(tables)} parts were put together" if len(tables) > 1 else ""
    return replace(found, remarks=(*found.remarks, told)) if told else found


def tables_in(path: Path) -> list[Path]:
    """Return the files of training images of a repository, in order."""
    for place in (path / "data", path, path / "default"):
        found = sorted(place.glob("train*.parquet"))
        if found:
            return found
    return sorted((path / "default" / "train").glob("*.parquet"))


def write(data: ImageSet, path: Path) -> tuple[str, ...]:
    """Write a folder as the hub shows it: table, card, picture, and the set itself."""
    table = parquet_of(data)
    with new_folder(path) as partial:
        (partial / "data").mkdir()
        (partial / TABLE).write_bytes(table)
        (partial / "README.md").write_text(card(data), encoding="utf-8")
        write_preview(data, partial / "preview.png")
        save(data, partial / SET_FILE)
    return ()


CARD = """---
{front}
---

# {title}

![The images, a row for each class](preview.png)

A synthetic set: {count} images that stand for the training images of {dataset}, made to train
networks on rather than to look at.

| | |
|---|---|
{rows}

## Use

`pixel_values` holds the set itself: float32, normalised, `pixel = value * std + mean` for each
channel with mean {mean} and std {std}. `image` shows it in 8 bits, cut to what can be seen: do not
train on it. Test images have to be normalised alike.

```python
from datasets import load_dataset

data = load_dataset("parquet", data_files="{table}", split="train")
images = data.with_format("torch")["pixel_values"][:]
```

or, with everything that is known about the set:

```python
import datastill

data = datastill.load("{file}")
```
"""


def card(data: ImageSet) -> str:
    """Return the dataset card: what the set says of itself, for people and for the hub."""
    title = f"{data.domain.name}, distilled to {counted(len(data), 'image')}"
    front = {
        "pretty_name": title,
        "task_categories": ["image-classification"],
        "tags": ["dataset-distillation", "dataset-condensation", "synthetic", "datastill"],
        "size_categories": ["n<1K" if len(data) < 1000 else "1K<n<10K"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": TABLE}]}],
    }
    return CARD.format(
        front="\n".join(f"{name}: {json.dumps(value)}" for name, value in front.items()),
        title=title,
        count=len(data),
        dataset=data.domain.name,
        rows="\n".join(f"| {name} | {_cell(line)} |" for name, line in summary(data).items()),
        mean=list(data.domain.mean),
        std=list(data.domain.std),
        table=TABLE,
        file=SET_FILE,
    )


def push(folder: Path, repository: str, *, private: bool = False) -> str:
    """Upload such a folder to the hub, as the person who is logged in there.

    Returns:
        The address of the repository.

    Raises:
        InputError: when the hub cannot be reached, or refuses.
    """
    api = imported("huggingface_hub", "hub needs a library").HfApi()
    try:
        address = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(folder_path=folder, repo_id=repository, repo_type="dataset")
    except Exception as error:  # of the network, of the hub, of the name
        raise InputError(
            f"could not push to {repository}: {reason(error)}; "
            f"the folder {folder} is ready to upload"
        ) from None
    return str(address)


def _cell(line: str) -> str:
    return line.replace("|", "\\|").replace("\n", " ")


FORMATS.register("hub")(
    Format(
        about="a folder as the Hugging Face hub shows it: parquet, card and picture",
        recognises=lambda path: (
            path.is_dir() and bool(tables_in(path)) and not names_pictures(path)
        ),
        read=read,
        name=lambda data: f"{stem_of(data)}-hub",
        write=write,
        several=False,
    )
)
