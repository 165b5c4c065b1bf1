"""Any head on frozen features, trained by gradient descent: for heads that are more than one linear layer."""

from dataclasses import dataclass
from typing import ClassVar

from graft.backbones import Backbone
from graft.strategies import _loop
from graft.strategies._base import Fitted, Material, Strategy
from graft.strategies._fine_tune import fine_tune
from graft.training import Numerics, Optimisation, Regularisation

OPTIMISATION = Optimisation(lr=1e-3, weight_decay=0.05, epochs=30, batch_size=64)
REGULARISATION = Regularisation(patience=8)
NUMERICS = Numerics(precision="float32")


@dataclass(frozen=True, kw_only=True)
class FrozenHead(Strategy):
    """Trains the head alone."""

    rung: ClassVar[int | None] = 40

    views: int = 4
    """Views of every training input that are stored; each epoch draws one."""
    optimisation: Optimisation = OPTIMISATION
    """How the weights are moved."""
    regularisation: Regularisation = REGULARISATION
    """What keeps training from learning its inputs by heart."""
    numerics: Numerics = NUMERICS
    """How numbers are held."""

    def __post_init__(self) -> None:
        _loop.check_views(self.views)

    def cut(self, backbone: Backbone) -> int:
        """Return the cut after the last stage."""
        return backbone.n_stages

    @property
    def n_views(self) -> int:
        """The views that are stored."""
        return self.views

    def fit(self, material: Material) -> Fitted:
        """Train the head; a linear one starts from the linear probe's. Raises DivergenceError."""
        cut = self.cut(material.backbone)
        return fine_tune(material, cut, self.optimisation, self.regularisation, self.numerics)
