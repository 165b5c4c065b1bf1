"""A fitted model as one module for export: preprocessed inputs in, logits and what the head saw out."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

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
    varies: bool
    """Whether the first axis of one input may be shorter."""

    def axes(self) -> dict[str, dict[int, str]]:
        """Return the names of the axes that may have any length, by input."""
        found = {name: {0: "batch"} for name in self.inputs}
        if self.varies:
            found[INPUT][1] = "length"
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


def averaged(found: torch.Tensor) -> torch.Tensor:
    """Return vectors (n, d) of what a head takes: maps are averaged over places, tokens over those that are real."""
    if found.ndim == 3:
        share = real_tokens(found)[..., None]
        return (found * share).sum(1) / share.sum(1)
    return found.mean((2, 3)) if found.ndim == 4 else found


def network(model: Assembled) -> Network:
    """Return the model as one module on the CPU, in eval mode."""
    backbone = model.backbone
    # At cut 0 the stages are all trained, and the prefix of a whole network still normalises.
    body = backbone.prefix(backbone.n_stages)
    kind: Any = FittedBeside if model.beside else Fitted
    module = kind(body, model.head).eval().requires_grad_(False)
    return Network(module, (INPUT, BESIDE) if model.beside else (INPUT,), backbone.preprocess.varies)
