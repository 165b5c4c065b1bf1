"""A GRU or LSTM over tokens, windows or frames, for what their order tells; attention says which of them count."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from graft.backbones import real_tokens
from graft.errors import SettingError, must
from graft.heads._base import Head
from graft.heads.linear import check_dropout, small_linear


@dataclass(frozen=True, kw_only=True)
class Rnn(Head):
    """LayerNorm, recurrent layers, pooling over the tokens that are real, dropout, linear layer."""

    takes: ClassVar[Literal["vector", "map", "tokens"]] = "tokens"

    cell: Literal["gru", "lstm"] = "gru"
    """What is repeated from token to token."""
    hidden: int = 128
    """Width of each direction of a layer."""
    layers: int = 1
    """Recurrent layers, one on the other."""
    both_ways: bool = True
    """Read the tokens from the end too, and put both readings side by side."""
    pooling: Literal["attention", "mean", "max", "last"] = "attention"
    """How the tokens become one vector; last is the one at which each reading ends."""
    dropout: float = 0.2
    """Share of the pooled vector that is set to zero in training."""

    def __post_init__(self) -> None:
        check_dropout(self.dropout)
        if self.hidden < 1:
            raise SettingError(must("hidden", "at least 1", self.hidden, "Take 128, say"))
        if self.layers < 1:
            raise SettingError(must("layers", "at least 1", self.layers, "Take 1, or the mlp head"))

    def build(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Return the layers for inputs (n, tokens, C). Raises SettingError for any other shape."""
        if len(shape) != 2:
            raise SettingError(must("the rnn head's input", "tokens (T, C)", f"shape {shape}", "Take another head"))
        return Recurrent(self, shape[1], outputs)


class Recurrent(nn.Module):
    """The module of the head. What stands behind the last real token has no say in the answer."""

    def __init__(self, settings: Rnn, inputs: int, outputs: int) -> None:
        super().__init__()
        # Backbones differ in the scale of their features; the norm lets one rate fit all of them.
        self.norm = nn.LayerNorm(inputs)
        width = settings.hidden * (2 if settings.both_ways else 1)
        widths = [inputs, *[width] * (settings.layers - 1)]
        self.forwards = nn.ModuleList(_layer(settings, one) for one in widths)
        self.backwards = nn.ModuleList(_layer(settings, one) for one in widths if settings.both_ways)
        self.pooling = settings.pooling
        self.attention = Attention(width) if settings.pooling == "attention" else None
        self.dropout = nn.Dropout(settings.dropout)
        self.top = small_linear(width, outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits (n, outputs) of tokens (n, T, C)."""
        real = real_tokens(inputs)
        states = self.norm(inputs)
        # Each input is turned round within its own length: padding would else be what the second reading begins with.
        turn = _turned(real)
        for number, layer in enumerate(self.forwards):
            ahead = layer(states)[0]
            if len(self.backwards):
                back = _taken(self.backwards[number](_taken(states, turn))[0], turn)
                ahead = torch.cat([ahead, back], 2)
            states = ahead
        logits: torch.Tensor = self.top(self.dropout(self._pooled(states, real)))
        return logits

    def _pooled(self, states: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Return (n, width) of the states (n, T, width) of real tokens."""
        if self.attention is not None:
            pooled: torch.Tensor = self.attention(states, real)
            return pooled
        if self.pooling == "mean":
            return (states * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        if self.pooling == "max":
            return states.masked_fill(real[..., None] <= 0, -torch.inf).amax(1)
        last = (real > 0).sum(1) - 1
        end = states.gather(1, last[:, None, None].expand(-1, 1, states.shape[2])).squeeze(1)
        if not len(self.backwards):
            return end
        half = states.shape[2] // 2
        return torch.cat([end[:, :half], states[:, 0, half:]], 1)


class Attention(nn.Module):
    """A mean of states that is weighted by what the states themselves say of their worth.

    Source: Yang et al. 2016, "Hierarchical attention networks for document classification", equations 5 to 7.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, width)
        self.context = nn.Linear(width, 1, bias=False)

    def weights(self, states: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Return the weights (n, T) of states (n, T, width): they sum to 1, and are 0 where ``real`` (n, T) is."""
        worth = self.context(torch.tanh(self.project(states))).squeeze(2)
        return torch.softmax(worth.float() + real.float().log(), 1)

    def forward(self, states: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Return the weighted means (n, width)."""
        return (self.weights(states, real)[..., None] * states).sum(1)


def _layer(settings: Rnn, inputs: int) -> nn.Module:
    kind = nn.GRU if settings.cell == "gru" else nn.LSTM
    return kind(inputs, settings.hidden, batch_first=True)


def _turned(real: torch.Tensor) -> torch.Tensor:
    """Return the places (n, T) that turn the real tokens round and leave the padding where it is."""
    place = torch.arange(real.shape[1], device=real.device)[None]
    length = (real > 0).sum(1, keepdim=True)
    return torch.where(place < length, length - 1 - place, place)


def _taken(states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return states.gather(1, places[..., None].expand(-1, -1, states.shape[2]))
