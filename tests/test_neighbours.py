"""Processes that compute on the same cores know of one another, and share these out."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import blobs
from copies import telling
from datastill.augment import dsa
from datastill.base import load, neighbours, threads
from datastill.base.load import Load
from datastill.base.neighbours import Street, fair
from datastill.base.rng import Key
from datastill.compute import cores, kernels
from datastill.compute.kernels.lowering import whole
from datastill.compute.route import Route, logits
from datastill.data import Domain
from datastill.distillation.clom import cross_entropy_clom
from datastill.distillation.loop import distill
from datastill.distillation.methods import METHODS, Task
from datastill.networks import build, builder
from datastill.networks.base.network import Network
from datastill.training.fit import Fit
from datastill.training.pool import train_pool

fcntl = pytest.importorskip("fcntl", reason="files know no locks here")

CPU = torch.device("cpu")
COMPUTES = """
import sys
from pathlib import Path
from datastill.base.neighbours import Street
with Street(Path(sys.argv[1])).computing(int(sys.argv[2])):
    print("computing", flush=True)
    sys.stdin.readline()
print("done", flush=True)
sys.stdin.readline()
"""


def beside(folder: Path, given: int) -> AbstractContextManager[subprocess.Popen[str]]:
    """Have a process compute, by so many threads, until it is told to stop."""
    command = [sys.executable, "-c", COMPUTES, str(folder), str(given)]
    return telling(command, "computing", stdin=subprocess.PIPE)


def stop(process: subprocess.Popen[str]) -> None:
    """Have it stop computing, and go on living."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def anew(street: Street) -> list[int]:
    """Return what neighbours were given, counted now."""
    street._looked = -neighbours.LOOK
    with street.computing(2):
        return [each.threads for each in street.neighbours()]


def quiet(folder: Path) -> Street:
    """Return a street that hears of no other programs."""
    return Street(folder, Load("/nowhere"))


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Street:
    """Return a street that nobody else knows, on a machine of two cores."""
    monkeypatch.setattr(neighbours, "own_cores", lambda: frozenset({0, 1}))
    monkeypatch.setattr(threads, "quota", lambda: None)
    return quiet(tmp_path / "street")


def test_no_core_is_left_and_none_is_taken_twice() -> None:
    for count in range(1, 9):
        for asked in ([1], [2], [8], [1, 8], [2, 2], [3, 5, 8], [8] * 7):
            shares = [fair(count, mine, asked[:i] + asked[i + 1 :]) for i, mine in enumerate(asked)]
            assert all(1 <= share <= mine for share, mine in zip(shares, asked, strict=True))
            assert sum(shares) <= max(count, len(asked))
            assert sum(asked) > count or shares == asked


def test_a_process_that_computes_is_seen_by_others(street: Street) -> None:
    assert street.share(2) == 2
    with beside(street.folder, 2) as other:
        assert anew(street) == [2]
        assert street.share(2) == 1
        with beside(street.folder, 1):
            assert sorted(anew(street)) == [1, 2]
        stop(other)
    assert street.folder.stat().st_mode & 0o077 == 0


def test_who_has_stopped_counts_for_a_moment(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two epochs a process is not gone; when it waits for a person it is."""
    with beside(street.folder, 2) as other:
        stop(other)
        monkeypatch.setattr(neighbours, "LINGERS", 1e9)
        assert anew(street) == [2]
        monkeypatch.setattr(neighbours, "LINGERS", 0.0)
        assert anew(street) == []


def test_who_was_killed_is_no_neighbour(street: Street) -> None:
    with beside(street.folder, 2) as other:
        other.kill()
        other.wait()
        (file,) = street.folder.iterdir()
        ended = file.stat().st_mtime
        os.utime(file, (ended - 30, ended - 30))
        assert anew(street) == []
        assert file.exists()
        os.utime(file, (0, 0))
        assert anew(street) == []
        assert not file.exists()


def test_who_ends_leaves_nothing(street: Street) -> None:
    with beside(street.folder, 2) as other:
        stop(other)
        assert len(list(street.folder.iterdir())) == 1
        other.communicate("\n")
        assert not list(street.folder.iterdir())


def test_who_takes_long_over_a_step_counts(street: Street) -> None:
    with beside(street.folder, 2):
        (file,) = street.folder.iterdir()
        os.utime(file, (0, 0))
        assert anew(street) == [2]
        assert file.exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system tells nobody")
def test_who_is_stopped_does_not_count(street: Street) -> None:
    with beside(street.folder, 2) as other:
        other.send_signal(signal.SIGSTOP)
        os.waitpid(other.pid, os.WUNTRACED)
        assert anew(street) == []
        other.send_signal(signal.SIGCONT)
        os.waitpid(other.pid, os.WCONTINUED)
        assert anew(street) == [2]


def test_a_file_that_was_removed_is_made_again(street: Street) -> None:
    other = quiet(street.folder)
    for _ in range(2):
        with street.computing(2):
            assert anew(other) == [2]
        for file in street.folder.iterdir():
            file.unlink()


def test_another_number_of_threads_is_said(street: Street) -> None:
    other = quiet(street.folder)
    for given in (2, 1, 12):
        with street.computing(given):
            assert anew(other) == [given]


def test_other_cores_are_nobodys_neighbours(street: Street) -> None:
    with street.computing(2):
        (file,) = street.folder.iterdir()
        other = quiet(street.folder)
        file.write_text("2 7,8\n")
        assert anew(other) == [2]
        assert other.share(2) == 2


@pytest.mark.parametrize("wrong", ["", "two 0,1", "2", "2 a", "\xff\xfe", "2 0," + "1" * 5000])
def test_what_is_no_file_of_ours_is_passed_over(street: Street, wrong: str) -> None:
    with street.computing(2):
        other = quiet(street.folder)
        (file,) = street.folder.iterdir()
        file.write_bytes(wrong.encode("latin-1"))
        os.mkfifo(street.folder / "pipe")
        (street.folder / "folder").mkdir()
        (street.folder / "away").symlink_to("/etc/passwd")
        assert anew(other) == []
        assert other.share(2) == 2


def test_a_folder_of_others_is_not_asked(street: Street) -> None:
    with street.computing(2):
        pass
    street.folder.chmod(0o777)
    other = quiet(street.folder)
    with street.computing(2), other.computing(2):
        assert anew(other) == []
    street.folder.chmod(0o700)


def test_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = quiet(tmp_path / "file" / "street")
    with nowhere.computing(2):
        assert nowhere.share(2) == 2


def test_a_copy_of_a_process_has_a_file_of_its_own(street: Street) -> None:
    with street.computing(2):
        pass
    code = os.fork() if hasattr(os, "fork") else pytest.skip("no copies")
    if not code:
        try:
            with street.computing(1):
                os._exit(0 if len(list(street.folder.iterdir())) == 2 else 1)
        finally:
            os._exit(1)
    assert os.waitpid(code, 0)[1] == 0


# Other programs.

STAT = """cpu  9 9 9 9 9 9 9 9 9 9
cpu0 {0} {1} 100 5000 7 10 20 900 0 0
cpu1 {2} 300 0 9000 7 0 0 0 0 0
cpu12 99999 0 0 0 0 0 0 0 0 0
intr 5 5
ctxt 123
"""


class Clock:
    """Time that passes when it is told to."""

    now, spent = 100.0, 5.0

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.spent


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Have the load counted by a clock of ours."""
    found = Clock()
    monkeypatch.setattr(load, "time", found)
    monkeypatch.setattr(load, "gives_way", lambda: False)
    return found


def test_what_others_compute_is_what_this_process_does_not(tmp_path: Path, clock: Clock) -> None:
    file, both = tmp_path / "stat", frozenset({0, 1})
    file.write_text(STAT.format(1000, 50, 2000))
    counted = Load(str(file))
    assert counted.of_others(both) == 0.0  # nothing to compare with yet
    file.write_text(STAT.format(1150, 950, 2150))  # 3 seconds of cores, and those that give way
    clock.now, clock.spent = 102.0, 6.0
    assert counted.of_others(both) == pytest.approx(1.0)
    file.write_text(STAT.format(1350, 950, 2350))
    clock.now = 102.1  # too soon
    assert counted.of_others(both) == pytest.approx(1.0)
    clock.now, clock.spent = 104.0, 10.0  # 4 seconds of cores, all its own
    assert counted.of_others(both) == 0.0
    file.write_text(STAT.format(9350, 950, 9350))
    clock.now = 106.0
    assert counted.of_others(both) == 2.0  # no more than there are
    assert Load(str(file)).of_others(frozenset()) == 0.0


def test_who_gives_way_shares_with_all(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "gives_way", lambda: True)
    file, both = tmp_path / "stat", frozenset({0, 1})
    file.write_text(STAT.format(1000, 50, 2000))
    counted = Load(str(file))
    counted.of_others(both)
    file.write_text(STAT.format(1000, 150, 2000))
    clock.now = 101.0
    assert counted.of_others(both) == pytest.approx(1.0)


@pytest.mark.parametrize("wrong", ["", "cpu0", "cpu0 1 2", "cpu0 a b c d e f g", "\xff"])
def test_a_count_that_nobody_understands_is_none(tmp_path: Path, clock: Clock, wrong: str) -> None:
    file = tmp_path / "stat"
    file.write_bytes(wrong.encode("latin-1"))
    counted = Load(str(file))
    for _ in range(3):
        assert counted.of_others(frozenset({0, 1})) == 0.0
        clock.now += 1


def test_linux_counts(clock: Clock) -> None:
    """Between two looks of the same clock there are seconds of this machine at the most."""
    if not Path(load.COUNTED).exists():
        pytest.skip("no such file here")
    counted = Load()
    own = neighbours.own_cores()
    assert counted.of_others(own) == 0.0
    clock.now += 1e9
    assert 0.0 <= counted.of_others(own) < 1e-3
    assert counted._busy > 0


def taking(cores: list[float]) -> Callable[[frozenset[int]], float]:
    """Return what says of others that they take so many cores, one after the other."""
    told = iter(cores)

    def of_others(own: frozenset[int]) -> float:
        assert own
        return next(told)

    return of_others


@pytest.mark.parametrize(
    ("count", "busy", "given", "share"),
    [
        *((2, 0.0, 2, 2), (2, 0.4, 2, 2), (2, 0.7, 2, 1), (2, 1.0, 2, 1), (2, 1.1, 2, 1)),
        *((8, 1.0, 8, 7), (8, 3.6, 8, 4), (8, 4.1, 8, 4), (8, 3.0, 2, 2), (1, 1.0, 1, 1)),
    ],
)
def test_others_are_left_what_they_take_up_to_half(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    busy: float,
    given: int,
    share: int,
) -> None:
    monkeypatch.setattr(neighbours, "own_cores", lambda: frozenset(range(count)))
    monkeypatch.setattr(threads, "quota", lambda: None)
    here = quiet(tmp_path / "street")
    monkeypatch.setattr(here.load, "of_others", taking([busy]))
    assert here.share(given) == share


def test_where_others_want_more_than_half_all_threads_ask_for_a_core(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(street.load, "of_others", taking([1.33, 1.0, 1.0, 1.33]))
    monkeypatch.setattr(neighbours, "PRESSED", 1e9)
    assert street.share(2) == 2
    assert street.share(2) == 2
    street._pressed = 0.0  # some seconds later
    assert street.share(2) == 1
    street._looked = -neighbours.LOOK
    with beside(street.folder, 2), street.computing(2):
        assert street.share(2) == 1  # of its own kind it knows better


# Steps.


@pytest.fixture
def crowded(street: Street, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    """Let this process have two threads, and a neighbour that has as many."""
    other = quiet(street.folder)
    monkeypatch.setattr(neighbours, "STREET", street)
    monkeypatch.setattr(threads, "SAID", False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with other.computing(2):
        yield street
    torch.set_num_threads(before)


def threads_of_both() -> tuple[int, int]:
    """Return by how many threads PyTorch and the kernels compute."""
    return torch.get_num_threads(), cores.for_kernels()


def test_the_kernels_compute_by_a_share_and_pytorch_by_one_thread(crowded: Street) -> None:
    with cores.shared(CPU):
        assert threads_of_both() == (1, 1)
        assert cores.given() == 2
    assert threads_of_both() == (2, 2)


def test_who_is_alone_has_all_threads_for_the_kernels(
    crowded: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What PyTorch computes must not hang on who else is there."""
    monkeypatch.setattr(neighbours, "STREET", quiet(crowded.folder / "elsewhere"))
    with cores.shared(CPU):
        assert threads_of_both() == (1, 2)
        with cores.shared(CPU):
            assert threads_of_both() == (1, 2)
        assert threads_of_both() == (1, 2)
    assert threads_of_both() == (2, 2)


def test_what_is_pytorchs_has_all_threads_until_the_step_ends(crowded: Street) -> None:
    with cores.shared(CPU):
        cores.needed()
        assert threads_of_both() == (2, 2)
        with cores.shared(CPU):
            assert threads_of_both() == (2, 2)
    with cores.shared(CPU):
        assert threads_of_both() == (1, 1)
    cores.needed()
    assert threads_of_both() == (2, 2)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_step_that_ends_early_leaves_threads_as_they_were(
    crowded: Street, error: type[BaseException]
) -> None:
    with pytest.raises(error), cores.shared(CPU):
        raise error
    assert threads_of_both() == (2, 2)


def test_an_interrupted_look_leaves_no_block_open(
    crowded: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(given: int) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as changed:
        changed.setattr(crowded, "share", interrupted)
        with pytest.raises(KeyboardInterrupt), cores.shared(CPU):
            pass
    assert anew(quiet(crowded.folder)) == [2, 2]  # both ended a moment ago, or compute
    with cores.shared(CPU):
        assert threads_of_both() == (1, 1)
    assert threads_of_both() == (2, 2)


def test_who_said_how_many_has_them(crowded: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "SAID", True)
    monkeypatch.setattr(neighbours, "LINGERS", 1e9)
    with cores.shared(CPU):
        assert threads_of_both() == (1, 2)
        assert len(anew(crowded)) == 1
        assert len(anew(quiet(crowded.folder))) == 2  # others know


def test_on_a_gpu_nothing_is_shared(crowded: Street) -> None:
    with cores.shared(torch.device("meta")):
        assert threads_of_both() == (2, 2)


def test_the_arithmetic_of_others_has_all_threads(crowded: Street) -> None:
    class Own:
        pass

    for owner in (Own(), Own, lambda: None, print):
        with cores.shared(CPU, None, owner):
            assert threads_of_both() == (2, 2)
    with cores.shared(CPU, wanted=False):
        assert threads_of_both() == (2, 2)


def test_kernels_leave_pytorchs_number_as_it_is(crowded: Street) -> None:
    if kernels.missing():
        pytest.skip(kernels.missing())
    network = build("ConvNetD2W32", MADE, key=Key(0))
    with cores.shared(CPU), torch.no_grad():
        crowded._pressed = 0.0
        Route(kernels=True).run(logits, network, torch.zeros(2, 1, 28, 28))
        assert torch.get_num_threads() == 1


MADE = Domain("made", (1, 28, 28), tuple("0123456789"), (0.0,), (1.0,))


def threads_within(network: Any, route: Route) -> tuple[int, int]:
    """Return by how many threads a network's pass and what comes after it are computed."""
    found: list[int] = []

    def through(network: Any, images: torch.Tensor) -> torch.Tensor:
        found.append(torch.get_num_threads())
        return logits(network, images)

    with cores.shared(CPU):
        route.run(through, network, torch.zeros(2, 1, 28, 28))
        found.append(torch.get_num_threads())
    return found[0], found[1]


@pytest.mark.skipif(bool(kernels.missing()), reason=kernels.missing())
@pytest.mark.parametrize(
    ("name", "steady"),
    [
        *(("ConvNet", True), ("ConvNetD2W32", True), ("ConvNetW256", True), ("ConvNetD1", True)),
        *(("ConvNetBN", False), ("ConvNetGN", False), ("ConvNetNN", False), ("ConvNetMP", False)),
        *(("ConvNetW16", False), ("ConvNetAS", False), ("ConvNetNP", False), ("MLP", False)),
        *(("ResNet18", False), ("VGG11", False), ("AlexNet", False), ("LeNet", False)),
    ],
)
def test_networks_that_are_not_the_kernels_need_all_threads(
    crowded: Street, name: str, steady: bool
) -> None:
    network = build(name, MADE, key=Key(0)).eval()
    assert whole(network, torch.zeros(2, 1, 28, 28)) == steady
    count = 1 if steady else 2
    assert threads_within(network, Route(kernels=True)) == (count, count)
    assert threads_within(network, Route(kernels=False)) == (2, 2)


@pytest.mark.skipif(bool(kernels.missing()), reason=kernels.missing())
def test_a_network_that_was_changed_is_not_the_kernels() -> None:
    images = torch.zeros(2, 1, 28, 28)
    hooked = build("ConvNet", MADE, key=Key(0))
    first = next(hooked.body.children())
    first.register_forward_hook(lambda module, given, made: None)

    class Own(Network):
        pass

    usual = build("ConvNet", MADE, key=Key(0))
    own = Own(usual.body, usual.head)
    double = build("ConvNet", MADE, key=Key(0)).double()
    assert whole(usual, images)
    assert not any(whole(each, images) for each in (hooked, own, double, usual.body))
    assert not whole(usual, images.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not whole(usual, images)


@pytest.mark.skipif(bool(kernels.missing()), reason=kernels.missing())
def test_runs_are_the_same_beside_a_neighbour(
    crowded: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks of which some are the kernels' and others are not; each is computed as it must."""
    real, route = blobs(), Route(kernels=True)
    pool = train_pool("ConvNetD2W16BN", real, num=1, fit=Fit(epochs=1, batch=16), key=Key(9))
    guide = cross_entropy_clom(pool, 1.0, real.domain, route=route)
    task = Task(real, builder("ConvNetD2W32", real.domain), Key(0), dsa("color_crop"), route)
    descent = METHODS["DC"](2).descent(2, updates=2, batch=8, init="real")
    counted: list[tuple[int, int]] = []
    run = Route.run

    def watched(self: Route, *given: Any, **named: Any) -> torch.Tensor:
        found = run(self, *given, **named)
        counted.append(threads_of_both())
        return found

    monkeypatch.setattr(Route, "run", watched)

    def made() -> torch.Tensor:
        *_, last = distill(METHODS["DC"](2).method, task, descent, regularisers={"clom": guide})
        return last.synthetic.images

    beside = made()
    assert {*counted} == {(1, 1), (2, 2)}
    monkeypatch.setattr(neighbours, "STREET", quiet(crowded.folder / "elsewhere"))
    counted.clear()
    alone = made()
    assert {*counted} == {(1, 2), (2, 2)}
    assert torch.equal(beside, alone)
