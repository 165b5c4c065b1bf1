"""What every head promises: it takes the backbone's output and gives the task's outputs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Head(ABC):
    """The settings of a head; ``build`` makes the module."""

    takes: ClassVar[Literal["vector", "map", "tokens"]] = "vector"
    convex: ClassVar[bool] = False
    """True where the linear probe's solver can fit it exactly."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Return a fresh module: inputs (n, *shape) float32 to logits (n, outputs)."""
