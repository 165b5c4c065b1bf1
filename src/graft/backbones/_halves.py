"""Cuts a timm network that cannot be traced into its two halves: ``forward_features`` and ``forward_head``."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from graft.backbones._family import Piece
from graft.errors import SettingError, must


class Half(nn.Module):
    """One half of a timm network, holding only the submodules that it calls, under their original names."""

    def __init__(self, model: Any, used: frozenset[str], *, head: bool) -> None:
        super().__init__()
        # A shallow copy shares the submodules with the network; the unused ones leave the copy only.
        half = copy.copy(model)
        half._modules = {name: child for name, child in model._modules.items() if name in used}
        half._parameters = {} if head else dict(model._parameters)
        half._buffers = {} if head else dict(model._buffers)
        self._modules = half._modules
        self._parameters = half._parameters
        self._buffers = half._buffers
        # In a tuple, so that the tensors are registered once and under the network's own names.
        self._half = (half,)
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features (n, ...) of inputs, or the vector (n, features) of features."""
        (half,) = self._half
        call: Callable[..., torch.Tensor] = half.forward_head if self.head else half.forward_features
        return call(x, pre_logits=True) if self.head else call(x)


def halves(
    model: Any, shape: tuple[int, ...], classifier: Sequence[str], trouble: Exception
) -> tuple[tuple[Piece, ...], nn.Module]:
    """Return the two halves of a timm network as stages, and its classifier.

    Raises SettingError where the network has no such halves, or where they do not give what the network gives.
    """
    do = "Take another backbone; `graft list backbones` names some that can be cut"
    refusal = SettingError(must("backbone", "a network that can be cut", f"{type(model).__name__} ({trouble})", do))
    if not hasattr(model, "forward_features") or not hasattr(model, "forward_head") or len(classifier) != 1:
        raise refusal from trouble
    top = model.get_submodule(classifier[0])
    x = torch.rand(1, *shape)
    try:
        with torch.no_grad():
            first, features = _using(model, model.forward_features, x)
            second, vector = _using(model, lambda y: model.forward_head(y, pre_logits=True), features)
            if first & second:
                raise refusal from trouble
            front, back = Half(model, first, head=False), Half(model, second, head=True)
            if not torch.equal(top(back(front(x))), model(x)):
                raise refusal from trouble
    except (RuntimeError, TypeError, AttributeError, ValueError) as error:
        if error is refusal:
            raise
        raise refusal from error
    return (
        Piece("features", front, tuple(features.shape[1:])),
        Piece("pool", back, tuple(vector.shape[1:])),
    ), top


def _using(
    model: nn.Module, call: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> tuple[frozenset[str], torch.Tensor]:
    """Return the names of the direct submodules that have a part in a call, and what it returns."""
    used: set[str] = set()
    handles = [
        part.register_forward_pre_hook(lambda _module, _inputs, name=name: used.add(name))
        for name, child in model.named_children()
        for part in child.modules()
    ]
    try:
        result = call(x)
    finally:
        for handle in handles:
            handle.remove()
    return frozenset(used), result
