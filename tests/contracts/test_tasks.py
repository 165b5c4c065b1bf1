"""What every task promises."""

import dataclasses

import numpy as np
import pytest
import torch

from graft.errors import DataError
from graft.tasks import REGISTRY

LABELS = {"classification": ["b", "a", "c", "a", "b", "c"]}
"""Training labels that each task can learn; a new task adds its own here."""


@pytest.fixture(params=REGISTRY.names())
def name(request):
    return request.param


@pytest.fixture
def task(name):
    return REGISTRY.get(name).learn(LABELS[name])


@pytest.fixture
def logits(name, task):
    return np.random.default_rng(0).normal(size=(len(LABELS[name]), task.outputs)).astype(np.float32)


def test_is_rebuilt_from_its_plain_values(name, task):
    assert REGISTRY.get(name)(**{f.name: getattr(task, f.name) for f in dataclasses.fields(task)}) == task
    assert task.metrics
    assert len(task.classes) == task.outputs


def test_missing_labels_are_refused(name):
    with pytest.raises(DataError, match="must be"):
        REGISTRY.get(name).learn([*LABELS[name], None])


def test_loss_is_the_same_for_plain_and_soft_targets(name, task, logits):
    targets = torch.from_numpy(task.targets(LABELS[name]))
    soft = task.soft(targets)
    assert soft.shape == (len(targets), task.outputs)
    assert soft.dtype == torch.float32
    for weights in (None, torch.linspace(0.5, 2, task.outputs)):
        for smoothing in (0.0, 0.1):
            plain = task.loss(torch.from_numpy(logits), targets, label_smoothing=smoothing, weights=weights)
            mixed = task.loss(torch.from_numpy(logits), soft, label_smoothing=smoothing, weights=weights)
            torch.testing.assert_close(plain, mixed)


def test_loss_falls_along_its_gradient(name, task, logits):
    targets = torch.from_numpy(task.targets(LABELS[name]))
    at = torch.from_numpy(logits).requires_grad_(True)
    before = task.loss(at, targets, label_smoothing=0.0, weights=None)
    before.backward()
    after = task.loss(at - 0.1 * at.grad, targets, label_smoothing=0.0, weights=None)
    assert after < before


def test_probabilities_are_float64_within_bounds(task, logits):
    for temperature in (0.01, 1.0, 100.0):
        found = task.probabilities(1000 * logits, temperature)
        assert found.dtype == np.float64
        assert found.shape == logits.shape
        assert np.isfinite(found).all()
        assert (found >= 0).all()
        assert (found <= 1).all()


def test_item_scores_are_best_for_the_targets_themselves(name, task):
    targets = task.targets(LABELS[name])
    perfect = 10 * task.soft(torch.from_numpy(targets)).numpy()
    assert task.item_scores(perfect, targets).shape == (len(targets),)
    assert (task.item_scores(perfect, targets) >= task.item_scores(-perfect, targets)).all()
    assert (task.item_scores(perfect, targets) > task.item_scores(-perfect, targets)).any()
