"""Depthwise convolutions in training: filters left as pretrained, and those with a stride kept out of bfloat16."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn


def depthwise(module: nn.Module) -> list[nn.Conv2d]:
    """Return the convolutions of one filter a channel."""
    return [one for one in module.modules() if isinstance(one, nn.Conv2d) and 1 < one.groups == one.in_channels]


def freeze(stages: nn.Module) -> None:
    """Leave out the filters of depthwise convolutions, unless that is most of what there is to train.

    On a CPU the gradient of 1,152 filters of 5 x 5 takes eight times as long as all else that their layer computes.
    """
    filters = [one.weight for one in depthwise(stages)]
    if 2 * sum(one.numel() for one in filters) < sum(one.numel() for one in stages.parameters()):
        for one in filters:
            one.requires_grad_(False)


@contextmanager
def in_float32(module: nn.Module) -> Iterator[None]:
    """Keep depthwise convolutions with a stride out of autocast.

    On a CPU the backward pass of one took thirty times as long in bfloat16; those without a stride take as long in
    either, and converting what goes in and comes out would cost a seventh of a step.
    """
    found = [one for one in depthwise(module) if max(one.stride) > 1]
    for one in found:
        one.forward = partial(_plain, one.forward)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for one in found:
            del one.forward


def _plain(forward: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
    with torch.autocast(inputs.device.type, enabled=False):
        return forward(inputs.float())
