"""Always the most frequent class: the floor that every other strategy must beat."""

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
    """The classes' shares among the training rows, whatever the input."""

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
        """Return a linear head of zeros whose bias is the log share of every class, with half an input added."""
        prior = _log_shares(material.targets[material.train], material.task.outputs)
        final = _log_shares(material.targets[np.concatenate([material.train, material.validation])], len(prior))
        return Fitted(
            cut=self.cut(material.backbone),
            suffix=nn.Sequential().eval(),
            head=_constant(material.activations.shape[2:], final),
            training_head=_constant(material.activations.shape[2:], prior),
            validation_logits=np.tile(prior, (len(material.validation), 1)),
        )


def _log_shares(targets: np.ndarray, outputs: int) -> np.ndarray:
    counts = np.bincount(targets, minlength=outputs) + 0.5
    return np.asarray(np.log(counts / counts.sum()), dtype=np.float32)


def _constant(shape: tuple[int, ...], bias: np.ndarray) -> nn.Module:
    layer = nn.Linear(math.prod(shape), len(bias), device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.from_numpy(bias))
    return nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False)
