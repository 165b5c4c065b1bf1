"""Numbers: standardised targets, criteria, ranges, and labels that make no task."""

import numpy as np
import pytest
import torch

from graft.errors import DataError
from graft.tasks.regression import Regression
from graft.training import likelihood

LABELS = [repr(float(one)) for one in np.random.default_rng(0).normal(1000, 30, 200)]


def test_targets_are_standardised_and_come_back():
    task = Regression.learn(LABELS)
    targets = task.targets(LABELS)
    assert targets.shape == (200, 1)
    assert targets.dtype == np.float32
    assert targets.mean() == pytest.approx(0, abs=1e-4)
    assert targets.std() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(task.values(targets), [float(one) for one in LABELS], rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_whole_numbers_of_a_unit_come_back_as_such(unit):
    labels = [repr(number * unit) for number in range(10)]
    task = Regression.learn(labels)
    assert [f"{one:.6g}" for one in task.values(task.targets(labels))] == [
        f"{number * unit:.6g}" for number in range(10)
    ]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], "none"),
        (["2", "2.0"], "2 labels of 2"),
        (["1", None], "none"),
        (["1", "two"], "'two'"),
        (["1", "inf"], "'inf'"),
        (["1", "nan"], "'nan'"),
    ],
)
def test_labels_that_make_no_task(labels, said):
    with pytest.raises(DataError, match=rf"must be .*Got .*{said}"):
        Regression.learn(labels)


def test_settings_outlive_what_is_learned():
    task = Regression(criterion="huber").taught(LABELS)
    assert task.criterion == "huber"
    assert task.centre == pytest.approx(1000, abs=10)


def test_the_criteria_differ_in_what_far_off_labels_weigh():
    logits, targets = torch.zeros(4, 1), torch.tensor([[0.1], [0.1], [0.1], [9.0]])
    found = {
        one: Regression(criterion=one).loss(logits, targets, label_smoothing=0.0, weights=None).item()
        for one in ("mse", "mae", "huber")
    }
    assert found["mse"] == pytest.approx(0.5 * (3 * 0.01 + 81) / 4)
    assert found["mae"] == pytest.approx((0.3 + 9) / 4)
    assert found["huber"] < found["mae"] < found["mse"]


def test_huber_bends_where_the_linear_models_does():
    from graft.tasks import regression

    assert regression.HUBER == likelihood.HUBER


def test_item_scores_add_up_to_r2():
    task = Regression.learn(LABELS)
    targets = task.targets(LABELS)
    said = targets + np.random.default_rng(1).normal(0, 0.5, targets.shape)
    expected = 1 - np.square(said - targets).mean() / targets.var()
    assert task.item_scores(said, targets).mean() == pytest.approx(expected, abs=1e-3)


def test_an_answer_has_a_range():
    task = Regression.learn(LABELS)
    (answer,) = task.answers(np.array([[1.0]], np.float32), 0.5)
    assert answer.told["value"] == pytest.approx(task.centre + task.scale)
    assert answer.told["high"] - answer.told["value"] == pytest.approx(1.959964 * 0.5 * task.scale)
    assert answer.told["value"] - answer.told["low"] == pytest.approx(task.half_width(0.5))


def test_mistakes_are_outside_of_the_range():
    task = Regression.learn(LABELS)
    targets = task.targets(LABELS)
    said = targets.copy()
    said[[3, 7]] += np.array([[5.0], [-9.0]], np.float32)
    said[9] += 0.1
    assert [one.row for one in task.mistakes(said, targets, 0.5, 5)] == [7, 3]


def test_strata_are_tenths():
    targets = Regression.learn(LABELS).targets(LABELS)
    strata = Regression().strata(targets)
    assert np.bincount(strata).tolist() == [20] * 10
    assert targets[strata == 0].max() <= targets[strata == 1].min()
