"""Tokens with their mask as one more channel, and the ways to pool them into one vector.

Activations of n texts are (n, tokens, C + 1): the last channel is 1 for a real token and 0 for padding, which always
stands at the end. What a padded place holds in the other channels is never looked at.
"""

import torch
from torch import nn
from torch.nn import functional


def marked(x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Return (n, tokens, C + 1) of ``x`` (n, tokens, C), padding set to 0, and ``real`` (n, tokens)."""
    mask = real.to(x.dtype).unsqueeze(-1)
    return torch.cat([x * mask, mask], dim=-1)


def parted(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the channels (n, tokens, C) and the mask (n, tokens, 1) of marked tokens."""
    return x[..., :-1], x[..., -1:]


def mean(x: torch.Tensor) -> torch.Tensor:
    """Return the mean (n, C) over the real tokens; 0 where there are none."""
    channels, mask = parted(x)
    return (channels * mask).sum(1) / mask.sum(1).clamp(min=1)


def maximum(x: torch.Tensor) -> torch.Tensor:
    """Return the largest values (n, C) over the real tokens; 0 where there are none."""
    channels, mask = parted(x)
    largest = channels.masked_fill(mask == 0, torch.finfo(x.dtype).min).amax(1)
    return largest * mask.amax(1)


def last(x: torch.Tensor) -> torch.Tensor:
    """Return the last real token (n, C); 0 where there are none."""
    channels, mask = parted(x)
    following = functional.pad(mask[:, 1:], (0, 0, 0, 1))
    return (channels * (mask * (1 - following))).sum(1)


class MeanPool(nn.Module):
    """The mean over real tokens: (n, tokens, C + 1) to (n, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the means."""
        return mean(x)


class ConcatPool(nn.Module):
    """Last, largest and mean of real tokens side by side: (n, tokens, C + 1) to (n, 3 C).

    The concat pooling of ULMFiT (Howard and Ruder 2018, section 3.3), in the order of fastai's ``masked_concat_pool``;
    ``dropout`` is that of the classifier's first layer there.
    """

    def __init__(self, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pooled vectors."""
        pooled = torch.cat([last(x), maximum(x), mean(x)], dim=1)
        return functional.dropout(pooled, self.dropout, training=self.training)
