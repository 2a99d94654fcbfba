"""Papers, as they are cited."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """A paper that a method, or part of one, follows.

    Attributes:
        key: by which a text refers to it.
        authors: as BibTeX has them, family names first, joined by "and".
        title: of it.
        where: and when: "ICML 2021".
        journal: whether that is a journal; else a conference.
    """

    key: str
    authors: str
    title: str
    where: str
    journal: bool = False

    @property
    def bibtex(self) -> str:
        """The entry of a bibliography.

        >>> print(Paper("zhao2021dsa", "Zhao, Bo", "A Title", "ICML 2021").bibtex)
        @inproceedings{zhao2021dsa,
          author = {Zhao, Bo},
          title = {A Title},
          booktitle = {ICML},
          year = {2021}
        }
        """
        kind, place = ("article", "journal") if self.journal else ("inproceedings", "booktitle")
        where, _, year = self.where.rpartition(" ")
        return (
            f"@{kind}{{{self.key},\n  author = {{{self.authors}}},\n  title = {{{self.title}}},\n"
            f"  {place} = {{{where}}},\n  year = {{{year}}}\n}}"
        )


TRAJECTORIES = Paper(
    "cazenavette2022mtt",
    "Cazenavette, George and Wang, Tongzhou and Torralba, Antonio and Efros, Alexei A. "
    "and Zhu, Jun-Yan",
    "Dataset Distillation by Matching Training Trajectories",
    "CVPR 2022",
)
"""What more than one method follows stands here."""
