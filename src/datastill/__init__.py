"""Dataset distillation: a tiny synthetic set, and evidence whether to trust it."""

# Nothing is imported here but files that import nothing: `python -m datastill` begins with this
# one, while the current folder is still first on the module path, and `datastill --help` need not
# wait for torch.
from datastill.base.moved import keep_old_names
from datastill.base.notebooks import shown_by
from datastill.base.threads import share_cores

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from datastill import runs as runs
    from datastill.augment import dsa, usual_strategy
    from datastill.base.errors import InputError
    from datastill.base.rng import Key
    from datastill.compute.route import Route
    from datastill.data import Domain, ImageSet
    from datastill.datasets import Reading, from_arrays, from_dataset, load_dataset
    from datastill.distillation.clom import contrastive_clom, cross_entropy_clom
    from datastill.distillation.descent import Descent
    from datastill.distillation.loop import distill
    from datastill.distillation.methods import METHODS, Task
    from datastill.evaluation.assessments import Evidence
    from datastill.evaluation.scores import assess
    from datastill.evaluation.studies import Bench, study
    from datastill.evaluation.validation import validate
    from datastill.networks import adapt, build, builder
    from datastill.report.preview import show
    from datastill.store import load, save
    from datastill.training.pool import original_fit, train_pool
    from datastill.training.protocol import preset

share_cores()
keep_old_names()
shown_by(sets="datastill.report.notebook:of_set", runs="datastill.runs.showing.notebook:html_of")

_HOMES = {
    "store": ("load", "save"),
    "evaluation.assessments": ("Evidence",),
    "augment": ("dsa", "usual_strategy"),
    "distillation.clom": ("contrastive_clom", "cross_entropy_clom"),
    "data": ("Domain", "ImageSet"),
    "datasets": ("Reading", "from_arrays", "from_dataset", "load_dataset"),
    "distillation.descent": ("Descent",),
    "distillation.loop": ("distill",),
    "base.errors": ("InputError",),
    "distillation.methods": ("METHODS", "Task"),
    "networks": ("adapt", "build", "builder"),
    "training.pool": ("original_fit", "train_pool"),
    "training.protocol": ("preset",),
    "base.rng": ("Key",),
    "report.preview": ("show",),
    "compute.route": ("Route",),
    "evaluation.scores": ("assess",),
    "evaluation.studies": ("Bench", "study"),
    "evaluation.validation": ("validate",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "METHODS",
    "Bench",
    "Descent",
    "Domain",
    "Evidence",
    "ImageSet",
    "InputError",
    "Key",
    "Reading",
    "Route",
    "Task",
    "adapt",
    "assess",
    "build",
    "builder",
    "contrastive_clom",
    "cross_entropy_clom",
    "distill",
    "dsa",
    "from_arrays",
    "from_dataset",
    "load",
    "load_dataset",
    "original_fit",
    "preset",
    "save",
    "show",
    "study",
    "train_pool",
    "usual_strategy",
    "validate",
]


def __getattr__(name: str) -> "Any":
    if name == "__version__":
        from datastill.base.version import own_version

        return own_version()
    if name == "runs":
        from importlib import import_module

        return import_module("datastill.runs")
    if name not in _HOME:
        raise AttributeError(f"module 'datastill' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"datastill.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    own = (name for name in globals() if name[:2] == "__")
    return sorted({*__all__, "__version__", "runs", *own})
