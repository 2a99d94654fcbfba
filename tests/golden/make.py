"""Make the golden files: what a commit computes from given seeds, for later commits to compare.

    OMP_NUM_THREADS=1 python tests/golden/make.py [FOLDER]

writes ``values.safetensors`` (every tensor), ``values.json`` (every accuracy and score) and
``machine.json`` (where that was computed) into a folder, by default the one that this file is in.
It uses what ``import datastill`` and the command line promise, and nothing else, so that it runs
as it is before and after the code is laid out anew.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

import datastill as ds

HERE = Path(__file__).parent
INSTRUCTIONS = "DATASTILL_INSTRUCTIONS"
PLAIN, SETS = "plain", ("avx512", "avx2", "neon")
CONVOLUTIONS, OTHER = "ConvNetD2W16", "MLP"
METHODS = ("DM", "DC", "DSA")
NAMED = ("vendor_id", "cpu family", "model", "stepping")
LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn")

Tensors = dict[str, Tensor]
Numbers = dict[str, Any]


def machine() -> dict[str, str]:
    """Return what bits depend on besides the code: equal here, they have to be equal."""
    listed = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    first = [line for line in listed.split("\n\n")[0].splitlines() if line.startswith(NAMED)]
    models = [line.partition(":")[2].strip() for line in first]
    return {
        "processor": ", ".join(models) or platform.processor() or platform.machine(),
        "compiler": compiler(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        **{name: version(name) for name in LIBRARIES},
    }


def compiler() -> str:
    """Return what the compiler of kernels says that it is; nothing where there is none."""
    path = shutil.which(os.environ.get("CXX", "g++"))
    words = [path, "--version"] if path else [sys.executable, "-c", ""]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.partition("\n")[
        0
    ]


def engines() -> dict[str, ds.Route]:
    """Return the ways through networks that this machine has, by name, a new name each time."""
    found = {PLAIN: ds.Route(kernels=False)}
    for name in SETS:
        os.environ[INSTRUCTIONS] = name
        if not ds.Route(kernels=True).facts()["without_kernels"]:
            found[name] = ds.Route(kernels=True)
    return found


@contextlib.contextmanager
def computing_by(engine: str) -> Iterator[None]:
    """Have kernels, where they are asked for, use a set of instructions."""
    os.environ[INSTRUCTIONS] = "" if engine == PLAIN else engine
    try:
        yield
    finally:
        os.environ.pop(INSTRUCTIONS)


def pool_of(real: ds.ImageSet, *, epochs: int) -> list[Any]:
    """Train original models of two architectures, PyTorch's layers computing."""
    fit, key = ds.original_fit(epochs=epochs), ds.Key(1)
    return [
        member
        for name in (CONVOLUTIONS, OTHER)
        for member in ds.train_pool(name, real, num=1, fit=fit, key=key.at("pool", name))
    ]


def weighed(pool: list[Any]) -> Tensors:
    """Return what is kept of models: of every tensor the sum and the norm, in float64."""
    return {
        f"pool.{i}": torch.stack(
            [
                one(value.double())
                for value in member.network.state_dict().values()
                for one in (torch.sum, torch.linalg.vector_norm)
            ]
        )
        for i, member in enumerate(pool)
    }


def task_of(real: ds.ImageSet, method: str, route: ds.Route) -> ds.Task:
    """Return what a method works on, augmented where it was published so."""
    build, key = ds.builder(CONVOLUTIONS, real.domain), ds.Key(2).at("distil")
    if not ds.METHODS[method](2).augmented:
        return ds.Task(real, build, key, route=route)
    policy = ds.dsa(ds.usual_strategy(real.domain))
    return ds.Task(real, build, key, policy=policy, route=route)


def distilled(real: ds.ImageSet, pool: list[Any], engine: str, route: ds.Route) -> Tensors:
    """Distil by every method, from real images and, guided by the pool, from noise."""
    made: Tensors = {}
    for method in METHODS:
        published = ds.METHODS[method](2)
        task, lr = task_of(real, method, route), published.lr
        descent = ds.Descent(ipc=2, updates=3, batch=8, lr=lr, init="real")
        *_, last = ds.distill(published.method, task, descent)
        made[f"{engine}.{method}"] = last.synthetic.images
        clom = ds.cross_entropy_clom(pool, (1.0, 10.0), real.domain, route=route)
        ipc = (1, 2, 3, 0, 2, 1, 1, 2, 3, 1)
        descent = ds.Descent(ipc=ipc, updates=3, batch=8, lr=lr, init="noise")
        *_, last = ds.distill(published.method, task, descent, regularisers={"clom": clom})
        made[f"{engine}.{method}.clom"] = last.synthetic.images
        made[f"{engine}.{method}.losses"] = torch.stack([*last.losses.values()])
    return made


def taken_up(real: ds.ImageSet, pool: list[Any]) -> Tensors:
    """Distil with a cut after every update: each goes on from the state of the one before."""
    made: Tensors = {}
    for method in METHODS:
        published = ds.METHODS[method](2)
        task = task_of(real, method, ds.Route(kernels=False))
        clom = ds.contrastive_clom(pool, 1.0, real, batch=32)
        descent = ds.Descent(ipc=1, updates=4, batch=8, lr=published.lr)
        state, last = None, None
        for _ in range(descent.updates):
            given = {"regularisers": {"near": clom}, "state": state}
            last = next(iter(ds.distill(published.method, task, descent, **given)))
            state = last.state()
        made[f"cut.{method}"] = last.synthetic.images
        *_, whole = ds.distill(published.method, task, descent, regularisers={"near": clom})
        made[f"whole.{method}"] = whole.synthetic.images
    return made


def picked(real: ds.ImageSet, pool: list[Any]) -> Tensors:
    """Pick by every coreset: a distillation that starts from one and does not move."""
    task, method = task_of(real, "DM", ds.Route(kernels=False)), ds.METHODS["DM"](3).method
    with torch.no_grad():
        features = pool[0].network.embed(real.images)
    made: Tensors = {}
    for name in ("real", "random", "herding", "k-center", "k-means"):
        descent = ds.Descent(ipc=3, updates=1, batch=2, lr=0.0, momentum=0.0, init=name)
        for space, given in (("pixels", None), ("features", features)):
            *_, last = ds.distill(method, task, descent, features=given)
            made[f"picked.{name}.{space}"] = last.synthetic.images
    return made


def validated(data: ds.ImageSet, test: ds.ImageSet, engine: str, route: ds.Route) -> Numbers:
    """Train networks on a set by every protocol."""
    epochs = {"dc": 12, "dsa": 12, "modern": 20}
    return {
        f"{engine}.{name}": ds.validate(
            *(data, test, CONVOLUTIONS, ds.preset(name, epochs=epochs[name])),
            trials=2,
            key=ds.Key(3),
            route=route,
        ).values
        for name in epochs
    }


def together(data: ds.ImageSet, test: ds.ImageSet) -> Numbers:
    """Train networks at once, and one after another."""
    given = (data, test, OTHER, ds.preset("dsa", epochs=12))
    return {
        f"together.{n}": ds.validate(*given, trials=3, key=ds.Key(4), together=n).values
        for n in (1, 3)
    }


def labelled(data: ds.ImageSet, test: ds.ImageSet) -> Numbers:
    """Train networks on soft labels, and on images that were given as arrays."""
    shares = torch.full((len(data), 10), 0.05).scatter(1, data.hard_labels[:, None], 0.55)
    pixels, classes = data.domain.pixels(data.images).clamp(0, 1), data.domain.classes
    sets = {
        "soft": ds.ImageSet(data.images, shares, data.domain),
        "arrays": ds.from_arrays(pixels, data.hard_labels, name="digits", classes=classes),
    }
    protocol = ds.preset("dsa", epochs=12)
    return {
        f"labels.{name}": ds.validate(one, test, OTHER, protocol, trials=2, key=ds.Key(5)).values
        for name, one in sets.items()
    }


def assessed(
    data: ds.ImageSet, real: ds.ImageSet, pool: list[Any], early: list[Any], route: ds.Route
) -> Numbers:
    """Score a set by every assessment there is."""
    evidence = ds.Evidence(data, real, pool, ds.Key(6), route=route, early=early)
    usual = ds.assess(evidence)
    costly = ds.assess(evidence, ["trajectory-distance"])
    return {f"score.{name}": [one.score.value] for name, one in {**usual, **costly}.items()}


def typed(line: str) -> None:
    """Run a command as ``python -m datastill`` does, in this process."""
    said, before = io.StringIO(), sys.argv
    sys.argv = ["datastill", *line.split()]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            runpy.run_module("datastill", run_name="__main__", alter_sys=False)
    except SystemExit as ending:
        if ending.code:
            raise RuntimeError(f"{line}: {said.getvalue()}") from None
    finally:
        sys.argv = before


def commanded() -> tuple[Tensors, Numbers]:
    """Go the whole way on the command line: originals, sets, labels, validation, comparison."""
    pool = f"--models-pool {CONVOLUTIONS} {OTHER}"
    typed(
        f"train --dataset digits --model {CONVOLUTIONS} {OTHER} --num 1 --epochs 2 --save-epochs 1 "
        "--batch-train 64 --lr-net 0.05 --engine plain"
    )
    typed(
        f"distill --dataset digits --model {CONVOLUTIONS} --method DSA --ipc 1 --iterations 3 "
        f"--batch-real 8 --init herding --coreset-features {OTHER} --alphas 1 10 {pool} "
        "--select om-cross-entropy --select-every 1 --engine plain"
    )
    typed(
        f"distill --dataset digits --model {CONVOLUTIONS} --method DM --ipc rest=1,3=2 "
        f"--iterations 3 --batch-real 8 --alphas 1 --clom-distance cosine {pool} --engine plain"
    )
    one = "condensed/digits/DSA/IPC1"
    (two,) = Path("condensed/digits/DM").iterdir()
    typed(f"relabel {one} --temperature 2 {pool} --out soft")
    typed(
        f"validate soft --model {CONVOLUTIONS} {OTHER} --num-eval 2 --epochs 8 "
        "--against random herding --coreset-features pixels --soft-loss kl --engine plain"
    )
    typed(
        f"compare {one} soft --model {OTHER} --num-eval 2 --epochs 8 --real-epochs 1 --real-eval 1 "
        "--dd-ranking --learning-rates 0.01 0.05 --against k-means --coreset-features pixels "
        "--out compared --engine plain"
    )
    typed(f"assess {one} {pool} --assessments om-entropy om-accuracy@1 --out assessed")
    sets = {name: ds.load(folder) for name, folder in (("DSA", one), ("DM", two), ("soft", "soft"))}
    made = {f"command.{name}": data.images for name, data in sets.items()}
    made["command.labels"] = sets["soft"].labels
    return made, {**read_validation("soft"), **read_comparison("compared"), **read_scores()}


def read_validation(folder: str) -> Numbers:
    """Return every accuracy of the last validation of a set."""
    results = json.loads(Path(folder, "validation.json").read_text())[-1]["results"]
    return {
        f"command.validate.{row['model']}.{row['source']}": row["accuracies"]["values"]
        for row in results
    }


def read_comparison(folder: str) -> Numbers:
    """Return every accuracy of a comparison, and DD-Ranking's scores."""
    table = json.loads(Path(folder, "comparison.json").read_text())
    rows = {
        f"command.compare.{row['name']}.{row['labels']}": row["accuracies"]["values"]
        for row in table["rows"]
    }
    ranked = {
        f"ranking.{one['name']}": [one[name] for name in ("hlr", "ior", "lrs", "ars")]
        for one in table["dd_ranking"]
    }
    return {**rows, **ranked}


def read_scores() -> Numbers:
    """Return the scores of the command, and those of random real images."""
    table = json.loads(Path("assessed", "assessment.json").read_text())
    return {
        f"score.command.{row['name']}": [row["value"], *row["random"]] for row in table["scores"]
    }


def studied() -> Numbers:
    """Study a few sets, and return what is known of each and what follows."""
    typed(
        f"study --dataset digits --model {OTHER} --population random noise:0.5 DM:1 DC:1:1 "
        f"--seeds 1 --ipc 1 2 --num-eval 1 --epochs 60 --batch-real 4 --models-pool {OTHER} "
        "--model-num 1 --pool-epochs 2 --early-epochs 1 --engine plain "
        "--assessments om-accuracy om-entropy@1 coverage fresh-feature-distance"
    )
    table = json.loads(Path("studies/digits/study.json").read_text())
    found: Numbers = {}
    for record in table["records"]:
        name = record["name"]
        found[f"study.{name}"] = [trial["accuracy"] for trial in record["trials"]]
        for score, held in record["scores"].items():
            found[f"score.study.{name}.{score}"] = [held["score"]["value"]]
    for verdict in table["verdicts"]:
        for scope, one in verdict["agreements"].items():
            rho = one["spearman"]
            found[f"agreement.{verdict['name']}.{scope}"] = [rho["value"], rho["low"], rho["high"]]
    return found


def everything() -> tuple[Tensors, Numbers]:
    """Compute all of it, in a folder of its own for what commands write."""
    real, test = ds.load_dataset("digits")
    assert test is not None
    pool, early = pool_of(real, epochs=2), pool_of(real, epochs=1)
    tensors: Tensors = weighed(pool)
    numbers: Numbers = {}
    for engine, route in engines().items():
        with computing_by(engine):
            made = distilled(real, pool, engine, route)
            data = ds.ImageSet(made[f"{engine}.DSA"], torch.arange(20) // 2, real.domain)
            numbers.update(validated(data, test, engine, route))
        tensors.update(made)
    data = ds.ImageSet(tensors[f"{PLAIN}.DM"], torch.arange(20) // 2, real.domain)
    tensors.update({**taken_up(real, pool), **picked(real, pool)})
    numbers.update({**together(data, test), **labelled(data, test)})
    numbers.update(assessed(data, real, pool, early, ds.Route(kernels=False)))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        made, found = commanded()
        tensors.update(made)
        numbers.update({**found, **studied()})
    return tensors, numbers


def write(folder: Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Write all of it, and where it was computed."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "values.safetensors")
    for name, table in (("values", numbers), ("machine", machine())):
        (folder / f"{name}.json").write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")


def main(folder: Path) -> None:
    """Make all of it on one thread, with nothing chosen by a clock, and nothing fetched."""
    if torch.get_num_threads() != 1:
        sys.exit("bits depend on the number of threads; set OMP_NUM_THREADS=1 before")
    os.environ.update(HF_HUB_OFFLINE="1", DATASTILL_ENGINE=PLAIN)
    write(folder, *everything())


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute() if sys.argv[1:] else HERE)
