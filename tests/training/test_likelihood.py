"""The losses of linear models: slopes are derivatives, and the solutions are those of other libraries."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, Ridge

from graft.training import logistic
from graft.training.likelihood import HUBER, LIKELIHOODS, ROUNDED

DENSE = [name for name in LIKELIHOODS if name != "softmax"]


def problem(name, n=90, width=12, outputs=3, seed=0):
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(n, width)) * draw.uniform(0.2, 3, width)
    clean = features @ draw.normal(size=(width, outputs)) / 4
    noisy = clean + draw.standard_t(2, (n, outputs)) * 0.3
    if name == "softmax":
        return features, noisy.argmax(1)
    return features, (noisy > 0.3).astype(np.float64) if name == "sigmoid" else noisy


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_slopes_are_the_derivatives_of_the_losses(name):
    likelihood = LIKELIHOODS[name]
    goal = likelihood.goal(problem(name)[1])
    logits = torch.randn(90, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shares = torch.rand(90, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    losses, slopes = likelihood.slopes(logits.clone(), goal, shares)
    for output, step in enumerate(1e-6 * torch.eye(3, dtype=torch.float64)):
        above, below = (likelihood.slopes(logits + move, goal, shares)[0] for move in (step, -step))
        torch.testing.assert_close(slopes[:, :, output], shares * (above - below) / 2e-6, rtol=1e-4, atol=1e-5)
    for one in (0, 1):
        torch.testing.assert_close(likelihood.each(logits[:, one], goal), losses[:, one])


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_start_is_the_best_constant_of_each_problem(name):
    likelihood = LIKELIHOODS[name]
    goal = likelihood.goal(problem(name)[1])
    weights = torch.rand(90, 2, generator=torch.Generator().manual_seed(0))
    bias, spread = likelihood.start(goal, weights, 3)
    assert bias.shape == spread.shape == (2, 3)
    assert (spread > 0).all()
    if name in ("huber", "absolute"):
        return  # which begin at the mean, near enough
    for one in (0, 1):
        losses = [
            float((likelihood.each((bias[one] + move).expand(90, 3).clone(), goal) * weights[:, one]).sum())
            for move in (torch.zeros(3), *(0.3 * torch.eye(3)), *(-0.3 * torch.eye(3)))
        ]
        assert min(losses) == losses[0]


def solved(name, strength, tolerance=1e-9):
    features, targets = problem(name)
    basis = logistic.decompose(features)
    likelihood = LIKELIHOODS[name]
    found = logistic.solve(
        basis.scores,
        likelihood.goal(targets),
        torch.ones(90, 1),
        3,
        strength,
        tolerance=tolerance,
        likelihood=likelihood,
    )
    return basis.scores.numpy().astype(np.float64), targets, found


def test_squares_are_ridge_regression():
    scores, targets, found = solved("squares", 0.3)
    theirs = Ridge(alpha=0.3).fit(scores, targets)
    np.testing.assert_allclose(found.weight[0].numpy().T, theirs.coef_, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.bias[0].numpy(), theirs.intercept_, rtol=1e-3, atol=1e-3)


def test_sigmoids_are_one_logistic_regression_a_label():
    scores, targets, found = solved("sigmoid", 0.1)
    for one in range(3):
        theirs = LogisticRegression(C=10.0, tol=1e-8, max_iter=2000).fit(scores, targets[:, one])
        np.testing.assert_allclose(found.weight[0, :, one].numpy(), theirs.coef_[0], rtol=1e-2, atol=1e-2)
        np.testing.assert_allclose(found.bias[0, one].numpy(), theirs.intercept_[0], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", ["huber", "absolute"])
def test_robust_losses_are_at_their_minimum(name):
    scores, targets, found = solved(name, 0.1)

    def loss(at):
        error = scores @ at[:-1] + at[-1] - targets[:, 0]
        size = np.abs(error)
        each = (
            np.where(size <= HUBER, 0.5 * error**2, HUBER * (size - 0.5 * HUBER))
            if name == "huber"
            else np.sqrt(error**2 + ROUNDED**2) - ROUNDED
        )
        return each.sum() + 0.05 * np.square(at[:-1]).sum()

    ours = np.append(found.weight[0, :, 0].numpy(), found.bias[0, 0].numpy()).astype(np.float64)
    theirs = minimize(loss, np.zeros(len(ours)), method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-12})
    assert loss(ours) <= theirs.fun + 1e-3


@pytest.mark.parametrize("name", DENSE)
def test_all_folds_together_are_each_fold_alone(name):
    features, targets = problem(name)
    likelihood = LIKELIHOODS[name]
    scores, goal = logistic.decompose(features).scores, likelihood.goal(targets)
    kept = np.arange(90) % 3 != 0
    weights = torch.stack([torch.from_numpy(kept.astype(np.float32)), torch.ones(90)], 1)
    both = logistic.solve(scores, goal, weights.contiguous(), 3, 0.3, tolerance=1e-9, likelihood=likelihood)
    rows = torch.from_numpy(np.flatnonzero(kept))
    alone = logistic.solve(scores[rows], goal[rows], torch.ones(60, 1), 3, 0.3, tolerance=1e-9, likelihood=likelihood)
    torch.testing.assert_close(both.weight[0], alone.weight[0], rtol=1e-2, atol=1e-2)
