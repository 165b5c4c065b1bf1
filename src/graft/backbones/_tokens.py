"""Which tokens of an activation are real, and what an activation is on average over all of its places."""

import numpy as np
import torch

from graft.doubt.vectors import pooled


def real_tokens(inputs: torch.Tensor) -> torch.Tensor:
    """Return (n, T): 1 for the tokens of inputs (n, T, C) that are real, 0 for padding.

    A backbone of inputs that differ in length says it in the last channel: 1 for a real token, then 0 for padding. Such
    a channel begins with exactly 1, never rises and is never below 0, which mixup leaves so; where an input's last
    channel is another one, all of its tokens are real.
    """
    last = inputs[..., -1].detach()
    falls = (last[:, 1:] <= last[:, :-1]).all(1)
    told = (last[:, 0] == 1) & falls & (last >= 0).all(1)
    return torch.where(told[:, None], last, torch.ones_like(last))


def averaged(activations: np.ndarray) -> np.ndarray:
    """Return the mean over places or real tokens, (n, C), of vectors (n, C), maps (n, C, H, W) or tokens (n, T, C)."""
    return pooled(activations)
