"""Weights of the last stages as one bit each, with a scale for each channel, trained so and packed so."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from graft import artifact, backbones
from graft.artifact import Storage
from graft.backbones import Stage
from graft.compression._base import Compressed, Material, Method
from graft.compression._tune import Tuning, place, tuned
from graft.errors import SettingError, must

LAYERS = (nn.Conv2d, nn.Conv1d, nn.Linear)


class Signs(nn.Module):
    """A weight as its signs times the mean size of each output channel; gradients pass straight through.

    Source: Rastegari et al. 2016, "XNOR-Net", whose binary-weight form this is, section 3.1; the straight-through
    estimator is that of Bengio, Leonard and Courville 2013, arXiv:1308.3432.
    """

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the binary weight, of the same shape."""
        return weight + (signed(weight) - weight).detach()


def signed(weight: torch.Tensor) -> torch.Tensor:
    """Return ``sign(w) * mean |w|`` by output channel, where the sign of 0 is plus; (out, ...) as given."""
    scale = weight.abs().mean(dim=tuple(range(1, weight.ndim)), keepdim=True)
    return torch.where(weight >= 0, scale, -scale)


@dataclass(frozen=True, kw_only=True)
class Binary(Method):
    """Reduce the weights of the last stages to their signs, trained so on stored activations.

    They learn to give the features that they gave in float.
    Depthwise filters, norms and the head stay in float: they are few. The file shrinks; the speed stays, since
    processors have no kernels for one bit.
    """

    from_stage: str | int | None = None
    """Name or number of the first stage that becomes binary; none: the last quarter of the network."""
    epochs: int = 12
    """Passes over the training inputs."""
    lr: float = 1e-3
    """Learning rate of the weights behind the signs."""

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise SettingError(must("binary: epochs", "at least 1", self.epochs, "Take 12, say"))

    def apply(self, material: Material) -> Compressed:
        """Return the model with binary weights from a stage on."""
        model = material.model
        backbone = model.backbone
        cut = place(backbone, self.from_stage, 0.75)
        stages = copy.deepcopy(backbone.suffix(cut))
        names = chosen(stages)
        if not names:
            do = "Take an earlier from_stage"
            raise SettingError(must("the stages to become binary", "such that hold layers", "none", do))
        for name in names:
            parametrize.register_parametrization(stages.get_submodule(name), "weight", Signs())
        trained = tuned(material, cut, stages, Tuning(epochs=self.epochs, lr=self.lr))
        done = settled(trained.stages, names)
        kept = backbone.stages[:cut]
        new = [Stage(old.name, one, old.shape) for old, one in zip(backbone.stages[cut:], done, strict=True)]
        bits = tuple(place_of(one, cut) for one in names)
        before = Storage.from_json(model.manifest.get("storage", {}))
        manifest = {
            **model.manifest,
            "storage": replace(before, bits=tuple(sorted({*before.bits, *bits}))).to_json(),
            "cut": min(cut, model.cut),
        }
        found = replace(backbone, stages=(*kept, *new), classifier=nn.Identity())
        binary = sum(tensor.numel() for name, tensor in backbones.tensors_of(found).items() if name in bits)
        told = {
            "from_stage": backbone.stages[cut].name,
            "layers": list(bits),
            "weights": {"binary": binary, "all": found.parameters()},
            "history": [dict(one) for one in trained.history],
        }
        notes = (f"{binary:,} of {found.parameters():,} weights are one bit, from stage {told['from_stage']} on.",)
        made = replace(model, backbone=found)
        return Compressed(model=artifact.put(made, manifest), told=told, notes=(*notes, *trained.notes))


def chosen(stages: nn.Sequential) -> list[str]:
    """Return the names of the layers that become binary: all but depthwise ones, whose filters are few."""
    return [name for name, one in stages.named_modules() if isinstance(one, LAYERS) and getattr(one, "groups", 1) == 1]


def place_of(name: str, cut: int) -> str:
    """Return the name that a layer's weight has in the weights file; the first stage in ``name`` is that of the cut."""
    stage, _, rest = name.partition(".")
    return ".".join(part for part in ("stages", str(cut + int(stage)), rest, "weight") if part)


def settled(stages: nn.Sequential, names: list[str]) -> nn.Sequential:
    """Return the stages with plain binary weights in the place of those that were trained."""
    for name in names:
        layer = stages.get_submodule(name)
        lists: Any = layer.parametrizations
        behind: torch.Tensor = lists["weight"].original.detach()
        # The sum in ``Signs`` rounds; the file needs a sign and a scale to the bit.
        weight = signed(behind)
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        layer.weight = nn.Parameter(weight, requires_grad=False)
    return stages.eval().requires_grad_(False)
