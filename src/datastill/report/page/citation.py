"""What to cite for a set: the papers whose ideas made it, as BibTeX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Entry = tuple[str, str, str, str, str]
"""Key, authors, title, where, and year."""

DC = (
    *("zhao2021dc", "Zhao, Bo and Mopuri, Konda Reddy and Bilen, Hakan"),
    *("Dataset Condensation with Gradient Matching", "ICLR", "2021"),
)
DSA = (
    *("zhao2021dsa", "Zhao, Bo and Bilen, Hakan"),
    *("Dataset Condensation with Differentiable Siamese Augmentation", "ICML", "2021"),
)
DM = (
    *("zhao2023dm", "Zhao, Bo and Bilen, Hakan"),
    *("Dataset Condensation with Distribution Matching", "WACV", "2023"),
)
MTT = (
    "cazenavette2022mtt",
    "Cazenavette, George and Wang, Tongzhou and Torralba, Antonio and Efros, Alexei A. and "
    "Zhu, Jun-Yan",
    *("Dataset Distillation by Matching Training Trajectories", "CVPR", "2022"),
)
TESLA = (
    *("cui2023tesla", "Cui, Justin and Wang, Ruochen and Si, Si and Hsieh, Cho-Jui"),
    "Scaling Up Dataset Distillation to ImageNet-1K with Constant Memory",
    *("ICML", "2023"),
)
DATM = (
    "guo2024datm",
    "Guo, Ziyao and Wang, Kai and Cazenavette, George and Li, Hui and Zhang, Kaipeng and You, Yang",
    "Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory Matching",
    *("ICLR", "2024"),
)
NCFM = (
    "wang2025ncfm",
    "Wang, Shaobo and Yang, Yicun and Liu, Zhiyuan and Sun, Chenghao and Hu, Xuming and "
    "He, Conghui and Zhang, Linfeng",
    "Dataset Distillation with Neural Characteristic Function: A Minmax Perspective",
    *("CVPR", "2025"),
)
CLOM = (
    *("lu2025clom", "Lu and others"),
    "Dataset Distillation with Pre-trained Models: A Contrastive Approach",
    *("Neurocomputing", "2025"),
)
PAPERS: Mapping[str, tuple[Entry, ...]] = {
    **{"DC": (DC,), "DSA": (DC, DSA), "DM": (DM,), "MTT": (MTT,)},
    **{"TESLA": (TESLA, DATM, MTT), "NCFM": (NCFM,)},
}
"""Papers by the names of methods."""


def citation(facts: Mapping[str, Any]) -> str:
    """Return the papers that a set follows from, as BibTeX; nothing where none is known.

    Args:
        facts: of the set.

    >>> citation({"method": "DM"}).splitlines()[0]
    '@inproceedings{zhao2023dm,'
    """
    entries = list(PAPERS.get(str(facts.get("method")), ()))
    if facts.get("clom"):
        entries.append(CLOM)
    return "\n\n".join(map(_bibtex, entries))


def _bibtex(entry: Entry) -> str:
    key, author, title, where, year = entry
    is_journal = where == "Neurocomputing"
    kind, place = ("article", "journal") if is_journal else ("inproceedings", "booktitle")
    return (
        f"@{kind}{{{key},\n  author = {{{author}}},\n  title = {{{title}}},\n"
        f"  {place} = {{{where}}},\n  year = {{{year}}}\n}}"
    )
