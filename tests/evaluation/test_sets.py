"""The metrics of sets of labels: values are scikit-learn's, intervals are sane, labels without examples are told."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, precision_recall_fscore_support

from graft.errors import DataError
from graft.evaluation import calibrate, evaluate
from graft.evaluation.metrics import METRICS
from graft.evaluation.sets import Sets, mean_average_precision
from graft.tasks.multilabel import Multilabel

TASK = Multilabel(classes=("a", "b", "c", "d"))


def answers(n=150, labels=4, skill=2.0, seed=0):
    """Return logits (n, labels) and targets (n, labels), later labels rarer."""
    draw = np.random.default_rng(seed)
    targets = (draw.random((n, labels)) < np.linspace(0.6, 0.15, labels)).astype(np.float32)
    logits = skill * (2 * targets - 1) + draw.normal(0, 2, (n, labels))
    return logits.astype(np.float32), targets


def test_values_are_scikit_learns():
    logits, targets = answers()
    said = (logits >= 0).astype(int)
    found = evaluate(TASK, logits, targets)
    assert tuple(found.metrics) == Multilabel.metrics
    assert found["item_f1"].value == pytest.approx(f1_score(targets, said, average="samples", zero_division=1.0))
    assert found["micro_f1"].value == pytest.approx(f1_score(targets, said, average="micro"))
    assert found["macro_f1"].value == pytest.approx(f1_score(targets, said, average="macro"))
    assert found["exact_match"].value == pytest.approx(accuracy_score(targets, said))
    chances = TASK.probabilities(logits)
    assert found["mean_average_precision"].value == pytest.approx(average_precision_score(targets, chances))


def test_equal_probabilities_share_a_place_as_in_scikit_learn():
    draw = np.random.default_rng(0)
    truth, chances = draw.integers(0, 2, (60, 3)), draw.integers(0, 4, (60, 3)) / 4
    found = mean_average_precision(Sets(truth, (chances > 0.4).astype(int), chances))
    assert found.value == pytest.approx(average_precision_score(truth, chances))


def test_labels_one_by_one_are_scikit_learns():
    logits, targets = answers()
    found = evaluate(TASK, logits, targets).per_class
    precision, recall, f1, support = precision_recall_fscore_support(targets, logits >= 0)
    assert [one.precision.value for one in found] == pytest.approx(precision)
    assert [one.recall.value for one in found] == pytest.approx(recall)
    assert [one.f1.value for one in found] == pytest.approx(f1)
    assert [one.support for one in found] == list(support)


@pytest.mark.parametrize("metric", Multilabel.metrics)
def test_intervals_hold_the_true_value_about_as_often_as_they_say(metric):
    def measured(n, seed):
        logits, targets = answers(n, seed=seed)
        said = (logits >= 0).astype(np.int64)
        return METRICS[metric](Sets(targets.astype(np.int64), said, TASK.probabilities(logits)))

    true = (
        measured(30_000, 99).value
        if metric != "mean_average_precision"
        else np.mean(
            [average_precision_score(*(given[:, one] for given in answers(30_000, seed=99)[::-1])) for one in range(4)]
        )
    )
    held = sum(one.low <= true <= one.high for one in (measured(100, seed) for seed in range(30)))
    assert held >= 24


def test_labels_without_an_example_are_told_and_left_out():
    logits, targets = answers(40)
    targets[:, 3] = 0
    found = evaluate(TASK, logits, targets)
    assert np.isfinite(found["mean_average_precision"].value)
    assert any("1 class has no example here" in note and "'d'" in note for note in found.notes)
    empty = evaluate(TASK, np.full((5, 4), -3.0), np.zeros((5, 4)))
    assert empty["exact_match"].value == empty["item_f1"].value == 1
    assert "micro_f1" not in empty.metrics
    assert any("Mean average precision is left out" in note for note in empty.notes)


def test_reliability_is_over_all_labels():
    logits, targets = answers()
    found = evaluate(TASK, logits, targets, temperature=2.0)
    assert sum(one.accuracy.n for one in found.reliability) == 150 * 4
    assert found.reliability != found.reliability_raw
    assert min(one.low for one in found.reliability) >= 0.5


def test_the_temperature_undoes_what_was_multiplied():
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 2, (4000, 3))
    targets = (draw.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    assert calibrate("set", logits, targets) == pytest.approx(1.0, rel=0.05)
    assert calibrate("set", 3 * logits, targets) == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize(
    "targets", [np.zeros(150), np.zeros((150, 3)), np.full((150, 4), 2.0), np.full((150, 4), -1.0)]
)
def test_what_cannot_be_judged_is_refused(targets):
    with pytest.raises(DataError, match=r"must be .* Got .*"):
        evaluate(TASK, answers()[0], targets)
