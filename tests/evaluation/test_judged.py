"""``evaluate``: the whole result, its JSON shape, its table, and what it refuses."""

import json

import numpy as np
import pytest
from judged_cases import answers
from sklearn.metrics import precision_recall_fscore_support

from graft.errors import DataError, UnknownNameError
from graft.evaluation import evaluate
from graft.tasks.classification import Classification

TASK = Classification(classes=("a", "b", "c"))


def test_the_result_has_every_metric_of_the_task_and_the_raw_calibration():
    logits, targets = answers(90, 3)
    found = evaluate(TASK, logits, targets, temperature=2.0, fingerprint="f" * 64)
    assert set(found.metrics) == {*TASK.metrics, "calibration_error_raw"}
    assert (found.n, found.temperature, found.fingerprint) == (90, 2.0, "f" * 64)
    assert found["accuracy"] == found.metrics["accuracy"]
    assert np.sum(found.confusion) == 90
    assert found["calibration_error"] != found["calibration_error_raw"]
    assert sum(one.accuracy.n for one in found.reliability) == 90


def test_json_has_the_stable_shape():
    logits, targets = answers(90, 3)
    data = json.loads(json.dumps(evaluate(TASK, logits, targets).to_json(), allow_nan=False))
    assert set(data["accuracy"]) == {"value", "low", "high", "n"}
    assert data["accuracy"]["n"] == 90


def test_scores_of_each_class_are_those_of_scikit_learn():
    logits, targets = answers(150, 3, skill=1.0)
    found = evaluate(TASK, logits, targets).per_class
    precision, recall, f1, support = precision_recall_fscore_support(targets, logits.argmax(axis=1))
    assert [one.precision.value for one in found] == pytest.approx(precision)
    assert [one.recall.value for one in found] == pytest.approx(recall)
    assert [one.f1.value for one in found] == pytest.approx(f1)
    assert [one.support for one in found] == list(support)
    assert [one.recall.n for one in found] == list(support)


def test_only_the_metrics_that_are_named():
    logits, targets = answers(30, 3)
    assert set(evaluate(TASK, logits, targets, names=["accuracy"]).metrics) == {"accuracy"}
    with pytest.raises(UnknownNameError, match="Did you mean 'accuracy'"):
        evaluate(TASK, logits, targets, names=["acuracy"])


def test_absent_and_small_classes_are_said():
    found = evaluate(TASK, np.eye(3, dtype=np.float32)[[0, 1, 1]], np.array([0, 1, 1]))
    assert any("1 class has no example here" in note and "'c'" in note for note in found.notes)
    assert any("2 classes have fewer than 10" in note for note in found.notes)
    one = evaluate(TASK, np.zeros((4, 3), np.float32), np.zeros(4, int))
    assert "roc_auc" not in one.metrics
    assert any("ROC AUC is left out" in note for note in one.notes)


def test_the_table_is_readable_and_keeps_hostile_names_from_the_terminal():
    task = Classification(classes=("a\x1b[31m", "b", "c"))
    text = str(evaluate(task, *answers(90, 3), fingerprint="0123456789abcdef"))
    assert "Accuracy" in text
    assert "n = 90, data 0123456789ab" in text
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) < 110


@pytest.mark.parametrize(
    ("logits", "targets"),
    [
        (np.zeros((0, 3)), np.zeros(0, int)),
        (np.zeros((4, 2)), np.zeros(4, int)),
        (np.zeros((4, 3)), np.zeros(3, int)),
        (np.full((4, 3), np.nan), np.zeros(4, int)),
        (np.zeros((4, 3)), np.array([0, 1, 2, 3])),
        (np.zeros((4, 3)), np.array([0, 1, 2, -1])),
    ],
)
def test_what_cannot_be_judged_is_refused_in_one_sentence(logits, targets):
    with pytest.raises(DataError, match=r"must be .* Got .*"):
        evaluate(TASK, logits, targets)


@pytest.mark.parametrize("classes", [77, 150])
def test_many_classes_with_few_examples_each(classes):
    task = Classification(classes=tuple(str(one) for one in range(classes)))
    found = evaluate(task, *answers(300, classes))
    assert len(found.per_class) == classes
    assert all(0 <= one.low <= one.value <= one.high for one in found.metrics.values())


def test_one_example_is_enough():
    found = evaluate(TASK, np.array([[3.0, 1.0, 0.0]]), np.array([0]))
    assert found["accuracy"].value == 1.0
    assert found["accuracy"].low < 0.25
