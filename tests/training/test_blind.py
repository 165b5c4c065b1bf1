"""Answers that their epoch's choice did not see: no luck in them, and the right epoch where there is a right one."""

import numpy as np

from graft.training.blind import Blind


def judge(logits, targets):
    return float((logits.argmax(1) == targets).mean()), 0.0


def blind(targets, epochs, seed=0):
    found = Blind(targets, judge, seed)
    for logits in epochs:
        found.see(logits)
    return found


def test_luck_is_not_taken_for_skill():
    random = np.random.default_rng(0)
    lucky, honest = [], []
    for seed in range(60):
        targets = random.integers(0, 4, 120)
        epochs = [random.normal(size=(120, 4)) for _ in range(10)]
        lucky.append(max(judge(one, targets)[0] for one in epochs))
        honest.append(judge(blind(targets, epochs, seed).logits, targets)[0])
    assert np.mean(lucky) > 0.29
    assert abs(np.mean(honest) - 0.25) < 0.015


def test_an_epoch_that_is_best_for_all_answers_for_all():
    targets = np.arange(40) % 4
    right = np.eye(4)[targets]
    wrong = np.eye(4)[(targets + 1) % 4]
    assert (blind(targets, [wrong, right, wrong]).logits == right).all()


def test_no_row_has_a_say_in_its_own_epoch():
    random = np.random.default_rng(1)
    targets = random.integers(0, 3, 50)
    epochs = [random.normal(size=(50, 3)) for _ in range(6)]
    before = blind(targets, epochs).logits
    for row in range(50):
        other = [one.copy() for one in epochs]
        other[4][row] = 9 * np.eye(3)[targets[row]]
        after = blind(targets, other).logits
        came_from = {number for number, one in enumerate(epochs) if (before[row] == one[row]).all()}
        now_from = {number for number, one in enumerate(other) if (after[row] == one[row]).all()}
        assert came_from == now_from


def test_one_row_is_answered_by_its_best_epoch():
    targets = np.array([1])
    assert judge(blind(targets, [np.eye(2)[[0]], np.eye(2)[[1]]]).logits, targets)[0] == 1
