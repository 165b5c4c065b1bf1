"""Channels that matter least removed, over all layers together: smaller and faster on every machine."""

import copy
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import nn

from graft import artifact, backbones
from graft.backbones import Backbone
from graft.compression._base import Compressed, Material, Method, batches
from graft.compression._tune import Tuning, place, tuned
from graft.errors import SettingError, must

TAYLOR, MAGNITUDE = "taylor", "magnitude"
BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Prune(Method):
    """Remove the channels that matter least, and train what is left on stored activations.

    It learns to give the features that the whole network gave.
    Channels that depend on each other go together (DepGraph, Fang et al. 2023, by the package torch-pruning) and are
    ranked over all layers at once. The stages before ``from_stage`` stay as they are, so that their activations come
    from the store.
    """

    share: float = 0.2
    """Of the channels of the stages that are pruned, how many go."""
    by: str = TAYLOR
    """What ranks them: ``taylor``, how much the loss on training inputs would change without them to first order
    (Molchanov et al. 2019), or ``magnitude`` of their weights."""
    from_stage: str | int | None = None
    """Name or number of the first stage that is pruned; none: the second half of the network."""
    inputs: int = 512
    """Training inputs by which ``taylor`` ranks."""
    epochs: int = 8
    """Passes over the training inputs in the fine-tune that follows."""
    lr: float = 3e-4
    """Its learning rate."""

    @classmethod
    def missing(cls) -> str | None:
        """Return the package that is not installed."""
        return None if find_spec("torch_pruning") else "torch-pruning"

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise SettingError(must("prune: share", "above 0 and below 1", self.share, "Take 0.2, say"))
        if self.by not in (TAYLOR, MAGNITUDE):
            raise SettingError(must("prune: by", f"{TAYLOR} or {MAGNITUDE}", repr(self.by), f"Take {TAYLOR}"))
        for name, usual in (("epochs", 8), ("inputs", 512)):
            if getattr(self, name) < 1:
                raise SettingError(must(f"prune: {name}", "at least 1", getattr(self, name), f"Take {usual}, say"))

    def apply(self, material: Material) -> Compressed:
        """Return the smaller model."""
        model = material.model
        backbone = model.backbone
        cut = place(backbone, self.from_stage, 0.5)
        stages = copy.deepcopy(backbone.suffix(cut)).requires_grad_(True).eval()
        before = backbone.parameters()
        # Before anything is run for it: a network of another kind is refused at once.
        last = _last_layer(stages, backbone, cut)
        if self.by == TAYLOR:
            _slopes(material, cut, stages, self.inputs)
        stages = pruned(stages, backbone, cut, self.share, by=self.by, last=last)
        # What is left is near the whole, and the statistics of its norms are too.
        trained = tuned(material, cut, stages, Tuning(epochs=self.epochs, lr=self.lr, freeze_norms=True))
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


def _slopes(material: Material, cut: int, stages: nn.Sequential, count: int) -> None:
    """Leave in the stages' parameters the slopes of the task's loss on ``count`` training inputs, behind the head.

    What stands beside the network's features is taken for its mean.
    """
    model, activations = material.model, material.activations(cut)
    rows = np.random.default_rng(material.seed).permutation(material.train)[:count]
    width = 0 if model.beside is None else model.beside.width
    for some in batches(rows, BATCH):
        found = stages(torch.from_numpy(np.ascontiguousarray(activations.read(some), np.float32)))
        if width:
            found = torch.cat([found, torch.zeros(len(some), width)], dim=1)
        goal = torch.from_numpy(material.targets[some])
        goal = goal if model.task.form == "class" else goal.float()
        model.task.loss(model.head(found), goal, label_smoothing=0.0, weights=None).backward()  # type: ignore[no-untyped-call]


def pruned(
    stages: nn.Sequential, backbone: Backbone, cut: int, share: float, *, by: str, last: nn.Module
) -> nn.Sequential:
    """Return the stages without a share of their channels; what they give keeps its shape. Raises SettingError.

    To be ranked by ``taylor`` they have to hold slopes. The channels of the ``last`` layer are the features, and stay.
    """
    import torch_pruning

    example = torch.zeros(2, *backbone.shape(cut))
    wanted = backbone.shape(backbone.n_stages)
    kinds = torch_pruning.importance
    importance = kinds.GroupTaylorImportance() if by == TAYLOR else kinds.GroupMagnitudeImportance(p=2)
    try:
        pruner: Any = torch_pruning.pruner.BasePruner(
            stages,
            example,
            importance=importance,
            global_pruning=True,
            pruning_ratio=share,
            # A layer that lost nearly all would stop everything that follows.
            max_pruning_ratio=0.6,
            ignored_layers=[last],
            round_to=8,
        )
        pruner.step()
        stages.zero_grad()
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


def _last_layer(stages: nn.Sequential, backbone: Backbone, cut: int) -> nn.Module:
    """Return the convolution or linear layer that runs last. Raises SettingError where the network is of others."""
    shape = backbone.shape(cut)
    ran: list[nn.Module] = []
    hooks = [
        one.register_forward_hook(lambda module, *_: ran.append(module))
        for one in stages.modules()
        if isinstance(one, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        stages.eval()(torch.zeros(2, *shape))
    for hook in hooks:
        hook.remove()
    if not ran or backbone.windowed or len(shape) != 3:
        do = "Take half or int8"
        raise SettingError(must("a network to be pruned", "one of convolutions", backbone.name, do))
    return ran[-1]
