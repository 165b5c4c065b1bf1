"""A fitted model as one module for export: preprocessed inputs in, logits and what the head saw out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from graft import runtimes
from graft.artifact import Assembled
from graft.backbones import real_tokens

INPUT = "input"
BESIDE = "beside"


@dataclass(frozen=True)
class Network:
    """The module, and what it takes."""

    module: nn.Module
    """Takes its inputs by position; gives (logits, features)."""
    inputs: tuple[str, ...]
    """``input``, and ``beside`` where the head takes more than the network's features."""
    open_axes: int
    """How many of the first axes of one input may be shorter."""
    file: bytes | None = field(default=None, repr=False)
    """ONNX that is run instead of the backbone, as after int8: (n, ...) to what the head takes; None for most."""

    def axes(self) -> dict[str, dict[int, str]]:
        """Return the names of the axes that may have any length, by input."""
        found = {name: {0: "batch"} for name in self.inputs}
        # The axis that any input has of them is the last.
        names = ("windows", "length")[2 - self.open_axes :] if self.open_axes else ()
        found[INPUT] |= dict(enumerate(names, start=1))
        return found


class Fitted(nn.Module):
    """Backbone and head: preprocessed inputs (n, ...) to logits (n, outputs) and features (n, d)."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, input: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and features."""
        found = self.body(input)
        return self.head(found), averaged(found)


class FittedBeside(Fitted):
    """The same where the head takes features (n, k) that stand beside the network's."""

    def forward(  # type: ignore[override]
        self,
        input: torch.Tensor,
        beside: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and features, those beside the network's last."""
        found = torch.cat([self.body(input), beside], dim=1)
        return self.head(found), found


class FromFile(nn.Module):
    """A backbone that is an ONNX file, for comparison: it can be asked, but not traced."""

    def __init__(self, content: bytes, shape: Sequence[int], *, axes: int) -> None:
        super().__init__()
        self.content, self.shape, self.axes = content, tuple(shape), axes

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return what the file gives for inputs (n, ...), one by one as a model is asked."""
        rows = [np.ascontiguousarray(one[None]) for one in input.numpy()]
        # As the model folder is run, but for a runtime that rounds 8 bits in another way than exported files are.
        ready, _ = runtimes.opened(self.content, rows[0].shape[1:], batch=1, runtime="onnxruntime", axes=self.axes)
        found = [ready(one) for one in rows]
        ready.close()
        return torch.from_numpy(np.concatenate(found))


def averaged(found: torch.Tensor) -> torch.Tensor:
    """Return vectors (n, d) of what a head takes: maps are averaged over places, tokens over those that are real."""
    if found.ndim == 3:
        share = real_tokens(found)[..., None]
        return (found * share).sum(1) / share.sum(1)
    return found.mean((2, 3)) if found.ndim == 4 else found


def network(model: Assembled) -> Network:
    """Return the model as one module on the CPU, in eval mode."""
    backbone = model.backbone
    axes = backbone.preprocess.open_axes
    # At cut 0 the stages are all trained, and the prefix of a whole network still normalises.
    body: nn.Module = backbone.prefix(backbone.n_stages)
    if model.network is not None:
        body = FromFile(model.network, backbone.stages[-1].shape, axes=axes)
    kind: Any = FittedBeside if model.beside else Fitted
    module = kind(body, model.head).eval().requires_grad_(False)
    return Network(module, (INPUT, BESIDE) if model.beside else (INPUT,), axes, model.network)
