"""What every task promises: how labels become targets, outputs become answers, and how they are judged."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """What is predicted; holds what it learned about the labels (the class names) as plain values."""

    classes: tuple[str, ...] = ()
    """Names of the outputs, in the order of the logits."""

    metrics: ClassVar[tuple[str, ...]]
    """Names of the metrics in ``evaluation.metrics`` that judge it; the first one is what the ladder compares."""

    @classmethod
    @abstractmethod
    def learn(cls, labels: Sequence[str | None]) -> "Task":
        """Return the task for these training labels. Raises DataError where they do not make one."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """The number of logits of an input."""

    @abstractmethod
    def targets(self, labels: Sequence[str | None]) -> np.ndarray:
        """Return the targets of labels, (n,) or (n, outputs). Raises DataError for an unknown label."""

    @abstractmethod
    def loss(
        self, logits: torch.Tensor, targets: torch.Tensor, *, label_smoothing: float, weights: torch.Tensor | None
    ) -> torch.Tensor:
        """Return the mean loss; ``targets`` may be soft (n, outputs) after mixup; ``weights`` is per class."""

    @abstractmethod
    def soft(self, targets: torch.Tensor) -> torch.Tensor:
        """Return targets in the form that mixup can blend, (n, outputs) float32."""

    @abstractmethod
    def probabilities(self, logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Return probabilities (n, outputs) float64."""

    @abstractmethod
    def item_scores(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return one score an item (n,), higher is better, for paired tests; classification: 1 where right."""
