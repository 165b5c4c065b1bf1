"""The linear probe: chosen strength, honest logits, heads on raw features."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from graft.errors import DataError, SettingError
from graft.strategies import _probe
from graft.strategies._folds import stratified
from graft.strategies.linear_probe import LinearProbe
from graft.training import logistic


def make_features(rows=300, width=40, classes=4, noise=1.0, seed=0):
    draw = np.random.default_rng(seed)
    targets = draw.permutation(np.arange(rows) % classes)
    means = draw.normal(size=(classes, width)) * 0.5
    values = means[targets] + noise * draw.normal(size=(rows, width))
    return (values * np.logspace(-1, 1, width) + 2).astype(np.float32), targets


def fit(features, targets, outputs, n_train, units=None, **more):
    table = _probe.Table(features=features, targets=targets, n_train=n_train, units=units)
    return _probe.fit_probe(table, outputs, **more)


def test_out_of_fold_is_scikit_learn_without_the_fold():
    features, targets = make_features(noise=2.0)
    probe = fit(features[None], targets, 4, 300, strength=0.3)
    fold = stratified(targets, np.arange(300), 5, 0)
    scores = logistic.decompose(features).scores.double().numpy()
    for index in range(5):
        held = fold == index
        theirs = LogisticRegression(C=1 / 0.3, tol=1e-8, max_iter=5000).fit(scores[~held], targets[~held])
        ours = torch.softmax(probe.out_of_fold[torch.from_numpy(held)].double(), 1).numpy()
        np.testing.assert_allclose(ours, theirs.predict_proba(scores[held]), atol=0.01)


def test_chooses_the_strength_with_the_lowest_out_of_fold_loss():
    chosen = {}
    for noise in (0.3, 3.0):
        features, targets = make_features(noise=noise)
        probe = fit(features[None], targets, 4, 300)
        chosen[noise] = probe.strength
        assert probe.strength == min(probe.path, key=lambda point: point[1])[0]
        tried = [strength for strength, _ in probe.path]
        begin = _probe.STRENGTHS.index(tried[0])
        assert tried == list(_probe.STRENGTHS[begin : begin + len(tried)])
    assert chosen[0.3] < chosen[3.0]


def test_labels_that_mean_nothing_are_not_learned():
    features, targets = make_features()
    shuffled = np.random.default_rng(5).permutation(targets)
    probe = fit(features[None], shuffled, 4, 300)
    right = (probe.out_of_fold.argmax(1).numpy() == shuffled).mean()
    assert right < 0.36
    assert probe.strength == max(_probe.STRENGTHS)


def test_heads_differ_in_what_they_saw_only(material):
    given = material(LinearProbe())
    fitted = LinearProbe(strength=0.3).fit(given)
    swapped = given.targets.copy()
    swapped[given.validation] = (swapped[given.validation] + 1) % 3
    other = LinearProbe(strength=0.3).fit(dataclasses.replace(given, targets=swapped))
    layer, same = fitted.training_head[1], other.training_head[1]
    assert torch.equal(layer.weight, same.weight)
    assert not torch.allclose(fitted.head[1].weight, other.head[1].weight, rtol=1e-2)


def test_development_logits_are_in_the_order_train_then_validation(material):
    given = material(LinearProbe())
    fitted = LinearProbe().fit(given)
    order = np.concatenate([given.train, given.validation])
    assert (fitted.development_logits.argmax(1) == given.targets[order]).mean() > 0.9


def test_views_are_fitted_but_not_judged(material):
    strategy = LinearProbe(views=3)
    given = material(strategy)
    fitted = strategy.fit(given)
    assert given.activations.read_views == {0, 1, 2}
    assert fitted.development_logits.shape == (72, 3)
    assert np.isfinite(fitted.validation_logits).all()


def test_views_that_are_copies_change_nothing():
    features, targets = make_features()
    plain = fit(features[None], targets, 4, 240, strength=0.3)
    copied = fit(np.stack([features] * 3), targets, 4, 240, strength=0.3)
    ours, theirs = (torch.softmax(one.out_of_fold, 1) for one in (plain, copied))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.02)
    assert plain.out_of_fold.shape == copied.out_of_fold.shape


def test_copies_do_not_flatter_where_they_are_one_unit():
    """Labels that mean nothing are known by heart from a copy in another fold, and not without it."""
    features, targets = make_features(rows=150, width=200)
    shuffled = np.random.default_rng(5).permutation(targets)
    doubled, twice, units = np.tile(features, (2, 1)), np.tile(shuffled, 2), np.tile(np.arange(150), 2)
    honest = fit(doubled[None], twice, 4, 300, units=units, strength=0.01)
    flattered = fit(doubled[None], twice, 4, 300, strength=0.01)
    right = [(one.out_of_fold.argmax(1).numpy() == twice).mean() for one in (honest, flattered)]
    assert right[0] < 0.4
    assert right[1] > 0.7


def test_rare_classes_do_not_stop_it():
    features, targets = make_features()
    targets = targets.copy()
    targets[targets == 3] = 0
    targets[0] = 3
    probe = fit(features[None], targets, 5, 200)
    assert torch.isfinite(probe.weight).all()
    assert torch.isfinite(probe.out_of_fold).all()


def test_few_rows_make_few_folds():
    features, targets = make_features(rows=6, classes=2)
    probe = fit(features[None], targets, 2, 4)
    assert torch.isfinite(probe.out_of_fold).all()


def test_resolved_is_plain_data(material):
    fitted = LinearProbe().fit(material(LinearProbe()))
    assert json.loads(json.dumps(dict(fitted.resolved)))["strength"] in _probe.STRENGTHS


@pytest.mark.parametrize("settings", [{"strength": 0.0}, {"strength": -1.0}, {"folds": 1}, {"views": 0}])
def test_settings_are_checked(settings):
    with pytest.raises(SettingError, match="must be"):
        LinearProbe(**settings)


def test_features_that_are_not_finite_are_refused(material):
    given = material(LinearProbe())
    given.activations.values[given.train[3], 0, 2] = np.nan
    with pytest.raises(DataError, match="finite"):
        LinearProbe().fit(given)


def test_heads_and_features_that_are_not_linear_are_refused(material):
    with pytest.raises(SettingError, match="frozen_head"):
        LinearProbe().fit(material(LinearProbe(), head="mlp"))
    with pytest.raises(SettingError, match="frozen_head"):
        LinearProbe().fit(material(LinearProbe(), head="conv"))


def test_halves_of_many_rows_choose_as_all_folds_do(monkeypatch):
    features, targets = make_features(rows=600, noise=2.5)
    folds = fit(features[None], targets, 4, 600)
    monkeypatch.setattr(_probe, "MANY", 500)
    halves = fit(features[None], targets, 4, 600)
    places = [_probe.STRENGTHS.index(one.strength) for one in (folds, halves)]
    assert abs(places[0] - places[1]) <= 1
    right = [float((one.out_of_fold.argmax(1).numpy() == targets).mean()) for one in (folds, halves)]
    assert right[0] == pytest.approx(right[1], abs=0.02)
    assert halves.out_of_fold.shape == (600, 4) and set(halves.fold) == set(range(5))


def test_out_of_fold_logits_of_halves_never_saw_their_rows(monkeypatch):
    """Labels that mean nothing and are learned by heart: a head that had seen a row would know it."""
    monkeypatch.setattr(_probe, "MANY", 100)
    features, targets = make_features(rows=200, width=300)
    shuffled = np.random.default_rng(5).permutation(targets)
    probe = fit(features[None], shuffled, 4, 200, strength=0.003)
    assert (probe.out_of_fold.argmax(1).numpy() == shuffled).mean() < 0.36
    known = torch.from_numpy(features) @ probe.weight.T + probe.bias
    assert (known.argmax(1).numpy() == shuffled).mean() > 0.95
