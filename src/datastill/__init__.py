"""Dataset distillation: a tiny synthetic set, and evidence whether to trust it."""

# Nothing is imported here but a file that imports nothing: `python -m datastill` begins with this
# one, while the current folder is still first on the module path, and `datastill --help` need not
# wait for torch.
from datastill.threads import share_cores

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from datastill.artifacts import load, save
    from datastill.assessments import Evidence
    from datastill.augment import dsa, usual_strategy
    from datastill.clom import contrastive_clom, cross_entropy_clom
    from datastill.data import Domain, ImageSet
    from datastill.datasets import Reading, from_arrays, from_dataset, load_dataset
    from datastill.distillation import Descent, distill
    from datastill.errors import InputError
    from datastill.methods import METHODS, Task
    from datastill.networks import adapt, build, builder
    from datastill.pool import original_fit, train_pool
    from datastill.protocol import preset
    from datastill.rng import Key
    from datastill.route import Route
    from datastill.scores import assess
    from datastill.studies import Bench, study
    from datastill.validation import validate

share_cores()

_HOMES = {
    "artifacts": ("load", "save"),
    "assessments": ("Evidence",),
    "augment": ("dsa", "usual_strategy"),
    "clom": ("contrastive_clom", "cross_entropy_clom"),
    "data": ("Domain", "ImageSet"),
    "datasets": ("Reading", "from_arrays", "from_dataset", "load_dataset"),
    "distillation": ("Descent", "distill"),
    "errors": ("InputError",),
    "methods": ("METHODS", "Task"),
    "networks": ("adapt", "build", "builder"),
    "pool": ("original_fit", "train_pool"),
    "protocol": ("preset",),
    "rng": ("Key",),
    "route": ("Route",),
    "scores": ("assess",),
    "studies": ("Bench", "study"),
    "validation": ("validate",),
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
    "study",
    "train_pool",
    "usual_strategy",
    "validate",
]


def __getattr__(name: str) -> "Any":
    if name == "__version__":
        from importlib.metadata import version

        return version("datastill")
    if name not in _HOME:
        raise AttributeError(f"module 'datastill' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"datastill.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", *(name for name in globals() if name[:2] == "__")})
