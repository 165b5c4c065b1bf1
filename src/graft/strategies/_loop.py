"""From a strategy's material to the training loop and back."""

import numpy as np
from torch import nn

from graft.errors import SettingError, must
from graft.strategies import _material
from graft.strategies._base import Fitted, Material
from graft.training import Conditions, Numerics, Optimisation, Problem, Regularisation, train


def check_views(views: int) -> None:
    """Raise SettingError unless there is a view."""
    if views < 1:
        raise SettingError(must("views", "at least 1", views, "Take 4, or 1 for no augmentation"))


def fit(
    material: Material,
    cut: int,
    stages: nn.Sequential,
    head: nn.Module,
    optimisation: Optimisation,
    regularisation: Regularisation,
    numerics: Numerics,
) -> Fitted:
    """Train ``stages`` and ``head`` (copies of them) on the material. Raises DivergenceError."""
    problem = Problem(
        stages=stages,
        head=head,
        read=material.activations.read,
        views=material.activations.shape[1],
        targets=material.targets,
        train=material.train,
        validation=material.validation,
        loss=_material.loss(material),
        soft=material.task.soft,
        score=_material.score(material),
        chance=_material.chance(material),
    )
    conditions = Conditions(
        seed=material.seed,
        device=material.device,
        checkpoint=material.checkpoint,
        seconds_left=material.seconds_left,
        progress=material.progress,
        on_epoch=material.on_epoch,
    )
    trained = train(problem, optimisation, regularisation, numerics, conditions)
    return Fitted(
        cut=cut,
        suffix=trained.stages,
        head=trained.head,
        validation_logits=np.asarray(trained.validation_logits, dtype=np.float32),
        history=trained.history,
        notes=trained.notes,
        resolved=trained.resolved,
    )
