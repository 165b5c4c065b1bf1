"""What every catalogued network promises: its stages are the original network, and can be cut, copied and refilled."""

import copy
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import quick_fit
from graft.backbones import REGISTRY, Backbone, Listed, listing, load, skeleton, tensors_of, with_tensors
from graft.backbones._family import Network

LISTED = {one.name: one for one in listing()}
FETCHED = [name for name, one in LISTED.items() if one.family == "transformers" and not one.here]
"""Their configurations are not part of a library: ``test_transformers`` builds small ones of each kind."""
OTHERS = [name for name, one in LISTED.items() if one.family == "sound" or one.source.startswith("file:")]
"""Large networks of sound, and our own, whose sizes are those of files: they have contract tests of their own."""
SEED = 3


def pixels(shape):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, *shape), dtype=np.uint8))


def words(shape):
    ids = torch.full((1, *shape), -1, dtype=torch.int32)
    ids[0, :7] = torch.tensor([101, 2073, 2003, 2026, 4003, 1029, 102])
    return ids


INPUTS = {"image": pixels, "text": words}
"""A modality's preprocessed input; a new modality adds its own here."""


@dataclass(frozen=True)
class Case:
    listed: Listed
    backbone: Backbone
    network: Network
    """Built by the library alone, from the same seed."""
    inputs: torch.Tensor
    activations: list[torch.Tensor]
    """At every cut from 0, where they are normalised, to n."""


@pytest.fixture(scope="module")
def one_thread():
    with quick_fit.one_thread():
        yield


@pytest.fixture(scope="module", params=[name for name in LISTED if name not in (*FETCHED, *OTHERS)])
def case(request, one_thread):
    listed = LISTED[request.param]
    backbone = load(f"{listed.family}:{listed.name}", weights="random", seed=SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = REGISTRY.create(listed.family).build(listed.name)
    inputs = INPUTS[listed.modality](backbone.preprocess.shape)
    activations = [backbone.normalise(inputs)]
    with torch.no_grad():
        for stage in backbone.stages:
            before = activations[-1].clone()
            activations.append(stage.module(activations[-1]))
            assert torch.equal(activations[-2], before), f"{stage.name} changes its input"
    return Case(listed, backbone, network, inputs, activations)


def test_stages_and_classifier_are_the_original_network(case):
    with torch.no_grad():
        got = case.backbone.classifier(case.activations[-1])
        wanted = case.network.model(case.activations[0])
    assert got.dtype == torch.float32
    assert got.std() > 0
    assert (got - wanted).abs().max().item() == 0


def test_every_stage_gives_the_shape_it_says(case):
    assert [tuple(y.shape[1:]) for y in case.activations[1:]] == [stage.shape for stage in case.backbone.stages]


def test_every_cut_gives_what_the_whole_gives(case):
    n = case.backbone.n_stages
    with torch.no_grad():
        for cut in (0, 1, n // 2):
            activation = case.backbone.prefix(cut)(case.inputs)
            assert tuple(activation.shape[1:]) == case.backbone.shape(cut)
            assert torch.equal(activation, case.activations[cut] if cut else case.inputs)
            if cut != 1:
                assert torch.equal(case.backbone.suffix(cut)(activation), case.activations[n])


def test_tensors_travel_into_a_skeleton_bit_equal(case):
    backbone, tensors_of_original = case.backbone, tensors_of(case.backbone)
    filled = with_tensors(skeleton(case.listed.name), tensors_of_original, backbone.weights)
    assert [(s.name, s.shape) for s in filled.stages] == [(s.name, s.shape) for s in backbone.stages]
    for name, tensor in tensors_of(filled).items():
        assert tensor.data_ptr() == tensors_of_original[name].data_ptr()
    assert not any(p.requires_grad or s.module.training for s in filled.stages for p in s.module.parameters())
    twin = copy.deepcopy(filled.stages[-2].module)
    with torch.no_grad():
        assert torch.equal(twin(case.activations[-3]), case.activations[-2])


def test_catalogue_says_what_is_true(case):
    backbone, listed = case.backbone, case.listed
    assert backbone.family == listed.family
    assert backbone.parameters() == listed.parameters
    assert backbone.preprocess.shape[-len(listed.input_size) :] == listed.input_size
    assert backbone.stages[-1].shape == (listed.features,)
    assert backbone.preprocess.modality == listed.modality
    assert case.network.licence == listed.licence != "unknown"


def test_a_convolutional_network_can_end_in_a_map(case):
    if len(case.backbone.stages[0].shape) == 2:
        assert case.backbone.ending_in("tokens").stages[-1].shape[0] > 1
        return
    ending = case.backbone.ending_in("map")
    channels, height, width = ending.stages[-1].shape
    assert channels > height > 1
    assert width == height
    assert ending.stages == case.backbone.stages[: ending.n_stages]


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
    assert len(LISTED) == len(listing())
    assert [one.name for one in listing() if one.default] == ["tf_efficientnet_lite0", "all-MiniLM-L6-v2"]


@pytest.mark.parametrize("name", FETCHED)
def test_a_network_that_is_fetched_is_as_large_as_the_catalogue_says(name):
    from transformers import AutoConfig

    listed = LISTED[name]
    # What the published configurations say beyond the library's defaults for their kind.
    told = {
        "bert-base-uncased": {"model_type": "bert"},
        "distilbert-base-uncased": {"model_type": "distilbert"},
        "roberta-base": {"model_type": "roberta", "max_position_embeddings": 514, "type_vocab_size": 1},
        "xlm-roberta-base": {
            "model_type": "xlm-roberta", "vocab_size": 250_002, "max_position_embeddings": 514, "type_vocab_size": 1,
        },
        "gpt2": {"model_type": "gpt2"},
    }[name]  # fmt: skip
    settings = {"config": AutoConfig.for_model(**told).to_dict(), "pooling": "mean", "normalised": False}
    with torch.device("meta"):
        network = REGISTRY.create("transformers").rebuild(name, {**settings, "max_length": listed.input_size[0]})
    assert sum(p.numel() for p in network.model.parameters()) == listed.parameters
    assert network.model.encoder.model.config.hidden_size == listed.features
