"""What is carried over to a compressed model: the scale of its logits, held-out answers, and what it doubts."""

import numpy as np
import pytest

from graft.contract.suited import carried, moved, scaled
from graft.doubt.judging import Calibration
from graft.tasks.classification import Classification
from graft.tasks.regression import Regression

TASK = Classification(classes=("a", "b", "c"))


def logits(n=40):
    return np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)


def test_logits_of_twice_the_size_get_twice_the_temperature():
    given = logits()
    assert scaled(TASK, given, given, 1.5) == pytest.approx(1.5)
    assert scaled(TASK, given, 2 * given + 7, 1.5) == pytest.approx(3.0, rel=1e-3)


def test_logits_that_have_nothing_to_do_with_the_old_ones_are_trusted_in_nothing():
    other = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    assert scaled(TASK, logits(), -logits(), 1.0) == 20.0
    assert scaled(TASK, logits(), other, 1.0) > 3.0


def test_what_moved_numbers_is_added_to_their_error():
    given = np.zeros((5, 1), np.float32)
    assert scaled(Regression(), given, given + 0.4, 0.3) == pytest.approx(0.5)


def test_probabilities_move_by_their_log_odds():
    chances = np.array([0.6, 0.9], np.float32)
    same = np.array([0.99, 0.7])
    np.testing.assert_allclose(moved(chances, same, same), chances, rtol=1e-6)
    assert moved(chances, same, same - 0.2)[0] < 0.6
    assert moved(np.array([0.5]), np.array([0.5]), np.array([0.8]))[0] == pytest.approx(0.8)


def test_an_answer_that_changed_counts_as_wrong_and_rows_are_paired():
    known = Calibration(
        unlike=np.arange(3, dtype=np.float32),
        sure=np.array([0.9, 0.8, 0.7], np.float32),
        truth=np.array([0.9, 0.8, 0.1], np.float32),
        right=np.array([1, 1, 0], np.uint8),
    )
    before = np.array([[0.1, 0.8, 0.1], [0.7, 0.2, 0.1]])
    after = np.array([[0.1, 0.8, 0.1], [0.2, 0.7, 0.1]])
    found = carried(TASK, known, np.array([1, 0]), (before, after), np.array([1, 0]))
    assert found.right.tolist() == [1, 0]
    np.testing.assert_allclose(found.sure, [0.8, 0.9], rtol=1e-5)
    assert found.truth[0] == pytest.approx(0.8, rel=1e-5)
    assert found.truth[1] < 0.9
    assert found.unlike.tolist() == [1.0, 0.0]


def test_the_error_of_a_number_grows_by_as_much_as_it_moved():
    known = Calibration(np.zeros(2, np.float32), off=np.array([1.0, 2.0], np.float32))
    found = carried(None, known, np.arange(2), (np.array([[5.0], [5.0]]), np.array([[5.5], [4.0]])), np.zeros(2))
    np.testing.assert_allclose(found.off, [1.5, 3.0])
