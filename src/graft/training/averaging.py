"""A running average of the weights: steadier than the last step's, and often better."""

import copy
import math

import torch
from torch import nn


class Average:
    """Exponential average over about ``steps`` steps of a model's weights (Polyak and Juditsky 1992).

    Without averaging (``steps`` 0) it is the model itself. Buffers are taken as they are.
    """

    def __init__(self, model: nn.Module, steps: float) -> None:
        self.source = model
        self.share = 1 - math.exp(-1 / steps) if steps > 0 else 1.0
        self.model = copy.deepcopy(model) if steps > 0 else model
        self._own: list[torch.Tensor] = [p for p in self.model.parameters() if p.requires_grad]
        self._theirs: list[torch.Tensor] = [p for p in model.parameters() if p.requires_grad]

    @torch.no_grad()
    def update(self) -> None:
        """Take the model's present weights into the average."""
        if self.model is self.source:
            return
        torch._foreach_lerp_(self._own, self._theirs, self.share)
        for mine, theirs in zip(self.model.buffers(), self.source.buffers(), strict=True):
            mine.copy_(theirs)

    @torch.no_grad()
    def reset(self) -> None:
        """Start again from the model's present weights."""
        if self.model is not self.source:
            self.model.load_state_dict(self.source.state_dict())
