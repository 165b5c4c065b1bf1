"""A linear model on frozen features, its strength chosen by cross-validation: fast, and hard to beat."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import nn

from graft.backbones import Backbone
from graft.errors import SettingError, must
from graft.strategies import _material
from graft.strategies._base import Fitted, Material, Strategy
from graft.strategies._probe import Table, fit_probe


@dataclass(frozen=True, kw_only=True)
class LinearProbe(Strategy):
    """Logistic regression with an L2 penalty, softmax or one a label; ridge regression for numbers."""

    linear: ClassVar[bool] = True
    rung: ClassVar[int | None] = 30

    strength: float | None = None
    """Penalty on features of mean squared length 1; none: chosen by cross-validation."""
    folds: int = 5
    """Folds of the cross-validation."""
    views: int = 1
    """Views of every input that are fitted, the plain one included."""

    def __post_init__(self) -> None:
        if self.strength is not None and self.strength <= 0:
            raise SettingError(must("strength", "above 0", self.strength, "Take 0.03, or none to have it chosen"))
        if self.folds < 2:
            raise SettingError(must("folds", "at least 2", self.folds, "Take 5"))
        if self.views < 1:
            raise SettingError(must("views", "at least 1", self.views, "Take 1"))

    def cut(self, backbone: Backbone) -> int:
        """Return the cut after the last stage."""
        return backbone.n_stages

    @property
    def n_views(self) -> int:
        """The views that are fitted."""
        return self.views

    def fit(self, material: Material) -> Fitted:
        """Return the head on all development rows, and logits from heads that never saw the row.

        Raises SettingError if the head is not linear or the features are no vectors.
        """
        train, validation = material.train, material.validation
        rows = np.concatenate([train, validation])
        targets = material.targets[rows]
        tables = _material.features(material, rows, self.views)
        held_out = tables[0, len(train) :].copy()
        table = Table(
            features=tables,
            targets=targets,
            n_train=len(train),
            row_weights=_material.row_weights(material, targets),
            units=None if material.units is None else material.units[rows],
            strata=np.concatenate([_material.strata(material, train), _material.strata(material, validation)]),
            likelihood=_material.likelihood(material),
            spare=True,
        )
        outputs = material.task.outputs
        probe = fit_probe(table, outputs, folds=self.folds, strength=self.strength, seed=material.seed)
        material.progress("training", 1, 1)
        training_head = _material.linear_head(material.head, probe.training_weight, probe.training_bias)
        return Fitted(
            cut=self.cut(material.backbone),
            suffix=nn.Sequential().eval(),
            head=_material.linear_head(material.head, probe.weight, probe.bias),
            training_head=training_head,
            validation_logits=_material.logits(training_head, held_out),
            development_logits=probe.out_of_fold.numpy(),
            basis=probe.basis,
            folds=probe.fold,
            notes=_at_the_edge(probe.strength, [one for one, _ in probe.path], self.strength is None),
            resolved={"strength": probe.strength, "path": [list(point) for point in probe.path]},
        )


def _at_the_edge(chosen: float, tried: list[float], searched: bool) -> tuple[str, ...]:
    """Return a note where a stronger penalty than all that were tried might have been better."""
    if not searched or chosen != tried[0]:
        return ()
    return ("The strongest penalty was the best one: the features may say little about these labels.",)
