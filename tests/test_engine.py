"""What runs the layers: measured once, for every command, told by estimate."""

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from conftest import watching
from datastill.cli import main
from datastill.compute import kernels, measuring, route, timing
from datastill.networks import Network
from datastill.store import load


@pytest.fixture
def unmeasured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Let --engine auto measure, by a clock that says that plain layers are the fastest."""
    tried: Counter[str] = Counter()

    def seconds(network: Network, _images: object, way: partial[object], count: int) -> float:
        tried[network.name] += 1
        return count * (1e-5 if way.args[0].kernels else 1e-6)

    monkeypatch.setattr(timing, "_seconds", seconds)
    monkeypatch.setattr(measuring, "_known", {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DATASTILL_ENGINE", raising=False)
    return tried


ESTIMATE = "estimate --dataset digits --model ConvNetD1W16 --ipc 1 --models-pool ConvNetD1W32"


@pytest.mark.slow
@pytest.mark.skipif(bool(kernels.missing()), reason=kernels.missing())
def test_estimate_tells_what_auto_takes_and_forgets_it_when_asked(
    unmeasured: Counter[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(ESTIMATE.split())
    said = " ".join(capsys.readouterr().out.split())
    for name in ("ConvNetD1W16", "ConvNetD1W32"):
        assert said.count(f"measuring which way {name} on 1x8x8 runs fastest") == 1
        assert f"{name}: plain layers; a training step on 1568 images: kernels 0.0157 s" in said
    assert said.count("(measured now, remembered)") == 2
    once = dict(unmeasured)
    measuring._known.clear()  # another process
    main(ESTIMATE.split())
    said = " ".join(capsys.readouterr().out.split())
    assert "measuring" not in said
    assert said.count("(measured before; --forget measures again)") == 2
    assert dict(unmeasured) == once
    main([*ESTIMATE.split(), "--forget"])
    assert "(measured now, remembered)" in " ".join(capsys.readouterr().out.split())
    assert unmeasured["ConvNetD1W16"] == 2 * once["ConvNetD1W16"]


def test_estimate_tells_an_engine_that_was_asked_for(
    unmeasured: Counter[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*ESTIMATE.split(), "--engine", "plain"])
    assert "ConvNetD1W16: plain layers, as asked" in capsys.readouterr().out
    assert not unmeasured


def test_estimate_measures_on_the_device_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a host with a GPU it timed the CPU."""
    monkeypatch.chdir(tmp_path)
    with watching() as seen:
        main([*ESTIMATE.split(), "--device", "meta"])
    assert seen
    assert {images.device.type for _, _, images in seen} == {"meta"}
    assert "on meta" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["validate", "distill", "train", "assess"])
def test_commands_take_the_measured_choice(
    command: str, tmp_path: Path, unmeasured: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels used to run whatever had no route of its own: CLOM's teachers, assessments."""
    monkeypatch.chdir(tmp_path)
    lowered: list[int] = []
    monkeypatch.setattr("datastill.compute.route.kernels.lowered", lambda **_: lowered.append(1))
    shared = "--dataset digits --model ConvNetD1W16"
    pool = "--models-pool ConvNetD1W32 --pool-path pools"
    small = "--model ConvNetD1W32 --num 1 --epochs 1 --save-path pools"
    main(["train", "--dataset", "digits", *small.split()])
    if command == "train":
        assert unmeasured
        assert not lowered
        return
    main(f"distill {shared} --ipc 1 --iterations 1 --alphas 1 {pool} --save-path sets".split())
    if command != "distill":
        (made,) = {path.parent for path in (tmp_path / "sets").rglob("synthetic.safetensors")}
        options = "--num-eval 1 --epochs 1 --model ConvNetD1W16" if command == "validate" else ""
        more = f"{options} {pool}" if command == "assess" else options
        main([command, str(made), *more.split()])
    assert set(unmeasured) >= {"ConvNetD1W16", "ConvNetD1W32"}
    assert not lowered


def test_lines_of_the_library_are_said_once_and_not_with_quiet(
    unmeasured: Counter[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("datastill.compute.route.kernels.missing", lambda: "no g++ was found")
    monkeypatch.setattr("datastill.compute.route.kernels.instructions", lambda: "")
    for quiet, times in (([], 1), (["--quiet"], 0)):
        route.tell_what_is_missing.cache_clear()
        measuring.forget()
        main([*ESTIMATE.split(), *quiet])
        assert capsys.readouterr().out.count("no g++ was found") == times
    route.tell_what_is_missing.cache_clear()


def test_a_set_says_that_plain_layers_were_taken_for_want_of_kernels(
    unmeasured: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datastill.compute.route.kernels.missing", lambda: "no g++ was found")
    monkeypatch.chdir(tmp_path)
    route.tell_what_is_missing.cache_clear()
    try:
        main(
            [
                "distill",
                "--dataset",
                "digits",
                "--model",
                "ConvNetD1W16",
                "--ipc",
                "1",
                "--iterations",
                "1",
            ]
        )
    finally:
        route.tell_what_is_missing.cache_clear()
    facts = load(tmp_path / "condensed" / "digits" / "DM" / "IPC1").facts
    assert facts["route"]["kernels"] is False
    assert facts["route"]["without_kernels"] == "no g++ was found"
