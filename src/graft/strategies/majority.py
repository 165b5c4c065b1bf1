"""The same answer for every input, such as the most frequent class: the floor that every other strategy must beat."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from graft.backbones import Backbone
from graft.strategies._base import Fitted, Material, Strategy


@dataclass(frozen=True, kw_only=True)
class Majority(Strategy):
    """What the training labels say, whatever the input: the classes' shares, or the mean of numbers."""

    learns: ClassVar[bool] = False
    linear: ClassVar[bool] = True
    rung: ClassVar[int | None] = 10

    def cut(self, backbone: Backbone) -> int:
        """Return the cut after the last stage."""
        return backbone.n_stages

    @property
    def n_views(self) -> int:
        """One: the plain view."""
        return 1

    def fit(self, material: Material) -> Fitted:
        """Return a linear head of zeros whose bias is the task's best constant answer."""
        prior = material.task.prior(material.targets[material.train])
        final = material.task.prior(material.targets[np.concatenate([material.train, material.validation])])
        return Fitted(
            cut=self.cut(material.backbone),
            suffix=nn.Sequential().eval(),
            head=_constant(material.activations.shape[2:], final),
            training_head=_constant(material.activations.shape[2:], prior),
            validation_logits=np.tile(prior, (len(material.validation), 1)),
        )


def _constant(shape: tuple[int, ...], bias: np.ndarray) -> nn.Module:
    layer = nn.Linear(math.prod(shape), len(bias), device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.from_numpy(bias))
    return nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False)
