"""Parameter groups and optimisers."""

import pytest
import torch

from graft.training import Optimisation, optimisers


def test_groups_follow_depth_and_spare_vectors(modules):
    stages, head = modules()
    found = optimisers.groups(stages, head, Optimisation(lr=0.1, stage_decay=0.5, weight_decay=0.2))
    assert [(group["peak"], group["weight_decay"]) for group in found] == [
        (0.1, 0.2),
        (0.1, 0.0),
        (0.05, 0.2),
        (0.05, 0.0),
        (0.025, 0.2),
        (0.025, 0.0),
    ]
    assert all((p.ndim > 1) == (group["weight_decay"] > 0) for group in found for p in group["params"])
    grouped = [id(p) for group in found for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for module in (stages, head) for p in module.parameters())
    assert found[0]["params"][0] is head[1].weight


def test_frozen_weights_are_left_out(modules):
    stages, head = modules()
    stages[0].requires_grad_(False)
    found = optimisers.groups(stages, head, Optimisation())
    assert len(found) == 4


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "adagrad"])
def test_every_optimiser_follows_the_rate(modules, name):
    stages, head = modules()
    optimiser = optimisers.build(optimisers.groups(stages, head, Optimisation(lr=0.1)), name)
    before = head[1].weight.clone()
    for factor, moves in ((0.0, False), (1.0, True)):
        assert optimisers.set_rate(optimiser, factor) == pytest.approx(0.1 * factor)
        optimiser.zero_grad()
        head(stages(torch.ones(2, 4, 6, 6))).square().sum().backward()
        optimiser.step()
        assert torch.equal(before, head[1].weight) != moves
