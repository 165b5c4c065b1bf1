"""Intervals: equal to scipy's where it has them, and holding the truth as often as they say."""

import numpy as np
import pytest
from scipy.stats import binomtest

from graft.evaluation import intervals
from graft.evaluation.intervals import bias_corrected, bootstrap_mean, mean_of_shares, resamples, wilson, wilson_limits


@pytest.mark.parametrize(("hits", "trials"), [(0, 1), (1, 1), (0, 30), (30, 30), (7, 20), (321, 372), (1, 10_000)])
def test_wilson_is_that_of_scipy(hits, trials):
    one, theirs = wilson(hits, trials), binomtest(hits, trials).proportion_ci(method="wilson")
    assert (one.value, one.n) == (hits / trials, trials)
    assert one.low == pytest.approx(theirs.low, abs=1e-12)
    assert one.high == pytest.approx(theirs.high, abs=1e-12)


def test_a_share_of_nothing_says_nothing():
    assert (wilson(0, 0).low, wilson(0, 0).high, wilson(0, 0).n) == (0.0, 1.0, 0)


def test_wilson_holds_the_truth_about_95_times_in_100():
    hits = np.random.default_rng(0).binomial(80, 0.9, 20_000)
    low, high = wilson_limits(hits, np.full(20_000, 80))
    assert 0.93 < np.mean((low <= 0.9) & (high >= 0.9)) < 0.97


def test_a_mean_of_perfect_shares_still_has_an_interval():
    ones = np.ones(4)
    low, high = mean_of_shares(ones, wilson_limits(10 * ones, 10 * ones)[0], ones)
    assert high == 1.0
    # Four classes of ten say more than ten trials, less than forty with equal weight would not: between the two.
    assert wilson(10, 10).low < low < wilson(40, 40).low + 0.06


def test_resamples_are_decided_by_the_seed_and_drawn_in_blocks():
    blocks = list(resamples(3000, 7))
    assert sum(len(one) for one in blocks) == 1000
    assert max(one.size for one in blocks) <= 1 << 20
    again = list(resamples(3000, 7))
    assert all(np.array_equal(a, b) for a, b in zip(blocks, again, strict=True))
    assert not np.array_equal(blocks[0], next(resamples(3000, 8)))


def test_bias_correction_leaves_symmetric_draws_alone_and_moves_lopsided_ones():
    draws = np.random.default_rng(0).normal(0, 1, 100_001)
    low, high = bias_corrected(float(np.median(draws)), draws)
    assert (low, high) == pytest.approx((-1.96, 1.96), abs=0.03)
    shifted = bias_corrected(0.5, draws)
    assert shifted[0] > low + 0.5
    assert shifted[1] > high + 0.5


def test_the_bootstrap_of_a_mean_is_close_to_its_normal_interval():
    items = np.random.default_rng(3).exponential(1.0, 2000)
    one, error = bootstrap_mean(items, 0), items.std() / np.sqrt(2000)
    assert one.value == items.mean()
    assert one.low == pytest.approx(one.value - 1.96 * error, abs=0.4 * error)
    assert one.high == pytest.approx(one.value + 1.96 * error, abs=0.4 * error)


def test_resamples_that_are_kept_are_those_that_would_be_drawn(monkeypatch):
    kept = list(intervals.resamples(700, 3))
    assert sum(map(len, kept)) == intervals.RESAMPLES and len(kept) > 1
    assert not any(one.flags.writeable for one in kept)
    monkeypatch.setattr(intervals, "KEPT", 0)
    drawn = list(intervals.resamples(700, 3))
    assert all(np.array_equal(one, other) for one, other in zip(kept, drawn, strict=True))
    often = np.concatenate(list(intervals.often_in_resamples(700, 3)))
    assert np.array_equal(often[0], np.bincount(drawn[0][0], minlength=700))
