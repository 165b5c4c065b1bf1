"""Depthwise convolutions: which they are, when they are left as they are, and that autocast passes them by."""

import copy

import pytest
import torch
from torch import nn

from graft.training import depthwise


@pytest.fixture
def stages():
    torch.manual_seed(0)
    wide = nn.Conv2d(8, 16, 1)
    one_a_channel = nn.Conv2d(16, 16, 3, padding=1, stride=2, groups=16)
    return nn.Sequential(wide, nn.Conv2d(16, 16, 1, groups=4), one_a_channel)


def test_only_filters_of_one_channel_are_frozen(stages):
    depthwise.freeze(stages)
    assert [one.weight.requires_grad for one in stages] == [True, True, False]
    assert stages[2].bias.requires_grad


def test_where_there_is_little_else_they_are_trained():
    alone = nn.Sequential(nn.Conv2d(4, 4, 5, groups=4))
    depthwise.freeze(alone)
    assert alone[0].weight.requires_grad


def test_they_stay_in_float32_under_autocast_and_are_left_as_they_were(stages):
    inputs = torch.randn(2, 8, 6, 6)
    kinds = []
    stages[2].register_forward_hook(lambda module, given, result: kinds.append((given[0].dtype, result.dtype)))
    stages[1].register_forward_hook(lambda module, given, result: kinds.append(result.dtype))
    with torch.autocast("cpu", torch.bfloat16), depthwise.in_float32(stages):
        mixed = stages(inputs)
        assert copy.deepcopy(stages)(inputs).shape == mixed.shape
    assert kinds[0] == torch.bfloat16
    assert kinds[1] == (torch.bfloat16, torch.float32)
    assert torch.allclose(mixed, stages(inputs), atol=0.05)
    with torch.autocast("cpu", torch.bfloat16):
        assert stages(inputs).dtype == torch.bfloat16
    assert "forward" not in vars(stages[2])
