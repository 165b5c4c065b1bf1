"""What every catalogued network promises: its stages are the original network, and can be cut, copied and refilled."""

import copy
from functools import lru_cache

import numpy as np
import pytest
import torch

from graft.backbones import REGISTRY, Backbone, Listed, listing, load, skeleton, tensors_of, with_tensors

NAMES = [one.name for one in listing()]
LISTED = {one.name: one for one in listing()}


@lru_cache(maxsize=1)
def built(name: str) -> Backbone:
    return load(f"{LISTED[name].family}:{name}", weights="random", seed=3)


@lru_cache(maxsize=1)
def pictures(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, *shape), dtype=np.uint8))


def original(name: str) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return REGISTRY.create(LISTED[name].family).build(name).model


@pytest.mark.parametrize("name", NAMES)
def test_stages_and_classifier_are_the_original_network(name):
    backbone = built(name)
    x = backbone.normalise(pictures(backbone.preprocess.shape))
    with torch.no_grad():
        y = x
        for stage in backbone.stages:
            before = y.clone()
            z = stage.module(y)
            assert torch.equal(y, before), f"{stage.name} changes its input"
            assert tuple(z.shape[1:]) == stage.shape
            y = z
        got, wanted = backbone.classifier(y), original(name)(x)
    assert got.dtype == torch.float32
    assert got.std() > 0
    assert (got - wanted).abs().max().item() == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_cut_gives_what_the_whole_gives(name):
    backbone = built(name)
    pixels = pictures(backbone.preprocess.shape)
    n = backbone.n_stages
    with torch.no_grad():
        whole = backbone.prefix(n)(pixels)
        for cut in (0, n // 2, n - 1):
            activation = backbone.prefix(cut)(pixels)
            assert tuple(activation.shape[1:]) == backbone.shape(cut)
            assert torch.equal(backbone.suffix(cut)(activation), whole)


@pytest.mark.parametrize("name", NAMES)
def test_tensors_travel_into_a_skeleton_bit_equal(name):
    backbone, bare = built(name), skeleton(name)
    filled = with_tensors(bare, tensors_of(backbone))
    assert [(s.name, s.shape) for s in filled.stages] == [(s.name, s.shape) for s in backbone.stages]
    assert filled.weights.sha256 == backbone.weights.sha256
    assert not any(p.requires_grad or s.module.training for s in filled.stages for p in s.module.parameters())
    twin = copy.deepcopy(filled.stages[-2].module)
    y = torch.rand(1, *filled.shape(filled.n_stages - 2))
    with torch.no_grad():
        assert torch.equal(twin(y), backbone.stages[-2].module(y))


@pytest.mark.parametrize("name", NAMES)
def test_catalogue_says_what_is_true(name):
    backbone, listed = built(name), LISTED[name]
    assert backbone.family == listed.family
    assert backbone.parameters() == listed.parameters
    assert backbone.preprocess.shape[1:] == listed.input_size
    assert backbone.stages[-1].shape == (listed.features,)
    assert backbone.preprocess.modality == listed.modality
    assert REGISTRY.create(listed.family).build(name).licence == listed.licence != "unknown"


@pytest.mark.parametrize("name", [name for name in NAMES if "vit" not in name])
def test_a_convolutional_network_can_end_in_a_map(name):
    ending = built(name).ending_in("map")
    channels, height, width = ending.stages[-1].shape
    assert channels > height > 1
    assert width == height
    assert ending.stages == built(name).stages[: ending.n_stages]


@pytest.mark.parametrize("family", REGISTRY.names())
def test_a_family_knows_what_it_names(family):
    one = REGISTRY.create(family)
    names = one.names()
    assert names == tuple(sorted(names))
    assert all(one.knows(name) for name in (names[0], names[-1]))
    assert not one.knows("no_such_network")
    assert {listed.name for listed in LISTED.values() if listed.family == family} <= set(names)


def test_listing_is_one_default_and_distinct_names():
    assert all(isinstance(one, Listed) for one in listing())
    assert len(set(NAMES)) == len(NAMES)
    assert [one.name for one in listing() if one.default] == ["tf_efficientnet_lite0"]
