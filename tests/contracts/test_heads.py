"""What every head promises."""

import dataclasses

import pytest
import torch
from torch import nn

from graft.errors import SettingError
from graft.heads import REGISTRY

SHAPES = {"vector": (12,), "map": (12, 4, 5), "tokens": (7, 12)}


@pytest.fixture(params=REGISTRY.names())
def name(request):
    return request.param


def test_settings_are_documented_frozen_and_few(name):
    head = REGISTRY.create(name)
    fields = dataclasses.fields(head)
    assert len(fields) <= 8
    for one in REGISTRY.settings(name):
        assert one.doc, f"{name}.{one.name} has no docstring"
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(head, fields[0].name, 1)


def test_gives_logits_and_every_weight_gets_a_gradient(name):
    head = REGISTRY.create(name)
    module = head.build(SHAPES[head.takes], 5)
    inputs = torch.randn(6, *SHAPES[head.takes], generator=torch.Generator().manual_seed(0))
    logits = module(inputs)
    assert logits.shape == (6, 5)
    assert logits.dtype == torch.float32
    nn.functional.cross_entropy(logits, torch.arange(6) % 5).backward()
    for key, weight in module.named_parameters():
        assert weight.grad is not None, key
        assert torch.isfinite(weight.grad).all()


def test_starts_nearly_even(name):
    head = REGISTRY.create(name)
    module = head.build(SHAPES[head.takes], 5).eval()
    inputs = torch.randn(64, *SHAPES[head.takes], generator=torch.Generator().manual_seed(0))
    assert module(inputs).softmax(1).max() < 0.4


def test_one_answer_does_not_depend_on_its_neighbours(name):
    head = REGISTRY.create(name)
    module = head.build(SHAPES[head.takes], 3).eval()
    inputs = torch.randn(4, *SHAPES[head.takes], generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(inputs)[:1], module(inputs[:1]))


def test_refuses_another_shape(name):
    head = REGISTRY.create(name)
    for kind, shape in SHAPES.items():
        if kind != head.takes:
            with pytest.raises(SettingError, match="must be"):
                head.build(shape, 3)


def test_convex_heads_are_one_linear_layer(name):
    head = REGISTRY.create(name)
    built = head.build(SHAPES[head.takes], 3)
    layers = [m for m in built.modules() if isinstance(m, nn.Linear)]
    with_weights = [m for m in built.modules() if list(m.parameters(recurse=False))]
    assert head.convex == (layers == with_weights and len(layers) == 1)
