"""Batch norms that keep their statistics, computed within the convolutions before them: the same sums, fewer passes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

CLOSE = 1e-3
"""How far, of the outputs' largest size, the folded model may be from the plain one."""


@dataclass(frozen=True)
class Norm:
    """What a batch norm in eval mode does: ``(x - mean) * weight / sqrt(var + eps) + bias``."""

    mean: torch.Tensor
    var: torch.Tensor
    weight: torch.Tensor | None
    bias: torch.Tensor | None
    eps: float

    def folded(self, weight: torch.Tensor, bias: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a convolution's weight (out, in, ...) and bias (out,) with this norm in them; gradients reach both."""
        scale = (self.var + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        shift = -self.mean * scale if bias is None else (bias - self.mean) * scale
        if self.bias is not None:
            shift = shift + self.bias
        return weight * scale.view(-1, *[1] * (weight.ndim - 1)), shift


class Folding(TorchFunctionMode):
    """Inside it, convolutions in ``norms`` (by the id of their weight) bring their batch norm along.

    A norm apart costs two passes over the activations forward and three backward, which for a 1 x 1 convolution on a
    CPU take as long as its products.
    """

    def __init__(self, norms: Mapping[int, Norm]) -> None:
        super().__init__()
        self.norms = norms
        self.done: dict[int, torch.Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Compute one function of torch."""
        given = dict(kwargs or {})
        if func is functional.batch_norm and self.done.pop(id(args[0]), None) is not None:
            return args[0]
        if func in _CONVOLUTIONS and (norm := self.norms.get(id(args[1]))) is not None:
            bias = args[2] if len(args) > 2 else given.pop("bias", None)
            weight, bias = norm.folded(args[1], bias)
            output = func(args[0], weight, bias, *args[3:], **given)
            # Held, so that no other tensor can get its id meanwhile.
            self.done[id(output)] = output
            return output
        return func(*args, **given)


_CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)


class _Finding(TorchFunctionMode):
    """Watches a forward pass for convolutions whose outputs go into one batch norm and nowhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.uses: dict[int, int] = {}
        self.found: dict[int, tuple[Norm, int]] = {}
        self.calls: dict[int, int] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func in _READS:
            return func(*args, **given)
        for one in _tensors((*args, *given.values())):
            if id(one) in self.outputs:
                self.uses[id(one)] = self.uses.get(id(one), 0) + 1
        if func is functional.batch_norm and id(args[0]) in self.outputs:
            weight = self.outputs[id(args[0])][1]
            names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
            told = {**dict(zip(names, args, strict=False)), **given}
            if not told.get("training") and told["running_mean"] is not None:
                norm = Norm(
                    told["running_mean"], told["running_var"], told.get("weight"), told.get("bias"), told["eps"]
                )
                self.found[id(weight)] = norm, id(args[0])
        output = func(*args, **given)
        if func in _CONVOLUTIONS:
            self.outputs[id(output)] = output, args[1]
            self.calls[id(args[1])] = self.calls.get(id(args[1]), 0) + 1
        return output

    def norms(self) -> dict[int, Norm]:
        """Return the norm of every convolution that was run once and led into it alone."""
        return {
            weight: norm
            for weight, (norm, output) in self.found.items()
            if self.calls[weight] == 1 and self.uses[output] == 1
        }


_READS = (torch.Tensor.ndim.__get__, torch.Tensor.shape.__get__, torch.Tensor.dtype.__get__, torch.Tensor.dim)  # type: ignore[attr-defined]
"""What is asked of a tensor without using its values."""


def _tensors(values: Iterable[Any]) -> Iterable[torch.Tensor]:
    for one in values:
        if isinstance(one, torch.Tensor):
            yield one
        elif isinstance(one, (tuple, list)):
            yield from _tensors(one)


def find(model: nn.Module, inputs: torch.Tensor) -> dict[int, Norm]:
    """Return the norms of ``model`` (in the modes that it is trained in) that can be folded, by their weights' ids.

    Left out: norms that follow weights without a gradient, which would have to be computed for the fold; all of them
    where the folded model gives something else for ``inputs`` (n, ...).
    """
    trained = {id(one) for one in model.parameters() if one.requires_grad}
    finding = _Finding()
    # From equal seeds, so that dropout drops the same.
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        with finding:
            plain = model(inputs)
        norms = {weight: norm for weight, norm in finding.norms().items() if weight in trained}
        if not norms:
            return {}
        torch.manual_seed(0)
        with Folding(norms):
            folded = model(inputs)
    close = float((folded - plain).abs().max()) <= CLOSE * float(plain.abs().max())
    return norms if close else {}
