"""Descriptions of runs, as values of the options of the commands that carry them out."""

from __future__ import annotations

from functools import singledispatch
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.cli.settings import SETTINGS
from datastill.runs.specs import (
    AssessSpec,
    CompareSpec,
    DistillSpec,
    PoolSpec,
    RankSpec,
    RelabelSpec,
    Spec,
    StudySpec,
    TrainSpec,
    ValidateSpec,
)


def options_of_spec(spec: Spec) -> dict[str, Any]:
    """Return the options of the command of its kind that ask for a run, by their names.

    What is None is left out: without it a command does the same.

    Raises:
        InputError: for what no option says.

    >>> options_of_spec(RelabelSpec(set="a", temperature=4))["temperature"]
    4.0
    """
    found = _options(spec)
    return {name.replace("_", "-"): value for name, value in found.items() if value is not None}


@singledispatch
def _options(spec: Spec) -> dict[str, Any]:
    raise InputError(f"no command carries out a run of kind {spec.kind!r}")


@_options.register
def _(spec: TrainSpec) -> dict[str, Any]:
    return {
        **_about(spec),
        "model": spec.models,
        **_same(spec, "num", "epochs", "weight_decay", "save_epochs", "held_out"),
        "lr_net": spec.lr,
        "batch_train": spec.batch,
    }


@_options.register
def _(spec: DistillSpec) -> dict[str, Any]:
    own = {name: value for name, value in spec.settings.items() if name in SETTINGS}
    others = {name: value for name, value in spec.settings.items() if name not in SETTINGS}
    clom, select = spec.clom, spec.select
    return {
        **_about(spec),
        **_pool(spec.pool),
        **own,
        "setting": tuple(f"{name}={value}" for name, value in others.items()) or None,
        **_same(spec, "method", "model", "ipc", "init", "coreset_features", "tiles", "labels"),
        "iterations": spec.updates,
        "max_minutes": spec.minutes,
        "lr_img": spec.lr,
        "batch_real": spec.batch,
        "dsa_strategy": spec.augmentation,
        "alphas": clom and clom.alphas,
        **{f"clom_{n}": clom and getattr(clom, n) for n in ("distance", "weighting", "batch_size")},
        "source_dataset": clom and clom.source,
        "select": select and select.by,
        "select_every": select and select.every,
    }


@_options.register
def _(spec: ValidateSpec) -> dict[str, Any]:
    return {
        **_about(spec),
        "path": Path(spec.set),
        "protocol": spec.protocol,
        "augmentation": spec.augmentation,
        **_trials(spec),
        **_labelling(spec),
    }


@_options.register
def _(spec: CompareSpec) -> dict[str, Any]:
    return {
        **_about(spec),
        **_trials(spec),
        **_labelling(spec),
        "paths": tuple(map(Path, spec.sets)),
        "ipc": None if spec.ipc is None else str(spec.ipc),
        "protocol": spec.protocol,
        "real_epochs": spec.real_epochs,
        "real_eval": spec.real_trials,
        "dd_ranking": bool(spec.rates),
        "learning_rates": spec.rates or None,
    }


@_options.register
def _(spec: AssessSpec) -> dict[str, Any]:
    about = {**_about(spec), **_pool(spec.pool), **_same(spec, "assessments", "draws")}
    return {**about, "path": Path(spec.set)}


@_options.register
def _(spec: RankSpec) -> dict[str, Any]:
    sets = tuple(map(Path, spec.sets))
    about = {**_about(spec), **_pool(spec.pool)}
    return {**about, "paths": sets, "by": spec.by}


@_options.register
def _(spec: RelabelSpec) -> dict[str, Any]:
    return {**_pool(spec.pool), "path": Path(spec.set), "temperature": spec.temperature}


@_options.register
def _(spec: StudySpec) -> dict[str, Any]:
    judges = spec.judges
    return {
        **_about(spec),
        **_same(spec, "population", "ipc", "seeds", "inner_loop", "model", "epochs", "assessments"),
        "sets": tuple(map(Path, spec.sets)),
        "batch_real": spec.batch,
        "num_eval": spec.trials,
        "no_dsa": not spec.augmented,
        "models_pool": judges.architectures,
        "model_num": judges.num,
        "pool_path": None if judges.path is None else Path(judges.path),
        "epoch": judges.epoch,
        "early_epochs": judges.early,
        "pool_epochs": judges.pool_epochs,
    }


Usual = TrainSpec | DistillSpec | ValidateSpec | CompareSpec | AssessSpec | RankSpec | StudySpec


def _about(spec: Usual) -> dict[str, Any]:
    data, sides = spec.data, spec.data.sides
    return {
        **spec.compute.table(),
        "dataset": data.name,
        "data_path": None if data.path is None else Path(data.path),
        "size": sides and "x".join(map(str, sides)),
        "image_column": data.image_column,
        "label_column": data.label_column,
        "test_share": data.test_share,
        "skip_damaged": data.skip_damaged,
        "mirror": None if data.mirror is None else "yes" if data.mirror else "no",
    }


def _pool(pool: PoolSpec) -> dict[str, Any]:
    return {
        "models_pool": pool.architectures,
        "model_num": pool.num,
        "epoch": pool.epoch,
        "early_epochs": pool.early or None,
        "pool_path": Path(pool.path),
    }


def _trials(spec: ValidateSpec | CompareSpec) -> dict[str, Any]:
    return {
        "model": spec.models,
        "num_eval": spec.trials,
        "epochs": spec.epochs,
        "against": spec.against,
        "coreset_features": spec.coreset_features,
        "pool_path": Path(spec.pool_path),
        "together": spec.together,
    }


def _labelling(spec: ValidateSpec | CompareSpec) -> dict[str, Any]:
    fly, pool, said = spec.on_the_fly, spec.pool, spec.on_the_fly or spec.soft
    if fly is not None and spec.soft != type(spec.soft)():
        raise InputError("no option says the loss of own soft labels beside labels on the fly")
    return {
        **(_pool(pool) if pool else {}),
        "labels": "on-the-fly" if fly else "own",
        "soft_loss": None if said.loss == type(said)().loss else said.loss,
        "temperature": said.temperature,
        "ground_truth": fly and fly.ground_truth,
    }


def _same(spec: Spec, *names: str) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in names}
