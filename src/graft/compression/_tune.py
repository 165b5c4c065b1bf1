"""A short fine-tune of changed stages on stored activations, from the head that the model has."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from graft.backbones import Backbone
from graft.compression._base import Material
from graft.errors import SettingError, must
from graft.training import Conditions, Numerics, Optimisation, Problem, Regularisation, Trained, train


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How the changed stages are brought back."""

    epochs: int
    lr: float
    clip: float = 1.0


def place(backbone: Backbone, from_stage: str | None, share: float) -> int:
    """Return the cut before the stage of that name or number, else the one behind a ``share`` of the stages.

    Raises SettingError where there is none such.
    """
    last = backbone.n_stages - 1
    if from_stage is None:
        return min(last, max(1, round(share * backbone.n_stages)))
    cut = int(from_stage) if from_stage.isdecimal() else backbone.find(from_stage)
    if not 1 <= cut <= last:
        do = "Take a later or earlier stage; `graft show MODEL --json` names them"
        raise SettingError(must("from_stage", f"from 1 to {last} for {backbone.name}", from_stage, do))
    return cut


def tuned(material: Material, cut: int, stages: nn.Sequential, tuning: Tuning, what: str) -> Trained:
    """Train the stages from the cut on and the head; the best is returned. Raises SettingError, DivergenceError."""
    model = material.model
    if model.beside is not None:
        do = "Take half or int8, or fit without them"
        raise SettingError(must(f"a model for {what}", "one without features beside the network's", "such", do))
    task, activations = model.task, material.activations(cut)

    def loss(outputs: torch.Tensor, targets: torch.Tensor, label_smoothing: float) -> torch.Tensor:
        return task.loss(outputs, targets, label_smoothing=label_smoothing, weights=None)

    def score(outputs: np.ndarray, targets: np.ndarray) -> float:
        return float(task.item_scores(outputs, targets).mean())

    known = material.targets[material.validation]
    problem = Problem(
        stages=stages,
        head=model.head,
        read=activations.read,
        views=activations.shape[1],
        targets=material.targets,
        train=material.train,
        validation=material.validation,
        loss=loss,
        soft=task.soft,
        score=score,
        chance=score(np.tile(task.prior(material.targets[material.train]), (len(known), 1)), known),
    )
    return train(
        problem,
        Optimisation(epochs=tuning.epochs, lr=tuning.lr, stage_decay=1.0, weight_decay=1e-4),
        # Statistics of batch norms are those of channels that have changed; depthwise filters lost neighbours.
        Regularisation(freeze_norms=False, freeze_depthwise=False, mixup=0.0, patience=0, clip=tuning.clip),
        Numerics(precision="float32", layout="channels_last" if len(activations.shape) == 5 else "contiguous"),
        Conditions(seed=material.seed, device=material.device, progress=material.progress),
    )
