"""A linear probe on features that the person already has: no files, no backbone, no artifact."""

from dataclasses import replace

import numpy as np
import torch
from scipy.special import expit, softmax
from torch import nn

from graft.errors import DataError, must
from graft.registry import build
from graft.strategies import REGISTRY
from graft.strategies._probe import Probe, Table, fit_probe
from graft.tasks import Task
from graft.tasks.multilabel import Multilabel
from graft.tasks.regression import Regression
from graft.training.likelihood import LIKELIHOODS


def fit(features: np.ndarray, targets: np.ndarray, outputs: int, *, seed: int = 0) -> nn.Linear:
    """Return a linear head on features (n, features), its strength chosen by cross-validation."""
    probe = _probe(features, targets, outputs, seed)
    return _head(probe.weight.double(), probe.bias.double())


def fit_sets(features: np.ndarray, targets: np.ndarray, *, seed: int = 0) -> nn.Linear:
    """Return a linear head on features (n, features) for sets of labels, ``targets`` (n, labels) of 0 and 1."""
    there = np.asarray(targets, np.float32)
    task = Multilabel(classes=tuple(str(number) for number in range(there.shape[1])))
    probe = _probe(features, there, task.outputs, seed, task)
    return _head(probe.weight.double(), probe.bias.double())


def fit_numbers(features: np.ndarray, values: np.ndarray, *, criterion: str = "mse", seed: int = 0) -> nn.Linear:
    """Return a linear head that gives numbers ``values`` (n,) for features (n, features).

    Raises DataError for fewer than two inputs, SettingError for an unknown criterion.
    """
    if len(values) < 2:
        raise DataError(must("X", "2 inputs or more", "1 sample", "Give more"))
    spread = float(np.std(values))
    settings = {"criterion": criterion, "centre": float(np.mean(values)), "scale": spread or 1.0}
    task: Regression = build(Regression, settings, "task regression")
    probe = _probe(features, ((values - task.centre) / task.scale)[:, None], 1, seed, task)
    return _head(probe.weight.double() * task.scale, probe.bias.double() * task.scale + task.centre)


def _probe(features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, task: Task | None = None) -> Probe:
    """Return a probe with the strategy's number of folds; without a task the targets are class numbers."""
    folds = int(REGISTRY.create("linear_probe").folds)  # type: ignore[attr-defined]
    table = np.asarray(features, np.float32)
    rows = Table(features=table[None], targets=targets, n_train=len(table))
    if task is not None:
        rows = replace(rows, strata=task.strata(targets), likelihood=LIKELIHOODS[task.likelihood])
    return fit_probe(rows, outputs, folds=folds, seed=seed)


def _head(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    # In float64 an answer does not depend on which others were asked beside it.
    head = nn.Linear(weight.shape[1], weight.shape[0]).double()
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    return head.eval().requires_grad_(False)


def numbers(head: nn.Linear, features: np.ndarray) -> np.ndarray:
    """Return the numbers (n,) float64 that a head gives for features (n, features)."""
    with torch.inference_mode():
        found: np.ndarray = head(torch.from_numpy(np.array(features, np.float64))).numpy()[:, 0]
    return found


def probabilities(head: nn.Linear, features: np.ndarray, *, several: bool = False) -> np.ndarray:
    """Return probabilities (n, outputs) float64 of features (n, features); each its own where there are several."""
    with torch.inference_mode():
        logits = head(torch.from_numpy(np.array(features, np.float64))).numpy()
    found: np.ndarray = expit(logits) if several else softmax(logits, axis=1)
    return found
