"""Metrics: values equal to scikit-learn's, intervals that hold the truth, and none where there is none."""

import numpy as np
import pytest
from judged_cases import answers
from scipy.special import softmax
from sklearn import metrics as theirs

from graft.evaluation.metrics import METRICS, TITLES, Answers, confusion_matrix, f1_limits, roc_auc


def seen(logits: np.ndarray, targets: np.ndarray, seed: int = 0) -> Answers:
    probabilities = softmax(logits.astype(np.float64), axis=1)
    return Answers(targets, logits.argmax(axis=1), probabilities, probabilities, seed)


@pytest.mark.parametrize(("n", "classes"), [(40, 2), (300, 10), (700, 77), (400, 150)])
def test_values_are_those_of_scikit_learn(n, classes):
    logits, targets = answers(n, classes)
    one = seen(logits, targets)
    shares, said = one.probabilities, one.predicted
    expected = {
        "accuracy": theirs.accuracy_score(targets, said),
        "balanced_accuracy": theirs.balanced_accuracy_score(targets, said),
        "macro_f1": theirs.f1_score(targets, said, average="macro"),
        "log_loss": theirs.log_loss(targets, shares, labels=range(classes)),
        "roc_auc": theirs.roc_auc_score(targets, shares[:, 1] if classes == 2 else shares, multi_class="ovr"),
    }
    for name, value in expected.items():
        found = METRICS[name](one)
        assert found.value == pytest.approx(value, abs=1e-9), name
        assert found.low <= found.value <= found.high, name
        assert found.low < found.high, name
        assert found.n == n


def test_per_class_f1_and_confusions_are_those_of_scikit_learn():
    logits, targets = answers(200, 6, skill=1.0)
    said = logits.argmax(axis=1)
    matrix = confusion_matrix(targets, said, 6)
    assert np.array_equal(matrix, theirs.confusion_matrix(targets, said, labels=range(6)))
    value, low, high = f1_limits(matrix)
    assert value == pytest.approx(theirs.f1_score(targets, said, average=None))
    assert (low < value).all()
    assert (value < high).all()


def test_absent_classes_are_left_out_of_the_means():
    logits, targets = answers(100, 5)
    kept = targets < 3
    one = seen(logits[kept], targets[kept])
    with pytest.warns(UserWarning, match="not in y_true"):
        balanced = theirs.balanced_accuracy_score(one.targets, one.predicted)
    areas = [theirs.roc_auc_score(one.targets == c, one.probabilities[:, c]) for c in range(3)]
    assert METRICS["balanced_accuracy"](one).value == pytest.approx(balanced)
    assert roc_auc(one).value == pytest.approx(np.mean(areas))
    assert roc_auc(seen(logits[targets == 0], targets[targets == 0])) is None


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "macro_f1", "roc_auc"])
def test_thirty_right_answers_do_not_prove_perfection(name):
    targets = np.arange(30) % 3
    found = METRICS[name](seen(np.eye(3, dtype=np.float32)[targets] * 9, targets))
    assert found.value == 1.0
    assert found.high == 1.0
    assert 0.7 < found.low < 0.96


@pytest.mark.parametrize("name", ["balanced_accuracy", "macro_f1", "log_loss", "roc_auc"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(name):
    logits, targets = answers(60_000, 4, skill=1.2, seed=9)
    truth = METRICS[name](seen(logits[:20_000], targets[:20_000])).value
    held = 0
    for trial in range(100):
        rows = slice(20_000 + 200 * trial, 20_200 + 200 * trial)
        found = METRICS[name](seen(logits[rows], targets[rows], trial))
        held += found.low <= truth <= found.high
    assert held >= 89


def test_the_seed_decides_the_bootstrap():
    logits, targets = answers(120, 4)
    first, same, other = (METRICS["log_loss"](seen(logits, targets, seed)) for seed in (0, 0, 1))
    assert first == same
    assert first != other


def test_every_metric_has_a_title():
    assert set(METRICS) == set(TITLES)
