"""A network that is written as stages, so that it needs no tracing to be cut."""

from collections import OrderedDict
from collections.abc import Iterable

import torch
from torch import nn

from graft.backbones._base import Stage, followed, frozen


class Staged(nn.Sequential):
    """Named stages in order; each takes the output of the one before it, batch first, and gives one tensor."""

    def __init__(self, stages: Iterable[tuple[str, nn.Module]]) -> None:
        super().__init__(OrderedDict(stages))

    def cut(self, shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Stage, ...]:
        """Return the stages, frozen and in eval mode; they hold the network's own modules, not copies.

        ``shape`` and ``dtype`` are those of one input, without the batch axis. A stage's tensors keep the names that
        they have in the whole network, so that no two stages share one: the hash of the weights goes by name.
        """
        modules = [nn.Sequential(OrderedDict([child])) for child in self.named_children()]
        frozen(modules)
        names = [name for name, _ in self.named_children()]
        shapes = followed(modules, shape, dtype)
        return tuple(Stage(*one) for one in zip(names, modules, shapes, strict=True))
