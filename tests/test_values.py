"""What Python is given is looked at where it is given, and told in Python's words, in one line."""

import math
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

import datastill as ds
from conftest import blobs, linear
from datastill.cli import main
from datastill.cli.arguments import in_options
from datastill.data import Domain
from datastill.distillation.clom import pair_alphas
from datastill.distillation.methods import METHODS
from datastill.distillation.methods.gradient_matching import GradientMatching
from datastill.distillation.parameters import Adam, Sgd
from datastill.distillation.relabelling import relabelled
from datastill.evaluation.selection import Selector
from datastill.networks import adapt
from datastill.runs.specs import ClomSpec, DataSpec, DistillSpec, TrainSpec
from datastill.training.fit import Fit
from datastill.training.pool import freeze

KEY = ds.Key(0)
REAL = blobs()
TASK = ds.Task(REAL, lambda *, key: linear(REAL.domain), KEY)
DOUBLES = replace(REAL, images=REAL.images.double())
DM = METHODS["DM"](1)
POOL = [freeze(linear(REAL.domain), "MLP", REAL.domain, {"epoch": 1})]
SHAPE = (3, 8, 8)


def validate(synthetic: Any = REAL, test: Any = REAL, model: Any = "MLP", **others: Any) -> Any:
    protocol = others.pop("protocol", ds.preset("dc", epochs=1))
    return ds.validate(synthetic, test, model, protocol, **{"trials": 1, "key": KEY, **others})


def distil(method: Any = DM.method, task: Any = TASK, descent: Any = None, **others: Any) -> Any:
    """Call ``distill``, and ask for nothing."""
    return ds.distill(method, task, descent or ds.Descent(ipc=1), **others)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([])


def domain(**changed: Any) -> Domain:
    usual = {"shape": SHAPE, "classes": ("a", "b"), "mean": (0.0,) * 3, "std": (1.0,) * 3}
    return Domain("x", **{**usual, **changed})


def labelled(labels: torch.Tensor) -> ds.ImageSet:
    return replace(REAL, labels=labels)


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "ipc 0": (lambda: ds.Descent(ipc=0), "`ipc` must be a whole number, 1 or more"),
    "ipc text": (lambda: ds.Descent(ipc="10"), "`ipc` must .* found '10'"),  # type: ignore[arg-type]
    "ipc of a class": (lambda: ds.Descent(ipc=(1, -1)), r"`ipc` must .* found \(1, -1\)"),
    "ipc 1.5": (lambda: ds.Descent(ipc=1.5), "`ipc` must .* found 1.5"),  # type: ignore[arg-type]
    "ipc True": (lambda: ds.Descent(ipc=True), "`ipc` must .* found True"),
    "ipc by name": (lambda: ds.Descent(ipc={"a": 1}), "`ipc` must .* a dict"),  # type: ignore[arg-type]
    "ipc of no class": (lambda: ds.Descent(ipc=(0, 0)), "`ipc` must"),
    "ipc of other classes": (lambda: distil(descent=ds.Descent(ipc=(1, 2))), "`ipc` has 2 numbers"),
    "updates": (lambda: ds.Descent(updates=-1), "`updates` must be a whole number, 0 or more"),
    "batch": (lambda: ds.Descent(batch=0), "`batch` must be a whole number, 1 or more, found 0"),
    "lr nan": (lambda: ds.Descent(lr=math.nan), "`lr` must be a finite number, found nan"),
    "lr inf": (lambda: ds.Descent(lr=math.inf), "`lr` must be a finite number, found inf"),
    "lr -1": (lambda: ds.Descent(lr=-1), "`lr` must not be negative, found -1"),
    "lr text": (lambda: ds.Descent(lr="1"), "`lr` must not be negative, found '1'"),  # type: ignore[arg-type]
    "momentum": (lambda: ds.Descent(momentum=-1), "`momentum` must not be negative"),
    "init": (lambda: ds.Descent(init=torch.zeros(2)), "`init` must .* found a Tensor"),  # type: ignore[arg-type]
    "init misspelt": (lambda: distil(descent=ds.Descent(ipc=1, init="nois")), "mean 'noise'"),
    "too many": (
        lambda: distil(descent=ds.Descent(ipc=99)),
        r"`ipc=\(12, 12, 12, 12\)`.*`init='noise'`",
    ),
    "method by name": (lambda: distil("DN"), "no method named 'DN'; did you mean 'DM'"),
    "method's maker": (
        lambda: distil(METHODS["DM"]),
        "`method` must .* found a function published",
    ),
    "method's class": (lambda: distil(type(DM.method)), "found the class DistributionMatching"),
    "task": (lambda: distil(task=REAL), "`task` must be a Task, found an ImageSet"),
    "task's images": (lambda: ds.Task(np.zeros(3), linear, KEY), "`real` must be an ImageSet"),  # type: ignore[arg-type]
    "task without": (
        lambda: ds.Task(REAL.take(torch.arange(0)), linear, KEY),
        "not a single image",
    ),  # type: ignore[arg-type]
    "task's key": (
        lambda: ds.Task(REAL, linear, 0),
        r"`key` must be a Key, such as Key\(0\), found 0",
    ),  # type: ignore[arg-type]
    "task's build": (lambda: ds.Task(REAL, "MLP", KEY), "`build` must .* makes networks, .* 'MLP'"),  # type: ignore[arg-type]
    "descent": (lambda: distil(descent={"ipc": 1}), "`descent` must be a Descent"),
    "regulariser": (lambda: distil(regularisers={"clom": 3}), "'clom' must be a function"),
    "no embed": (
        lambda: distil(task=ds.Task(REAL, lambda *, key: nn.Linear(2, 2), KEY)),  # type: ignore[arg-type, return-value]
        "`build` makes a Linear, which has no method embed",
    ),
    "builder": (lambda: ds.builder("Foo", REAL.domain), "no model named 'Foo'"),
    "builder's class": (
        lambda: ds.builder(nn.Linear, REAL.domain),
        "the class Linear must take a Domain alone",
    ),
    "build's key": (lambda: ds.build("MLP", REAL.domain, key=0), "`key` must be a Key"),  # type: ignore[arg-type]
    "pool of none": (lambda: ds.train_pool("MLP", REAL, num=0, key=KEY), "`num` must .* found 0"),
    "pool's key": (lambda: ds.train_pool("MLP", REAL, num=1, key=0), "`key` must be a Key"),  # type: ignore[arg-type]
    "pool's images": (lambda: ds.train_pool("MLP", None, num=1, key=KEY), "`real` must .* None"),  # type: ignore[arg-type]
    "epochs": (lambda: ds.original_fit(epochs=0), "`epochs` must .* found 0"),
    "fit's batch": (lambda: Fit(batch=0), "`batch` must .* found 0"),
    "fit's lr": (lambda: Fit(lr=math.nan), "`lr` must be a finite number, found nan"),
    "preset's epochs": (lambda: ds.preset("dc", epochs=0), "`epochs` must .* found 0"),
    "alpha -1": (
        lambda: ds.cross_entropy_clom(POOL, -1.0, REAL.domain),
        "`alphas` must not be neg",
    ),
    "alpha nan": (lambda: ds.cross_entropy_clom(POOL, math.nan, REAL.domain), "`alphas` .* nan"),
    "one alpha": (lambda: ds.contrastive_clom(POOL, (-1.0,), REAL), "`alphas` .* -1.0"),
    "clom's batch": (lambda: ds.contrastive_clom(POOL, 1.0, REAL, batch=0), "`batch` must"),
    "trials": (lambda: validate(trials=0), "`trials` must be a whole number, 1 or more, found 0"),
    "no test images": (lambda: validate(test=None), "`test` must be an ImageSet of test images"),
    "empty test": (lambda: validate(test=REAL.take(torch.arange(0))), "test images: not a single"),
    "empty set": (lambda: validate(REAL.take(torch.arange(0))), "the set: not a single image"),
    "arrays": (lambda: validate(np.zeros((2, *SHAPE))), "`synthetic` must .* found an ndarray"),
    "model's class": (
        lambda: validate(model=nn.Linear),
        "the class Linear must take a Domain alone",
    ),
    "a network": (lambda: validate(model=nn.Linear(1, 1)), "`model` must .* found a Linear"),
    "key": (lambda: validate(key=0), "`key` must be a Key"),
    "protocol": (
        lambda: validate(protocol="dc"),
        r"`protocol` must .* preset\('dsa'\), found 'dc'",
    ),
    "std 0": (lambda: domain(std=(0.0, 1.0, 1.0)), "normalisation"),
    "mean nan": (lambda: domain(mean=(math.nan, 1.0, 1.0)), "normalisation"),
    "channels": (lambda: domain(mean=(0.0,)), "1 mean, 3 stds, 3 channels"),
    "shape": (lambda: domain(shape=(8, 8)), r"images of shape \(8, 8\)"),
    "size": (lambda: ds.from_arrays(np.zeros((4, 8, 8)), [0, 1] * 2, size="big"), "`size` must"),  # type: ignore[arg-type]
    "sides": (lambda: ds.from_arrays(np.zeros((4, 8, 8)), [0, 1] * 2, size=(8,) * 3), "`size`"),  # type: ignore[arg-type]
    "stream": (lambda: ds.from_dataset(Stream()), "images holds no images"),
    "loader": (
        lambda: ds.from_dataset(DataLoader(REAL)),
        "floats from .*; pixels are floats from 0",
    ),
    "save": (lambda: ds.save(np.zeros(3), "x.safetensors"), "`data` must be an ImageSet"),  # type: ignore[arg-type]
    "save into": (lambda: ds.save(REAL, "."), "is a folder; name the file"),
    "evidence": (lambda: ds.Evidence(REAL, REAL, POOL, 0), "`key` must be a Key"),  # type: ignore[arg-type]
    "route": (lambda: ds.Route(chunk=0), "`chunk` must be a whole number, 1 or more"),
    "precision": (lambda: ds.Route(precision="float16"), "no precision named 'float16'"),  # type: ignore[arg-type]
    "temperature": (lambda: relabelled(REAL, POOL, temperature=math.nan), "`temperature` must"),
    "select": (lambda: Selector("om-accuracy", None, 0), "`every` must"),  # type: ignore[arg-type]
    "NumPy's truth": (lambda: ds.Descent(lr=np.bool_(True)), "`lr` must not be negative"),  # type: ignore[arg-type]
    "warmup": (lambda: Fit(warmup=-1), "`warmup` must be a whole number, 0 or more, found -1"),
    "milestones": (lambda: Fit(milestones=3), "`milestones` must be a tuple .* found 3"),  # type: ignore[arg-type]
    "a milestone": (lambda: Fit(milestones=(math.nan,)), "`milestones` must .* found nan"),  # type: ignore[arg-type]
    "cosine": (lambda: Fit(cosine="no"), "`cosine` must be True or False, found 'no'"),  # type: ignore[arg-type]
    "one std": (lambda: domain(std=1.0), "`std` must be a tuple, found 1.0"),
    "no classes": (lambda: domain(classes=None), "`classes` must be a tuple, found None"),
    "one class": (lambda: domain(classes="cat"), "`classes` must be a tuple, found 'cat'"),
    "mirror": (lambda: domain(mirror="no"), "`mirror` must be True or False, found 'no'"),
    "label beyond": (lambda: validate(labelled(REAL.labels + 9)), "the set: label .* is outside"),
    "tested label": (lambda: validate(test=labelled(REAL.labels + 9)), "the test images: label"),
    "labels in int32": (
        lambda: validate(labelled(REAL.labels.int())),
        "the set: labels of .* int32",
    ),
    "nan images": (lambda: validate(replace(REAL, images=REAL.images * math.nan)), "not finite"),
    "nan tests": (
        lambda: validate(test=replace(REAL, images=REAL.images * math.nan)),
        "not finite",
    ),
    "doubles": (lambda: validate(replace(REAL, images=REAL.images.double())), "float64"),
    "pool's labels": (
        lambda: ds.train_pool("MLP", labelled(REAL.labels - 9), num=1, key=KEY),
        "the training images: label",
    ),
    "nan to distil": (
        lambda: distil(task=ds.Task(replace(REAL, images=REAL.images * math.nan), TASK.build, KEY)),
        "the real images: images hold values that are not finite",
    ),
    "doubles to relabel": (lambda: relabelled(DOUBLES, POOL), "the set: images are float64"),
    "doubles of a pool": (lambda: ds.train_pool("MLP", DOUBLES, num=1, key=KEY), "float64"),
    "arrays in a set": (
        lambda: validate(replace(REAL, images=REAL.images.numpy())),  # type: ignore[arg-type]
        "`images` must be a tensor, found an ndarray",
    ),
    "pool's fit": (
        lambda: ds.train_pool("MLP", REAL, num=1, fit=0, key=KEY),
        "`fit` must be a Fit",
    ),  # type: ignore[arg-type]
    "clom's pool": (lambda: ds.cross_entropy_clom(["MLP"], 1.0, REAL.domain), "`pool` must"),  # type: ignore[list-item]
    "clom's domain": (lambda: ds.cross_entropy_clom(POOL, 1.0, REAL), "`domain` must .* ImageSet"),  # type: ignore[arg-type]
    "builder's domain": (lambda: ds.builder("MLP", None), "`domain` must .* None"),  # type: ignore[arg-type]
    "evidence's pool": (lambda: ds.Evidence(REAL, REAL, None, KEY), "`pool` must .* None"),  # type: ignore[arg-type]
    "no evidence": (lambda: ds.assess(REAL), "`evidence` must be an Evidence"),  # type: ignore[arg-type]
    "assessment": (
        lambda: ds.assess(ds.Evidence(REAL, REAL, POOL, KEY), [3]),  # type: ignore[list-item]
        "`names` must be names of assessments, found 3",
    ),
    "selector": (lambda: Selector(3, None, 1), "`name` must .* found 3"),  # type: ignore[arg-type]
    "relabelled": (lambda: relabelled(None, POOL), "`data` must be an ImageSet, found None"),  # type: ignore[arg-type]
    "relabelled by": (lambda: relabelled(REAL, None), "`pool` must .* found None"),  # type: ignore[arg-type]
    "no temperature": (lambda: relabelled(REAL, POOL, temperature=None), "`temperature` must"),  # type: ignore[arg-type]
    "facts": (lambda: ds.save(replace(REAL, facts=3), "x.safetensors"), "`facts` must be a dict"),  # type: ignore[arg-type]
    "a fact": (
        lambda: ds.save(replace(REAL, facts={"a": torch.zeros(1)}), "x.safetensors"),
        "`facts` of a set must be what JSON can hold: .* Tensor",
    ),
    "save to": (lambda: ds.save(REAL, 3), "`path` must be the path of a file, found 3"),  # type: ignore[arg-type]
    "published": (lambda: METHODS["DC"](0), "`ipc` must .* found 0"),
    "loops": (lambda: GradientMatching(inner_loop=0), "`inner_loop` must"),
    "distance": (lambda: GradientMatching(dis_metric="cosin"), "did you mean 'cosine'"),  # type: ignore[arg-type]
}


def guided(by: Any) -> Any:
    return next(distil(regularisers={"own": by}))


class Short:
    """Says that it is longer than it is."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        raise IndexError(index)


def kept(**changed: Any) -> Any:
    snapshot = next(distil())
    assert snapshot.state is not None
    return next(distil(state=replace(snapshot.state(), **changed)))


def broken() -> Any:
    snapshot = next(distil())
    assert snapshot.state is not None
    state = snapshot.state()
    return kept(params={name: value * math.nan for name, value in state.params.items()})


PICTURES = torch.rand(4, 8, 8)
FURTHER: dict[str, tuple[Callable[[], Any], str]] = {
    "no key": (lambda: guided(lambda images: images), "'own' must take images, labels and key=..."),
    "no scalar": (
        lambda: guided(lambda i, labels, *, key: i),
        r"'own' must .* found float32 of shape \(4, 3, 8, 8\)",
    ),
    "a float": (lambda: guided(lambda i, labels, *, key: 1.0), "'own' must return .* found 1.0"),
    "no gradient": (
        lambda: guided(lambda i, labels, *, key: i.detach().sum()),
        "no gradient passes",
    ),
    "no name": (lambda: distil(regularisers={3: len}), "`regularisers` must .* found 3"),
    "build's key": (
        lambda: distil(task=replace(TASK, build=lambda: None)),
        "`build` fails .* 'key'",
    ),
    "state's memory": (lambda: kept(memory=None), "`memory` must be tensors by their names"),
    "state's params": (lambda: kept(params={"images": 3}), "`params` must be .* found 3"),
    "state's step": (lambda: kept(step="1"), "`step` must be a whole number"),
    "state of nan": (broken, "that are not finite numbers"),
    "meta pixels": (lambda: ds.from_arrays(PICTURES.to("meta"), [0, 1] * 2), "without numbers"),
    "meta labels": (lambda: ds.from_arrays(PICTURES, torch.zeros(4, device="meta")), "without num"),
    "short": (lambda: ds.from_dataset(Short()), "a length of 3, but no item 0: IndexError: 0"),
    "sparse": (lambda: validate(replace(REAL, images=REAL.images.to_sparse())), "sparse"),
    "meta to save": (lambda: ds.save(REAL.to("meta"), "x.safetensors"), "no numbers to save"),
    "a fact's kind": (
        lambda: ds.save(replace(REAL, facts={"step": "x"}), "x.safetensors"),
        "`facts` cannot be saved: the fact step is",
    ),
    "a line in a name": (
        lambda: ds.save(replace(REAL, domain=replace(REAL.domain, name="a\nb")), "x.safetensors"),
        "the name of the dataset cannot be printed: 'a\\\\nb'; rename it",
    ),
    "zero byte": (lambda: ds.save(REAL, "a\0b"), "`path` is no path"),
    "zero byte to load": (lambda: ds.load("a\0b"), "`path` is no path"),
    "zero byte in data": (lambda: ds.load_dataset("./a\0b"), "`name` is no path"),
    "too long": (lambda: ds.save(REAL, "a" * 5000), "`path` is no path: its name is too long"),
    "too long to load": (lambda: ds.load("a" * 5000), "its name is too long"),
    "too long for data": (lambda: ds.load_dataset("./" + "a" * 5000), "its name is too long"),
    "under": (lambda: REAL.under(None), "`domain` must be the domain of a set"),  # type: ignore[arg-type]
}
WRONG |= FURTHER


@pytest.mark.parametrize("name", WRONG)
def test_one_line_at_once_and_in_the_words_of_python(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    act, said = WRONG[name]
    with pytest.raises(ds.InputError, match=said) as refused:
        act()
    line = str(refused.value)
    assert len(line.splitlines()) == 1
    assert "--" not in line
    assert not list(tmp_path.iterdir())


RIGHT: dict[str, Callable[[], Any]] = {
    "a list of ipc": lambda: next(distil(descent=ds.Descent(ipc=[1, 2, 0, 1]))).synthetic.counts,  # type: ignore[arg-type]
    "NumPy's batch": lambda: [
        type(ds.Descent(batch=np.int64(2), lr=np.float32(1)).batch),
        next(distil(descent=ds.Descent(ipc=1, batch=np.int64(2)))).step,
    ],  # type: ignore[arg-type]
    "NumPy's epochs": lambda: repr(Fit(epochs=np.int64(2), milestones=[1])).split(", ")[0],  # type: ignore[arg-type]
    "NumPy's ipc": lambda: next(distil(descent=ds.Descent(ipc=np.int64(2)))).synthetic.counts,  # type: ignore[arg-type]
    "published settings": lambda: next(distil(DM)).synthetic.counts,
    "one size": lambda: ds.from_arrays(np.zeros((4, 8, 8)), [0, 1] * 2, size=16).domain.shape,
    "NumPy's alpha": lambda: (
        ds.cross_entropy_clom(POOL, np.float32(2), REAL.domain).groups[0].alpha
    ),
    "one assessment": lambda: list(
        ds.assess(ds.Evidence(REAL, REAL, POOL, KEY), names="om-accuracy")
    ),
    "a list of statistics": lambda: domain(mean=[0.0] * 3).mean,
}
EXPECTED = {
    **{"a list of ipc": (1, 2, 0, 1), "NumPy's ipc": (2,) * 4, "published settings": (1,) * 4},
    **{"one size": (1, 16, 16), "NumPy's alpha": 2, "one assessment": ["om-accuracy"]},
    **{"NumPy's batch": [int, 1], "NumPy's epochs": "Fit(epochs=2"},
    "a list of statistics": (0.0,) * 3,
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_makes_sense_is_taken(name: str) -> None:
    assert RIGHT[name]() == EXPECTED[name]


def test_an_adapted_module_is_a_network() -> None:
    own = adapt(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), REAL.domain)
    assert len(next(distil(task=ds.Task(REAL, lambda *, key: own, KEY))).synthetic) == 4


def test_what_own_networks_draw_follows_the_seed_and_leaves_the_generator_of_the_process() -> None:
    def build(*, key: ds.Key) -> Any:
        drawn[-1].append(float(torch.rand(())))
        return linear(REAL.domain)

    drawn: list[list[float]] = []
    for seed in (5, 6):
        torch.manual_seed(seed)
        wanted = float(torch.rand(()))
        torch.manual_seed(seed)
        drawn.append([])
        next(distil(task=ds.Task(REAL, build, KEY)))
        assert float(torch.rand(())) == wanted
    assert len(drawn[0]) > 1
    assert drawn[0][1:] == drawn[1][1:]  # the first is looked at before anything is done


def test_arguments_are_options_on_the_command_line() -> None:
    known = {"iterations", "lr-img", "init", "data-path", "dataset", "size"}
    assert in_options("`updates` and `lr` as `init='noise'`", known) == (
        "--iterations and --lr-img as --init noise"
    )
    assert in_options("`lr` of `train`, `size=32`", {"lr-net"}) == "--lr-net of train, size=32"
    assert in_options("`fast=True`", {"fast"}) == "--fast"
    assert in_options("`path`, `name=hf:MNIST`", known) == "--data-path, --dataset hf:MNIST"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("distill --dataset digits --ipc 500", "(--ipc 0=133,rest=500), or --init noise"),
        ("distill --dataset digits --data-path x --ipc 1", "--data-path x is not needed"),
        ("train --dataset MNIST --data-path nowhere", "by --dataset hf:MNIST"),
    ],
)
def test_the_command_line_speaks_of_options(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(shlex.split(line))
    assert ending.value.code == 2
    err = capsys.readouterr().err
    assert said in err
    assert "`" not in err


def test_what_there_is_is_listed_and_short() -> None:
    assert {*ds.__all__, "__version__"} <= {*dir(ds)}
    assert not {"TYPE_CHECKING", "Any", "annotations"} & {*dir(ds)}
    for name in ds.__all__:
        assert getattr(ds, name).__doc__ or name == "METHODS"
    assert ds.__version__.count(".") == 2
    snapshot = next(distil())
    assert snapshot.state is not None
    for one in (
        REAL,
        snapshot,
        snapshot.state(),
        POOL[0],
        TASK,
        ds.Evidence(REAL, REAL, POOL, KEY),
    ):
        assert len(repr(one)) < 600
        assert "tensor" not in repr(one)
    assert repr(REAL) == "ImageSet(blobs: 48 images of 3x8x8, 4 classes, hard labels, cpu)"
    assert (Path(ds.__file__).parent / "py.typed").exists()


def test_help_lists_what_there_is() -> None:
    import pydoc

    text = pydoc.render_doc(ds, renderer=pydoc.plaintext)
    for name in ("distill", "validate", "load_dataset", "ImageSet", "train_pool"):
        assert f"    {name}(" in text or f"class {name}(" in text


@pytest.mark.parametrize(
    "given",
    [
        lambda: ds.Descent(lr=1e39),
        lambda: ds.Descent(momentum=1e39),
        lambda: Sgd(1e39),
        lambda: Adam(1e39),
        lambda: METHODS["DC"](1).descent(1, lr=1e39),
        lambda: pair_alphas([1e39], ["MLP"]),
        lambda: DistillSpec(data=DataSpec("digits"), lr=1e39),
        lambda: ClomSpec(alphas=(1e39,)),
        lambda: TrainSpec(data=DataSpec("digits"), lr=1e39),
        lambda: Fit(lr=1e39),
    ],
)
def test_numbers_that_no_network_can_hold_are_refused(given: Callable[[], object]) -> None:
    with pytest.raises(ds.InputError, match=r"`\w+` must be at most 1e\+30, found 1e\+39"):
        given()
