"""Fine-tuning of the last stages on stored activations; the stages before the cut run once."""

from dataclasses import dataclass
from typing import ClassVar

from graft.backbones import Backbone
from graft.errors import SettingError, must
from graft.strategies import _loop
from graft.strategies._base import Fitted, Material, Strategy
from graft.strategies._fine_tune import fine_tune
from graft.training import Numerics, Optimisation, Regularisation

OPTIMISATION = Optimisation(lr=1e-3, stage_decay=0.9, epochs=8)
REGULARISATION = Regularisation()
NUMERICS = Numerics()


@dataclass(frozen=True, kw_only=True)
class Partial(Strategy):
    """Trains the last stages and the head, starting from the linear probe's head."""

    continues: ClassVar[bool] = True
    rung: ClassVar[int | None] = 50

    stages: int | None = None
    """Number of last stages that are trained; none: the fewest that hold half of the weights."""
    from_stage: str | None = None
    """Name or number of the first stage that is trained, instead of a number of stages."""
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
        if self.stages is not None and self.stages < 1:
            do = "Take 1 or more, or the strategy linear_probe, which trains the head only"
            raise SettingError(must("stages", "at least 1", self.stages, do))
        if self.stages is not None and self.from_stage is not None:
            got = f"stages={self.stages} and from_stage={self.from_stage!r}"
            raise SettingError(must("the cut", "given once", got, "Leave one of them out"))

    def cut(self, backbone: Backbone) -> int:
        """Return the cut. Raises SettingError if the backbone has no such stage, or nothing to train is left."""
        found = self._cut(backbone)
        if not any(True for stage in backbone.stages[found:] for _ in stage.module.parameters()):
            names = ", ".join(stage.name for stage in backbone.stages[found:]) or "none"
            do = "Train more stages, or take the strategy linear_probe"
            raise SettingError(must("the trained stages", "some that have weights", names, do))
        return found

    def _cut(self, backbone: Backbone) -> int:
        if self.from_stage is not None:
            if self.from_stage.isdecimal():
                return backbone.check_cut(int(self.from_stage))
            return backbone.find(self.from_stage)
        if self.stages is not None:
            return backbone.check_cut(backbone.n_stages - self.stages)
        sizes = [sum(p.numel() for p in stage.module.parameters()) for stage in backbone.stages]
        return max(cut for cut in range(len(sizes)) if 2 * sum(sizes[cut:]) >= sum(sizes))

    @property
    def n_views(self) -> int:
        """The views that are stored."""
        return self.views

    def fit(self, material: Material) -> Fitted:
        """Train copies of the stages after the cut. Raises DivergenceError."""
        cut = self.cut(material.backbone)
        return fine_tune(material, cut, self.optimisation, self.regularisation, self.numerics)
