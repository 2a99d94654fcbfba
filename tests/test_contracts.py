"""Every public name, given one wrong argument at a time, says so in one line of Python's words.

The table says how each is rightly called, and which odd kinds make sense where. A public name, or
an argument, that is not in it fails a test: whoever adds one adds its line.
"""

import inspect
import math
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import datastill as ds
from conftest import blobs, linear
from datastill.augment import identity
from datastill.base.usual import usually
from datastill.compute.route import PLAIN
from datastill.distillation.parametrisations import Pixels
from datastill.distillation.relabelling import relabelled, soft_labels
from datastill.evaluation.selection import Selector
from datastill.evaluation.studies import Resampling
from datastill.training.fit import Fit
from datastill.training.labeller import Labeller
from datastill.training.labelling import OnTheFly
from datastill.training.pool import freeze
from datastill.training.protocol import Protocol

KEY = ds.Key(0)
REAL = blobs(per_class=3)
POOL = [freeze(linear(REAL.domain), "MLP", REAL.domain, {"epoch": 1})]
SHORT = Protocol("dc", Fit(epochs=1), "none")
EVIDENCE = ds.Evidence(REAL, REAL, POOL, KEY, PLAIN)
BENCH = ds.Bench(REAL, REAL, POOL, "MLP", SHORT, KEY, route=PLAIN, assessing=PLAIN)


def build(*, key: ds.Key) -> Any:
    return linear(REAL.domain)


TASK = ds.Task(REAL, build, KEY, route=PLAIN)


class Pairs:
    """A map-style dataset."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return np.full((8, 8), index * 50, np.uint8), index % 2


@dataclass(frozen=True)
class Contract:
    """How something is rightly called.

    Attributes:
        call: calls it, and takes of what it returns what it promises.
        good: what each of its arguments may be.
        means: by argument, the odd kinds that make sense there.
    """

    call: Callable[..., Any]
    good: Mapping[str, Any]
    means: Mapping[str, str] = field(default_factory=dict[str, str])


def published(name: Any, ipc: Any) -> Any:
    return ds.METHODS[name](ipc)


def built(**given: Any) -> Any:
    return ds.builder(**given)(key=KEY)


def nearness(**given: Any) -> Any:
    return ds.contrastive_clom(**given)(REAL.images, REAL.labels, key=KEY)


def entropy(**given: Any) -> Any:
    return ds.cross_entropy_clom(**given)(REAL.images, REAL.labels, key=KEY)


def distilled(**given: Any) -> Any:
    return next(ds.distill(**given))


def odd_kinds() -> dict[str, Any]:
    """Return what somebody may pass by mistake, by a name: made anew, for some can be used up."""
    nan, labels, images = math.nan, REAL.labels, REAL.images

    def changed(**parts: Any) -> ds.ImageSet:
        return replace(REAL, **parts)

    return {
        **{"None": None, "0": 0, "-1": -1, "half": 0.5, "nan": nan, "inf": math.inf, "True": True},
        **{"no text": "", "text": "no such thing", "bytes": b"x", "no list": [], "list": [None]},
        **{"numbers": [nan], "dict": {"a": None}, "odd dict": {3: "x"}, "path": Path("nowhere")},
        **{"class": int, "function": len, "object": object(), "generator": (i for i in ())},
        **{"number of torch": torch.tensor(1), "tensor": torch.zeros(2, 3)},
        **{"array": np.zeros(3), "objects": np.array([None, 3], object), "complex": 1j},
        **{"network": nn.Linear(2, 2), "key": ds.Key(3), "domain": blobs(shape=(3, 9, 9)).domain},
        "empty set": REAL.take(torch.arange(0)),
        "nan images": changed(images=images * nan),
        "infinite images": changed(images=images / 0),
        "doubles": changed(images=images.double()),
        "halves": changed(images=images.half()),
        "bytes of images": changed(images=images.byte()),
        "complex images": changed(images=images.to(torch.complex64)),
        "labels beyond": changed(labels=labels + 9),
        "negative labels": changed(labels=labels - 9),
        "int32 labels": changed(labels=labels.int()),
        "float labels": changed(labels=labels.float()),
        "nan labels": changed(labels=REAL.shares * nan),
        "large shares": changed(labels=REAL.shares * 2),
        "shares below zero": changed(labels=1.5 * REAL.shares - 0.125),
        "few shares": changed(labels=REAL.shares[:, :2]),
        "many axes": changed(labels=REAL.shares[:, :, None]),
        "other shape": blobs(shape=(3, 9, 9), per_class=3),
        "other classes": blobs(classes=2, per_class=3),
    }


COUNT = "number of torch"
FROM_ZERO = f"0, {COUNT}"
AMOUNT = f"{FROM_ZERO}, half"
SETS = (
    "empty set, nan images, infinite images, doubles, halves, bytes of images, complex images, "
    "labels beyond, negative labels, int32 labels, float labels, nan labels, few shares, "
    "large shares, shares below zero, many axes, other shape, other classes"
)
SOUND = "other shape, other classes"

ARRAYS = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
MODULE = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
NOTHING = "None, no list"
TEXT = "no text, text"

PUBLIC: dict[str, Contract] = {
    "METHODS": Contract(published, {"name": "DM", "ipc": 1}, {"ipc": COUNT}),
    "Bench": Contract(
        ds.Bench,
        {
            **{"train": REAL, "test": REAL, "pool": POOL, "model": "MLP", "protocol": SHORT},
            **{"key": KEY, "early": (), "route": PLAIN, "assessing": PLAIN, "watch": None},
            "held_out": REAL,
        },
        {
            **{"train": SETS, "test": SETS, "pool": "no list", "key": "key", "early": "no list"},
            **{"watch": "None", "held_out": f"None, {SETS}"},
        },
    ),
    "Descent": Contract(
        ds.Descent,
        {
            **{"ipc": 1, "updates": 1, "batch": 2, "lr": 1.0, "momentum": 0.5, "init": "real"},
            **{"parametrisation": Pixels(), "optimisers": {}},
        },
        {"ipc": COUNT, "updates": FROM_ZERO, "batch": COUNT, "lr": AMOUNT, "momentum": AMOUNT},
    ),
    "Domain": Contract(
        ds.Domain,
        {
            **{"name": "x", "shape": (3, 8, 8), "classes": ("a", "b"), "mean": (0.0,) * 3},
            **{"std": (1.0,) * 3, "mirror": True},
        },
        {"name": TEXT, "classes": "no list, generator", "mean": "array", "mirror": "True"},
    ),
    "Evidence": Contract(
        ds.Evidence,
        {
            **{"synthetic": REAL, "train": REAL, "pool": POOL, "key": KEY, "route": PLAIN},
            **{"early": (), "held_out": REAL, "students": ("MLP",)},
        },
        {
            **{"pool": "no list", "key": "key", "early": "no list", "held_out": "None"},
            "students": "no list",
        },
    ),
    "ImageSet": Contract(
        ds.ImageSet,
        {
            **{"images": REAL.images, "labels": REAL.labels, "domain": REAL.domain, "facts": {}},
            "digests": np.arange(len(REAL), dtype=np.uint64),
        },
        {"facts": "dict, odd dict", "digests": "None"},
    ),
    "Key": Contract(ds.Key, {"seed": 0}, {"seed": f"-1, {FROM_ZERO}"}),
    "Reading": Contract(
        ds.Reading,
        {
            **{"size": 8, "images": "x", "labels": "y", "test_share": 0.2, "mirror": True},
            **{"skip_damaged": False, "progress": ds.Reading().progress, "tell": print},
            **{"foresee": print, "originals": True},
        },
        {
            **{"size": "None", "images": f"None, {TEXT}", "labels": f"None, {TEXT}"},
            **{"test_share": "0, half", "mirror": "None, True", "skip_damaged": "True"},
            "originals": "None, True",
            **dict.fromkeys(("progress", "tell", "foresee"), "function, network"),
        },
    ),
    "Route": Contract(
        ds.Route,
        {
            **{"chunk": "auto", "kernels": False, "compiled": False, "precision": "float32"},
            **{"channels_last": False, "reworded": True, "at_once": True, "tracked": 1},
        },
        {
            **{"chunk": f"None, {COUNT}", "kernels": "True", "compiled": "True"},
            **{"channels_last": "True", "reworded": "True"},
            **{"at_once": "None, True", "tracked": f"None, {COUNT}"},
        },
    ),
    "Task": Contract(
        ds.Task,
        {
            **{"real": REAL, "build": build, "key": KEY, "policy": identity, "route": PLAIN},
            **{"targets": None, "batch": 2, "trajectories": (), "originals": ()},
            **{"beside": None, "start": None, "share": None},
        },
        {
            **{"real": SOUND, "build": "function, network", "key": "key"},
            **{
                "policy": "function, network",
                "targets": "None",
                "batch": COUNT,
                "trajectories": "no list",
                "originals": "no list",
                "beside": "None",
                "start": "None",
                "share": "None",
            },
        },
    ),
    "adapt": Contract(ds.adapt, {"module": MODULE, "domain": REAL.domain}),
    "assess": Contract(
        ds.assess,
        {"evidence": EVIDENCE, "names": ["om-accuracy"], "draws": 1},
        {"names": f"{NOTHING}, generator", "draws": COUNT},
    ),
    "build": Contract(
        ds.build,
        {"name": "MLP", "domain": REAL.domain, "key": KEY},
        {"domain": "domain", "key": "key"},
    ),
    "builder": Contract(
        built,
        {"name": "MLP", "domain": REAL.domain, "device": "cpu"},
        {"domain": "domain"},
    ),
    "contrastive_clom": Contract(
        nearness,
        {"pool": POOL, "alphas": 1.0, "real": REAL, "batch": 2, "route": PLAIN},
        {"alphas": AMOUNT, "real": SOUND, "batch": COUNT, "route": "None"},
    ),
    "cross_entropy_clom": Contract(
        entropy,
        {
            **{"pool": POOL, "alphas": 1.0, "domain": REAL.domain, "route": PLAIN},
            "weighting": "equal",
        },
        {"alphas": AMOUNT, "route": "None"},
    ),
    "distill": Contract(
        distilled,
        {
            **{"method": ds.METHODS["DM"](1), "task": TASK, "regularisers": {}, "state": None},
            **{
                "descent": ds.Descent(ipc=1, updates=1, batch=2),
                "features": REAL.images.flatten(1),
                "ipc": None,
            },
        },
        {"regularisers": "None", "features": "None", "state": "None", "ipc": "None"},
    ),
    "dsa": Contract(ds.dsa, {"strategy": "flip"}, {"strategy": "no text"}),
    "from_arrays": Contract(
        ds.from_arrays,
        {
            **{"images": ARRAYS, "labels": [0, 1, 0, 1], "name": "x", "classes": ("a", "b")},
            **{"size": 8, "mirror": True, "like": None},
        },
        {
            **{"name": TEXT, "classes": "None", "size": "None", "mirror": "None, True"},
            "like": "None",
        },
    ),
    "from_dataset": Contract(
        ds.from_dataset,
        {
            **{"dataset": Pairs(), "name": "x", "classes": ("a", "b"), "size": 8},
            **{"mirror": True, "like": None, "images": None, "labels": None},
        },
        {
            **{"images": "None", "labels": "None"},
            **{"name": TEXT, "classes": "None", "size": "None", "mirror": "None, True"},
            "like": "None",
        },
    ),
    "load": Contract(ds.load, {"path": "set.safetensors", "pixels": False}, {"pixels": "True"}),
    "load_dataset": Contract(
        ds.load_dataset,
        {"name": "digits", "path": None, "reading": None, "size": 8, "like": None},
        {"path": "None", "reading": "None", "size": "None", "like": "None"},
    ),
    "original_fit": Contract(ds.original_fit, {"epochs": 1}, {"epochs": COUNT}),
    "preset": Contract(
        ds.preset,
        {"name": "dc", "epochs": 1, "dataset": ""},
        {"epochs": f"None, {COUNT}", "dataset": TEXT},
    ),
    "save": Contract(
        ds.save, {"data": REAL, "path": "a.safetensors"}, {"data": SOUND, "path": "text, path"}
    ),
    "study": Contract(
        ds.study,
        {
            "sets": {str(i): blobs(str(i), per_class=1) for i in range(3)},
            **{"bench": BENCH, "trials": 1, "names": ["om-accuracy"]},
            "resampling": Resampling(KEY, bootstraps=9, permutations=9),
        },
        {"trials": COUNT, "names": "None, generator, no list", "resampling": "None"},
    ),
    "show": Contract(ds.show, {"data": REAL, "most": 2}, {"data": SOUND, "most": COUNT}),
    "train_pool": Contract(
        ds.train_pool,
        {"architecture": "MLP", "real": REAL, "num": 1, "fit": Fit(epochs=1), "key": KEY},
        {"real": SOUND, "num": COUNT, "fit": "None", "key": "key"},
    ),
    "usual_strategy": Contract(ds.usual_strategy, {"domain": REAL.domain}, {"domain": "domain"}),
    "validate": Contract(
        ds.validate,
        {
            **{"synthetic": REAL, "test": REAL, "model": "MLP", "protocol": SHORT, "trials": 1},
            **{"key": KEY, "route": PLAIN, "together": 1, "labels": Labeller(POOL)},
        },
        {
            **{"trials": COUNT, "key": "key", "route": "None", "together": f"None, {COUNT}"},
            "labels": "None",
        },
    ),
}

FURTHER: dict[str, Contract] = {
    "Labeller": Contract(Labeller, {"pool": POOL, "terms": OnTheFly()}, {}),
    "OnTheFly": Contract(
        OnTheFly,
        {"loss": "kl", "temperature": 20.0, "ground_truth": 0.0},
        {"temperature": f"None, {COUNT}, half", "ground_truth": f"None, {AMOUNT}"},
    ),
    "Fit": Contract(
        Fit,
        {
            **{"epochs": 1, "batch": 1, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0},
            **{"milestones": (), "restart": False, "nesterov": False, "cosine": False},
            **{"warmup": 0, "cutmix": False, "temperature": 1.0},
        },
        {
            **{"epochs": COUNT, "batch": COUNT, "lr": AMOUNT, "momentum": AMOUNT},
            **{"weight_decay": AMOUNT, "milestones": "no list", "warmup": FROM_ZERO},
            **dict.fromkeys(("restart", "nesterov", "cosine", "cutmix"), "True"),
            "temperature": f"None, half, {COUNT}",
        },
    ),
    "Protocol": Contract(
        Protocol, {"name": "x", "fit": Fit(), "augmentation": "none"}, {"name": TEXT}
    ),
    "Resampling": Contract(
        Resampling,
        {"key": KEY, "bootstraps": 1, "permutations": 1},
        {"key": "key", **dict.fromkeys(("bootstraps", "permutations"), COUNT)},
    ),
    "Selector": Contract(
        Selector,
        {"name": "om-accuracy", "evidence": EVIDENCE, "every": 1},
        {"name": TEXT, "every": COUNT},
    ),
    "relabelled": Contract(
        relabelled,
        {"data": REAL, "pool": POOL, "temperature": 1.0},
        {"temperature": f"half, {COUNT}"},
    ),
    "soft_labels": Contract(
        soft_labels,
        {
            **{"images": REAL.images, "domain": REAL.domain, "pool": POOL, "temperature": 1.0},
            "batch": 2,
        },
        {"temperature": f"half, {COUNT}", "batch": COUNT},
    ),
}

CONTRACTS = {**PUBLIC, **FURTHER}


def answer(act: Callable[[], Any]) -> str | None:
    """Return what is wrong with how something answers a wrong argument; None of a good line."""
    try:
        act()
    except ds.InputError as refused:
        line = str(refused)
        good = line and len(line.splitlines()) == 1 and "--" not in line
        return None if good else f"is refused by {line!r}"
    except Exception as error:
        return f"raises {type(error).__name__}: {error}"
    return "is taken"


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    ds.save(REAL, "set.safetensors")
    return tmp_path


@pytest.mark.parametrize("name", CONTRACTS)
def test_one_argument_is_wrong(name: str, own_folder: Path) -> None:
    contract = CONTRACTS[name]
    contract.call(**contract.good)
    found: list[str] = []
    for argument in contract.good:
        sense = contract.means.get(argument, "").split(", ")
        for kind, value in odd_kinds().items():
            given = {**contract.good, argument: value}
            said = answer(lambda given=given: contract.call(**given))
            if said != ("is taken" if kind in sense else None):
                found.append(f"{argument}: {kind} {said or 'is refused'}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_argument_has_its_line(name: str) -> None:
    """What is in ``ds.__all__`` can be called, but for the registry of methods."""
    takes = (
        inspect.signature(getattr(ds, name)).parameters if name != "METHODS" else ["name", "ipc"]
    )
    assert {*takes} == {*PUBLIC[name].good}
    assert {*PUBLIC[name].means} <= {*takes}


def test_every_public_name_has_its_line() -> None:
    assert {*PUBLIC, "InputError"} == {*ds.__all__}  # which is raised, not called


def test_odd_kinds_that_make_sense_are_kinds() -> None:
    named = {
        kind
        for one in CONTRACTS.values()
        for text in one.means.values()
        for kind in text.split(", ")
    }
    assert named <= {*odd_kinds()}


SETTINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "another device": lambda: torch.device("meta"),
    "doubles": lambda: doubles(),
}


@contextmanager
def doubles() -> Generator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def numbers(found: torch.Tensor) -> Any:
    return found.tolist()


def settings_now() -> tuple[Any, ...]:
    cast, grads = torch.is_autocast_enabled("cpu"), torch.is_grad_enabled()
    return (cast, grads, torch.is_inference_mode_enabled(), torch.get_default_dtype())


@pytest.mark.parametrize("name", SETTINGS)
def test_what_pytorch_is_set_to_changes_no_result_and_stays(name: str) -> None:
    labels = CONTRACTS["soft_labels"].good
    calls: dict[str, Callable[[], Any]] = {
        "validate": lambda: ds.validate(**PUBLIC["validate"].good).values,
        "assess": lambda: ds.assess(EVIDENCE, ["om-accuracy", "fresh-gradient-distance"]),
        "distill": lambda: numbers(distilled(**PUBLIC["distill"].good).synthetic.images),
        "train_pool": lambda: ds.train_pool(**PUBLIC["train_pool"].good)[0].network.state_dict(),
        "soft_labels": lambda: numbers(soft_labels(**labels)),
        "from_arrays": lambda: numbers(ds.from_arrays(**PUBLIC["from_arrays"].good).images),
    }
    for call, act in calls.items():
        expected = act()
        with SETTINGS[name]():
            before = settings_now()
            found = act()
            assert settings_now() == before, call
        if call == "assess":
            found, expected = (
                {of: one.score for of, one in each.items()} for each in (found, expected)
            )
        if call == "train_pool":
            found, expected = (
                {of: one.tolist() for of, one in each.items()} for each in (found, expected)
            )
        assert found == expected, call


def test_the_default_type_comes_back_when_the_last_thread_is_done() -> None:
    """The first that was done set it again, under those that went on."""
    with doubles():
        first, second = ExitStack(), ExitStack()
        first.enter_context(usually())
        second.enter_context(usually())
        first.close()
        assert torch.get_default_dtype() == torch.float32
        second.close()
        assert torch.get_default_dtype() == torch.float64
