"""One class of several: names, targets, loss and probabilities."""

import numpy as np
import pytest
import torch

from graft.errors import DataError
from graft.tasks.classification import Classification


def test_classes_are_in_natural_order():
    task = Classification.learn(["class 10", "class 2", "class 1", "b", "10", "2", "01", "1"])
    assert task.classes == ("01", "1", "2", "10", "b", "class 1", "class 2", "class 10")


def test_natural_order_of_strange_names():
    names = ["²", "", "ä", "1a", "a1", " ", "٣", "a"]
    assert set(Classification.learn(names).classes) == set(names)


def test_targets_are_indices():
    task = Classification.learn(["b", "a"])
    found = task.targets(["a", "b", "b"])
    assert found.dtype == np.int64
    assert found.tolist() == [0, 1, 1]


def test_unknown_label_names_the_nearest():
    with pytest.raises(DataError, match="'shirt'"):
        Classification.learn(["shirt", "dress"]).targets(["dress", "shrt"])


@pytest.mark.parametrize(("labels", "said"), [([], "none"), (["a", "a"], r"1 \('a'\)"), (["a", None], "1 inputs")])
def test_labels_that_make_no_task(labels, said):
    with pytest.raises(DataError, match=said):
        Classification.learn(labels)


def test_probabilities_are_softmax_and_temperature_flattens():
    task = Classification(classes=("a", "b", "c"))
    logits = np.array([[2.0, 1.0, -1.0]], dtype=np.float32)
    expected = torch.softmax(torch.from_numpy(logits).double(), 1).numpy()
    np.testing.assert_allclose(task.probabilities(logits), expected)
    assert task.probabilities(logits, 5.0).max() < expected.max()
    np.testing.assert_allclose(task.probabilities(logits, 5.0).sum(), 1)


def test_weights_count_by_class():
    task = Classification(classes=("a", "b"))
    logits, targets = torch.tensor([[0.0, 3.0], [0.0, 3.0]]), torch.tensor([0, 1])
    plain = task.loss(logits, targets, label_smoothing=0.0, weights=None)
    heavy = task.loss(logits, targets, label_smoothing=0.0, weights=torch.tensor([9.0, 1.0]))
    assert heavy > 1.5 * plain
