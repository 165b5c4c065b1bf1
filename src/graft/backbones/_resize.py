"""Networks of which channels were removed: the architecture brought to the shapes that its tensors have."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from graft.backbones._base import Backbone, Stage, followed
from graft.errors import WeightsError, must


def resized(backbone: Backbone, shapes: Mapping[str, tuple[int, ...]]) -> Backbone:
    """Return a copy whose layers have the ``shapes``, by names as in ``tensors_of``; its tensors' content is undefined.

    Convolutions, linear layers and batch norms can be resized. Raises WeightsError for any other, and where the sizes
    of layers that follow each other do not fit.
    """
    stages = []
    for index, stage in enumerate(backbone.stages):
        prefix = f"stages.{index}."
        wanted = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
        module = copy.deepcopy(stage.module)
        resize(module, wanted)
        stages.append(module)
    try:
        found = reshaped(backbone, stages)
    except RuntimeError as error:
        do = "Compress again"
        got = str(error).partition("\n")[0]
        raise WeightsError(must("the pruned layers", "of sizes that fit each other", got, do)) from None
    return found


def reshaped(backbone: Backbone, modules: list[nn.Module]) -> Backbone:
    """Return the backbone with other modules for its stages, and the shapes of what they give."""
    kind = getattr(torch, backbone.preprocess.dtype)
    shapes = followed([backbone.normalise, *modules], backbone.preprocess.shape, kind)[1:]
    stages = tuple(
        Stage(old.name, module, shape) for old, module, shape in zip(backbone.stages, modules, shapes, strict=True)
    )
    return replace(backbone, stages=stages, classifier=nn.Identity())


def resize(root: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Bring the layers of a module to the shapes of their tensors. Raises WeightsError for one that cannot be."""
    for name, module in root.named_modules():
        own = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
        changed = {
            key: shapes[place]
            for key, value in own.items()
            if (place := f"{name}.{key}" if name else key) in shapes and shapes[place] != tuple(value.shape)
        }
        if not changed:
            continue
        for key, shape in changed.items():
            old: Any = own[key]
            new = torch.empty(shape, dtype=old.dtype)
            if isinstance(old, nn.Parameter):
                setattr(module, key, nn.Parameter(new, requires_grad=False))
            else:
                module.register_buffer(key, new)
        _told(module, name)


def _told(module: nn.Module, name: str) -> None:
    """Write the new sizes where the layer keeps them."""
    if isinstance(module, nn.Conv2d | nn.Conv1d):
        depthwise = module.groups == module.in_channels and module.groups > 1
        if module.groups > 1 and not depthwise:
            do = "Compress the network it came from by another method"
            raise WeightsError(must(f"the layer {name}", "whole or depthwise to be pruned", "grouped", do))
        module.out_channels = module.weight.shape[0]
        if depthwise:
            module.groups = module.out_channels
        module.in_channels = module.weight.shape[1] * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
        kept = module.weight if module.weight is not None else module.running_mean
        module.num_features = 0 if kept is None else len(kept)
    else:
        do = "Compress the network it came from by another method"
        kinds = "a convolution, linear layer or batch norm to be pruned"
        raise WeightsError(must(f"the layer {name}", kinds, type(module).__name__, do))
