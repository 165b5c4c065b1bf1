"""What every task promises."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from graft.errors import DataError, SettingError
from graft.tasks import REGISTRY
from graft.training.likelihood import LIKELIHOODS

LABELS = {
    "classification": ["b", "a", "c", "a", "b", "c"],
    "multilabel": ["a|b", "", "c", "a", "b", "a|b|c"],
    "regression": ["1.5", "-2.0", "0.25", "7.0", "3.0", "0.5"],
}
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
    assert len(task.classes) == (0 if task.form == "number" else task.outputs)
    assert {*task.settings} <= {field.name for field in dataclasses.fields(task)}


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


def test_probabilities_are_float64_within_bounds_or_refused(task, logits):
    if task.form == "number":
        with pytest.raises(SettingError, match="must be"):
            task.probabilities(logits)
        return
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


def test_the_likelihood_of_linear_models_is_the_loss_of_training(name, task, logits):
    targets, likelihood = task.targets(LABELS[name]), LIKELIHOODS[task.likelihood]
    mean = likelihood.each(torch.from_numpy(logits), likelihood.goal(targets)).mean()
    # Training takes the mean over labels, a linear model their sum.
    share = task.outputs if task.form == "set" else 1
    loss = task.loss(torch.from_numpy(logits), torch.from_numpy(targets), label_smoothing=0.0, weights=None)
    torch.testing.assert_close(mean / share, loss)


def test_no_constant_answer_is_better_than_the_prior(name, task):
    targets = task.targets(LABELS[name] * 20)

    def loss(logits):
        row = torch.from_numpy(np.tile(logits, (len(targets), 1)).astype(np.float32))
        return task.loss(row, torch.from_numpy(targets), label_smoothing=0.0, weights=None).item()

    prior = task.prior(targets)
    assert prior.shape == (task.outputs,)
    assert prior.dtype == np.float32
    moves = np.random.default_rng(0).normal(0, 0.5, (40, task.outputs))
    assert loss(prior) <= min(loss(prior + move) for move in moves)


def test_strata_are_whole_numbers_that_follow_the_labels(name, task):
    targets = task.targets(LABELS[name] * 5)
    strata = task.strata(targets)
    assert strata.shape == (len(targets),)
    assert strata.dtype == np.int64
    assert strata.min() >= 0
    assert len(np.unique(strata)) > 1


def test_answers_tell_what_the_targets_say(name, task):
    targets = task.targets(LABELS[name])
    perfect = (20 * task.soft(torch.from_numpy(targets)) - 10).numpy() if task.form != "number" else targets
    for label, answer in zip(LABELS[name], task.answers(perfect, 0.5), strict=True):
        assert answer.label == label if task.form != "number" else float(answer.label) == pytest.approx(float(label))
        assert answer.outputs.shape == (task.outputs,)
        assert answer.outputs.dtype == np.float64
        assert (answer.probability is None) == (task.form == "number")
        assert json.loads(json.dumps(answer.told)) == answer.told
    assert task.mistakes(perfect, targets, 1.0, 3) == []


def test_mistakes_are_the_worst_first_and_no_more_than_asked(name, task):
    targets = task.targets(LABELS[name])
    perfect = (20 * task.soft(torch.from_numpy(targets)) - 10).numpy() if task.form != "number" else 9 * targets + 9
    found = task.mistakes(-perfect, targets, 1.0, 3)
    assert 0 < len(found) <= 3
    assert all(0 <= one.row < len(targets) and 0 <= one.output < task.outputs for one in found)
    assert all(one.truth != one.said for one in found)
