"""Batch norms within convolutions: the same outputs and gradients, and left alone wherever that would not hold."""

import pytest
import torch
from torch import nn

from graft.training import folding


def settled(*modules):
    torch.manual_seed(0)
    model = nn.Sequential(*modules).train()
    for one in model.modules():
        if isinstance(one, nn.BatchNorm2d):
            one.running_mean.normal_()
            one.running_var.uniform_(0.5, 2)
            nn.init.normal_(one.weight)
            nn.init.normal_(one.bias)
            one.eval()
    return model


class Twice(nn.Module):
    """A convolution whose output goes into its norm and past it."""

    def __init__(self, norm):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 1), norm

    def forward(self, inputs):
        found = self.conv(inputs)
        return self.norm(found) + found


@pytest.fixture
def inputs():
    return torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def test_outputs_and_gradients_are_the_same(inputs):
    model = settled(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1, groups=2), nn.BatchNorm2d(4)
    )
    norms = folding.find(model, inputs)
    assert len(norms) == 2
    plain = model(inputs)
    with folding.Folding(norms):
        folded = model(inputs)
    assert not torch.equal(plain, folded)
    torch.testing.assert_close(folded, plain, rtol=1e-4, atol=1e-5)
    weights = list(model.parameters())
    pairs = zip(
        torch.autograd.grad(folded.square().sum(), weights),
        torch.autograd.grad(plain.square().sum(), weights),
        strict=True,
    )
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)


def test_the_norm_itself_is_passed_over(inputs):
    model = settled(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    norms = folding.find(model, inputs)
    with torch.profiler.profile() as seen, folding.Folding(norms):
        model(inputs)
    names = {one.key for one in seen.key_averages()}
    assert "aten::conv2d" in names
    assert "aten::batch_norm" not in names


def test_dropout_does_not_hide_that_they_agree(inputs):
    assert len(folding.find(settled(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)), inputs)) == 1


def test_the_generator_is_left_as_it_was(inputs):
    model = settled(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5))
    torch.manual_seed(3)
    folding.find(model, inputs)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))


def test_what_cannot_be_folded_is_left_alone(inputs):
    counting = settled(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    counting[1].train()
    assert folding.find(counting, inputs) == {}
    frozen = settled(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    frozen[0].weight.requires_grad_(False)
    assert folding.find(frozen, inputs) == {}
    assert folding.find(settled(Twice(nn.BatchNorm2d(4))), inputs) == {}
    shared = nn.Conv2d(3, 3, 1)
    assert folding.find(settled(shared, nn.BatchNorm2d(3), shared, nn.BatchNorm2d(3)), inputs) == {}
    assert folding.find(settled(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)), inputs) == {}
    assert folding.find(nn.Sequential(), inputs) == {}


def test_it_holds_under_autocast(inputs):
    model = settled(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    norms = folding.find(model, inputs)
    with torch.autocast("cpu", torch.bfloat16), folding.Folding(norms):
        folded = model(inputs)
    assert folded.dtype == torch.bfloat16
    torch.testing.assert_close(folded.float(), model(inputs), rtol=0.05, atol=0.1)
