"""Nearest class mean as a linear head."""

import numpy as np
import torch

from graft.strategies.nearest_mean import NearestMean, _Means


def test_answers_are_the_nearest_means(material):
    strategy = NearestMean(whitening=0.0)
    given = material(strategy)
    fitted = strategy.fit(given)
    train = given.activations.read(given.train)
    means = np.stack([train[given.targets[given.train] == c].mean(0) for c in range(3)])
    distance = np.square(given.activations.read(given.validation)[:, None] - means).sum(2)
    assert np.array_equal(fitted.validation_logits.argmax(1), distance.argmin(1))
    probabilities = torch.softmax(torch.from_numpy(fitted.validation_logits), 1).numpy()
    expected = torch.softmax(torch.from_numpy(-0.5 * fitted.resolved["scale"] * distance), 1).numpy()
    np.testing.assert_allclose(probabilities, expected, atol=1e-3)


def test_leave_one_out_is_the_mean_without_the_row_and_its_unit():
    draw = np.random.default_rng(0)
    table, targets = draw.normal(size=(12, 5)), np.arange(12) % 3
    for units in (np.arange(12), np.arange(12) // 4):
        found = _Means.of(table, targets, 3, 0.0).left_out(table, targets, units)
        check_left_out(found, table, targets, units)


def check_left_out(found, table, targets, units):
    for row in range(12):
        rest = (units != units[row]) | (targets != targets[row])
        means = np.stack([table[rest & (targets == c)].mean(0) for c in range(3)])
        expected = -0.5 * np.square(table[row] - means).sum(1)
        np.testing.assert_allclose(found[row] - found[row].mean(), expected - expected.mean(), atol=1e-9)


def test_classes_of_one_and_of_none(material):
    strategy = NearestMean()
    given = material(strategy)
    targets = given.targets
    targets[targets == 2] = 0
    targets[given.train[0]] = 2
    fitted = strategy.fit(given)
    assert np.isfinite(fitted.development_logits).all()
    targets[given.train[0]] = 0
    fitted = strategy.fit(given)
    assert np.isfinite(fitted.validation_logits).all()
    assert not (fitted.validation_logits.argmax(1) == 2).any()


def test_leave_one_out_scale_is_better_than_far_ones(material):
    strategy = NearestMean()
    given = material(strategy)
    given.activations.values[:] += np.random.default_rng(0).normal(0, 0.05, given.activations.shape)
    fitted = strategy.fit(given)
    goal = torch.from_numpy(given.targets[np.concatenate([given.train, given.validation])])
    logits = torch.from_numpy(fitted.development_logits)
    here, flat, steep = (torch.nn.functional.cross_entropy(logits * by, goal) for by in (1.0, 0.05, 20.0))
    assert here < flat
    assert here < steep
