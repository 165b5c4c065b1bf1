"""Strategies on labels that are sets or numbers: they learn them, or say by ``forms`` that they do not."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict

from graft.selection.settings import plan
from graft.strategies import REGISTRY
from graft.tasks.multilabel import Multilabel
from graft.tasks.regression import Regression

QUICK = {
    "optimisation.epochs": 15,
    "optimisation.lr": 5e-3,
    "optimisation.batch_size": 8,
    "numerics.precision": "float32",
    "numerics.layout": "contiguous",
}
KINDS = np.arange(72) % 3
"""As the material's pictures have it."""
SETS = ["rows|straight", "columns|straight", ""]


def labels(form):
    draw = np.random.default_rng(3)
    if form == "set":
        return [SETS[kind] for kind in KINDS]
    return [repr(float(10 * kind + draw.normal(0, 1))) for kind in KINDS]


def task_of(form, **settings):
    return (Multilabel() if form == "set" else Regression(**settings)).taught(labels(form))


def strategy_of(name):
    known = {one.name for one in REGISTRY.settings(name)}
    return REGISTRY.create(name, {key: value for key, value in QUICK.items() if key in known})


@pytest.fixture
def material_of(material):
    """Return a maker of material whose labels are of another form."""

    def make(strategy, form, **more):
        task = task_of(form)
        return material(strategy, task=task, targets=task.targets(labels(form)), **more)

    return make


CASES = [(name, form) for name in REGISTRY.names() for form in ("set", "number") if form in REGISTRY.get(name).forms]


def test_only_the_class_means_step_aside():
    assert {name for name in REGISTRY.names() if len(REGISTRY.get(name).forms) < 3} == {"nearest_mean"}
    for task in ("multilabel", "regression"):
        assert [name for name, _ in plan("auto", "linear", {}, task).strategies] == [
            "majority",
            "linear_probe",
            "partial",
            "full",
        ]


@pytest.mark.parametrize(("name", "form"), CASES)
def test_learns_more_than_the_constant_answer(name, form, material_of):
    strategy = strategy_of(name)
    material = material_of(strategy, form)
    fitted = strategy.fit(material)
    truth = material.targets[material.validation]
    assert fitted.validation_logits.shape == truth.shape
    assert fitted.validation_logits.dtype == np.float32
    constant = np.tile(material.task.prior(material.targets[material.train]), (len(truth), 1))
    gain = material.task.item_scores(fitted.validation_logits, truth) - material.task.item_scores(constant, truth)
    assert (gain.mean() > 0.15) == strategy.learns
    inputs = torch.from_numpy(material.activations.read(material.validation))
    with torch.inference_mode():
        again = (fitted.training_head or fitted.head)(fitted.suffix(inputs))
    np.testing.assert_allclose(again.numpy(), fitted.validation_logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("form", ["set", "number"])
def test_validation_labels_do_not_reach_the_probes_validation_logits(form, material_of):
    strategy = strategy_of("linear_probe")
    material = material_of(strategy, form)
    turned = material.targets.copy()
    turned[material.validation] = turned[material.validation][::-1]
    one, other = strategy.fit(material), strategy.fit(dataclasses.replace(material, targets=turned))
    np.testing.assert_allclose(one.validation_logits, other.validation_logits, rtol=1e-3, atol=1e-3)


def test_the_probe_of_numbers_is_as_good_as_ridge_regression(material_of):
    strategy = strategy_of("linear_probe")
    material = material_of(strategy, "number")
    fitted = strategy.fit(material)
    rows = np.concatenate([material.train, material.validation])
    features = material.activations.read(rows)
    truth = material.targets[rows]
    ours = np.square(fitted.development_logits - truth).mean()
    folds = KFold(5, shuffle=True, random_state=0)
    scaled = (features - features.mean(0)) / features.std(0)
    theirs = min(
        np.square(cross_val_predict(Ridge(alpha=alpha), scaled, truth, cv=folds) - truth).mean()
        for alpha in (0.01, 0.1, 1.0, 10.0)
    )
    assert ours < 1.25 * theirs


@pytest.mark.parametrize("criterion", ["mae", "huber"])
def test_robust_criteria_forgive_wrong_labels(criterion, material_of):
    strategy = strategy_of("linear_probe")
    kept = material_of(strategy, "number")
    wrong = kept.targets.copy()
    wrong[kept.train[:5]] += 30

    def error(task):
        fitted = strategy.fit(dataclasses.replace(kept, task=task, targets=wrong))
        return np.abs(fitted.validation_logits - kept.targets[kept.validation]).mean()

    assert error(task_of("number", criterion=criterion)) < 0.7 * error(task_of("number"))


def test_a_backbone_is_left_as_it_was(material_of, backbone):
    before = {name: value.clone() for name, value in backbone.stages[2].module.state_dict().items()}
    strategy_of("partial").fit(material_of(strategy_of("partial"), "number", backbone=backbone))
    assert all(torch.equal(value, before[name]) for name, value in backbone.stages[2].module.state_dict().items())
