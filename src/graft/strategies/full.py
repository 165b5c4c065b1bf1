"""Fine-tuning of the whole network on stored, preprocessed inputs."""

from dataclasses import dataclass
from typing import ClassVar

from graft.backbones import Backbone
from graft.strategies import _loop
from graft.strategies._base import Fitted, Material, Strategy
from graft.strategies._fine_tune import fine_tune
from graft.training import Numerics, Optimisation, Regularisation

OPTIMISATION = Optimisation(lr=5e-4, stage_decay=0.8, epochs=8)
REGULARISATION = Regularisation()
NUMERICS = Numerics()


@dataclass(frozen=True, kw_only=True)
class Full(Strategy):
    """Trains every stage and the head, starting from the linear probe's head."""

    continues: ClassVar[bool] = True
    rung: ClassVar[int | None] = 60

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
        """Return 0: nothing is frozen."""
        return 0

    @property
    def n_views(self) -> int:
        """The views that are stored."""
        return self.views

    def fit(self, material: Material) -> Fitted:
        """Train copies of all stages. Raises DivergenceError."""
        return fine_tune(material, 0, self.optimisation, self.regularisation, self.numerics)
