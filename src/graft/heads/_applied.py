"""A head that is only asked: one linear layer as a product of NumPy, any other as torch runs it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

Applied = Callable[[np.ndarray], np.ndarray]
"""From features (n, *shape) float32 to logits (n, outputs) float32."""


@dataclass(frozen=True)
class Product:
    """A linear layer; for one input torch's way to its product takes five times as long as the product."""

    weight: np.ndarray
    """(outputs, features) float32."""
    bias: np.ndarray
    """(outputs,) float32."""

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return the logits (n, outputs) float32 of features (n, features)."""
        return np.asarray(features @ self.weight.T + self.bias)


@dataclass(frozen=True)
class Module:
    """Any other head."""

    module: nn.Module

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return the logits (n, outputs) float32 of features (n, *shape)."""
        with torch.inference_mode():
            logits: np.ndarray = self.module(torch.from_numpy(features)).numpy()
        return logits


def applied(module: nn.Module) -> Applied:
    """Return what gives a head's logits; the head is in evaluation, on the CPU, and not trained any more."""
    layers = list(module) if isinstance(module, nn.Sequential) else [module]
    working = [one for one in layers if not isinstance(one, nn.Dropout)]
    if len(working) == 1 and type(working[0]) is nn.Linear and working[0].bias is not None:
        return Product(working[0].weight.detach().numpy(), working[0].bias.detach().numpy())
    return Module(module)
