"""The metrics of numbers: values are scikit-learn's and SciPy's, intervals hold the truth, odd cases are told."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from graft.errors import DataError, UnknownNameError
from graft.evaluation import calibrate, evaluate
from graft.evaluation.calibration import fit_error_size
from graft.evaluation.numbers import Numbers, coverage, mae, r2, rmse, spearman
from graft.tasks.regression import Regression

TASK = Regression(centre=50.0, scale=10.0)


def answers(n=200, noise=0.5, seed=0):
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=n)
    said = truth + draw.normal(0, noise, n)
    return said.astype(np.float32)[:, None], truth.astype(np.float32)[:, None]


def numbers(n=200, noise=0.5, seed=0):
    said, truth = answers(n, noise, seed)
    return Numbers(truth[:, 0].astype(np.float64), said[:, 0].astype(np.float64), 1.96 * noise)


def test_values_are_those_of_other_libraries():
    given = numbers()
    assert r2(given).value == pytest.approx(r2_score(given.truth, given.said))
    assert mae(given).value == pytest.approx(mean_absolute_error(given.truth, given.said))
    assert rmse(given).value == pytest.approx(root_mean_squared_error(given.truth, given.said))
    assert spearman(given).value == pytest.approx(spearmanr(given.truth, given.said).statistic)
    assert coverage(given).value == pytest.approx(np.mean(np.abs(given.errors) <= 0.98))


@pytest.mark.parametrize("metric", [r2, mae, rmse, spearman])
def test_intervals_hold_the_true_value_about_as_often_as_they_say(metric):
    true = metric(numbers(100_000, seed=99)).value
    held = sum(one.low <= true <= one.high for one in (metric(numbers(80, seed=seed)) for seed in range(60)))
    assert held >= 51


def test_an_interval_is_around_its_value():
    for given in (numbers(), numbers(5), numbers(3), numbers(noise=0.0)):
        for metric in (r2, mae, rmse, spearman, coverage):
            found = metric(given)
            assert found.low <= found.value <= found.high
            assert found.n == len(given.truth)
            assert np.isfinite([found.low, found.high]).all()


def test_perfect_ranks_of_few_items_prove_little():
    assert spearman(numbers(8, noise=0.0)).low < 0.99
    assert spearman(numbers(3, noise=0.0)).low == -1


def test_what_is_not_defined_is_none():
    flat = Numbers(np.ones(9), np.arange(9.0), 1.0)
    assert r2(flat) is None
    assert spearman(flat) is None
    assert spearman(Numbers(np.arange(9.0), np.ones(9), 1.0)) is None
    found = evaluate(TASK, np.zeros((9, 1)), np.ones((9, 1)))
    assert "r2" not in found.metrics
    assert any("R2 is left out: all numbers are the same" in note for note in found.notes)


def test_the_error_size_holds_95_of_100():
    said, truth = answers(5000)
    assert fit_error_size(said, truth) == pytest.approx(0.5, rel=0.05)
    assert calibrate("number", said, truth) == fit_error_size(said, truth)
    with pytest.raises(DataError, match="must be finite"):
        fit_error_size(np.full((5, 1), np.nan), np.zeros((5, 1)))


def test_the_whole_evaluation_is_in_the_unit_of_the_labels():
    said, truth = answers(300)
    found = evaluate(TASK, said, truth, temperature=0.5)
    assert list(found.metrics) == ["r2", "mae", "rmse", "spearman", "coverage"]
    assert found["mae"].value == pytest.approx(10 * np.abs(said - truth).mean(), rel=1e-4)
    assert found.half_width == pytest.approx(1.96 * 0.5 * 10, rel=1e-3)
    assert len(found.pairs) == 300
    assert found.pairs[0] == pytest.approx((50 + 10 * truth[0, 0], 50 + 10 * said[0, 0]), rel=1e-5)
    assert found.per_class == found.confusion == found.reliability == ()
    assert "Mean absolute error" in str(found)


def test_many_numbers_are_thinned_for_the_chart_alone():
    found = evaluate(TASK, *answers(2000))
    assert found.n == found["r2"].n == 2000
    assert 300 < len(found.pairs) <= 400


def test_metrics_of_another_task_are_unknown():
    with pytest.raises(UnknownNameError, match="metric must be a known name"):
        evaluate(TASK, *answers(), names=["accuracy"])


@pytest.mark.parametrize(
    ("logits", "targets"),
    [
        (np.zeros((4, 2)), np.zeros((4, 1))),
        (np.zeros((4, 1)), np.zeros(4)),
        (np.zeros((0, 1)), np.zeros((0, 1))),
        (np.full((4, 1), np.inf), np.zeros((4, 1))),
    ],
)
def test_what_cannot_be_judged_is_refused(logits, targets):
    with pytest.raises(DataError, match=r"must be .* Got .*"):
        evaluate(TASK, logits, targets)
