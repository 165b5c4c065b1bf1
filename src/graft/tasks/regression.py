"""A number for every input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from graft.errors import DataError, must
from graft.tasks._base import Answer, Mistake, Task
from graft.types import LabelForm

if TYPE_CHECKING:
    import torch

HUBER = 0.5
"""From this distance on, in standard deviations of the labels, Huber's loss counts errors by their size."""
WITHIN = 1.959964
"""Half of a 95 % range in standard deviations."""
STRATA = 10
_LIKELIHOODS = {"mse": "squares", "mae": "absolute", "huber": "huber"}


@dataclass(frozen=True, kw_only=True)
class Regression(Task):
    """One output: the label less the mean of the training labels, in their standard deviations.

    ``temperature`` is here the size of the model's errors, as a standard deviation would have it.
    """

    metrics: ClassVar[tuple[str, ...]] = ("r2", "mae", "rmse", "spearman", "coverage")
    form: ClassVar[LabelForm] = "number"
    settings: ClassVar[tuple[str, ...]] = ("criterion",)

    centre: float = 0.0
    """Mean of the training labels."""
    scale: float = 1.0
    """Standard deviation of the training labels."""
    criterion: Literal["mse", "mae", "huber"] = "mse"
    """What training makes small: squared errors, absolute errors, or Huber's, which forgives far-off labels."""

    @classmethod
    def learn(cls, labels: Sequence[str | None]) -> Self:
        """Return the task with the labels' mean and spread.

        Raises DataError where a label is missing or no number, or where all are the same.
        """
        values = _numbers(labels)
        if len(np.unique(values)) < 2:
            got = f"{len(values)} labels of {values[0]:g}" if len(values) else "none"
            raise DataError(must("the training labels", "at least 2 different numbers", got, "Add inputs of another"))
        return cls(centre=float(values.mean()), scale=float(values.std()))

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    @property
    def likelihood(self) -> str:
        """The criterion's."""
        return _LIKELIHOODS[self.criterion]

    def targets(self, labels: Sequence[str | None]) -> np.ndarray:
        """Return standardised labels (n, 1) float32. Raises DataError for one that is no number."""
        return np.asarray((_numbers(labels) - self.centre) / self.scale, dtype=np.float32)[:, None]

    def values(self, targets: np.ndarray) -> np.ndarray:
        """Return targets or logits (n, 1) in the unit of the labels, (n,) float64, to the digits that float32 holds."""
        exact = np.asarray(targets, dtype=np.float64)[:, 0] * self.scale + self.centre
        # Adding 0 turns a rounded -0 into 0, as people write it.
        return np.asarray(np.round(exact, 6 - int(np.floor(np.log10(self.scale)))) + 0.0)

    def half_width(self, temperature: float) -> float:
        """Return half of the range, in the unit of the labels, that is meant to hold 95 of 100 true numbers."""
        return WITHIN * temperature * self.scale

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Return the tenth of the labels that each one is in."""
        place = np.empty(len(targets), dtype=np.int64)
        place[np.argsort(targets[:, 0], kind="stable")] = np.arange(len(targets))
        return place * min(STRATA, len(targets)) // max(len(targets), 1)

    def prior(self, targets: np.ndarray) -> np.ndarray:
        """Return the mean, or the median where squares are not what is made small."""
        middle = np.mean if self.criterion == "mse" else np.median
        return np.asarray(middle(targets, axis=0), dtype=np.float32)

    def loss(
        self, logits: "torch.Tensor", targets: "torch.Tensor", *, label_smoothing: float, weights: "torch.Tensor | None"
    ) -> "torch.Tensor":
        """Return the mean of the criterion; a number has no classes to smooth its label over or to weigh."""
        from torch.nn import functional

        if self.criterion == "mae":
            return functional.l1_loss(logits, targets)
        if self.criterion == "huber":
            return functional.huber_loss(logits, targets, delta=HUBER)
        return 0.5 * functional.mse_loss(logits, targets)

    def soft(self, targets: "torch.Tensor") -> "torch.Tensor":
        """Return the targets: numbers blend as they are."""
        return targets

    def answers(self, logits: np.ndarray, temperature: float = 1.0) -> list[Answer]:
        """Return each number with the range that is meant to hold the true one in 95 of 100 cases."""
        half, found = self.half_width(temperature), []
        for value in self.values(logits):
            told = {"value": float(value), "low": float(value - half), "high": float(value + half)}
            found.append(Answer(f"{value:.6g}", None, np.array([value]), told))
        return found

    def item_scores(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return 1 less the squared error in standard deviations of the labels; its mean is about R2."""
        return np.asarray(1 - np.square(np.asarray(logits, np.float64) - targets)[:, 0])

    def mistakes(self, logits: np.ndarray, targets: np.ndarray, temperature: float, most: int) -> list[Mistake]:
        """Return the answers that are furthest off, of those outside of their range."""
        said, truth = self.values(logits), self.values(targets)
        off = np.abs(said - truth)
        worst = np.argsort(-off, kind="stable")[:most]
        return [
            Mistake(int(row), f"{truth[row]:.4g}", f"{said[row]:.4g}", None, 0)
            for row in worst
            if off[row] > self.half_width(temperature)
        ]


def _numbers(labels: Sequence[str | None]) -> np.ndarray:
    """Return labels (n,) float64. Raises DataError that names the first that is none."""
    found = np.empty(len(labels))
    for row, label in enumerate(labels):
        try:
            found[row] = float(label) if label is not None else np.nan
        except ValueError:
            found[row] = np.nan
        if not np.isfinite(found[row]):
            got = "none" if label is None else repr(label)
            raise DataError(must("every label", "a number", got, "Correct or remove it, or ask for classification"))
    return found
