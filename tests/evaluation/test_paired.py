"""The paired test: equal to scipy's exact tests, one-sided, with an interval that holds the truth."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, permutation_test

from graft.errors import DataError
from graft.evaluation import paired_test


@pytest.mark.parametrize(("wins", "losses", "same"), [(8, 1, 40), (0, 0, 30), (3, 9, 100), (40, 22, 300), (5, 0, 0)])
def test_right_and_wrong_answers_get_the_exact_binomial_test(wins, losses, same):
    a = np.array([0] * wins + [1] * losses + [1] * same)
    b = np.array([1] * wins + [0] * losses + [1] * same)
    found = paired_test(a, b)
    exact = binomtest(wins, wins + losses, alternative="greater").pvalue if wins + losses else 1.0
    expected = exact - binom.pmf(wins, wins + losses, 0.5) / 2 if wins + losses else 1.0
    assert found.p_value == pytest.approx(expected)
    assert (found.wins, found.losses, found.n) == (wins, losses, len(a))
    assert found.difference.value == pytest.approx((wins - losses) / len(a))
    assert found.difference.low <= found.difference.value <= found.difference.high


def mean_gap(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
    return np.mean(b - a, axis=axis)


def test_few_real_scores_get_every_sign_flip():
    random = np.random.default_rng(0)
    a = random.normal(size=9)
    b = a + random.normal(0.4, 1, 9)
    theirs = permutation_test((a, b), mean_gap, permutation_type="samples", alternative="greater", n_resamples=1 << 9)
    assert paired_test(a, b).p_value == pytest.approx(theirs.pvalue)


def test_many_real_scores_get_random_sign_flips():
    random = np.random.default_rng(1)
    a = random.normal(size=150)
    b = a + random.normal(0.1, 1, 150)
    theirs = permutation_test(
        (a, b), mean_gap, permutation_type="samples", alternative="greater", n_resamples=9999, rng=random
    )
    found = paired_test(a, b)
    assert found.p_value == pytest.approx(theirs.pvalue, abs=0.02)
    assert found == paired_test(a, b)
    assert found.difference.value == pytest.approx((b - a).mean())


def test_equal_scores_say_nothing():
    scores = np.linspace(0, 1, 30)
    found = paired_test(scores, scores)
    assert found.p_value == 1.0
    assert (found.wins, found.losses) == (0, 0)


def test_chance_alone_passes_seldom():
    random = np.random.default_rng(2)
    passed = sum(paired_test(*(random.random((2, 120)) < 0.8).astype(float)).p_value < 0.05 for _ in range(600))
    assert passed / 600 < 0.06


def test_the_interval_holds_the_true_difference():
    random, held = np.random.default_rng(3), 0
    for _ in range(400):
        draw = random.random(100)
        a, b = draw < 0.8, (draw > 0.06) & (draw < 0.92)
        one = paired_test(a, b).difference
        held += one.low <= 0.06 <= one.high
    assert held / 400 > 0.92


def test_no_difference_at_all_still_has_an_interval():
    one = paired_test(np.ones(50), np.ones(50)).difference
    assert one.low < 0 < one.high


@pytest.mark.parametrize(("a", "b"), [([], []), ([1.0], [1.0, 0.0]), ([np.nan], [0.5]), ([[1.0]], [[1.0]])])
def test_scores_that_do_not_pair_are_refused(a, b):
    with pytest.raises(DataError, match="scores must be"):
        paired_test(np.array(a), np.array(b))
