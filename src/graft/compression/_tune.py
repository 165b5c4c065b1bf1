"""A short fine-tune of changed stages on stored activations, towards the features that they gave before."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from graft.backbones import Backbone
from graft.compression._base import Activations, Material, batches
from graft.errors import SettingError, must
from graft.training import Conditions, Numerics, Optimisation, Problem, Regularisation, Trained, train


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How the changed stages are brought back."""

    epochs: int
    lr: float
    clip: float = 1.0
    freeze_norms: bool = False
    """Keep the statistics of batch norms, and depthwise filters: for stages that give nearly what they gave."""


def place(backbone: Backbone, from_stage: str | int | None, share: float) -> int:
    """Return the cut before the stage of that name or number, else the one behind a ``share`` of the stages.

    Raises SettingError where there is none such.
    """
    last = backbone.n_stages - 1
    if from_stage is None:
        return min(last, max(1, round(share * backbone.n_stages)))
    cut = int(from_stage) if str(from_stage).isdecimal() else backbone.find(str(from_stage))
    if not 1 <= cut <= last:
        do = "Take a later or earlier stage; `graft show MODEL --json` names them"
        raise SettingError(must("from_stage", f"from 1 to {last} for {backbone.name}", from_stage, do))
    return cut


def tuned(material: Material, cut: int, stages: nn.Sequential, tuning: Tuning) -> Trained:
    """Train changed stages from the cut on to give the features that the model's own stages give; the best is returned.

    No labels are needed, and the head stays as it is, since what it sees is again what it was fitted on: FitNets'
    hints (Romero et al. 2015) at the last stage. The score is 1 less the squared error in variances of the features.
    Raises DivergenceError.
    """
    model = material.model
    activations = material.activations(cut)
    goal = _features(activations, model.backbone.suffix(cut).eval(), len(material.targets))
    scale = max(float(goal[material.train].var()), 1e-12)

    def loss(outputs: torch.Tensor, targets: torch.Tensor, label_smoothing: float) -> torch.Tensor:
        return (outputs - targets).square().mean() / scale

    def score(outputs: np.ndarray, targets: np.ndarray) -> float:
        return float(1 - np.square(outputs - targets).mean() / scale)

    problem = Problem(
        stages=stages,
        head=nn.Identity(),
        read=activations.read,
        views=activations.shape[1],
        targets=goal,
        train=material.train,
        validation=material.validation,
        loss=loss,
        soft=lambda targets: targets,
        score=score,
        chance=0.0,
    )
    return train(
        problem,
        Optimisation(epochs=tuning.epochs, lr=tuning.lr, stage_decay=1.0, weight_decay=1e-4),
        Regularisation(
            freeze_norms=tuning.freeze_norms,
            freeze_depthwise=tuning.freeze_norms,
            mixup=0.0,
            label_smoothing=0.0,
            patience=0,
            clip=tuning.clip,
        ),
        Numerics(precision="float32", layout="channels_last" if len(activations.shape) == 5 else "contiguous"),
        Conditions(seed=material.seed, device=material.device, progress=material.progress),
    )


def _features(activations: Activations, stages: nn.Module, count: int) -> np.ndarray:
    """Return what stages give for all stored activations, (n, ...) float32."""

    def given(rows: np.ndarray) -> np.ndarray:
        values: np.ndarray = stages(torch.from_numpy(np.ascontiguousarray(activations.read(rows)))).float().numpy()
        return values

    with torch.inference_mode():
        return np.concatenate([given(rows) for rows in batches(np.arange(count), 64)])
