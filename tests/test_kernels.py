"""The kernels against the layers of PyTorch that they stand for."""

import re
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datastill.base.machine import lacks_memory
from datastill.base.rng import Key
from datastill.compute import kernels
from datastill.compute.kernels.convolution import Convolution, convolve_few
from datastill.compute.kernels.instructions import available, choosing
from datastill.compute.kernels.layers import FirstBlock, InstanceNorm, NormReluPool
from datastill.compute.kernels.library import Library
from datastill.compute.kernels.lowering import lowered
from datastill.compute.kernels.trusted import library
from datastill.compute.route import PLAIN, Route, logits
from datastill.data import Domain
from datastill.networks import build
from datastill.networks.base.network import Network, features

pytestmark = pytest.mark.skipif(bool(kernels.missing()), reason=kernels.missing())


@pytest.fixture(params=[each.name for each in available()], autouse=True)
def by(request: pytest.FixtureRequest) -> Iterator[Library]:
    """Run each test by the kernels for every set of instructions that this processor has."""
    with choosing(request.param):
        found = library()
        assert found is not None, kernels.missing()
        yield found


NAMES = ["ConvNet", "ConvNetD2W32", "ConvNetBN", "ConvNetW16", "ConvNetMP", "ConvNetNN"]
NAMES += ["ConvNetGN", "ConvNetAS", "ConvNetNP", "MLP", "LeNet", "AlexNet", "VGG11", "VGG11BN"]
NAMES += ["ResNet18", "ResNet18BN_AP"]


def draw(*shape: int, scale: float = 1.0) -> Tensor:
    """Return random numbers that want a gradient."""
    return (scale * torch.randn(shape, generator=Key(len(shape)).generator())).requires_grad_()


def apart(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).detach().norm() / wanted.detach().norm())


def gradients(made: Tensor, given: list[Tensor]) -> list[Tensor]:
    weights = torch.randn(made.shape, generator=Key(9).generator(), dtype=torch.float64)
    return list(torch.autograd.grad((made * weights.to(made)).sum(), given))


def domain(*shape: int) -> Domain:
    return Domain("d", shape, tuple("0123456789"), (0.0,) * shape[0], (1.0,) * shape[0])


# One tile; tiles cut off at both edges; several blocks of tiles; one row, one column, one pixel.
@pytest.mark.parametrize("size", [(4, 4), (7, 9), (20, 18), (1, 13), (13, 1), (1, 1)])
@pytest.mark.parametrize(("inputs", "outputs"), [(32, 32), (64, 32), (32, 96)])
def test_a_convolution_is_that_of_double_precision(
    size: tuple[int, int], inputs: int, outputs: int, by: Library
) -> None:
    images, weight = draw(5, inputs, *size), draw(outputs, inputs, 3, 3, scale=0.05)
    bias = draw(outputs)
    given = [images, weight, bias]
    wide = [t.detach().double().requires_grad_() for t in given]
    found = Convolution.apply(*given, by)
    wanted = F.conv2d(*wide, padding=1)
    assert apart(found, wanted) < 5e-6
    for ours, theirs in zip(gradients(found, given), gradients(wanted, wide), strict=True):
        assert apart(ours, theirs) < 2e-5


@pytest.mark.parametrize(("inputs", "outputs"), [(2, 6), (6, 2), (10, 4)])
def test_a_convolution_serves_all_multiples_of_its_registers(
    inputs: int, outputs: int, by: Library
) -> None:
    """Also those that the rows of a product do not divide."""
    inputs, outputs = inputs * by.lanes, outputs * by.lanes
    given = [draw(3, inputs, 5, 6), draw(outputs, inputs, 3, 3, scale=0.05), draw(outputs)]
    wide = [t.detach().double().requires_grad_() for t in given]
    found, wanted = Convolution.apply(*given, by), F.conv2d(*wide, padding=1)
    assert apart(found, wanted) < 5e-6
    for ours, theirs in zip(gradients(found, given), gradients(wanted, wide), strict=True):
        assert apart(ours, theirs) < 2e-5


def test_a_convolution_serves_sides_of_all_lengths(by: Library) -> None:
    """Tiles that end with the image, and such that go beyond it by one, two or three pixels."""
    for side in range(1, 18):
        given = [draw(3, 32, side, 18 - side), draw(32, 32, 3, 3, scale=0.05), draw(32)]
        wide = [t.detach().double().requires_grad_() for t in given]
        found, wanted = Convolution.apply(*given, by), F.conv2d(*wide, padding=1)
        assert apart(found, wanted) < 5e-6
        for ours, theirs in zip(gradients(found, given), gradients(wanted, wide), strict=True):
            assert apart(ours, theirs) < 2e-5


@pytest.mark.parametrize(("inputs", "outputs"), [(32, 32), (64, 32), (32, 96)])
def test_a_convolution_sees_each_image_alone(inputs: int, outputs: int, by: Library) -> None:
    """In blocks of tiles that are full or not, behind an image that is no number, bit for bit."""
    images, weight = draw(9, inputs, 9, 7).detach(), draw(outputs, inputs, 3, 3).detach()
    images[0] = float("nan")
    whole = Convolution.apply(images, weight, None, by)
    assert whole[0].isnan().all()
    for i in range(1, 9):
        one = Convolution.apply(images[i : i + 1], weight, None, by)
        assert torch.equal(one[0], whole[i])
    some = Convolution.apply(images[1:6], weight, None, by)
    assert torch.equal(some, whole[1:6])


def test_a_convolution_can_be_differentiated_twice(by: Library) -> None:
    given = [draw(2, 32, 6, 5), draw(64, 32, 3, 3, scale=0.05), draw(64)]
    wide = [t.detach().double().requires_grad_() for t in given]

    def twice(conv: Callable[..., Tensor], tensors: list[Tensor]) -> tuple[Tensor, ...]:
        once = torch.autograd.grad(conv(*tensors).pow(3).sum(), tensors, create_graph=True)
        total = torch.stack([gradient.square().sum() for gradient in once]).sum()
        return torch.autograd.grad(total, tensors)

    found = twice(lambda *tensors: Convolution.apply(*tensors, by), given)
    wanted = twice(lambda x, w, b: F.conv2d(x, w, b, padding=1), wide)
    for ours, theirs in zip(found, wanted, strict=True):
        assert apart(ours, theirs) < 2e-5


@pytest.mark.parametrize(("channels", "padding"), [(1, 3), (3, 1), (4, 0)])
def test_a_convolution_of_few_channels_is_one(channels: int, padding: int) -> None:
    given = [draw(2, channels, 6, 5), draw(32, channels, 3, 3), draw(32)]
    found = convolve_few(*given, (padding, padding))
    wanted = F.conv2d(*given, padding=padding)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert apart(found, wanted) < 2e-6
    for ours, theirs in zip(gradients(found, given), gradients(wanted, given), strict=True):
        assert apart(ours, theirs) < 2e-5


@pytest.mark.parametrize("size", [(2, 2), (8, 8), (9, 7), (3, 2)])
def test_norm_relu_pool_is_the_three_layers(size: tuple[int, int], by: Library) -> None:
    given = [draw(3, 48, *size), draw(48), draw(48)]
    wide = [t.detach().double().requires_grad_() for t in given]
    found = NormReluPool.apply(*given, 1e-5, by)
    images, gain, shift = wide
    wanted = F.avg_pool2d(F.relu(F.group_norm(images, 48, gain, shift, 1e-5)), 2)
    assert apart(found, wanted) < 2e-6
    for ours, theirs in zip(gradients(found, given), gradients(wanted, wide), strict=True):
        assert apart(ours, theirs) < 1e-4


@pytest.mark.parametrize("size", [(4, 4), (8, 8), (9, 7), (3, 6)])
def test_norm_relu_pool_can_be_differentiated_twice(size: tuple[int, int], by: Library) -> None:
    given = [draw(3, 48, *size), draw(48), draw(48)]
    wide = [t.detach().double().requires_grad_() for t in given]

    def layers(images: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        return F.avg_pool2d(F.relu(F.group_norm(images, 48, gain, shift, 1e-5)), 2)

    def twice(block: Callable[..., Tensor], tensors: list[Tensor]) -> list[Tensor]:
        # A weight of its own for each number: what is symmetric would hide mistakes.
        made = block(*tensors)
        rng = Key(7).generator()
        weights = [torch.randn(t.shape, generator=rng, dtype=torch.float64) for t in tensors]
        once = torch.autograd.grad(made.pow(3).sum(), tensors, create_graph=True)
        total = sum((g * w.to(g)).sum() for g, w in zip(once, weights, strict=True))
        return list(torch.autograd.grad(total, tensors))  # pyright: ignore[reportArgumentType]

    found = twice(lambda *tensors: NormReluPool.apply(*tensors, 1e-5, by), given)
    for ours, theirs in zip(found, twice(layers, wide), strict=True):
        assert apart(ours, theirs) < 1e-4


@pytest.mark.parametrize("size", [(1, 2), (8, 8), (9, 7)])
def test_instance_norm_is_the_group_norm_of_single_channels(
    size: tuple[int, int], by: Library
) -> None:
    given = [draw(3, 48, *size), draw(48), draw(48)]
    wide = [t.detach().double().requires_grad_() for t in given]
    images, gain, shift = wide
    found, wanted = (
        InstanceNorm.apply(*given, 1e-5, by),
        F.group_norm(images, 48, gain, shift, 1e-5),
    )
    assert apart(found, wanted) < 2e-6
    for ours, theirs in zip(gradients(found, given), gradients(wanted, wide), strict=True):
        assert apart(ours, theirs) < 1e-4


def lowered_layers(network: nn.Module, images: Tensor, *, twice: bool = False) -> list[str]:
    """Return the names of the layers that a network runs by in lowered passes."""
    with lowered(twice=twice):
        made = network(images)  # held: its graph goes with it, while its nodes are walked
    todo, found = [made.grad_fn], []
    while todo:
        node = todo.pop()
        if node is not None:
            found.append(type(node).__name__.removesuffix("Backward"))
            todo += [inner for inner, _ in node.next_functions]
    return found


def test_the_layers_of_a_network_run_by_the_kernels() -> None:
    residual = build("ResNet18", Domain("d", (1, 28, 28), ("a", "b"), (0.0,), (1.0,)), key=Key(0))
    found = lowered_layers(residual, draw(2, 1, 28, 28).detach())
    assert "NativeGroupNormBackward0" not in found
    assert found.count("InstanceNorm") >= 20
    assert found.count("Convolution") >= 13
    norm = nn.Sequential(nn.GroupNorm(16, 16), nn.Conv2d(16, 32, 3, padding=1))
    images = draw(2, 16, 5, 5)
    assert {"InstanceNorm"} <= set(lowered_layers(norm, images))
    assert "InstanceNorm" not in lowered_layers(norm, images, twice=True)
    for other in (nn.GroupNorm(4, 16), nn.GroupNorm(16, 16, affine=False), nn.BatchNorm2d(16)):
        assert "InstanceNorm" not in lowered_layers(other, images)


def test_a_norm_keeps_small_deviations_on_a_large_mean(by: Library) -> None:
    images = draw(2, 16, 8, 8).detach() + 3000
    norm = (torch.ones(16), torch.zeros(16))
    wanted = F.avg_pool2d(F.relu(F.group_norm(images.double(), 16)), 2)
    assert apart(NormReluPool.apply(images, *norm, 1e-5, by), wanted) < 1e-3


@pytest.mark.parametrize(
    ("channels", "size", "padding"),
    [(1, (28, 28), 3), (3, (32, 32), 1), (1, (9, 6), 1), (4, (5, 11), 2)],
)
def test_a_first_block_is_its_four_layers(
    channels: int, size: tuple[int, int], padding: int, by: Library
) -> None:
    images, weight = draw(3, channels, *size), draw(32, channels, 3, 3)
    given = [images, weight, draw(32), draw(32, scale=2), draw(32, scale=3)]
    wide = [t.detach().double().requires_grad_() for t in given]
    found = FirstBlock.apply(*given, padding, 1e-5, by)
    convolved = F.conv2d(*wide[:3], padding=padding)
    wanted = F.avg_pool2d(F.relu(F.group_norm(convolved, 32, *wide[3:], 1e-5)), 2)
    assert apart(found, wanted) < 2e-6
    ours, theirs = gradients(found, given), gradients(wanted, wide)
    assert not ours[2].any()  # the norm takes away what the bias adds
    for i in (0, 1, 3, 4):
        assert apart(ours[i], theirs[i]) < 1e-4


def wide_block(
    channels: int, size: tuple[int, int], count: int = 3, outputs: int = 64
) -> tuple[Tensor, list[Tensor]]:
    """Return smooth images, and operands whose filters see nothing but small differences."""
    images = F.avg_pool2d(draw(count, channels, *size).detach(), 3, 1, 1) + 30
    weight = draw(outputs, channels, 3, 3).detach()
    weight = (weight - weight.mean((2, 3), keepdim=True)).requires_grad_()
    return images, [weight, draw(outputs), draw(outputs, scale=2), draw(outputs, scale=3)]


def layers_of_block(images: Tensor, given: list[Tensor], padding: int) -> Tensor:
    convolved = F.conv2d(images, *given[:2], padding=padding)
    return F.avg_pool2d(F.relu(F.group_norm(convolved, len(given[1]), *given[2:], 1e-5)), 2)


# Pools in pairs; one too many; rows and columns in no pool; a single pool; four channels.
@pytest.mark.parametrize("outputs", [64, 80])
@pytest.mark.parametrize(
    ("channels", "size", "padding"),
    [
        *((1, (8, 8), 3), (1, (6, 6), 1), (3, (9, 7), 1), (2, (4, 5), 3)),
        *((1, (2, 3), 1), (4, (5, 11), 2)),
    ],
)
def test_a_wide_first_block_is_its_four_layers(
    channels: int, size: tuple[int, int], padding: int, outputs: int, by: Library
) -> None:
    """Where it is folded, to the last digits: its norms are found in double precision."""
    images, given = wide_block(channels, size, outputs=outputs)
    wide = [t.detach().double().requires_grad_() for t in given]
    found = FirstBlock.apply(images, *given, padding, 1e-5, by)
    wanted = layers_of_block(images.double(), wide, padding)
    folded = by.instructions.folded > 0
    assert apart(found, wanted) < (1.5e-7 if folded else 2e-5)
    ours, theirs = gradients(found, given), gradients(wanted, wide)
    assert not ours[1].any()
    for i in (0, 2, 3):
        assert apart(ours[i], theirs[i]) < (1.2e-6 if folded else 1e-4)


def test_first_blocks_of_all_sets_agree_to_rounding(by: Library) -> None:
    """Relative to the largest number, each within half of it from double precision."""
    images = draw(3, 1, 28, 28).detach()
    given = [draw(128, 1, 3, 3), draw(128), draw(128, scale=2), draw(128, scale=3)]
    wide = [t.detach().double().requires_grad_() for t in given]
    found, wanted = (
        FirstBlock.apply(images, *given, 3, 1e-5, by),
        layers_of_block(images.double(), wide, 3),
    )
    assert (found - wanted).abs().max() < 1e-6 * wanted.abs().max()


def test_a_wide_first_block_sees_each_image_alone(by: Library) -> None:
    """One of a batch, and images that lie otherwise in memory, give the same bits."""
    images, given = wide_block(1, (8, 10), count=3)
    whole = FirstBlock.apply(images, *given, 1, 1e-5, by)
    for i in range(3):
        one = FirstBlock.apply(images[i : i + 1], *given, 1, 1e-5, by)
        assert torch.equal(one[0], whole[i])
    strided = [each.detach().repeat_interleave(2, 0)[::2] for each in given]
    assert not strided[0].is_contiguous()
    turned = images.mT.contiguous().mT
    assert torch.equal(FirstBlock.apply(turned, *strided, 1, 1e-5, by), whole)


@pytest.mark.parametrize("where", ["image", "weight", "bias", "gain", "shift"])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_wide_first_block_hides_nothing_that_is_not_finite(
    where: str, wrong: float, by: Library
) -> None:
    images, given = wide_block(1, (8, 8), count=2)
    given = [each.detach() for each in given]
    names = {"image": images, **dict(zip(("weight", "bias", "gain", "shift"), given, strict=True))}
    names[where].view(-1)[20 if where == "image" else 0] = wrong
    found = FirstBlock.apply(images, *given, 1, 1e-5, by)
    told = found[0] if where == "image" else found[:, 0]
    assert not told.isfinite().all()
    rest = found[1] if where == "image" else found[:, 1:]
    assert rest.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 48)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_network_says_the_same(name: str, shape: tuple[int, int, int]) -> None:
    if shape[1] != shape[2] and name in ("MLP", "LeNet", "AlexNet", "VGG11", "VGG11BN"):
        shape = (3, 32, 32)
    network = build(name, domain(*shape), key=Key(0))
    images = draw(4, *shape).detach()
    for through in (logits, features):
        found = Route().run(through, network, images)
        assert apart(found, PLAIN.run(through, network, images)) < 2e-5


def test_the_published_network_is_three_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be fast is not run by the layers that it stands for."""

    def refuse(self: nn.Module, x: Tensor) -> Tensor:
        raise AssertionError(f"{self} was called")

    network = build("ConvNet", domain(1, 28, 28), key=Key(0))
    for layer in (nn.GroupNorm, nn.ReLU, nn.AvgPool2d):
        monkeypatch.setattr(layer, "forward", refuse)
    assert Route().run(logits, network, torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    with pytest.raises(AssertionError, match="was called"):
        PLAIN.run(logits, network, torch.zeros(2, 1, 28, 28))


def test_layers_that_differ_are_left_as_they_are() -> None:
    """Strides, groups, dilation, other sizes and types have no kernel."""
    layers = [
        nn.Conv2d(32, 32, 3, padding=1, stride=2),
        nn.Conv2d(32, 32, 3, padding=1, groups=2),
        nn.Conv2d(32, 32, 3, padding=2, dilation=2),
        nn.Conv2d(32, 32, 3, padding=0),
        nn.Conv2d(32, 32, 5, padding=2),
        nn.Conv2d(32, 33, 3, padding=1),
        nn.Conv2d(32, 32, 3, padding=1, padding_mode="reflect"),
        nn.Sequential(nn.GroupNorm(4, 32), nn.ReLU(), nn.AvgPool2d(2)),
        nn.Sequential(nn.GroupNorm(32, 32, affine=False), nn.ReLU(), nn.AvgPool2d(2)),
    ]
    images = draw(3, 32, 9, 11).detach()
    for layer in layers:
        body = layer if isinstance(layer, nn.Sequential) else nn.Sequential(layer)
        network = Network(body, nn.Identity())
        assert torch.equal(Route().run(features, network, images), network.embed(images)), layer
    for pool in (nn.AvgPool2d(3), nn.AvgPool2d(2, padding=1), nn.AvgPool2d(2, ceil_mode=True)):
        network = Network(nn.Sequential(nn.GroupNorm(32, 32), nn.ReLU(), pool), nn.Identity())
        assert "NormReluPool" not in lowered_layers(network, draw(3, 32, 9, 11))
        found = Route().run(features, network, images)
        torch.testing.assert_close(found, network.embed(images), rtol=1e-5, atol=1e-6)
    wide = Network(nn.Sequential(nn.Conv2d(32, 32, 3, padding=1)), nn.Identity()).double()
    assert torch.equal(Route().run(features, wide, images.double()), wide.embed(images.double()))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_hidden(wrong: float) -> None:
    network = build("ConvNet", domain(1, 28, 28), key=Key(0))
    images = torch.zeros(2, 1, 28, 28)
    images[0, 0, 5, 5] = wrong
    for route in (PLAIN, Route()):
        assert route.run(logits, network, images).isfinite().all(1).tolist() == [False, True]


def test_threads_change_no_bit() -> None:
    network = build("ConvNet", domain(1, 28, 28), key=Key(0))
    images, before = draw(40, 1, 28, 28), torch.get_num_threads()
    found: list[list[Tensor]] = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            said = Route().run(features, network, images)
            weights = list(network.body.parameters())
            found.append([said, *torch.autograd.grad(said.sum(), [images, *weights])])
            fixed = Route().run(features, network, images.detach())  # as in training
            found[-1] += torch.autograd.grad(fixed.sum(), weights)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_the_set_in_use_is_told(by: Library) -> None:
    assert kernels.instructions() == by.instructions.name


@pytest.mark.parametrize("outputs", [32, 64])
@pytest.mark.parametrize("name", ["convolve", "normalise_back", "first_block", "first_block_back"])
def test_memory_that_does_not_suffice_is_an_error(name: str, outputs: int, by: Library) -> None:
    """Of no images, with room for a thread beyond what any machine has."""
    none, wide = torch.empty(0), 2**42 * by.lanes
    operands = {
        "convolve": ([none] * 4, [0, 4, 4, wide, wide]),
        "normalise_back": ([none] * 7, [0, 4, 4, wide]),
        "first_block": ([none] * 6, [0, 2**21, 2**21, 1, outputs, 1, 1e-5]),
        "first_block_back": ([none] * 8, [0, 2**21, 2**21, 1, outputs, 1, 1e-5]),
    }
    tensors, sizes = operands[name]
    with pytest.raises(RuntimeError, match="can't allocate memory") as caught:
        by.call(name, *tensors, *sizes)
    assert lacks_memory(caught.value)


def test_hooks_of_all_modules_see_layers_run() -> None:
    """PyTorch's names of them are its own: with one that is new kernels must not pass it by."""
    from torch.nn.modules import module as modules

    from datastill.compute.kernels.lowering import GLOBAL_HOOKS

    held = {
        name for name in vars(modules) if re.fullmatch(r"_global_(for|back)ward.*hooks.*", name)
    }
    assert held <= {*GLOBAL_HOOKS}
    assert held
