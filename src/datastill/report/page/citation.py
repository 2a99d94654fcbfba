"""What to cite for a set: the papers whose ideas made it, as BibTeX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datastill.distillation.clom import PAPER
from datastill.distillation.methods import METHODS


def citation(facts: Mapping[str, Any]) -> str:
    """Return the papers that a set follows from, as BibTeX; nothing where none is known.

    They are those that the method registered with its settings. Code that a file names, as
    methods of a person's own are, is never loaded for that.

    Args:
        facts: of the set.

    >>> citation({"method": "DM"}).splitlines()[0]
    '@inproceedings{zhao2023dm,'
    """
    name = str(facts.get("method"))
    papers = METHODS[name](1).papers if METHODS.has(name) else ()
    return "\n\n".join(one.bibtex for one in (*papers, *([PAPER] if facts.get("clom") else [])))
