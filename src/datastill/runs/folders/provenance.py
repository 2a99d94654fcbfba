"""What a result follows from, as a value: written down with it, and compared when its run goes on.

A run that goes on must be of the same ``asked``; how it is computed (``Execution``) may differ
from before, which is told: sums are added in another order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, cast

from datastill.compute import cores, kernels
from datastill.runs.conduct.keeping import EXECUTION
from datastill.runs.specs import ComputeSpec, Spec
from datastill.store import versions


@dataclass(frozen=True)
class Execution:
    """How a run is computed on a machine; what changes with it is the time, and the last bits.

    Attributes:
        instructions: that the kernels were built for; empty where none are to be used.
        threads: by which PyTorch computes.
    """

    instructions: str
    threads: int

    @classmethod
    def here(cls, device: str, compute: ComputeSpec | None) -> Self:
        """Return that of this process."""
        able = compute is not None and compute.engine in ("auto", "kernels")
        able = able and device.startswith("cpu")
        return cls(kernels.instructions() if able else "", cores.given())


@dataclass(frozen=True)
class Original:
    """An original model that had a hand in a result; None for what is not known of it.

    Attributes:
        architecture: of the model.
        number: in its pool.
        key: address of its training.
        epoch: after which it was taken.
        weights: a digest of them.
        trained_on: a digest of the images that it was trained on.
    """

    architecture: str
    number: int | None = None
    key: int | None = None
    epoch: int | None = None
    weights: str | None = None
    trained_on: str | None = None


@dataclass(frozen=True, eq=False)
class Provenance:
    """What a result follows from.

    Attributes:
        spec: what was asked for.
        resolved: what that came to, with the original models that had a hand, by the names that
            files have for it.
        data: digests of the images, and how many, likewise.
        device: what computes.
        execution: how.
        versions: of what computes.
    """

    spec: Spec
    resolved: Mapping[str, Any]
    data: Mapping[str, Any]
    device: str
    execution: Execution
    versions: Mapping[str, str]

    @classmethod
    def here(
        cls, spec: Spec, device: str, resolved: Mapping[str, Any], data: Mapping[str, Any]
    ) -> Self:
        """Return that of a result of this process."""
        execution = Execution.here(device, getattr(spec, "compute", None))
        return cls(spec, resolved, data, device, execution, versions())

    @property
    def originals(self) -> dict[str, tuple[Original, ...]]:
        """The original models that guided, chose, judged, labelled or gave features, by that."""
        return dict(_originals(self.resolved))

    @property
    def asked(self) -> dict[str, Any]:
        """All in which a run that goes on must equal what it was, and how it is computed."""
        compute: ComputeSpec | None = getattr(self.spec, "compute", None)
        names = () if compute is None else ("seed", "engine", "precision")
        return {
            **self.resolved,
            **{name: getattr(compute, name) for name in names},
            "device": self.device,
            "versions": dict(self.versions),
            **self.data,
            EXECUTION: asdict(self.execution),
        }

    def facts(self) -> dict[str, Any]:
        """Return all of it, as files hold it."""
        return {**self.asked, "run": {"kind": self.spec.kind, **self.spec.table()}}


def _originals(
    table: Mapping[str, Any], at: str = ""
) -> Iterator[tuple[str, tuple[Original, ...]]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _originals(cast("Mapping[str, Any]", value), at if at else name)
        elif isinstance(value, list | tuple):
            rows = cast("Sequence[Any]", value)
            if rows and all(isinstance(row, Mapping) and "weights" in row for row in rows):
                yield at or name, tuple(Original(**_known(row)) for row in rows)


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {one.name: row.get(one.name) for one in fields(Original)}
