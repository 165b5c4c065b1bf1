"""The scikit-learn face for numbers: its own checks, and cross-validation over pictures and ready features."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import quick_fit
from graft import Regressor

TINY = {"backbone": "test_efficientnet", "weights": "random", "augment": "none"}


@pytest.fixture(autouse=True)
def threads():
    with quick_fit.one_thread():
        yield


@parametrize_with_checks([Regressor()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def make_pictures(n=40, seed=0):
    """Return pictures (n, 24, 24, 3) uint8 and how bright each one is."""
    draw = np.random.default_rng(seed)
    level = draw.uniform(30, 220, n)
    pixels = level[:, None, None, None] + draw.normal(0, 8, (n, 24, 24, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8), level


def test_pictures():
    pictures, level = make_pictures()
    model = Regressor(**TINY).fit(pictures[:30], level[:30])
    assert model.score(pictures[30:], level[30:]) > 0.7
    assert model.model_.manifest["task"]["name"] == "regression"
    assert model.predict(list(pictures[:2])).dtype == np.float64


def test_ready_features_are_as_good_as_ridge_regression():
    draw = np.random.default_rng(0)
    features = draw.normal(size=(120, 30))
    numbers = 500 + 20 * (features @ draw.normal(size=30) + draw.normal(size=120))
    ours = cross_val_score(Regressor(), features, numbers, cv=4).mean()
    assert ours > cross_val_score(RidgeCV(np.logspace(-3, 3, 13)), features, numbers, cv=4).mean() - 0.02


def test_one_number_alone_is_what_is_said():
    model = Regressor().fit(np.random.default_rng(0).normal(size=(9, 3)), np.full(9, 7.5))
    np.testing.assert_allclose(model.predict(np.zeros((2, 3))), 7.5)


def test_robust_criteria_forgive_wrong_numbers():
    draw = np.random.default_rng(0)
    features = draw.normal(size=(80, 5))
    clean = features @ np.arange(5.0)
    wrong = clean.copy()
    wrong[:8] += 300
    errors = {
        one: np.abs(Regressor(criterion=one).fit(features, wrong).predict(features[8:]) - clean[8:]).mean()
        for one in ("mse", "mae", "huber")
    }
    assert errors["mae"] < 0.5 * errors["mse"]
    assert errors["huber"] < 0.5 * errors["mse"]


def test_what_makes_no_task_is_refused():
    pictures, level = make_pictures(6)
    with pytest.raises(ValueError, match="as long as X"):
        Regressor(**TINY).fit(list(pictures), level[:5])
    with pytest.raises(ValueError, match="criterion"):
        Regressor(criterion="mad").fit(np.zeros((4, 2)), np.arange(4.0))
    with pytest.raises(NotFittedError):
        Regressor().predict(pictures)
    assert clone(Regressor(criterion="mae")).criterion == "mae"
