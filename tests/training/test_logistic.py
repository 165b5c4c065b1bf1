"""Logistic regression from one decomposition, checked against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from graft.training import logistic


def make_data(n, width, classes, seed=0):
    """Correlated features of very different scales, far from the origin."""
    draw = np.random.default_rng(seed)
    means = draw.normal(size=(classes, width)) * 0.7
    targets = np.concatenate([np.arange(classes), draw.integers(0, classes, n - classes)])
    mixing = draw.normal(size=(width, width)) / np.sqrt(width)
    values = (means[targets] + draw.normal(size=(n, width))) @ mixing
    return (values * np.logspace(-1, 1, width) + 3).astype(np.float32), targets


@pytest.mark.parametrize(("n", "width"), [(300, 20), (60, 90), (50, 50)])
def test_decomposition_is_a_lossless_turn(n, width):
    features, _ = make_data(n, width, 3)
    basis = logistic.decompose(features)
    again = (torch.from_numpy(features) - basis.mean) @ basis.directions
    torch.testing.assert_close(again, basis.scores, rtol=1e-3, atol=5e-4)
    assert basis.scores.shape[1] <= min(n, width)
    assert basis.scores.square().sum(1).mean() == pytest.approx(1, abs=0.01)
    gram = basis.scores.T @ basis.scores
    assert (gram - torch.diag(gram.diag())).abs().max() < 1e-3 * gram.diag().max()


@pytest.mark.parametrize(("n", "width"), [(300, 20), (60, 90)])
def test_features_are_overwritten_only_where_they_are_spare(n, width):
    features, _ = make_data(n, width, 3)
    given = features.copy()
    basis = logistic.decompose(given)
    np.testing.assert_array_equal(given, features)
    again = logistic.decompose(given, spare=True)
    assert not np.array_equal(given, features)
    torch.testing.assert_close(again.scores, basis.scores, rtol=0, atol=0)
    torch.testing.assert_close(again.directions, basis.directions, rtol=0, atol=0)


def test_decomposition_of_features_that_say_nothing():
    basis = logistic.decompose(np.full((10, 4), 7.0, dtype=np.float32))
    assert torch.isfinite(basis.scores).all()
    assert torch.isfinite(basis.directions).all()


@pytest.mark.parametrize(("n", "width", "classes"), [(240, 12, 2), (240, 12, 5), (60, 90, 4)])
@pytest.mark.parametrize("strength", [3.0, 0.1, 0.01])
def test_solution_is_scikit_learns(n, width, classes, strength):
    features, targets = make_data(n, width, classes)
    basis = logistic.decompose(features)
    ours = logistic.solve(basis.scores, torch.from_numpy(targets), torch.ones(n, 1), classes, strength, tolerance=1e-9)
    scores = basis.scores.double().numpy()
    theirs = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=5000).fit(scores, targets)
    logits = (basis.scores @ ours.weight[0] + ours.bias[0]).double()
    ours_probabilities = torch.softmax(logits, 1).numpy()
    if classes == 2:
        # scikit-learn's two-class penalty is on one vector, ours on two that mirror each other: half as strong.
        theirs = LogisticRegression(C=2 / strength, tol=1e-8, max_iter=5000).fit(scores, targets)
    np.testing.assert_allclose(ours_probabilities, theirs.predict_proba(scores), atol=2e-3)


def test_folding_gives_the_same_logits_on_raw_features():
    features, targets = make_data(80, 30, 3)
    basis = logistic.decompose(features)
    found = logistic.solve(basis.scores, torch.from_numpy(targets), torch.ones(80, 1), 3, 0.1)
    weight, bias = basis.fold(found.weight[0], found.bias[0])
    raw = torch.from_numpy(features) @ weight.T + bias
    torch.testing.assert_close(raw, basis.scores @ found.weight[0] + found.bias[0], rtol=1e-3, atol=1e-3)


def test_problems_solved_together_are_the_problems_solved_alone():
    features, targets = make_data(90, 10, 3)
    basis, goal = logistic.decompose(features), torch.from_numpy(targets)
    weights = torch.ones(90, 3)
    weights[torch.arange(90), torch.arange(90) % 3] = 0
    together = logistic.solve(basis.scores, goal, weights, 3, 0.3, tolerance=1e-9)
    for index in range(3):
        kept = weights[:, index] > 0
        alone = logistic.solve(basis.scores[kept], goal[kept], torch.ones(60, 1), 3, 0.3, tolerance=1e-9)
        torch.testing.assert_close(together.weight[index], alone.weight[0], rtol=1e-2, atol=1e-2)


def test_row_weights_count_like_copies():
    features, targets = make_data(60, 8, 3)
    basis, goal = logistic.decompose(features), torch.from_numpy(targets)
    weights = torch.ones(60, 1)
    weights[:20] = 2
    copied = torch.cat([torch.arange(60), torch.arange(20)])
    weighted = logistic.solve(basis.scores, goal, weights, 3, 0.3, tolerance=1e-9)
    repeated = logistic.solve(basis.scores[copied], goal[copied], torch.ones(80, 1), 3, 0.3, tolerance=1e-9)
    torch.testing.assert_close(weighted.weight, repeated.weight, rtol=1e-2, atol=1e-2)


def test_a_class_without_rows_and_separable_classes_stay_finite():
    features, targets = make_data(40, 60, 3)
    found = logistic.solve(logistic.decompose(features).scores, torch.from_numpy(targets), torch.ones(40, 1), 5, 1e-6)
    assert torch.isfinite(found.weight).all()
    assert torch.isfinite(found.bias).all()
    assert (found.bias[0, 3:] < found.bias[0, :3].min()).all()


def test_a_warm_start_needs_fewer_passes():
    features, targets = make_data(200, 30, 4)
    basis, goal, ones = logistic.decompose(features), torch.from_numpy(targets), torch.ones(200, 1)
    cold = logistic.solve(basis.scores, goal, ones, 4, 0.1)
    warm = logistic.solve(basis.scores, goal, ones, 4, 0.1, start=cold)
    assert warm.passes < cold.passes
    assert cold.passes < 60
