"""What strategies read from their material: feature tables, fresh heads, judges."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from graft.errors import DataError, SettingError, must
from graft.heads import Head
from graft.strategies._base import Material
from graft.training.likelihood import LIKELIHOODS, Likelihood

CHUNK = 256


def features(material: Material, rows: np.ndarray, views: int = 1) -> np.ndarray:
    """Return the stored feature vectors of rows in their first views, (views, len(rows), features) float32.

    Raises SettingError where they are no vectors, and DataError where they are not finite.
    """
    width = material.activations.shape[2:]
    if len(width) != 1:
        do = "Take a strategy that trains a head for it, such as frozen_head"
        raise SettingError(must("the features of a linear head", "vectors", f"shape {tuple(width)}", do))
    table = np.empty((views, len(rows), width[0]), dtype=np.float32)
    for view in range(views):
        for begin in range(0, len(rows), CHUNK):
            chunk = rows[begin : begin + CHUNK]
            table[view, begin : begin + len(chunk)] = material.activations.read(chunk, view)
    if not np.isfinite(table.sum(dtype=np.float64)):
        do = "Try another runtime or backbone; the features of this one overflow"
        raise DataError(must("features", "finite numbers", "infinite ones or NaN", do))
    return table


def fresh_head(head: Head, shape: tuple[int, ...], outputs: int, seed: int) -> nn.Module:
    """Return a head that depends on the seed alone; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return head.build(shape, outputs)


def linear_head(head: Head, weight: torch.Tensor, bias: torch.Tensor) -> nn.Module:
    """Return the head in eval mode with ``weight`` (outputs, features) and ``bias`` (outputs,) in its linear layer.

    Raises SettingError if the head is more than a linear layer.
    """
    if not head.convex:
        name = type(head).__name__.lower()
        do = "Take the linear head, or the strategy frozen_head, which trains any"
        raise SettingError(must("the head of a linear strategy", "linear", name, do))
    built = fresh_head(head, (weight.shape[1],), weight.shape[0], 0)
    layer = linear_layer(built)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return built.eval().requires_grad_(False)


def linear_layer(head: nn.Module) -> nn.Linear:
    """Return the one linear layer of a convex head."""
    (layer,) = (module for module in head.modules() if isinstance(module, nn.Linear))
    return layer


def logits(head: nn.Module, table: np.ndarray) -> np.ndarray:
    """Return the head's logits of feature vectors, (n, outputs) float32."""
    with torch.inference_mode():
        found = [head(torch.from_numpy(table[i : i + 4096])) for i in range(0, len(table), 4096)]
    return torch.cat(found).numpy()


def strata(material: Material, rows: np.ndarray) -> np.ndarray:
    """Return what the folds of a cross-validation over rows should have evenly, (len(rows),) int64."""
    return material.task.strata(material.targets[rows])


def likelihood(material: Material) -> Likelihood:
    """Return the loss of linear models for the task."""
    return LIKELIHOODS[material.task.likelihood]


def row_weights(material: Material, targets: np.ndarray) -> np.ndarray | None:
    """Return the class weight of every row, (len(targets),) float32, or None where all count the same."""
    if material.class_weights is None:
        return None
    return np.asarray(material.class_weights[targets], dtype=np.float32)


def loss(material: Material) -> Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]:
    """Return ``loss(logits, targets, label_smoothing)`` with the class weights in it."""
    weights = None if material.class_weights is None else torch.from_numpy(material.class_weights).float()

    def value(outputs: torch.Tensor, targets: torch.Tensor, label_smoothing: float) -> torch.Tensor:
        here = None if weights is None else weights.to(outputs.device)
        return material.task.loss(outputs, targets, label_smoothing=label_smoothing, weights=here)

    return value


def score(material: Material) -> Callable[[np.ndarray, np.ndarray], float]:
    """Return the mean item score, each item counting by its class weight."""

    def value(outputs: np.ndarray, targets: np.ndarray) -> float:
        each = material.task.item_scores(outputs, targets)
        return float(np.average(each, weights=row_weights(material, targets)))

    return value


def chance(material: Material) -> float:
    """Return the score of the best constant answer on the validation rows."""
    targets, outputs = material.targets[material.validation], material.task.outputs
    judge = score(material)
    # With weighted classes the best one need not be the most frequent.
    constants = np.vstack([np.eye(outputs, dtype=np.float32), material.task.prior(targets)])
    return max(judge(np.tile(row, (len(targets), 1)), targets) for row in constants)
