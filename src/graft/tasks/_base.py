"""What every task promises: how labels become targets, outputs become answers, and how they are judged."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from graft.errors import SettingError, must
from graft.types import LabelForm

if TYPE_CHECKING:
    # A server answers by tasks and has no torch.
    import torch


@dataclass(frozen=True)
class Answer:
    """What a model says of one input."""

    label: str
    """A class, the labels of a set joined by ``|``, or a number, as text."""
    probability: float | None
    """Of the class, or of the least certain label of a set; None for a number."""
    outputs: np.ndarray
    """(outputs,) float64: probabilities, or the number in the unit of the labels."""
    told: Mapping[str, Any]
    """The answer as plain JSON data."""


@dataclass(frozen=True)
class Mistake:
    """One wrong answer, for the report."""

    row: int
    truth: str
    said: str
    probability: float | None
    """That was given to what is wrong; None for a number."""
    output: int
    """The output that is to be explained."""


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """What is predicted; holds what it learned about the labels (the class names) as plain values."""

    classes: tuple[str, ...] = ()
    """Names of the outputs, in the order of the logits; none where the output is a number."""

    metrics: ClassVar[tuple[str, ...]]
    """Names of the metrics in ``evaluation.metrics`` that judge it; the first one is what the ladder compares."""
    form: ClassVar[LabelForm] = "class"
    """What its labels are."""
    settings: ClassVar[tuple[str, ...]] = ()
    """The fields that a person sets; the others are learned from the labels."""

    @classmethod
    @abstractmethod
    def learn(cls, labels: Sequence[str | None]) -> Self:
        """Return the task for these training labels. Raises DataError where they do not make one."""

    def taught(self, labels: Sequence[str | None]) -> Self:
        """Return the task for these training labels, with this one's settings. Raises DataError."""
        return replace(self.learn(labels), **{name: getattr(self, name) for name in self.settings})

    @property
    @abstractmethod
    def outputs(self) -> int:
        """The number of logits of an input."""

    @property
    @abstractmethod
    def likelihood(self) -> str:
        """The loss of linear models, by its name in ``training.likelihood``."""

    @abstractmethod
    def targets(self, labels: Sequence[str | None]) -> np.ndarray:
        """Return the targets of labels, (n,) or (n, outputs). Raises DataError for an unknown label."""

    @abstractmethod
    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Return numbers (n,) int64 of which the folds of a cross-validation should have about the same shares."""

    @abstractmethod
    def prior(self, targets: np.ndarray) -> np.ndarray:
        """Return the logits (outputs,) float32 of the best answer that is the same for every input."""

    @abstractmethod
    def loss(
        self, logits: "torch.Tensor", targets: "torch.Tensor", *, label_smoothing: float, weights: "torch.Tensor | None"
    ) -> "torch.Tensor":
        """Return the mean loss; ``targets`` may be soft (n, outputs) after mixup; ``weights`` is per class."""

    @abstractmethod
    def soft(self, targets: "torch.Tensor") -> "torch.Tensor":
        """Return targets in the form that mixup can blend, (n, outputs) float32."""

    def probabilities(self, logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Return probabilities (n, outputs) float64. Raises SettingError where the answers have none."""
        do = "Take predict, which gives each number with the range that it is expected in"
        raise SettingError(must("the task", "one with probabilities", type(self).__name__.lower(), do))

    @abstractmethod
    def answers(self, logits: np.ndarray, temperature: float = 1.0) -> list[Answer]:
        """Return the answers that logits (n, outputs) mean."""

    @abstractmethod
    def item_scores(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return one score an item (n,), higher is better, for paired tests; classification: 1 where right."""

    @abstractmethod
    def mistakes(self, logits: np.ndarray, targets: np.ndarray, temperature: float, most: int) -> list[Mistake]:
        """Return the worst answers, at most so many, the worst first."""
