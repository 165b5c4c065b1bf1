"""What is given to the training loop, and what it gives back: tensors, modules and functions only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from graft.types import Progress, silent


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is trained, on what, and how it is judged. The modules are copied, never changed."""

    stages: nn.Sequential
    """One child a stage, nearest to the inputs first; empty where only a head is trained."""
    head: nn.Module
    """Takes what the stages give; (n, outputs) logits."""
    read: Callable[[np.ndarray, np.ndarray | int], np.ndarray]
    """``read(rows, views)``: activations (len(rows), ...), float32 or uint8."""
    views: int
    """Views of every row; view 0 is the plain one."""
    targets: np.ndarray
    """Of all rows."""
    train: np.ndarray
    """Row numbers."""
    validation: np.ndarray
    """Row numbers."""
    loss: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
    """``loss(logits, targets, label_smoothing)``; mean over the batch; targets plain or soft."""
    soft: Callable[[torch.Tensor], torch.Tensor]
    """Plain targets in the form that mixup can blend."""
    score: Callable[[np.ndarray, np.ndarray], float]
    """``score(logits, targets)``, higher is better, 1 is best."""
    chance: float
    """The score of the best constant answer on the validation rows."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Where and for how long training runs, and who is told."""

    seed: int = 0
    device: str = "cpu"
    checkpoint: Path | None = None
    """A folder of this run's own, or None."""
    seconds_left: Callable[[], float] = lambda: float("inf")
    progress: Progress = silent
    on_epoch: Callable[[Mapping[str, float]], None] = lambda record: None


@dataclass(frozen=True)
class Trained:
    """The best weights that were found."""

    stages: nn.Sequential
    """In eval mode, on the CPU."""
    head: nn.Module
    """In eval mode, on the CPU."""
    validation_logits: np.ndarray
    """(len(validation), outputs) float32, each row's from an epoch that was chosen without it (``Blind``)."""
    history: tuple[Mapping[str, float], ...]
    notes: tuple[str, ...]
    resolved: Mapping[str, Any]


class Model(nn.Module):
    """Stages and head as one module."""

    def __init__(self, stages: nn.Sequential, head: nn.Module) -> None:
        super().__init__()
        self.stages = stages
        self.head = head

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits (n, outputs)."""
        logits: torch.Tensor = self.head(self.stages(inputs))
        return logits
