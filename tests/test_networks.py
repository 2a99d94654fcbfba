import copy

import pytest
import torch
from torch import Tensor, nn

from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.base.wording import counted
from datastill.data import Domain
from datastill.networks import (
    NETWORKS,
    Network,
    adapt,
    build,
    builder,
    features,
    features_after,
    find,
    has_batch_statistics,
    stage_of,
    vectorisable,
)

GREY, COLOUR = (1, 28, 28), (3, 32, 32)

# Parameters of the published networks: grey and colour, each with 10 and with 100 classes.
PUBLISHED = {
    "MLP": (118282, 129892, 411146, 422756),
    "LeNet": (61706, 69356, 62006, 69656),
    "AlexNet": (1865802, 2142372, 1872202, 2148772),
    "AlexNetBN": (1867722, 2144292, 1874122, 2150692),
    "VGG11": (9229962, 9276132, 9231114, 9277284),
    "VGG11BN": (9229962, 9276132, 9231114, 9277284),
    "VGG13": (9414858, 9461028, 9416010, 9462180),
    "VGG16": (14727114, 14773284, 14728266, 14774436),
    "VGG19": (20039370, 20085540, 20040522, 20086692),
    "ResNet18": (11172810, 11218980, 11173962, 11220132),
    "ResNet18BN": (11172810, 11218980, 11173962, 11220132),
    "ResNet18_AP": (11213770, 11628580, 11250762, 11988132),
    "ResNet18BN_AP": (11213770, 11628580, 11250762, 11988132),
    "ConvNet": (317706, 502116, 320010, 504420),
    "ConvNetD1": (329226, 3278436, 331530, 3280740),
    "ConvNetD2": (231306, 968676, 233610, 970980),
    "ConvNetD3": (317706, 502116, 320010, 504420),
    "ConvNetD4": (450186, 496356, 452490, 498660),
    "ConvNetW32": (24138, 70308, 24714, 70884),
    "ConvNetW64": (85130, 177380, 86282, 178532),
    "ConvNetW128": (317706, 502116, 320010, 504420),
    "ConvNetW256": (1225226, 1593956, 1229834, 1598564),
    "ConvNetAS": (317706, 502116, 320010, 504420),
    "ConvNetAR": (317706, 502116, 320010, 504420),
    "ConvNetAL": (317706, 502116, 320010, 504420),
    "ConvNetASwish": (317706, 502116, 320010, 504420),
    "ConvNetASwishBN": (317706, 502116, 320010, 504420),
    "ConvNetNN": (316938, 501348, 319242, 503652),
    "ConvNetBN": (317706, 502116, 320010, 504420),
    "ConvNetLN": (661002, 845412, 663306, 847716),
    "ConvNetIN": (317706, 502116, 320010, 504420),
    "ConvNetGN": (317706, 502116, 320010, 504420),
    "ConvNetNP": (1607946, 13404516, 1610250, 13406820),
    "ConvNetMP": (317706, 502116, 320010, 504420),
    "ConvNetAP": (317706, 502116, 320010, 504420),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    # Two images are too few to share: on a busy machine, threads that wait take most of the time.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def domain_of(shape: tuple[int, int, int], classes: int = 3) -> Domain:
    names = tuple(str(k) for k in range(classes))
    return Domain("shapes", shape, names, mean=(0.5,) * shape[0], std=(0.5,) * shape[0])


def images_of(shape: tuple[int, int, int], n: int = 2) -> Tensor:
    return torch.randn(n, *shape, generator=Key(0).generator())


def every_name() -> list[str]:
    return [name + suffix for name in NETWORKS.names for suffix in ("", *NETWORKS[name].suffixes)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_many_parameters_as_published(name):
    with torch.device("meta"):  # counting needs no memory
        found = [
            sum(
                weight.numel()
                for weight in build(name, domain_of(shape, k), key=Key(0)).parameters()
            )
            for shape in (GREY, COLOUR)
            for k in (10, 100)
        ]
    assert tuple(found) == PUBLISHED[name]


@pytest.mark.parametrize("name", every_name())
def test_contract(name):
    domain = domain_of(COLOUR)
    before = torch.random.get_rng_state()
    network = build(name, domain, key=Key(0))
    assert torch.equal(torch.random.get_rng_state(), before)

    images = images_of(COLOUR).requires_grad_()
    embedded = network.eval().embed(images)
    assert embedded.ndim == 2
    assert torch.equal(features(network, images), embedded)
    logits = network(images)
    assert logits.shape == (2, 3)
    assert torch.equal(network.head(embedded), logits)
    (gradient,) = torch.autograd.grad(logits.square().sum(), images)
    assert gradient.flatten(1).abs().sum(1).min() > 0
    assert has_batch_statistics(network) == ("BN" in name)


@pytest.mark.parametrize("name", NETWORKS.names)
def test_weights_depend_on_the_key_alone(name):
    make = builder(name, domain_of(COLOUR))
    one, two, other = make(key=Key(1)), make(key=Key(1)), make(key=Key(2))
    for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("convnet", "ConvNet"),
        ("conv-net D4", "ConvNetD4"),
        ("ConvNetBND4", "ConvNetD4BN"),
        ("convnetaswishbn", "ConvNetASwishBN"),
        ("ConvNetASBN", "ConvNetASBN"),
        ("ConvNet_MP_IN_AL_W32_D2", "ConvNetD2W32ALINMP"),
        ("ConvNetW1024", "ConvNetW1024"),
        ("alexnetbn", "AlexNetBN"),
        ("vgg-16-bn", "VGG16BN"),
        ("resnet18ap", "ResNet18_AP"),
        ("ResNet18BN_AP", "ResNet18BN_AP"),
        ("ResNet18APBN", "ResNet18BN_AP"),
    ],
)
def test_names(name, spelled):
    assert find(name)[0] == spelled
    assert find(spelled)[0] == spelled


def test_suffixes_combine():
    network = build("ConvNetGNW32D2ASwishMP", domain_of(COLOUR), key=Key(0))
    kinds = [type(layer) for layer in network.body.children()]
    assert kinds == [nn.Conv2d, nn.GroupNorm, nn.SiLU, nn.MaxPool2d] * 2
    assert network.body[1].num_groups == 4
    assert network.head.in_features == 32 * 8 * 8


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ConvNt", "did you mean 'ConvNet'"),
        ("ResNet19", "did you mean 'ResNet18'"),
        ("LeNetBN", "did you mean 'LeNet'"),
        ("VGG", "did you mean 'VGG"),
        ("xylophone", "choose from AlexNet, ConvNet, LeNet"),
        ("ConvNetD9", "ConvNet may be followed by D1 D2"),
        ("AlexNetAP", "AlexNet may be followed by BN"),
        ("ConvNetD1D4", "'ConvNetD1D4' gives its depth more than once"),
    ],
)
def test_a_miss_is_explained(name, hint):
    with pytest.raises(InputError, match=hint):
        find(name)


@pytest.mark.parametrize(
    ("name", "shape", "width"),
    [
        ("MLP", (3, 20, 30), 128),
        ("ConvNet", (3, 20, 30), 128 * 2 * 3),
        ("LeNet", (3, 20, 30), 84),
        ("LeNet", (1, 12, 12), 84),
        ("LeNet", (3, 16, 16), 84),
        ("AlexNet", (3, 20, 30), 192 * 2 * 3),
        ("AlexNet", (1, 4, 4), 192),
        ("AlexNetBN", (3, 8, 8), 192),
        ("VGG11", (3, 40, 70), 512 * 1 * 2),
        ("VGG11", GREY, 512),
        ("ResNet18", (3, 20, 30), 512),
        ("ResNet18", GREY, 512),
        ("ResNet18", (3, 9, 9), 512),
        ("ResNet18BN", (1, 8, 8), 512),
        ("ResNet18_AP", GREY, 512 * 3 * 3),
        ("ResNet18_AP", COLOUR, 512 * 4 * 4),
        ("ResNet18_AP", (3, 20, 30), 512 * 2 * 3),
        ("ResNet18BN_AP", (3, 8, 8), 512),
        ("ResNet18BN", (3, 8, 224), 512),
        ("ConvNetD5", (3, 224, 224), 128 * 7 * 7),
    ],
)
def test_any_size(name, shape, width):
    network = build(name, domain_of(shape), key=Key(0))
    embedded = network.embed(images_of(shape))
    assert embedded.shape == (2, width)
    assert network.head(embedded).shape == (2, 3)
    assert not torch.equal(*embedded)  # features that no longer tell images apart are no use


@pytest.mark.parametrize(
    ("name", "shape", "least"),
    [
        ("ConvNet", (1, 4, 4), "depth 3 needs images of at least 8"),
        ("ConvNetD4", (3, 8, 40), "depth 4 needs images of at least 16"),
        ("LeNet", (1, 11, 28), "LeNet needs images of at least 12x12"),
        ("LeNet", (3, 15, 15), "LeNet needs images of at least 16x16"),
        ("AlexNet", (3, 9, 7), "AlexNet needs images of at least 8x8"),
        ("VGG13", (3, 28, 28), "VGG13 needs images of at least 32x32"),
        ("ResNet18", (1, 8, 8), "ResNet18 needs images of at least 9x9"),
        ("ResNet18_AP", (3, 15, 15), "ResNet18_AP needs images of at least 16x16"),
        ("ResNet18BN_AP", (3, 7, 7), "ResNet18_AP needs images of at least 8x8"),
    ],
)
def test_too_small_an_image_is_refused(name, shape, least):
    with pytest.raises(InputError, match=rf"{least}.*; shapes has {shape[1]}x{shape[2]}$"):
        build(name, domain_of(shape), key=Key(0))


SMALL = (3, 8, 8)


def own_module(classes: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 64, 5),
        nn.Dropout(),
        nn.ReLU(),
        nn.Linear(5, classes),
    )


def test_features_of_an_adapted_module_are_what_its_last_linear_layer_is_given():
    module = own_module().eval()
    network = adapt(module, domain_of(SMALL))
    images = images_of(SMALL)
    assert isinstance(network, Network)
    for _ in range(2):
        assert torch.equal(network.embed(images), module[:-1](images))
        assert torch.equal(network(images), module(images))
    assert has_batch_statistics(network)


def test_gradients_flow_through_an_adapted_module():
    network = adapt(own_module().eval(), domain_of(SMALL))
    images = images_of(SMALL).requires_grad_()
    network.embed(images).square().sum().backward()
    assert images.grad.abs().sum() > 0
    convolution, head = network.module[0], network.module[-1]
    assert convolution.weight.grad.abs().sum() > 0
    assert head.weight.grad is None


def test_adapting_leaves_the_module_as_it_was():
    module = own_module()
    module[1].eval()  # some freeze the statistics of a norm
    before = copy.deepcopy(module.state_dict())
    adapt(module, domain_of(SMALL))
    assert [part.training for part in module] == [True, False] + [True] * 6
    for name, found in module.state_dict().items():
        assert torch.equal(found, before[name])


def test_an_adapted_module_is_a_module():
    network = adapt(own_module().eval(), domain_of(SMALL))
    twin = copy.deepcopy(network)
    images = images_of(SMALL)
    assert torch.equal(twin.embed(images), network.embed(images))
    with torch.no_grad():
        network.module[4].bias.add_(1)
    assert not torch.equal(twin.embed(images), network.embed(images))
    twin.load_state_dict(network.state_dict())
    assert torch.equal(twin.embed(images), network.embed(images))
    assert len(list(network.parameters())) == 8
    assert network.train().module.training
    assert network.double().embed(images.double()).dtype == torch.float64


def test_an_adapted_module_compiles_whole():
    network = adapt(own_module().eval(), domain_of(SMALL))
    images = images_of(SMALL)
    compiled = torch.compile(features, backend="eager", fullgraph=True)
    assert torch.equal(compiled(network, images), network.embed(images))


class Disordered(nn.Module):
    """The head comes first, as nothing forbids."""

    def __init__(self):
        super().__init__()
        self.head, self.hidden = nn.Linear(5, 3), nn.Linear(192, 5)

    def forward(self, images):
        return self.head(self.hidden(images.flatten(1)))


class WithEmbed(Disordered):
    def embed(self, images):
        return self.hidden(images.flatten(1)).reshape(-1, 5, 1)


class WithPatches(Disordered):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 1, 1)


@pytest.mark.parametrize("kind", [Disordered, WithEmbed, WithPatches])
def test_the_last_layer_is_the_last_to_run(kind):
    module, images = kind(), images_of(SMALL)
    expected = module.hidden(images.flatten(1))
    assert torch.equal(adapt(module, domain_of(SMALL)).embed(images), expected)


def test_a_network_needs_no_adapting():
    network = build("ConvNet", domain_of(SMALL), key=Key(0))
    assert adapt(network, domain_of(SMALL)) is network


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (own_module(4), r"Sequential gives \(2, 4\) for 2 images of shapes, not \(2, 3\)"),
        (nn.Conv2d(3, 3, 1), r"Conv2d gives \(2, 3, 8, 8\) for 2 images"),
        (nn.LSTM(8, 3), r"LSTM fails on images of \(3, 8, 8\): "),
        (nn.Linear(8, 3), r"Linear gives \(2, 3, 8, 3\)"),
        (
            nn.Sequential(nn.Conv2d(3, 3, 8), nn.Flatten()),
            "Sequential has neither a method embed nor an nn.Linear that gives its 3 logits",
        ),
        (
            nn.Sequential(nn.Linear(8, 8), nn.Conv2d(3, 3, 8), nn.Flatten()),
            "Sequential has neither a method embed nor an nn.Linear that gives its 3 logits",
        ),
    ],
)
def test_what_cannot_be_adapted_is_refused(module, message):
    with pytest.raises(InputError, match=message):
        adapt(module, domain_of(SMALL))
    assert not any(layer._forward_pre_hooks for layer in module.modules())


OWN = """
import math
from torch import nn

TABLE = {}

def tiny(domain):
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(domain.shape), len(domain.classes)))

def nothing(domain):
    return None

def bare():
    return nn.Identity()
"""


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    (tmp_path / "own_nets.py").write_text(OWN)
    (tmp_path / "broken_nets.py").write_text("import no_such_module_anywhere")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("own_file")
def test_a_factory_in_a_module():
    assert find("own_nets:tiny")[0] == "own_nets:tiny"
    one, two = (build("own_nets:tiny", domain_of(SMALL), key=Key(0)) for _ in range(2))
    images = images_of(SMALL)
    assert torch.equal(one.embed(images), images.flatten(1))
    assert torch.equal(one(images), two(images))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "own_net:tiny",
            "'own_net' does not import: ModuleNotFoundError: No module named 'own_net'",
        ),
        (
            "broken_nets:tiny",
            "'broken_nets' does not import: ModuleNotFoundError: No module named 'no_such",
        ),
        (":tiny", "'' does not import"),
        ("own_nets:tny", "own_nets has no function 'tny'; did you mean 'tiny'"),
        ("own_nets:TABLE", "own_nets has no function 'TABLE'"),
        ("own_nets:nothing", "own_nets:nothing gives NoneType, not an nn.Module, for a Domain"),
        ("own_nets:bare", r"own_nets:bare fails for a Domain: TypeError: bare\(\) takes 0 pos"),
    ],
)
@pytest.mark.usefixtures("own_file")
def test_what_a_factory_may_lack_is_explained(name, message):
    with pytest.raises(InputError, match=message):
        build(name, domain_of(SMALL), key=Key(0))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *(("ConvNet", True), ("MLP", True), ("VGG11", True), ("ResNet18_AP", True)),
        *(("ConvNetBN", False), ("ConvNetLN", False), ("ResNet18BN", False)),
    ],
)
def test_networks_that_torch_func_is_known_to_serve(name: str, known: bool) -> None:
    assert vectorisable(build(name, domain_of(COLOUR), key=Key(0))) == known


@pytest.mark.parametrize("layer", [nn.Dropout(), nn.RReLU(), nn.LayerNorm(3), nn.Upsample()])
def test_what_draws_numbers_or_is_unknown_is_not_known_to_serve(layer: nn.Module) -> None:
    class Own(nn.Module):
        pass

    for odd in (layer, Own()):
        assert not vectorisable(Network(nn.Sequential(nn.ReLU(), odd), nn.Identity()))


# Stages.

STAGES = {
    "ConvNet": ([128 * 256, 128 * 64, 128 * 16], 2),
    "ConvNetD1W32": ([32 * 256], 1),
    "ConvNetD4W32NN": ([32 * 256, 32 * 64, 32 * 16, 32 * 4], 3),
    "ResNet18": ([64 * 1024, 128 * 256, 256 * 64, 512 * 16], 4),
    "ResNet18_AP": ([64 * 1024, 128 * 256, 256 * 64, 512 * 16], 4),
    "VGG11": ([64 * 256, 128 * 64, 256 * 16, 512 * 4, 512], 4),
    "VGG16": ([64 * 256, 128 * 64, 256 * 16, 512 * 4, 512], 4),
    "AlexNetBN": ([128 * 256, 192 * 64, 256 * 64, 192 * 64, 192 * 16], 4),
    "AlexNet": ([128 * 256, 192 * 64, 256 * 64, 192 * 64, 192 * 16], 4),
    "LeNet": ([6 * 196, 16 * 25, 120, 84], 2),
    "MLP": ([128, 128], 1),
}
"""Features after each stage, of 32x32 pixels in colour, and which stage is in the middle."""


@pytest.mark.parametrize("name", STAGES)
def test_a_network_can_be_left_at_the_end_of_each_stage(name):
    sizes, middle = STAGES[name]
    network = build(name, domain_of(COLOUR, 10), key=Key(0)).eval()
    assert stage_of(network, 0) == middle
    images = torch.randn(1, *COLOUR, generator=Key(1).generator())
    with torch.no_grad():
        for number, size in enumerate(sizes, 1):
            assert stage_of(network, number - len(sizes) - 1) == number
            found = features_after(network, images, stage=number)
            assert found.shape == (1, size)
            maps = images
            for layer in list(network.body)[: network.stages.ends[number - 1]]:
                maps = layer(maps)
            assert torch.equal(found, maps.flatten(1))
        if "18" not in name:  # whose last maps are averaged
            assert torch.equal(found, network.embed(images))
    with pytest.raises(InputError, match=f"has {counted(len(sizes), 'stage')}, and no stage"):
        stage_of(network, len(sizes) + 1)


def test_a_network_that_names_no_stages_is_refused():
    module = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    with pytest.raises(InputError, match="does not say where its stages end; take one that does"):
        features_after(adapt(module, domain_of(COLOUR, 10)), torch.zeros(1, *COLOUR), stage=0)
