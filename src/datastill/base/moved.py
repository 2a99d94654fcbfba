"""Modules that have moved into rooms are found under the names that they had."""

import sys

ROOMS = {
    "base": "errors wording signals machine threads rng present registry costs",
    "data": "pixels losses",
    "compute": "route tuning measuring timing kernels",
    "training": "stacked pool protocol accuracies coresets",
    "distillation": "clom relabelling methods",
    "evaluation": "evidence assessments scores validation selection studies comparison",
    "runs.costs": "reached forecast",
}
RUNS = {
    "specs": "quota population labels settings recipes old_recipes",
    "conduct": "observer stop futures keeping differences given carrying",
    "folders": "describing provenance filing underway finding gathering",
    "costs": "forecast reached budget",
    "inputs": "computing reading originals picking origin needed guiding series",
    "executors": "pieces",
    "making": "training preparing course lengthening telling ranks distilling relabelling"
    " exchanging",
    "validation": "finished trials validated validating apart comparing material table ranking"
    " early",
    "assessment": "scored assessing",
    "studies": "workshop examining judging findings studying standing",
    "foresight": "probing estimating checking",
    "housekeeping": "catalogue state inventory cleaning",
    "compound": "whole sweeping demonstration",
    "showing": "summaries records outcomes reporting exhibiting beholding live notebook",
}
"""What lay side by side in ``runs``, by the rooms that it has there."""

MOVED = {
    **{name: f"{room}.{name}" for room, names in ROOMS.items() for name in names.split()},
    **{f"runs.{name}": f"runs.{room}.{name}" for room in RUNS for name in RUNS[room].split()},
    "runs.evaluation_plan": "runs.validation.plan",
    **{f"runs.study_{name}": f"runs.studies.{name}" for name in ("material", "pieces", "apart")},
    "studies.population": "runs.specs.population",
    "layout": "datasets.base.layout",
    "network": "networks.base.network",
    "own_network": "networks.base.own",
    "train": "training.fit",
    "artifacts": "store",
}
"""By the old name below ``datastill``, the one of today."""


def place_of(name: str) -> str | None:
    """Return the name of today of a module of an old one, both below ``datastill``; None of others.

    >>> place_of("methods.base"), place_of("data")
    ('distillation.methods.base', None)
    """
    for length in (2, 1):
        head = name.split(".")[:length]
        if (new := MOVED.get(".".join(head))) is not None:
            return ".".join([new, *name.split(".")[len(head) :]])
    return None


class Finder:
    """Finds moved modules for ``import``, after all other ways have failed."""

    @staticmethod
    def find_spec(name: str, *_: object) -> object:
        """Return how to load a module that has moved; None of any other."""
        package, inner = name.partition(".")[::2]
        new = place_of(inner) if package == "datastill" else None
        if new is None or __spec__ is None:
            return None
        return type(__spec__)(name, Loader(f"datastill.{new}"))


class Loader:
    """Gives the module of today under its old name, and leaves it as it is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, _: object) -> object:
        """Return the module of today."""
        from importlib import import_module

        module = import_module(self.name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: object) -> None:
        """Put back what the machinery has overwritten: nothing is run again."""
        module.__spec__ = self.spec  # pyright: ignore[reportAttributeAccessIssue]


def keep_old_names() -> None:
    """Let modules be imported under the names that they had."""
    finders: list[object] = list(sys.meta_path)
    if Finder not in finders:
        sys.meta_path.append(Finder)  # pyright: ignore[reportArgumentType]
