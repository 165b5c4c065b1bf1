"""The linear probe on a network's features and others beside them; cross-validation says how much these count."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from graft.strategies import _material
from graft.strategies._base import Activations, Fitted, Material
from graft.strategies.linear_probe import LinearProbe

WEIGHTS = (0.25, 1.0, 4.0)
"""How much the others may count. Out of fold, the colours and gradients of photos of clothes served best at a quarter
of the network's length, the log-mel bands of spoken digits and of noises at four times it."""


@dataclass(frozen=True, kw_only=True)
class JoinedProbe(LinearProbe):
    """A linear probe that also chooses how much the last features count."""

    width: int
    """How many of the features, the last ones, are not the network's."""
    weights: tuple[float, ...] = WEIGHTS
    """Factors on these that are tried; the one with the lowest out-of-fold loss on training rows is taken."""

    def fit(self, material: Material) -> Fitted:
        """Return the probe at the best weight; its heads take the features as they are.

        Raises SettingError if the head is not linear or the features are no vectors.
        """
        tried: dict[float, float] = {}
        found: tuple[float, Fitted] | None = None
        for weight in self.weights:
            weighed = replace(material, activations=Weighed(material.activations, self.width, weight))
            fitted = super().fit(weighed)
            tried[weight] = min(loss for _, loss in fitted.resolved["path"])
            if found is None or tried[weight] < tried[found[0]]:
                found = weight, fitted
        assert found is not None
        weight, fitted = found
        for head in (fitted.head, fitted.training_head):
            self._take_plain(head, weight)
        resolved = {**fitted.resolved, "weight": weight, "weights": [list(pair) for pair in tried.items()]}
        return replace(fitted, resolved=resolved)

    def _take_plain(self, head: nn.Module | None, weight: float) -> None:
        """Put the weight into a head, so that it takes features that are not weighed."""
        if head is not None:
            with torch.no_grad():
                _material.linear_layer(head).weight[:, -self.width :] *= weight


@dataclass(frozen=True)
class Weighed:
    """Activations whose last features are multiplied."""

    source: Activations
    width: int
    weight: float

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the source."""
        return self.source.shape

    def read(self, rows: np.ndarray, views: np.ndarray | int = 0) -> np.ndarray:
        """Return the rows, their last features multiplied."""
        found = np.array(self.source.read(rows, views))
        found[:, -self.width :] *= self.weight
        return found
