"""Channels of least weight removed, over all layers together: smaller and faster on every machine."""

import copy
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from graft import artifact, backbones
from graft.backbones import Backbone
from graft.compression._base import Compressed, Material, Method
from graft.compression._tune import Tuning, place, tuned
from graft.errors import SettingError, must


@dataclass(frozen=True, kw_only=True)
class Prune(Method):
    """Remove the channels with the smallest weights, and train what is left on stored activations.

    It learns to give the features that the whole network gave.
    Channels that depend on each other go together (DepGraph, Fang et al. 2023, by the package torch-pruning) and are
    ranked by their magnitude over all layers at once. The stages before ``from_stage`` stay as they are, so that
    their activations come from the store.
    """

    share: float = 0.2
    """Of the channels of the stages that are pruned, how many go."""
    from_stage: str | int | None = None
    """Name or number of the first stage that is pruned; none: the second half of the network."""
    epochs: int = 12
    """Passes over the training inputs in the fine-tune that follows."""
    lr: float = 1e-3
    """Its learning rate."""

    @classmethod
    def missing(cls) -> str | None:
        """Return the package that is not installed."""
        return None if find_spec("torch_pruning") else "torch-pruning"

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise SettingError(must("prune: share", "above 0 and below 1", self.share, "Take 0.2, say"))
        if self.epochs < 1:
            raise SettingError(must("prune: epochs", "at least 1", self.epochs, "Take 12, say"))

    def apply(self, material: Material) -> Compressed:
        """Return the smaller model."""
        model = material.model
        backbone = model.backbone
        cut = place(backbone, self.from_stage, 0.5)
        stages = copy.deepcopy(backbone.suffix(cut))
        before = backbone.parameters()
        stages = pruned(stages, backbone, cut, self.share)
        trained = tuned(material, cut, stages, Tuning(epochs=self.epochs, lr=self.lr))
        modules = [*(one.module for one in backbone.stages[:cut]), *trained.stages]
        found = backbones.reshaped(backbone, modules)
        manifest = {**model.manifest, "pruned": True, "cut": min(cut, model.cut)}
        after = found.parameters()
        told = {
            "from_stage": backbone.stages[cut].name,
            "parameters": {"before": before, "after": after},
            "history": [dict(one) for one in trained.history],
        }
        notes = (f"{before - after:,} of {before:,} weights were removed, from stage {told['from_stage']} on.",)
        made = replace(model, backbone=found)
        return Compressed(model=artifact.put(made, manifest), told=told, notes=(*notes, *trained.notes))


def pruned(stages: nn.Sequential, backbone: Backbone, cut: int, share: float) -> nn.Sequential:
    """Return the stages without a share of their channels; what they give keeps its shape. Raises SettingError."""
    import torch_pruning

    shape = backbone.shape(cut)
    example = torch.zeros(2, *shape)
    for one in stages.parameters():
        one.requires_grad_(True)
    last = _last_layer(stages, example)
    if last is None or backbone.windowed or len(shape) != 3:
        do = "Take half or int8"
        raise SettingError(must("a network to be pruned", "one of convolutions", backbone.name, do))
    wanted = backbone.shape(backbone.n_stages)
    try:
        pruner: Any = torch_pruning.pruner.BasePruner(
            stages,
            example,
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            global_pruning=True,
            pruning_ratio=share,
            # A layer that lost nearly all would stop everything that follows.
            max_pruning_ratio=0.6,
            ignored_layers=[last],
            round_to=8,
        )
        pruner.step()
        with torch.no_grad():
            given = tuple(stages.eval()(example).shape[1:])
    except (RuntimeError, ValueError, KeyError, AttributeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        do = "Take another from_stage, or half or int8"
        raise SettingError(must("the stages to be pruned", "such that channels can be removed", first, do)) from None
    if given != wanted:
        do = "Take another from_stage, or half or int8"
        raise SettingError(must("what pruned stages give", f"of the shape {wanted}", given, do))
    return stages


def _last_layer(stages: nn.Sequential, example: torch.Tensor) -> nn.Module | None:
    """Return the convolution or linear layer that runs last: its channels are the features."""
    ran: list[nn.Module] = []
    hooks = [
        one.register_forward_hook(lambda module, *_: ran.append(module))
        for one in stages.modules()
        if isinstance(one, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        stages.eval()(example)
    for hook in hooks:
        hook.remove()
    return ran[-1] if ran else None
