"""One class of several for every input."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from graft.errors import DataError, must, unknown_name
from graft.tasks._base import Answer, Mistake, Task

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Classification(Task):
    """Single-label classification: softmax over the class names, cross-entropy."""

    metrics: ClassVar[tuple[str, ...]] = (
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "log_loss",
        "roc_auc",
        "calibration_error",
    )

    @classmethod
    def learn(cls, labels: Sequence[str | None]) -> "Classification":
        """Return the task whose classes are the distinct labels, in natural order (``2`` before ``10``).

        Raises DataError where a label is missing or fewer than two classes remain.
        """
        missing = sum(label is None for label in labels)
        if missing:
            raise DataError(
                must("every training label", "a class name", f"{missing} inputs without one", "Label or remove them")
            )
        names = sorted({label for label in labels if label is not None}, key=natural)
        if len(names) < 2:
            found = f"{len(names)} ({names[0]!r})" if names else "none"
            raise DataError(must("the number of classes", "at least 2", found, "Add inputs of another class"))
        return cls(classes=tuple(names))

    @property
    def outputs(self) -> int:
        """The number of classes."""
        return len(self.classes)

    @property
    def likelihood(self) -> str:
        """Cross-entropy."""
        return "softmax"

    def targets(self, labels: Sequence[str | None]) -> np.ndarray:
        """Return class indices (n,) int64. Raises DataError that names the first label that is no class."""
        index = {name: i for i, name in enumerate(self.classes)}
        for label in labels:
            if label not in index:
                raise DataError(str(unknown_name("a label", str(label), self.classes, "graft show")))
        return np.array([index[label] for label in labels if label is not None], dtype=np.int64)

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Return the class numbers themselves."""
        return np.asarray(targets, dtype=np.int64)

    def prior(self, targets: np.ndarray) -> np.ndarray:
        """Return the log share of every class, with half an input added."""
        counts = np.bincount(targets, minlength=self.outputs) + 0.5
        return np.asarray(np.log(counts / counts.sum()), dtype=np.float32)

    def loss(
        self, logits: "torch.Tensor", targets: "torch.Tensor", *, label_smoothing: float, weights: "torch.Tensor | None"
    ) -> "torch.Tensor":
        """Return the mean cross-entropy, weighted by class; hard (n,) and soft (n, outputs) targets agree."""
        from torch.nn import functional

        if not targets.is_floating_point():
            return functional.cross_entropy(logits, targets, weights, label_smoothing=label_smoothing)
        total = functional.cross_entropy(logits, targets, weights, label_smoothing=label_smoothing, reduction="sum")
        return total / ((targets @ weights).sum() if weights is not None else len(targets))

    def soft(self, targets: "torch.Tensor") -> "torch.Tensor":
        """Return class indices (n,) as one-hot rows (n, outputs) float32."""
        from torch.nn import functional

        return functional.one_hot(targets, self.outputs).float()

    def probabilities(self, logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Return softmax(logits / temperature), (n, outputs) float64."""
        scaled = np.asarray(logits, dtype=np.float64) / temperature
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def answers(self, logits: np.ndarray, temperature: float = 1.0) -> list[Answer]:
        """Return the most probable class of each input."""
        found = []
        for row in self.probabilities(logits, temperature):
            best = int(row.argmax())
            told = {"label": self.classes[best], "probability": round(float(row[best]), 6)}
            found.append(Answer(self.classes[best], float(row[best]), row, told))
        return found

    def item_scores(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return 1.0 where the largest logit is the target's, else 0.0; (n,) float64."""
        return np.asarray(np.asarray(logits).argmax(axis=1) == targets, dtype=np.float64)

    def mistakes(self, logits: np.ndarray, targets: np.ndarray, temperature: float, most: int) -> list[Mistake]:
        """Return the wrong answers that were given with the most certainty."""
        chances = self.probabilities(logits, temperature)
        said = chances.argmax(axis=1)
        wrong = np.flatnonzero(said != targets)
        worst = wrong[np.argsort(-chances[wrong, said[wrong]], kind="stable")][:most]
        return [
            Mistake(
                int(row), self.classes[targets[row]], self.classes[said[row]], float(chances[row, said[row]]),
                int(said[row]),
            )
            for row in worst
        ]  # fmt: skip


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return a key that orders runs of digits by their number; the name itself breaks ties (``1`` and ``01``)."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p) for p in parts], name
