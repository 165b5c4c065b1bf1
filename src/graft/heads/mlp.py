"""Hidden layers on the feature vector, for classes that no plane separates."""

from dataclasses import dataclass

from torch import nn

from graft.errors import SettingError, must
from graft.heads._base import Head
from graft.heads.linear import check_dropout, small_linear


@dataclass(frozen=True, kw_only=True)
class Mlp(Head):
    """LayerNorm, then hidden layers with GELU and dropout, then a linear layer."""

    hidden: tuple[int, ...] = (512,)
    """Widths of the hidden layers, first to last."""
    dropout: float = 0.2
    """Share of each hidden layer's outputs that are set to zero in training."""

    def __post_init__(self) -> None:
        check_dropout(self.dropout)
        if not self.hidden or min(self.hidden) < 1:
            do = "Take 512, say, or the linear head"
            raise SettingError(must("hidden", "one or more widths of at least 1", self.hidden, do))

    def build(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Return the layers for inputs (n, features). Raises SettingError for any other shape."""
        if len(shape) != 1:
            raise SettingError(must("the mlp head's input", "a vector", f"shape {shape}", "Take another head"))
        # Backbones differ in the scale of their features; the norm lets one rate fit all of them.
        layers: list[nn.Module] = [nn.LayerNorm(shape[0])]
        width = shape[0]
        for hidden in self.hidden:
            layer = nn.Linear(width, hidden)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            layers += [layer, nn.GELU(), nn.Dropout(self.dropout)]
            width = hidden
        return nn.Sequential(*layers, small_linear(width, outputs))
