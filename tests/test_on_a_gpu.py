"""What only a GPU shows: run by ``make test-gpu`` where there is one.

Where there is none the device of these tests may be the CPU, to try the tests themselves:
``DATASTILL_TEST_GPU=cpu pytest -m gpu``.
"""

import os
from pathlib import Path

import pytest
import torch

import datastill
from conftest import blobs
from datastill.base.rng import Key
from datastill.cli import main
from datastill.compute.route import Route
from datastill.networks import builder
from datastill.training import stacked
from datastill.training.fit import Fit, train
from test_gpu import NAMES, updates

TRIED = os.environ.get("DATASTILL_TEST_GPU") == "cpu"
DEVICE = torch.device("cpu" if TRIED else "cuda")
CPU = torch.device("cpu")
CLOSE = 2e-3
"""How far losses of a few updates may be apart, in parts of them: rounding grows along them."""

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not TRIED and not torch.cuda.is_available():
        pytest.fail("there is no GPU; `make test` tests all else")
    monkeypatch.chdir(tmp_path)


@pytest.mark.skipif(TRIED, reason="a CPU never waits for itself")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("name", NAMES)
def test_an_update_never_waits_for_a_gpu(name: str) -> None:
    steps = updates(name, "ConvNetD2W16", DEVICE)
    next(steps)
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert list(steps)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_those_of_a_cpu(name: str) -> None:
    pairs = zip(*(updates(name, "ConvNetD2W16", one) for one in (DEVICE, CPU)), strict=True)
    for there, here in pairs:
        for loss in here.losses:
            wanted = float(here.losses[loss])
            assert float(there.losses[loss]) == pytest.approx(wanted, rel=CLOSE, abs=1e-5)


@pytest.mark.parametrize("together", [False, True])
def test_networks_come_to_what_they_do_on_a_cpu(together: bool) -> None:
    data, fit, route = blobs(), Fit(3, lr=0.01), Route(kernels=False)
    ends = list[torch.Tensor]()
    for device in (DEVICE, CPU):
        build = builder("ConvNetD2W16", data.domain, device)
        networks, here = [build(key=Key(i)) for i in range(2)], data.to(device)
        keys = [Key(5), Key(6)]
        if together:
            stacked.train(networks, [here, here], fit, keys=keys, route=route)
        else:
            for network, key in zip(networks, keys, strict=True):
                train(network, here, fit, key=key, route=route)
        with torch.no_grad():
            ends.append(torch.stack([network(here.images) for network in networks]).cpu())
    assert torch.allclose(*ends, atol=1e-3)


def test_commands_run_and_go_on_there() -> None:
    given = f"--device {DEVICE} --model ConvNetD1W16 --quiet"
    main(f"train --dataset digits --num 2 --epochs 2 {given}".split())
    clom = "--alphas 10 --models-pool ConvNetD1W16 --model-num 2"
    line = f"distill --dataset digits --method DSA --ipc 2 --inner-loop 2 {clom} {given}"
    main([*line.split(), "--iterations", "3"])
    main([*line.split(), "--iterations", "6", "--resume"])
    made = datastill.load(Path("condensed/digits/DSA/IPC2"))
    assert made.images.isfinite().all()
    main(f"validate condensed/digits/DSA/IPC2 --num-eval 2 --epochs 3 {given}".split())
    judges = "--models-pool ConvNetD1W16 --quiet"
    main(f"assess condensed/digits/DSA/IPC2 {judges} --device {DEVICE}".split())


def test_workers_share_it() -> None:
    main(
        f"study --dataset digits --population random DM:2 DM:2:10 --ipc 1 --seeds 1 --num-eval 2 "
        f"--epochs 2 --model ConvNetD1W16 --models-pool ConvNetD1W16 --model-num 2 --pool-epochs 1 "
        f"--assessments om-accuracy --jobs 2 --device {DEVICE} --quiet".split()
    )
    assert Path("studies/digits/study.json").exists()
