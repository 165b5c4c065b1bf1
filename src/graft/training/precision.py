"""Which precision and memory layout a training step runs fastest in: measured on a copy, not assumed."""

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from graft.training.settings import Numerics

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

WORTH = 1.1
"""How much faster another way must be to be taken instead of float32 in the usual layout."""
PATIENCE_SECONDS = 4.0
"""No further way is tried once the measurement has taken this long."""


@dataclass(frozen=True)
class Choice:
    """How a training step runs."""

    precision: Literal["float32", "bfloat16"]
    layout: Literal["contiguous", "channels_last"]
    step_seconds: float | None = None
    """Of the measured step, or None where nothing was measured."""

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout as torch names it."""
        return torch.channels_last if self.layout == "channels_last" else torch.contiguous_format

    def autocast(self, device: str) -> AbstractContextManager[object]:
        """Return the context that the forward pass runs in."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(torch.device(device).type, torch.bfloat16)

    def place(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return a batch in the layout."""
        return inputs.contiguous(memory_format=self.memory_format) if inputs.ndim == 4 else inputs


# Two ways can be equally fast, and then noise decides; remembering keeps equal fits of one process equal to the bit.
_MEASURED: dict[str, Choice] = {}


def choose(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    loss: Loss,
    wanted: Numerics,
    prepare: Callable[[nn.Module], None],
) -> Choice:
    """Return the fastest way to train ``model`` on batches like ``inputs``; the model is left as it is.

    ``prepare`` puts a copy into training mode. A way whose loss differs from float32's by more than 5 % is not taken.
    """
    ways = _ways(inputs, wanted)
    if len(ways) == 1:
        return ways[0]
    key = _key(model, inputs, wanted)
    if key not in _MEASURED:
        _MEASURED[key] = _fastest(model, inputs, targets, loss, ways, prepare)
    return _MEASURED[key]


def _fastest(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    loss: Loss,
    ways: list[Choice],
    prepare: Callable[[nn.Module], None],
) -> Choice:
    begun = time.perf_counter()
    reference, best = 0.0, ways[0]
    for way in ways:
        if way is not ways[0] and time.perf_counter() - begun > PATIENCE_SECONDS:
            break
        trial = copy.deepcopy(model)
        prepare(trial)
        try:
            seconds, value = _measure(trial, inputs, targets, loss, way)
        except RuntimeError:
            if way is ways[0]:
                raise
            continue
        measured = Choice(way.precision, way.layout, seconds)
        if way is ways[0]:
            reference, best = value, measured
        # abs(nan) compares False, so a way that gives no number is not taken either.
        elif abs(value - reference) <= 0.05 * abs(reference) + 1e-3 and seconds * WORTH < (best.step_seconds or 0.0):
            best = measured
    return best


def _measure(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, loss: Loss, way: Choice
) -> tuple[float, float]:
    """Return the seconds of the faster of two steps after a first one, and the loss of the first."""
    device = inputs.device
    model.to(memory_format=way.memory_format)
    weights = [p for p in model.parameters() if p.requires_grad]
    first, taken = 0.0, float("inf")
    for turn in range(3):
        begun = time.perf_counter()
        with way.autocast(device.type):
            logits = model(way.place(inputs))
        value = loss(logits.float(), targets)
        torch.autograd.grad(value, weights, allow_unused=True)
        result = value.item()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if turn == 0:
            first = result
        else:
            taken = min(taken, time.perf_counter() - begun)
        if turn == 1 and taken > 1.0:
            break
    return taken, first


def _ways(inputs: torch.Tensor, wanted: Numerics) -> list[Choice]:
    precisions: list[Literal["float32", "bfloat16"]] = ["float32", "bfloat16"]
    layouts: list[Literal["contiguous", "channels_last"]] = ["contiguous", "channels_last"]
    if wanted.precision != "auto":
        precisions = [wanted.precision]
    elif not _has_bfloat16(inputs.device.type):
        precisions = ["float32"]
    if inputs.ndim != 4:
        layouts = ["contiguous"]
    elif wanted.layout != "auto":
        layouts = [wanted.layout]
    return [Choice(precision, layout) for precision in precisions for layout in layouts]


def _has_bfloat16(device: str) -> bool:
    """Return whether the hardware itself computes in bfloat16; emulation is never faster."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def _key(model: nn.Module, inputs: torch.Tensor, wanted: Numerics) -> str:
    shapes = [(name, tuple(p.shape), p.requires_grad) for name, p in model.named_parameters()]
    return repr((shapes, tuple(inputs.shape), str(inputs.device), torch.get_num_threads(), wanted))
