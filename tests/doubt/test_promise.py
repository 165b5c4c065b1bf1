"""The promises hold over many draws: errors among accepted answers, coverage of sets and ranges."""

import numpy as np
import pytest
from scipy.stats import beta, binom

from graft.doubt import sets
from graft.doubt.promise import CERTAINTY, Promise, fewest, promise, upper

DRAWS = 300


def answers(draw, n, floor=0.6):
    """Return probabilities (n,), and answers that are right with a chance from ``floor`` to 1 that rises with them."""
    sure = draw.uniform(0.3, 1, n)
    return sure, (draw.random(n) < chance(sure, floor)).astype(np.uint8)


def chance(sure, floor):
    return floor + (1 - floor) * np.minimum(1, (sure - 0.3) / 0.4)


def test_the_limit_is_that_of_clopper_and_pearson():
    assert upper(3, 50, 0.05) == pytest.approx(beta.ppf(0.95, 4, 47))
    assert binom.cdf(3, 50, upper(3, 50, 0.05)) == pytest.approx(0.05)
    assert upper(5, 5, 0.05) == 1.0


@pytest.mark.parametrize(("share", "n", "floor"), [(0.05, 600, 0.6), (0.1, 300, 0.7), (0.02, 2000, 0.5)])
def test_accepted_answers_are_wrong_no_more_often_than_promised(share, n, floor):
    draw, broken, given = np.random.default_rng(0), 0, []
    grid = np.linspace(0.3, 1, 20_001)
    for _ in range(DRAWS):
        found = promise(*answers(draw, n, floor), share)
        if found.threshold is None:
            continue
        given.append(found.accepted / n)
        broken += 1 - chance(grid[grid >= found.threshold], floor).mean() > share
    # Broken promises are at most as many as 1 - CERTAINTY allows, within what chance does to a count of 300.
    assert broken <= binom.ppf(0.999, DRAWS, 1 - CERTAINTY)
    assert len(given) > 0.9 * DRAWS
    assert np.mean(given) > 0.5


def test_the_threshold_is_one_that_the_answers_have_and_the_counts_are_right():
    sure, right = answers(np.random.default_rng(4), 800)
    found = promise(sure, right, 0.05)
    taken = sure >= found.threshold
    assert (found.n, found.accepted, found.wrong) == (800, taken.sum(), (1 - right[taken]).sum())
    assert found.wrong / found.accepted < found.bound <= 0.05
    assert Promise.from_json(found.to_json()) == found
    assert f"{found.accepted} of 800" in found.sentence()


def test_a_model_that_is_never_wrong_accepts_all_and_one_that_always_is_none():
    sure = np.linspace(0.5, 1, 200)
    assert promise(sure, np.ones(200), 0.05).accepted == 200
    none = promise(sure, np.zeros(200), 0.05)
    assert (none.threshold, none.accepted, none.bound) == (None, 0, None)
    assert "no threshold was found on 200" in none.sentence()


def test_too_few_answers_cannot_promise_and_say_so():
    need = fewest(0.05)
    assert promise(np.ones(need), np.ones(need), 0.05).accepted == need
    short = promise(np.ones(need - 1), np.ones(need - 1), 0.05)
    assert short.threshold is None
    assert f"{need - 1} held-out answers are too few, it takes {need}" in short.sentence()
    assert promise(np.zeros(0), np.zeros(0), 0.05).threshold is None


def test_equal_probabilities_are_accepted_together():
    sure = np.repeat([0.9, 0.6], 150)
    right = np.concatenate([np.ones(150), np.zeros(150)])
    found = promise(sure, right, 0.05)
    assert (found.threshold, found.accepted) == (0.9, 150)


@pytest.mark.parametrize(("share", "n"), [(0.1, 99), (0.05, 400), (0.3, 20)])
def test_a_new_score_exceeds_the_quantile_as_often_as_asked(share, n):
    draw = np.random.default_rng(1)
    above = sum(draw.exponential() > sets.quantile(draw.exponential(size=n), share) for _ in range(4000))
    # Exactly between share - 1 / (n + 1) and share, on average over draws.
    assert binom.ppf(0.001, 4000, share - 1 / (n + 1)) <= above <= binom.ppf(0.999, 4000, share)


def test_a_quantile_of_too_few_is_infinite():
    assert sets.quantile(np.arange(18.0), 0.05) == np.inf
    assert sets.quantile(np.arange(19.0), 0.05) == 18.0
    assert sets.quantile(np.zeros(0), 0.5) == np.inf
    assert sets.least(np.full(5, 0.9), 0.01) == 0.0


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_sets_hold_the_truth_as_often_as_asked(share):
    draw, held, sizes = np.random.default_rng(2), [], []
    for _ in range(200):
        logits = draw.normal(size=(400, 6)) * 2
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        truth = (chances.cumsum(axis=1) > draw.random((400, 1))).argmax(axis=1)
        level = sets.least(chances[np.arange(200), truth[:200]], share)
        inside = sets.members(chances[200:], level)
        held.append(inside[np.arange(200), truth[200:]].mean())
        sizes.append(inside.sum(axis=1).mean())
        assert inside.any(axis=1).all()
    # The most probable class is always in, so sets may hold the truth more often than asked.
    assert np.mean(held) > 1 - share - 3 * np.std(held) / np.sqrt(200)
    assert np.mean(sizes) < 5
