"""The running average of weights."""

import pytest
import torch
from torch import nn

from graft.training.averaging import Average


@pytest.fixture
def model():
    module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    with torch.no_grad():
        module[0].weight.fill_(0.0)
    return module


def set_weight(model, value):
    with torch.no_grad():
        model[0].weight.fill_(value)


def test_follows_after_about_its_steps(model):
    average = Average(model, 10)
    set_weight(model, 1.0)
    for _ in range(10):
        average.update()
    assert average.model[0].weight.item() == pytest.approx(1 - 1 / torch.e, abs=1e-3)
    assert model[0].weight.item() == 1.0


def test_buffers_are_taken_as_they_are_and_a_reset_starts_again(model):
    average = Average(model, 10)
    model[1].running_mean.fill_(3.0)
    set_weight(model, 1.0)
    average.update()
    assert average.model[1].running_mean.item() == 3.0
    average.reset()
    assert average.model[0].weight.item() == 1.0


def test_without_averaging_it_is_the_model_itself(model):
    average = Average(model, 0)
    set_weight(model, 1.0)
    average.update()
    average.reset()
    assert average.model is model


def test_frozen_weights_stay(model):
    model[0].weight.requires_grad_(False)
    average = Average(model, 1)
    set_weight(model, 1.0)
    average.update()
    assert average.model[0].weight.item() == 0.0
