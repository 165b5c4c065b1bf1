"""Any number of labels for every input, none of them included."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import expit

from graft.data.labels import joined, parted
from graft.errors import DataError, must, unknown_name
from graft.tasks._base import Answer, Mistake, Task
from graft.tasks.classification import natural
from graft.types import LabelForm

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Multilabel(Task):
    """One logit a label: each is there or not, whatever the others; it is said from a probability of 0.5 on."""

    metrics: ClassVar[tuple[str, ...]] = ("item_f1", "micro_f1", "macro_f1", "mean_average_precision", "exact_match")
    form: ClassVar[LabelForm] = "set"

    @classmethod
    def learn(cls, labels: Sequence[str | None]) -> Self:
        """Return the task whose classes are the labels that occur, in natural order.

        Raises DataError where an input has no set of labels (an empty one is one), or where no label tells inputs
        apart.
        """
        missing = sum(label is None for label in labels)
        if missing:
            got = f"{missing} inputs without one"
            raise DataError(must("every training label", "a set of labels, or an empty one", got, "Label them"))
        sets = [frozenset(parted(label)) for label in labels if label is not None]
        found = sorted({name for one in sets for name in one}, key=natural)
        if not any(sum(name in one for one in sets) < len(sets) for name in found):
            got = f"{len(found)} that every input has" if found else "none"
            do = "Add inputs that have a label, and others that have it not"
            raise DataError(must("the labels", "some that tell inputs apart", got, do))
        return cls(classes=tuple(found))

    @property
    def outputs(self) -> int:
        """The number of labels."""
        return len(self.classes)

    @property
    def likelihood(self) -> str:
        """Binary cross-entropy."""
        return "sigmoid"

    def targets(self, labels: Sequence[str | None]) -> np.ndarray:
        """Return (n, outputs) float32, 1 where the label is there. Raises DataError that names an unknown one."""
        index = {name: i for i, name in enumerate(self.classes)}
        found = np.zeros((len(labels), self.outputs), dtype=np.float32)
        for row, label in enumerate(labels):
            if label is None:
                raise DataError(must("every label", "a set of labels, or an empty one", "none", "Label the input"))
            for name in parted(label):
                if name not in index:
                    raise DataError(str(unknown_name("a label", name, self.classes, "graft show")))
                found[row, index[name]] = 1
        return found

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Return the number of each input's rarest label, ``outputs`` where it has none."""
        counts = targets.sum(axis=0)
        rare = np.where(targets > 0, counts, np.inf)
        return np.where(targets.any(axis=1), rare.argmin(axis=1), self.outputs).astype(np.int64)

    def prior(self, targets: np.ndarray) -> np.ndarray:
        """Return the log odds of every label, with half an input added to both sides."""
        there = targets.sum(axis=0) + 0.5
        return np.asarray(np.log(there / (len(targets) + 1 - there)), dtype=np.float32)

    def loss(
        self, logits: "torch.Tensor", targets: "torch.Tensor", *, label_smoothing: float, weights: "torch.Tensor | None"
    ) -> "torch.Tensor":
        """Return the mean binary cross-entropy over inputs and labels, each label counting by its weight."""
        from torch.nn import functional

        smooth = targets * (1 - label_smoothing) + 0.5 * label_smoothing
        return functional.binary_cross_entropy_with_logits(logits, smooth, weights)

    def soft(self, targets: "torch.Tensor") -> "torch.Tensor":
        """Return the targets, which blend as they are."""
        return targets

    def probabilities(self, logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Return sigmoid(logits / temperature), (n, outputs) float64."""
        return np.asarray(expit(np.asarray(logits, dtype=np.float64) / temperature))

    def answers(self, logits: np.ndarray, temperature: float = 1.0) -> list[Answer]:
        """Return the labels of each input that have a probability of 0.5 or more."""
        found = []
        for row in self.probabilities(logits, temperature):
            there = [name for name, chance in zip(self.classes, row, strict=True) if chance >= 0.5]
            least = float(np.maximum(row, 1 - row).min())
            each = {name: round(float(chance), 6) for name, chance in zip(self.classes, row, strict=True)}
            told = {"labels": there, "probability": round(least, 6), "probabilities": each}
            found.append(Answer(joined(there), least, row, told))
        return found

    def item_scores(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the F1 of each input's labels (n,) float64."""
        return items_f1(np.asarray(targets), (np.asarray(logits) >= 0).astype(np.float64))

    def mistakes(self, logits: np.ndarray, targets: np.ndarray, temperature: float, most: int) -> list[Mistake]:
        """Return the inputs of which a label was said or left out wrongly with the most certainty."""
        chances = self.probabilities(logits, temperature)
        said = chances >= 0.5
        wrong = np.where(said != (targets > 0), np.maximum(chances, 1 - chances), -1.0)
        worst = np.argsort(-wrong.max(axis=1), kind="stable")[:most]
        return [
            Mistake(int(row), self._text(targets[row] > 0), self._text(said[row]), float(wrong[row].max()),
                    int(wrong[row].argmax()))
            for row in worst
            if wrong[row].max() >= 0
        ]  # fmt: skip

    def _text(self, there: np.ndarray) -> str:
        return ", ".join(name for name, one in zip(self.classes, there, strict=True) if one) or "none of the labels"


def items_f1(truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Return the F1 of each input (n,) from sets (n, outputs) of 0 and 1; where both are empty it is 1."""
    total = np.asarray(truth + said, np.float64).sum(axis=1)
    shared = 2.0 * (truth * said).sum(axis=1)
    return np.asarray(np.divide(shared, total, out=np.ones(len(total)), where=total > 0))
