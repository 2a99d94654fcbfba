"""The loop: what it starts from, what a step is, and what it hands out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

import pytest
import torch
from torch import Tensor

from conftest import blobs, linear, same, weights
from datastill.augment import Transform, dsa
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ByClass, ImageSet
from datastill.distillation.clom import cross_entropy_clom
from datastill.distillation.loop import Descent, Snapshot, State, distill, initial
from datastill.distillation.methods import METHODS, Task
from datastill.distillation.methods.base import Adam, AdamW, Synthetic, matched, recalled
from datastill.networks import Network, build, builder
from datastill.training.pool import freeze

SHORT = Descent(ipc=2, updates=4, batch=5, lr=0.1, momentum=0.5)


@dataclass(frozen=True)
class TowardsMeans:
    """Pull every synthetic image to the mean real image of its class, and note what is seen."""

    steps: list[tuple[int, Network | None, ImageSet]] = field(default_factory=list)
    batches: list[tuple[ByClass, ByClass]] = field(default_factory=list)

    def network(self, task: Task, step: int, last: Network | None, synthetic: ImageSet) -> Network:
        held = replace(synthetic, images=synthetic.images.clone())
        self.steps.append((step, last, held))
        return task.build(key=task.key.at("network", step))

    def loss(
        self, task: Task, step: int, memory: Network | None, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, Network]:
        return matched(self, task, step, memory, synthetic, key=key)

    def recall(self, task: Task, tensors: Mapping[str, Tensor]) -> Network:
        return recalled(task, tensors)

    def match(self, network: Network, real: ByClass, synthetic: ByClass, *, route: Route) -> Tensor:
        self.batches.append((real, synthetic))
        means = real.means(real.images.flatten(1))[synthetic.labels]
        return (synthetic.images.flatten(1) - means).square().sum()


def make_task(seed: int = 0, *, real: ImageSet | None = None, **changes: object) -> Task:
    real = real or blobs()
    return Task(real, builder("MLP", real.domain), Key(seed), **changes)


def run(seed: int = 0, descent: Descent = SHORT, **changes: object) -> list[Snapshot]:
    return list(distill(METHODS["DM"](10).method, make_task(seed, **changes), descent))


def start(descent: Descent, *, seed: int = 0, real: ImageSet | None = None) -> ImageSet:
    """Return where a run starts: its first snapshot, when nothing moves."""
    still = replace(descent, lr=0.0, updates=1)
    return next(distill(TowardsMeans(), make_task(seed, real=real), still)).synthetic


# The start.


def is_among(image: Tensor, images: Tensor) -> bool:
    return bool((images == image).all(dim=(1, 2, 3)).any())


@pytest.mark.parametrize("ipc", [1, 3, (2, 0, 5, 1)])
def test_real_starts_are_different_real_images_of_their_class(ipc: int | tuple[int, ...]) -> None:
    real = blobs()
    found = start(Descent(ipc=ipc, init="real"), real=real)
    assert found.counts == ((ipc,) * 4 if isinstance(ipc, int) else ipc)
    assert found.domain == real.domain
    assert torch.equal(found.labels, found.labels.sort().values)
    for image, label in zip(found.images, found.labels, strict=True):
        assert is_among(image, real.images[real.labels == label])
    assert len({tuple(image.flatten().tolist()) for image in found.images}) == len(found)


@pytest.mark.parametrize("ipc", [30, (40, 0, 20, 60)])
def test_noise_starts_are_standard_normal(ipc: int | tuple[int, ...]) -> None:
    found = start(Descent(ipc=ipc, init="noise"))
    assert found.counts == ((ipc,) * 4 if isinstance(ipc, int) else ipc)
    assert abs(found.images.mean()) < 0.03
    assert abs(found.images.std() - 1) < 0.03
    assert found.images.flatten(1).std(0).min() > 0.7


def test_a_coreset_to_start_from_may_pick_by_features() -> None:
    real = blobs()
    features = torch.randn(len(real), 3, generator=Key(0).generator())
    nearest = [
        int(rows[(features[rows] - features[rows].mean(0)).norm(dim=1).argmin()])
        for rows in real.rows_by_class
    ]
    still = Descent(ipc=1, updates=1, lr=0.0, init="herding")
    (made,) = distill(TowardsMeans(), make_task(), still, features=features)
    assert torch.equal(made.synthetic.images, real.images[nearest])
    assert not torch.equal(start(still).images, real.images[nearest])


@pytest.mark.parametrize("init", ["real", "noise"])
def test_starts_follow_the_key(init: str) -> None:
    images = [start(Descent(init=init), seed=seed).images for seed in (0, 0, 1)]
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_the_real_images_are_not_moved() -> None:
    real = blobs()
    before = real.images.clone()
    run(descent=replace(SHORT, ipc=12), real=real)
    assert torch.equal(real.images, before)


@pytest.mark.parametrize("ipc", [3, (1, 1, 3, 1)])
def test_too_few_real_images_to_start_from_are_refused_by_class(
    ipc: int | tuple[int, ...],
) -> None:
    real = blobs(per_class=(12, 5, 2, 4))
    with pytest.raises(InputError, match="class 'class-2' has 2 real images, fewer than the 3"):
        next(distill(TowardsMeans(), make_task(real=real), Descent(ipc=ipc)))
    *_, last = run(descent=replace(SHORT, ipc=ipc, init="noise"), real=real)
    assert len(last.synthetic) == (12 if ipc == 3 else 6)


def test_an_ipc_for_another_number_of_classes_is_refused() -> None:
    real = blobs()
    with pytest.raises(InputError):
        initial(real, Descent(ipc=(1, 2), init="noise"), key=Key(0))


# The steps.


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_steps_are_those_of_sgd_by_hand(momentum: float) -> None:
    descent = replace(SHORT, momentum=momentum, lr=0.1)
    method = TowardsMeans()
    found = list(distill(method, make_task(), descent))
    pixels, speed = method.steps[0][2].images, torch.zeros(())
    for snapshot, (real, _) in zip(found, method.batches, strict=True):
        target = torch.stack([part.mean(0) for part in real.split()]).repeat_interleave(2, 0)
        torch.testing.assert_close(
            snapshot.losses["match"].item(),
            (pixels - target).square().sum().item(),
            rtol=1e-4,
            atol=0,
        )
        speed = momentum * speed + 2 * (pixels - target)
        pixels = pixels - 0.1 * speed
        torch.testing.assert_close(snapshot.synthetic.images, pixels)


def test_a_method_sees_the_images_as_they_stand_and_its_last_network() -> None:
    method = TowardsMeans()
    task = make_task()
    made: list[Network] = []

    def remember(*, key: Key) -> Network:
        made.append(linear(task.real.domain))
        return made[-1]

    found = list(distill(method, replace(task, build=remember), SHORT))
    assert [step for step, _, _ in method.steps] == [0, 1, 2, 3]
    looked_at, first, _, *others = made  # to see that it is a network, and is recalled
    used = [first, *others]
    assert [last for _, last, _ in method.steps] == [None, *used[:-1]]
    assert looked_at not in [last for _, last, _ in method.steps]
    seen = [synthetic for _, _, synthetic in method.steps]
    for before, after in zip(found, seen[1:], strict=False):
        assert torch.equal(before.synthetic.images, after.images)
    assert all(torch.equal(one.labels, found[0].synthetic.labels) for one in seen)


def test_a_method_sees_new_real_images_of_each_class_at_every_step() -> None:
    real, method = blobs(per_class=(12, 3, 12, 12)), TowardsMeans()
    for _ in distill(method, make_task(real=real), SHORT):
        pass
    for batch, synthetic in method.batches:
        assert batch.counts == (5, 3, 5, 5)
        assert synthetic.counts == (2, 2, 2, 2)
        assert synthetic.images.requires_grad
        for k, part in enumerate(batch.split()):
            assert all(is_among(image, real.images[real.labels == k]) for image in part)
    images = [batch.images for batch, _ in method.batches]
    assert not any(torch.equal(one, other) for i, one in enumerate(images) for other in images[:i])


def test_real_and_synthetic_images_of_a_class_share_a_new_draw_at_every_step() -> None:
    asked: list[Key] = []

    def policy(n: int, *, key: Key) -> Transform:
        assert n == 1
        asked.append(key)
        return lambda images: images * 0 + len(asked)

    method = TowardsMeans()
    for _ in distill(method, make_task(policy=policy), SHORT):
        pass
    assert len(asked) == len(set(asked)) == 4 * 4
    for batch, synthetic in method.batches:
        for of_real, of_synthetic in zip(batch.split(), synthetic.split(), strict=True):
            assert of_real.unique().tolist() == of_synthetic.unique().tolist()


def test_steps_are_numbered_from_one_and_as_many_as_asked() -> None:
    assert [snapshot.step for snapshot in run()] == [1, 2, 3, 4]
    assert run(descent=replace(SHORT, updates=0)) == []


def test_snapshots_are_copies() -> None:
    held, at_the_time = [], []
    for snapshot in distill(TowardsMeans(), make_task(), SHORT):
        held.append(snapshot.synthetic.images)
        at_the_time.append(snapshot.synthetic.images.clone())
    assert all(torch.equal(*pair) for pair in zip(held, at_the_time, strict=True))
    assert not torch.equal(held[0], held[1])
    assert not any(images.requires_grad for images in held)


@pytest.mark.parametrize("name", ["DM", "DC"])
def test_the_state_of_a_snapshot_is_its_own_or_refused(name: str) -> None:
    """Later it would be a mixture: these pixels, those of the next update, an older network."""
    task, descent = make_task(), replace(SHORT, updates=4)

    def again(**more: State) -> Iterator[Snapshot]:
        return distill(METHODS[name](SHORT.ipc).method, task, descent, **more)

    kept: list[Snapshot] = []
    held: list[State] = []
    for snapshot in again():
        for earlier in kept:
            with pytest.raises(InputError, match=f"update {earlier.step} is over"):
                earlier.state()
        kept.append(snapshot)
        held.append(snapshot.state())
    with pytest.raises(InputError, match="update 3 is over"):
        kept[-2].state()
    last = kept[-1].state()  # no other has begun
    assert torch.equal(last.params["images"], kept[-1].synthetic.images)
    for state in held[:-1]:
        resumed = list(again(state=state))
        assert torch.equal(resumed[-1].synthetic.images, kept[-1].synthetic.images)


def test_a_state_after_more_updates_than_are_asked_for_is_refused() -> None:
    """Else nothing would come, and nobody be told why."""
    last = run()[-1]
    assert last.state is not None
    state, method = last.state(), METHODS["DM"](SHORT.ipc).method
    with pytest.raises(InputError, match="after 4 updates, and `updates` is 3"):
        distill(method, make_task(), replace(SHORT, updates=3), state=state)
    assert not list(distill(method, make_task(), SHORT, state=state))


@pytest.mark.parametrize("kind", [Adam, AdamW])
@pytest.mark.parametrize("betas", [(1.0, 0.9), (0.9, -0.1), (0.9,), 0.9, None, ("a", "b")])
def test_betas_that_no_optimiser_takes_are_refused(kind: type, betas: object) -> None:
    with pytest.raises(InputError, match="`betas` must be two numbers from 0 on and below 1"):
        kind(0.1, betas=betas)


def test_what_is_done_to_a_snapshot_does_not_reach_the_run() -> None:
    expected = run()[-1].synthetic.images
    for snapshot in distill(METHODS["DM"](10).method, make_task(), SHORT):
        last = snapshot.synthetic.images.clone()
        snapshot.synthetic.images.zero_()
    assert torch.equal(last, expected)


def test_the_run_follows_its_key() -> None:
    runs = [run(seed, policy=dsa("crop_color_flip"))[-1].synthetic.images for seed in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_to_stop_early_is_to_stop_asking() -> None:
    method = TowardsMeans()
    found = list(islice(distill(method, make_task(), replace(SHORT, updates=10**9)), 2))
    assert len(method.steps) == 2
    whole = list(distill(TowardsMeans(), make_task(), SHORT))
    for stopped, through in zip(found, whole, strict=False):
        assert torch.equal(stopped.synthetic.images, through.synthetic.images)


# Regularisers.


def test_regularisers_are_reported_and_added() -> None:
    def brighten(images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        return -3 * images.sum()

    def shrink(images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        return 2 * images.square().sum()

    descent = replace(SHORT, updates=1)
    method = TowardsMeans()
    regularisers = {"brighten": brighten, "shrink": shrink}
    (found,) = distill(method, make_task(), descent, regularisers=regularisers)
    (plain,) = distill(TowardsMeans(), make_task(), descent)
    pixels = method.steps[0][2].images
    assert list(found.losses) == ["match", "brighten", "shrink"]
    assert torch.equal(found.losses["match"], plain.losses["match"])
    torch.testing.assert_close(found.losses["brighten"], -3 * pixels.sum())
    torch.testing.assert_close(found.losses["shrink"], 2 * pixels.square().sum())
    assert not any(loss.requires_grad for loss in found.losses.values())
    moved = plain.synthetic.images - 0.1 * (-3 + 4 * pixels)
    torch.testing.assert_close(found.synthetic.images, moved)


def test_regularisers_see_the_whole_set_without_augmentation() -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    keys: list[Key] = []

    def note(images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        seen.append((images.detach().clone(), labels))
        keys.append(key)
        return 0 * images.sum()

    method = TowardsMeans()
    task = make_task(policy=dsa("color"))
    both = {"one": note, "other": note}
    found = list(distill(method, task, SHORT, regularisers=both))
    stand = [synthetic.images for _, _, synthetic in method.steps]
    assert len(set(keys)) == len(keys) == 8
    for i, (images, labels) in enumerate(seen):
        assert torch.equal(images, stand[i // 2])
        assert torch.equal(labels, found[0].synthetic.labels)
    assert not torch.equal(method.batches[0][1].images, stand[0])


def test_a_regulariser_named_as_the_methods_loss_is_added_or_refused() -> None:
    def nothing(images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        return 0 * images.sum()

    try:
        (found,) = distill(
            *(TowardsMeans(), make_task(), replace(SHORT, updates=1)),
            regularisers={"match": nothing},
        )
    except ValueError:
        return
    (plain,) = distill(TowardsMeans(), make_task(), replace(SHORT, updates=1))
    assert torch.equal(found.synthetic.images, plain.synthetic.images)


def test_clom_moves_the_pixels_and_leaves_its_teachers_bit_for_bit() -> None:
    real = blobs()
    names = ("ConvNetD1W16BN", "MLP")
    pool = [freeze(build(name, real.domain, key=Key(5)), name, real.domain, {}) for name in names]
    before = [weights(member.network) for member in pool]
    clom = cross_entropy_clom(pool, [100, 200], real.domain)
    method = METHODS["DM"](10).method
    task = make_task(real=real, policy=dsa("color_crop"))
    guided = list(distill(method, task, SHORT, regularisers={"clom": clom}))
    plain = list(distill(method, task, SHORT))
    assert all(
        same(weights(member.network), held) for member, held in zip(pool, before, strict=True)
    )
    assert not any(part.training for member in pool for part in member.network.modules())
    assert not torch.equal(guided[0].synthetic.images, plain[0].synthetic.images)
    assert torch.equal(guided[0].losses["match"], plain[0].losses["match"])


def test_clom_makes_images_that_its_teachers_recognise() -> None:
    real = blobs()
    teacher = freeze(linear(real.domain), "linear", real.domain, {})
    clom = {"clom": cross_entropy_clom([teacher], 50, real.domain)}
    descent = replace(SHORT, updates=20)
    *_, last = distill(METHODS["DM"](10).method, make_task(), descent, regularisers=clom)
    found = teacher.network(last.synthetic.images).argmax(1)
    assert torch.equal(found, last.synthetic.labels)
    unguided = teacher.network(run(descent=descent)[-1].synthetic.images).argmax(1)
    assert not torch.equal(unguided, last.synthetic.labels)
