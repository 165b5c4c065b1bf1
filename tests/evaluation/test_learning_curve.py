"""The learning curve: nested stratified subsets, a curve that is found again, sentences that fit."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from judged_cases import curve_of

from graft.errors import DataError
from graft.evaluation.learning_curve import _fit, _sentence, learning_curve
from graft.types import Estimate


def blobs(n: int, classes: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, n)
    return random.normal(size=(n, 16)) + random.normal(size=(classes, 16))[targets] * apart, targets


def test_smaller_training_sets_are_parts_of_larger_ones_and_hold_every_class():
    _, targets = blobs(300, 5, 0.5)
    calls = []

    def spy(train, asked):
        calls.append((train, asked))
        return [np.zeros((len(rows), 5)) for rows in asked]

    learning_curve(targets, spy)
    assert len(calls) == 5
    for fold in range(5):
        mine = [(train[fold], asked[fold]) for train, asked in calls]
        assert len({tuple(asked) for _, asked in mine}) == 1
        for (small, asked), (large, _) in pairwise(mine):
            assert set(small) < set(large)
            assert not set(large) & set(asked)
            assert set(targets[small]) == set(range(5))
    assert sorted(np.concatenate(calls[0][1])) == list(range(300))


def test_answers_that_are_known_are_not_asked_for_again():
    _, targets = blobs(200, 4, 0.5)
    fold, logits = np.arange(200) % 4, np.eye(4)[np.where(np.arange(200) < 150, targets, (targets + 1) % 4)]
    shares = []

    def spy(train, asked):
        shares.append(len(train[0]))
        assert [set(rows % 4) for rows in asked] == [{0}, {1}, {2}, {3}]
        return [np.zeros((len(rows), 4)) for rows in asked]

    curve = learning_curve(targets, spy, held_out=(fold, logits))
    assert len(shares) == 4
    assert max(shares) < 100
    assert curve.points[-1].accuracy.value == 0.75
    assert curve.points[-1].labels == 150


def test_points_carry_their_accuracy_and_more_labels_help_where_they_do():
    curve = curve_of(*blobs(400, 6, 0.5))
    assert [one.accuracy.n for one in curve.points] == [400] * 5
    assert curve.points[-1].labels == 320
    assert curve.points[0].accuracy.value < curve.points[-1].accuracy.value
    assert curve.ahead == 800
    assert curve.expected.low <= curve.expected.value <= curve.expected.high
    assert curve.at(800) == pytest.approx(curve.expected.value)
    assert curve.at(800) >= curve.at(400) >= curve.at(200)
    assert "800 labels instead of 400" in curve.sentence


def test_a_task_that_is_learned_already_needs_no_more_labels():
    curve = curve_of(*blobs(400, 3, 3.0))
    assert "would hardly help" in curve.sentence


def test_the_seed_decides():
    data = blobs(120, 3, 0.6)
    assert curve_of(*data) == curve_of(*data)
    assert curve_of(*data) != curve_of(*data, seed=1)


def test_a_power_law_that_was_put_in_is_found():
    labels = np.array([50, 100, 200, 400, 800.0])
    error = 0.08 + 2.0 * labels**-0.7
    a, b, c = (one[0] for one in _fit(error[None], labels, 5000))
    assert a + b * 3200.0**-c == pytest.approx(0.08 + 2.0 * 3200.0**-0.7, abs=1e-6)
    assert c == pytest.approx(0.7)


def test_a_falling_curve_is_not_continued_downwards():
    labels = np.array([50, 100, 200.0])
    _, b, _ = _fit(np.array([[0.2, 0.25, 0.3]]), labels, 300)
    assert b[0] == 0.0


@pytest.mark.parametrize(
    ("gain", "start"),
    [
        (Estimate(0.03, 0.01, 0.05, 9), "More labels would help"),
        (Estimate(0.01, 0.0, 0.04, 9), "More labels may help"),
        (Estimate(0.002, 0.0, 0.006, 9), "More labels of the same kind would hardly help"),
    ],
)
def test_the_sentence_fits_the_gain(gain, start):
    assert _sentence(100, 200, 0.8, Estimate(0.8, 0.7, 0.9, 9), gain).startswith(start)


def test_few_examples_are_not_extrapolated():
    curve = curve_of(*blobs(12, 3, 1.0))
    assert curve.expected is None
    assert "too few" in curve.sentence
    with pytest.raises(ValueError, match="too few"):
        curve.at(100)


def test_one_class_is_refused():
    with pytest.raises(DataError, match="2 classes"):
        curve_of(np.zeros((9, 2)), np.zeros(9, int))


def test_of_many_examples_two_folds_are_asked(monkeypatch):
    monkeypatch.setattr(sys.modules[learning_curve.__module__], "MANY", 300)
    curve = curve_of(*blobs(400, 6, 0.5))
    assert [one.accuracy.n for one in curve.points] == [160] * 5
    assert curve.points[-1].labels == 320
    assert curve.ahead == 800
    assert "800 labels instead of 400" in curve.sentence
