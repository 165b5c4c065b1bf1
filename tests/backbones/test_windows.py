"""A backbone behind several windows an input: every window as if alone, then their mean; cut, copied and refilled."""

import numpy as np
import pytest
import torch

from graft.backbones import load, skeleton, tensors_of, with_tensors
from graft.errors import SettingError
from graft.preprocess.audio import Audio


@pytest.fixture(scope="module")
def single():
    backbone = load("test_efficientnet", weights="random", seed=3)
    return backbone.given(Audio.taking(backbone.preprocess))


@pytest.fixture(scope="module")
def several(single):
    return single.given(Audio(size=single.preprocess.size, windows=3))


@pytest.fixture(scope="module")
def inputs(several):
    shape = (2, *several.preprocess.shape)
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def test_one_window_is_the_network_as_it_is(single):
    assert single.preprocess.modality == "audio"
    original = load("test_efficientnet", weights="random", seed=3)
    assert [stage.name for stage in single.stages] == [stage.name for stage in original.stages]
    assert single.weights.sha256 == original.weights.sha256


def test_the_features_are_the_mean_over_the_windows(single, several, inputs):
    n = single.n_stages
    with torch.no_grad():
        each = torch.stack([single.prefix(n)(inputs[:, window]) for window in range(3)], dim=1)
        assert torch.allclose(several.prefix(n + 1)(inputs), each.mean(1), atol=1e-6)
        assert torch.allclose(several.prefix(n)(inputs), each, atol=1e-6)
    assert several.stages[-1].name == "windows"
    assert several.shape(n + 1) == single.shape(n)


def test_every_cut_gives_what_the_whole_gives(several, inputs):
    with torch.no_grad():
        whole = several.prefix(several.n_stages)(inputs)
        for cut in range(several.n_stages):
            activation = several.prefix(cut)(inputs)
            assert tuple(activation.shape[1:]) == several.shape(cut)
            assert torch.equal(several.suffix(cut)(activation), whole)


def test_windows_are_tokens_to_a_head_that_takes_them(several, single):
    ending = several.ending_in("tokens")
    assert ending.stages[-1].shape == (3, *single.stages[-1].shape)


def test_tensors_travel_into_a_skeleton(several, inputs):
    empty = skeleton("test_efficientnet").given(several.preprocess)
    filled = with_tensors(empty, tensors_of(several), several.weights)
    with torch.no_grad():
        assert torch.equal(filled.prefix(filled.n_stages)(inputs), several.prefix(several.n_stages)(inputs))
    assert not any(p.requires_grad or s.module.training for s in filled.stages for p in s.module.parameters())


def test_another_form_is_refused(single):
    with pytest.raises(SettingError, match="must be of the form"):
        single.given(Audio(size=(7, 7)))
