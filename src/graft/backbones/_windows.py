"""Inputs of several windows: a stage applied to each window alone, and the pooling of all windows to one vector.

Where inputs differ in how many windows they have, what is behind an input's windows is padding. Activations between the
stages are then (n, windows, tokens, C + 1) as long as a stage marks its tokens, and (n, windows, C + 1) from the stage
on that makes one vector of them: the last channel is 1 for a real token or window and 0 for padding.
"""

from collections.abc import Callable, Mapping

import torch
from torch import nn

FEWEST = 1e-6
"""Stands for no window at all; mixed inputs have shares of windows."""


class Each(nn.Module):
    """A module applied to each window of an input alone: (n, windows, ...) to (n, windows, ...)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the module gives for each window."""
        found: torch.Tensor = self.module(x.flatten(0, 1))
        return found.reshape(-1, x.shape[1], *found.shape[1:])


class EachMarked(nn.Module):
    """The same where inputs differ in how many windows they have: what is behind them stays 0 and is marked so.

    It takes token ids, -1 for padding, or marked tokens, and gives marked tokens or marked windows.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the module gives for each window, its mark kept."""
        if x.is_floating_point():
            mark = x[..., 0, -1]
            given = torch.cat([x[..., :-1], _begun(x[..., -1:])], dim=-1)
        else:
            mark, given = x.flatten(2)[..., :1].squeeze(2) >= 0, x
        found: torch.Tensor = self.module(given.flatten(0, 1))
        found = found.reshape(x.shape[0], x.shape[1], *found.shape[1:])
        real = (mark > 0).to(found.dtype)
        if found.ndim == 3:
            return torch.cat([found * real[..., None], mark.to(found.dtype)[..., None]], dim=-1)
        return found * real[..., None, None]


def _begun(marks: torch.Tensor) -> torch.Tensor:
    """Return marks (n, windows, tokens, 1) with at least one real token each: attention to nothing is not a number."""
    first = marks[:, :, :1]
    return torch.cat([torch.where(first > 0, first, torch.ones_like(first)), marks[:, :, 1:]], dim=2)


class MeanOfWindows(nn.Module):
    """The mean over an input's windows: (n, windows, ...) to (n, ...)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the means."""
        return x.mean(1)


class MaxOfWindows(nn.Module):
    """The largest value over an input's windows: (n, windows, ...) to (n, ...)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the largest values."""
        return x.amax(1)


class MeanOfMarked(nn.Module):
    """The mean over the real ones of marked windows: (n, windows, C + 1) to (n, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the means; 0 where an input has no real window, as a text of which no word is known."""
        vectors, mark = x[..., :-1], x[..., -1:]
        return (vectors * mark).sum(1) / mark.sum(1).clamp(min=FEWEST)


POOLINGS: Mapping[str, Callable[[], nn.Module]] = {"mean": MeanOfWindows, "max": MaxOfWindows}
"""What a preprocessing's ``pooling`` may say of several windows."""
MARKED_POOLINGS: Mapping[str, Callable[[], nn.Module]] = {"mean": MeanOfMarked}
"""The same where inputs differ in how many they have."""
