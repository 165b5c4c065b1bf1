"""Where networks are cut, on real ones and on small ones made to be difficult."""

import copy

import pytest
import torch
from torch import nn

from graft.backbones import REGISTRY, load, skeleton
from graft.backbones._trace import cut_into_stages
from graft.errors import SettingError


def names(backbone):
    return [stage.name for stage in backbone.stages]


def test_efficientnet_lite_is_cut_at_its_blocks():
    backbone = skeleton("tf_efficientnet_lite0")
    assert names(backbone) == ["stem", *(f"blocks.{i}" for i in range(7)), "conv_head", "pool"]
    assert backbone.find("blocks.5") == 6
    assert backbone.shape(5) == (80, 14, 14)


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:resnet18"])
def test_resnet_is_cut_at_its_layers(name):
    backbone = load(name, weights="random")
    assert names(backbone) == ["stem", "layer1", "layer2", "layer3", "layer4", "pool"]


def test_alexnet_is_cut_at_every_layer_with_weights():
    backbone = skeleton("alexnet")
    convolutions = ["stem", "features.3", "features.6", "features.8", "features.10"]
    assert names(backbone) == [*convolutions, "pool", "classifier.1", "classifier.4"]
    assert [stage.shape for stage in backbone.stages[-4:]] == [(256, 6, 6), (9216,), (4096,), (4096,)]


def test_googlenet_is_cut_at_its_inceptions_without_the_auxiliary_branches():
    backbone = skeleton("googlenet")
    inceptions = [f"inception{one}" for one in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
    assert names(backbone) == ["stem", "conv2", "conv3", *inceptions, "pool"]
    assert not any("aux" in name for stage in backbone.stages for name in stage.module.state_dict())


def test_vision_transformer_is_cut_at_its_blocks():
    backbone = skeleton("vit_tiny_patch16_224")
    assert names(backbone) == ["embed", *(f"blocks.{i}" for i in range(12)), "pool"]
    assert backbone.ending_in("tokens").stages[-1].shape == (197, 192)
    with pytest.raises(SettingError, match="takes a map"):
        backbone.ending_in("map")


def test_squeezenet_never_makes_a_vector_so_one_is_pooled():
    backbone = load("squeezenet1_1", weights="random")
    assert backbone.stages[-1].shape == (512, 13, 13)
    ending = backbone.ending_in("vector")
    assert (names(ending)[-1], ending.stages[-1].shape) == ("pool", (512,))
    y = torch.rand(2, 512, 13, 13)
    torch.testing.assert_close(ending.stages[-1].module(y), y.mean((2, 3)))


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "test_resnet", "test_convnext", "test_efficientnet"])
def test_unlisted_networks_are_the_original_too(name):
    backbone = load(f"timm:{name}", weights="random", seed=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = REGISTRY.create("timm").build(name)
    x = torch.rand(1, *backbone.preprocess.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(backbone.composed()(x), network.model(x))
    assert len(backbone.stages[-1].shape) == 1
    channels, height, _ = backbone.ending_in("map").stages[-1].shape
    assert channels > height > 1


def test_stages_keep_the_original_names_and_modules():
    network = REGISTRY.create("torchvision").build("resnet18")
    pieces, _ = cut_into_stages(network.model, (3, 64, 64), network.classifier)
    kept = {name for piece in pieces for name in piece.module.state_dict()}
    assert kept == {name for name in network.model.state_dict() if not name.startswith("fc.")}
    assert pieces[1].module.layer1 is network.model.layer1


class Tangled(nn.Module):
    """A residual over two layers, a shared normalisation, in-place work first, and a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.bias = nn.Parameter(torch.randn(1, 8, 1, 1))
        self.second = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, padding=1))
        self.third = nn.Conv2d(8, 8, 1)
        self.fourth = nn.Conv2d(8, 16, 3)
        self.norm = nn.BatchNorm2d(16)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(16, 5)

    def forward(self, x, unused=None):
        y = self.first(x) * self.bias
        z = self.second(y)
        z = self.third(z) + y
        z = self.norm(self.fourth(z)).relu_()
        return self.fc(self.drop(z.mean((2, 3))))


@pytest.fixture
def tangled():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Tangled()


def test_a_residual_is_never_cut_through(tangled):
    pieces, classifier = cut_into_stages(tangled, (3, 9, 9), ["fc"])
    assert [(piece.name, piece.shape) for piece in pieces] == [
        ("stem", (8, 9, 9)),
        ("second.1", (8, 9, 9)),
        ("fourth", (16, 7, 7)),
        ("pool", (16,)),
    ]
    assert list(classifier.state_dict()) == ["fc.weight", "fc.bias"]
    x = torch.rand(4, 3, 9, 9)
    with torch.no_grad():
        assert torch.equal(nn.Sequential(*(piece.module for piece in pieces), classifier)(x), tangled(x))


def test_work_in_place_on_a_stage_input_keeps_its_meaning(tangled):
    untouched = copy.deepcopy(tangled).eval()
    pieces, classifier = cut_into_stages(tangled, (3, 9, 9), ["fc"])
    x = torch.rand(4, 3, 9, 9)
    with torch.no_grad():
        assert torch.equal(nn.Sequential(*(piece.module for piece in pieces), classifier)(x), untouched(x))


def test_a_stage_leaves_its_input_alone(tangled):
    pieces, _ = cut_into_stages(tangled, (3, 9, 9), ["fc"])
    stored = torch.randn(2, 8, 9, 9)
    before = stored.clone()
    with torch.no_grad():
        pieces[1].module(stored)
    assert torch.equal(stored, before)


def test_the_dropout_before_the_classifier_goes_with_it(tangled):
    pieces, classifier = cut_into_stages(tangled, (3, 9, 9), ["fc"])
    modules = [module for piece in pieces for module in piece.module.modules()]
    assert not any(isinstance(module, nn.Dropout) for module in modules)
    assert any(isinstance(module, nn.Dropout) for module in classifier.modules())


def test_copies_train_alone_and_gradients_reach_the_first_stage(tangled):
    pieces, _ = cut_into_stages(tangled, (3, 9, 9), ["fc"])
    suffix = nn.Sequential(*(copy.deepcopy(piece.module) for piece in pieces)).requires_grad_(True).train()
    suffix(torch.rand(4, 3, 9, 9)).square().sum().backward()
    assert suffix[0].first.weight.grad.abs().sum() > 0
    assert suffix[0].bias.grad is not None
    assert tangled.first.weight.grad is None
    assert suffix[2].norm.running_mean.abs().sum() > 0
    assert tangled.norm.running_mean.abs().sum() == 0


def test_stages_compile_without_a_break(tangled):
    pieces, _ = cut_into_stages(tangled, (3, 9, 9), ["fc"])
    stages = nn.Sequential(*(piece.module for piece in pieces))
    x = torch.rand(2, 3, 9, 9)
    with torch.no_grad():
        assert torch.equal(torch.compile(stages, backend="eager", fullgraph=True)(x), stages(x))


class ChannelsLast(nn.Module):
    """Works on (n, H, W, C) inside, as Swin does."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 2, 2)
        self.layers = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 12))
        self.head = nn.Linear(12, 4)

    def forward(self, x):
        return self.head(self.layers(self.stem(x).permute(0, 2, 3, 1)).mean((1, 2)))


def test_maps_are_handed_over_channels_first():
    model = ChannelsLast()
    pieces, classifier = cut_into_stages(model, (3, 10, 10), ["head"])
    assert [piece.shape for piece in pieces] == [(8, 5, 5), (8, 5, 5), (12, 5, 5), (12,)]
    x = torch.rand(3, 3, 10, 10)
    with torch.no_grad():
        assert torch.equal(nn.Sequential(*(piece.module for piece in pieces), classifier)(x), model(x))


class Pointlike(nn.Module):
    """Classifies by a 1x1 convolution on a map of one place, as BiT does."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Conv2d(8, 5, 1)

    def forward(self, x):
        return self.fc(self.pool(self.stem(x))).flatten(1)


def test_a_map_of_one_place_is_handed_over_as_a_vector():
    model = Pointlike()
    pieces, classifier = cut_into_stages(model, (3, 8, 8), ["fc"])
    assert [(piece.name, piece.shape) for piece in pieces] == [("stem", (8, 6, 6)), ("pool", (8,))]
    x = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(nn.Sequential(*(piece.module for piece in pieces), classifier)(x), model(x))


class Halved(nn.Module):
    """Branches on a value, so it cannot be traced; has timm's two halves."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.scale = nn.Parameter(torch.full((1,), 2.0))
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)

    def forward_features(self, x):
        y = self.stem(x) * self.scale
        return y if y.sum() > 0 else -y

    def forward_head(self, x, pre_logits=False):
        x = self.norm(x).mean((2, 3))
        return x if pre_logits else self.head(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


def test_an_untraceable_network_is_cut_into_its_halves():
    model = Halved()
    pieces, classifier = cut_into_stages(model, (3, 8, 8), ["head"])
    assert [(piece.name, piece.shape) for piece in pieces] == [("features", (8, 6, 6)), ("pool", (8,))]
    kept = [name for piece in pieces for name in piece.module.state_dict()]
    assert sorted(kept) == sorted(name for name in model.state_dict() if not name.startswith("head."))
    x = torch.rand(2, 3, 8, 8)
    stages = nn.Sequential(*(piece.module for piece in pieces), classifier)
    twin = copy.deepcopy(stages)
    with torch.no_grad():
        assert torch.equal(stages(x), model(x))
        twin[0].scale.zero_()
        assert not torch.equal(twin(x), model(x))
        assert torch.equal(stages(x), model(x))


class Knotted(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(x.mean((2, 3))) if x.sum() > 0 else x


def test_a_network_that_cannot_be_cut_is_one_clear_error():
    with pytest.raises(SettingError, match=r"backbone must be a network that can be cut\. Got Knotted"):
        cut_into_stages(Knotted(), (3, 4, 4), ["fc"])


class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.fc = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.left(x).mean((2, 3))) + self.fc(self.right(x).mean((2, 3)))


def test_a_network_whose_branches_meet_behind_the_classifier_is_refused():
    with pytest.raises(SettingError, match="cut before its classifier"):
        cut_into_stages(Doubled(), (3, 4, 4), ["fc"])
