"""Suspect labels: planted faults are found and ranked, clean data stay quiet."""

import numpy as np
import pytest

from graft import data
from graft.data.suspects import confident_conflicts
from graft.errors import DataError

CLASSES = ("cat", "dog", "owl")


def predicted(n=300, seed=0):
    """Return the probabilities of a good model, and the true classes."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    logits = rng.normal(0, 0.7, (n, 3))
    logits[np.arange(n), truth] += 4
    odds = np.exp(logits)
    return odds / odds.sum(1, keepdims=True), truth


def test_planted_faults_are_found_first():
    probabilities, truth = predicted()
    given = truth.copy()
    # The rule asks for as much confidence as a class has on average: take rows of which the model is sure.
    wrong = np.argsort(-probabilities.max(1))[:4]
    given[wrong] = (truth[wrong] + 1) % 3
    (found,) = data.suspect_labels(probabilities, given, CLASSES, [f"{row}.png" for row in range(300)])
    assert set(found.files) == {f"{row}.png" for row in wrong}
    rows = [int(file.partition(".")[0]) for file in found.files]
    assert found.details["given"] == [CLASSES[given[row]] for row in rows]
    assert found.details["suggested"] == [CLASSES[truth[row]] for row in rows]
    margins = np.subtract(found.details["probability"], found.details["given_probability"])
    assert (np.diff(margins) <= 1e-4).all() and margins.min() > 0
    assert found.details["probability"] == [round(float(probabilities[row, truth[row]]), 4) for row in rows]


def test_clean_labels_are_quiet():
    probabilities, truth = predicted()
    assert data.suspect_labels(probabilities, truth, CLASSES, [""] * 300) == ()


def test_the_confident_joint_by_hand():
    # Thresholds: class 0 (0.9 + 0.8 + 0.1) / 3 = 0.6; class 1 (0.6 + 0.45) / 2 = 0.525; class 2 has none.
    probabilities = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.1, 0.55, 0.35], [0.4, 0.6, 0], [0.55, 0.45, 0]])
    rows, suggested = confident_conflicts(probabilities, np.array([0, 0, 0, 1, 1]))
    assert rows.tolist() == [2] and suggested.tolist() == [1]


def test_an_unconfident_contradiction_is_none():
    # Row 1 leans to class 1, but less than class 1's own examples do.
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.05, 0.95]])
    assert not len(confident_conflicts(probabilities, np.array([0, 0, 1]))[0])


def test_arrays_that_do_not_fit():
    probabilities, truth = predicted(30)
    with pytest.raises(DataError, match=r"^The targets must be one class number a row\."):
        data.suspect_labels(probabilities, truth[:5], CLASSES, [""] * 30)
    with pytest.raises(DataError, match=r"^The targets must be one class number a row\."):
        data.suspect_labels(probabilities[:, :2], truth, CLASSES[:2], [""] * 30)
    with pytest.raises(DataError, match=r"^The probabilities must be \(sources, classes\)\."):
        data.suspect_labels(probabilities, truth, CLASSES, [""] * 3)
