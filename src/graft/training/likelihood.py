"""What a linear model's loss is for each kind of target: one class of several, labels that are there or not, numbers.

All work on K problems at once, which differ only in how much each row counts.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch.nn import functional

HUBER = 0.5
"""From this distance on errors of a standardised target count by their size, not their square."""
ROUNDED = 0.05
"""How wide the tip of the absolute error is rounded off, in standard deviations of the target."""


class Likelihood(ABC):
    """The loss of one row's logits and its slope."""

    @staticmethod
    @abstractmethod
    def goal(targets: np.ndarray) -> torch.Tensor:
        """Return targets in the form that the other methods take."""

    @abstractmethod
    def start(self, goal: torch.Tensor, row_weights: torch.Tensor, outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the best constant logits (K, outputs) and the loss's curvature there (K, outputs).

        ``row_weights`` is (n, K).
        """

    @abstractmethod
    def slopes(
        self, logits: torch.Tensor, goal: torch.Tensor, shares: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the losses (n, K) of logits (n, K, outputs), and the slopes of ``shares`` (n, K) of them.

        The slopes may take the logits' place.
        """

    def each(self, logits: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
        """Return the losses (n,) of logits (n, outputs)."""
        return self.slopes(logits[:, None].clone(), goal, torch.ones_like(logits[:, :1]))[0][:, 0]


class Softmax(Likelihood):
    """Cross-entropy of class numbers (n,)."""

    @staticmethod
    def goal(targets: np.ndarray) -> torch.Tensor:
        """Return class numbers (n,) int64."""
        return torch.from_numpy(targets.astype(np.int64))

    def start(self, goal: torch.Tensor, row_weights: torch.Tensor, outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the log shares of the classes, and p (1 - p)."""
        total = row_weights.sum(0).clamp_min(1e-12)
        share = torch.zeros(outputs, row_weights.shape[1]).index_add_(0, goal, row_weights) / total
        bias = (share.T + 0.1 / outputs).log()
        return bias - bias.mean(1, keepdim=True), (share * (1 - share)).clamp_min(0.25 / outputs).T

    def slopes(
        self, logits: torch.Tensor, goal: torch.Tensor, shares: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the cross-entropies, and the probabilities less 1 at the truth, times ``shares``."""
        index = goal[:, None, None].expand(-1, logits.shape[1], 1)
        # In place, and the shares with the norm: among 77 classes torch's own softmax took twice as long as all this.
        logits.sub_(logits.amax(2, keepdim=True))
        right = logits.gather(2, index).squeeze(2)
        norm = logits.exp_().sum(2)
        logits.mul_((shares / norm)[:, :, None]).scatter_add_(2, index, -shares[:, :, None])
        return norm.log_() - right, logits

    def each(self, logits: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropies (n,)."""
        return functional.cross_entropy(logits, goal, reduction="none")


class _Dense(Likelihood):
    """Targets of one value an output."""

    @staticmethod
    def goal(targets: np.ndarray) -> torch.Tensor:
        """Return targets (n, outputs) float32."""
        return torch.from_numpy(np.ascontiguousarray(targets, dtype=np.float32))


class Sigmoid(_Dense):
    """Binary cross-entropy, added up over labels (n, outputs) of 0 and 1."""

    def start(self, goal: torch.Tensor, row_weights: torch.Tensor, outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the log odds of each label, and p (1 - p)."""
        total = row_weights.sum(0)[:, None].clamp_min(1e-12)
        share = (row_weights.T @ goal) / total
        tight = (share * total + 0.5) / (total + 1)
        return torch.logit(tight), (share * (1 - share)).clamp_min(0.01)

    def slopes(
        self, logits: torch.Tensor, goal: torch.Tensor, shares: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the binary cross-entropies, and the probabilities less the truth, times ``shares``."""
        truth = goal[:, None, :]
        losses = (functional.softplus(logits) - logits * truth).sum(2)
        return losses, logits.sigmoid_().sub_(truth).mul_(shares[:, :, None])


class Squares(_Dense):
    """Half of the squared error of numbers (n, outputs)."""

    def start(self, goal: torch.Tensor, row_weights: torch.Tensor, outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the means, and 1."""
        total = row_weights.sum(0)[:, None].clamp_min(1e-12)
        means = (row_weights.T @ goal) / total
        return means, torch.ones_like(means)

    def slopes(
        self, logits: torch.Tensor, goal: torch.Tensor, shares: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return half of the squares, and the errors, times ``shares``."""
        errors = logits.sub_(goal[:, None, :])
        return 0.5 * errors.square().sum(2), errors.mul_(shares[:, :, None])


class Huber(Squares):
    """Half of the squared error up to ``HUBER``, straight from there (Huber 1964)."""

    def slopes(
        self, logits: torch.Tensor, goal: torch.Tensor, shares: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return Huber's losses, and the errors cut off at ``HUBER``, times ``shares``."""
        errors = logits.sub_(goal[:, None, :])
        size = errors.abs()
        losses = torch.where(size <= HUBER, 0.5 * errors.square(), HUBER * (size - 0.5 * HUBER))
        return losses.sum(2), errors.clamp_(-HUBER, HUBER).mul_(shares[:, :, None])


class Absolute(Squares):
    """The absolute error, its tip rounded off so that it has a slope everywhere."""

    def slopes(
        self, logits: torch.Tensor, goal: torch.Tensor, shares: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sqrt(error^2 + ROUNDED^2) - ROUNDED, and its slopes times ``shares``."""
        errors = logits.sub_(goal[:, None, :])
        size = (errors.square() + ROUNDED**2).sqrt()
        return (size - ROUNDED).sum(2), errors.div_(size).mul_(shares[:, :, None])


LIKELIHOODS: dict[str, Likelihood] = {
    "softmax": Softmax(),
    "sigmoid": Sigmoid(),
    "squares": Squares(),
    "huber": Huber(),
    "absolute": Absolute(),
}
"""By the name that a task gives."""
