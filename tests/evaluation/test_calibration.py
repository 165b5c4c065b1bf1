"""Calibration: the temperature of least log loss, the error and its interval, the bins."""

import numpy as np
import pytest
from judged_cases import answers
from scipy.optimize import minimize_scalar

from graft.errors import DataError
from graft.evaluation.calibration import calibration_error, fit_temperature, log_loss_of, reliability


@pytest.mark.parametrize("scale", [0.2, 1.0, 7.0])
def test_the_temperature_is_where_scipy_finds_the_least_loss(scale):
    logits, targets = answers(3000, 5, skill=1.5)
    logits = logits * scale

    def penalised(log_t: float) -> float:
        return len(logits) * log_loss_of(logits, targets, np.exp(log_t)) + log_t**2 / 2

    theirs = np.exp(minimize_scalar(penalised, bounds=(-3, 3), method="bounded", options={"xatol": 1e-8}).x)
    assert fit_temperature(logits, targets) == pytest.approx(theirs, rel=1e-4)


def test_a_temperature_that_was_put_in_is_found():
    random = np.random.default_rng(0)
    logits = random.normal(size=(20_000, 4)) * 2
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (random.random((20_000, 1)) > shares.cumsum(axis=1)).sum(axis=1).clip(max=3)
    assert fit_temperature(logits * 3, targets) == pytest.approx(3.0, rel=0.03)


def test_a_model_that_is_never_wrong_keeps_a_finite_temperature():
    targets = np.arange(60) % 3
    found = fit_temperature(np.eye(3)[targets] * 4.0, targets)
    assert 0.1 < found < 1.0


def test_a_model_that_is_always_wrong_stays_within_bounds():
    targets = np.arange(60) % 3
    assert 1.0 < fit_temperature(np.eye(3)[(targets + 1) % 3] * 50.0, targets) <= 20.0


def test_too_few_examples_leave_the_temperature_alone():
    assert fit_temperature(*answers(9, 3)) == 1.0


def test_equal_logits_have_no_temperature():
    assert fit_temperature(np.zeros((50, 3)), np.zeros(50, int)) == pytest.approx(1.0)


def test_logits_that_are_no_numbers_are_refused():
    with pytest.raises(DataError, match="logits must be finite"):
        fit_temperature(np.full((20, 3), np.inf), np.zeros(20, int))


def test_the_error_is_the_weighted_gap_of_the_bins():
    confidence = np.array([0.91, 0.92, 0.58, 0.57, 0.56])
    right = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    expected = (abs(1 - 1.83) + abs(2 - 1.71)) / 5
    assert calibration_error(confidence, right).value == pytest.approx(expected)


def test_the_interval_reaches_zero_for_a_calibrated_model_and_not_for_a_boastful_one():
    random = np.random.default_rng(1)
    reached = 0
    for trial in range(60):
        confidence = random.beta(5, 1, 300)
        found = calibration_error(confidence, (random.random(300) < confidence).astype(float), seed=trial)
        reached += found.low == 0.0
    assert reached >= 55
    confidence = random.beta(9, 1, 600)
    found = calibration_error(confidence, (random.random(600) < confidence - 0.25).astype(float))
    assert found.low > 0.15
    assert found.low < found.value < found.high


def test_the_interval_holds_the_true_error():
    random = np.random.default_rng(2)
    sure = random.beta(5, 0.8, 400_000)
    truth = np.abs(np.bincount((sure * 15).astype(int).clip(max=14), sure**2 - sure)).sum() / len(sure)
    held = 0
    for trial in range(60):
        rows = random.integers(0, 400_000, 250)
        found = calibration_error(sure[rows], (random.random(250) < sure[rows] ** 2).astype(float), seed=trial)
        held += found.low <= truth <= found.high
    assert held >= 53


def test_forty_right_answers_do_not_prove_calibration():
    found = calibration_error(np.ones(40), np.ones(40))
    assert found.value == found.low == 0.0
    assert 0.05 < found.high < 0.12


def test_bins_hold_every_answer_once():
    confidence = np.array([0.0, 0.05, 0.1, 0.55, 0.999, 1.0])
    bins = reliability(confidence, np.ones(6))
    assert [one.accuracy.n for one in bins] == [2, 1, 1, 2]
    assert [(one.low, one.high) for one in bins][-1] == (0.9, 1.0)
    assert all(one.low <= one.confidence <= one.high for one in bins)


@pytest.mark.parametrize("n", [1000, 3000])
def test_drawing_groups_of_alike_answers_is_as_drawing_each(n):
    random = np.random.default_rng(n)
    confidence = random.beta(4, 1, n)
    right = (random.random(n) < confidence - 0.15).astype(float)
    found = calibration_error(confidence, right)
    place = np.minimum((confidence * 15).astype(int), 14)
    rows = random.integers(0, n, (4000, n))
    gaps = [np.bincount(place[one], (right - confidence)[one], minlength=15) for one in rows]
    draws = np.abs(gaps).sum(axis=1) / n
    plain = 2 * found.value - np.quantile(draws, (0.975, 0.025))
    assert found.low == pytest.approx(plain[0], abs=0.15 / np.sqrt(n))
    assert found.high >= plain[1] - 0.15 / np.sqrt(n)
