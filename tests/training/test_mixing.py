"""Mixup and CutMix."""

import numpy as np
import torch

from graft.training.mixing import mix


def batch(*shape, n=8):
    inputs = torch.arange(n, dtype=torch.float32).reshape(n, *([1] * len(shape))).expand(n, *shape).clone()
    return inputs, torch.eye(n)


def test_mixup_blends_inputs_and_targets_alike():
    inputs, targets = batch(5)
    mixed, soft = mix(inputs, targets, np.random.default_rng(0), mixup=1.0, cutmix=0.0)
    expected = soft @ torch.arange(8.0)
    torch.testing.assert_close(mixed[:, 0], expected)
    torch.testing.assert_close(soft.sum(1), torch.ones(8))
    assert not torch.equal(mixed, inputs)


def test_cutmix_pastes_a_box_whose_area_is_the_share():
    changed = 0
    for seed in range(20):
        inputs, targets = batch(2, 6, 9)
        mixed, soft = mix(inputs, targets, np.random.default_rng(seed), mixup=0.0, cutmix=1.0)
        torch.testing.assert_close(mixed.mean((1, 2, 3)), soft @ torch.arange(8.0))
        assert set(mixed.unique().tolist()) <= set(range(8))
        changed += not torch.equal(mixed, inputs)
    assert changed > 10


def test_cutmix_keeps_bytes_and_the_original_as_they_are():
    inputs = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    before = inputs.clone()
    mixed, _ = mix(inputs, torch.eye(6), np.random.default_rng(1), mixup=0.0, cutmix=1.0)
    assert mixed.dtype == torch.uint8
    assert torch.equal(inputs, before)


def test_cutmix_needs_space():
    for shape in ((5,), (7, 5), (5, 1, 1)):
        inputs, targets = batch(*shape)
        same, soft = mix(inputs, targets, np.random.default_rng(0), mixup=0.0, cutmix=1.0)
        assert same is inputs
        assert soft is targets
        mixed, _ = mix(inputs, targets, np.random.default_rng(0), mixup=0.5, cutmix=1.0)
        assert not torch.equal(mixed, inputs)


def test_one_input_has_no_partner():
    inputs, targets = batch(5, n=1)
    same, _ = mix(inputs, targets, np.random.default_rng(0), mixup=1.0, cutmix=1.0)
    assert same is inputs


def test_a_draw_decides():
    inputs, targets = batch(3, 6, 6)
    one, _ = mix(inputs, targets, np.random.default_rng(3), mixup=0.4, cutmix=1.0)
    other, _ = mix(inputs, targets, np.random.default_rng(3), mixup=0.4, cutmix=1.0)
    assert torch.equal(one, other)
