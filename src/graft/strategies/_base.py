"""What every strategy promises: where it cuts, how many views it wants, and how it fits what is after the cut."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import nn

from graft.backbones import Backbone
from graft.heads import Head
from graft.tasks import Task
from graft.training.logistic import Basis
from graft.types import LabelForm, Progress, silent


class Activations(Protocol):
    """Stored activations of n inputs at one cut, V views each."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, views, *activation)."""

    def read(self, rows: np.ndarray, views: np.ndarray | int = 0) -> np.ndarray:
        """Return the activations (len(rows), *activation): float32, or uint8 at cut 0.

        ``views`` is one view number for all rows, or one a row.
        """


@dataclass(frozen=True)
class Fitted:
    """What a strategy found: the trained part, and how it did on the way."""

    cut: int
    suffix: nn.Sequential
    """The adapted stages cut..n-1, one child a stage, in eval mode; empty at cut n."""
    head: nn.Module
    """In eval mode; the one to ship. Convex strategies fit it on training and validation rows."""
    validation_logits: np.ndarray
    """(len(validation), outputs) float32, on ``Material.validation``, from a model that never saw them."""
    development_logits: np.ndarray | None = None
    """(len(train) + len(validation), outputs) out-of-fold, train first, where the strategy makes them."""
    training_head: nn.Module | None = None
    """The head that gave ``validation_logits`` where ``head`` was fitted on more: what later rungs start from."""
    basis: Basis | None = field(default=None, repr=False)
    """Training, then validation rows, plain, in their principal directions, where the strategy has decomposed them."""
    folds: np.ndarray | None = None
    """(len(train) + len(validation),): rows of one fold got their ``development_logits`` from a model without them."""
    history: tuple[Mapping[str, float], ...] = ()
    """One mapping an epoch: ``epoch``, ``train_loss``, ``val_loss``, ``val_score``, ``lr``, ``seconds``."""
    notes: tuple[str, ...] = ()
    """Sentences for the person: what was noticed, changed or left out."""
    resolved: Mapping[str, Any] = field(default_factory=dict)
    """Settings as they were really used (chosen strength, precision, memory format)."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """All that a strategy is given; values only."""

    backbone: Backbone
    """Ends in what the head takes."""
    head: Head
    task: Task
    activations: Activations
    """At the strategy's cut, with the strategy's views, for all development inputs."""
    targets: np.ndarray
    """Of all development inputs."""
    train: np.ndarray
    """Row numbers, sorted."""
    validation: np.ndarray
    """Row numbers, sorted; disjoint from ``train``."""
    units: np.ndarray | None = None
    """(n,) int64: inputs of one number (a group, copies of a file) stay in one fold of cross-validation."""
    class_weights: np.ndarray | None = None
    """(outputs,) float32 where balanced weights were asked for."""
    probe: Fitted | None = None
    """The linear probe, fitted on the same training rows: fine-tuning starts from its head."""
    seed: int = 0
    device: str = "cpu"
    checkpoint: Path | None = None
    """A folder of this fit's own for exact resume, or None."""
    seconds_left: Callable[[], float] = lambda: float("inf")
    """What is left of the budget; a strategy ends with its best epoch when it is spent."""
    progress: Progress = silent
    on_epoch: Callable[[Mapping[str, float]], None] = lambda record: None
    """Called with each history record (TensorBoard events)."""


@dataclass(frozen=True, kw_only=True)
class Strategy(ABC):
    """One way of adapting a backbone."""

    learns: ClassVar[bool] = True
    """False for rungs that only show the floor (majority class)."""
    linear: ClassVar[bool] = False
    """True where its head is linear, whatever head was asked for."""
    continues: ClassVar[bool] = False
    """True where it starts from a head that was fitted on frozen features."""
    forms: ClassVar[tuple[LabelForm, ...]] = ("class", "set", "number")
    """The kinds of labels that it can learn."""
    rung: ClassVar[int | None] = None
    """Its place on the ladder, lowest first; None: only tried when it is asked for."""

    @abstractmethod
    def cut(self, backbone: Backbone) -> int:
        """Return where this strategy cuts the backbone. Raises SettingError if it does not fit."""

    @property
    @abstractmethod
    def n_views(self) -> int:
        """How many views of a training input it wants stored; view 0 is the plain one."""

    @abstractmethod
    def fit(self, material: Material) -> Fitted:
        """Train what is after the cut; the backbone itself is left bit-equal."""
