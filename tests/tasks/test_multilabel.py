"""Sets of labels: targets, loss, answers, and labels that make no task."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from graft.errors import DataError
from graft.tasks.multilabel import Multilabel, items_f1

LABELS = ["sea|sun", "", "sun", "dog|sea|sun", "dog"]


def test_targets_are_marks_in_natural_order():
    task = Multilabel.learn([*LABELS, "10", "9"])
    assert task.classes == ("9", "10", "dog", "sea", "sun")
    assert task.targets(["sea|10", ""]).tolist() == [[0, 1, 0, 1, 0], [0] * 5]


@pytest.mark.parametrize(
    ("labels", "said"),
    [([], "none"), (["", ""], "none"), (["a|b", "b|a"], "2 that every input"), (["a", None], "1 inp")],
)
def test_labels_that_make_no_task(labels, said):
    with pytest.raises(DataError, match=rf"must be .*Got .*{said}"):
        Multilabel.learn(labels)


def test_unknown_label_names_the_nearest():
    with pytest.raises(DataError, match="'dog'"):
        Multilabel.learn(LABELS).targets(["dgo|sea"])


def test_the_loss_is_the_mean_over_labels():
    task = Multilabel.learn(LABELS)
    targets = torch.from_numpy(task.targets(LABELS))
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    chances = logits.sigmoid()
    expected = -(targets * chances.log() + (1 - targets) * (1 - chances).log()).mean()
    torch.testing.assert_close(task.loss(logits, targets, label_smoothing=0.0, weights=None), expected)
    heavy = task.loss(logits, targets, label_smoothing=0.0, weights=torch.tensor([3.0, 1.0, 1.0]))
    assert heavy > expected


def test_items_f1_is_scikit_learns():
    draw = np.random.default_rng(0)
    truth, said = draw.integers(0, 2, (50, 4)), draw.integers(0, 2, (50, 4))
    truth[0] = said[0] = 0
    expected = f1_score(truth, said, average="samples", zero_division=1.0)
    assert items_f1(truth, said).mean() == pytest.approx(expected)
    assert items_f1(truth, said)[0] == 1


def test_answers_are_the_labels_from_one_half_on():
    task = Multilabel.learn(LABELS)
    some, none = task.answers(np.array([[2.0, -3.0, 0.5], [-1.0, -2.0, -0.1]], np.float32))
    assert some.told["labels"] == ["dog", "sun"]
    assert some.label == "dog|sun"
    assert some.probability == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert none.label == ""
    assert none.told["labels"] == []
    assert set(none.told["probabilities"]) == set(task.classes)


def test_strata_are_the_rarest_labels():
    task = Multilabel.learn(LABELS)
    targets = task.targets(LABELS)
    assert targets.sum(axis=0).tolist() == [2, 2, 3]
    assert task.strata(targets).tolist() == [1, 3, 2, 0, 0]


def test_mistakes_name_both_sets():
    task = Multilabel.learn(LABELS)
    targets = task.targets(LABELS)
    logits = 8 * targets - 4
    logits[0] = -4
    logits[2, 0] = 1
    found = task.mistakes(logits, targets, 1.0, 5)
    assert [one.row for one in found] == [0, 2]
    assert (found[0].truth, found[0].said) == ("sea, sun", "none of the labels")
    assert found[1].output == 0
