"""Whatever layers are given, with kernels they do what PyTorch's do, or refuse it alike."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import forward_ad

from datastill.compute import kernels
from datastill.compute.kernels.instructions import available, choosing
from datastill.compute.kernels.library import Library
from datastill.compute.kernels.lowering import lowered
from datastill.compute.kernels.trusted import library
from datastill.networks.base.network import Network

pytestmark = pytest.mark.skipif(bool(kernels.missing()), reason=kernels.missing())

# The same examples each time: a number that falls on a relu's corner would be a matter of luck.
often = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(params=[each.name for each in available()], autouse=True)
def by(request: pytest.FixtureRequest) -> Iterator[Library]:
    with choosing(request.param):
        found = library()
        assert found is not None, kernels.missing()
        yield found


class Odd(Tensor):
    """A tensor with a meaning of its own."""


def strided(t: Tensor) -> Tensor:
    return t.new_full((*t.shape, 3), 7.0).index_copy_(-1, torch.tensor([1]), t.unsqueeze(-1))[
        ..., 1
    ]


def negative(t: Tensor) -> Tensor:
    return torch._neg_view(-t)


def turned(t: Tensor) -> Tensor:
    return t.transpose(0, -1).contiguous().transpose(0, -1)


def last(t: Tensor) -> Tensor:
    return t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t


def inside(t: Tensor) -> Tensor:
    return torch.cat([t.new_full((5,), 7.0), t.flatten(), t.new_full((3,), 7.0)])[5:-3].view(
        t.shape
    )


def expanded(t: Tensor) -> Tensor:
    return t[:1].expand_as(t)


def overlapping(t: Tensor) -> Tensor:
    # Rows that share all of their numbers but one.
    flat = torch.cat([t.flatten()[: max(t.shape[-1], 1)], t.flatten()])[: t.numel()]
    return flat.as_strided(t.shape, [1] * t.ndim) if sum(t.shape) <= t.numel() else t


VIEWS: list[Callable[[Tensor], Tensor]] = [
    *(torch.clone, strided, negative, turned, last, inside, expanded, overlapping),
    *(lambda t: t.as_subclass(Odd), nn.Parameter, torch.Tensor.double, torch.Tensor.bfloat16),
]
USUAL = [torch.clone, strided, turned, last, inside, expanded]
FLAWS = ["", "", "", "", "", "", "view", "view", "size", "length", "channels", "axes", "layer"]


@dataclass(frozen=True)
class Drawing:
    """Draws operands that fit, but for one flaw at most."""

    data: st.DataObject
    flaw: str

    def one(self, usual: Sequence[Any], odd: Sequence[Any] = (), flaw: str = "") -> Any:
        """Draw one of the usual values, or an odd one where that is the flaw."""
        return self.data.draw(st.sampled_from(odd if flaw and flaw == self.flaw else usual))

    def size(self, channels: int) -> tuple[int, ...]:
        """Draw the shape of images."""
        batch = self.one([1, 2, 3], [0, 1], "size")
        sides = [self.one([4, 2, 3, 5, 8, 9], [0, 1, 2, 3], "size") for _ in range(2)]
        return (batch, self.near(channels, "channels"), *sides)[self.one([0], [1, 2], "axes") :]

    def near(self, size: int, flaw: str) -> int:
        return self.one([size], [1, size - 1, size + 1, 2 * size], flaw)

    def tensor(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Draw numbers, their order in memory, and whether they want a gradient."""
        rng = torch.Generator().manual_seed(sum(shape) + len(shape))
        view = self.one(USUAL, VIEWS, "view")
        made = view(torch.randn(shape, generator=rng) * scale).detach()
        return made.requires_grad_(self.one([True, True, False]))


drawings = st.builds(Drawing, st.data(), st.sampled_from(FLAWS))


def outcome(run: Callable[..., Tensor], given: list[Tensor]) -> list[Tensor] | str:
    """Return what comes out, and the gradients of it; or what is raised."""
    given = [each.detach().requires_grad_(each.requires_grad) for each in given]
    try:
        made = run(*given)
        weights = torch.randn(made.shape, generator=torch.Generator().manual_seed(5)).to(made.dtype)
        wanted = [each for each in given if each.requires_grad]
        found = torch.autograd.grad((made * weights).sum(), wanted) if wanted else ()
    except Exception as error:
        return type(error).__name__
    return [made.detach(), *found]


def same(run: Callable[..., Tensor], given: list[Tensor], *, twice: bool) -> None:
    """Hold kernels against PyTorch's layers: values, gradients, types, or the refusal."""
    # One after the other: PyTorch's own norms end the process for some orders in memory.
    dense = [each.detach().clone(memory_format=torch.contiguous_format) for each in given]
    pairs = zip(dense, given, strict=True)
    wanted = outcome(run, [one.requires_grad_(other.requires_grad) for one, other in pairs])
    with lowered(twice=twice):
        found = outcome(run, given)
    if isinstance(wanted, str) or isinstance(found, str):
        assert found == wanted
        return
    # What is nothing but rounding (a bias before a norm has no gradient) is small beside the rest.
    largest = max(float(t.nan_to_num().abs().max()) if t.numel() else 0.0 for t in wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        close = 2e-2 if theirs.dtype == torch.bfloat16 else 2e-4
        torch.testing.assert_close(ours, theirs, rtol=close, atol=close * largest, equal_nan=True)


@often
@given(drawings, st.booleans())
def test_convolutions(draw: Drawing, twice: bool) -> None:
    inputs, outputs = draw.one([32, 64, 16, 3, 1]), draw.one([32, 64, 16, 33])
    images = draw.tensor(*draw.size(inputs))
    weight = draw.tensor(outputs, inputs, 3, draw.near(3, "length"), scale=0.1)
    bias = draw.tensor(draw.near(outputs, "length"))
    rest = draw.one([((1, 1), (1, 1), (1, 1), 1)], OTHERS, "layer")
    if draw.one([True, False]):
        same(lambda x, w, b: F.conv2d(x, w, b, *rest), [images, weight, bias], twice=twice)
    else:
        same(lambda x, w: F.conv2d(x, w, None, *rest), [images, weight], twice=twice)


OTHERS: list[Any] = [
    *((), ((1, 1),), ((1, 1), (1, 1)), ((1, 1), (0, 2)), (1, 1), ((1, 1), "same")),
    *(((2, 1), (1, 1)), ((1, 1), (1, 1), (2, 2)), ((1, 1), (1, 1), (1, 1), 2)),
    *(((1, 1), (-1, 1)), ((1,), (1,)), ([1, 1], [1, 1]), ((1, 1), (1, 1), (1, 1), 0)),
]


@often
@given(drawings, st.sampled_from([False, False, True]))
def test_norms(draw: Drawing, twice: bool) -> None:
    channels = draw.one([16, 32, 48, 8, 4])
    images = draw.tensor(*draw.size(channels))
    gain, shift = (draw.tensor(draw.near(channels, "length")) for _ in range(2))
    groups, epsilon = draw.near(channels, "layer"), draw.one([1e-5, 1, 0.1])
    same(lambda x, g, s: F.group_norm(x, groups, g, s, epsilon), [images, gain, shift], twice=twice)


@often
@given(drawings, st.booleans())
def test_norms_with_relu_and_pooling(draw: Drawing, twice: bool) -> None:
    channels = draw.one([16, 32, 48, 8])
    images = draw.tensor(*draw.size(channels))
    same(*block(draw, channels, images, None), twice=twice)


@often
@given(drawings, st.sampled_from([False, False, True]))
def test_first_blocks(draw: Drawing, twice: bool) -> None:
    inputs, outputs = draw.one([3, 1, 4, 2], [5, 8], "layer"), draw.one([16, 32, 48, 8])
    images = draw.tensor(*draw.size(inputs))
    padding, groups = draw.one([1, 2, 3], [0, 1], "size"), draw.one([1], [1, 2], "layer")
    first = nn.Conv2d(8, 8, 3, padding=padding, groups=groups)
    same(*block(draw, outputs, images, first), twice=twice)


def block(
    draw: Drawing, channels: int, images: Tensor, first: nn.Conv2d | None
) -> tuple[Callable[..., Tensor], list[Tensor]]:
    """Draw the weights of a block; return what it does with images and weights, and these."""
    given, names = [images], ["0.weight", "0.bias"]
    if first is not None:
        given.append(draw.tensor(channels, max((*images.shape[-3:-2], 1)), 3, 3))
        given.append(draw.tensor(draw.near(channels, "length")))
        names += ["1.weight", "1.bias"]
    given += [draw.tensor(draw.near(channels, "length")) for _ in range(2)]
    norm = nn.GroupNorm(channels, channels, draw.one([1e-5, 1, 0.1]))
    body = nn.Sequential(*([first] if first else []), norm, nn.ReLU(), nn.AvgPool2d(2))
    network = Network(body, nn.Identity())

    def run(images: Tensor, *weights: Tensor) -> Tensor:
        # As they lie in memory, which `load_state_dict` would not keep.
        for name, weight in zip(names, weights, strict=True):
            number, _, place = name.partition(".")
            layer = body[int(number)]
            delattr(layer, place)
            setattr(layer, place, weight)
        return network.embed(images)

    return run, given


def net(*, frozen: bool = False) -> Network:
    """Return a network of every layer that has a kernel."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 32, 3, padding=1), nn.GroupNorm(32, 32), nn.ReLU(), nn.AvgPool2d(2)]
    layers += [nn.Conv2d(32, 32, 3, padding=1), nn.GroupNorm(32, 32)]
    layers += [nn.Conv2d(32, 32, 3, padding=1), nn.GroupNorm(32, 32), nn.ReLU(), nn.AvgPool2d(2)]
    made = Network(nn.Sequential(*layers), nn.Linear(32 * 4, 5))
    return made.requires_grad_(not frozen)


def pictures(n: int = 3) -> Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(3))


def near_to(found: Tensor, wanted: Tensor) -> None:
    found, wanted = found.detach(), wanted.detach()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


def test_transforms_of_functions_pass() -> None:
    network, images = net(), pictures()
    weights = dict(network.named_parameters())

    def risk(weights: dict[str, Tensor], image: Tensor) -> Tensor:
        return torch.func.functional_call(network, weights, image[None]).square().sum()

    each = torch.func.vmap(torch.func.grad(risk), in_dims=(None, 0))
    wanted = each(weights, images)
    with lowered():
        found = each(weights, images)
    for name in wanted:
        near_to(found[name], wanted[name])


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_tangents_pass() -> None:
    network, images = net(), pictures()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(images, torch.ones_like(images))
        wanted = forward_ad.unpack_dual(network(dual)).tangent
        with lowered():
            found = forward_ad.unpack_dual(network(dual)).tangent
    assert found is not None
    near_to(found, wanted)


def test_batches_of_gradients_pass() -> None:
    """``is_grads_batched``, as in Jacobians: gradients that have no memory of their own."""
    network, images = net(), pictures().requires_grad_()

    def jacobian() -> list[Tensor]:
        said = network(images)
        every = torch.eye(said.numel()).view(-1, *said.shape)
        given = [images, *network.parameters()]
        return list(torch.autograd.grad(said, given, every, is_grads_batched=True))

    wanted = jacobian()
    with lowered():
        found = jacobian()
    largest = max(float(theirs.abs().max()) for theirs in wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * largest)


def test_gradients_that_stand_for_the_negative_pass() -> None:
    network, images = net(), pictures().requires_grad_()

    def run() -> Tensor:
        said = network(images)
        grad = negative(torch.randn(said.shape, generator=torch.Generator().manual_seed(1)))
        features = network.embed(images)
        other = negative(torch.randn(features.shape, generator=torch.Generator().manual_seed(2)))
        return torch.autograd.grad([said, features], images, [grad, other])[0]

    wanted = run()
    with lowered():
        found = run()
    near_to(found, wanted)


def test_lower_precision_is_left_to_pytorch() -> None:
    network, images = net(), pictures()
    with torch.autocast("cpu", torch.bfloat16):
        wanted = network(images)
        with lowered():
            found = network(images)
    assert found.dtype == wanted.dtype == torch.bfloat16
    assert torch.equal(found, wanted)


def test_gradients_under_autocast_are_those_of_float32() -> None:
    network, images = net(), pictures().requires_grad_()
    with lowered():
        said = network.embed(images).sum()
    with torch.autocast("cpu", torch.bfloat16):
        (found,) = torch.autograd.grad(said, images)
    (wanted,) = torch.autograd.grad(network.embed(images).sum(), images)
    near_to(found, wanted)


def test_defaults_of_pytorch_do_not_touch_kernels() -> None:
    network, images = net(), pictures().requires_grad_()
    wanted = torch.autograd.grad(network(images).sum(), images)[0]
    torch.set_default_dtype(torch.float64)
    try:
        with lowered(), torch.device("meta"):
            found = torch.autograd.grad(network(images).sum(), images)[0]
    finally:
        torch.set_default_dtype(torch.float32)
    near_to(found, wanted)


def test_who_watches_operations_sees_those_of_pytorch() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network, images = net(frozen=True), pictures()
    with FlopCounterMode(display=False) as wanted:
        network(images)
    with lowered(), FlopCounterMode(display=False) as found:
        network(images)
    assert found.get_total_flops() == wanted.get_total_flops() > 0


@pytest.mark.filterwarnings("ignore:`torch.jit.trace", "ignore:Converting a tensor to a Python")
def test_a_trace_is_of_pytorchs_layers() -> None:
    network, images = net(frozen=True), pictures()
    with lowered():
        traced: Any = torch.jit.trace(network, images)
    assert "PythonOp" not in str(traced.inlined_graph)
    assert torch.equal(traced(images), network(images))


def test_layers_with_hooks_are_run(by: Library) -> None:
    network, images, seen = net(), pictures(), list[str]()
    wanted = network(images)
    for number, layer in enumerate(network.body.children()):
        layer.register_forward_hook(lambda *_, number=number: seen.append(str(number)))
    network.body.register_forward_hook(lambda *_: seen.append("body"))
    with lowered():
        near_to(network(images), wanted)
    assert seen == [*map(str, range(10)), "body"]
    seen.clear()
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, *_: seen.append(type(module).__name__)
    )
    try:
        with lowered():
            net()(images)
    finally:
        handle.remove()
    assert seen.count("GroupNorm") == 3


class Doubled(nn.GroupNorm):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class Reversed(nn.Sequential):
    def forward(self, input: Tensor) -> Tensor:
        for layer in reversed(list(self)):
            input = layer(input)
        return input


class Padded(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.flip(-1))


class Halved(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) / 2


class Shifted(nn.ReLU):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input + 1)


@pytest.mark.parametrize("place", range(5))
def test_layers_of_ones_own_are_run(place: int) -> None:
    """Subclasses of the layers that have kernels do as they say."""
    kinds: list[Any] = [nn.Conv2d, nn.GroupNorm, nn.ReLU, nn.AvgPool2d, nn.Sequential]
    kinds[place] = [Padded, Doubled, Shifted, Halved, Reversed][place]
    conv, norm, relu, pool, whole = kinds
    for inputs in (1, 32):
        torch.manual_seed(0)
        layers = [conv(inputs, 32, 3, padding=1), norm(32, 32), relu(), pool(2)]
        body = whole(*(reversed(layers) if whole is Reversed else layers))
        network, images = Network(body, nn.Identity()), torch.randn(2, inputs, 8, 8)
        wanted = network(images)
        for twice in (False, True):
            with lowered(twice=twice):
                near_to(network(images), wanted)


def test_a_forward_of_an_object_is_run() -> None:
    network, images = net(), pictures()
    norm: Any = network.body[1]  # pyright: ignore[reportIndexIssue]
    norm.forward = lambda x: x.tanh()
    wanted = network(images)
    with lowered():
        near_to(network(images), wanted)


def test_weights_that_change_before_the_gradient_are_noticed() -> None:
    network, images = net(), pictures().requires_grad_()
    with lowered():
        said = network(images).sum()
    with torch.no_grad():
        network.body[0].weight.mul_(2)  # pyright: ignore
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        said.backward()


def test_images_larger_than_memory_are_refused_as_by_pytorch() -> None:
    huge = torch.zeros(1, 32, 4, 4).expand(2**40, 32, 4, 4)
    weight = torch.randn(32, 32, 3, 3)
    with pytest.raises(RuntimeError), lowered():
        F.conv2d(huge, weight, None, (1, 1), (1, 1), (1, 1), 1)
