"""The settings of the heads, and what they change."""

import pytest
import torch
from torch import nn

from graft.errors import SettingError
from graft.heads.conv import Conv
from graft.heads.linear import Linear
from graft.heads.mlp import Mlp


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Linear, {"dropout": 1.0}),
        (Linear, {"dropout": -0.1}),
        (Mlp, {"hidden": ()}),
        (Mlp, {"hidden": (8, 0)}),
        (Conv, {"channels": 0}),
        (Conv, {"kernel": 2}),
        (Conv, {"dropout": 2.0}),
    ],
)
def test_settings_are_checked(kind, settings):
    with pytest.raises(SettingError, match="must be"):
        kind(**settings)


def test_hidden_widths_are_the_layers():
    layers = [m for m in Mlp(hidden=(7, 5)).build((9,), 3).modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in layers] == [(9, 7), (7, 5), (5, 3)]


def test_mlp_does_not_mind_the_scale_of_the_features():
    module = Mlp().build((16,), 3).eval()
    inputs = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(inputs), module(1000 * inputs), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kernel", [1, 3])
def test_conv_sees_its_kernel(kernel):
    module = Conv(channels=6, kernel=kernel).build((4, 5, 5), 3).eval()
    assert module[0].kernel_size == (kernel, kernel)
    assert module[0](torch.zeros(1, 4, 5, 5)).shape == (1, 6, 5, 5)


def test_dropout_acts_in_training_only():
    module = Linear(dropout=0.5).build((64,), 3)
    inputs = torch.ones(1, 64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(module.train()(inputs), module(inputs))
    assert torch.equal(module.eval()(inputs), module(inputs))
