"""One linear layer on the feature vector: what the linear probe fits exactly."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from graft.errors import SettingError, must
from graft.heads._base import Head


def check_dropout(value: float) -> None:
    """Raise SettingError unless ``value`` is a share that leaves something over."""
    if not 0 <= value < 1:
        raise SettingError(must("dropout", "from 0 to below 1", value, "Take 0.2, say"))


@dataclass(frozen=True, kw_only=True)
class Linear(Head):
    """Dropout, then a linear layer."""

    convex: ClassVar[bool] = True

    dropout: float = 0.0
    """Share of the features that are set to zero in training."""

    def __post_init__(self) -> None:
        check_dropout(self.dropout)

    def build(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Return Dropout and Linear for inputs (n, features). Raises SettingError for any other shape."""
        if len(shape) != 1:
            raise SettingError(must("the linear head's input", "a vector", f"shape {shape}", "Take another head"))
        return nn.Sequential(nn.Dropout(self.dropout), small_linear(shape[0], outputs))


def small_linear(inputs: int, outputs: int) -> nn.Linear:
    """Return a linear layer that starts near zero, so that the first answers are nearly even."""
    layer = nn.Linear(inputs, outputs)
    nn.init.trunc_normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer
